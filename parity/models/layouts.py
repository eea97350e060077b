"""Lay sequences out in the rows of a batch: padded on a side, each alone, or several packed into one row.

All contracts of a model compare the same sequences in two layouts. A layout says where each step stands, so that what
a model returns can be read back into one order: sequence after sequence, step after step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from parity.arrays import Array, Lengths, Mask


@dataclass(frozen=True, eq=False)
class Place:
    """The place of one sequence: its number, its row, and for each of its steps the column, ``(L,)``."""

    sequence: int
    row: int
    columns: Lengths


@dataclass(frozen=True, eq=False)
class Layout:
    """The places of sequences in a batch of B rows and T steps.

    Attributes:
        rows, steps: B and T.
        places: of each sequence in this batch; those of one row follow each other.
    """

    rows: int
    steps: int
    places: tuple[Place, ...]

    @property
    def mask(self) -> Mask:
        """Return the mask, ``(B, T)``, True on real steps."""
        return self.segments > 0

    @property
    def segments(self) -> Array:
        """Return ``(B, T)``: 1, 2 … on the steps of the first, second … sequence of a row, 0 on padding."""
        segments = np.zeros((self.rows, self.steps), np.int64)
        for place in self.places:
            segments[place.row, place.columns] = 1 + segments[place.row].max(initial=0)
        return segments

    @property
    def positions(self) -> Array:
        """Return ``(B, T)``: 0, 1 … on the steps of each sequence, 0 on padding."""
        positions = np.zeros((self.rows, self.steps), np.int64)
        for place in self.places:
            positions[place.row, place.columns] = np.arange(len(place.columns))
        return positions

    @property
    def lengths(self) -> Lengths:
        """Return ``(B,)``: how many steps of each row are real."""
        return np.asarray(self.mask.sum(axis=1), np.int64)

    @property
    def boundaries(self) -> Lengths:
        """Return where sequences begin and end among all real steps, row after row, ``(N + 1,)``; the first is 0."""
        ordered = sorted(self.places, key=lambda place: (place.row, *place.columns[:1]))
        return np.cumsum([0, *(len(place.columns) for place in ordered)])

    @property
    def begins_rows(self) -> bool:
        """Tell whether each sequence begins a row, and has its padding behind it."""
        return all(np.array_equal(place.columns, np.arange(len(place.columns))) for place in self.places)

    def permuted(self) -> Layout:
        """Return it with the first row at the end."""
        places = tuple(replace(place, row=(place.row - 1) % self.rows) for place in self.places)
        return replace(self, places=places)

    def reversed(self) -> Layout:
        """Return it with its rows in reverse order."""
        return replace(self, places=tuple(replace(place, row=self.rows - 1 - place.row) for place in self.places))

    def widened(self, steps: int) -> Layout:
        """Return it with another number of steps."""
        return replace(self, steps=steps)

    def alone(self) -> list[Layout]:
        """Give each sequence a batch of its own, which ends with its last step; an empty one has a step of padding."""
        return [Layout(1, int(max(place.columns, default=0)) + 1, (replace(place, row=0),)) for place in self.places]

    def spread(self, sequences: Sequence[Array], padding: Array) -> Array:
        """Put the steps of sequences, each ``(L, ...)``, into ``padding``, ``(B, T, ...)``; return a new array."""
        array = np.array(padding, np.result_type(padding, *sequences))
        for place in self.places:
            array[place.row, place.columns] = sequences[place.sequence]
        return array


def padded(lengths: Sequence[int], steps: int, left: bool = False) -> Layout:
    """Give each sequence a row, with its padding behind it, or on its ``left``."""
    places = []
    for row, length in enumerate(lengths):
        start = steps - length if left else 0
        places.append(Place(row, row, np.arange(start, start + length)))
    return Layout(len(places), steps, tuple(places))


def packed(lengths: Sequence[int], steps: int) -> Layout:
    """Put several sequences into each row, one behind the other, as many as fit; padding is at the end of rows."""
    places: list[Place] = []
    row = used = 0
    for sequence, length in enumerate(lengths):
        if used + length > steps:
            row, used = row + 1, 0
        places.append(Place(sequence, row, np.arange(used, used + length)))
        used += length
    return Layout(row + 1, steps, tuple(places))


def with_holes(lengths: Sequence[int]) -> Layout:
    """Scatter the steps of each sequence over a row half as long again as the longest, in order."""
    steps = max(lengths) + max(lengths) // 2 + 1
    rng = np.random.default_rng([len(lengths), steps, 17])
    places = [Place(row, row, np.sort(rng.permutation(steps)[:length])) for row, length in enumerate(lengths)]
    return Layout(len(places), steps, tuple(places))
