"""Mutants that hide NaN, change the process, remember earlier calls, or have wrong second derivatives only."""

from __future__ import annotations

from parity.mutants.mutant import Mutant

KEPT = """kept = vars(dense).get("real")
    fits = kept is not None and kept.shape[0] >= x.shape[0] and kept.shape[1] >= x.shape[1]
    real = vars(dense)["real"] = kept[: x.shape[0], : x.shape[1]] if fits else runtime.valid(lengths, x.shape[1])"""

NAN = (
    Mutant(
        name="effects.nan_replaced",
        operation="feedforward.dense",
        subject="pytorch.masked",
        mistake="`nan_to_num` is to protect from NaN in the padding, and hides that of real steps.",
        location="feedforward.dense",
        before="F.linear(runtime.only_real(real, x),",
        after="F.linear(torch.nan_to_num(runtime.only_real(real, x)),",
        killed_by="propagates_nan",
    ),
    Mutant(
        name="effects.only_finite_steps",
        operation="feedforward.dense",
        subject="tensorflow.masked",
        mistake="What is not finite is taken for padding.",
        location="feedforward.dense",
        before="runtime.only_real(real, x))",
        after="tf.where(tf.math.is_finite(x), runtime.only_real(real, x), tf.zeros_like(x)))",
        killed_by="propagates_nan",
    ),
    Mutant(
        name="effects.nan_taken_for_nothing",
        operation="alignment.ctc",
        subject="tensorflow.forward_algorithm",
        mistake="A sum that is NaN is not above 0, so it is taken for the probability 0, and its loss becomes 0.",
        location="alignment.log_sum",
        before="nothing = tf.equal(total, 0)",
        after="nothing = ~(total > 0)",
        killed_by="propagates_nan",
    ),
    Mutant(
        name="effects.nan_of_the_batch",
        operation="pooling.mean",
        subject="pytorch.masked_sum",
        mistake="One sequence with NaN makes the results of the whole batch NaN.",
        location="pooling.mean",
        before="only_real(x, lengths, left).sum(1)",
        after="(only_real(x, lengths, left).sum(1) + 0 * only_real(x, lengths, left).sum())",
        killed_by="propagates_nan",
    ),
)

EFFECTS = (
    Mutant(
        name="effects.global_seed",
        operation="feedforward.dense",
        subject="pytorch.masked",
        mistake="The function seeds the global generator, and with it whatever the caller samples next.",
        location="feedforward.dense",
        before="real = runtime.valid(lengths, x.shape[1])",
        after="torch.manual_seed(0)\n    real = runtime.valid(lengths, x.shape[1])",
        killed_by="no_side_effects",
    ),
    Mutant(
        name="effects.default_dtype",
        operation="feedforward.conv1d",
        subject="pytorch.masked",
        mistake="The default dtype becomes that of the input, and stays so.",
        location="feedforward.conv1d",
        before="real = runtime.valid(lengths, x.shape[1])",
        after="torch.set_default_dtype(x.dtype)\n    real = runtime.valid(lengths, x.shape[1])",
        killed_by="no_side_effects",
    ),
    Mutant(
        name="effects.epsilon_of_keras",
        operation="feedforward.dense",
        subject="tensorflow.masked",
        mistake="Keras' epsilon is changed for all layers.",
        location="feedforward.dense",
        before="real = runtime.valid(lengths, tf.shape(x)[1])",
        after="keras.config.set_epsilon(1e-3)\n    real = runtime.valid(lengths, tf.shape(x)[1])",
        killed_by="no_side_effects",
    ),
    Mutant(
        name="effects.random_state_of_numpy",
        operation="feedforward.conv1d",
        subject="tensorflow.masked",
        mistake="A number is sampled from NumPy's global generator, and not used.",
        location="feedforward.conv1d",
        before="real = runtime.valid(lengths, tf.shape(x)[1])",
        after='__import__("numpy").random.normal()\n    real = runtime.valid(lengths, tf.shape(x)[1])',
        killed_by="no_side_effects",
    ),
)

CALLS = (
    Mutant(
        name="effects.mask_of_a_larger_batch",
        operation="feedforward.dense",
        subject="pytorch.masked",
        mistake="The mask is kept, and cut to the size of a later, smaller batch, although it depends on the lengths.",
        location="feedforward.dense",
        before="real = runtime.valid(lengths, x.shape[1])",
        after=KEPT,
        killed_by="independent_of_earlier_calls",
    ),
    Mutant(
        name="effects.mask_kept_by_keras",
        operation="feedforward.dense",
        subject="tensorflow.masked",
        mistake="The mask is kept, and cut to the size of a later, smaller batch, although it depends on the lengths.",
        location="feedforward.dense",
        before="real = runtime.valid(lengths, tf.shape(x)[1])",
        after=KEPT,
        killed_by="independent_of_earlier_calls",
    ),
)

SECOND = (
    Mutant(
        name="effects.slope_is_a_constant",
        operation="rnn.lstm",
        subject="tensorflow.packed",
        mistake="The backward pass takes a slope for a constant: gradients are right, and cannot be differentiated.",
        location="packing.LSTM",
        before="c_before * f * (1 - f)",
        after="c_before * tf.stop_gradient(f * (1 - f))",
        killed_by="second_derivatives",
    ),
    Mutant(
        name="effects.straight_through",
        operation="feedforward.dense",
        subject="pytorch.masked",
        mistake="An activation is replaced by its tangent, whose first derivative is right, and whose second is 0.",
        location="feedforward.dense",
        before="y = ACTIVATIONS[activation](F.linear(runtime.only_real(real, x), w.T, bias))",
        after=(
            "a = F.linear(runtime.only_real(real, x), w.T, bias)\n"
            "    y = ACTIVATIONS[activation](a)\n"
            "    (slope,) = torch.autograd.grad(y.sum(), a, retain_graph=True)\n"
            "    y = y.detach() + slope * (a - a.detach())"
        ),
        killed_by="second_derivatives",
    ),
)

MUTANTS = NAN + EFFECTS + CALLS + SECOND
