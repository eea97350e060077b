"""Compute conditional random fields in TensorFlow, by `tf.scan`, on the steps that a mask keeps.

A step that is skipped leaves everything as it is: the scores of the paths so far, the label before, and whether there
has been a step at all. `tf.contrib.crf` and TensorFlow Addons, which have ended, took lengths
(https://github.com/tensorflow/addons/issues/1443). Labels of skipped steps may be anything, such as -1.
"""

import tensorflow as tf

from parity.tensorflow import runtime


def negative_log_likelihood(scores, targets, lengths, mask, transitions, start, end, *, variant="scan"):
    """Compute ``log Σ exp(score of any path) - score of the targets``.

    Args:
        scores: (B, T, C). targets, mask: (B, T). lengths: (B,).
        transitions: (C, C), from the first axis to the second. start, end: (C,).

    Returns:
        loss: (B,), 0 for a sequence of which the mask keeps no step.

    >>> given = tf.zeros((1, 2, 3)), tf.constant([[1, -1]]), tf.constant([1]), tf.constant([[1, 0]])
    >>> loss = negative_log_likelihood(*given, tf.zeros((3, 3)), tf.zeros(3), tf.zeros(3))["loss"]
    >>> tf.exp(loss).numpy().round(4)  # one step, three classes
    array([3.], dtype=float32)
    """
    kept = mask > 0
    scores, targets = runtime.only_real(kept, scores), tf.where(kept, targets, 0)

    def step(state, now):
        alpha, gold, before, started = state  # (B, C)  (B,)  (B,)  (B,)
        score, label, counts = now  # (B, C)  (B,)  (B,)
        later = tf.reduce_logsumexp(alpha[:, :, None] + transitions, 1)
        after = tf.where(started[:, None], later, start) + score
        moved = tf.where(started, tf.gather_nd(transitions, tf.stack([before, label], 1)), tf.gather(start, label))
        moved += tf.gather(score, label, batch_dims=1)
        state = tf.where(counts[:, None], after, alpha), tf.where(counts, gold + moved, gold)
        return *state, tf.where(counts, label, before), started | counts

    nothing = scores[:, 0], tf.zeros_like(scores[:, 0, 0]), targets[:, 0], tf.zeros_like(kept[:, 0])
    alpha, gold, last, started = by_step(step, (scores, targets, kept), nothing)
    loss = tf.reduce_logsumexp(alpha[-1] + end, 1) - (gold[-1] + tf.gather(end, last[-1]))
    return {"loss": tf.where(started[-1], loss, tf.zeros_like(loss))}


def viterbi(scores, lengths, mask, transitions, start, end, *, variant="scan"):
    """Find the path of the largest score.

    Returns:
        path: (B, T), classes without gradient, 0 on padding and holes.
        score: (B,), 0 for a sequence of which the mask keeps no step.
    """
    kept = mask > 0
    scores = runtime.only_real(kept, scores)
    classes = tf.zeros_like(scores[:, 0], tf.int64) + tf.range(scores.shape[2], dtype=tf.int64)  # (B, C)

    def step(state, now):
        delta, _, started = state
        score, counts = now
        candidates = delta[:, :, None] + transitions
        after = tf.where(started[:, None], tf.reduce_max(candidates, 1), start) + score
        source = tf.where((started & counts)[:, None], tf.argmax(candidates, 1), classes)
        return tf.where(counts[:, None], after, delta), source, started | counts

    nothing = scores[:, 0], classes, tf.zeros_like(kept[:, 0])
    delta, sources, started = by_step(step, (scores, kept), nothing)
    final = delta[-1] + end
    label = tf.argmax(final, 1)
    before = tf.scan(lambda label, source: tf.gather(source, label, batch_dims=1), sources, label, reverse=True)
    path = tf.concat([before[1:], label[None]], 0)  # (T, B)
    score = tf.reduce_max(final, 1)
    return {"path": tf.where(kept, tf.transpose(path), 0), "score": tf.where(started[-1], score, tf.zeros_like(score))}


def by_step(step, sequences, state):  # (B, T, ...) each -> (T, B, ...) each
    """Return the states after every step."""
    first = [tf.transpose(x, [1, 0, *range(2, x.shape.rank)]) for x in sequences]
    return tf.scan(step, tuple(first), state)
