"""Normalisation in PyTorch: of each step, and of a batch without its padding.

`torch.nn.functional.batch_norm` takes no mask: the real steps are taken out, normalised as an (N, H) batch and put
back. Its momentum is the share of the new statistic, and its running variance has Bessel's correction; Keras' have
neither. See https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm1d.html.
"""

import torch
import torch.nn.functional as F

from parity.pytorch import runtime


def layer_norm(x, lengths, gamma, beta, *, eps=1e-5, variant="masked"):  # (B, T, H)  (B,)  (H,)  (H,)
    """Each step's features, less their mean, over their deviation.

    Args:
        eps: added to the variance; `torch.nn.LayerNorm` takes 1e-5 unless told otherwise, Keras 1e-3.

    Returns:
        y: (B, T, H), zero on padding, where the layer itself leaves ``beta``.

    >>> x = torch.tensor([[[1.0, 3.0], [7.0, 9.0]]])
    >>> layer_norm(x, torch.tensor([1]), torch.ones(2), torch.zeros(2), eps=0.0)["y"]
    tensor([[[-1.,  1.],
             [ 0.,  0.]]])
    """
    real = runtime.valid(lengths, x.shape[1])
    y = F.layer_norm(runtime.only_real(real, x), gamma.shape, gamma, beta, eps)
    return {"y": runtime.only_real(real, y)}


def batch_norm(
    x,
    lengths,
    gamma,
    beta,
    running_mean,
    running_variance,
    *,
    training,
    momentum=0.1,
    eps=1e-5,
    updates=1,
    variant="flattened",
):  # (B, T, H)  (B,)  (H,)  (H,)  (H,)  (H,)
    """Each feature, less its mean, over its deviation, taken over all real steps.

    Args:
        training: whether mean and variance are those of the batch, or the running ones.
        momentum: the share of the new in a running statistic.
        eps: added to the variance; `torch` takes 1e-5 unless told otherwise, Keras 1e-3.
        updates: how often the running statistics see this batch.

    Returns:
        y: (B, T, H), zero on padding. In training also running_mean, running_variance: (H,), as they were if no
            step of the batch is real. The variance is the biased one.

    >>> x, one, zero = torch.tensor([[[1.0], [3.0], [9.0]]]), torch.ones(1), torch.zeros(1)
    >>> training = batch_norm(x, torch.tensor([2]), one, zero, zero, one, training=True, momentum=0.5, eps=1e-12)
    >>> training["y"].flatten(), training["running_mean"]
    (tensor([-1.,  1.,  0.]), tensor([1.]))

    One real step has no deviation: it gives ``beta``.

    >>> batch_norm(x, torch.tensor([1]), one, zero + 0.5, zero, one, training=True)["y"].flatten()
    tensor([0.5000, 0.0000, 0.0000])
    """
    real = runtime.valid(lengths, x.shape[1])
    mean, variance = running_mean.detach().clone(), running_variance.detach().clone()  # buffers, written in place
    y, steps = torch.zeros_like(x), x[real]  # (N, H)
    if not training:
        y[real] = F.batch_norm(steps, mean, variance, gamma, beta, eps=eps)
        return {"y": y}
    if len(steps):
        for _ in range(updates):
            y[real] = trained(steps, mean, variance, gamma, beta, momentum, eps)
        variance = biased(variance, running_variance.detach() * (1 - momentum) ** updates, len(steps))
    return {"y": y, "running_mean": mean, "running_variance": variance}


def trained(steps, mean, variance, gamma, beta, momentum, eps):  # (N, H)  (H,)...
    """The steps normalised by their own statistics, which are mixed into the running ones, in place."""
    if len(steps) > 1:
        return F.batch_norm(steps, mean, variance, gamma, beta, training=True, momentum=momentum, eps=eps)
    twice = steps.expand(2, -1)  # torch refuses a single one; twice the same has the same mean and variance
    return trained(twice, mean, variance, gamma, beta, momentum, eps)[:1]


def biased(variance, kept, n):
    """The running variance without Bessel's correction; ``kept`` is what is left in it from before."""
    return kept + (variance - kept) * (n - 1) / n if n > 1 else variance
