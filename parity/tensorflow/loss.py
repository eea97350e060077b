"""Compute losses over real steps only, in TensorFlow.

A Keras loss divides by the number of real steps if it is given a mask, but by B·T if it is given the same zeros and
ones as ``sample_weight`` (https://github.com/tensorflow/tensorflow/issues/26784). Without a real step, loss and
gradient are 0. Keras multiplies by the mask, and NaN times 0 is NaN, so padding is replaced before the loss.
"""

import keras
import tensorflow as tf

from parity.tensorflow import runtime


def cross_entropy(logits, targets, lengths, *, left=False, variant="keras_mask"):  # (B, T, C)  (B, T)  (B,)
    """Average the cross entropy over all real steps.

    Args:
        left: whether padding precedes each sequence, as for the losses below.
        variant: "keras_mask", "ignore_class" or "flattened" (real steps selected).

    Returns:
        loss: ().

    >>> loss = cross_entropy(tf.zeros((1, 3, 4)), tf.constant([[1, 2, 9]]), tf.constant([2]))["loss"]
    >>> round(float(loss), 4)  # log 4
    1.3863
    """
    runtime.pick(("keras_mask", "ignore_class", "flattened"), variant)
    real = runtime.valid(lengths, tf.shape(targets)[1], left)
    if variant == "flattened":
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            tf.boolean_mask(targets, real), tf.boolean_mask(logits, real)
        )
        return {"loss": tf.reduce_sum(losses) / at_least_one(real, losses.dtype)}
    logits = runtime.only_real(real, logits)
    if variant == "ignore_class":
        targets = tf.where(real, targets, -1)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1, dtype=logits.dtype.name)
        return {"loss": loss(targets, logits)}
    targets = tf.where(real, targets, 0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype=logits.dtype.name)
    return {"loss": with_keras_mask(loss, targets, logits, real)}


def sequence_loss(
    logits,
    targets,
    lengths,
    *,
    average_across_timesteps=True,
    average_across_batch=True,
    left=False,
    variant="weighted",
):
    """Average the cross entropy as ``tf.contrib.seq2seq.sequence_loss`` did, over time, batch or both.

    Returns:
        loss: (); (B,) averaged over time only; (T,) averaged over the batch only; (B, T) neither.
    """
    real = runtime.valid(lengths, tf.shape(targets)[1], left)
    losses = by_token(logits, targets, real)
    axes = [1] * average_across_timesteps + [0] * average_across_batch
    if not axes:
        return {"loss": losses}
    return {"loss": tf.reduce_sum(losses, axes) / at_least_one(real, losses.dtype, axes)}


def label_smoothing(logits, targets, lengths, *, smoothing=0.1, left=False, variant="keras_mask"):
    """Average cross entropy over real steps; targets keep ``1 - smoothing``, all classes share the rest.

    Keras smooths targets that are distributions over the classes, but not class numbers.

    Returns:
        loss: ().
    """
    real = runtime.valid(lengths, tf.shape(targets)[1], left)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing, dtype=logits.dtype.name)
    targets = tf.one_hot(tf.where(real, targets, 0), logits.shape[2], dtype=logits.dtype)
    return {"loss": with_keras_mask(loss, targets, runtime.only_real(real, logits), real)}


def class_weights(
    logits, targets, lengths, class_weight, *, left=False, variant="keras_mask"
):  # (B, T, C)  (B, T)  (B,)  (C,)
    """Average the cross entropy over all real steps, weighted by each target's class.

    Keras losses take a weight for each step, not for each class. The usual reduction would divide by the number of
    steps; this one divides by the sum of the weights. They are constants.

    Returns:
        loss: ().
    """
    real = runtime.valid(lengths, tf.shape(targets)[1], left)
    targets = tf.where(real, targets, 0)
    loss = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, reduction="mean_with_sample_weight", dtype=logits.dtype.name
    )
    weight = tf.gather(tf.stop_gradient(class_weight), targets)
    return {"loss": with_keras_mask(loss, targets, runtime.only_real(real, logits), real, sample_weight=weight)}


def smoothed_divergence(logits, targets, lengths, *, smoothing=0.1, pad_class=0, left=False, variant="xlogy"):
    """Average the divergence from smoothed targets over real steps, where one class is the pad.

    A target keeps ``1 - smoothing``, and all classes but the pad share the rest. `keras.losses.KLDivergence` takes
    probabilities and clips both of them, which a pad without mass is not spared.

    Args:
        logits, targets, lengths: (B, T, C), (B, T), (B,).
        pad_class: it has no mass, and steps whose target it is do not count.
        variant: "xlogy", or "cross_entropy" with the distributions as targets, less their entropy.

    Returns:
        loss: (), 0 if no step counts.
    """
    counted = runtime.valid(lengths, tf.shape(targets)[1], left) & (targets != pad_class)
    z = tf.boolean_mask(logits, counted)  # (N, C)
    q = smoothed(tf.boolean_mask(targets, counted), logits, smoothing, pad_class)
    negative_entropy = tf.math.xlogy(q, q)  # 0 where q is 0
    if runtime.pick(("xlogy", "cross_entropy"), variant) == "xlogy":
        total = tf.reduce_sum(negative_entropy - q * tf.nn.log_softmax(z))
    else:
        losses = tf.nn.softmax_cross_entropy_with_logits(q, z)
        total = tf.reduce_sum(losses) + tf.reduce_sum(negative_entropy)
    return {"loss": total / at_least_one(counted, logits.dtype)}


