"""Look up embeddings in TensorFlow with Keras' ``mask_zero`` and with a gather.

``mask_zero`` changes neither the output nor the gradient: row 0 is as random as the others, and is trained unless every
consumer multiplies by the mask (https://keras.io/api/layers/core_layers/embedding/). So the mask is applied here.
"""

import keras
import tensorflow as tf

from parity.tensorflow import runtime


def lookup(tokens, lengths, table, *, padding_index=0, variant="mask_zero"):  # (B, T)  (B,)  (V, D)
    """Look up a row of the table for each token.

    Args:
        variant: "mask_zero", a Keras layer, whose pad is always 0; or "indexed_slices", a gather.

    Returns:
        y: (B, T, D); zero, without gradient, beyond each length and at every pad.

    >>> tokens = tf.constant([[2, 0, 1]])  # a word, the pad, and a token beyond the length
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
    """Look up rows, and divide each row's gradient by its token's count in the batch.

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
    """Apply a dense layer to embedded tokens.

    Its bias fills the padding again. A Keras ``Dense`` passes the mask on, but does not apply it.

    Returns:
        y: (B, T, H), zero beyond each length and where the token is the pad.
    """
    x = lookup(tokens, lengths, table, padding_index=padding_index)["y"]
    y = runtime.call_layer(built_dense(*w.shape, w.dtype), [w, b], x)
    return {"y": runtime.only_real(real_tokens(tokens, lengths, padding_index), y)}


def bag(tokens, lengths, table, *, mode="mean", padding_index=0, variant="masked"):  # (B, T)  (B,)  (V, D)
    """Return the sum, mean or maximum of each sequence's token rows, without the pad.

    Args:
        mode: "sum", "mean" or "max".
        variant: "masked", or "lookup_sparse" for ``tf.nn.safe_embedding_lookup_sparse``, which has no "max".
            The version without "safe" drops empty bags at the end of the batch.

    Returns:
        y: (B, D), zero if a sequence has no token but the pad.
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


def positions(x, lengths, table, *, padding_index=1, left=False, variant="layer"):  # (B, T, D)  (B,)  (P, D)
    """Add to each real step the row of a table for its position, which begins at ``padding_index + 1``.

    Args:
        padding_index: the row that belongs to no position, and is looked up on padding; None if positions begin at 0.
        left: whether padding precedes each sequence.
        variant: "layer" (`keras.layers.Embedding`) or "gather".

    Returns:
        y: (B, T, D), zero on padding.

    >>> x, table = tf.ones((1, 3, 1)), tf.constant([[0.0], [10.0], [20.0], [30.0]])
    >>> positions(x, tf.constant([2]), table, padding_index=0, left=True)["y"].numpy().ravel().tolist()
    [0.0, 11.0, 21.0]
    """
    real = runtime.valid(lengths, tf.shape(x)[1], left)
    pad, first = (0, 0) if padding_index is None else (padding_index, padding_index + 1)
    position = tf.where(real, tf.cumsum(tf.cast(real, tf.int32), 1) - 1 + first, pad)
    if runtime.pick(("layer", "gather"), variant) == "layer":
        rows = runtime.call_layer(built(*table.shape, table.dtype, mask_zero=False), [table], position)
    else:
        rows = tf.gather(table, position)
    return {"y": runtime.only_real(real, x + rows)}


def clipped_by_norm(tokens, lengths, table, *, max_norm=1.0, padding_index=0, variant="embedding_lookup"):
    """Look up rows, scaled down to norm ``max_norm`` if longer; the gradient includes the scaling.

    Returns:
        y: (B, T, D).
    """
    real = real_tokens(tokens, lengths, padding_index)
    tokens = tf.where(real, tokens, tf.constant(padding_index, tokens.dtype))
    # Replace the pad's row, not the output: the gradient of a norm multiplies by the row, and NaN times 0 is NaN.
    pad = tf.range(table.shape[0]) == padding_index
    table = tf.where(pad[:, None], tf.zeros((), table.dtype), table)
    return {"y": tf.nn.embedding_lookup(table, tokens, max_norm=max_norm)}


def max_norm(tokens, lengths, table, *, max_norm=1.0, padding_index=0, variant="custom_gradient"):
    """Look up rows scaled down to ``max_norm``, with the gradient of an unscaled lookup.

    TensorFlow has no such option: it never writes to the table. PyTorch's formula is written out, with its 1e-7.

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
    """Return True where a token is within its sequence and is not the pad."""
    real = runtime.valid(lengths, tf.shape(tokens)[1])
    return real if padding_index is None else real & (tokens != padding_index)


@runtime.built_once
def built(vocabulary, features, dtype, mask_zero):
    """Build an empty layer once; its table is passed in at every call."""
    layer = keras.layers.Embedding(vocabulary, features, mask_zero=mask_zero, dtype=dtype.name)
    layer.build()
    return layer


@runtime.built_once
def built_dense(features, units, dtype):
    """Build an empty dense layer once; its weights are passed in at every call."""
    layer = keras.layers.Dense(units, dtype=dtype.name)
    layer.build((None, None, features))
    return layer
