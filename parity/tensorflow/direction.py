"""Recurrent layers that read from the end, and sequences that stand behind their padding, in TensorFlow.

Keras has ``go_backwards``, and its mask may stand anywhere (https://keras.io/api/layers/recurrent_layers/lstm/);
``dynamic_rnn`` counts each length from step 0.
"""

import keras
import tensorflow as tf

from parity.tensorflow import rnn as one_way
from parity.tensorflow import runtime


def backwards(x, lengths, w_in, w_rec, bias, h0=None, *, variant="go_backwards"):
    """GRU from each sequence's last real step to its first.  x (B, T, D), lengths (B,), h0 (L, B, H).

    Keras turns the whole row: it meets the padding first, where the mask holds the state, and gives the outputs in
    the order in which it read. They are turned back after every layer, or the next would read from the start.

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
        layer = one_way.built(keras.layers.GRU, y.shape[2], one_way.width(weights), x.dtype, go_backwards=True)
        values = one_way.keras_layout(keras.layers.GRU, *layer_weights)
        y, *final = runtime.call_layer(layer, values, y, mask=real, initial_state=[state[k] for state in initial])
        y = tf.reverse(y, [1])
        finals.append(final)
    (h,) = (tf.stack(layers) for layers in zip(*finals))
    return {"y": y, "h": h}


def left_padded(x, lengths, w_in, w_rec, bias, h0=None, c0=None, *, variant="masked"):
    """LSTM over sequences that stand behind their padding.  x (B, T, D), lengths (B,), h0, c0 (L, B, H).

    Args:
        variant: "masked", or "realigned" for ``dynamic_rnn``; each is described where it stands.

    Returns:
        y: (B, T, H), zero on padding, which stands first here too; h, c: (L, B, H), each state after the last step.

    >>> one, zero = [tf.ones((1, 4, 1))], [tf.zeros((4, 1))]
    >>> y = left_padded(tf.ones((1, 3, 1)), tf.constant([1]), one, one, zero)["y"]
    >>> [round(float(step), 4) for step in y[0, :, 0]]
    [0.0, 0.0, 0.3696]
    """
    weights = list(zip(w_in, w_rec, bias))
    y, (h, c) = runtime.pick(VARIANTS, variant)(keras.layers.LSTM, x, lengths, weights, [h0, c0])
    return {"y": y, "h": h, "c": c}


def masked(kind, x, lengths, weights, initial):
    """Keras layers, each with the mask: until a sequence begins, it holds the state.

    On a GPU, cuDNN takes no mask but one of right padding, and Keras raises; ``use_cudnn=False`` keeps it away.
    """
    real = tf.reverse(runtime.valid(lengths, tf.shape(x)[1]), [1])
    return one_way.masked(kind, x, lengths, weights, initial, real=real, use_cudnn=False)


def realigned(kind, x, lengths, weights, initial):
    """``dynamic_rnn`` on rows that are rolled to the front, and back.

    As it stands, such a batch gives no error: padding would be read for the first steps, and the last steps would be
    lost.
    """
    padding = tf.shape(x, lengths.dtype)[1] - lengths  # (B,)
    y, finals = one_way.dynamic_rnn(kind, rolled(x, -padding), lengths, weights, initial)
    return rolled(y, padding), finals


VARIANTS = {"masked": masked, "realigned": realigned}


def rolled(x, shifts):  # (B, T, D)  (B,) -> (B, T, D)
    """Each row moved along time by its own number of steps, where `tf.roll` has one for all rows."""
    steps = tf.range(tf.shape(x, shifts.dtype)[1])
    origin = (steps - shifts[:, None]) % tf.size(steps, shifts.dtype)  # (B, T)
    return tf.gather(x, origin, batch_dims=1)
