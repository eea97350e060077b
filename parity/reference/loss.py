"""Losses over the real steps only. A batch without one real step has loss 0 and no gradient: an empty sum."""

import autograd.numpy as np
from autograd.tracer import getval as constant

from parity.reference import runtime


def cross_entropy(logits, targets, lengths):  # (B, T, C)  (B, T)  (B,)
    """Mean over all real steps of ``-log softmax(logits)[target]``.

    Returns:
        loss: ().

    >>> round(float(cross_entropy(np.zeros((1, 3, 4)), np.array([[1, 2, 9]]), [2])["loss"]), 4)  # log 4
    1.3863
    """
    return {"loss": mean_over_steps(by_token(logits, targets, lengths), lengths, logits)}


def sequence_loss(logits, targets, lengths, *, average_across_timesteps=True, average_across_batch=True):
    """Cross entropy with the two averages of ``tf.contrib.seq2seq.sequence_loss``, gone since TensorFlow 2.

    Returns:
        loss: (); (B,) averaged over time only; (T,) averaged over the batch only; (B, T) neither.
            A sum over nothing is 0, and so is its average.
    """
    losses = padded_losses(by_token(logits, targets, lengths), logits)  # (B, T)
    real = np.arange(logits.shape[-2]) < np.asarray(lengths)[:, None]
    axes = (-1,) * average_across_timesteps + (-2,) * average_across_batch
    if not axes:
        return {"loss": losses}
    return {"loss": np.sum(losses, axes) / np.maximum(np.sum(real, axes), 1)}


def label_smoothing(logits, targets, lengths, *, smoothing=0.1):
    """Cross entropy with a target that keeps ``1 - smoothing`` and shares the rest out evenly.

    All C classes get a share, the target too: Szegedy et al., section 7, https://arxiv.org/abs/1512.00567

    Returns:
        loss: (), the mean over all real steps.
    """
    return {"loss": mean_over_steps(by_token(logits, targets, lengths, smoothing), lengths, logits)}


def class_weights(logits, targets, lengths, class_weight):  # (B, T, C)  (B, T)  (B,)  (C,)
    """Weighted mean over all real steps of the cross entropy; the weight of a step is that of its target.

    The weights are constants and have no gradient. The mean divides by the sum of the weights, not by the number
    of steps; where no step weighs anything, the loss is 0.

    Returns:
        loss: ().

    >>> logits = np.array([[[0.0, 0.0], [0.0, 9.0]]])  # log 2 for the one class, nothing for the other
    >>> loss = class_weights(logits, np.array([[0, 1]]), [2], np.array([3.0, 1.0]))["loss"]
    >>> round(float(loss / np.log(2)), 2)
    0.75
    """
    weights = [constant(class_weight)[..., targets[row, :length]] for row, length in enumerate(lengths)]
    losses = [loss * weight for loss, weight in zip(by_token(logits, targets, lengths), weights)]
    total, weight = sum_over_steps(losses, logits), sum_over_steps(weights, logits)
    return {"loss": total / np.where(weight > 0, weight, 1)}


def mean_of_sequences(logits, targets, lengths):
    """The cross entropy averaged over each sequence, then over all sequences that have a real step.

    A step of a short sequence counts for more than one of a long sequence; in `cross_entropy` all count the same.

    Returns:
        loss: ().
    """
    means = [np.mean(loss, -1) for loss in by_token(logits, targets, lengths) if loss.shape[-1]]
    return {"loss": sum(means, np.zeros(logits.shape[:-3])) / max(1, len(means))}


def mean_squared_error(prediction, target, lengths):  # (B, T, D)  (B, T, D)  (B,)
    """Mean over all features of all real steps of ``(prediction - target)²``.

    Returns:
        loss: ().
    """
    pairs = zip(runtime.sequences(prediction, lengths), runtime.sequences(target, lengths))
    return {"loss": mean_over_steps([np.mean((p - t) ** 2, -1) for p, t in pairs], lengths, target)}


def binary_cross_entropy(logits, target, lengths):  # (B, T, D)  (B, T, D)  (B,)
    """Mean over all features of all real steps of ``-target log p - (1 - target) log(1 - p)``, p = sigmoid(logits).

    Returns:
        loss: ().
    """
    pairs = zip(runtime.sequences(logits, lengths), runtime.sequences(target, lengths))
    return {"loss": mean_over_steps([np.mean(np.logaddexp(0, z) - z * t, -1) for z, t in pairs], lengths, target)}


def by_token(logits, targets, lengths, smoothing=0.0):
    """The cross entropy of every real step: B arrays (length,)."""
    classes, losses = logits.shape[-1], []
    for row, z in enumerate(runtime.sequences(logits, lengths)):
        target = (1 - smoothing) * np.eye(classes)[targets[row, : lengths[row]]] + smoothing / classes
        top = np.max(z, -1, keepdims=True)
        log_partition = top[..., 0] + np.log(np.sum(np.exp(z - top), -1))
        losses.append(log_partition - np.sum(z * target, -1))
    return losses


def mean_over_steps(losses, lengths, like):  # B arrays (..., length), (B,), (..., B, T, D) -> (...)
    """Sum over real steps, divided by their number; 0 where there are none."""
    return sum_over_steps(losses, like) / max(1, sum(lengths))


def sum_over_steps(losses, like):  # B arrays (..., length), (..., B, T, D) -> (...)
    return sum((np.sum(loss, -1) for loss in losses), np.zeros(like.shape[:-3]))


def padded_losses(losses, logits):  # B arrays (length,), (B, T, C) -> (B, T)
    return runtime.padded([loss[..., None] for loss in losses], logits[..., :1])[..., 0]
