"""Mutants in dense and convolutional layers."""

from __future__ import annotations

from parity.mutants.mutant import Mutant

DENSE = (
    Mutant(
        name="feedforward.activated_padding",
        operation="feedforward.dense",
        subject="tensorflow.masked",
        mistake="Only the input is masked, so padding holds the activation of the bias.",
        location="feedforward.dense",
        before='{"y": runtime.only_real(real, y)}',
        after='{"y": y}',
        killed_by="zero_gradient_at_padding",
    ),
    Mutant(
        name="feedforward.masked_before_the_activation",
        operation="feedforward.dense",
        subject="pytorch.masked",
        mistake="Padding is zeroed before the activation instead of after it, but the sigmoid of 0 is 0.5.",
        location="feedforward.dense",
        before="y = ACTIVATIONS[activation](F.linear(runtime.only_real(real, x), w.T, bias))\n"
        '    return {"y": runtime.only_real(real, y)}',
        after="y = runtime.only_real(real, F.linear(runtime.only_real(real, x), w.T, bias))\n"
        '    return {"y": ACTIVATIONS[activation](y)}',
        killed_by="zero_gradient_at_padding",
    ),
    Mutant(
        name="feedforward.zeroed_behind_the_gradients_back",
        operation="feedforward.dense",
        subject="pytorch.masked",
        mistake="Padding is zeroed through `.data`: the output is right, but padding still affects the bias gradient.",
        location="feedforward.dense",
        before='return {"y": runtime.only_real(real, y)}',
        after='y.data.masked_fill_(~real[:, :, None], 0)\n    return {"y": y}',
        killed_by="ignores_padding",
    ),
    Mutant(
        name="feedforward.nan_in_the_kernels_gradient",
        operation="feedforward.dense",
        subject="tensorflow.masked",
        mistake="Only the output is masked, so the kernel's gradient multiplies NaN in the padding by 0.",
        location="feedforward.dense",
        before="runtime.only_real(real, x))",
        after="x)",
        killed_by="ignores_padding",
    ),
    Mutant(
        name="feedforward.mask_one_step_late",
        operation="feedforward.dense",
        subject="pytorch.masked",
        mistake="`<=` instead of `<` makes one step of padding count as real.",
        location="feedforward.dense",
        before="real = runtime.valid(lengths, x.shape[1])",
        after="real = torch.arange(x.shape[1]) <= lengths[:, None]",
        killed_by="ignores_padding",
    ),
    Mutant(
        name="feedforward.layer_of_float32",
        operation="feedforward.dense",
        subject="tensorflow.masked",
        mistake="A Keras layer without a dtype casts its input to float32.",
        location="feedforward.dense",
        before="y = runtime.call_layer(layer, [w, bias], runtime.only_real(real, x))",
        after="layer = built(keras.layers.Dense, x.shape[2], tf.float32, units=w.shape[1], activation=activation)\n"
        "    y = tf.cast(runtime.call_layer(layer, [w, bias], runtime.only_real(real, x)), x.dtype)",
        killed_by="matches_reference",
    ),
    Mutant(
        name="feedforward.input_zeroed_in_place",
        operation="feedforward.dense",
        subject="pytorch.masked",
        mistake="The caller's padding is zeroed in place: the output is right, but the input has changed.",
        location="feedforward.dense",
        before="y = ACTIVATIONS[activation](F.linear(runtime.only_real(real, x), w.T, bias))",
        after="x.data[~real] = 0\n    y = ACTIVATIONS[activation](F.linear(x, w.T, bias))",
        killed_by="no_side_effects",
    ),
)

CONVOLUTIONS = (
    Mutant(
        name="feedforward.masked_at_the_end_only",
        operation="feedforward.conv1d",
        subject="pytorch.masked",
        mistake="Padding is zeroed only after the last layer, so the second layer reads the first one's bias there.",
        location="feedforward.conv1d",
        before="        y = runtime.only_real(real, y)  # or the next layer would see the bias behind the end\n"
        '    return {"y": y}',
        after='    return {"y": runtime.only_real(real, y)}',
        killed_by="independent_of_batchmates",
    ),
    Mutant(
        name="feedforward.looks_into_the_padding",
        operation="feedforward.conv1d",
        subject="tensorflow.masked",
        mistake="Only the output is masked, so the last real steps depend on the padding after them.",
        location="feedforward.conv1d",
        before="y = runtime.only_real(real, x)",
        after="y = x",
        killed_by="ignores_padding",
    ),
    Mutant(
        name="feedforward.padding_times_zero",
        operation="feedforward.conv1d",
        subject="pytorch.masked",
        mistake="The input is multiplied by the mask. NaN remains, and the convolution spreads it to real steps.",
        location="feedforward.conv1d",
        before="y = runtime.only_real(real, x)",
        after="y = x * real[:, :, None]",
        killed_by="ignores_padding",
    ),
    Mutant(
        name="feedforward.causal_the_wrong_way",
        operation="feedforward.conv1d",
        subject="pytorch.masked",
        mistake="`F.pad` takes the left side first. With sides swapped, each step sees the future and no past.",
        location="feedforward.convolved",
        before="(kernel.shape[2] - 1, 0)",
        after="(0, kernel.shape[2] - 1)",
        killed_by="matches_reference",
    ),
    Mutant(
        name="feedforward.same_for_causal",
        operation="feedforward.conv1d",
        subject="tensorflow.masked",
        mistake="Every Keras layer gets `same` padding, so a causal one sees one step ahead.",
        location="feedforward.convolved",
        before='"padding": padding',
        after='"padding": "same"',
        killed_by="frameworks_agree",
    ),
    Mutant(
        name="feedforward.kernel_reversed",
        operation="feedforward.conv1d",
        subject="pytorch.masked",
        mistake="The kernel is reversed, as in a mathematical convolution. Both frameworks compute a correlation.",
        location="feedforward.torch_layout",
        before="kernel.permute(2, 1, 0)",
        after="kernel.permute(2, 1, 0).flip(2)",
        killed_by="frameworks_agree",
    ),
    Mutant(
        name="feedforward.first_bias_twice",
        operation="feedforward.conv1d",
        subject="tensorflow.masked",
        mistake="The second layer uses the first one's bias, which has the same shape.",
        location="feedforward.conv1d",
        before="convolved(y, kernel, shift, padding)",
        after="convolved(y, kernel, bias[0], padding)",
        killed_by="matches_reference",
    ),
    Mutant(
        name="feedforward.filled_up_to_the_longest",
        operation="feedforward.conv1d",
        subject="tensorflow.masked",
        mistake="The mask covers only the longest length, and all steps beyond it count as real.",
        location="feedforward.conv1d",
        before="runtime.valid(lengths, tf.shape(x)[1])",
        after="runtime.valid(lengths, tf.reduce_max(lengths, keepdims=True)[0])\n"
        "    real = tf.pad(real, [[0, 0], [0, tf.shape(x)[1] - tf.shape(real)[1]]], constant_values=True)",
        killed_by="ignores_extra_padding",
    ),
)

MUTANTS = DENSE + CONVOLUTIONS
