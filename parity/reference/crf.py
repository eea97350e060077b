"""Compute conditional random fields on the steps that a mask keeps; the others are taken out first.

score(path) = start[path[0]] + Σ scores[t, path[t]] + Σ transitions[path[t - 1], path[t]] + end[path[n - 1]]
"""

import autograd.numpy as np

from parity.reference import runtime


def negative_log_likelihood(scores, targets, lengths, mask, transitions, start, end):
    """Compute ``log Σ exp(score of any path) - score of the targets``: Lafferty et al., 2001.

    Args:
        scores: (B, T, C). targets, mask: (B, T). lengths: (B,).
        transitions: (C, C), from the first axis to the second. start, end: (C,).

    Returns:
        loss: (B,), 0 for a sequence of which the mask keeps no step.

    >>> given = np.zeros((1, 2, 3)), np.array([[1, -1]]), [1], np.array([[1, 0]])  # -1 is the label of a step to skip
    >>> loss = negative_log_likelihood(*given, np.zeros((3, 3)), np.zeros(3), np.zeros(3))["loss"]
    >>> np.exp(loss).round(4)  # one step, three classes
    array([3.])
    """
    losses = []
    for row, places in enumerate(map(np.flatnonzero, mask)):
        if not len(places):
            losses.append(np.zeros(scores.shape[:-3]))
            continue
        alone, labels = scores[..., row, places, :], targets[row, places]
        alpha = runtime.stored(start + alone[..., 0, :])
        gold = start[..., labels[0]] + alone[..., 0, labels[0]] + end[..., labels[-1]]
        for t in range(1, len(places)):
            alpha = runtime.stored(log_sum_exp(alpha[..., :, None] + transitions, -2) + alone[..., t, :])
            gold = gold + transitions[..., labels[t - 1], labels[t]] + alone[..., t, labels[t]]
        losses.append(log_sum_exp(runtime.stored(alpha + end), -1) - runtime.stored(gold))
    return {"loss": runtime.stack(losses, -1, (*scores.shape[:-3], 0))}


def viterbi(scores, lengths, mask, transitions, start, end):
    """Find the path of the largest score: Viterbi, 1967.

    Returns:
        path: (B, T), classes without gradient, 0 on padding and holes.
        score: (B,), 0 for a sequence of which the mask keeps no step.

    >>> given = np.array([[[0.0, 1.0], [9.0, 0.0], [2.0, 0.0]]]), [3], np.array([[1, 0, 1]])
    >>> viterbi(*given, np.zeros((2, 2)), np.zeros(2), np.zeros(2))["path"]
    array([[1., 0., 0.]])
    """
    lead, (batch, steps) = scores.shape[:-3], mask.shape
    path, best = np.zeros((*lead, batch, steps)), []
    for row, places in enumerate(map(np.flatnonzero, mask)):
        if not len(places):
            best.append(np.zeros(lead))
            continue
        delta, sources = start + scores[..., row, places[0], :], []
        moves = runtime.repeated(transitions, len(places))  # a path may have one of them at each step
        for t in places[1:]:
            candidates = delta[..., :, None] + moves
            sources.append(np.argmax(runtime.constant(candidates), -2))  # (..., C)
            delta = runtime.stored(np.max(candidates, -2) + scores[..., row, t, :])
        best.append(np.max(delta + end, -1))
        label = np.argmax(runtime.constant(delta + end), -1)
        for place, source in zip(places[::-1], [*sources[::-1], None]):
            path[..., row, place] = label
            if source is not None:
                label = np.take_along_axis(source, label[..., None], -1)[..., 0]
    return {"path": path, "score": runtime.stack(best, -1, (*lead, 0))}


def log_sum_exp(z, axis):
    """Return ``log Σ exp(z)``, which frameworks keep: the gradient ``exp(z - log Σ)`` is as far off as its roundoff."""
    top = np.max(runtime.constant(z), axis, keepdims=True)
    total = np.squeeze(top, axis) + np.log(np.sum(np.exp(z - top), axis))
    return runtime.from_sums(total, np.abs(runtime.constant(total)))
