"""One cell of a table: a variant against a contract, with the worst of all its results."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from parity.checks.result import FAILED, PASSED, PRECEDENCE, XFAILED
from parity.report.footnotes import Whole, absence, note
from parity.report.formatting import MEANINGS, SYMBOLS, number
from parity.report.record import ELEMENT, largest

ABSENT = "absent"
COOL = 0.1  # noise floors: a score up to here has no colour
Found = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """A contract: its promise, and the scores it allows: None when none was seen, 0 when every bit must be equal."""

    contract: str
    promise: str
    limit: float | None
    norm_limit: float | None

    @property
    def exact(self) -> bool:
        return self.limit == 0

    @property
    def allows(self) -> str:
        return "" if self.limit is None else "exact" if self.exact else f"≤ {self.limit:g}"


@dataclass(frozen=True)
class Cell:
    """One variant and one contract: all configurations, lengths, modes and dtypes together.

    Attributes:
        status: failed, passed, known, skipped, or absent where there is no result.
        counts: results by status.
        scores: for each dtype of the report the worst element that passed, or None.
        note: why a contract is not promised, refused or skipped here; empty when there is nothing to add.
        results: what it is made of.
    """

    operation: str
    column: Column
    status: str
    counts: Mapping[str, int]
    scores: tuple[float | None, ...]
    note: str
    results: Sequence[Found]

    @property
    def symbol(self) -> str:
        return SYMBOLS[self.status]

    @property
    def numbers(self) -> tuple[str, ...]:
        """A number for each dtype; none at all where the contract is exact or nothing passed."""
        if self.column.exact or self.status != PASSED:
            return ()
        return tuple(SYMBOLS[ABSENT] if score is None else number(score) for score in self.scores)

    @property
    def heat(self) -> float:
        """How near the worst score is to its limit, on a logarithmic scale: 0 up to `COOL`, 1 at the limit."""
        worst, limit = max((score or 0.0 for score in self.scores), default=0.0), self.column.limit
        return min(1.0, math.log10(worst / COOL) / math.log10(limit / COOL)) if limit and worst > COOL else 0.0

    @property
    def words(self) -> str:
        """What it says, for who does not see it."""
        status = MEANINGS[self.status] + (f" with {self.counts[FAILED]} results" if self.status == FAILED else "")
        worst = f", worst score {' and '.join(self.numbers)}" if self.numbers else ""
        return (
            f"{self.column.contract}: {status}{worst}{', with expected failures' if self.has_expected_failures else ''}"
        )

    @property
    def has_expected_failures(self) -> bool:
        """Passed, but not on all its cases."""
        return self.status == PASSED and XFAILED in self.counts


def cell(operation: str, framework: str, column: Column, results: Sequence[Found], whole: Whole) -> Cell:
    """The cell of one variant and one contract, from its results."""
    counts = Counter(result["status"] for result in results)
    contract = column.contract
    return Cell(
        operation,
        column,
        status=next((status for status in PRECEDENCE if status in counts), ABSENT),
        counts={status: counts[status] for status in PRECEDENCE if status in counts},
        scores=tuple(_score(dtype, results) for dtype in whole.dtypes),
        note=note(operation, contract, results) if results else absence(operation, framework, contract, whole),
        results=results,
    )


def _score(dtype: str, results: Sequence[Found]) -> float | None:
    passed = (result for result in results if result["status"] == PASSED and result["dtype"] == dtype)
    return max((largest(result, ELEMENT)[1] for result in passed), default=None)
