"""Define what a language model computes while it generates: attention to a cache, and the scores of hypotheses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from parity.arrays import Array, Lengths, valid
from parity.operations.decoder import FUSED_ONCE
from parity.operations.row import MANY, OF_ALL_SIZES, Configuration, ExpectedFailure, Input, Operation


def _cached(name: str, heads: int, of_keys: int, *lengths: str) -> Configuration:
    """Return a configuration with so many heads of queries, and of keys and values."""
    inputs = {
        "query": Input(f"B{heads}H"),
        "keys": Input(f"BT{of_keys}H"),
        "values": Input(f"BT{of_keys}H"),
        "new_key": Input(f"B{of_keys}H"),
        "new_value": Input(f"B{of_keys}H"),
    }
    return Configuration(name, inputs, outputs={"y": f"B{heads}H"}, lengths=lengths)


FOUR_HEADS = _cached("four_heads_two_of_keys", 4, 2)  # of the first lengths, there are as many sequences as heads


def _below_zero(rng: np.random.Generator, lengths: Lengths, size: Mapping[str, int]) -> Array:
    """Sample logarithms of probabilities; some real ones are 0, of a token that is certain, and some far below."""
    sampled = -rng.exponential(size=(len(lengths), size["T"]))
    certain = valid(lengths, size["T"]) & (rng.uniform(size=sampled.shape) < 0.2)
    improbable = rng.uniform(size=sampled.shape) < 0.1
    return np.where(certain, 0.0, sampled - 100 * improbable)


SCORES = Configuration(
    "mean",
    {"log_probabilities": Input("BT", sample=_below_zero)},
    outputs={"scores": "B"},
    options={"penalty": 1.0, "smoothing": 0},
    extra_lengths=MANY,
)

ROWS = (
    Operation(
        "generation.cached_attention",
        configurations=(
            FOUR_HEADS,
            FOUR_HEADS.left_padded("large_square", "square", "one_sequence", "long"),
            _cached("three_heads_one_of_keys", 3, 1, "one_long", "one_sequence"),
            _cached("two_heads", 2, 2, "one_sequence", "wide"),
        ),
        variants={"pytorch": ("written", "concatenated"), "tensorflow": ("written", "concatenated")},
        expected_failures=(replace(FUSED_ONCE, variant="pytorch.written"),),
    ),
    Operation(
        "generation.beam_scores",
        configurations=(
            SCORES,
            SCORES.with_options("smoothed", *OF_ALL_SIZES, "one_long", penalty=0.6, smoothing=5),
            SCORES.with_options("longer_preferred", *OF_ALL_SIZES, penalty=2.0),
            SCORES.with_options("sum", *OF_ALL_SIZES, penalty=0.0),
        ),
        variants={"pytorch": ("masked", "cumulative"), "tensorflow": ("masked", "ragged")},
        expected_failures=(
            ExpectedFailure(
                "tensorflow.ragged",
                "*",
                "Ragged",
                "XLA requires shapes that are known, and has no operations on ragged tensors",
                mode="xla",
            ),
        ),
    ),
)
