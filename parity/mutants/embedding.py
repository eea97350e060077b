"""Mutants in embeddings: pad tokens, frequencies and masked layers after the lookup."""

from __future__ import annotations

from parity.mutants.mutant import Mutant

PAD_TOKENS = (
    Mutant(
        name="embedding.padding_idx_trusted",
        operation="embedding.lookup",
        subject="pytorch.padding_idx",
        mistake="`padding_idx` is assumed to give zeros, but it only freezes the pad's row, whatever its values.",
        location="embedding.lookup",
        before="runtime.only_real(real, y)",
        after="y",
        killed_by="zero_gradient_at_padding",
    ),
    Mutant(
        name="embedding.pad_is_falsy",
        operation="embedding.lookup",
        subject="tensorflow.indexed_slices",
        mistake="`if not padding_index` takes pad 0 for no pad, so its row is trained where it occurs among words.",
        location="embedding.real_tokens",
        before="if padding_index is None",
        after="if not padding_index",
        killed_by="zero_gradient_at_padding",
    ),
    Mutant(
        name="embedding.pad_always_zero",
        operation="embedding.lookup",
        subject="pytorch.sparse",
        mistake="`padding_idx=0` is used for every vocabulary. If 0 is not the pad, word 0 is never trained.",
        location="embedding.lookup",
        before="padding_idx=padding_index",
        after="padding_idx=0",
        killed_by="matches_reference",
    ),
    Mutant(
        name="embedding.mask_zero_without_a_pad",
        operation="embedding.lookup",
        subject="tensorflow.mask_zero",
        mistake="`mask_zero=True` is used for a vocabulary in which token 0 is a word.",
        location="embedding.lookup",
        before="mask_zero=padding_index == 0",
        after="mask_zero=True",
        killed_by="matches_reference",
    ),
    Mutant(
        name="embedding.pad_row_times_mask_torch",
        operation="embedding.lookup",
        subject="pytorch.padding_idx",
        mistake="The pad's row is multiplied by the mask, and NaN times 0 is NaN.",
        location="embedding.lookup",
        before="runtime.only_real(real, y)",
        after="y * real[:, :, None]",
        killed_by="ignores_padding",
    ),
    Mutant(
        name="embedding.pad_row_times_mask_keras",
        operation="embedding.lookup",
        subject="tensorflow.indexed_slices",
        mistake="The pad's row is multiplied by the mask, and NaN times 0 is NaN.",
        location="embedding.lookup",
        before="runtime.only_real(real, tf.gather(table, tokens))",
        after="tf.gather(table, tokens) * tf.cast(real, table.dtype)[:, :, None]",
        killed_by="ignores_padding",
    ),
    Mutant(
        name="embedding.tokens_overwritten",
        operation="embedding.lookup",
        subject="pytorch.padding_idx",
        mistake="Padding is replaced by the pad token in place, which changes the caller's tokens.",
        location="embedding.lookup",
        before="tokens = torch.where(real, tokens, padding_index or 0)",
        after="tokens[~real] = padding_index or 0",
        killed_by="no_side_effects",
    ),
)

FREQUENCIES = (
    Mutant(
        name="embedding.padding_counted",
        operation="embedding.scaled_by_frequency",
        subject="pytorch.scale_grad_by_freq",
        mistake="Padding is looked up too, so it adds to the frequency of the pad or of token 0.",
        location="embedding.scaled_by_frequency",
        before="y[real] = F.embedding(tokens[real], table, scale_grad_by_freq=True)",
        after=(
            "tokens = torch.where(real, tokens, padding_index or 0)\n"
            "    y = runtime.only_real(real, F.embedding(tokens, table, scale_grad_by_freq=True))"
        ),
        killed_by="ignores_extra_padding",
    ),
    Mutant(
        name="embedding.absent_tokens",
        operation="embedding.scaled_by_frequency",
        subject="tensorflow.custom_gradient",
        mistake="A token that is absent from the batch has frequency 0, so its gradient is 0 / 0.",
        location="embedding.scaled_by_frequency",
        before="tf.maximum(count, 1)",
        after="count",
        killed_by="matches_reference",
    ),
    Mutant(
        name="embedding.share_of_the_batch",
        operation="embedding.scaled_by_frequency",
        subject="tensorflow.custom_gradient",
        mistake="The gradient is divided by a token's share of the batch instead of its count.",
        location="embedding.scaled_by_frequency",
        before="tf.maximum(count, 1), cotangent.dtype)[:, None]",
        after="tf.maximum(count, 1) / tf.maximum(tf.size(spoken), 1), cotangent.dtype)[:, None]",
        killed_by="matches_reference",
    ),
)

NEXT_LAYER = (
    Mutant(
        name="embedding.bias_on_padding",
        operation="embedding.masked_dense",
        subject="tensorflow.mask_zero",
        mistake="`Dense` is assumed to apply the mask, but it only passes it on, and its bias fills the padding.",
        location="embedding.masked_dense",
        before="runtime.only_real(real_tokens(tokens, lengths, padding_index), y)",
        after="y",
        killed_by="zero_gradient_at_padding",
    ),
    Mutant(
        name="embedding.bias_on_pad_tokens",
        operation="embedding.masked_dense",
        subject="tensorflow.mask_zero",
        mistake="The next layer is masked by lengths only, so a pad among the words receives the bias.",
        location="embedding.masked_dense",
        before="runtime.only_real(real_tokens(tokens, lengths, padding_index), y)",
        after="runtime.only_real(real_tokens(tokens, lengths, None), y)",
        killed_by="matches_reference",
    ),
    Mutant(
        name="embedding.gradient_times_mask",
        operation="embedding.masked_dense",
        subject="pytorch.padding_idx",
        mistake="The finite output is multiplied by the mask, but its gradient at padding may be NaN.",
        location="embedding.masked_dense",
        before="runtime.only_real(real_tokens(tokens, lengths, padding_index), y)",
        after="y * real_tokens(tokens, lengths, padding_index)[:, :, None]",
        killed_by="ignores_padding",
    ),
    Mutant(
        name="embedding.half_the_digits",
        operation="embedding.masked_dense",
        subject="pytorch.padding_idx",
        mistake="The product is always computed in float32, as under autocast, whatever the model's dtype.",
        location="embedding.masked_dense",
        before="F.linear(x, w.T, b)",
        after="F.linear(x.float(), w.T.float(), b.float()).to(x.dtype)",
        killed_by="matches_reference",
    ),
)

MUTANTS = PAD_TOKENS + FREQUENCIES + NEXT_LAYER
