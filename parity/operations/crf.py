"""Define conditional random fields over steps: transitions lead from one step that counts to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from parity.arrays import Array, Lengths
from parity.operations.holes import MASK
from parity.operations.row import Configuration, Input, Operation

SCORES = Input("BTC", offset=100.0, lowered=1e3)  # of each class at each step
TIES = {"scores": Input("BTC", scale=0.0), **MASK}  # every path is the best one: of equal labels, the first is taken
CHAIN = {"transitions": Input("CC"), "start": Input("C"), "end": Input("C")}


def _forbidden(axes: str, rng: np.random.Generator, _: Lengths, size: Mapping[str, int]) -> Array:
    """Sample scores of transitions and ends, four of ten so low that no path may have them."""
    sampled = rng.normal(size=[size[axis] for axis in axes])
    return np.where(rng.uniform(size=sampled.shape) < 0.4, sampled - 1e4, sampled)


def _some_forbidden(config: Configuration) -> Configuration:
    """Return it with some transitions, and some first and last classes, that no path may have."""
    chain = {name: Input(spec.axes, sample=partial(_forbidden, spec.axes)) for name, spec in CHAIN.items()}
    inputs = {**config.inputs, "scores": Input("BTC", scale=100.0), **chain}
    return replace(config, name="some_forbidden", inputs=inputs, lengths=("square", "one_sequence"))


LIKELIHOOD = Configuration(
    "with_ends",
    {"scores": SCORES, **MASK, "targets": Input("BT", below="C"), **CHAIN},
    outputs={"loss": "B"},
    stepwise=True,
)
BEST_PATH = Configuration(
    "with_ends",
    {"scores": replace(SCORES, last_offset=30.0), **MASK, **CHAIN},
    outputs={"path": "BT", "score": "B"},
    discrete=("path",),
    stepwise=True,
)
OF_EQUAL_SCORES = {**TIES, **{name: replace(array, scale=0.0) for name, array in CHAIN.items()}}

ROWS = (
    Operation(
        "crf.negative_log_likelihood",
        configurations=(LIKELIHOOD, _some_forbidden(LIKELIHOOD)),
        variants={"pytorch": ("stepwise",), "tensorflow": ("scan",)},
    ),
    Operation(
        "crf.viterbi",
        configurations=(
            BEST_PATH,
            _some_forbidden(BEST_PATH),
            replace(BEST_PATH, name="of_equal_scores", inputs=OF_EQUAL_SCORES, lengths=("square",)),
        ),
        variants={"pytorch": ("stepwise",), "tensorflow": ("scan",)},
    ),
)
