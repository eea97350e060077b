"""The paired operations: one row each. Ids, inputs, tests, report rows and documentation derive from it.

Axes have one letter each:

    B batch   T time   D features   H hidden   E both directions' hidden, 2H   V vocabulary   C classes

and a digit is an axis of just that size: ``"D4H"`` is a kernel with four gates, ``"1BH"`` the state of one
layer. ``""`` is a scalar. A name that ends in ``.0``, ``.1`` … is one item of a tuple, one for each layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from itertools import product
from typing import Any

from parity.errors import choose


@dataclass(frozen=True)
class Input:
    """One array that goes in.

    Attributes:
        axes: a letter or digit for each axis.
        below: for ids, the axis letter whose size they stay below; empty for floats.
        scale: standard deviation of the floats drawn.
        unit: draw floats between 0 and 1, as probabilities are.
        fan_in: for weights, the axis that is summed over: the scale shrinks as it widens, so that a large layer is
            not saturated, or chaotic, where a small one is not.
    """

    axes: str
    below: str = ""
    scale: float = 1.0
    unit: bool = False
    fan_in: str = ""


@dataclass(frozen=True, eq=False)
class Form:
    """One way to call an operation: what goes in, what comes out, under which options.

    Attributes:
        inputs: every array but ``lengths``, which all operations take.
        outputs: name -> axes.
        options: keyword arguments that are no arrays.
        initial: final state -> the input it starts from ("" when it starts from zeros).
        pad_row: the parameter whose row ``options["padding_index"]`` counts as padding, if any.
        couples: why the sequences of a batch depend on each other; empty when they do not.
        data: which real data set fills the batch arrays; empty when they are drawn.
    """

    name: str
    inputs: Mapping[str, Input]
    outputs: Mapping[str, str]
    options: Mapping[str, Any] = field(default_factory=dict)
    initial: Mapping[str, str] = field(default_factory=dict)
    pad_row: str = ""
    couples: str = ""
    data: str = ""


@dataclass(frozen=True)
class Refusal:
    """A case that a variant cannot do, kept as a claim: it must go on refusing, in these words.

    Attributes:
        variant: "wing.variant".
        case, mode: patterns for "form/shape" and the mode, as in `fnmatch`.
        says: part of the framework's message.
        why: the reason, for a reader.
    """

    variant: str
    case: str
    says: str
    why: str
    mode: str = "*"


@dataclass(frozen=True, eq=False)
class Operation:
    """One thing that every wing computes.

    Attributes:
        name: "topic.function": the file and the function in each wing.
        forms: the ways it is called.
        variants: wing -> the ways that wing computes it; the first is the idiomatic one.
        omits: "wing.variant" -> outputs it cannot give, with the reason.
        refusals: cases that a variant cannot do.
    """

    name: str
    forms: tuple[Form, ...]
    variants: Mapping[str, tuple[str, ...]]
    omits: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    refusals: tuple[Refusal, ...] = ()

    @property
    def topic(self) -> str:
        return self.name.partition(".")[0]

    @property
    def function(self) -> str:
        return self.name.partition(".")[2]

    def omitted(self, variant: str) -> Mapping[str, str]:
        """The outputs that "wing.variant" cannot give, with the reason."""
        return self.omits.get(variant, {})

    def refusal(self, variant: str, case: str, mode: str) -> Refusal | None:
        """What "wing.variant" is known to refuse about "form/shape" in a mode."""
        matching = (
            r for r in self.refusals if r.variant == variant and fnmatch(case, r.case) and fnmatch(mode, r.mode)
        )
        return next(matching, None)

    def form(self, name: str) -> Form:
        """The form of that name; `InputError` names the nearest right one."""
        forms = {form.name: form for form in self.forms}
        return forms[choose("form", name, forms)]


MEAN_OVER_BATCH = "a mean over every valid step of the batch: each sequence's share depends on the others' lengths"


def _lookup(name: str, padding_index: int | None) -> Form:
    return Form(
        name,
        inputs={"tokens": Input("BT", below="V"), "table": Input("VD")},
        outputs={"y": "BTD"},
        options={"padding_index": padding_index},
        pad_row="" if padding_index is None else "table",
    )


def _scaled_by_frequency(name: str, padding_index: int | None) -> Form:
    form = _lookup(name, padding_index)
    couples = "a row's gradient is divided by how often its token occurs in the whole batch"
    return Form(name, form.inputs, form.outputs, form.options, pad_row=form.pad_row, couples=couples)


GATES = {"rnn": 1, "gru": 3, "lstm": 4}
BIASES = GATES | {"gru": 4}  # r, z and n have one each, and the product inside n has another
STATES = {"rnn": "h", "gru": "h", "lstm": "hc"}


def _recurrent(name: str, cell: str, layers: int, initial: bool, both: bool = False, **options: Any) -> Form:
    """A stack of recurrent layers; weights come as one item for each layer."""
    side = "2" if both else ""
    inputs = {"x": Input("BTD")}
    for layer in range(layers):
        below = "D" if layer == 0 else "E" if both else "H"
        inputs[f"w_in.{layer}"] = Input(f"{side}{below}{GATES[cell]}H", scale=0.3, fan_in=below)
        inputs[f"w_rec.{layer}"] = Input(f"{side}H{GATES[cell]}H", scale=0.3, fan_in="H")
        inputs[f"bias.{layer}"] = Input(f"{side}{BIASES[cell]}H", scale=0.5)
    state = f"{layers}{side}BH"
    start = {s: f"{s}0" if initial else "" for s in STATES[cell]}
    inputs |= {name: Input(state) for name in start.values() if name}
    outputs = {"y": "BTE" if both else "BTH"} | dict.fromkeys(STATES[cell], state)
    return Form(name, inputs, outputs, options, initial=start)


def _recurrent_forms(cell: str, both: bool = False) -> tuple[Form, ...]:
    if cell == "rnn":
        return (
            _recurrent("tanh", cell, layers=1, initial=False, both=both, activation="tanh"),
            _recurrent("relu_two_layers_from_state", cell, layers=2, initial=True, both=both, activation="relu"),
        )
    return (
        _recurrent("one_layer", cell, layers=1, initial=False, both=both),
        _recurrent("two_layers_from_state", cell, layers=2, initial=True, both=both),
    )


UNMASKED_CELL_STATE = {"c": "an unmasked layer returns the cell state after the padding, not before it"}


def _keras_lstm_needs_a_row(*variants: str) -> tuple[Refusal, ...]:
    why = "Keras' LSTMCell adds its bias with BiasAdd, whose eager oneDNN kernel refuses a batch of no rows"
    names = (f"tensorflow.{variant}" for variant in variants)
    return tuple(Refusal(name, "*/no_sequences", "Biases must be 1D", why, mode="eager") for name in names)


def _unidirectional(cell: str) -> Operation:
    lstm = cell == "lstm"
    unmasked = ("pytorch.padded", "pytorch.padded_native", "pytorch.bucketed", "tensorflow.padded")
    native = ("padded_native",) if lstm else ()  # oneDNN has no other cell
    return Operation(
        f"rnn.{cell}",
        forms=_recurrent_forms(cell),
        variants={
            "pytorch": ("packed", "packed_sorted", "padded", *native, "stepwise", "bucketed", "real_steps"),
            "tensorflow": ("masked", "padded", "dynamic_rnn", "stepwise", "packed", "bucketed"),
        },
        omits=dict.fromkeys(unmasked, UNMASKED_CELL_STATE) if lstm else {},
        refusals=_keras_lstm_needs_a_row("masked", "padded", "bucketed") if lstm else (),
    )


def _bidirectional(cell: str) -> Operation:
    lstm = cell == "lstm"
    return Operation(
        f"bidirectional.{cell}",
        forms=_recurrent_forms(cell, both=True),
        variants={
            "pytorch": ("packed", "two_pass", "bucketed", "real_steps"),
            "tensorflow": ("masked", "two_pass", "dynamic_rnn", "packed", "bucketed"),
        },
        omits=dict.fromkeys(("pytorch.two_pass", "pytorch.bucketed"), UNMASKED_CELL_STATE) if lstm else {},
        refusals=_keras_lstm_needs_a_row("masked", "two_pass", "bucketed") if lstm else (),
    )


REVERSE_SEQUENCE = Operation(
    "bidirectional.reverse_sequence",
    forms=(Form("features", inputs={"x": Input("BTD")}, outputs={"y": "BTD"}),),
    variants={"pytorch": ("gather",), "tensorflow": ("reverse_sequence",)},
)


LOGITS = {"logits": Input("BTC"), "targets": Input("BT", below="C")}

CROSS_ENTROPY = Operation(
    "loss.cross_entropy",
    forms=(Form("mean", LOGITS, outputs={"loss": ""}, couples=MEAN_OVER_BATCH),),
    variants={
        "pytorch": ("ignore_index", "flattened", "weighted"),
        "tensorflow": ("keras_mask", "ignore_class", "flattened"),
    },
)


def _sequence_loss(timesteps: bool, batch: bool) -> Form:
    names = {(True, True): "mean", (True, False): "by_sequence", (False, True): "by_step", (False, False): "by_token"}
    return Form(
        names[timesteps, batch],
        LOGITS,
        outputs={"loss": ("" if batch else "B") + ("" if timesteps else "T")},
        options={"average_across_timesteps": timesteps, "average_across_batch": batch},
        couples=MEAN_OVER_BATCH if batch else "",
    )


SEQUENCE_LOSS = Operation(
    "loss.sequence_loss",
    forms=tuple(_sequence_loss(timesteps, batch) for timesteps, batch in product((True, False), repeat=2)),
    variants={"pytorch": ("weighted",), "tensorflow": ("weighted",)},
)


def _elementwise_loss(function: str, inputs: Mapping[str, Input]) -> Operation:
    return Operation(
        f"loss.{function}",
        forms=(Form("mean", inputs, outputs={"loss": ""}, couples=MEAN_OVER_BATCH),),
        variants={"pytorch": ("flattened", "weighted"), "tensorflow": ("keras_mask", "flattened", "weighted")},
    )


def _tagger(function: str, data: str, inputs: Mapping[str, Input], **options: Any) -> Operation:
    """Features or an embedding, an LSTM, a linear layer and a masked loss, on real data."""
    lstm = _recurrent("lstm", "lstm", layers=1, initial=False).inputs
    weights = {name: array for name, array in lstm.items() if name != "x"}
    head = {"w_out": Input("HC", scale=0.5, fan_in="H"), "b_out": Input("C"), "targets": Input("BT", below="C")}
    form = Form(
        data,
        {**inputs, **weights, **head},
        outputs={"logits": "BTC", "loss": ""},
        options=options,
        pad_row="table" if "table" in inputs else "",
        couples=MEAN_OVER_BATCH,
        data=data,
    )
    variants = {"pytorch": ("packed", "padded"), "tensorflow": ("masked", "dynamic_rnn")}
    return Operation(f"model.{function}", (form,), variants)


OPERATIONS: dict[str, Operation] = {
    operation.name: operation
    for operation in (
        Operation(
            "embedding.lookup",
            forms=(_lookup("pad_is_0", 0), _lookup("pad_is_3", 3), _lookup("no_pad", None)),
            variants={"pytorch": ("padding_idx", "sparse"), "tensorflow": ("mask_zero", "indexed_slices")},
            refusals=(Refusal("tensorflow.mask_zero", "pad_is_3/*", "mask_zero", "Keras can mask no index but 0"),),
        ),
        Operation(
            "embedding.scaled_by_frequency",
            forms=(_scaled_by_frequency("pad_is_0", 0), _scaled_by_frequency("no_pad", None)),
            variants={"pytorch": ("scale_grad_by_freq",), "tensorflow": ("custom_gradient",)},
        ),
        _unidirectional("rnn"),
        _unidirectional("gru"),
        _unidirectional("lstm"),
        REVERSE_SEQUENCE,
        _bidirectional("rnn"),
        _bidirectional("gru"),
        _bidirectional("lstm"),
        CROSS_ENTROPY,
        SEQUENCE_LOSS,
        _elementwise_loss("mean_squared_error", {"prediction": Input("BTD"), "target": Input("BTD")}),
        _elementwise_loss("binary_cross_entropy", {"logits": Input("BTD"), "target": Input("BTD", unit=True)}),
        _tagger(
            "speech_tagger",
            "speeches",
            {"tokens": Input("BT", below="V"), "table": Input("VD")},
            padding_index=0,
        ),
        _tagger("vowel_tagger", "utterances", {"x": Input("BTD")}),
    )
}


def find(name: str) -> Operation:
    """The row of that name.

    Raises:
        InputError: no such operation; the message names the nearest.

    >>> find("rnn.lstm").variants["tensorflow"]
    ('masked', 'padded', 'dynamic_rnn', 'stepwise', 'packed', 'bucketed')
    """
    return OPERATIONS[choose("operation", name, OPERATIONS)]
