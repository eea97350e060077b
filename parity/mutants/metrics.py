"""Mutants in what is computed over several batches: what each of them weighs, and what passes from one to the next."""

from __future__ import annotations

from parity.mutants.mutant import Mutant

AVERAGES = (
    Mutant(
        name="metrics.mean_of_batch_means",
        operation="metrics.corpus_loss",
        subject="pytorch.weighted_means",
        mistake="The means of all batches are averaged, so that a step weighs the more, the fewer its batch has.",
        location="metrics.mean_loss",
        before="batch_total = batch_mean * batch_steps",
        after="batch_total, batch_steps = batch_mean, torch.ones_like(batch_steps)",
        killed_by="same_however_split",
    ),
    Mutant(
        name="metrics.weighted_by_rows",
        operation="metrics.corpus_loss",
        subject="pytorch.weighted_means",
        mistake="The mean of a batch is weighted by its rows, as by `len(batch)`, instead of its real steps.",
        location="metrics.mean_loss",
        before="batch_total = batch_mean * batch_steps",
        after="batch_total, batch_steps = batch_mean * len(z), batch_steps * 0 + len(z)",
        killed_by="same_however_split",
    ),
    Mutant(
        name="metrics.all_steps_counted",
        operation="metrics.corpus_loss",
        subject="tensorflow.summed",
        mistake="The sum is divided by the number of all steps, padding included.",
        location="metrics.mean_loss",
        before="steps + tf.reduce_sum(weights)",
        after="steps + tf.reduce_sum(tf.ones_like(weights))",
        killed_by="ignores_extra_padding",
    ),
    Mutant(
        name="metrics.last_batch_lost",
        operation="metrics.corpus_loss",
        subject="tensorflow.keras_metric",
        mistake="The state of the metric starts anew with every batch, so the last one alone counts.",
        location="metrics.mean_loss",
        before="metric.stateless_update_state(state, ",
        after="metric.stateless_update_state(metric.stateless_reset_state(), ",
        killed_by="same_however_split",
    ),
    Mutant(
        name="metrics.metric_without_weights",
        operation="metrics.corpus_loss",
        subject="tensorflow.keras_metric",
        mistake="The mask is not passed to the metric, which counts padding as steps without a loss.",
        location="metrics.mean_loss",
        before=", sample_weight=flat(weights))",
        after=")",
        killed_by="ignores_extra_padding",
    ),
    Mutant(
        name="metrics.incomplete_batch_dropped",
        operation="metrics.corpus_loss",
        subject="pytorch.summed",
        mistake="Rows that do not fill a batch are dropped, as by `drop_last=True`. None is, where B is a multiple.",
        location="metrics.batches",
        before="tensor.tensor_split(splits) for tensor",
        after="tensor[: len(tensor) // splits * splits or None].tensor_split(splits) for tensor",
        killed_by="same_however_split",
    ),
)

