"""Compute what is linear and runs along each sequence, step by step."""

import autograd.numpy as np
import numpy
from autograd.extend import defvjp, primitive

from parity.reference import runtime


def discounted_returns(rewards, lengths, bootstrap, *, discount, left=False):  # (B, T)  (B,)  (B,)
    """Sum the rewards from each step to the end of its sequence, discounted, and the value of what follows.

        returns[t] = rewards[t] + discount · returns[t + 1]        returns[n] = bootstrap

    Sutton & Barto, "Reinforcement learning", 2018, section 3.4. With a discount of 1 it is a sum from the end.

    Args:
        bootstrap: the value of the state behind the last real step; 0 where an episode has ended.
        discount: factor of what comes one step later.
        left: whether padding precedes each sequence.

    Returns:
        returns: (B, T), zero on padding.

    >>> discounted_returns(np.array([[1.0, 2.0, 9.0]]), [2], np.array([4.0]), discount=0.5)["returns"]
    array([[3., 4., 0.]])
    """
    rows = []
    for row, alone in enumerate(runtime.sequences(rewards[..., None], lengths, left)):
        factors = np.full(alone.shape, float(discount))
        rows.append(recurrence(factors, alone[..., ::-1, :], bootstrap[..., row, None])[..., ::-1, :])
    return {"returns": runtime.padded(rows, rewards[..., None], left)[..., 0]}


def linear_recurrence(a, b, lengths, h0=None, *, left=False):  # (B, T, H)  (B, T, H)  (B,)  (B, H)
    """Run a recurrence that is linear in its state, as of state-space models: ``h[t] = a[t] · h[t - 1] + b[t]``.

    Gu & Dao, "Mamba", 2023, section 3.

    Args:
        h0: the state before the first real step; zeros if None.
        left: whether padding precedes each sequence.

    Returns:
        y: (B, T, H), the state at every step, zero on padding.
        h: (B, H), the state after the last real step.

    >>> a, b = np.full((1, 3, 1), 0.5), np.array([[[2.0], [4.0], [9.0]]])
    >>> found = linear_recurrence(a, b, [2])
    >>> found["y"].ravel(), found["h"].ravel()
    (array([2., 5., 0.]), array([5.]))
    """
    rows, last = [], []
    alone = zip(runtime.sequences(a, lengths, left), runtime.sequences(b, lengths, left))
    for row, (factors, terms) in enumerate(alone):
        h = np.zeros((*b.shape[:-3], b.shape[-1])) if h0 is None else h0[..., row, :]
        states = recurrence(factors, terms, h)
        rows.append(states)
        last.append(states[..., -1, :] if lengths[row] else h)
    return {"y": runtime.padded(rows, b, left), "h": runtime.stack(last, -2, (*b.shape[:-3], 0, b.shape[-1]))}


@primitive
def recurrence(a, b, h):  # (n, H)  (n, H)  (H,) -> (n, H)
    """Return the states after every step; autograd would keep a node for each."""
    states = numpy.empty(b.shape)
    for t in range(b.shape[-2]):
        states[..., t, :] = h = a[..., t, :] * h + b[..., t, :]
    return states


def _of_terms(states, a, b, h):
    """Return the gradient of the terms: the same recurrence, from the last step on."""

    def gradient(d):
        zero = np.zeros(h.shape)
        later = np.concatenate([a[..., 1:, :], np.zeros(a[..., :1, :].shape)], -2)  # the factor of the step behind
        return recurrence(later[..., ::-1, :], d[..., ::-1, :], zero)[..., ::-1, :]

    return gradient


def _of_factors(states, a, b, h):
    before = np.concatenate([h[..., None, :], states], -2)[..., :-1, :]
    return lambda d: _of_terms(states, a, b, h)(d) * before


def _of_start(states, a, b, h):
    return lambda d: np.sum((_of_terms(states, a, b, h)(d) * a)[..., :1, :], -2)  # 0 of no step


defvjp(recurrence, _of_factors, _of_terms, _of_start)
