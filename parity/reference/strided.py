"""Apply layers over windows with a stride to each sequence alone, where the windows can simply be counted."""

import autograd.numpy as np

from parity.reference import alignment, runtime


def conv1d(x, lengths, w, bias, *, stride=1, padding=0, dilation=1, groups=1):
    """Apply a convolution to each sequence, extended by zeros at both ends.

    ``y[t] = bias + Σ_k x[t · stride + k · dilation - padding] w[k]``

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

    >>> seven = np.ones((1, 7, 1))
    >>> conv1d(seven, [7], np.ones((3, 1, 1)), np.zeros(1), stride=2)["y_lengths"]
    array([3.])
    """
    rows = [convolved(row, w, bias, stride, padding, dilation, groups) for row in runtime.sequences(x, lengths)]
    return {"y": runtime.padded(rows, np.zeros((*x.shape[:-1], w.shape[-1]))), "y_lengths": counted(rows, x)}


def max_pool(x, lengths, *, kernel, stride, padding=0):  # (B, T, D)  (B,)
    """Return each feature's maximum over windows of each sequence; the first of equal values gets the gradient.

    Args:
        kernel: steps of a window.
        stride: steps from one window to the next.
        padding: steps at either end that are below everything, at most half of the kernel.

    Returns:
        y: (B, T, D), zero beyond y_lengths. y_lengths: (B,), as for `conv1d`.

    >>> max_pool(np.array([[[1.0], [2.0], [3.0], [9.0]]]), [3], kernel=2, stride=2)["y"].ravel()
    array([2., 0., 0., 0.])
    """
    rows = [largest(taps(row, kernel, stride, padding, fill=-np.inf)) for row in runtime.sequences(x, lengths)]
    return {"y": runtime.padded(rows, x), "y_lengths": counted(rows, x)}


def average_pool(x, lengths, *, kernel, stride, padding=0, count_padding=True):  # (B, T, D)  (B,)
    """Average each feature over windows of each sequence, extended by zeros at both ends.

    Args:
        kernel: steps of a window.
        stride: steps from one window to the next.
        padding: zeros at either end, at most half of the kernel.
        count_padding: whether a window's sum is divided by the kernel, or by its steps that are real.

    Returns:
        y: (B, T, D), zero beyond y_lengths. y_lengths: (B,), as for `conv1d`.

    >>> average_pool(np.array([[[1.0], [2.0], [3.0], [9.0]]]), [3], kernel=2, stride=2)["y"].ravel()
    array([1.5, 0. , 0. , 0. ])
    """
    rows = []
    for row in runtime.sequences(x, lengths):
        real = np.ones((row.shape[-2], 1))
        among = kernel if count_padding else sum(taps(real, kernel, stride, padding))
        rows.append(sum(taps(row, kernel, stride, padding)) / among)
    return {"y": runtime.padded(rows, x), "y_lengths": counted(rows, x)}


def ctc(x, targets, target_lengths, lengths, w, bias, *, stride, padding=0):
    """Compute the CTC loss of logits from a convolution with a stride, as of subsampled speech.

    Args:
        x: (B, T, D). targets: (B, S). target_lengths, lengths: (B,).
        w, bias: (K, D, C), (C,).
        stride, padding: as for `conv1d`.

    Returns:
        loss: (B,), 0 for a sequence whose labels do not fit the steps that are left.
        logit_lengths: (B,), the number of these.

    >>> labels, two = np.array([[1, 1]]), np.zeros((1, 1, 2))
    >>> loss = ctc(np.ones((1, 3, 1)), labels, [1], [3], two, np.zeros(2), stride=2)["loss"]  # two steps are left
    >>> round(float(np.exp(-loss[0])), 4)
    0.75
    """
    rows = [convolved(row, w, bias, stride, padding, 1, 1) for row in runtime.sequences(x, lengths)]
    logits = runtime.padded(rows, np.zeros((*x.shape[:-1], w.shape[-1])))
    found = alignment.ctc(logits, targets, target_lengths, [row.shape[-2] for row in rows])
    return found | {"logit_lengths": counted(rows, x)}


def convolved(row, w, bias, stride, padding, dilation, groups):  # (n, D)  (K, D / groups, H)  (H,) -> (m, H)
    """Apply a convolution to one sequence, group by group."""
    inside, outside, parts = w.shape[-2], w.shape[-1] // groups, []
    for group in range(groups):
        own = row[..., group * inside : (group + 1) * inside]
        kernel = w[..., group * outside : (group + 1) * outside]
        windows = taps(own, w.shape[-3], stride, padding, dilation)
        parts.append(sum(tap @ kernel[..., k, :, :] for k, tap in enumerate(windows)))
    return np.concatenate(parts, -1) + bias[..., None, :]


def taps(row, size, stride, padding, dilation=1, fill=0.0):  # (n, D) -> K arrays (m, D)
    """Return the first elements of all windows, then the second ones, and so on; none where no window fits."""
    end = np.full((*row.shape[:-2], padding, row.shape[-1]), fill)
    extended = np.concatenate([end, row, end], -2)
    span = dilation * (size - 1) + 1
    count = max(0, (extended.shape[-2] - span) // stride + 1)
    return [extended[..., k * dilation : k * dilation + stride * count : stride, :] for k in range(size)]


def largest(windows):  # K arrays (m, D) -> (m, D)
    """Return the elementwise maximum, with the whole gradient for the first of equal values; NaN stays."""
    best = windows[0]
    for tap in windows[1:]:
        best = np.where((tap > best) | (tap != tap), tap, best)
    return best


def counted(rows, x):  # B arrays (..., m, H), (..., B, T, D) -> (..., B)
    """Return the number of steps of each row."""
    counts = [np.full(x.shape[:-3], float(row.shape[-2])) for row in rows]
    return runtime.stack(counts, -1, (*x.shape[:-3], 0))
