"""Run recurrent layers over rows of sites in PyTorch, which has none: a loop over time, with a mask for the states."""

import torch
import torch.nn.functional as F

from parity.pytorch import runtime


def lstm(x, lengths, w_in, w_rec, bias, *, variant="stepwise"):
    """Run a convolutional LSTM without peepholes, step by step; a state stays where a sequence has ended.

    Args:
        x: (B, T, S, D), S sites at each step. lengths: (B,).
        w_in, w_rec, bias: (K, D, 4, H), (K, H, 4, H), (4, H), kernels of K sites, with zeros beside the row.

    Returns:
        y: (B, T, S, H), zero on padding; h, c: (B, S, H), each state after the last real step.

    >>> one, zero = torch.ones(1, 1, 4, 1), torch.zeros(4, 1)
    >>> lstm(torch.ones(1, 1, 2, 1), torch.tensor([1]), one, one, zero)["c"].flatten()
    tensor([0.5568, 0.5568])
    """
    batch, steps, sites, _ = x.shape
    real = runtime.valid(lengths, steps)
    x = torch.where(real[:, :, None, None], x, 0)
    from_x = convolved(x.flatten(0, 1), w_in).unflatten(0, (batch, steps)) + bias  # (B, T, S, 4, H)
    h = c = x.new_zeros(batch, sites, bias.shape[1])
    y = []
    for t in range(steps):
        i, f, g, o = (from_x[:, t] + convolved(h, w_rec)).unbind(2)  # (B, S, H)
        now = real[:, t, None, None]
        c = torch.where(now, f.sigmoid() * c + i.sigmoid() * g.tanh(), c)
        h = torch.where(now, o.sigmoid() * c.tanh(), h)
        y.append(h)
    return {"y": torch.where(real[:, :, None, None], torch.stack(y, 1), 0), "h": h, "c": c}


def convolved(rows, kernel):  # (N, S, D)  (K, D, 4, H) -> (N, S, 4, H)
    """Convolve rows, as long as before: of an even kernel, the window reaches further to the right."""
    size = len(kernel)
    before = (size - 1) // 2
    wide = F.pad(rows.mT, (before, size - 1 - before))
    return F.conv1d(wide, kernel.flatten(2).permute(2, 1, 0)).mT.unflatten(2, kernel.shape[2:])
