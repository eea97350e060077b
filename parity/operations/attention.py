"""Attention: weights that sum to 1 over the real steps of each sequence."""

from __future__ import annotations

from parity.operations.row import Configuration, Input, Operation

# A weight near 1 has the gradient of a difference of equals. Some sequences' scores are large, all of them: the weights
# are the same, unless somebody takes their exponentials as they are.
STEP, FEATURES = (Input(axes, scale=0.5, raised=100.0) for axes in ("BT", "BTD"))

SELF_ATTENTION = {
    "x": Input("BTH"),
    "w_in": Input("H3H", scale=0.5, fan_in="H"),  # for queries, keys and values
    "bias_in": Input("2H", scale=0.5),  # for queries and values: one for keys changes nothing
    "w_out": Input("HH", scale=0.5, fan_in="H"),
    "bias_out": Input("H"),
}

ROWS = (
    Operation(
        "attention.softmax",
        configurations=(
            Configuration("one_score", {"scores": STEP}, outputs={"weights": "BT"}, options={"axis": -1}),
            Configuration("each_feature", {"scores": FEATURES}, outputs={"weights": "BTD"}, options={"axis": -2}),
        ),
        variants={"pytorch": ("masked_fill",), "tensorflow": ("where",)},
    ),
    Operation(
        "attention.multi_head_attention",
        configurations=(Configuration("two_heads", SELF_ATTENTION, outputs={"y": "BTH"}, options={"heads": 2}),),
        variants={"pytorch": ("layer",), "tensorflow": ("layer",)},
    ),
)
