"""A run of a function that broke a contract, to be looked at again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from parity.arrays import Array, is_float
from parity.cases.case import Case, along
from parity.cases.documents import unpacked
from parity.cases.lengths import lengths_of
from parity.checks.check import Check
from parity.checks.judges import FILLS
from parity.checks.own import has_empty
from parity.checks.result import Result
from parity.checks.subject import Subject
from parity.operations import find


@dataclass(frozen=True, eq=False)
class Evidence:
    """A failure, with the function and the case that it occurred on."""

    check: Check
    result: Result
    subject: Subject
    case: Case

    def transformed(self) -> list[Case]:
        """Return cases on which the contract is seen to be broken, as its check transforms them.

        NaN hides what else differs, so that a step of padding at a time is refilled too, and all of it with numbers.
        """
        case = self.case
        match self.result.contract:
            case "ignores_padding":
                whole = [case.refilled(case.seed, FILLS), case.refilled(case.seed, FILLS[:2])]
                return [case, *whole, *(_filled(case, step) for step in range(case.steps)[-3:])]
            case "ignores_extra_padding":
                return [case, case.extended(1)]
            case "independent_of_batchmates":
                return [case, case.taken([int(case.lengths.argmin())])]
            case "follows_permutation":
                return [case, case.taken(range(len(case.lengths))[::-1])]
            case "same_when_packed":
                return [case, unpacked(case)]
        return [case]

    def plain(self, case: Case) -> Case | None:
        """Return a case without empty sequences, and with 0 on padding of features and cotangents; None if empty."""
        rows = np.flatnonzero(case.lengths)
        if not rows.size:
            return None
        case = case.taken(rows)
        arrays = {
            name: _zeroed(array, case, case.configuration.inputs[name].axes) for name, array in case.arrays.items()
        }
        cotangents = {name: _zeroed(array, case, case.axes[name]) for name, array in case.cotangents.items()}
        return replace(case, arrays=arrays, cotangents=cotangents)

    def fresh(self) -> Case | None:
        """Return another sample of the case, with more padding: values that the function was not checked with."""
        config, _, lengths = self.case.name.partition("/")
        another = Check(**{**vars(self.check), "seed": self.check.seed + 1})
        sampled = another.case(find(self.check.operation).configuration(config), lengths)
        return sampled and sampled.extended(1)

    def other(self) -> Case | None:
        """Return the first case of its configuration, without empty sequences."""
        config = self.case.configuration
        case = self.check.case(config, lengths_of(config)[0])
        return case and case.taken(np.flatnonzero(case.lengths))


def _filled(case: Case, step: int) -> Case:
    """Return a case with NaN in one step of padding."""
    nan = case.refilled(case.seed, (np.nan,))
    arrays = dict(case.arrays)
    for name, array in nan.arrays.items():
        if case.configuration.inputs[name].axes.startswith("BT") and is_float(array.dtype):
            arrays[name] = arrays[name].copy()
            arrays[name][:, step] = array[:, step]
    return replace(case, arrays=arrays)


def _zeroed(array: Array, case: Case, axes: str) -> Array:
    """Return an array with 0 on padding, if it has any and is no array of ids."""
    if not axes.startswith("BT") or not is_float(array.dtype):
        return array
    return np.where(along(case.mask, array), array, np.zeros((), array.dtype))


def evidence(checks: Sequence[Check], failed: Sequence[Result]) -> Iterator[Evidence]:
    """Yield the runs of failures, in their order; the first failure of each run stands for the others."""
    by_contract = {(check.contract, check.dtype): check for check in checks}
    runs: dict[tuple[str, ...], Result] = {}
    for result in failed:
        runs.setdefault(result.run, result)
    for result in runs.values():
        check = by_contract[result.contract, result.dtype]
        name, _, lengths = result.case.partition("/")
        if name:
            config = find(check.operation).configuration(name)
            case = check.case(config, lengths)
            if case is not None and check.own and check.own.refuses_empty and has_empty(case):
                case = check.own.without_empty(case)
            if case is not None:
                yield Evidence(check, result, check.subject(result.mode), case)
