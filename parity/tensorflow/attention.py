"""Compute attention over real steps in TensorFlow, by a softmax and by a layer.

If every key is masked, a softmax divides 0 by 0. `softmax` masks the NaN afterwards, which is enough because the scores
are masked by a selection too. Keras' layer gives all keys the same weight in that case, and its output is masked.
`MultiHeadAttention` also reads masks from its inputs, and removes them there. Here it receives an ``attention_mask``,
True on real steps; ``key_padding_mask`` of `torch` is True on padding. See
https://keras.io/api/layers/attention_layers/multi_head_attention/.
"""

import keras
import tensorflow as tf

from parity.tensorflow import runtime


def softmax(scores, lengths, *, axis=-1, variant="where"):  # (B, T) or (B, T, D), (B,)
    """Normalise scores by a softmax over the real steps of each sequence.

    Args:
        axis: the time axis: -1 for one score per step, -2 for one per feature.

    Returns:
        weights: shaped like scores; they sum to 1 over each non-empty sequence and are zero on padding.

    >>> softmax(tf.constant([[1.0, 1.0, 9.0]]), tf.constant([2]))["weights"].numpy().tolist()
    [[0.5, 0.5, 0.0]]
    """
    real = runtime.valid(lengths, tf.shape(scores)[axis])  # (B, T)
    if axis == -2:
        real = real[:, :, None]
    weights = tf.nn.softmax(tf.where(real, scores, float("-inf")), axis)  # NaN if the sequence is empty
    weights = runtime.nan_in_all(weights, axis)
    return {"weights": tf.where(real, weights, tf.zeros((), weights.dtype))}


def multi_head_attention(x, lengths, w_in, bias_in, w_out, bias_out, *, heads, variant="layer"):
    """Compute multi-head attention among the real steps of each sequence.

    Args:
        x: (B, T, H). lengths: (B,).
        w_in, bias_in: (H, 3, H), (2, H), for queries, keys and values, head by head; keys need no bias.
        w_out, bias_out: (H, H), (H,).
        heads: number of heads, which divides H.

    Returns:
        y: (B, T, H), zero on padding.

    >>> one, zero = tf.ones((1, 3, 1)), tf.zeros((2, 1))
    >>> x = tf.constant([[[2.0], [2.0], [9.0]]])
    >>> y = multi_head_attention(x, tf.constant([2]), one, zero, tf.ones((1, 1)), tf.zeros(1), heads=1)["y"]
    >>> y.numpy().ravel().tolist()
    [2.0, 2.0, 0.0]
    """
    real = runtime.valid(lengths, tf.shape(x)[1])  # (B, T)
    x = runtime.only_real(real, x)
    weights = keras_layout(w_in, bias_in, w_out, bias_out, heads)
    y = runtime.call_layer(built(x.shape[2], heads, x.dtype), weights, x, x, attention_mask=real[:, None])
    return {"y": runtime.only_real(real, y)}


def keras_layout(w_in, bias_in, w_out, bias_out, heads):  # (H, 3, H)  (2, H)  (H, H)  (H,)
    """Return the weights in the order of `keras.layers.MultiHeadAttention`: kernel, bias, kernel, bias, …."""
    size = w_out.shape[0] // heads
    q, k, v = (tf.reshape(part, [-1, heads, size]) for part in tf.unstack(w_in, axis=1))  # (H, heads, H / heads)
    b_q, b_v = (tf.reshape(part, [heads, size]) for part in tf.unstack(bias_in))
    lost = lost_scale(size, w_in.dtype)
    return [q * lost, b_q * lost, k, tf.zeros_like(b_q), v, b_v, tf.reshape(w_out, [heads, size, -1]), bias_out]


def lost_scale(size, dtype):
    """Return the factor that corrects Keras' ``1 / sqrt(size)``, always rounded to float32."""
    exact = tf.constant(size**-0.5, dtype)
    return exact / tf.cast(tf.cast(exact, tf.float32), dtype)


@runtime.built_once
def built(hidden, heads, dtype):
    """Build an empty layer once; its weights are passed in at every call."""
    layer = keras.layers.MultiHeadAttention(heads, hidden // heads, dtype=dtype.name)
    layer.build((None, None, hidden), (None, None, hidden))
    return layer
