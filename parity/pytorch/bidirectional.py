"""Run recurrent layers in both directions in PyTorch.

A bidirectional layer on padded input is wrong on *real* steps: its backward half starts in the padding. Either pack, or
reverse each sequence within its own length. Weights are those of `parity.pytorch.rnn` with a leading axis of two:
forward, then backward.
"""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from parity.pytorch import buckets, packing, runtime
from parity.pytorch import rnn as one_way


def reverse_sequence(x, lengths, *, variant="gather"):  # (B, T, D)  (B,)
    """Reverse the real steps of each sequence by one gather.

    Returns:
        y: (B, T, D), zero on padding.

    >>> reverse_sequence(torch.tensor([[[1.0], [2.0], [3.0]]]), torch.tensor([2]))["y"].flatten()
    tensor([2., 1., 0.])
    """
    steps = torch.arange(x.shape[1], device=x.device)
    mirrored = (lengths[:, None] - 1 - steps).clamp(min=0)  # (B, T)
    y = x.gather(1, mirrored[:, :, None].expand_as(x))
    return {"y": runtime.only_real(runtime.valid(lengths, x.shape[1]), y)}


def rnn(x, lengths, w_in, w_rec, bias, h0=None, *, activation="tanh", variant="packed"):
    """Run a bidirectional Elman network on x (B, T, D), lengths (B,), h0 (L, 2, B, H).

    Args:
        variant: a key of `VARIANTS`; see the functions there.

    Returns:
        y: (B, T, 2H), zero on padding; h: (L, 2, B, H), forward after the last real step, backward after the first.
    """
    weights = torch_layout(w_in, w_rec, bias)
    y, (h,) = runtime.pick(VARIANTS, variant)(nn.RNN, x, lengths, weights, [h0], nonlinearity=activation)
    return {"y": y, "h": h}


def gru(x, lengths, w_in, w_rec, bias, h0=None, *, variant="packed"):
    """Run a bidirectional GRU; arguments and results as for `rnn`."""
    y, (h,) = runtime.pick(VARIANTS, variant)(nn.GRU, x, lengths, torch_layout(w_in, w_rec, bias), [h0])
    return {"y": y, "h": h}


def lstm(x, lengths, w_in, w_rec, bias, h0=None, c0=None, *, variant="packed"):
    """Run a bidirectional LSTM; as `rnn`, and c: (L, 2, B, H), except from padded layers."""
    y, (h, *c) = runtime.pick(VARIANTS, variant)(nn.LSTM, x, lengths, torch_layout(w_in, w_rec, bias), [h0, c0])
    return {"y": y, "h": h} | ({"c": c[0]} if c else {})


def merged(x, lengths, w_in, w_rec, bias, *, merge="sum", variant="packed"):
    """Run a bidirectional Elman layer and merge its directions, which `torch.nn` only concatenates.

    Args:
        merge: "sum", "mul" or "ave".

    Returns:
        y: (B, T, H), zero on padding; h: (1, 2, B, H), as for `rnn`.

    >>> one, zero = [torch.ones(2, 1, 1, 1)], [torch.zeros(2, 1, 1)]
    >>> merged(torch.ones(1, 2, 1), torch.tensor([1]), one, one, zero)["y"].flatten()  # 2 tanh(1)
    tensor([1.5232, 0.0000])
    """
    y, (h,) = packed(nn.RNN, x, lengths, torch_layout(w_in, w_rec, bias), [None])
    ahead, back = y.chunk(2, 2)
    return {"y": MERGES[merge](ahead, back), "h": h}


MERGES = {"sum": torch.add, "mul": torch.mul, "ave": lambda ahead, back: (ahead + back) / 2}


def torch_layout(w_in, w_rec, bias):
    """Return each layer's forward and backward weights as `torch.nn` arranges them."""
    return [[one_way.torch_layout(*side) for side in zip(*layer)] for layer in zip(w_in, w_rec, bias)]


