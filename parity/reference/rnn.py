"""Run recurrent layers, one sequence at a time.

Weights are tuples with one item per layer and an explicit gate axis:

    w_in (D, G, H)   w_rec (H, G, H)   bias (G, H)

Gates are in the order of the equations: LSTM i, f, g, o; GRU r, z, n. The bias of a GRU is (4, H): one for each gate,
then one for the recurrent product inside n.
"""

import autograd.numpy as np

from parity.reference import runtime


def rnn(x, lengths, w_in, w_rec, bias, h0=None, *, activation="tanh"):  # (B, T, D)  (B,)  ...  (L, B, H)
    """Run an Elman network, ``h = act(x w_in + h w_rec + bias)``: "Finding structure in time", 1990.

    Returns:
        y: (B, T, H), the last layer's state at every step, zero on padding.
        h: (L, B, H), every layer's state after its last real step.

    >>> one, zero = [np.ones((1, 1, 1))], [np.zeros((1, 1))]
    >>> rnn(np.ones((1, 3, 1)), [2], one, one, zero, activation="relu")["y"].ravel()
    array([1., 2., 0.])
    """
    act = runtime.tanh if activation == "tanh" else runtime.relu
    y, (h,) = over_batch(rnn_step(act), x, lengths, w_in, w_rec, bias, (h0,))
    return {"y": y, "h": h}


def gru(x, lengths, w_in, w_rec, bias, h0=None):
    """Run a GRU, reset gate after the product as in cuDNN: Cho et al., arXiv:1406.1078v1.

    Returns:
        y: (B, T, H); h: (L, B, H), as for `rnn`.
    """
    y, (h,) = over_batch(gru_step, x, lengths, w_in, w_rec, bias, (h0,))
    return {"y": y, "h": h}


def lstm(x, lengths, w_in, w_rec, bias, h0=None, c0=None):
    """Run an LSTM with a forget gate: Gers et al., "Learning to forget", 2000.

    Returns:
        y: (B, T, H); h, c: (L, B, H), as for `rnn`.
    """
    y, (h, c) = over_batch(lstm_step, x, lengths, w_in, w_rec, bias, (h0, c0))
    return {"y": y, "h": h, "c": c}


def rnn_step(act):
    def step(a, b, _, state):  # x w_in + bias (G, H)  h w_rec (G, H)  bias (G, H)  state: (H,) each
        return (act((a + b)[..., 0, :]),)

    return step


def gru_step(a, b, bias, state):
    (h,) = state
    gates = runtime.sigmoid(a[..., :2, :] + b[..., :2, :])
    r, z = gates[..., 0, :], gates[..., 1, :]
    n = runtime.tanh(a[..., 2, :] + r * (b[..., 2, :] + bias[..., 3, :]))
    return ((1 - z) * n + z * h,)


def lstm_step(a, b, _, state):
    _, c = state
    gates = a + b
    i, f, g, o = (gates[..., gate, :] for gate in range(4))
    c = runtime.sigmoid(f) * c + runtime.sigmoid(i) * runtime.tanh(g)
    return runtime.sigmoid(o) * runtime.tanh(c), c


def over_sequence(step, x, w_in, w_rec, bias, state):  # (n, D) -> (n, H), state
    """Run one layer over one sequence."""
    a = np.einsum("...nd,...dgh->...ngh", x, w_in) + bias[..., None, : w_in.shape[-2], :]  # a GRU adds its last later
    y = []
    for t in range(x.shape[-2]):
        b = np.einsum("...h,...hgk->...gk", state[0], w_rec)
        state = step(a[..., t, :, :], b, bias, state)
        y.append(state[0])
    return runtime.stack(y, -2, (*x.shape[:-2], 0, w_rec.shape[-1])), state


def over_batch(step, x, lengths, w_in, w_rec, bias, initial):
    """Run every sequence alone through every layer."""
    layers, hidden = len(w_in), w_rec[0].shape[-1]
    zeros = np.zeros((*x.shape[:-3], layers, x.shape[-3], hidden))
    initial = [zeros if state is None else state for state in initial]
    ys, finals = [], [[[] for _ in range(layers)] for _ in initial]
    for row, y in enumerate(runtime.sequences(x, lengths)):
        for layer in range(layers):
            start = tuple(state[..., layer, row, :] for state in initial)
            y, final = over_sequence(step, y, w_in[layer], w_rec[layer], bias[layer], start)
            for collected, state in zip(finals, final):
                collected[layer].append(state)
        ys.append(y)
    no_row = (*x.shape[:-3], 0, hidden)
    finals = [np.stack([runtime.stack(rows, -2, no_row) for rows in state], -3) for state in finals]
    return runtime.padded(ys, np.zeros((*x.shape[:-1], hidden))), finals
