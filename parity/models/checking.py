"""Check whether a model of your own ignores padding, batch-mates, the side of the padding, and other documents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from parity.arrays import numpy_defaults
from parity.checks.verdict import Verdict
from parity.errors import (
    INTERRUPTS,
    InputError,
    a_function,
    choose,
    first_lines,
    message_of,
    names,
    of_kind,
    reasons,
    whole_number,
)
from parity.frameworks import DEVICES, FRAMEWORKS
from parity.models.contracts import CONTRACTS, RECORDING, usual_contracts
from parity.models.findings import Findings
from parity.models.polarity import AS_DROP, hint, inverted, named_after_padding
from parity.models.replaying import ModelRecording, opened
from parity.models.sequences import Inputs
from parity.models.side import Side
from parity.models.sides import set_device, side_of
from parity.models.subject import NotRun, Subject
from parity.models.transformations import LAYOUTS

DTYPES = ("float32", "float64")
RAISED = "raised "  # begins the reason why a model cannot be run
OTHERWISE = "if it has to be called in another way: call=lambda model, batch: model(…)"


@dataclass(frozen=True)
class Options:
    """The way in which a model is run: the arguments of `check_model` of the same names.

    Raises:
        InputError: a wrong argument.
    """

    call: Callable[..., Any] | None
    outputs: Callable[..., Any] | None
    loss: Callable[..., Any] | None
    dtype: str
    training: bool
    seeds: int
    framework: str
    device: str = "cpu"

    def __post_init__(self) -> None:
        choose("dtype", self.dtype, DTYPES)
        whole_number("seeds", self.seeds, least=1, most=10_000)
        for argument, received in self.functions.items():
            if received is not None:
                a_function(argument, received)
        of_kind("training", self.training, bool, "True or False")
        if self.framework != "":
            choose("framework", self.framework, FRAMEWORKS)
        choose("device", self.device, DEVICES)

    @property
    def functions(self) -> dict[str, Any]:
        return {"call": self.call, "outputs": self.outputs, "loss": self.loss}

    def side_of(self, model: object, inputs: Inputs) -> tuple[Side, list[str]]:
        """Return a side, and notes about what was guessed.

        Raises:
            InputError: wrong inputs, or a wrong model.
        """
        of_inputs(inputs)
        side, binding = side_of(model, inputs, training=self.training, framework=self.framework, **self.functions)
        set_device(side, self.device)
        return side, [f"matched by name: {binding}"] if binding is not None and str(binding) else []


def check_model(
    model: object,
    inputs: Inputs,
    *,
    call: Callable[..., Any] | None = None,
    outputs: Callable[..., Any] | None = None,
    loss: Callable[..., Any] | None = None,
    layouts: Iterable[str] = ("padded",),
    contracts: Iterable[str] = (),
    dtype: str = "float32",
    training: bool = False,
    seeds: int = 3,
    expected_failures: Mapping[str, str] | None = None,
    framework: str = "",
    recording: str | Path = "",
    device: str = "cpu",
) -> Verdict:
    """Hold a model of your own to the contracts about padding, in outputs and in every gradient.

    A model has no reference, so that it is compared with itself: the same sequences are laid out in another way. Its
    own copy in float64 gives the tolerance. The model itself never runs, and is not changed.

    Args:
        model: a module, a Keras model or layer, a function of a batch, or a function without arguments that makes one.
        inputs: what it takes: `parity.inputs` or `parity.batch`.
        call: takes the model and a batch of tensors, and returns what the model returns. A batch has as attributes the
            inputs and ``lengths``, ``mask`` (True on real steps), ``drop`` (True on padding), ``bias`` (0, or -inf on
            padding), ``positions``, ``segments``, ``block_mask``, ``boundaries``, ``longest``. Without it, arguments
            are matched by their names.
        outputs: takes what the model returns, and returns what to compare.
        loss: takes what the model returns and the batch, and returns one number, whose gradients are compared.
        layouts: "left", "packed" or "holes" beside "padded" and "alone".
        contracts: some of them by name; all that the layouts allow when empty.
        dtype: the one to check beside float64.
        training: whether dropout and BatchNorm are in the mode of training.
        seeds: how many samples of sequences and values are tried.
        expected_failures: contract -> reason. One that holds all the same is a failure.
        framework: "pytorch" or "tensorflow", for a function that does not tell.
        recording: a folder written by `parity.record_model`, which outputs and gradients are compared with. The model
            runs with the recorded weights.
        device: "cpu", "cuda", or "auto" for a GPU if PyTorch finds one: where the copies of a PyTorch model run.

    Returns:
        A `Verdict`: true if all contracts hold; ``str`` explains it.

    Raises:
        InputError: a wrong argument, or a model that cannot be called with the inputs.
        FrameworkUnavailable: its framework cannot be loaded.
    """
    asked = asked_of(
        inputs,
        call=call,
        outputs=outputs,
        loss=loss,
        layouts=layouts,
        contracts=contracts,
        dtype=dtype,
        training=training,
        seeds=seeds,
        expected_failures=expected_failures,
        framework=framework,
        recording=recording,
        device=device,
    )
    return asked.check(model)


@dataclass(frozen=True)
class Asked:
    """The arguments of one call of `check_model`, all but the model.

    Attributes:
        chosen: names of contracts.
        expected: contract -> reason why it fails.
    """

    inputs: Inputs
    options: Options
    chosen: list[str]
    expected: Mapping[str, str]
    recording: str | Path

    def check(self, model: object) -> Verdict:
        """Hold a model to what is asked of it."""
        side, notes = self.options.side_of(model, self.inputs)
        dtype, seeds = self.options.dtype, self.options.seeds
        with numpy_defaults():
            recorded = opened(self.recording) if self.recording else None
            found = judge_side(side, self.inputs, self.chosen, dtype, seeds, notes, recorded)
            if self.options.call is None and found.error is not None and found.error.detail.startswith(RAISED):
                found.note(OTHERWISE)
            text = hint(side, self.inputs, found, self._in_float64)
            is_open = not self.recording and any(map(named_after_padding, notes))  # either meaning of a name is usual
            if text == AS_DROP and is_open:
                notes = [note.replace("=mask", "=drop (True on padding: then it is ignored)") for note in notes]
                found = judge_side(inverted(side), self.inputs, self.chosen, dtype, seeds, notes, recorded)
            elif text:
                found.note(text)
            return found.verdict(self.expected)

    def _in_float64(self, side: Side, contracts: list[str]) -> Findings:
        """Hold a side to some contracts on one sample."""
        return judge_side(side, self.inputs, contracts, "float64", 1, [], blamed=False)


def asked_of(
    inputs: Inputs,
    *,
    call: Callable[..., Any] | None,
    outputs: Callable[..., Any] | None,
    loss: Callable[..., Any] | None,
    layouts: Iterable[str],
    contracts: Iterable[str],
    dtype: str,
    training: bool,
    seeds: int,
    expected_failures: Mapping[str, str] | None,
    framework: str,
    recording: str | Path,
    device: str,
) -> Asked:
    """Check the arguments of `check_model`, all but the model.

    Raises:
        InputError: a wrong argument.
    """
    of_inputs(inputs)
    of_kind("recording", recording, (str, PathLike), "the name of a folder")
    chosen = chosen_contracts(names("layouts", layouts), names("contracts", contracts), recorded=bool(recording))
    options = Options(call, outputs, loss, dtype, training, seeds, framework, device)
    return Asked(inputs, options, chosen, reasons("expected_failures", expected_failures, CONTRACTS), recording)


def of_inputs(inputs: object) -> Inputs:
    """Return the inputs of a model.

    Raises:
        InputError: something else.
    """
    return of_kind("inputs", inputs, Inputs, "parity.inputs(…) or parity.batch(…)")


def judge_side(
    side: Side,
    inputs: Inputs,
    chosen: list[str],
    dtype: str,
    seeds: int,
    notes: list[str],
    recording: ModelRecording | None = None,
    *,
    blamed: bool = True,
) -> Findings:
    """Judge a model on the sequences of all seeds; what it raises is a finding too."""
    found = Findings(side.name, side.framework, notes)
    try:
        subject = Subject(side, inputs, chosen, dtype, found, recording, blamed)
        for seed in range(seeds):
            subject.judge(seed)
    except (InputError, *INTERRUPTS):
        raise
    except NotRun as error:
        found.not_run(str(error), dtype)
    except BaseException as error:  # whatever a model raises is what there is to report
        found.not_run(f"{RAISED}{first_lines(message_of(error))}", dtype)
    return found


def assert_model(model: object, inputs: Inputs, **options: Any) -> None:
    """Raise an AssertionError that explains itself, unless a model of your own keeps the contracts about padding.

    Args:
        model, inputs, options: those of `check_model`.

    Raises:
        AssertionError: a contract is broken, or nothing was compared.
        InputError, FrameworkUnavailable: as for `check_model`.
    """
    verdict = check_model(model, inputs, **options)
    if not verdict:
        raise AssertionError(str(verdict))


def chosen_contracts(layouts: list[str], contracts: list[str], recorded: bool = False) -> list[str]:
    """Return the names of contracts to try; with a recording, that of a recording too."""
    for layout in layouts:
        choose("layouts", layout, LAYOUTS)
    if contracts:
        return [choose("contracts", name, CONTRACTS) for name in contracts]
    return usual_contracts([*layouts, RECORDING] if recorded else layouts)
