"""Recognise what each model computes between two of its layers, from the numbers that leave one and enter the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np

from parity.arrays import Array, Mask
from parity.models.observing import arrays_of
from parity.models.side import Ran
from parity.pairs.candidates import candidates, related
from parity.pairs.first_difference import Component, FirstDifference, Traces
from parity.pairs.pools import ENTRIES

EXACT = 1e-11  # of the largest number, in float64


@dataclass(frozen=True, eq=False)
class Between:
    """The arrays that one model has between two of its layers, rows and steps first.

    Attributes:
        before: the arrays that leave the last layer that agrees, or the inputs; each with its letters.
        after: those that enter the next one, or leave the model.
        others: the outputs of layers before.
        mask: of the batch.
        of_both: whether the last layer is bidirectional.
    """

    before: list[tuple[str, Array]]
    after: list[tuple[str, Array]]
    others: Mapping[str, Array]
    mask: Mask
    of_both: bool

    def names(self) -> Iterator[str]:
        """Yield the names of all that may have been computed."""
        for letters, x in self.before:
            x, own = padded(x, letters, self.mask)
            for after_letters, target in self.after:
                target, real = padded(target, after_letters, self.mask)
                has_steps = "T" in letters, "T" in after_letters
                for name, value in candidates(x, own, has_steps, target, self.others, self.of_both):
                    if value.shape == target.shape and same(value, target, real, "T" in after_letters):
                        yield name


def recognised(traces: Traces, first: FirstDifference, component: Component | None) -> str:
    """Say what each model computes between the last layers that agree and what differs; nothing if it is not known."""
    sides = [_between(traces, number, first, component) for number in (0, 1)]
    _align(sides, traces, first)
    ordered = [list(dict.fromkeys(side.names())) for side in sides]
    alone = [[name for name in ordered[n] if name not in ordered[1 - n]] for n in (0, 1)]
    if not alone[0] or not alone[1]:
        return _related(sides, first)
    own, theirs = alone[0][0], alone[1][0]
    entry = next((ENTRIES[name] for name in (own, theirs) if name in ENTRIES), "")
    said = f"of {_where(first)}, left goes on with {own}, right with {theirs} (both reproduced to 1e-11)"
    return said + (f"   (parity divergences {entry})" if entry else "")


def _related(sides: list[Between], first: FirstDifference) -> str:
    """Say what one model has in place of what the other has; nothing if it is not known."""
    for letters, theirs in sides[1].after:
        theirs, mask = padded(theirs, letters, sides[1].mask)
        for own_letters, own in sides[0].after:
            own, _ = padded(own, own_letters, mask)
            if own.shape == theirs.shape and ("T" in letters) == ("T" in own_letters):
                for name, value in related(theirs, mask, "T" in letters):
                    if same(value, own, mask, "T" in letters):
                        return f"what enters `{first.left or 'the outputs'}` left is that of the right with {name}"
    return ""


def _where(first: FirstDifference) -> str:
    left, right = first.equal
    if not left:
        return "the inputs"
    return f"the outputs of `{left}`" if left == right else f"the outputs of `{left}` = `{right}`"


def _between(traces: Traces, number: int, first: FirstDifference, component: Component | None) -> Between:
    """Run a model, and keep what it has before and after the difference."""
    tracer = traces.tracers[number]
    setting, letters = tracer.setting, tracer.axes.letters
    calls = tracer.calls
    path = first.equal[number]
    end = None if component is None else (component.left, component.right)[number][0]
    batch = arrays_of(setting.view.inputs, setting.view.sequences, setting.base)
    floats = [name for name in setting.view.inputs.arrays if batch[name].dtype.kind == "f" and batch[name].ndim > 1]
    if path:
        before = layer_arrays(letters, f"{path}/outputs", calls[path].outputs) if path in calls else []
    else:
        before = [("BT" + "." * (batch[name].ndim - 2), batch[name]) for name in floats]
    after = (
        _outputs(traces, number, tracer.ran)
        if end is None
        else layer_arrays(letters, f"{end}/inputs", calls[end].inputs)
    )
    others = {f"the input `{name}`": batch[name] for name in floats} if path else {}
    last = end if end in calls else path
    for own in list(calls)[: list(calls).index(last) if last in calls else 0]:
        if own == path:
            continue
        found = layer_arrays(letters, f"{own}/outputs", calls[own].outputs)
        if len(found) == 1 and (called := _of_pair(traces, number, own)):
            others[called] = padded(found[0][1], found[0][0], setting.base.mask)[0]
    half: Any = traces.halves[number]
    layer = half.framework.layers_of(half.side).get(path) if half.runs else None
    of_both = type(layer).__name__ == "Bidirectional" or bool(getattr(layer, "bidirectional", False))
    return Between(before, after, others, setting.base.mask, of_both)


def _of_pair(traces: Traces, number: int, path: str) -> str:
    """Return how the outputs of a pair of layers are called on both sides; nothing for a layer without partner."""
    for one in traces.components:
        if path == (one.left, one.right)[number][-1]:
            left, right = one.left[-1], one.right[-1]
            return f"the outputs of `{left}`" if left == right else f"the outputs of `{left}` = `{right}`"
    return ""


def _align(sides: list[Between], traces: Traces, first: FirstDifference) -> None:
    """Give both sides the same numbers to begin with: in one order of axes, and without one side's own activation."""
    if len(sides[0].before) != 1 or len(sides[1].before) != 1:
        return
    (own_letters, own), (letters, theirs) = sides[0].before[0], sides[1].before[0]
    mask = sides[0].mask
    activations = [
        half.framework.activation_of(half.side, path) for half, path in zip(traces.halves, first.equal, strict=True)
    ]
    if first.equal[0] and (activations[0] is None) != (activations[1] is None):
        source, other = (0, 1) if activations[0] is None else (1, 0)
        sides[other].before[:] = sides[source].before
        return
    if own.ndim == theirs.ndim > 3 and own.shape[:2] == theirs.shape[:2]:
        for order in permutations(range(2, own.ndim)):
            moved = own.transpose(0, 1, *order)
            if moved.shape == theirs.shape and same(moved, theirs, mask, "T" in letters):
                sides[0].before[:] = [(own_letters, moved)]
                return


