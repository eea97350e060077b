"""Run LSTMs as people build them from cells, one sequence at a time: projected, clipped, normalised, in chunks.

Weights have an explicit gate axis, and gates are in the order i, f, g, o:

    w_in (D, 4, H)   w_rec (H, 4, H)   bias (4, H)

States that are not given are zero. Those of a sequence without steps stay as they are.
"""

from functools import partial

import autograd.numpy as np

from parity.reference import runtime
from parity.reference.bidirectional import reverse_sequence


def projected_lstm(x, lengths, w_in, w_rec, bias, w_proj, h0=None, c0=None, *, clip=None):
    """Run an LSTM whose output is projected to fewer units, at each step: Sak et al., arXiv:1402.1128.

        h = clip((σ(o) tanh(c)) w_proj)

    Args:
        x: (B, T, D). lengths: (B,).
        w_in, w_rec, bias: tuples of (D, 4, H), (S, 4, H), (4, H), one for each layer; all but the first have D = S.
        w_proj: a tuple of (H, S).
        h0, c0: (L, B, S), (L, B, H).
        clip: the largest magnitude of what is projected, the output and the state of the next step; None for any.

    Returns:
        y: (B, T, S), the last layer's output at every step, zero on padding.
        h: (L, B, S), c: (L, B, H), every layer's states after its last real step.

    >>> one, zero = np.ones((1, 4, 1)), np.zeros((4, 1))
    >>> projected_lstm(np.ones((1, 2, 1)), [1], [one], [one], [zero], [2 * np.ones((1, 1))])["y"].round(4).ravel()
    array([0.7392, 0.    ])
    """
    steps = [partial(projected_step, w_rec=rec, w_proj=proj, clip=clip) for rec, proj in zip(w_rec, w_proj)]
    widths = (w_proj[0].shape[-1], bias[0].shape[-1])
    return over_layers(steps, x, lengths, w_in, bias, (h0, c0), widths)


def bidirectional_projected_lstm(x, lengths, w_in, w_rec, bias, w_proj, h0=None, c0=None):
    """Run a projected LSTM in both directions; weights and states have an axis of two: forward, then backward.

    Args:
        x: (B, T, D). lengths: (B,).
        w_in, w_rec, bias, w_proj: (2, D, 4, H), (2, S, 4, H), (2, 4, H), (2, H, S).
        h0, c0: (2, B, S), (2, B, H).

    Returns:
        y: (B, T, 2, S), the output of both directions at every step, zero on padding.
        h: (2, B, S), c: (2, B, H), forward after the last real step, backward after the first.

    >>> one, zero = np.ones((2, 1, 4, 1)), np.zeros((2, 4, 1))
    >>> y = bidirectional_projected_lstm(np.ones((1, 2, 1)), [2], one, one, zero, 2 * np.ones((2, 1, 1)))["y"]
    >>> y.round(4).ravel()
    array([0.7392, 1.454 , 1.454 , 0.7392])
    """
    batch, projection, hidden = x.shape[-3], w_proj.shape[-1], bias.shape[-1]
    zeros = [np.zeros((*x.shape[:-3], 2, batch, width)) for width in (projection, hidden)]
    initial = [zero if state is None else state for state, zero in zip((h0, c0), zeros)]
    ys, finals = [], []
    for side, steps in enumerate((x, reverse_sequence(x, lengths)["y"])):
        step = partial(projected_step, w_rec=w_rec[..., side, :, :, :], w_proj=w_proj[..., side, :, :])
        prepare = partial(projected, w=w_in[..., side, :, :, :], bias=bias[..., side, :, :])
        y, final = over_batch(step, steps, lengths, prepare, [state[..., side, :, :] for state in initial])
        ys.append(y)
        finals.append(final)
    h, c = (np.stack(sides, -3) for sides in zip(*finals))
    return {"y": np.stack([ys[0], reverse_sequence(ys[1], lengths)["y"]], -2), "h": h, "c": c}


