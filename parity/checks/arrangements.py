"""Recognise values that are right but stand elsewhere: rows in another order, directions swapped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import permutations

import numpy as np

from parity.arrays import Array
from parity.cases.case import Case
from parity.checks.comparison import difference
from parity.checks.noise import Floor
from parity.checks.result import Arrangement
from parity.frameworks.observation import Observation

FEW_ROWS = 4  # of which every order is tried


def arrangement(
    case: Case,
    quantity: str,
    layer: int | None,
    observed: Observation,
    reference: Floor,
    floor_of: Callable[[Case], Floor],
) -> Arrangement:
    """Tell how a quantity that differs, or one layer of it, is arranged; empty if its values are wrong.

    Args:
        case: that was observed.
        quantity, layer: what differs.
        observed, reference: the observation of the case, and the reference on it.
        floor_of: returns the reference on another case.
    """
    where = ... if layer is None else layer
    axes = case.axes[quantity] if layer is None else case.axes[quantity][1:]
    if quantity not in observed.quantities or observed[quantity].shape != reference.expected[quantity].shape:
        return ""
    array, expected, floor = (found[quantity][where] for found in (observed, reference.expected, reference.floor))
    if "B" in axes and is_reordered(*(np.moveaxis(one, axes.index("B"), 0) for one in (array, expected, floor))):
        return "rows"
    swapped = _swapped(case, axes)
    if swapped and not difference(quantity, array, *(swap(one, *swapped) for one in (expected, floor))).failed:
        return "directions"
    for other in _with_other_starts(case):
        started = floor_of(other)
        if not difference(quantity, array, started.expected[quantity][where], started.floor[quantity][where]).failed:
            return "starts"
    return ""


def is_reordered(observed: Array, expected: Array, floor: Array) -> bool:  # (B, ...) each
    """Tell whether each row is one of the rows that are expected, no two the same one, and some not at its place."""
    left = list(range(len(expected)))
    if not any(difference("row", *rows).failed for rows in zip(observed, expected, floor, strict=True)):
        return False
    for row in observed:
        fits = (at for at in left if not difference("row", row, expected[at], floor[at]).failed)
        at = next(fits, None)
        if at is None:
            return False
        left.remove(at)
    return True


def swap(array: Array, axis: int, halves: bool) -> Array:
    """Exchange the two halves of an axis; both items, if it has two."""
    return np.roll(array, array.shape[axis] // 2, axis) if halves else np.flip(array, axis)


def _swapped(case: Case, axes: str) -> tuple[int, bool] | None:
    """Return the axis of a quantity that holds the directions, and whether it joins both; None without directions."""
    weights = case.configuration.inputs.get("w_in.0")
    if weights is None or not weights.axes.startswith("2"):
        return None
    if "E" in axes:
        return axes.index("E"), True
    if axes.endswith("2BH"):
        return len(axes) - 3, False
    return (0, False) if axes.startswith("2") else None


def _with_other_starts(case: Case) -> Iterator[Case]:
    """Yield the case with its initial states in other orders: any, of few sequences; else those of sorted lengths."""
    starts = [
        start for start in case.configuration.initial.values() if start and not case.configuration.inputs[start].buffer
    ]
    count = len(case.lengths)
    longest_first = np.argsort(-case.lengths, kind="stable")
    orders = list(permutations(range(count))) if count <= FEW_ROWS else [longest_first, np.argsort(longest_first)]
    for order in orders if starts else ():
        if list(order) != list(range(count)):
            moved = {
                start: np.take(case.arrays[start], order, case.configuration.inputs[start].axes.index("B"))
                for start in starts
            }
            yield replace(case, arrays={**case.arrays, **moved})
