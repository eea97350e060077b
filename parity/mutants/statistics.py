"""Mutants in statistics of each sequence over its real steps, and in normalisation by them."""

from __future__ import annotations

from parity.mutants.mutant import Mutant

MOMENTS = (
    Mutant(
        name="statistics.always_the_sample",
        operation="statistics.moments",
        subject="pytorch.masked_sum",
        mistake="The sum of squares is divided by n - 1, the default of `torch.var`, whatever was asked for.",
        location="statistics.moments",
        before="lengths[:, None] - correction",
        after="lengths[:, None] - 1",
        killed_by="frameworks_agree",
    ),
    Mutant(
        name="statistics.padding_deviates",
        operation="statistics.moments",
        subject="pytorch.masked_sum",
        mistake="Padding is zeroed before the mean is subtracted, and not after: it adds the mean's square each time.",
        location="statistics.deviations",
        before="runtime.only_real(real, x - mean[:, None])",
        after="runtime.only_real(real, x) - mean[:, None]",
        killed_by="ignores_extra_padding",
    ),
    Mutant(
        name="statistics.mean_of_squares_less_square_of_mean",
        operation="statistics.moments",
        subject="tensorflow.masked_sum",
        mistake="The variance is E[x²] - E[x]², which is mostly rounding error for features far from 0.",
        location="statistics.moments",
        before="tf.reduce_sum(tf.square(centred), 1) / left",
        after="(tf.reduce_sum(tf.square(centred + mean[:, None] * tf.cast(\n"
        "            runtime.valid(lengths, tf.shape(x)[1]), x.dtype)[:, :, None]), 1)\n"
        "            - tf.cast(lengths, x.dtype)[:, None] * tf.square(mean)) / left",
        killed_by="matches_reference",
    ),
    Mutant(
        name="statistics.single_step_over_nothing",
        operation="statistics.moments",
        subject="tensorflow.weighted_moments",
        mistake="The variance of a single step is divided by n - 1, which is 0 over 0: one such sequence is enough.",
        location="statistics.moments",
        before="tf.maximum(lengths - correction, 1)",
        after="tf.where(lengths > 0, lengths - correction, 1)",
        killed_by="matches_reference",
    ),
    Mutant(
        name="statistics.root_of_a_single_step",
        operation="statistics.moments",
        subject="pytorch.masked_sum",
        mistake="The deviation is bounded from below behind the root, whose slope at 0 is inf: 0 times inf is NaN.",
        location="statistics.moments",
        before="variance.clamp(min=eps).sqrt()",
        after="variance.sqrt().clamp(min=eps**0.5)",
        killed_by="matches_reference",
    ),
    Mutant(
        name="statistics.all_steps_weigh",
        operation="statistics.moments",
        subject="tensorflow.weighted_moments",
        mistake="All steps have a weight, so that padding of zeros counts.",
        location="statistics.moments",
        before="weights = tf.cast(real, x.dtype)[:, :, None]",
        after="weights = tf.ones_like(x)",
        killed_by="matches_reference",
    ),
)

