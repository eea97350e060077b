"""Mutants in normalisation: mean and variance over the wrong steps, epsilon, momentum, running statistics."""

from __future__ import annotations

from parity.mutants.mutant import Mutant

LAYERS = (
    Mutant(
        name="normalisation.shift_on_padding",
        operation="normalisation.layer_norm",
        subject="pytorch.masked",
        what="A step of zeros becomes beta: the padding is full again.",
        place="normalisation.layer_norm",
        before='{"y": runtime.only_real(real, y)}',
        after='{"y": y}',
        by="zero_gradient_at_padding",
    ),
    Mutant(
        name="normalisation.default_epsilon",
        operation="normalisation.layer_norm",
        subject="pytorch.masked",
        what="The default epsilon, which is 1e-5 in PyTorch and 1e-3 in Keras.",
        place="normalisation.layer_norm",
        before="gamma, beta, eps)",
        after="gamma, beta)",
        by="frameworks_agree",
    ),
    Mutant(
        name="normalisation.default_epsilon_keras",
        operation="normalisation.layer_norm",
        subject="tensorflow.masked",
        what="Keras' own epsilon, a hundred times that of the weights' origin.",
        place="normalisation.layer_norm",
        before=", epsilon=eps)",
        after=")",
        by="frameworks_agree",
    ),
    Mutant(
        name="normalisation.epsilon_beside_the_root",
        operation="normalisation.layer_norm",
        subject="pytorch.masked",
        what="Epsilon is added to the deviation, behind the root, and not to the variance.",
        place="normalisation.layer_norm",
        before="y = F.layer_norm(runtime.only_real(real, x), gamma.shape, gamma, beta, eps)",
        after="z = runtime.only_real(real, x)\n"
        "    z = z - z.mean(2, keepdim=True)\n"
        "    y = z / (torch.where(real, z.square().mean(2), 1).sqrt() + eps)[:, :, None] * gamma + beta",
        by="matches_reference",
    ),
    Mutant(
        name="normalisation.features_less_one",
        operation="normalisation.layer_norm",
        subject="pytorch.masked",
        what="torch.var divides by n - 1 unless told otherwise.",
        place="normalisation.layer_norm",
        before="y = F.layer_norm(runtime.only_real(real, x), gamma.shape, gamma, beta, eps)",
        after="z = runtime.only_real(real, x)\n"
        "    y = (z - z.mean(2, keepdim=True)) * (z.var(2, keepdim=True) + eps).rsqrt() * gamma + beta",
        by="frameworks_agree",
    ),
    Mutant(
        name="normalisation.mean_of_squares_less_square_of_mean",
        operation="normalisation.layer_norm",
        subject="tensorflow.masked",
        what="E[x²] - E[x]² in one pass: of features far from 0, the difference is what rounding left.",
        place="normalisation.layer_norm",
        before="y = runtime.call_layer(layer, [gamma, beta], runtime.only_real(real, x))",
        after="z = runtime.only_real(real, x)\n"
        "    mean = tf.reduce_mean(z, 2, keepdims=True)\n"
        "    variance = tf.reduce_mean(z * z, 2, keepdims=True) - mean * mean\n"
        "    y = tf.nn.batch_normalization(z, mean, variance, beta, gamma, eps)",
        by="matches_reference",
    ),
    Mutant(
        name="normalisation.deviation_taken_as_constant",
        operation="normalisation.layer_norm",
        subject="tensorflow.masked",
        what="No gradient flows through the deviation: the output is right, and every gradient of x is wrong.",
        place="normalisation.layer_norm",
        before="y = runtime.call_layer(layer, [gamma, beta], runtime.only_real(real, x))",
        after="z = runtime.only_real(real, x)\n"
        "    mean, variance = tf.nn.moments(z, 2, keepdims=True)\n"
        "    y = tf.nn.batch_normalization(z, mean, tf.stop_gradient(variance), beta, gamma, eps)",
        by="matches_reference",
    ),
    Mutant(
        name="normalisation.nan_times_zero",
        operation="normalisation.layer_norm",
        subject="pytorch.masked",
        what="The layer sees the padding, and what it makes of it is masked: gamma's gradient is NaN.",
        place="normalisation.layer_norm",
        before="runtime.only_real(real, x), gamma.shape",
        after="x, gamma.shape",
        by="ignores_padding",
    ),
)