def peephole_lstm(x, lengths, w_in, w_rec, bias, peepholes=None, h0=None, c0=None, *, clip=None):
    """Run an LSTM whose gates see the cell state, which may be clipped: Gers and Schmidhuber, 2000.

        i = σ(a_i + p_i c)    f = σ(a_f + p_f c)    c' = clip(f c + i tanh(a_g))    o = σ(a_o + p_o c')

    Args:
        x: (B, T, D). lengths: (B,).
        w_in, w_rec, bias: (D, 4, H), (H, 4, H), (4, H).
        peepholes: (3, H), of i, f and o, which sees the new state; without them, gates see no cell state.
        h0, c0: (B, H).
        clip: the largest magnitude of the cell state, at every step; None for any.

    Returns:
        y: (B, T, H), the output at every step, zero on padding.
        h, c: (B, H), the states after the last real step.

    >>> given = np.ones((1, 4, 1)), np.ones((1, 4, 1)), np.zeros((4, 1))
    >>> peephole_lstm(np.ones((1, 2, 1)), [2], *given, clip=0.6)["c"]
    array([[0.6]])
    """
    step = partial(peephole_step, w_rec=w_rec, peepholes=peepholes, clip=clip)
    return one_layer(step, x, lengths, partial(projected, w=w_in, bias=bias), (h0, c0), w_rec.shape[-1])


def layer_norm_lstm(
    x, lengths, w_in, w_rec, bias, gamma_in, gamma_rec, gamma_c, beta_c, h0=None, c0=None, *, per_gate=False, eps=1e-5
):
    """Run an LSTM that normalises what its gates and its output see: Ba, Kiros and Hinton, arXiv:1607.06450.

        a = norm(x w_in) gamma_in + norm(h w_rec) gamma_rec + bias        h = σ(o) tanh(norm(c) gamma_c + beta_c)

    Args:
        x: (B, T, D). lengths: (B,).
        w_in, w_rec, bias: (D, 4, H), (H, 4, H), (4, H).
        gamma_in, gamma_rec, gamma_c, beta_c: (4, H), (4, H), (H,), (H,).
        h0, c0: (B, H).
        per_gate: whether each gate is normalised alone, as in TensorFlow 1; else all four together, as in the paper.
        eps: added to the variance.

    Returns:
        y: (B, T, H), the output at every step, zero on padding.
        h, c: (B, H), the states after the last real step; c is not normalised.

    >>> weights = np.arange(8.0).reshape(1, 4, 2), np.zeros((2, 4, 2)), np.zeros((4, 2))
    >>> norms = np.ones((4, 2)), np.ones((4, 2)), np.ones(2), np.zeros(2)
    >>> layer_norm_lstm(np.ones((1, 1, 1)), [1], *weights, *norms)["y"].round(4)
    array([[[-0.5696,  0.6251]]])
    """
    norm = partial(standardised, axes=(-1,) if per_gate else (-2, -1), eps=eps)

    def prepare(alone):  # (n, D) -> (n, 4, H)
        return norm(projected(alone, w_in)) * gamma_in[..., None, :, :] + bias[..., None, :, :]

    def step(a, states):  # (4, H)  [(H,), (H,)]
        h, c = states
        i, f, g, o = gates(a + norm(product(h, w_rec)) * gamma_rec)
        c = runtime.sigmoid(f) * c + runtime.sigmoid(i) * runtime.tanh(g)
        return runtime.sigmoid(o) * runtime.tanh(standardised(c, (-1,), eps) * gamma_c + beta_c), c

    return one_layer(step, x, lengths, prepare, (h0, c0), w_rec.shape[-1])


