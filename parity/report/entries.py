"""Divergences and mutants, as report.json has them: everything that a page says of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from parity.divergences import DIVERGENCES, Divergence
from parity.divergences.entry import Trial, Values, shown
from parity.mutants import MUTANTS, Outcome
from parity.report.ordering import index


def entries(trials: Iterable[Trial]) -> list[dict[str, Any]]:
    """One item for each divergence that was tried, in the order of the book.

    ``frameworks`` has for each framework its code, what it gave when the entry was written (``seen``) and gives
    ``today``, a ``status`` like that of a result, and the ``reason`` when that is not "passed". All values are text.
    """
    by_name: dict[str, list[Trial]] = {}
    for trial in trials:
        by_name.setdefault(trial.name, []).append(trial)
    return [_entry(DIVERGENCES[name], by_name[name]) for name in sorted(by_name, key=lambda n: index(DIVERGENCES, n))]


def _entry(divergence: Divergence, trials: list[Trial]) -> dict[str, Any]:
    words = ("name", "claim", "verdict", "why", "instead", "operation")
    tried = {trial.framework: _tried(divergence, trial) for trial in sorted(trials, key=lambda trial: trial.framework)}
    return {word: getattr(divergence, word) for word in words} | {
        "sources": list(divergence.sources),
        "frameworks": tried,
    }


def _tried(divergence: Divergence, trial: Trial) -> dict[str, Any]:
    return {
        "status": trial.status,
        "reason": trial.stale or trial.missing,
        "code": divergence.code(trial.framework),
        "seen": _text(divergence.seen[trial.framework]),
        "today": _text(trial.today),
    }


def _text(values: Values) -> Mapping[str, str]:
    return {name: shown(value) for name, value in values.items()}


def mutants(outcomes: Iterable[Outcome]) -> list[dict[str, Any]]:
    """One item for each mutant that was run, in the order of the catalogue: what it is, and what killed it.

    ``by`` has for each contract that killed it the ``quantity``, the ``margin`` in limits (None where nothing is
    allowed) and the ``reason``; ``expected`` is the contract that has to be among them.
    """
    return [_mutant(outcome) for outcome in sorted(outcomes, key=lambda outcome: index(MUTANTS, outcome.mutant))]


def _mutant(outcome: Outcome) -> dict[str, Any]:
    mutant, came = MUTANTS[outcome.mutant], asdict(outcome)
    words = ("name", "operation", "subject", "what", "place", "before", "after", "optimiser")
    for kill in came["by"].values():
        kill["margin"] = kill["margin"] and float(f"{kill['margin']:.3g}")
    return {word: getattr(mutant, word) for word in words} | {"expected": mutant.by} | {n: came[n] for n in CAME}


CAME = ("status", "case", "mode", "dtype", "by", "reason")
