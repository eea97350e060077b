"""Compute losses over real steps only, in PyTorch.

``reduction="mean"`` divides 0 by 0 if every target is ignored, and gives NaN
(https://github.com/pytorch/pytorch/issues/70348). Here the sum is divided by the number of real steps, at least 1:
without a real step, loss and gradient are 0. NaN in ignored logits still reaches their gradient
(https://github.com/pytorch/pytorch/issues/64305), so padding is replaced before the loss, not after.
"""

import torch
import torch.nn.functional as F

from parity.pytorch import runtime


def cross_entropy(logits, targets, lengths, *, left=False, variant="ignore_index"):  # (B, T, C)  (B, T)  (B,)
    """Average the cross entropy over all real steps.

    Args:
        left: whether padding precedes each sequence, as for the losses below.
        variant: "ignore_index", "flattened" (real steps selected) or "weighted" (by the mask).

    Returns:
        loss: ().

    >>> cross_entropy(torch.zeros(1, 3, 4), torch.tensor([[1, 2, 9]]), torch.tensor([2]))["loss"]  # log 4
    tensor(1.3863)
    """
    runtime.pick(("ignore_index", "flattened", "weighted"), variant)
    real = runtime.valid(lengths, targets.shape[1], left)
    if variant == "flattened":
        total = F.cross_entropy(logits[real], targets[real], reduction="sum")
    elif variant == "weighted":
        total = by_token(logits, targets, real).sum()
    else:
        total = summed(logits, targets, real)
    return {"loss": total / real.sum().clamp(min=1)}


def sequence_loss(
    logits,
    targets,
    lengths,
    *,
    average_across_timesteps=True,
    average_across_batch=True,
    left=False,
    variant="weighted",
):
    """Average the cross entropy as ``tf.contrib.seq2seq.sequence_loss`` did, over time, batch or both.

    Returns:
        loss: (); (B,) averaged over time only; (T,) averaged over the batch only; (B, T) neither.
    """
    real = runtime.valid(lengths, targets.shape[1], left)
    losses = by_token(logits, targets, real)
    axes = (1,) * average_across_timesteps + (0,) * average_across_batch
    if not axes:
        return {"loss": losses}
    return {"loss": losses.sum(axes) / real.sum(axes).clamp(min=1)}


def label_smoothing(logits, targets, lengths, *, smoothing=0.1, left=False, variant="ignore_index"):
    """Average cross entropy over real steps; targets keep ``1 - smoothing``, all classes share the rest.

    Returns:
        loss: ().
    """
    real = runtime.valid(lengths, targets.shape[1], left)
    return {"loss": summed(logits, targets, real, label_smoothing=smoothing) / real.sum().clamp(min=1)}


def class_weights(
    logits, targets, lengths, class_weight, *, left=False, variant="ignore_index"
):  # (B, T, C)  (B, T)  (B,)  (C,)
    """Average the cross entropy over all real steps, weighted by each target's class.

    As in ``reduction="mean"`` with ``weight``, the sum is divided by the sum of the weights of the targets. The weights
    are constants: PyTorch has no gradient for them, and raises if one is requested.

    Returns:
        loss: ().
    """
    real = runtime.valid(lengths, targets.shape[1], left)
    class_weight = class_weight.detach()
    total = summed(logits, targets, real, weight=class_weight)
    weight = class_weight[targets[real]].sum()
    return {"loss": total / torch.where(weight > 0, weight, 1)}


def smoothed_divergence(logits, targets, lengths, *, smoothing=0.1, pad_class=0, left=False, variant="kl_div"):
    """Average the divergence from smoothed targets over real steps, where one class is the pad.

    A target keeps ``1 - smoothing``, and all classes but the pad share the rest. ``label_smoothing`` of PyTorch's cross
    entropy gives the pad a share, too.

    Args:
        logits, targets, lengths: (B, T, C), (B, T), (B,).
        pad_class: it has no mass, and steps whose target it is do not count.
        variant: "kl_div", or "cross_entropy" with the distributions as targets, less their entropy.

    Returns:
        loss: (), 0 if no step counts.
    """
    counted = runtime.valid(lengths, targets.shape[1], left) & (targets != pad_class)
    z, q = logits[counted], smoothed(targets[counted], logits, smoothing, pad_class)  # (N, C)
    if runtime.pick(("kl_div", "cross_entropy"), variant) == "kl_div":
        total = F.kl_div(z.log_softmax(1), q, reduction="sum")  # it knows that 0 log 0 is 0
    else:
        total = F.cross_entropy(z, q, reduction="sum") + torch.xlogy(q, q).sum()
    return {"loss": total / counted.sum().clamp(min=1)}


