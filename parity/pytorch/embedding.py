"""Embedding in PyTorch: `torch.nn.functional.embedding` and its options.

``padding_idx`` freezes the gradient of one row; it does not touch the output, which is whatever that row holds
(https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.embedding.html). So the output is masked here.
"""

import torch
import torch.nn.functional as F

from parity.pytorch import native


def lookup(tokens, lengths, table, *, padding_index=0, variant="padding_idx"):  # (B, T)  (B,)  (V, D)
    """A row of the table for each token; zero, and no gradient, beyond each length and where the token is the pad.

    Args:
        variant: "padding_idx", or "sparse" for a gradient that holds the used rows only.

    Returns:
        y: (B, T, D).

    >>> tokens = torch.tensor([[2, 0, 1]])  # a word, the pad, and one behind the end
    >>> y = lookup(tokens, torch.tensor([2]), torch.eye(3))["y"]
    >>> y[0].int().tolist()
    [[0, 0, 1], [0, 0, 0], [0, 0, 0]]
    """
    sparse = native.pick(("padding_idx", "sparse"), variant) == "sparse"
    real = real_tokens(tokens, lengths, padding_index)
    tokens = torch.where(real, tokens, padding_index or 0)  # padding may hold any number
    y = F.embedding(tokens, table, padding_idx=padding_index, sparse=sparse)
    return {"y": torch.where(real[:, :, None], y, 0)}


def scaled_by_frequency(tokens, lengths, table, *, padding_index=0, variant="scale_grad_by_freq"):
    """`lookup`, with the gradient of each row divided by how often its token occurs in the batch.

    Returns:
        y: (B, T, D).
    """
    real = real_tokens(tokens, lengths, padding_index)
    y = table.new_zeros(*tokens.shape, table.shape[1])
    y[real] = F.embedding(tokens[real], table, scale_grad_by_freq=True)  # padding must not be counted
    return {"y": y}


def real_tokens(tokens, lengths, padding_index):  # (B, T)  (B,) -> (B, T)
    """True where a token is within its sequence and is not the pad."""
    real = native.valid(lengths, tokens.shape[1])
    return real if padding_index is None else real & (tokens != padding_index)
