"""Define layers whose bias refills the padding: dense and convolutional."""

from __future__ import annotations

from typing import Any

from parity.operations.row import OF_ALL_SIZES, Configuration, Input, Operation

KERNEL = 3  # width of a convolution, in steps


def _dense(activation: str, extreme: float = 0.0) -> Configuration:
    """Return a configuration in which a share of the features are far beyond where the activation bends."""
    inputs = {
        "x": Input("BTD"),
        "w": Input("DH", scale=0.5, fan_in="D"),
        "bias": Input("H", scale=0.5, extreme=extreme),
    }
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
        configurations=(_dense("linear"), _dense("relu"), _dense("sigmoid"), _dense("tanh", extreme=0.3)),
        variants={"pytorch": ("masked",), "tensorflow": ("masked",)},
    ),
    Operation(
        "feedforward.conv1d",
        configurations=(
            _conv1d("same", layers=1, padding="same"),
            _conv1d("causal", layers=1, padding="causal"),
            _conv1d("stacked", layers=2, padding="same"),
            _conv1d("wider_kernel", layers=1, kernel=5, lengths=("square", *OF_ALL_SIZES), padding="same"),
            _conv1d("wider_causal_kernel", layers=2, kernel=4, lengths=("square", *OF_ALL_SIZES), padding="causal"),
        ),
        variants={"pytorch": ("masked",), "tensorflow": ("masked",)},
    ),
)
