"""Compute what is linear and runs along each sequence in TensorFlow, all steps at once.

Padding is made to change nothing: a reward of 0, a factor of 1 and a term of 0. A sum from the end begins with it where
it is on the right; a state passes through it, on either side. `tf.math.cumprod` of the factors would do, but for a
factor of 0: its gradient divides by it (https://www.tensorflow.org/api_docs/python/tf/math/cumprod).
"""

import tensorflow as tf

from parity.tensorflow import runtime


def discounted_returns(rewards, lengths, bootstrap, *, discount, left=False, variant="matrix"):
    """Sum the rewards from each step to the end of its sequence, discounted, and the value of what follows.

    Args:
        rewards: (B, T). lengths: (B,).
        bootstrap: (B,), the value of the state behind the last real step; 0 where an episode has ended.
        discount: factor of what comes one step later.
        left: whether padding precedes each sequence.

    Returns:
        returns: (B, T), zero on padding.

    >>> given = tf.constant([[1.0, 2.0, 9.0]]), tf.constant([2]), tf.constant([4.0])
    >>> discounted_returns(*given, discount=0.5)["returns"].numpy().tolist()
    [[3.0, 4.0, 0.0]]
    """
    steps, zero = tf.shape(rewards, lengths.dtype)[1], tf.zeros((), rewards.dtype)
    real = runtime.valid(lengths, steps, left)
    last = tf.fill(tf.shape(lengths), steps) if left else lengths  # one behind the last real step
    is_last = (tf.range(steps) + 1 == last[:, None]) & real
    rewards = tf.where(real, rewards, zero) + tf.where(is_last, discount * bootstrap[:, None], zero)
    distance = tf.range(steps) - tf.range(steps)[:, None]  # (T, T), how much later the second is
    powers = tf.constant(discount, rewards.dtype) ** tf.cast(tf.maximum(distance, 0), rewards.dtype)
    returns = tf.matmul(rewards, tf.linalg.band_part(powers, 0, -1), transpose_b=True)
    return {"returns": tf.where(real, returns, zero)}


def linear_recurrence(a, b, lengths, h0=None, *, left=False, variant="doubling"):  # (B, T, H)  ...  (B,)  (B, H)
    """Run a recurrence that is linear in its state, as of state-space models: ``h[t] = a[t] · h[t - 1] + b[t]``.

    Args:
        h0: the state before the first real step; zeros if None.
        left: whether padding precedes each sequence.

    Returns:
        y: (B, T, H), the state at every step, zero on padding.
        h: (B, H), the state after the last real step.

    >>> a, b = tf.fill((1, 3, 1), 0.5), tf.constant([[[2.0], [4.0], [9.0]]])
    >>> linear_recurrence(a, b, tf.constant([2]))["y"].numpy().ravel().tolist()
    [2.0, 5.0, 0.0]
    """
    real = runtime.valid(lengths, tf.shape(a)[1], left)
    b, a = runtime.only_real(real, b), tf.where(real[:, :, None], a, tf.ones((), a.dtype))
    y = states_by_doubling(a, b, tf.zeros_like(b[:, 0]) if h0 is None else h0)
    return {"y": runtime.only_real(real, y), "h": y[:, -1]}


def states_by_doubling(a, b, h):  # (B, T, H)  (B, T, H)  (B, H) -> (B, T, H)
    """Join each step to the one before it, then each two to the two before them, and so on."""
    steps = tf.shape(a)[1]

    def join(distance, a, b):
        earlier = tf.range(steps)[:, None] >= distance  # (T, 1), whether there is such a step
        factor = tf.where(earlier, tf.roll(a, distance, 1), tf.ones((), a.dtype))
        term = tf.where(earlier, tf.roll(b, distance, 1), tf.zeros((), b.dtype))
        return distance * 2, a * factor, b + a * term

    _, a, b = tf.while_loop(lambda distance, a, b: distance < steps, join, (1, a, b), maximum_iterations=32)
    return a * h[:, None] + b
