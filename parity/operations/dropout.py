"""Define dropout with a mask that is given, so that every framework drops the same numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from parity.arrays import Array, Lengths
from parity.operations.attention import TWO_HEADS
from parity.operations.decoder import FOR_THREE_HEADS
from parity.operations.row import OF_ALL_SIZES, OF_FEW_STEPS, Configuration, Input, Operation


def _kept(rng: np.random.Generator, lengths: Lengths, size: Mapping[str, int], rate: float, heads: int) -> Array:
    """Sample which weights are kept, 1, or dropped, 0, of each query, key and head.

    Of the longest sequence, the first step loses its own weight in the first head, and keeps it in the last.
    """
    kept = (rng.uniform(size=(len(lengths), size["T"], size["T"], heads)) >= rate).astype(np.int64)
    longest = np.argsort(-lengths)[:1]
    if rate:
        kept[longest, 0, 0] = np.arange(heads) > 0
    return kept


def _attention(name: str, *lengths: str, rate: float = 0.25, heads: int = 2, **options: bool) -> Configuration:
    """Return a configuration with a rate and a number of heads; it trains, and is causal, by default."""
    kept = Input(f"BTT{heads}", below="2", sample=partial(_kept, rate=rate, heads=heads))
    inputs = {"x": TWO_HEADS.inputs["x"], "kept": kept, **TWO_HEADS.inputs}
    chosen = {"heads": heads, "rate": rate, "training": True, "causal": True, **options}
    return replace(TWO_HEADS, name=name, inputs=inputs, options=chosen, lengths=lengths)


CAUSAL = _attention("causal")

ROWS = (
    Operation(
        "dropout.self_attention",
        configurations=(
            CAUSAL,
            CAUSAL.left_padded("large_square", "long_sequence", "square"),
            _attention("both_ways", *OF_ALL_SIZES, rate=0.5, heads=1, causal=False),
            _attention("three_heads", *FOR_THREE_HEADS, rate=0.75, heads=3),
            _attention("evaluation", *OF_FEW_STEPS, rate=0.6, training=False),
            _attention("evaluation", rate=0.6, training=False, causal=False).left_padded(
                "square", name="evaluation_both_ways_left_padded"
            ),
            _attention("nothing_dropped", *OF_FEW_STEPS, rate=0.0),
        ),
        variants={"pytorch": ("where", "math_kernel"), "tensorflow": ("where", "general_dropout")},
    ),
)
