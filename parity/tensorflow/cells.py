"""Run LSTMs as people build them from cells, in TensorFlow: projected, clipped, normalised, in chunks, stacked.

Weights have an explicit gate axis, and gates are in the order i, f, g, o:

    w_in (D, 4, H)   w_rec (H, 4, H)   bias (4, H)

The cells of TensorFlow 1 had projections, peepholes and a clip (``tf.compat.v1.nn.rnn_cell.LSTMCell``, which Keras 3 no
longer has); Keras' cell has none of them. So each is a `Cell` of its own inside of `keras.layers.RNN`, whose mask keeps
the states of ended sequences. See https://keras.io/api/layers/recurrent_layers/rnn/.
"""

import keras
import tensorflow as tf

from parity.tensorflow import rnn, runtime
from parity.tensorflow.bidirectional import reverse_sequence

OUTPUTS = {"return_sequences": True, "return_state": True, "zero_output_for_mask": True}


def projected_lstm(x, lengths, w_in, w_rec, bias, w_proj, h0=None, c0=None, *, clip=None, variant="masked"):
    """Run an LSTM whose output is projected to fewer units, at each step.

    Args:
        x: (B, T, D). lengths: (B,).
        w_in, w_rec, bias: tuples of (D, 4, H), (S, 4, H), (4, H), one for each layer; all but the first have D = S.
        w_proj: a tuple of (H, S).
        h0, c0: (L, B, S), (L, B, H); zeros by default.
        clip: the largest magnitude of what is projected, ``proj_clip`` in TensorFlow 1; None for any.

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
    return over_layers(projected_step, x, lengths, list(zip(w_in, w_rec, bias, w_proj)), initial, clip=clip)


def bidirectional_projected_lstm(x, lengths, w_in, w_rec, bias, w_proj, h0=None, c0=None, *, variant="two_pass"):
    """Run a projected LSTM forward, and again on sequences reversed within their length.

    Args:
        x: (B, T, D). lengths: (B,).
        w_in, w_rec, bias, w_proj: (2, D, 4, H), (2, S, 4, H), (2, 4, H), (2, H, S).
        h0, c0: (2, B, S), (2, B, H); zeros by default.

    Returns:
        y: (B, T, 2, S), the output of both directions at every step, zero on padding.
        h: (2, B, S), c: (2, B, H), forward after the last real step, backward after the first.

    >>> one, zero = tf.ones((2, 1, 4, 1)), tf.zeros((2, 4, 1))
    >>> given = one, one, zero, 2 * tf.ones((2, 1, 1))
    >>> bidirectional_projected_lstm(tf.ones((1, 2, 1)), tf.constant([2]), *given)["y"].numpy().round(4).ravel()
    array([0.7392, 1.454 , 1.454 , 0.7392], dtype=float32)
    """
    _, hidden, projected = w_proj.shape
    initial = states_or_zeros((h0, c0), x, 2, (projected, hidden))
    forward, backward = ([w[side] for w in (w_in, w_rec, bias, w_proj)] for side in (0, 1))
    ahead, final_ahead = over_time(projected_step, x, lengths, forward, [state[0] for state in initial], clip=None)
    turned = reverse_sequence(x, lengths)["y"]
    back, final_back = over_time(projected_step, turned, lengths, backward, [state[1] for state in initial], clip=None)
    y = tf.stack([ahead, reverse_sequence(back, lengths)["y"]], 2)
    h, c = (tf.stack(sides) for sides in zip(final_ahead, final_back))
    return {"y": y, "h": h, "c": c}


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


def layer_norm_lstm(
    x,
    lengths,
    w_in,
    w_rec,
    bias,
    gamma_in,
    gamma_rec,
    gamma_c,
    beta_c,
    h0=None,
    c0=None,
    *,
    per_gate=False,
    eps=1e-5,
    variant="masked",
):
    """Run an LSTM that normalises what its gates and its output see.

    Args:
        x: (B, T, D). lengths: (B,).
        w_in, w_rec, bias: (D, 4, H), (H, 4, H), (4, H).
        gamma_in, gamma_rec, gamma_c, beta_c: (4, H), (4, H), (H,), (H,).
        h0, c0: (B, H); zeros by default.
        per_gate: whether each gate is normalised alone; else all four together.
        eps: added to the variance; the default is 1e-3 in Keras and 1e-5 in `torch`.

    Returns:
        y: (B, T, H), the output at every step, zero on padding.
        h, c: (B, H), the states after the last real step; c is not normalised.

    >>> weights = tf.reshape(tf.range(8.0), [1, 4, 2]), tf.zeros((2, 4, 2)), tf.zeros((4, 2))
    >>> norms = tf.ones((4, 2)), tf.ones((4, 2)), tf.ones(2), tf.zeros(2)
    >>> layer_norm_lstm(tf.ones((1, 1, 1)), tf.constant([1]), *weights, *norms)["y"].numpy().round(4)
    array([[[-0.5696,  0.6251]]], dtype=float32)
    """
    weights = [w_in, w_rec, bias, gamma_in, gamma_rec, gamma_c, beta_c]
    return one_layer(layer_norm_step, x, lengths, weights, (h0, c0), axes=(2,) if per_gate else (1, 2), eps=eps)


def truncated_lstm(x, lengths, w_in, w_rec, bias, h0=None, c0=None, *, chunk, variant="masked"):
    """Run an LSTM in chunks, whose states go on and whose gradients end.

    A layer with ``stateful=True`` does so from call to call, and for a batch of one size. Here `tf.scan` runs over the
    chunks. A sequence that has ended keeps its states, with their gradient: those are not stopped again.

    Args:
        x: (B, T, D). lengths: (B,).
        w_in, w_rec, bias: tuples of (D, 4, H), (H, 4, H), (4, H), one for each layer.
        h0, c0: (L, B, H), which the first chunk has a gradient for; zeros by default.
        chunk: the number of steps of a chunk; the last may have fewer.

    Returns:
        y: (B, T, H), the last layer's output at every step, zero on padding.
        h, c: (L, B, H), every layer's states after its last real step.

    >>> x, given = tf.ones((1, 3, 1)), ([tf.ones((1, 4, 1))], [tf.ones((1, 4, 1))], [tf.zeros((4, 1))])
    >>> with tf.GradientTape() as tape:
    ...     tape.watch(x)
    ...     h = truncated_lstm(x, tf.constant([3]), *given, chunk=2)["h"]
    >>> (tape.gradient(h, x) != 0).numpy().ravel()
    array([False, False,  True])
    """
    weights, hidden = list(zip(w_in, w_rec, bias)), bias[0].shape[1]
    batch, steps = tf.unstack(tf.shape(x)[:2])
    count = (steps + chunk - 1) // chunk
    x = tf.pad(x, [[0, 0], [0, count * chunk - steps], [0, 0]])
    chunks = tf.transpose(tf.reshape(x, [batch, count, chunk, x.shape[2]]), [1, 0, 2, 3])
    starts = tf.range(count, dtype=tf.int32) * chunk

    def run(before, now):
        (_, *states), (x_k, start) = before, now
        left = tf.clip_by_value(tf.cast(lengths, tf.int32) - start, 0, chunk)  # steps of each sequence, in this chunk
        goes_on = (left > 0) & (start > 0)
        states = [tf.where(goes_on[:, None], tf.stop_gradient(state), state) for state in states]
        y, finals = rnn.masked(keras.layers.LSTM, x_k, left, weights, states)
        return [y, *finals]

    initial = states_or_zeros((h0, c0), x, len(weights), (hidden, hidden))
    ys, h, c = tf.scan(run, (chunks, starts), [tf.zeros([batch, chunk, hidden], x.dtype), *initial])
    y = tf.reshape(tf.transpose(ys, [1, 0, 2, 3]), [batch, count * chunk, hidden])[:, :steps]
    return {"y": y, "h": h[-1], "c": c[-1]}


def locked_dropout(
    x, lengths, keep_x, keep_h, w_in, w_rec, bias, h0=None, c0=None, *, rate, training, variant="masked"
):
    """Run an LSTM that drops the same units at all steps of a sequence.

    The cells of Keras sample their masks themselves, and its layers take no constants. So the cell has its mask as a
    state, which stays as it is.

    Args:
        x: (B, T, D). lengths: (B,).
        keep_x, keep_h: (B, D), (B, H), 1 for what each sequence keeps, and 0 for what it drops.
        w_in, w_rec, bias: (D, 4, H), (H, 4, H), (4, H).
        h0, c0: (B, H); zeros by default.
        rate: the share of units that is dropped on average.
        training: whether anything is dropped.

    Returns:
        y: (B, T, H), the output at every step, zero on padding. What is dropped goes into the gates only.
        h, c: (B, H), the states after the last real step.

    >>> drop, keep, one = tf.constant([[0]]), tf.constant([[1]]), tf.ones((1, 4, 1))
    >>> given = tf.ones((1, 1, 1)), tf.constant([1]), drop, keep, one, one, tf.zeros((4, 1))
    >>> [bool(locked_dropout(*given, rate=0.5, training=on)["y"] > 0) for on in (True, False)]
    [False, True]
    """
    weights = [w_in, w_rec, bias]
    if not training:
        return one_layer(lstm_step, x, lengths, weights, (h0, c0))
    scale_x, scale_h = (tf.cast(keep, x.dtype) / (1 - rate) for keep in (keep_x, keep_h))
    return one_layer(dropout_step, x * scale_x[:, None], lengths, weights, (h0, c0, scale_h))


def stacked_lstm(x, lengths, w_in, w_rec, bias, h0=None, c0=None, *, variant="masked"):
    """Run a stack of LSTM cells, each on the output of the one below, as `keras.layers.StackedRNNCells`.

    Args:
        x: (B, T, D). lengths: (B,).
        w_in, w_rec, bias: tuples of (D, 4, H), (H, 4, H), (4, H), one for each layer; two at least.
        h0, c0: (L, B, H); zeros by default, each on its own.

    Returns:
        y: (B, T, H), the last layer's output at every step, zero on padding.
        h, c: (L, B, H), every layer's states after its last real step.

    >>> one, zero = [tf.ones((1, 4, 1))] * 2, [tf.zeros((4, 1))] * 2
    >>> y = stacked_lstm(tf.ones((1, 2, 1)), tf.constant([1]), one, one, zero, h0=tf.ones((2, 1, 1)))["y"]
    >>> y.numpy().round(4).ravel()
    array([0.5385, 0.    ], dtype=float32)
    """
    count, hidden = len(bias), bias[0].shape[1]
    real = runtime.valid(lengths, tf.shape(x)[1])
    initial = states_or_zeros((h0, c0), x, count, (hidden, hidden))
    states = [[state[layer] for state in initial] for layer in range(count)]  # h and c of each layer
    weights = [w for layer in zip(w_in, w_rec, bias) for w in rnn.keras_layout(keras.layers.LSTM, *layer)]
    stack = built_stack(x.shape[2], hidden, count, x.dtype)
    y, *finals = runtime.call_layer(stack, weights, runtime.only_real(real, x), mask=real, initial_state=states)
    h, c = (tf.stack(layers) for layers in zip(*finals))
    return {"y": y, "h": h, "c": c}


@runtime.built_once
def built_stack(features, hidden, count, dtype):
    """Build an empty stack once; its weights are passed in at every call."""
    options = {"recurrent_initializer": "zeros", "dtype": dtype.name}
    cells = [keras.layers.LSTMCell(hidden, **options) for _ in range(count)]
    stack = keras.layers.StackedRNNCells(cells, dtype=dtype.name)  # a list would be one of the default dtype
    layer = keras.layers.RNN(stack, dtype=dtype.name, **OUTPUTS)
    layer.build((None, None, features))
    return layer


def projected_step(x, states, w_in, w_rec, bias, w_proj, *, clip):  # (B, D)  [(B, S), (B, H)]
    h, c = lstm_step(x, states, w_in, w_rec, bias)
    h = h @ w_proj
    return [h if clip is None else tf.clip_by_value(h, -clip, clip), c]


def peephole_step(x, states, w_in, w_rec, bias, peepholes=None, *, clip):  # (B, D)  [(B, H), (B, H)]
    h, c = states
    i, f, g, o = tf.unstack(gates(x, w_in) + gates(h, w_rec) + bias, axis=1)
    p_i, p_f, p_o = (0, 0, 0) if peepholes is None else tf.unstack(peepholes)
    c = tf.sigmoid(f + p_f * c) * c + tf.sigmoid(i + p_i * c) * tf.tanh(g)
    c = c if clip is None else tf.clip_by_value(c, -clip, clip)
    return [tf.sigmoid(o + p_o * c) * tf.tanh(c), c]


def layer_norm_step(x, states, w_in, w_rec, bias, gamma_in, gamma_rec, gamma_c, beta_c, *, axes, eps):
    h, c = states  # (B, H) each
    a = standardised(gates(x, w_in), axes, eps) * gamma_in + standardised(gates(h, w_rec), axes, eps) * gamma_rec
    i, f, g, o = tf.unstack(a + bias, axis=1)
    c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
    return [tf.sigmoid(o) * tf.tanh(standardised(c, (1,), eps) * gamma_c + beta_c), c]


def standardised(a, axes, eps):
    mean, variance = tf.nn.moments(a, axes, keepdims=True)
    return (a - mean) * tf.math.rsqrt(variance + eps)


def dropout_step(x, states, w_in, w_rec, bias):  # (B, D)  [(B, H), (B, H), (B, H)]: the last says what is kept
    h, c, scale = states
    return [*lstm_step(x, [h * scale, c], w_in, w_rec, bias), scale]


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
    y, (h, c, *_) = over_time(step, x, lengths, weights, initial, **options)
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
    layer = keras.layers.RNN(Cell(step, shapes, widths, dtype.name, options), dtype=dtype.name, **OUTPUTS)
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