PERPLEXITIES = (
    Mutant(
        name="metrics.mean_of_perplexities",
        operation="metrics.perplexity",
        subject="pytorch.weighted_means",
        mistake="The perplexities of the batches are averaged: exp of a mean is not the mean of exp.",
        location="metrics.mean_loss",
        before="batch_total = batch_mean * batch_steps\n"
        "        total, steps = total + batch_total, steps + batch_steps\n"
        "    return total / steps.clamp(min=1)",
        after="batch_total = batch_mean.exp() * batch_steps\n"
        "        total, steps = total + batch_total, steps + batch_steps\n"
        "    return (total / steps.clamp(min=1)).log()",
        killed_by="same_however_split",
    ),
    Mutant(
        name="metrics.unweighted_mean_of_perplexities",
        operation="metrics.perplexity",
        subject="pytorch.summed",
        mistake="The perplexities of the batches are averaged, whatever number of steps each has.",
        location="metrics.perplexity",
        before="mean = mean_loss(logits, targets, lengths, splits, variant)\n"
        '    return {"perplexity": torch.where(lengths.sum() > 0, mean.exp(), 0)}',
        after="parts = [part for part in batches(splits, logits, targets, lengths) if part[2].sum() > 0]\n"
        "    values = [mean_loss(*part, 1, variant).exp() for part in parts] or [logits.sum() * 0]\n"
        '    return {"perplexity": torch.stack(values).mean()}',
        killed_by="same_however_split",
    ),
    Mutant(
        name="metrics.perplexity_of_an_empty_batch",
        operation="metrics.perplexity",
        subject="pytorch.summed",
        mistake="The perplexities of the batches are averaged; that of a batch without a real step is NaN.",
        location="metrics.perplexity",
        before="mean = mean_loss(logits, targets, lengths, splits, variant)\n"
        '    return {"perplexity": torch.where(lengths.sum() > 0, mean.exp(), 0)}',
        after="parts = batches(splits, logits, targets, lengths)\n"
        "    masked = [(z, y, runtime.valid(n, z.shape[1])) for z, y, n in parts]\n"
        "    values = [F.cross_entropy(z[real], y[real]).exp() for z, y, real in masked]\n"
        '    return {"perplexity": torch.stack(values).mean()}',
        killed_by="accepts_empty_sequences",
    ),
    Mutant(
        name="metrics.mean_of_perplexities_with_steps",
        operation="metrics.perplexity",
        subject="tensorflow.summed",
        mistake="The perplexities of all batches with a real step are averaged, whatever number of steps each has.",
        location="metrics.perplexity",
        before="mean = mean_loss(logits, targets, lengths, splits, variant)\n"
        '    return {"perplexity": tf.where(tf.reduce_sum(lengths) > 0, tf.exp(mean), tf.zeros_like(mean))}',
        after="parts = list(batches(splits, logits, targets, lengths))\n"
        "    real = tf.cast(tf.stack([tf.reduce_sum(part[2]) > 0 for part in parts]), logits.dtype)\n"
        "    values = tf.exp(tf.stack([mean_loss(*part, 1, variant) for part in parts])) * real\n"
        '    return {"perplexity": tf.math.divide_no_nan(tf.reduce_sum(values), tf.reduce_sum(real))}',
        killed_by="same_however_split",
    ),
    Mutant(
        name="metrics.empty_batch_of_perplexity_one",
        operation="metrics.perplexity",
        subject="tensorflow.summed",
        mistake="The perplexities of the batches are averaged; a batch without a real step counts as exp(0).",
        location="metrics.perplexity",
        before="mean = mean_loss(logits, targets, lengths, splits, variant)\n"
        '    return {"perplexity": tf.where(tf.reduce_sum(lengths) > 0, tf.exp(mean), tf.zeros_like(mean))}',
        after="parts = batches(splits, logits, targets, lengths)\n"
        "    values = tf.exp(tf.stack([mean_loss(*part, 1, variant) for part in parts]))\n"
        '    return {"perplexity": tf.reduce_mean(values)}',
        killed_by="same_however_split",
    ),
    Mutant(
        name="metrics.perplexity_of_nothing",
        operation="metrics.perplexity",
        subject="pytorch.summed",
        mistake="Without a real step, the perplexity is exp(0), as if every word had been predicted.",
        location="metrics.perplexity",
        before="torch.where(lengths.sum() > 0, mean.exp(), 0)",
        after="mean.exp()",
        killed_by="accepts_empty_sequences",
    ),
    Mutant(
        name="metrics.perplexity_in_bits",
        operation="metrics.perplexity",
        subject="tensorflow.summed",
        mistake="2 is raised to a loss in nats.",
        location="metrics.perplexity",
        before="tf.exp(mean)",
        after="2**mean",
        killed_by="matches_reference",
    ),
    Mutant(
        name="metrics.perplexity_of_the_first_batch",
        operation="metrics.perplexity",
        subject="tensorflow.summed",
        mistake="The sum starts anew with every batch, but the number of steps does not; one batch alone is right.",
        location="metrics.mean_loss",
        before="total + tf.reduce_sum(losses)",
        after="tf.reduce_sum(losses)",
        killed_by="same_however_split",
    ),
    Mutant(
        name="metrics.perplexity_detached",
        operation="metrics.perplexity",
        subject="pytorch.summed",
        mistake="The sum of a batch is taken by `item()`, as for a log, so that no gradient passes.",
        location="metrics.mean_loss",
        before="total + batch_total",
        after="total + batch_total.item()",
        killed_by="matches_reference",
    ),
    Mutant(
        name="metrics.perplexity_of_sequences",
        operation="metrics.perplexity",
        subject="pytorch.summed",
        mistake="The loss of each sequence is averaged first: a step weighs the more, the shorter its sequence is.",
        location="metrics.mean_loss",
        before="        batch_total = loss.summed(z, target, runtime.valid(length, z.shape[1]))\n"
        "        batch_steps = length.sum()",
        after="        by_token = loss.by_token(z, target, runtime.valid(length, z.shape[1]))\n"
        "        batch_total = (by_token.sum(1) / length.clamp(min=1)).sum()\n"
        "        batch_steps = (length > 0).sum()",
        killed_by="matches_reference",
    ),
)

