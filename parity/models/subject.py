"""Prepare a model to be judged: how it can be run, what it reads, and its noise floor on the sequences of a seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from parity.arrays import Array
from parity.checks.comparison import Difference
from parity.errors import InputError, first_lines, message_of
from parity.models.averages import recognise_average
from parity.models.axes import has_rows
from parity.models.binding import OF_DOCUMENTS, OF_PADDING, TARGETS
from parity.models.contracts import CONTRACTS, LEFT, usual_contracts
from parity.models.findings import Findings
from parity.models.floors import is_double, noise_floor
from parity.models.inputs import Features
from parity.models.judging import Judge
from parity.models.locating import masks_of
from parity.models.native import NotCopied, OutputError
from parity.models.observing import LOSS, View, arrays_of, recognise_axes
from parity.models.replaying import ModelRecording
from parity.models.sequences import Inputs
from parity.models.side import Side
from parity.models.tracing import Tracer
from parity.models.transformations import FINITE, Declined, Setting, Transformation

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
    found: Findings
    recording: ModelRecording | None = None
    blamed: bool = True

    def __post_init__(self) -> None:
        self.found.wide = self._precision()
        if self.recording:
            self.found.note(self.recording.load(self.side))
        _check_layouts(self.contracts, frozenset(self.side.read))

    def _precision(self) -> str:
        """Return the widest dtype in which the model runs; masks become whole numbers if it needs them."""
        view = self._view(0, DOUBLE)
        layout = self.setting(view).base
        batch = arrays_of(self.inputs, view.sequences, layout)
        errors: list[str] = []
        for dtype in (DOUBLE, SINGLE):
            for self.side.whole_masks in (False, True):
                try:
                    self.side.run(batch, None, dtype=dtype, mode="eager")  # a graph would be made for it
                except (NotCopied, OutputError, KeyboardInterrupt):
                    raise
                except Exception as error:  # whatever a model raises is what there is to report
                    errors.append(first_lines(message_of(error)))
                    continue
                if dtype == SINGLE:
                    self.found.note(f"judged in float32 alone: in float64 it raised {errors[0]}")
                return dtype
        raise NotRun(f"raised {errors[-2]} on a batch of B = {layout.rows}, T = {layout.steps}")

    def _view(self, seed: int, dtype: str) -> View:
        return View(self.side, self.inputs, self.inputs.sample(seed), {}, dtype, seed)

    def setting(self, view: View) -> Setting:
        """Return the model on its sequences as contracts see it."""
        return Setting(view, frozenset(self.side.read), self.inputs.lengths.holes)

    def judge(self, seed: int) -> None:
        """Judge the model on the sequences of a seed."""
        found, view = self.found, self.prepare(seed)
        base = self.setting(view).base
        self._decline()
        self._note_left_out(view)
        floors = noise_floor(view, [base], found.wide)
        if nan := [name for name, array in floors.expected.items() if np.isnan(array).any()]:
            raise NotRun(f"gives NaN on real steps: {', '.join(nan[:3])}{_of_short(view, floors.expected)}")
        for dtype in dict.fromkeys((found.wide, self.dtype)):
            own = replace(view, dtype=dtype)
            before = floors.expected if dtype == found.wide else own.observe([base])
            recorded = self.recording.observed(own, base, before) if self.recording else None
            setting = replace(self.setting(own), recorded=recorded)
            self._judge(Judge(setting, dict(before), floors.of(dtype)), seed)
        self._note_spread(self.setting(view))
        if seed == 0 and self.side.framework == "tensorflow":
            found.masks = masks_of(view.run(base, traced=True).layers)

    def prepare(self, seed: int) -> View:
        """Return the model on the sequences of a seed, in the widest dtype, with what is known about its outputs."""
        found = self.found
        view = recognise_axes(self._view(seed, found.wide))
        base = self.setting(view).base
        self._take_loss(view)
        found.axes = {name: axes.replace("M", "BT").replace("R", "BT") for name, axes in view.axes.items()}
        if seed == 0 and found.wide == DOUBLE and not is_double(view, [base]):
            found.note(f"judged in {self.side.narrow or SINGLE} alone: its copy in float64 rounds to less")
            found.wide = SINGLE
            view = replace(view, dtype=SINGLE)
        if seed == 0 and self.side.leaves_out:
            found.note("autocast was left out, which rounds more than padding could change")
        if self.side.has_loss:
            average, is_wrong = recognise_average(view, base)
            view = replace(view, average=average)
            if is_wrong:
                found.note("the loss is a mean over sequences of means over their steps")
        return view

    def _note_left_out(self, view: View) -> None:
        left_out = [
            name for name, axes in view.axes.items() if not has_rows(axes) and not (self.side.has_loss and axes == "")
        ]
        if left_out:
            names = ", ".join(left_out) + _hint(view)
            self.found.note(f"not compared, for axes that are neither rows nor steps: {names}")

    def _note_spread(self, setting: Setting) -> None:
        """Note whether inf and NaN in the padding spread, as they do in a product with a mask of 0."""
        view = setting.view
        if not setting.read & OF_PADDING or not any(isinstance(one, Features) for one in view.inputs.arrays.values()):
            return
        try:
            outputs = view.outputs([setting.base], [view.run(setting.base, fill=FINITE)])
        except Exception:  # a model may be right not to accept them
            return
        if any(np.isnan(array).any() for array in outputs.values() if array.dtype.kind == "f"):
            self.found.note("inf and NaN in the padding would reach the outputs")

    def _take_loss(self, view: View) -> None:
        """Take one number of the model's own for its loss: it is called so, there are targets, or nothing else."""
        if self.side.has_loss:
            return
        numbers = [name for name, axes in view.axes.items() if axes == ""]
        compared = any(map(has_rows, view.axes.values()))
        of_targets = len(numbers) == 1 and not self.side.read.isdisjoint(TARGETS)
        if LOSS in numbers or (numbers and not compared) or of_targets:
            self.side.take_as_loss(LOSS if LOSS in numbers else numbers[0])
        elif not compared:
            raise InputError("outputs", _described(view), "an output with an axis of rows, or a loss" + _hint(view))

    def _decline(self) -> None:
        """Decline what a layer in the mode of training makes impossible, and the left, which has to be asked for."""
        random = self.side.dropouts() if self.side.training else []
        coupling = self.side.batch_norms() if self.side.training else []
        for contract in self.contracts:
            if random:
                self.found.declined[contract] = f"dropout is random in training, first in `{random[0]}`"
            elif coupling and CONTRACTS[contract].couples:
                self.found.declined[contract] = f"BatchNorm couples a batch in training, first in `{coupling[0]}`"
        is_usual = set(usual_contracts()) <= set(self.contracts)
        if is_usual and not self.side.training:
            self._note_untried_statistics()
        if is_usual and LEFT not in self.contracts and not random and self._finds_padding_on_the_left():
            self.found.declined[LEFT] = 'layouts=["left"] tries padding on the left'

    def _note_untried_statistics(self) -> None:
        """Note that the statistics of BatchNorm, in which padding may count, are those of a batch in training only."""
        if norms := self.side.batch_norms():
            first = "training=True, with a dropout of 0," if self.side.dropouts() else "training=True"
            self.found.note(f"in training, padding may count in the statistics of `{norms[0]}`: {first} tries it")

    def _finds_padding_on_the_left(self) -> bool:
        """Return whether a mask, or its value, shows the model where padding is; lengths may fit one side only."""
        read = self.side.read & OF_PADDING
        by_value = any(getattr(one, "known_by_value", False) for one in self.inputs.arrays.values())
        return read.isdisjoint({"lengths", "boundaries"}) if read else by_value

    def _judge(self, judge: Judge, seed: int) -> None:
        found, dtype = self.found, judge.setting.view.dtype
        tracer = Tracer(judge.setting, dtype)
        for contract in self.contracts:
            if found.is_settled(contract):
                continue
            try:
                for transformation, differences in judge.judge(contract):
                    failed = found.add(contract, dtype, seed, differences)
                    if failed and contract == "independent_of_batchmates":
                        self._note_order(judge, transformation, differences)
                    if failed and self.blamed and contract not in found.blames:
                        found.blames[contract] = tracer.blame(transformation, differences)
                        if tracer.only_in_graph:
                            found.note("it differs in a graph, whose layers are not observed, and not in eager mode")
            except Declined as error:
                found.declined[contract] = str(error)

    def _note_order(self, judge: Judge, transformation: Transformation, differences: list[Difference]) -> None:
        """Note whether rows are right, but in another order, as where they are sorted and not put back."""
        has_run = not any(one.problem == "raised" for one in differences)
        if self.blamed and has_run and (name := judge.reordered(transformation)):
            self.found.note(f"the rows of {name} are right, in another order: sorted by length, and not put back?")


