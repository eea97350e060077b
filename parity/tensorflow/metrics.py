"""Compute over a corpus that comes in several batches, in TensorFlow.

`keras.Model.evaluate` weighs the loss of a batch by its rows, not by its real steps
(https://github.com/keras-team/keras/issues/4186). A Keras metric averages weights over time before it adds them up, so
that a step counts the less, the longer its batch is padded: here it is given flat arrays.
"""

import keras
import tensorflow as tf

from parity.tensorflow import loss, runtime


def corpus_loss(logits, targets, lengths, *, splits=2, variant="keras_metric"):  # (B, T, C)  (B, T)  (B,)
    """Average the cross entropy over all real steps of all batches.

    Args:
        splits: into how many batches the B rows are split, as equal as can be.
        variant: "keras_metric" (`Mean`, whose state passes from batch to batch) or "summed".

    Returns:
        loss: (), 0 without a real step.

    >>> given = tf.zeros((2, 3, 4)), tf.zeros((2, 3), tf.int32), tf.constant([3, 1])
    >>> round(float(corpus_loss(*given)["loss"]), 4)  # log 4
    1.3863
    """
    return {"loss": mean_loss(logits, targets, lengths, splits, variant)}


def perplexity(logits, targets, lengths, *, splits=2, variant="keras_metric"):  # (B, T, C)  (B, T)  (B,)
    """Compute ``exp`` of the loss over all real steps of all batches; variants as above.

    Returns:
        perplexity: (), 0 without a real step.
    """
    mean = mean_loss(logits, targets, lengths, splits, variant)
    return {"perplexity": tf.where(tf.reduce_sum(lengths) > 0, tf.exp(mean), tf.zeros_like(mean))}


def mean_loss(logits, targets, lengths, splits, variant):
    """Return the loss over all real steps of all batches."""
    runtime.pick(("keras_metric", "summed"), variant)
    metric = mean_metric(logits.dtype)
    state, total, steps = metric.stateless_reset_state(), 0, 0
    for z, target, length in batches(splits, logits, targets, lengths):
        real = runtime.valid(length, tf.shape(z)[1])
        losses, weights = loss.by_token(z, target, real), tf.cast(real, z.dtype)
        if variant == "keras_metric":
            state = metric.stateless_update_state(state, flat(losses), sample_weight=flat(weights))
        else:
            total, steps = total + tf.reduce_sum(losses), steps + tf.reduce_sum(weights)
    return metric.stateless_result(state) if variant == "keras_metric" else total / tf.maximum(steps, 1)


def token_accuracy(logits, targets, lengths, *, splits=2, variant="keras_metric"):  # (B, T, C)  (B, T)  (B,)
    """Compute the share of real steps whose class of the largest logit is the target.

    Args:
        variant: "keras_metric" (`SparseCategoricalAccuracy`) or "masked".

    Returns:
        accuracy: (), without gradient; 0 without a real step.
    """
    runtime.pick(("keras_metric", "masked"), variant)
    metric = accuracy_metric(logits.dtype)
    state, right, steps = metric.stateless_reset_state(), 0, 0
    for z, target, length in batches(splits, logits, targets, lengths):
        real = runtime.valid(length, tf.shape(z)[1])
        if variant == "keras_metric":
            z = tf.reshape(z, [-1, z.shape[2]])
            state = metric.stateless_update_state(state, flat(target), z, sample_weight=flat(tf.cast(real, z.dtype)))
        else:
            right = right + tf.reduce_sum(tf.cast(real & (tf.argmax(z, 2) == target), z.dtype))
            steps = steps + tf.reduce_sum(tf.cast(real, z.dtype))
    return {"accuracy": metric.stateless_result(state) if variant == "keras_metric" else right / tf.maximum(steps, 1)}


def exact_match(logits, targets, lengths, *, splits=2, variant="keras_metric"):  # (B, T, C)  (B, T)  (B,)
    """Compute the share of sequences all of whose classes of the largest logit are the targets.

    Args:
        variant: "keras_metric" (`Mean` over sequences, padding is right), or "counted" (as many right steps as real
            ones).

    Returns:
        matched: (), without gradient, over all sequences that have a real step; 0 without any.
    """
    runtime.pick(("keras_metric", "counted"), variant)
    metric = mean_metric(logits.dtype)
    state, matched, sequences = metric.stateless_reset_state(), 0, 0
    for z, target, length in batches(splits, logits, targets, lengths):
        real, right = runtime.valid(length, tf.shape(z)[1]), tf.argmax(z, 2) == target
        has_steps = tf.cast(length > 0, z.dtype)
        if variant == "keras_metric":
            whole = tf.cast(tf.reduce_all(right | ~real, 1), z.dtype)
            state = metric.stateless_update_state(state, whole, sample_weight=has_steps)
        else:
            whole = tf.math.count_nonzero(right & real, 1, dtype=length.dtype) == length
            matched = matched + tf.reduce_sum(tf.cast(whole, z.dtype) * has_steps)
            sequences = sequences + tf.reduce_sum(has_steps)
    counted = matched / tf.maximum(sequences, 1)
    return {"matched": metric.stateless_result(state) if variant == "keras_metric" else counted}


