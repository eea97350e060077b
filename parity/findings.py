"""A finding: the verdict on one contract, with its score and its worst place. Plain data, ready for a report."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

PASSED, FAILED, SKIPPED, KNOWN = "passed", "failed", "skipped", "known"
STATUSES = (PASSED, FAILED, KNOWN, SKIPPED)
DIGITS = {"float64": 17}  # that tell a number of a dtype from its neighbours; 9 are enough for all others
SHOWN = 8  # failures that a message shows in full


@dataclass(frozen=True)
class Finding:
    """The verdict on one contract, for one variant in one mode, on one case.

    A contract that holds gives one finding, for the quantity that came closest to its limit; one that does not hold
    gives a finding for each quantity that failed. ``scores`` has all of them, elementwise and norm-wise.

    Attributes:
        status: "passed", "failed", "skipped" (something is missing here) or "known" (a refusal that still stands).
        quantity: an output, or ``d_`` and an input for its gradient.
        score, limit: the largest error and what it may be, in noise floors; elementwise.
        norm_score, norm_limit: the same, norm-wise.
        max_abs_error, worst_index: the largest absolute error; where the score is largest.
        observed, expected: the two values at that place; None where there are none, or they are not finite.
        spread: how many errors are how large: a number for each of `parity.picture.BINS`; empty where none is drawn.
        heat: where in the batch the errors are; see `parity.picture.heat`. None where that is not drawn.
        compared: how many numbers the contract compared.
        reason: why it failed, was skipped or is known; empty when it passed.
        first: where it parts from the reference first: after how many steps, in which quantity, in which gates.
        reproduce: the command that shows it again.
    """

    operation: str
    wing: str
    variant: str
    mode: str
    dtype: str
    case: str
    seed: int
    contract: str
    status: str
    quantity: str = ""
    score: float | None = None
    limit: float | None = None
    norm_score: float | None = None
    norm_limit: float | None = None
    max_abs_error: float | None = None
    worst_index: tuple[int, ...] = ()
    observed: float | None = None
    expected: float | None = None
    spread: tuple[int, ...] = ()
    heat: Mapping[str, Any] | None = None
    compared: int = 0
    scores: Mapping[str, tuple[float, float]] | None = None
    reason: str = ""
    first: str = ""
    reproduce: str = ""

    def __bool__(self) -> bool:
        raise TypeError("a Finding is neither true nor false; ask for .status")

    @property
    def sentence(self) -> str:
        """What is wrong, and where it began."""
        return f"{self.reason}; it {self.first}" if self.first else self.reason

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON: numbers that are not finite become None.

        Four digits of a number are enough, but for the two values: those differ in their last.
        """
        values = {
            name: finite(getattr(self, name), digits=DIGITS.get(self.dtype, 9)) for name in ("observed", "expected")
        }
        return {name: finite(value) for name, value in asdict(self).items()} | values


def explain(findings: Iterable[Finding]) -> str:
    """What failed and how to see it again, for a person; empty when nothing failed.

    >>> explain([])
    ''
    """
    findings = list(findings)
    failed = [finding for finding in findings if finding.status == FAILED]
    if not failed:
        return ""
    shown = [
        f"  {finding.quantity or 'run'} · {finding.mode} · {finding.case}: {finding.sentence}"
        for finding in failed[:SHOWN]
    ]
    more = [f"  and {len(failed) - SHOWN} more"] if len(failed) > SHOWN else []
    return "\n".join(
        [f"{len(failed)} of {len(findings)} findings failed", *shown, *more, f"  again: {failed[0].reproduce}"]
    )


def finite(value: Any, digits: int = 4) -> Any:
    """Plain values for strict JSON, which has no word for NaN and infinities, with so many digits of a number."""
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: finite(item) for name, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, (tuple, list)) else value
