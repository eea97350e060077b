"""Embeddings."""

from __future__ import annotations

from parity.operations.row import Configuration, ExpectedFailure, Input, Operation

TOKENS = Input("BT", below="V", blank=0.2)  # a pad among the words too


def _lookup(name: str, padding_index: int | None) -> Configuration:
    return Configuration(
        name,
        inputs={"tokens": TOKENS, "table": Input("VD")},
        outputs={"y": "BTD"},
        options={"padding_index": padding_index},
        pad_row="" if padding_index is None else "table",
    )


def _scaled_by_frequency(name: str, padding_index: int | None) -> Configuration:
    config = _lookup(name, padding_index)
    couples = "a row's gradient is divided by how often its token occurs in the whole batch"
    return Configuration(name, config.inputs, config.outputs, config.options, pad_row=config.pad_row, couples=couples)


MASKED_DENSE = Configuration(
    "pad_is_0",
    inputs={"tokens": TOKENS, "table": Input("VD"), "w": Input("DH"), "b": Input("H")},
    outputs={"y": "BTH"},
    options={"padding_index": 0},
    pad_row="table",
)


def _bag(name: str, mode: str, padding_index: int) -> Configuration:
    config = _lookup(name, padding_index)
    return Configuration(
        name, config.inputs, {"y": "BD"}, {"mode": mode, "padding_index": padding_index}, pad_row="table"
    )


def _shortened(function: str, pytorch: str, tensorflow: str) -> Operation:
    config = _lookup("pad_is_0", 0)
    config = Configuration(
        config.name, config.inputs, config.outputs, {"max_norm": 1.0, **config.options}, pad_row=config.pad_row
    )
    return Operation(f"embedding.{function}", (config,), {"pytorch": (pytorch,), "tensorflow": (tensorflow,)})


ROWS = (
    Operation(
        "embedding.lookup",
        configurations=(_lookup("pad_is_0", 0), _lookup("pad_is_3", 3), _lookup("no_pad", None)),
        variants={"pytorch": ("padding_idx", "sparse"), "tensorflow": ("mask_zero", "indexed_slices")},
        expected_failures=(
            ExpectedFailure("tensorflow.mask_zero", "pad_is_3/*", "mask_zero", "Keras can mask no index but 0"),
        ),
    ),
    Operation(
        "embedding.scaled_by_frequency",
        configurations=(_scaled_by_frequency("pad_is_0", 0), _scaled_by_frequency("no_pad", None)),
        variants={"pytorch": ("scale_grad_by_freq",), "tensorflow": ("custom_gradient",)},
        expected_failures=(
            ExpectedFailure(
                "tensorflow.custom_gradient",
                "*",
                "must be a compile-time constant",
                "tf.math.bincount counts up to a number that XLA has to know",
                mode="xla",
            ),
        ),
    ),
    Operation(
        "embedding.masked_dense",
        configurations=(MASKED_DENSE,),
        variants={"pytorch": ("padding_idx",), "tensorflow": ("mask_zero",)},
    ),
    Operation(
        "embedding.bag",
        configurations=(_bag("sum", "sum", 0), _bag("mean", "mean", 3), _bag("max", "max", 0)),
        variants={"pytorch": ("padding_idx", "offsets"), "tensorflow": ("masked", "lookup_sparse")},
        expected_failures=(
            ExpectedFailure("tensorflow.lookup_sparse", "max/*", "ombiner", "TensorFlow's bags add up or average"),
            ExpectedFailure(
                "tensorflow.lookup_sparse", "*", "SparseReshape", "XLA knows no sparse tensors", mode="xla"
            ),
        ),
    ),
    _shortened("clipped_by_norm", pytorch="clamp", tensorflow="embedding_lookup"),
    _shortened("max_norm", pytorch="max_norm", tensorflow="custom_gradient"),
)
