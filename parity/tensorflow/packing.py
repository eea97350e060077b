"""Run recurrent layers over real steps only, with a gradient written by hand.

Sequences are sorted by length, longest first, and laid out step by step. Step t computes ``b_t`` rows, one for each
sequence longer than t; there are ``N = sum(b_t)`` rows in all. Padding is never gathered, so it cannot influence a
result. The loop computes only what depends on the step before: products with the input come ahead of it, over all rows
at once. All slopes are computed before the backward loop, and each gradient of a weight is one product after it.

Gates are separate tensors: TensorFlow runs a product of few rows on one thread, but several products at once, and no
tensor has to be joined or split.

The backward pass is written by hand for each cell in ordinary operations, so it has a gradient itself.
"""

import keras
import tensorflow as tf

from parity.tensorflow import runtime


class Layout:
    """The positions of the N real steps of a batch.

    A trail (B + N, H) holds the initial states of the sequences, then the states after each step.
    """

    def __init__(self, lengths, steps):  # (B,), T
        self.order = tf.argsort(lengths, direction="DESCENDING", stable=True)  # (B,) rows, longest first
        self.rank = tf.math.invert_permutation(self.order)
        lengths = tf.gather(tf.cast(lengths, tf.int32), self.order)
        real = tf.transpose(tf.sequence_mask(lengths, steps))  # (T, B)
        t, rank = tf.unstack(tf.cast(tf.where(real), tf.int32), axis=1)  # (N,) each, step after step
        batch, self.steps = tf.size(lengths), tf.reduce_max(tf.pad(lengths, [[0, 1]]))
        self.shape = [batch, steps]

        sizes = tf.concat([[batch], tf.reduce_sum(tf.cast(real, tf.int32), 1)[: self.steps]], 0)  # B, b_0, b_1 ...
        starts = tf.cumsum(sizes, exclusive=True)
        self.longest = sizes[-1]  # number of sequences in the first step of the backward loop
        self.before = tf.gather(starts, t) + rank  # (N,) index of the state before each step in a trail
        self.last = tf.gather(tf.gather(starts, lengths) + tf.range(batch), self.rank)  # (B,) each sequence's end
        self.mirror = tf.gather(starts, tf.gather(lengths, rank) - t) - batch + rank  # (N,) as far from the other end
        self.places = tf.stack([tf.gather(self.order, rank), t], 1)  # (N, 2) positions in the batch

        # For each step, begin and size of its rows and of those that end before it, as arguments of `tf.slice`: (4, 2).
        rows = tf.stack([starts[1:] - batch, sizes[1:], sizes[1:], sizes[:-1] - sizes[1:]], 1)
        self.spans = tf.stack([rows, tf.broadcast_to([0, -1, 0, -1], tf.shape(rows))], 2)

    def pack(self, x):  # (B, T, D) -> (N, D)
        return tf.gather_nd(x, self.places)

    def unpack(self, rows):  # (N, D) -> (B, T, D), zero on padding
        return tf.scatter_nd(self.places, rows, [*self.shape, rows.shape[1]])

    def turned(self, rows):  # (N, D) -> (N, D), each sequence from its last step to its first
        return runtime.rearranged(rows, self.mirror, self.mirror)


def one_layer(layout, kind, rows, weights, states, **options):
    """Run one layer one way over rows (N, D): weights (D, G, H), (H, G, H), (G, H), states [(B, H)].

    Returns:
        y (N, H), and the final states [(B, H)].
    """
    w_in, w_rec, bias = (tf.unstack(w, axis=axis) for w, axis in zip(weights, (1, 1, 0)))
    inputs = [rows @ w + b for w, b in zip(w_in, bias)]  # (N, H) each
    y, *finals = recurrence(layout, CELLS[kind](**options), inputs, w_rec, bias[len(w_in) :], states)
    return y, finals


def recurrence(layout, cell, inputs, w_rec, bias, states):
    """Run the state-to-state part: states after each step (N, H), then final states [(B, H)]."""

    @tf.custom_gradient
    def run(inputs, w_rec, bias, states):
        def step(a, states):
            return cell.step(a, [states[0] @ w for w in w_rec], bias, states)

        found = scan(layout, step, inputs, states, cell.kept)
        trails, kept = found[: len(states)], found[len(states) :]
        after = [trail[layout.shape[0] :] for trail in trails]

        def gradient(dy, *d_finals):
            before = [tf.gather(trail, layout.before) for trail in trails]
            w_back = [tf.transpose(w) for w in w_rec]

            def step_back(now, d_states):
                dy, *slopes = now
                d_gates, d_h, d_others = cell.back(slopes, [d_states[0] + dy, *d_states[1:]])
                products = [d @ w for d, w in zip(cell.of_products(d_gates), w_back)]
                return [tf.add_n(products + d_h), *d_others], d_gates

            streams = [tf.convert_to_tensor(dy), *cell.slopes(before, after, kept)]
            d_states, d_gates = scan_back(layout, step_back, streams, d_finals, cell.gates)
            d_products = cell.of_products(d_gates)
            d_w_rec = [tf.matmul(before[0], d, transpose_a=True) for d in d_products]
            d_bias = [tf.reduce_sum(d, 0) for d in d_products[-1:] if bias]
            return cell.of_inputs(d_gates), d_w_rec, d_bias, d_states

        return [after[0], *(tf.gather(trail, layout.last) for trail in trails)], gradient

    return run(inputs, w_rec, bias, states)


