"""Mutants in embeddings whose rows have a maximum norm."""

from __future__ import annotations

from parity.mutants.mutant import Mutant

MUTANTS = (
    Mutant(
        name="embedding.norm_of_the_batch",
        operation="embedding.clipped_by_norm",
        subject="tensorflow.embedding_lookup",
        mistake="`tf.clip_by_norm` is called without `axes`, so one norm is computed for the whole batch.",
        location="embedding.clipped_by_norm",
        before="tf.nn.embedding_lookup(table, tokens, max_norm=max_norm)",
        after="tf.clip_by_norm(tf.nn.embedding_lookup(table, tokens), max_norm)",
        killed_by="independent_of_batchmates",
    ),
    Mutant(
        name="embedding.norm_of_nan",
        operation="embedding.clipped_by_norm",
        subject="tensorflow.embedding_lookup",
        mistake="The output is masked but the pad's row is not, so the gradient of its norm multiplies 0 by NaN.",
        location="embedding.clipped_by_norm",
        before=(
            "table = tf.where(pad[:, None], tf.zeros((), table.dtype), table)\n"
            '    return {"y": tf.nn.embedding_lookup(table, tokens, max_norm=max_norm)}'
        ),
        after='return {"y": runtime.only_real(real, tf.nn.embedding_lookup(table, tokens, max_norm=max_norm))}',
        killed_by="ignores_padding",
    ),
    Mutant(
        name="embedding.short_rows_lengthened",
        operation="embedding.clipped_by_norm",
        subject="pytorch.clamp",
        mistake="Rows below the maximum norm are also scaled, up to that norm.",
        location="embedding.clipped_by_norm",
        before="norm.clamp(min=max_norm)",
        after="norm.clamp(min=1e-7)",
        killed_by="matches_reference",
    ),
    Mutant(
        name="embedding.norm_detached",
        operation="embedding.clipped_by_norm",
        subject="pytorch.clamp",
        mistake="The norm is treated as a constant: outputs are right, but gradients are wrong.",
        location="embedding.clipped_by_norm",
        before="norm.clamp(min=max_norm)",
        after="norm.detach().clamp(min=max_norm)",
        killed_by="matches_reference",
    ),
    Mutant(
        name="embedding.norm_with_epsilon",
        operation="embedding.clipped_by_norm",
        subject="pytorch.clamp",
        mistake="1e-7 is added to the norm, as in `torch.renorm`, which is visible in float64.",
        location="embedding.clipped_by_norm",
        before="norm.clamp(min=max_norm)",
        after="(norm + 1e-7).clamp(min=max_norm)",
        killed_by="frameworks_agree",
    ),
    Mutant(
        name="embedding.table_shortened_in_place",
        operation="embedding.max_norm",
        subject="pytorch.max_norm",
        mistake="`max_norm` also rescales the rows of the caller's table, in place.",
        location="embedding.max_norm",
        before="table.clone()",
        after="table",
        killed_by="no_side_effects",
    ),
    Mutant(
        name="embedding.norm_without_epsilon",
        operation="embedding.max_norm",
        subject="tensorflow.custom_gradient",
        mistake="The 1e-7 that PyTorch adds to the norm is left out, which is visible in float64.",
        location="embedding.max_norm",
        before="(norm + 1e-7)",
        after="norm",
        killed_by="frameworks_agree",
    ),
    Mutant(
        name="embedding.gradient_scaled_too",
        operation="embedding.max_norm",
        subject="tensorflow.custom_gradient",
        mistake="The gradient is scaled like the row, as if the scale were a constant factor of the output.",
        location="embedding.max_norm",
        before="lambda cotangent: cotangent",
        after="lambda cotangent: tf.where(norm > max_norm, cotangent * max_norm / (norm + 1e-7), cotangent)",
        killed_by="matches_reference",
    ),
)
