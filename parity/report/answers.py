"""Answer in a line each: do the frameworks agree, where do they not, and what is fastest here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from parity.checks.result import FAILED, PASSED, SKIPPED
from parity.divergences import DIFFERS
from parity.divergences.entry import FALSE
from parity.operations import OPERATIONS
from parity.report.formatting import amount, plural
from parity.report.model import Report
from parity.report.outcome import cut_short, stale_entries
from parity.report.speedups import fastest, timed, where_timed
from parity.report.verdicts import broken


class Answer(NamedTuple):
    """A line of the first screen: a question, its answer in a word, the counts behind it, and the section with them."""

    question: str
    word: str
    counts: str
    anchor: str  # empty where the report has no such section
    status: str = ""  # "passed" or "failed" where the answer is a verdict

    def __str__(self) -> str:
        """Return it in a sentence.

        >>> print(Answer("As usually written", "no", "51 known differences", "divergences"))
        As usually written: no, 51 known differences.
        """
        return f"{self.question}: {', '.join(filter(None, (self.word, self.counts)))}."


def answers(report: Report) -> list[Answer]:
    """Return the lines for what a report has; the three for a run of the suite."""
    return list(_answers(report))


def _answers(report: Report) -> Iterator[Answer]:
    if report.own:
        wrong = len(broken(report.own))
        counts = f"{wrong} of {plural(len(report.own), 'verdict')} with a broken contract"
        yield Answer("Your own models", "no" if wrong else "yes", counts, "own", FAILED if wrong else PASSED)
    if report.results or not report.own:
        yield _as_implemented(report)
        yield _as_written(report)
        yield _fastest(report)


def _as_implemented(report: Report) -> Answer:
    """Count implementations: what failed, and in a run of a part, of how many operations it has results."""
    question, ran = "Written carefully", [one for one in report.results if one.status != SKIPPED]
    failed = {(one.operation, one.subject) for one in ran if one.status == FAILED}
    compared = {(one.operation, one.subject) for one in ran if one.status in (FAILED, PASSED)}
    operations = {operation for operation, _ in compared}
    anchor = "matrix" if report.results else ""
    if not compared:
        return Answer(question, "not known", "nothing was compared", anchor)
    counts = f"{plural(len(compared), 'implementation')} of {plural(len(operations), 'operation')}"
    if len(operations) < len(OPERATIONS):
        counts += f" (there are {len(OPERATIONS)})"
    if cut_short(report):
        counts += f", in {amount(report.summary.checked)} of {plural(report.summary.planned, 'check')}"
    if failed:
        checks = report.summary.checks.get(FAILED, 0)
        failures = plural(checks, "failed check")
        return Answer(question, "no", f"{len(failed)} of {counts} fail, {failures}", "failures", FAILED)
    return Answer(question, "so far, yes" if cut_short(report) else "yes", f"{counts}, 0 failures", anchor, PASSED)


def _as_written(report: Report) -> Answer:
    question, entries = "As usually written", report.divergences
    if not entries:
        return Answer(question, "not tried", "this run has no divergence", "")
    differences = sum(entry.verdict == DIFFERS for entry in entries)
    beliefs = sum(entry.verdict == FALSE for entry in entries)
    stale = len(stale_entries(report))
    counts = [
        plural(differences, "known difference") if differences else "",
        f"{plural(beliefs, 'belief')} that {'does' if beliefs == 1 else 'do'} not hold" if beliefs else "",
        f"{stale} not as described" if stale else "",
    ]
    text = ", ".join(filter(None, counts)) or f"no known difference in {plural(len(entries), 'entry')}"
    return Answer(question, "no" if differences else "yes", text, "divergences", FAILED if stale else "")


def _fastest(report: Report) -> Answer:
    measured = report.throughput
    if measured is None:
        return Answer("Fastest here", "not measured", "`parity report DIR --benchmarks FILE` adds measurements", "")
    where = where_timed(measured)
    ranking = "; ".join(fastest(measured.rows, most=2)) or f"no variant, in {plural(len(timed(measured.rows)), 'row')}"
    return Answer(f"Fastest here ({where})" if where else "Fastest here", "", ranking, "throughput")
