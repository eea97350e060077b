"""Mutants in layer normalisation and batch normalisation."""

from __future__ import annotations

from parity.mutants.mutant import Mutant

LAYERS = (
    Mutant(
        name="normalisation.shift_on_padding",
        operation="normalisation.layer_norm",
        subject="pytorch.masked",
        mistake="A normalised step of zeros equals beta, so padding is no longer zero.",
        location="normalisation.layer_norm",
        before='{"y": runtime.only_real(real, y)}',
        after='{"y": y}',
        killed_by="zero_gradient_at_padding",
    ),
    Mutant(
        name="normalisation.default_epsilon",
        operation="normalisation.layer_norm",
        subject="pytorch.masked",
        mistake="Epsilon keeps its default, which is 1e-5 in PyTorch and 1e-3 in Keras.",
        location="normalisation.layer_norm",
        before="gamma, beta, eps)",
        after="gamma, beta)",
        killed_by="frameworks_agree",
    ),
    Mutant(
        name="normalisation.default_epsilon_keras",
        operation="normalisation.layer_norm",
        subject="tensorflow.masked",
        mistake="Epsilon keeps Keras' default, 1e-3, for weights trained with 1e-5.",
        location="normalisation.layer_norm",
        before=", epsilon=eps)",
        after=")",
        killed_by="frameworks_agree",
    ),
    Mutant(
        name="normalisation.epsilon_beside_the_root",
        operation="normalisation.layer_norm",
        subject="pytorch.masked",
        mistake="Epsilon is added to the standard deviation instead of the variance.",
        location="normalisation.layer_norm",
        before="y = F.layer_norm(runtime.only_real(real, x), gamma.shape, gamma, beta, eps)",
        after="z = runtime.only_real(real, x)\n"
        "    z = z - z.mean(2, keepdim=True)\n"
        "    y = z / (torch.where(real, z.square().mean(2), 1).sqrt() + eps)[:, :, None] * gamma + beta",
        killed_by="matches_reference",
    ),
    Mutant(
        name="normalisation.features_less_one",
        operation="normalisation.layer_norm",
        subject="pytorch.masked",
        mistake="`torch.var` divides by n - 1 by default, but normalisation divides by n.",
        location="normalisation.layer_norm",
        before="y = F.layer_norm(runtime.only_real(real, x), gamma.shape, gamma, beta, eps)",
        after="z = runtime.only_real(real, x)\n"
        "    y = (z - z.mean(2, keepdim=True)) * (z.var(2, keepdim=True) + eps).rsqrt() * gamma + beta",
        killed_by="frameworks_agree",
    ),
    Mutant(
        name="normalisation.mean_of_squares_less_square_of_mean",
        operation="normalisation.layer_norm",
        subject="tensorflow.masked",
        mistake="The variance is E[x²] - E[x]², which is mostly rounding error for features far from 0.",
        location="normalisation.layer_norm",
        before="y = runtime.call_layer(layer, [gamma, beta], runtime.only_real(real, x))",
        after="z = runtime.only_real(real, x)\n"
        "    mean = tf.reduce_mean(z, 2, keepdims=True)\n"
        "    variance = tf.reduce_mean(z * z, 2, keepdims=True) - mean * mean\n"
        "    y = tf.nn.batch_normalization(z, mean, variance, beta, gamma, eps)",
        killed_by="matches_reference",
    ),
    Mutant(
        name="normalisation.deviation_taken_as_constant",
        operation="normalisation.layer_norm",
        subject="tensorflow.masked",
        mistake="The standard deviation is detached: outputs are right, but every gradient of x is wrong.",
        location="normalisation.layer_norm",
        before="y = runtime.call_layer(layer, [gamma, beta], runtime.only_real(real, x))",
        after="z = runtime.only_real(real, x)\n"
        "    mean, variance = tf.nn.moments(z, 2, keepdims=True)\n"
        "    y = tf.nn.batch_normalization(z, mean, tf.stop_gradient(variance), beta, gamma, eps)",
        killed_by="matches_reference",
    ),
    Mutant(
        name="normalisation.nan_times_zero",
        operation="normalisation.layer_norm",
        subject="pytorch.masked",
        mistake="Only the output is masked, so NaN in the padding makes gamma's gradient NaN.",
        location="normalisation.layer_norm",
        before="runtime.only_real(real, x), gamma.shape",
        after="x, gamma.shape",
        killed_by="ignores_padding",
    ),
)

