"""Run recurrent layers over real steps only, with a backward pass written by hand.

Sequences are sorted by length, longest first, and laid out step by step. Step t computes ``b_t`` rows, one for each
sequence longer than t; there are ``N = sum(b_t)`` rows in all. PyTorch's packed loop does the same going forward. Its
backward pass adds one product to the weights' gradient at every step, which takes most of its time. Here the backward
loop carries only the gradient of the state: all slopes are computed before it, over all rows at once, and each gradient
of a weight is one product after it.

The state-to-state part is written by hand for each cell, so second derivatives do not exist: asking for them raises.
"""

import torch
import torch.nn.functional as F
from torch import nn

from parity.pytorch import runtime


class Layout:
    """The positions of the N real steps of a batch.

    A trail (B + N, H) holds the initial states of the sequences, then the states after each step.
    """

    def __init__(self, lengths, steps):  # (B,), T
        longest_first, self.order = lengths.sort(descending=True, stable=True)  # (B,) rows, longest first
        self.rank = self.order.argsort()
        real = runtime.valid(longest_first, steps).T  # (T, B)
        t, rank = real.nonzero(as_tuple=True)  # (N,) each, step after step
        batch, self.shape = len(lengths), (len(lengths), steps)

        sizes = torch.cat([lengths.new_tensor([batch]), real.sum(1)])  # B, b_0, b_1 ...
        starts = sizes.cumsum(0) - sizes
        self.sizes = [batch, *(size for size in sizes[1:].tolist() if size)]
        self.before = starts[t] + rank  # (N,) index of the state before each step in a trail
        ends = starts[longest_first] + torch.arange(batch, device=lengths.device)
        self.last = ends[self.rank]  # (B,) index of each sequence's end in a trail
        self.mirror = starts[longest_first[rank] - t] - batch + rank  # (N,) as far from the other end
        self.places = self.order[rank] * steps + t  # (N,) positions in the flattened batch

    def pack(self, x):  # (B, T, D) -> (N, D)
        return x.flatten(0, 1).index_select(0, self.places)

    def unpack(self, rows):  # (N, D) -> (B, T, D), zero on padding
        batch, steps = self.shape
        return rows.new_zeros(batch * steps, rows.shape[1]).index_copy_(0, self.places, rows).unflatten(0, self.shape)

    def turned(self, rows):  # (N, D) -> (N, D), each sequence from its last step to its first
        return rows.index_select(0, self.mirror)


def one_layer(layout, kind, rows, weights, states, *, nonlinearity="tanh"):
    """Run one layer one way over rows (N, D): weights of `torch.nn`, states [(B, H)].

    Returns:
        y (N, H), and the final states [(B, H)].
    """
    w_in, w_rec = weights["weight_ih"].T, weights["weight_hh"].T  # (D, GH)  (H, GH)
    b_in, b_rec = weights["bias_ih"], weights["bias_hh"]  # (GH,)  (GH,)
    cell = CELLS[kind](len(w_rec), nonlinearity)
    if not cell.recurrent_bias:
        b_in, b_rec = b_in + b_rec, None
    y, *finals = RealSteps.apply(layout, cell, rows, w_in, w_rec, b_in, b_rec, *states)
    return y, finals


