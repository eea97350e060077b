"""Mutants in the share of sequences that are matched exactly: padding, empty sequences, and several batches."""

from __future__ import annotations

from parity.mutants.mutant import Mutant

MUTANTS = (
    Mutant(
        name="metrics.match_of_padding",
        operation="metrics.exact_match",
        subject="pytorch.masked",
        mistake="Padding has to be predicted too.",
        location="metrics.exact_match",
        before="(right | ~real).all(1)",
        after="right.all(1)",
        killed_by="matches_reference",
    ),
    Mutant(
        name="metrics.empty_sequences_match",
        operation="metrics.exact_match",
        subject="pytorch.masked",
        mistake="An empty sequence has nothing wrong, and is counted as matched.",
        location="metrics.exact_match",
        before="matched, sequences = matched + (whole & (length > 0)).sum(), sequences + (length > 0).sum()",
        after="matched, sequences = matched + whole.sum(), sequences + (length >= 0).sum()",
        killed_by="matches_reference",
    ),
    Mutant(
        name="metrics.match_in_any_step",
        operation="metrics.exact_match",
        subject="pytorch.counted",
        mistake="A sequence is matched if the number of right steps in the batch is that of real ones.",
        location="metrics.exact_match",
        before="(right & real).sum(1) == length",
        after="(right & real).sum() == length.sum()",
        killed_by="matches_reference",
    ),
    Mutant(
        name="metrics.all_but_the_last",
        operation="metrics.exact_match",
        subject="pytorch.counted",
        mistake="The last step, taken for an end token, need not be right.",
        location="metrics.exact_match",
        before="real = runtime.valid(length, z.shape[1])",
        after="real = runtime.valid(length - 1, z.shape[1])\n        length = (length - 1).clamp(min=0)",
        killed_by="matches_reference",
    ),
    Mutant(
        name="metrics.matches_over_all_rows",
        operation="metrics.exact_match",
        subject="tensorflow.counted",
        mistake="Empty sequences are counted as not matched.",
        location="metrics.exact_match",
        before="sequences = sequences + tf.reduce_sum(has_steps)",
        after="sequences = sequences + tf.reduce_sum(tf.ones_like(has_steps))",
        killed_by="matches_reference",
    ),
    Mutant(
        name="metrics.mean_of_matches",
        operation="metrics.exact_match",
        subject="tensorflow.counted",
        mistake="The share of each batch is averaged, whatever the number of its sequences.",
        location="metrics.exact_match",
        before="tf.reduce_sum(tf.cast(whole, z.dtype) * has_steps)\n"
        "            sequences = sequences + tf.reduce_sum(has_steps)",
        after="tf.math.divide_no_nan(tf.reduce_sum(tf.cast(whole, z.dtype) * has_steps), tf.reduce_sum(has_steps))\n"
        "            sequences = sequences + tf.cast(tf.reduce_sum(has_steps) > 0, z.dtype)",
        killed_by="same_however_split",
    ),
    Mutant(
        name="metrics.match_of_the_first_step",
        operation="metrics.exact_match",
        subject="tensorflow.keras_metric",
        mistake="A sequence is matched if any of its steps is right.",
        location="metrics.exact_match",
        before="tf.reduce_all(right | ~real, 1)",
        after="tf.reduce_any(right & real, 1)",
        killed_by="matches_reference",
    ),
)