ROOTS = (
    Mutant(
        name="normalisation.slope_of_a_root",
        operation="normalisation.layer_norm",
        subject="pytorch.masked",
        mistake="Epsilon is added to the square of a root: every output is right, and the gradient is NaN on a step "
        "whose features are all equal, such as silence.",
        location="normalisation.layer_norm",
        before="y = F.layer_norm(runtime.only_real(real, x), gamma.shape, gamma, beta, eps)",
        after="z = runtime.only_real(real, x)\n"
        "    z = z - z.mean(2, keepdim=True)\n"
        "    y = z / (z.square().mean(2, keepdim=True).sqrt().square() + eps).sqrt() * gamma + beta",
        killed_by="matches_reference",
    ),
    Mutant(
        name="normalisation.slope_of_a_power",
        operation="normalisation.layer_norm",
        subject="tensorflow.masked",
        mistake="Epsilon is added to the square of a power of 1/2: every output is right, and the gradient is NaN on "
        "a step whose features are all equal. (That of `tf.sqrt` is 0 where that of its result is.)",
        location="normalisation.layer_norm",
        before="y = runtime.call_layer(layer, [gamma, beta], runtime.only_real(real, x))",
        after="z = runtime.only_real(real, x)\n"
        "    z = z - tf.reduce_mean(z, 2, keepdims=True)\n"
        "    deviation = tf.reduce_mean(tf.square(z), 2, keepdims=True) ** 0.5\n"
        "    y = z / (deviation**2 + eps) ** 0.5 * gamma + beta",
        killed_by="matches_reference",
    ),
    Mutant(
        name="normalisation.slope_of_the_batchs_deviation",
        operation="normalisation.batch_norm",
        subject="pytorch.flattened",
        mistake="Batch norm by hand with a root: the gradient is NaN for a feature that is the same in all steps.",
        location="normalisation.trained",
        before="return F.batch_norm(steps, mean, variance, gamma, beta, training=True, momentum=momentum, eps=eps)",
        after="F.batch_norm(steps.detach(), mean, variance, training=True, momentum=momentum)\n"
        "        deviation = (steps - steps.mean(0)).square().mean(0).sqrt()\n"
        "        return (steps - steps.mean(0)) / (deviation.square() + eps).sqrt() * gamma + beta",
        killed_by="matches_reference",
    ),
    Mutant(
        name="normalisation.epsilon_of_the_dtype",
        operation="normalisation.rms_norm",
        subject="pytorch.layer",
        mistake="Epsilon is left out: its default is the roundoff of the dtype.",
        location="normalisation.rms_norm",
        before="F.rms_norm(x, gamma.shape, gamma, eps)",
        after="F.rms_norm(x, gamma.shape, gamma)",
        killed_by="frameworks_agree",
    ),
    Mutant(
        name="normalisation.epsilon_outside_the_root",
        operation="normalisation.rms_norm",
        subject="pytorch.rsqrt",
        mistake="Epsilon is added to the root, and not under it; the gradient of silence is NaN.",
        location="normalisation.rms_norm",
        before="y = x * (x.square().mean(2, keepdim=True) + eps).rsqrt() * gamma",
        after="y = x / (x.square().mean(2, keepdim=True).sqrt() + eps) * gamma",
        killed_by="matches_reference",
    ),
    Mutant(
        name="normalisation.root_of_at_least_epsilon",
        operation="normalisation.rms_norm",
        subject="pytorch.rsqrt",
        mistake="The root is bounded by epsilon from below; nothing is added, and the gradient of silence is NaN.",
        location="normalisation.rms_norm",
        before="y = x * (x.square().mean(2, keepdim=True) + eps).rsqrt() * gamma",
        after="y = x / x.square().mean(2, keepdim=True).sqrt().clamp(min=eps) * gamma",
        killed_by="matches_reference",
    ),
    Mutant(
        name="normalisation.epsilon_outside_a_safe_root",
        operation="normalisation.rms_norm",
        subject="tensorflow.layer",
        mistake="Epsilon is added to the root, and not under it; the gradient of silence is finite.",
        location="normalisation.rms_norm",
        before="y = runtime.call_layer(layer, [gamma], runtime.only_real(real, x))",
        after="x = runtime.only_real(real, x)\n"
        "    square = tf.reduce_mean(tf.square(x), 2, keepdims=True)\n"
        "    root = tf.where(square > 0, tf.sqrt(tf.where(square > 0, square, 1)), 0)\n"
        "    y = x / (root + eps) * gamma",
        killed_by="matches_reference",
    ),
    Mutant(
        name="normalisation.mean_square_of_at_least_epsilon",
        operation="normalisation.rms_norm",
        subject="pytorch.rsqrt",
        mistake="The mean square is bounded by epsilon from below; nothing is added.",
        location="normalisation.rms_norm",
        before="y = x * (x.square().mean(2, keepdim=True) + eps).rsqrt() * gamma",
        after="y = x * x.square().mean(2, keepdim=True).clamp(min=eps).rsqrt() * gamma",
        killed_by="matches_reference",
    ),
    Mutant(
        name="normalisation.maximum_of_root_and_epsilon",
        operation="normalisation.rms_norm",
        subject="tensorflow.layer",
        mistake="The root is bounded by epsilon from below; nothing is added, and the gradient of silence is finite.",
        location="normalisation.rms_norm",
        before="y = runtime.call_layer(layer, [gamma], runtime.only_real(real, x))",
        after="x = runtime.only_real(real, x)\n"
        "    y = x / tf.maximum(tf.sqrt(tf.reduce_mean(tf.square(x), 2, keepdims=True)), eps) * gamma",
        killed_by="matches_reference",
    ),
    Mutant(
        name="normalisation.root_mean_square_of_silence",
        operation="normalisation.rms_norm",
        subject="pytorch.rsqrt",
        mistake="Epsilon bounds the root from below, and not what is under it: the gradient of silence is NaN.",
        location="normalisation.rms_norm",
        before="y = x * (x.square().mean(2, keepdim=True) + eps).rsqrt() * gamma",
        after="y = x / (x.square().mean(2, keepdim=True).sqrt().square() + eps).sqrt() * gamma",
        killed_by="matches_reference",
    ),
    Mutant(
        name="normalisation.mean_subtracted",
        operation="normalisation.rms_norm",
        subject="tensorflow.layer",
        mistake="The mean is subtracted first, as in a layer norm.",
        location="normalisation.rms_norm",
        before="y = runtime.call_layer(layer, [gamma], runtime.only_real(real, x))",
        after="x = x - tf.reduce_mean(x, 2, keepdims=True)\n"
        "    y = runtime.call_layer(layer, [gamma], runtime.only_real(real, x))",
        killed_by="matches_reference",
    ),
    Mutant(
        name="normalisation.epsilon_of_at_least_a_billionth",
        operation="normalisation.rms_norm",
        subject="tensorflow.layer",
        mistake="Epsilon is bounded from below, which no usual one shows.",
        location="normalisation.rms_norm",
        before="epsilon=eps",
        after="epsilon=max(eps, 1e-9)",
        killed_by="matches_reference",
    ),
    Mutant(
        name="normalisation.norm_over_time",
        operation="normalisation.unit_norm",
        subject="pytorch.normalize",
        mistake="`F.normalize` is called with its default axis, which is time here.",
        location="normalisation.unit_norm",
        before="dim=2, ",
        after="",
        killed_by="matches_reference",
    ),
    Mutant(
        name="normalisation.norm_of_silence",
        operation="normalisation.unit_norm",
        subject="pytorch.normalize",
        mistake="The root is bounded from below, and not what is under it: the gradient of silence is NaN.",
        location="normalisation.unit_norm",
        before="y = F.normalize(runtime.only_real(real, x), dim=2, eps=eps)",
        after="z = runtime.only_real(real, x)\n    y = z / z.square().sum(2, keepdim=True).sqrt().clamp(min=eps)",
        killed_by="matches_reference",
    ),
    Mutant(
        name="normalisation.keras_unit_norm",
        operation="normalisation.unit_norm",
        subject="tensorflow.l2_normalize",
        mistake="Keras' own bounds one over the root from above. TensorFlow's gradient of silence is right by a "
        "special case of 0, but the second derivative is NaN; in Keras on PyTorch, so is the first.",
        location="normalisation.unit_norm",
        before="tf.math.l2_normalize(runtime.only_real(real, x), 2, epsilon=eps**2)",
        after="keras.ops.normalize(runtime.only_real(real, x), 2, epsilon=eps)",
        killed_by="second_derivatives",
    ),
    Mutant(
        name="normalisation.epsilon_of_the_square",
        operation="normalisation.unit_norm",
        subject="tensorflow.l2_normalize",
        mistake="Epsilon bounds the square of the norm, as TensorFlow has it, and not the norm, as PyTorch has it.",
        location="normalisation.unit_norm",
        before="epsilon=eps**2",
        after="epsilon=eps",
        killed_by="frameworks_agree",
    ),
)

