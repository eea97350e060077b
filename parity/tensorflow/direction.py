"""Run recurrent layers backwards, and over left-padded sequences, in TensorFlow.

Keras has ``go_backwards``, and its mask may be True at any steps (https://keras.io/api/layers/recurrent_layers/lstm/).
``dynamic_rnn`` counts each length from step 0.
"""

import keras
import tensorflow as tf

from parity.tensorflow import rnn as one_way
from parity.tensorflow import runtime


def backwards(x, lengths, w_in, w_rec, bias, h0=None, *, variant="go_backwards"):
    """Run a GRU from last to first real step of x (B, T, D), lengths (B,), h0 (L, B, H).

    Keras reverses the whole row: it reads the padding first, where the mask keeps the state, and returns outputs in the
    order of reading. They are reversed back after every layer, so that the next one reads from the end too.

    Returns:
        y: (B, T, H), in the order of x, zero on padding; h: (L, B, H), each state after the first step.

    >>> one, zero = [tf.ones((1, 3, 1))], [tf.zeros((4, 1))]
    >>> y = backwards(tf.ones((1, 3, 1)), tf.constant([2]), one, one, zero)["y"]
    >>> [round(float(step), 4) for step in y[0, :, 0]]
    [0.3468, 0.2048, 0.0]
    """
    weights = list(zip(w_in, w_rec, bias))
    initial = one_way.states_or_zeros([h0], x, weights)
    real = runtime.valid(lengths, tf.shape(x)[1])
    y, finals = runtime.only_real(real, x), []
    for k, layer_weights in enumerate(weights):
        options = {"go_backwards": True} | one_way.without_cudnn(keras.layers.GRU)
        layer = one_way.built(keras.layers.GRU, y.shape[2], one_way.width(weights), x.dtype, **options)
        values = one_way.keras_layout(keras.layers.GRU, *layer_weights)
        y, *final = runtime.call_layer(layer, values, y, mask=real, initial_state=[state[k] for state in initial])
        y = tf.reverse(y, [1])
        finals.append(final)
    (h,) = (tf.stack(layers) for layers in zip(*finals))
    return {"y": y, "h": h}


def left_padded(x, lengths, w_in, w_rec, bias, h0=None, c0=None, *, variant="masked"):
    """Run an LSTM over left-padded x (B, T, D), lengths (B,), h0, c0 (L, B, H).

    Args:
        variant: a key of `VARIANTS`; see the functions there.

    Returns:
        y: (B, T, H), zero on padding, which is first here too; h, c: (L, B, H), each state after the last step.

    >>> one, zero = [tf.ones((1, 4, 1))], [tf.zeros((4, 1))]
    >>> y = left_padded(tf.ones((1, 3, 1)), tf.constant([1]), one, one, zero)["y"]
    >>> [round(float(step), 4) for step in y[0, :, 0]]
    [0.0, 0.0, 0.3696]
    """
    weights = list(zip(w_in, w_rec, bias))
    y, (h, c) = runtime.pick(VARIANTS, variant)(keras.layers.LSTM, x, lengths, weights, [h0, c0])
    return {"y": y, "h": h, "c": c}


def masked(kind, x, lengths, weights, initial):
    """Run Keras layers with the mask, which keeps the state until a sequence begins."""
    real = runtime.valid(lengths, tf.shape(x)[1], left=True)
    return one_way.masked(kind, x, lengths, weights, initial, real=real)


def realigned(kind, x, lengths, weights, initial):
    """Run ``dynamic_rnn`` on rows that are rolled to the front, and roll them back.

    Without rolling, such a batch gives no error: padding would be read as the first steps, and the last steps would be
    dropped.
    """
    padding = tf.shape(x, lengths.dtype)[1] - lengths  # (B,)
    y, finals = one_way.dynamic_rnn(kind, rolled(x, -padding), lengths, weights, initial)
    return rolled(y, padding), finals


VARIANTS = {"masked": masked, "realigned": realigned}


def rolled(x, shifts):  # (B, T, D)  (B,) -> (B, T, D)
    """Move each row along time by its own shift; `tf.roll` has one for all."""
    steps = tf.range(tf.shape(x, shifts.dtype)[1])
    origin = (steps - shifts[:, None]) % tf.size(steps, shifts.dtype)  # (B, T)
    return tf.gather(x, origin, batch_dims=1)
