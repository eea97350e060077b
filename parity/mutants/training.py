"""Mutants in training: pad rows, weight decay, moments and updates."""

from __future__ import annotations

from functools import partial

from parity.mutants.mutant import Mutant
from parity.training.setup import STEPS

_pytorch_mutant = partial(Mutant, operation="model.text_classifier", subject="pytorch.packed", killed_by="trains_alike")
_tensorflow_mutant = partial(
    Mutant, operation="model.text_classifier", subject="tensorflow.masked", killed_by="trains_alike"
)

PAD_ROW = (
    _pytorch_mutant(
        name="training.pad_row_kept_as_a_view",
        mistake="The pad's row is saved as a view, so it decays together with the table.",
        location="optimiser.adamw",
        before=".detach().clone()",
        after=".detach()",
        optimiser="adamw",
    ),
    _pytorch_mutant(
        name="training.pad_row_put_back_late",
        mistake="The pad's row is restored before each step instead of after it, so one decay always remains.",
        location="optimiser.adamw",
        before="register_step_post_hook",
        after="register_step_pre_hook",
        optimiser="adamw",
    ),
    _tensorflow_mutant(
        name="training.pad_row_decays",
        mistake="Weight decay shrinks every row, including the pad's, although its gradient is zero.",
        location="optimiser.adamw",
        before="parameters[name].constraint = KeepRow(row, parameters[name][row])",
        after="pass",
        optimiser="adamw",
    ),
    _tensorflow_mutant(
        name="training.pad_row_zeroed",
        mistake="The pad's row is set to zero after each step instead of its initial value.",
        location="optimiser.KeepRow",
        before="[self.values]",
        after="[tf.zeros_like(self.values)]",
        optimiser="adamw",
    ),
    _tensorflow_mutant(
        name="training.table_spared_from_decay",
        mistake="The whole table is excluded from decay to protect its pad row.",
        location="optimiser.adamw",
        before="return AdamW(learning_rate, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon, weight_decay=weight_decay)",
        after=(
            "moments = {'beta_1': beta_1, 'beta_2': beta_2, 'epsilon': epsilon}\n"
            "    optimiser = AdamW(learning_rate, weight_decay=weight_decay, **moments)\n"
            "    optimiser.exclude_from_weight_decay(var_list=[parameters[name] for name in pad_rows])\n"
            "    return optimiser"
        ),
        optimiser="adamw",
    ),
)

DECAY = (
    _pytorch_mutant(
        name="training.decay_as_penalty",
        mistake="Adam is used instead of AdamW: decay is added to the gradient and then normalised.",
        location="optimiser.adamw",
        before="torch.optim.AdamW(",
        after="torch.optim.Adam(",
        optimiser="adamw",
    ),
    _pytorch_mutant(
        name="training.biases_not_decayed",
        mistake="Biases are excluded from decay, as in many recipes.",
        location="optimiser.adamw",
        before="        parameters.values(), lr",
        after=(
            '        [{"params": [w], "weight_decay": 0 if name.startswith("b") else weight_decay}\n'
            "         for name, w in parameters.items()], lr"
        ),
        optimiser="adamw",
    ),
    _tensorflow_mutant(
        name="training.decay_by_default",
        mistake="The decay keeps Keras' default, 0.004. PyTorch's default is 0.01.",
        location="optimiser.adamw",
        before=", weight_decay=weight_decay)",
        after=")",
        optimiser="adamw",
    ),
    _tensorflow_mutant(
        name="training.decay_without_learning_rate",
        mistake="The decay is not multiplied by the learning rate, as in the paper.",
        location="optimiser.adamw",
        before="weight_decay=weight_decay)",
        after="weight_decay=weight_decay / learning_rate)",
        optimiser="adamw",
    ),
)

