"""Run LSTMs as people build them from cells, in PyTorch: projected, clipped, normalised, in chunks, stacked.

Weights have an explicit gate axis, and gates are in the order i, f, g, o:

    w_in (D, 4, H)   w_rec (H, 4, H)   bias (4, H)

`torch.nn.LSTM` has ``proj_size``, and no peepholes, clip or normalisation: those are loops over a step of one's own. An
ended sequence keeps its states, by a selection after each step.
"""

from functools import partial

import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from parity.pytorch import bidirectional, rnn, runtime


def projected_lstm(x, lengths, w_in, w_rec, bias, w_proj, h0=None, c0=None, *, clip=None, variant="packed"):
    """Run an LSTM whose output is projected to fewer units, at each step.

    Args:
        x: (B, T, D). lengths: (B,).
        w_in, w_rec, bias: tuples of (D, 4, H), (S, 4, H), (4, H), one for each layer; all but the first have D = S.
        w_proj: a tuple of (H, S).
        h0, c0: (L, B, S), (L, B, H); zeros by default.
        clip: the largest magnitude of what is projected, the output and the state of the next step; None for any.
        variant: "packed" (`torch.nn.LSTM` with ``proj_size``, which takes no clip), or "stepwise".

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
        options = {"proj_size": projected} | ({} if clip is None else {"proj_clip": clip})  # which raises
        y, (h, c) = rnn.packed(nn.LSTM, x, lengths, weights, initial, hidden=hidden, **options)
        return {"y": y, "h": h, "c": c}
    layers = zip(w_in, w_rec, bias, w_proj)
    steps = [partial(projected_step, weights=weights, w_proj=proj, clip=clip) for *weights, proj in layers]
    return over_layers(steps, x, lengths, initial)


def bidirectional_projected_lstm(x, lengths, w_in, w_rec, bias, w_proj, h0=None, c0=None, *, variant="packed"):
    """Run a projected LSTM in both directions, as `torch.nn.LSTM` with ``proj_size`` and ``bidirectional=True``.

    Args:
        x: (B, T, D). lengths: (B,).
        w_in, w_rec, bias, w_proj: (2, D, 4, H), (2, S, 4, H), (2, 4, H), (2, H, S).
        h0, c0: (2, B, S), (2, B, H); zeros by default.

    Returns:
        y: (B, T, 2, S), the output of both directions at every step, zero on padding.
        h: (2, B, S), c: (2, B, H), forward after the last real step, backward after the first.

    >>> one, zero = torch.ones(2, 1, 4, 1), torch.zeros(2, 4, 2)
    >>> given = one.expand(2, 1, 4, 2), one.expand(2, 1, 4, 2), zero, torch.ones(2, 2, 1)
    >>> bidirectional_projected_lstm(torch.ones(1, 2, 1), torch.tensor([2]), *given)["y"].flatten()
    tensor([0.7392, 1.4540, 1.4540, 0.7392])
    """
    _, hidden, projected = w_proj.shape
    sides = [projected_layout(*side) for side in zip(w_in, w_rec, bias, w_proj)]
    initial = states_or_zeros((h0, c0), x, 2, (projected, hidden))
    options = {"hidden": hidden, "proj_size": projected}
    y, (h, c) = bidirectional.packed(nn.LSTM, x, lengths, [sides], [state[None] for state in initial], **options)
    return {"y": y.unflatten(2, (2, projected)), "h": h[0], "c": c[0]}


def projected_layout(w_in, w_rec, bias, w_proj):  # (D, 4, H)  (S, 4, H)  (4, H)  (H, S)
    """Return one layer's weights as `torch.nn` names and arranges them."""
    return {**rnn.torch_layout(w_in, w_rec, bias), "weight_hr": w_proj.T}


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


