"""Prepare a model to be judged: how it can be run, what it reads, and its noise floor on the sequences of a seed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from parity.arrays import ROUNDOFF
from parity.errors import InputError, first_lines, message_of
from parity.models.averages import is_over_rows, recognise_average
from parity.models.axes import is_readable
from parity.models.binding import OF_DOCUMENTS, OF_PADDING
from parity.models.contracts import CONTRACTS
from parity.models.findings import Findings
from parity.models.floors import is_double, noise_floor
from parity.models.inputs import Features
from parity.models.judging import Judge
from parity.models.native import OutputError
from parity.models.observing import LOSS, View, arrays_of, recognise_axes
from parity.models.sequences import Inputs
from parity.models.side import Side
from parity.models.tracing import Tracer
from parity.models.transformations import FINITE, Declined, Setting

DOUBLE, SINGLE = "float64", "float32"


class NotRun(Exception):
    """A model cannot be run on a batch; the message says why."""


@dataclass
class Subject:
    """A model, and how it can be run.

    Raises:
        NotRun: it raises on the first batch already.
        InputError: it returns no tensors, or does not read what a layout needs.
    """

    side: Side
    inputs: Inputs
    contracts: list[str]
    dtype: str
    precision: str = DOUBLE
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.precision = self._precision()
        _check_layouts(self.contracts, frozenset(self.side.read))

    def _precision(self) -> str:
        """Return the widest dtype in which the model runs; masks become whole numbers if it needs them."""
        sequences = self.inputs.sample(0)
        layout = Setting(_view(self, 0, {}, DOUBLE), frozenset(), self.inputs.lengths.holes).base
        errors: list[str] = []
        for dtype in (DOUBLE, SINGLE):
            for self.side.whole_masks in (False, True):
                try:
                    self.side.run(arrays_of(self.inputs, sequences, layout), None, dtype=dtype)
                except (OutputError, KeyboardInterrupt):
                    raise
                except Exception as error:  # whatever a model raises is what there is to report
                    errors.append(first_lines(message_of(error)))
                    continue
                if dtype == SINGLE:
                    self.notes.append(f"judged in float32 alone: in float64 it raised {errors[0]}")
                return dtype
        shape = f"B = {layout.rows}, T = {layout.steps}"
        raise NotRun(f"raised {errors[-2]} on a batch of {shape}")

    def add_to(self, found: Findings, seed: int) -> None:
        """Judge the model on the sequences of a seed."""
        view = _view(self, seed, recognise_axes(self.side, self.inputs, self.inputs.sample(seed), self.precision), "")
        view = replace(view, dtype=self.precision)
        self._take_loss(view)
        self._decline(found)
        found.axes = {name: axes.replace("M", "BT").replace("R", "BT") for name, axes in view.axes.items()}
        setting = Setting(view, frozenset(self.side.read), self.inputs.lengths.holes)
        if seed == 0 and self.precision == DOUBLE and not is_double(view, [setting.base]):
            self.notes.append("judged in float32 alone: its copy in float64 rounds to less")
            self.precision = SINGLE
            view = replace(view, dtype=SINGLE)
            setting = replace(setting, view=view)
        if self.side.has_loss:
            view = replace(view, average=recognise_average(view, setting.base))
            if is_over_rows(view, setting.base, setting.base.alone()) and view.average != "mean over sequences":
                found.note("the loss is a mean over sequences of means over their steps")
            setting = replace(setting, view=view)
        self._note_left_out(found, view)
        floors = noise_floor(view, [setting.base], self.precision)
        if nan := [name for name, array in floors.expected.items() if np.isnan(array).any()]:
            raise NotRun(f"gives NaN on real steps: {', '.join(nan[:3])}")
        for dtype in dict.fromkeys((self.precision, self.dtype)):
            own = replace(view, dtype=dtype)
            before = floors.expected if dtype == self.precision else own.observe([setting.base])
            judge = Judge(replace(setting, view=own), dict(before), floors.of(dtype))
            self._judge(found, judge, seed)
        self._note_spread(found, setting)
        for note in self.notes:
            found.note(note)

    def _note_left_out(self, found: Findings, view: View) -> None:
        left_out = [
            name
            for name, axes in view.axes.items()
            if not (is_readable(axes) and set(axes) & set("BMR")) and not (self.side.has_loss and axes == "")
        ]
        if left_out:
            found.note(f"not compared, for axes that are neither rows nor steps: {', '.join(left_out)}")

    def _note_spread(self, found: Findings, setting: Setting) -> None:
        """Note whether inf and NaN in the padding spread, as they do in a product with a mask of 0."""
        view = setting.view
        if not setting.read & OF_PADDING or not any(isinstance(one, Features) for one in view.inputs.arrays.values()):
            return
        try:
            outputs = view.outputs([setting.base], [view.run(setting.base, fill=FINITE)])
        except Exception:  # a model may be right not to accept them
            return
        if any(np.isnan(array).any() for array in outputs.values() if array.dtype.kind == "f"):
            found.note("inf and NaN in the padding would reach the outputs")

    def _take_loss(self, view: View) -> None:
        """Take one number of the model's own for its loss, if it is called so, or if there is nothing else."""
        if self.side.has_loss:
            return
        numbers = [name for name, axes in view.axes.items() if axes == ""]
        others = [name for name, axes in view.axes.items() if is_readable(axes) and set(axes) & set("BMR")]
        if LOSS in numbers or (numbers and not others):
            self.side.take_as_loss(LOSS if LOSS in numbers else numbers[0])
        elif not others:
            raise InputError("outputs", _described(view), "an output with an axis of rows, or a loss")

    def _decline(self, found: Findings) -> None:
        """Decline what a layer in the mode of training makes impossible."""
        random = self.side.dropouts() if self.side.training else []
        coupling = self.side.batch_norms() if self.side.training else []
        for contract in self.contracts:
            if random:
                found.declined[contract] = f"dropout is random in training, first in `{random[0]}`"
            elif coupling and CONTRACTS[contract].couples:
                found.declined[contract] = f"BatchNorm couples a batch in training, first in `{coupling[0]}`"

    def _judge(self, found: Findings, judge: Judge, seed: int) -> None:
        dtype = judge.setting.view.dtype
        tracer = Tracer(judge.setting, ROUNDOFF[dtype])
        for contract in self.contracts:
            if found.is_settled(contract, self.precision):
                continue
            try:
                for transformation, differences in judge.judge(contract):
                    failed = found.add(contract, dtype, seed, differences)
                    if failed and contract not in found.blames:
                        found.blames[contract] = tracer.blame(transformation, differences)
            except Declined as error:
                found.declined[contract] = str(error)


def _view(subject: Subject, seed: int, axes: dict[str, str], dtype: str) -> View:
    return View(subject.side, subject.inputs, subject.inputs.sample(seed), axes, dtype, seed)


def _described(view: View) -> str:
    return ", ".join(f"{name} with axes {axes or 'none'}" for name, axes in view.axes.items())


def _check_layouts(contracts: list[str], read: frozenset[str]) -> None:
    layouts = {CONTRACTS[contract].layout for contract in contracts}
    if "packed" in layouts and not read & OF_DOCUMENTS:
        known = ", ".join(sorted(OF_DOCUMENTS))
        raise InputError("layouts", "'packed' for a model that reads none of them", f"a model that reads {known}")
    for layout in {"left", "holes"} & layouts:
        if read & OF_PADDING == {"lengths"}:
            raise InputError("layouts", f"{layout!r} for a model that reads lengths only", "a model that reads a mask")
