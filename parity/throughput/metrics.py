"""Derive metrics from times: real steps a second, arithmetic, share of the ideal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from parity import bucketing
from parity.arrays import Array
from parity.cases.case import Case
from parity.errors import InputError
from parity.throughput.benchmark import framework_of
from parity.throughput.timing import AGAIN, PRODUCT, PRODUCT_SIDE, Ratio, ratio

WEIGHTS = ("w_in", "w_rec", "w_out")
BASELINES = ("padded", "packed", "masked", "two_pass")
PADDING = (".padded", ".two_pass")  # the variants whose speed-up the ideal is about
WORK = {"forward": 1, "train": 3}  # going back, one product for the input's gradient and one for the weight's


@dataclass(frozen=True)
class Metrics:
    """Metrics of one candidate in one phase; speeds are those of the median time."""

    rounds: int
    median_seconds: float
    real_steps: int
    padded_steps: int
    fill: float  # real over padded steps
    real_steps_per_second: float
    peak_gflops: float  # of the fastest matrix product in the same rounds
    gflops: float | None  # of the arithmetic on real steps; None for an operation without a matrix product
    share_of_peak: float | None
    speedup_over: Mapping[str, Ratio]  # the baselines of the same framework
    a_a: Ratio  # between the two times of the call that is timed twice in the same framework
    ideal_speedup: Mapping[str, float]  # of leaving the padding out: "by_flops"; "with_step_floor" if a cost is known
    share_of_ideal: Mapping[str, float]  # that the speed-up over padding reaches; empty without that speed-up

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers by name, for JSON."""
        speedups = {name: speedup.to_dict() for name, speedup in self.speedup_over.items()}
        return asdict(self) | {"speedup_over": speedups, "a_a": self.a_a.to_dict()}


def flops(case: Case, phase: str) -> int:
    """Count floating-point operations on real steps.

    Two for each weight that multiplies a step, thrice in training: 8 H (D + H) a step of an LSTM in the forward phase.
    0 for an operation without a matrix product.
    """
    weights = sum(array.size for name, array in case.arrays.items() if name.partition(".")[0] in WEIGHTS)
    return 2 * weights * int(case.lengths.sum()) * WORK[phase]


def metrics_of(name: str, case: Case, phase: str, times: Mapping[str, Array], cost: bucketing.Cost | None) -> Metrics:
    """Derive the metrics of the candidate "framework.variant" from the times of all, as `time_all` returns them.

    The cost is that of a padded run, for the ideal with a floor of rows a step; None where it was not measured.

    Raises:
        InputError: more arithmetic a second than the machine can do, because a wait is missing.
    """
    seconds = float(np.median(times[name]))
    product = min(float(rounds.min()) for other, rounds in times.items() if other.endswith(PRODUCT))
    peak = 2 * PRODUCT_SIDE**3 / product / 1e9
    real, padded = int(case.lengths.sum()), case.mask.size
    gflops = flops(case, phase) / seconds / 1e9
    if gflops > peak:
        raise InputError(name, f"{gflops:.0f} GFLOP/s", f"at most the peak, {peak:.0f}: a wait is missing")
    framework = framework_of(name)
    baselines = [f"{framework}.{base}" for base in BASELINES]
    speedups = {base: ratio(times[base], times[name]) for base in baselines if base in times and base != name}
    again = next(other for other in times if other.startswith(framework) and other.endswith(AGAIN))
    ideals = {"by_flops": bucketing.ideal(case.lengths, case.steps)}
    if cost and np.isfinite(cost.break_even):
        ideals["with_step_floor"] = bucketing.ideal(case.lengths, case.steps, cost.break_even)
    over_padding = [speedup.median for other, speedup in speedups.items() if other.endswith(PADDING)]
    shares = {kind: over_padding[0] / ideal for kind, ideal in ideals.items()} if over_padding else {}
    return Metrics(
        rounds=len(times[name]),
        median_seconds=seconds,
        real_steps=real,
        padded_steps=padded,
        fill=real / max(1, padded),
        real_steps_per_second=real / seconds,
        peak_gflops=peak,
        gflops=gflops if gflops else None,
        share_of_peak=gflops / peak if gflops else None,
        speedup_over=speedups,
        a_a=ratio(times[again], times[again.removesuffix(AGAIN)]),
        ideal_speedup=ideals,
        share_of_ideal=shares,
    )