COUNTS = (
    Mutant(
        name="metrics.right_padding_counts",
        operation="metrics.token_accuracy",
        subject="pytorch.masked",
        mistake="Padding counts as right where its class is predicted.",
        location="metrics.token_accuracy",
        before="((z.argmax(2) == target) & real).sum()",
        after="(z.argmax(2) == torch.where(real, target, 0)).sum()",
        killed_by="ignores_padding",
    ),
    Mutant(
        name="metrics.accuracy_of_all_steps",
        operation="metrics.token_accuracy",
        subject="pytorch.selected",
        mistake="Right steps are divided by all steps of the padded batch.",
        location="metrics.token_accuracy",
        before="steps + real.sum()",
        after="steps + real.new_tensor(real.numel(), dtype=torch.long)",
        killed_by="ignores_extra_padding",
    ),
    Mutant(
        name="metrics.accuracy_without_weights",
        operation="metrics.token_accuracy",
        subject="tensorflow.keras_metric",
        mistake="The metric of Keras gets no `sample_weight`, and counts padding.",
        location="metrics.token_accuracy",
        before=", sample_weight=flat(tf.cast(real, z.dtype)))",
        after=")",
        killed_by="ignores_padding",
    ),
    Mutant(
        name="metrics.mean_of_accuracies",
        operation="metrics.token_accuracy",
        subject="tensorflow.masked",
        mistake="The accuracies of the batches are averaged, whatever their numbers of real steps.",
        location="metrics.token_accuracy",
        before="right = right + tf.reduce_sum(tf.cast(real & (tf.argmax(z, 2) == target), z.dtype))\n"
        "            steps = steps + tf.reduce_sum(tf.cast(real, z.dtype))",
        after="weights = tf.cast(real, z.dtype)\n"
        "            hits = tf.reduce_sum(tf.cast(tf.argmax(z, 2) == target, z.dtype) * weights)\n"
        "            right = right + hits / tf.maximum(tf.reduce_sum(weights), 1)\n"
        "            steps = steps + tf.ones((), z.dtype)",
        killed_by="same_however_split",
    ),
    Mutant(
        name="metrics.f1_of_padding",
        operation="metrics.f1_score",
        subject="pytorch.one_hot",
        mistake="What is predicted on padding counts as predicted.",
        location="metrics.count_by_mask",
        before="F.one_hot(logits.argmax(2), classes) * real[:, :, None]",
        after="F.one_hot(logits.argmax(2), classes)",
        killed_by="ignores_extra_padding",
    ),
    Mutant(
        name="metrics.jaccard_for_f1",
        operation="metrics.f1_score",
        subject="pytorch.bincount",
        mistake="Hits are counted once in the divisor, which gives the Jaccard index.",
        location="metrics.f1_score",
        before='{"f1": 2 * hits.to(logits.dtype) / counted.clamp(min=1)}',
        after='{"f1": hits.to(logits.dtype) / (counted - hits).clamp(min=1)}',
        killed_by="matches_reference",
    ),
    Mutant(
        name="metrics.mean_of_f1_scores",
        operation="metrics.f1_score",
        subject="pytorch.one_hot",
        mistake="The F1 scores of the batches are averaged: a ratio of sums is no mean of ratios.",
        location="metrics.f1_score",
        before="hits, counted = hits + batch_hits, counted + batch_counted\n"
        '    return {"f1": 2 * hits.to(logits.dtype) / counted.clamp(min=1)}',
        after="hits = hits + 2 * batch_hits.to(logits.dtype) / batch_counted.clamp(min=1)\n"
        '    return {"f1": hits / splits}',
        killed_by="same_however_split",
    ),
    Mutant(
        name="metrics.f1_of_nothing",
        operation="metrics.f1_score",
        subject="tensorflow.one_hot",
        mistake="A class that is neither predicted nor true has 0 / 0.",
        location="metrics.f1_score",
        before="tf.maximum(counted, 1)",
        after="counted",
        killed_by="accepts_empty_sequences",
    ),
    Mutant(
        name="metrics.f1_epsilon",
        operation="metrics.f1_score",
        subject="tensorflow.confusion_matrix",
        mistake="1e-7 is added to the divisor, as in `keras.metrics.F1Score`. The error is visible in float64 only.",
        location="metrics.f1_score",
        before="tf.maximum(counted, 1)",
        after="(counted + 1e-7)",
        killed_by="matches_reference",
    ),
    Mutant(
        name="metrics.classes_of_the_last_batch",
        operation="metrics.f1_score",
        subject="tensorflow.confusion_matrix",
        mistake="Only the last batch is counted; one batch alone is right.",
        location="metrics.f1_score",
        before="hits + batch_hits, counted + batch_counted",
        after="batch_hits, batch_counted",
        killed_by="same_however_split",
    ),
    Mutant(
        name="metrics.f1_of_all_classes",
        operation="metrics.f1_score",
        subject="pytorch.one_hot",
        mistake="Hits of all classes are added up first (micro average), which is the accuracy.",
        location="metrics.f1_score",
        before="2 * hits.to(logits.dtype) / counted.clamp(min=1)",
        after="(2 * hits.sum().to(logits.dtype) / counted.sum().clamp(min=1)).expand(len(hits))",
        killed_by="matches_reference",
    ),
)

