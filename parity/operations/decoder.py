"""Define the attention of a decoder: causal over its own steps, and over a memory of another length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from parity.arrays import Array, Lengths
from parity.operations.attention import TWO_HEADS
from parity.operations.row import OF_FEW_STEPS, Configuration, ExpectedFailure, Input, Operation

# Of the first, there are as many as heads: elsewhere a mask that lacks an axis, or has heads first, is refused.
FOR_THREE_HEADS = ("one_long", *OF_FEW_STEPS)


def _memory_lengths(rng: np.random.Generator, lengths: Lengths, size: Mapping[str, int]) -> Array:
    """Sample lengths of the memory; where there are several, the first is empty, and the last has no padding."""
    sampled = rng.integers(1, size["S"] + 1, len(lengths))
    if len(lengths) > 2:
        sampled[[0, -1]] = 0, size["S"]
    return sampled


CROSS = Configuration(
    "two_heads",
    inputs={
        "x": Input("BTH"),
        "memory": Input("BSD", lengths="memory_lengths"),
        "memory_lengths": Input("B", up_to="S", sample=_memory_lengths),
        "w_query": Input("HH", scale=0.5, fan_in="H"),
        "w_memory": Input("D2H", scale=0.5, fan_in="D"),  # for keys and values
        "bias_in": Input("2H", scale=0.5),  # for queries and values; one for keys changes nothing
        "w_out": Input("HH", scale=0.5, fan_in="H"),
        "bias_out": Input("H"),
    },
    outputs={"y": "BTH", "weights": "BTS"},
    options={"heads": 2},
    least={"H": 6, "S": 2},  # a single step of memory has all the weight
)

FUSED_ONCE = ExpectedFailure(
    "pytorch.scaled_dot_product",
    "*",
    "backward is not implemented",
    "the backward pass of its fused kernel has no derivative",
    contract="second_derivatives",
)

ROWS = (
    Operation(
        "decoder.self_attention",
        configurations=(
            TWO_HEADS,
            TWO_HEADS.left_padded("large_square", "square", "one_sequence", "long"),
            TWO_HEADS.with_options("three_heads", *FOR_THREE_HEADS, heads=3),
            TWO_HEADS.left_padded("square", "one_sequence", name="three_heads_left", heads=3),
            TWO_HEADS.with_options("one_head", "many_rows", "one_sequence", heads=1),
        ),
        variants={"pytorch": ("layer", "scaled_dot_product"), "tensorflow": ("layer", "grouped_query")},
        expected_failures=(FUSED_ONCE,),
    ),
    Operation(
        "decoder.cross_attention",
        configurations=(
            CROSS,
            CROSS.with_options("three_heads", *FOR_THREE_HEADS, heads=3),
            CROSS.with_options("one_head", "many_rows", heads=1),
            replace(CROSS.with_options("long_memory", "square"), least={**CROSS.least, "S": 258}),  # past a byte
        ),
        variants={"pytorch": ("layer", "scaled_dot_product"), "tensorflow": ("layer", "dot_product")},
        expected_failures=(FUSED_ONCE,),
        omits={
            "pytorch.scaled_dot_product": {"weights": "scaled_dot_product_attention returns no weights"},
            "tensorflow.dot_product": {"weights": "dot_product_attention returns no weights"},
        },
    ),
)
