"""Run recurrent layers in TensorFlow: masked, padded, ``dynamic_rnn``, stepwise, packed, and bucketed.

Weights are tuples with one item per layer and an explicit gate axis, and are passed to the framework's layers:

    w_in (D, G, H)   w_rec (H, G, H)   bias (G, H)      LSTM gates i, f, g, o; GRU r, z, n, bias (4, H)

Keras' GRU orders its gates z, r, n, and has two biases with ``reset_after``; the second is used for n only. See
https://keras.io/api/layers/recurrent_layers/lstm/ and
https://www.tensorflow.org/api_docs/python/tf/compat/v1/nn/dynamic_rnn.
"""

import keras
import tensorflow as tf

from parity.tensorflow import buckets, packing, runtime


def rnn(x, lengths, w_in, w_rec, bias, h0=None, *, activation="tanh", variant="masked"):
    """Run an Elman network on x (B, T, D), lengths (B,), h0 (L, B, H).

    Args:
        variant: a key of `VARIANTS`; see the functions there.

    Returns:
        y: (B, T, H), zero on padding; h: (L, B, H), each state after the last real step.

    >>> one, zero = [tf.ones((1, 1, 1))], [tf.zeros((1, 1))]
    >>> y = rnn(tf.ones((1, 3, 1)), tf.constant([2]), one, one, zero, activation="relu")["y"]
    >>> y.numpy().ravel().tolist()
    [1.0, 2.0, 0.0]
    """
    weights = list(zip(w_in, w_rec, bias))
    y, (h,) = runtime.pick(VARIANTS, variant)(keras.layers.SimpleRNN, x, lengths, weights, [h0], activation=activation)
    return {"y": y, "h": h}


def gru(x, lengths, w_in, w_rec, bias, h0=None, *, variant="masked"):
    """Run a GRU; arguments and results as for `rnn`."""
    weights = list(zip(w_in, w_rec, bias))
    y, (h,) = runtime.pick(VARIANTS, variant)(keras.layers.GRU, x, lengths, weights, [h0])
    return {"y": y, "h": h}


def lstm(x, lengths, w_in, w_rec, bias, h0=None, c0=None, *, variant="masked"):
    """Run an LSTM; as for `rnn`, and c: (L, B, H), except from "padded"."""
    weights = list(zip(w_in, w_rec, bias))
    y, (h, *c) = runtime.pick(VARIANTS, variant)(keras.layers.LSTM, x, lengths, weights, [h0, c0])
    return {"y": y, "h": h} | ({"c": c[0]} if c else {})


def keras_layout(kind, w_in, w_rec, bias):  # (D, G, H)  (H, G, H)  (G, H)
    """Return kernel (D, GH), recurrent kernel (H, GH) and bias as Keras arranges them."""
    if kind is keras.layers.GRU:
        r, z, n, n_rec = tf.unstack(bias)
        zero = tf.zeros_like(n)
        w_in, w_rec = (tf.gather(w, [1, 0, 2], axis=1) for w in (w_in, w_rec))
        bias = tf.stack([tf.concat([z, r, n], 0), tf.concat([zero, zero, n_rec], 0)])  # (2, GH)
    else:
        bias = tf.reshape(bias, [-1])  # (GH,)
    return [tf.reshape(w_in, [w_in.shape[0], -1]), tf.reshape(w_rec, [w_rec.shape[0], -1]), bias]


def masked(kind, x, lengths, weights, initial, *, real=None, **options):
    """Run Keras layers with the mask, which selects the results; padding is computed too."""
    initial = states_or_zeros(initial, x, weights)
    real = runtime.valid(lengths, tf.shape(x)[1]) if real is None else real
    y, finals = runtime.only_real(real, x), []
    for k, layer_weights in enumerate(weights):
        layer = built(kind, y.shape[2], width(weights), x.dtype, **without_cudnn(kind), **options)
        values = keras_layout(kind, *layer_weights)
        start = [state[k] for state in initial]
        y, *final = runtime.call_layer(layer, values, y, mask=real, initial_state=start)
        finals.append(final)
    return y, [tf.stack(layers) for layers in zip(*finals)]


