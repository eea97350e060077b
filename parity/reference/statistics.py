"""Compute statistics of each sequence over its own steps, and normalise by them.

Frameworks keep the mean and the deviations from it rounded, and compute with those. So the perturbed copies of the
noise floor do too: two steps are always at -1 and 1, and all of the error is that of their mean.
"""

import autograd.numpy as np

from parity.reference import runtime


def moments(x, lengths, *, correction=0, eps=0.0):  # (B, T, H)  (B,)
    """Compute mean, variance and standard deviation of each feature over the real steps of each sequence.

    Args:
        correction: the sum of squares is divided by n - correction.
        eps: the least variance to take the root of.

    Returns:
        mean, variance: (B, H); 0 for an empty sequence, and a variance of 0 for one of ``correction`` steps.
        deviation: (B, H), the root of the variance; 0 for an empty sequence.

    >>> found = moments(np.array([[[1.0], [3.0], [9.0]]]), [2], correction=1)
    >>> found["mean"], found["variance"]
    (array([[2.]]), array([[2.]]))
    """
    nothing = np.zeros((*x.shape[:-3], x.shape[-1]))
    means, variances, roots = [], [], []
    for row in runtime.sequences(x, lengths):
        steps = row.shape[-2]
        squares = np.sum(deviations(row) ** 2, -2)
        means.append(np.mean(row, -2) if steps else nothing)
        variances.append(squares / (steps - correction) if steps > correction else nothing)
        roots.append(np.sqrt(np.maximum(variances[-1], eps)) if steps else nothing)
    found, empty = {"mean": means, "variance": variances, "deviation": roots}, (*x.shape[:-3], 0, x.shape[-1])
    return {name: runtime.stack(values, -2, empty) for name, values in found.items()}


def normalised_utterance(x, lengths, *, divide=True, eps=1e-10):  # (B, T, H)  (B,)
    """Subtract each sequence's mean, and divide by its standard deviation (CMVN, of cepstra or filter banks).

    Args:
        divide: whether to divide.
        eps: the least standard deviation to divide by.

    Returns:
        y: (B, T, H), zero on padding.

    >>> normalised_utterance(np.array([[[1.0], [3.0], [9.0]]]), [2])["y"].ravel()
    array([-1.,  1.,  0.])
    """
    rows = []
    for row in runtime.sequences(x, lengths):
        centred = deviations(row)
        rows.append(centred / np.sqrt(np.maximum(variance(centred), eps**2)) if divide else centred)
    return {"y": runtime.padded(rows, x)}


def instance_norm(x, lengths, gamma, beta, *, eps=1e-5):  # (B, T, H)  (B,)  (H,)  (H,)
    """Normalise each feature over the real steps of each sequence: Ulyanov et al., arXiv:1607.08022.

    Args:
        eps: added to the variance; the default is 1e-5 in `torch.nn.InstanceNorm1d`.

    Returns:
        y: (B, T, H), zero on padding.

    >>> instance_norm(np.array([[[1.0], [3.0], [9.0]]]), [2], np.ones(1), np.ones(1), eps=0.0)["y"].ravel()
    array([0., 2., 0.])
    """
    rows = []
    for row in runtime.sequences(x, lengths):
        centred = deviations(row)
        scaled = centred / np.sqrt(variance(centred) + eps)
        rows.append(scaled * gamma[..., None, :] + beta[..., None, :])
    return {"y": runtime.padded(rows, x)}


def deviations(row):  # (n, H) -> (n, H)
    """Return how far each step is from the mean, as frameworks keep it."""
    return runtime.stored(row - runtime.stored(np.mean(row, -2, keepdims=True))) if row.shape[-2] else row


def variance(centred):  # (n, H) -> (1, H)
    """Return the mean square of deviations; 0 of none."""
    return np.sum(centred**2, -2, keepdims=True) / max(1, centred.shape[-2])
