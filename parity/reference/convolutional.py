"""Run recurrent layers over rows of sites, each sequence alone."""

import autograd.numpy as np

from parity.reference import runtime


def lstm(x, lengths, w_in, w_rec, bias):
    """Run a convolutional LSTM without peepholes: Shi et al., "Convolutional LSTM network", equation 3.

        i, f, g, o = w_in * x + w_rec * h + bias        c = f c + i g        h = o tanh(c)

    Args:
        x: (B, T, S, D), S sites at each step. lengths: (B,).
        w_in, w_rec, bias: (K, D, 4, H), (K, H, 4, H), (4, H), kernels of K sites, with zeros beside the row.

    Returns:
        y: (B, T, S, H), zero on padding; h, c: (B, S, H), each state after the last real step.

    >>> one, zero = np.ones((1, 1, 4, 1)), np.zeros((4, 1))
    >>> float(lstm(np.ones((1, 1, 2, 1)), [1], one, one, zero)["c"][0, 1, 0].round(4))  # σ(1) tanh(1)
    0.5568
    """
    sites, hidden = x.shape[-2], bias.shape[-1]
    flat = np.reshape(x, (*x.shape[:-2], sites * x.shape[-1]))
    ys, hs, cs = [], [], []
    for alone in runtime.sequences(flat, lengths):
        rows = np.reshape(alone, (*alone.shape[:-1], sites, x.shape[-1]))
        from_x = convolved(rows, w_in[..., None, :, :, :, :]) + bias[..., None, None, :, :]  # (n, S, 4, H)
        h = c = np.zeros((*alone.shape[:-2], sites, hidden))
        states = []
        for t in range(alone.shape[-2]):
            gates = from_x[..., t, :, :, :] + convolved(h, w_rec)
            i, f, g, o = (gates[..., gate, :] for gate in range(4))  # (S, H)
            c = runtime.sigmoid(f) * c + runtime.sigmoid(i) * runtime.tanh(g)
            h = runtime.sigmoid(o) * runtime.tanh(c)
            states.append(np.reshape(h, (*h.shape[:-2], sites * hidden)))
        ys.append(runtime.stack(states, -2, (*alone.shape[:-2], 0, sites * hidden)))
        hs.append(h)
        cs.append(c)
    y = runtime.padded(ys, np.zeros((*flat.shape[:-1], sites * hidden)))
    empty = (*flat.shape[:-3], 0, sites, hidden)
    y = np.reshape(y, (*y.shape[:-1], sites, hidden))
    return {"y": y, "h": runtime.stack(hs, -3, empty), "c": runtime.stack(cs, -3, empty)}


def convolved(rows, kernel):  # (S, D)  (K, D, 4, H) -> (S, 4, H)
    """Convolve rows, as long as before: of an even kernel, the window reaches further to the right."""
    size, features, gates, hidden = kernel.shape[-4:]
    sites, before = rows.shape[-2], (size - 1) // 2
    left, right = (np.zeros((*rows.shape[:-2], margin, features)) for margin in (before, size - 1 - before))
    wide = np.concatenate([left, rows, right], -2)
    windows = np.concatenate([wide[..., k : k + sites, :] for k in range(size)], -1)  # (S, K · D)
    found = windows @ np.reshape(kernel, (*kernel.shape[:-4], size * features, gates * hidden))
    return np.reshape(found, (*found.shape[:-1], gates, hidden))
