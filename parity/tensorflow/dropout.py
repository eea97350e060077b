"""Compute attention with dropout in TensorFlow, by a given mask.

Keras' layers and `tf.nn.dropout` draw their own mask, which no other framework can repeat.
`tf.nn.experimental.general_dropout` takes a function that samples uniform numbers, and keeps what is at least ``rate``:
a mask of 0 and 1 is one. See https://www.tensorflow.org/api_docs/python/tf/nn/experimental/general_dropout.
"""

import math

import tensorflow as tf

from parity.tensorflow import runtime


def self_attention(
    x, lengths, kept, w_in, bias_in, w_out, bias_out, *, heads, rate, training, causal, left=False, variant="where"
):
    """Compute multi-head attention whose weights are dropped in training: behind the softmax, and scaled up.

    Args:
        x: (B, T, H). lengths: (B,).
        kept: (B, T, T, heads), 1 where a query keeps the weight of a key, 0 where it is dropped.
        w_in, bias_in: (H, 3, H), (2, H), for queries, keys and values, head by head; keys need no bias.
        w_out, bias_out: (H, H), (H,).
        heads: number of heads, which divides H.
        rate: share of the weights that is dropped, from 0 to below 1.
        training: whether anything is dropped; in evaluation, nothing is, and nothing is scaled.
        causal: whether each step attends to itself and the steps before it only.
        left: whether padding precedes each sequence.
        variant: "where" or "general_dropout".

    Returns:
        y: (B, T, H), zero on padding.

    >>> one, zero = tf.ones((1, 3, 1)), tf.zeros((2, 1))
    >>> x, kept = tf.constant([[[2.0], [2.0], [9.0]]]), tf.constant([[[1, 1, 1], [0, 1, 1], [1, 1, 1]]])[..., None]
    >>> options = {"heads": 1, "rate": 0.5, "training": True, "causal": False}
    >>> y = self_attention(x, tf.constant([2]), kept, one, zero, tf.ones((1, 1)), tf.zeros(1), **options)["y"]
    >>> y.numpy().ravel().tolist()
    [4.0, 2.0, 0.0]
    """
    real = runtime.valid(lengths, tf.shape(x)[1], left)
    x, seen = runtime.only_real(real, x), visible(real, causal)[:, None]
    b_q, b_v = tf.unstack(bias_in)
    q, k, v = (x @ part for part in tf.unstack(w_in, axis=1))
    q, k, v = split(q + b_q, heads), split(k, heads), split(v + b_v, heads)  # (B, heads, T, H / heads)
    scores = tf.matmul(q, k, transpose_b=True) / math.sqrt(x.shape[2] // heads)
    weights = runtime.nan_in_all(tf.nn.softmax(tf.where(seen, scores, float("-inf"))))
    drop = runtime.pick({"where": by_where, "general_dropout": by_function}, variant)
    if training:
        weights = drop(weights, tf.transpose(kept, [0, 3, 1, 2]) > 0, rate)
    heard = tf.reshape(tf.transpose(weights @ v, [0, 2, 1, 3]), tf.shape(x))
    return {"y": runtime.only_real(real, heard @ w_out + bias_out)}


def visible(real, causal):  # (B, T) -> (B, T, T)
    """Return True where a query may attend to a key: a real one, which is not later if ``causal``, or itself."""
    steps = tf.shape(real)[1]
    square = tf.ones((steps, steps), tf.bool)
    earlier = tf.linalg.band_part(square, -1, 0) if causal else square
    return (earlier & real[:, None]) | tf.linalg.band_part(square, 0, 0)


def split(projection, heads):  # (B, T, H) -> (B, heads, T, H / heads)
    batch, steps, size = *tf.unstack(tf.shape(projection)[:2]), projection.shape[2] // heads
    return tf.transpose(tf.reshape(projection, (batch, steps, heads, size)), [0, 2, 1, 3])


def by_where(weights, kept, rate):
    return tf.where(kept, weights / (1 - rate), tf.zeros((), weights.dtype))


def by_function(weights, kept, rate):
    return tf.nn.experimental.general_dropout(weights, rate, lambda shape, dtype: tf.cast(kept, dtype))
