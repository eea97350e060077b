"""Compute attention over the real steps of each sequence; padding is cut off first."""

import autograd.numpy as np

from parity.reference import runtime


def softmax(scores, lengths, *, axis=-1):  # (B, T) or (B, T, D), (B,)
    """Normalise scores over real steps: ``weights[t] = exp(scores[t]) / Σ exp(scores)``.

    Args:
        axis: the time axis: -1 for one score per step, -2 for one per feature.

    Returns:
        weights: shaped like scores; they sum to 1 over each non-empty sequence and are zero on padding.

    >>> softmax(np.array([[1.0, 1.0, 9.0]]), [2])["weights"]
    array([[0.5, 0.5, 0. ]])
    """
    features = scores[..., None] if axis == -1 else scores
    weights = runtime.padded([runtime.softmax(row, -2) for row in runtime.sequences(features, lengths)], features)
    return {"weights": weights[..., 0] if axis == -1 else weights}


def multi_head_attention(x, lengths, w_in, bias_in, w_out, bias_out, *, heads):
    """Compute multi-head attention: Vaswani et al., "Attention is all you need", section 3.2.2.

        head = softmax(q kᵀ / sqrt(H / heads)) v        y = [head; head; …] w_out + bias_out

    Args:
        x: (B, T, H). lengths: (B,).
        w_in: (H, 3, H), for queries, keys and values, head by head.
        bias_in: (2, H), for queries and values. A bias for keys would add a constant to all scores of a query; the
            softmax removes it, so that its gradient would be rounding error only.
        w_out, bias_out: (H, H), (H,).
        heads: number of heads, which divides H.

    Returns:
        y: (B, T, H), zero on padding.

    >>> one, zero = np.ones((1, 3, 1)), np.zeros((2, 1))
    >>> x = np.array([[[2.0], [2.0], [9.0]]])
    >>> multi_head_attention(x, [2], one, zero, np.ones((1, 1)), np.zeros(1), heads=1)["y"].ravel()
    array([2., 2., 0.])
    """
    rows = []
    for row in runtime.sequences(x, lengths):
        q, k, v = projected(row, w_in, bias_in, heads)
        weights = runtime.softmax(scores_of(q, k), -1)
        rows.append(joined(weights @ v, w_out, bias_out))
    return {"y": runtime.padded(rows, x)}


def projected(row, w_in, bias_in, heads):  # (n, H)  (H, 3, H)  (2, H) -> three of (heads, n, H / heads)
    """Return the queries, keys and values of one sequence, split into heads."""
    q, k, v = (row @ w_in[..., part, :] for part in range(3))  # (n, H)
    return split(q + bias_in[..., None, 0, :], heads), split(k, heads), split(v + bias_in[..., None, 1, :], heads)


def scores_of(q, k):  # (heads, n, size)  (heads, m, size) -> (heads, n, m)
    return q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])


def split(projection, heads):  # (n, H) -> (heads, n, H / heads)
    shape = *projection.shape[:-1], heads, projection.shape[-1] // heads
    return np.swapaxes(np.reshape(projection, shape), -2, -3)


def joined(heard, w_out, bias_out):  # (heads, n, size)  (H, H)  (H,) -> (n, H)
    by_step = np.swapaxes(heard, -2, -3)
    return np.reshape(by_step, (*by_step.shape[:-2], w_out.shape[-2])) @ w_out + bias_out[..., None, :]
