"""Count errors by size, and locate them in the batch, for the plots of a report."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np

from parity.arrays import Array
from parity.cases.case import Case
from parity.checks.comparison import Difference
from parity.checks.noise import LARGEST_ELEMENT
from parity.checks.result import HeatMap, rounded
from parity.checks.streaming import by_definition

# Scores, in noise floors: exactly 0, then up to each of these, then above the limit, then not finite.
UP_TO = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, LARGEST_ELEMENT)
BINS = ("0", *(f"≤ {edge:g}" for edge in UP_TO), f"> {UP_TO[-1]:g}", "∞")
MOST_COLUMNS = 40  # of a heat map: longer sequences have several steps in each


def scores(differences: Iterable[Difference]) -> dict[str, Array]:
    """Return every error in noise floors, float64; inf where none is allowed.

    A quantity without numbers is left out.

    >>> from parity.checks.comparison import compare
    >>> scores(compare({"y": np.array([1.0, 2.5])}, {"y": np.array([1.0, 2.0])}, {"y": np.array([0.0, 0.25])}))
    {'y': array([0., 2.])}
    """
    by_quantity = {}
    for difference in differences:
        if difference.sides:
            observed, expected, floor = difference.sides
            with np.errstate(all="ignore"):
                error = np.atleast_1d(np.abs(np.subtract(observed, expected, dtype=np.float64)))
                score, _ = by_definition(observed, expected, error, np.zeros(1) if floor is None else floor)
            by_quantity[difference.quantity] = np.asarray(score.reshape(observed.shape))
    return by_quantity


def histogram(scores: Iterable[Array]) -> tuple[int, ...]:
    """Count how many errors, over all quantities, fall into each of `BINS`.

    >>> histogram([np.array([0.0, 2.0]), np.array([np.inf])])
    (1, 0, 0, 0, 1, 0, 0, 0, 0, 1)
    """
    counts = np.zeros(len(BINS), np.int64)
    for score in scores:
        counts[0] += np.count_nonzero(score == 0)
        counts[-1] += np.count_nonzero(np.isinf(score))
        some = score[(score > 0) & np.isfinite(score)]
        counts[1:-1] += np.bincount(np.searchsorted(UP_TO, some), minlength=len(UP_TO) + 1)
    return tuple(map(int, counts))


def heat_map(case: Case, scores: Mapping[str, Array], failed: str = "") -> HeatMap | None:
    """Locate the largest errors in the batch, for the quantity that failed or the worst with a batch and a time axis.

    None where no quantity has these axes.
    """
    largest = {}
    for name, score in scores.items():
        if case.axes.get(name, "").startswith("BT") and score.size > 0 and len(score) == len(case.lengths):
            largest[name] = score.reshape(*score.shape[:2], -1).max(axis=2)
    if not largest:
        return None
    quantity = max(largest, key=lambda name: (name == failed, largest[name].max(initial=0.0), name == "y"))
    steps = largest[quantity].shape[1]
    steps_per_column = math.ceil(steps / MOST_COLUMNS)
    columns = [largest[quantity][:, at : at + steps_per_column].max(axis=1) for at in range(0, steps, steps_per_column)]
    return HeatMap(
        quantity=quantity,
        lengths=tuple(case.lengths.tolist()),
        steps=steps,
        left=case.configuration.left,
        steps_per_column=steps_per_column,
        rows=tuple(tuple(rounded(score, digits=2) for score in row) for row in np.stack(columns, axis=1).tolist()),
    )
