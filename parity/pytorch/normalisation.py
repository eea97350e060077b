"""Normalise steps and batches in PyTorch, without their padding.

`torch.nn.functional.batch_norm` takes no mask, so the real steps are selected, normalised as an (N, H) batch and put
back. Its momentum is the share of the new statistic, and its running variance has Bessel's correction; Keras differs in
both. See https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm1d.html.
"""

import torch
import torch.nn.functional as F

from parity.pytorch import runtime


def layer_norm(x, lengths, gamma, beta, *, eps=1e-5, variant="masked"):  # (B, T, H)  (B,)  (H,)  (H,)
    """Normalise each step's features.

    Args:
        eps: added to the variance; the default is 1e-5 in `torch` and 1e-3 in Keras.

    Returns:
        y: (B, T, H), zero on padding, where the layer itself leaves ``beta``.

    >>> x = torch.tensor([[[1.0, 3.0], [7.0, 9.0]]])
    >>> layer_norm(x, torch.tensor([1]), torch.ones(2), torch.zeros(2), eps=0.0)["y"]
    tensor([[[-1.,  1.],
             [ 0.,  0.]]])
    """
    real = runtime.valid(lengths, x.shape[1])
    y = F.layer_norm(runtime.only_real(real, x), gamma.shape, gamma, beta, eps)
    return {"y": runtime.only_real(real, y)}


def batch_norm(
    x,
    lengths,
    gamma,
    beta,
    running_mean,
    running_variance,
    *,
    training,
    momentum=0.1,
    eps=1e-5,
    updates=1,
    variant="flattened",
):  # (B, T, H)  (B,)  (H,)  (H,)  (H,)  (H,)
    """Normalise each feature over all real steps.

    Args:
        training: True to use the batch's mean and variance, False to use the running ones.
        momentum: share of the new value in a running statistic.
        eps: added to the variance; the default is 1e-5 in `torch` and 1e-3 in Keras.
        updates: how often this batch updates the running statistics.

    Returns:
        y: (B, T, H), zero on padding. In training also running_mean, running_variance: (H,), unchanged if no
            step of the batch is real. The variance is biased.

    >>> x, one, zero = torch.tensor([[[1.0], [3.0], [9.0]]]), torch.ones(1), torch.zeros(1)
    >>> training = batch_norm(x, torch.tensor([2]), one, zero, zero, one, training=True, momentum=0.5, eps=1e-12)
    >>> training["y"].flatten(), training["running_mean"]
    (tensor([-1.,  1.,  0.]), tensor([1.]))

    The deviation of a single real step is 0, so y is ``beta``.

    >>> batch_norm(x, torch.tensor([1]), one, zero + 0.5, zero, one, training=True)["y"].flatten()
    tensor([0.5000, 0.0000, 0.0000])
    """
    real = runtime.valid(lengths, x.shape[1])
    mean, variance = running_mean.detach().clone(), running_variance.detach().clone()  # buffers, written in place
    y, steps = torch.zeros_like(x), x[real]  # (N, H)
    if not training:
        y[real] = F.batch_norm(steps, mean, variance, gamma, beta, eps=eps)
        return {"y": y}
    if len(steps):
        for _ in range(updates):
            y[real] = trained(steps, mean, variance, gamma, beta, momentum, eps)
        variance = biased(variance, running_variance.detach() * (1 - momentum) ** updates, len(steps))
    return {"y": y, "running_mean": mean, "running_variance": variance}


def rms_norm(x, lengths, gamma, *, eps=1e-6, variant="layer"):  # (B, T, H)  (B,)  (H,)
    """Divide each step by the root of its mean square.

    Args:
        eps: added to the mean square; the default is the roundoff of the dtype in `torch`, and 1e-6 in Keras.
        variant: "layer", or "rsqrt", as language models have it.

    Returns:
        y: (B, T, H), zero on padding.

    >>> rms_norm(torch.tensor([[[1.0, 7.0], [9.0, 9.0]]]), torch.tensor([1]), torch.ones(2), eps=0.0)["y"]
    tensor([[[0.2000, 1.4000],
             [0.0000, 0.0000]]])
    """
    real = runtime.valid(lengths, x.shape[1])
    x = runtime.only_real(real, x)
    if runtime.pick(("layer", "rsqrt"), variant) == "layer":
        y = F.rms_norm(x, gamma.shape, gamma, eps)
    else:
        y = x * (x.square().mean(2, keepdim=True) + eps).rsqrt() * gamma
    return {"y": runtime.only_real(real, y)}


def unit_norm(x, lengths, *, eps=1e-12, variant="normalize"):  # (B, T, H)  (B,)
    """Divide each step by its Euclidean norm. The slope of `torch.norm` at 0 is 0; that of a root is infinite.

    Args:
        eps: the least norm to divide by; `tf.math.l2_normalize` takes its square.

    Returns:
        y: (B, T, H), zero on padding, and for a step of zeros.

    >>> unit_norm(torch.tensor([[[3.0, 4.0], [0.0, 0.0]]]), torch.tensor([2]))["y"]
    tensor([[[0.6000, 0.8000],
             [0.0000, 0.0000]]])
    """
    real = runtime.valid(lengths, x.shape[1])
    y = F.normalize(runtime.only_real(real, x), dim=2, eps=eps)
    return {"y": runtime.only_real(real, y)}


def trained(steps, mean, variance, gamma, beta, momentum, eps):  # (N, H)  (H,)...
    """Normalise steps by their own statistics, and update the running ones in place."""
    if len(steps) > 1:
        return F.batch_norm(steps, mean, variance, gamma, beta, training=True, momentum=momentum, eps=eps)
    twice = steps.expand(2, -1)  # torch rejects a single step; two copies have the same mean and variance
    return trained(twice, mean, variance, gamma, beta, momentum, eps)[:1]


def biased(variance, kept, n):
    """Remove Bessel's correction from the running variance, except from its older part ``kept``."""
    return kept + (variance - kept) * (n - 1) / n if n > 1 else variance
