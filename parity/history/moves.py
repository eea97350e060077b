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
BOTTOM = {ELEMENT: 1.0, NORM: 0.5}  # what is below is as good as anything
NEWS = {ELEMENT: 4.0, NORM: 3.0}  # times the other score


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
    def news(self) -> float:
        """How many times as far as noise can take a score; above 1, it is told."""
        return times(self.kind, self.before, self.after) / NEWS[self.kind]


def times(kind: int, one: float, other: float) -> float:
    """How far apart two scores are, as a factor of at least 1; what is below `BOTTOM` counts as that.

    >>> times(ELEMENT, 2.0, 9.0), times(ELEMENT, 0.2, 0.9), times(NORM, 0.0, 2.0)
    (4.5, 1.0, 4.0)
    """
    low, high = sorted(max(score, BOTTOM[kind]) for score in (one, other))
    return high / low


def moves(found: Iterable[Pair]) -> list[Move]:
    """Every check of which a score moved by more than the noise, the farthest first.

    Args:
        found: all runs of two records; only those count that passed in both, and where some error is allowed.
    """
    checks: dict[Key, list[Pair]] = {}
    for pair in found:
        if pair.before == pair.after == PASSED and any(finding["limit"] for finding in pair.now):
            checks.setdefault(pair.check, []).append(pair)
    farthest = [max(_of_check(runs), key=lambda move: move.news) for runs in checks.values()]
    return sorted((move for move in farthest if move.news > 1), key=lambda move: move.news, reverse=True)


def _of_check(runs: Sequence[Pair]) -> list[Move]:
    """The largest element and the largest norm, whatever case and mode each was seen in."""
    then = [finding for run in runs for finding in run.then]
    now = [finding for run in runs for finding in run.now]
    return [Move(kind, _worst(then, kind), _worst(now, kind)) for kind in KINDS]


def _worst(findings: Sequence[Found], kind: int) -> Found:
    return max(findings, key=lambda finding: largest(finding, kind)[1])
