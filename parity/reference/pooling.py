"""Pooling over time: one vector for each sequence, zero for an empty one."""

import autograd.numpy as np

from parity.reference import runtime


def last_relevant(x, lengths, initial=None):  # (B, T, H)  (B,)  (B, H)
    """The last real step of each sequence, e.g. of a recurrent layer's outputs.

    Args:
        initial: what an empty sequence gives; zeros when None.

    Returns:
        y: (B, H).

    >>> last_relevant(np.array([[[1.0], [2.0], [9.0]]]), [2])["y"]
    array([[2.]])
    """
    initial = np.zeros((*x.shape[:-2], x.shape[-1])) if initial is None else initial
    rows = runtime.sequences(x, lengths)
    last = [row[..., -1, :] if row.shape[-2] else initial[..., b, :] for b, row in enumerate(rows)]
    return {"y": runtime.stack(last, -2, (*x.shape[:-3], 0, x.shape[-1]))}


def mean(x, lengths):  # (B, T, D)  (B,)
    """The mean over each sequence's real steps.

    Returns:
        y: (B, D).

    >>> mean(np.array([[[1.0], [3.0], [9.0]]]), [2])["y"]
    array([[2.]])
    """
    return {"y": over_steps(np.mean, x, lengths)}


def sum(x, lengths):  # noqa: A001  # (B, T, D)  (B,)
    """The sum over each sequence's real steps.

    Returns:
        y: (B, D).
    """
    return {"y": over_steps(np.sum, x, lengths)}


def max(x, lengths):  # noqa: A001  # (B, T, D)  (B,)
    """The largest value of each feature among each sequence's real steps, where the whole gradient goes.

    Returns:
        y: (B, D).
    """
    return {"y": over_steps(np.max, x, lengths)}


def attention(x, lengths, query):  # (B, T, D)  (B,)  (D,)
    """A weighted mean over real steps, its weights ``softmax(x · query)``, the query learned.

    Equation 1 of Vaswani et al., "Attention is all you need", arXiv:1706.03762, for one query and without a scale.

    Returns:
        weights: (B, T), zero on padding; y: (B, D).

    >>> attention(np.array([[[1.0], [3.0], [9.0]]]), [2], np.zeros(1))["weights"]
    array([[0.5, 0.5, 0. ]])
    """
    rows = runtime.sequences(x, lengths)
    weights = [runtime.softmax(np.einsum("...nd,...d->...n", row, query), -1) for row in rows]
    y = [np.einsum("...n,...nd->...d", a, row) for a, row in zip(weights, rows)]
    return {
        "weights": runtime.padded([a[..., None] for a in weights], x[..., :1])[..., 0],
        "y": runtime.stack(y, -2, (*x.shape[:-3], 0, x.shape[-1])),
    }


def over_steps(pool, x, lengths):  # (B, T, D)  (B,) -> (B, D)
    """Each sequence pooled alone; zero where there is nothing to pool."""
    nothing = np.zeros((*x.shape[:-3], x.shape[-1]))
    rows = [pool(row, -2) if row.shape[-2] else nothing for row in runtime.sequences(x, lengths)]
    return runtime.stack(rows, -2, (*x.shape[:-3], 0, x.shape[-1]))
