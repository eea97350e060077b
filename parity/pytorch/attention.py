"""Compute attention over real steps in PyTorch, by a softmax, by a layer and in nested tensors.

If every key is masked, a softmax divides 0 by 0. `softmax` masks the NaN afterwards, which is enough because the scores
are masked by a selection too. Inside a layer the NaN reaches the gradients of the weights
(https://github.com/pytorch/pytorch/issues/41508), so there an empty sequence attends to one step of zeros.
``key_padding_mask`` is True on padding, while a Keras mask is True on real steps. See
https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html.
"""

from functools import cache

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

from parity.pytorch import runtime


def softmax(scores, lengths, *, axis=-1, variant="masked_fill"):  # (B, T) or (B, T, D), (B,)
    """Normalise scores by a softmax over the real steps of each sequence.

    Args:
        axis: the time axis: -1 for one score per step, -2 for one per feature.

    Returns:
        weights: shaped like scores; they sum to 1 over each non-empty sequence and are zero on padding.

    >>> softmax(torch.tensor([[1.0, 1.0, 9.0]]), torch.tensor([2]))["weights"]
    tensor([[0.5000, 0.5000, 0.0000]])
    """
    real = runtime.valid(lengths, scores.shape[axis])  # (B, T)
    if axis == -2:
        real = real[:, :, None]
    weights = scores.masked_fill(~real, -torch.inf).softmax(axis)  # NaN if the sequence is empty
    return {"weights": torch.where(real, weights, 0)}


def multi_head_attention(x, lengths, w_in, bias_in, w_out, bias_out, *, heads, variant="layer"):
    """Compute multi-head attention among the real steps of each sequence.

    Args:
        x: (B, T, H). lengths: (B,).
        w_in, bias_in: (H, 3, H), (2, H), for queries, keys and values, head by head; keys need no bias.
        w_out, bias_out: (H, H), (H,).
        heads: number of heads, which divides H.
        variant: "layer" or "nested": a nested tensor of the jagged layout, without padding and masks.

    Returns:
        y: (B, T, H), zero on padding.

    >>> one, zero = torch.ones(1, 3, 1), torch.zeros(2, 1)
    >>> x = torch.tensor([[[2.0], [2.0], [9.0]]])
    >>> y = multi_head_attention(x, torch.tensor([2]), one, zero, torch.ones(1, 1), torch.zeros(1), heads=1)["y"]
    >>> y.flatten()
    tensor([2., 2., 0.])
    """
    real = runtime.valid(lengths, x.shape[1])  # (B, T)
    if runtime.pick(("layer", "nested"), variant) == "nested":
        return {"y": nested(x, lengths, real, w_in, bias_in, w_out, bias_out, heads)}
    seen = runtime.valid(lengths.clamp(min=1), x.shape[1])  # an empty sequence attends to one step of zeros
    x = runtime.only_real(real, x)
    weights = torch_layout(w_in, bias_in, w_out, bias_out)
    y, _ = functional_call(built(x.shape[2], heads, x.dtype), weights, (x, x, x), {"key_padding_mask": ~seen})
    return {"y": runtime.only_real(real, y)}


def torch_layout(w_in, bias_in, w_out, bias_out):  # (H, 3, H)  (2, H)  (H, H)  (H,)
    """Return the weights as `torch.nn.MultiheadAttention` names and arranges them."""
    q, v = bias_in
    return {
        "in_proj_weight": w_in.flatten(1).T,  # (3H, H)
        "in_proj_bias": torch.cat([q, torch.zeros_like(q), v]),
        "out_proj.weight": w_out.T,
        "out_proj.bias": bias_out,
    }


def nested(x, lengths, real, w_in, bias_in, w_out, bias_out, heads):
    """Attend in nested tensors, whose values are the real steps of all sequences, one behind the other.

    The offsets tell where each sequence begins. Without any real step, the kernel raises.
    """
    values, offsets = x[real], F.pad(lengths.cumsum(0), (1, 0))  # (N, H)  (B + 1,)
    if not len(values):
        return torch.zeros_like(x)
    b_q, b_v = bias_in
    q, k, v = (values @ part for part in w_in.unbind(1))
    split = [part.unflatten(1, (heads, -1)) for part in (q + b_q, k, v + b_v)]  # (N, heads, H / heads)
    with runtime.quiet():  # nested tensors are a prototype, and say so
        jagged = [torch.nested.nested_tensor_from_jagged(part, offsets).transpose(1, 2) for part in split]
        heard = F.scaled_dot_product_attention(*jagged).transpose(1, 2).values()
    return torch.zeros_like(x).masked_scatter(real[:, :, None], heard.flatten(1) @ w_out + bias_out)


@cache
def built(hidden, heads, dtype):
    """Build an empty layer once; its weights are passed in at every call."""
    return nn.MultiheadAttention(hidden, heads, batch_first=True, device="meta", dtype=dtype)
