"""List the generated mutants that compute the same as what they change, each with the reason."""

from __future__ import annotations

# Conditions on sizes that are not met where these are None: "as many rows as steps" would be.
KNOWN_SIZES = ("above four rows", "past a byte of steps", "as many steps as features", "one row")
OPEN = "where a graph is traced, the sizes of the batch are open, so that the condition does not hold"
PADDING = "it is the target or the token of a padded step, whose loss or row is masked"
ALONE = "with a single row, it is the same"
WHOLE = "a whole number has no gradient"
SQUARE = "the weights of the outputs are square"
NO_GRADIENT = "it has no gradient already"
MORE_WINDOWS = "zeros behind the last step make more windows, which are cut off"
ONE_STEP = "a mask of one step is the same for one real step and for two"
STATE_SIZES = "TensorFlow reads the sizes of states where no initial ones are given"
ZEROS = "batch, self.steps = tf.size(lengths), tf.reduce_max(tf.pad(lengths, [[{}, {}]]))"
BIAS_OF_KEYS = """return {
        "in_proj_weight": w_in.flatten(1).T,  # (3H, H)
        "in_proj_bias": torch.cat([q, torch.ones_like(q), v]),
        "out_proj.weight": w_out.T,
        "out_proj.bias": bias_out,
    }"""
