"""The runs of two records, side by side: which is which, and what each came to on either side.

A run is one variant held to one contract on one case in one mode. It has one result, or one for each quantity that
failed. What makes it the same run in two records is what was asked for, and nothing of what came out::

    operation, framework, variant, dtype, contract, mode, case (config/lengths), seed

The quantity is no part of it: a run that passed names the quantity that came closest to its limit, and one that fails
names those that missed theirs. Nor is the command that shows it again, which says on which device, against which
recording.

Another seed samples other lengths and other numbers, and a case has nothing but its name in common with that of the
same name. So where the seeds differ, whole checks are compared: a check is a run without mode and case, and has failed
where any of its runs has. It takes more than one unlucky case to call a check changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from parity.checks.result import FAILED, PRECEDENCE
from parity.report.record import CHECK, cut_short

Found = Mapping[str, Any]
Key = tuple[str, ...]

CHECKED = tuple(name for name in CHECK if name != "seed")
RUN = (*CHECKED, "mode", "case")

ABSENT, UNREACHED = "not there", "not run"  # beside the statuses of results


@dataclass(frozen=True)
class Pair:
    """One run, or one check, in two records.

    Attributes:
        key: its names, as in `RUN` or `CHECKED`.
        before, after: its status, or `ABSENT`, or `UNREACHED` where a run was cut short before it came to it.
        then, now: its results, what failed first.
    """

    key: Key
    before: str
    after: str
    then: tuple[Found, ...]
    now: tuple[Found, ...]

    @property
    def check(self) -> Key:
        return self.key[: len(CHECKED)]


def same_cases(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether two records drew their cases from the same seed."""
    return bool(old["environment"]["seed"] == new["environment"]["seed"])


def pairs(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Pair]:
    """Every run of either record, or every check where the seeds differ, in the order of the new record."""
    names = RUN if same_cases(old, new) else CHECKED
    then, now = Side.of(old, names), Side.of(new, names)
    keys = dict.fromkeys([*now.runs, *then.runs, *_unseen(now, then), *_unseen(then, now)])
    return [Pair(key, then.status(key), now.status(key), then.of_run(key), now.of_run(key)) for key in keys]


@dataclass(frozen=True)
class Side:
    """The runs of one record.

    Attributes:
        runs: their results.
        whole: results of checks that came to no case: the framework is missing, or the process died.
        absence: what it means that a run is not there.
    """

    runs: Mapping[Key, tuple[Found, ...]]
    whole: Mapping[Key, tuple[Found, ...]]
    absence: str

    @classmethod
    def of(cls, record: Mapping[str, Any], names: tuple[str, ...]) -> Side:
        """The side of a record, its runs told apart by some of their fields."""
        tried = [result for result in record["checks"] if result["case"]]
        others = [result for result in record["checks"] if not result["case"]]
        return cls(_by(names, tried), _by(CHECKED, others), UNREACHED if cut_short(record) else ABSENT)

    def of_run(self, key: Key) -> tuple[Found, ...]:
        """Its results, or those of its whole check."""
        return self.runs.get(key) or self.whole.get(key[: len(CHECKED)], ())

    def status(self, key: Key) -> str:
        """What it came to: a failure anywhere in it is one of all of it."""
        seen = {result["status"] for result in self.of_run(key)}
        return next((status for status in PRECEDENCE if status in seen), self.absence)


def _unseen(side: Side, other: Side) -> Iterator[Key]:
    """The checks of a side that came to no case on either."""
    reached = {key[: len(CHECKED)] for key in (*side.runs, *other.runs)}
    return (key for key in side.whole if key not in reached)


def _by(names: tuple[str, ...], results: Iterable[Found]) -> dict[Key, tuple[Found, ...]]:
    groups: dict[Key, list[Found]] = {}
    for result in results:
        groups.setdefault(tuple(result[name] for name in names), []).append(result)
    return {key: tuple(sorted(group, key=_holds)) for key, group in groups.items()}


def _holds(result: Found) -> bool:
    return bool(result["status"] != FAILED)