GRADIENTS = (
    Mutant(
        name="metrics.each_divided_by_its_own_steps",
        operation="metrics.accumulated_gradient",
        subject="pytorch.micro_batches",
        mistake="The loss of a micro-batch is its own mean, divided by the number of micro-batches.",
        location="metrics.accumulated_gradient",
        before="(total / steps).backward()",
        after="(total / real.sum().clamp(min=1) / splits).backward()",
        killed_by="same_however_split",
    ),
    Mutant(
        name="metrics.gradients_zeroed_in_the_loop",
        operation="metrics.accumulated_gradient",
        subject="pytorch.micro_batches",
        mistake="Gradients are set to zero before each micro-batch, so the last one alone counts.",
        location="metrics.accumulated_gradient",
        before="        (total / steps).backward()",
        after="        w.grad = None\n        (total / steps).backward()",
        killed_by="same_however_split",
    ),
    Mutant(
        name="metrics.counted_in_bytes",
        operation="metrics.accumulated_gradient",
        subject="pytorch.micro_batches",
        mistake="The number of steps is kept in a byte, which overflows from 256 on.",
        location="metrics.accumulated_gradient",
        before="lengths.sum().clamp(min=1)",
        after="lengths.sum().to(torch.uint8).clamp(min=1)",
        killed_by="matches_reference",
    ),
    Mutant(
        name="metrics.divided_by_micro_batches",
        operation="metrics.accumulated_gradient",
        subject="tensorflow.micro_batches",
        mistake="Sums over all steps are divided by the number of micro-batches too.",
        location="metrics.accumulated_gradient",
        before="mean = total / steps",
        after="mean = total / steps / splits",
        killed_by="same_however_split",
    ),
    Mutant(
        name="metrics.divided_by_padded_steps",
        operation="metrics.accumulated_gradient",
        subject="tensorflow.micro_batches",
        mistake="Losses are divided by B·T.",
        location="metrics.accumulated_gradient",
        before="tf.maximum(tf.reduce_sum(lengths), 1)",
        after="tf.maximum(tf.size(targets), 1)",
        killed_by="ignores_extra_padding",
    ),
    Mutant(
        name="metrics.gradient_of_a_gradient",
        operation="metrics.accumulated_gradient",
        subject="tensorflow.micro_batches",
        mistake="A tape inside of another is differentiated by it, so that the gradient has a gradient.",
        location="metrics.accumulated_gradient",
        before="tf.stop_gradient(gradient)",
        after="gradient",
        killed_by="matches_reference",
    ),
    Mutant(
        name="metrics.gradient_by_rows",
        operation="metrics.accumulated_gradient",
        subject="pytorch.micro_batches",
        mistake="Sums over steps are divided by the number of rows.",
        location="metrics.accumulated_gradient",
        before="lengths.sum().clamp(min=1)",
        after="max(1, len(lengths))",
        killed_by="matches_reference",
    ),
)

MUTANTS = AVERAGES + PERPLEXITIES + COUNTS + GRADIENTS
