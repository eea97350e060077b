"""Define recurrent layers over images: each step is a row of sites, and what is multiplied elsewhere is convolved."""

from __future__ import annotations

from parity.operations.row import Configuration, ExpectedFailure, Input, Operation


def _lstm(name: str, size: int, *lengths: str) -> Configuration:
    """Return a configuration with a kernel of so many sites."""
    inputs = {
        "x": Input("BTSD", padding_like=0.3),
        "w_in": Input(f"{size}D4H", scale=0.3, fan_in="D"),
        "w_rec": Input(f"{size}H4H", scale=0.3, fan_in="H"),
        "bias": Input("4H", scale=0.5, extreme=0.1),
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
