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
