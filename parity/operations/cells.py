"""Define LSTMs as people build them from cells: projected, with peepholes, clipped, normalised, in chunks, stacked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parity.operations.row import Configuration, Input, Operation

# Lengths of configurations that are there for another option: eager runs of TensorFlow take long.
FEW = ("square", "tied")
X = Input("BTD", padding_like=0.3)


def _weights(features: str, output: str = "H", layer: str = "") -> dict[str, Input]:
    """Return the weights of one layer, whose output may have another axis than its cell state."""
    return {
        f"w_in{layer}": Input(f"{features}4H", scale=0.3, fan_in=features),
        f"w_rec{layer}": Input(f"{output}4H", scale=0.3, fan_in=output),
        f"bias{layer}": Input("4H", scale=0.5, extreme=0.1),
    }


def _states(layers: str = "", output: str = "H") -> dict[str, str]:
    """Return the axes of the final states, and of those to start from."""
    return {"h": f"{layers}B{output}", "c": f"{layers}BH"}


def _projected(name: str, layers: int, *lengths: str, from_state: bool = True) -> Configuration:
    """Return a projected LSTM. PyTorch takes fewer projected units than hidden ones."""
    inputs, states = {"x": X}, _states(str(layers), "S")
    for layer in range(layers):
        inputs |= _weights("D" if layer == 0 else "S", "S", f".{layer}")
        inputs[f"w_proj.{layer}"] = Input("HS", scale=0.5, fan_in="H")
    starts = {final: f"{final}0" if from_state else "" for final in states}
    inputs |= {start: Input(states[final]) for final, start in starts.items() if start}
    outputs = {"y": "BTS", **states}
    return Configuration(name, inputs, outputs, initial=starts, lengths=lengths, least={"H": 6}, stepwise=True)


def _one_layer(
    name: str, *lengths: str, more: Mapping[str, Input], from_state: bool = True, **options: Any
) -> Configuration:
    """Return an LSTM of one layer with more inputs."""
    inputs, states = {"x": X, **_weights("D"), **more}, _states()
    starts = {final: f"{final}0" if from_state else "" for final in states}
    inputs |= {start: Input("BH") for start in starts.values() if start}
    return Configuration(name, inputs, {"y": "BTH", **states}, options, initial=starts, lengths=lengths, stepwise=True)


PEEPHOLES = {"peepholes": Input("3H", scale=0.5)}
CLIPPED = _one_layer("peepholes_clipped", more=PEEPHOLES, clip=0.5)

ROWS = (
    Operation(
        "cells.projected_lstm",
        configurations=(
            _projected("from_state", 1),
            _projected("two_layers_from_state", 2, *FEW),
            _projected("from_zeros", 1, "tied", from_state=False),
        ),
        variants={"pytorch": ("packed", "stepwise"), "tensorflow": ("masked",)},
    ),
    Operation(
        "cells.peephole_lstm",
        configurations=(
            CLIPPED,
            CLIPPED.with_options("peepholes", *FEW, clip=None),
            _one_layer("clipped_from_zeros", "one_long", "descending", more={}, from_state=False, clip=1.25),
        ),
        variants={"pytorch": ("stepwise",), "tensorflow": ("masked",)},
    ),
)
