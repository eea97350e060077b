"""Mutants in embeddings: what a pad token looks up, what its row learns, and what stands behind it."""

from __future__ import annotations

from parity.mutants.mutant import Mutant

THE_PAD = (
    Mutant(
        name="embedding.padding_idx_trusted",
        operation="embedding.lookup",
        subject="pytorch.padding_idx",
        what="`padding_idx` is believed to give zeros: it freezes the pad's row, whatever that row holds.",
        place="embedding.lookup",
        before="runtime.only_real(real, y)",
        after="y",
        by="zero_gradient_at_padding",
    ),
    Mutant(
        name="embedding.pad_is_falsy",
        operation="embedding.lookup",
        subject="tensorflow.indexed_slices",
        what="`if not padding_index`: pad 0 counts as no pad at all, and is trained where it stands among words.",
        place="embedding.real_tokens",
        before="if padding_index is None",
        after="if not padding_index",
        by="zero_gradient_at_padding",
    ),
    Mutant(
        name="embedding.pad_always_zero",
        operation="embedding.lookup",
        subject="pytorch.sparse",
        what="`padding_idx=0` for every vocabulary: where the pad is another, or there is none, word 0 never learns.",
        place="embedding.lookup",
        before="padding_idx=padding_index",
        after="padding_idx=0",
        by="matches_reference",
    ),
    Mutant(
        name="embedding.mask_zero_without_a_pad",
        operation="embedding.lookup",
        subject="tensorflow.mask_zero",
        what="`mask_zero=True` for a vocabulary whose token 0 is a word.",
        place="embedding.lookup",
        before="mask_zero=padding_index == 0",
        after="mask_zero=True",
        by="matches_reference",
    ),
    Mutant(
        name="embedding.pad_row_times_mask_torch",
        operation="embedding.lookup",
        subject="pytorch.padding_idx",
        what="The pad's row is multiplied by the mask: NaN times 0 is NaN.",
        place="embedding.lookup",
        before="runtime.only_real(real, y)",
        after="y * real[:, :, None]",
        by="ignores_padding",
    ),
    Mutant(
        name="embedding.pad_row_times_mask_keras",
        operation="embedding.lookup",
        subject="tensorflow.indexed_slices",
        what="The pad's row is multiplied by the mask: NaN times 0 is NaN.",
        place="embedding.lookup",
        before="runtime.only_real(real, tf.gather(table, tokens))",
        after="tf.gather(table, tokens) * tf.cast(real, table.dtype)[:, :, None]",
        by="ignores_padding",
    ),
    Mutant(
        name="embedding.tokens_overwritten",
        operation="embedding.lookup",
        subject="pytorch.padding_idx",
        what="Padding is set to the pad in place: the caller's tokens are changed.",
        place="embedding.lookup",
        before="tokens = torch.where(real, tokens, padding_index or 0)",
        after="tokens[~real] = padding_index or 0",
        by="repeatable",
    ),
)

BY_FREQUENCY = (
    Mutant(
        name="embedding.padding_counted",
        operation="embedding.scaled_by_frequency",
        subject="pytorch.scale_grad_by_freq",
        what="Padding is looked up too, and counts as token 0 in the frequencies.",
        place="embedding.scaled_by_frequency",
        before="y[real] = F.embedding(tokens[real], table, scale_grad_by_freq=True)",
        after=(
            "tokens = torch.where(real, tokens, padding_index or 0)\n"
            "    y = runtime.only_real(real, F.embedding(tokens, table, scale_grad_by_freq=True))"
        ),
        by="ignores_extra_padding",
    ),
    Mutant(
        name="embedding.absent_tokens",
        operation="embedding.scaled_by_frequency",
        subject="tensorflow.custom_gradient",
        what="A token that is not in the batch occurs 0 times, and 0 is divided by 0.",
        place="embedding.scaled_by_frequency",
        before="tf.maximum(count, 1)",
        after="count",
        by="matches_reference",
    ),
    Mutant(
        name="embedding.share_of_the_batch",
        operation="embedding.scaled_by_frequency",
        subject="tensorflow.custom_gradient",
        what="The gradient is divided by the share of a token in the batch, and not by how often it occurs.",
        place="embedding.scaled_by_frequency",
        before="tf.maximum(count, 1), cotangent.dtype)[:, None]",
        after="tf.maximum(count, 1) / tf.maximum(tf.size(spoken), 1), cotangent.dtype)[:, None]",
        by="matches_reference",
    ),
)

BEHIND_IT = (
    Mutant(
        name="embedding.bias_on_padding",
        operation="embedding.masked_dense",
        subject="tensorflow.mask_zero",
        what="`Dense` is believed to apply the mask that it hands on: its bias fills the padding.",
        place="embedding.masked_dense",
        before="runtime.only_real(real_tokens(tokens, lengths, padding_index), y)",
        after="y",
        by="zero_gradient_at_padding",
    ),
    Mutant(
        name="embedding.bias_on_pad_tokens",
        operation="embedding.masked_dense",
        subject="tensorflow.mask_zero",
        what="The layer behind is masked by lengths alone: a pad among the words gets the bias.",
        place="embedding.masked_dense",
        before="runtime.only_real(real_tokens(tokens, lengths, padding_index), y)",
        after="runtime.only_real(real_tokens(tokens, lengths, None), y)",
        by="matches_reference",
    ),
    Mutant(
        name="embedding.gradient_times_mask",
        operation="embedding.masked_dense",
        subject="pytorch.padding_idx",
        what="Outputs are finite, so a product with the mask seems safe: what comes back is not finite.",
        place="embedding.masked_dense",
        before="runtime.only_real(real_tokens(tokens, lengths, padding_index), y)",
        after="y * real_tokens(tokens, lengths, padding_index)[:, :, None]",
        by="ignores_padding",
    ),
    Mutant(
        name="embedding.half_the_digits",
        operation="embedding.masked_dense",
        subject="pytorch.padding_idx",
        what="The product is computed in float32 whatever the model's dtype, as autocast would.",
        place="embedding.masked_dense",
        before="F.linear(x, w.T, b)",
        after="F.linear(x.float(), w.T.float(), b.float()).to(x.dtype)",
        by="matches_reference",
    ),
)

MUTANTS = THE_PAD + BY_FREQUENCY + BEHIND_IT