MOMENTS = (
    _pytorch_mutant(
        name="training.momentum_dampened",
        mistake="The gradient is multiplied by 1 - momentum, as in a running mean.",
        location="optimiser.sgd",
        before="momentum=momentum)",
        after="momentum=momentum, dampening=momentum)",
        optimiser="momentum",
    ),
    _tensorflow_mutant(
        name="training.nesterov",
        mistake="Nesterov momentum is used instead of plain momentum.",
        location="optimiser.sgd",
        before="momentum=momentum)",
        after="momentum=momentum, nesterov=True)",
        optimiser="momentum",
    ),
    _tensorflow_mutant(
        name="training.momentum_forgotten",
        mistake="The momentum is not passed on.",
        location="optimiser.sgd",
        before=", momentum=momentum)",
        after=")",
        optimiser="momentum",
    ),
    _pytorch_mutant(
        name="training.amsgrad",
        mistake="`amsgrad=True` divides by the largest v so far, which changes rows of words absent from the batch.",
        location="optimiser.adam",
        before="eps=epsilon)",
        after="eps=epsilon, amsgrad=True)",
        optimiser="adam",
    ),
    _pytorch_mutant(
        name="training.epsilon_of_keras",
        mistake="Epsilon keeps Keras' default, 1e-7.",
        location="optimiser.adam",
        before="eps=epsilon)",
        after="eps=1e-7)",
        optimiser="adam",
    ),
    _pytorch_mutant(
        name="training.squares_by_another_decimal",
        mistake="`beta_2` is 0.99 instead of 0.999.",
        location="optimiser.adam",
        before="betas=(beta_1, beta_2)",
        after="betas=(beta_1, 0.99)",
        optimiser="adam",
    ),
    _tensorflow_mutant(
        name="training.epsilon_hat",
        mistake="Epsilon is added before v is corrected, which makes it 32 times as large in the first steps.",
        location="optimiser.AsInThePaper",
        before="tf.cast(self.epsilon * tf.sqrt(correction_2), variable.dtype)",
        after="self.epsilon",
        optimiser="adam",
    ),
    _tensorflow_mutant(
        name="training.moments_not_corrected",
        mistake="The moments are not corrected for starting at zero.",
        location="optimiser.AsInThePaper",
        before="tf.sqrt(correction_2 / rounded_2) * rounded_1 / correction_1",
        after="rounded_1 / tf.sqrt(rounded_2)",
        optimiser="adam",
    ),
)

CLIPPING = (
    _pytorch_mutant(
        name="training.each_gradient_clipped",
        mistake="Each gradient is clipped by its own norm, not all by their common one.",
        location="optimiser.clip",
        before=(
            "    norm = torch.stack([gradient.norm() for gradient in gradients]).norm()\n"
            "    for gradient in gradients:\n"
        ),
        after="    for gradient in gradients:\n        norm = gradient.norm()\n",
        optimiser="clipped",
    ),
    _pytorch_mutant(
        name="training.small_gradients_raised",
        operation="model.sentiment",
        subject="pytorch.packed",
        mistake="Gradients below the limit are scaled up to it.",
        location="optimiser.clip",
        before="norm.clamp(min=limit)",
        after="norm",
        optimiser="clipped",
    ),
    _pytorch_mutant(
        name="training.clipped_too_late",
        mistake="Gradients are clipped after the step that they are for.",
        location="optimiser.Trainer",
        before=(
            "        if self.clip_norm is not None:\n"
            "            clip([parameter.grad for parameter in self.parameters.values()], self.clip_norm)\n"
            "        self.optimiser.step()\n"
        ),
        after=(
            "        self.optimiser.step()\n"
            "        if self.clip_norm is not None:\n"
            "            clip([parameter.grad for parameter in self.parameters.values()], self.clip_norm)\n"
        ),
        optimiser="clipped",
    ),
    _tensorflow_mutant(
        name="training.each_variable_clipped",
        mistake="Each gradient is clipped by its own norm, as Keras' `clipnorm` does.",
        location="optimiser.Trainer",
        before="dense, _ = tf.clip_by_global_norm(dense, self.clip_norm)",
        after="dense = [tf.clip_by_norm(gradient, self.clip_norm) for gradient in dense]",
        optimiser="clipped",
    ),
    _tensorflow_mutant(
        name="training.clipped_by_value",
        mistake="Each number is clipped, not the norm of all of them.",
        location="optimiser.Trainer",
        before="dense, _ = tf.clip_by_global_norm(dense, self.clip_norm)",
        after="dense = [tf.clip_by_value(gradient, -self.clip_norm, self.clip_norm) for gradient in dense]",
        optimiser="clipped",
    ),
)

