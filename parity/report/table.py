"""Arrange results as matrices of variants against contracts, one for each topic; a cell summarises its results."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from parity.checks.contracts import CONTRACTS
from parity.checks.result import FAILED, PASSED, PRECEDENCE, SKIPPED, XFAILED, Result, Status, worst_status
from parity.errors import InputError
from parity.operations import OPERATIONS
from parity.report.formatting import ABSENT, index, number, plural, several
from parity.report.groups import group_by
from parity.report.model import Report
from parity.report.outcome import cut_short

SMALL = 0.1  # noise floors: a score up to here has no colour
MOST_CELLS = 200_000  # times dtypes; a full run of all operations has 30 000


@dataclass(frozen=True)
class Column:
    """A contract and the largest scores that it allows: None where no result has a limit, 0 for exact contracts."""

    contract: str
    limit: float | None
    norm_limit: float | None

    @property
    def promise(self) -> str:
        """Return the promise of the contract; empty for a contract of another version."""
        return CONTRACTS[self.contract].promise if self.contract in CONTRACTS else ""

    @property
    def limit_text(self) -> str:
        if self.limit is None:
            return ""
        return f"≤ {self.limit:g}" if self.limit else "exact"


@dataclass(frozen=True)
class Cell:
    """One variant and one contract: all configurations, lengths, modes and dtypes together."""

    operation: str
    column: Column
    status: str  # the worst of all results, or "absent" where there is no result
    counts: Mapping[Status, int]
    scores: tuple[float | None, ...]  # for each dtype of the report the largest elementwise score that passed, or None
    note: str  # why the contract is not promised, fails as expected or is skipped; may be empty
    results: Sequence[Result]

    @property
    def number(self) -> str:
        """Format the worst score of all dtypes; empty where the contract is exact or nothing passed."""
        if self.column.limit == 0 or self.status != PASSED:
            return ""
        return number(max((score for score in self.scores if score is not None), default=0.0))

    @property
    def heat(self) -> float:
        """Return how near the worst score is to its limit, on a logarithmic scale from `SMALL` (0) to the limit (1)."""
        worst, limit = max((score or 0.0 for score in self.scores), default=0.0), self.column.limit
        if not limit or worst <= SMALL:
            return 0.0
        return min(1.0, math.log10(worst / SMALL) / math.log10(limit / SMALL))

    @property
    def has_expected_failures(self) -> bool:
        """Tell whether it passed although some cases failed as expected."""
        return self.status == PASSED and XFAILED in self.counts


@dataclass(frozen=True)
class Row:
    """A variant and its cells."""

    operation: str
    framework: str
    variant: str
    cells: tuple[Cell, ...]

    @property
    def subject(self) -> str:
        return f"{self.framework}.{self.variant}"


@dataclass(frozen=True)
class Matrix:
    """The variants of one topic."""

    topic: str
    columns: tuple[Column, ...]
    dtypes: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def operations(self) -> dict[str, list[Row]]:
        return group_by(self.rows, lambda row: row.operation)

    @property
    def shown(self) -> list[int]:
        """Return the positions of the columns in which some variant has a result."""
        present = [any(row.cells[at].status != ABSENT for row in self.rows) for at in range(len(self.columns))]
        return [at for at, is_present in enumerate(present) if is_present]

    @property
    def is_open(self) -> bool:
        """Tell whether something in it did not simply pass, so that a page shows it unfolded."""
        return any(cell.counts.keys() - {PASSED, XFAILED} for row in self.rows for cell in row.cells)

    @property
    def summary(self) -> str:
        """Count its variants, and those that fail; else return the worst score."""
        failing = sum(any(cell.status == FAILED for cell in row.cells) for row in self.rows)
        count = plural(len(self.rows), "variant")
        if failing:
            return f"{failing} of {count} failing"
        worst = [score for row in self.rows for cell in row.cells for score in cell.scores if score is not None]
        hold = "all hold" if not self.is_open else "none fails"
        return f"{count}, {hold}" + (f", worst score {number(max(worst))}" if worst else "")

    @property
    def footnotes(self) -> list[str]:
        """Return each reason for empty cells, with their contracts and operations."""
        empty = [cell for row in self.rows for cell in row.cells if cell.status == ABSENT]
        return [
            f"{several(cell.column.contract for cell in cells)} of {several(cell.operation for cell in cells)}: {note}"
            for note, cells in group_by(empty, lambda cell: cell.note).items()
        ]


@dataclass(frozen=True)
class _Run:
    """The facts about a whole run that a cell depends on."""

    dtypes: tuple[str, ...]
    modes: Mapping[str, int]  # of each framework
    complete: bool


def matrices(report: Report) -> list[Matrix]:
    """Return a matrix for each topic that has results, in the order of the operations table.

    Raises:
        InputError: it would have too many cells, nearly all of them empty.
    """
    results = report.results
    modes = {(result.framework, result.mode) for result in results if result.mode}
    run = _Run(
        dtypes=tuple(sorted({result.dtype for result in results})),
        modes=Counter(framework for framework, _ in modes),
        complete=not cut_short(report),
    )
    by_contract = group_by(results, lambda result: result.contract)
    by_variant = group_by(results, lambda result: (result.operation, result.framework, result.variant))
    if len(by_variant) * len(by_contract) * len(run.dtypes) > MOST_CELLS:
        size = f"{len(by_variant)} variants, {len(by_contract)} contracts and {len(run.dtypes)} dtypes"
        raise InputError("report", size, f"a matrix of at most {MOST_CELLS} cells")
    names = sorted(by_contract, key=lambda name: (index(CONTRACTS, name), name))
    columns = tuple(_column(name, by_contract[name]) for name in names)
    rows = [_row(variant, by_variant[variant], columns, run) for variant in sorted(by_variant, key=_position)]
    by_topic = group_by(rows, lambda row: row.operation.partition(".")[0])
    return [Matrix(topic, columns, run.dtypes, tuple(of_topic)) for topic, of_topic in by_topic.items()]


def _column(contract: str, results: Iterable[Result]) -> Column:
    limits = [(result.limit, result.norm_limit or 0.0) for result in results if result.limit is not None]
    return Column(contract, *max(limits)) if limits else Column(contract, None, None)


def _row(variant: tuple[str, str, str], results: Iterable[Result], columns: Iterable[Column], run: _Run) -> Row:
    operation, framework, name = variant
    by_contract = group_by(results, lambda result: result.contract)
    cells = (_cell(operation, framework, column, by_contract.get(column.contract, []), run) for column in columns)
    return Row(operation, framework, name, tuple(cells))


def _position(variant: tuple[str, str, str]) -> list[tuple[int, str]]:
    """Return the position of a row: topics together, known names in the order of the table, then unknown ones."""
    operation, framework, name = variant
    row = OPERATIONS.get(operation)
    frameworks = row.variants if row else {}
    orders = [
        ([row.topic for row in OPERATIONS.values()], operation.partition(".")[0]),
        (OPERATIONS, operation),
        (frameworks, framework),
        (frameworks.get(framework, ()), name),
    ]
    return [(index(order, value), value) for order, value in orders]


def _cell(operation: str, framework: str, column: Column, results: Sequence[Result], run: _Run) -> Cell:
    counts = Counter(result.status for result in results)
    contract = column.contract
    return Cell(
        operation,
        column,
        status=worst_status(counts) or ABSENT,
        counts={status: counts[status] for status in PRECEDENCE if status in counts},
        scores=tuple(_largest_score(dtype, results) for dtype in run.dtypes),
        note=_note(operation, contract, results) if results else _why_absent(operation, framework, contract, run),
        results=results,
    )


def _largest_score(dtype: str, results: Sequence[Result]) -> float | None:
    passed = (result for result in results if result.status == PASSED and result.dtype == dtype)
    return max((result.largest("element")[1] for result in passed), default=None)


def _note(operation: str, contract: str, results: Sequence[Result]) -> str:
    """List the expected failures and skips, and the configurations that do not promise the contract."""
    others = [result for result in results if result.status in (XFAILED, SKIPPED)]
    reasons = several((result.reason for result in others), shown=2)
    cases = several(result.case for result in others)
    explained = f"{reasons} ({cases})" if cases else reasons
    return ". ".join(filter(None, [explained, _not_promised(operation, contract)]))


def _why_absent(operation: str, framework: str, name: str, run: _Run) -> str:
    """Explain why there is no result."""
    contract = CONTRACTS.get(name)
    if contract and contract.trained:
        return "one variant of each whole model is trained"
    if reasons := _not_promised(operation, name):
        return reasons
    if contract and contract.recorded:
        return "it was not recorded"
    if contract and run.modes.get(framework, 0) == contract.from_mode:
        return f"{framework} ran in one mode"
    return "no case of this run tries it" if run.complete else "not reached"


def _not_promised(operation: str, name: str) -> str:
    """List the configurations that do not promise a contract, with the reasons."""
    row, contract = OPERATIONS.get(operation), CONTRACTS.get(name)
    if not row or not contract:
        return ""
    reasons = {config.name: reason for config in row.configurations if (reason := contract.unless_config(config))}
    if not reasons:
        return ""
    configurations = f" by {several(reasons)}" if len(reasons) < len(row.configurations) else ""
    return f"not promised{configurations}: {several(reasons.values(), shown=2)}"
