"""Define attention: weights that sum to 1 over the real steps of each sequence."""

from __future__ import annotations

from parity.operations.row import FAR, OF_ALL_SIZES, OF_FEW_STEPS, Configuration, ExpectedFailure, Input, Operation

# Scores differ little: the gradient of a weight near 1 is a difference of nearly equal numbers. The offset of some
# sequences does not change their weights, but their exponentials overflow unless a maximum is subtracted.
SCORE_PER_STEP = Input("BT", scale=0.5, offset=100.0, lowered=FAR)
SCORE_PER_FEATURE = Input("BTD", scale=0.5, offset=100.0, lowered=FAR)

SELF_ATTENTION = {
    "x": Input("BTH"),
    "w_in": Input("H3H", scale=0.5, fan_in="H"),  # for queries, keys and values
    "bias_in": Input("2H", scale=0.5),  # for queries and values; one for keys changes nothing
    "w_out": Input("HH", scale=0.5, fan_in="H"),
    "bias_out": Input("H"),
}

# with one feature a head and as many heads as steps, Keras adds a bias to the wrong axis: attention.one_feature_a_head
TWO_HEADS = Configuration("two_heads", SELF_ATTENTION, outputs={"y": "BTH"}, options={"heads": 2}, least={"H": 6})

ROWS = (
    Operation(
        "attention.softmax",
        configurations=(
            Configuration("one_score", {"scores": SCORE_PER_STEP}, outputs={"weights": "BT"}, options={"axis": -1}),
            Configuration(
                "each_feature", {"scores": SCORE_PER_FEATURE}, outputs={"weights": "BTD"}, options={"axis": -2}
            ),
        ),
        variants={"pytorch": ("masked_fill",), "tensorflow": ("where",)},
    ),
    Operation(
        "attention.multi_head_attention",
        configurations=(
            TWO_HEADS,
            TWO_HEADS.with_options("one_head", *OF_ALL_SIZES, heads=1),
            TWO_HEADS.with_options("three_heads", *OF_FEW_STEPS, "wide", heads=3),
            TWO_HEADS.with_options("one_feature_a_head", "one_sequence", heads=6),
        ),
        variants={"pytorch": ("layer", "nested"), "tensorflow": ("layer",)},
        expected_failures=(
            ExpectedFailure(
                "pytorch.nested",
                "*",
                "_nested_tensor_storage_offsets",
                "the backward pass of nested tensors has no derivative",
                contract="second_derivatives",
            ),
        ),
    ),
)
