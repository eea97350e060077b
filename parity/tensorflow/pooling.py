"""Pooling over time in TensorFlow: one vector for each sequence, zero for an empty one.

Keras' `GlobalAveragePooling1D` and `Attention` take a mask; `GlobalMaxPooling1D` does not, and says so in a warning.
Padding is replaced by zeros first, with a choice and not a product; where something would divide nothing by nothing
(https://github.com/keras-team/keras/issues/18152), an empty sequence gets one step of such zeros (`never_empty`).
"""

import warnings
from functools import cache

import keras
import tensorflow as tf

from parity.tensorflow import runtime


def last_relevant(x, lengths, initial=None, *, variant="gather"):  # (B, T, H)  (B,)  (B, H)
    """The last real step of each sequence, e.g. of a recurrent layer's outputs, where ``x[:, -1]`` is padding.

    Args:
        initial: what an empty sequence gives; zeros when None.
        variant: "gather", or "flattened": all steps of all sequences in one row, as before `tf.gather` knew batches.

    Returns:
        y: (B, H).

    >>> last_relevant(tf.constant([[[1.0], [2.0], [9.0]]]), tf.constant([2]))["y"].numpy()
    array([[2.]], dtype=float32)
    """
    index = tf.maximum(lengths - 1, 0)  # -1 would be the last step of the sequence before, and padding
    if runtime.pick(("gather", "flattened"), variant) == "flattened":
        batch, steps = tf.unstack(tf.shape(x, out_type=index.dtype)[:2])
        last = tf.gather(tf.reshape(x, [-1, x.shape[2]]), tf.range(batch) * steps + index)
    else:
        last = tf.gather(x, index, batch_dims=1)
    initial = tf.zeros_like(last) if initial is None else initial
    return {"y": tf.where(lengths[:, None] > 0, last, initial)}


def mean(x, lengths, *, variant="keras"):  # (B, T, D)  (B,)
    """The mean over each sequence's real steps: their sum over their number, and not over T.

    Args:
        variant: "keras" (`GlobalAveragePooling1D`, which needs at least one step) or "masked_sum".

    Returns:
        y: (B, D).

    >>> mean(tf.constant([[[1.0], [3.0], [9.0]]]), tf.constant([2]))["y"].numpy()
    array([[2.]], dtype=float32)
    """
    x, counted = only_real(x, lengths), never_empty(lengths, tf.shape(x)[1])
    if runtime.pick(("keras", "masked_sum"), variant) == "keras":
        return {"y": average_layer(x.dtype)(x, mask=counted)}
    return {"y": tf.reduce_sum(x, 1) / tf.cast(tf.maximum(lengths, 1), x.dtype)[:, None]}


def sum(x, lengths, *, variant="masked"):  # noqa: A001  # (B, T, D)  (B,)
    """The sum over each sequence's real steps.

    Args:
        variant: "masked", or "segments": the real steps of all sequences in one row, each added to its own sum.

    Returns:
        y: (B, D).
    """
    if runtime.pick(("masked", "segments"), variant) == "masked":
        return {"y": tf.reduce_sum(only_real(x, lengths), 1)}
    real = runtime.valid(lengths, tf.shape(x)[1])
    sequence = tf.where(real)[:, 0]  # which one each real step belongs to
    return {"y": tf.math.unsorted_segment_sum(tf.boolean_mask(x, real), sequence, tf.shape(x)[0])}


def max(x, lengths, *, variant="masked"):  # noqa: A001  # (B, T, D)  (B,)
    """The largest value of each feature among each sequence's real steps.

    `tf.reduce_max` shares the gradient out among equals, as `torch.amax` does.

    Returns:
        y: (B, D).
    """
    counted = never_empty(lengths, tf.shape(x)[1])[:, :, None]  # the one zero of an empty sequence is its largest
    return {"y": tf.reduce_max(tf.where(counted, only_real(x, lengths), float("-inf")), 1)}


def attention(x, lengths, query, *, variant="keras"):  # (B, T, D)  (B,)  (D,)
    """A weighted mean over real steps, its weights ``softmax(x · query)``, the query learned.

    Args:
        variant: "keras" (`Attention`, the query one of its inputs) or "softmax".

    Returns:
        weights: (B, T), zero on padding; y: (B, D).

    >>> attention(tf.constant([[[1.0], [3.0], [9.0]]]), tf.constant([2]), tf.zeros(1))["weights"].numpy()
    array([[0.5, 0.5, 0. ]], dtype=float32)
    """
    counted = never_empty(lengths, tf.shape(x)[1])  # where all is masked, softmax gives NaN
    x = only_real(x, lengths)
    if runtime.pick(("keras", "softmax"), variant) == "keras":
        y, weights = keras_attention(query, x, counted)
    else:
        weights = tf.nn.softmax(tf.where(counted, tf.linalg.matvec(x, query), float("-inf")))
        y = tf.linalg.matvec(x, weights, transpose_a=True)
    real = runtime.valid(lengths, tf.shape(x)[1])
    return {"weights": tf.where(real, weights, tf.zeros((), x.dtype)), "y": y}


def keras_attention(query, x, mask):  # (D,)  (B, T, D)  (B, T) -> (B, D), (B, T)
    """`keras.layers.Attention` with one query for all sequences."""
    queries = query[None, None]  # (1, 1, D)
    with warnings.catch_warnings():  # where T is 1, Keras wonders that the weight is too
        warnings.filterwarnings("ignore", "You are using a softmax over axis", UserWarning)
        y, weights = attention_layer(x.dtype)([queries, x], mask=[None, mask], return_attention_scores=True)
    return y[:, 0], weights[:, 0]


def only_real(x, lengths):  # (B, T, D)  (B,)
    """The values on real steps, 0 on padding."""
    return runtime.only_real(runtime.valid(lengths, tf.shape(x)[1]), x)


def never_empty(lengths, steps):  # (B,), T -> (B, T)
    """True on real steps, and on the first step of an empty sequence, so that nothing is divided by nothing."""
    return runtime.valid(tf.maximum(lengths, 1), steps)


@cache
def average_layer(dtype):
    """A layer, built once."""
    return keras.layers.GlobalAveragePooling1D(dtype=dtype.name)


@cache
def attention_layer(dtype):
    """A layer, built once; it has no weights of its own."""
    return keras.layers.Attention(dtype=dtype.name)
