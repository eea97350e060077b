"""Masks in PyTorch, which has no layer or argument for them: True means real here, as in every comparison below.

Beware: ``key_padding_mask`` of `torch.nn.MultiheadAttention` and `torch.Tensor.masked_fill` want True on *padding*
(https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html).
"""

import torch
import torch.nn.functional as F

from parity.pytorch import runtime


def sequence_mask(x, lengths, *, variant="arange"):  # (B, T, D)  (B,)
    """True on each of a sequence's ``length`` steps, False on the padding behind them.

    Returns:
        mask: (B, T).

    >>> sequence_mask(torch.zeros(2, 3, 1), torch.tensor([2, 0]))["mask"].tolist()
    [[True, True, False], [False, False, False]]
    """
    return {"mask": torch.arange(x.shape[1], device=x.device) < lengths[:, None]}


def mask_from_tokens(tokens, lengths, table, *, padding_index=0, variant="not_equal"):  # (B, T)  (B,)  (V, D)
    """True where a token is not the pad; a real step that holds the pad counts as padding too.

    Returns:
        mask: (B, T); y: (B, T, D), each token's row of the table, zero where the mask is False.

    >>> mask_from_tokens(torch.tensor([[2, 0, 1, 0]]), torch.tensor([3]), torch.ones(3, 1))["mask"].tolist()
    [[True, False, True, False]]
    """
    mask = tokens.ne(padding_index)
    y = F.embedding(tokens, table, padding_idx=padding_index)
    return {"mask": mask, "y": torch.where(mask[:, :, None], y, 0)}


def mask_from_features(x, lengths, *, variant="any_feature"):  # (B, T, D)  (B,)
    """True where any feature is not zero; a real frame of zeros counts as padding too.

    Returns:
        mask: (B, T); y: (B, T, D), x where the mask is True, and no gradient where it is False.

    >>> x = torch.tensor([[[1.0, 0.0], [0.0, 0.0], [2.0, -2.0], [0.0, 0.0]]])
    >>> mask_from_features(x, torch.tensor([3]))["mask"].tolist()
    [[True, False, True, False]]
    """
    mask = frame_used(x)
    return {"mask": mask, "y": torch.where(mask[:, :, None], x, 0)}


def length_from_features(x, lengths, *, variant="last_frame"):  # (B, T, D)  (B,)
    """How many steps there are up to the last frame that is not all zeros.

    Too few where a sequence ends in such frames; counting the other frames instead is wrong for those in the
    middle too.

    Returns:
        length: (B,).

    >>> x = torch.tensor([[[1.0, 0.0], [0.0, 0.0], [2.0, 3.0], [0.0, 0.0]]])
    >>> length_from_features(x, torch.tensor([4]))["length"]
    tensor([3])
    """
    ends = torch.arange(1, x.shape[1] + 1, device=x.device)
    return {"length": torch.where(frame_used(x), ends, 0).amax(1)}


def mask_frames(x, lengths, *, variant="where"):  # (B, T, D)  (B,)
    """The frames of each sequence, and zeros behind them, whatever was there.

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
