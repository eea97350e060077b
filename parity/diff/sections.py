"""Arrange a comparison in sections for a reader: regressions first, one row for one cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

from parity.checks.contracts import is_echo
from parity.checks.result import Kind, Result
from parity.checks.sentences import sentence
from parity.diff.comparison import ReportDiff
from parity.diff.entries import EntryChange
from parity.diff.runs import ABSENT, RunKey, RunPair, explain_one_sided
from parity.diff.scores import BOTTOM, OTHER_CASES, SAME_CASES, ScoreChange
from parity.report.formatting import amount, number, plural, several
from parity.report.groups import failures, group_by

SCORES = (
    "The largest scores of these checks differ by a factor of more than {:g}; other {} explains less. Scores below "
    f"{BOTTOM['element']:g}, norm-wise {BOTTOM['norm']:g}, count as that."
)
OTHER_SEED = (
    "The seeds differ, and so do the cases: only the verdict and the largest score of each check were compared, and "
    "checks are counted below instead of cases."
)
OTHER_NUMPY = "NumPy differs: it may have sampled other cases from the same seed."
KIND_NAMES: dict[Kind, str] = {"element": "worst element", "norm": "norm-wise"}
CHECK = ("operation", "variant", "contract", "cases")
GROUP = ("group", "cases")
CHANGE = ("operation", "variant", "contract", "score", "OLD", "NEW", "largest in NEW")

Subject = tuple[str, str, str]  # operation, "framework.variant", contract
Side = Callable[[RunPair], Sequence[Result]]
OLD_SIDE: Side = attrgetter("old")
NEW_SIDE: Side = attrgetter("new")


@dataclass(frozen=True)
class Failure:
    """A new failure: in a few lines with the command that reproduces it; and as a row, for all but the worst."""

    head: str
    lines: Sequence[str]
    command: str
    row: Sequence[str]


@dataclass(frozen=True)
class Section:
    """A heading, a text under it if need be, and a table, or failures of which only the first are shown in full."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]] = ()
    text: str = ""
    failures: Sequence[Failure] = ()

    def table(self, in_full: int) -> Sequence[Sequence[str]]:
        """Return the rows, and those of the failures that are not shown in full."""
        return [*(failure.row for failure in self.failures[in_full:]), *self.rows]


def arrange_sections(diff: ReportDiff) -> list[Section]:
    """Arrange everything that changed, without empty sections."""
    runs = diff.transitions
    environment = [("verdict", *diff.verdicts), *diff.environment]
    before = [run.key for run in diff.runs if run.before != ABSENT]
    after = [run.key for run in diff.runs if run.after != ABSENT]
    limit, noise = (SAME_CASES, "rounding") if diff.same_cases else (OTHER_CASES, "cases")
    sections = [
        Section("Environment", ["", "OLD", "NEW"], environment, " ".join(_remarks(diff))),
        Section("Newly failing", [*CHECK, "fails in"], failures=_new_failures(runs["newly fails"])),
        _entries("Your own models", diff.own),
        _entries("Divergences", diff.divergences),
        _entries("Mutants", diff.mutants),
        Section("Still failing", [*CHECK, "OLD", "NEW"], _failing_in(runs["still fails"], OLD_SIDE, NEW_SIDE)),
        Section("Newly passing", [*CHECK, "failed in"], _failing_in(runs["newly passes"], OLD_SIDE)),
        Section("Score changes", CHANGE, _score_changes(diff.score_changes), SCORES.format(limit, noise)),
        _reasons("No longer compared", runs["no longer compared"], NEW_SIDE),
        _reasons("Newly compared", runs["newly compared"], OLD_SIDE),
        Section("Added", GROUP, _explained(runs["added"], before)),
        Section("Removed", GROUP, _explained(runs["removed"], after)),
    ]
    return [section for section in sections if section.rows or section.failures]


def _remarks(diff: ReportDiff) -> Iterator[str]:
    if not diff.same_cases:
        yield OTHER_SEED
    elif any(change.name == "numpy" for change in diff.environment):
        yield OTHER_NUMPY
    if not_run := diff.transitions["not run"]:
        yield f"Not run on one side: {plural(len(not_run), 'run')} of {plural(diff.checks('not run'), 'check')}."
    yield from (f"{part[0].upper()}{part[1:]}." for part in diff.one_sided)


