"""Keep the order in which a model calls its layers, and what each receives first."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

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


class Agreement(IntEnum):
    """Tell how far the outputs of two models agree."""

    NONE = 0
    ELSEWHERE = 1  # each is one of the other's, which has another name or stands at another place
    WHOLE = 2


def agreement(own: Observed, theirs: Observed, most: float) -> Agreement:
    """Tell how far two models agree in the outputs of the same names or else places."""
    if not agree(own.outputs, theirs.outputs, most):
        return Agreement.NONE
    if len(own.outputs) != len(theirs.outputs):
        return Agreement.WHOLE  # nothing tells which output is which
    by_name = bool(own.names) and set(own.names) == set(theirs.names)
    order = [theirs.names.index(name) for name in own.names] if by_name else range(len(theirs.outputs))
    pairs = zip(own.outputs, (theirs.outputs[at] for at in order), strict=True)
    is_whole = all(_close(a, b, most) for a, b in pairs if a.dtype.kind == "f")
    return Agreement.WHOLE if is_whole else Agreement.ELSEWHERE


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
