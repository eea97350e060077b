"""Run recurrent layers in both directions in TensorFlow.

A bidirectional layer without mask or lengths is wrong on *real* steps: its backward half starts in the padding. Weights
are those of `parity.tensorflow.rnn` with a leading axis of two: forward, then backward.
"""

from functools import cache, partial

import keras
import tensorflow as tf

from parity.tensorflow import buckets, packing, runtime
from parity.tensorflow import rnn as one_way


def reverse_sequence(x, lengths, *, variant="reverse_sequence"):  # (B, T, D)  (B,)
    """Reverse the real steps of each sequence by `tf.reverse_sequence`, which leaves the padding unchanged.

    Returns:
        y: (B, T, D), zero on padding.

    >>> reverse_sequence(tf.constant([[[1.0], [2.0], [3.0]]]), tf.constant([2]))["y"].numpy().ravel().tolist()
    [2.0, 1.0, 0.0]
    """
    y = tf.reverse_sequence(x, lengths, seq_axis=1, batch_axis=0)
    return {"y": runtime.only_real(runtime.valid(lengths, tf.shape(x)[1]), y)}


def rnn(x, lengths, w_in, w_rec, bias, h0=None, *, activation="tanh", variant="masked"):
    """Run a bidirectional Elman network on x (B, T, D), lengths (B,), h0 (L, 2, B, H).

    Args:
        variant: a key of `VARIANTS`; see the functions there.

    Returns:
        y: (B, T, 2H), zero on padding; h: (L, 2, B, H), forward after the last real step, backward after the first.
    """
    weights = by_side(w_in, w_rec, bias)
    y, (h,) = runtime.pick(VARIANTS, variant)(keras.layers.SimpleRNN, x, lengths, weights, [h0], activation=activation)
    return {"y": y, "h": h}


def gru(x, lengths, w_in, w_rec, bias, h0=None, *, variant="masked"):
    """Run a bidirectional GRU; arguments and results as for `rnn`."""
    y, (h,) = runtime.pick(VARIANTS, variant)(keras.layers.GRU, x, lengths, by_side(w_in, w_rec, bias), [h0])
    return {"y": y, "h": h}


def lstm(x, lengths, w_in, w_rec, bias, h0=None, c0=None, *, variant="masked"):
    """Run a bidirectional LSTM; as for `rnn`, and c: (L, 2, B, H)."""
    y, (h, c) = runtime.pick(VARIANTS, variant)(keras.layers.LSTM, x, lengths, by_side(w_in, w_rec, bias), [h0, c0])
    return {"y": y, "h": h, "c": c}


def merged(x, lengths, w_in, w_rec, bias, *, merge="sum", variant="masked"):
    """Run a bidirectional Elman layer and merge its directions by Keras' ``merge_mode``.

    Args:
        merge: "sum", "mul" or "ave".

    Returns:
        y: (B, T, H), zero on padding; h: (1, 2, B, H), as for `rnn`.

    >>> one, zero = [tf.ones((2, 1, 1, 1))], [tf.zeros((2, 1, 1))]
    >>> y = merged(tf.ones((1, 2, 1)), tf.constant([1]), one, one, zero)["y"]
    >>> [round(float(step), 4) for step in y[0, :, 0]]  # 2 tanh(1)
    [1.5232, 0.0]
    """
    weights = by_side(w_in, w_rec, bias)
    y, (h,) = masked(keras.layers.SimpleRNN, x, lengths, weights, [None], wrap=merging(merge))
    return {"y": y, "h": h}


@cache
def merging(merge):  # cached, so that `built` gets the same object and returns the same layer
    return partial(keras.layers.Bidirectional, merge_mode=merge)


def by_side(w_in, w_rec, bias):
    """Return each layer's forward and backward weights."""
    return [[tuple(w[side] for w in layer) for side in (0, 1)] for layer in zip(w_in, w_rec, bias)]


