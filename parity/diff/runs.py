"""Pair the runs of two reports, and name the transition of each.

A run is one variant held to one contract on one case in one mode. It has one result, or one for each quantity that
failed. Two reports have the same run where the same was asked for, whatever the results are::

    operation, framework, variant, dtype, contract, mode, case (configuration/lengths), seed

The quantity is not part of it: a run that passed names the quantity nearest to its limit, one that fails names those
over theirs. Nor is the command that reproduces it, which names a device and a recording.

Another seed samples other lengths and other numbers: two cases of one name have nothing else in common. So where the
seeds differ, whole checks are compared: a check is a run without mode and case, and fails where any of its runs does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from parity.checks.result import FAILED, PASSED, Result, worst_status
from parity.report import Report
from parity.report.groups import group_by
from parity.report.outcome import cut_short

ABSENT, NOT_RUN = "absent", "not run"  # statuses of a run without results: NOT_RUN in a report that was cut short

Transition = Literal[
    "newly fails",
    "newly passes",
    "still fails",
    "newly compared",
    "no longer compared",
    "added",
    "removed",
    "not run",
    "unchanged",
]
TRANSITIONS: tuple[Transition, ...] = get_args(Transition)

Names = tuple[str, ...]
EXPLANATIONS: tuple[Names, ...] = (  # from the widest to the narrowest: what the other report has none of
    ("framework",),
    ("dtype",),
    ("mode",),
    ("contract",),
    ("operation",),
    ("operation", "framework", "variant"),
    ("operation", "framework", "variant", "dtype"),
    ("operation", "framework", "variant", "contract"),
    ("operation", "case"),
)


class RunKey(NamedTuple):
    """The names of a run; mode and case are empty for a whole check."""

    operation: str
    framework: str
    variant: str
    dtype: str
    contract: str
    mode: str = ""
    case: str = ""

    @property
    def check(self) -> RunKey:
        return RunKey(self.operation, self.framework, self.variant, self.dtype, self.contract)


@dataclass(frozen=True)
class RunPair:
    """One run, or one check, in two reports: its status, or `ABSENT`, or `NOT_RUN`; its results, failures first."""

    key: RunKey
    before: str
    after: str
    old: tuple[Result, ...]
    new: tuple[Result, ...]

    @property
    def transition(self) -> Transition:
        return transition(self.before, self.after)


def transition(before: str, after: str) -> Transition:
    """Name the transition from one status to another.

    A failure is a new one wherever the earlier report has none, also where that was cut short. A run newly passes only
    if it was compared. A run missing from a report that was cut short is "not run", not removed.

    >>> transition("passed", "failed"), transition("failed", "skipped"), transition("passed", "not run")
    ('newly fails', 'no longer compared', 'not run')
    """
    if after == FAILED:
        return "still fails" if before == FAILED else "newly fails"
    if NOT_RUN in (before, after):
        return "not run"
    if before == ABSENT:
        return "added"
    if after == ABSENT:
        return "removed"
    compared_before, compared_after = before in (PASSED, FAILED), after == PASSED
    if compared_before != compared_after:
        return "newly compared" if compared_after else "no longer compared"
    return "newly passes" if before == FAILED else "unchanged"


def pair_runs(old: Report, new: Report) -> list[RunPair]:
    """Pair every run of two reports, or every check where the seeds differ, in the order of the new report."""
    by_case = old.environment.seed == new.environment.seed
    before, after = _Side(old, by_case), _Side(new, by_case)
    with_cases = {key.check for key in (*after.runs, *before.runs)}
    without_cases = [key for key in (*after.checks, *before.checks) if key not in with_cases]
    keys = dict.fromkeys([*after.runs, *before.runs, *without_cases])
    return [
        RunPair(key, before.status(key), after.status(key), before.results(key), after.results(key)) for key in keys
    ]


def absence(report: Report) -> str:
    """Return the status of what a report lacks."""
    return NOT_RUN if cut_short(report) else ABSENT


class _Side:
    """The results of one report: by run, and those without a case, of a missing framework or a crash, by check."""

    def __init__(self, report: Report, by_case: bool) -> None:
        self.runs = _by_key((result for result in report.results if result.case), by_case)
        self.checks = _by_key((result for result in report.results if not result.case), by_case=False)
        self.absence = absence(report)

    def results(self, key: RunKey) -> tuple[Result, ...]:
        return self.runs.get(key) or self.checks.get(key.check, ())

    def status(self, key: RunKey) -> str:
        return worst_status(result.status for result in self.results(key)) or self.absence


def _by_key(results: Iterable[Result], by_case: bool) -> dict[RunKey, tuple[Result, ...]]:
    groups = group_by(results, lambda result: RunKey(*(result.run if by_case else result.check)))
    return {key: tuple(sorted(group, key=lambda one: one.status != FAILED)) for key, group in groups.items()}


def explain_one_sided(keys: Sequence[RunKey], others: Iterable[RunKey]) -> list[tuple[str, int]]:
    """Return what explains that one report lacks runs, given its own, and how many; the largest first.

    >>> lstm = RunKey("rnn.lstm", "pytorch", "packed", "float32", "repeatable", "eager", "one_layer/ragged")
    >>> explain_one_sided([lstm, lstm._replace(case="one_layer/full")], [lstm._replace(operation="rnn.gru")])
    [('operation rnn.lstm', 2)]
    """
    if not keys:
        return []
    rest = list(others)
    known = {names: {_values(names, other) for other in rest} for names in EXPLANATIONS}
    return Counter(_explanation(key, known) for key in keys).most_common()


def _explanation(key: RunKey, known: Mapping[Names, set[Names]]) -> str:
    for names in EXPLANATIONS:
        values = _values(names, key)
        if all(values) and values not in known[names]:
            break
    else:
        return f"cases of {key.operation} {key.framework}.{key.variant}, {key.contract}, {key.dtype}"
    if len(names) == 1:
        return f"{names[0]} {values[0]}"
    if len(names) == 2:
        return " ".join(values)
    operation, framework, variant, *others = values
    return ", ".join([f"{operation} {framework}.{variant}", *others])


def _values(names: Names, key: RunKey) -> Names:
    return tuple(getattr(key, name) for name in names)
