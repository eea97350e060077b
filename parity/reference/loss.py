"""Compute losses over real steps only; without a real step, loss and gradient are 0.

Padding follows each sequence, or precedes it if ``left``.
"""

import autograd.numpy as np

from parity.reference import runtime


def cross_entropy(logits, targets, lengths, *, left=False):  # (B, T, C)  (B, T)  (B,)
    """Average ``-log softmax(logits)[target]`` over all real steps.

    Returns:
        loss: ().

    >>> round(float(cross_entropy(np.zeros((1, 3, 4)), np.array([[1, 2, 9]]), [2])["loss"]), 4)  # log 4
    1.3863
    """
    return {"loss": mean_over_steps(by_token(logits, targets, lengths, left=left), lengths, logits)}


def sequence_loss(logits, targets, lengths, *, average_across_timesteps=True, average_across_batch=True, left=False):
    """Average the cross entropy as ``tf.contrib.seq2seq.sequence_loss`` did, over time, batch or both.

    Returns:
        loss: (); (B,) averaged over time only; (T,) averaged over the batch only; (B, T) neither.
            An average over no steps is 0.
    """
    losses = padded_losses(by_token(logits, targets, lengths, left=left), logits, left)  # (B, T)
    real = np.arange(logits.shape[-2]) < np.asarray(lengths)[:, None]
    real = real[:, ::-1] if left else real
    axes = (-1,) * average_across_timesteps + (-2,) * average_across_batch
    if not axes:
        return {"loss": losses}
    return {"loss": np.sum(losses, axes) / np.maximum(np.sum(real, axes), 1)}


def label_smoothing(logits, targets, lengths, *, smoothing=0.1, left=False):
    """Average cross entropy over real steps; targets keep ``1 - smoothing``, all classes share the rest.

    Szegedy et al., section 7, https://arxiv.org/abs/1512.00567

    Returns:
        loss: ().
    """
    return {"loss": mean_over_steps(by_token(logits, targets, lengths, smoothing, left), lengths, logits)}


def class_weights(logits, targets, lengths, class_weight, *, left=False):  # (B, T, C)  (B, T)  (B,)  (C,)
    """Average the cross entropy over all real steps, weighted by each target's class.

    The weights are constants without gradient. The sum is divided by the sum of the weights, not by the number of
    steps; if that is 0, the loss is 0.

    Returns:
        loss: ().

    >>> logits = np.array([[[0.0, 0.0], [0.0, 9.0]]])  # log 2 for the first class, 0 for the second
    >>> loss = class_weights(logits, np.array([[0, 1]]), [2], np.array([3.0, 1.0]))["loss"]
    >>> round(float(loss / np.log(2)), 2)
    0.75
    """
    of_classes = runtime.constant(class_weight)
    # Unlike an index, `take` returns numbers that lie side by side, of which NumPy adds pairs: many are equal, so that
    # the errors of adding them one by one would not cancel.
    weights = [np.take(of_classes, target, -1) for target in runtime.items(targets, lengths, left)]
    losses = [loss * weight for loss, weight in zip(by_token(logits, targets, lengths, left=left), weights)]
    total, weight = sum_over_steps(losses, logits), sum_over_steps(weights, logits)
    return {"loss": total / np.where(weight > 0, weight, 1)}


def smoothed_divergence(logits, targets, lengths, *, smoothing=0.1, pad_class=0, left=False):  # (B, T, C)  (B, T)  (B,)
    """Average the divergence from smoothed targets over real steps, where one class is the pad.

    A target keeps ``1 - smoothing``, and all classes but the pad share the rest: the pad has no mass, and steps whose
    target it is do not count. The divergence of Kullback and Leibler is ``Σ q log(q / p)``, with ``0 log 0 = 0``.

    Returns:
        loss: (), 0 if no step counts.

    >>> loss = smoothed_divergence(np.zeros((1, 2, 3)), np.array([[1, 0]]), [2], smoothing=0.0)["loss"]
    >>> round(float(np.exp(loss)), 4)  # one step counts, whose target has probability 1/3
    3.0
    """
    share = smoothing * (np.arange(logits.shape[-1]) != pad_class) / (logits.shape[-1] - 1)
    kept, wanted = counted_steps(logits, targets, lengths, pad_class, left)
    losses = []
    for z, target in zip(kept, wanted):
        q = (1 - smoothing) * np.eye(logits.shape[-1])[target] + share  # (n, C)
        negative_entropy = np.sum(q * np.log(np.where(q > 0, q, 1)), -1)
        log_partition = runtime.from_sums(log_sum_exp(z), logits.shape[-1] / 2)
        losses.append(negative_entropy + runtime.stored(log_partition - np.sum(z * q, -1)))
    return {"loss": mean_over_steps(losses, list(map(len, wanted)), logits)}


