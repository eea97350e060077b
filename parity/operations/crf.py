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


SOME_FORBIDDEN = {name: Input(spec.axes, sample=partial(_forbidden, spec.axes)) for name, spec in CHAIN.items()}

ROWS = (
    Operation(
        "crf.negative_log_likelihood",
        configurations=(
            Configuration(
                "with_ends",
                {"scores": SCORES, **MASK, "targets": Input("BT", below="C"), **CHAIN},
                outputs={"loss": "B"},
                stepwise=True,
            ),
            Configuration(
                "some_forbidden",
                {"scores": Input("BTC", scale=100.0), **MASK, "targets": Input("BT", below="C"), **SOME_FORBIDDEN},
                outputs={"loss": "B"},
                lengths=("square", "one_sequence"),
                stepwise=True,
            ),
        ),
        variants={"pytorch": ("stepwise",), "tensorflow": ("scan",)},
    ),
    Operation(
        "crf.viterbi",
        configurations=(
            Configuration(
                "with_ends",
                {"scores": replace(SCORES, last_offset=30.0), **MASK, **CHAIN},
                outputs={"path": "BT", "score": "B"},
                discrete=("path",),
                stepwise=True,
            ),
            Configuration(
                "some_forbidden",
                {"scores": Input("BTC", scale=100.0), **MASK, **SOME_FORBIDDEN},
                outputs={"path": "BT", "score": "B"},
                lengths=("square", "one_sequence"),
                discrete=("path",),
                stepwise=True,
            ),
            Configuration(
                "of_equal_scores",
                {**TIES, **{name: replace(array, scale=0.0) for name, array in CHAIN.items()}},
                outputs={"path": "BT", "score": "B"},
                lengths=("square",),
                discrete=("path",),
                stepwise=True,
            ),
        ),
        variants={"pytorch": ("stepwise",), "tensorflow": ("scan",)},
    ),
)
