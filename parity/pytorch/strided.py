"""Apply layers over windows with a stride in PyTorch, and return how many steps each sequence has behind them.

The lengths behind a stride are not the lengths divided by it: windows that lie in a sequence only in part are dropped,
unless ``padding`` extends it. A batch knows one end, that of the longest sequence: behind the others, zeros (for the
maximum: -inf) have to stand, windows that begin there are zeroed, and `avg_pool1d` counts padding as real, whatever
``count_include_pad`` says. See https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv1d.html and
https://docs.pytorch.org/docs/stable/generated/torch.nn.AvgPool1d.html.
"""

import torch
import torch.nn.functional as F

from parity.pytorch import alignment, runtime
from parity.pytorch.feedforward import torch_layout


def conv1d(x, lengths, w, bias, *, stride=1, padding=0, dilation=1, groups=1, variant="masked"):
    """Apply a convolution to each sequence, extended by zeros at both ends.

    Args:
        x: (B, T, D). lengths: (B,).
        w, bias: (K, D / groups, H), (H,).
        stride: steps from one window to the next.
        padding: zeros at either end, at most half of what a window spans.
        dilation: steps from one element of a window to the next.
        groups: parts of the features, each of which has a kernel of its own.

    Returns:
        y: (B, T, H), zero beyond y_lengths.
        y_lengths: (B,), ``floor((n + 2 · padding - dilation · (K - 1) - 1) / stride) + 1``; 0 for a sequence that is
            shorter than a window.

    >>> conv1d(torch.ones(1, 7, 1), torch.tensor([7]), torch.ones(3, 1, 1), torch.zeros(1), stride=2)["y_lengths"]
    tensor([3])
    """
    y, y_lengths = convolved(x, lengths, w, bias, stride, padding, dilation, groups)
    return {"y": with_steps(y, x.shape[1]), "y_lengths": y_lengths}


def max_pool(x, lengths, *, kernel, stride, padding=0, variant="masked"):  # (B, T, D)  (B,)
    """Return each feature's maximum over windows of each sequence; the first of equal values gets the gradient.

    Args:
        kernel: steps of a window.
        stride: steps from one window to the next.
        padding: steps at either end that are below everything, at most half of the kernel.

    Returns:
        y: (B, T, D), zero beyond y_lengths. y_lengths: (B,), as for `conv1d`.

    >>> x = torch.tensor([[[1.0], [2.0], [3.0], [9.0]]])
    >>> max_pool(x, torch.tensor([3]), kernel=2, stride=2)["y"].flatten()
    tensor([2., 0., 0., 0.])
    """
    real = runtime.valid(lengths, x.shape[1])
    below = at_least(torch.where(real[:, :, None], x, -torch.inf), kernel - 2 * padding, -torch.inf)
    y = F.max_pool1d(below.mT, kernel, stride, padding).mT
    return within(y, lengths, x.shape[1], kernel, stride, padding)


def average_pool(x, lengths, *, kernel, stride, padding=0, count_padding=True, variant="masked"):  # (B, T, D)  (B,)
    """Average each feature over windows of each sequence, extended by zeros at both ends.

    Args:
        kernel: steps of a window.
        stride: steps from one window to the next.
        padding: zeros at either end, at most half of the kernel.
        count_padding: whether a window's sum is divided by the kernel, or by its steps that are real.

    Returns:
        y: (B, T, D), zero beyond y_lengths. y_lengths: (B,), as for `conv1d`.

    >>> x = torch.tensor([[[1.0], [2.0], [3.0], [9.0]]])
    >>> average_pool(x, torch.tensor([3]), kernel=2, stride=2)["y"].flatten()
    tensor([1.5000, 0.0000, 0.0000, 0.0000])
    """
    real = runtime.valid(lengths, x.shape[1])
    y = averages(runtime.only_real(real, x), kernel, stride, padding)
    if not count_padding:
        shares = averages(real[:, :, None].to(x.dtype), kernel, stride, padding)  # of each window, how much is real
        y = y / shares.clamp(min=1 / kernel)
    return within(y, lengths, x.shape[1], kernel, stride, padding)


def ctc(x, targets, target_lengths, lengths, w, bias, *, stride, padding=0, variant="ctc_loss"):
    """Compute the CTC loss of logits from a convolution with a stride, as of subsampled speech.

    Args:
        x: (B, T, D). targets: (B, S). target_lengths, lengths: (B,).
        w, bias: (K, D, C), (C,).
        stride, padding: as for `conv1d`.

    Returns:
        loss: (B,), 0 for a sequence whose labels do not fit the steps that are left.
        logit_lengths: (B,), the number of these.

    >>> one, labels, kernel = torch.tensor([1]), torch.tensor([[1, 1]]), torch.zeros(1, 1, 2)
    >>> x, three = torch.ones(1, 3, 1), torch.tensor([3])
    >>> ctc(x, labels, one, three, kernel, torch.zeros(2), stride=2)["loss"].neg().exp()  # two steps are left
    tensor([0.7500])
    """
    logits, logit_lengths = convolved(x, lengths, w, bias, stride, padding)
    found = alignment.ctc(logits, targets, target_lengths, logit_lengths)
    return found | {"logit_lengths": logit_lengths}


def convolved(x, lengths, w, bias, stride, padding, dilation=1, groups=1):  # (B, T, D) -> (B, M, H)  (B,)
    """Apply a convolution, with time as the last axis in between; count the windows of each sequence."""
    span = dilation * (len(w) - 1) + 1
    x = at_least(runtime.only_real(runtime.valid(lengths, x.shape[1]), x), span - 2 * padding)
    y = F.conv1d(x.mT, torch_layout(w), bias, stride, padding, dilation, groups).mT
    counts = windows(lengths, span, stride, padding)
    return runtime.only_real(runtime.valid(counts, y.shape[1]), y), counts


def windows(lengths, span, stride, padding):  # (B,) -> (B,)
    """Count the windows that lie in each sequence, extended at both ends."""
    return ((lengths + 2 * padding - span) // stride + 1).clamp(min=0)


def within(y, lengths, steps, kernel, stride, padding):  # (B, M, D)  (B,), T -> (B, T, D)  (B,)
    """Keep the windows that lie in each sequence, and return how many they are."""
    counts = windows(lengths, kernel, stride, padding)
    return {"y": with_steps(runtime.only_real(runtime.valid(counts, y.shape[1]), y), steps), "y_lengths": counts}


def averages(x, kernel, stride, padding):  # (B, T, D) -> (B, M, D)
    return F.avg_pool1d(at_least(x, kernel - 2 * padding).mT, kernel, stride, padding).mT


def at_least(x, steps, fill=0.0):  # (B, T, D)
    """Extend a batch that is shorter than one window, which layers reject."""
    return F.pad(x, (0, 0, 0, max(0, steps - x.shape[1])), value=fill)


def with_steps(y, steps):  # (B, M, H), T -> (B, T, H)
    return F.pad(y, (0, 0, 0, steps - y.shape[1]))
