"""Compute conditional random fields in PyTorch, step by step, on the steps that a mask keeps.

A step that is skipped leaves everything as it is: the scores of the paths so far, the label before, and whether there
has been a step at all. So a transition leads over a hole, and the end is behind the last step that is kept; in
https://github.com/kmkurn/pytorch-crf/issues/122 both are wrong for holes. Labels there may be anything, such as -1.
"""

import torch

from parity.pytorch import runtime


def negative_log_likelihood(scores, targets, lengths, mask, transitions, start, end, *, variant="stepwise"):
    """Compute ``log Σ exp(score of any path) - score of the targets``.

    Args:
        scores: (B, T, C). targets, mask: (B, T). lengths: (B,).
        transitions: (C, C), from the first axis to the second. start, end: (C,).

    Returns:
        loss: (B,), 0 for a sequence of which the mask keeps no step.

    >>> given = torch.zeros(1, 2, 3), torch.tensor([[1, -1]]), torch.tensor([1]), torch.tensor([[1, 0]])
    >>> negative_log_likelihood(*given, torch.zeros(3, 3), torch.zeros(3), torch.zeros(3))["loss"].exp()  # one step
    tensor([3.])
    """
    kept = mask > 0
    scores, targets = runtime.only_real(kept, scores), torch.where(kept, targets, 0)
    alpha, gold, before = scores[:, 0], scores[:, 0, 0] * 0, targets[:, 0]  # of no step: nothing is read of these
    started = torch.zeros_like(kept[:, 0])
    for t in range(scores.shape[1]):
        now, label = kept[:, t], targets[:, t]
        later = (alpha[:, :, None] + transitions).logsumexp(1)  # (B, C)
        after = torch.where(started[:, None], later, start) + scores[:, t]
        step = torch.where(started, transitions[before, label], start[label]) + pick(scores[:, t], label)
        alpha, gold = torch.where(now[:, None], after, alpha), torch.where(now, gold + step, gold)
        before, started = torch.where(now, label, before), started | now
    loss = (alpha + end).logsumexp(1) - (gold + end[before])
    return {"loss": torch.where(started, loss, 0)}


def viterbi(scores, lengths, mask, transitions, start, end, *, variant="stepwise"):
    """Find the path of the largest score.

    Returns:
        path: (B, T), classes without gradient, 0 on padding and holes.
        score: (B,), 0 for a sequence of which the mask keeps no step.
    """
    kept, classes = mask > 0, torch.arange(scores.shape[2], device=scores.device)
    scores = runtime.only_real(kept, scores)
    delta, started, sources = scores[:, 0], torch.zeros_like(kept[:, 0]), []
    for t in range(scores.shape[1]):
        candidates = delta[:, :, None] + transitions  # (B, C, C)
        after = torch.where(started[:, None], candidates.amax(1), start) + scores[:, t]
        sources.append(torch.where((kept[:, t] & started)[:, None], candidates.argmax(1), classes))
        delta, started = torch.where(kept[:, t, None], after, delta), started | kept[:, t]
    final, path = delta + end, []
    score, label = final.amax(1), final.argmax(1)
    for source in reversed(sources):
        path.append(label)
        label = source.gather(1, label[:, None])[:, 0]
    return {"path": torch.where(kept, torch.stack(path[::-1], 1), 0), "score": torch.where(started, score, 0)}


def pick(values, index):  # (B, C)  (B,) -> (B,)
    return values.gather(1, index[:, None])[:, 0]
