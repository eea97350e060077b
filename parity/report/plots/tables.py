"""Write the numbers of throughput and training as rows of text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from parity.report.formatting import percent, several
from parity.report.plots.training_curves import against_floor, last
from parity.throughput.results import Crossing, CurveVariant, Interval, Speedup, SpeedupCurve, TimedVariant
from parity.training import Curve

NONE = "\N{EN DASH}"
TIMES = "\N{MULTIPLICATION SIGN}"
TIMED: dict[str, Callable[[TimedVariant], str]] = {  # column -> cell
    "operation": lambda row: row.operation,
    "config": lambda row: row.config,
    "lengths": lambda row: row.distribution,
    "B · T · D · H": lambda row: sizes(row),
    "fill": lambda row: percent(row.fill),
    "phase": lambda row: row.phase,
    "variant": lambda row: row.subject,
    "mode": lambda row: row.mode,
    "device": lambda row: row.device,
    "rounds": lambda row: str(row.rounds),
    "real steps a second": lambda row: interval(row.steps_per_second),
    "speed-up": lambda row: _over(row.speedup),
    "ideal": lambda row: _joined(row.ideals, number),
    "of ideal": lambda row: _joined(row.share_of_ideal, percent),
    "of peak": lambda row: NONE if row.share_of_peak is None else percent(row.share_of_peak),
    "peak GFLOP/s": lambda row: number(row.peak_gflops),
    "kernels": lambda row: several(row.kernels or ()) or NONE,
    "peak memory": lambda row: megabytes(row.peak_memory),
    "A/A": lambda row: interval(row.a_a),
    "norm": lambda row: number(row.score.norm),
    "element": lambda row: number(row.score.element),
}
POINTS = ("curve", "variant", "at", "speed-up", "ideal", "crossing")
ENDS: dict[str, Callable[[Curve, str], str]] = {  # column -> cell, with the numbers after the last step
    "model": lambda curve, _: curve.model,
    "optimiser": lambda curve, _: curve.optimiser,
    "framework": lambda _, framework: framework,
    "steps": lambda curve, _: str(curve.steps),
    "loss": lambda curve, framework: number(last(curve.frameworks[framework].loss)),
    "reference's loss": lambda curve, _: number(last(curve.loss)),
    "distance": lambda curve, framework: number(last(curve.frameworks[framework].distance)),
    "noise floor": lambda curve, _: number(last(curve.envelope)),
    "on the way": lambda curve, framework: against_floor(curve, framework),
}


def points(curves: Iterable[SpeedupCurve]) -> list[list[str]]:
    """Return a row for each point of each variant's curve."""
    rows = []
    for curve in curves:
        for variant in curve.variants:
            names = [f"{curve.operation}, {curve.phase}", f"{variant.framework}.{variant.variant}"]
            words = crossing(variant, curve)  # in its first row
            for at, speedup, ideal in zip(curve.at, variant.speedup, curve.ideal, strict=False):
                rows.append([*names, f"{curve.axis} {at:g}", interval(speedup), number(ideal), words])
                words = ""
    return rows


def sizes(row: TimedVariant | SpeedupCurve) -> str:
    """Return B, T, D and H, with a dash for one that is the axis."""
    return " · ".join(NONE if size is None else str(size) for size in (row.B, row.T, row.D, row.H))


def interval(numbers: Interval) -> str:
    """Write a median and its interval.

    >>> interval(Interval(2.0, 1.5, 2.5)), interval(Interval(2.0, None, None))
    ('2 (1.5 to 2.5)', '2')
    """
    if numbers.low is None or numbers.high is None:
        return number(numbers.median)
    return f"{number(numbers.median)} ({number(numbers.low)} to {number(numbers.high)})"


def number(value: float | None) -> str:
    """Write a number with four digits, and a space between thousands.

    >>> number(84780.0), number(0.02253), number(None)
    ('84 780', '0.02253', '–')
    """
    if value is None:
        return NONE
    return f"{value:,.0f}".replace(",", " ") if abs(value) >= 1e4 else f"{value:.4g}"


def megabytes(count: int | None) -> str:
    """Write a count of bytes.

    >>> megabytes(113_111_040), megabytes(None)
    ('113 MB', '–')
    """
    return NONE if count is None else f"{(count + 500_000) // 1_000_000} MB"


def crossing(variant: CurveVariant, curve: SpeedupCurve) -> str:
    """Say at which points of a curve a variant is as fast as padding; if at none, whether it is faster or slower."""
    if variant.crossings:
        return "; ".join(f"as fast as padding at {curve.axis} {_between(cross)}" for cross in variant.crossings)
    sure = {speedup.faster for speedup in variant.speedup} - {None}
    if not sure:
        return "about as fast as padding"
    return f"{'faster' if True in sure else 'slower'} wherever the intervals decide"


def _between(cross: Crossing) -> str:
    """Write a crossing.

    >>> _between(Crossing(at=0.3333, low=0.25, high=0.5)), _between(Crossing(at=346.3, low=256.0, high=1024.0))
    ('0.333, between 0.25 and 0.5', '346.3, between 256 and 1024')
    """
    at, low, high = (f"{value:.3g}" if value < 100 else f"{value:.4g}" for value in (cross.at, cross.low, cross.high))
    return f"{at}, between {low} and {high}"


def _over(speedup: Speedup | None) -> str:
    return f"{interval(speedup)} over {speedup.over.partition('.')[2]}" if speedup else NONE


def _joined(values: Mapping[str, float | None], written: Callable[[float], str]) -> str:
    return " / ".join(NONE if value is None else written(value) for value in values.values()) or NONE
