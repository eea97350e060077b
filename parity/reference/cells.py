"""Run LSTMs as people build them from cells, one sequence at a time: projected, clipped, normalised, in chunks.

Weights have an explicit gate axis, and gates are in the order i, f, g, o:

    w_in (D, 4, H)   w_rec (H, 4, H)   bias (4, H)

States that are not given are zero. Those of a sequence without steps stay as they are.
"""

from functools import partial

import autograd.numpy as np

from parity.reference import runtime


def projected_lstm(x, lengths, w_in, w_rec, bias, w_proj, h0=None, c0=None):
    """Run an LSTM whose output is projected to fewer units, at each step: Sak et al., arXiv:1402.1128.

        h = (σ(o) tanh(c)) w_proj

    Args:
        x: (B, T, D). lengths: (B,).
        w_in, w_rec, bias: tuples of (D, 4, H), (S, 4, H), (4, H), one for each layer; all but the first have D = S.
        w_proj: a tuple of (H, S).
        h0, c0: (L, B, S), (L, B, H).

    Returns:
        y: (B, T, S), the last layer's output at every step, zero on padding.
        h: (L, B, S), c: (L, B, H), every layer's states after its last real step.

    >>> one, zero = np.ones((1, 4, 1)), np.zeros((4, 1))
    >>> projected_lstm(np.ones((1, 2, 1)), [1], [one], [one], [zero], [2 * np.ones((1, 1))])["y"].round(4).ravel()
    array([0.7392, 0.    ])
    """
    steps = [partial(projected_step, w_rec=rec, w_proj=proj) for rec, proj in zip(w_rec, w_proj)]
    widths = (w_proj[0].shape[-1], bias[0].shape[-1])
    return over_layers(steps, x, lengths, w_in, bias, (h0, c0), widths)


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


def projected_step(a, states, w_rec, w_proj):  # (4, H)  [(S,), (H,)]
    h, c = lstm_step(a, states, w_rec)
    return np.einsum("...h,...hs->...s", h, w_proj), c


def peephole_step(a, states, w_rec, peepholes, clip):  # (4, H)  [(H,), (H,)]
    h, c = states
    i, f, g, o = gates(a + product(h, w_rec))
    p_i, p_f, p_o = (0, 0, 0) if peepholes is None else (peepholes[..., gate, :] for gate in range(3))
    c = runtime.sigmoid(f + p_f * c) * c + runtime.sigmoid(i + p_i * c) * runtime.tanh(g)
    c = c if clip is None else np.where(c > clip, clip, np.where(c < -clip, -clip, c))  # NaN stays
    return runtime.sigmoid(o + p_o * c) * runtime.tanh(c), c


def lstm_step(a, states, w_rec):  # (4, H)  [(H,), (H,)]
    h, c = states
    i, f, g, o = gates(a + product(h, w_rec))
    c = runtime.sigmoid(f) * c + runtime.sigmoid(i) * runtime.tanh(g)
    return runtime.sigmoid(o) * runtime.tanh(c), c


def gates(a):  # (4, H) -> four (H,)
    return [a[..., gate, :] for gate in range(4)]


def product(h, w):  # (..., H)  (H, 4, K) -> (..., 4, K)
    return np.einsum("...h,...hgk->...gk", h, w)


def over_layers(steps, x, lengths, w_in, bias, initial, widths):
    """Run the step of each layer over all sequences; states (L, B, width)."""
    shape = (*x.shape[:-3], len(steps), x.shape[-3])
    initial = [np.zeros((*shape, width)) if state is None else state for state, width in zip(initial, widths)]
    y, finals = x, []
    for layer, step in enumerate(steps):
        starts = [state[..., layer, :, :] for state in initial]
        y, final = over_batch(step, y, lengths, partial(projected, w=w_in[layer], bias=bias[layer]), starts)
        finals.append(final)
    h, c = (np.stack(layers, -3) for layers in zip(*finals))
    return {"y": y, "h": h, "c": c}


def one_layer(step, x, lengths, prepare, initial, width):
    """Run the step of a single layer over all sequences; states (B, H)."""
    zeros = np.zeros((*x.shape[:-2], width))
    y, (h, c) = over_batch(step, x, lengths, prepare, [zeros if state is None else state for state in initial])
    return {"y": y, "h": h, "c": c}


def projected(x, w, bias):  # (n, D)  (D, 4, H)  (4, H) -> (n, 4, H)
    return np.einsum("...nd,...dgh->...ngh", x, w) + bias[..., None, :, :]


def over_batch(step, x, lengths, prepare, initial):  # (B, T, D), states [(B, K)] -> (B, T, K), [(B, K)]
    """Run a step over each sequence alone, from what is prepared of its inputs; its first state is the output."""
    ys, finals = [], [[] for _ in initial]
    for row, alone in enumerate(runtime.sequences(x, lengths)):
        states, y, a = [state[..., row, :] for state in initial], [], prepare(alone)
        for t in range(alone.shape[-2]):
            states = step(a[..., t, :, :], states)
            y.append(states[0])
        ys.append(runtime.stack(y, -2, (*x.shape[:-3], 0, initial[0].shape[-1])))
        for collected, state in zip(finals, states):
            collected.append(state)
    y = runtime.padded(ys, np.zeros((*x.shape[:-1], initial[0].shape[-1])))
    return y, [runtime.stack(rows, -2, state.shape) for rows, state in zip(finals, initial)]
