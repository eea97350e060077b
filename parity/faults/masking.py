"""Faults in masks: where a sequence ends, what counts as padding, and what is done with a mask once it is there."""

from __future__ import annotations

from parity.faults.fault import Fault

FROM_LENGTHS = (
    Fault(
        name="masking.one_step_too_many",
        operation="masking.sequence_mask",
        subject="pytorch.arange",
        what="The last position is taken for the length: `<=` lets one step of padding in.",
        place="masking.sequence_mask",
        before="< lengths[:, None]",
        after="<= lengths[:, None]",
        by="accepts_empty_sequences",
    ),
    Fault(
        name="masking.as_wide_as_the_longest",
        operation="masking.sequence_mask",
        subject="tensorflow.sequence_mask",
        what="`tf.sequence_mask` without `maxlen`: the mask is as wide as the longest sequence, not as the batch.",
        place="masking.sequence_mask",
        before="tf.sequence_mask(lengths, maxlen=tf.shape(x)[1])",
        after="tf.sequence_mask(lengths)",
        by="ignores_extra_padding",
    ),
    Fault(
        name="masking.width_unknown_in_a_graph",
        operation="masking.sequence_mask",
        subject="tensorflow.sequence_mask",
        what="T is asked of the static shape, which is None in a graph, and `maxlen=None` means the longest sequence.",
        place="masking.sequence_mask",
        before="maxlen=tf.shape(x)[1]",
        after="maxlen=x.shape[1]",
        by="ignores_extra_padding",
    ),
)

FROM_TOKENS = (
    Fault(
        name="masking.true_on_padding",
        operation="masking.mask_from_tokens",
        subject="pytorch.not_equal",
        what="True on padding, as `key_padding_mask` has it, where True on real tokens is asked for.",
        place="masking.mask_from_tokens",
        before="tokens.ne(padding_index)",
        after="tokens.eq(padding_index)",
        by="zero_gradient_at_padding",
    ),
    Fault(
        name="masking.pad_taken_for_zero",
        operation="masking.mask_from_tokens",
        subject="pytorch.not_equal",
        what="`tokens > 0`: right until a vocabulary has its pad elsewhere.",
        place="masking.mask_from_tokens",
        before="tokens.ne(padding_index)",
        after="tokens.gt(0)",
        by="zero_gradient_at_padding",
    ),
    Fault(
        name="masking.tokens_counted",
        operation="masking.mask_from_tokens",
        subject="tensorflow.not_equal",
        what="Lengths are counted from the tokens that are no pad: a pad in the middle cuts the end off.",
        place="masking.mask_from_tokens",
        before="mask, y = tf.not_equal(tokens, padding_index), tf.gather(table, tokens)",
        after=(
            "y, words = tf.gather(table, tokens), tf.cast(tf.not_equal(tokens, padding_index), tf.int32)\n"
            "        mask = tf.sequence_mask(tf.reduce_sum(words, 1), tf.shape(tokens)[1])"
        ),
        by="matches_reference",
    ),
    Fault(
        name="masking.mask_zero_trusted",
        operation="masking.mask_from_tokens",
        subject="tensorflow.mask_zero",
        what="`mask_zero` is believed to zero the pad's embedding: row 0 is as random as the others, and is trained.",
        place="masking.mask_from_tokens",
        before='layer.compute_mask(tokens), native.call_layer(layer, [table], tokens)\n    return {"mask": mask, "y": native.only_real(mask, y)}',
        after='layer.compute_mask(tokens), native.call_layer(layer, [table], tokens)\n    return {"mask": mask, "y": y}',
        by="zero_gradient_at_padding",
    ),
    Fault(
        name="masking.pad_row_times_mask",
        operation="masking.mask_from_tokens",
        subject="pytorch.not_equal",
        what="The pad's row is multiplied by the mask: NaN times 0 is NaN.",
        place="masking.mask_from_tokens",
        before="torch.where(mask[:, :, None], y, 0)",
        after="y * mask[:, :, None]",
        by="ignores_padding",
    ),
)

