"""Embedding in TensorFlow: Keras' ``mask_zero``, and a gather whose gradient is `tf.IndexedSlices`.

``mask_zero`` touches neither the output nor the gradient: row 0 is as random as the others, and is trained unless
every consumer multiplies by the mask (https://keras.io/api/layers/core_layers/embedding/). So it is applied here.
"""

from functools import cache

import keras
import tensorflow as tf

from parity.tensorflow import runtime


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
    if runtime.pick(("mask_zero", "indexed_slices"), variant) == "indexed_slices":
        return {"y": runtime.only_real(real, tf.gather(table, tokens))}
    if padding_index not in (0, None):
        raise ValueError(f"keras.layers.Embedding(mask_zero=True) masks token 0 only, not {padding_index}")
    layer = built(*table.shape, table.dtype, mask_zero=padding_index == 0)
    y = runtime.call_layer(layer, [table], tokens)
    mask = layer.compute_mask(tokens)  # None without mask_zero
    return {"y": runtime.only_real(real if mask is None else real & mask, y)}


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
    return {"y": runtime.only_real(real, tf.gather(scale_gradient(table), tokens))}


def masked_dense(tokens, lengths, table, w, b, *, padding_index=0, variant="mask_zero"):
    """A dense layer on embedded tokens; zero beyond each length and where the token is the pad.

    Its bias fills the padding again. A Keras ``Dense`` hands the mask on, and does not apply it.

    Returns:
        y: (B, T, H).
    """
    x = lookup(tokens, lengths, table, padding_index=padding_index)["y"]
    y = runtime.call_layer(built_dense(*w.shape, w.dtype), [w, b], x)
    return {"y": runtime.only_real(real_tokens(tokens, lengths, padding_index), y)}


def bag(tokens, lengths, table, *, mode="mean", padding_index=0, variant="masked"):  # (B, T)  (B,)  (V, D)
    """Sum, mean or largest of the rows of each sequence's tokens, as if no pad were among them.

    Args:
        mode: "sum", "mean" or "max".
        variant: "masked", or "lookup_sparse" for ``tf.nn.safe_embedding_lookup_sparse``, which has no "max".
            Without "safe", bags at the end are missing from the result if they are empty.

    Returns:
        y: (B, D), zero where there is no token but the pad.
    """
    real = real_tokens(tokens, lengths, padding_index)
    if runtime.pick(("masked", "lookup_sparse"), variant) == "lookup_sparse":
        bags = tf.SparseTensor(tf.where(real), tf.boolean_mask(tokens, real), tf.shape(tokens, tf.int64))
        return {"y": tf.nn.safe_embedding_lookup_sparse(table, bags, combiner=mode)}
    rows = tf.gather(table, tf.where(real, tokens, tf.constant(padding_index, tokens.dtype)))
    if mode == "max":
        largest = tf.reduce_max(tf.where(real[:, :, None], rows, rows.dtype.min), 1)
        return {"y": tf.where(tf.reduce_any(real, 1)[:, None], largest, tf.zeros((), rows.dtype))}
    total = tf.reduce_sum(runtime.only_real(real, rows), 1)
    words = tf.maximum(tf.reduce_sum(tf.cast(real, rows.dtype), 1), 1)
    return {"y": total / words[:, None] if mode == "mean" else total}


def clipped_by_norm(tokens, lengths, table, *, max_norm=1.0, padding_index=0, variant="embedding_lookup"):
    """`lookup` of rows that are scaled down to length ``max_norm`` if they are longer, and the gradient of that.

    Returns:
        y: (B, T, D).
    """
    real = real_tokens(tokens, lengths, padding_index)
    tokens = tf.where(real, tokens, tf.constant(padding_index, tokens.dtype))
    # The pad's row is replaced, not the output: the gradient of a norm multiplies by the row, and NaN times 0 is NaN.
    pad = tf.range(table.shape[0]) == padding_index
    table = tf.where(pad[:, None], tf.zeros((), table.dtype), table)
    return {"y": tf.nn.embedding_lookup(table, tokens, max_norm=max_norm)}


def max_norm(tokens, lengths, table, *, max_norm=1.0, padding_index=0, variant="custom_gradient"):
    """`clipped_by_norm`, with the gradient of a table whose rows were that short from the start.

    TensorFlow has no such option: it never writes to the table. So PyTorch's is written out, 1e-7 and all.

    Returns:
        y: (B, T, D).
    """

    @tf.custom_gradient
    def renormed(x):
        norm = tf.norm(x, axis=2, keepdims=True)
        return tf.where(norm > max_norm, x * max_norm / (norm + 1e-7), x), lambda cotangent: cotangent

    x = lookup(tokens, lengths, table, padding_index=padding_index, variant="indexed_slices")["y"]
    return {"y": renormed(x)}


def real_tokens(tokens, lengths, padding_index):  # (B, T)  (B,) -> (B, T)
    """True where a token is within its sequence and is not the pad."""
    real = runtime.valid(lengths, tf.shape(tokens)[1])
    return real if padding_index is None else real & (tokens != padding_index)


@cache
def built(vocabulary, features, dtype, mask_zero):
    """An empty layer, built once; its table is always passed in."""
    layer = keras.layers.Embedding(vocabulary, features, mask_zero=mask_zero, dtype=dtype.name)
    layer.build()
    return layer


@cache
def built_dense(features, units, dtype):
    """The same for a dense layer."""
    layer = keras.layers.Dense(units, dtype=dtype.name)
    layer.build((None, None, features))
    return layer
