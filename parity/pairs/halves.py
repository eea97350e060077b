"""Make both models of a pair ready to be compared: held in float64, on the same batches."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from importlib import import_module
from types import FunctionType
from typing import Any, ClassVar

from parity.errors import InputError, shown
from parity.models.axes import has_rows
from parity.models.floors import Floors, is_double, noise_floor
from parity.models.layouts import padded
from parity.models.observing import LOSS, Quantities, View, recognise_axes
from parity.models.sequences import Inputs
from parity.models.side import Side
from parity.models.sides import side_of
from parity.models.tracing import Tracer
from parity.models.transformations import Setting
from parity.pairs.randomness import Dropouts, rates_of, without_dropout
from parity.pairs.running import LAYERS, Weights, both_batches, model_of, run_once, weights_of

HOLDING = {"pytorch": "parity.pairs.pytorch_half", "tensorflow": "parity.pairs.keras_half"}
TRAINING = {"pytorch": "parity.pairs.pytorch_training", "tensorflow": "parity.pairs.keras_training"}
NAMES = ("left", "right")
WIDER = (1, 0, 3)  # steps of padding behind the longest sequence, by seed
DOUBLE, SINGLE = "float64", "float32"
Function = Callable[..., Any] | None


@dataclass(eq=False)
class Half:
    """One of the two models.

    Attributes:
        name: "left" or "right".
        side: runs it.
        weights: its weights.
        wide: the widest dtype in which it computes.
        axes: the letters of its outputs.
        steps: for its outputs with a stride, how many steps a sequence of each length has.
        names: its outputs -> the names under which they are compared.
        guessed: how its arguments were matched.
        dropped: the dropout that was set to 0 for the mode of training; None in that of inference.
    """

    name: str
    side: Side
    weights: Weights
    wide: str
    axes: Mapping[str, str] = field(default_factory=dict)
    steps: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    guessed: str = ""
    dropped: Dropouts | None = None

    runs: ClassVar[bool] = True  # on any batch; a recording does not
    is_whole: ClassVar[bool] = False  # it has neither layers nor gradients

    @property
    def model(self) -> Any:
        return model_of(self.side)

    @property
    def caveat(self) -> str:
        """Say what cannot be had of it; nothing for a model."""
        return ""

    @property
    def framework(self) -> Any:
        """Return the module that changes layers of a model in its framework."""
        return import_module(HOLDING[self.side.framework])

    def setting(self, inputs: Inputs, seed: int, dtype: str) -> Setting:
        """Return the model on the sequences of a seed; there is more or less padding, by the seed."""
        sequences = inputs.sample(seed)
        view = View(self.side, inputs, sequences, self.axes, dtype, seed, steps=self.steps, names=self.names)
        layout = padded(sequences.lengths, max(sequences.lengths) + WIDER[seed % len(WIDER)])
        given = None if inputs.lengths.holes else layout
        return Setting(view, frozenset(self.side.read), inputs.lengths.holes, layout=given)

    def enter_training(self, stack: ExitStack) -> None:
        """Put the model in the mode of training, without dropout, until the stack is closed."""
        stack.enter_context(import_module(TRAINING[self.side.framework]).in_training(self.side))
        self.dropped = stack.enter_context(without_dropout(self.side))

    def tracer(self, inputs: Inputs, seed: int, dtype: str = "") -> Tracer:
        """Return what traces its layers in a dtype, by default the widest one."""
        dtype = dtype or self.wide
        setting = self.setting(inputs, seed, dtype)
        if self.side.framework == "tensorflow":  # where gradients of all layers take long
            setting = replace(setting, view=replace(setting.view, differentiated=False))
        return Tracer(setting, dtype)

    def check(self, seeds: int, dtype: str, steps: int) -> None:
        """Check that it can be run on so many seeds in a dtype, and be trained, as a model can."""

    def rates(self) -> Dropouts:
        """Return the layers that drop numbers in training."""
        return self.dropped or rates_of(self.side)

    def recognise(self, inputs: Inputs) -> None:
        """Find the axes of all outputs; one that is called loss becomes the loss."""
        view = recognise_axes(View(self.side, inputs, inputs.sample(0), {}, self.wide, 0))
        self.axes, self.steps = view.axes, view.steps
        if not self.side.has_loss and self.axes.get(LOSS) == "":
            self.side.take_as_loss(LOSS)

    def measure(self, inputs: Inputs) -> None:
        """Measure in which dtype it computes."""
        setting = self.setting(inputs, 0, self.wide)
        if self.wide == DOUBLE and not is_double(setting.view, [setting.base]):
            self.wide = SINGLE

    def floors(self, setting: Setting) -> Floors:
        """Observe it in its widest dtype, and its response to noise."""
        return noise_floor(setting.view, [setting.base], self.wide)

    def observed(self, setting: Setting, mode: str = "eager") -> Quantities:
        """Observe it in the dtype of a setting."""
        return setting.view.observe([setting.base], mode=mode)


def both(argument: str, given: Any) -> tuple[Any, Any]:
    """Return what is given for the left and for the right model."""
    if not isinstance(given, tuple):
        return given, given
    if len(given) != 2:
        raise InputError(argument, shown(given), "one function, or a tuple of two: for the left and the right model")
    return given


def made(model: Any) -> Any:
    """Call a factory, which may have arguments that it does not need."""
    if isinstance(model, FunctionType):
        parameters = inspect.signature(model).parameters.values()
        if all(one.default is not one.empty or one.kind is one.VAR_KEYWORD for one in parameters):
            return model()
    return model


@dataclass(frozen=True)
class Options:
    """The way in which both models are run: the arguments of `parity.check_pair` of the same names.

    Attributes:
        graphs: whether Keras models are traced into graphs, which pays off for many runs.
    """

    call: Any = None
    outputs: Any = None
    loss: Any = None
    training: bool = False
    graphs: bool = True

    def of(self, number: int) -> Options:
        """Return those of the left model, 0, or of the right one, 1."""
        own = {name: both(name, getattr(self, name))[number] for name in ("call", "outputs", "loss")}
        return replace(self, **own)


def prepare_half(name: str, model: object, inputs: Inputs, options: Options, stack: ExitStack) -> Half:
    """Return one model of a pair, held in the widest dtype that it takes."""
    side, binding = side_of(
        model,
        inputs,
        call=options.call,
        outputs=options.outputs,
        loss=options.loss,
        training=options.training,
        graphs=options.graphs,
    )
    if not hasattr(model_of(side), LAYERS[side.framework]):
        raise InputError(name, "a function", "a model with weights: an nn.Module, a Keras model or layer")
    ran = run_once(side, *both_batches(inputs), name)
    import_module(HOLDING[side.framework]).hold(side, ran.dtype, stack)
    half = Half(name, side, weights_of(side), ran.dtype, guessed=str(binding) if binding is not None else "")
    if options.training:
        half.enter_training(stack)
    return half


def match_outputs(halves: tuple[Half, Half], inputs: Inputs) -> list[str]:
    """Find the axes of all outputs, and which of both models are compared; return notes."""
    for half in halves:
        half.recognise(inputs)
    own = [[name for name, axes in half.axes.items() if has_rows(axes)] for half in halves]
    first = 0 if halves[1].runs or not halves[0].runs else 1  # a recording has cotangents by its own names
    common = [name for name in own[first] if name in own[1 - first]]
    if not common or len(own[0]) == len(own[1]) == 1:
        common = own[first][: min(map(len, own))]
        for half, names in zip(halves, own, strict=True):
            half.names = dict(zip(names, common, strict=False))
    else:
        for half in halves:
            half.names = {name: name for name in common}
    if odd := [half.name for half in halves if not half.runs and any(a != b for a, b in half.names.items())]:
        raise InputError("outputs", f"other names in the recording that is {odd[0]}", "recordings with the same names")
    if halves[0].side.has_loss != halves[1].side.has_loss and not all(half.runs for half in halves):
        raise InputError("loss", "one on one side only", "both sides, the recording too, with or without a loss")
    if not common and not all(half.side.has_loss for half in halves):
        received = " and ".join(f"{half.name} {', '.join(half.axes.values()) or 'none'}" for half in halves)
        raise InputError("outputs", f"outputs with these axes: {received}", "an output with rows on both sides")
    return [
        f"{half.name}: not compared: {', '.join(rest)}"
        for half in halves
        if (rest := [name for name in half.axes if name not in half.names and half.axes[name]])
    ]


def measure_precision(halves: tuple[Half, Half], inputs: Inputs) -> list[str]:
    """Measure in which dtype each model computes; return a note for one that only computes in float32."""
    notes = []
    for half in halves:
        half.measure(inputs)
        if half.wide == SINGLE:
            other = halves[half is halves[0]].name
            notes.append(f"{half.name} computes in float32 only: judged by the noise floor of {other}")
    return notes
