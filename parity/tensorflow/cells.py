"""Run LSTMs as people build them from cells, in TensorFlow: projected, clipped, normalised, in chunks, stacked.

Weights have an explicit gate axis, and gates are in the order i, f, g, o:

    w_in (D, 4, H)   w_rec (H, 4, H)   bias (4, H)

The cells of TensorFlow 1 had projections, peepholes and a clip (``tf.compat.v1.nn.rnn_cell.LSTMCell``, which Keras 3 no
longer has); Keras' cell has none of them. So each is a `Cell` of its own inside of `keras.layers.RNN`, whose mask keeps
the states of ended sequences. See https://keras.io/api/layers/recurrent_layers/rnn/.
"""

import keras
import tensorflow as tf

from parity.tensorflow import runtime


def projected_lstm(x, lengths, w_in, w_rec, bias, w_proj, h0=None, c0=None, *, variant="masked"):
    """Run an LSTM whose output is projected to fewer units, at each step.

    Args:
        x: (B, T, D). lengths: (B,).
        w_in, w_rec, bias: tuples of (D, 4, H), (S, 4, H), (4, H), one for each layer; all but the first have D = S.
        w_proj: a tuple of (H, S).
        h0, c0: (L, B, S), (L, B, H); zeros by default.

    Returns:
        y: (B, T, S), the last layer's output at every step, zero on padding.
        h: (L, B, S), c: (L, B, H), every layer's states after its last real step.

    >>> one, zero = tf.ones((1, 4, 1)), tf.zeros((4, 1))
    >>> given = [one], [one], [zero], [2 * tf.ones((1, 1))]
    >>> projected_lstm(tf.ones((1, 2, 1)), tf.constant([1]), *given)["y"].numpy().round(4).ravel()
    array([0.7392, 0.    ], dtype=float32)
    """
    hidden, projected = w_proj[0].shape
    initial = states_or_zeros((h0, c0), x, len(w_in), (projected, hidden))
    return over_layers(projected_step, x, lengths, list(zip(w_in, w_rec, bias, w_proj)), initial)


def peephole_lstm(x, lengths, w_in, w_rec, bias, peepholes=None, h0=None, c0=None, *, clip=None, variant="masked"):
    """Run an LSTM whose gates see the cell state, which may be clipped.

    Args:
        x: (B, T, D). lengths: (B,).
        w_in, w_rec, bias: (D, 4, H), (H, 4, H), (4, H).
        peepholes: (3, H), of i, f and o, which sees the new state; without them, gates see no cell state.
        h0, c0: (B, H); zeros by default.
        clip: the largest magnitude of the cell state, at every step; None for any.

    Returns:
        y: (B, T, H), the output at every step, zero on padding.
        h, c: (B, H), the states after the last real step.

    >>> given = tf.ones((1, 4, 1)), tf.ones((1, 4, 1)), tf.zeros((4, 1))
    >>> peephole_lstm(tf.ones((1, 2, 1)), tf.constant([2]), *given, clip=0.6)["c"].numpy()
    array([[0.6]], dtype=float32)
    """
    weights = [w_in, w_rec, bias] if peepholes is None else [w_in, w_rec, bias, peepholes]
    return one_layer(peephole_step, x, lengths, weights, (h0, c0), clip=clip)


def projected_step(x, states, w_in, w_rec, bias, w_proj):  # (B, D)  [(B, S), (B, H)]
    h, c = lstm_step(x, states, w_in, w_rec, bias)
    return [h @ w_proj, c]


def peephole_step(x, states, w_in, w_rec, bias, peepholes=None, *, clip):  # (B, D)  [(B, H), (B, H)]
    h, c = states
    i, f, g, o = tf.unstack(gates(x, w_in) + gates(h, w_rec) + bias, axis=1)
    p_i, p_f, p_o = (0, 0, 0) if peepholes is None else tf.unstack(peepholes)
    c = tf.sigmoid(f + p_f * c) * c + tf.sigmoid(i + p_i * c) * tf.tanh(g)
    c = c if clip is None else tf.clip_by_value(c, -clip, clip)
    return [tf.sigmoid(o + p_o * c) * tf.tanh(c), c]


def lstm_step(x, states, w_in, w_rec, bias):  # (B, D)  [(B, H), (B, H)]
    h, c = states
    i, f, g, o = tf.unstack(gates(x, w_in) + gates(h, w_rec) + bias, axis=1)
    c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
    return [tf.sigmoid(o) * tf.tanh(c), c]


def gates(x, w):  # (B, D)  (D, 4, H) -> (B, 4, H)
    return tf.tensordot(x, w, 1)


def over_layers(step, x, lengths, weights, initial, **options):  # states (L, B, K)
    """Run a layer of cells on another, with the mask."""
    y, finals = x, []
    for layer, layer_weights in enumerate(weights):
        y, final = over_time(step, y, lengths, layer_weights, [state[layer] for state in initial], **options)
        finals.append(final)
    h, c = (tf.stack(layers) for layers in zip(*finals))
    return {"y": y, "h": h, "c": c}


def one_layer(step, x, lengths, weights, initial, **options):  # states (B, H)
    """Run a single layer of cells, with the mask."""
    zeros = tf.zeros([tf.shape(x)[0], weights[2].shape[1]], x.dtype)
    initial = [zeros if state is None else state for state in initial]
    y, (h, c) = over_time(step, x, lengths, weights, initial, **options)
    return {"y": y, "h": h, "c": c}


def over_time(step, x, lengths, weights, states, **options):  # (B, T, D)  (B,)  [(B, K)] -> (B, T, K), [(B, K)]
    """Run a cell over time, with the mask. Its first state is the output."""
    real = runtime.valid(lengths, tf.shape(x)[1])
    shapes, widths = tuple(tuple(w.shape) for w in weights), tuple(state.shape[1] for state in states)
    layer = built(step, x.shape[2], shapes, widths, x.dtype, **options)
    y, *finals = runtime.call_layer(layer, weights, runtime.only_real(real, x), mask=real, initial_state=states)
    return y, finals


@runtime.built_once
def built(step, features, shapes, widths, dtype, **options):
    """Build an empty layer once; its weights are passed in at every call."""
    outputs = {"return_sequences": True, "return_state": True, "zero_output_for_mask": True}
    layer = keras.layers.RNN(Cell(step, shapes, widths, dtype.name, options), dtype=dtype.name, **outputs)
    layer.build((None, None, features))
    return layer


class Cell(keras.layers.Layer):
    """A cell that computes a step, from weights of some shapes; its first state is its output."""

    def __init__(self, step, shapes, widths, dtype, options):
        super().__init__(dtype=dtype)
        self.step, self.shapes, self.options = step, shapes, options
        self.state_size, self.output_size = list(widths), widths[0]

    def build(self, input_shape):
        self.values = [self.add_weight(shape=shape, initializer="zeros") for shape in self.shapes]

    def call(self, x, states):  # (B, D)  [(B, K)]
        states = self.step(x, states, *map(tf.convert_to_tensor, self.values), **self.options)
        return states[0], states


def states_or_zeros(initial, x, layers, widths):  # zeros (L, B, width) for each state that is None
    given = zip(initial, widths)
    return [tf.zeros([layers, tf.shape(x)[0], width], x.dtype) if state is None else state for state, width in given]
