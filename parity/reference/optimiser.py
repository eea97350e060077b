"""Update one weight by one step of an optimiser, as in its paper.

    weight, state = sgd(weight, gradient, state, step, pad_row, ...)

``state`` is two arrays, both zero at first; ``step`` counts from 1. ``pad_row`` is the padding row of an embedding
table, or None. All operations are elementwise, so a weight may be a stack of copies.
"""

import autograd.numpy as np


def sgd(weight, gradient, state, step, pad_row, *, learning_rate, momentum=0.0):
    """Apply SGD with momentum at a constant learning rate: Sutskever et al., 2013.

    Returns:
        weight, and a state of (velocity, nothing).

    >>> weight, _ = sgd(np.ones(1), np.ones(1), (0, 0), 1, None, learning_rate=0.1)
    >>> weight
    array([0.9])
    """
    velocity, nothing = state
    velocity = momentum * velocity + gradient
    return weight - learning_rate * velocity, (velocity, nothing)


def adam(weight, gradient, state, step, pad_row, *, learning_rate, beta_1, beta_2, epsilon):
    """Apply Adam, Algorithm 1 of arXiv:1412.6980v9; epsilon is added to the root of ``v_hat``.

    Returns:
        weight, and a state of (m, v).
    """
    m, v = state
    m = beta_1 * m + (1 - beta_1) * gradient
    v = beta_2 * v + (1 - beta_2) * gradient**2
    m_hat, v_hat = m / (1 - beta_1**step), v / (1 - beta_2**step)
    return weight - learning_rate * m_hat / (np.sqrt(v_hat) + epsilon), (m, v)


def adamw(weight, gradient, state, step, pad_row, *, learning_rate, weight_decay, **moments):
    """Apply Adam with decoupled weight decay: Loshchilov and Hutter, arXiv:1711.05101.

    The decay is multiplied by the learning rate, and the pad row is not decayed.

    Returns:
        weight, and a state of (m, v).
    """
    shrunk = weight * (1 - learning_rate * weight_decay)
    if pad_row is not None:
        shrunk = np.where(np.arange(weight.shape[-2])[:, None] == pad_row, weight, shrunk)
    return adam(shrunk, gradient, state, step, pad_row, learning_rate=learning_rate, **moments)


def clip(gradients, limit):
    """Scale all gradients of a step, by name, if their common norm is above a limit.

    Pascanu et al., "On the difficulty of training recurrent neural networks", 2013, arXiv:1211.5063, Algorithm 1. The
    first axis counts copies, each of which has a norm of its own.

    >>> clip({"a": np.array([[3.0]]), "b": np.array([[4.0]])}, 1.0)
    {'a': array([[0.6]]), 'b': array([[0.8]])}
    """
    norm = np.sqrt(sum(np.sum(g.reshape(len(g), -1) ** 2, 1) for g in gradients.values()))  # (copies,)
    factor = limit / np.maximum(norm, limit)
    return {name: g * factor.reshape(-1, *[1] * (g.ndim - 1)) for name, g in gradients.items()}


OPTIMISERS = {"sgd": sgd, "adam": adam, "adamw": adamw}