UTTERANCES = (
    Mutant(
        name="statistics.root_before_the_floor",
        operation="statistics.normalised_utterance",
        subject="pytorch.masked",
        mistake="The deviation is bounded from below behind the root, whose slope at 0 is inf: 0 times inf is NaN.",
        location="statistics.normalised_utterance",
        before=".clamp(min=eps**2).sqrt()",
        after=".sqrt().clamp(min=eps)",
        killed_by="matches_reference",
    ),
    Mutant(
        name="statistics.root_before_the_maximum",
        operation="statistics.normalised_utterance",
        subject="tensorflow.masked",
        mistake="The deviation is bounded from below behind the power, whose slope at 0 is inf: 0 times inf is NaN. "
        "(The gradient of `tf.sqrt` is 0 where that of its result is.)",
        location="statistics.normalised_utterance",
        before="tf.sqrt(tf.maximum(variance_of(centred, lengths), eps**2))",
        after="tf.maximum(variance_of(centred, lengths) ** 0.5, eps)",
        killed_by="matches_reference",
    ),
    Mutant(
        name="statistics.floor_of_the_variance",
        operation="statistics.normalised_utterance",
        subject="pytorch.masked",
        mistake="Epsilon bounds the variance, not the deviation: it shows where a feature hardly changes.",
        location="statistics.normalised_utterance",
        before="eps**2",
        after="eps",
        killed_by="matches_reference",
    ),
    Mutant(
        name="statistics.mean_of_the_batch",
        operation="statistics.normalised_utterance",
        subject="tensorflow.masked",
        mistake="The mean is that of all utterances of the batch.",
        location="statistics.deviations",
        before="return mean, runtime.only_real(real, x - mean[:, None])",
        after="share = tf.cast(lengths, x.dtype) / tf.cast(tf.maximum(tf.reduce_sum(lengths), 1), x.dtype)\n"
        "    mean = tf.zeros_like(mean) + tf.linalg.matvec(mean, share, transpose_a=True)\n"
        "    return mean, runtime.only_real(real, x - mean[:, None])",
        killed_by="independent_of_batchmates",
    ),
    Mutant(
        name="statistics.divided_all_the_same",
        operation="statistics.normalised_utterance",
        subject="tensorflow.masked",
        mistake="Means alone are asked for, and deviations are divided out all the same.",
        location="statistics.normalised_utterance",
        before="if not divide:",
        after="if eps is None:",
        killed_by="matches_reference",
    ),
)

INSTANCES = (
    Mutant(
        name="statistics.layer_over_padding",
        operation="statistics.instance_norm",
        subject="pytorch.masked",
        mistake="`instance_norm` takes no mask: zeros at padding count in its mean and variance.",
        location="statistics.instance_norm",
        before="y = centred / (variance_of(centred, lengths) + eps).sqrt() * gamma + beta",
        after="zeroed = runtime.only_real(runtime.valid(lengths, x.shape[1]), x)\n"
        "    y = torch.nn.functional.instance_norm(zeroed.mT, weight=gamma, bias=beta, eps=eps).mT",
        killed_by="ignores_extra_padding",
    ),
    Mutant(
        name="statistics.slope_of_a_root",
        operation="statistics.instance_norm",
        subject="pytorch.masked",
        mistake="Epsilon is added to the square of a root: every output is right, and the gradient is NaN at 0.",
        location="statistics.instance_norm",
        before="(variance_of(centred, lengths) + eps).sqrt()",
        after="(variance_of(centred, lengths).sqrt().square() + eps).sqrt()",
        killed_by="matches_reference",
    ),
    Mutant(
        name="statistics.deviation_taken_as_constant",
        operation="statistics.instance_norm",
        subject="tensorflow.masked",
        mistake="The variance is detached: outputs are right, but the gradient lacks a term.",
        location="statistics.instance_norm",
        before="variance_of(centred, lengths) + eps",
        after="tf.stop_gradient(variance_of(centred, lengths)) + eps",
        killed_by="matches_reference",
    ),
    Mutant(
        name="statistics.shift_behind_the_end",
        operation="statistics.instance_norm",
        subject="tensorflow.masked",
        mistake="Deviations are 0 on padding, but beta is not.",
        location="statistics.instance_norm",
        before="runtime.only_real(runtime.valid(lengths, tf.shape(x)[1]), y)",
        after="y",
        killed_by="zero_gradient_at_padding",
    ),
    Mutant(
        name="statistics.epsilon_of_at_least_a_billionth",
        operation="statistics.instance_norm",
        subject="tensorflow.masked",
        mistake="Epsilon is bounded from below, which no usual one shows.",
        location="statistics.instance_norm",
        before="variance_of(centred, lengths) + eps",
        after="variance_of(centred, lengths) + max(eps, 1e-9)",
        killed_by="matches_reference",
    ),
)

MUTANTS = MOMENTS + UTTERANCES + INSTANCES
