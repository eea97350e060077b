"""One cell of a table: a variant against a contract, with the worst of all its findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from parity.findings import FAILED, KNOWN, PASSED, SKIPPED
from parity.report.notes import Whole, absence, note
from parity.report.record import ELEMENT, NORM, largest
from parity.report.words import SYMBOLS, number

ABSENT = "absent"
WORST_FIRST = (FAILED, PASSED, KNOWN, SKIPPED)  # known and skipped only where nothing was compared
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
class Score:
    """The worst that passed in one dtype, elementwise and norm-wise, and where each was seen."""

    dtype: str
    element: float
    element_at: str
    norm: float
    norm_at: str


@dataclass(frozen=True)
class Cell:
    """One variant and one contract: all forms, shapes, modes and dtypes together.

    Attributes:
        status: failed, passed, known, skipped, or absent where there is no finding.
        counts: findings by status.
        scores: for each dtype of the report the worst that passed, or None.
        note: why a contract is not promised, refused or skipped here; empty when there is nothing to add.
        reproduce: a command for each dtype.
    """

    operation: str
    subject: str
    column: Column
    status: str
    counts: Mapping[str, int]
    scores: tuple[Score | None, ...]
    note: str
    reproduce: tuple[str, ...]

    @property
    def symbol(self) -> str:
        return SYMBOLS[self.status]

    @property
    def numbers(self) -> tuple[str, ...]:
        """A number for each dtype; none at all where the contract is exact or nothing passed."""
        if self.column.exact or self.status != PASSED:
            return ()
        return tuple(number(score.element) if score else SYMBOLS[ABSENT] for score in self.scores)

    @property
    def used(self) -> float:
        """How much of its limit the worst score takes, from 0 to 1."""
        limit = self.column.limit
        return max((score.element / limit for score in self.scores if score and limit), default=0.0)

    @property
    def refuses_some(self) -> bool:
        """Passed, but not on all its cases."""
        return self.status == PASSED and KNOWN in self.counts


def cell(operation: str, wing: str, variant: str, column: Column, findings: Sequence[Found], whole: Whole) -> Cell:
    """The cell of one variant and one contract, from its findings."""
    counts = Counter(finding["status"] for finding in findings)
    contract = column.contract
    return Cell(
        operation,
        f"{wing}.{variant}",
        column,
        status=next((status for status in WORST_FIRST if status in counts), ABSENT),
        counts={status: counts[status] for status in WORST_FIRST if status in counts},
        scores=tuple(_score(dtype, findings) for dtype in whole.dtypes),
        note=note(operation, contract, findings) if findings else absence(operation, wing, contract, whole),
        reproduce=tuple(dict.fromkeys(finding["reproduce"] for finding in findings)),
    )


def _score(dtype: str, findings: Sequence[Found]) -> Score | None:
    passed = [finding for finding in findings if finding["status"] == PASSED and finding["dtype"] == dtype]
    if not passed:
        return None
    element, norm = (max(passed, key=lambda finding: largest(finding, kind)[1]) for kind in (ELEMENT, NORM))
    (element_quantity, score), (norm_quantity, norm_score) = largest(element, ELEMENT), largest(norm, NORM)
    return Score(dtype, score, _place(element_quantity, element), norm_score, _place(norm_quantity, norm))


def _place(quantity: str, finding: Found) -> str:
    return f"{quantity} in {finding['case']}, {finding['mode']}"
