"""Compute the attention of a decoder in TensorFlow, by Keras' layers and by `keras.ops.dot_product_attention`.

With a causal mask, padding on the left has no step before it. Keras adds no -inf, but replaces what is masked by a
large negative number, so that such a step attends to all steps alike; its output is dropped here. A mask of the layers
has the axes (B, T, S), of the function (B, heads or 1, T, S); all are True where a step may be attended to. See
https://keras.io/api/layers/attention_layers/group_query_attention/.
"""

import keras
import tensorflow as tf

from parity.tensorflow import attention, runtime


def self_attention(x, lengths, w_in, bias_in, w_out, bias_out, *, heads, left=False, variant="layer"):
    """Compute causal multi-head attention: each step attends to itself and the steps before it.

    Args:
        x: (B, T, H). lengths: (B,).
        w_in, bias_in: (H, 3, H), (2, H), for queries, keys and values, head by head; keys need no bias.
        w_out, bias_out: (H, H), (H,).
        heads: number of heads, which divides H.
        left: whether padding precedes each sequence.
        variant: "layer" or "grouped_query", here with as many heads for keys as for queries.

    Returns:
        y: (B, T, H), zero on padding.

    >>> w_in, zero = tf.constant([[[0.0], [0.0], [1.0]]]), tf.zeros((2, 1))
    >>> x = tf.constant([[[2.0], [0.0], [9.0]]])
    >>> y = self_attention(x, tf.constant([2]), w_in, zero, tf.ones((1, 1)), tf.zeros(1), heads=1)["y"]
    >>> y.numpy().ravel().tolist()
    [2.0, 1.0, 0.0]
    """
    real = runtime.valid(lengths, tf.shape(x)[1], left)
    x = runtime.only_real(real, x)
    weights = attention.keras_layout(w_in, bias_in, w_out, bias_out, heads)
    build = runtime.pick({"layer": attention.built, "grouped_query": grouped_query}, variant)
    layer, options = build(x.shape[2], heads, x.dtype), {"attention_mask": real[:, None], "use_causal_mask": True}
    y = runtime.call_layer(layer, weights, x, x, **options)
    return {"y": runtime.only_real(real, y)}


@runtime.built_once
def grouped_query(hidden, heads, dtype):
    """Build an empty layer once; its weights are passed in at every call."""
    layer = keras.layers.GroupQueryAttention(hidden // heads, heads, heads, dtype=dtype.name)
    layer.build((None, None, hidden), (None, None, hidden))
    return layer


def cross_attention(
    x, lengths, memory, memory_lengths, w_query, w_memory, bias_in, w_out, bias_out, *, heads, variant="layer"
):
    """Compute multi-head attention of the steps of x to the steps of a memory, such as an encoder's output.

    Args:
        x: (B, T, H), for queries. lengths: (B,).
        memory: (B, S, D), for keys and values. memory_lengths: (B,).
        w_query, w_memory: (H, H), (D, 2, H), head by head.
        bias_in: (2, H), for queries and values.
        w_out, bias_out: (H, H), (H,).
        heads: number of heads, which divides H.
        variant: "layer" or "dot_product", which returns no weights.

    Returns:
        y: (B, T, H), zero on padding, and for a sequence whose memory is empty.
        weights: (B, T, S), averaged over heads, zero on padding of either kind.

    >>> one, steps = tf.ones((1, 1)), tf.ones((1, 1, 1))
    >>> memory, two = tf.constant([[[2.0], [2.0], [9.0]]]), tf.ones((1, 2, 1))
    >>> given = memory, tf.constant([2]), one, two, tf.zeros((2, 1)), one, tf.zeros(1)
    >>> cross_attention(steps, tf.constant([1]), *given, heads=1)["weights"].numpy().ravel().tolist()
    [0.5, 0.5, 0.0]
    """
    found = runtime.valid(memory_lengths, tf.shape(memory)[1])  # (B, S)
    real = runtime.valid(lengths, tf.shape(x)[1]) & tf.reduce_any(found, 1, keepdims=True)
    x, memory = runtime.only_real(real, x), runtime.only_real(found, memory)
    weights = cross_layout(w_query, w_memory, bias_in, w_out, bias_out, heads)
    if runtime.pick(("layer", "dot_product"), variant) == "dot_product":
        return {"y": runtime.only_real(real, by_function(weights, x, memory, found))}
    layer = built(x.shape[2], memory.shape[2], heads, x.dtype)
    options = {"attention_mask": found[:, None], "return_attention_scores": True}
    y, shares = runtime.call_layer(layer, weights, x, memory, **options)  # (B, T, H)  (B, heads, T, S)
    shares = runtime.nan_in_all(shares)
    return {"y": runtime.only_real(real, y), "weights": runtime.only_real(real, tf.reduce_mean(shares, 1))}


def cross_layout(w_query, w_memory, bias_in, w_out, bias_out, heads):  # (H, H)  (D, 2, H)  (2, H)  (H, H)  (H,)
    """Return the weights in the order of `keras.layers.MultiHeadAttention`: kernel, bias, kernel, bias, …."""
    size = w_out.shape[0] // heads
    k, v = (tf.reshape(part, [-1, heads, size]) for part in tf.unstack(w_memory, axis=1))  # (D, heads, H / heads)
    b_q, b_v = (tf.reshape(part, [heads, size]) for part in tf.unstack(bias_in))
    q, lost = tf.reshape(w_query, [-1, heads, size]), attention.lost_scale(size, w_query.dtype)
    return [q * lost, b_q * lost, k, tf.zeros_like(b_q), v, b_v, tf.reshape(w_out, [heads, size, -1]), bias_out]


@runtime.built_once
def built(hidden, features, heads, dtype):
    """Build an empty layer once, for a memory of another width; its weights are passed in at every call."""
    layer = keras.layers.MultiHeadAttention(heads, hidden // heads, dtype=dtype.name)
    layer.build((None, None, hidden), (None, None, features))
    return layer


def by_function(weights, x, memory, found):  # (B, T, H)  (B, S, D)  (B, S)
    """Project by the weights of a layer, and attend by `keras.ops.dot_product_attention`."""
    w_q, b_q, w_k, b_k, w_v, b_v, w_out, bias_out = weights
    q = tf.einsum("bth,hac->btac", x, w_q) + b_q  # (B, T, heads, H / heads)
    k, v = (tf.einsum("bsd,dac->bsac", memory, w) + b for w, b in ((w_k, b_k), (w_v, b_v)))
    scale = q.shape[3] ** -0.5 / attention.lost_scale(q.shape[3], q.dtype)  # its own is rounded in another way
    heard = keras.ops.dot_product_attention(q, k, v, mask=found[:, None, None], scale=scale)
    return tf.einsum("btac,ach->bth", heard, w_out) + bias_out