def packed(kind, x, lengths, weights, initial, *, hidden=0, **options):
    """Pack, run the whole stack, unpack; `torch.nn` reverses each sequence within its length.

    A projected cell is ``hidden`` wide.
    """
    width = one_way.width(weights[0])
    initial = states_or_zeros(initial, x, weights)
    y = x.new_zeros(*x.shape[:2], 2 * width)
    rows = lengths.nonzero().squeeze(1)  # pack_padded_sequence rejects a length of 0
    if not len(rows):
        return y, initial
    layer = one_way.module(kind, x.shape[2], hidden or width, len(weights), x.dtype, bidirectional=True, **options)
    stacked = {
        f"{name}_l{k}{suffix}": tensor
        for k, sides in enumerate(weights)
        for suffix, named in zip(("", "_reverse"), sides)
        for name, tensor in named.items()
    }
    sequences = pack_padded_sequence(x[rows], lengths[rows].cpu(), batch_first=True, enforce_sorted=False)
    out, final = one_way.run(layer, stacked, sequences, [state[:, :, rows].flatten(0, 1) for state in initial])
    out, _ = pad_packed_sequence(out, batch_first=True, total_length=x.shape[1])
    finals = [f.unflatten(0, (len(weights), 2)) for f in final]
    return y.index_copy(0, rows, out), [s.index_copy(2, rows, f) for s, f in zip(initial, finals)]


def two_pass(kind, x, lengths, weights, initial, **options):
    """Run each layer forward, and again on sequences reversed within their length."""
    initial = states_or_zeros(initial, x, weights)
    y, h = x, []
    for k, (forward, backward) in enumerate(weights):
        starts = [[state[k : k + 1, side] for state in initial] for side in (0, 1)]
        ahead, (h_ahead,) = one_way.padded(kind, y, lengths, [forward], starts[0], **options)
        reversed_y = reverse_sequence(y, lengths)["y"]
        back, (h_back,) = one_way.padded(kind, reversed_y, lengths, [backward], starts[1], **options)
        y = torch.cat([ahead, reverse_sequence(back, lengths)["y"]], 2)
        h.append(torch.cat([h_ahead, h_back]))
    return y, [torch.stack(h)]


def bucketed(kind, x, lengths, weights, initial, **options):
    """Run `two_pass` in groups of similar length."""
    initial = states_or_zeros(initial, x, weights)
    return buckets.bucketed(two_pass, kind, x, lengths, weights, initial, **options)


def real_steps(kind, x, lengths, weights, initial, **options):
    """Run `packed` by our own loop and backward pass; reversal reorders rows."""
    initial = states_or_zeros(initial, x, weights)
    layout = packing.Layout(lengths, x.shape[1])
    rows, finals = layout.pack(x), []
    for k, (forward, backward) in enumerate(weights):
        starts = [[state[k, side] for state in initial] for side in (0, 1)]
        ahead, final_ahead = packing.one_layer(layout, kind, rows, forward, starts[0], **options)
        back, final_back = packing.one_layer(layout, kind, layout.turned(rows), backward, starts[1], **options)
        rows = torch.cat([ahead, layout.turned(back)], 1)
        finals.append((final_ahead, final_back))
    return layout.unpack(rows), stack_states(finals)


VARIANTS = {"packed": packed, "two_pass": two_pass, "bucketed": bucketed, "real_steps": real_steps}


def stack_states(finals):
    """Stack ``finals[layer][side][state]`` (B, H) into one (L, 2, B, H) for each state."""
    return [torch.stack([torch.stack(sides) for sides in layers]) for layers in zip(*(zip(*s) for s in finals))]


def states_or_zeros(initial, x, weights):  # zeros (L, 2, B, H) for each state that is None
    zeros = x.new_zeros(len(weights), 2, x.shape[0], one_way.width(weights[0]))
    return [zeros if state is None else state for state in initial]
