"""The numbers of the throughput section, as rows of text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from parity.report.crossover_plots import crossing
from parity.report.formatting import percent, several
from parity.report.timings import Row

HEADS = (
    *("operation", "config", "lengths", "B · T · D · H", "fill", "phase", "variant", "mode", "device", "rounds"),
    *("real steps a second", "speed-up", "ideal", "of ideal", "of peak", "peak GFLOP/s", "kernels", "peak memory"),
    *("A/A", "norm", "element"),
)
POINTS = ("curve", "variant", "at", "speed-up", "ideal", "crossing")
NONE = "\N{EN DASH}"


def timed(rows: Sequence[Row]) -> list[list[str]]:
    """A row of the table for each timed variant."""
    return [
        [
            *(row["operation"], row["config"], row["distribution"], size(row), percent(row["fill"]), row["phase"]),
            *(f"{row['framework']}.{row['variant']}", row["mode"], row["device"], str(row["rounds"])),
            *(between(row["steps_per_second"]), _over(row["speedup"]), _of(row["ideals"], number)),
            *(_of(row["share_of_ideal"], percent), _share(row["share_of_peak"]), number(row["peak_gflops"])),
            *(several(row["kernels"] or ()) or NONE, memory(row["peak_memory"]), between(row["a_a"])),
            *(number(row["score"]["norm"]), number(row["score"]["element"])),
        ]
        for row in rows
    ]


def points(curves: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """A row for each point of each variant's curve."""
    return [
        [
            *(
                f"{curve['operation']}, {curve['phase']}",
                f"{of['framework']}.{of['variant']}",
                f"{curve['axis']} {at:g}",
            ),
            *(between(point), number(ideal), crossing(of, curve) if n == 0 else ""),
        ]
        for curve in curves
        for of in curve["variants"]
        for n, (at, point, ideal) in enumerate(zip(curve["at"], of["speedup"], curve["ideal"], strict=False))
    ]


def size(row: Row) -> str:
    """B, T, D and H; a dash for one that is the axis, or was not told."""
    return " · ".join(NONE if row[name] is None else str(row[name]) for name in "BTDH")


def between(found: Mapping[str, float | None]) -> str:
    """A median and its interval.

    >>> between({"median": 2.0, "low": 1.5, "high": 2.5}), between({"median": 2.0, "low": None, "high": None})
    ('2 (1.5 to 2.5)', '2')
    """
    median, low, high = (found[name] for name in ("median", "low", "high"))
    return number(median) + ("" if low is None or high is None else f" ({number(low)} to {number(high)})")


def number(value: float | None) -> str:
    """A number as the record has it, with a thin space between thousands.

    >>> number(84780.0), number(0.02253), number(None)
    ('84 780', '0.02253', '–')
    """
    if value is None:
        return NONE
    return f"{value:,.0f}".replace(",", " ") if abs(value) >= 1e4 else f"{value:.4g}"


def memory(count: int | None) -> str:
    """Bytes, in MB.

    >>> memory(113_111_040), memory(None)
    ('113 MB', '–')
    """
    return NONE if count is None else f"{count / 1e6:.0f} MB"


def _over(speedup: Mapping[str, Any] | None) -> str:
    return f"{between(speedup)} over {speedup['over'].partition('.')[2]}" if speedup else NONE


def _of(shares: Mapping[str, float | None], written: Callable[[float], str]) -> str:
    return " / ".join(NONE if share is None else written(share) for share in shares.values()) or NONE


def _share(value: float | None) -> str:
    return NONE if value is None else percent(value)
