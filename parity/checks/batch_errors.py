"""Locate errors in a batch: the largest of each sequence on each step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct

from parity.arrays import Array
from parity.checks.error_maps import MOST_COLUMNS
from parity.checks.noise import LARGEST_ELEMENT
from parity.checks.result import Count, Measure, rounded
from parity.checks.streaming import by_definition

MOST_ROWS = 40  # of a map: those with the largest errors, of more sequences

Row = Annotated[tuple[Measure, ...], Meta(max_length=MOST_COLUMNS)]


class BatchErrors(Struct, frozen=True):
    """Errors of one quantity, for each sequence and step.

    Attributes:
        quantity: an output of a layer or of a model, or the gradient of an input.
        sequences, lengths: numbers and lengths of the sequences that are shown.
        steps_per_column: how many steps share a column; 0 for a quantity without steps, which has one column.
        rows: of each sequence the largest absolute error in each column up to its length: 0 where all is within its
            limit, None where a number is NaN or inf on one side only.
    """

    quantity: str
    sequences: tuple[Count, ...]
    lengths: tuple[Count, ...]
    steps_per_column: Count
    rows: Annotated[
        tuple[Annotated[tuple[Measure, ...], Meta(max_length=MOST_COLUMNS)], ...], Meta(max_length=MOST_ROWS)
    ]

    def __post_init__(self) -> None:
        steps = self.steps_per_column
        sizes = [-(-length // steps) if steps else 1 for length in self.lengths]
        if not len(self.sequences) == len(self.lengths) or sizes != list(map(len, self.rows)):
            raise ValueError("Expected `a row of errors for each sequence`, got `of another shape`")


def batch_errors(
    quantity: str, observed: Array, expected: Array, floor: Array | None, lengths: Sequence[int], first: int = 0
) -> BatchErrors | None:
    """Locate the errors of a quantity.

    Args:
        observed, expected: ``(N, L, ...)``, or ``(N, ...)`` without steps.
        floor: of the same shape; None where every bit must be equal.
        lengths: of the N sequences, the longest L.
        first: the first sequence that is compared.

    Returns:
        None for arrays without a row for each sequence.

    >>> array = np.array([[1.0, 2.0], [3.0, 0.0]])
    >>> batch_errors("y", array + [0, 0.5], array, None, [2, 1]).rows
    ((0.0, 0.5), (0.0,))
    """
    if not expected.ndim or observed.shape != expected.shape or len(expected) != len(lengths):
        return None
    error = _over_limit(observed, expected, floor)
    has_steps = expected.ndim > 1 and expected.shape[1] == max(lengths)
    flat = error.reshape(len(lengths), expected.shape[1] if has_steps else 1, -1).max(axis=2, initial=0.0)
    per_column = max(1, math.ceil(max(lengths) / MOST_COLUMNS)) if has_steps else 0
    shown = sorted(sorted(range(first, len(lengths)), key=lambda n: -flat[n].max(initial=0.0))[:MOST_ROWS])
    rows = []
    for sequence in shown:
        own = flat[sequence][: lengths[sequence]] if has_steps else flat[sequence]
        starts = range(0, len(own), per_column or 1)
        rows.append(tuple(rounded(float(own[at : at + (per_column or 1)].max()), digits=2) for at in starts))
    return BatchErrors(quantity, tuple(shown), tuple(lengths[n] for n in shown), per_column, tuple(rows))


def _over_limit(observed: Array, expected: Array, floor: Array | None) -> Array:
    """Return absolute errors, float64: 0 where they are within the limit, inf where one side is not finite."""
    with np.errstate(all="ignore"):
        error = np.atleast_1d(np.abs(np.subtract(observed, expected, dtype=np.float64)))
        score, _ = by_definition(observed, expected, error, np.zeros(1) if floor is None else floor)
    limit = 0.0 if floor is None else LARGEST_ELEMENT
    return np.where(score > limit, error, 0.0).reshape(observed.shape)
