"""Compute losses over labels whose alignment with the steps is unknown, in TensorFlow.

`tf.nn.ctc_loss` takes logits, with time first by default, and dense or sparse labels
(https://www.tensorflow.org/api_docs/python/tf/nn/ctc_loss). It computes dense labels in float32 only; a sequence too
short for them has loss 707, not inf. Sparse labels must not be empty. ``keras.ops.ctc_loss`` is the dense version, with
float64 cast to float32. ``keras.losses.CTC`` treats every step as real, whatever the mask.
"""

import tensorflow as tf

from parity.tensorflow import runtime


def ctc(logits, targets, target_lengths, lengths, *, blank=0, variant="dense_labels"):
    """Compute the CTC loss: ``-log`` of the probability that the steps spell the labels.

    Args:
        blank: the class of the blank; -1 is the last.
        variant: "dense_labels", `tf.nn.ctc_loss` in float32; or "forward_algorithm", written out, in any dtype.

    Returns:
        loss: (B,). For a sequence too short for its labels, loss and gradient are set to 0 instead of inf and NaN.

    >>> labels, one, two = tf.constant([[1, 1]]), tf.constant([1]), tf.constant([2])
    >>> tf.exp(-ctc(tf.zeros((1, 3, 2)), labels, one, two)["loss"]).numpy().round(4)  # 1 1, 0 1 and 1 0 of four
    array([0.75], dtype=float32)
    """
    logits = runtime.only_real(runtime.valid(lengths, tf.shape(logits)[1]), logits)
    blank = blank % logits.shape[2]
    labels = tf.where(runtime.valid(target_lengths, tf.shape(targets)[1]), targets, blank)
    return {"loss": runtime.pick(VARIANTS, variant)(logits, labels, target_lengths, lengths, blank)}


def dense_labels(logits, labels, target_lengths, lengths, blank):  # (B, T, C)  (B, S)  (B,)  (B,) -> (B,)
    """Call `tf.nn.ctc_loss` where steps suffice for all labels, and blanks between equal ones."""
    repeats = (labels[:, 1:] == labels[:, :-1]) & (labels[:, 1:] != blank)
    blanks = tf.reduce_sum(tf.cast(repeats, lengths.dtype), 1)
    spelt = lengths >= target_lengths + blanks
    target_lengths = tf.where(spelt, target_lengths, 0)
    loss = tf.nn.ctc_loss(labels, logits, target_lengths, lengths, logits_time_major=False, blank_index=blank)
    return tf.where(spelt, loss, 0.0)


def forward_algorithm(logits, labels, target_lengths, lengths, blank):  # (B, T, C)  (B, S)  (B,)  (B,) -> (B,)
    """Run Graves' forward algorithm (section 4.1) on all sequences at once; L = 2S + 1."""
    states = with_blanks(labels, blank)  # (B, L)
    log_p = tf.gather(tf.nn.log_softmax(logits), states, axis=2, batch_dims=1)  # (B, T, L)
    never = tf.fill(tf.shape(log_p[:, 0]), tf.constant(-float("inf"), log_p.dtype))
    before = tf.pad(states, [[0, 0], [2, 0]])[:, :-2]
    skips = (states != blank) & (states != before)  # a blank between two different labels may be skipped

    def step(alpha, now):
        log_p_t, real_t = now  # (B, L)  (B,)
        shifted = tf.concat([never[:, :2], alpha], 1)
        sources = [alpha, shifted[:, 1:-1], tf.where(skips, shifted[:, :-2], never)]
        return tf.where(real_t[:, None], log_sum(tf.stack(sources, 2)) + log_p_t, alpha)

    place = tf.range(tf.shape(states)[1], dtype=lengths.dtype)
    start = tf.where(place == 0, tf.zeros_like(never), never)  # before the first step: as if after a blank
    real = runtime.valid(lengths, tf.shape(logits)[1])
    alpha = tf.scan(step, (tf.transpose(log_p, [1, 0, 2]), tf.transpose(real)), start)[-1]
    behind = 2 * target_lengths[:, None] - place  # 1 at the last label, 0 at the blank after it
    log_probability = log_sum(tf.where((behind == 0) | (behind == 1), alpha, never))
    return tf.where(tf.math.is_inf(log_probability), tf.zeros_like(log_probability), -log_probability)


def with_blanks(labels, blank):  # (B, S) -> (B, 2S + 1)
    """Insert a blank before, between and after the labels."""
    pairs = tf.stack([tf.fill(tf.shape(labels), tf.cast(blank, labels.dtype)), labels], 2)
    return tf.pad(tf.reshape(pairs, [-1, 2 * labels.shape[1]]), [[0, 0], [0, 1]], constant_values=blank)


def log_sum(x):  # (..., K) -> (...)
    """Return `tf.reduce_logsumexp`, with gradient 0 instead of NaN where all terms are -inf."""
    largest = tf.stop_gradient(tf.reduce_max(x, -1, keepdims=True))
    largest = tf.where(tf.math.is_finite(largest), largest, tf.zeros_like(largest))
    total = tf.reduce_sum(tf.exp(x - largest), -1)
    nothing = tf.equal(total, 0)  # which NaN is not: it goes on
    log_total = tf.math.log(tf.where(nothing, tf.ones_like(total), total)) + largest[..., 0]
    return tf.where(nothing, tf.constant(-float("inf"), x.dtype), log_total)


VARIANTS = {"dense_labels": dense_labels, "forward_algorithm": forward_algorithm}
