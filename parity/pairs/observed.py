"""Keep the order in which a model calls its layers, and what each receives first."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from parity.arrays import Array


@dataclass
class Observed:
    """One run of a model.

    Attributes:
        order: path of a layer -> the number of its first call.
        inputs: path -> the floats that it received then; None if they are unknown.
        calls: path -> how often it was called.
        outputs: of the model.
        used: the names of arrays whose gradients are not 0.
        names: those of the outputs; empty for a recording.
    """

    order: dict[str, int] = field(default_factory=dict)
    inputs: dict[str, list[Array] | None] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    outputs: list[Array] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    names: list[str] = field(default_factory=list)

    def enter(self, path: str, inputs: list[Array] | None) -> None:
        """Note a call."""
        self.calls[path] += 1
        if path not in self.order:
            self.order[path] = len(self.order)
            self.inputs[path] = inputs

    def place(self, path: str, separator: str) -> int | None:
        """Return the number of the first call of a layer, or of the nearest one around it that was called."""
        while path not in self.order and path:
            path = path.rpartition(separator)[0]
        return self.order.get(path)

    def differs(self, other: Observed, path: str) -> bool:
        """Tell whether a layer received something else in another run."""
        own, theirs = self.inputs.get(path), other.inputs.get(path)
        if own is None or theirs is None or len(own) != len(theirs):
            return False
        return not all(np.array_equal(a, b, equal_nan=True) for a, b in zip(own, theirs, strict=True))


def random_cotangent(name: str, shape: tuple[int, ...]) -> Array:
    """Return numbers in place of the gradient of an output."""
    return np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)


def agreement(own: Observed, theirs: Observed, most: float) -> int:
    """Return 2 if each output is the one of the same name or else place, 1 if it is one of the other's, 0 if not."""
    if not agree(own.outputs, theirs.outputs, most):
        return 0
    names = own.names, theirs.names
    has_order = len(own.outputs) == len(theirs.outputs)
    by_name = has_order and bool(names[0]) and set(names[0]) == set(names[1])
    order = [names[1].index(name) for name in names[0]] if by_name else range(len(theirs.outputs))
    if not has_order:
        return 2  # nothing tells which output is which
    pairs = zip(own.outputs, (theirs.outputs[at] for at in order), strict=True)
    return 2 if all(_close(a, b, most) for a, b in pairs if a.dtype.kind == "f") else 1


def agree(left: Sequence[Array], right: Sequence[Array], most: float) -> bool:
    """Tell whether each output of the model with fewer of them is one of the other's."""
    fewer, others = sorted(([a for a in side if a.dtype.kind == "f"] for side in (left, right)), key=len)
    return bool(fewer) and all(any(_close(a, b, most) for b in others) for a in fewer)


def receive_the_same(own: Sequence[Array] | None, theirs: Sequence[Array] | None, most: float) -> bool:
    """Tell whether two layers receive the same numbers, in whatever order of axes."""
    sorted_arrays = [[np.sort(array, axis=None) for array in each or ()] for each in (own, theirs)]
    return any(_close(a, b, most) for a in sorted_arrays[0] for b in sorted_arrays[1])


def _close(a: Array, b: Array, most: float) -> bool:
    if a.shape != b.shape or not a.size:
        return False
    return bool(np.max(np.abs(a - b)) <= most * max(1e-30, np.max(np.abs(a))))