def _new_failures(runs: Sequence[RunPair]) -> list[Failure]:
    """List new failures, the worst first; echoes of another come after all else.

    A variant that differs from the reference differs from the other framework too.
    """
    runs_of = group_by(runs, lambda run: _subject(run.key))
    elsewhere = {operation for operation, _, contract in runs_of if not is_echo(contract)}
    groups = failures(result for run in runs for result in run.new)
    groups.sort(key=lambda group: is_echo(group.worst.contract) and group.worst.operation in elsewhere)
    listed = []
    for group in groups:
        worst, subject = group.worst, _subject(group.worst)
        head = f"{worst.operation}, {worst.subject}: {worst.contract}"
        before = _in_words(Counter(run.before for run in runs_of[subject]))
        lines = list(filter(None, [sentence(worst), group.measured, group.others, f"before: {before}"]))
        row = [*subject, str(len(runs_of[subject])), _failing(group.results)]
        listed.append(Failure(head, lines, worst.reproduce, row))
    return listed


def _in_words(statuses: Counter[str]) -> str:
    """List earlier statuses, and in how many cases, where they differ.

    >>> _in_words(Counter(["passed"])), _in_words(Counter(["passed", "not run", "passed"]))
    ('passed', 'passed in 2, not run in 1')
    """
    if len(statuses) == 1:
        return next(iter(statuses))
    return ", ".join(f"{status} in {count}" for status, count in statuses.most_common())


def _subject(one: RunKey | Result) -> Subject:
    return one.operation, f"{one.framework}.{one.variant}", one.contract


def _failing_in(runs: Sequence[RunPair], *sides: Side) -> list[list[str]]:
    """Return a row for each subject, with the quantities that fail on each side."""
    rows = []
    for subject, group in group_by(runs, lambda run: _subject(run.key)).items():
        quantities = [_failing(result for run in group for result in side(run)) for side in sides]
        rows.append([*subject, str(len(group)), *quantities])
    return rows


def _failing(results: Iterable[Result]) -> str:
    """List the quantities that fail, and the worst score; the reason where no quantity is to blame."""
    groups = failures(results)
    worst = groups[0].worst
    quantities = several((result.quantity for group in groups for result in group.results), shown=3)
    return f"{quantities}: {number(worst.score)}" if quantities else worst.reason


def _score_changes(changes: Sequence[ScoreChange]) -> list[list[str]]:
    """Return a row for the largest change of each subject, with the dtypes of its others."""
    rows = []
    for subject, (change, *others) in group_by(changes, lambda change: _subject(change.check)).items():
        new, quantity = change.new, change.new.largest(change.kind)[0]
        where = ", ".join(filter(None, [quantity, new.case, new.mode, new.dtype]))
        also = several(f"and {other.new.dtype}" for other in others)
        scores = [KIND_NAMES[change.kind], number(change.before), number(change.after)]
        rows.append([*subject, *scores, f"{where}; {also}" if also else where])
    return rows


def _reasons(title: str, runs: Sequence[RunPair], side: Side) -> Section:
    """Count runs that were expected to fail or skipped on one side, by the reason given there."""
    groups = group_by(runs, lambda run: side(run)[0].reason)
    rows = []
    for reason, group in sorted(groups.items(), key=lambda item: len(item[1]), reverse=True):
        operations = several(run.key.operation for run in group)
        variants = several(f"{run.key.framework}.{run.key.variant}" for run in group)
        rows.append([reason, operations, variants, amount(len(group))])
    return Section(title, ["reason", "operations", "variants", "cases"], rows)


def _explained(runs: Sequence[RunPair], others: Sequence[RunKey]) -> list[list[str]]:
    return [[name, amount(count)] for name, count in explain_one_sided([run.key for run in runs], others)]


def _entries(title: str, changes: Sequence[EntryChange]) -> Section:
    rows = [[change.name, change.before, change.after, change.detail] for change in changes]
    return Section(title, ["name", "OLD", "NEW", "change"], rows)
