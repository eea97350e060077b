"""Faults in the terms of a loss: what NaN in the padding does to them, what they mean, and their gradients."""

from __future__ import annotations

from parity.faults.fault import Fault

NAN_IN_THE_PADDING = (
    Fault(
        name="loss.masked_afterwards",
        operation="loss.sequence_loss",
        subject="pytorch.weighted",
        what="The losses on padding are left out, but they were computed: the loss is clean, and its gradient is NaN.",
        place="loss.by_token",
        before="native.only_real(real, logits).mT",
        after="logits.mT",
        by="ignores_padding",
    ),
    Fault(
        name="loss.masked_afterwards_keras",
        operation="loss.binary_cross_entropy",
        subject="tensorflow.keras_mask",
        what="The target is left as it is on padding, and Keras multiplies its loss by the mask: NaN times 0 is NaN.",
        place="loss._elementwise",
        before="prediction, target = native.only_real(real, prediction), native.only_real(real, target)",
        after="prediction = native.only_real(real, prediction)",
        by="ignores_padding",
    ),
    Fault(
        name="loss.selected_afterwards",
        operation="loss.binary_cross_entropy",
        subject="pytorch.weighted",
        what="Every element's loss is computed, and a choice keeps the real ones: its gradient meets NaN all the same.",
        place="loss._elementwise",
        before="loss(native.only_real(real, prediction), native.only_real(real, target), ",
        after="loss(prediction, target, ",
        by="ignores_padding",
    ),
    Fault(
        name="loss.times_the_mask",
        operation="loss.mean_squared_error",
        subject="pytorch.weighted",
        what="Predictions on padding are multiplied by 0 instead of being replaced by it.",
        place="loss._elementwise",
        before="loss(native.only_real(real, prediction), ",
        after="loss(prediction * real[:, :, None], ",
        by="ignores_padding",
    ),
    Fault(
        name="loss.times_the_mask_keras",
        operation="loss.cross_entropy",
        subject="tensorflow.keras_mask",
        what="Logits on padding are multiplied by the mask: inf times 0 is NaN.",
        place="loss.cross_entropy",
        before="native.only_real(real, logits)",
        after="logits * tf.cast(real, logits.dtype)[:, :, None]",
        by="ignores_padding",
    ),
)

MEANING = (
    Fault(
        name="loss.softmax_twice",
        operation="loss.cross_entropy",
        subject="pytorch.flattened",
        what="Probabilities go into a loss that takes logits: the softmax is applied twice, and learning is slow.",
        place="loss.cross_entropy",
        before="F.cross_entropy(logits[real], ",
        after="F.cross_entropy(logits[real].softmax(1), ",
        by="matches_reference",
    ),
    Fault(
        name="loss.logits_taken_for_probabilities",
        operation="loss.binary_cross_entropy",
        subject="tensorflow.keras_mask",
        what="from_logits is left out, and Keras takes logits for probabilities, clipped to 0 and 1.",
        place="loss.binary_cross_entropy",
        before="from_logits=True, ",
        after="",
        by="frameworks_agree",
    ),
    Fault(
        name="loss.labels_and_logits_swapped",
        operation="loss.binary_cross_entropy",
        subject="tensorflow.weighted",
        what="Labels and logits in the wrong order: both are floats of one shape, so nobody complains.",
        place="loss.sigmoid_cross_entropy",
        before="with_logits(target, logits)",
        after="with_logits(logits, target)",
        by="frameworks_agree",
    ),
    Fault(
        name="loss.exponential_overflows",
        operation="loss.binary_cross_entropy",
        subject="tensorflow.flattened",
        what="log(1 + exp(x)), as in the book: inf for logits above 88.",
        place="loss.sigmoid_cross_entropy",
        before="tf.nn.sigmoid_cross_entropy_with_logits(target, logits)",
        after="tf.math.log(1 + tf.exp(logits)) - target * logits",
        by="matches_reference",
    ),
    Fault(
        name="loss.rest_for_the_others_only",
        operation="loss.label_smoothing",
        subject="pytorch.ignore_index",
        what="What smoothing takes from the target is shared by the C - 1 others, not by all C classes.",
        place="loss.label_smoothing",
        before="label_smoothing=smoothing)",
        after="label_smoothing=smoothing * logits.shape[2] / (logits.shape[2] - 1))",
        by="frameworks_agree",
    ),
    Fault(
        name="loss.computed_in_float32",
        operation="loss.mean_of_sequences",
        subject="pytorch.weighted",
        what="Logits are cast to float32, as half precision needs it, and so are those of float64.",
        place="loss.by_token",
        before='native.only_real(real, logits).mT, torch.where(real, targets, 0), reduction="none")',
        after='native.only_real(real, logits).mT.float(), torch.where(real, targets, 0), reduction="none")\n'
        "    losses = losses.to(logits.dtype)",
        by="matches_reference",
    ),
)

GRADIENTS = (
    Fault(
        name="loss.target_detached",
        operation="loss.mean_squared_error",
        subject="pytorch.flattened",
        what="The target counts as data: where it is another network's output, that one learns nothing.",
        place="loss._elementwise",
        before="target[real], ",
        after="target[real].detach(), ",
        by="matches_reference",
    ),
    Fault(
        name="loss.weights_learn",
        operation="loss.class_weights",
        subject="tensorflow.keras_mask",
        what="A gradient reaches the class weights, and training would make the hard classes weigh nothing.",
        place="loss.class_weights",
        before="tf.stop_gradient(class_weight)",
        after="class_weight",
        by="matches_reference",
    ),
    Fault(
        name="loss.targets_overwritten",
        operation="loss.label_smoothing",
        subject="pytorch.ignore_index",
        what="The caller's targets are filled with -100 in place, for whoever reads them next.",
        place="loss.summed",
        before="torch.where(real, targets, -100)",
        after="targets.masked_fill_(~real, -100)",
        by="repeatable",
    ),
)

FAULTS = (*NAN_IN_THE_PADDING, *MEANING, *GRADIENTS)