class RealSteps(torch.autograd.Function):
    """Compute states after each step (N, H), and final states, from initial states [(B, H)]."""

    @staticmethod
    def forward(ctx, layout, cell, x, w_in, w_rec, b_in, b_rec, *start):
        gates = torch.addmm(b_in, x, w_in)  # (N, GH), the whole input at once
        batch = len(layout.order)
        trails = [x.new_empty(batch + len(x), len(w_rec)) for _ in start]
        for trail, state in zip(trails, start):
            torch.index_select(state, 0, layout.order, out=trail[:batch])
        kept = x.new_empty(len(x), len(w_rec))
        before, *steps = per_step(trails, layout.sizes)
        parts, keeps = per_step(cell.parts(gates), layout.sizes[1:]), kept.split(layout.sizes[1:])
        for a, after, keep in zip(parts, steps, keeps):
            cell.step(a, [state[: len(keep)] for state in before], after, keep, w_rec, b_rec)
            before = after
        ctx.save_for_backward(x, w_in, w_rec, gates, kept, *trails)
        ctx.layout, ctx.cell = layout, cell
        return trails[0][batch:], *(trail.index_select(0, layout.last) for trail in trails)

    @staticmethod
    def backward(ctx, dy, *d_finals):
        if torch.is_grad_enabled():  # `once_differentiable` would let `torch.autograd.grad` return zeros
            raise RuntimeError(
                "this backward pass is written by hand, and cannot be differentiated (create_graph=True)"
            )
        x, w_in, w_rec, gates, kept, *trails = ctx.saved_tensors
        layout, cell = ctx.layout, ctx.cell
        batch, sizes = len(layout.order), layout.sizes[1:]
        before = [trail.index_select(0, layout.before) for trail in trails]
        after = [trail[batch:] for trail in trails]
        d_gates = x.new_empty(len(x), cell.products * len(w_rec))  # of each gate, and of each product with its own bias
        slopes = per_step(cell.slopes(gates, kept, before, after), sizes)
        d_parts = per_step(cell.d_parts(d_gates), sizes)
        # The gradient from later steps is added to that of the results: of y, and of each final state.
        d_trails = [F.pad(dy, (0, 0, batch, 0)), *(torch.zeros_like(trail) for trail in trails[1:])]
        for d_trail, d_final in zip(d_trails, d_finals):
            d_trail.index_add_(0, layout.last, d_final)
        d_after = per_step(d_trails, layout.sizes)
        w_back = w_rec.T.contiguous()
        for t in reversed(range(len(sizes))):
            d_before = [d[: sizes[t]] for d in d_after[t]]
            cell.back(d_after[t + 1], d_before, d_parts[t], slopes[t], w_back)
        d_in, d_rec = cell.sides(d_gates)
        return (
            None,
            None,
            d_in @ w_in.T,
            x.T @ d_in,
            before[0].T @ d_rec,
            d_in.sum(0),
            d_rec.sum(0) if cell.recurrent_bias else None,
            *(d_trail[:batch].index_select(0, layout.rank) for d_trail in d_trails),
        )


def per_step(tensors, sizes):  # [(N, ...)] -> for each step, views of its rows
    return list(zip(*(tensor.split(sizes) for tensor in tensors)))


class Cell:
    """Computations specific to a kind of layer; ``a``, ``d_a`` and slopes are one step's rows."""

    products = 1  # columns of d_gates, in units of H
    recurrent_bias = False  # whether the product with the state has a bias of its own

    def __init__(self, hidden, nonlinearity):
        self.hidden, self.relu = hidden, nonlinearity == "relu"

    def parts(self, gates):
        """Return the columns that a step computes with."""
        return [gates]

    def d_parts(self, d_gates):
        return [d_gates]

    def sides(self, d_gates):
        """Return the gradients of the input's product and of the state's product."""
        return d_gates, d_gates


class Elman(Cell):
    """h = act(a + h w_rec)."""

    def step(self, a, before, after, keep, w_rec, b_rec):
        (a,) = a
        a.addmm_(before[0], w_rec)
        torch.clamp(a, min=0, out=after[0]) if self.relu else torch.tanh(a, out=after[0])

    def slopes(self, gates, kept, before, states):
        (h,) = states
        return [(h > 0).to(h.dtype) if self.relu else 1 - h * h]

    def back(self, d_after, d_before, d_a, slopes, w_back):
        (dh,), (dh_before,), (d_a,), (slope,) = d_after, d_before, d_a, slopes
        torch.mul(dh, slope, out=d_a)
        dh_before.addmm_(d_a, w_back)


