"""Define pooling over time: one vector for each sequence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from parity.operations.row import FAR, FEW_AND_MANY, MANY, MANY_SEQUENCES, Configuration, Input, Operation

X = {"x": Input("BTD", padding_like=0.3)}  # some real steps are all zeros, and count
RECURRENT_OUTPUTS = {"x": Input("BTH")}
ATTENTION = {"x": Input("BTD"), "query": Input("D", scale=0.5, fan_in="D")}


def _over_steps(
    function: str, variants: Mapping[str, tuple[str, ...]], *lengths: str, offset: float = 0.0
) -> Operation:
    inputs = {"x": replace(X["x"], offset=offset)}
    config = Configuration("features", inputs, outputs={"y": "BD"}, extra_lengths=(*FEW_AND_MANY, *lengths))
    return Operation(f"pooling.{function}", (config, config.left_padded()), variants)


ELSE_ZERO = Configuration("else_zero", RECURRENT_OUTPUTS, outputs={"y": "BH"}, extra_lengths=(*MANY, *MANY_SEQUENCES))
ELSE_INITIAL = Configuration(
    "else_initial", {**RECURRENT_OUTPUTS, "initial": Input("BH")}, outputs={"y": "BH"}, initial={"y": "initial"}
)
QUERY = Configuration("learned_query", ATTENTION, outputs={"weights": "BT", "y": "BD"}, extra_lengths=MANY)

ROWS = (
    Operation(
        "pooling.last_relevant",
        configurations=(
            ELSE_ZERO,
            ELSE_INITIAL,
            ELSE_ZERO.left_padded(),
            ELSE_INITIAL.left_padded("square", "one_sequence", name="left_else_initial"),
        ),
        variants={"pytorch": ("gather", "indexed"), "tensorflow": ("gather", "flattened")},
    ),
    Operation(
        "pooling.first_relevant",
        configurations=(ELSE_ZERO, ELSE_ZERO.left_padded()),
        variants={"pytorch": ("gather",), "tensorflow": ("gather",)},
    ),
    _over_steps("mean", {"pytorch": ("masked_sum",), "tensorflow": ("keras", "masked_sum")}, *MANY_SEQUENCES),
    _over_steps("sum", {"pytorch": ("masked", "segments"), "tensorflow": ("masked", "segments")}, *MANY_SEQUENCES),
    _over_steps("max", {"pytorch": ("masked",), "tensorflow": ("masked",)}, offset=FAR),
    Operation(
        "pooling.attention",
        configurations=(QUERY, QUERY.left_padded()),
        variants={"pytorch": ("softmax", "scaled_dot_product"), "tensorflow": ("keras", "softmax")},
        omits={"pytorch.scaled_dot_product": {"weights": "the fused kernel does not return them"}},
    ),
)