def smoothed(targets, logits, smoothing, pad_class):  # (N,) -> (N, C)
    """Return the distribution that each target becomes."""
    classes = logits.shape[-1]
    share = smoothing / (classes - 1) * (1 - tf.one_hot(pad_class, classes, dtype=logits.dtype))
    return (1 - smoothing) * tf.one_hot(targets, classes, dtype=logits.dtype) + share


def focal(logits, targets, lengths, class_weight, *, gamma=2.0, ignored_class=None, left=False, variant="selected"):
    """Average ``-weight (1 - p) ** gamma log p`` over real steps, p being the probability of the target.

    1 - p is the probability of all other classes, whose logarithm is computed as such: where p rounds to 1, the slope
    of its power would be 0 times inf. `keras.losses.CategoricalFocalCrossentropy` clips p to 1 - 1e-7 instead.

    Args:
        logits, targets, lengths, class_weight: (B, T, C), (B, T), (B,), (C,), the last constant.
        ignored_class: steps with this target do not count; None if all do.

    Returns:
        loss: (), 0 if no step counts.
    """
    counted = runtime.valid(lengths, tf.shape(targets)[1], left)
    if ignored_class is not None:
        counted = counted & (targets != ignored_class)
    log_p, target = tf.nn.log_softmax(tf.boolean_mask(logits, counted)), tf.boolean_mask(targets, counted)
    chosen = tf.one_hot(target, logits.shape[2], on_value=True, off_value=False, dtype=tf.bool)  # (N, C)
    log_rest = tf.reduce_logsumexp(tf.where(~chosen, log_p, float("-inf")), 1)
    weights = tf.gather(tf.stop_gradient(class_weight), target)
    losses = -weights * tf.exp(gamma * log_rest) * tf.gather(log_p, target, batch_dims=1)
    return {"loss": tf.reduce_sum(losses) / at_least_one(counted, logits.dtype)}


def mean_of_sequences(logits, targets, lengths, *, left=False, variant="weighted"):
    """Average the cross entropy over each sequence, then over all non-empty sequences.

    Returns:
        loss: ().
    """
    real = runtime.valid(lengths, tf.shape(targets)[1], left)
    losses = by_token(logits, targets, real)
    means = tf.reduce_sum(losses, 1) / at_least_one(real, losses.dtype, 1)
    return {"loss": tf.reduce_sum(means) / at_least_one(lengths > 0, losses.dtype)}


def mean_squared_error(prediction, target, lengths, *, left=False, variant="keras_mask"):  # (B, T, D)  (B, T, D)  (B,)
    """Average the squared error over all features of all real steps.

    Args:
        variant: "keras_mask", "flattened" or "weighted".

    Returns:
        loss: ().
    """
    keras_loss = keras.losses.MeanSquaredError(dtype=prediction.dtype.name)
    return _elementwise(tf.math.squared_difference, keras_loss, prediction, target, lengths, left, variant)


def binary_cross_entropy(logits, target, lengths, *, left=False, variant="keras_mask"):  # (B, T, D)  (B, T, D)  (B,)
    """Average the cross entropy with ``sigmoid(logits)`` over all features; variants as above.

    Returns:
        loss: ().
    """
    keras_loss = keras.losses.BinaryCrossentropy(from_logits=True, dtype=logits.dtype.name)
    return _elementwise(sigmoid_cross_entropy, keras_loss, logits, target, lengths, left, variant)


def _elementwise(loss, keras_loss, prediction, target, lengths, left, variant):
    real = runtime.valid(lengths, tf.shape(prediction)[1], left)
    if runtime.pick(("keras_mask", "flattened", "weighted"), variant) == "flattened":
        losses = loss(tf.boolean_mask(prediction, real), tf.boolean_mask(target, real))  # (N, D)
    else:
        prediction, target = runtime.only_real(real, prediction), runtime.only_real(real, target)
        if variant == "keras_mask":
            return {"loss": with_keras_mask(keras_loss, target, prediction, real)}
        losses = runtime.only_real(real, loss(prediction, target))
    return {"loss": tf.reduce_sum(losses) / (at_least_one(real, losses.dtype) * prediction.shape[2])}


def sigmoid_cross_entropy(logits, target):
    return tf.nn.sigmoid_cross_entropy_with_logits(target, logits)


def by_token(logits, targets, real):  # (B, T, C)  (B, T)  (B, T) -> (B, T)
    """Return the cross entropy of every real step, zero on padding."""
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.where(real, targets, 0), runtime.only_real(real, logits))
    return tf.where(real, losses, tf.zeros((), losses.dtype))


def with_keras_mask(loss, target, prediction, real, **options):
    """Call a Keras loss as ``fit`` does, with the mask attached to the prediction."""
    prediction._keras_mask = real
    return loss(target, prediction, **options)


def at_least_one(real, dtype, axes=None):
    """Count the real steps along the axes; return at least 1."""
    return tf.maximum(tf.reduce_sum(tf.cast(real, dtype), axes), 1)