class LSTM(Cell):
    """i, f, g, o = a + h w_rec;  c = f c + i g;  h = o tanh(c)."""

    products = 4

    def parts(self, gates):
        return [gates, gates[:, : 2 * self.hidden], *gates.chunk(4, 1)]

    def step(self, a, before, after, keep, w_rec, b_rec):
        (h, c), (h_new, c_new) = before, after
        a, both, i, f, g, o = a
        a.addmm_(h, w_rec)
        both.sigmoid_()
        g.tanh_()
        o.sigmoid_()
        torch.mul(f, c, out=c_new).addcmul_(i, g)
        torch.tanh(c_new, out=keep)
        torch.mul(o, keep, out=h_new)

    def slopes(self, gates, kept, before, states):
        i, f, g, o = gates.unflatten(1, (4, self.hidden)).unbind(1)
        h = states[0]  # o tanh(c)
        of_c = gates.new_empty(len(gates), 3, self.hidden)
        torch.addcmul(i, i, i, value=-1, out=of_c[:, 0]).mul_(g)  # g i (1 - i)
        torch.addcmul(f, f, f, value=-1, out=of_c[:, 1]).mul_(before[1])  # c f (1 - f)
        torch.addcmul(i, i * g, g, value=-1, out=of_c[:, 2])  # i (1 - g g)
        return [torch.addcmul(o, h, kept, value=-1), of_c, torch.addcmul(h, h, o, value=-1), f]

    def d_parts(self, d_gates):
        ifgo = d_gates.unflatten(1, (4, self.hidden))
        return [d_gates, ifgo[:, :3], ifgo[:, 3]]

    def back(self, d_after, d_before, d_a, slopes, w_back):
        (dh, dc), (dh_before, dc_before), (d_a, d_ifg, d_o) = d_after, d_before, d_a
        c_of_h, ifg_of_c, o_of_h, c_of_c = slopes
        dc.addcmul_(dh, c_of_h)
        torch.mul(dc[:, None], ifg_of_c, out=d_ifg)
        torch.mul(dh, o_of_h, out=d_o)
        dc_before.addcmul_(dc, c_of_c)
        dh_before.addmm_(d_a, w_back)


class GRU(Cell):
    """r, z = a + h w_rec;  n = tanh(a_n + r (h w_n + b_n));  h = (1 - z) n + z h."""

    products, recurrent_bias = 4, True  # r, z, the product inside n, n

    def parts(self, gates):
        return [gates[:, : 2 * self.hidden], *gates.chunk(3, 1)]

    def step(self, a, before, after, keep, w_rec, b_rec):
        (h,), (h_new,) = before, after
        both, r, z, n = a
        product = torch.addmm(b_rec, h, w_rec)
        both += product[:, : 2 * self.hidden]
        both.sigmoid_()
        keep.copy_(product[:, 2 * self.hidden :])
        n.addcmul_(r, keep).tanh_()
        torch.lerp(n, h, z, out=h_new)

    def slopes(self, gates, kept, before, states):
        r, z, n = gates.chunk(3, 1)
        of_n = (1 - z) * (1 - n * n)
        slopes = [of_n * kept * r * (1 - r), (before[0] - n) * z * (1 - z), of_n * r, of_n]
        return [torch.stack(slopes, 1), z]  # (N, 4, H)

    def d_parts(self, d_gates):
        return [d_gates.unflatten(1, (4, self.hidden)), d_gates[:, : 3 * self.hidden]]

    def back(self, d_after, d_before, d_a, slopes, w_back):
        (dh,), (dh_before,), (d_all, d_rec), (of_h, z) = d_after, d_before, d_a, slopes
        torch.mul(dh[:, None], of_h, out=d_all)
        dh_before.addcmul_(dh, z).addmm_(d_rec, w_back)

    def sides(self, d_gates):
        r_z, rec = d_gates[:, : 2 * self.hidden], d_gates[:, : 3 * self.hidden]
        return torch.cat([r_z, d_gates[:, 3 * self.hidden :]], 1), rec


CELLS = {nn.RNN: Elman, nn.GRU: GRU, nn.LSTM: LSTM}