def truncated_lstm(x, lengths, w_in, w_rec, bias, h0=None, c0=None, *, chunk):
    """Run an LSTM in chunks, whose states go on and whose gradients end: Williams and Peng, 1990.

    The first chunk of each sequence begins at its first step. A final state has the gradient of the last chunk in which
    its sequence has a step.

    Args:
        x: (B, T, D). lengths: (B,).
        w_in, w_rec, bias: tuples of (D, 4, H), (H, 4, H), (4, H), one for each layer.
        h0, c0: (L, B, H), which the first chunk has a gradient for.
        chunk: the number of steps of a chunk; the last may have fewer.

    Returns:
        y: (B, T, H), the last layer's output at every step, zero on padding.
        h, c: (L, B, H), every layer's states after its last real step.

    >>> from autograd import grad
    >>> given = [np.ones((1, 4, 1))], [np.ones((1, 4, 1))], [np.zeros((4, 1))]
    >>> slope = grad(lambda x: np.sum(truncated_lstm(x, [3], *given, chunk=2)["h"]))
    >>> (slope(np.ones((1, 3, 1))) != 0).ravel()
    array([False, False,  True])
    """
    steps, hidden = [partial(lstm_step, w_rec=rec) for rec in w_rec], bias[0].shape[-1]
    return over_layers(steps, x, lengths, w_in, bias, (h0, c0), (hidden, hidden), chunk=chunk)


def locked_dropout(x, lengths, keep_x, keep_h, w_in, w_rec, bias, h0=None, c0=None, *, rate, training):
    """Run an LSTM that drops the same units at all steps of a sequence: Gal and Ghahramani, arXiv:1512.05287.

        a = (x keep_x / (1 - rate)) w_in + (h keep_h / (1 - rate)) w_rec + bias        in training

    Args:
        x: (B, T, D). lengths: (B,).
        keep_x, keep_h: (B, D), (B, H), 1 for what each sequence keeps, and 0 for what it drops.
        w_in, w_rec, bias: (D, 4, H), (H, 4, H), (4, H).
        h0, c0: (B, H).
        rate: the share of units that is dropped on average.
        training: whether anything is dropped.

    Returns:
        y: (B, T, H), the output at every step, zero on padding. What is dropped goes into the gates only.
        h, c: (B, H), the states after the last real step.

    >>> given = np.array([[0]]), np.array([[1]]), np.ones((1, 4, 1)), np.ones((1, 4, 1)), np.zeros((4, 1))
    >>> [locked_dropout(np.ones((1, 1, 1)), [1], *given, rate=0.5, training=on)["y"].item() > 0 for on in (True, False)]
    [False, True]
    """
    hidden = w_rec.shape[-1]
    scale_x, scale_h = (keep / (1 - rate) if training else np.ones(keep.shape) for keep in (keep_x, keep_h))

    def step(a, states):  # (4, H)  [(H,), (H,), (H,)]: the last says what is kept
        h, c, scale = states
        return *lstm_step(a, (h * scale, c), w_rec), scale

    zeros = np.zeros((*x.shape[:-2], hidden))
    initial = [zeros if state is None else state for state in (h0, c0)]
    prepare = partial(projected, w=w_in, bias=bias)
    y, (h, c, _) = over_batch(step, x * scale_x[:, None], lengths, prepare, [*initial, scale_h])
    return {"y": y, "h": h, "c": c}


def stacked_lstm(x, lengths, w_in, w_rec, bias, h0=None, c0=None):
    """Run a stack of LSTM cells, each on the output of the one below.

    Args:
        x: (B, T, D). lengths: (B,).
        w_in, w_rec, bias: tuples of (D, 4, H), (H, 4, H), (4, H), one for each layer.
        h0, c0: (L, B, H); one may be given without the other.

    Returns:
        y: (B, T, H), the last layer's output at every step, zero on padding.
        h, c: (L, B, H), every layer's states after its last real step.

    >>> one, zero = [np.ones((1, 4, 1))] * 2, [np.zeros((4, 1))] * 2
    >>> stacked_lstm(np.ones((1, 2, 1)), [1], one, one, zero, h0=np.ones((2, 1, 1)))["y"].round(4).ravel()
    array([0.5385, 0.    ])
    """
    steps, hidden = [partial(lstm_step, w_rec=rec) for rec in w_rec], bias[0].shape[-1]
    return over_layers(steps, x, lengths, w_in, bias, (h0, c0), (hidden, hidden))


def projected_step(a, states, w_rec, w_proj, clip=None):  # (4, H)  [(S,), (H,)]
    h, c = lstm_step(a, states, w_rec)
    return clipped(np.einsum("...h,...hs->...s", h, w_proj), clip), c


