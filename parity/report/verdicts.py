"""Gather verdicts on models and functions of a user's, and count what they say of each contract."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec.structs import replace

from parity.checks.result import SKIPPED, Result, Status, worst_status
from parity.checks.verdict import Verdict
from parity.report.groups import group_by

DECLINED: Status = SKIPPED


def gather(parts: Iterable[Mapping[str, Verdict]]) -> dict[str, Verdict]:
    """Join what tests found: each of them may have tried one contract of a model.

    >>> parts = [{"test": Verdict(name="m", framework="", declined={name: "why"})} for name in ("one", "other")]
    >>> gather(parts)["test"].declined
    {'one': 'why', 'other': 'why'}
    """
    joined: dict[str, Verdict] = {}
    for part in parts:
        for name, verdict in part.items():
            joined[name] = _join(joined[name], verdict) if name in joined else verdict
    return joined


def _join(one: Verdict, other: Verdict) -> Verdict:
    results = [*one.results, *(result for result in other.results if result not in one.results)]
    return replace(
        other,
        name=one.name,
        framework=one.framework or other.framework,
        results=tuple(results),
        declined=one.declined | other.declined,
        blames=one.blames | other.blames,
        causes=one.causes | other.causes,
        otherwise=one.otherwise | other.otherwise,
        axes=one.axes | other.axes,
        notes=tuple(dict.fromkeys((*one.notes, *other.notes))),
    )


def contracts(verdict: Verdict) -> dict[str, list[Result]]:
    """Return the results of each contract; none of those that were declined."""
    return {**group_by(verdict.results, lambda result: result.contract), **{name: [] for name in verdict.declined}}


def statuses(verdict: Verdict) -> dict[str, Status]:
    """Return the status of each contract."""
    return {
        contract: worst_status(result.status for result in results) or DECLINED
        for contract, results in contracts(verdict).items()
    }


def is_compared(verdict: Verdict) -> bool:
    """Tell whether anything was compared, even if it was expected to differ."""
    return any(result.status != SKIPPED for result in verdict.results)


def each_check(own: Mapping[str, Verdict]) -> Iterator[Status]:
    """Yield the status of each contract of each verdict; such a pair counts as a check."""
    for verdict in own.values():
        yield from statuses(verdict).values()


def each_result(own: Mapping[str, Verdict]) -> Iterator[Status]:
    """Yield the status of each result; a contract that was declined counts as one that was skipped."""
    for verdict in own.values():
        yield from (result.status for result in verdict.results)
        yield from (DECLINED for _ in verdict.declined)


def compared(own: Mapping[str, Verdict]) -> int:
    """Count the numbers that were compared; all results of one contract, dtype and seed have their total."""
    runs = {
        (name, result.contract, result.dtype, result.mode, result.case, result.seed): result.compared
        for name, verdict in own.items()
        for result in verdict.results
    }
    return sum(runs.values())


def broken(own: Mapping[str, Verdict]) -> list[str]:
    """Return the names of those that break a contract."""
    return [name for name, verdict in own.items() if verdict.failed]
