"""Embedding in PyTorch: `torch.nn.functional.embedding` and its options.

``padding_idx`` freezes the gradient of one row; it does not touch the output, which is whatever that row holds
(https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.embedding.html). So the output is masked here.
"""

import torch
import torch.nn.functional as F

from parity.pytorch import runtime


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
    sparse = runtime.pick(("padding_idx", "sparse"), variant) == "sparse"
    real = real_tokens(tokens, lengths, padding_index)
    tokens = torch.where(real, tokens, padding_index or 0)  # padding may hold any number
    y = F.embedding(tokens, table, padding_idx=padding_index, sparse=sparse)
    return {"y": runtime.only_real(real, y)}


def scaled_by_frequency(tokens, lengths, table, *, padding_index=0, variant="scale_grad_by_freq"):
    """`lookup`, with the gradient of each row divided by how often its token occurs in the batch.

    Returns:
        y: (B, T, D).
    """
    real = real_tokens(tokens, lengths, padding_index)
    y = table.new_zeros(*tokens.shape, table.shape[1])
    y[real] = F.embedding(tokens[real], table, scale_grad_by_freq=True)  # padding must not be counted
    return {"y": y}


def masked_dense(tokens, lengths, table, w, b, *, padding_index=0, variant="padding_idx"):
    """A linear layer on embedded tokens; zero beyond each length and where the token is the pad.

    Its bias fills the padding again, so that the output is masked as the embedding was. Without that the pad row
    would stay frozen, and what stands behind the layer would read the bias at every padded step.

    Returns:
        y: (B, T, H).
    """
    x = lookup(tokens, lengths, table, padding_index=padding_index)["y"]
    y = F.linear(x, w.T, b)
    return {"y": runtime.only_real(real_tokens(tokens, lengths, padding_index), y)}


def bag(tokens, lengths, table, *, mode="mean", padding_index=0, variant="padding_idx"):  # (B, T)  (B,)  (V, D)
    """Sum, mean or largest of the rows of each sequence's tokens, as if no pad were among them.

    Args:
        mode: "sum", "mean" or "max".
        variant: "padding_idx" (tokens with their padding), or "offsets" (tokens side by side, and where each begins).

    Returns:
        y: (B, D), zero where there is no token but the pad.
    """
    real = real_tokens(tokens, lengths, padding_index)
    if runtime.pick(("padding_idx", "offsets"), variant) == "offsets":
        sizes = real.sum(1)
        return {"y": F.embedding_bag(tokens[real], table, sizes.cumsum(0) - sizes, mode=mode)}
    tokens = torch.where(real, tokens, padding_index)
    return {"y": F.embedding_bag(tokens, table, mode=mode, padding_idx=padding_index)}


def clipped_by_norm(tokens, lengths, table, *, max_norm=1.0, padding_index=0, variant="clamp"):
    """`lookup` of rows that are scaled down to length ``max_norm`` if they are longer, and the gradient of that.

    No option of `F.embedding` does it: see `max_norm`. `torch.renorm` would, but for the 1e-7 that it adds to the
    norm, which float64 sees.

    Returns:
        y: (B, T, D).
    """
    x = lookup(tokens, lengths, table, padding_index=padding_index)["y"]
    norm = torch.linalg.vector_norm(x, dim=2, keepdim=True)
    return {"y": x * (max_norm / norm.clamp(min=max_norm))}


def max_norm(tokens, lengths, table, *, max_norm=1.0, padding_index=0, variant="max_norm"):
    """`clipped_by_norm`, with the gradient of a table whose rows were that short from the start.

    ``F.embedding(max_norm=...)`` shortens the rows in place before it looks them up, the pad's too, and says nothing
    of it to autograd. That is meant for a parameter, and done here to a copy.

    Returns:
        y: (B, T, D).
    """
    real = real_tokens(tokens, lengths, padding_index)
    tokens = torch.where(real, tokens, padding_index)
    return {
        "y": runtime.only_real(real, F.embedding(tokens, table.clone(), padding_idx=padding_index, max_norm=max_norm))
    }


def real_tokens(tokens, lengths, padding_index):  # (B, T)  (B,) -> (B, T)
    """True where a token is within its sequence and is not the pad."""
    real = runtime.valid(lengths, tokens.shape[1])
    return real if padding_index is None else real & (tokens != padding_index)
