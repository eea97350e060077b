"""Compare two arrays and their floor in one pass and constant memory: by how much they differ, and where.

`by_definition` says what is meant. Most chunks need less: where float64 holds both sides exactly and no error is NaN or
inf, the elements without an error are those that are the same, and no score exceeds the largest error over the
smallest floor. A chunk of which that is not known is judged in full.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.arrays import Array
from parity.errors import InputError
from parity.frameworks import cores

CHUNK = 1 << 17  # elements compared at a time: few enough for the cache, so a pass costs one read of each array
ROW = 1 << 12  # elements whose squares are summed by one call of BLAS
BLOCK = 1 << 22  # elements that a thread takes at a time; a single block is worth no threads
SMALLEST = 1e-290  # sum of squares with all its digits
THREADS = min(cores(), 4)  # NumPy computes without the interpreter lock, but each has buffers of its own


@dataclass
class Tally:
    """Scores, errors and their positions, gathered over a pass."""

    score: float = 0.0  # the largest error in floors; inf where the floor is 0 and the error is not
    worst: int = 0  # the first index where it is so large, counted in C order
    error_there: float = 0.0  # the absolute error at that index
    max_abs_error: float = 0.0  # inf where an element is strange
    strange: int = 0  # how many elements are NaN or inf on one side only, or inf of the other sign
    first_strange: int = 0
    errors_squared: float = 0.0  # summed over all elements, in float64; so are the floors
    floors_squared: float = 0.0

    @property
    def norm_score(self) -> float:
        """Return the norm of all errors over the norm of all floors; the largest score where a square overflows."""
        if not self.score:
            return 0.0
        if not all(SMALLEST < squared < math.inf for squared in (self.errors_squared, self.floors_squared)):
            return self.score
        return math.sqrt(self.errors_squared / self.floors_squared)

    def include(self, later: Tally) -> None:
        """Add what was gathered from elements further on."""
        if later.score > self.score:
            self.score, self.worst, self.error_there = later.score, later.worst, later.error_there
        if not self.strange:
            self.first_strange = later.first_strange
        self.strange += later.strange
        self.max_abs_error = max(self.max_abs_error, later.max_abs_error)
        self.errors_squared += later.errors_squared
        self.floors_squared += later.floors_squared


def stream(quantity: str, observed: Array, expected: Array, floor: Array | None) -> Tally:
    """Gather a tally of two arrays of numbers of one shape; what is not contiguous is copied a chunk at a time.

    The floor has that shape too, also as a broadcast view; it is None where any error scores inf.

    Raises:
        InputError: the floor is NaN, inf or less than 0 somewhere.
    """
    operands = (observed, expected) if floor is None else (observed, expected, floor)

    def block(start: int) -> Tally:
        return _Pass(quantity, operands).over(start, min(start + BLOCK, observed.size))

    total = Tally()
    starts = range(0, observed.size, BLOCK)
    if len(starts) > 1:
        with ThreadPoolExecutor(THREADS) as threads:
            for tally in threads.map(block, starts):
                total.include(tally)
    elif starts:
        total.include(block(0))
    return total


def smallest_of(quantity: str, floor: Array) -> np.float64:
    """Return the smallest number of a floor, whose numbers must be finite and not negative."""
    smallest = np.float64(floor.min())  # NaN if any is
    if not (smallest >= 0 and floor.max() < np.inf):
        raise InputError(f"floor of {quantity!r}", "NaN, inf or less than 0", "finite numbers of 0 or more")
    return abs(smallest)  # -0.0 is 0


def by_definition(observed: Array, expected: Array, error: Array, floor: Array) -> tuple[Array, Array]:
    """Return every score, and which elements are strange: NaN or inf on one side only, or inf of the other sign.

    In ``error``, in place, what is the same on both sides becomes 0, and what is strange inf.
    """
    same = (observed == expected) | (np.isnan(observed) & np.isnan(expected))
    error[same] = 0.0
    strange = ~np.isfinite(error)
    error[strange] = np.inf
    return np.where(same, 0.0, np.where(error > 0, error / floor, np.inf)), strange


class _Pass:
    """The pass over one block, in one thread."""

    def __init__(self, quantity: str, operands: tuple[Array, ...]) -> None:
        self.quantity, self.operands, self.tally = quantity, operands, Tally()
        self.exact = all(_exact_in_float64(side.dtype) for side in operands[:2])
        self.scratch = np.empty((2, min(CHUNK, operands[0].size)))

    def over(self, start: int, stop: int) -> Tally:
        flags: Any = ("external_loop", "buffered", "ranged")
        chunks: Any = np.nditer(self.operands, flags=flags, order="C", buffersize=CHUNK)
        chunks.iterrange = start, stop
        with np.errstate(all="ignore"):
            for chunk in chunks:
                self.add(start, *chunk)
                start += len(chunk[0])
        return self.tally

    def add(self, start: int, observed: Array, expected: Array, floor: Array | None = None) -> None:
        if floor is None:
            if (observed == expected).all():
                return
            floor = np.zeros(1)
        elif floor.strides == (0,):
            floor = floor[:1]  # one number for all
        smallest = smallest_of(self.quantity, floor)
        error, floor = self._error(observed, expected), self._float64(floor, smallest)
        largest = error.max()
        if self.exact and largest < np.inf:  # NaN is not
            self._gather(error, largest, floor)
            if not largest / smallest <= self.tally.score:
                self._rank(start, error, np.divide(error, floor, out=self.scratch[1, : error.size]))
        else:
            score = self._judge(start, observed, expected, error, floor)
            self._gather(error, error.max(), floor)
            self._rank(start, error, score)

    def _error(self, observed: Array, expected: Array) -> Array:
        error = self.scratch[0, : observed.size]
        np.copyto(error, observed)
        np.subtract(error, expected, out=error, dtype=np.float64)
        return np.abs(error, out=error)

    def _float64(self, floor: Array, smallest: np.float64) -> Array:
        copy = self.scratch[1, : floor.size]
        np.copyto(copy, floor)
        if not smallest:
            np.abs(copy, out=copy)  # in floors of -0.0, an error would score -inf
        return copy

    def _judge(self, start: int, observed: Array, expected: Array, error: Array, floor: Array) -> Array:
        """Compute the scores by definition, and count what is strange."""
        score, strange = by_definition(observed, expected, error, floor)
        if not self.tally.strange and strange.any():
            self.tally.first_strange = start + int(np.argmax(strange))
        self.tally.strange += int(np.count_nonzero(strange))
        return score

    def _gather(self, error: Array, largest: np.float64, floor: Array) -> None:
        self.tally.max_abs_error = max(self.tally.max_abs_error, float(largest))
        self.tally.errors_squared += _sum_of_squares(error)
        self.tally.floors_squared += _sum_of_squares(floor) * (error.size / floor.size)

    def _rank(self, start: int, error: Array, score: Array) -> None:
        largest = np.fmax.reduce(score)  # fmax skips NaN: no error where the floor is 0
        if largest > self.tally.score:
            at = int(np.argmax(score == largest))
            self.tally.score, self.tally.worst, self.tally.error_there = float(largest), start + at, float(error[at])


def _exact_in_float64(dtype: np.dtype[Any]) -> bool:
    return dtype.itemsize <= 4 or dtype == np.float64


def _sum_of_squares(array: Array) -> float:
    """Sum in rows: BLAS starts threads of its own for a longer product, in the way of those that are here."""
    rows = array[: array.size // ROW * ROW].reshape(-1, ROW)
    rest = array[rows.size :]
    return float(np.vecdot(rows, rows).sum() + np.vecdot(rest, rest))
