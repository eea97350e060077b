"""Apply dense and convolutional layers in PyTorch, and zero the padding after each.

A mask on the input is not enough: the bias turns every padded step into ``activation(bias)``. The next layer reads
that, and a convolution carries it into real steps. See
https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html and
https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.conv1d.html.
"""

import torch
import torch.nn.functional as F

from parity.pytorch import runtime

ACTIVATIONS = {"linear": lambda a: a, "relu": F.relu, "sigmoid": torch.sigmoid, "tanh": torch.tanh}


def dense(x, lengths, w, bias, *, activation="linear", variant="masked"):  # (B, T, D)  (B,)  (D, H)  (H,)
    """Apply a dense layer and its activation to each step.

    Args:
        activation: "linear", "relu", "sigmoid" or "tanh".

    Returns:
        y: (B, T, H), zero on padding; without the mask, `sigmoid` of a bias of 0 would leave 0.5 there.

    >>> dense(torch.ones(1, 3, 1), torch.tensor([2]), torch.ones(1, 1), torch.ones(1))["y"].flatten()
    tensor([2., 2., 0.])
    """
    real = runtime.valid(lengths, x.shape[1])
    y = ACTIVATIONS[activation](F.linear(runtime.only_real(real, x), w.T, bias))
    return {"y": runtime.only_real(real, y)}


def conv1d(x, lengths, w, bias, *, padding="same", variant="masked"):  # (B, T, D)  (B,)  (K, D, H)...  (H,)...
    """Apply convolutions over time, one after the other, to sequences extended by zeros.

    Args:
        w, bias: tuples, one item per layer.
        padding: "same" with an odd K, or "causal", which `torch` lacks: the input is extended by hand.

    Returns:
        y: (B, T, H), zero on padding.

    >>> add_up = [torch.ones(3, 1, 1)], [torch.zeros(1)]
    >>> conv1d(torch.tensor([[[1.0], [2.0], [3.0], [9.0]]]), torch.tensor([3]), *add_up)["y"].flatten()
    tensor([3., 6., 5., 0.])
    """
    real = runtime.valid(lengths, x.shape[1])
    y = runtime.only_real(real, x)
    for kernel, shift in zip(w, bias):
        y = convolved(y, torch_layout(kernel), shift, padding)
        y = runtime.only_real(real, y)  # or the next layer would see the bias behind the end
    return {"y": y}


def torch_layout(kernel):  # (K, D, H) -> (H, D, K)
    """Move the axis of the kernel's steps from first to last, as `torch` expects it."""
    return kernel.permute(2, 1, 0)


def convolved(x, kernel, shift, padding):  # (B, T, D)  (H, D, K)  (H,) -> (B, T, H)
    """Apply one layer, with time as the last axis in between."""
    x = x.mT  # (B, D, T)
    if padding == "causal":
        x, padding = F.pad(x, (kernel.shape[2] - 1, 0)), "valid"
    return F.conv1d(x, kernel, shift, padding=padding).mT