BATCHES = (
    Mutant(
        name="normalisation.statistics_of_padding",
        operation="normalisation.batch_norm",
        subject="pytorch.flattened",
        mistake="Mean and variance include the zeros at padding, as in BatchNorm1d without further care.",
        location="normalisation.batch_norm",
        before="trained(steps, mean, variance, gamma, beta, momentum, eps)",
        after="trained(\n"
        "                runtime.only_real(real, x).flatten(0, 1), mean, variance, gamma, beta, momentum, eps\n"
        "            )[real.flatten()]",
        killed_by="ignores_extra_padding",
    ),
    Mutant(
        name="normalisation.unbiased_variance_kept",
        operation="normalisation.batch_norm",
        subject="pytorch.flattened",
        mistake="PyTorch's running variance includes the factor n / (n - 1), but Keras' does not.",
        location="normalisation.biased",
        before="kept + (variance - kept) * (n - 1) / n if n > 1 else variance",
        after="variance",
        killed_by="frameworks_agree",
    ),
    Mutant(
        name="normalisation.momentum_of_the_other",
        operation="normalisation.batch_norm",
        subject="tensorflow.flattened",
        mistake="Momentum is the weight of the new value in PyTorch, but of the old value in Keras.",
        location="normalisation.batch_norm",
        before='"momentum": 1 - momentum',
        after='"momentum": momentum',
        killed_by="frameworks_agree",
    ),
    Mutant(
        name="normalisation.keras_masked_mean",
        operation="normalisation.batch_norm",
        subject="tensorflow.flattened",
        mistake="The layer gets the mask and adds 1e-7 to the step count, so one step is not its own mean.",
        location="normalisation.batch_norm",
        before="y, state = layer.stateless_call([gamma, beta], state, steps, training=True)",
        after="padded = built(keras.layers.BatchNormalization, (None, None, x.shape[2]), x.dtype, **options)\n"
        "            y, state = padded.stateless_call(\n"
        "                [gamma, beta], state, runtime.only_real(real, x), mask=real, training=True\n"
        "            )\n"
        "            y = tf.boolean_mask(y, real)",
        killed_by="matches_reference",
    ),
    Mutant(
        name="normalisation.single_step_passed_on",
        operation="normalisation.batch_norm",
        subject="pytorch.flattened",
        mistake="PyTorch rejects a batch of one step. The workaround returns the step instead of beta.",
        location="normalisation.trained",
        before="return trained(twice, mean, variance, gamma, beta, momentum, eps)[:1]",
        after="return twice[:1] * gamma + beta",
        killed_by="matches_reference",
    ),
    Mutant(
        name="normalisation.statistics_of_nothing",
        operation="normalisation.batch_norm",
        subject="tensorflow.flattened",
        mistake="A batch without real steps has mean NaN, which permanently corrupts the running statistics.",
        location="normalisation.batch_norm",
        before="tf.cond(tf.reduce_any(real), trained, lambda: (steps, *running))",
        after="trained()",
        killed_by="accepts_empty_sequences",
    ),
    Mutant(
        name="normalisation.guarded_in_eager_only",
        operation="normalisation.batch_norm",
        subject="tensorflow.flattened",
        mistake="The check for real steps runs in Python, so a traced graph does not contain it.",
        location="normalisation.batch_norm",
        before="tf.cond(tf.reduce_any(real), trained, lambda: (steps, *running))",
        after="(steps, *running) if tf.executing_eagerly() and not tf.reduce_any(real) else trained()",
        killed_by="same_in_every_mode",
    ),
    Mutant(
        name="normalisation.left_in_training_mode",
        operation="normalisation.batch_norm",
        subject="tensorflow.flattened",
        mistake="At inference the layer still uses the batch's statistics, so outputs depend on other sequences.",
        location="normalisation.batch_norm",
        before="steps, training=False)",
        after="steps, training=True)",
        killed_by="independent_of_batchmates",
    ),
    Mutant(
        name="normalisation.evaluated_while_training",
        operation="normalisation.batch_norm",
        subject="pytorch.flattened",
        mistake="The layer stays in evaluation mode: running statistics are used but never updated.",
        location="normalisation.trained",
        before="beta, training=True, momentum=momentum",
        after="beta, training=False, momentum=momentum",
        killed_by="matches_reference",
    ),
    Mutant(
        name="normalisation.callers_mean_overwritten",
        operation="normalisation.batch_norm",
        subject="pytorch.flattened",
        mistake="The caller's running mean is updated in place.",
        location="normalisation.batch_norm",
        before="running_mean.detach().clone(), ",
        after="running_mean.detach(), ",
        killed_by="no_side_effects",
    ),
    Mutant(
        name="normalisation.running_mean_remembered",
        operation="normalisation.batch_norm",
        subject="pytorch.flattened",
        mistake="The layer keeps its running mean between calls and ignores the one passed in.",
        location="normalisation.batch_norm",
        before="mean, variance = running_mean.detach().clone(), running_variance.detach().clone()",
        after='mean = vars(batch_norm).setdefault(f"{running_mean.shape} {x.dtype}", running_mean.detach().clone())\n'
        "    variance = running_variance.detach().clone()",
        killed_by="independent_of_earlier_calls",
    ),
    Mutant(
        name="normalisation.gradient_through_the_running_mean",
        operation="normalisation.batch_norm",
        subject="tensorflow.flattened",
        mistake="The returned running statistics have a gradient, although they are buffers.",
        location="normalisation.batch_norm",
        before="(tf.stop_gradient(statistic) for statistic in state)",
        after="state",
        killed_by="matches_reference",
    ),
    Mutant(
        name="normalisation.mean_taken_as_constant",
        operation="normalisation.batch_norm",
        subject="pytorch.flattened",
        mistake="The batch's mean and variance are detached, as if they were running statistics.",
        location="normalisation.trained",
        before="return F.batch_norm(steps, mean, variance, gamma, beta, training=True, momentum=momentum, eps=eps)",
        after="seen = steps.detach()\n"
        "        F.batch_norm(seen, mean, variance, training=True, momentum=momentum)\n"
        "        return F.batch_norm(steps, seen.mean(0), seen.var(0, correction=0), gamma, beta, eps=eps)",
        killed_by="matches_reference",
    ),
)

MUTANTS = LAYERS + ROOTS + BATCHES
