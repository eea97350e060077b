"""Run recurrent layers in both directions, one sequence at a time.

Weights are those of `parity.reference.rnn` with a leading axis of two: forward, then backward.
"""

import autograd.numpy as np

from parity.reference import runtime
from parity.reference.rnn import gru_step, lstm_step, over_sequence, rnn_step


def reverse_sequence(x, lengths):  # (B, T, D)  (B,)
    """Reverse the real steps of each sequence, with the padding left at the end.

    Returns:
        y: (B, T, D), zero on padding.

    >>> reverse_sequence(np.array([[[1.0], [2.0], [3.0]]]), [2])["y"].ravel()
    array([2., 1., 0.])
    """
    return {"y": runtime.padded([row[..., ::-1, :] for row in runtime.sequences(x, lengths)], x)}


def rnn(x, lengths, w_in, w_rec, bias, h0=None, *, activation="tanh"):  # (B, T, D)  (B,)  ...  (L, 2, B, H)
    """Run a bidirectional Elman network: Schuster and Paliwal, "Bidirectional recurrent neural networks", 1997.

    Returns:
        y: (B, T, 2H), the last layer's forward and backward state at every step, zero on padding.
        h: (L, 2, B, H), forward after the last real step, backward after the first.
    """
    act = runtime.tanh if activation == "tanh" else runtime.relu
    y, (h,) = over_batch(rnn_step(act), x, lengths, w_in, w_rec, bias, (h0,))
    return {"y": y, "h": h}


def gru(x, lengths, w_in, w_rec, bias, h0=None):
    """Run a bidirectional GRU; arguments and results as for `rnn`."""
    y, (h,) = over_batch(gru_step, x, lengths, w_in, w_rec, bias, (h0,))
    return {"y": y, "h": h}


def lstm(x, lengths, w_in, w_rec, bias, h0=None, c0=None):
    """Run a bidirectional LSTM; as for `rnn`, and c: (L, 2, B, H)."""
    y, (h, c) = over_batch(lstm_step, x, lengths, w_in, w_rec, bias, (h0, c0))
    return {"y": y, "h": h, "c": c}


def merged(x, lengths, w_in, w_rec, bias, *, merge="sum"):
    """Run a bidirectional Elman layer and merge its directions elementwise.

    Args:
        merge: "sum", "mul" or "ave".

    Returns:
        y: (B, T, H), zero on padding; h: (1, 2, B, H), as for `rnn`.

    >>> one, zero = [np.ones((2, 1, 1, 1))], [np.zeros((2, 1, 1))]
    >>> merged(np.ones((1, 2, 1)), [1], one, one, zero)["y"].ravel().round(4)  # 2 tanh(1)
    array([1.5232, 0.    ])
    """
    y, (h,) = over_batch(rnn_step(runtime.tanh), x, lengths, w_in, w_rec, bias, (None,))
    hidden = y.shape[-1] // 2
    pairs = [(row[..., :hidden], row[..., hidden:]) for row in runtime.sequences(y, lengths)]
    return {"y": runtime.padded([MERGED[merge](*pair) for pair in pairs], y[..., :hidden]), "h": h}


MERGED = {
    "sum": lambda ahead, back: ahead + back,
    "mul": lambda ahead, back: ahead * back,
    "ave": lambda ahead, back: (ahead + back) / 2,
}


def over_batch(step, x, lengths, w_in, w_rec, bias, initial):
    """Run every sequence alone through every layer, forward and backward."""
    layers, hidden = len(w_in), w_rec[0].shape[-1]
    zeros = np.zeros((*x.shape[:-3], layers, 2, x.shape[-3], hidden))
    initial = [zeros if state is None else state for state in initial]
    ys, finals = [], [[[[], []] for _ in range(layers)] for _ in initial]
    for row, y in enumerate(runtime.sequences(x, lengths)):
        for layer in range(layers):
            sides = []
            for side, order in enumerate((slice(None), slice(None, None, -1))):
                start = tuple(state[..., layer, side, row, :] for state in initial)
                weights = (
                    w_in[layer][..., side, :, :, :],
                    w_rec[layer][..., side, :, :, :],
                    bias[layer][..., side, :, :],
                )
                z, final = over_sequence(step, y[..., order, :], *weights, start)
                sides.append(z[..., order, :])
                for collected, state in zip(finals, final):
                    collected[layer][side].append(state)
            y = np.concatenate(sides, -1)
        ys.append(y)
    no_row = (*x.shape[:-3], 0, hidden)
    finals = [
        np.stack([np.stack([runtime.stack(rows, -2, no_row) for rows in sides], -3) for sides in state], -4)
        for state in finals
    ]
    return runtime.padded(ys, np.zeros((*x.shape[:-1], 2 * hidden))), finals
