"""Run recurrent layers over rows of sites in TensorFlow, by Keras' layer with a mask.

The mask has an axis of one site, (B, T, 1): `Masking` makes (B, T, S), which takes single sites out, and (B, T) is
broadcast along the wrong axes. See https://keras.io/api/layers/recurrent_layers/conv_lstm1d/.
"""

import keras
import tensorflow as tf

from parity.tensorflow import runtime


def lstm(x, lengths, w_in, w_rec, bias, *, variant="masked"):
    """Run a convolutional LSTM without peepholes; the mask keeps its state where a sequence has ended.

    Args:
        x: (B, T, S, D), S sites at each step. lengths: (B,).
        w_in, w_rec, bias: (K, D, 4, H), (K, H, 4, H), (4, H), kernels of K sites, with zeros beside the row.

    Returns:
        y: (B, T, S, H), zero on padding; h, c: (B, S, H), each state after the last real step.

    >>> one, zero = tf.ones((1, 1, 4, 1)), tf.zeros((4, 1))
    >>> lstm(tf.ones((1, 1, 2, 1)), tf.constant([1]), one, one, zero)["c"].numpy().ravel().round(4).tolist()
    [0.5568000078201294, 0.5568000078201294]
    """
    size, features, gates, hidden = w_in.shape
    real = runtime.valid(lengths, tf.shape(x)[1])
    x = tf.where(real[:, :, None, None], x, tf.zeros((), x.dtype))
    layer = built(size, x.shape[2], features, hidden, x.dtype)
    kernels = [tf.reshape(kernel, (size, -1, gates * hidden)) for kernel in (w_in, w_rec)]
    weights = [*kernels, tf.reshape(bias, [-1])]
    y, h, c = runtime.call_layer(layer, weights, x, mask=real[:, :, None])
    return {"y": tf.where(real[:, :, None, None], y, tf.zeros((), y.dtype)), "h": h, "c": c}


@runtime.built_once
def built(size, sites, features, hidden, dtype):
    """Build an empty layer once; its weights are passed in at every call."""
    returned = {"return_sequences": True, "return_state": True}
    zeros = {"recurrent_initializer": "zeros"}  # the usual one is not computed in bfloat16
    layer = keras.layers.ConvLSTM1D(hidden, size, padding="same", dtype=dtype.name, **returned, **zeros)
    layer.build((None, None, sites, features))
    return layer
