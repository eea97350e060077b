"""Judge NaN and inf on a real step: they must come through, and reach no other sequence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from parity import frameworks
from parity.arrays import Array, is_float
from parity.caching import cached
from parity.cases.case import Case
from parity.cases.lengths import DESIGNED
from parity.checks.comparison import Difference, difference
from parity.checks.subject import Subject
from parity.frameworks.observation import Observation
from parity.operations import Input

POISONS = (np.nan, np.inf)


def propagates_nan(subject: Subject, case: Case) -> list[Difference]:
    """Compare where a poisoned case is not finite with the reference, and its other sequences with the clean case.

    Gradients of inf are not compared with the reference: a formula may give inf - inf where an equal one is finite.
    """
    clean, found = subject.observe(case), []
    for poisoned, row, reference in poisoned_cases(case):
        observed = subject.observe_again(poisoned)
        expected = subject.like.observe_as_expected(poisoned) if subject.like else reference
        for name, axes in case.axes.items():
            if has_nan(poisoned) or name in case.cotangents:
                found.append(_hidden(name, observed[name], expected[name]))
            if row is not None and "B" in axes and not case.configuration.coupling:
                others, axis = np.arange(len(case.lengths)) != row, axes.index("B")
                kept = np.compress(others, observed[name], axis)
                found.append(
                    difference(f"{name} of other sequences", kept, np.compress(others, clean[name], axis), None)
                )
    return found


def _hidden(quantity: str, observed: Array, expected: Array) -> Difference:
    """Compare where the reference is not finite: there nothing finite may stand."""
    lost = ~np.isfinite(expected)
    shown = np.where(lost & np.isfinite(observed), 0.0, np.where(lost, np.nan, 0.0))
    return difference(quantity, shown, np.where(lost, np.nan, 0.0), None)


def has_nan(case: Case) -> bool:
    return any(np.isnan(array).any() for array in case.arrays.values())


@cached(maxsize=64)
def poisoned_cases(case: Case) -> list[tuple[Case, int | None, Observation]]:
    """Return cases with one number that is not finite, the sequence that reads it, and the reference on each.

    It stands in the middle of the longest sequence; in a designed batch, it is NaN only. A table is poisoned in a row
    that some real step looks up; then the sequence is None, because several may read it.
    """
    return [(one, row, frameworks.observe(one, "reference")) for one, row in _poisoned(case)]


def _poisoned(case: Case) -> Iterator[tuple[Case, int | None]]:
    row = int(np.argmax(case.lengths))
    real = np.flatnonzero(case.kept[row])
    if not real.size:  # a mask keeps nothing of it
        return
    step = int(real[len(real) // 2])
    batched = {name: spec for name, spec in _floats(case).items() if "B" in spec.axes}
    tables = {} if batched else {name: spec for name, spec in _floats(case).items() if spec.axes.startswith("V")}
    for poison in POISONS[:1] if case.lengths_name in DESIGNED else POISONS:
        for name, spec in (batched or tables).items():
            array = case.arrays[name].copy()
            token = _token(case, row) if tables else 0
            if token is None:
                continue
            array[_place(spec, row, step, token, array)] = poison
            yield replace(case, arrays={**case.arrays, name: array}, finite=False), row if batched else None


def _floats(case: Case) -> dict[str, Input]:
    return {name: spec for name, spec in case.configuration.inputs.items() if is_float(case.arrays[name].dtype)}


def _place(spec: Input, row: int, step: int, token: int, array: Array) -> tuple[int, ...]:
    """Return an index: of the sequence, of the step and of the token, and the middle of all other axes."""
    fixed = {"B": row, "T": step, "V": token}
    return tuple(fixed.get(axis, size // 2) for axis, size in zip(spec.axes, array.shape, strict=True))


def _token(case: Case, row: int) -> int | None:
    """Return a token that a real step of a sequence looks up, other than the pad; None if there is none."""
    pad = case.configuration.options.get("padding_index")
    read = case.arrays["tokens"][row][case.mask[row]]
    kept = read[read != pad] if pad is not None else read
    return int(kept[0]) if len(kept) else None
