"""What is different between two records: one structure, of which text and Markdown are views."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from parity.checks.result import FAILED, PASSED
from parity.diff import entries as claims
from parity.diff.entries import Claim
from parity.diff.environment import surroundings
from parity.diff.match import CHECKED, Pair, pairs, same_cases
from parity.diff.scores import Move, moves
from parity.diff.transitions import ALIKE, APPEARED, COMPARED, FAILS, NOT_RUN, PASSES, STILL, UNCOMPARED, WENT, turn
from parity.report.record import cut_short, verdict

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Changes:
    """Two records compared.

    Attributes:
        verdicts: what each of them came to.
        complete: whether each came to its end.
        same_cases: whether both drew from one seed, so that they were compared case by case.
        pairs: every run, or every check where the seeds differ.
        turns: what became of a run -> those runs.
        moves: scores that moved by more than the noise, the farthest first; see `parity.diff.scores`.
        divergences, mutants: entries that are not as they were; what is newly wrong comes first.
        alarms: how many false alarms there were among random cases, then and now.
        environment: name, then, now, of what is not the same.
        one_sided: what only one of the records has.
        in_both: whether anything was tried in both, so that anything was compared at all.
    """

    verdicts: tuple[str, str]
    complete: tuple[bool, bool]
    same_cases: bool
    pairs: Sequence[Pair]
    turns: Mapping[str, Sequence[Pair]]
    moves: Sequence[Move]
    divergences: Sequence[Claim]
    mutants: Sequence[Claim]
    alarms: tuple[int, int]
    environment: Sequence[tuple[str, str, str]]
    one_sided: Sequence[str]
    in_both: bool

    @property
    def worse(self) -> list[str]:
        """What makes the later run a failure and did not make the earlier one so; empty when nothing got worse."""
        told = [
            told_of(self.checks(FAILS), "check newly fails", "checks newly fail"),
            told_of(_worse(self.divergences), "divergence is newly out of date", "divergences are newly out of date"),
            told_of(_worse(self.mutants), "mutant is no longer killed", "mutants are no longer killed"),
            told_of(max(0, self.alarms[1] - self.alarms[0]), "more false alarm", "more false alarms"),
            "NEW was stopped before its end" if self.complete == (True, False) else "",
            "" if self.in_both else "nothing was compared: no check was tried in both",
        ]
        return list(filter(None, told))

    @property
    def otherwise(self) -> list[str]:
        """What else is not as it was."""
        entries = [*self.divergences, *self.mutants]
        others = len(entries) - _worse(entries)
        told = [
            told_of(self.checks(PASSES), "check newly passes", "checks newly pass"),
            told_of(len(self.moves), "check moved by more than the noise", "checks moved by more than the noise"),
            told_of(self.checks(UNCOMPARED), "check is no longer compared", "checks are no longer compared"),
            told_of(self.checks(COMPARED), "check is newly compared", "checks are newly compared"),
            told_of(self.checks(APPEARED), "check has cases that appeared", "checks have cases that appeared"),
            told_of(self.checks(WENT), "check has cases that went", "checks have cases that went"),
            told_of(self.checks(NOT_RUN), "check was not run on one side", "checks were not run on one side"),
            told_of(others, "divergence or mutant changed otherwise", "divergences and mutants changed otherwise"),
        ]
        return list(filter(None, told))

    @property
    def verdict(self) -> str:
        """What it comes to, in one sentence without a full stop."""
        every = {run.check for run in self.pairs}
        changed = {run.check for name, runs in self.turns.items() if name not in (ALIKE, STILL) for run in runs}
        moved = {tuple(move.now[name] for name in CHECKED) for move in self.moves}
        same = f"{len(every - changed - moved)} of {told_of(len(every), 'check', 'checks') or 'no check'} as before"
        return "; ".join([", ".join(self.worse) or "nothing got worse", *self.otherwise, same])

    def checks(self, *turns: str) -> int:
        """How many checks have a run of which one of these became."""
        return len({run.check for name in turns for run in self.turns.get(name, ())})


def changes(old: Record, new: Record) -> Changes:
    """Compare two records, as `parity.report.read` gives them.

    >>> from parity import report
    >>> nothing = report.record([], {}, seed=0, seconds=0.0, planned=0, checked=0)
    >>> changes(nothing, nothing).worse
    ['nothing was compared: no check was tried in both']
    """
    found = pairs(old, new)
    one_seed = same_cases(old, new)
    turns: dict[str, list[Pair]] = {}
    for run in found:
        turns.setdefault(turn(run.before, run.after), []).append(run)
    return Changes(
        verdicts=(verdict(old), verdict(new)),
        complete=(not cut_short(old), not cut_short(new)),
        same_cases=one_seed,
        pairs=found,
        turns=turns,
        moves=moves(found, one_seed),
        divergences=claims.divergences(old, new),
        mutants=claims.mutants(old, new),
        alarms=(_alarms(old), _alarms(new)),
        environment=surroundings(old["environment"], new["environment"]),
        one_sided=claims.one_sided(old, new),
        in_both=any({run.before, run.after} <= {PASSED, FAILED} for run in found) or claims.in_both(old, new),
    )


def _alarms(record: Record) -> int:
    return int(record["sweep"]["failed"]) if record["sweep"] else 0


def _worse(claims: Iterable[Claim]) -> int:
    return sum(claim.worse for claim in claims)


def told_of(number: int, one: str, several: str) -> str:
    """A number and what it counts; empty where there is none."""
    return f"{number} {one if number == 1 else several}" if number else ""
