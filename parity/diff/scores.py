"""Find the score changes that exceed the noise.

Scores count noise floors already, and a good implementation scores about 1 however it rounds. On the same machine with
the same versions they are equal to all four digits. Another processor, or other kernels, round otherwise, and the
largest of some thousands of errors changes by chance. So two reports are compared by the largest score of each check,
as a ratio. A score below `BOTTOM`, about the median of all scores (`parity.checks.noise`), counts as `BOTTOM`: 0.2 that
becomes 0.9 is no change, and neither are bits that were equal and no longer are.

The effect of chance on that ratio was measured on every check of some operations that allows an error, in two runs of
torch 2.13.0, tensorflow 2.21.0 and keras 3.15.1 on two cores of an Intel Xeon with AVX-512. "Scalar" is the run with
one thread and neither vector instructions in PyTorch nor oneDNN in TensorFlow (``ATEN_CPU_CAPABILITY=default
OMP_NUM_THREADS=1 TF_ENABLE_ONEDNN_OPTS=0 MKL_CBWR=COMPATIBLE ONEDNN_MAX_CPU_ISA=SSE41``), "AVX2" that with the
instructions of an older processor:

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

The limits are the next powers of two. "Attention" is ``attention.multi_head_attention``, left out of the row above. It
is a change that should be reported: without oneDNN, Keras' gradient of the weights in float32 is off by 21 floors
instead of 2.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from parity.checks.result import KINDS, PASSED, Kind, Result
from parity.diff.runs import RunKey, RunPair
from parity.report.groups import group_by

BOTTOM: dict[Kind, float] = {"element": 1.0, "norm": 0.5}  # a score below is as good as any
SAME_CASES, OTHER_CASES = 4.0, 8.0  # the largest ratio of two scores that is no change


@dataclass(frozen=True)
class ScoreChange:
    """The results of one check that have its largest score, elementwise or norm-wise, in two reports."""

    check: RunKey
    kind: Kind
    old: Result
    new: Result

    @property
    def before(self) -> float:
        return self.old.largest(self.kind)[1]

    @property
    def after(self) -> float:
        return self.new.largest(self.kind)[1]

    @property
    def ratio(self) -> float:
        return ratio(self.kind, self.before, self.after)


def ratio(kind: Kind, one: float, other: float) -> float:
    """Divide the larger of two scores by the smaller; one below `BOTTOM` counts as `BOTTOM`.

    >>> ratio("element", 2.0, 9.0), ratio("element", 0.2, 0.9), ratio("norm", 0.0, 2.0)
    (4.5, 1.0, 4.0)
    """
    low, high = sorted(max(score, BOTTOM[kind]) for score in (one, other))
    return high / low


def find_score_changes(runs: Iterable[RunPair], same_cases: bool) -> list[ScoreChange]:
    """List the checks with a score change beyond the noise, the largest ratio first.

    Only runs count that passed in both reports, and where some error is allowed.
    """
    compared = (run for run in runs if run.before == run.after == PASSED and any(result.limit for result in run.new))
    checks = group_by(compared, lambda run: run.key.check)
    noise = SAME_CASES if same_cases else OTHER_CASES
    changes = (_largest_change(check, group) for check, group in checks.items())
    beyond = [change for change in changes if change.ratio > noise]
    return sorted(beyond, key=lambda change: change.ratio, reverse=True)


def _largest_change(check: RunKey, runs: Sequence[RunPair]) -> ScoreChange:
    """Compare the largest element and the largest norm, each in whatever case and mode has it."""
    old = [result for run in runs for result in run.old]
    new = [result for run in runs for result in run.new]
    changes = [
        ScoreChange(check, kind, _with_largest_score(old, kind), _with_largest_score(new, kind)) for kind in KINDS
    ]
    return max(changes, key=lambda change: change.ratio)


def _with_largest_score(results: Sequence[Result], kind: Kind) -> Result:
    return max(results, key=lambda result: result.largest(kind)[1])