def masked(kind, x, lengths, weights, initial, *, wrap=keras.layers.Bidirectional, **options):
    """Run Keras' `Bidirectional` with the mask; it reverses each sequence within its length."""
    initial = states_or_zeros(initial, x, weights)
    real = runtime.valid(lengths, tf.shape(x)[1])
    y, finals = runtime.only_real(real, x), []
    for k, sides in enumerate(weights):
        options = one_way.without_cudnn(kind) | options
        layer = one_way.built(kind, y.shape[2], one_way.width(sides), x.dtype, wrap=wrap, **options)
        values = [value for side in sides for value in one_way.keras_layout(kind, *side)]
        start = [state[k, side] for side in (0, 1) for state in initial]
        y, *final = runtime.call_layer(layer, values, y, mask=real, initial_state=start)
        finals.append(final)
    return y, stack_states([(final[: len(initial)], final[len(initial) :]) for final in finals])


def two_pass(kind, x, lengths, weights, initial, **options):
    """Run each layer forward, and again on sequences reversed within their length."""
    initial = states_or_zeros(initial, x, weights)
    y, finals = x, []
    for k, (forward, backward) in enumerate(weights):
        starts = [[state[k : k + 1, side] for state in initial] for side in (0, 1)]
        ahead, final_ahead = one_way.masked(kind, y, lengths, [forward], starts[0], **options)
        reversed_y = reverse_sequence(y, lengths)["y"]
        back, final_back = one_way.masked(kind, reversed_y, lengths, [backward], starts[1], **options)
        y = tf.concat([ahead, reverse_sequence(back, lengths)["y"]], 2)
        finals.append(([state[0] for state in final_ahead], [state[0] for state in final_back]))
    return y, stack_states(finals)


def dynamic_rnn(kind, x, lengths, weights, initial, **options):
    """Run ``tf.compat.v1.nn.bidirectional_dynamic_rnn`` with ``sequence_length``."""
    initial = states_or_zeros(initial, x, weights)
    y, finals = runtime.only_real(runtime.valid(lengths, tf.shape(x)[1]), x), []
    for k, sides in enumerate(weights):
        cells = [one_way.Cell(kind, side, **options) for side in sides]
        starts = [one_way.pack_state([state[k, side] for state in initial]) for side in (0, 1)]
        outputs, states = tf.compat.v1.nn.bidirectional_dynamic_rnn(
            *cells, y, sequence_length=lengths, initial_state_fw=starts[0], initial_state_bw=starts[1]
        )
        y = tf.concat(outputs, 2)
        finals.append([one_way.unpack_state(state) for state in states])
    return y, stack_states(finals)


def packed(kind, x, lengths, weights, initial, **options):
    """Run over real steps only, by our own loop and gradient; reversal reorders rows."""
    initial = states_or_zeros(initial, x, weights)
    layout = packing.Layout(lengths, tf.shape(x)[1])
    rows, finals = layout.pack(x), []
    for k, (forward, backward) in enumerate(weights):
        starts = [[state[k, side] for state in initial] for side in (0, 1)]
        ahead, final_ahead = packing.one_layer(layout, kind, rows, forward, starts[0], **options)
        back, final_back = packing.one_layer(layout, kind, layout.turned(rows), backward, starts[1], **options)
        rows = tf.concat([ahead, layout.turned(back)], 1)
        finals.append((final_ahead, final_back))
    return layout.unpack(rows), stack_states(finals)


def bucketed(kind, x, lengths, weights, initial, **options):
    """Run `masked` in groups of similar length."""
    initial = states_or_zeros(initial, x, weights)
    return buckets.bucketed(masked, kind, x, lengths, weights, initial, **options)


VARIANTS = {"masked": masked, "two_pass": two_pass, "dynamic_rnn": dynamic_rnn, "packed": packed, "bucketed": bucketed}


def stack_states(finals):
    """Stack ``finals[layer][side][state]`` (B, H) into one (L, 2, B, H) for each state."""
    return [tf.stack([tf.stack(sides) for sides in layers]) for layers in zip(*(zip(*sides) for sides in finals))]


def states_or_zeros(initial, x, weights):  # zeros (L, 2, B, H) for each state that is None
    zeros = tf.zeros([len(weights), 2, tf.shape(x)[0], one_way.width(weights[0])], x.dtype)
    return [zeros if state is None else state for state in initial]
