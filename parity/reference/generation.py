"""Compute what a language model computes while it generates, for each sequence alone."""

import autograd.numpy as np

from parity.reference import runtime
from parity.reference.decoder import attended


def cached_attention(query, lengths, keys, values, new_key, new_value, *, left=False):
    """Attend from the newest step of each sequence to itself and to the steps before it, which are in a cache.

        y = softmax(q [k; new_key]ᵀ / sqrt(H)) [v; new_value]

    Each head of keys and values serves as many heads of queries, one beside the other: Ainslie et al., "GQA", 2023.

    Args:
        query: (B, A, H), of the newest step, in A heads. lengths: (B,), the steps of each sequence with the newest.
        keys, values: (B, T, K, H), of all earlier steps, in K heads; what is there for the newest step is not read.
        new_key, new_value: (B, K, H), of the newest step.
        left: whether padding precedes each sequence in the cache.

    Returns:
        y: (B, A, H), zero for a sequence of length 0, such as a row of the batch that is free.

    >>> zero, cache = np.zeros((1, 1, 1)), np.array([2.0, 5.0, 9.0]).reshape(1, 3, 1, 1)
    >>> cached_attention(zero, [2], cache * 0, cache, zero, zero + 4)["y"].ravel()  # the mean of 2 and 4
    array([3.])
    """
    rows, steps, heads = [], keys.shape[-3], query.shape[-2]
    serving = np.arange(heads) // (heads // keys.shape[-2])  # (A,)
    for row, length in enumerate(lengths):
        start = steps - length if left else 0
        earlier = slice(start, start + max(length - 1, 0))
        k = np.concatenate([keys[..., row, earlier, :, :], new_key[..., row, None, :, :]], -3)[..., serving, :]
        v = np.concatenate([values[..., row, earlier, :, :], new_value[..., row, None, :, :]], -3)[..., serving, :]
        q = query[..., row, :, None, :]  # (A, 1, H)
        heard, _ = attended(q, np.swapaxes(k, -2, -3), np.swapaxes(v, -2, -3), True)
        rows.append(heard[..., 0, :] if length else np.zeros(query[..., row, :, :].shape))
    return {"y": runtime.stack(rows, -3, query.shape)}


def beam_scores(log_probabilities, lengths, *, penalty=1.0, smoothing=0):  # (B, T)  (B,)
    """Score hypotheses of different lengths: the sum of the log-probabilities of their tokens, over a penalty.

        score = Σ log p / ((smoothing + n) / (smoothing + 1)) ** penalty

    Wu et al., "Google's neural machine translation system", 2016, section 7, with a smoothing of 5; without, it is the
    ``length_penalty`` of other libraries.

    Args:
        lengths: the tokens that each hypothesis has generated.
        penalty: 0 for the sum, 1 for the mean without smoothing; above 1, longer hypotheses are preferred.

    Returns:
        scores: (B,), 0 for an empty hypothesis.

    >>> beam_scores(np.array([[-1.0, -2.0, -9.0]]), [2])["scores"]
    array([-1.5])
    """
    rows = runtime.sequences(log_probabilities[..., None], lengths)
    sums = [np.sum(row, (-2, -1)) for row in rows]
    scores = [one / ((smoothing + max(1, n)) / (smoothing + 1)) ** penalty for one, n in zip(sums, lengths)]
    return {"scores": runtime.stack(scores, -1, (*log_probabilities.shape[:-2], 0))}
