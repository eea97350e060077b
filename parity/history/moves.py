"""Scores that moved by more than the noise: what change of a score is news?

PLACEHOLDER
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from parity.findings import PASSED
from parity.history.match import Found, Key, Pair
from parity.report.record import ELEMENT, NORM, largest

KINDS = {ELEMENT: "worst element", NORM: "norm-wise"}
BOTTOM = {ELEMENT: 1.0, NORM: 0.5}  # a score below is as good as any
SAME_CASES, OTHER_CASES = 4.0, 8.0  # how many times the other a score may be


@dataclass(frozen=True)
class Move:
    """The largest score of one check, elementwise or norm-wise: the findings that have it, then and now."""

    kind: int
    then: Found
    now: Found

    @property
    def before(self) -> float:
        return largest(self.then, self.kind)[1]

    @property
    def after(self) -> float:
        return largest(self.now, self.kind)[1]

    @property
    def times(self) -> float:
        return times(self.kind, self.before, self.after)


def times(kind: int, one: float, other: float) -> float:
    """How far apart two scores are, as a factor of at least 1; what is below `BOTTOM` counts as that.

    >>> times(ELEMENT, 2.0, 9.0), times(ELEMENT, 0.2, 0.9), times(NORM, 0.0, 2.0)
    (4.5, 1.0, 4.0)
    """
    low, high = sorted(max(score, BOTTOM[kind]) for score in (one, other))
    return high / low


def limit(same_cases: bool) -> float:
    """How many times the other a score may be, before that is news."""
    return SAME_CASES if same_cases else OTHER_CASES


def moves(found: Iterable[Pair], same_cases: bool) -> list[Move]:
    """Every check of which a score moved by more than the noise, the farthest first.

    Args:
        found: all runs of two records; only those count that passed in both, and where some error is allowed.
        same_cases: whether both drew from one seed.
    """
    checks: dict[Key, list[Pair]] = {}
    for pair in found:
        if pair.before == pair.after == PASSED and any(finding["limit"] for finding in pair.now):
            checks.setdefault(pair.check, []).append(pair)
    farthest = (max(_of_check(runs), key=lambda move: move.times) for runs in checks.values())
    news = (move for move in farthest if move.times > limit(same_cases))
    return sorted(news, key=lambda move: move.times, reverse=True)


def _of_check(runs: Sequence[Pair]) -> list[Move]:
    """The largest element and the largest norm, whatever case and mode each was seen in."""
    then = [finding for run in runs for finding in run.then]
    now = [finding for run in runs for finding in run.now]
    return [Move(kind, _worst(then, kind), _worst(now, kind)) for kind in KINDS]


def _worst(findings: Sequence[Found], kind: int) -> Found:
    return max(findings, key=lambda finding: largest(finding, kind)[1])
