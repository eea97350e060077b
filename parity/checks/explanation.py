"""Explain a verdict in at most twelve lines: a paragraph for each cause, then what holds and what was not tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parity.checks.own import HOLDS, REFUSES
from parity.checks.result import FAILED, MEASURED, XFAILED, Result
from parity.checks.sentences import measured

if TYPE_CHECKING:
    from parity.checks.verdict import Verdict

MOST_LINES = 12
FIRST = "repeatable"  # what differs from run to run says nothing about other contracts


def explanation(verdict: Verdict) -> str:
    """Return the lines of a verdict."""
    lines = _causes(verdict) if verdict.failed else [_summary(verdict)]
    rest = _rest(verdict)[: MOST_LINES - 2]
    most = MOST_LINES - len(rest)
    if len(lines) > most:
        lines = [*lines[: most - 1], f"  and {len(lines) - most + 1} lines more: see .results"]
    return "\n".join([*lines, *rest])


def _subject(verdict: Verdict) -> str:
    computes = f" for {verdict.operation}" if verdict.operation else ""
    return f"{verdict.name} ({verdict.framework}){computes}"


def _summary(verdict: Verdict) -> str:
    details = [(one.contract, one.detail) for one in verdict.results if one.status == XFAILED]
    refusals = [detail for _, detail in details if detail.startswith(REFUSES)]
    expected = {contract: detail for contract, detail in details if detail not in refusals}
    if not verdict.passed and not details:
        return f"✗ {verdict.name}: nothing was compared"
    holds = [f"keeps {', '.join(verdict.passed)}"] if verdict.passed else []
    fails = [f"breaks {contract}, {detail}" for contract, detail in expected.items()]
    return f"✓ {_subject(verdict)} {'; '.join(holds + fails + refusals[:1])}"


def _causes(verdict: Verdict) -> list[str]:
    lines: list[str] = []
    for first, *others in _by_cause(verdict):
        lines.append(f"✗ {_subject(verdict)} {_phrase(verdict, first)}")
        lines.append(f"  {_details(verdict, first)}")
        if first in verdict.causes:
            lines.append(f"  {verdict.causes[first]}")
        if others:
            consequence = "it also" if verdict.operation else "so it also"
            lines.append(f"  {consequence} {', '.join(_otherwise(verdict, contract) for contract in others)}")
    reproduce = next((result.reproduce for result in verdict.results if result.status == FAILED), "")
    return [*lines, *([f"  reproduce: {reproduce}"] if reproduce else [])]


def _phrase(verdict: Verdict, contract: str) -> str:
    """Say what a model does that a contract forbids, and where that begins; without a run, that it does not run."""
    failed = _failed(verdict, contract)
    if contract == FIRST and any(result.problem == "raised" for result in failed):
        return "gives NaN" if failed[0].detail.startswith("gives NaN") else "cannot be run"
    if verdict.operation and all(result.problem == "raised" for result in failed):
        return "raises an exception"
    if all(result.detail.startswith(HOLDS) for result in failed):
        return f"keeps {contract}, against expectation"
    blame = verdict.blames.get(contract)
    first = next((result.first for result in failed if result.first), None)
    if contract == "matches_reference" and first:
        return str(first).replace("the reference", failed[0].compared_with or "the reference", 1)
    return _otherwise(verdict, contract) + (f": {blame}" if blame else "")


def _otherwise(verdict: Verdict, contract: str) -> str:
    return verdict.otherwise.get(contract, f"breaks {contract}")


def _failed(verdict: Verdict, contract: str) -> list[Result]:
    return [result for result in verdict.results if result.contract == contract and result.status == FAILED]


def _by_cause(verdict: Verdict) -> list[list[str]]:
    """Group contracts that break for the same reason; those of which only gradients differ follow from the first."""
    if FIRST in verdict.failed:  # all else may follow from that
        return [[FIRST, *(contract for contract in verdict.failed if contract != FIRST)]]
    groups: dict[object, list[str]] = {}
    for contract in verdict.failed:
        groups.setdefault(_cause(verdict, contract), []).append(contract)
    rest = groups.pop("", [])
    if groups and not verdict.operation:
        next(iter(groups.values())).extend(rest)
        rest = []
    return [*groups.values(), *([contract] for contract in rest)]


def _cause(verdict: Verdict, contract: str) -> object:
    """Return what contracts have in common that break for the same reason; nothing where it is not known."""
    blame = verdict.blames.get(contract)
    if blame and blame.where != "gradients":
        return blame.layer, blame.where
    if contract in verdict.causes or not verdict.operation:
        return verdict.causes.get(contract, "")
    failed = _failed(verdict, contract)
    if all(result.problem == "raised" for result in failed):
        return failed[0].detail
    return next((result.first for result in failed if result.first), "")


def _details(verdict: Verdict, contract: str) -> str:
    """Say which quantity differs, by how much and where: an output or the loss, rather than a gradient."""
    failed = _failed(verdict, contract)
    worst = min(failed, key=lambda result: (result.quantity.startswith("d_"), result.dtype != failed[0].dtype))
    gradients = {one.quantity for one in failed if one.quantity.startswith("d_") and one.run == worst.run}
    others = gradients - {worst.quantity}
    every = {name for name in worst.scores if name.startswith("d_")}
    also = f", and {len(others)} of {len(every)} gradients" if others else ""
    run = ", ".join(filter(None, (worst.case, worst.dtype, worst.mode if verdict.operation else "")))
    return f"{contract} ({run}): {_words(verdict, worst)}{also}"


def _words(verdict: Verdict, result: Result) -> str:
    words = measured(result, _place(verdict, result))
    if verdict.operation and result.problem == "other" and result.quantity:
        return f"{result.quantity}: {words}"
    return f"{result.quantity} is {words}" if result.problem in MEASURED else words


def _place(verdict: Verdict, result: Result) -> str:
    axes = verdict.axes.get(result.quantity, "")
    if not result.worst_index:
        return ""
    if "B" not in axes or len(axes) > len(result.worst_index):
        return f" at {result.worst_index}"
    step = f", step {result.worst_index[axes.index('T')]}" if "T" in axes else ""
    return f" at sequence {result.worst_index[axes.index('B')]}{step}"


def _rest(verdict: Verdict) -> list[str]:
    lines = []
    if verdict.failed and verdict.passed:
        lines.append(f"  kept: {', '.join(verdict.passed)}")
    reasons: dict[str, list[str]] = {}
    for contract, why in verdict.declined.items():
        reasons.setdefault(why, []).append(contract)
    lines += [f"  not tried: {', '.join(names)} ({why})" for why, names in reasons.items()]
    return [*lines, *(f"  {note}" for note in verdict.notes)]
