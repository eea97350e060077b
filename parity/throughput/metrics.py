"""What a time means: real steps a second, arithmetic, and how far from the ideal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from parity import bucketing as planner
from parity.arrays import Array
from parity.cases.case import Case
from parity.errors import InputError
from parity.throughput.benchmark import AGAIN, PEAK, SIDE
from parity.throughput.timing import Ratio, ratio

WEIGHTS = ("w_in", "w_rec", "w_out")
BASELINES = ("padded", "packed", "masked", "two_pass")
WORK = {"forward": 1, "train": 3}  # going back, one product for the input's gradient and one for the weight's


def flops(case: Case, phase: str) -> int:
    """Floating-point operations on real steps: two for each weight that a step is multiplied by, thrice in training.

    For an LSTM that is 8 H (D + H) a step going forward. 0 for an operation without a matrix product.
    """
    weights = sum(array.size for name, array in case.arrays.items() if name.partition(".")[0] in WEIGHTS)
    return 2 * weights * int(case.lengths.sum()) * WORK[phase]


def peak_gflops(times: Mapping[str, Array]) -> float:
    """The fastest matrix product of any framework in any round."""
    fastest = min(float(found.min()) for name, found in times.items() if name.endswith(PEAK))
    return 2 * SIDE**3 / fastest / 1e9


def figures(case: Case, phase: str, name: str, times: Mapping[str, Array], cost: planner.Cost | None) -> dict[str, Any]:
    """The figures of one entry, from the rounds of all; plain numbers, as JSON takes them.

    Args:
        name: of the entry, "framework.variant".
        times: from `parity.throughput.benchmark.timed`.
        cost: of a padded run, for the ideal with a floor of rows a step; None where it was not measured.

    Raises:
        InputError: more arithmetic a second than the machine can do: a wait was forgotten.
    """
    seconds, peak, work = float(np.median(times[name])), peak_gflops(times), flops(case, phase)
    real, padded = int(case.lengths.sum()), case.mask.size
    found: dict[str, Any] = {
        "rounds": len(times[name]),
        "median_seconds": seconds,
        "real_steps": real,
        "padded_steps": padded,
        "fill": real / max(1, padded),
        "real_steps_per_second": real / seconds,
        "peak_gflops": peak,
        "speedup_over": {other: as_dict(faster) for other, faster in _over_baselines(name, times).items()},
        "a_a": as_dict(a_a(name, times)),
    }
    if work:
        found |= {"gflops": work / seconds / 1e9, "share_of_peak": work / seconds / 1e9 / peak}
        if found["share_of_peak"] > 1:
            raise InputError(name, f"{found['gflops']:.0f} GFLOP/s", f"at most the peak, {peak:.0f}: a wait is missing")
    return found | _ideals(case, found["speedup_over"], cost)


def _over_baselines(name: str, times: Mapping[str, Array]) -> dict[str, Ratio]:
    framework = name.partition(".")[0]
    baselines = [other for base in BASELINES if (other := f"{framework}.{base}") in times and other != name]
    return {other: ratio(times[other], times[name]) for other in baselines}


def _ideals(case: Case, over: Mapping[str, Mapping[str, float]], cost: planner.Cost | None) -> dict[str, Any]:
    """What leaving the padding out could bring over ``padded``, and the share of it that was reached."""
    floors = {"by_flops": 0.0} | ({"with_step_floor": cost.break_even} if cost and np.isfinite(cost.break_even) else {})
    ideals = {kind: planner.ideal(case.lengths, case.steps, rows) for kind, rows in floors.items()}
    reached = next((ratio["median"] for name, ratio in over.items() if name.endswith((".padded", ".two_pass"))), None)
    found: dict[str, Any] = {"ideal_speedup": ideals}
    if reached is not None:
        found["share_of_ideal"] = {kind: reached / ideal for kind, ideal in ideals.items()}
    return found


def a_a(name: str, times: Mapping[str, Array]) -> Ratio:
    """The contender of the same framework that ran twice, against itself."""
    framework = name.partition(".")[0]
    again = next(other for other in times if other.startswith(framework) and other.endswith(AGAIN))
    return ratio(times[again], times[again.removesuffix(AGAIN)])


def as_dict(found: Ratio) -> dict[str, float]:
    return {"median": found.median, "low": found.low, "high": found.high, "half_width": found.half_width}