def smoothed(targets, logits, smoothing, pad_class):  # (N,) -> (N, C)
    """Return the distribution that each target becomes."""
    classes = logits.shape[-1]
    share = logits.new_full((classes,), smoothing / (classes - 1))
    share[pad_class] = 0
    return (1 - smoothing) * F.one_hot(targets, classes).to(share.dtype) + share


def focal(logits, targets, lengths, class_weight, *, gamma=2.0, ignored_class=None, left=False, variant="selected"):
    """Average ``-weight (1 - p) ** gamma log p`` over real steps, p being the probability of the target.

    1 - p is the probability of all other classes, whose logarithm is computed as such: where p rounds to 1, the slope
    of its power would be 0 times inf.

    Args:
        logits, targets, lengths, class_weight: (B, T, C), (B, T), (B,), (C,), the last constant.
        ignored_class: steps with this target do not count; None if all do.

    Returns:
        loss: (), 0 if no step counts.
    """
    counted = runtime.valid(lengths, targets.shape[1], left)
    if ignored_class is not None:
        counted = counted & (targets != ignored_class)
    log_p, target = logits[counted].log_softmax(1), targets[counted]  # (N, C)  (N,)
    chosen = F.one_hot(target, logits.shape[2]).bool()
    log_rest = log_p.masked_fill(chosen, -torch.inf).logsumexp(1)
    losses = -class_weight.detach()[target] * (gamma * log_rest).exp() * log_p[chosen]
    return {"loss": losses.sum() / counted.sum().clamp(min=1)}


def mean_of_sequences(logits, targets, lengths, *, left=False, variant="weighted"):
    """Average the cross entropy over each sequence, then over all non-empty sequences.

    Returns:
        loss: ().
    """
    real = runtime.valid(lengths, targets.shape[1], left)
    means = by_token(logits, targets, real).sum(1) / lengths.clamp(min=1)
    return {"loss": means.sum() / (lengths > 0).sum().clamp(min=1)}


def mean_squared_error(prediction, target, lengths, *, left=False, variant="flattened"):  # (B, T, D)  (B, T, D)  (B,)
    """Average the squared error over all features of all real steps; variants "flattened", "weighted".

    Returns:
        loss: ().
    """
    return _elementwise(F.mse_loss, prediction, target, lengths, left, variant)


def binary_cross_entropy(logits, target, lengths, *, left=False, variant="flattened"):  # (B, T, D)  (B, T, D)  (B,)
    """Average the cross entropy with ``sigmoid(logits)`` over all features; variants as above.

    Returns:
        loss: ().
    """
    return _elementwise(F.binary_cross_entropy_with_logits, logits, target, lengths, left, variant)


def _elementwise(loss, prediction, target, lengths, left, variant):
    real = runtime.valid(lengths, prediction.shape[1], left)
    if runtime.pick(("flattened", "weighted"), variant) == "flattened":
        total = loss(prediction[real], target[real], reduction="sum")
    else:
        losses = loss(runtime.only_real(real, prediction), runtime.only_real(real, target), reduction="none")
        total = runtime.only_real(real, losses).sum()
    return {"loss": total / (real.sum() * prediction.shape[2]).clamp(min=1)}


def summed(logits, targets, real, **options):  # (B, T, C)  (B, T)  (B, T) -> ()
    """Sum the cross entropy over all real steps."""
    ignored = torch.where(real, targets, -100)
    return F.cross_entropy(runtime.only_real(real, logits).mT, ignored, ignore_index=-100, reduction="sum", **options)


def by_token(logits, targets, real):  # (B, T, C)  (B, T)  (B, T) -> (B, T)
    """Return the cross entropy of every real step, zero on padding."""
    losses = F.cross_entropy(runtime.only_real(real, logits).mT, torch.where(real, targets, 0), reduction="none")
    return torch.where(real, losses, 0)
