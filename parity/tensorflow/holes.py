"""Compute on the steps that a mask keeps, in TensorFlow, as if the others were not there.

The mask (B, T) is 1 where a step counts, 0 on padding and on holes. A Keras mask may have holes: recurrent layers keep
their state there (https://www.tensorflow.org/guide/keras/understanding_masking_and_padding), unless cuDNN runs them,
which takes lengths. What is skipped is replaced by zeros first, by a selection and not a product.
"""

import warnings

import keras
import tensorflow as tf

from parity.tensorflow import attention, loss, pooling, rnn, runtime


def mean(x, lengths, mask, *, variant="keras"):  # (B, T, D)  (B,)  (B, T)
    """Average each sequence over the steps that its mask keeps.

    Args:
        variant: "keras" (`GlobalAveragePooling1D`, which needs at least one step) or "masked_sum".

    Returns:
        y: (B, D), zero if it keeps none.

    >>> x, mask = tf.constant([[[1.0], [9.0], [3.0]]]), tf.constant([[1, 0, 1]])
    >>> mean(x, tf.constant([3]), mask)["y"].numpy()
    array([[2.]], dtype=float32)
    """
    x = runtime.only_real(mask > 0, x)
    if runtime.pick(("keras", "masked_sum"), variant) == "keras":
        return {"y": pooling.average_layer(x.dtype)(x, mask=never_empty(mask))}
    return {"y": tf.reduce_sum(x, 1) / loss.at_least_one(mask, x.dtype, 1)[:, None]}


def max(x, lengths, mask, *, variant="masked"):  # noqa: A001  # (B, T, D)  (B,)  (B, T)
    """Return each feature's maximum over the steps that the mask keeps.

    Returns:
        y: (B, D), zero if it keeps none.
    """
    counted = never_empty(mask)[:, :, None]  # the maximum of no step is that of one zero
    return {"y": tf.reduce_max(tf.where(counted, runtime.only_real(mask > 0, x), float("-inf")), 1)}


def last(x, lengths, mask, *, variant="gather"):  # (B, T, D)  (B,)  (B, T)
    """Return the last step that the mask keeps, which the number of those before it does not tell.

    Args:
        variant: "gather", or "one_hot": the sum over a mask that keeps this step only.

    Returns:
        y: (B, D), zero if it keeps none.
    """
    x = runtime.only_real(mask > 0, x)
    steps = tf.range(tf.shape(x)[1], dtype=mask.dtype)
    index = tf.reduce_max(mask * steps, 1)
    if runtime.pick(("gather", "one_hot"), variant) == "gather":
        return {"y": tf.gather(x, index, batch_dims=1)}
    return {"y": tf.reduce_sum(runtime.only_real(steps == index[:, None], x), 1)}


def attention_pooling(x, lengths, mask, query, *, variant="keras"):  # (B, T, D)  (B,)  (B, T)  (D,)
    """Average the steps that the mask keeps, weighted by ``softmax(x · query)`` with a learned query.

    Args:
        variant: "keras" (`Attention`, the query one of its inputs) or "softmax".

    Returns:
        weights: (B, T), zero on padding and holes; y: (B, D), zero if the mask keeps none.
    """
    x, counted = runtime.only_real(mask > 0, x), never_empty(mask)
    if runtime.pick(("keras", "softmax"), variant) == "keras":
        y, weights = pooling.keras_attention(query, x, counted)
    else:
        weights = tf.nn.softmax(tf.where(counted, tf.linalg.matvec(x, query), float("-inf")))
        y = tf.linalg.matvec(x, weights, transpose_a=True)
    weights = runtime.nan_in_all(weights)
    return {"weights": tf.where(mask > 0, weights, tf.zeros((), x.dtype)), "y": y}


def softmax(scores, lengths, mask, *, variant="keras"):  # (B, T)  (B,)  (B, T)
    """Normalise scores by a softmax over the steps that the mask keeps.

    Args:
        variant: "keras" (`Softmax` with a mask) or "where".

    Returns:
        weights: (B, T), zero on padding and holes.

    >>> scores, mask = tf.constant([[1.0, 9.0, 1.0]]), tf.constant([[1, 0, 1]])
    >>> softmax(scores, tf.constant([3]), mask)["weights"].numpy()
    array([[0.5, 0. , 0.5]], dtype=float32)
    """
    kept, zero = mask > 0, tf.zeros((), scores.dtype)
    if runtime.pick(("keras", "where"), variant) == "keras":
        with warnings.catch_warnings():  # Keras warns if T is 1
            warnings.filterwarnings("ignore", "You are using a softmax over axis", UserWarning)
            weights = softmax_layer(scores.dtype)(tf.where(kept, scores, zero), mask=kept)
    else:
        weights = tf.nn.softmax(tf.where(kept, scores, float("-inf")))  # NaN if the mask keeps none
    weights = runtime.nan_in_all(weights)
    return {"weights": tf.where(kept, weights, zero)}


