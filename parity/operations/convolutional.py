"""Define recurrent layers over images: each step is a row of sites, and what is multiplied elsewhere is convolved."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from parity.arrays import Array, Lengths
from parity.operations.row import Configuration, ExpectedFailure, Input, Operation


def _one_that_adds_up(rng: np.random.Generator, _: Lengths, size: Mapping[str, int]) -> Array:
    """Sample biases ``(4, H)``, a tenth of them far out; the last of several units adds up what it sees."""
    bias = rng.normal(0, 0.5, (4, size["H"]))
    far = (rng.uniform(size=bias.shape) < 0.1) & (np.arange(size["H"]) < max(1, size["H"] - 1))
    bias[far] += np.copysign(100, bias[far])
    bias[:, 1:][:, -1:] += np.array([[100], [100], [3], [0]])
    return bias


def _lstm(name: str, size: int, *lengths: str) -> Configuration:
    """Return a configuration with a kernel of so many sites."""
    inputs = {
        "x": Input("BTSD", padding_like=0.3),
        "w_in": Input(f"{size}D4H", scale=0.3, fan_in="D"),
        "w_rec": Input(f"{size}H4H", scale=0.3, fan_in="H"),
        "bias": Input("4H", sample=_one_that_adds_up),
    }
    outputs = {"y": "BTSH", "h": "BSH", "c": "BSH"}
    return Configuration(name, inputs, outputs, initial={"h": "", "c": ""}, lengths=lengths, stepwise=True)


ROWS = (
    Operation(
        "convolutional.lstm",
        configurations=(_lstm("three_sites", 3), _lstm("two_sites", 2, "tied", "one_sequence", "many_rows")),
        variants={"pytorch": ("stepwise",), "tensorflow": ("masked",)},
        expected_failures=(
            ExpectedFailure(
                "tensorflow.masked",
                "*/no_sequences",
                "Incompatible shapes",
                "TensorFlow's convolution of no rows, by oneDNN, keeps the number of their features",
                dtype="float32",
            ),
        ),
    ),
)
