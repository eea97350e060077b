"""Compute statistics of each sequence over its real steps in TensorFlow, and normalise by them.

`tf.nn.weighted_moments` takes a mask as weights; `tf.nn.moments` and `keras.layers.GroupNormalization`, which is
instance norm with ``groups=-1``, count padding. The slope of a root is infinite at 0, which is the deviation of a
feature that does not change and of a single step: eps has to be under the root. See
https://www.tensorflow.org/api_docs/python/tf/nn/weighted_moments.
"""

import tensorflow as tf

from parity.tensorflow import runtime


def moments(x, lengths, *, correction=0, eps=0.0, variant="weighted_moments"):  # (B, T, H)  (B,)
    """Compute mean, variance and standard deviation of each feature over the real steps of each sequence.

    Args:
        correction: the sum of squares is divided by n - correction; `tf.math.reduce_variance` has none.
        eps: the least variance to take the root of.
        variant: "weighted_moments" or "masked_sum".

    Returns:
        mean, variance: (B, H); 0 for an empty sequence, and a variance of 0 for one of ``correction`` steps.
        deviation: (B, H), the root of the variance; 0 for an empty sequence.

    >>> found = moments(tf.constant([[[1.0], [3.0], [9.0]]]), tf.constant([2]), correction=1)
    >>> found["mean"].numpy().tolist(), found["variance"].numpy().tolist()
    ([[2.0]], [[2.0]])
    """
    left = tf.cast(tf.maximum(lengths - correction, 1), x.dtype)[:, None]
    if runtime.pick(("weighted_moments", "masked_sum"), variant) == "masked_sum":
        mean, centred = deviations(x, lengths)
        variance = tf.reduce_sum(tf.square(centred), 1) / left
    else:
        real = runtime.valid(lengths, tf.shape(x)[1])
        weights = tf.cast(real, x.dtype)[:, :, None]
        mean, population = tf.nn.weighted_moments(runtime.only_real(real, x), [1], weights)
        variance = population * tf.cast(lengths, x.dtype)[:, None] / left
    root = tf.sqrt(tf.maximum(variance, eps))
    deviation = tf.where(lengths[:, None] > 0, root, tf.zeros((), x.dtype))
    return {"mean": mean, "variance": variance, "deviation": deviation}


def normalised_utterance(x, lengths, *, divide=True, eps=1e-10, variant="masked"):  # (B, T, H)  (B,)
    """Subtract each sequence's mean, and divide by its standard deviation (CMVN, of cepstra or filter banks).

    Args:
        divide: whether to divide.
        eps: the least standard deviation to divide by.

    Returns:
        y: (B, T, H), zero on padding.

    >>> y = normalised_utterance(tf.constant([[[1.0], [3.0], [9.0]]]), tf.constant([2]))["y"]
    >>> y.numpy().ravel().tolist()
    [-1.0, 1.0, 0.0]
    """
    _, centred = deviations(x, lengths)
    if not divide:
        return {"y": centred}
    y = centred / tf.sqrt(tf.maximum(variance_of(centred, lengths), eps**2))
    return {"y": runtime.only_real(runtime.valid(lengths, tf.shape(x)[1]), y)}


def instance_norm(x, lengths, gamma, beta, *, eps=1e-5, variant="masked"):  # (B, T, H)  (B,)  (H,)  (H,)
    """Normalise each feature over the real steps of each sequence.

    Args:
        eps: added to the variance; the default is 1e-3 in Keras and 1e-5 in `torch`.

    Returns:
        y: (B, T, H), zero on padding.

    >>> one = tf.ones(1)
    >>> y = instance_norm(tf.constant([[[1.0], [3.0], [9.0]]]), tf.constant([2]), one, one, eps=0.0)["y"]
    >>> y.numpy().ravel().tolist()
    [0.0, 2.0, 0.0]
    """
    _, centred = deviations(x, lengths)
    y = centred * tf.math.rsqrt(variance_of(centred, lengths) + eps) * gamma + beta
    return {"y": runtime.only_real(runtime.valid(lengths, tf.shape(x)[1]), y)}


def deviations(x, lengths):  # (B, T, H)  (B,) -> (B, H)  (B, T, H)
    """Return the mean of each sequence, and how far its steps are from it, 0 on padding."""
    real = runtime.valid(lengths, tf.shape(x)[1])
    mean = tf.reduce_sum(runtime.only_real(real, x), 1) / tf.cast(tf.maximum(lengths, 1), x.dtype)[:, None]
    return mean, runtime.only_real(real, x - mean[:, None])


def variance_of(centred, lengths):  # (B, T, H)  (B,) -> (B, 1, H)
    """Return the mean square of deviations, which are 0 on padding."""
    counts = tf.cast(tf.maximum(lengths, 1), centred.dtype)[:, None, None]
    return tf.reduce_sum(tf.square(centred), 1, keepdims=True) / counts