def static(kind, x, lengths, weights, initial, **options):
    """Run `masked` unrolled, without a loop: T must be known when the graph is built.

    This was also a limit of ``tf.compat.v1.nn.static_rnn``, which still works with a `Cell` and ``sequence_length``.

    >>> one, zero = [tf.ones((1, 1, 1))], [tf.zeros((1, 1))]
    >>> unrolled = tf.function(lambda x: rnn(x, tf.constant([2]), one, one, zero, variant="static")["y"])
    >>> [round(float(h), 2) for h in unrolled(tf.ones((1, 3, 1)))[0, :, 0]]
    [0.76, 0.94, 0.0]
    """
    return masked(kind, x, lengths, weights, initial, unroll=True, **options)


def padded(kind, x, lengths, weights, initial, **options):
    """Run each layer over the padding too, gather last real states and zero the rest.

    This is correct in one direction, since no step depends on the padding after it. The cell state is not returned:
    Keras gives it after the last step only, and that step is padding.
    """
    initial = states_or_zeros(initial, x, weights)
    real = runtime.valid(lengths, tf.shape(x)[1])
    y, h = runtime.only_real(real, x), []
    for k, layer_weights in enumerate(weights):
        layer = built(kind, y.shape[2], width(weights), x.dtype, **options)
        start = [state[k] for state in initial]
        y, *_ = runtime.call_layer(layer, keras_layout(kind, *layer_weights), y, initial_state=start)
        h.append(last_real(y, lengths, start[0]))
    return runtime.only_real(real, y), [tf.stack(h)]


def dynamic_rnn(kind, x, lengths, weights, initial, *, time_major=False, **options):
    """Run ``tf.compat.v1.nn.dynamic_rnn``, which rejects Keras 3 cells but accepts a small object."""
    initial = states_or_zeros(initial, x, weights)
    y, finals = runtime.only_real(runtime.valid(lengths, tf.shape(x)[1]), x), []
    y = tf.transpose(y, [1, 0, 2]) if time_major else y
    for k, layer_weights in enumerate(weights):
        cell = Cell(kind, layer_weights, **options)
        start = pack_state([state[k] for state in initial])
        y, final = tf.compat.v1.nn.dynamic_rnn(cell, y, lengths, start, time_major=time_major)
        finals.append(unpack_state(final))
    y = tf.transpose(y, [1, 0, 2]) if time_major else y
    return y, [tf.stack(layers) for layers in zip(*finals)]


def time_major(kind, x, lengths, weights, initial, **options):
    """Run `dynamic_rnn` on (T, B, D), transposed once for the whole stack, not per layer."""
    return dynamic_rnn(kind, x, lengths, weights, initial, time_major=True, **options)


def stepwise(kind, x, lengths, weights, initial, **options):
    """Run a cell step by step in `tf.scan`; an ended sequence keeps its state."""
    initial = states_or_zeros(initial, x, weights)
    real = runtime.valid(lengths, tf.shape(x)[1])
    y, finals = runtime.only_real(real, x), []
    for k, layer_weights in enumerate(weights):
        step = STEPS[kind](*layer_weights, **options)

        def keep_or_step(state, now, step=step):
            x_t, real_t = now  # (B, D)  (B,)
            return [tf.where(real_t[:, None], new, old) for new, old in zip(step(x_t, state), state)]

        states = tf.scan(keep_or_step, (tf.transpose(y, [1, 0, 2]), tf.transpose(real)), [s[k] for s in initial])
        finals.append([state[-1] for state in states])
        y = runtime.only_real(real, tf.transpose(states[0], [1, 0, 2]))
    return y, [tf.stack(layers) for layers in zip(*finals)]


def packed(kind, x, lengths, weights, initial, **options):
    """Run over real steps only, by our own loop and gradient; the stack stays packed."""
    initial = states_or_zeros(initial, x, weights)
    layout = packing.Layout(lengths, tf.shape(x)[1])
    rows, finals = layout.pack(x), []
    for k, layer_weights in enumerate(weights):
        rows, final = packing.one_layer(layout, kind, rows, layer_weights, [s[k] for s in initial], **options)
        finals.append(final)
    return layout.unpack(rows), [tf.stack(layers) for layers in zip(*finals)]


