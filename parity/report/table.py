"""Operations and variants against contracts: one matrix for each topic, a verdict and the worst scores in each cell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from parity.checks.contracts import CONTRACTS
from parity.operations import OPERATIONS
from parity.report.cells import ABSENT, Cell, Column, Found, cell
from parity.report.footnotes import Whole
from parity.report.formatting import several
from parity.report.record import cut_short
from parity.training.verdict import CONTRACT, PROMISE


@dataclass(frozen=True)
class Row:
    """A variant."""

    operation: str
    framework: str
    variant: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Matrix:
    """One topic: a row for each variant of its operations."""

    topic: str
    columns: tuple[Column, ...]
    dtypes: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def operations(self) -> Iterator[tuple[str, list[Row]]]:
        """The rows of each operation."""
        return ((operation, list(rows)) for operation, rows in groupby(self.rows, lambda row: row.operation))

    @property
    def footnotes(self) -> list[str]:
        """Why cells are empty, once for each reason."""
        notes: dict[str, list[Cell]] = {}
        for empty in (one for row in self.rows for one in row.cells if one.status == ABSENT):
            notes.setdefault(empty.note, []).append(empty)
        return [
            f"{several(one.column.contract for one in cells)} of {several(one.operation for one in cells)}: {note}"
            for note, cells in notes.items()
        ]


def matrices(record: Mapping[str, Any]) -> list[Matrix]:
    """One matrix for each topic that a record has results of, in the order of the operations table."""
    results: Sequence[Found] = record["checks"]
    columns = tuple(_columns(results))
    whole = Whole(
        dtypes=tuple(sorted({result["dtype"] for result in results})),
        modes=_modes(results),
        complete=not cut_short(record),
    )
    rows = [
        Row(*who, tuple(cell(*who[:2], column, found.get(column.contract, []), whole) for column in columns))
        for who, found in sorted(_by_variant(results).items(), key=lambda item: _place(*item[0]))
    ]
    topics = groupby(rows, lambda row: row.operation.partition(".")[0])
    return [Matrix(topic, columns, whole.dtypes, tuple(of_topic)) for topic, of_topic in topics]


def _by_variant(results: Iterable[Found]) -> dict[tuple[str, str, str], dict[str, list[Found]]]:
    """Operation, framework and variant -> contract -> results."""
    variants: dict[tuple[str, str, str], dict[str, list[Found]]] = {}
    for result in results:
        contracts = variants.setdefault((result["operation"], result["framework"], result["variant"]), {})
        contracts.setdefault(result["contract"], []).append(result)
    return variants


def _columns(results: Iterable[Found]) -> Iterator[Column]:
    """The contracts that the record has results of; one that this version does not know comes last."""
    limits: dict[str, list[tuple[float, float]]] = {}
    for result in results:
        seen = limits.setdefault(result["contract"], [])
        if result["limit"] is not None:
            seen.append((result["limit"], result["norm_limit"] or 0.0))
    rank = _rank(CONTRACTS)
    for name in sorted(limits, key=rank):
        promise = PROMISE if name == CONTRACT else CONTRACTS[name].promise if name in CONTRACTS else ""
        yield Column(name, promise, *max(limits[name], default=(None, None)))


def _modes(results: Iterable[Found]) -> dict[str, int]:
    seen = {(result["framework"], result["mode"]) for result in results if result["mode"]}
    return {framework: sum(framework == other for other, _ in seen) for framework, _ in seen}


def _place(operation: str, framework: str, variant: str) -> tuple[Any, ...]:
    """Where a row belongs: topics stay together, then as in the operations table, what it does not know at the end."""
    row = OPERATIONS.get(operation)
    topics = dict.fromkeys(row.topic for row in OPERATIONS.values())
    frameworks = row.variants if row else {}
    topic = operation.partition(".")[0]
    return (
        *_rank(topics)(topic),
        *_rank(OPERATIONS)(operation),
        *_rank(frameworks)(framework),
        *_rank(frameworks.get(framework, ()))(variant),
    )


def _rank(order: Iterable[str]) -> Callable[[str], tuple[int, str]]:
    places = {name: place for place, name in enumerate(order)}
    return lambda name: (places.get(name, len(places)), name)
