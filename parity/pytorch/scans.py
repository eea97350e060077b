"""Compute what is linear and runs along each sequence in PyTorch, step by step or all steps at once.

Padding is made to change nothing: a reward of 0, a factor of 1 and a term of 0. A sum from the end begins with it where
it is on the right; a state passes through it, on either side. `torch.cumsum` of what is divided by powers of the
discount is short and wrong: the powers are 0 after some hundred steps.
"""

import torch

from parity.pytorch import runtime


def discounted_returns(rewards, lengths, bootstrap, *, discount, left=False, variant="stepwise"):
    """Sum the rewards from each step to the end of its sequence, discounted, and the value of what follows.

    Args:
        rewards: (B, T). lengths: (B,).
        bootstrap: (B,), the value of the state behind the last real step; 0 where an episode has ended.
        discount: factor of what comes one step later.
        left: whether padding precedes each sequence.
        variant: "stepwise", or "matrix": a product with the powers of the discount.

    Returns:
        returns: (B, T), zero on padding.

    >>> discounted_returns(torch.tensor([[1.0, 2.0, 9.0]]), torch.tensor([2]), torch.tensor([4.0]), discount=0.5)
    {'returns': tensor([[3., 4., 0.]])}
    """
    steps, real = rewards.shape[1], runtime.valid(lengths, rewards.shape[1], left)
    last = torch.full_like(lengths, steps) if left else lengths  # one behind the last real step
    is_last = torch.arange(1, steps + 1, device=rewards.device) == last[:, None]
    rewards = torch.where(real, rewards, 0) + torch.where(is_last & real, discount * bootstrap[:, None], 0)
    sum_up = runtime.pick({"stepwise": stepwise_returns, "matrix": returns_by_matrix}, variant)
    return {"returns": torch.where(real, sum_up(rewards, discount), 0)}


def stepwise_returns(rewards, discount):  # (B, T) -> (B, T)
    later, found = torch.zeros_like(rewards[:, 0]), []
    for reward in reversed(rewards.unbind(1)):
        later = reward + discount * later
        found.append(later)
    return torch.stack(found[::-1], 1)


def returns_by_matrix(rewards, discount):  # (B, T) -> (B, T)
    at = torch.arange(rewards.shape[1], device=rewards.device)
    distance = at - at[:, None]  # (T, T), how much later the second is
    powers = torch.where(distance >= 0, discount ** distance.clamp(min=0).to(rewards.dtype), 0)
    return rewards @ powers.T


def linear_recurrence(a, b, lengths, h0=None, *, left=False, variant="stepwise"):  # (B, T, H)  ...  (B,)  (B, H)
    """Run a recurrence that is linear in its state, as of state-space models: ``h[t] = a[t] · h[t - 1] + b[t]``.

    Args:
        h0: the state before the first real step; zeros if None.
        left: whether padding precedes each sequence.
        variant: "stepwise", or "doubling": a parallel scan, over distances of 1, 2, 4, ….

    Returns:
        y: (B, T, H), the state at every step, zero on padding.
        h: (B, H), the state after the last real step.

    >>> a, b = torch.full((1, 3, 1), 0.5), torch.tensor([[[2.0], [4.0], [9.0]]])
    >>> linear_recurrence(a, b, torch.tensor([2]))["y"].flatten()
    tensor([2., 5., 0.])
    """
    real = runtime.valid(lengths, a.shape[1], left)
    b, a = runtime.only_real(real, b), torch.where(real[:, :, None], a, 1)
    h0 = torch.zeros_like(b[:, 0]) if h0 is None else h0
    y = runtime.pick({"stepwise": stepwise_states, "doubling": states_by_doubling}, variant)(a, b, h0)
    return {"y": runtime.only_real(real, y), "h": y[:, -1]}


def stepwise_states(a, b, h):  # (B, T, H)  (B, T, H)  (B, H) -> (B, T, H)
    found = []
    for factor, term in zip(a.unbind(1), b.unbind(1)):
        h = factor * h + term
        found.append(h)
    return torch.stack(found, 1)


def states_by_doubling(a, b, h):  # (B, T, H)  (B, T, H)  (B, H) -> (B, T, H)
    """Join each step to the one before it, then each two to the two before them, and so on."""
    distance = 1
    while distance < a.shape[1]:
        b = torch.cat([b[:, :distance], b[:, distance:] + a[:, distance:] * b[:, :-distance]], 1)
        a = torch.cat([a[:, :distance], a[:, distance:] * a[:, :-distance]], 1)
        distance *= 2
    return a * h[:, None] + b
