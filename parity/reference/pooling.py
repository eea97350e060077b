"""Pool over time: one vector for each sequence, zero for an empty one."""

import autograd.numpy as np

from parity.reference import runtime


def last_relevant(x, lengths, initial=None, *, left=False):  # (B, T, H)  (B,)  (B, H)
    """Return the last real step of each sequence, e.g. of a recurrent layer's outputs.

    Args:
        initial: result for an empty sequence; zeros if None.
        left: whether padding precedes each sequence.

    Returns:
        y: (B, H).

    >>> last_relevant(np.array([[[1.0], [2.0], [9.0]]]), [2])["y"]
    array([[2.]])
    """
    initial = np.zeros((*x.shape[:-2], x.shape[-1])) if initial is None else initial
    rows = runtime.sequences(x, lengths, left)
    last = [row[..., -1, :] if row.shape[-2] else initial[..., b, :] for b, row in enumerate(rows)]
    return {"y": runtime.stack(last, -2, (*x.shape[:-3], 0, x.shape[-1]))}


def first_relevant(x, lengths, *, left=False):  # (B, T, H)  (B,)
    """Return the first real step of each sequence, e.g. of a layer that runs backwards.

    Args:
        left: whether padding precedes each sequence.

    Returns:
        y: (B, H), zero for an empty sequence.

    >>> first_relevant(np.array([[[9.0], [1.0], [2.0]]]), [2], left=True)["y"]
    array([[1.]])
    """
    nothing = np.zeros((*x.shape[:-3], x.shape[-1]))
    first = [row[..., 0, :] if row.shape[-2] else nothing for row in runtime.sequences(x, lengths, left)]
    return {"y": runtime.stack(first, -2, (*x.shape[:-3], 0, x.shape[-1]))}


def mean(x, lengths, *, left=False):  # (B, T, D)  (B,)
    """Average each sequence over its real steps, before which there is padding if ``left``.

    Returns:
        y: (B, D).

    >>> mean(np.array([[[1.0], [3.0], [9.0]]]), [2])["y"]
    array([[2.]])
    """
    return {"y": over_steps(np.mean, x, lengths, left)}


def sum(x, lengths, *, left=False):  # noqa: A001  # (B, T, D)  (B,)
    """Sum each sequence over its real steps.

    Returns:
        y: (B, D).
    """
    return {"y": over_steps(np.sum, x, lengths, left)}


def max(x, lengths, *, left=False):  # noqa: A001  # (B, T, D)  (B,)
    """Return each feature's maximum over real steps, which receives the whole gradient.

    Returns:
        y: (B, D).
    """
    return {"y": over_steps(np.max, x, lengths, left)}


def attention(x, lengths, query, *, left=False):  # (B, T, D)  (B,)  (D,)
    """Average the real steps, weighted by ``softmax(x · query)`` with a learned query.

    Equation 1 of Vaswani et al., "Attention is all you need", arXiv:1706.03762, for one query and without a scale.

    Returns:
        weights: (B, T), zero on padding; y: (B, D).

    >>> attention(np.array([[[1.0], [3.0], [9.0]]]), [2], np.zeros(1))["weights"]
    array([[0.5, 0.5, 0. ]])
    """
    rows = runtime.sequences(x, lengths, left)
    weights = [runtime.softmax(np.einsum("...nd,...d->...n", row, query), -1) for row in rows]
    y = [np.einsum("...n,...nd->...d", a, row) for a, row in zip(weights, rows)]
    return {
        "weights": runtime.padded([a[..., None] for a in weights], x[..., :1], left)[..., 0],
        "y": runtime.stack(y, -2, (*x.shape[:-3], 0, x.shape[-1])),
    }


def over_steps(pool, x, lengths, left):  # (B, T, D)  (B,) -> (B, D)
    """Pool each sequence alone; return zero for an empty one."""
    nothing = np.zeros((*x.shape[:-3], x.shape[-1]))
    rows = [pool(row, -2) if row.shape[-2] else nothing for row in runtime.sequences(x, lengths, left)]
    return runtime.stack(rows, -2, (*x.shape[:-3], 0, x.shape[-1]))
