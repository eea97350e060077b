"""Compute over the real steps of a whole corpus; how it is split into batches changes nothing."""

import autograd.numpy as np

from parity.reference import loss, runtime


def corpus_loss(logits, targets, lengths, *, splits=2):  # (B, T, C)  (B, T)  (B,)
    """Average the cross entropy over all real steps of all batches.

    Args:
        splits: into how many batches the B rows are split, as equal as can be.

    Returns:
        loss: (), 0 without a real step.

    >>> logits, targets = np.zeros((2, 3, 2)), np.zeros((2, 3), int)
    >>> logits[1, 0, 1] = 5  # the only step of the second batch is wrong
    >>> round(float(corpus_loss(logits, targets, [3, 1])["loss"]), 4)  # (3 log 2 + 5.0067) / 4, not a mean of means
    1.7715
    """
    return {"loss": loss.mean_over_steps(loss.by_token(logits, targets, lengths), lengths, logits)}


def perplexity(logits, targets, lengths, *, splits=2):  # (B, T, C)  (B, T)  (B,)
    """Compute ``exp`` of the loss over all real steps of all batches.

    Jelinek et al., "Perplexity — a measure of the difficulty of speech recognition tasks", 1977.

    Returns:
        perplexity: (), 0 without a real step, as `keras_hub.metrics.Perplexity` has it.

    >>> round(float(perplexity(np.zeros((2, 3, 4)), np.zeros((2, 3), int), [3, 1])["perplexity"]), 4)
    4.0
    """
    mean = corpus_loss(logits, targets, lengths)["loss"]
    return {"perplexity": np.exp(runtime.stored(mean)) if sum(lengths) else np.zeros(mean.shape)}


def token_accuracy(logits, targets, lengths, *, splits=2):  # (B, T, C)  (B, T)  (B,)
    """Compute the share of real steps whose class of the largest logit is the target.

    Returns:
        accuracy: (), without gradient; 0 without a real step. Which of equal logits counts as the largest is left open.

    >>> float(token_accuracy(np.eye(2)[None], np.array([[0, 0]]), [2])["accuracy"])
    0.5
    """
    predicted, _ = classes(logits, targets, lengths)
    right = [np.sum(p == targets[row, : lengths[row]], -1) * 1.0 for row, p in enumerate(predicted)]
    return {"accuracy": sum(right, np.zeros(logits.shape[:-3])) / max(1, sum(lengths))}


def exact_match(logits, targets, lengths, *, splits=2):  # (B, T, C)  (B, T)  (B,)
    """Compute the share of sequences all of whose classes of the largest logit are the targets.

    Returns:
        matched: (), without gradient, over all sequences that have a real step; 0 without any. Which of equal logits
            counts as the largest is left open.

    >>> targets = np.array([[0, 1, 0], [1, 1, 0], [0, 0, 0]])
    >>> float(exact_match(np.eye(3)[[[0, 1, 2]] * 3], targets, [2, 2, 0])["matched"])  # the first of two
    0.5
    """
    predicted, true = classes(logits, targets, lengths)
    right = [np.all(p == t, -1) * 1.0 for p, t in zip(predicted, true) if len(t)]
    return {"matched": sum(right, np.zeros(logits.shape[:-3])) / max(1, len(right))}


def f1_score(logits, targets, lengths, *, splits=2):  # (B, T, C)  (B, T)  (B,)
    """Compute the F1 score of each class over all real steps: ``2 hits / (predicted + true)``.

    Returns:
        f1: (C,), without gradient; 0 for a class that is neither predicted nor true. Which of equal logits counts as
            the largest is left open.

    >>> f1_score(np.eye(3)[None], np.array([[0, 0, 2]]), [2])["f1"].round(4)
    array([0.6667, 0.    , 0.    ])
    """
    hits = counted = np.zeros((*logits.shape[:-3], logits.shape[-1]))
    for predicted, true in zip(*classes(logits, targets, lengths)):
        predicted, true = np.eye(logits.shape[-1])[predicted], np.eye(logits.shape[-1])[true]
        hits = hits + np.sum(predicted * true, -2)
        counted = counted + np.sum(predicted + true, -2)
    return {"f1": 2 * hits / np.maximum(counted, 1)}


def accumulated_gradient(x, targets, lengths, w, *, splits=2):  # (B, T, D)  (B, T)  (B,)  (D, C)
    """Add up the gradients of micro-batches: that of the cross entropy of ``x w``, averaged over all real steps.

        d loss / d w = Σ xᵀ (softmax(x w) - one_hot(target)) / number of real steps

    Returns:
        gradient: (D, C), a constant, as what an optimiser is given.

    >>> x, targets = np.ones((2, 3, 1)), np.array([[0, 0, 0], [1, 0, 0]])
    >>> accumulated_gradient(x, targets, [3, 1], np.zeros((1, 2)))["gradient"]  # three to one
    array([[-0.25,  0.25]])
    """
    x, w = runtime.constant(x), runtime.constant(w)
    total = np.zeros(w.shape)
    for row, alone in enumerate(runtime.sequences(x, lengths)):
        shares = runtime.softmax(np.einsum("...nd,...dc->...nc", alone, w), -1)
        too_much = shares - np.eye(w.shape[-1])[targets[row, : lengths[row]]]
        total = total + np.einsum("...nd,...nc->...dc", alone, too_much)
    return {"gradient": total / max(1, sum(lengths))}


def classes(logits, targets, lengths):  # (B, T, C)  (B, T)  (B,) -> B arrays (..., length), B arrays (length,)
    """Return the class of the largest logit of every real step, the first of several, and the true one."""
    predicted = [np.argmax(runtime.constant(z), -1) for z in runtime.sequences(logits, lengths)]
    return predicted, [targets[row, :length] for row, length in enumerate(lengths)]
