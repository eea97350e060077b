"""Pool over time in TensorFlow: one vector for each sequence, zero for an empty one.

Keras' `GlobalAveragePooling1D` and `Attention` take a mask; `GlobalMaxPooling1D` warns that it does not. Padding is
replaced by zeros first, by a selection and not a product. To avoid a division of 0 by 0
(https://github.com/keras-team/keras/issues/18152), an empty sequence gets one step of such zeros (`never_empty`).
"""

import warnings

import keras
import tensorflow as tf

from parity.tensorflow import runtime


def last_relevant(x, lengths, initial=None, *, left=False, variant="gather"):  # (B, T, H)  (B,)  (B, H)
    """Return the last real step of each sequence, where ``x[:, -1]`` would be padding if that is on the right.

    Args:
        initial: result for an empty sequence; zeros if None.
        left: whether padding precedes each sequence.
        variant: "gather", or "flattened": all steps of all sequences in one row, as before ``batch_dims``.

    Returns:
        y: (B, H).

    >>> last_relevant(tf.constant([[[1.0], [2.0], [9.0]]]), tf.constant([2]))["y"].numpy()
    array([[2.]], dtype=float32)
    """
    batch, steps = tf.unstack(tf.shape(x, out_type=lengths.dtype)[:2])
    last_of_all = tf.fill([batch], steps - 1)
    index = last_of_all if left else tf.maximum(lengths - 1, 0)  # -1 would be of the sequence before, and padding
    if runtime.pick(("gather", "flattened"), variant) == "flattened":
        last = tf.gather(tf.reshape(x, [-1, x.shape[2]]), tf.range(batch) * steps + index)
    else:
        last = tf.gather(x, index, batch_dims=1)
    initial = tf.zeros_like(last) if initial is None else initial
    return {"y": tf.where(lengths[:, None] > 0, last, initial)}


def first_relevant(x, lengths, *, left=False, variant="gather"):  # (B, T, H)  (B,)
    """Return the first real step of each sequence, where ``x[:, 0]`` would be padding if that is on the left.

    Args:
        left: whether padding precedes each sequence.

    Returns:
        y: (B, H), zero for an empty sequence.

    >>> first_relevant(tf.constant([[[9.0], [1.0], [2.0]]]), tf.constant([2]), left=True)["y"].numpy()
    array([[1.]], dtype=float32)
    """
    steps = tf.shape(x, out_type=lengths.dtype)[1]
    padding = tf.minimum(steps - lengths, steps - 1)  # T would be behind the last step
    first = tf.gather(x, padding if left else tf.zeros_like(lengths), batch_dims=1)
    return {"y": tf.where(lengths[:, None] > 0, first, tf.zeros((), x.dtype))}


def mean(x, lengths, *, left=False, variant="keras"):  # (B, T, D)  (B,)
    """Average each sequence over its real steps, not over T.

    Args:
        left: whether padding precedes each sequence.
        variant: "keras" (`GlobalAveragePooling1D`, which needs at least one step) or "masked_sum".

    Returns:
        y: (B, D).

    >>> mean(tf.constant([[[1.0], [3.0], [9.0]]]), tf.constant([2]))["y"].numpy()
    array([[2.]], dtype=float32)
    """
    x, counted = only_real(x, lengths, left), never_empty(lengths, tf.shape(x)[1], left)
    if runtime.pick(("keras", "masked_sum"), variant) == "keras":
        return {"y": average_layer(x.dtype)(x, mask=counted)}
    return {"y": tf.reduce_sum(x, 1) / tf.cast(tf.maximum(lengths, 1), x.dtype)[:, None]}


def sum(x, lengths, *, left=False, variant="masked"):  # noqa: A001  # (B, T, D)  (B,)
    """Sum each sequence over its real steps.

    Args:
        variant: "masked", or "segments": the real steps of all sequences in one row, each added to its own sum.

    Returns:
        y: (B, D).
    """
    if runtime.pick(("masked", "segments"), variant) == "masked":
        return {"y": tf.reduce_sum(only_real(x, lengths, left), 1)}
    real = runtime.valid(lengths, tf.shape(x)[1], left)
    sequence = tf.where(real)[:, 0]  # the sequence of each real step
    return {"y": tf.math.unsorted_segment_sum(tf.boolean_mask(x, real), sequence, tf.shape(x)[0])}


def max(x, lengths, *, left=False, variant="masked"):  # noqa: A001  # (B, T, D)  (B,)
    """Return each feature's maximum over the real steps of each sequence.

    `tf.reduce_max` shares the gradient among equal maxima, as `torch.amax` does.

    Returns:
        y: (B, D).
    """
    counted = never_empty(lengths, tf.shape(x)[1], left)[:, :, None]  # the maximum of an empty sequence is its one zero
    return {"y": tf.reduce_max(tf.where(counted, only_real(x, lengths, left), float("-inf")), 1)}


def attention(x, lengths, query, *, left=False, variant="keras"):  # (B, T, D)  (B,)  (D,)
    """Average the real steps, weighted by ``softmax(x · query)`` with a learned query.

    Args:
        variant: "keras" (`Attention`, the query one of its inputs) or "softmax".

    Returns:
        weights: (B, T), zero on padding; y: (B, D).

    >>> attention(tf.constant([[[1.0], [3.0], [9.0]]]), tf.constant([2]), tf.zeros(1))["weights"].numpy()
    array([[0.5, 0.5, 0. ]], dtype=float32)
    """
    counted = never_empty(lengths, tf.shape(x)[1], left)  # if all is masked, softmax gives NaN
    x = only_real(x, lengths, left)
    if runtime.pick(("keras", "softmax"), variant) == "keras":
        y, weights = keras_attention(query, x, counted)
    else:
        weights = tf.nn.softmax(tf.where(counted, tf.linalg.matvec(x, query), float("-inf")))
        y = tf.linalg.matvec(x, weights, transpose_a=True)
    real = runtime.valid(lengths, tf.shape(x)[1], left)
    return {"weights": tf.where(real, runtime.nan_in_all(weights), tf.zeros((), x.dtype)), "y": y}


def keras_attention(query, x, mask):  # (D,)  (B, T, D)  (B, T) -> (B, D), (B, T)
    """Call `keras.layers.Attention` with one query for all sequences."""
    queries = query[None, None]  # (1, 1, D)
    with warnings.catch_warnings():  # Keras warns if T is 1
        warnings.filterwarnings("ignore", "You are using a softmax over axis", UserWarning)
        y, weights = attention_layer(x.dtype)([queries, x], mask=[None, mask], return_attention_scores=True)
    return y[:, 0], weights[:, 0]


def only_real(x, lengths, left=False):  # (B, T, D)  (B,)
    """Return the values on real steps, and 0 on padding."""
    return runtime.only_real(runtime.valid(lengths, tf.shape(x)[1], left), x)


def never_empty(lengths, steps, left=False):  # (B,), T -> (B, T)
    """Return True on real steps, and on one step of an empty sequence."""
    return runtime.valid(tf.maximum(lengths, 1), steps, left)


@runtime.built_once
def average_layer(dtype):
    """Build the layer once."""
    return keras.layers.GlobalAveragePooling1D("channels_last", dtype=dtype.name)


@runtime.built_once
def attention_layer(dtype):
    """Build the layer once; it has no weights of its own."""
    return keras.layers.Attention(dtype=dtype.name)