def _of_short(view: View, observed: Mapping[str, Array]) -> str:
    """Return of which lengths sequences give NaN, if others give none."""
    lengths = np.asarray(view.sequences.lengths)
    outputs = [array for name, array in observed.items() if has_rows(view.axes.get(name, "")) and len(array)]
    rows = [np.isnan(array).any(axis=tuple(range(1, array.ndim))) for array in outputs if array.dtype.kind == "f"]
    found = np.any(rows, axis=0) if rows else np.zeros(len(lengths), bool)
    if not found.any() or found.all() or lengths[found].max() >= lengths[~found].min():
        return ""
    longest = lengths[found].max()
    return f"; of sequences no longer than {longest}: lengths=parity.lengths(shortest={longest + 1}) has none"


def _described(view: View) -> str:
    return ", ".join(f"{name} with axes {axes or 'none'}" for name, axes in view.axes.items())


def _hint(view: View) -> str:
    """Return what to do with a list that has a tensor for each sequence."""
    groups = Counter(name.rpartition(".")[0] for name in view.axes)
    if len(view.sequences.lengths) not in groups.values():
        return ""
    return "; pad what is a list with a tensor for each sequence, by outputs=lambda returned: …"


def _check_layouts(contracts: list[str], read: frozenset[str]) -> None:
    layouts = {CONTRACTS[contract].layout for contract in contracts}
    if "packed" in layouts and not read & OF_DOCUMENTS:
        known = ", ".join(sorted(OF_DOCUMENTS))
        raise InputError("layouts", "'packed' for a model that reads none of them", f"a model that reads {known}")
    for layout in {"left", "holes"} & layouts:
        if read & OF_PADDING == {"lengths"}:
            raise InputError("layouts", f"{layout!r} for a model that reads lengths only", "a model that reads a mask")
