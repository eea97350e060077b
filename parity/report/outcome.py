"""Say what a report comes to: its verdict in a sentence, and whether it counts as a failure."""

from __future__ import annotations

from collections.abc import Iterator

from parity.checks.result import FAILED, PASSED, SKIPPED, XFAILED
from parity.divergences import DivergenceEntry
from parity.errors import of_kind
from parity.mutants import KILLED, MutantResult
from parity.report.formatting import plural
from parity.report.model import Report
from parity.report.verdicts import is_compared

A_REPORT = "a Report, from parity.report.build or read"


def verdict(report: Report) -> str:
    """Say what a report comes to, in one sentence without a full stop."""
    summary = of_kind("report", report, Report, A_REPORT).summary
    part = f"{shard}: " if (shard := report.environment.shard) else ""
    if not cut_short(report):
        return part + _outcome(report, f"of {_checks(summary.checked)}")
    stopped = "interrupted" if summary.interrupted else "stopped"
    return f"{part}{stopped} after {summary.checked} of {_checks(summary.planned)}: {_outcome(report, 'of them')}"


def failed(report: Report, *, complete: bool = True) -> bool:
    """Tell whether the run must not count as a success: something failed, nothing was compared, or it is cut short.

    Args:
        complete: whether a run that was cut short fails.
    """
    summary = of_kind("report", report, Report, A_REPORT).summary
    if summary.checks.get(FAILED) or stale_entries(report) or survivors(report):
        return True
    if report.sweep and report.sweep.failed:
        return True
    return _compared_nothing(report) or (complete and cut_short(report))


def cut_short(report: Report) -> bool:
    """Tell whether fewer checks were done than there were to do."""
    return report.summary.interrupted or report.summary.checked < report.summary.planned


def survivors(report: Report) -> list[MutantResult]:
    """Return the mutants that were run and not killed as they should be."""
    return [mutant for mutant in report.mutants if mutant.status not in (KILLED, "skipped")]


def stale_entries(report: Report) -> list[DivergenceEntry]:
    """Return the divergences of which some framework gives other values than the entry states."""
    return [entry for entry in report.divergences if entry.is_stale]


def _outcome(report: Report, of_all: str) -> str:
    checks = report.summary.checks
    others = [*_of_divergences(report), *_of_mutants(report), *_of_sweep(report)]
    passed, expected, skipped = (checks.get(status, 0) for status in (PASSED, XFAILED, SKIPPED))
    if checks.get(FAILED):
        return "; ".join([f"{checks[FAILED]} {of_all} failed", *others])
    if _compared_nothing(report):
        rest = f"{plural(expected, 'expected failure')}, {skipped} skipped"
        return "; ".join([f"nothing was compared, which is a failure ({rest})", *others])
    agree = f"{_checks(passed)} {'agrees' if passed == 1 else 'agree'}" + (f", {skipped} skipped" if skipped else "")
    return "; ".join([agree, *others] if report.summary.planned else others) or "nothing to do"


def _of_divergences(report: Report) -> Iterator[str]:
    stale, total = len(stale_entries(report)), len(report.divergences)
    if stale:
        yield f"{stale} {'divergence is' if stale == 1 else 'divergences are'} not as described"
    elif total:
        yield f"{total} {'divergence is' if total == 1 else 'divergences are'} as described"


def _of_mutants(report: Report) -> Iterator[str]:
    if run := [mutant for mutant in report.mutants if mutant.status != "skipped"]:
        survived, total = len(survivors(report)), plural(len(run), "mutant")
        yield f"{survived} of {total} survived" if survived else f"{total} killed"


def _of_sweep(report: Report) -> Iterator[str]:
    if sweep := report.sweep:
        alarms = f"{sweep.failed or 'no'} false {'alarm' if sweep.failed == 1 else 'alarms'}"
        yield f"{alarms} in {sweep.checks} random checks"


def _checks(number: int) -> str:
    return f"{number} check" if number == 1 else f"{number} checks"


def _compared_nothing(report: Report) -> bool:
    summary = report.summary
    if summary.planned:
        expected = any(map(is_compared, report.own.values()))  # a user's own expected failures count as compared
        return not (summary.checks.get(PASSED) or expected) or not summary.compared
    statuses = [trial.status for entry in report.divergences for trial in entry.frameworks.values()]
    tried = any(status != SKIPPED for status in statuses) or any(one.status != "skipped" for one in report.mutants)
    is_part = report.environment.shard is not None  # in which there may be nothing, where there is little to divide
    return not (tried or is_part) and not (report.sweep and report.sweep.checks)  # no checks were asked for
