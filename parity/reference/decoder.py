"""Compute the attention of a decoder; padding is cut off first, in the steps and in the memory."""

import autograd.numpy as np
from autograd.extend import defvjp, primitive

from parity.reference import runtime
from parity.reference.attention import joined, projected, scores_of, split


def self_attention(x, lengths, w_in, bias_in, w_out, bias_out, *, heads, left=False):
    """Compute causal multi-head attention: each step attends to itself and the steps before it.

        head = softmax(q kᵀ / sqrt(H / heads)) v        y = [head; head; …] w_out + bias_out

    Args:
        x: (B, T, H). lengths: (B,).
        w_in, bias_in: (H, 3, H), (2, H), as for `parity.reference.attention.multi_head_attention`.
        w_out, bias_out: (H, H), (H,).
        heads: number of heads, which divides H.
        left: whether padding precedes each sequence.

    Returns:
        y: (B, T, H), zero on padding.

    >>> one, zero = np.ones((1, 3, 1)), np.zeros((2, 1))
    >>> x = np.array([[[2.0], [0.0], [9.0]]])
    >>> self_attention(x, [2], 0 * one + [[0], [0], [1]], zero, np.ones((1, 1)), np.zeros(1), heads=1)["y"].ravel()
    array([2., 1., 0.])
    """
    rows = []
    for alone in runtime.sequences(x, lengths, left):
        q, k, v = projected(alone, w_in, bias_in, heads)
        earlier = np.tri(alone.shape[-2], dtype=bool)  # (n, n): queries, keys
        rows.append(joined(attended(q, k, v, earlier)[0], w_out, bias_out))
    return {"y": runtime.padded(rows, x, left)}


def cross_attention(x, lengths, memory, memory_lengths, w_query, w_memory, bias_in, w_out, bias_out, *, heads):
    """Compute multi-head attention of the steps of x to the steps of a memory, such as an encoder's output.

    Args:
        x: (B, T, H), for queries. lengths: (B,).
        memory: (B, S, D), for keys and values. memory_lengths: (B,).
        w_query, w_memory: (H, H), (D, 2, H), head by head.
        bias_in: (2, H), for queries and values.
        w_out, bias_out: (H, H), (H,).
        heads: number of heads, which divides H.

    Returns:
        y: (B, T, H), zero on padding, and for a sequence whose memory is empty.
        weights: (B, T, S), averaged over heads, zero on padding of either kind.

    >>> one = np.ones((1, 1))
    >>> x, memory = np.ones((1, 1, 1)), np.array([[[2.0], [2.0], [9.0]]])
    >>> given = memory, np.array([2]), one, np.ones((1, 2, 1)), np.zeros((2, 1)), one, np.zeros(1)
    >>> cross_attention(x, [1], *given, heads=1)["weights"]
    array([[[0.5, 0.5, 0. ]]])
    """
    rows, weights, size = [], [], memory.shape[-2]
    for row, (alone, real) in enumerate(zip(runtime.sequences(x, lengths), memory_lengths)):
        if not real:
            rows.append(np.zeros(alone.shape))
            weights.append(np.zeros((*alone.shape[:-1], size)))
            continue
        kept = memory[..., row, :real, :]
        q = split(alone @ w_query + bias_in[..., None, 0, :], heads)
        k = split(kept @ w_memory[..., 0, :], heads)
        v = split(kept @ w_memory[..., 1, :] + bias_in[..., None, 1, :], heads)
        heard, shares = attended(q, k, v, True)
        rows.append(joined(heard, w_out, bias_out))
        mean = np.mean(shares, -3)  # (n, real)
        weights.append(np.concatenate([mean, np.zeros((*mean.shape[:-1], size - real))], -1))
    y = runtime.padded(rows, x)
    return {"y": y, "weights": runtime.padded(weights, np.zeros((*x.shape[:-1], size)))}


def attended(q, k, v, mask):  # (heads, n, size)  (heads, m, size)  (heads, m, size)  (n, m)
    """Return the mean of the values (heads, n, size) by weights, and the weights (heads, n, m)."""
    of_all = scores_of(q, k)
    weights = runtime.softmax(np.where(mask, of_all, -np.inf), -1)
    return weights @ v + recomputed(of_all, v, runtime.constant(weights)), weights


@primitive
def recomputed(scores, v, weights):  # (heads, n, m)  (heads, m, size)  (heads, n, m) -> (heads, n, size)
    """Return zeros, whose gradients are the roundoff of a kernel that does not keep the weights.

    For the output y and its gradient g, that of the scores is ``weight · (g v - g y)``: both products are summed over
    features, each rounded apart, though for a query with one key their difference is 0. The weight is recovered as
    ``exp(score - log Σ exp(scores))``, off by as many units as the sum's logarithm has.
    """
    return np.zeros((*scores.shape[:-1], v.shape[-1]))


def _off_weights(scores, weights):
    largest = np.max(np.where(weights > 0, np.abs(scores), 0), -1, keepdims=True, initial=0)  # nearly the logarithm
    off = runtime.OFF.get()(runtime.constant(largest))  # a constant, also where the gradient is differentiated again
    return weights * off


def _off_scores(scores, v, weights):
    def gradient(g):
        by_key = g @ np.swapaxes(v, -1, -2)
        terms = np.sqrt(g**2 @ np.swapaxes(v, -1, -2) ** 2)
        from_mean = by_key - np.sum(weights * by_key, -1, keepdims=True)
        return weights * runtime.OFF.get()(runtime.constant(terms)) + _off_weights(scores, weights) * from_mean

    return gradient


def _off_values(scores, weights):
    return lambda g: np.swapaxes(_off_weights(scores, weights), -1, -2) @ g


defvjp(
    recomputed,
    lambda zeros, scores, v, weights: _off_scores(scores, v, weights),
    lambda zeros, scores, v, weights: _off_values(scores, weights),
    argnums=(0, 1),
)