OF_SPEED = {"choice"}  # files that choose among functions with the same results
# A mutant by hand and the condition, or a place and what stands there -> why it computes the same.
EQUIVALENT: dict[tuple[str, str], str] = {
    **{("masking.skipped_in_a_graph", kind): OPEN for kind in KNOWN_SIZES},
    **{("normalisation.guarded_in_eager_only", kind): OPEN for kind in KNOWN_SIZES},
    ("pooling.segments_renumbered", "one row"): ALONE,
    ("attention.one_sequence_for_all", "one row"): ALONE,
    ("pooling.static_steps", "one row"): ALONE,
    ("masking.one_start_for_all", "one row"): ALONE,
    ("packing.bucket_states_not_sorted", "one row"): ALONE,
    ("cells.states_of_the_packed_rows", "one row"): ALONE,
    ("rnn.reshaped_to_time_major", "one row"): ALONE,
    ("rnn.initial_states_not_sorted", "one row"): ALONE,
    ("states.rows_counted_again", "one row"): ALONE,
    ("pooling.lengths_sorted", "one row"): ALONE,
    ("decoder.longest_memory", "one row"): ALONE,
    ("loss.empty_sequences_dilute", "one row"): ALONE,
    ("states.first_row_for_all", "one row"): ALONE,
    (
        "embedding.scaled_by_frequency",
        "tokens = tf.where(real, tokens, tf.constant(padding_index or 1, tokens.dtype))",
    ): PADDING,
    ("embedding.lookup", "tokens = torch.where(real, tokens, padding_index or 1)"): PADDING,
    ("embedding.lookup", "tokens = tf.where(real, tokens, tf.constant(padding_index or 1, tokens.dtype))"): PADDING,
    (
        "generation.cached_attention",
        "keys, values = (torch.where(earlier[:, :, None, None], cache, 1) for cache in (keys, values))",
    ): "the weight of a slot that is free is exactly 0",
    ("documents.next_token_loss", "targets = tf.where(followed, following, tf.constant(1, tokens.dtype))"): PADDING,
    ("metrics.count_by_mask", "true = F.one_hot(torch.where(real, targets, 1), classes) * real[:, :, None]"): PADDING,
    (
        "holes.cross_entropy",
        'return {"loss": loss.with_keras_mask(mean_loss, tf.where(kept, targets, 1), logits, kept)}',
    ): PADDING,
    ("loss.class_weights", "targets = tf.where(real, targets, 1)"): PADDING,
    (
        "loss.by_token",
        'losses = F.cross_entropy(runtime.only_real(real, logits).mT, torch.where(real, targets, 1), reduction="none")',
    ): PADDING,
    (
        "loss.label_smoothing",
        "targets = tf.one_hot(tf.where(real, targets, 1), logits.shape[2], dtype=logits.dtype)",
    ): PADDING,
    (
        "masking.length_from_features",
        'return {"length": (torch.where(frame_used(x), ends, 0).amax(1)).detach()}',
    ): WHOLE,
    ("masking.positions", 'return {"position": tf.stop_gradient((tf.where(real, position, 0)))}'): WHOLE,
    ("masking.positions", 'return {"position": (torch.where(real, position, 0)).detach()}'): WHOLE,
    (
        "documents.positions",
        'return {"positions": tf.stop_gradient((placed(within, real))), '
        '"document_lengths": placed(tf.repeat(sizes, sizes), real)}',
    ): WHOLE,
    (
        "metrics.accumulated_gradient",
        'return {"gradient": tf.stop_gradient((tf.stop_gradient(gradient)))}',
    ): NO_GRADIENT,
    ("metrics.accumulated_gradient", 'return {"gradient": (w.grad).detach()}'): NO_GRADIENT,
    ("metrics.f1_score", 'return {"f1": (2 * hits.to(logits.dtype) / counted.clamp(min=1)).detach()}'): NO_GRADIENT,
    (
        "masking.sequence_mask",
        'return {"mask": tf.stop_gradient((tf.sequence_mask(lengths, maxlen=tf.shape(x)[1])))}',
    ): WHOLE,
    ("masking.mask_from_features", 'return {"mask": tf.stop_gradient((layer.compute_mask(x))), "y": layer(x)}'): WHOLE,
    **{
        (f"model.{model}", f"loss = cross_entropy(logits[:, None], speaker[:, None], {mask})"): ONE_STEP
        for model in ("text_classifier", "vowel_speaker")
        for mask in ("tf.minimum(lengths, 2)", "lengths.clamp(max=2)")
    },
    **{
        ("model.sentiment", f"loss = binary_cross_entropy(logits[:, None], leads[:, None], {mask})"): ONE_STEP
        for mask in ("tf.minimum(lengths, 2)", "lengths.clamp(max=2)")
    },
    (
        "documents.shifted",
        "values, ids = tf.pad(x, [[0, 0], margins, [0, 0]]), tf.pad(segments, [[0, 0], margins], constant_values=1)",
    ): "what is padded is 0, whichever document it counts to",
    (
        "documents.shifted",
        "values, ids = tf.pad(x, [[0, 0], margins, [0, 0]]), tf.pad(segments, [[0, 0], margins], constant_values=-2)",
    ): "no document has that number either",
    ("documents.shifted", "margins = [before, size - 1 + before]"): MORE_WINDOWS,
    ("documents.convolution", 'return {"y": (x.new_zeros(*x.shape[:2], len(bias))).detach()}'): NO_GRADIENT,
    (
        "documents.self_attention",
        "y = by_function(weights, x, tf.linalg.band_part(mask, -2, 0) if causal else mask)",
    ): "any negative number keeps the whole triangle",
    (
        "strided.averages",
        "return F.avg_pool1d(at_least(x, kernel + 2 * padding).mT, kernel, stride, padding).mT",
    ): MORE_WINDOWS,
    (
        "strided.convolved",
        "x = at_least(runtime.only_real(runtime.valid(lengths, x.shape[1]), x), span + 2 * padding)",
    ): MORE_WINDOWS,
    ("normalisation.trained", "twice = steps.expand(3, -1)"): "three copies have the same mean and variance too",
    (
        "normalisation.biased",
        "return kept + (variance - kept) * (n - 1) / n if n >= 1 else variance",
    ): "the variance of one step is 0, so that only its older part is there",
    (
        "crf.negative_log_likelihood",
        "scores, targets = runtime.only_real(kept, scores), tf.where(kept, targets, 1)",
    ): PADDING,
    ("alignment.ctc", 'return {"loss": (logits.sum((1, 2))).detach()}'): "there is no sequence to have a gradient",
    (
        "alignment.dense_labels",
        "target_lengths = tf.where(spelt, target_lengths, 1)",
    ): "the loss of a sequence that is too short is finite here, and masked",
    (
        "alignment.log_sum",
        "largest = tf.where(tf.math.is_finite(largest), largest, tf.ones_like(largest))",
    ): "any finite number is subtracted and added again",
    (
        "alignment.log_sum",
        "log_total = tf.math.log(tf.where(nothing, tf.zeros_like(total), total)) + largest[..., 0]",
    ): "the slope of the log of 0 reaches a constant only",
    ("cells.truncated_lstm", "count = (steps + chunk + 1) // chunk"): "a chunk behind the last holds no real step",
    (
        "cells.Cell",
        "self.state_size, self.output_size = list(widths), widths[1]",
    ): "Keras reads the size of outputs for a symbolic call only",
    (
        "packing.LSTM",
        "of_c = gates.new_empty(len(gates), 4, self.hidden)",
    ): "what is written beyond three gates is the place of o, which is written afterwards",
    ("cells.stacked_lstm", "count, hidden = len(bias), bias[1].shape[1]"): "all layers have as many units",
    ("packing.one_layer", "b_in, b_rec = b_in - b_rec, None"): "the second bias is zero, but in a GRU",
    ("packing.Layout", ZEROS.format(1, 1)): "more zeros have the same maximum",
    ("packing.Layout", ZEROS.format(0, 2)): "more zeros have the same maximum",
    ("rnn.Cell", "states = 3 if kind is keras.layers.LSTM else 1"): STATE_SIZES,
    ("rnn.Cell", "states = 2 if kind is keras.layers.LSTM else 2"): STATE_SIZES,
    (
        "rnn.pack_state",
        "return tuple(states) if len(states) >= 1 else states[0]",
    ): "a tuple of one state is unpacked to the same list",
    (
        "attention.nested",
        "values, offsets = x[real], F.pad(lengths.cumsum(0), (2, 0))",
    ): "an empty sequence before the others has no values",
    ("attention.torch_layout", BIAS_OF_KEYS): "a bias of the keys moves all scores of a step alike",
    (
        "attention.keras_layout",
        "return [q * lost, b_q * lost, k, tf.ones_like(b_q), v, b_v, tf.reshape(w_out, [heads, size, -1]), bias_out]",
    ): "a bias of the keys moves all scores of a step alike",
    ("attention.keras_layout", "size = w_out.shape[1] // heads"): SQUARE,
    ("decoder.cross_layout", "size = w_out.shape[1] // heads"): SQUARE,
    (
        "bidirectional.states_or_zeros",
        "zeros = tf.zeros([len(weights), 3, tf.shape(x)[0], one_way.width(weights[0])], x.dtype)",
    ): "two of three directions are read",
}
