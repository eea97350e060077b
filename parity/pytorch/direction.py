"""Run recurrent layers backwards, and over left-padded sequences, in PyTorch.

`torch.nn.GRU` has no ``go_backwards``, and `pack_padded_sequence` counts each length from step 0. So steps are moved to
where these expect them, and results are moved back.
"""

import torch
from torch import nn

from parity.pytorch import rnn as one_way
from parity.pytorch.bidirectional import reverse_sequence


def backwards(x, lengths, w_in, w_rec, bias, h0=None, *, variant="reversed"):
    """Run a GRU from last to first real step of x (B, T, D), lengths (B,), h0 (L, B, H).

    Each sequence is reversed within its length, run packed, and reversed back. ``x.flip(1)`` would put the padding
    first.

    Returns:
        y: (B, T, H), in the order of x, zero on padding; h: (L, B, H), each state after the first step.

    >>> one, zero = [torch.ones(1, 3, 1)], [torch.zeros(4, 1)]
    >>> backwards(torch.ones(1, 3, 1), torch.tensor([2]), one, one, zero)["y"].flatten()
    tensor([0.3468, 0.2048, 0.0000])
    """
    weights = [one_way.torch_layout(*layer) for layer in zip(w_in, w_rec, bias)]
    turned = reverse_sequence(x, lengths)["y"]
    y, (h,) = one_way.packed(nn.GRU, turned, lengths, weights, [h0])
    return {"y": reverse_sequence(y, lengths)["y"], "h": h}


def left_padded(x, lengths, w_in, w_rec, bias, h0=None, c0=None, *, variant="realigned"):
    """Run an LSTM over left-padded x (B, T, D), lengths (B,), h0, c0 (L, B, H).

    Packed without being moved, such a batch gives no error: padding would be read as the first steps, and the last
    steps would be dropped. So each row is rolled to the front, run packed, and rolled back.

    Returns:
        y: (B, T, H), zero on padding, which is first here too; h, c: (L, B, H), each state after the last step.

    >>> one, zero = [torch.ones(1, 4, 1)], [torch.zeros(4, 1)]
    >>> left_padded(torch.ones(1, 3, 1), torch.tensor([1]), one, one, zero)["y"].flatten()
    tensor([0.0000, 0.0000, 0.3696])
    """
    weights = [one_way.torch_layout(*layer) for layer in zip(w_in, w_rec, bias)]
    padding = x.shape[1] - lengths  # (B,)
    y, (h, c) = one_way.packed(nn.LSTM, rolled(x, -padding), lengths, weights, [h0, c0])
    return {"y": rolled(y, padding), "h": h, "c": c}


def rolled(x, shifts):  # (B, T, D)  (B,) -> (B, T, D)
    """Move each row along time by its own shift; `torch.roll` has one for all."""
    steps = torch.arange(x.shape[1], device=x.device)
    origin = (steps - shifts[:, None]) % x.shape[1]  # (B, T)
    return x.gather(1, origin[:, :, None].expand_as(x))
