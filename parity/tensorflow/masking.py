"""Compute masks from lengths, tokens and features in TensorFlow, where True means real.

A Keras mask is attached to the tensor that a layer returns. An operation that is not a layer drops it silently
(https://github.com/keras-team/keras/issues/18416), so every mask here is a result of its own.
"""

import keras
import tensorflow as tf

from parity.tensorflow import embedding, runtime


def sequence_mask(x, lengths, *, variant="sequence_mask"):  # (B, T, D)  (B,)
    """Return a mask that is True on real steps and False on padding.

    Without ``maxlen``, `tf.sequence_mask` is as wide as the longest length, not as T.

    Returns:
        mask: (B, T).

    >>> sequence_mask(tf.zeros((2, 3, 1)), tf.constant([2, 0]))["mask"].numpy().tolist()
    [[True, True, False], [False, False, False]]
    """
    return {"mask": tf.sequence_mask(lengths, maxlen=tf.shape(x)[1])}


def mask_from_tokens(tokens, lengths, table, *, padding_index=0, variant="mask_zero"):  # (B, T)  (B,)  (V, D)
    """Mask the pad wherever it occurs, also on real steps.

    Args:
        variant: "mask_zero", a Keras layer, whose pad is always 0; or "not_equal".

    Returns:
        mask: (B, T), True where the token is not the pad; y: (B, T, D), the token's row, zero where the mask is False.

    >>> mask_from_tokens(tf.constant([[2, 0, 1, 0]]), tf.constant([3]), tf.ones((3, 1)))["mask"].numpy().tolist()
    [[True, False, True, False]]
    """
    if runtime.pick(("mask_zero", "not_equal"), variant) == "not_equal":
        mask, y = tf.not_equal(tokens, padding_index), tf.gather(table, tokens)
        return {"mask": mask, "y": runtime.only_real(mask, y)}
    if padding_index != 0:
        raise ValueError(f"keras.layers.Embedding(mask_zero=True) masks token 0 only, not {padding_index}")
    layer = embedding.built(*table.shape, table.dtype, mask_zero=True)
    mask, y = layer.compute_mask(tokens), runtime.call_layer(layer, [table], tokens)
    return {"mask": mask, "y": runtime.only_real(mask, y)}


def mask_from_features(x, lengths, *, variant="masking_layer"):  # (B, T, D)  (B,)
    """Mask frames whose features are all zero, also on real steps.

    Args:
        variant: "masking_layer" (`keras.layers.Masking`) or "any_feature".

    Returns:
        mask: (B, T), True where any feature is not zero; y: (B, T, D), x where the mask is True, else 0.

    >>> x = tf.constant([[[1.0, 0.0], [0.0, 0.0], [2.0, -2.0], [0.0, 0.0]]])
    >>> mask_from_features(x, tf.constant([3]))["mask"].numpy().tolist()
    [[True, False, True, False]]
    """
    if runtime.pick(("masking_layer", "any_feature"), variant) == "any_feature":
        mask = frame_used(x)
        return {"mask": mask, "y": runtime.only_real(mask, x)}
    layer = masking_layer(x.dtype)
    return {"mask": layer.compute_mask(x), "y": layer(x)}


def length_from_features(x, lengths, *, variant="last_frame"):  # (B, T, D)  (B,)
    """Count the steps up to the last frame that is not all zeros.

    The count is too small if a sequence ends in frames of zeros. Counting the non-zero frames instead would also be
    wrong for frames of zeros in the middle.

    Returns:
        length: (B,).

    >>> x = tf.constant([[[1.0, 0.0], [0.0, 0.0], [2.0, 3.0], [0.0, 0.0]]])
    >>> length_from_features(x, tf.constant([4]))["length"].numpy()
    array([3], dtype=int32)
    """
    ends = tf.range(1, tf.shape(x)[1] + 1)
    return {"length": tf.reduce_max(tf.where(frame_used(x), ends, 0), 1)}


