"""Pooling over time: one vector for each sequence."""

from __future__ import annotations

from collections.abc import Mapping

from parity.operations.row import Configuration, Input, Operation

X = {"x": Input("BTD", blank=0.3)}  # some steps are equal, and count, though nothing is in them
FEW_AND_MANY = ("one_step", "many_steps")
OUTPUTS = {"x": Input("BTH")}  # of a recurrent layer
ATTENTION = {"x": Input("BTD"), "query": Input("D", scale=0.5, fan_in="D")}


def _over_steps(function: str, variants: Mapping[str, tuple[str, ...]]) -> Operation:
    return Operation(
        f"pooling.{function}", (Configuration("features", X, outputs={"y": "BD"}, also=FEW_AND_MANY),), variants
    )


ROWS = (
    Operation(
        "pooling.last_relevant",
        configurations=(
            Configuration("else_zero", OUTPUTS, outputs={"y": "BH"}),
            Configuration(
                "else_initial", OUTPUTS | {"initial": Input("BH")}, outputs={"y": "BH"}, initial={"y": "initial"}
            ),
        ),
        variants={"pytorch": ("gather", "indexed"), "tensorflow": ("gather", "flattened")},
    ),
    _over_steps("mean", {"pytorch": ("masked_sum",), "tensorflow": ("keras", "masked_sum")}),
    _over_steps("sum", {"pytorch": ("masked", "segments"), "tensorflow": ("masked", "segments")}),
    _over_steps("max", {"pytorch": ("masked",), "tensorflow": ("masked",)}),
    Operation(
        "pooling.attention",
        configurations=(Configuration("learned_query", ATTENTION, outputs={"weights": "BT", "y": "BD"}),),
        variants={"pytorch": ("softmax", "scaled_dot_product"), "tensorflow": ("keras", "softmax")},
        omits={"pytorch.scaled_dot_product": {"weights": "the fused kernel does not return them"}},
    ),
)
