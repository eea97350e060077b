"""What recurrent layers in one direction and in both have in common."""

from __future__ import annotations

from typing import Any

from parity.operations.row import Configuration, ExpectedFailure, Input

GATES = {"rnn": 1, "gru": 3, "lstm": 4}
BIASES = GATES | {"gru": 4}  # r, z and n have one each, and the product inside n has another
STATES = {"rnn": "h", "gru": "h", "lstm": "hc"}
# The share of gates that are shut, or open, for good. In a GRU, a bias that large would scale the roundoff of the tanh
# around it, and an Elman network has no gates.
SHUT = {"rnn": 0.0, "gru": 0.0, "lstm": 0.1}


def recurrent(
    name: str,
    cell: str,
    layers: int,
    initial: bool,
    both: bool = False,
    shut: bool = True,
    also: tuple[str, ...] = (),
    **options: Any,
) -> Configuration:
    """A stack of recurrent layers; weights come as one item for each layer. ``shut``: some LSTM gates are, for good."""
    side = "2" if both else ""
    inputs = {"x": Input("BTD", blank=0.3)}  # some real steps look like padding
    for layer in range(layers):
        below = "D" if layer == 0 else "E" if both else "H"
        inputs[f"w_in.{layer}"] = Input(f"{side}{below}{GATES[cell]}H", scale=0.3, fan_in=below)
        inputs[f"w_rec.{layer}"] = Input(f"{side}H{GATES[cell]}H", scale=0.3, fan_in="H")
        inputs[f"bias.{layer}"] = Input(f"{side}{BIASES[cell]}H", scale=0.5, extreme=SHUT[cell] if shut else 0.0)
    state = f"{layers}{side}BH"
    start = {s: f"{s}0" if initial else "" for s in STATES[cell]}
    inputs |= {name: Input(state) for name in start.values() if name}
    outputs = {"y": "BTE" if both else "BTH"} | dict.fromkeys(STATES[cell], state)
    return Configuration(name, inputs, outputs, options, initial=start, also=also)


def recurrent_configurations(cell: str, both: bool = False) -> tuple[Configuration, ...]:
    if cell == "rnn":
        many = () if both else ("many_steps",)  # in one recurrent config: they take long
        return (
            recurrent("tanh", cell, layers=1, initial=False, both=both, also=many, activation="tanh"),
            recurrent("relu_two_layers_from_state", cell, layers=2, initial=True, both=both, activation="relu"),
        )
    return (
        recurrent("one_layer", cell, layers=1, initial=False, both=both),
        recurrent("two_layers_from_state", cell, layers=2, initial=True, both=both),
    )


UNMASKED_CELL_STATE = {"c": "an unmasked layer returns the cell state after the padding, not before it"}


XLA_FAILS = (
    ExpectedFailure(
        "tensorflow.packed",
        "*",
        "Invalid TensorList shape",
        "the batch shrinks from step to step, and XLA wants one shape for all that a loop keeps for its gradient",
        mode="xla",
    ),
    ExpectedFailure(
        "tensorflow.bucketed",
        "*",
        "PyFunc",
        "where to cut the batch is asked of NumPy, and XLA cannot call out",
        mode="xla",
    ),
)


def keras_lstm_needs_a_row(*variants: str) -> tuple[ExpectedFailure, ...]:
    why = "Keras' LSTMCell adds its bias with BiasAdd, whose eager oneDNN kernel refuses a batch of no rows"
    names = (f"tensorflow.{variant}" for variant in variants)
    return tuple(ExpectedFailure(name, "*/no_sequences", "Biases must be 1D", why, mode="eager") for name in names)