def length_from_tokens(
    tokens, lengths, table, *, padding_index=0, until="first_pad", left=False, variant="argmax"
):  # (B, T)  (B,)  (V, D)
    """Count the tokens of each sequence, and look up the last one that counts.

    Args:
        until: "first_pad", also where it stands among the words, or "last_word", so that such pads count.
        left: whether padding precedes each sequence; then rows are read from their ends.
        variant: "argmax" or "cumprod"; see `leading`.

    Returns:
        length: (B,); T for a row without a pad.
        y: (B, D), the row of the last token that counts; zero, without gradient, if there is none, or if it is the pad.

    >>> tokens = tf.constant([[1, 0, 1, 0], [1, 1, 1, 1]])
    >>> length_from_tokens(tokens, tf.constant([3, 4]), tf.ones((2, 1)))["length"].numpy()
    array([1, 4], dtype=int32)
    """
    runtime.pick(("argmax", "cumprod"), variant)
    words, steps = tf.not_equal(tokens, padding_index), tf.shape(tokens)[1]
    from_padding = words if left else tf.reverse(words, [1])  # each row from the end where its padding is
    to_pad, of_padding = leading(tf.reverse(from_padding, [1]), variant), leading(~from_padding, variant)
    length = steps - of_padding if until == "last_word" else to_pad
    last = tf.ones_like(length) * (steps - 1) if left else tf.maximum(length - 1, 0)
    token = tf.gather(tokens, last, batch_dims=1)  # (B,)
    counts = (length > 0) & tf.not_equal(token, padding_index)
    return {"length": length, "y": tf.where(counts[:, None], tf.gather(table, token), tf.zeros((), table.dtype))}


def leading(mask, variant):  # (B, T) -> (B,)
    """Count the steps before the first that is False.

    `tf.argmax` returns 0 if there is none, as if it were the first. There is no `tf.argmax` of truth values.
    """
    if variant == "cumprod":
        return tf.reduce_sum(tf.math.cumprod(tf.cast(mask, tf.int32), 1), 1)
    first = tf.argmax(tf.cast(~mask, tf.int32), 1, output_type=tf.int32)
    return tf.where(tf.reduce_all(mask, 1), tf.shape(mask)[1], first)


def positions(x, lengths, *, first=0, left=False, variant="cumsum"):  # (B, T, D)  (B,)
    """Return the position of each real step in its sequence; `tf.range` alone would count padding on the left.

    Args:
        first: the position of the first real step.
        left: whether padding precedes each sequence.
        variant: "cumsum" of the mask, or "arange" less the padding.

    Returns:
        position: (B, T), zero on padding.

    >>> positions(tf.zeros((2, 3, 1)), tf.constant([2, 0]), left=True)["position"].numpy().tolist()
    [[0, 0, 1], [0, 0, 0]]
    """
    steps = tf.shape(x, lengths.dtype)[1]
    real = runtime.valid(lengths, steps, left)
    if runtime.pick(("cumsum", "arange"), variant) == "cumsum":
        position = tf.cumsum(tf.cast(real, lengths.dtype), 1) - 1 + first
    else:
        before = steps - lengths if left else tf.zeros_like(lengths)
        position = tf.range(steps) - before[:, None] + first
    return {"position": tf.where(real, position, 0)}


def mask_frames(x, lengths, *, variant="where"):  # (B, T, D)  (B,)
    """Keep the frames of each sequence, and replace padding by zeros.

    A product with the mask is not enough: NaN times 0 is NaN, in the backward pass too.

    Returns:
        y: (B, T, D).

    >>> mask_frames(tf.constant([[[1.0], [2.0], [float("nan")]]]), tf.constant([2]))["y"].numpy().ravel().tolist()
    [1.0, 2.0, 0.0]
    """
    real = runtime.valid(lengths, tf.shape(x)[1])[:, :, None]
    return {"y": tf.where(real, x, tf.zeros((), x.dtype))}


def frame_used(x):  # (B, T, D) -> (B, T)
    return tf.reduce_any(tf.not_equal(x, 0), -1)


@runtime.built_once
def masking_layer(dtype):
    """Build the layer once."""
    return keras.layers.Masking(mask_value=0.0, dtype=dtype.name)
