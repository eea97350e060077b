"""Compute masks from lengths, tokens and features in PyTorch, where True means real.

PyTorch has no layer or argument for them. ``key_padding_mask`` of `torch.nn.MultiheadAttention` and
`torch.Tensor.masked_fill` expect True on *padding*
(https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html).
"""

import torch
import torch.nn.functional as F

from parity.pytorch import runtime


def sequence_mask(x, lengths, *, variant="arange"):  # (B, T, D)  (B,)
    """Return a mask that is True on real steps and False on padding.

    Returns:
        mask: (B, T).

    >>> sequence_mask(torch.zeros(2, 3, 1), torch.tensor([2, 0]))["mask"].tolist()
    [[True, True, False], [False, False, False]]
    """
    return {"mask": torch.arange(x.shape[1], device=x.device) < lengths[:, None]}


def mask_from_tokens(tokens, lengths, table, *, padding_index=0, variant="not_equal"):  # (B, T)  (B,)  (V, D)
    """Mask the pad wherever it occurs, also on real steps.

    Returns:
        mask: (B, T), True where the token is not the pad; y: (B, T, D), the token's row, zero where the mask is False.

    >>> mask_from_tokens(torch.tensor([[2, 0, 1, 0]]), torch.tensor([3]), torch.ones(3, 1))["mask"].tolist()
    [[True, False, True, False]]
    """
    mask = tokens.ne(padding_index)
    y = F.embedding(tokens, table, padding_idx=padding_index)
    return {"mask": mask, "y": torch.where(mask[:, :, None], y, 0)}


def mask_from_features(x, lengths, *, variant="any_feature"):  # (B, T, D)  (B,)
    """Mask frames whose features are all zero, also on real steps.

    Returns:
        mask: (B, T), True where any feature is not zero; y: (B, T, D), x where the mask is True, else 0.

    >>> x = torch.tensor([[[1.0, 0.0], [0.0, 0.0], [2.0, -2.0], [0.0, 0.0]]])
    >>> mask_from_features(x, torch.tensor([3]))["mask"].tolist()
    [[True, False, True, False]]
    """
    mask = frame_used(x)
    return {"mask": mask, "y": torch.where(mask[:, :, None], x, 0)}


def length_from_features(x, lengths, *, variant="last_frame"):  # (B, T, D)  (B,)
    """Count the steps up to the last frame that is not all zeros.

    The count is too small if a sequence ends in frames of zeros. Counting the non-zero frames instead would also be
    wrong for frames of zeros in the middle.

    Returns:
        length: (B,).

    >>> x = torch.tensor([[[1.0, 0.0], [0.0, 0.0], [2.0, 3.0], [0.0, 0.0]]])
    >>> length_from_features(x, torch.tensor([4]))["length"]
    tensor([3])
    """
    ends = torch.arange(1, x.shape[1] + 1, device=x.device)
    return {"length": torch.where(frame_used(x), ends, 0).amax(1)}


def length_from_tokens(
    tokens, lengths, table, *, padding_index=0, until="first_pad", left=False, variant="argmax"
):  # (B, T)  (B,)  (V, D)
    """Count the tokens of each sequence, and look up the last one that counts.

    Args:
        until: "first_pad", also where it stands among the words, or "last_word", so that such pads count.
        left: whether padding precedes each sequence; then rows are read from their ends.
        variant: "argmax" or "cumprod"; see `leading`.

    Returns:
        length: (B,); T for a row without a pad.
        y: (B, D), the row of the last token that counts; zero, without gradient, if there is none, or if it is the pad.

    >>> tokens = torch.tensor([[1, 0, 1, 0], [1, 1, 1, 1]])
    >>> length_from_tokens(tokens, torch.tensor([3, 4]), torch.ones(2, 1))["length"]
    tensor([1, 4])
    """
    runtime.pick(("argmax", "cumprod"), variant)
    words, steps = tokens.ne(padding_index), tokens.shape[1]
    from_padding = words if left else words.flip(1)  # each row from the end where its padding is
    to_pad, of_padding = leading(from_padding.flip(1), variant), leading(~from_padding, variant)
    length = steps - of_padding if until == "last_word" else to_pad
    last = torch.full_like(length, steps - 1) if left else (length - 1).clamp(min=0)
    token = tokens.gather(1, last[:, None])  # (B, 1)
    counts = (length[:, None] > 0) & token.ne(padding_index)
    return {"length": length, "y": torch.where(counts, F.embedding(token[:, 0], table), 0)}


def leading(mask, variant):  # (B, T) -> (B,)
    """Count the steps before the first that is False.

    `argmax` returns 0 if there is none, as if it were the first. There is no `argmax` of truth values.
    """
    if variant == "cumprod":
        return mask.long().cumprod(1).sum(1)
    return torch.where(mask.all(1), mask.shape[1], (~mask).int().argmax(1))


def positions(x, lengths, *, first=0, left=False, variant="cumsum"):  # (B, T, D)  (B,)
    """Return the position of each real step in its sequence; `torch.arange` alone would count padding on the left.

    Args:
        first: the position of the first real step.
        left: whether padding precedes each sequence.
        variant: "cumsum" of the mask, or "arange" less the padding.

    Returns:
        position: (B, T), zero on padding.

    >>> positions(torch.zeros(2, 3, 1), torch.tensor([2, 0]), left=True)["position"].tolist()
    [[0, 0, 1], [0, 0, 0]]
    """
    real = runtime.valid(lengths, x.shape[1], left)
    if runtime.pick(("cumsum", "arange"), variant) == "cumsum":
        position = real.cumsum(1) - 1 + first
    else:
        before = x.shape[1] - lengths if left else torch.zeros_like(lengths)
        position = torch.arange(x.shape[1], device=x.device) - before[:, None] + first
    return {"position": torch.where(real, position, 0)}


def mask_frames(x, lengths, *, variant="where"):  # (B, T, D)  (B,)
    """Keep the frames of each sequence, and replace padding by zeros.

    A product with the mask is not enough: NaN times 0 is NaN, in the backward pass too.

    Args:
        variant: "where" or "masked_fill".

    Returns:
        y: (B, T, D).

    >>> mask_frames(torch.tensor([[[1.0], [2.0], [torch.nan]]]), torch.tensor([2]))["y"].flatten()
    tensor([1., 2., 0.])
    """
    real = runtime.valid(lengths, x.shape[1])[:, :, None]
    if runtime.pick(("where", "masked_fill"), variant) == "masked_fill":
        return {"y": x.masked_fill(~real, 0)}
    return {"y": torch.where(real, x, 0)}


def frame_used(x):  # (B, T, D) -> (B, T)
    return x.ne(0).any(-1)