BATCHES = (
    Mutant(
        name="normalisation.statistics_of_padding",
        operation="normalisation.batch_norm",
        subject="pytorch.flattened",
        what="Mean and variance count the zeros on padding, as BatchNorm1d does by itself.",
        place="normalisation.batch_norm",
        before="trained(steps, mean, variance, gamma, beta, momentum, eps)",
        after="trained(\n"
        "                runtime.only_real(real, x).flatten(0, 1), mean, variance, gamma, beta, momentum, eps\n"
        "            )[real.flatten()]",
        by="ignores_extra_padding",
    ),
    Mutant(
        name="normalisation.unbiased_variance_kept",
        operation="normalisation.batch_norm",
        subject="pytorch.flattened",
        what="PyTorch's running variance has n / (n - 1) times the batch's, Keras' has not.",
        place="normalisation.biased",
        before="kept + (variance - kept) * (n - 1) / n if n > 1 else variance",
        after="variance",
        by="frameworks_agree",
    ),
    Mutant(
        name="normalisation.momentum_of_the_other",
        operation="normalisation.batch_norm",
        subject="tensorflow.flattened",
        what="Momentum is the share of the new in PyTorch, and that of the old in Keras.",
        place="normalisation.batch_norm",
        before='"momentum": 1 - momentum',
        after='"momentum": momentum',
        by="frameworks_agree",
    ),
    Mutant(
        name="normalisation.keras_masked_mean",
        operation="normalisation.batch_norm",
        subject="tensorflow.flattened",
        what="The mask is left to the layer, which adds 1e-7 to the number of steps: one step is not its own mean.",
        place="normalisation.batch_norm",
        before="y, state = layer.stateless_call([gamma, beta], state, steps, training=True)",
        after="padded = built(keras.layers.BatchNormalization, (None, None, x.shape[2]), x.dtype, **options)\n"
        "            y, state = padded.stateless_call(\n"
        "                [gamma, beta], state, runtime.only_real(real, x), mask=real, training=True\n"
        "            )\n"
        "            y = tf.boolean_mask(y, real)",
        by="matches_reference",
    ),
    Mutant(
        name="normalisation.single_step_passed_on",
        operation="normalisation.batch_norm",
        subject="pytorch.flattened",
        what="PyTorch refuses a batch of one step, and the guard hands it on as it is, instead of giving beta.",
        place="normalisation.trained",
        before="return trained(twice, mean, variance, gamma, beta, momentum, eps)[:1]",
        after="return twice[:1] * gamma + beta",
        by="matches_reference",
    ),
    Mutant(
        name="normalisation.statistics_of_nothing",
        operation="normalisation.batch_norm",
        subject="tensorflow.flattened",
        what="A batch without one real step has mean NaN, and the running statistics are lost for good.",
        place="normalisation.batch_norm",
        before="tf.cond(tf.reduce_any(real), trained, lambda: (steps, *running))",
        after="trained()",
        by="accepts_empty_sequences",
    ),
    Mutant(
        name="normalisation.guarded_in_eager_only",
        operation="normalisation.batch_norm",
        subject="tensorflow.flattened",
        what="Whether a step is real is asked in Python: a graph is traced without the answer, for all batches.",
        place="normalisation.batch_norm",
        before="tf.cond(tf.reduce_any(real), trained, lambda: (steps, *running))",
        after="(steps, *running) if tf.executing_eagerly() and not tf.reduce_any(real) else trained()",
        by="same_in_every_mode",
    ),
    Mutant(
        name="normalisation.left_in_training_mode",
        operation="normalisation.batch_norm",
        subject="tensorflow.flattened",
        what="At inference the layer still takes the batch's statistics: answers depend on who else is asking.",
        place="normalisation.batch_norm",
        before="steps, training=False)",
        after="steps, training=True)",
        by="independent_of_batchmates",
    ),
    Mutant(
        name="normalisation.evaluated_while_training",
        operation="normalisation.batch_norm",
        subject="pytorch.flattened",
        what="The layer is left in evaluation mode: running statistics are used, and never learn.",
        place="normalisation.trained",
        before="beta, training=True, momentum=momentum",
        after="beta, training=False, momentum=momentum",
        by="matches_reference",
    ),
    Mutant(
        name="normalisation.callers_mean_overwritten",
        operation="normalisation.batch_norm",
        subject="pytorch.flattened",
        what="The running mean is updated in place, where it was handed in.",
        place="normalisation.batch_norm",
        before="running_mean.detach().clone(), ",
        after="running_mean.detach(), ",
        by="repeatable",
    ),
    Mutant(
        name="normalisation.running_mean_remembered",
        operation="normalisation.batch_norm",
        subject="pytorch.flattened",
        what="The layer keeps its running mean from one call to the next, whatever it is given to start from.",
        place="normalisation.batch_norm",
        before="mean, variance = running_mean.detach().clone(), running_variance.detach().clone()",
        after='mean = vars(batch_norm).setdefault("mean", running_mean.detach().clone())\n'
        "    variance = running_variance.detach().clone()",
        by="repeatable",
    ),
    Mutant(
        name="normalisation.gradient_through_the_running_mean",
        operation="normalisation.batch_norm",
        subject="tensorflow.flattened",
        what="What leaves the running statistics has a gradient, although they are buffers.",
        place="normalisation.batch_norm",
        before="(tf.stop_gradient(statistic) for statistic in state)",
        after="state",
        by="matches_reference",
    ),
    Mutant(
        name="normalisation.mean_taken_as_constant",
        operation="normalisation.batch_norm",
        subject="pytorch.flattened",
        what="No gradient flows through the batch's mean and variance, as if they were the running ones.",
        place="normalisation.trained",
        before="return F.batch_norm(steps, mean, variance, gamma, beta, training=True, momentum=momentum, eps=eps)",
        after="seen = steps.detach()\n"
        "        F.batch_norm(seen, mean, variance, training=True, momentum=momentum)\n"
        "        return F.batch_norm(steps, seen.mean(0), seen.var(0, correction=0), gamma, beta, eps=eps)",
        by="matches_reference",
    ),
)

MUTANTS = (*LAYERS, *BATCHES)
