"""Define losses over labels whose alignment with the steps is unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from parity.arrays import Array, Lengths
from parity.operations.row import Configuration, ExpectedFailure, Input, Operation


def sample_labels(rng: np.random.Generator, lengths: Lengths, size: Mapping[str, int]) -> Array:
    """Sample labels but no blank; unless the length is S, repeat the first, which needs a blank between.

    The longest sequence begins with the last label, and so does a short one whose labels fit; the next longest begins
    with the first one. Where several have length S, the last repeats the second.
    """
    labels = rng.integers(1, size["C"], (len(lengths), size["S"]))
    longest_first = np.argsort(-lengths, kind="stable")
    for row, label in zip(longest_first, (size["C"] - 1, 1), strict=False):
        labels[row, 0] = label
    labels[_short(lengths)[1:2], 0] = size["C"] - 1
    labels[lengths != size["S"], 1:2] = labels[lengths != size["S"], :1]
    repeats_second = _last_as_long_as_labels(lengths, size)
    labels[repeats_second, 2:] = labels[repeats_second, 1:2]
    return labels


def _last_as_long_as_labels(lengths: Lengths, size: Mapping[str, int]) -> Lengths:
    """Return the row of the last sequence of length S, where there are several."""
    return np.flatnonzero(lengths == size["S"])[1:][-1:]


def _short(lengths: Lengths) -> Lengths:
    """Return the rows of sequences of one step or two, the shortest first."""
    rows = np.argsort(lengths, kind="stable")
    return rows[(lengths[rows] > 0) & (lengths[rows] <= 2)]


def sample_label_counts(rng: np.random.Generator, lengths: Lengths, size: Mapping[str, int]) -> Array:
    """Sample label counts that always fit, in short sequences also one more or less.

    There is one more in the shortest, and in the first that is empty; the next shortest has as many as fit.

    The sequence that repeats its second label has the first count that does not fit, or the last that does.
    """
    more = np.where(lengths > 2, 0, rng.integers(-1, 2, len(lengths)))
    for rows, change in ((_short(lengths)[:1], 1), (np.flatnonzero(lengths == 0)[:1], 1), (_short(lengths)[1:2], 0)):
        more[rows] = change
    counts = (lengths + 1) // 2 + more
    counts[_last_as_long_as_labels(lengths, size)] = (size["S"] + 3) // 2
    return np.clip(counts, 0, size["S"])


def sample_labels_below_blank(rng: np.random.Generator, lengths: Lengths, size: Mapping[str, int]) -> Array:
    """Sample labels as they are where the blank is the first class, each one less: the blank is the last class.

    The sequence that repeats its second label repeats class 0; a single sequence repeats its first.
    """
    labels = sample_labels(rng, lengths, size) - 1
    labels[_last_as_long_as_labels(lengths, size), 1:] = 0
    return np.where(len(labels) == 1, labels[:, :1], labels)


def sample_label_counts_of_one(rng: np.random.Generator, lengths: Lengths, size: Mapping[str, int]) -> Array:
    """Sample label counts as they are for several sequences; a single one has as many labels as steps, up to S.

    They fit only where there is a step for each blank between equal labels.
    """
    counts = sample_label_counts(rng, lengths, size)
    return np.minimum(lengths, size["S"]) if len(lengths) == 1 else counts


def sample_improbable(rng: np.random.Generator, lengths: Lengths, size: Mapping[str, int]) -> Array:
    """Sample logits, those of one class far above: of six steps without it, the probability is 0 in float64.

    Not farther: for dense labels, TensorFlow takes -707 for the logarithm of 0, and where all that is allowed is so
    much less probable than what is not, the latter counts.
    """
    logits = rng.normal(size=(len(lengths), size["T"], size["C"]))
    logits[:, :, size["C"] // 2] += 130
    return logits


BY_SEQUENCE = Configuration(
    "by_sequence",
    inputs={
        "logits": Input("BTC", offset=100.0),
        "targets": Input("BS", below="C", lengths="target_lengths", sample=sample_labels),
        "target_lengths": Input("B", up_to="S", sample=sample_label_counts),
    },
    outputs={"loss": "B"},
    stepwise=True,
    first_derivatives_only="neither PyTorch nor TensorFlow nor the reference differentiates its gradient",
)

LABELS = replace(BY_SEQUENCE.inputs["targets"], sample=sample_labels_below_blank)
LABEL_COUNTS = replace(BY_SEQUENCE.inputs["target_lengths"], sample=sample_label_counts_of_one)
BLANK_IS_LAST = replace(
    BY_SEQUENCE.with_options("blank_is_last", "one_long", "one_sequence", "tied", "descending", "wide", blank=-1),
    inputs={**BY_SEQUENCE.inputs, "targets": LABELS, "target_lengths": LABEL_COUNTS},
)


def _but_2(rng: np.random.Generator, lengths: Lengths, size: Mapping[str, int]) -> Array:
    """Sample labels as they are where the blank is the last class, and skip class 2, which is the blank here."""
    labels = sample_labels_below_blank(rng, lengths, size)
    return labels + (labels >= 2)


BLANK_IS_2 = replace(
    BY_SEQUENCE.with_options("blank_is_2", "square", "one_sequence", blank=2),
    inputs={**BLANK_IS_LAST.inputs, "targets": replace(LABELS, sample=_but_2)},
)

IMPROBABLE = replace(
    BY_SEQUENCE.with_options("improbable", "tied"),
    inputs={**BY_SEQUENCE.inputs, "logits": Input("BTC", sample=sample_improbable)},
)

WITH_SEQUENCES = "*/[!n]*"  # any lengths but no_sequences
FLOAT32 = "tf.nn.ctc_loss computes dense labels in float32 only"

ROWS = (
    Operation(
        "alignment.ctc",
        configurations=(BY_SEQUENCE, BLANK_IS_LAST, BLANK_IS_2, IMPROBABLE),
        variants={"pytorch": ("ctc_loss",), "tensorflow": ("dense_labels", "forward_algorithm")},
        expected_failures=(
            ExpectedFailure(
                "pytorch.ctc_loss", WITH_SEQUENCES, "not implemented for", "no ctc_loss in 16 bits", dtype="*float16"
            ),
            ExpectedFailure(
                "tensorflow.dense_labels", "*", "to be a double tensor", FLOAT32, mode="eager", dtype="float64"
            ),
            ExpectedFailure(
                "tensorflow.dense_labels", "*", "does not match type float64", FLOAT32, mode="graph", dtype="float64"
            ),
            ExpectedFailure(
                "tensorflow.dense_labels", "*/no_sequences", "for empty output", "tf.nn.ctc_loss rejects an empty batch"
            ),
        ),
    ),
)
