"""Normalise steps and batches; padding is excluded from every mean and variance."""

import autograd.numpy as np

from parity.reference import runtime


def layer_norm(x, lengths, gamma, beta, *, eps=1e-5):  # (B, T, H)  (B,)  (H,)  (H,)
    """Normalise each step's features: Ba, Kiros and Hinton, arXiv:1607.06450.

    Args:
        eps: added to the variance; the default is 1e-5 in `torch` and 1e-3 in Keras.

    Returns:
        y: (B, T, H), zero on padding.

    >>> layer_norm(np.array([[[1.0, 3.0], [7.0, 9.0]]]), [1], np.ones(2), np.zeros(2), eps=0.0)["y"]
    array([[[-1.,  1.],
            [ 0.,  0.]]])
    """
    rows = [
        normalised(row, np.mean(row, -1, keepdims=True), variance(row, -1), gamma, beta, eps)
        for row in runtime.sequences(x, lengths)
    ]
    return {"y": runtime.padded(rows, x)}


def batch_norm(
    x, lengths, gamma, beta, running_mean, running_variance, *, training, momentum=0.1, eps=1e-5, updates=1
):  # (B, T, H)  (B,)  (H,)  (H,)  (H,)  (H,)
    """Normalise each feature over all real steps: Ioffe and Szegedy, arXiv:1502.03167.

    Running statistics are buffers: no gradient reaches them, nor the batch through them. Their variance is biased, as
    in Keras; `torch` multiplies the batch's variance by n / (n - 1).

    Args:
        training: True to use the batch's mean and variance, False to use the running ones.
        momentum: share of the new value in a running statistic, as in `torch`; in Keras it is that of the old value.
        eps: added to the variance.
        updates: how often this batch updates the running statistics.

    Returns:
        y: (B, T, H), zero on padding. In training also running_mean, running_variance: (H,), unchanged if no
            step of the batch is real.

    >>> x, one, zero = np.array([[[1.0], [3.0], [9.0]]]), np.ones(1), np.zeros(1)
    >>> training = batch_norm(x, [2], one, zero, zero, one, training=True, momentum=0.5, eps=1e-12)
    >>> training["y"].ravel(), training["running_mean"]
    (array([-1.,  1.,  0.]), array([1.]))
    """
    running_mean, running_variance = runtime.constant(running_mean), runtime.constant(running_variance)
    rows = runtime.sequences(x, lengths)
    if not sum(lengths):
        running = {"running_mean": running_mean, "running_variance": running_variance}
        return {"y": runtime.padded(rows, x)} | (running if training else {})
    if not training:
        mean, spread = running_mean[..., None, :], running_variance[..., None, :]
        return {"y": runtime.padded([normalised(row, mean, spread, gamma, beta, eps) for row in rows], x)}
    steps = np.concatenate(rows, -2)  # (N, H)
    mean, spread = np.mean(steps, -2, keepdims=True), variance(steps, -2)
    y = runtime.padded([normalised(row, mean, spread, gamma, beta, eps) for row in rows], x)
    for _ in range(updates):
        running_mean = (1 - momentum) * running_mean + momentum * runtime.constant(mean)[..., 0, :]
        running_variance = (1 - momentum) * running_variance + momentum * runtime.constant(spread)[..., 0, :]
    return {"y": y, "running_mean": running_mean, "running_variance": running_variance}


def rms_norm(x, lengths, gamma, *, eps=1e-6):  # (B, T, H)  (B,)  (H,)
    """Divide each step by the root of its mean square: Zhang and Sennrich, arXiv:1910.07467.

    Args:
        eps: added to the mean square; the default is 1e-6 in Keras, and the roundoff of the dtype in `torch`.

    Returns:
        y: (B, T, H), zero on padding.

    >>> rms_norm(np.array([[[1.0, 7.0], [9.0, 9.0]]]), [1], np.ones(2), eps=0.0)["y"]
    array([[[0.2, 1.4],
            [0. , 0. ]]])
    """
    rows = []
    for row in runtime.sequences(x, lengths):
        root = runtime.stored(np.sqrt(np.mean(row**2, -1, keepdims=True) + eps))
        rows.append(row / root * gamma[..., None, :])
    return {"y": runtime.padded(rows, x)}


def unit_norm(x, lengths, *, eps=1e-12):  # (B, T, H)  (B,)
    """Divide each step by its Euclidean norm.

    Args:
        eps: the least norm to divide by.

    Returns:
        y: (B, T, H), zero on padding, and for a step of zeros.

    >>> unit_norm(np.array([[[3.0, 4.0], [0.0, 0.0]]]), [2])["y"]
    array([[[0.6, 0.8],
            [0. , 0. ]]])
    """
    rows = []
    for row in runtime.sequences(x, lengths):
        norm = np.sqrt(np.maximum(np.sum(row**2, -1, keepdims=True), eps**2))
        rows.append(row / runtime.stored(norm))
    return {"y": runtime.padded(rows, x)}


def normalised(row, mean, spread, gamma, beta, eps):  # (n, H)  ...  (H,)  (H,)
    return (row - mean) / np.sqrt(spread + eps) * gamma[..., None, :] + beta[..., None, :]


def variance(values, axis):
    return np.mean((values - np.mean(values, axis, keepdims=True)) ** 2, axis, keepdims=True)
