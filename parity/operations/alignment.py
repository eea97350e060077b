"""Losses of sequences whose labels are known, and not which step says which of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from parity.arrays import Array, Lengths
from parity.operations.row import Configuration, ExpectedFailure, Input, Operation


def _labels(rng: np.random.Generator, lengths: Lengths, size: Mapping[str, int]) -> Array:
    """Any but the blank. The first comes twice, and needs a blank behind it, unless there is a step for each label."""
    labels = rng.integers(1, size["C"], (len(lengths), size["S"]))
    labels[lengths != size["S"], 1:2] = labels[lengths != size["S"], :1]
    return labels


def _counts(rng: np.random.Generator, lengths: Lengths, size: Mapping[str, int]) -> Array:
    """As many labels as there are steps for, even if all are the same; in short sequences also one less or too many."""
    more = np.where(lengths > 2, 0, rng.integers(-1, 2, len(lengths)))
    return np.clip((lengths + 1) // 2 + more, 0, size["S"])


BY_SEQUENCE = Configuration(
    "by_sequence",
    inputs={
        "logits": Input("BTC", raised=100.0),
        "targets": Input("BS", below="C", lengths="target_lengths", sample=_labels),
        "target_lengths": Input("B", up_to="S", sample=_counts),
    },
    outputs={"loss": "B"},
)

SOME = "*/[!n]*"  # a batch with sequences: any lengths but no_sequences
FLOAT32 = "tf.nn.ctc_loss computes dense labels in float32 only"

ROWS = (
    Operation(
        "alignment.ctc",
        configurations=(BY_SEQUENCE,),
        variants={"pytorch": ("ctc_loss",), "tensorflow": ("dense_labels", "forward_algorithm")},
        expected_failures=(
            ExpectedFailure(
                "pytorch.ctc_loss", SOME, "not implemented for", "no ctc_loss in 16 bits", dtype="*float16"
            ),
            ExpectedFailure(
                "tensorflow.dense_labels", "*", "to be a double tensor", FLOAT32, mode="eager", dtype="float64"
            ),
            ExpectedFailure(
                "tensorflow.dense_labels", "*", "does not match type float64", FLOAT32, mode="graph", dtype="float64"
            ),
            ExpectedFailure(
                "tensorflow.dense_labels", "*/no_sequences", "for empty output", "tf.nn.ctc_loss takes no empty batch"
            ),
        ),
    ),
)
