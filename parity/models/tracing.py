"""Find the layer to blame: the first, in the order of calls, whose output on real steps a transformation changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from msgspec import structs

from parity.arrays import ROUNDOFF, Array
from parity.checks.blame import Blame
from parity.checks.comparison import Difference, difference
from parity.checks.noise import floor_of, response_of
from parity.models.axes import collect, has_rows, recognise, subsampled, two_layouts
from parity.models.floors import STEPS
from parity.models.layouts import Layout
from parity.models.locating import errors_of_first, errors_of_layer
from parity.models.observing import View, alone, arrays_of
from parity.models.side import COMPILED, Layer, Noise, Ran
from parity.models.transformations import Setting, Transformation

COPIES = 3
Observed = Mapping[str, Array]


@dataclass(eq=False)
class Tracer:
    """Traces the layers of a model on the sequences of one seed; what is traced once serves all contracts.

    Attributes:
        dtype: whose roundoff counts.
        only_in_graph: whether a difference was found that eager runs do not have.
    """

    setting: Setting
    dtype: str
    only_in_graph: bool = False

    @cached_property
    def axes(self) -> TracedAxes:
        return TracedAxes.of(self.setting.view)

    @cached_property
    def ran(self) -> Ran:
        """Return the run on the base layout, as the model gave it."""
        return self.setting.view.run(self.setting.base, traced=True)

    @cached_property
    def calls(self) -> dict[str, Layer]:
        """Return the layers of this run in the order of their first calls."""
        return self.axes.calls(self.ran)

    @cached_property
    def before(self) -> dict[str, Layer]:
        """Return these layers with all that they receive and return in one order."""
        return self.axes.read([self.calls], [self.setting.base], self.setting.view)

    @cached_property
    def floors(self) -> Mapping[str, Observed]:
        """Return the noise floor of all that layers receive and return."""
        return traced_floors(self.axes, self.setting, self.before, self.dtype)

    def blame(self, transformation: Transformation, differences: Sequence[Difference]) -> Blame | None:
        """Find the first layer on which two runs differ, and where in a sequence.

        Returns:
            None if there is nothing to trace: a run raises, for example.
        """
        if transformation.recorded is not None or transformation.mode == COMPILED:  # of which there is no trace
            return None
        failed = [one.quantity for one in differences if one.failed]
        if any(one.failed and one.problem in ("mismatch", "raised") for one in differences):
            return None
        lengths = self.setting.view.sequences.lengths[transformation.changed :]
        errors = errors_of_first(differences, lengths)
        if all(name.startswith("d_") for name in failed):
            name = failed[-1].removeprefix("d_")
            return Blame(name.rpartition(".")[0] or name, "", "gradients", "", -1, -1, 0, errors=errors)
        try:
            blame = self._first(transformation)
            if blame is not None and blame.where == "after" and self._agrees_eagerly(transformation):
                self.only_in_graph = True  # of which no layer can be observed
                return None
        except Exception:  # the model, which is traced once more, may raise anything
            return None
        return structs.replace(blame, errors=errors) if blame and not blame.errors else blame

    def _agrees_eagerly(self, transformation: Transformation) -> bool:
        """Tell whether a difference is in a graph only."""
        view = self.setting.view
        if view.side.modes[0] != "graph":
            return False
        layouts = transformation.layouts
        runs = [
            (transformation.view or view).run(each, **{**transformation.options, "mode": "eager"}) for each in layouts
        ]
        base = transformation.against or [self.setting.base]
        before = view.outputs(base, [view.run(each, mode="eager") for each in base])
        after = view.outputs(layouts, runs)
        close = 2.0**10 * ROUNDOFF[self.dtype]
        return all(np.allclose(after[name], array, close, close) for name, array in before.items() if name in after)

    def _first(self, transformation: Transformation) -> Blame | None:
        view, lengths = self.setting.view, self.setting.view.sequences.lengths
        before = self.axes.observed(view, transformation.against) if transformation.against else self.before
        after = self.axes.observed(transformation.view or view, transformation.layouts, **transformation.options)
        floors: Mapping[str, Observed] = {} if transformation.exact else self.floors
        equal = mask = ""
        for name in (name for name in before if name in after):
            layer, other, floor = before[name], after[name], floors.get(name)
            if not layer.outputs.keys() & other.outputs.keys():  # nothing that can be read into one order
                continue
            place = _first_place(layer.outputs, other.outputs, floor, lengths, transformation.changed)
            if place is None:
                equal, mask = name, name if layer.mask_out else mask
                continue
            received = _first_place(layer.inputs, other.inputs, floor, lengths, transformation.changed)
            where = "in" if received is None else "before"
            errors = errors_of_layer(name, layer.outputs, other.outputs, floor, lengths, transformation.changed)
            mask = "" if layer.mask_in else mask
            return Blame(name, layer.kind, where, equal, *place, lengths[place[0]], mask, errors)
        return Blame("", "", "after", equal, -1, -1, 0) if before else None


def _first_place(
    before: Observed, after: Observed, floors: Observed | None, lengths: Sequence[int], changed: int
) -> tuple[int, int] | None:
    """Return sequence and step of the first difference, the step -1 where there are none; None if nothing differs."""
    for name, array in before.items():
        if name not in after or after[name].shape[1:] != array.shape[1:]:
            continue
        if floors is not None and name not in floors:
            continue
        floor = None if floors is None else floors[name]
        places = []
        has_steps = array.ndim > 1 and array.shape[1] == max(lengths)
        for sequence in range(changed, len(lengths)):
            for step in range(lengths[sequence]) if has_steps else [-1]:
                at = (sequence, step) if has_steps else (sequence,)
                if difference(name, after[name][at], array[at], None if floor is None else floor[at]).failed:
                    places.append((step, sequence))
                    break
        if places:
            step, sequence = min(places)
            return sequence, step
    return None


@dataclass(eq=False)
class TracedAxes:
    """The axes of all that layers receive and return.

    Attributes:
        letters: by "layer/inputs/name" or "layer/outputs/name".
        steps: for axes with a stride, how many steps a sequence of each length has, by the same names.
        stacked: paths of layers that are called once a step.
    """

    letters: Mapping[str, str]
    steps: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    stacked: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, view: View) -> TracedAxes:
        """Recognise them from two runs, and from more if there is a stride."""
        runs = two_layouts(view.sequences)
        found = []
        for own, layout in runs:
            other = replace(view, sequences=own)
            ran = view.side.run(
                arrays_of(view.inputs, own, layout), other.cotangent(layout), dtype=view.dtype, traced=True
            )
            found.append(ran)
        first, second = (Counter(layer.path for layer in ran.layers) for ran in found)
        steps = [layout.steps for _, layout in runs], [max(own.lengths) for own, _ in runs]
        stacked = {path for path, count in first.items() if count > 1 and [count, second[path]] in (steps[0], steps[1])}
        axes = cls({}, {}, stacked)
        shapes = list(map(axes._shapes, found))
        axes.letters = recognise(shapes[0], shapes[1], runs)
        if any("?" in letters for letters in axes.letters.values()) and not view.inputs.lengths.holes:
            each = {length: axes._shapes(view.run(layout, traced=True)) for length, layout in alone(view).items()}
            axes.letters, counts = subsampled(axes.letters, each)
            axes.steps = {name: _without_border(own) for name, own in counts.items()}
        return axes

    def _shapes(self, ran: Ran) -> dict[str, tuple[int, ...]]:
        return {
            f"{name}/{kind}/{key}": array.shape
            for name, calls in self.calls(ran).items()
            for kind in ("inputs", "outputs")
            for key, array in getattr(calls, kind).items()
        }

    def calls(self, ran: Ran) -> dict[str, Layer]:
        """Return the layers of a run in the order of their first calls; those called once a step as one."""
        by_path: dict[str, list[Layer]] = {}
        for layer in ran.layers:
            by_path.setdefault(layer.path, []).append(layer)
        found: dict[str, Layer] = {}
        seen: dict[str, int] = {}
        for layer in ran.layers:
            number = seen[layer.path] = seen.get(layer.path, 0) + 1
            every = by_path[layer.path]
            if layer.path not in self.stacked:
                name = layer.path if number == 1 else f"{layer.path}#{number}"
                found[name] = layer
            elif number == 1:
                inputs, outputs = ([each.inputs for each in every], [each.outputs for each in every])
                found[layer.path] = Layer(layer.path, layer.kind, _stacked(inputs), _stacked(outputs))
        return found

    def observed(self, view: View, layouts: Sequence[Layout], **options: Any) -> dict[str, Layer]:
        """Run with traces, and read all that layers receive and return into one order."""
        return self.read([self.calls(view.run(layout, traced=True, **options)) for layout in layouts], layouts, view)

    def read(self, runs: Sequence[dict[str, Layer]], layouts: Sequence[Layout], view: View) -> dict[str, Layer]:
        """Read all that layers receive and return in runs into one order."""
        found = {}
        for name, first in runs[0].items():
            if all(name in run for run in runs):
                parts = {kind: dict(self._collected(name, kind, runs, layouts, view)) for kind in ("inputs", "outputs")}
                found[name] = replace(first, inputs=parts["inputs"], outputs=parts["outputs"])
        return found

    def _collected(
        self, name: str, kind: str, runs: Sequence[dict[str, Layer]], layouts: Sequence[Layout], view: View
    ) -> Iterator[tuple[str, Array]]:
        for key in getattr(runs[0][name], kind):
            full = f"{name}/{kind}/{key}"
            letters, steps = self.letters.get(full, "?"), self.steps.get(full)
            arrays = [getattr(run[name], kind).get(key) for run in runs]
            if not has_rows(letters):
                continue
            if steps is not None and not all(layout.begins_rows for layout in layouts):
                continue
            if any(array is None or array.ndim != len(letters) for array in arrays):
                continue
            try:
                yield key, collect(list(zip(layouts, arrays, strict=True)), letters, view.sequences.lengths, steps)
            except (IndexError, ValueError):  # fewer steps than expected
                continue


def _without_border(counts: Mapping[int, int]) -> Mapping[int, int]:
    """Return the number of steps by length, less those that a convolution adds at the end, to be cut off later."""
    added = {count - length for length, count in counts.items()}
    return {length: length for length in counts} if len(added) == 1 and min(added) > 0 else counts


def _stacked(each: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    names = [name for name in each[0] if all(name in one and one[name].shape == each[0][name].shape for one in each)]
    return {name: np.stack([one[name] for one in each], axis=1 if each[0][name].ndim else 0) for name in names}


def traced_floors(
    axes: TracedAxes, setting: Setting, before: Mapping[str, Layer], dtype: str
) -> dict[str, dict[str, Array]]:
    step = STEPS[setting.view.dtype]
    copies = [axes.observed(setting.view, [setting.base], noise=Noise(step, seed)) for seed in range(COPIES)]
    floors: dict[str, dict[str, Array]] = {}
    for name, layer in before.items():
        floors[name] = {}
        for kind in ("inputs", "outputs"):
            for key, array in getattr(layer, kind).items():
                runs = [array, *(moved[key] for copy in copies if key in (moved := getattr(copy[name], kind)))]
                if len(runs) > 1:  # else it is another tensor once it is perturbed
                    double = np.asarray(runs, np.float64)
                    floors[name][key] = floor_of(double[0], response_of(double) * (ROUNDOFF[dtype] / step), dtype)
    return floors
