"""Define what is computed over a corpus that comes in several batches: averages, metrics and accumulated gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from parity.arrays import Array, Lengths
from parity.operations.loss import LARGE
from parity.operations.row import MANY, MANY_SEQUENCES, OF_ALL_SIZES, Configuration, Input, Operation

OVER_THE_CORPUS = "it is computed over every real step of all batches"
CONSTANT = "it is constant, but for jumps"


def _often_zero(rng: np.random.Generator, lengths: Lengths, size: Mapping[str, int]) -> Array:
    """Sample classes, every second of them 0 on average: the class that is predicted throughout every second row."""
    shape = len(lengths), size["T"]
    return rng.integers(0, size["C"], shape) * rng.integers(0, 2, shape)


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
TIES = Input("BTC", first_offset=LARGE, equal="H", equal_to=(0.0,))  # at one step: the first class is predicted
PREDICTIONS = {"logits": TIES, "targets": Input("BT", below="C", sample=_often_zero)}
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