FROM_FEATURES = (
    Fault(
        name="masking.features_that_cancel",
        operation="masking.mask_from_features",
        subject="pytorch.any_feature",
        what="A frame is padding if its features add up to 0: so is one of 1 and -1.",
        place="masking.frame_used",
        before="x.ne(0).any(-1)",
        after="x.sum(-1).ne(0)",
        by="matches_reference",
    ),
    Fault(
        name="masking.first_feature_only",
        operation="masking.mask_from_features",
        subject="tensorflow.any_feature",
        what="A frame is padding if its first feature is 0.",
        place="masking.frame_used",
        before="tf.reduce_any(tf.not_equal(x, 0), -1)",
        after="tf.not_equal(x[:, :, 0], 0)",
        by="matches_reference",
    ),
    Fault(
        name="masking.gradient_at_padding",
        operation="masking.mask_from_features",
        subject="pytorch.any_feature",
        what="Padding is zero already, so it is not masked again: its gradient is not zero.",
        place="masking.mask_from_features",
        before="torch.where(mask[:, :, None], x, 0)",
        after="x",
        by="zero_gradient_at_padding",
    ),
    Fault(
        name="masking.masking_layer_for_its_mask_only",
        operation="masking.mask_from_features",
        subject="tensorflow.masking_layer",
        what="The mask of `keras.layers.Masking` is taken and its output is not: gradients run into the padding.",
        place="masking.mask_from_features",
        before='"y": layer(x)',
        after='"y": x',
        by="zero_gradient_at_padding",
    ),
)

LENGTHS_FROM_FEATURES = (
    Fault(
        name="masking.frames_counted",
        operation="masking.length_from_features",
        subject="pytorch.last_frame",
        what="The frames that are not zero are counted: a pause in the middle makes the sequence shorter.",
        place="masking.length_from_features",
        before="torch.where(frame_used(x), ends, 0).amax(1)",
        after="frame_used(x).sum(1)",
        by="matches_reference",
    ),
    Fault(
        name="masking.ends_at_the_first_pause",
        operation="masking.length_from_features",
        subject="tensorflow.last_frame",
        what="The first frame of zeros is taken for the end.",
        place="masking.length_from_features",
        before="tf.reduce_max(tf.where(frame_used(x), ends, 0), 1)",
        after="tf.reduce_sum(tf.math.cumprod(tf.cast(frame_used(x), ends.dtype), 1), 1)",
        by="matches_reference",
    ),
    Fault(
        name="masking.position_for_length",
        operation="masking.length_from_features",
        subject="tensorflow.last_frame",
        what="The position of the last frame is taken for the length, which is one more.",
        place="masking.length_from_features",
        before="tf.range(1, tf.shape(x)[1] + 1)",
        after="tf.range(tf.shape(x)[1])",
        by="matches_reference",
    ),
)

APPLIED = (
    Fault(
        name="masking.frames_times_mask",
        operation="masking.mask_frames",
        subject="pytorch.where",
        what="Frames are multiplied by the mask: NaN times 0 is NaN.",
        place="masking.mask_frames",
        before="torch.where(real, x, 0)",
        after="x * real",
        by="ignores_padding",
    ),
    Fault(
        name="masking.cleaned_going_forward",
        operation="masking.mask_frames",
        subject="tensorflow.where",
        what="NaN is taken out before the product with the mask, which the gradient meets too, with NaN of its own.",
        place="masking.mask_frames",
        before="tf.where(real, x, tf.zeros((), x.dtype))",
        after="tf.where(tf.math.is_finite(x), x, tf.zeros((), x.dtype)) * tf.cast(real, x.dtype)",
        by="ignores_padding",
    ),
    Fault(
        name="masking.filled_in_place",
        operation="masking.mask_frames",
        subject="pytorch.masked_fill",
        what="`masked_fill_`: the caller's batch is changed too.",
        place="masking.mask_frames",
        before='return {"y": x.masked_fill(~real, 0)}',
        after="x.detach().masked_fill_(~real, 0)",
        by="repeatable",
    ),
    Fault(
        name="masking.single_precision",
        operation="masking.mask_frames",
        subject="tensorflow.where",
        what="The mask is made of float32, and float64 frames are multiplied in that.",
        place="masking.mask_frames",
        before="tf.where(real, x, tf.zeros((), x.dtype))",
        after="tf.cast(tf.where(real, tf.cast(x, tf.float32), 0.0), x.dtype)",
        by="matches_reference",
    ),
)

FAULTS = FROM_LENGTHS + FROM_TOKENS + FROM_FEATURES + LENGTHS_FROM_FEATURES + APPLIED