def focal(logits, targets, lengths, class_weight, *, gamma=2.0, ignored_class=None, left=False):
    """Average ``-weight (1 - p) ** gamma log p`` over real steps, p being the probability of the target.

    Lin et al., "Focal loss for dense object detection", https://arxiv.org/abs/1708.02002. The weights are constants,
    and the sum is divided by the number of steps, not by the sum of their weights. The gradient of log(1 - p) is a
    difference of two softmaxes, which frameworks round apart; they are nearly equal where p is small.

    Args:
        ignored_class: steps with this target do not count; None if all do.

    Returns:
        loss: (), 0 if no step counts.
    """
    classes, losses = logits.shape[-1], []
    kept, wanted = counted_steps(logits, targets, lengths, ignored_class, left)
    for z, target in zip(kept, wanted):
        z = z - np.max(runtime.constant(z), -1, keepdims=True)  # or the largest logit would be rounded with each
        chosen = np.eye(classes, dtype=bool)[target]  # (n, C)
        log_partition = log_sum_exp(z)
        log_p = runtime.stored(np.sum(np.where(chosen, z, 0), -1) - log_partition)
        log_others = log_sum_exp(np.where(chosen, -np.inf, z))
        log_rest = runtime.stored(log_others - runtime.from_sums(log_partition, 1))
        losses.append(-runtime.constant(class_weight)[..., target] * np.exp(gamma * log_rest) * log_p)
    return {"loss": mean_over_steps(losses, list(map(len, wanted)), logits)}


def mean_of_sequences(logits, targets, lengths, *, left=False):
    """Average the cross entropy over each sequence, then over all non-empty sequences.

    A step of a short sequence counts for more than a step of a long one; in `cross_entropy` all steps count the same.

    Returns:
        loss: ().
    """
    means = [np.mean(loss, -1) for loss in by_token(logits, targets, lengths, left=left) if loss.shape[-1]]
    return {"loss": sum(means, np.zeros(logits.shape[:-3])) / max(1, len(means))}


def mean_squared_error(prediction, target, lengths, *, left=False):  # (B, T, D)  (B, T, D)  (B,)
    """Average ``(prediction - target)²`` over all features of all real steps.

    Returns:
        loss: ().
    """
    pairs = zip(runtime.sequences(prediction, lengths, left), runtime.sequences(target, lengths, left))
    return {"loss": mean_over_steps([np.mean((p - t) ** 2, -1) for p, t in pairs], lengths, target)}


def binary_cross_entropy(logits, target, lengths, *, left=False):  # (B, T, D)  (B, T, D)  (B,)
    """Average ``-target log p - (1 - target) log(1 - p)``, p = sigmoid(logits), over all real steps.

    Returns:
        loss: ().
    """
    pairs = zip(runtime.sequences(logits, lengths, left), runtime.sequences(target, lengths, left))
    return {"loss": mean_over_steps([np.mean(np.logaddexp(0, z) - z * t, -1) for z, t in pairs], lengths, target)}


def by_token(logits, targets, lengths, smoothing=0.0, left=False):
    """Return the cross entropy of every real step: B arrays (length,).

    The gradient of a log-softmax is ``g - p Σ g``. With smoothing, frameworks add up C equal parts for ``Σ g``, which
    are all rounded the same way, each by half a unit at most.
    """
    classes, losses = logits.shape[-1], []
    for z, ids in zip(runtime.sequences(logits, lengths, left), runtime.items(targets, lengths, left)):
        target = (1 - smoothing) * np.eye(classes)[ids] + smoothing / classes
        top = np.max(z, -1, keepdims=True)
        log_partition = top[..., 0] + np.log(np.sum(np.exp(z - top), -1))
        if smoothing:
            log_partition = runtime.from_sums(log_partition, classes / 2)
        losses.append(log_partition - np.sum(z * target, -1))
    return losses


def mean_over_steps(losses, lengths, like):  # B arrays (..., length), (B,), (..., B, T, D) -> (...)
    """Divide the sum over real steps by their number; return 0 if there are none."""
    return sum_over_steps(losses, like) / max(1, sum(lengths))


def sum_over_steps(losses, like):  # B arrays (..., length), (..., B, T, D) -> (...)
    return sum((np.sum(loss, -1) for loss in losses), np.zeros(like.shape[:-3]))


def padded_losses(losses, logits, left):  # B arrays (length,), (B, T, C) -> (B, T)
    return runtime.padded([loss[..., None] for loss in losses], logits[..., :1], left)[..., 0]


def counted_steps(logits, targets, lengths, ignored, left):  # (..., B, T, C)  (B, T)  (B,)
    """Return the logits (..., n, C) and targets (n,) of each sequence, without steps whose target is ignored."""
    real = runtime.items(targets, lengths, left)
    places = [np.flatnonzero(target != ignored) if ignored is not None else np.arange(len(target)) for target in real]
    kept = [alone[..., place, :] for alone, place in zip(runtime.sequences(logits, lengths, left), places)]
    return kept, [target[place] for target, place in zip(real, places)]


def log_sum_exp(z):  # (..., C) -> (...)
    """Return ``log Σ exp(z)``; the sum is kept rounded, so that a logarithm near 0 is off by a unit, however small."""
    top = np.max(z, -1, keepdims=True)
    return top[..., 0] + np.log(runtime.stored(np.sum(np.exp(z - top), -1)))
