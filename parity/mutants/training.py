"""Mutants in training: optimisers whose conventions are not those asked for, pad rows, and the step around them."""

from __future__ import annotations

from functools import partial

from parity.mutants.mutant import Mutant
from parity.training.setup import STEPS

_trained = partial(Mutant, operation="model.text_classifier", by="trains_alike")
_pytorch, _tensorflow = (partial(_trained, subject=subject) for subject in ("pytorch.packed", "tensorflow.masked"))

PAD_ROW = (
    _pytorch(
        name="training.pad_row_kept_as_a_view",
        what="The pad's row is kept to be put back, but as a view: it decays with the table.",
        place="optimiser.adamw",
        before=".detach().clone()",
        after=".detach()",
        optimiser="adamw",
    ),
    _pytorch(
        name="training.pad_row_put_back_late",
        what="The pad's row is put back before each step, and not after: it is always one decay short.",
        place="optimiser.adamw",
        before="register_step_post_hook",
        after="register_step_pre_hook",
        optimiser="adamw",
    ),
    _tensorflow(
        name="training.pad_row_decays",
        what="Weight decay shrinks every row, the pad's too: its gradient of zero does not save it.",
        place="optimiser.adamw",
        before="parameters[name].constraint = KeepRow(row, parameters[name][row])",
        after="pass",
        optimiser="adamw",
    ),
    _tensorflow(
        name="training.pad_row_zeroed",
        what="The pad's row is set to zero after each step, and not to what it was.",
        place="optimiser.KeepRow",
        before="[self.values]",
        after="[tf.zeros_like(self.values)]",
        optimiser="adamw",
    ),
    _tensorflow(
        name="training.table_spared_from_decay",
        what="The whole table is spared from decay for the sake of its pad row.",
        place="optimiser.adamw",
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
    _pytorch(
        name="training.decay_as_penalty",
        what="Adam with `weight_decay` is taken for AdamW: its decay is added to the gradient, and normalised away.",
        place="optimiser.adamw",
        before="torch.optim.AdamW(",
        after="torch.optim.Adam(",
        optimiser="adamw",
    ),
    _pytorch(
        name="training.biases_not_decayed",
        what="Biases are left out of the decay, as many recipes have it.",
        place="optimiser.adamw",
        before="        parameters.values(), lr",
        after=(
            '        [{"params": [w], "weight_decay": 0 if name.startswith("b") else weight_decay}\n'
            "         for name, w in parameters.items()], lr"
        ),
        optimiser="adamw",
    ),
    _tensorflow(
        name="training.decay_by_default",
        what="The decay is left at Keras' default, 0.004, where PyTorch's is 0.01.",
        place="optimiser.adamw",
        before=", weight_decay=weight_decay)",
        after=")",
        optimiser="adamw",
    ),
    _tensorflow(
        name="training.decay_without_learning_rate",
        what="The decay is that of the paper, which is not multiplied by the learning rate.",
        place="optimiser.adamw",
        before="weight_decay=weight_decay)",
        after="weight_decay=weight_decay / learning_rate)",
        optimiser="adamw",
    ),
)

MOMENTS = (
    _pytorch(
        name="training.momentum_dampened",
        what="The gradient is multiplied by 1 - momentum, as in a running mean.",
        place="optimiser.sgd",
        before="momentum=momentum)",
        after="momentum=momentum, dampening=momentum)",
        optimiser="momentum",
    ),
    _tensorflow(
        name="training.nesterov",
        what="Nesterov's momentum, where plain momentum is asked for.",
        place="optimiser.sgd",
        before="momentum=momentum)",
        after="momentum=momentum, nesterov=True)",
        optimiser="momentum",
    ),
    _tensorflow(
        name="training.momentum_forgotten",
        what="Momentum is not handed on.",
        place="optimiser.sgd",
        before=", momentum=momentum)",
        after=")",
        optimiser="momentum",
    ),
    _pytorch(
        name="training.amsgrad",
        what="`amsgrad=True`: rows of words that are not in the batch are divided by what v once was.",
        place="optimiser.adam",
        before="eps=epsilon)",
        after="eps=epsilon, amsgrad=True)",
        optimiser="adam",
    ),
    _pytorch(
        name="training.epsilon_of_keras",
        what="Epsilon is Keras' default, 1e-7.",
        place="optimiser.adam",
        before="eps=epsilon)",
        after="eps=1e-7)",
        optimiser="adam",
    ),
    _pytorch(
        name="training.squares_by_another_decimal",
        what="`beta_2` is 0.99, one 9 short.",
        place="optimiser.adam",
        before="betas=(beta_1, beta_2)",
        after="betas=(beta_1, 0.99)",
        optimiser="adam",
    ),
    _tensorflow(
        name="training.epsilon_hat",
        what="Epsilon is added to the root before v is corrected: in the first steps it weighs 32 times as much.",
        place="optimiser.AsInThePaper",
        before="tf.cast(self.epsilon * tf.sqrt(correction_2), variable.dtype)",
        after="self.epsilon",
        optimiser="adam",
    ),
    _tensorflow(
        name="training.moments_not_corrected",
        what="The moments are not corrected for having begun at zero.",
        place="optimiser.AsInThePaper",
        before="tf.sqrt(correction_2 / rounded_2) * rounded_1 / correction_1",
        after="rounded_1 / tf.sqrt(rounded_2)",
        optimiser="adam",
    ),
)

UPDATES = (
    _pytorch(
        name="training.gradients_not_zeroed",
        what="`zero_grad` is forgotten: each step takes all gradients so far.",
        place="optimiser.Trainer",
        before="        self.optimiser.zero_grad()\n",
        after="",
        optimiser="sgd",
    ),
    _pytorch(
        name="training.sum_over_the_batch",
        what="The loss is summed over the batch, and not averaged: the learning rate grows with it.",
        place="optimiser.Trainer",
        before="loss.backward()",
        after='(loss * len(batch["lengths"])).backward()',
        optimiser="sgd",
    ),
    _pytorch(
        name="training.parameter_not_learned",
        what="One parameter is not handed to the optimiser.",
        place="optimiser.sgd",
        before="parameters.values()",
        after='[weight for name, weight in parameters.items() if name != "b_out"]',
        optimiser="sgd",
    ),
    _pytorch(
        name="training.gradients_clipped",
        what="Gradients are clipped by value, which a recipe brought along.",
        place="optimiser.Trainer",
        before="        self.optimiser.step()\n",
        after=(
            "        torch.nn.utils.clip_grad_value_(self.parameters.values(), 0.1)\n        self.optimiser.step()\n"
        ),
        optimiser="sgd",
    ),
    _tensorflow(
        name="training.steps_saved_up",
        what="Gradients of two batches are saved up for each step.",
        place="optimiser.sgd",
        before="momentum=momentum)",
        after="momentum=momentum, gradient_accumulation_steps=2)",
        optimiser="sgd",
    ),
    _tensorflow(
        name="training.learning_rate_decays",
        what="A schedule lowers the learning rate a little after each step.",
        place="optimiser.sgd",
        before="keras.optimizers.SGD(learning_rate,",
        after="keras.optimizers.SGD(keras.optimizers.schedules.InverseTimeDecay(learning_rate, 1, 1e-4),",
        optimiser="sgd",
    ),
    _tensorflow(
        name="training.norms_clipped_one_by_one",
        what="`clipnorm` clips each variable by itself, where nothing was to be clipped.",
        place="optimiser.sgd",
        before="momentum=momentum)",
        after="momentum=momentum, clipnorm=0.1)",
        optimiser="sgd",
    ),
    _tensorflow(
        name="training.repeated_words_squared_apart",
        what="The sparse gradient goes to Keras' Adam as it is: rows of a repeated word are squared one by one.",
        place="optimiser.Trainer",
        before="tf.convert_to_tensor(gradients[name])",
        after="gradients[name]",
        optimiser="adam",
    ),
    _tensorflow(  # 10 noise floors of 64 after a few steps; after as many as a default run trains, 33 of 16 norm-wise
        name="training.corrections_in_single_precision",
        operation="model.sentiment",
        what="`1 - beta_2 ** step` in float32, where 0.999 is 0.99900001: steps are short by a hundred roundoffs.",
        place="optimiser.AsInThePaper",
        before="learning_rate * tf.cast(lengthened, variable.dtype)",
        after="learning_rate",
        optimiser="adam",
        steps=STEPS,
    ),
)

MUTANTS = PAD_ROW + DECAY + MOMENTS + UPDATES