def peephole_step(a, states, w_rec, peepholes, clip):  # (4, H)  [(H,), (H,)]
    h, c = states
    i, f, g, o = gates(a + product(h, w_rec))
    p_i, p_f, p_o = (0, 0, 0) if peepholes is None else (peepholes[..., gate, :] for gate in range(3))
    c = runtime.sigmoid(f + p_f * c) * c + runtime.sigmoid(i + p_i * c) * runtime.tanh(g)
    c = clipped(c, clip)
    return runtime.sigmoid(o + p_o * c) * runtime.tanh(c), c


def clipped(a, clip):
    return a if clip is None else np.where(a > clip, clip, np.where(a < -clip, -clip, a))  # NaN stays


def lstm_step(a, states, w_rec):  # (4, H)  [(H,), (H,)]
    h, c = states
    i, f, g, o = gates(a + product(h, w_rec))
    c = runtime.sigmoid(f) * c + runtime.sigmoid(i) * runtime.tanh(g)
    return runtime.sigmoid(o) * runtime.tanh(c), c


def gates(a):  # (4, H) -> four (H,)
    return [a[..., gate, :] for gate in range(4)]


def product(h, w):  # (..., H)  (H, 4, K) -> (..., 4, K)
    return np.einsum("...h,...hgk->...gk", h, w)


def over_layers(steps, x, lengths, w_in, bias, initial, widths, chunk=None):
    """Run the step of each layer over all sequences; states (L, B, width)."""
    shape = (*x.shape[:-3], len(steps), x.shape[-3])
    initial = [np.zeros((*shape, width)) if state is None else state for state, width in zip(initial, widths)]
    y, finals = x, []
    for layer, step in enumerate(steps):
        starts = [state[..., layer, :, :] for state in initial]
        prepare = partial(projected, w=w_in[layer], bias=bias[layer])
        y, final = over_batch(step, y, lengths, prepare, starts, chunk)
        finals.append(final)
    h, c = (np.stack(layers, -3) for layers in zip(*finals))
    return {"y": y, "h": h, "c": c}


def one_layer(step, x, lengths, prepare, initial, width):
    """Run the step of a single layer over all sequences; states (B, H)."""
    zeros = np.zeros((*x.shape[:-2], width))
    y, (h, c) = over_batch(step, x, lengths, prepare, [zeros if state is None else state for state in initial])
    return {"y": y, "h": h, "c": c}


def projected(x, w, bias=None):  # (n, D)  (D, 4, H)  (4, H) -> (n, 4, H)
    a = np.einsum("...nd,...dgh->...ngh", x, w)
    return a if bias is None else a + bias[..., None, :, :]


def standardised(a, axes, eps):
    deviations = a - np.mean(a, axes, keepdims=True)
    return deviations / np.sqrt(np.mean(deviations**2, axes, keepdims=True) + eps)


def over_batch(step, x, lengths, prepare, initial, chunk=None):  # (B, T, D), states [(B, K)]
    """Run a step over each sequence alone, from what is prepared of its inputs; its first state is the output.

    No gradient passes from one chunk to the one before.

    Returns:
        y: (B, T, K), zero on padding, and the final states [(B, K)].
    """
    ys, finals = [], [[] for _ in initial]
    for row, alone in enumerate(runtime.sequences(x, lengths)):
        states, y, a = [state[..., row, :] for state in initial], [], prepare(alone)
        for t in range(alone.shape[-2]):
            if chunk and t and t % chunk == 0:
                states = [runtime.constant(state) for state in states]
            states = step(a[..., t, :, :], states)
            y.append(states[0])
        ys.append(runtime.stack(y, -2, (*x.shape[:-3], 0, initial[0].shape[-1])))
        for collected, state in zip(finals, states):
            collected.append(state)
    y = runtime.padded(ys, np.zeros((*x.shape[:-1], initial[0].shape[-1])))
    return y, [runtime.stack(rows, -2, state.shape) for rows, state in zip(finals, initial)]
