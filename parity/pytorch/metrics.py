"""Compute over a corpus that comes in several batches, in PyTorch.

A mean of batch means weighs a step the more, the fewer real steps its batch has
(https://github.com/huggingface/transformers/issues/24725). So sums and numbers of steps are added up, batch by batch,
and divided at the end. Each batch is a part of the rows; `tensor_split` makes the parts as equal as can be.
"""

import torch
import torch.nn.functional as F

from parity.pytorch import loss, runtime


def corpus_loss(logits, targets, lengths, *, splits=2, variant="summed"):  # (B, T, C)  (B, T)  (B,)
    """Average the cross entropy over all real steps of all batches.

    Args:
        splits: into how many batches the B rows are split, as equal as can be.
        variant: "summed", or "weighted_means": the mean of each batch, weighted by its number of real steps.

    Returns:
        loss: (), 0 without a real step.

    >>> loss = corpus_loss(torch.zeros(2, 3, 4), torch.zeros(2, 3, dtype=torch.long), torch.tensor([3, 1]))["loss"]
    >>> loss  # log 4
    tensor(1.3863)
    """
    return {"loss": mean_loss(logits, targets, lengths, splits, variant)}


def perplexity(logits, targets, lengths, *, splits=2, variant="summed"):  # (B, T, C)  (B, T)  (B,)
    """Compute ``exp`` of the loss over all real steps of all batches; variants as above.

    Returns:
        perplexity: (), 0 without a real step.
    """
    mean = mean_loss(logits, targets, lengths, splits, variant)
    return {"perplexity": torch.where(lengths.sum() > 0, mean.exp(), 0)}


def mean_loss(logits, targets, lengths, splits, variant):
    """Return the loss over all real steps of all batches."""
    runtime.pick(("summed", "weighted_means"), variant)
    total, steps = logits.new_zeros(()), 0
    for z, target, length in batches(splits, logits, targets, lengths):
        batch_total = loss.summed(z, target, runtime.valid(length, z.shape[1]))
        batch_steps = length.sum()
        if variant == "weighted_means":
            batch_mean = batch_total / batch_steps.clamp(min=1)  # which is what most code keeps of a batch
            batch_total = batch_mean * batch_steps
        total, steps = total + batch_total, steps + batch_steps
    return total / steps.clamp(min=1)


def token_accuracy(logits, targets, lengths, *, splits=2, variant="masked"):  # (B, T, C)  (B, T)  (B,)
    """Compute the share of real steps whose class of the largest logit is the target.

    Args:
        variant: "masked" or "selected".

    Returns:
        accuracy: (), without gradient; 0 without a real step.
    """
    runtime.pick(("masked", "selected"), variant)
    right, steps = 0, 0
    for z, target, length in batches(splits, logits, targets, lengths):
        real = runtime.valid(length, z.shape[1])
        if variant == "masked":
            right = right + ((z.argmax(2) == target) & real).sum()
        else:
            right = right + (z[real].argmax(1) == target[real]).sum()
        steps = steps + real.sum()
    return {"accuracy": right.to(logits.dtype) / steps.clamp(min=1)}


def exact_match(logits, targets, lengths, *, splits=2, variant="masked"):  # (B, T, C)  (B, T)  (B,)
    """Compute the share of sequences all of whose classes of the largest logit are the targets.

    Args:
        variant: "masked" (padding is right), or "counted" (as many right steps as real ones).

    Returns:
        matched: (), without gradient, over all sequences that have a real step; 0 without any.
    """
    runtime.pick(("masked", "counted"), variant)
    matched, sequences = 0, 0
    for z, target, length in batches(splits, logits, targets, lengths):
        real = runtime.valid(length, z.shape[1])
        right = z.argmax(2) == target
        whole = (right | ~real).all(1) if variant == "masked" else (right & real).sum(1) == length
        matched, sequences = matched + (whole & (length > 0)).sum(), sequences + (length > 0).sum()
    return {"matched": matched.to(logits.dtype) / sequences.clamp(min=1)}


def f1_score(logits, targets, lengths, *, splits=2, variant="one_hot"):  # (B, T, C)  (B, T)  (B,)
    """Compute the F1 score of each class over all real steps: ``2 hits / (predicted + true)``.

    Args:
        variant: "one_hot" or "bincount".

    Returns:
        f1: (C,), without gradient; 0 for a class that is neither predicted nor true.
    """
    count = runtime.pick({"one_hot": count_by_mask, "bincount": count_selected}, variant)
    hits, counted = 0, 0
    for z, target, length in batches(splits, logits, targets, lengths):
        batch_hits, batch_counted = count(z, target, runtime.valid(length, z.shape[1]))
        hits, counted = hits + batch_hits, counted + batch_counted
    return {"f1": 2 * hits.to(logits.dtype) / counted.clamp(min=1)}


def count_by_mask(logits, targets, real):  # (B, T, C)  (B, T)  (B, T) -> (C,), (C,)
    """Count by class how often it is predicted and true, and how often it is either, counting both."""
    classes = logits.shape[2]
    predicted = F.one_hot(logits.argmax(2), classes) * real[:, :, None]
    true = F.one_hot(torch.where(real, targets, 0), classes) * real[:, :, None]
    return (predicted * true).sum((0, 1)), (predicted + true).sum((0, 1))


def count_selected(logits, targets, real):  # (B, T, C)  (B, T)  (B, T) -> (C,), (C,)
    """Count the same on real steps, which are selected first."""
    predicted, true, classes = logits[real].argmax(1), targets[real], logits.shape[2]
    hits = true[predicted == true].bincount(minlength=classes)
    return hits, predicted.bincount(minlength=classes) + true.bincount(minlength=classes)


def accumulated_gradient(x, targets, lengths, w, *, splits=2, variant="micro_batches"):
    """Add up the gradients of micro-batches: that of the cross entropy of ``x w``, averaged over all real steps.

    Each loss is divided by the number of real steps of all micro-batches, which has to be known before the first.

    Args:
        x: (B, T, D). targets: (B, T). lengths: (B,). w: (D, C).

    Returns:
        gradient: (D, C), a constant, as what an optimiser is given.
    """
    w, steps = w.detach().requires_grad_(), lengths.sum().clamp(min=1)
    for part, target, length in batches(splits, x.detach(), targets, lengths):
        real = runtime.valid(length, part.shape[1])
        total = loss.summed(runtime.only_real(real, part) @ w, target, real)
        (total / steps).backward()
    return {"gradient": w.grad}


def batches(splits, *tensors):  # (B, ...)
    """Yield so many parts of the rows of all tensors; some are empty if there are fewer rows."""
    return zip(*(tensor.tensor_split(splits) for tensor in tensors), strict=True)
