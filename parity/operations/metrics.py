"""Define what is computed over a corpus that comes in several batches: averages, metrics and accumulated gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from parity.arrays import Array, Lengths, valid
from parity.operations.loss import LARGE
from parity.operations.row import MANY, MANY_SEQUENCES, OF_ALL_SIZES, Configuration, Input, Operation

OVER_THE_CORPUS = "it is computed over every real step of all batches"
CONSTANT = "it is constant, but for jumps"


def _often_zero(rng: np.random.Generator, lengths: Lengths, size: Mapping[str, int]) -> Array:
    """Sample classes, every second of them 0 on average: the class that is predicted throughout every second row.

    All of every fourth row are the last class, which is predicted there.
    """
    shape = len(lengths), size["T"]
    classes = rng.integers(0, size["C"], shape) * rng.integers(0, 2, shape)
    classes[1::4] = size["C"] - 1
    return classes


def _classes(lengths: Lengths, size: Mapping[str, int]) -> Array:
    """Return a class for each step of each sequence, which two arrays can have in common."""
    return (7 * np.arange(len(lengths))[:, None] + 3 * np.arange(size["T"])) % size["C"]


def _nearly_right(rng: np.random.Generator, lengths: Lengths, size: Mapping[str, int]) -> Array:
    """Sample logits of these classes: of every second sequence all, of the others all but one; none on padding.

    The wrong one is the last, the first, or any.
    """
    predicted, real = _classes(lengths, size), valid(lengths, size["T"])
    predicted = np.where(real, predicted, predicted + 1)
    start = int(rng.integers(2))
    for place, row in enumerate(np.flatnonzero(lengths), start):
        at = (int(lengths[row]) - 1, 0, int(rng.integers(lengths[row])))[place // 2 % 3]
        predicted[row, at] += place % 2
    largest: Array = 20 * np.eye(size["C"])[predicted % size["C"]]
    return largest + rng.normal(size=largest.shape)


def _splits(
    inputs: Mapping[str, Input], outputs: Mapping[str, str], lengths: tuple[str, ...] = MANY, **settings: Any
) -> tuple[Configuration, ...]:
    """Return configurations of two batches, of one, and of five, which may be more than there are rows."""
    options = {"splits": 2}
    two = Configuration(
        "two_batches", inputs, outputs, options=options, coupling=OVER_THE_CORPUS, extra_lengths=lengths, **settings
    )
    one = two.with_options("one_batch", *OF_ALL_SIZES, splits=1)
    return two, one, two.with_options("five_batches", *OF_ALL_SIZES, "narrow", splits=5)


LOGITS = {"logits": Input("BTC", offset=LARGE), "targets": Input("BT", below="C")}
# At the step whose logits are equal, the first class is predicted.
TIES = Input("BTC", first_offset=LARGE, last_offset=LARGE, equal="H", equal_to=(0.0,))
PREDICTIONS = {"logits": TIES, "targets": Input("BT", below="C", sample=_often_zero)}
WHOLE = {
    "logits": Input("BTC", sample=_nearly_right),
    "targets": Input("BT", below="C", sample=lambda _, lengths, size: _classes(lengths, size)),
}
LINEAR = {"x": Input("BTD", buffer=True), "targets": Input("BT", below="C"), "w": Input("DC", fan_in="D", buffer=True)}

ROWS = (
    Operation(
        "metrics.corpus_loss",
        configurations=_splits(LOGITS, {"loss": ""}),
        variants={"pytorch": ("summed", "weighted_means"), "tensorflow": ("keras_metric", "summed")},
    ),
    Operation(
        "metrics.perplexity",
        configurations=_splits(LOGITS, {"perplexity": ""}),
        variants={"pytorch": ("summed", "weighted_means"), "tensorflow": ("keras_metric", "summed")},
    ),
    Operation(
        "metrics.token_accuracy",
        configurations=_splits(
            PREDICTIONS, {"accuracy": ""}, (*MANY, *MANY_SEQUENCES), first_derivatives_only=CONSTANT
        ),
        variants={"pytorch": ("masked", "selected"), "tensorflow": ("keras_metric", "masked")},
    ),
    Operation(
        "metrics.exact_match",
        configurations=_splits(WHOLE, {"matched": ""}, (*MANY, *MANY_SEQUENCES), first_derivatives_only=CONSTANT),
        variants={"pytorch": ("masked", "counted"), "tensorflow": ("keras_metric", "counted")},
    ),
    Operation(
        "metrics.f1_score",
        configurations=_splits(PREDICTIONS, {"f1": "C"}, first_derivatives_only=CONSTANT),
        variants={"pytorch": ("one_hot", "bincount"), "tensorflow": ("one_hot", "confusion_matrix")},
    ),
    Operation(
        "metrics.accumulated_gradient",
        configurations=_splits(
            LINEAR, {"gradient": "DC"}, first_derivatives_only="a gradient for an optimiser has none itself"
        ),
        variants={"pytorch": ("micro_batches",), "tensorflow": ("micro_batches",)},
    ),
)
