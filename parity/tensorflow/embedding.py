"""Embedding in TensorFlow: Keras' ``mask_zero``, and a gather whose gradient is `tf.IndexedSlices`.

``mask_zero`` touches neither the output nor the gradient: row 0 is as random as the others, and is trained unless
every consumer multiplies by the mask (https://keras.io/api/layers/core_layers/embedding/). So it is applied here.
"""

from functools import cache

import keras
import tensorflow as tf

from parity.tensorflow import native


def lookup(tokens, lengths, table, *, padding_index=0, variant="mask_zero"):  # (B, T)  (B,)  (V, D)
    """A row of the table for each token; zero, and no gradient, beyond each length and where the token is the pad.

    Args:
        variant: "mask_zero", a Keras layer, which knows no pad but 0; or "indexed_slices", a gather.

    Returns:
        y: (B, T, D).

    >>> tokens = tf.constant([[2, 0, 1]])  # a word, the pad, and one behind the end
    >>> y = lookup(tokens, tf.constant([2]), tf.eye(3))["y"]
    >>> y.numpy()[0].astype(int).tolist()
    [[0, 0, 1], [0, 0, 0], [0, 0, 0]]
    """
    real = real_tokens(tokens, lengths, padding_index)
    tokens = tf.where(real, tokens, tf.constant(padding_index or 0, tokens.dtype))  # padding may hold any number
    if native.pick(("mask_zero", "indexed_slices"), variant) == "indexed_slices":
        return {"y": native.only_real(real, tf.gather(table, tokens))}
    if padding_index not in (0, None):
        raise ValueError(f"keras.layers.Embedding(mask_zero=True) masks token 0 only, not {padding_index}")
    layer = built(*table.shape, table.dtype, mask_zero=padding_index == 0)
    y = native.call_layer(layer, [table], tokens)
    mask = layer.compute_mask(tokens)  # None without mask_zero
    return {"y": native.only_real(real if mask is None else real & mask, y)}


def scaled_by_frequency(tokens, lengths, table, *, padding_index=0, variant="custom_gradient"):
    """`lookup`, with the gradient of each row divided by how often its token occurs in the batch.

    TensorFlow has no such option: a custom gradient does it.

    Returns:
        y: (B, T, D).
    """
    real = real_tokens(tokens, lengths, padding_index)
    spoken = tf.boolean_mask(tokens, real)
    count = tf.math.bincount(tf.cast(spoken, tf.int32), minlength=table.shape[0], maxlength=table.shape[0])

    @tf.custom_gradient
    def scale_gradient(table):
        return table, lambda cotangent: cotangent / tf.cast(tf.maximum(count, 1), cotangent.dtype)[:, None]

    tokens = tf.where(real, tokens, tf.constant(padding_index or 0, tokens.dtype))
    return {"y": native.only_real(real, tf.gather(scale_gradient(table), tokens))}


def real_tokens(tokens, lengths, padding_index):  # (B, T)  (B,) -> (B, T)
    """True where a token is within its sequence and is not the pad."""
    real = native.valid(lengths, tf.shape(tokens)[1])
    return real if padding_index is None else real & (tokens != padding_index)


@cache
def built(vocabulary, features, dtype, mask_zero):
    """An empty layer, built once; its table is always passed in."""
    layer = keras.layers.Embedding(vocabulary, features, mask_zero=mask_zero, dtype=dtype.name)
    layer.build()
    return layer
