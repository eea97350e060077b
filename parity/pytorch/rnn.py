"""Run recurrent layers in PyTorch: packed, padded, stepwise, bucketed, over real steps only, or the fastest of these.

Weights are tuples with one item per layer and an explicit gate axis, and are passed to the framework's layers:

    w_in (D, G, H)   w_rec (H, G, H)   bias (G, H)      LSTM gates i, f, g, o; GRU r, z, n, bias (4, H)

`torch.nn.LSTM` has two biases that are added; the second is zero here. `torch.nn.GRU` needs the last of its second. See
https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html and, for packing,
https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.pack_padded_sequence.html.
"""

from functools import cache
from inspect import signature

import torch
from torch import nn
from torch.func import functional_call
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from parity.pytorch import buckets, choice, packing, runtime


def rnn(x, lengths, w_in, w_rec, bias, h0=None, *, activation="tanh", variant="packed"):
    """Run an Elman network on x (B, T, D), lengths (B,), h0 (L, B, H).

    Args:
        variant: a key of `VARIANTS`; see the functions there.

    Returns:
        y: (B, T, H), zero on padding; h: (L, B, H), each state after the last real step.

    >>> one, zero = [torch.ones(1, 1, 1)], [torch.zeros(1, 1)]
    >>> rnn(torch.ones(1, 3, 1), torch.tensor([2]), one, one, zero, activation="relu")["y"].flatten()
    tensor([1., 2., 0.])
    """
    weights = [torch_layout(*layer) for layer in zip(w_in, w_rec, bias)]
    y, (h,) = runtime.pick(VARIANTS, variant)(nn.RNN, x, lengths, weights, [h0], nonlinearity=activation)
    return {"y": y, "h": h}


def gru(x, lengths, w_in, w_rec, bias, h0=None, *, variant="packed"):
    """Run a GRU; arguments and results as for `rnn`."""
    weights = [torch_layout(*layer) for layer in zip(w_in, w_rec, bias)]
    y, (h,) = runtime.pick(VARIANTS, variant)(nn.GRU, x, lengths, weights, [h0])
    return {"y": y, "h": h}


def lstm(x, lengths, w_in, w_rec, bias, h0=None, c0=None, *, variant="packed"):
    """Run an LSTM; as for `rnn`, and c: (L, B, H), except from padded layers."""
    weights = [torch_layout(*layer) for layer in zip(w_in, w_rec, bias)]
    y, (h, *c) = runtime.pick(VARIANTS, variant)(nn.LSTM, x, lengths, weights, [h0, c0])
    return {"y": y, "h": h} | ({"c": c[0]} if c else {})


def torch_layout(w_in, w_rec, bias):  # (D, G, H)  (H, G, H)  (G, H)
    """Return one layer's weights as `torch.nn` names and arranges them."""
    b_in, b_rec = bias[: w_in.shape[1]], torch.zeros_like(bias[: w_in.shape[1]])
    if len(bias) > len(b_in):  # GRU: the last bias is inside the product with the reset gate
        b_rec = torch.cat([b_rec[:-1], bias[-1:]])
    return {
        "weight_ih": w_in.flatten(1).T,  # (GH, D)
        "weight_hh": w_rec.flatten(1).T,  # (GH, H)
        "bias_ih": b_in.flatten(),
        "bias_hh": b_rec.flatten(),
    }


def packed(kind, x, lengths, weights, initial, *, hidden=0, enforce_sorted=False, batch_first=True, **options):
    """Pack, run the whole stack, unpack; steps of padding are never computed. A projected cell is ``hidden`` wide."""
    initial = states_or_zeros(initial, x, weights)
    y = x.new_zeros(*x.shape[:2], width(weights))
    rows = lengths.nonzero().squeeze(1)  # pack_padded_sequence rejects a length of 0
    if not len(rows):
        return y, initial
    layer = module(kind, x.shape[2], hidden or width(weights), len(weights), x.dtype, batch_first, **options)
    stacked = {f"{name}_l{k}": tensor for k, named in enumerate(weights) for name, tensor in named.items()}
    values = x[rows] if batch_first else x[rows].transpose(0, 1)  # (B, T, D) or (T, B, D)
    sequences = pack_padded_sequence(values, lengths[rows].cpu(), batch_first, enforce_sorted)
    out, final = run(layer, stacked, sequences, [state[:, rows] for state in initial])
    out, _ = pad_packed_sequence(out, batch_first, total_length=x.shape[1])
    out = out if batch_first else out.transpose(0, 1)
    return y.index_copy(0, rows, out), [s.index_copy(1, rows, f) for s, f in zip(initial, final)]


def packed_sorted(kind, x, lengths, weights, initial, **options):
    """Run `packed` on rows sorted longest first, as ``enforce_sorted=True`` requires."""
    order = lengths.argsort(descending=True, stable=True)
    initial = [state[:, order] for state in states_or_zeros(initial, x, weights)]
    y, final = packed(kind, x[order], lengths[order], weights, initial, enforce_sorted=True, **options)
    back = order.argsort()
    return y[back], [state[:, back] for state in final]


def time_major(kind, x, lengths, weights, initial, **options):
    """Run `packed` on (T, B, D), the default layout of `torch.nn`."""
    return packed(kind, x, lengths, weights, initial, batch_first=False, **options)


