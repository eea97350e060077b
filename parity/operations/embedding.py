"""Define embeddings: lookups in a table, single, pooled and rescaled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from parity.arrays import Array, Lengths
from parity.operations.row import (
    FAR,
    MANY,
    MANY_SEQUENCES,
    OF_ALL_SIZES,
    Configuration,
    ExpectedFailure,
    Input,
    Operation,
)

TOKENS = Input("BT", below="V", padding_like=0.2)
OF_SEVERAL_WORDS = ("descending", "square")


FREQUENCY = "a row's gradient is divided by how often its token occurs in the whole batch"


def _lookup(name: str, padding_index: int | None, coupling: str = "", **options: Any) -> Configuration:
    return Configuration(
        name,
        inputs={"tokens": TOKENS, "table": Input("VD")},
        outputs={"y": "BTD"},
        options={**options, "padding_index": padding_index},
        pad_row="" if padding_index is None else "table",
        coupling=coupling,
    )


def _position_table(name: str, padding_index: int | None) -> Configuration:
    return Configuration(
        name,
        inputs={"x": Input("BTD"), "table": Input("PD")},
        outputs={"y": "BTD"},
        options={"padding_index": padding_index},
        pad_row="" if padding_index is None else "table",
        extra_lengths=MANY,
    )


BEHIND_PAD_1, BEHIND_PAD_3 = (_position_table(f"pad_is_{index}", index) for index in (1, 3))


def _masked_dense() -> Configuration:
    lookup = _lookup("pad_is_0", 0)
    return replace(lookup, inputs={**lookup.inputs, "w": Input("DH"), "b": Input("H")}, outputs={"y": "BTH"})


def _one_far_below(rng: np.random.Generator, _: Lengths, size: Mapping[str, int]) -> Array:
    """Sample a table; the last of several features is below what masks often hold in place of -inf."""
    table = rng.normal(size=(size["V"], size["D"]))
    table[:, 1:][:, -1:] -= FAR
    return table


def _bag(mode: str, padding_index: int) -> Configuration:
    config = replace(_lookup(mode, padding_index, mode=mode), outputs={"y": "BD"})
    table = Input("VD", sample=_one_far_below)
    return replace(config, inputs={**config.inputs, "table": table}) if mode == "max" else config


def _short_and_long_rows(rng: np.random.Generator, _: Lengths, size: Mapping[str, int]) -> Array:
    """Sample a table whose rows are in turn shorter than any maximum, longer, and between one maximum and another."""
    table = rng.normal(size=(size["V"], size["D"]))
    least, most = np.array([(0.2, 0.9), (3, 6), (1.2, 2.3)])[np.arange(size["V"]) % 3].T
    norms = rng.uniform(least, most)
    return np.asarray(table * (norms / np.linalg.norm(table, axis=1))[:, None])


def _rescaled(function: str, pytorch: str, tensorflow: str) -> Operation:
    # a row of one feature becomes the norm itself, whatever it was: its gradient is 0, and roundoff in frameworks
    lookup = _lookup("pad_is_0", 0, max_norm=1.0)
    table = Input("VD", sample=_short_and_long_rows)
    config = replace(lookup, inputs={**lookup.inputs, "table": table}, least={"D": 2})
    larger = config.with_options("larger_norm", *OF_ALL_SIZES, "wide", max_norm=2.5)
    smaller = config.with_options("smaller_norm", "many_rows", "square", max_norm=0.5, padding_index=3)
    return Operation(
        f"embedding.{function}", (config, larger, smaller), {"pytorch": (pytorch,), "tensorflow": (tensorflow,)}
    )


ROWS = (
    Operation(
        "embedding.lookup",
        configurations=(_lookup("pad_is_0", 0), _lookup("pad_is_3", 3), _lookup("no_pad", None)),
        variants={"pytorch": ("padding_idx", "sparse"), "tensorflow": ("mask_zero", "indexed_slices")},
        expected_failures=(
            ExpectedFailure("tensorflow.mask_zero", "pad_is_3/*", "mask_zero", "Keras can mask index 0 only"),
        ),
    ),
    Operation(
        "embedding.scaled_by_frequency",
        configurations=(
            _lookup("pad_is_0", 0, FREQUENCY),
            replace(_lookup("no_pad", None, FREQUENCY), extra_lengths=MANY_SEQUENCES),
            _lookup("pad_is_0", 0, FREQUENCY).with_options("pad_is_3", *OF_SEVERAL_WORDS, padding_index=3),
        ),
        variants={"pytorch": ("scale_grad_by_freq",), "tensorflow": ("custom_gradient",)},
        expected_failures=(
            ExpectedFailure(
                "tensorflow.custom_gradient",
                "*",
                "must be a compile-time constant",
                "tf.math.bincount needs a bound that XLA knows when it compiles",
                mode="xla",
            ),
        ),
    ),
    Operation(
        "embedding.masked_dense",
        configurations=(_masked_dense(), _masked_dense().with_options("pad_is_3", *OF_SEVERAL_WORDS, padding_index=3)),
        variants={"pytorch": ("padding_idx",), "tensorflow": ("mask_zero",)},
        expected_failures=(
            ExpectedFailure("tensorflow.mask_zero", "pad_is_3/*", "mask_zero", "Keras can mask index 0 only"),
        ),
    ),
    Operation(
        "embedding.bag",
        configurations=(
            _bag("sum", 0),
            _bag("mean", 3),
            _bag("max", 0),
            _bag("max", 0).with_options("max_behind_pad_3", *OF_SEVERAL_WORDS, padding_index=3),
        ),
        variants={"pytorch": ("padding_idx", "offsets"), "tensorflow": ("masked", "lookup_sparse")},
        expected_failures=(
            *(
                ExpectedFailure(
                    f"pytorch.{variant}",
                    "max*/*",
                    "",
                    "embedding_bag passes the gradient of a maximum on to one row, also where that maximum is NaN",
                    contract="propagates_nan",
                    quantity="d_table",
                )
                for variant in ("padding_idx", "offsets")
            ),
            ExpectedFailure(
                "tensorflow.lookup_sparse", "max*/*", "ombiner", "TensorFlow's bags compute sum and mean only"
            ),
            *(
                ExpectedFailure(
                    "tensorflow.lookup_sparse",
                    f"{mode}/*",
                    "gradient registry has no entry",
                    "TensorFlow's gradient of a sparse segment has no gradient itself",
                    contract="second_derivatives",
                )
                for mode in ("sum", "mean")
            ),
            ExpectedFailure(
                "tensorflow.lookup_sparse", "*", "SparseReshape", "XLA does not support sparse tensors", mode="xla"
            ),
        ),
    ),
    Operation(
        "embedding.positions",
        configurations=(
            BEHIND_PAD_1,
            replace(BEHIND_PAD_3, lengths=("ragged", *OF_ALL_SIZES)),
            replace(_position_table("no_pad", None), lengths=("ragged", *OF_ALL_SIZES)),
            BEHIND_PAD_3.left_padded(),
        ),
        variants={"pytorch": ("padding_idx", "indexed"), "tensorflow": ("layer", "gather")},
    ),
    _rescaled("clipped_by_norm", pytorch="clamp", tensorflow="embedding_lookup"),
    _rescaled("max_norm", pytorch="max_norm", tensorflow="custom_gradient"),
)