UPDATES = (
    _pytorch_mutant(
        name="training.gradients_not_zeroed",
        mistake="`zero_grad` is not called, so each step uses the sum of all gradients so far.",
        location="optimiser.Trainer",
        before="        self.optimiser.zero_grad()\n",
        after="",
        optimiser="sgd",
    ),
    _pytorch_mutant(
        name="training.sum_over_the_batch",
        mistake="The loss is summed over the batch instead of averaged, so steps grow with the batch.",
        location="optimiser.Trainer",
        before="loss.backward()",
        after='(loss * len(batch["lengths"])).backward()',
        optimiser="sgd",
    ),
    _pytorch_mutant(
        name="training.parameter_not_learned",
        mistake="One parameter is not passed to the optimiser.",
        location="optimiser.sgd",
        before="parameters.values()",
        after='[weight for name, weight in parameters.items() if name != "b_out"]',
        optimiser="sgd",
    ),
    _pytorch_mutant(
        name="training.gradients_clipped",
        mistake="Gradients are clipped by value, although no clipping is requested.",
        location="optimiser.Trainer",
        before="        self.optimiser.step()\n",
        after=(
            "        torch.nn.utils.clip_grad_value_(self.parameters.values(), 0.1)\n        self.optimiser.step()\n"
        ),
        optimiser="sgd",
    ),
    _tensorflow_mutant(
        name="training.steps_saved_up",
        mistake="Gradients of two batches are accumulated for each step.",
        location="optimiser.sgd",
        before="momentum=momentum)",
        after="momentum=momentum, gradient_accumulation_steps=2)",
        optimiser="sgd",
    ),
    _tensorflow_mutant(
        name="training.learning_rate_decays",
        mistake="A schedule lowers the learning rate a little after each step.",
        location="optimiser.sgd",
        before="keras.optimizers.SGD(learning_rate,",
        after="keras.optimizers.SGD(keras.optimizers.schedules.InverseTimeDecay(learning_rate, 1, 1e-4),",
        optimiser="sgd",
    ),
    _tensorflow_mutant(
        name="training.norms_clipped_one_by_one",
        mistake="`clipnorm` clips each variable separately, although no clipping is requested.",
        location="optimiser.sgd",
        before="momentum=momentum)",
        after="momentum=momentum, clipnorm=0.1)",
        optimiser="sgd",
    ),
    _tensorflow_mutant(
        name="training.repeated_words_squared_apart",
        mistake="Keras' Adam gets a sparse gradient, so rows of a repeated word are squared separately.",
        location="optimiser.Trainer",
        before="tf.convert_to_tensor(gradients[name])",
        after="gradients[name]",
        optimiser="adam",
    ),
    _tensorflow_mutant(  # scores 10 (limit 64) after a few steps, 33 norm-wise (limit 16) after STEPS
        name="training.corrections_in_single_precision",
        operation="model.sentiment",
        mistake="`1 - beta_2 ** step` is computed in float32, so steps are too small by about 100 roundoffs.",
        location="optimiser.AsInThePaper",
        before="learning_rate * tf.cast(lengthened, variable.dtype)",
        after="learning_rate",
        optimiser="adam",
        steps=STEPS,
    ),
)

MUTANTS = PAD_ROW + DECAY + MOMENTS + CLIPPING + UPDATES
