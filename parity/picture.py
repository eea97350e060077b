"""What a report draws of a comparison: how large the errors are, and where in the batch they lie."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from parity.batch import Array
from parity.cases import Case
from parity.compare import Difference

# Scores, in noise floors: exactly 0, then up to each of these, then above the limit, then not finite.
UP_TO = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 64.0)
BINS = ("0", *(f"≤ {edge:g}" for edge in UP_TO), f"> {UP_TO[-1]:g}", "∞")
MOST_COLUMNS = 40  # of a picture: longer sequences have several steps in each


def scores(difference: Difference) -> Array | None:
    """Every error of one quantity in noise floors, float64; inf where none is allowed, None where there are no numbers.

    >>> from parity.compare import compare
    >>> (off,) = compare({"y": np.array([1.0, 2.5])}, {"y": np.array([1.0, 2.0])}, {"y": np.array([0.0, 0.25])})
    >>> scores(off)
    array([0., 2.])
    """
    if difference.sides is None:
        return None
    observed, expected, floor = difference.sides
    with np.errstate(all="ignore"):
        error = np.abs(np.subtract(observed, expected, dtype=np.float64))
        ratio = error / (np.zeros(1) if floor is None else floor)
    same = (observed == expected) | (np.isnan(observed) & np.isnan(expected))
    return np.where(same, 0.0, np.where(np.isfinite(ratio), ratio, np.inf))


def spread(differences: Iterable[Difference]) -> tuple[int, ...]:
    """How many errors, over all quantities, fall into each of `BINS`.

    >>> from parity.compare import compare
    >>> spread(compare({"y": np.array([1.0, 2.5])}, {"y": np.array([1.0, 2.0])}, {"y": np.array([0.0, 0.25])}))
    (1, 0, 0, 0, 1, 0, 0, 0, 0, 0)
    """
    counts = np.zeros(len(BINS), np.int64)
    for difference in differences:
        if (all_of_them := scores(difference)) is not None:
            counts[0] += np.count_nonzero(all_of_them == 0)
            counts[-1] += np.count_nonzero(np.isinf(all_of_them))
            some = all_of_them[(all_of_them > 0) & np.isfinite(all_of_them)]
            counts[1:-1] += np.bincount(np.searchsorted(UP_TO, some), minlength=len(UP_TO) + 1)
    return tuple(map(int, counts))


def heat(case: Case, differences: Sequence[Difference]) -> dict[str, Any] | None:
    """Where in the batch the largest errors are: of the worst of all quantities that have a batch and a time axis.

    Returns:
        A dict with ``quantity``, ``lengths``, ``steps`` (T), ``left`` (whether padding stands before the sequences),
        ``together`` (how many steps share a column) and ``rows``: for each sequence the largest score in each column,
        two digits, None where it is not finite. None where no quantity has these axes.
    """
    placed = {each.quantity: found for each in differences if (found := _by_step(case, each)) is not None}
    if not placed:
        return None
    quantity = max(placed, key=lambda name: (placed[name].max(initial=0.0), name == "y"))
    steps = placed[quantity].shape[1]
    together = math.ceil(steps / MOST_COLUMNS)
    columns = [placed[quantity][:, at : at + together].max(axis=1) for at in range(0, steps, together)]
    return {
        "quantity": quantity,
        "lengths": case.lengths.tolist(),
        "steps": steps,
        "left": case.spec.left,
        "together": together,
        "rows": [[_short(score) for score in row] for row in np.stack(columns, axis=1)],
    }


def _by_step(case: Case, difference: Difference) -> Array | None:
    """The largest score of each step, ``(B, T)``; None where a quantity has no such axes, or no element."""
    found = scores(difference) if case.axes.get(difference.quantity, "").startswith("BT") else None
    if found is None or not found.size or len(found) != len(case.lengths):
        return None
    return np.asarray(found.reshape(*found.shape[:2], -1).max(axis=2))


def _short(score: float) -> float | None:
    return float(f"{score:.2g}") if np.isfinite(score) else None
