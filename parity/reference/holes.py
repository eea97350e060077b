"""Compute on the steps that a mask keeps, as if the others were not there: they are taken out before anything else."""

import autograd.numpy as np

from parity.reference import attention, loss, pooling, rnn, runtime, statistics


def mean(x, lengths, mask):  # (B, T, D)  (B,)  (B, T)
    """Average each sequence over the steps that its mask keeps.

    Returns:
        y: (B, D), zero if it keeps none.

    >>> mean(np.array([[[1.0], [9.0], [3.0]]]), [3], np.array([[1, 0, 1]]))["y"]
    array([[2.]])
    """
    return pooling.mean(*without_holes(x, mask))


def max(x, lengths, mask):  # noqa: A001  # (B, T, D)  (B,)  (B, T)
    """Return each feature's maximum over the steps that the mask keeps.

    Returns:
        y: (B, D), zero if it keeps none.
    """
    return pooling.max(*without_holes(x, mask))


def last(x, lengths, mask):  # (B, T, D)  (B,)  (B, T)
    """Return the last step that the mask keeps, which the number of those before it does not tell.

    Returns:
        y: (B, D), zero if it keeps none.

    >>> last(np.array([[[1.0], [2.0], [3.0], [4.0]]]), [4], np.array([[1, 0, 1, 0]]))["y"]
    array([[3.]])
    """
    return pooling.last_relevant(*without_holes(x, mask))


def attention_pooling(x, lengths, mask, query):  # (B, T, D)  (B,)  (B, T)  (D,)
    """Average the steps that the mask keeps, weighted by ``softmax(x · query)`` with a learned query.

    Returns:
        weights: (B, T), zero on padding and holes; y: (B, D), zero if the mask keeps none.
    """
    pooled = pooling.attention(*without_holes(x, mask), query)
    return {"weights": put_back(pooled["weights"][..., None], mask)[..., 0], "y": pooled["y"]}


def softmax(scores, lengths, mask):  # (B, T)  (B,)  (B, T)
    """Normalise scores by a softmax over the steps that the mask keeps.

    Returns:
        weights: (B, T), zero on padding and holes.

    >>> softmax(np.array([[1.0, 9.0, 1.0]]), [3], np.array([[1, 0, 1]]))["weights"]
    array([[0.5, 0. , 0.5]])
    """
    kept, lengths = without_holes(scores[..., None], mask)
    return {"weights": put_back(attention.softmax(kept, lengths, axis=-2)["weights"], mask)[..., 0]}


def self_attention(x, lengths, mask, w_in, bias_in, w_out, bias_out, *, heads):
    """Compute multi-head attention among the steps that the mask keeps.

    Args:
        x: (B, T, H). lengths: (B,). mask: (B, T).
        w_in, bias_in, w_out, bias_out, heads: as for `parity.reference.attention.multi_head_attention`.

    Returns:
        y: (B, T, H), zero on padding and holes.
    """
    y = attention.multi_head_attention(*without_holes(x, mask), w_in, bias_in, w_out, bias_out, heads=heads)["y"]
    return {"y": put_back(y, mask)}


def gru(x, lengths, mask, w_in, w_rec, bias):  # (B, T, D)  (B,)  (B, T)  (D, 3, H)  (H, 3, H)  (4, H)
    """Run a GRU over the steps that the mask keeps: at a hole, its state stays.

    Returns:
        y: (B, T, H), zero on padding and holes; h: (B, H), the state after the last step that is kept.
    """
    found = rnn.gru(*without_holes(x, mask), (w_in,), (w_rec,), (bias,))
    return {"y": put_back(found["y"], mask), "h": found["h"][..., 0, :, :]}


def cross_entropy(logits, targets, lengths, mask):  # (B, T, C)  (B, T)  (B,)  (B, T)
    """Average the cross entropy over all steps that the mask keeps.

    Returns:
        loss: (), 0 if it keeps none.
    """
    kept, lengths = without_holes(logits, mask)
    wanted = np.zeros_like(targets)
    for row, places in enumerate(map(np.flatnonzero, mask)):
        wanted[row, : len(places)] = targets[row, places]
    return loss.cross_entropy(kept, wanted, lengths)


def mean_squared_error(prediction, target, lengths, mask):  # (B, T, D)  (B, T, D)  (B,)  (B, T)
    """Average the squared error over all features of all steps that the mask keeps.

    Returns:
        loss: (), 0 if it keeps none.

    >>> zero, mask = np.zeros((1, 3, 1)), np.array([[1, 0, 1]])
    >>> float(mean_squared_error(zero, np.array([[[1.0], [9.0], [3.0]]]), [3], mask)["loss"])
    5.0
    """
    (prediction, lengths), (target, _) = without_holes(prediction, mask), without_holes(target, mask)
    return loss.mean_squared_error(prediction, target, lengths)


def moments(x, lengths, mask, *, correction=0):  # (B, T, H)  (B,)  (B, T)
    """Compute mean and variance of each feature over the steps that the mask keeps, such as those that were observed.

    Args:
        correction: the sum of squares is divided by n - correction.

    Returns:
        mean, variance: (B, H); 0 if the mask keeps no step, and a variance of 0 if it keeps ``correction`` steps.

    >>> found = moments(np.array([[[1.0], [9.0], [3.0]]]), [3], np.array([[1, 0, 1]]))
    >>> found["mean"].ravel(), found["variance"].ravel()
    (array([2.]), array([1.]))
    """
    found = statistics.moments(*without_holes(x, mask), correction=correction)
    return {"mean": found["mean"], "variance": found["variance"]}


def without_holes(x, mask):  # (..., B, T, D), (B, T) -> (..., B, T, D), (B,)
    """Move the steps that a mask keeps together; return their number too."""
    rows = [x[..., row, np.flatnonzero(kept), :] for row, kept in enumerate(mask)]
    return runtime.padded(rows, x), np.sum(mask, 1)


def put_back(y, mask):  # (..., B, T, K), (B, T) -> (..., B, T, K)
    """Return steps to where they were, with zeros in the holes."""
    places = np.cumsum(mask, 1) - 1  # of a step that is kept, among all that are
    rows = [np.where(kept[:, None] > 0, y[..., row, places[row], :], 0) for row, kept in enumerate(mask)]
    return runtime.stack(rows, -3, y.shape)
