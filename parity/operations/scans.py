"""Define what runs along each sequence step by step, and is linear: discounted returns, and linear recurrences."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from parity.arrays import Array, Lengths, valid
from parity.operations.row import OF_ALL_SIZES, Configuration, Input, Operation

RETURNS = Configuration(
    "discounted",
    {"rewards": Input("BT", padding_like=0.3), "bootstrap": Input("B")},
    outputs={"returns": "BT"},
    options={"discount": 0.9},
)


def _factors(rng: np.random.Generator, lengths: Lengths, size: Mapping[str, int]) -> Array:
    """Sample factors below 1, of both signs; some real ones are 0, where a state is reset, or 1, where it stays."""
    sampled = rng.uniform(-1, 1, (len(lengths), size["T"], size["H"]))
    kind = np.where(valid(lengths, size["T"])[:, :, None], rng.integers(0, 8, sampled.shape), 8)
    return np.where(kind == 0, 0.0, np.where(kind == 1, 1.0, sampled))


RECURRENCE = Configuration(
    "from_state",
    {"a": Input("BTH", sample=_factors), "b": Input("BTH", padding_like=0.1), "h0": Input("BH")},
    outputs={"y": "BTH", "h": "BH"},
    initial={"h": "h0"},
)
FROM_ZEROS = Configuration(
    "from_zeros",
    {name: RECURRENCE.inputs[name] for name in ("a", "b")},
    RECURRENCE.outputs,
    initial={"h": ""},
    lengths=("one_long", "large_square"),
)

ROWS = (
    Operation(
        "scans.discounted_returns",
        configurations=(
            RETURNS,
            RETURNS.left_padded(),
            RETURNS.with_options("undiscounted", *OF_ALL_SIZES, "one_long", discount=1.0),
            RETURNS.with_options("myopic", "square", "long_sequence", discount=0.0),
            RETURNS.with_options("by_half", "long_sequence", "large_square", discount=0.5),
        ),
        variants={"pytorch": ("stepwise", "matrix"), "tensorflow": ("matrix",)},
    ),
    Operation(
        "scans.linear_recurrence",
        configurations=(RECURRENCE, RECURRENCE.left_padded("large_square", "long", "one_sequence"), FROM_ZEROS),
        variants={"pytorch": ("stepwise", "doubling"), "tensorflow": ("doubling",)},
    ),
)
