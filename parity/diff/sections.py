"""Changes, arranged for a reader: what got worse first, one row for one cause. Text and Markdown show this."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from parity.diff.changes import Changes, told_of
from parity.diff.entries import Claim
from parity.diff.groups import origins
from parity.diff.match import ABSENT, Found, Key, Pair
from parity.diff.scores import BOTTOM, KINDS, Move, limit
from parity.diff.transitions import APPEARED, COMPARED, FAILS, NOT_RUN, PASSES, STILL, UNCOMPARED, WENT
from parity.report.formatting import amount, number, several
from parity.report.groups import Group, failures
from parity.report.mutation import ECHO
from parity.report.record import ELEMENT, NORM, largest

MOVED = (
    "The largest score of a check is told where it is more than {:g} times the other, which is farther than {} took "
    f"any. What is below {BOTTOM[ELEMENT]:g}, norm-wise {BOTTOM[NORM]:g}, counts as that."
)
OTHER_SEED = (
    "The seeds differ, and so do the cases: the verdict and the largest score of each check were compared, and no case "
    "with any other. What is counted below are checks."
)
GROUP = ("operation", "variant", "contract", "cases")
MOVES = ("operation", "variant", "contract", "score", "then", "now", "seen now in")
SAMPLED = "NumPy differs: it may have sampled other cases from the same seed."


@dataclass(frozen=True)
class Entry:
    """What newly fails: in a few lines with the command that shows it again, or as a row, where others are worse."""

    head: str
    lines: Sequence[str]
    command: str
    row: Sequence[str]


@dataclass(frozen=True)
class Section:
    """A heading, a sentence under it if need be, and a table, or entries of which only the first are told in full."""

    title: str
    said: str = ""
    heads: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    entries: Sequence[Entry] = ()

    def table(self, in_full: int) -> Sequence[Sequence[str]]:
        """The rows, and those of the entries that are not told in full."""
        return [*(entry.row for entry in self.entries[in_full:]), *self.rows]


def sections(changes: Changes) -> list[Section]:
    """All that there is to say, and no empty section."""
    turns = changes.turns
    every = [
        Section("Newly fails", heads=[*GROUP, "fails in"], entries=_entries(turns.get(FAILS, ()))),
        _claims("Divergences", changes.divergences),
        _claims("Mutants", changes.mutants),
        Section("Still fails", heads=[*GROUP, "then", "now"], rows=list(_still(turns.get(STILL, ())))),
        Section("Newly passes", heads=[*GROUP, "failed in"], rows=list(_passes(turns.get(PASSES, ())))),
        Section("Moved by more than the noise", _moving(changes), MOVES, list(_moved(changes.moves))),
        _reasons("No longer compared", turns.get(UNCOMPARED, ()), lambda run: run.now),
        _reasons("Newly compared", turns.get(COMPARED, ()), lambda run: run.then),
        _origins("Appeared", turns.get(APPEARED, ()), _keys(changes, lambda run: run.before)),
        _origins("Went", turns.get(WENT, ()), _keys(changes, lambda run: run.after)),
    ]
    return [_surroundings(changes), *(one for one in every if one.rows or one.entries)]


def _surroundings(changes: Changes) -> Section:
    rows = [("", *changes.verdicts), *changes.environment]
    return Section("The two runs", " ".join(_remarks(changes)), ["", "OLD", "NEW"], rows)


def _remarks(changes: Changes) -> Iterator[str]:
    if not changes.same_cases:
        yield OTHER_SEED
    elif any(name == "numpy" for name, *_ in changes.environment):
        yield SAMPLED
    if left_out := changes.checks(NOT_RUN):
        runs = told_of(len(changes.turns[NOT_RUN]), "run", "runs")
        yield f"Not reached on one side: {runs} of {told_of(left_out, 'check', 'checks')}."
    yield from (f"{said[0].upper()}{said[1:]}." for said in changes.one_sided)


def _entries(runs: Sequence[Pair]) -> list[Entry]:
    """The worst first; who is off the reference is off the other framework too, and that comes after all else."""
    runs_of = _grouped(runs)
    elsewhere = {operation for operation, *_, contract in runs_of if contract != ECHO}
    groups = failures(result for run in runs for result in run.now)
    groups.sort(key=lambda group: group.worst["contract"] == ECHO and group.worst["operation"] in elsewhere)
    return [_entry(group, runs_of[_key(group.worst)]) for group in groups]


def _entry(group: Group, runs: Sequence[Pair]) -> Entry:
    worst, key = group.worst, _key(group.worst)
    before = _counted(Counter(run.before for run in runs))
    lines = [group.sentence, f"seen in {group.where}", group.measured, group.others, f"before: {before}"]
    return Entry(
        head=f"{worst['operation']}, {group.subject}: {worst['contract']}",
        lines=list(filter(None, lines)),
        command=worst["reproduce"],
        row=[*_subject(key), str(len(runs)), _failing(group.results)],
    )


def _counted(statuses: Counter[str]) -> str:
    """What came before, in how many cases.

    >>> _counted(Counter(["passed"])), _counted(Counter(["passed", "not run", "passed"]))
    ('passed', 'passed in 2, not run in 1')
    """
    if len(statuses) == 1:
        return next(iter(statuses))
    return ", ".join(f"{status} in {count}" for status, count in statuses.most_common())


def _grouped(runs: Iterable[Pair]) -> dict[Key, list[Pair]]:
    """Runs by operation, framework, variant and contract: what a person takes for one thing."""
    groups: dict[Key, list[Pair]] = {}
    for run in runs:
        operation, framework, variant, _, contract = run.check
        groups.setdefault((operation, framework, variant, contract), []).append(run)
    return groups


def _key(result: Found) -> Key:
    return result["operation"], result["framework"], result["variant"], result["contract"]


def _subject(key: Key) -> list[str]:
    operation, framework, variant, contract = key
    return [operation, f"{framework}.{variant}", contract]


def _still(runs: Sequence[Pair]) -> Iterator[list[str]]:
    """What fails on both sides, and in what; other quantities may fail now."""
    for key, group in _grouped(runs).items():
        then = _failing(result for run in group for result in run.then)
        now = _failing(result for run in group for result in run.now)
        yield [*_subject(key), str(len(group)), then, now]


def _passes(runs: Sequence[Pair]) -> Iterator[list[str]]:
    """What failed, and in what."""
    for key, group in _grouped(runs).items():
        yield [*_subject(key), str(len(group)), _failing(result for run in group for result in run.then)]


def _failing(results: Iterable[Found]) -> str:
    """In which quantities something fails, and by how much; what it says where no quantity is to blame."""
    missed = failures(results)
    quantities = several((one["quantity"] for group in missed for one in group.results), shown=3)
    worst = missed[0].worst
    return f"{quantities}: {number(worst['score'])}" if quantities else str(worst["reason"])


def _moving(changes: Changes) -> str:
    return MOVED.format(limit(changes.same_cases), "other rounding" if changes.same_cases else "other cases")


def _moved(moves: Sequence[Move]) -> Iterator[list[str]]:
    """The farthest move of each group; what else moved in it is counted."""
    groups: dict[Key, list[Move]] = {}
    for move in moves:
        groups.setdefault(_key(move.now), []).append(move)
    for key, (move, *others) in groups.items():
        now, quantity = move.now, largest(move.now, move.kind)[0]
        seen = ", ".join(filter(None, [quantity, now["case"], now["mode"], now["dtype"]]))
        also = several(f"and {other.now['dtype']}" for other in others)
        scores = [KINDS[move.kind], number(move.before), number(move.after)]
        yield [*_subject(key), *scores, f"{seen}; {also}" if also else seen]


def _reasons(title: str, runs: Sequence[Pair], telling: Callable[[Pair], Sequence[Found]]) -> Section:
    """What was refused or skipped on one side, by what it says there."""
    groups: dict[str, list[Pair]] = {}
    for run in runs:
        groups.setdefault(str(telling(run)[0]["reason"]), []).append(run)
    largest_first = sorted(groups.items(), key=lambda item: len(item[1]), reverse=True)
    rows = [
        [
            why,
            several(run.key[0] for run in group),
            several(f"{run.key[1]}.{run.key[2]}" for run in group),
            amount(len(group)),
        ]
        for why, group in largest_first
    ]
    return Section(title, heads=["why", "operations", "variants", "cases"], rows=rows)


def _keys(changes: Changes, side: Callable[[Pair], str]) -> list[Key]:
    """All that one side has."""
    return [run.key for run in changes.pairs if side(run) != ABSENT]


def _origins(title: str, runs: Sequence[Pair], others: Sequence[Key]) -> Section:
    """What only one side has, by what the other has none of."""
    rows = [[what, amount(count)] for what, count in origins([run.key for run in runs], others)]
    return Section(title, heads=["what", "cases"], rows=rows)


def _claims(title: str, claims: Sequence[Claim]) -> Section:
    rows = [[claim.name, claim.before, claim.after, claim.said] for claim in claims]
    return Section(title, heads=["entry", "was", "is", ""], rows=rows)
