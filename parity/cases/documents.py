"""Give each document of a packed case a row of its own, and put what it gives there back into the packed rows.

A document is a run of real steps with one id, see `parity.operations.documents`.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from parity.arrays import Array
from parity.caching import cached
from parity.cases.case import Case

SEGMENTS = "segments"  # the input that holds an id for the document of each step

Place = tuple[int, slice]  # a row and its steps


def is_packed(case: Case) -> bool:
    """Tell whether some row holds two documents."""
    places = documents(case)
    return len({row for row, _ in places}) < len(places)


def documents(case: Case) -> list[Place]:
    """Return where the documents of a case are, row after row.

    >>> from parity.cases.sampling import sample_case
    >>> case = sample_case("documents.positions", "restarted", "3,1:4", "float32", seed=0)
    >>> sum(steps.stop - steps.start for _, steps in documents(case))
    4
    """
    places = []
    for row, (ids, length) in enumerate(zip(case.arrays[SEGMENTS], case.lengths, strict=True)):
        cuts = np.flatnonzero(np.diff(ids[:length])) + 1
        ends = np.unique([0, *cuts, length])
        places += [(row, slice(int(start), int(stop))) for start, stop in pairwise(ends)]
    return places


@cached(maxsize=256)
def unpacked(case: Case) -> Case:
    """Return the case whose rows are the documents, padded with zeros to the longest.

    Raises:
        ValueError: an array has a batch axis, and no steps beside it that could be cut.
    """
    places = documents(case)
    sizes = np.array([steps.stop - steps.start for _, steps in places], np.int64)

    def cut(array: Array, axes: str) -> Array:
        if "B" not in axes:
            return array
        if not axes.startswith("BT"):
            raise ValueError(f"axes {axes}: documents are cut out of arrays (B, T, ...)")
        rows = np.zeros((len(places), max(1, int(sizes.max(initial=0))), *array.shape[2:]), array.dtype)
        for document, (row, steps) in zip(rows, places, strict=True):
            document[: steps.stop - steps.start] = array[row, steps]
        return rows

    arrays = {name: cut(array, case.configuration.inputs[name].axes) for name, array in case.arrays.items()}
    arrays[SEGMENTS] = np.zeros_like(arrays[SEGMENTS])
    cotangents = {name: cut(array, case.configuration.outputs[name]) for name, array in case.cotangents.items()}
    return replace(case, lengths=sizes, arrays=arrays, cotangents=cotangents)


def packed_again(case: Case, array: Array, axes: str) -> Array:
    """Put a quantity of the unpacked case where the documents are; other steps are 0, as they should be."""
    if "B" not in axes:
        return array
    rows = np.zeros((len(case.lengths), case.steps, *array.shape[2:]), array.dtype)
    for document, (row, steps) in zip(array, documents(case), strict=True):
        rows[row, steps] = document[: steps.stop - steps.start]
    return rows
