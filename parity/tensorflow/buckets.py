"""Run a batch in groups of similar length, each padded to its own longest sequence.

Outputs and gradients do not change. Each group costs steps of its own, but saves the padding of its short sequences.
`parity.bucketing` finds the cheapest partition under a measured cost. The number of groups depends on the lengths, so a
loop runs over them and the layers are traced only once.
"""

import tensorflow as tf
from tensorflow.experimental.numpy import moveaxis

from parity import bucketing
from parity.tensorflow import runtime


def bucketed(run, kind, x, lengths, weights, initial, **options):
    """Call ``run`` on each group of x (B, T, D), lengths (B,), initial states (..., B, H)."""
    order, bounds, steps = plan(lengths)
    back, sizes = tf.math.invert_permutation(order), bounds[1:] - bounds[:-1]
    given = [x, lengths, *(moveaxis(state, -2, 0) for state in initial)]
    parts = [array(v.dtype, sizes, v.shape).split(runtime.rearranged(v, order, back), sizes) for v in given]

    def body(k, found):
        x_k, lengths_k, *states = (part.read(k) for part in parts)
        states = [moveaxis(state, 0, -2) for state in states]
        y, finals = run(kind, x_k[:, : steps[k]], lengths_k, weights, states, **options)
        y = tf.pad(y, [[0, 0], [0, tf.shape(x)[1] - tf.shape(y)[1]], [0, 0]])
        finals = [moveaxis(final, -2, 0) for final in finals]
        return k + 1, [rows.write(k, values) for rows, values in zip(found, [y, *finals])]

    features = initial[0].shape[1:-2].num_elements() * initial[0].shape[-1]  # H, or 2H in both directions
    shapes = [[None, None, features], *(state.shape for state in given[2:])]
    found = [array(x.dtype, sizes, shape) for shape in shapes]
    _, found = tf.while_loop(lambda k, _: k < tf.size(steps), body, (0, found))
    y, *finals = (runtime.rearranged(rows.concat(), back, order) for rows in found)
    return y, [moveaxis(final, 0, -2) for final in finals]


def plan(lengths):
    """Return row order (B,), group bounds (K+1,) and steps (K,), computed by NumPy in a graph too."""

    def on_host(lengths):
        split = bucketing.split(lengths)
        return split.order, split.bounds, split.steps

    parts = tf.numpy_function(on_host, [lengths], [tf.int64] * 3)
    for part in parts:
        part.set_shape([None])
    return parts


def array(dtype, sizes, shape):
    """Return an empty array for the rows of every group."""
    return tf.TensorArray(dtype, tf.size(sizes), infer_shape=False, element_shape=[None, *shape[1:]])