def bucketed(kind, x, lengths, weights, initial, **options):
    """Run `masked` in groups of similar length."""
    initial = states_or_zeros(initial, x, weights)
    return buckets.bucketed(masked, kind, x, lengths, weights, initial, **options)


VARIANTS = {
    "masked": masked,
    "static": static,
    "padded": padded,
    "dynamic_rnn": dynamic_rnn,
    "time_major": time_major,
    "stepwise": stepwise,
    "bucketed": bucketed,
    "packed": packed,
}


def rnn_step(w_in, w_rec, bias, activation="tanh"):
    def step(x, state):  # (B, D)  [(B, H)]
        (h,) = state
        return [keras.activations.get(activation)(gates(x, w_in) + gates(h, w_rec) + bias)[:, 0]]

    return step


def gru_step(w_in, w_rec, bias):
    def step(x, state):  # (B, D)  [(B, H)]
        (h,) = state
        a, b = gates(x, w_in) + bias[:3], gates(h, w_rec)  # (B, 3, H)
        r = tf.sigmoid(a[:, 0] + b[:, 0])
        z = tf.sigmoid(a[:, 1] + b[:, 1])
        n = tf.tanh(a[:, 2] + r * (b[:, 2] + bias[3]))
        return [(1 - z) * n + z * h]

    return step


def lstm_step(w_in, w_rec, bias):
    def step(x, state):  # (B, D)  [(B, H), (B, H)]
        h, c = state
        i, f, g, o = tf.unstack(gates(x, w_in) + gates(h, w_rec) + bias, axis=1)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
        return [tf.sigmoid(o) * tf.tanh(c), c]

    return step


STEPS = {keras.layers.SimpleRNN: rnn_step, keras.layers.GRU: gru_step, keras.layers.LSTM: lstm_step}


def gates(x, w):  # (B, D)  (D, G, H) -> (B, G, H)
    return tf.tensordot(x, w, 1)


class Cell:
    """The smallest cell that ``dynamic_rnn`` accepts."""

    def __init__(self, kind, weights, **options):
        self.step = STEPS[kind](*weights, **options)
        self.output_size = weights[1].shape[0]
        states = 2 if kind is keras.layers.LSTM else 1
        self.state_size = pack_state([self.output_size] * states)

    def zero_state(self, batch_size, dtype):
        return tf.nest.map_structure(lambda size: tf.zeros([batch_size, size], dtype), self.state_size)

    def __call__(self, x, state, scope=None):
        state = self.step(x, unpack_state(state))
        return state[0], pack_state(state)


def pack_state(states):
    return tuple(states) if len(states) > 1 else states[0]


def unpack_state(state):
    return list(state) if isinstance(state, tuple) else [state]


@runtime.built_once
def built(kind, features, hidden, dtype, wrap=None, **options):
    """Build an empty layer once; its weights are passed in at every call.

    The default orthogonal initialiser needs a QR decomposition, which TensorFlow lacks in bfloat16.
    """
    outputs = {"return_sequences": True, "return_state": True, "zero_output_for_mask": True}
    layer = kind(hidden, recurrent_initializer="zeros", dtype=dtype.name, **outputs, **options)
    layer = wrap(layer, dtype=dtype.name) if wrap else layer
    layer.build((None, None, features))
    return layer


def without_cudnn(kind):
    """Return options for a layer with a mask: on a GPU, cuDNN refuses an empty row and padding in front, in a graph.

    No GPU has run this yet.
    """
    return {} if kind is keras.layers.SimpleRNN else {"use_cudnn": False}


def last_real(y, lengths, initial):  # (B, T, H)  (B,)  (B, H) -> (B, H)
    """Return the output at each last real step, or the initial state without one."""
    last = tf.gather(y, tf.maximum(lengths - 1, 0), batch_dims=1)
    return tf.where(lengths[:, None] > 0, last, initial)


def width(weights):
    return weights[0][1].shape[-1]


def states_or_zeros(initial, x, weights):  # zeros (L, B, H) for each state that is None
    zeros = tf.zeros([len(weights), tf.shape(x)[0], width(weights)], x.dtype)
    return [zeros if state is None else state for state in initial]
