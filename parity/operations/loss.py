"""Define losses over the real steps of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from parity.arrays import A_BYTE, Array, Lengths, valid
from parity.operations.row import FEW_AND_MANY, MANY, MANY_SEQUENCES, OF_ALL_SIZES, Configuration, Input, Operation

MEAN_OVER_BATCH = "a mean over every valid step of the batch: each sequence's share depends on the others' lengths"

LARGE = 100.0  # the exponential of such a logit is inf; a class that is so much below another has probability 0
LOGITS = {"logits": Input("BTC", offset=LARGE, first_offset=-LARGE), "targets": Input("BT", below="C")}


def _class_weights(rng: np.random.Generator, lengths: Lengths, size: Mapping[str, int]) -> Array:
    """Sample weights of classes; where B = T, and past a byte of steps, those of all steps add up to very little."""
    weights = rng.uniform(size=size["C"])
    if size["C"] > 2:
        weights[size["C"] // 2] = 0  # a class that does not count
    little = size["B"] == size["T"] or size["T"] >= A_BYTE
    return 1e-4 * weights / max(1, lengths.sum()) if little else weights


OF_CLASSES = {"class_weight": Input("C", sample=_class_weights, buffer=True)}


def _mean(inputs: Mapping[str, Input], coupling: str = MEAN_OVER_BATCH, **settings: Any) -> tuple[Configuration, ...]:
    settings = {"extra_lengths": MANY} | settings
    return (Configuration("mean", inputs, outputs={"loss": ""}, coupling=coupling, **settings),)


def _sequence_loss(name: str, axes: str) -> Configuration:
    return Configuration(
        name,
        LOGITS,
        outputs={"loss": axes},
        options={"average_across_timesteps": "T" not in axes, "average_across_batch": "B" not in axes},
        coupling="" if "B" in axes else MEAN_OVER_BATCH,
    )


def _on_either_side(config: Configuration) -> tuple[Configuration, ...]:
    return config, config.left_padded("ragged", *OF_ALL_SIZES)


def _elementwise_loss(function: str, inputs: Mapping[str, Input]) -> Operation:
    return Operation(
        f"loss.{function}",
        configurations=_on_either_side(*_mean(inputs, extra_lengths=FEW_AND_MANY)),
        variants={"pytorch": ("flattened", "weighted"), "tensorflow": ("keras_mask", "flattened", "weighted")},
    )


def _soft_and_hard(rng: np.random.Generator, lengths: Lengths, size: Mapping[str, int]) -> Array:
    """Sample labels between 0 and 1; of steps that are real whichever side the padding is on, half are 0 or 1."""
    sampled = rng.uniform(-0.5, 1.5, (len(lengths), size["T"], size["D"]))
    real = valid(lengths, size["T"]) & valid(lengths, size["T"], left=True)
    return np.where(real[:, :, None], np.clip(sampled, 0, 1), (sampled + 0.5) / 2)


(SMOOTHED,) = _mean(LOGITS, options={"smoothing": 0.1})
(WEIGHTED,) = _mean({**LOGITS, **OF_CLASSES})
(OF_SEQUENCES,) = _mean(LOGITS, "a mean over all sequences of the batch that have a step", extra_lengths=FEW_AND_MANY)

BY_TOKEN = _sequence_loss("by_token", "BT")
(WITHOUT_PAD,) = _mean(LOGITS, options={"smoothing": 0.1, "pad_class": 0}, least={"C": 3})
(FOCAL,) = _mean({**LOGITS, **OF_CLASSES}, options={"gamma": 2.0, "ignored_class": None})

ROWS = (
    Operation(
        "loss.cross_entropy",
        configurations=_on_either_side(*_mean(LOGITS, extra_lengths=(*FEW_AND_MANY, *MANY_SEQUENCES))),
        variants={
            "pytorch": ("ignore_index", "flattened", "weighted"),
            "tensorflow": ("keras_mask", "ignore_class", "flattened"),
        },
    ),
    Operation(
        "loss.sequence_loss",
        configurations=(
            _sequence_loss("mean", ""),
            _sequence_loss("by_sequence", "B"),
            _sequence_loss("by_step", "T"),
            BY_TOKEN,
            BY_TOKEN.left_padded("ragged", *OF_ALL_SIZES),
            _sequence_loss("mean", "").left_padded("square", "long", name="mean_left_padded"),
        ),
        variants={"pytorch": ("weighted",), "tensorflow": ("weighted",)},
    ),
    Operation(
        "loss.label_smoothing",
        configurations=(
            *_on_either_side(SMOOTHED),
            SMOOTHED.with_options("not_smoothed", *OF_ALL_SIZES, smoothing=0.0),
            SMOOTHED.with_options("smoothed_more", *OF_ALL_SIZES, "wide", "narrow", smoothing=0.6),
        ),
        variants={"pytorch": ("ignore_index",), "tensorflow": ("keras_mask",)},
    ),
    Operation(
        "loss.class_weights",
        configurations=_on_either_side(WEIGHTED),
        variants={"pytorch": ("ignore_index",), "tensorflow": ("keras_mask",)},
    ),
    Operation(
        "loss.smoothed_divergence",
        configurations=(
            *_on_either_side(WITHOUT_PAD),
            WITHOUT_PAD.with_options("another_pad", *OF_ALL_SIZES, "wide", smoothing=0.6, pad_class=2),
            WITHOUT_PAD.with_options("last_is_pad", "many_rows", smoothing=0.3, pad_class=2),
            WITHOUT_PAD.with_options("not_smoothed", *OF_ALL_SIZES, smoothing=0.0, pad_class=1),
        ),
        variants={"pytorch": ("kl_div", "cross_entropy"), "tensorflow": ("xlogy", "cross_entropy")},
    ),
    Operation(
        "loss.focal",
        configurations=(
            *_on_either_side(FOCAL),
            FOCAL.with_options("ignored_class", *OF_ALL_SIZES, "long", gamma=0.5, ignored_class=1),
            FOCAL.with_options("not_focused", *OF_ALL_SIZES, gamma=0.0, ignored_class=0),
        ),
        variants={"pytorch": ("selected",), "tensorflow": ("selected",)},
    ),
    Operation(
        "loss.mean_of_sequences",
        configurations=_on_either_side(OF_SEQUENCES),
        variants={"pytorch": ("weighted",), "tensorflow": ("weighted",)},
    ),
    _elementwise_loss("mean_squared_error", {"prediction": Input("BTD"), "target": Input("BTD")}),
    _elementwise_loss(
        "binary_cross_entropy", {"logits": Input("BTD", offset=LARGE), "target": Input("BTD", sample=_soft_and_hard)}
    ),
)
