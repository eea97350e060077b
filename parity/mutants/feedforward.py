"""Mutants in dense and convolutional layers: bias in the padding, kernels that see it."""

from __future__ import annotations

from parity.mutants.mutant import Mutant

DENSE = (
    Mutant(
        name="feedforward.activated_padding",
        operation="feedforward.dense",
        subject="tensorflow.masked",
        what="The input is masked and the output is not: padding holds the activation of the bias.",
        place="feedforward.dense",
        before='{"y": runtime.only_real(real, y)}',
        after='{"y": y}',
        by="zero_gradient_at_padding",
    ),
    Mutant(
        name="feedforward.masked_before_the_activation",
        operation="feedforward.dense",
        subject="pytorch.masked",
        what="Zeros are put on padding before the activation: as good as after it, but for a sigmoid, which gives 0.5.",
        place="feedforward.dense",
        before="y = ACTIVATIONS[activation](F.linear(runtime.only_real(real, x), w.T, bias))\n"
        '    return {"y": runtime.only_real(real, y)}',
        after="y = runtime.only_real(real, F.linear(runtime.only_real(real, x), w.T, bias))\n"
        '    return {"y": ACTIVATIONS[activation](y)}',
        by="zero_gradient_at_padding",
    ),
    Mutant(
        name="feedforward.zeroed_behind_the_gradients_back",
        operation="feedforward.dense",
        subject="pytorch.masked",
        what="Padding is zeroed through .data: the output is clean, and the bias still learns from padding.",
        place="feedforward.dense",
        before='return {"y": runtime.only_real(real, y)}',
        after='y.data.masked_fill_(~real[:, :, None], 0)\n    return {"y": y}',
        by="ignores_padding",
    ),
    Mutant(
        name="feedforward.nan_in_the_kernels_gradient",
        operation="feedforward.dense",
        subject="tensorflow.masked",
        what="Only the output is masked: in the kernel's gradient, zeros are multiplied by the padding.",
        place="feedforward.dense",
        before="runtime.only_real(real, x))",
        after="x)",
        by="ignores_padding",
    ),
    Mutant(
        name="feedforward.mask_one_step_late",
        operation="feedforward.dense",
        subject="pytorch.masked",
        what="<= for <: one step of padding counts as real.",
        place="feedforward.dense",
        before="real = runtime.valid(lengths, x.shape[1])",
        after="real = torch.arange(x.shape[1]) <= lengths[:, None]",
        by="ignores_padding",
    ),
    Mutant(
        name="feedforward.layer_of_float32",
        operation="feedforward.dense",
        subject="tensorflow.masked",
        what="A Keras layer without a dtype casts what it is given to float32.",
        place="feedforward.dense",
        before="y = runtime.call_layer(layer, [w, bias], runtime.only_real(real, x))",
        after="layer = built(keras.layers.Dense, x.shape[2], tf.float32, units=w.shape[1], activation=activation)\n"
        "    y = tf.cast(runtime.call_layer(layer, [w, bias], runtime.only_real(real, x)), x.dtype)",
        by="matches_reference",
    ),
    Mutant(
        name="feedforward.input_zeroed_in_place",
        operation="feedforward.dense",
        subject="pytorch.masked",
        what="The caller's padding is overwritten with zeros: the answer is right, and the input is another.",
        place="feedforward.dense",
        before="y = ACTIVATIONS[activation](F.linear(runtime.only_real(real, x), w.T, bias))",
        after="x.data[~real] = 0\n    y = ACTIVATIONS[activation](F.linear(x, w.T, bias))",
        by="repeatable",
    ),
)

CONVOLUTIONS = (
    Mutant(
        name="feedforward.masked_at_the_end_only",
        operation="feedforward.conv1d",
        subject="pytorch.masked",
        what="Padding is zeroed once, behind the last layer: the second one sees the first one's bias beyond the end.",
        place="feedforward.conv1d",
        before="        y = runtime.only_real(real, y)  # or the next layer would see the bias behind the end\n"
        '    return {"y": y}',
        after='    return {"y": runtime.only_real(real, y)}',
        by="independent_of_batchmates",
    ),
    Mutant(
        name="feedforward.looks_into_the_padding",
        operation="feedforward.conv1d",
        subject="tensorflow.masked",
        what="The output is masked and the input is not: the last real steps see what stands behind them.",
        place="feedforward.conv1d",
        before="y = runtime.only_real(real, x)",
        after="y = x",
        by="ignores_padding",
    ),
    Mutant(
        name="feedforward.padding_times_zero",
        operation="feedforward.conv1d",
        subject="pytorch.masked",
        what="The input is multiplied by the mask: NaN stays NaN, and a convolution carries it into real steps.",
        place="feedforward.conv1d",
        before="y = runtime.only_real(real, x)",
        after="y = x * real[:, :, None]",
        by="ignores_padding",
    ),
    Mutant(
        name="feedforward.causal_the_wrong_way",
        operation="feedforward.conv1d",
        subject="pytorch.masked",
        what="F.pad takes what comes before first: the other way round, every step sees the future and no past.",
        place="feedforward.convolved",
        before="(kernel.shape[2] - 1, 0)",
        after="(0, kernel.shape[2] - 1)",
        by="matches_reference",
    ),
    Mutant(
        name="feedforward.same_for_causal",
        operation="feedforward.conv1d",
        subject="tensorflow.masked",
        what='Keras\' padding is "same" for every layer: a causal one sees a step ahead.',
        place="feedforward.convolved",
        before='"padding": padding',
        after='"padding": "same"',
        by="frameworks_agree",
    ),
    Mutant(
        name="feedforward.kernel_reversed",
        operation="feedforward.conv1d",
        subject="pytorch.masked",
        what="A convolution as in the book, kernel reversed; both frameworks correlate.",
        place="feedforward.torch_layout",
        before="kernel.permute(2, 1, 0)",
        after="kernel.permute(2, 1, 0).flip(2)",
        by="frameworks_agree",
    ),
    Mutant(
        name="feedforward.first_bias_twice",
        operation="feedforward.conv1d",
        subject="tensorflow.masked",
        what="The second layer takes the first one's bias, which has the same shape.",
        place="feedforward.conv1d",
        before="convolved(y, kernel, shift, padding)",
        after="convolved(y, kernel, bias[0], padding)",
        by="matches_reference",
    ),
    Mutant(
        name="feedforward.filled_up_to_the_longest",
        operation="feedforward.conv1d",
        subject="tensorflow.masked",
        what="The mask is as wide as the longest sequence, and what is behind it counts as real.",
        place="feedforward.conv1d",
        before="runtime.valid(lengths, tf.shape(x)[1])",
        after="runtime.valid(lengths, tf.reduce_max(lengths, keepdims=True)[0])\n"
        "    real = tf.pad(real, [[0, 0], [0, tf.shape(x)[1] - tf.shape(real)[1]]], constant_values=True)",
        by="ignores_extra_padding",
    ),
)

MUTANTS = (*DENSE, *CONVOLUTIONS)
