"""Losses of sequences whose labels are known, and not which step says which of them."""

import autograd.numpy as np

from parity.reference import runtime

BLANK = 0


def ctc(logits, targets, target_lengths, lengths):  # (B, T, C)  (B, S)  (B,)  (B,)
    """Connectionist temporal classification: ``-log`` of the probability that the steps spell the labels.

    Every step says one class. Repeats are merged, then blanks, class 0, are dropped: a a 0 b spells a b, and two equal
    labels need a blank between them. The probability of the labels is the sum over all ways to spell them.

    Graves et al., "Connectionist temporal classification", 2006, https://www.cs.toronto.edu/~graves/icml_2006.pdf

    Returns:
        loss: (B,). No steps spell no labels, with probability 1: their loss is 0. Labels that so few steps cannot
            spell have probability 0; their loss is not inf but 0, so that they have no gradient, instead of NaN.

    >>> logits = np.zeros((1, 3, 2))  # two real steps; 1 1, 0 1 and 1 0 spell the label, 0 0 does not
    >>> round(float(np.exp(-ctc(logits, np.array([[1, 1]]), [1], [2])["loss"][0])), 4)
    0.75
    """
    losses = []
    for row, z in enumerate(runtime.sequences(logits, lengths)):
        log_p = z - log_sum([z[..., label, None] for label in range(z.shape[-1])])
        log_probability = forward_algorithm(log_p, targets[row, : target_lengths[row]])
        losses.append(np.where(np.isinf(log_probability), 0, -log_probability))
    return {"loss": runtime.stack(losses, -1, (*logits.shape[:-3], 0))}


def forward_algorithm(log_p, labels):  # (..., n, C)  (S,) -> (...)
    """The log-probability of the labels, section 4.1: ``alpha[s]`` is that of the steps so far to end in state ``s``.

    The states are the labels with a blank before, between and behind them. Only those that can be reached are kept.
    """
    states = [BLANK, *(state for label in labels for state in (label, BLANK))]
    alpha = {0: np.zeros(log_p.shape[:-2])}  # before the first step, as if after a blank
    for t in range(log_p.shape[-2]):
        before = {s: [alpha[r] for r in sources(states, s) if r in alpha] for s in range(len(states))}
        alpha = {s: log_sum(terms) + log_p[..., t, states[s]] for s, terms in before.items() if terms}
    ends = [alpha[s] for s in (len(states) - 2, len(states) - 1) if s in alpha]
    return log_sum(ends) if ends else np.full(log_p.shape[:-2], -np.inf)


def sources(states, s):
    """Where a step to state ``s`` may come from: a blank between two labels may be left out if they differ."""
    skips = states[s] != BLANK and s >= 2 and states[s] != states[s - 2]
    return [s, s - 1, s - 2] if skips else [s, s - 1]


def log_sum(terms):
    """``log(sum(exp(terms)))``."""
    total = terms[0]
    for term in terms[1:]:
        total = np.logaddexp(total, term)
    return total
