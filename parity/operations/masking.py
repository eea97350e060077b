"""Define masks, from lengths, from tokens and from features."""

from __future__ import annotations

from parity.operations.row import Configuration, ExpectedFailure, Input, Operation

X = {"x": Input("BTD")}
FEATURES = {"x": Input("BTD", padding_like=0.3, padding=0.0)}  # some real frames look like padding


def _tokens(padding_index: int) -> Configuration:
    return Configuration(
        f"pad_is_{padding_index}",
        inputs={"tokens": Input("BT", below="V", padding_like=0.3, padding=padding_index), "table": Input("VD")},
        outputs={"mask": "BT", "y": "BTD"},
        options={"padding_index": padding_index},
        pad_row="table",
        discrete=("mask",),
    )


ROWS = (
    Operation(
        "masking.sequence_mask",
        configurations=(Configuration("from_lengths", X, outputs={"mask": "BT"}, discrete=("mask",)),),
        variants={"pytorch": ("arange",), "tensorflow": ("sequence_mask",)},
    ),
    Operation(
        "masking.mask_from_tokens",
        configurations=(_tokens(0), _tokens(3)),
        variants={"pytorch": ("not_equal",), "tensorflow": ("mask_zero", "not_equal")},
        expected_failures=(
            ExpectedFailure("tensorflow.mask_zero", "pad_is_3/*", "mask_zero", "Keras can mask index 0 only"),
        ),
    ),
    Operation(
        "masking.mask_from_features",
        configurations=(Configuration("zeros", FEATURES, outputs={"mask": "BT", "y": "BTD"}, discrete=("mask",)),),
        variants={"pytorch": ("any_feature",), "tensorflow": ("masking_layer", "any_feature")},
    ),
    Operation(
        "masking.length_from_features",
        configurations=(Configuration("zeros", FEATURES, outputs={"length": "B"}, discrete=("length",)),),
        variants={"pytorch": ("last_frame",), "tensorflow": ("last_frame",)},
    ),
    Operation(
        "masking.mask_frames",
        configurations=(Configuration("features", X, outputs={"y": "BTD"}),),
        variants={"pytorch": ("where", "masked_fill"), "tensorflow": ("where",)},
    ),
)
