"""Define masks, from lengths, from tokens and from features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from parity.arrays import Array, Lengths, valid
from parity.operations.row import MANY, OF_ALL_SIZES, Configuration, ExpectedFailure, Input, Operation

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


def _pads_among_words(
    padding_index: int, left: bool, at_end: bool, rng: np.random.Generator, lengths: Lengths, size: Mapping[str, int]
) -> Array:
    """Sample tokens with pads inside of every second sequence, but not at its ends, where nothing tells them apart.

    With ``at_end``, which is for padding on the left, the last step of these sequences is a pad too.
    """
    words = rng.integers(0, size["V"] - 1, (len(lengths), size["T"]))
    tokens = words + (words >= padding_index)
    for row in np.argsort(-lengths, kind="stable")[::2]:
        start = size["T"] - lengths[row] if left else 0
        inside = np.arange(start + 1, start + lengths[row] - 1)
        if inside.size:
            tokens[row, rng.choice(inside, rng.integers(1, inside.size + 1), replace=False)] = padding_index
            if at_end:
                tokens[row, -1] = padding_index
    return np.where(valid(lengths, size["T"], left), tokens, padding_index)


def _counted(name: str, padding_index: int, until: str, left: bool = False, at_end: bool = False) -> Configuration:
    sample = partial(_pads_among_words, padding_index, left, at_end)
    config = Configuration(
        name,
        inputs={"tokens": Input("BT", below="V", padding=padding_index, sample=sample), "table": Input("VD")},
        outputs={"length": "B", "y": "BD"},
        options={"padding_index": padding_index, "until": until},
        pad_row="table",
        discrete=("length",),
    )
    return config.left_padded(name=name) if left else config


# As where one id is that of the pad and of the end. No row that is padded on the right can end so: no contract compares
# with one, since no other configuration has this pad.
LEFT_WITH_PAD_AT_END = replace(
    _counted("left_with_pad_at_end", 2, "last_word", left=True, at_end=True), lengths=("ragged", *OF_ALL_SIZES)
)


POSITIONS = Configuration("from_0", X, outputs={"position": "BT"}, discrete=("position",), extra_lengths=MANY)
FROM_2 = POSITIONS.with_options("from_2", "ragged", *OF_ALL_SIZES, first=2)

ROWS = (
    Operation(
        "masking.sequence_mask",
        configurations=(
            Configuration("from_lengths", X, outputs={"mask": "BT"}, discrete=("mask",), extra_lengths=MANY),
        ),
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
        configurations=(
            Configuration(
                "zeros", FEATURES, outputs={"mask": "BT", "y": "BTD"}, discrete=("mask",), extra_lengths=MANY
            ),
        ),
        variants={"pytorch": ("any_feature",), "tensorflow": ("masking_layer", "any_feature")},
    ),
    Operation(
        "masking.length_from_features",
        configurations=(
            Configuration("zeros", FEATURES, outputs={"length": "B"}, discrete=("length",), extra_lengths=MANY),
        ),
        variants={"pytorch": ("last_frame",), "tensorflow": ("last_frame",)},
    ),
    Operation(
        "masking.length_from_tokens",
        configurations=(
            _counted("until_first_pad", 0, "first_pad"),
            replace(_counted("until_first_pad_2", 2, "first_pad"), lengths=("square", "long_sequence")),
            _counted("until_last_word", 3, "last_word"),
            _counted("left_padded", 3, "last_word", left=True),
            _counted("left_until_pad", 3, "first_pad", left=True),  # from the other end: not the same on either side
            LEFT_WITH_PAD_AT_END,
        ),
        variants={"pytorch": ("argmax", "cumprod"), "tensorflow": ("argmax", "cumprod")},
    ),
    Operation(
        "masking.positions",
        configurations=(POSITIONS, FROM_2, FROM_2.left_padded()),
        variants={"pytorch": ("cumsum", "arange"), "tensorflow": ("cumsum", "arange")},
    ),
    Operation(
        "masking.mask_frames",
        configurations=(Configuration("features", X, outputs={"y": "BTD"}, extra_lengths=MANY),),
        variants={"pytorch": ("where", "masked_fill"), "tensorflow": ("where",)},
    ),
)
