"""Embedding: a row of a table for each token."""

import autograd.numpy as np
from autograd.extend import defvjp, primitive

from parity.reference import native


def lookup(tokens, lengths, table, *, padding_index=0):  # (B, T)  (B,)  (V, D)
    """``y[b, t] = table[tokens[b, t]]``; zero, and no gradient, beyond each length and where the token is the pad.

    Returns:
        y: (B, T, D).

    >>> tokens = np.array([[2, 0, 1]])  # a word, the pad, and one behind the end
    >>> y = lookup(tokens, np.array([2]), np.eye(3))["y"]
    >>> y[0].astype(int).tolist()
    [[0, 0, 1], [0, 0, 0], [0, 0, 0]]
    """
    rows = [table[..., tokens[row, :length], :] for row, length in enumerate(lengths)]
    if padding_index is not None:
        rows = [row * (tokens[b, : lengths[b], None] != padding_index) for b, row in enumerate(rows)]
    lead, (batch, steps) = table.shape[:-2], tokens.shape
    return {"y": native.padded(rows, np.zeros((*lead, batch, steps, table.shape[-1])))}


@primitive
def _scale_gradient(table, factor):
    """The identity, whose gradient is multiplied by ``factor``."""
    return table


defvjp(_scale_gradient, lambda answer, table, factor: lambda cotangent: cotangent * factor, argnums=(0,))


def scaled_by_frequency(tokens, lengths, table, *, padding_index=0):  # (B, T)  (B,)  (V, D)
    """`lookup`, with the gradient of each row divided by how often its token occurs in the batch.

    Returns:
        y: (B, T, D).
    """
    spoken = np.concatenate([tokens[row, :length] for row, length in enumerate(lengths)] or [tokens[:0, 0]])
    count = np.bincount(spoken, minlength=table.shape[-2])
    table = _scale_gradient(table, 1 / np.maximum(count, 1)[:, None])
    return lookup(tokens, lengths, table, padding_index=padding_index)
