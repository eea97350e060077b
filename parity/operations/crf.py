"""Define conditional random fields over steps: transitions lead from one step that counts to the next."""

from __future__ import annotations

from dataclasses import replace

from parity.operations.holes import MASK
from parity.operations.row import Configuration, Input, Operation

SCORES = Input("BTC", offset=100.0, lowered=1e3)  # of each class at each step
TIES = {"scores": Input("BTC", scale=0.0), **MASK}  # every path is the best one: of equal labels, the first is taken
CHAIN = {"transitions": Input("CC"), "start": Input("C"), "end": Input("C")}

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
