"""Mutants in rows that are kept short: whose norm it is, what is scaled, and what learns of it."""

from __future__ import annotations

from parity.mutants.mutant import Mutant

MUTANTS = (
    Mutant(
        name="embedding.norm_of_the_batch",
        operation="embedding.clipped_by_norm",
        subject="tensorflow.embedding_lookup",
        what="`tf.clip_by_norm` without `axes`: one norm for the whole batch.",
        place="embedding.clipped_by_norm",
        before="tf.nn.embedding_lookup(table, tokens, max_norm=max_norm)",
        after="tf.clip_by_norm(tf.nn.embedding_lookup(table, tokens), max_norm)",
        by="independent_of_batchmates",
    ),
    Mutant(
        name="embedding.norm_of_nan",
        operation="embedding.clipped_by_norm",
        subject="tensorflow.embedding_lookup",
        what="The output is masked and the pad's row is not: the gradient of its norm multiplies by NaN.",
        place="embedding.clipped_by_norm",
        before=(
            "table = tf.where(pad[:, None], tf.zeros((), table.dtype), table)\n"
            '    return {"y": tf.nn.embedding_lookup(table, tokens, max_norm=max_norm)}'
        ),
        after='return {"y": runtime.only_real(real, tf.nn.embedding_lookup(table, tokens, max_norm=max_norm))}',
        by="ignores_padding",
    ),
    Mutant(
        name="embedding.short_rows_lengthened",
        operation="embedding.clipped_by_norm",
        subject="pytorch.clamp",
        what="Rows that are short enough are scaled too, up to the largest norm.",
        place="embedding.clipped_by_norm",
        before="norm.clamp(min=max_norm)",
        after="norm.clamp(min=1e-7)",
        by="matches_reference",
    ),
    Mutant(
        name="embedding.norm_detached",
        operation="embedding.clipped_by_norm",
        subject="pytorch.clamp",
        what="The norm is taken for a constant: outputs are right and gradients are not.",
        place="embedding.clipped_by_norm",
        before="norm.clamp(min=max_norm)",
        after="norm.detach().clamp(min=max_norm)",
        by="matches_reference",
    ),
    Mutant(
        name="embedding.norm_with_epsilon",
        operation="embedding.clipped_by_norm",
        subject="pytorch.clamp",
        what="The 1e-7 that `torch.renorm` adds to a norm, which float64 sees.",
        place="embedding.clipped_by_norm",
        before="norm.clamp(min=max_norm)",
        after="(norm + 1e-7).clamp(min=max_norm)",
        by="frameworks_agree",
    ),
    Mutant(
        name="embedding.table_shortened_in_place",
        operation="embedding.max_norm",
        subject="pytorch.max_norm",
        what="`max_norm` shortens the caller's table, on top of what it looks up.",
        place="embedding.max_norm",
        before="table.clone()",
        after="table",
        by="repeatable",
    ),
    Mutant(
        name="embedding.norm_without_epsilon",
        operation="embedding.max_norm",
        subject="tensorflow.custom_gradient",
        what="PyTorch's 1e-7 is left out, which float64 sees.",
        place="embedding.max_norm",
        before="(norm + 1e-7)",
        after="norm",
        by="frameworks_agree",
    ),
    Mutant(
        name="embedding.gradient_scaled_too",
        operation="embedding.max_norm",
        subject="tensorflow.custom_gradient",
        what="The gradient is scaled like the row, as if the scale were a constant of the graph.",
        place="embedding.max_norm",
        before="lambda cotangent: cotangent",
        after="lambda cotangent: tf.where(norm > max_norm, cotangent * max_norm / (norm + 1e-7), cotangent)",
        by="matches_reference",
    ),
)
