"""Apply dense and convolutional layers to each sequence alone, where no padding is left."""

import autograd.numpy as np

from parity.reference import runtime

ACTIVATIONS = {"linear": lambda a: a, "relu": runtime.relu, "sigmoid": runtime.sigmoid, "tanh": runtime.tanh}


def dense(x, lengths, w, bias, *, activation="linear"):  # (B, T, D)  (B,)  (D, H)  (H,)
    """Compute ``y[t] = activation(x[t] w + bias)`` for every real step.

    Args:
        activation: "linear", "relu", "sigmoid" or "tanh".

    Returns:
        y: (B, T, H), zero on padding, whatever the activation of the bias is.

    >>> dense(np.ones((1, 3, 1)), [2], np.ones((1, 1)), np.ones(1))["y"].ravel()
    array([2., 2., 0.])
    """
    act = ACTIVATIONS[activation]
    rows = [act(row @ w + bias[..., None, :]) for row in runtime.sequences(x, lengths)]
    return {"y": runtime.padded(rows, like_steps(x, w))}


def conv1d(x, lengths, w, bias, *, padding="same"):  # (B, T, D)  (B,)  (K, D, H)...  (H,)...
    """Apply convolutions over time, one after the other, to sequences extended by zeros.

    ``y[t] = bias + Σ_k x[t + k - before] w[k]``. Both ends of a sequence are extended, for every layer anew.

    Args:
        w, bias: tuples, one item per layer.
        padding: "same", where K is odd and a step reads (K - 1) / 2 steps on either side; or "causal", where it
            reads K - 1 steps before it.

    Returns:
        y: (B, T, H), zero on padding.

    >>> add_up = [np.ones((3, 1, 1))], [np.zeros(1)]
    >>> conv1d(np.array([[[1.0], [2.0], [3.0], [9.0]]]), [3], *add_up)["y"].ravel()
    array([3., 6., 5., 0.])
    """
    rows = runtime.sequences(x, lengths)
    for kernel, shift in zip(w, bias):
        rows = [convolved(row, kernel, shift, padding) for row in rows]
    return {"y": runtime.padded(rows, like_steps(x, w[-1]))}


def convolved(row, kernel, shift, padding):  # (n, D)  (K, D, H)  (H,) -> (n, H)
    """Apply one layer to one sequence."""
    steps, size = row.shape[-2], kernel.shape[-3]
    before = (size - 1) // 2 if padding == "same" else size - 1
    zeros = np.zeros((*row.shape[:-2], size - 1, row.shape[-1]))
    around = np.concatenate([zeros[..., :before, :], row, zeros[..., before:, :]], -2)  # (n + K - 1, D)
    windows = [around[..., k : k + steps, :] @ kernel[..., k, :, :] for k in range(size)]
    return sum(windows) + shift[..., None, :]


def like_steps(x, w):  # (..., B, T, D)  (..., H) -> (..., B, T, H)
    return np.zeros((*x.shape[:-1], w.shape[-1]))