def self_attention(x, lengths, mask, w_in, bias_in, w_out, bias_out, *, heads, variant="layer"):
    """Compute multi-head attention among the steps that the mask keeps.

    Args:
        x: (B, T, H). lengths: (B,). mask: (B, T).
        w_in, bias_in, w_out, bias_out, heads: as for `parity.tensorflow.attention.multi_head_attention`.

    Returns:
        y: (B, T, H), zero on padding and holes.
    """
    kept = mask > 0
    x, weights = runtime.only_real(kept, x), attention.keras_layout(w_in, bias_in, w_out, bias_out, heads)
    layer = attention.built(x.shape[2], heads, x.dtype)
    return {"y": runtime.only_real(kept, runtime.call_layer(layer, weights, x, x, attention_mask=kept[:, None]))}


def gru(x, lengths, mask, w_in, w_rec, bias, *, variant="masked"):
    """Run a GRU over the steps that the mask keeps: at a hole, its state stays.

    Args:
        x: (B, T, D). lengths: (B,). mask: (B, T).
        w_in, w_rec, bias: (D, 3, H), (H, 3, H), (4, H).

    Returns:
        y: (B, T, H), zero on padding and holes; h: (B, H), the state after the last step that is kept.
    """
    weights = [(w_in, w_rec, bias)]
    y, (h,) = rnn.masked(keras.layers.GRU, x, lengths, weights, [None], real=mask > 0)
    return {"y": y, "h": h[0]}


def cross_entropy(logits, targets, lengths, mask, *, variant="keras_mask"):  # (B, T, C)  (B, T)  (B,)  (B, T)
    """Average the cross entropy over all steps that the mask keeps.

    Args:
        variant: "keras_mask" or "ignore_class".

    Returns:
        loss: (), 0 if it keeps none.
    """
    kept, options = mask > 0, {"from_logits": True, "dtype": logits.dtype.name}
    logits = runtime.only_real(kept, logits)
    if runtime.pick(("keras_mask", "ignore_class"), variant) == "ignore_class":
        mean_loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=-1, **options)
        return {"loss": mean_loss(tf.where(kept, targets, -1), logits)}
    mean_loss = keras.losses.SparseCategoricalCrossentropy(**options)
    return {"loss": loss.with_keras_mask(mean_loss, tf.where(kept, targets, 0), logits, kept)}


def mean_squared_error(prediction, target, lengths, mask, *, variant="keras_mask"):
    """Average the squared error over all features of all steps that the mask keeps.

    Args:
        prediction, target: (B, T, D). lengths: (B,). mask: (B, T).
        variant: "keras_mask" or "selected".

    Returns:
        loss: (), 0 if it keeps none.
    """
    kept = mask > 0
    if runtime.pick(("keras_mask", "selected"), variant) == "keras_mask":
        mean_loss = keras.losses.MeanSquaredError(dtype=prediction.dtype.name)
        prediction, target = runtime.only_real(kept, prediction), runtime.only_real(kept, target)
        return {"loss": loss.with_keras_mask(mean_loss, target, prediction, kept)}
    errors = tf.math.squared_difference(tf.boolean_mask(prediction, kept), tf.boolean_mask(target, kept))  # (N, D)
    return {"loss": tf.reduce_sum(errors) / (loss.at_least_one(mask, errors.dtype) * prediction.shape[2])}


def moments(x, lengths, mask, *, correction=0, variant="weighted_moments"):  # (B, T, H)  (B,)  (B, T)
    """Compute mean and variance of each feature over the steps that the mask keeps, such as those that were observed.

    Args:
        correction: the sum of squares is divided by n - correction; `tf.nn.weighted_moments` has none.

    Returns:
        mean, variance: (B, H); 0 if the mask keeps no step, and a variance of 0 if it keeps ``correction`` steps.
    """
    weights = tf.cast(mask, x.dtype)[:, :, None]
    average, population = tf.nn.weighted_moments(runtime.only_real(mask > 0, x), [1], weights)
    count = tf.reduce_sum(weights, 1)  # (B, 1)
    return {"mean": average, "variance": population * count / tf.maximum(count - correction, 1)}


def never_empty(mask):  # (B, T) -> (B, T)
    """Return True where the mask keeps a step, and on the first step where it keeps none."""
    first = tf.range(tf.shape(mask)[1]) == 0
    return (mask > 0) | (first & ~tf.reduce_any(mask > 0, 1, keepdims=True))


@runtime.built_once
def softmax_layer(dtype):
    """Build the layer once."""
    return keras.layers.Softmax(dtype=dtype.name)
