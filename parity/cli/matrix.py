"""Print the matrix of a run: operations against contracts, with a mark for each framework in every cell."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from parity.checks.contracts import CONTRACTS
from parity.checks.result import FAILED, PASSED, SKIPPED, XFAILED, Result, worst_status
from parity.errors import printable
from parity.report.formatting import ABSENT, SYMBOLS, index
from parity.report.groups import group_by

MEANINGS = {
    PASSED: "without any error",
    FAILED: "and how many results failed",
    XFAILED: "expected failure",
    SKIPPED: "skipped",
    ABSENT: "not promised or not run",
}
GAPS = (2, 1)  # between columns; the widest that fits
Cells = Mapping[str, Mapping[str, Text]]  # operation -> contract -> marks


def print_matrix(results: Iterable[Result], console: Console) -> None:
    """Print the matrix and its legend, in several tables where the terminal is narrow."""
    results = list(results)
    frameworks = sorted({result.framework for result in results})
    cells = _cells(results, frameworks)
    contracts = _ordered(cells)
    for gap, columns in _split(cells, contracts, console.width):
        console.print(_table(cells, columns, gap), "")
    console.print(_legend(frameworks, contracts), style="dim", markup=False, highlight=False)


def _ordered(cells: Cells) -> list[str]:
    """Return the contracts in their order, those of less than half of the operations behind the others."""
    counts = Counter(name for row in cells.values() for name in row)
    return sorted(counts, key=lambda name: (2 * counts[name] < len(cells), index(CONTRACTS, name), name))


def _legend(frameworks: Sequence[str], contracts: Sequence[str]) -> str:
    symbols = ", ".join(f"{SYMBOLS[status]} {meaning}" for status, meaning in MEANINGS.items())
    heads = ", ".join(f"{_head(contract)} {contract}" for contract in contracts if contract in CONTRACTS)
    pair = ""
    if len(frameworks) > 1:
        pair = f"{'/'.join(map(printable, frameworks))}, one mark where they are alike; "
    return f"{pair}a number: the worst score, in noise floors, rounded up; {symbols}\n{heads}\n"


def _cells(results: Iterable[Result], frameworks: Sequence[str]) -> Cells:
    """Mark every operation and contract that has results."""
    cells: dict[str, dict[str, Text]] = {}
    for (operation, contract), of_cell in group_by(results, lambda result: (result.operation, result.contract)).items():
        by_framework = group_by(of_cell, lambda result: result.framework)
        marks = [_mark(by_framework.get(framework, ())) for framework in frameworks]
        cells.setdefault(operation, {})[contract] = _joined(marks)
    return cells


def _mark(results: Sequence[Result]) -> str:
    """Return the mark of one framework: failures before scores before anything else."""
    status = worst_status(result.status for result in results)
    if status == FAILED:
        return f"{SYMBOLS[FAILED]}{sum(result.status == FAILED for result in results)}"
    if status == PASSED:
        score = max(result.largest("element")[1] for result in results if result.status == PASSED)
        return str(math.ceil(score)) if score else SYMBOLS[PASSED]
    return SYMBOLS[status or ABSENT]


def _joined(marks: list[str]) -> Text:
    alike = len(set(marks)) == 1
    text = marks[0] if alike else "/".join(marks)
    return Text(text, style="bold red" if SYMBOLS[FAILED] in text else "")


def _split(cells: Cells, contracts: Sequence[str], width: int) -> Iterator[tuple[int, list[str]]]:
    """Yield the gap between columns, and the contracts that fit beside each other."""
    label = max((len(printable(operation)) for operation in cells), default=0)
    widths = {name: max(len(_head(name)), *(len(row.get(name, "")) for row in cells.values())) for name in contracts}
    gap = next((gap for gap in GAPS if label + sum(widths.values()) + gap * len(widths) <= width), GAPS[-1])
    columns: list[str] = []
    for name in contracts:
        if columns and label + sum(widths[other] + gap for other in (*columns, name)) > width:
            yield gap, columns
            columns = []
        columns.append(name)
    if columns:
        yield gap, columns


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
    return CONTRACTS[contract].abbreviation if contract in CONTRACTS else printable(contract)
