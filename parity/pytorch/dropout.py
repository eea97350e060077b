"""Compute attention with dropout in PyTorch, by a given mask.

`torch.nn.functional.scaled_dot_product_attention` and the layers draw their own mask, which no other framework can
repeat. What it runs where no fused kernel can, `_scaled_dot_product_attention_math`, takes one: PyTorch's tests compare
the fused kernels with it in this way. It scales the values in place of the weights. See
https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html.
"""

import math
import warnings

import torch

from parity.pytorch import runtime
from parity.pytorch.decoder import causal as earlier
from parity.pytorch.decoder import joined, split


def self_attention(
    x, lengths, kept, w_in, bias_in, w_out, bias_out, *, heads, rate, training, causal, left=False, variant="where"
):
    """Compute multi-head attention whose weights are dropped in training: behind the softmax, and scaled up.

    Args:
        x: (B, T, H). lengths: (B,).
        kept: (B, T, T, heads), 1 where a query keeps the weight of a key, 0 where it is dropped.
        w_in, bias_in: (H, 3, H), (2, H), for queries, keys and values, head by head; keys need no bias.
        w_out, bias_out: (H, H), (H,).
        heads: number of heads, which divides H.
        rate: share of the weights that is dropped, from 0 to below 1.
        training: whether anything is dropped; in evaluation, nothing is, and nothing is scaled.
        causal: whether each step attends to itself and the steps before it only.
        left: whether padding precedes each sequence.
        variant: "where" or "math_kernel".

    Returns:
        y: (B, T, H), zero on padding.

    >>> one, zero = torch.ones(1, 3, 1), torch.zeros(2, 1)
    >>> x, kept = torch.tensor([[[2.0], [2.0], [9.0]]]), torch.tensor([[[1, 1, 1], [0, 1, 1], [1, 1, 1]]])[..., None]
    >>> options = {"heads": 1, "rate": 0.5, "training": True, "causal": False}
    >>> y = self_attention(x, torch.tensor([2]), kept, one, zero, torch.ones(1, 1), torch.zeros(1), **options)["y"]
    >>> y.flatten()
    tensor([4., 2., 0.])
    """
    real = runtime.valid(lengths, x.shape[1], left)
    x, seen = runtime.only_real(real, x), (earlier if causal else either_way)(real)[:, None]
    b_q, b_v = bias_in
    q, k, v = (x @ part for part in w_in.unbind(1))
    q, k, v = split(q + b_q, heads), split(k, heads), split(v + b_v, heads)  # (B, heads, T, H / heads)
    attend = runtime.pick({"where": by_where, "math_kernel": by_kernel}, variant)
    heard = attend(q, k, v, seen, kept.permute(0, 3, 1, 2) > 0, rate, training)
    return {"y": runtime.only_real(real, joined(heard) @ w_out + bias_out)}


def either_way(real):  # (B, T) -> (B, T, T)
    """Return True where a query may attend to a key: a real one, or itself."""
    return real[:, None] | torch.eye(real.shape[1], dtype=torch.bool, device=real.device)


def by_where(q, k, v, seen, kept, rate, training):
    scores = (q @ k.mT / math.sqrt(q.shape[-1])).masked_fill(~seen, -torch.inf)
    weights = scores.softmax(-1)
    if training:
        weights = torch.where(kept, weights / (1 - rate), 0)
    return weights @ v


def by_kernel(q, k, v, seen, kept, rate, training):
    options = {"dropout_p": rate, "dropout_mask": kept} if training else {}
    mask = torch.zeros_like(seen, dtype=q.dtype).masked_fill(~seen, -torch.inf)
    with warnings.catch_warnings():  # once in a process, it warns that a mask is for tests only
        warnings.filterwarnings("ignore", "Dropout mask should only be used for testing", UserWarning)
        return torch._scaled_dot_product_attention_math(q, k, v, mask, **options)[0]
