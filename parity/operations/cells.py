"""Define LSTMs as people build them from cells: projected, with peepholes, clipped, normalised, in chunks, stacked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from parity.arrays import Array, Lengths
from parity.operations.recurrent import initial_state, keras_lstm_rejects_empty_batch, recurrent
from parity.operations.row import Configuration, ExpectedFailure, Input, Operation

# Lengths of configurations that are there for another option: eager runs of TensorFlow take long.
FEW = ("tied", "one_sequence", "many_rows")
X = Input("BTD", padding_like=0.3)
NOTHING: Mapping[str, int] = {}


def _weights(features: str, output: str = "H", layer: str = "", saturated: bool = True) -> dict[str, Input]:
    """Return the weights of one layer, whose output may have another axis than its cell state.

    If ``saturated``, some gates are always shut or open. Where that may be all forget gates, since there is one, the
    gradient of the initial cell state is less than float32 can hold.
    """
    return {
        f"w_in{layer}": Input(f"{features}4H", scale=0.3, fan_in=features),
        f"w_rec{layer}": Input(f"{output}4H", scale=0.3, fan_in=output),
        f"bias{layer}": Input("4H", scale=0.5, extreme=0.1 if saturated else 0.0),
    }


def _states(layers: str = "", output: str = "H") -> dict[str, str]:
    """Return the axes of the final states, and of those to start from."""
    return {"h": f"{layers}B{output}", "c": f"{layers}BH"}


def _starts(states: Mapping[str, str], given: str) -> tuple[dict[str, str], dict[str, Input]]:
    """Return what each final state starts from, and the inputs that these are: those of the states that are given."""
    starts = {final: f"{final}0" if final in given else "" for final in states}
    return starts, {start: initial_state(states[final], start) for final, start in starts.items() if start}


def _projected(name: str, layers: int, *lengths: str, given: str = "hc", **options: Any) -> Configuration:
    """Return a projected LSTM. PyTorch takes fewer projected units than hidden ones."""
    inputs, states = {"x": X}, _states(str(layers), "S")
    for layer in range(layers):
        inputs |= _weights("D" if layer == 0 else "S", "S", f".{layer}")
        inputs[f"w_proj.{layer}"] = Input("HS", scale=0.5, fan_in="H")
    starts, initial = _starts(states, given)
    inputs |= initial
    outputs = {"y": "BTS", **states}
    return Configuration(name, inputs, outputs, options, initial=starts, lengths=lengths, least={"H": 6}, stepwise=True)


def _in_both_directions(name: str, *lengths: str, given: str = "hc") -> Configuration:
    """Return a projected LSTM of one layer whose weights and states have an axis of two."""
    inputs, states = {"x": X}, {final: f"2{axes}" for final, axes in _states(output="S").items()}
    weights = _weights("D", "S") | {"w_proj": Input("HS", scale=0.5, fan_in="H")}
    inputs |= {key: replace(array, axes=f"2{array.axes}") for key, array in weights.items()}
    starts, initial = _starts(states, given)
    inputs |= initial
    outputs = {"y": "BT2S", **states}
    return Configuration(name, inputs, outputs, initial=starts, lengths=lengths, least={"H": 6}, stepwise=True)


def _one_layer(
    name: str,
    *lengths: str,
    more: Mapping[str, Input],
    given: str = "hc",
    least: Mapping[str, int] = NOTHING,
    **options: Any,
) -> Configuration:
    """Return an LSTM of one layer with more inputs."""
    several = "c" not in given or least.get("H", 1) > 1
    inputs, states = {"x": X, **_weights("D", saturated=several), **more}, _states()
    starts, initial = _starts(states, given)
    inputs |= initial
    outputs = {"y": "BTH", **states}
    return Configuration(name, inputs, outputs, options, initial=starts, lengths=lengths, least=least, stepwise=True)


PEEPHOLES = {"peepholes": Input("3H", scale=0.5)}
CLIPPED = _one_layer("peepholes_clipped", more=PEEPHOLES, clip=0.5)


def _normalised(name: str, *lengths: str, given: str = "hc", **options: Any) -> Configuration:
    """Return the configuration of an LSTM that normalises its gates.

    Of one unit, or of two, all of the gradient cancels but the roundoff of their mean. So does that of one feature: the
    norm of its product with the weights is the same whatever its size.
    """
    scales = {"gamma_in": Input("4H"), "gamma_rec": Input("4H"), "gamma_c": Input("H"), "beta_c": Input("H")}
    options = {"per_gate": False, "eps": 1e-5} | options
    return _one_layer(name, *lengths, more=scales, least={"H": 6, "D": 2}, given=given, **options)


NORMALISED = _normalised("all_gates_together")


def _kept(rng: np.random.Generator, lengths: Lengths, size: Mapping[str, int], axis: str) -> Array:
    """Sample what each sequence keeps; every second one drops what the one before keeps.

    Of several units, the first sequence of two keeps one at least, and drops one.
    """
    kept = rng.integers(0, 2, (len(lengths), size[axis]))
    kept[:, :2] = rng.permuted(np.broadcast_to([0, 1], (len(lengths), 2)), axis=1)[:, : size[axis]]
    kept = rng.permuted(kept, axis=1)
    kept[1::2] = 1 - kept[: len(kept) // 2 * 2 : 2]
    return kept


KEEP = {
    "keep_x": Input("BD", below="2", sample=partial(_kept, axis="D")),
    "keep_h": Input("BH", below="2", sample=partial(_kept, axis="H")),
}
DROPPED = _one_layer("training", more=KEEP, rate=0.6, training=True)


def _layers(name: str, layers: int, *lengths: str, starts: str = "hc", **options: Any) -> Configuration:
    """Return an LSTM of several layers, from those of its states that ``starts`` names."""
    config = recurrent(name, "lstm", layers, lengths=lengths, **options)
    inputs = {key: array for key, array in config.inputs.items() if key not in ("h0", "c0")}
    inputs |= {f"{final}0": initial_state(f"{layers}BH", f"{final}0") for final in starts}
    initial = {final: f"{final}0" if final in starts else "" for final in "hc"}
    return replace(config, inputs=inputs, initial=initial)


TRUNCATED = _layers("chunks_of_two", 1, saturated=False, chunk=2)

ROWS = (
    Operation(
        "cells.projected_lstm",
        configurations=(
            _projected("from_state", 1),
            _projected("two_layers_from_state", 2, *FEW),
            _projected("from_zeros", 1, "tied", given=""),
            _projected("clipped", 1, "one_sequence", "tied", "many_rows", clip=0.3),
            _projected("two_layers_clipped", 2, "square", clip=0.7),
            _projected("from_c0_far_out_clipped", 1, "many_rows", given="c", clip=1.2),
            _projected("from_h0", 1, "square", given="h"),
        ),
        variants={"pytorch": ("packed", "stepwise"), "tensorflow": ("masked",)},
        expected_failures=(
            ExpectedFailure("pytorch.packed", "*clipped/*", "proj_clip", "torch.nn.LSTM does not clip a projection"),
        ),
    ),
    Operation(
        "cells.bidirectional_projected_lstm",
        configurations=(
            _in_both_directions("from_state"),
            _in_both_directions("from_zeros", *FEW, given=""),
            _in_both_directions("from_h0", "square", given="h"),
            _in_both_directions("from_c0", "square", given="c"),
        ),
        variants={"pytorch": ("packed",), "tensorflow": ("two_pass",)},
    ),
    Operation(
        "cells.peephole_lstm",
        configurations=(
            CLIPPED,
            CLIPPED.with_options("peepholes", *FEW, clip=None),
            _one_layer(  # a higher clip would do nothing to one sequence
                "clipped_from_zeros", "one_long", "one_sequence", "many_rows", more={}, given="", clip=0.6
            ),
            _one_layer("clipped_far_out", "many_rows", more={}, given="c", clip=3.0),
            _one_layer("from_h0", "square", more={}, given="h", clip=None),
        ),
        variants={"pytorch": ("stepwise",), "tensorflow": ("masked",)},
    ),
    Operation(
        "cells.layer_norm_lstm",
        configurations=(
            NORMALISED,
            NORMALISED.with_options("each_gate", *FEW, per_gate=True),
            NORMALISED.with_options("eps_of_keras", "descending", "wide", eps=1e-3),
            _normalised("each_gate_from_c0", "square", given="c", per_gate=True, eps=1e-3),
            _normalised("from_h0", "square", given="h"),
        ),
        variants={"pytorch": ("stepwise",), "tensorflow": ("masked",)},
    ),
    Operation(
        "cells.truncated_lstm",
        configurations=(
            TRUNCATED,
            _layers("two_layers_in_chunks_of_three", 2, "tied", "one_sequence", "descending", chunk=3),
            TRUNCATED.with_options("single_steps", "one_long", "one_sequence", chunk=1),
            TRUNCATED.with_options("chunks_of_eight", "ascending", chunk=8),
            _layers("from_h0", 1, "square", starts="h", saturated=False, chunk=2),
            _layers("from_c0", 1, "square", starts="c", saturated=False, chunk=2),
        ),
        variants={"pytorch": ("packed",), "tensorflow": ("masked",)},
        expected_failures=keras_lstm_rejects_empty_batch("masked"),
    ),
    Operation(
        "cells.locked_dropout",
        configurations=(
            DROPPED,
            _one_layer("low_rate", *FEW, more=KEEP, given="c", rate=0.2, training=True),
            _one_layer("evaluation", "one_sequence", "tied", more=KEEP, given="h", rate=0.6, training=False),
        ),
        variants={"pytorch": ("stepwise",), "tensorflow": ("masked",)},
    ),
    Operation(
        "cells.stacked_lstm",
        configurations=(
            _layers("two_layers_from_state", 2, saturated=False),
            _layers("three_layers_from_h0", 3, *FEW, starts="h"),
            _layers("two_layers_from_c0", 2, *FEW, starts="c"),
        ),
        variants={"pytorch": ("cells", "packed"), "tensorflow": ("masked",)},
        expected_failures=keras_lstm_rejects_empty_batch("masked"),
    ),
)
