"""Apply layers over windows with a stride in TensorFlow, and return how many steps each sequence has behind them.

The lengths behind a stride are not the lengths divided by it: windows that lie in a sequence only in part are dropped,
unless padding extends it. ``padding="same"`` puts zeros where T needs them, and so elsewhere for another T: sequences
are extended by hand here. A batch knows one end, that of the longest sequence: behind the others, zeros (for the
maximum: -inf) have to stand, and windows that begin there are zeroed.

On a CPU and in float64, TensorFlow has no gradient of grouped convolutions: each group has a call of its own. Keras
refuses a stride with a dilation: each stride-th step of a dilated convolution is kept. TensorFlow's maximum over
windows hides NaN, and in a graph its gradient ends the process if the batch is empty
(https://github.com/tensorflow/tensorflow/issues/126128): here it is a maximum of slices. See
https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2.
"""

from functools import reduce

import keras
import tensorflow as tf

from parity.tensorflow import alignment, runtime


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

    >>> found = conv1d(tf.ones((1, 7, 1)), tf.constant([7]), tf.ones((3, 1, 1)), tf.zeros(1), stride=2)
    >>> found["y_lengths"].numpy()
    array([3], dtype=int32)
    """
    y, y_lengths = convolved(x, lengths, w, bias, stride, padding, dilation, groups)
    return {"y": with_steps(y, tf.shape(x)[1]), "y_lengths": y_lengths}


def max_pool(x, lengths, *, kernel, stride, padding=0, variant="slices"):  # (B, T, D)  (B,)
    """Return each feature's maximum over windows of each sequence; the first of equal values gets the gradient.

    Args:
        kernel: steps of a window.
        stride: steps from one window to the next.
        padding: steps at either end that are below everything, at most half of the kernel.

    Returns:
        y: (B, T, D), zero beyond y_lengths. y_lengths: (B,), as for `conv1d`.

    >>> x = tf.constant([[[1.0], [2.0], [3.0], [9.0]]])
    >>> max_pool(x, tf.constant([3]), kernel=2, stride=2)["y"].numpy().ravel().tolist()
    [2.0, 0.0, 0.0, 0.0]
    """
    real = runtime.valid(lengths, tf.shape(x)[1])
    lowest = tf.constant(float("-inf"), x.dtype)
    below = extended(tf.where(real[:, :, None], x, lowest), kernel, padding, lowest)
    last = tf.shape(below)[1] - kernel  # where the last window begins
    slices = [below[:, first : first + last + 1 : stride] for first in range(kernel)]
    return within(reduce(tf.maximum, slices), lengths, tf.shape(x)[1], kernel, stride, padding)


def average_pool(x, lengths, *, kernel, stride, padding=0, count_padding=True, variant="masked"):  # (B, T, D)  (B,)
    """Average each feature over windows of each sequence, extended by zeros at both ends.

    Args:
        kernel: steps of a window.
        stride: steps from one window to the next.
        padding: zeros at either end, at most half of the kernel.
        count_padding: whether a window's sum is divided by the kernel, or by its steps that are real.

    Returns:
        y: (B, T, D), zero beyond y_lengths. y_lengths: (B,), as for `conv1d`.

    >>> x = tf.constant([[[1.0], [2.0], [3.0], [9.0]]])
    >>> average_pool(x, tf.constant([3]), kernel=2, stride=2)["y"].numpy().ravel().tolist()
    [1.5, 0.0, 0.0, 0.0]
    """
    real = runtime.valid(lengths, tf.shape(x)[1])
    y = averages(runtime.only_real(real, x), kernel, stride, padding)
    if not count_padding:
        shares = averages(tf.cast(real, x.dtype)[:, :, None], kernel, stride, padding)  # how much of each is real
        y = y / tf.maximum(shares, 1 / kernel)
    return within(y, lengths, tf.shape(x)[1], kernel, stride, padding)


def ctc(x, targets, target_lengths, lengths, w, bias, *, stride, padding=0, variant="forward_algorithm"):
    """Compute the CTC loss of logits from a convolution with a stride, as of subsampled speech.

    Args:
        x: (B, T, D). targets: (B, S). target_lengths, lengths: (B,).
        w, bias: (K, D, C), (C,).
        stride, padding: as for `conv1d`.
        variant: "forward_algorithm", which has any dtype; see `parity.tensorflow.alignment.ctc`.

    Returns:
        loss: (B,), 0 for a sequence whose labels do not fit the steps that are left.
        logit_lengths: (B,), the number of these.

    >>> one, labels, kernel = tf.constant([1]), tf.constant([[1, 1]]), tf.zeros((1, 1, 2))
    >>> x, three = tf.ones((1, 3, 1)), tf.constant([3])
    >>> loss = ctc(x, labels, one, three, kernel, tf.zeros(2), stride=2)["loss"]  # two steps are left
    >>> tf.exp(-loss).numpy().round(4)
    array([0.75], dtype=float32)
    """
    logits, logit_lengths = convolved(x, lengths, w, bias, stride, padding)
    found = alignment.ctc(logits, targets, target_lengths, logit_lengths, variant=variant)
    return found | {"logit_lengths": logit_lengths}


def convolved(x, lengths, w, bias, stride, padding, dilation=1, groups=1):  # (B, T, D) -> (B, M, H)  (B,)
    """Apply a convolution, and count the windows of each sequence."""
    span = dilation * (w.shape[0] - 1) + 1
    x = extended(runtime.only_real(runtime.valid(lengths, tf.shape(x)[1]), x), span, padding)
    parts = zip(tf.split(x, groups, 2), tf.split(w, groups, 2), strict=True)
    y = tf.concat([of_one_group(part, kernel, stride, dilation) for part, kernel in parts], 2) + bias
    counts = windows(lengths, span, stride, padding)
    return runtime.only_real(runtime.valid(counts, tf.shape(y)[1]), y), counts


def of_one_group(x, kernel, stride, dilation):  # (B, T, D)  (K, D, H) -> (B, M, H)
    """Call `keras.ops.conv`, and correct the shape that oneDNN returns for an empty batch."""
    batch, steps = tf.unstack(tf.shape(x)[:2])
    if dilation > 1:
        y = keras.ops.conv(x, kernel, 1, dilation_rate=dilation, data_format="channels_last")[:, ::stride]
    else:
        y = keras.ops.conv(x, kernel, stride, data_format="channels_last")
    count = (steps - dilation * (kernel.shape[0] - 1) - 1) // stride + 1
    return tf.reshape(y, [batch, count, kernel.shape[2]])


def windows(lengths, span, stride, padding):  # (B,) -> (B,)
    """Count the windows that lie in each sequence, extended at both ends."""
    return tf.maximum((lengths + 2 * padding - span) // stride + 1, 0)


def within(y, lengths, steps, kernel, stride, padding):  # (B, M, D)  (B,), T -> (B, T, D)  (B,)
    """Keep the windows that lie in each sequence, and return how many they are."""
    counts = windows(lengths, kernel, stride, padding)
    y = runtime.only_real(runtime.valid(counts, tf.shape(y)[1]), y)
    return {"y": with_steps(y, steps), "y_lengths": counts}


def averages(x, kernel, stride, padding):  # (B, T, D) -> (B, M, D)
    return keras.ops.average_pool(extended(x, kernel, padding), kernel, stride, data_format="channels_last")


def extended(x, span, padding, fill=0.0):  # (B, T, D) -> (B, T + 2 padding or more, D)
    """Extend a batch at both ends, and further if it is still shorter than one window, which layers reject."""
    missing = tf.maximum(span - 2 * padding - tf.shape(x)[1], 0)
    return tf.pad(x, [[0, 0], [padding, padding + missing], [0, 0]], constant_values=fill)


def with_steps(y, steps):  # (B, M, H), T -> (B, T, H)
    return tf.pad(y, [[0, 0], [0, steps - tf.shape(y)[1]], [0, 0]])
