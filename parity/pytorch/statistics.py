"""Compute statistics of each sequence over its real steps in PyTorch, and normalise by them.

`torch.var_mean` and `torch.nn.functional.instance_norm` take no mask: they count padding. So sums are divided by the
lengths. The slope of a root is infinite at 0, which is the deviation of a feature that does not change and of a single
step: eps has to be under the root. See https://docs.pytorch.org/docs/stable/generated/torch.nn.InstanceNorm1d.html.
"""

import torch

from parity.pytorch import runtime


def moments(x, lengths, *, correction=0, eps=0.0, variant="masked_sum"):  # (B, T, H)  (B,)
    """Compute mean, variance and standard deviation of each feature over the real steps of each sequence.

    Args:
        correction: the sum of squares is divided by n - correction; its default is 1 in `torch.var`.
        eps: the least variance to take the root of.

    Returns:
        mean, variance: (B, H); 0 for an empty sequence, and a variance of 0 for one of ``correction`` steps.
        deviation: (B, H), the root of the variance; 0 for an empty sequence.

    >>> found = moments(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([2]), correction=1)
    >>> found["mean"], found["variance"]
    (tensor([[2.]]), tensor([[2.]]))
    """
    mean, centred = deviations(x, lengths)
    variance = centred.square().sum(1) / (lengths[:, None] - correction).clamp(min=1)
    deviation = torch.where(lengths[:, None] > 0, variance.clamp(min=eps).sqrt(), 0)
    return {"mean": mean, "variance": variance, "deviation": deviation}


def normalised_utterance(x, lengths, *, divide=True, eps=1e-10, variant="masked"):  # (B, T, H)  (B,)
    """Subtract each sequence's mean, and divide by its standard deviation (CMVN, of cepstra or filter banks).

    Args:
        divide: whether to divide.
        eps: the least standard deviation to divide by.

    Returns:
        y: (B, T, H), zero on padding.

    >>> normalised_utterance(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([2]))["y"].flatten()
    tensor([-1.,  1.,  0.])
    """
    _, centred = deviations(x, lengths)
    if not divide:
        return {"y": centred}
    y = centred / variance_of(centred, lengths).clamp(min=eps**2).sqrt()
    return {"y": runtime.only_real(runtime.valid(lengths, x.shape[1]), y)}


def instance_norm(x, lengths, gamma, beta, *, eps=1e-5, variant="masked"):  # (B, T, H)  (B,)  (H,)  (H,)
    """Normalise each feature over the real steps of each sequence.

    Args:
        eps: added to the variance; the default is 1e-5 in `torch` and 1e-3 in Keras.

    Returns:
        y: (B, T, H), zero on padding.

    >>> one = torch.ones(1)
    >>> instance_norm(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([2]), one, one, eps=0.0)["y"].flatten()
    tensor([0., 2., 0.])
    """
    _, centred = deviations(x, lengths)
    y = centred / (variance_of(centred, lengths) + eps).sqrt() * gamma + beta  # in 16 bits, rsqrt has a slope of inf
    return {"y": runtime.only_real(runtime.valid(lengths, x.shape[1]), y)}


def deviations(x, lengths):  # (B, T, H)  (B,) -> (B, H)  (B, T, H)
    """Return the mean of each sequence, and how far its steps are from it, 0 on padding."""
    real = runtime.valid(lengths, x.shape[1])
    mean = runtime.only_real(real, x).sum(1) / lengths[:, None].clamp(min=1)
    return mean, runtime.only_real(real, x - mean[:, None])


def variance_of(centred, lengths):  # (B, T, H)  (B,) -> (B, 1, H)
    """Return the mean square of deviations, which are 0 on padding."""
    return centred.square().sum(1, keepdim=True) / lengths[:, None, None].clamp(min=1)