def layer_norm_lstm(
    x,
    lengths,
    w_in,
    w_rec,
    bias,
    gamma_in,
    gamma_rec,
    gamma_c,
    beta_c,
    h0=None,
    c0=None,
    *,
    per_gate=False,
    eps=1e-5,
    variant="stepwise",
):
    """Run an LSTM that normalises what its gates and its output see.

    Args:
        x: (B, T, D). lengths: (B,).
        w_in, w_rec, bias: (D, 4, H), (H, 4, H), (4, H).
        gamma_in, gamma_rec, gamma_c, beta_c: (4, H), (4, H), (H,), (H,).
        h0, c0: (B, H); zeros by default.
        per_gate: whether each gate is normalised alone; else all four together.
        eps: added to the variance; the default is 1e-5 in `torch` and 1e-3 in Keras.

    Returns:
        y: (B, T, H), the output at every step, zero on padding.
        h, c: (B, H), the states after the last real step; c is not normalised.

    >>> weights = torch.arange(8.0).reshape(1, 4, 2), torch.zeros(2, 4, 2), torch.zeros(4, 2)
    >>> norms = torch.ones(4, 2), torch.ones(4, 2), torch.ones(2), torch.zeros(2)
    >>> layer_norm_lstm(torch.ones(1, 1, 1), torch.tensor([1]), *weights, *norms)["y"]
    tensor([[[-0.5696,  0.6251]]])
    """
    shape = bias.shape[per_gate:]  # (4, H), or (H,)

    def step(x, states):  # (B, D)  [(B, H), (B, H)]
        h, c = states
        a = F.layer_norm(gates(x, w_in), shape, eps=eps) * gamma_in
        a = a + F.layer_norm(gates(h, w_rec), shape, eps=eps) * gamma_rec
        i, f, g, o = (a + bias).unbind(1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return [o.sigmoid() * F.layer_norm(c, gamma_c.shape, gamma_c, beta_c, eps).tanh(), c]

    return one_layer(step, x, lengths, (h0, c0), bias.shape[1])


def truncated_lstm(x, lengths, w_in, w_rec, bias, h0=None, c0=None, *, chunk, variant="packed"):
    """Run an LSTM in chunks, whose states go on and whose gradients end.

    A sequence that has ended keeps its states, with their gradient: those are not detached again.

    Args:
        x: (B, T, D). lengths: (B,).
        w_in, w_rec, bias: tuples of (D, 4, H), (H, 4, H), (4, H), one for each layer.
        h0, c0: (L, B, H), which the first chunk has a gradient for; zeros by default.
        chunk: the number of steps of a chunk; the last may have fewer.

    Returns:
        y: (B, T, H), the last layer's output at every step, zero on padding.
        h, c: (L, B, H), every layer's states after its last real step.

    >>> x, given = torch.ones(1, 3, 1, requires_grad=True), ([torch.ones(1, 4, 1)], [torch.ones(1, 4, 1)])
    >>> truncated_lstm(x, torch.tensor([3]), *given, [torch.zeros(4, 1)], chunk=2)["h"].sum().backward()
    >>> (x.grad != 0).flatten()
    tensor([False, False,  True])
    """
    weights = [rnn.torch_layout(*layer) for layer in zip(w_in, w_rec, bias)]
    hidden, ys = bias[0].shape[1], []
    states = states_or_zeros((h0, c0), x, len(weights), (hidden, hidden))
    for start in range(0, x.shape[1], chunk):
        steps = (lengths - start).clamp(0, chunk)  # of each sequence, in this chunk
        if start > 0:
            states = [torch.where(steps[:, None] > 0, state.detach(), state) for state in states]
        y, states = rnn.packed(nn.LSTM, x[:, start : start + chunk], steps, weights, states)
        ys.append(y)
    return {"y": torch.cat(ys, 1), "h": states[0], "c": states[1]}


def locked_dropout(
    x, lengths, keep_x, keep_h, w_in, w_rec, bias, h0=None, c0=None, *, rate, training, variant="stepwise"
):
    """Run an LSTM that drops the same units at all steps of a sequence.

    Args:
        x: (B, T, D). lengths: (B,).
        keep_x, keep_h: (B, D), (B, H), 1 for what each sequence keeps, and 0 for what it drops.
        w_in, w_rec, bias: (D, 4, H), (H, 4, H), (4, H).
        h0, c0: (B, H); zeros by default.
        rate: the share of units that is dropped on average.
        training: whether anything is dropped.

    Returns:
        y: (B, T, H), the output at every step, zero on padding. What is dropped goes into the gates only.
        h, c: (B, H), the states after the last real step.

    >>> drop, keep, one = torch.tensor([[0]]), torch.tensor([[1]]), torch.ones(1, 4, 1)
    >>> given = torch.ones(1, 1, 1), torch.tensor([1]), drop, keep, one, one, torch.zeros(4, 1)
    >>> [locked_dropout(*given, rate=0.5, training=on)["y"].item() > 0 for on in (True, False)]
    [False, True]
    """
    hidden = bias.shape[1]
    cell, named = rnn.module(nn.LSTMCell, x.shape[2], hidden, None, x.dtype), rnn.torch_layout(w_in, w_rec, bias)
    scale_x, scale_h = (keep.to(x.dtype) / (1 - rate) if training else 1 for keep in (keep_x, keep_h))

    def step(x, states):  # (B, D)  [(B, H), (B, H)]
        h, c = states
        return functional_call(cell, named, (x * scale_x, (h * scale_h, c)))

    return one_layer(step, x, lengths, (h0, c0), hidden)


def stacked_lstm(x, lengths, w_in, w_rec, bias, h0=None, c0=None, *, variant="cells"):
    """Run a stack of LSTM cells, each on the output of the one below.

    `torch.nn.LSTM` takes both states or none: where one is given, the other has to be zeros.

    Args:
        x: (B, T, D). lengths: (B,).
        w_in, w_rec, bias: tuples of (D, 4, H), (H, 4, H), (4, H), one for each layer.
        h0, c0: (L, B, H); zeros by default, each on its own.
        variant: "cells" (all layers at each step), or "packed" (`torch.nn.LSTM`).

    Returns:
        y: (B, T, H), the last layer's output at every step, zero on padding.
        h, c: (L, B, H), every layer's states after its last real step.

    >>> one, zero = [torch.ones(1, 4, 1)] * 2, [torch.zeros(4, 1)] * 2
    >>> stacked_lstm(torch.ones(1, 2, 1), torch.tensor([1]), one, one, zero, h0=torch.ones(2, 1, 1))["y"].flatten()
    tensor([0.5385, 0.0000])
    """
    weights, hidden = [rnn.torch_layout(*layer) for layer in zip(w_in, w_rec, bias)], bias[0].shape[1]
    initial = states_or_zeros((h0, c0), x, len(weights), (hidden, hidden))
    if runtime.pick(("cells", "packed"), variant) == "packed":
        y, (h, c) = rnn.packed(nn.LSTM, x, lengths, weights, initial)
        return {"y": y, "h": h, "c": c}
    layers = len(weights)
    cells = [rnn.module(nn.LSTMCell, hidden if layer else x.shape[2], hidden, None, x.dtype) for layer in range(layers)]

    def step(x, states):  # (B, D)  [(B, H)]: the h of every layer, then the c of every layer
        h, c = list(states[:layers]), list(states[layers:])
        for layer in range(layers):
            x, c[layer] = functional_call(cells[layer], weights[layer], (x, (h[layer], c[layer])))
            h[layer] = x
        return h + c

    states = [state[layer] for state in initial for layer in range(layers)]
    y, states = over_time(step, x, lengths, states, output=layers - 1)
    return {"y": y, "h": torch.stack(states[:layers]), "c": torch.stack(states[layers:])}


def projected_step(x, states, weights, w_proj, clip):  # (B, D)  [(B, S), (B, H)]
    h, c = lstm_step(x, states, *weights)
    h = h @ w_proj
    return [h if clip is None else h.clamp(-clip, clip), c]


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


def over_time(step, x, lengths, states, output=0):  # (B, T, D)  (B,)  [(B, K)] -> (B, T, K), [(B, K)]
    """Run a step over time; an ended sequence keeps its states. One of them is the output."""
    real = runtime.valid(lengths, x.shape[1])
    x, y = runtime.only_real(real, x), []
    for t in range(x.shape[1]):
        states = [torch.where(real[:, t, None], new, old) for new, old in zip(step(x[:, t], states), states)]
        y.append(states[output])
    return runtime.only_real(real, torch.stack(y, 1)), states


def states_or_zeros(initial, x, layers, widths):  # zeros (L, B, width) for each state that is None
    given = zip(initial, widths)
    return [x.new_zeros(layers, len(x), width) if state is None else state for state, width in given]
