"""Losses."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

from parity.operations.row import Configuration, Input, Operation

MEAN_OVER_BATCH = "a mean over every valid step of the batch: each sequence's share depends on the others' lengths"

FEW_AND_MANY = ("one_step", "many_steps")
LARGE = 100.0  # the exponential of such a logit is inf, and a class that has so much less gets probability 0
LOGITS = {"logits": Input("BTC", raised=LARGE, first=-LARGE), "targets": Input("BT", below="C")}

CROSS_ENTROPY = Operation(
    "loss.cross_entropy",
    configurations=(Configuration("mean", LOGITS, outputs={"loss": ""}, couples=MEAN_OVER_BATCH, also=FEW_AND_MANY),),
    variants={
        "pytorch": ("ignore_index", "flattened", "weighted"),
        "tensorflow": ("keras_mask", "ignore_class", "flattened"),
    },
)


def _sequence_loss(timesteps: bool, batch: bool) -> Configuration:
    names = {(True, True): "mean", (True, False): "by_sequence", (False, True): "by_step", (False, False): "by_token"}
    return Configuration(
        names[timesteps, batch],
        LOGITS,
        outputs={"loss": ("" if batch else "B") + ("" if timesteps else "T")},
        options={"average_across_timesteps": timesteps, "average_across_batch": batch},
        couples=MEAN_OVER_BATCH if batch else "",
    )


SEQUENCE_LOSS = Operation(
    "loss.sequence_loss",
    configurations=tuple(_sequence_loss(timesteps, batch) for timesteps, batch in product((True, False), repeat=2)),
    variants={"pytorch": ("weighted",), "tensorflow": ("weighted",)},
)


def _cross_entropy_with(function: str, config: Configuration, pytorch: str, tensorflow: str) -> Operation:
    return Operation(f"loss.{function}", (config,), variants={"pytorch": (pytorch,), "tensorflow": (tensorflow,)})


LABEL_SMOOTHING = _cross_entropy_with(
    "label_smoothing",
    Configuration("mean", LOGITS, outputs={"loss": ""}, options={"smoothing": 0.1}, couples=MEAN_OVER_BATCH),
    pytorch="ignore_index",
    tensorflow="keras_mask",
)
CLASS_WEIGHTS = _cross_entropy_with(
    "class_weights",
    Configuration(
        "mean",
        {**LOGITS, "class_weight": Input("C", unit=True, buffer=True)},
        outputs={"loss": ""},
        couples=MEAN_OVER_BATCH,
    ),
    pytorch="ignore_index",
    tensorflow="keras_mask",
)
MEAN_OF_SEQUENCES = _cross_entropy_with(
    "mean_of_sequences",
    Configuration(
        "mean",
        LOGITS,
        outputs={"loss": ""},
        couples="a mean over all sequences of the batch that have a step",
        also=FEW_AND_MANY,
    ),
    pytorch="weighted",
    tensorflow="weighted",
)


def _elementwise_loss(function: str, inputs: Mapping[str, Input]) -> Operation:
    return Operation(
        f"loss.{function}",
        configurations=(
            Configuration("mean", inputs, outputs={"loss": ""}, couples=MEAN_OVER_BATCH, also=FEW_AND_MANY),
        ),
        variants={"pytorch": ("flattened", "weighted"), "tensorflow": ("keras_mask", "flattened", "weighted")},
    )


ROWS = (
    CROSS_ENTROPY,
    SEQUENCE_LOSS,
    LABEL_SMOOTHING,
    CLASS_WEIGHTS,
    MEAN_OF_SEQUENCES,
    _elementwise_loss("mean_squared_error", {"prediction": Input("BTD"), "target": Input("BTD")}),
    _elementwise_loss(
        "binary_cross_entropy", {"logits": Input("BTD", raised=LARGE), "target": Input("BTD", unit=True)}
    ),
)