def f1_score(logits, targets, lengths, *, splits=2, variant="one_hot"):  # (B, T, C)  (B, T)  (B,)
    """Compute the F1 score of each class over all real steps: ``2 hits / (predicted + true)``.

    `keras.metrics.F1Score` adds 1e-7 to the divisor, which shows in float64.

    Args:
        variant: "one_hot" or "confusion_matrix".

    Returns:
        f1: (C,), without gradient; 0 for a class that is neither predicted nor true.
    """
    count = runtime.pick({"one_hot": count_by_mask, "confusion_matrix": count_selected}, variant)
    hits, counted = 0, 0
    for z, target, length in batches(splits, logits, targets, lengths):
        batch_hits, batch_counted = count(z, target, runtime.valid(length, tf.shape(z)[1]))
        hits, counted = hits + batch_hits, counted + batch_counted
    return {"f1": 2 * hits / tf.maximum(counted, 1)}


def count_by_mask(logits, targets, real):  # (B, T, C)  (B, T)  (B, T) -> (C,), (C,)
    """Count by class how often it is predicted and true, and how often it is either, counting both."""
    classes, weights = logits.shape[2], tf.cast(real, logits.dtype)[:, :, None]
    predicted = tf.one_hot(tf.argmax(logits, 2), classes, dtype=logits.dtype) * weights
    true = tf.one_hot(targets, classes, dtype=logits.dtype) * weights
    return tf.reduce_sum(predicted * true, [0, 1]), tf.reduce_sum(predicted + true, [0, 1])


def count_selected(logits, targets, real):  # (B, T, C)  (B, T)  (B, T) -> (C,), (C,)
    """Count the same on real steps, which are selected first."""
    predicted, true = tf.argmax(tf.boolean_mask(logits, real), 1), tf.boolean_mask(targets, real)
    confused = tf.math.confusion_matrix(true, predicted, logits.shape[2], dtype=logits.dtype)
    return tf.linalg.diag_part(confused), tf.reduce_sum(confused, 0) + tf.reduce_sum(confused, 1)


def accumulated_gradient(x, targets, lengths, w, *, splits=2, variant="micro_batches"):
    """Add up the gradients of micro-batches: that of the cross entropy of ``x w``, averaged over all real steps.

    Each loss is divided by the number of real steps of all micro-batches, which has to be known before the first.

    Args:
        x: (B, T, D). targets: (B, T). lengths: (B,). w: (D, C).

    Returns:
        gradient: (D, C), a constant, as what an optimiser is given.
    """
    steps, gradient = tf.cast(tf.maximum(tf.reduce_sum(lengths), 1), w.dtype), tf.zeros_like(w)
    for part, target, length in batches(splits, x, targets, lengths):
        real = runtime.valid(length, tf.shape(part)[1])
        with tf.GradientTape() as tape:
            tape.watch(w)
            total = tf.reduce_sum(loss.by_token(runtime.only_real(real, part) @ w, target, real))
            mean = total / steps
        gradient += tape.gradient(mean, w)
    return {"gradient": tf.stop_gradient(gradient)}


def batches(splits, *tensors):  # (B, ...)
    """Yield so many parts of the rows of all tensors; some are empty if there are fewer rows."""
    rows = tf.shape(tensors[0])[0]
    sizes = rows // splits + tf.cast(tf.range(splits) < rows % splits, rows.dtype)
    return zip(*(tf.split(tensor, sizes, num=splits) for tensor in tensors), strict=True)


def flat(values):  # (B, T) -> (B * T,)
    return tf.reshape(values, [-1])


@runtime.built_once
def mean_metric(dtype):
    """Build the metric once; its state is passed in at every call."""
    return keras.metrics.Mean(dtype=dtype.name)


@runtime.built_once
def accuracy_metric(dtype):
    """Build the metric once; its state is passed in at every call."""
    return keras.metrics.SparseCategoricalAccuracy(dtype=dtype.name)