def padded(kind, x, lengths, weights, initial, **options):
    """Run each layer over the padding too, gather last real states and zero the rest.

    This is correct in one direction, since no step depends on the padding after it. The cell state is not returned:
    `torch.nn.LSTM` gives it after the last step only, and that step is padding.
    """
    initial = states_or_zeros(initial, x, weights)
    real = runtime.valid(lengths, x.shape[1])
    y, h = runtime.only_real(real, x), []
    for k, named in enumerate(weights):
        layer = module(kind, y.shape[2], width(weights), 1, x.dtype, **options)
        single = {f"{name}_l0": tensor for name, tensor in named.items()}
        start = [state[k : k + 1] for state in initial]
        y, _ = run(layer, single, y, start)
        h.append(last_real(y, lengths, start[0][0]))
    return runtime.only_real(real, y), [torch.stack(h)]


# In newer versions the same flags also set TF32, with a warning. None leaves it unchanged.
AS_IT_IS = {"allow_tf32": None} if "allow_tf32" in signature(torch.backends.mkldnn.flags).parameters else {}


def padded_native(kind, x, lengths, weights, initial, **options):
    """Run `padded` with oneDNN off; oneDNN makes a padded float32 LSTM fast on the CPU."""
    with torch.backends.mkldnn.flags(enabled=False, **AS_IT_IS):
        return padded(kind, x, lengths, weights, initial, **options)


def bucketed(kind, x, lengths, weights, initial, **options):
    """Run `padded` in groups of similar length."""
    initial = states_or_zeros(initial, x, weights)
    return buckets.bucketed(padded, kind, x, lengths, weights, initial, **options)


def real_steps(kind, x, lengths, weights, initial, **options):
    """Run `packed` by our own loop and backward pass; the stack stays packed."""
    initial = states_or_zeros(initial, x, weights)
    layout = packing.Layout(lengths, x.shape[1])
    rows, finals = layout.pack(x), []
    for k, named in enumerate(weights):
        rows, final = packing.one_layer(layout, kind, rows, named, [state[k] for state in initial], **options)
        finals.append(final)
    return layout.unpack(rows), [torch.stack(layers) for layers in zip(*finals)]


def auto(kind, x, lengths, weights, initial, **options):
    """Run `padded`, `bucketed`, `real_steps` or `packed`: the fastest for this size, which the first call finds out.

    The cell state is not returned, since not all of them do.
    """
    initial = states_or_zeros(initial, x, weights)
    ways = padded, bucketed, real_steps, packed
    run_fastest = choice.fastest(ways, kind, x, lengths, weights, initial, **options)
    y, (h, *_) = run_fastest(kind, x, lengths, weights, initial, **options)
    return y, [h]


def stepwise(kind, x, lengths, weights, initial, **options):
    """Run a cell step by step; an ended sequence keeps its state."""
    initial = states_or_zeros(initial, x, weights)
    real = runtime.valid(lengths, x.shape[1])
    y, finals = runtime.only_real(real, x), []
    for k, named in enumerate(weights):
        cell = module(CELLS[kind], y.shape[2], width(weights), None, x.dtype, **options)
        state, ys = [s[k] for s in initial], []
        for t in range(x.shape[1]):
            after = functional_call(cell, named, (y[:, t], tuple(state) if kind is nn.LSTM else state[0]))
            after = after if kind is nn.LSTM else (after,)
            state = [torch.where(real[:, t, None], new, old) for new, old in zip(after, state)]
            ys.append(state[0])
        y = runtime.only_real(real, torch.stack(ys, 1))
        finals.append(state)
    return y, [torch.stack(layers) for layers in zip(*finals)]


VARIANTS = {
    "packed": packed,
    "packed_sorted": packed_sorted,
    "time_major": time_major,
    "padded": padded,
    "padded_native": padded_native,
    "stepwise": stepwise,
    "bucketed": bucketed,
    "real_steps": real_steps,
    "auto": auto,
}
CELLS = {nn.RNN: nn.RNNCell, nn.GRU: nn.GRUCell, nn.LSTM: nn.LSTMCell}


@cache
def module(kind, features, hidden, layers, dtype, batch_first=True, **options):
    """Build an empty layer or cell once; its weights are passed in at every call."""
    if layers is None:
        return kind(features, hidden, device="meta", dtype=dtype, **options)
    return kind(features, hidden, layers, batch_first=batch_first, device="meta", dtype=dtype, **options)


def run(layer, weights, x, initial):
    """Call a recurrent layer with lists of states in and out."""
    y, final = functional_call(layer, weights, (x, tuple(initial) if len(initial) > 1 else initial[0]))
    return y, list(final) if isinstance(final, tuple) else [final]


def last_real(y, lengths, initial):  # (B, T, H)  (B,)  (B, H) -> (B, H)
    """Return the output at each last real step, or the initial state without one."""
    index = (lengths - 1).clamp(min=0)[:, None, None].expand(-1, 1, y.shape[2])
    return torch.where(lengths[:, None] > 0, y.gather(1, index)[:, 0], initial)


def width(weights):
    return weights[0]["weight_hh"].shape[1]


def states_or_zeros(initial, x, weights):  # zeros (L, B, H) for each state that is None
    zeros = x.new_zeros(len(weights), x.shape[0], width(weights))
    return [zeros if state is None else state for state in initial]
