"""Map the elements of one model's arrays to those of another: copies, sums of two, and constants.

Every transfer of weights that only transposes, splits, joins, reorders or adds is such a map. So one description of a
layer's arrays gives the weights in both directions, and the gradients by the transposed map.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from parity.arrays import Array

Ids = npt.NDArray[np.int64]
NONE = -1


class Numbering:
    """Numbers for all elements of a model's arrays.

    >>> Numbering({"w": (2, 2), "b": (2,)}).ids("b")
    array([4, 5])
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.shapes, self.offsets, self.size = dict(shapes), dict[str, int](), 0
        for name, shape in self.shapes.items():
            self.offsets[name] = self.size
            self.size += int(np.prod(shape, dtype=np.int64))

    def ids(self, name: str) -> Ids:
        """Return the numbers of an array's elements, in its shape."""
        offset, shape = self.offsets[name], self.shapes[name]
        return np.arange(offset, offset + int(np.prod(shape, dtype=np.int64))).reshape(shape)

    def names_of(self, ids: Ids) -> list[str]:
        """Return the names of the arrays to which elements belong."""
        names = list(self.offsets)
        counts = np.bincount(self._owners[ids[ids != NONE]], minlength=len(names))
        return [names[index] for index in np.flatnonzero(counts)]

    @cached_property
    def _owners(self) -> Ids:
        """Return the number of the array to which each element belongs."""
        sizes = [int(np.prod(shape, dtype=np.int64)) for shape in self.shapes.values()]
        return np.repeat(np.arange(len(sizes)), sizes)

    def mask(self, *ids: Ids) -> npt.NDArray[np.bool_]:
        """Return which elements are among some, ``(size,)``."""
        found = np.zeros(self.size, bool)
        for one in ids:
            found[one] = True
        return found


class Map:
    """The elements of a source of which each element of a target is the sum, plus a constant.

    Attributes:
        source, target: the arrays of both.
        terms: for each term, the number of the element in the source for each element of the target, ``(N,)``.
        constants: ``(N,)``.
        assigned: whether an element of the target has a value, ``(N,)``.
        conflicts: elements of the target that received two different values.
    """

    def __init__(self, source: Numbering, target: Numbering) -> None:
        self.source, self.target = source, target
        self.terms = [np.full(target.size, NONE)]
        self.constants = np.zeros(target.size)
        self.assigned = np.zeros(target.size, bool)
        self.conflicts: list[Ids] = []

    def assign(self, target: Ids, terms: Sequence[Ids], constant: float = 0.0) -> None:
        """Let elements of the target be the sum of elements of the source and a constant."""
        at = target.reshape(-1)
        given = [np.broadcast_to(term, target.shape).reshape(-1) for term in terms]
        while len(self.terms) < len(given):
            self.terms.append(np.full(self.target.size, NONE))
        padded = [*given, *[np.full(at.size, NONE)] * (len(self.terms) - len(given))]
        same = self.constants[at] == constant
        for own, term in zip(self.terms, padded, strict=True):
            same &= own[at] == term
        if (clash := self.assigned[at] & ~same).any():
            self.conflicts.append(at[clash])
        for own, term in zip(self.terms, padded, strict=True):
            own[at] = term
        self.constants[at] = constant
        self.assigned[at] = True

    def complete(self) -> list[str]:
        """Return the names of those arrays of the target whose every element has a value."""
        return [name for name in self.target.shapes if self.assigned[self.target.ids(name)].all()]

    def sources_of(self, name: str) -> list[str]:
        """Return the names of the source's arrays that an array of the target is made of."""
        at = self.target.ids(name)
        return self.source.names_of(np.concatenate([term[at].reshape(-1) for term in self.terms]))

    def used(self) -> npt.NDArray[np.bool_]:
        """Tell which elements of the source have an image, ``(M,)``."""
        found = np.zeros(self.source.size, bool)
        for term in self.terms:
            found[term[term != NONE]] = True
        return found

    def repeated(self) -> Ids:
        """Return the elements of the source that have several images."""
        counts = np.zeros(self.source.size, np.int64)
        for term in self.terms:
            np.add.at(counts, term[term != NONE], 1)
        return np.flatnonzero(counts > 1)

    def forward(self, arrays: Mapping[str, Array], dtypes: Mapping[str, Any]) -> dict[str, Array]:
        """Return the target's complete arrays, in their dtypes; what is only copied keeps its bits."""
        flat = flattened(self.source, arrays)
        return {name: self._image(name, flat).astype(dtypes[name]) for name in self.complete()}

    def _image(self, name: str, flat: Array) -> Array:
        at = self.target.ids(name)
        value = self.constants[at].astype(flat.dtype)
        for number, term in enumerate(self.terms):
            ids = term[at]
            taken = flat[np.maximum(ids, 0)] if flat.size else value
            total = np.where(taken == 0, value, value + taken)  # to add 0 changes no bit of -0.0
            total = np.where(value == 0, taken, total) if number == 0 else total
            value = np.where(ids == NONE, value, total)
        return value

    def gradients(self, gradients: Mapping[str, Array]) -> dict[str, Array]:
        """Return the gradients of the source's arrays from those of the target's: the transposed map.

        An element with several images has the sum of their gradients; two that are added have the same. Arrays of the
        source none of whose images has a gradient are left out.
        """
        total = np.zeros(self.source.size)
        has = np.zeros(self.source.size, bool)
        for name, gradient in gradients.items():
            at = self.target.ids(name).reshape(-1)
            for term in self.terms:
                ids = term[at]
                real = ids != NONE
                np.add.at(total, ids[real], np.asarray(gradient, np.float64).reshape(-1)[real])
                has[ids[real]] = True
        found = {name: self.source.ids(name) for name in self.source.shapes}
        return {name: total[ids] for name, ids in found.items() if ids.size and has[ids].any()}


def flattened(numbering: Numbering, arrays: Mapping[str, Array]) -> Array:
    """Return all elements in the order of their numbers."""
    dtypes = {arrays[name].dtype for name in numbering.shapes}
    kind = dtypes.pop() if len(dtypes) == 1 else np.dtype(np.float64)
    parts = [np.asarray(arrays[name], kind).reshape(-1) for name in numbering.shapes]
    return np.concatenate(parts) if parts else np.zeros(0, kind)