def scan(layout, step, inputs, states, keep):
    """Call ``step([(b, H)], [(b, H)]) -> states, kept`` at every step; return all rows (N, H)."""
    states = [tf.gather(state, layout.order) for state in states]

    def body(t, states, arrays):
        at, size, *_ = tf.unstack(tf.gather(layout.spans, t))
        states = [tf.slice(state, [0, 0], size) for state in states]
        states, kept = step([tf.slice(rows, at, size) for rows in inputs], states)
        return t + 1, states, [array.write(t + 1, new) for array, new in zip(arrays, [*states, *kept])]

    first = states + [states[0][:0]] * keep
    return loop(layout, lambda t, *_: t < layout.steps, body, 0, states, first)[1]


def scan_back(layout, step, inputs, states, keep):
    """Call ``step`` from last step to first; a sequence joins with its own final state."""
    finals = [tf.gather(state, layout.order) for state in states]

    def body(t, states, arrays):
        at, size, join_at, join_size = tf.unstack(tf.gather(layout.spans, t))
        states, kept = step([tf.slice(rows, at, size) for rows in inputs], states)
        states = [tf.concat([state, tf.slice(final, join_at, join_size)], 0) for state, final in zip(states, finals)]
        return t - 1, states, [array.write(t + 1, new) for array, new in zip(arrays, kept)]

    states, first = [final[: layout.longest] for final in finals], [finals[0][:0]] * keep
    states, kept = loop(layout, lambda t, *_: t >= 0, body, layout.steps - 1, states, first)
    return [tf.gather(state, layout.rank) for state in states], kept


def loop(layout, going, body, t, states, first):
    """Run a loop; return the final states, and each array's rows: ``first``, then every step's."""
    shape = [None, states[0].shape[1]]
    empty = [tf.TensorArray(rows.dtype, layout.steps + 1, infer_shape=False, element_shape=shape) for rows in first]
    arrays = [array.write(0, rows) for array, rows in zip(empty, first)]
    # The number of rows varies, but two axes must be declared: else TensorFlow uses slow products of batches.
    shapes = tf.TensorShape([]), [tf.TensorShape([None, None])] * len(states), [tf.TensorShape(None)] * len(arrays)
    _, states, arrays = tf.while_loop(going, body, (t, states, arrays), shape_invariants=shapes)
    return states, [array.concat() for array in arrays]


class Cell:
    """Computations specific to a kind of layer.

    ``step`` takes the products with the input and with the state, and returns states and the kept gates. ``slopes``
    computes all rows at once. ``back`` returns the gradients of the gates, of h beside the products, and of the other
    states.
    """

    def of_inputs(self, d_gates):
        return d_gates

    def of_products(self, d_gates):
        return d_gates


class Elman(Cell):
    """h = act(a + h w_rec)."""

    kept, gates = 0, 1

    def __init__(self, activation="tanh"):
        self.relu = activation == "relu"

    def step(self, a, b, bias, states):
        h = a[0] + b[0]
        return [tf.nn.relu(h) if self.relu else tf.tanh(h)], []

    def slopes(self, before, after, kept):
        (h,) = after
        return [tf.cast(h > 0, h.dtype) if self.relu else 1 - h * h]

    def back(self, slopes, d_states):
        (dh,), (slope,) = d_states, slopes
        return [dh * slope], [], []


class LSTM(Cell):
    """i, f, g, o = a + h w_rec;  c = f c + i g;  h = o tanh(c)."""

    kept, gates = 4, 4

    def step(self, a, b, bias, states):
        i, f, g, o = (x + y for x, y in zip(a, b))
        i, f, g, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)
        c = f * states[1] + i * g
        return [o * tf.tanh(c), c], [i, f, g, o]

    def slopes(self, before, after, kept):
        (_, c_before), (h, c), (i, f, g, o) = before, after, kept
        return [g * i * (1 - i), c_before * f * (1 - f), i * (1 - g * g), h * (1 - o), o - h * tf.tanh(c), f]

    def back(self, slopes, d_states):
        (dh, dc), (i_of_c, f_of_c, g_of_c, o_of_h, c_of_h, c_of_c) = d_states, slopes
        dc += dh * c_of_h
        return [dc * i_of_c, dc * f_of_c, dc * g_of_c, dh * o_of_h], [], [dc * c_of_c]


class GRU(Cell):
    """r, z = a + h w_rec;  n = tanh(a_n + r (h w_n + b_n));  h = (1 - z) n + z h."""

    kept, gates = 4, 4  # r, z, the product inside n, n

    def step(self, a, b, bias, states):
        r, z = tf.sigmoid(a[0] + b[0]), tf.sigmoid(a[1] + b[1])
        product = b[2] + bias[0]
        n = tf.tanh(a[2] + r * product)
        return [n + z * (states[0] - n)], [r, z, product, n]

    def slopes(self, before, after, kept):
        (h,), (r, z, product, n) = before, kept
        n_of_h = (1 - z) * (1 - n * n)
        return [n_of_h * product * r * (1 - r), (h - n) * z * (1 - z), n_of_h * r, n_of_h, z]

    def back(self, slopes, d_states):
        (dh,), (*of_h, z) = d_states, slopes
        return [dh * slope for slope in of_h], [dh * z], []

    def of_inputs(self, d_gates):
        r, z, _, n = d_gates
        return [r, z, n]

    def of_products(self, d_gates):
        return d_gates[:3]


CELLS = {keras.layers.SimpleRNN: Elman, keras.layers.LSTM: LSTM, keras.layers.GRU: GRU}
