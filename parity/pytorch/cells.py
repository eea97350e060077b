"""Run LSTMs as people build them from cells, in PyTorch: projected, clipped, normalised, in chunks, stacked.

Weights have an explicit gate axis, and gates are in the order i, f, g, o:

    w_in (D, 4, H)   w_rec (H, 4, H)   bias (4, H)

`torch.nn.LSTM` has ``proj_size``, and no peepholes, clip or normalisation: those are loops over a step of one's own. An
ended sequence keeps its states, by a selection after each step.
"""

from functools import partial

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from parity.pytorch import rnn, runtime


def projected_lstm(x, lengths, w_in, w_rec, bias, w_proj, h0=None, c0=None, *, variant="packed"):
    """Run an LSTM whose output is projected to fewer units, at each step.

    Args:
        x: (B, T, D). lengths: (B,).
        w_in, w_rec, bias: tuples of (D, 4, H), (S, 4, H), (4, H), one for each layer; all but the first have D = S.
        w_proj: a tuple of (H, S).
        h0, c0: (L, B, S), (L, B, H); zeros by default.
        variant: "packed" (`torch.nn.LSTM` with ``proj_size``), or "stepwise".

    Returns:
        y: (B, T, S), the last layer's output at every step, zero on padding.
        h: (L, B, S), c: (L, B, H), every layer's states after its last real step.

    >>> one, zero = torch.ones(1, 4, 1), torch.zeros(4, 1)
    >>> given = [one], [one], [zero], [2 * torch.ones(1, 1)]
    >>> projected_lstm(torch.ones(1, 2, 1), torch.tensor([1]), *given, variant="stepwise")["y"].flatten()
    tensor([0.7392, 0.0000])
    """
    hidden, projected = w_proj[0].shape
    initial = states_or_zeros((h0, c0), x, len(w_in), (projected, hidden))
    if runtime.pick(("packed", "stepwise"), variant) == "packed":
        weights = [projected_layout(*layer) for layer in zip(w_in, w_rec, bias, w_proj)]
        return packed(x, lengths, weights, initial, hidden=hidden, proj_size=projected)
    steps = [partial(projected_step, weights=layer[:3], w_proj=layer[3]) for layer in zip(w_in, w_rec, bias, w_proj)]
    return over_layers(steps, x, lengths, initial)


def projected_layout(w_in, w_rec, bias, w_proj):  # (D, 4, H)  (S, 4, H)  (4, H)  (H, S)
    """Return one layer's weights as `torch.nn` names and arranges them."""
    return {**rnn.torch_layout(w_in, w_rec, bias), "weight_hr": w_proj.T}


def packed(x, lengths, weights, initial, *, hidden, **options):
    """Pack, run the whole stack, unpack; sequences without steps keep their states."""
    y = x.new_zeros(*x.shape[:2], initial[0].shape[2])
    rows = lengths.nonzero().squeeze(1)  # pack_padded_sequence rejects a length of 0
    if not len(rows):
        return {"y": y, "h": initial[0], "c": initial[1]}
    layer = rnn.module(nn.LSTM, x.shape[2], hidden, len(weights), x.dtype, **options)
    stacked = {f"{name}_l{k}": tensor for k, named in enumerate(weights) for name, tensor in named.items()}
    sequences = pack_padded_sequence(x[rows], lengths[rows].cpu(), batch_first=True, enforce_sorted=False)
    out, final = rnn.run(layer, stacked, sequences, [state[:, rows] for state in initial])
    out, _ = pad_packed_sequence(out, batch_first=True, total_length=x.shape[1])
    h, c = (state.index_copy(1, rows, end) for state, end in zip(initial, final))
    return {"y": y.index_copy(0, rows, out), "h": h, "c": c}


def peephole_lstm(x, lengths, w_in, w_rec, bias, peepholes=None, h0=None, c0=None, *, clip=None, variant="stepwise"):
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

    >>> given = torch.ones(1, 4, 1), torch.ones(1, 4, 1), torch.zeros(4, 1)
    >>> peephole_lstm(torch.ones(1, 2, 1), torch.tensor([2]), *given, clip=0.6)["c"]
    tensor([[0.6000]])
    """
    step = partial(peephole_step, weights=(w_in, w_rec, bias), peepholes=peepholes, clip=clip)
    return one_layer(step, x, lengths, (h0, c0), bias.shape[1])


def projected_step(x, states, weights, w_proj):  # (B, D)  [(B, S), (B, H)]
    h, c = lstm_step(x, states, *weights)
    return [h @ w_proj, c]


def peephole_step(x, states, weights, peepholes, clip):  # (B, D)  [(B, H), (B, H)]
    (h, c), (w_in, w_rec, bias) = states, weights
    i, f, g, o = (gates(x, w_in) + gates(h, w_rec) + bias).unbind(1)
    p_i, p_f, p_o = (0, 0, 0) if peepholes is None else peepholes
    c = (f + p_f * c).sigmoid() * c + (i + p_i * c).sigmoid() * g.tanh()
    c = c if clip is None else c.clamp(-clip, clip)
    return [(o + p_o * c).sigmoid() * c.tanh(), c]


def lstm_step(x, states, w_in, w_rec, bias):  # (B, D)  [(B, H), (B, H)]
    h, c = states
    i, f, g, o = (gates(x, w_in) + gates(h, w_rec) + bias).unbind(1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return [o.sigmoid() * c.tanh(), c]


def gates(x, w):  # (B, D)  (D, 4, H) -> (B, 4, H)
    return torch.tensordot(x, w, 1)


def over_layers(steps, x, lengths, initial):  # states (L, B, K)
    """Run the step of each layer over the whole batch, layer after layer."""
    y, finals = x, []
    for layer, step in enumerate(steps):
        y, final = over_time(step, y, lengths, [state[layer] for state in initial])
        finals.append(final)
    h, c = (torch.stack(layers) for layers in zip(*finals))
    return {"y": y, "h": h, "c": c}


def one_layer(step, x, lengths, initial, hidden):  # states (B, H)
    """Run the step of a single layer over the whole batch."""
    initial = [x.new_zeros(len(x), hidden) if state is None else state for state in initial]
    y, (h, c) = over_time(step, x, lengths, initial)
    return {"y": y, "h": h, "c": c}


def over_time(step, x, lengths, states):  # (B, T, D)  (B,)  [(B, K)] -> (B, T, K), [(B, K)]
    """Run a step over time; an ended sequence keeps its states. The first state is the output."""
    real = runtime.valid(lengths, x.shape[1])
    x, y = runtime.only_real(real, x), []
    for t in range(x.shape[1]):
        states = [torch.where(real[:, t, None], new, old) for new, old in zip(step(x[:, t], states), states)]
        y.append(states[0])
    return runtime.only_real(real, torch.stack(y, 1)), states


def states_or_zeros(initial, x, layers, widths):  # zeros (L, B, width) for each state that is None
    given = zip(initial, widths)
    return [x.new_zeros(layers, len(x), width) if state is None else state for state, width in given]
