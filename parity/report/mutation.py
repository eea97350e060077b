"""Mutants and random cases, arranged for a reader: do the checks kill what they should, and nothing else?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from parity.checks.contracts import CONTRACTS
from parity.report.formatting import SYMBOLS, amount, number
from parity.report.ordering import index

Mutant = Mapping[str, Any]
ECHO = "frameworks_agree"


def by_contract(mutants: Sequence[Mutant]) -> list[tuple[str, str, str]]:
    """For each contract that killed any: how many mutants, and how many without any other.

    Whoever is off the reference is off the other framework too, so `frameworks_agree` does not count as another.
    """
    killed = sorted(
        {contract for mutant in mutants for contract in mutant["by"]}, key=lambda name: index(CONTRACTS, name)
    )
    return [
        (
            contract,
            str(sum(contract in mutant["by"] for mutant in mutants)),
            str(sum(set(mutant["by"]) - {ECHO} == {contract} for mutant in mutants)),
        )
        for contract in killed
    ]


def killed_by(mutant: Mutant) -> str:
    """Which contracts killed a mutant, with the margin in limits where there is one."""
    return ", ".join(f"{contract} {margin(kill)}" for contract, kill in mutant["by"].items()) or "nothing"


def margin(kill: Mapping[str, Any]) -> str:
    """How many times the limit; a mark where no error at all is allowed.

    >>> margin({"margin": 1234.5}), margin({"margin": None})
    ('1.2e+03 times', '✗')
    """
    return SYMBOLS["failed"] if kill["margin"] is None else f"{number(kill['margin'])} times"


def swept(rows: Sequence[Mapping[str, Any]]) -> list[Sequence[str]]:
    """The rows of a sweep in words: operation, framework, dtype, seeds, checks, failed, scores, and quantiles.

    Earlier records do not tell the seeds of each row.
    """
    return [
        [
            *(row[name] for name in ("operation", "framework", "dtype")),
            amount(row["seeds"]) if "seeds" in row else SYMBOLS["absent"],
            *(amount(row[name]) for name in ("checks", "failed", "scores")),
            _range(row["element"]),
            _range(row["norm"]),
        ]
        for row in rows
    ]


def largest(rows: Sequence[Mapping[str, Any]]) -> list[Sequence[str]]:
    """The same for each framework and dtype over all operations, with the largest element and norm."""
    keys = sorted({(row["framework"], row["dtype"]) for row in rows})
    return [[*key, *_over([row for row in rows if (row["framework"], row["dtype"]) == key])] for key in keys]


def _over(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    rows = list(rows)
    counts = [amount(sum(row[name] for row in rows)) for name in ("checks", "failed", "scores")]
    return counts + [
        number(max((row[name][-1] for row in rows if row[name]), default=0.0)) for name in ("element", "norm")
    ]


def _range(quantiles: Sequence[float]) -> str:
    return " · ".join(map(number, quantiles)) or SYMBOLS["absent"]
