"""Look up a row of a table for each token."""

import autograd.numpy as np
from autograd.extend import defvjp, primitive

from parity.reference import runtime


def lookup(tokens, lengths, table, *, padding_index=0):  # (B, T)  (B,)  (V, D)
    """Look up a row of the table for each token.

    Returns:
        y: (B, T, D), ``table[tokens[b, t]]``; zero, without gradient, beyond each length and at every pad.

    >>> tokens = np.array([[2, 0, 1]])  # a word, the pad, and a token beyond the length
    >>> y = lookup(tokens, np.array([2]), np.eye(3))["y"]
    >>> y[0].astype(int).tolist()
    [[0, 0, 1], [0, 0, 0], [0, 0, 0]]
    """
    rows = [table[..., tokens[row, :length], :] for row, length in enumerate(lengths)]
    if padding_index is not None:
        rows = [np.where(tokens[b, : lengths[b], None] != padding_index, row, 0) for b, row in enumerate(rows)]
    lead, (batch, steps) = table.shape[:-2], tokens.shape
    return {"y": runtime.padded(rows, np.zeros((*lead, batch, steps, table.shape[-1])))}


@primitive
def _scale_gradient(table, factor):
    """Return the table, and multiply its gradient by ``factor``."""
    return table


defvjp(_scale_gradient, lambda answer, table, factor: lambda cotangent: cotangent * factor, argnums=(0,))


def scaled_by_frequency(tokens, lengths, table, *, padding_index=0):  # (B, T)  (B,)  (V, D)
    """Look up rows, and divide each row's gradient by its token's count in the batch.

    Returns:
        y: (B, T, D).
    """
    spoken = np.concatenate([tokens[row, :length] for row, length in enumerate(lengths)] or [tokens[:0, 0]])
    count = np.bincount(spoken, minlength=table.shape[-2])
    table = _scale_gradient(table, 1 / np.maximum(count, 1)[:, None])
    return lookup(tokens, lengths, table, padding_index=padding_index)


def masked_dense(tokens, lengths, table, w, b, *, padding_index=0):  # (B, T)  (B,)  (V, D)  (D, H)  (H,)
    """Apply a dense layer to embedded tokens.

    Returns:
        y: (B, T, H), ``table[tokens[b, t]] w + b``; zero beyond each length and where the token is the pad.
    """
    rows = []
    for row, length in enumerate(lengths):
        real = tokens[row, :length, None] != padding_index  # the pad's row may hold NaN or inf
        y = np.where(real, table[..., tokens[row, :length], :], 0) @ w + b[..., None, :]
        rows.append(np.where(real, y, 0))
    return {"y": runtime.padded(rows, np.zeros((*table.shape[:-2], *tokens.shape, w.shape[-1])))}


def bag(tokens, lengths, table, *, mode="mean", padding_index=0):  # (B, T)  (B,)  (V, D)
    """Return the sum, mean or maximum of each sequence's token rows, without the pad.

    Args:
        mode: "sum", "mean" or "max", feature by feature.

    Returns:
        y: (B, D), zero if a sequence has no token but the pad.

    >>> tokens = np.array([[2, 0, 1, 1]])  # a word, the pad, a word, and a token beyond the length
    >>> bag(tokens, np.array([3]), np.eye(3))["y"]
    array([[0. , 0.5, 0.5]])
    """
    bags = [words[words != padding_index] for words in runtime.items(tokens, lengths)]
    counts = sum((np.bincount(words, minlength=table.shape[-2]) for words in bags), np.zeros(table.shape[-2]))
    table = runtime.repeated(table, counts[:, None])  # a row has a bag's gradient as often as it is in the bag
    pool = {
        "sum": runtime.added,
        "mean": lambda rows: runtime.added(rows) / rows.shape[-2],
        "max": lambda rows: np.max(rows, -2),
    }[mode]
    nothing = np.zeros((*table.shape[:-2], table.shape[-1]))
    y = [pool(table[..., words, :]) if len(words) else nothing for words in bags]
    return {"y": runtime.stack(y, -2, (*table.shape[:-2], 0, table.shape[-1]))}


def positions(x, lengths, table, *, padding_index=1, left=False):  # (B, T, D)  (B,)  (P, D)
    """Add to each real step the row of a table for its position.

    In the table of a model whose pad has an index, positions begin behind it: at ``padding_index + 1``, as in RoBERTa,
    https://arxiv.org/abs/1907.11692. Its own row is never trained.

    Args:
        padding_index: the row that belongs to no position; None if positions begin at 0.
        left: whether padding precedes each sequence.

    Returns:
        y: (B, T, D), zero on padding.

    >>> table = np.array([[0.0], [10.0], [20.0], [30.0]])
    >>> positions(np.ones((1, 3, 1)), [2], table, padding_index=0, left=True)["y"].ravel()
    array([ 0., 11., 21.])
    """
    first = 0 if padding_index is None else padding_index + 1
    alone = runtime.sequences(x, lengths, left)
    rows = [row + table[..., first : first + row.shape[-2], :] for row in alone]
    return {"y": runtime.padded(rows, x, left)}


def clipped_by_norm(tokens, lengths, table, *, max_norm=1.0, padding_index=0):  # (B, T)  (B,)  (V, D)
    """Look up rows, scaled down to norm ``max_norm`` if longer; the gradient includes the scaling.

    The table is not changed, and the gradient is zero along a row that was scaled.

    Returns:
        y: (B, T, D).

    >>> clipped_by_norm(np.array([[1, 2]]), np.array([2]), np.array([[0.0, 0.0], [3.0, 4.0], [0.3, 0.4]]))["y"]
    array([[[0.6, 0.8],
            [0.3, 0.4]]])
    """
    y = lookup(tokens, lengths, table, padding_index=padding_index)["y"]
    return {"y": y * max_norm / np.sqrt(np.maximum(np.sum(y**2, -1, keepdims=True), max_norm**2))}


@primitive
def _renormed(y, max_norm):
    """Scale rows as PyTorch does: https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/Embedding.cpp."""
    norm = np.linalg.norm(y, axis=-1, keepdims=True)
    return np.where(norm > max_norm, y * max_norm / (norm + 1e-7), y)


defvjp(_renormed, lambda answer, y, max_norm: lambda cotangent: cotangent, argnums=(0,))


def max_norm(tokens, lengths, table, *, max_norm=1.0, padding_index=0):  # (B, T)  (B,)  (V, D)
    """Look up rows scaled down to ``max_norm``, with the gradient of an unscaled lookup.

    PyTorch shortens the rows in place before the lookup, and treats the result as the parameter.

    Returns:
        y: (B, T, D).
    """
    return {"y": _renormed(lookup(tokens, lengths, table, padding_index=padding_index)["y"], max_norm)}
