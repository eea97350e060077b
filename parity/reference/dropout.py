"""Compute attention with dropout; padding is cut off first."""

import autograd.numpy as np

from parity.reference import runtime
from parity.reference.attention import joined, projected, scores_of


def self_attention(x, lengths, kept, w_in, bias_in, w_out, bias_out, *, heads, rate, training, causal, left=False):
    """Compute multi-head attention whose weights are dropped in training: behind the softmax, and scaled up.

        weights = softmax(q kᵀ / sqrt(H / heads)) · kept / (1 - rate)        head = weights v

    Args:
        x: (B, T, H). lengths: (B,).
        kept: (B, T, T, heads), 1 where a query keeps the weight of a key, 0 where it is dropped.
        w_in, bias_in: (H, 3, H), (2, H), as for `parity.reference.attention.multi_head_attention`.
        w_out, bias_out: (H, H), (H,).
        heads: number of heads, which divides H.
        rate: share of the weights that is dropped, from 0 to below 1.
        training: whether anything is dropped; in evaluation, nothing is, and nothing is scaled.
        causal: whether each step attends to itself and the steps before it only.
        left: whether padding precedes each sequence.

    Returns:
        y: (B, T, H), zero on padding.

    >>> one, zero = np.ones((1, 3, 1)), np.zeros((2, 1))
    >>> x, kept = np.array([[[2.0], [2.0], [9.0]]]), np.array([[[1, 1, 1], [0, 1, 1], [1, 1, 1]]])[..., None]
    >>> options = {"heads": 1, "rate": 0.5, "training": True, "causal": False}
    >>> self_attention(x, [2], kept, one, zero, np.ones((1, 1)), np.zeros(1), **options)["y"].ravel()
    array([4., 2., 0.])
    """
    start = [x.shape[-2] - length if left else 0 for length in lengths]
    rows = []
    for row, alone in enumerate(runtime.sequences(x, lengths, left)):
        q, k, v = projected(alone, w_in, bias_in, heads)
        real = slice(start[row], start[row] + lengths[row])
        weights = shares(q, k, causal)
        if training:
            weights = np.where(np.moveaxis(kept[row, real, real], -1, 0) > 0, weights / (1 - rate), 0)
        rows.append(joined(weights @ v, w_out, bias_out))
    return {"y": runtime.padded(rows, x, left)}


def shares(q, k, causal):  # (heads, n, size)  (heads, n, size) -> (heads, n, n)
    """Return the weights of all keys for each query; with ``causal``, later ones have none."""
    allowed = np.tri(q.shape[-2], dtype=bool) | (not causal)
    return runtime.softmax(np.where(allowed, scores_of(q, k), -np.inf), -1)
