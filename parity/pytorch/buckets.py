"""Run a batch in groups of similar length, each padded to its own longest sequence.

Outputs and gradients do not change. Each group costs steps of its own, but saves the padding of its short sequences.
`parity.bucketing` finds the cheapest partition under a measured cost.
"""

import torch
import torch.nn.functional as F

from parity import bucketing


def bucketed(run, kind, x, lengths, weights, initial, **options):
    """Call ``run`` on each group of x (B, T, D), lengths (B,), initial states (..., B, H).

    Rows are gathered once and split, so that restoring their order takes one concatenation and one gather in all.
    """
    plan = bucketing.split(lengths.cpu().numpy())
    order = torch.from_numpy(plan.order).to(x.device)
    sizes = (plan.bounds[1:] - plan.bounds[:-1]).tolist()
    starts = zip(*(state.index_select(-2, order).split(sizes, -2) for state in initial))
    xs, counts = x.index_select(0, order).split(sizes), lengths[order].split(sizes)
    ys, finals = [], []
    for x_k, lengths_k, start, steps in zip(xs, counts, starts, plan.steps.tolist()):
        y, final = run(kind, x_k[:, :steps], lengths_k, weights, list(start), **options)
        ys.append(F.pad(y, (0, 0, 0, x.shape[1] - steps)))
        finals.append(final)
    back = order.argsort()
    return torch.cat(ys).index_select(0, back), [torch.cat(s, -2).index_select(-2, back) for s in zip(*finals)]
