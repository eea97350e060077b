"""Find the first layers of a pair that differ, in the order of calls, and the step at which they do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from msgspec import Struct
from msgspec.structs import force_setattr

from parity.arrays import Array
from parity.checks.result import Measure
from parity.models.side import Layer
from parity.models.tracing import Tracer
from parity.pairs.apart import Apart, Arrays, apart, finite
from parity.pairs.halves import Half
from parity.pairs.transfer import Row
from parity.pairs.units import WHOLE


class FirstDifference(Struct, frozen=True):
    """The place in a pair where a difference begins.

    Attributes:
        left, right: the layers that differ; those that receive something else when it is "between".
        kind: the class of the right one.
        where: "in" the layers, "between" them and those before, "after" the last ones, in "gradients" or the "loss"
            only, only in weights after so many steps of "training", in "weights" that cannot be made equal, or in
            "outputs", whose names are in place of those of layers, if one model has no layers.
        equal: the last pair of layers before, whose outputs agree, left and right.
        inside: layers without weights between them, "left" or "right" and their names.
        step: the first, -1 where there are no steps.
        sequence: that of the batch in which it is, if only outputs are known; else -1.
        difference: the largest, in the widest dtype; None for one that is not finite.
        dtype: in which it was measured.
    """

    left: str
    right: str
    kind: str = ""
    where: str = "in"
    equal: tuple[str, str] = ("", "")
    inside: tuple[str, ...] = ()
    step: int = -1
    difference: Measure = 0.0
    sequence: int = -1
    dtype: str = "float64"

    def __post_init__(self) -> None:
        force_setattr(self, "difference", finite(self.difference))

    def __str__(self) -> str:
        """Return it in words.

        >>> print(FirstDifference("norm", "bn", "BatchNormalization", step=1, difference=4.9e-4))
        first in `norm` = BatchNormalization `bn`, step 1, 4.9e-04 in float64
        """
        step = f", step {self.step}" if self.step >= 0 else ""
        measured = f"{step}, {self._size}"
        layers = _named(self.left, self.right, self.kind)
        if self.where == "in":
            return f"first in {layers}{measured}"
        if self.where == "outputs":
            of = f" of sequence {self.sequence}" if self.sequence >= 0 else ""
            output = _named(self.left, self.right)
            return f"first in output {output}{step or ','}{of}, {self._size}"
        if self.where == "training":
            after = f"after step {self.step}, first in {layers}, {self._size}"
            return f"outputs and gradients agree; weights differ {after}"
        inside = f" ({', '.join(self.inside)})" if self.inside else ""
        before = _named(*self.equal) if any(self.equal) else "the inputs"
        if self.where == "between":
            return f"first between {before} and {layers}{inside}{measured}"
        if self.where == "weights":
            own = self.left or self.right
            return f"in {_named(own, self.right or own)}, which no weights make equal"
        if self.where == "loss":
            return f"outputs agree; the loss differs, {self._size}"
        if self.where == "after":
            return f"first after {before}{inside}{measured}"
        measured = measured if self.difference != 0 else ""  # one of them is not trained
        return f"outputs agree; gradients differ, going backward first in that of {layers}{measured}"

    @property
    def _size(self) -> str:
        return "NaN or inf on one side" if self.difference is None else f"{self.difference:.1e} in {self.dtype}"


def _named(left: str, right: str, kind: str = "") -> str:
    return f"`{left}`" if left == right and not kind else f"`{left}` = {kind}{' ' if kind else ''}`{right}`"


@dataclass(frozen=True)
class Component:
    """Layers that stand for each other: one and one, or a stacked layer and its parts; in the order of calls."""

    left: tuple[str, ...]
    right: tuple[str, ...]


@dataclass(eq=False)
class Traces:
    """The traced layers of both models on the batch of one seed.

    Attributes:
        halves: both models.
        tracers: of both.
        rows: the table of the transfer.
        forward: whether its source is the left model.
    """

    halves: tuple[Half, Half]
    tracers: tuple[Tracer, Tracer]
    rows: Sequence[Row]
    forward: bool
    known: dict[int, Mapping[str, Layer]] = field(default_factory=dict)

    def before(self, number: int) -> Mapping[str, Layer]:
        return self.known[number] if number in self.known else self.tracers[number].before

    @property
    def lengths(self) -> tuple[int, ...]:
        return self.tracers[0].setting.view.sequences.lengths

    @cached_property
    def components(self) -> list[Component]:
        """Return the layers that stand for each other, in the order of the left model's calls."""
        groups: list[tuple[set[str], set[str]]] = []
        for row in self.rows:
            own, theirs = (self._paths(name) for name in (row.source, row.target))
            found = [self._called(number, paths) for number, paths in enumerate(_ordered(own, theirs, self.forward))]
            if not all(found):
                continue
            touching = [group for group in groups if group[0] & found[0] or group[1] & found[1]]
            merged = (
                set[str]().union(found[0], *(g[0] for g in touching)),
                set[str]().union(found[1], *(g[1] for g in touching)),
            )
            groups = [group for group in groups if group not in touching] + [merged]
        places = [list(self.tracers[number].before) for number in (0, 1)]
        ordered = [Component(*(tuple(sorted(group[n], key=places[n].index)) for n in (0, 1))) for group in groups]
        return sorted(ordered, key=lambda one: places[0].index(one.left[0]))

    @staticmethod
    def _paths(name: str) -> list[str]:
        parts = [part.split(" (")[0] for part in name.split(" + ")]
        return ["" if name.startswith(WHOLE) else part for part in parts]

    def _called(self, number: int, paths: Sequence[str]) -> set[str]:
        """Return the traced layers of paths, or those around them."""
        separator, traced = self.halves[number].weights.separator, self.tracers[number].before
        found = set()
        for path in paths:
            while path and path not in traced:
                path = path.rpartition(separator)[0]
            if path:
                found.add(path)
        return found

    def first(self) -> FirstDifference | None:
        """Return the first difference of layers; None if none is known."""
        equal, last = ("", ""), None
        for component in self.components:
            outputs, inputs = (self.apart(component, kind) for kind in ("outputs", "inputs"))
            agree = outputs is not None and not outputs.differs
            if not agree and inputs is not None and inputs.differs:
                return self._found(component, "between", equal, inputs)
            if outputs is not None and outputs.differs:
                return self._found(component, "in", equal, outputs)
            equal, last = (component.left[-1], component.right[-1]), component
        if last is None:
            return None
        return FirstDifference("", "", where="after", equal=equal, inside=self._inside(equal, None))

    def _found(self, component: Component, where: str, equal: tuple[str, str], apart: Apart) -> FirstDifference:
        left, right = (
            (component.left[0], component.right[0]) if where == "between" else (component.left[-1], component.right[-1])
        )
        kind = self.before(1)[right].kind
        inside = self._inside(equal, component) if where == "between" else ()
        return FirstDifference(left, right, kind, where, equal, inside, apart.step, apart.difference)

    def _inside(self, equal: tuple[str, str], component: Component | None) -> tuple[str, ...]:
        found = []
        for number, half in enumerate(self.halves):
            end = None if component is None else (component.left, component.right)[number][0]
            names = self.window(number, equal[number], end)
            found += [f"{half.name}: {', '.join(f'`{name}`' for name in names[:3])}"] if names else []
        return tuple(found)

    def window(self, number: int, begin: str, end: str | None) -> list[str]:
        """Return the layers without weights that a model calls between two others."""
        names = list(self.tracers[number].before)
        first = names.index(begin) + 1 if begin else 0
        last = names.index(end) if end in names else len(names)
        paired = {path for one in self.components for path in (one.left, one.right)[number]}
        separator = self.halves[number].weights.separator
        return [
            name
            for name in names[first:last]
            if name not in paired
            and not any(_inside_of(a, b, separator) for p in paired for a, b in ((name, p), (p, name)))
        ]

    def untraced(self, number: int) -> list[str]:
        """Return the layers of the table that were not traced, such as those that read backwards."""
        names = [(row.source, row.target)[(number == 0) != self.forward] for row in self.rows]
        return [path for name in names for path in self._paths(name) if path not in self.tracers[number].before]

    def mask_end(self, number: int) -> str:
        """Return the Keras layer that receives a mask, returns steps, and passes no mask on; nothing if none does."""
        steps = max(self.lengths)
        for name, layer in self.tracers[number].before.items():
            has_steps = any(array.ndim > 2 and array.shape[1] == steps for array in layer.outputs.values())
            if layer.mask_in and not layer.mask_out and has_steps:
                return name
        return ""

    def apart(self, component: Component, kind: str) -> Apart | None:
        """Return how far inputs or outputs of layers are apart; None if nothing can be compared."""
        ends = [paths[0] if kind == "inputs" else paths[-1] for paths in (component.left, component.right)]
        layers = [self.before(number).get(path) for number, path in enumerate(ends)]
        if layers[0] is None or layers[1] is None:
            return None
        arrays = [dict(getattr(layer, kind)) for layer in layers]
        floors = [self.tracers[number].floors.get(path, {}) for number, path in enumerate(ends)]
        tried = [apart((arrays[0], arrays[1]), floors, self.lengths)]
        if kind == "outputs" and (found := self._activated(ends, arrays)) is not None:
            tried.append(apart(found, floors, self.lengths))
        return min(filter(None, tried), key=lambda one: (one.differs, one.difference), default=None)

    def _activated(self, ends: Sequence[str], arrays: Sequence[Arrays]) -> tuple[Arrays, Arrays] | None:
        """Apply the activation that one side has in its layer to the other's outputs."""
        own = [half.framework.activation_of(half.side, path) for half, path in zip(self.halves, ends, strict=True)]
        if (own[0] is None) == (own[1] is None):
            return None
        if own[1] is not None:
            return {name: self._real(0, ends[0], name, own[1](array)) for name, array in arrays[0].items()}, arrays[1]
        return arrays[0], {name: self._real(1, ends[1], name, own[0](array)) for name, array in arrays[1].items()}

    def _real(self, number: int, path: str, name: str, array: Array) -> Array:
        """Return an array with 0 behind each sequence, which an activation may have changed."""
        letters = self.tracers[number].axes.letters.get(f"{path}/outputs/{name}", "")
        if "T" not in letters or array.ndim < 2 or array.shape[1] != max(self.lengths):
            return array
        real = np.arange(array.shape[1]) < np.asarray(self.lengths)[:, None]
        return np.where(real.reshape(*real.shape, *[1] * (array.ndim - 2)), array, 0.0)


def _inside_of(path: str, other: str, separator: str) -> bool:
    return path.startswith(other + separator)


def _ordered(own: list[str], theirs: list[str], forward: bool) -> tuple[list[str], list[str]]:
    return (own, theirs) if forward else (theirs, own)
