"""Compute losses over labels whose alignment with the steps is unknown."""

import autograd.numpy as np

from parity.reference import runtime


def ctc(logits, targets, target_lengths, lengths, *, blank=0):  # (B, T, C)  (B, S)  (B,)  (B,)
    """Compute the CTC loss: ``-log`` of the probability that the steps spell the labels.

    Every step predicts one class. Repeats are merged, then blanks are dropped: a a 0 b spells a b, and two
    equal labels need a blank between them. The probability of the labels is the sum over all paths that spell them.

    Graves et al., "Connectionist temporal classification", 2006, https://www.cs.toronto.edu/~graves/icml_2006.pdf

    Args:
        blank: the class of the blank; -1 is the last.

    Returns:
        loss: (B,), 0 for an empty sequence without labels. A sequence too short for its labels has probability 0;
            its loss is set to 0 instead of inf, so that its gradient is 0 instead of NaN.

    >>> logits = np.zeros((1, 3, 2))  # two real steps; 1 1, 0 1 and 1 0 spell the label, 0 0 does not
    >>> round(float(np.exp(-ctc(logits, np.array([[1, 1]]), [1], [2])["loss"][0])), 4)
    0.75
    """
    losses, blank = [], blank % logits.shape[-1]
    for row, z in enumerate(runtime.sequences(logits, lengths)):
        shifted = (
            z - np.max(runtime.constant(z), -1, keepdims=True) if z.size else z
        )  # one sum: a chain of 300 would round 300 times
        log_p = shifted - np.log(runtime.stored(np.sum(np.exp(shifted), -1, keepdims=True)))
        labels = targets[row, : target_lengths[row]]
        log_p = runtime.from_sums(log_p, size_of_sums(runtime.constant(log_p), labels, blank))
        log_probability = forward_algorithm(log_p, labels, blank)
        losses.append(np.where(np.isinf(log_probability), 0, -log_probability))
    return {"loss": runtime.stack(losses, -1, (*logits.shape[:-3], 0))}


def size_of_sums(log_p, labels, blank):  # (..., n, C)  (S,) -> (..., 1, 1)
    """Return the size of the roundoff, in units, of the log-probability of all paths through a state.

    For the gradient, frameworks add a sum over the steps before to one over those behind, each rounded at every step.
    """
    size = np.abs(forward_algorithm(log_p, labels, blank)) * np.sqrt(log_p.shape[-2])
    return np.where(np.isfinite(size), size, 0)[..., None, None]


def forward_algorithm(log_p, labels, blank):  # (..., n, C)  (S,) -> (...)
    """Return the log-probability of the labels by the forward algorithm, section 4.1.

    ``alpha[s]`` is the log-probability that the steps so far end in state ``s``. The states are the labels with a blank
    before, between and after them; only reachable states are kept.
    """
    states = [blank, *(state for label in labels for state in (label, blank))]
    alpha = {0: np.zeros(log_p.shape[:-2])}  # before the first step: as if after a blank
    for t in range(log_p.shape[-2]):
        before = {s: [alpha[r] for r in sources(states, s, blank) if r in alpha] for s in range(len(states))}
        alpha = {s: runtime.stored(log_sum(terms) + log_p[..., t, states[s]]) for s, terms in before.items() if terms}
    ends = [alpha[s] for s in (len(states) - 2, len(states) - 1) if s in alpha]
    return log_sum(ends) if ends else np.full(log_p.shape[:-2], -np.inf)


def sources(states, s, blank):
    """List the states before ``s``; a blank between two different labels may be skipped."""
    skips = states[s] != blank and s >= 2 and states[s] != states[s - 2]
    return [s, s - 1, s - 2] if skips else [s, s - 1]


def log_sum(terms):
    """Return ``log(sum(exp(terms)))``."""
    total = terms[0]
    for term in terms[1:]:
        total = np.logaddexp(total, term)
    return total
