"""Measure how far what two layers receive or return is apart, whatever the order of their axes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from parity.arrays import Array
from parity.checks.comparison import difference

Arrays = Mapping[str, Array]


@dataclass(eq=False)
class Apart:
    """The distance of two lists of arrays.

    Attributes:
        differs: whether it is more than rounding.
        step: the first of which that is so.
        difference: the largest one.
        largest: the largest number.
    """

    differs: bool
    step: int
    difference: float
    largest: float

    @property
    def relative(self) -> float:
        """Return the largest difference over the largest number."""
        return self.difference / self.largest if self.largest else self.difference


def finite(number: float | None) -> float | None:
    """Return a number that JSON has; None for one that is not finite.

    >>> finite(0.5), finite(float("nan"))
    (0.5, None)
    """
    return number if number is not None and np.isfinite(number) else None


def apart(arrays: tuple[Arrays, Arrays], floors: Sequence[Arrays], lengths: Sequence[int]) -> Apart | None:
    """Compare each array of the side with fewer of them with those of the other that have its shape."""
    fewer = 0 if len(arrays[0]) <= len(arrays[1]) else 1
    worst: Apart | None = None
    for name, array in arrays[fewer].items():
        floor = _largest(floors[fewer].get(name), array)
        tried = [
            _distance(array, shaped, floor + _largest(floors[1 - fewer].get(other), theirs), lengths)
            for other, theirs in arrays[1 - fewer].items()
            for shaped in as_shape(theirs, array.shape, lengths)
        ]
        if tried:
            nearest = min(tried, key=lambda one: (one.differs, one.difference))
            worst = max(filter(None, (worst, nearest)), key=lambda one: (one.differs, one.difference))
    return worst


def _distance(own: Array, theirs: Array, floor: float, lengths: Sequence[int]) -> Apart:
    differs = difference("", theirs, own, np.full(own.shape, floor)).failed
    error = np.abs(own - theirs).astype(np.float64)
    error[np.isfinite(own) != np.isfinite(theirs)] = np.inf  # NaN or inf on one side
    has_steps = own.ndim > 1 and own.shape[1] == max(lengths)
    steps = [
        int(np.argmax(over))
        for row in range(len(own))
        if has_steps and (over := _by_step(error[row]) > 64 * floor).any()
    ]
    largest = float(np.max(np.abs(own[np.isfinite(own)]), initial=0.0))
    return Apart(differs, min(steps, default=-1), float(np.nanmax(error, initial=0.0)), largest)


def _by_step(error: Array) -> Array:
    return np.asarray(error.reshape(len(error), -1).max(axis=1, initial=0.0))


def _largest(floor: Array | None, array: Array) -> float:
    """Return one floor for all numbers of an array: layers are compared in whatever order of axes."""
    usual = 2.0**-53 * float(np.max(np.abs(array[np.isfinite(array)]), initial=1e-300))
    finite = np.zeros(0) if floor is None else floor[np.isfinite(floor)]
    return max(usual, float(np.sqrt(np.mean(np.square(finite))))) if finite.size else usual


def as_shape(array: Array, shape: tuple[int, ...], lengths: Sequence[int]) -> Iterator[Array]:
    """Yield an array in the ways in which it can have a shape: other axes, or one answer for each sequence."""
    if array.shape == shape:
        yield array
    has_steps = array.ndim > 2 and array.shape[1] == max(lengths)
    keep = 2 if has_steps and len(shape) > 1 and shape[1] == array.shape[1] else 1
    if array.shape[:keep] == shape[:keep] and array.size == int(np.prod(shape)) and array.shape != shape:
        yield array.reshape(shape)
        if array.ndim > keep + 1:
            yield np.moveaxis(array, keep, -1).reshape(shape)
    if len(shape) == 2 and array.shape[0] == shape[0] and array.ndim == 3 and min(lengths) > 0:
        if has_steps and array.shape[2] == shape[1]:
            yield array[np.arange(len(array)), np.asarray(lengths) - 1]
        for last in (1, 2):
            if array[:, -last:].reshape(len(array), -1).shape == shape:
                yield array[:, -last:].reshape(shape)
