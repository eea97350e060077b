"""Apply dense and convolutional layers in TensorFlow, and zero the padding after each.

A mask on the input is not enough: the bias turns every padded step into ``activation(bias)``. The next layer reads
that, and a convolution carries it into real steps. `Dense` passes a mask on without using it; `Conv1D` drops it with a
warning. See https://keras.io/api/layers/core_layers/dense/ and
https://keras.io/api/layers/convolution_layers/convolution1d/.
"""

import keras
import tensorflow as tf

from parity.tensorflow import runtime


def dense(x, lengths, w, bias, *, activation="linear", variant="masked"):  # (B, T, D)  (B,)  (D, H)  (H,)
    """Apply a dense layer and its activation to each step.

    Args:
        activation: "linear", "relu", "sigmoid" or "tanh".

    Returns:
        y: (B, T, H), zero on padding; without the mask, `sigmoid` of a bias of 0 would leave 0.5 there.

    >>> y = dense(tf.ones((1, 3, 1)), tf.constant([2]), tf.ones((1, 1)), tf.ones(1))["y"]
    >>> y.numpy().ravel().tolist()
    [2.0, 2.0, 0.0]
    """
    real = runtime.valid(lengths, tf.shape(x)[1])
    layer = built(keras.layers.Dense, x.shape[2], x.dtype, units=w.shape[1], activation=activation)
    y = runtime.call_layer(layer, [w, bias], runtime.only_real(real, x))
    return {"y": runtime.only_real(real, y)}


def conv1d(x, lengths, w, bias, *, padding="same", variant="masked"):  # (B, T, D)  (B,)  (K, D, H)...  (H,)...
    """Apply convolutions over time, one after the other, to sequences extended by zeros.

    Args:
        w, bias: tuples, one item per layer.
        padding: "same" with an odd K, or "causal".

    Returns:
        y: (B, T, H), zero on padding.

    >>> add_up = [tf.ones((3, 1, 1))], [tf.zeros(1)]
    >>> y = conv1d(tf.constant([[[1.0], [2.0], [3.0], [9.0]]]), tf.constant([3]), *add_up)["y"]
    >>> y.numpy().ravel().tolist()
    [3.0, 6.0, 5.0, 0.0]
    """
    real = runtime.valid(lengths, tf.shape(x)[1])
    y = runtime.only_real(real, x)
    for kernel, shift in zip(w, bias):
        y = convolved(y, kernel, shift, padding)
        y = runtime.only_real(real, y)  # or the next layer would see the bias behind the end
    return {"y": y}


def convolved(x, kernel, shift, padding):  # (B, T, D)  (K, D, H)  (H,) -> (B, T, H)
    """Apply one layer, and correct the shape that oneDNN returns for an empty batch."""
    size, features, filters = kernel.shape
    options = {"filters": filters, "kernel_size": size, "padding": padding, "use_bias": False}
    options |= {"data_format": "channels_last"}
    y = runtime.call_layer(built(keras.layers.Conv1D, features, x.dtype, **options), [kernel], x)
    return tf.reshape(y, [*tf.unstack(tf.shape(x)[:2]), filters]) + shift


@runtime.built_once
def built(kind, features, dtype, **options):
    """Build an empty layer once; its weights are passed in at every call."""
    layer = kind(dtype=dtype.name, **options)
    layer.build((None, None, features))
    return layer
