"""Look up embeddings in PyTorch with `torch.nn.functional.embedding` and its options.

``padding_idx`` stops the gradient of one row. It does not change the output, which is whatever that row holds
(https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.embedding.html). So the output is masked here.
"""

import torch
import torch.nn.functional as F

from parity.pytorch import runtime


def lookup(tokens, lengths, table, *, padding_index=0, variant="padding_idx"):  # (B, T)  (B,)  (V, D)
    """Look up a row of the table for each token.

    Args:
        variant: "padding_idx", or "sparse" for a gradient of the used rows only.

    Returns:
        y: (B, T, D); zero, without gradient, beyond each length and at every pad.

    >>> tokens = torch.tensor([[2, 0, 1]])  # a word, the pad, and a token beyond the length
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
    """Look up rows, and divide each row's gradient by its token's count in the batch.

    Returns:
        y: (B, T, D).
    """
    real = real_tokens(tokens, lengths, padding_index)
    y = table.new_zeros(*tokens.shape, table.shape[1])
    y[real] = F.embedding(tokens[real], table, scale_grad_by_freq=True)  # padding must not be counted
    return {"y": y}


def masked_dense(tokens, lengths, table, w, b, *, padding_index=0, variant="padding_idx"):
    """Apply a dense layer to embedded tokens.

    Its bias fills the padding again, so the output is masked like the embedding. Without that mask the pad row would
    stay frozen, but the next layer would read the bias at every padded step.

    Returns:
        y: (B, T, H), zero beyond each length and where the token is the pad.
    """
    x = lookup(tokens, lengths, table, padding_index=padding_index)["y"]
    y = F.linear(x, w.T, b)
    return {"y": runtime.only_real(real_tokens(tokens, lengths, padding_index), y)}


def bag(tokens, lengths, table, *, mode="mean", padding_index=0, variant="padding_idx"):  # (B, T)  (B,)  (V, D)
    """Return the sum, mean or maximum of each sequence's token rows, without the pad.

    Args:
        mode: "sum", "mean" or "max".
        variant: "padding_idx" (padded tokens), or "offsets" (real tokens in one row, and the start of each sequence).

    Returns:
        y: (B, D), zero if a sequence has no token but the pad.
    """
    real = real_tokens(tokens, lengths, padding_index)
    if runtime.pick(("padding_idx", "offsets"), variant) == "offsets":
        sizes = real.sum(1)
        return {"y": F.embedding_bag(tokens[real], table, sizes.cumsum(0) - sizes, mode=mode)}
    tokens = torch.where(real, tokens, padding_index)
    return {"y": F.embedding_bag(tokens, table, mode=mode, padding_idx=padding_index)}


def positions(x, lengths, table, *, padding_index=1, left=False, variant="padding_idx"):  # (B, T, D)  (B,)  (P, D)
    """Add to each real step the row of a table for its position, which begins at ``padding_index + 1``.

    Args:
        padding_index: the row that belongs to no position, and is looked up on padding; None if positions begin at 0.
        left: whether padding precedes each sequence.
        variant: "padding_idx" (`F.embedding`) or "indexed".

    Returns:
        y: (B, T, D), zero on padding.

    >>> x, table = torch.ones(1, 3, 1), torch.tensor([[0.0], [10.0], [20.0], [30.0]])
    >>> positions(x, torch.tensor([2]), table, padding_index=0, left=True)["y"].flatten()
    tensor([ 0., 11., 21.])
    """
    real = runtime.valid(lengths, x.shape[1], left)
    pad, first = (0, 0) if padding_index is None else (padding_index, padding_index + 1)
    position = torch.where(real, real.cumsum(1) - 1 + first, pad)
    if runtime.pick(("padding_idx", "indexed"), variant) == "indexed":
        rows = table[position]
    else:
        rows = F.embedding(position, table, padding_idx=padding_index)
    return {"y": runtime.only_real(real, x + rows)}


def clipped_by_norm(tokens, lengths, table, *, max_norm=1.0, padding_index=0, variant="clamp"):
    """Look up rows, scaled down to norm ``max_norm`` if longer; the gradient includes the scaling.

    No option of `F.embedding` does this: see `max_norm`. `torch.renorm` adds 1e-7 to the norm, which is visible in
    float64.

    Returns:
        y: (B, T, D).
    """
    x = lookup(tokens, lengths, table, padding_index=padding_index)["y"]
    norm = torch.linalg.vector_norm(x, dim=2, keepdim=True)
    return {"y": x * (max_norm / norm.clamp(min=max_norm))}


def max_norm(tokens, lengths, table, *, max_norm=1.0, padding_index=0, variant="max_norm"):
    """Look up rows scaled down to ``max_norm``, with the gradient of an unscaled lookup.

    ``F.embedding(max_norm=...)`` shortens the rows in place before the lookup, the pad's too, and autograd does not
    record it. It is meant for a parameter, and is given a copy here.

    Returns:
        y: (B, T, D).
    """
    real = real_tokens(tokens, lengths, padding_index)
    tokens = torch.where(real, tokens, padding_index)
    return {
        "y": runtime.only_real(real, F.embedding(tokens, table.clone(), padding_idx=padding_index, max_norm=max_norm))
    }


def real_tokens(tokens, lengths, padding_index):  # (B, T)  (B,) -> (B, T)
    """Return True where a token is within its sequence and is not the pad."""
    real = runtime.valid(lengths, tokens.shape[1])
    return real if padding_index is None else real & (tokens != padding_index)
