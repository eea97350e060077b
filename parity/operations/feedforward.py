"""Define layers whose bias refills the padding: dense and convolutional."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from parity.arrays import Array, Lengths
from parity.operations.row import OF_ALL_SIZES, Configuration, Input, Operation

KERNEL = 3  # width of a convolution, in steps
BIAS = Input("H", scale=0.5)


def _one_shut(rng: np.random.Generator, _: Lengths, size: Mapping[str, int]) -> Array:
    """Sample biases; the last of several is so far below 0 that the exponential in a sigmoid is inf in float32.

    A single feature stays: its slopes would be less than float32 can hold, and nothing else would be there.
    """
    bias = rng.normal(0, 0.5, size["H"])
    bias[1:][-1:] -= 100
    return bias


def _some_without(rng: np.random.Generator, _: Lengths, size: Mapping[str, int]) -> Array:
    """Sample biases, every second of them 0, as they are at the start of training."""
    return rng.normal(0, 0.5, size["H"]) * (np.arange(size["H"]) % 2)


def _dense(activation: str, bias: Input, padding_like: float = 0.0) -> Configuration:
    x = Input("BTD", padding_like=padding_like)
    inputs = {"x": x, "w": Input("DH", scale=0.5, fan_in="D"), "bias": bias}
    return Configuration(activation, inputs, outputs={"y": "BTH"}, options={"activation": activation})


def _conv1d(
    name: str, layers: int, kernel: int = KERNEL, lengths: tuple[str, ...] = (), **options: Any
) -> Configuration:
    inputs = {"x": Input("BTD")}
    for layer in range(layers):
        features = "H" if layer else "D"
        inputs[f"w.{layer}"] = Input(f"{kernel}{features}H", scale=0.5, fan_in=features)
        inputs[f"bias.{layer}"] = Input("H")
    return Configuration(name, inputs, outputs={"y": "BTH"}, options=options, lengths=lengths)


ROWS = (
    Operation(
        "feedforward.dense",
        configurations=(
            _dense("linear", BIAS),
            _dense("relu", Input("H", sample=_some_without), padding_like=0.3),  # of exactly 0, too
            _dense("sigmoid", Input("H", sample=_one_shut)),
            _dense("tanh", Input("H", scale=0.5, extreme=0.3)),  # far beyond where it bends
        ),
        variants={"pytorch": ("masked",), "tensorflow": ("masked",)},
    ),
    Operation(
        "feedforward.conv1d",
        configurations=(
            _conv1d("same", layers=1, padding="same"),
            _conv1d("causal", layers=1, padding="causal"),
            _conv1d("stacked", layers=2, padding="same"),
            _conv1d("wider_kernel", layers=1, kernel=5, lengths=("square", *OF_ALL_SIZES), padding="same"),
            _conv1d("even_kernel", layers=2, kernel=4, lengths=("square", *OF_ALL_SIZES), padding="same"),
            _conv1d("wider_causal_kernel", layers=2, kernel=4, lengths=("square", *OF_ALL_SIZES), padding="causal"),
        ),
        variants={"pytorch": ("masked",), "tensorflow": ("masked",)},
    ),
)
