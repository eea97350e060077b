"""Compare two reports: one structure, of which terminal and Markdown are views."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from parity.checks.result import FAILED, PASSED
from parity.diff import entries
from parity.diff.entries import EntryChange, SettingChange, entry_changes
from parity.diff.runs import TRANSITIONS, RunPair, Transition, pair_runs
from parity.diff.scores import ScoreChange, find_score_changes
from parity.report import Report, verdict
from parity.report.outcome import cut_short


@dataclass(frozen=True)
class ReportDiff:
    """Two reports compared; a pair has the value of both."""

    verdicts: tuple[str, str]
    complete: tuple[bool, bool]
    same_cases: bool  # both sampled from one seed, and were compared case by case
    transitions: Mapping[Transition, Sequence[RunPair]]  # of checks, where the seeds differ
    score_changes: Sequence[ScoreChange]  # beyond the noise, the largest ratio first; see `parity.diff.scores`
    own: Sequence[EntryChange]  # contracts of a user's own models, those newly broken first; so are the next two
    own_contracts: int  # how many there are in either report
    divergences: Sequence[EntryChange]
    mutants: Sequence[EntryChange]
    false_alarms: tuple[int, int]  # failures of random cases
    environment: Sequence[SettingChange]
    one_sided: Sequence[str]  # parts that only one of the reports has
    in_both: bool  # anything ran in both, so that anything was compared

    @property
    def regressions(self) -> list[str]:
        """Say what fails the new report and did not fail the old one; empty when nothing got worse."""
        more_alarms = max(0, self.false_alarms[1] - self.false_alarms[0])
        counts = [
            count(self.checks("newly fails"), "check newly fails", "checks newly fail"),
            count(_worse(self.own), "own contract is newly broken", "own contracts are newly broken"),
            count(_worse(self.divergences), "divergence is newly out of date", "divergences are newly out of date"),
            count(_worse(self.mutants), "mutant is no longer killed", "mutants are no longer killed"),
            count(more_alarms, "more false alarm", "more false alarms"),
            "NEW was stopped before its end" if self.complete == (True, False) else "",
            "" if self.in_both else "nothing was compared: no check ran in both",
        ]
        return [text for text in counts if text]

    @property
    def other_changes(self) -> list[str]:
        """Say what else changed."""
        others = [entry for entry in (*self.divergences, *self.mutants) if not entry.worse]
        own = [entry for entry in self.own if not entry.worse]
        counts = [
            count(self.checks("newly passes"), "check newly passes", "checks newly pass"),
            count(len(self.score_changes), "check has a score change", "checks have score changes"),
            count(self.checks("no longer compared"), "check is no longer compared", "checks are no longer compared"),
            count(self.checks("newly compared"), "check is newly compared", "checks are newly compared"),
            count(self.checks("added"), "check has added cases", "checks have added cases"),
            count(self.checks("removed"), "check has removed cases", "checks have removed cases"),
            count(self.checks("not run"), "check was not run on one side", "checks were not run on one side"),
            count(len(own), "own contract changed otherwise", "own contracts changed otherwise"),
            count(len(others), "divergence or mutant changed otherwise", "divergences and mutants changed otherwise"),
        ]
        return [text for text in counts if text]

    @property
    def verdict(self) -> str:
        """Say what the comparison comes to, in one sentence without a full stop."""
        every = {run.key.check for run in self.runs}
        changed = {run.key.check for run in self.runs if run.transition not in ("unchanged", "still fails")}
        changed |= {change.check for change in self.score_changes}
        total = len(every) + self.own_contracts
        same = len(every - changed) + self.own_contracts - len(self.own)
        unchanged = f"{same} of {count(total, 'check', 'checks') or 'no check'} unchanged"
        return "; ".join([", ".join(self.regressions) or "nothing got worse", *self.other_changes, unchanged])

    @property
    def runs(self) -> list[RunPair]:
        return [run for runs in self.transitions.values() for run in runs]

    def checks(self, transition: Transition) -> int:
        """Count the checks with at least one run in a transition."""
        return len({run.key.check for run in self.transitions[transition]})


def compare_reports(old: Report, new: Report) -> ReportDiff:
    """Compare two reports, as `parity.report.read` returns them.

    >>> from parity import report
    >>> nothing = report.build([], {}, seed=0, seconds=0.0, planned=0, checked=0)
    >>> compare_reports(nothing, nothing).regressions
    ['nothing was compared: no check ran in both']
    """
    runs, same_cases = pair_runs(old, new), old.environment.seed == new.environment.seed
    transitions: dict[Transition, list[RunPair]] = {transition: [] for transition in TRANSITIONS}
    for run in runs:
        transitions[run.transition].append(run)
    alarms = [report.sweep.failed if report.sweep else 0 for report in (old, new)]
    compared = any(run.before in (PASSED, FAILED) and run.after in (PASSED, FAILED) for run in runs)
    return ReportDiff(
        verdicts=(verdict(old), verdict(new)),
        complete=(not cut_short(old), not cut_short(new)),
        same_cases=same_cases,
        transitions=transitions,
        score_changes=find_score_changes(runs, same_cases),
        own=entry_changes(old, new, entries.own),
        own_contracts=len(entries.own(old).keys() | entries.own(new).keys()),
        divergences=entry_changes(old, new, entries.divergences),
        mutants=entry_changes(old, new, entries.mutants),
        false_alarms=(alarms[0], alarms[1]),
        environment=entries.compare_environments(old.environment, new.environment),
        one_sided=entries.one_sided_parts(old, new),
        in_both=compared or entries.any_in_both(old, new),
    )


def _worse(changes: Iterable[EntryChange]) -> int:
    return sum(change.worse for change in changes)


def count(number: int, singular: str, plural: str) -> str:
    """Return a number and what it counts; nothing where it is 0."""
    return f"{number} {singular if number == 1 else plural}" if number else ""
