"""Divergences and mutants of two records: what is newly out of date, newly missed, or otherwise not as it was.

An entry says what it gave when it was written, and a run compares that, to three digits, with what it gives today. So
two runs that found it as described found the same. The values of both are shown where either found something else, and
where the entry was rewritten in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from parity.checks.result import FAILED, PASSED, SKIPPED
from parity.diff.match import ABSENT, UNREACHED
from parity.report.record import cut_short

Entries = Mapping[str, Mapping[str, Any]]

PARTS = {"divergences": "divergences", "mutants": "mutants", "sweep": "random cases"}
NOT_KILLED = ("survived", "stale")


@dataclass(frozen=True)
class Claim:
    """A divergence in one framework, or a mutant, that is not as it was.

    Attributes:
        name: of the entry; of a divergence with its framework.
        before, after: its status, or `ABSENT`, or `UNREACHED`.
        said: what is different: values then and now, or why it is not killed.
        worse: whether this fails the later run and did not fail the earlier one.
    """

    name: str
    before: str
    after: str
    said: str
    worse: bool


def divergences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Claim]:
    """What became of each divergence, framework by framework; what is newly stale comes first."""
    return _turned(old, new, "divergences", _sides, _of_divergence)


def mutants(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Claim]:
    """What became of each mutant; what is no longer killed comes first."""
    return _turned(old, new, "mutants", _by_name, _of_mutant)


def one_sided(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The parts that only one of the records has, of which therefore little can be said."""
    sides = {part: (bool(old[part]), bool(new[part])) for part in PARTS}
    return [f"only {'NEW' if now else 'OLD'} has {PARTS[part]}" for part, (then, now) in sides.items() if then != now]


def in_both(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether any divergence or mutant was tried in both, or random cases were."""
    named = [(_tried(_sides(record["divergences"])), _tried(_by_name(record["mutants"]))) for record in (old, new)]
    return bool(named[0][0] & named[1][0] or named[0][1] & named[1][1] or (old["sweep"] and new["sweep"]))


def _tried(entries: Entries) -> set[str]:
    return {name for name, entry in entries.items() if entry["status"] != SKIPPED}


def _turned(
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    part: str,
    entries: Callable[[Any], Entries],
    judge: Callable[..., Claim | None],
) -> list[Claim]:
    """What is not as it was. Where a record lacks the part, it was not asked for: its entries neither went nor came."""
    then, now = entries(old[part]), entries(new[part])
    lost = [UNREACHED if cut_short(record) or not record[part] else ABSENT for record in (old, new)]
    found = [judge(name, then.get(name), now.get(name), *lost) for name in dict.fromkeys([*now, *then])]
    told = [claim for claim in found if claim and (claim.worse or UNREACHED not in (claim.before, claim.after))]
    return sorted(told, key=lambda claim: not claim.worse)


def _sides(divergences: Any) -> Entries:
    return {
        f"{entry['name']}, {framework}": tried
        for entry in divergences
        for framework, tried in entry["frameworks"].items()
    }


def _by_name(mutants: Any) -> Entries:
    return {mutant["name"]: mutant for mutant in mutants}


def _of_divergence(
    name: str, then: Mapping[str, Any] | None, now: Mapping[str, Any] | None, lost_then: str, lost_now: str
) -> Claim | None:
    before, after = then["status"] if then else lost_then, now["status"] if now else lost_now
    values = "; ".join(_values(then, now)) if then and now else ""
    described = before == after == PASSED and then and now and then["seen"] == now["seen"]
    if described or (before == after and not values):
        return None
    said = values or (now or then or {})["reason"]
    return Claim(name, before, after, said, worse=after == FAILED != before)


def _values(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Each value that is not what it was, where both runs gave any."""
    if not then["today"] or not now["today"]:
        return
    for name in dict.fromkeys([*now["today"], *then["today"]]):
        came = [side["today"].get(name, "nothing") for side in (then, now)]
        if came[0] != came[1]:
            yield f"{name} was {came[0]}, is {came[1]}"


def _of_mutant(
    name: str, then: Mapping[str, Any] | None, now: Mapping[str, Any] | None, lost_then: str, lost_now: str
) -> Claim | None:
    before, after = then["status"] if then else lost_then, now["status"] if now else lost_now
    if before == after:
        return None
    said = (now or then or {})["reason"]
    return Claim(name, before, after, said, worse=after in NOT_KILLED and before not in NOT_KILLED)
