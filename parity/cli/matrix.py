"""The matrix of a run, for a terminal: operations against contracts, a mark for each framework in every cell."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from parity.checks.contracts import CONTRACTS
from parity.checks.result import FAILED, PASSED, PRECEDENCE, SKIPPED, XFAILED, share
from parity.errors import printable
from parity.report.formatting import SYMBOLS
from parity.report.ordering import index

Found = Mapping[str, Any]
HEADS = {  # of columns that are six letters wide
    "matches_reference": "ref",
    "frameworks_agree": "agree",
    "ignores_padding": "fill",
    "ignores_extra_padding": "longer",
    "independent_of_batchmates": "alone",
    "follows_permutation": "order",
    "zero_gradient_at_padding": "zero",
    "accepts_empty_sequences": "empty",
    "repeatable": "twice",
    "same_in_every_mode": "modes",
    "same_when_compiled": "jit",
    "agrees_with_recording": "record",
    "trains_alike": "trains",
}
MEANINGS = {
    PASSED: "without any error",
    FAILED: "and how many results failed",
    XFAILED: "expected failure",
    SKIPPED: "skipped",
    "absent": "not promised or not run",
}
GAPS = (2, 1)  # between columns: as wide as there is room for
Cells = dict[str, dict[str, Text]]  # operation -> contract -> marks


def show(results: Iterable[Found], console: Console) -> None:
    """Print the matrix, and what its marks and columns are; in several parts where the terminal is narrow."""
    by_cell = _by_cell(results)
    frameworks = sorted({framework for marks in by_cell.values() for framework in marks})
    contracts = sorted({contract for _, contract in by_cell}, key=lambda name: (index(CONTRACTS, name), name))
    cells: Cells = {}
    for (operation, contract), marks in by_cell.items():
        cells.setdefault(operation, {})[contract] = _marked(
            [_mark(marks.get(framework, ())) for framework in frameworks]
        )
    for gap, part in _parts(cells, contracts, console.width):
        console.print(_table(cells, part, gap), "")
    both = f"{'/'.join(map(printable, frameworks))}, one mark where they are alike; " if len(frameworks) > 1 else ""
    symbols = ", ".join(f"{SYMBOLS[status]} {meaning}" for status, meaning in MEANINGS.items())
    heads = ", ".join(f"{_head(contract)} {contract}" for contract in contracts if contract in HEADS)
    legend = f"{both}a number: the worst score, in % of its limit; {symbols}"
    console.print(f"{legend}\n{heads}\n", style="dim", markup=False, highlight=False)


def _by_cell(results: Iterable[Found]) -> dict[tuple[str, str], dict[str, list[Found]]]:
    """Operation and contract -> framework -> results."""
    cells: dict[tuple[str, str], dict[str, list[Found]]] = {}
    for result in results:
        frameworks = cells.setdefault((result["operation"], result["contract"]), {})
        frameworks.setdefault(result["framework"], []).append(result)
    return cells


def _mark(results: Sequence[Found]) -> str:
    """The worst that is to be said of the results of one framework.

    >>> _mark([]), _mark([{"status": "xfailed"}, {"status": "passed", "score": 1.0, "limit": 64.0, "norm_score": None,
    ...     "norm_limit": None}])
    ('–', '2')
    """
    statuses = [result["status"] for result in results]
    if FAILED in statuses:
        return f"{SYMBOLS[FAILED]}{statuses.count(FAILED)}"
    if PASSED in statuses:
        worst = max(share(result) for result in results if result["status"] == PASSED)
        return str(math.ceil(100 * worst)) if worst else SYMBOLS[PASSED]
    return SYMBOLS[next((status for status in PRECEDENCE if status in statuses), "absent")]


def _marked(marks: list[str]) -> Text:
    alike = dict.fromkeys(marks)
    said = "/".join(alike if len(alike) == 1 else marks)
    return Text(said, style="bold red" if SYMBOLS[FAILED] in said else "")


def _parts(cells: Cells, contracts: list[str], room: int) -> Iterator[tuple[int, list[str]]]:
    """The gap between columns, and the contracts that stand beside each other; all of them, if they fit."""
    label = max((len(printable(operation)) for operation in cells), default=0)
    widths = {name: max(len(_head(name)), *(len(row.get(name, "")) for row in cells.values())) for name in contracts}
    gap = next((gap for gap in GAPS if label + sum(widths.values()) + gap * len(widths) <= room), GAPS[-1])
    part: list[str] = []
    for name in contracts:
        if part and label + sum(widths[other] + gap for other in (*part, name)) > room:
            yield gap, part
            part = []
        part.append(name)
    if part:
        yield gap, part


def _table(cells: Cells, contracts: Sequence[str], gap: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="dim")
    table.add_column("operation", no_wrap=True)
    for name in contracts:
        table.add_column(_head(name), justify="right", no_wrap=True)
    for operation, row in cells.items():
        if any(name in row for name in contracts):
            table.add_row(Text(printable(operation)), *(row.get(name, Text()) for name in contracts))
    return table


def _head(contract: str) -> str:
    return HEADS.get(contract, printable(contract))
