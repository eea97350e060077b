"""Group results that report the same thing, the worst first."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from parity.checks.result import FAILED, PASSED, PRECEDENCE, SKIPPED, XFAILED, Result, Status
from parity.report.formatting import number, several

Item = TypeVar("Item")
Key = TypeVar("Key", bound=Hashable)


def group_by(items: Iterable[Item], key: Callable[[Item], Key]) -> dict[Key, list[Item]]:
    """Group items by a key, both in the order of their first occurrence.

    >>> group_by(["rnn.lstm", "loss.ctc", "rnn.gru"], lambda name: name.partition(".")[0])
    {'rnn': ['rnn.lstm', 'rnn.gru'], 'loss': ['loss.ctc']}
    """
    groups: dict[Key, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def worst_first(results: Iterable[Result]) -> list[Result]:
    """Sort results by status, failures by severity, and what passed by the share of its limit."""
    return sorted(results, key=_badness, reverse=True)


def _badness(result: Result) -> tuple[float, ...]:
    rank = -PRECEDENCE.index(result.status)
    if result.status == FAILED:
        return rank, *result.severity
    return rank, result.share if result.status == PASSED else 0.0


@dataclass(frozen=True)
class Group:
    """Results of one kind, the worst first."""

    results: tuple[Result, ...]

    @property
    def worst(self) -> Result:
        return self.results[0]

    @property
    def size(self) -> int:
        return len(self.results)

    def distinct(self, field: str) -> str:
        """List the distinct values of a field of all results, such as "dtype"."""
        return several(getattr(result, field) for result in self.results)

    @property
    def others(self) -> str:
        """Count the results beside the worst and list what all are of; empty when there is one result."""
        fields = ("quantity", "case", "mode", "dtype") if self.worst.case else ("framework", "operation", "dtype")
        varied = "; ".join(filter(None, map(self.distinct, fields)))
        return f"and {self.size - 1} more, in all: {varied}" if self.size > 1 else ""

    @property
    def where(self) -> str:
        """Return the case, mode, dtype and seed of the worst result."""
        run = (self.worst.case, self.worst.mode, self.worst.dtype, f"seed {self.worst.seed}")
        return ", ".join(filter(None, run))

    @property
    def measured(self) -> str:
        """Return the scores of the worst result with their limits; empty when nothing was measured."""
        worst = self.worst
        if worst.limit is None:
            return ""
        error = number(None) if worst.max_abs_error is None else f"{worst.max_abs_error:.3g}"
        element = f"worst element {number(worst.score)} (limit {worst.limit:g})"
        norm = f"norm-wise {number(worst.norm_score)} (limit {worst.norm_limit or 0:g})"
        return f"{element}, {norm}, largest absolute error {error}"


def failures(results: Iterable[Result]) -> list[Group]:
    """Group failures by operation, variant and contract; the worst group first.

    Those without a case, as of a framework that does not load, are grouped by their reason.
    """

    def cause(one: Result) -> Hashable:
        return (one.operation, one.subject, one.contract) if one.case else one.reason

    groups = _groups(results, FAILED, cause)
    return sorted(groups, key=lambda group: (group.worst.severity, group.size), reverse=True)


def expected_failures(results: Iterable[Result]) -> list[Group]:
    """Group expected failures by operation, variant and reason."""
    return _groups(results, XFAILED, lambda result: (result.operation, result.subject, result.reason))


def skips(results: Iterable[Result]) -> list[Group]:
    """Group skipped results by reason; the largest group first."""
    return sorted(_groups(results, SKIPPED, lambda result: result.reason), key=lambda group: group.size, reverse=True)


def _groups(results: Iterable[Result], status: Status, key: Callable[[Result], Hashable]) -> list[Group]:
    of_status = (result for result in results if result.status == status)
    return [Group(tuple(worst_first(group))) for group in group_by(of_status, key).values()]
