"""Define the configurations and expected failures that recurrent layers share."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from parity.arrays import Array, Lengths
from parity.operations.row import Configuration, ExpectedFailure, Input

GATES = {"rnn": 1, "gru": 3, "lstm": 4}
BIASES = GATES | {"gru": 4}  # one each for r, z and n, and one for the product inside n
# Lengths of three layers: cells take turns, since they share code.
OF_THREE_LAYERS = {"rnn": ("square",), "gru": ("one_sequence",), "lstm": ("tied",)}
FROM_ONE_STATE = ("square",)
FEW_SEQUENCES = 4
STATES = {"rnn": "h", "gru": "h", "lstm": "hc"}
# Share of gates that are always shut or open. In a GRU, so large a bias would scale the roundoff of the tanh around it,
# and an Elman network has no gates.
SATURATED = {"rnn": 0.0, "gru": 0.0, "lstm": 0.1}


def recurrent(
    name: str,
    cell: str,
    layers: int,
    bidirectional: bool = False,
    saturated: bool = True,
    lengths: tuple[str, ...] = (),
    given: str = "hc",
    **options: Any,
) -> Configuration:
    """Return a configuration of one layer that starts from zeros, or of several that start from the given states.

    If ``saturated``, some LSTM gates are always shut or open.
    """
    directions, width = ("2", "E") if bidirectional else ("", "H")
    gates, biases = GATES[cell], BIASES[cell]
    extreme = SATURATED[cell] if saturated else 0.0
    inputs = {"x": Input("BTD", padding_like=0.3)}
    for layer in range(layers):
        features = "D" if layer == 0 else width
        inputs[f"w_in.{layer}"] = Input(f"{directions}{features}{gates}H", scale=0.3, fan_in=features)
        inputs[f"w_rec.{layer}"] = Input(f"{directions}H{gates}H", scale=0.3, fan_in="H")
        inputs[f"bias.{layer}"] = Input(f"{directions}{biases}H", scale=0.5, extreme=extreme)
    state = f"{layers}{directions}BH"
    starts = dict.fromkeys(STATES[cell], "")
    if layers > 1:
        starts |= {final: f"{final}0" for final in STATES[cell] if final in given}
        inputs |= {start: initial_state(state, start) for start in starts.values() if start}
    outputs = {"y": f"BT{width}"} | dict.fromkeys(STATES[cell], state)
    return Configuration(name, inputs, outputs, options, initial=starts, lengths=lengths, stepwise=True)


def initial_state(axes: str, name: str) -> Input:
    """Return an initial state; some cell states are far beyond where a tanh bends."""
    return Input(axes, sample=partial(_far_cell_states, axes)) if name == "c0" else Input(axes)


def _far_cell_states(axes: str, rng: np.random.Generator, lengths: Lengths, size: Mapping[str, int]) -> Array:
    """Sample states ``(..., B, H)``; in some units of every second sequence they are raised or lowered by 24.

    A gate that is half open leaves 12 of it behind the first step. Not in batches of a few sequences: where gates see
    what is saturated, smaller errors of others do not show.
    """
    states = rng.normal(size=[int(axis) if axis.isdigit() else size[axis] for axis in axes])
    if len(lengths) > FEW_SEQUENCES:
        far = states[..., ::2, ::4]
        far += np.copysign(24, far)
    return states


def recurrent_configurations(cell: str, bidirectional: bool = False) -> tuple[Configuration, ...]:
    """Return one layer that starts from zeros, and two and three from given states; of LSTMs, from one of both too."""
    one_layer = partial(recurrent, cell=cell, layers=1, bidirectional=bidirectional)
    two_layers = partial(recurrent, cell=cell, layers=2, bidirectional=bidirectional)
    lengths = OF_THREE_LAYERS[cell]
    three_layers = partial(recurrent, cell=cell, layers=3, bidirectional=bidirectional, lengths=lengths)
    if cell == "rnn":
        return (
            one_layer("tanh", activation="tanh"),
            two_layers("relu_two_layers_from_state", activation="relu"),
            three_layers("three_layers_from_state", activation="tanh"),
            one_layer("relu", activation="relu", lengths=("square",)),
        )
    usual = one_layer("one_layer"), two_layers("two_layers_from_state"), three_layers("three_layers_from_state")
    if cell == "gru":
        return usual
    one_state = (two_layers(f"two_layers_from_{given}0", lengths=FROM_ONE_STATE, given=given) for given in STATES[cell])
    return (*usual, *one_state)


UNMASKED_CELL_STATE = {"c": "an unmasked layer returns the cell state after the padding, not before it"}

XLA_FAILURES: tuple[ExpectedFailure, ...] = (
    ExpectedFailure(
        "tensorflow.packed",
        "*",
        "Invalid TensorList shape",
        "the batch shrinks from step to step, and XLA requires one shape for all that a loop keeps for its gradient",
        mode="xla",
    ),
    ExpectedFailure(
        "tensorflow.bucketed", "*", "PyFunc", "NumPy chooses where to cut the batch, and XLA cannot call it", mode="xla"
    ),
)


def keras_lstm_rejects_empty_batch(*variants: str) -> tuple[ExpectedFailure, ...]:
    """Return the failures of TensorFlow variants that use Keras' LSTM cell."""
    why = "Keras' LSTMCell adds its bias with BiasAdd, whose eager oneDNN kernel rejects an empty batch"
    names = (f"tensorflow.{variant}" for variant in variants)
    return tuple(ExpectedFailure(name, "*/no_sequences", "Biases must be 1D", why, mode="eager") for name in names)


# Their backward passes are written by hand; that of PyTorch in place, so that it cannot be differentiated again.
OWN_GRADIENTS = ("pytorch.real_steps", "tensorflow.packed", "tensorflow.bucketed")
REAL_STEPS_ONCE = ExpectedFailure(
    "pytorch.real_steps",
    "*",
    "cannot be differentiated",
    "its backward pass is written by hand, in place",
    contract="second_derivatives",
)
