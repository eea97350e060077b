"""Scores that moved by more than the noise: what change of a score is news?

Scores count noise floors already, and a good implementation scores about 1 however it rounds. On the same machine with
the same versions they come out the same to all four digits. On another processor, or with other kernels, the rounding
is another, and so is the largest of some thousands of errors, by chance. So two records are compared by the largest
score of each check, as a ratio. A score below `BOTTOM`, about the median of all that are seen (`parity.checks.noise`),
counts
as that: 0.2 that becomes 0.9 is nothing, and neither are bits that were equal and are not any more.

What chance does to that ratio: every check of some operations that allows an error, in two runs of torch 2.13.0,
tensorflow 2.21.0 and keras 3.15.1 on two cores of an Intel Xeon with AVX-512. "Scalar" is the run with one thread and
neither vector instructions in PyTorch nor oneDNN in TensorFlow (``ATEN_CPU_CAPABILITY=default OMP_NUM_THREADS=1
TF_ENABLE_ONEDNN_OPTS=0 MKL_CBWR=COMPATIBLE ONEDNN_MAX_CPU_ISA=SSE41``), "AVX2" that with the instructions of an older
processor:

=============  ======  ====  ====  ====  =====  ====  ====  ====  =====
..                     worst element            norm
-------------  ------  -----------------------  -----------------------
against        checks  50 %  90 %  99 %  100 %  50 %  90 %  99 %  100 %
=============  ======  ====  ====  ====  =====  ====  ====  ====  =====
itself         986     1     1     1     1      1     1     1     1
AVX2           380     1     1.3   1.8   2.0    1     1.1   1.4   1.8
scalar         965     1     1.2   1.8   3.0    1     1.2   1.6   2.5
- attention    21      1.1   7.2   19    21     1     2.2   4.6   5.1
another seed   937     1     1.5   3.6   5.7    1     1.6   3.0   6.1
=============  ======  ====  ====  ====  =====  ====  ====  ====  =====

The limits are the next powers of two. "Attention" is ``attention.multi_head_attention``, left out of the row above; it
is what this is for: without oneDNN, Keras' gradient of the weights in float32 is off by 21 floors in place of 2.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from parity.checks.result import PASSED
from parity.diff.match import Found, Key, Pair
from parity.report.record import ELEMENT, NORM, largest

KINDS = {ELEMENT: "worst element", NORM: "norm-wise"}
BOTTOM = {ELEMENT: 1.0, NORM: 0.5}  # a score below is as good as any
SAME_CASES, OTHER_CASES = 4.0, 8.0  # how many times the other a score may be


@dataclass(frozen=True)
class Move:
    """The largest score of one check, elementwise or norm-wise: the results that have it, then and now."""

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
        if pair.before == pair.after == PASSED and any(result["limit"] for result in pair.now):
            checks.setdefault(pair.check, []).append(pair)
    farthest = (max(_of_check(runs), key=lambda move: move.times) for runs in checks.values())
    news = (move for move in farthest if move.times > limit(same_cases))
    return sorted(news, key=lambda move: move.times, reverse=True)


def _of_check(runs: Sequence[Pair]) -> list[Move]:
    """The largest element and the largest norm, whatever case and mode each was seen in."""
    then = [result for run in runs for result in run.then]
    now = [result for run in runs for result in run.now]
    return [Move(kind, _worst(then, kind), _worst(now, kind)) for kind in KINDS]


def _worst(results: Sequence[Found], kind: int) -> Found:
    return max(results, key=lambda result: largest(result, kind)[1])