def padded(array: Array, letters: str, mask: Mask) -> tuple[Array, Mask]:
    """Return an array with as many steps as the batch has, 0 behind those that were computed, and the mask."""
    if "T" not in letters or array.shape[1] >= mask.shape[1]:
        return array, mask
    rest = np.zeros((len(array), mask.shape[1] - array.shape[1], *array.shape[2:]))
    return np.concatenate([array, rest], axis=1), mask


def layer_arrays(letters: Mapping[str, str], prefix: str, arrays: Mapping[str, Array]) -> list[tuple[str, Array]]:
    """Return arrays with rows and steps first."""
    return [
        found
        for name, array in arrays.items()
        if (found := front(letters.get(f"{prefix}/{name}", "?"), array)) is not None
    ]


def _outputs(traces: Traces, number: int, ran: Ran) -> list[tuple[str, Array]]:
    half: Any = traces.halves[number]
    found = [front(half.axes[name], ran.outputs[name]) for name in half.names]
    return [one for one in found if one is not None]


def front(letters: str, array: Array) -> tuple[str, Array] | None:
    if letters.count("B") != 1 or letters.count("T") > 1 or "?" in letters or len(letters) != array.ndim:
        return None
    front = [letters.index(letter) for letter in "BT" if letter in letters]
    return letters, np.moveaxis(array, front, range(len(front)))


def same(value: Array, target: Array, mask: Mask, has_steps: bool) -> bool:
    if has_steps:
        value, target = value[mask], target[mask]
    with np.errstate(invalid="ignore"):
        return bool(np.max(np.abs(value - target), initial=0.0) <= EXACT * np.max(np.abs(target), initial=1e-30))
