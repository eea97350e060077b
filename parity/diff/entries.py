"""Compare the parts of two reports beside the checks: divergences, mutants, random cases, environment.

A run compares the values of a divergence with those that its entry states, to three digits. So two runs in which an
entry is up to date observed the same. The values of both are shown where either differs from the entry, and where the
entry was rewritten in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from parity.checks.result import FAILED, PASSED, SKIPPED
from parity.checks.verdict import Verdict
from parity.diff.runs import ABSENT, NOT_RUN, absence
from parity.pairs.verdict import SAME, PairVerdict
from parity.report import Report
from parity.report.formatting import setting
from parity.report.model import Environment
from parity.report.own import reason_of
from parity.report.verdicts import statuses

FAILURES = (FAILED, "survived", "stale")  # of a divergence, of a mutant
PARTS = (  # of a report: name, and field
    ("divergences", "divergences"),
    ("mutants", "mutants"),
    ("random cases", "sweep"),
    ("models of your own", "own"),
)
NO_SETTING = "\N{EN DASH}"


@dataclass(frozen=True)
class EntryChange:
    """A divergence in one framework, a mutant or an own contract that changed; `ABSENT` and `NOT_RUN` are statuses."""

    name: str
    before: str
    after: str
    detail: str  # the values before and after, or the reason of its status
    worse: bool  # fails the new report and did not fail the old one


@dataclass(frozen=True)
class Entry:
    """A divergence in one framework or a mutant; only the former has values."""

    status: str
    reason: str = ""
    expected: Mapping[str, str] = field(default_factory=dict)
    observed: Mapping[str, str] = field(default_factory=dict)


Entries = Callable[[Report], Mapping[str, Entry]]


def divergences(report: Report) -> dict[str, Entry]:
    """Return the divergences of a report, framework by framework."""
    return {
        f"{entry.name}, {framework}": Entry(trial.status, trial.reason, trial.expected, trial.observed)
        for entry in report.divergences
        for framework, trial in entry.frameworks.items()
    }


def mutants(report: Report) -> dict[str, Entry]:
    """Return the mutants of a report by name."""
    return {mutant.name: Entry(mutant.status, mutant.reason) for mutant in report.mutants}


def own(report: Report) -> dict[str, Entry]:
    """Return the contracts of a user's own models by name; a broken one has the place where it differs first."""
    entries = {}
    for name, verdict in report.own.items():
        for contract, status in statuses(verdict).items():
            entries[f"{name}, {contract}"] = Entry(
                status, reason_of(verdict, contract), observed=places_of(verdict, contract)
            )
    return entries


def places_of(verdict: Verdict, contract: str) -> dict[str, str]:
    """Return where a contract is broken first, and of a pair that is not the same function also why."""
    if isinstance(verdict, PairVerdict) and contract == SAME and verdict.difference:
        return {"the first difference": str(verdict.difference), "the cause": verdict.cause or "not known"}
    blame = verdict.blames.get(contract)
    return {"the first difference": str(blame)} if blame else {}


def entry_changes(old: Report, new: Report, entries: Entries) -> list[EntryChange]:
    """List the entries that changed, those that got worse first.

    A report without any entry was not asked for them: none of them was added or removed.
    """
    before, after = entries(old), entries(new)
    missing_before = Entry(absence(old) if before else NOT_RUN)
    missing_after = Entry(absence(new) if after else NOT_RUN)
    changes = []
    for name in dict.fromkeys([*after, *before]):
        change = _change(name, before.get(name, missing_before), after.get(name, missing_after))
        if change and (change.worse or NOT_RUN not in (change.before, change.after)):
            changes.append(change)
    return sorted(changes, key=lambda change: not change.worse)


def _change(name: str, before: Entry, after: Entry) -> EntryChange | None:
    if before.status == after.status == PASSED and before.expected == after.expected:
        return None
    values = []
    if before.observed and after.observed:
        for quantity in dict.fromkeys([*after.observed, *before.observed]):
            old, new = (observed.get(quantity, "nothing") for observed in (before.observed, after.observed))
            if old != new:
                values.append(f"{quantity} was {old}, is {new}")
    if before.status == after.status and not values:
        return None
    reason = before.reason if after.status in (ABSENT, NOT_RUN) else after.reason
    worse = after.status in FAILURES and before.status not in FAILURES
    return EntryChange(name, before.status, after.status, "; ".join(values) or reason, worse)


def one_sided_parts(old: Report, new: Report) -> list[str]:
    """Say which parts only one of the reports has, so that they cannot be compared."""
    one_sided = []
    for name, part in PARTS:
        before, after = bool(getattr(old, part)), bool(getattr(new, part))
        if before != after:
            one_sided.append(f"only {'NEW' if after else 'OLD'} has {name}")
    return one_sided


def any_in_both(old: Report, new: Report) -> bool:
    """Tell whether both reports ran the same divergence, mutant or own contract, or random cases."""
    for entries in (divergences, mutants, own):
        before, after = entries(old), entries(new)
        if any(SKIPPED not in (before[name].status, after[name].status) for name in before.keys() & after.keys()):
            return True
    return bool(old.sweep and new.sweep)


class SettingChange(NamedTuple):
    """A setting that differs."""

    name: str
    old: str
    new: str


def compare_environments(old: Environment, new: Environment) -> list[SettingChange]:
    """List the settings that differ between two environments: versions, machine, device settings, seed.

    >>> from parity.report.environment import describe_environment
    >>> old, new = describe_environment({}, seed=0), describe_environment({"pytorch": {"threads": 2}}, seed=0)
    >>> compare_environments(old, new)
    [SettingChange(name='pytorch threads', old='–', new='2')]
    """
    before, after = _settings(old), _settings(new)
    return [
        SettingChange(name, before.get(name, NO_SETTING), after.get(name, NO_SETTING))
        for name in dict.fromkeys([*after, *before])
        if before.get(name) != after.get(name)
    ]


def _settings(environment: Environment) -> dict[str, str]:
    """Return each setting under its full name, versions once: a framework reports its own again."""
    settings: dict[str, Any] = {}
    for name, value in msgspec.to_builtins(environment).items():
        if name == "versions":
            settings |= value
        elif name == "frameworks":
            for framework, own in value.items():
                settings[framework] = {key: item for key, item in own.items() if key not in environment.versions}
        else:
            settings[name] = value
    return dict(_flat(settings))


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", setting(value)
