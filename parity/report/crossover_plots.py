"""Speed-up over padding, plotted along fill or T: every variant, the ideal, and where they cross.

The variants of a framework have its colour, and each a mark and dashes of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from parity.report.svg import Sheet, grid, line, of_framework, plottable

Curve = Mapping[str, Any]
WIDTH, HEIGHT = 300.0, 222.0
BOX = (36.0, 22.0, 222.0, 190.0)
AXES = {"fill": "fill: real steps over all", "T": "T, the longest sequence"}
MARKS = ("o", "s", "^", "D", "v", "P")
SYMBOLS = ("●", "■", "▲", "◆", "▼", "✚")
ENDS = ("low", "median", "high")
TIMES = "\N{MULTIPLICATION SIGN}"
DASHES: tuple[Any, ...] = ("solid", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))


def speedups(curves: Sequence[Curve]) -> list[tuple[Curve, str, Markup]]:
    """A plot for each curve and framework, behind both."""
    sides = [
        (curve, framework)
        for curve in curves
        for framework in dict.fromkeys(of["framework"] for of in curve["variants"])
    ]
    return [
        (curve, framework, _plot(f"speedup-{n}", curve, framework))
        for n, (curve, framework) in enumerate(sides, 1)
        if curve["at"] and all(map(plottable, curve["at"]))
    ]


def _plot(name: str, curve: Curve, framework: str) -> Markup:
    sheet, at = Sheet(WIDTH, HEIGHT), curve["at"]
    variants = [of for of in curve["variants"] if of["framework"] == framework]
    axes = _axes(sheet, curve)
    line(axes, at, curve["ideal"], "soft", linestyle=(0, (1, 2)), linewidth=1.5)
    for n, of in enumerate(variants):
        _variant(axes, at, of, n, of_framework(framework))
    _names(sheet, axes, curve, variants)
    sheet.text(0, 10, f"times as fast as {framework}'s padded", "soft")
    said = ". ".join(f"{of['variant']}: {crossing(of, curve)}" for of in variants)
    return sheet.svg(name, f"Speed-up of {framework} over padding, over {curve['axis']}", f"{said}.")


def _axes(sheet: Sheet, curve: Curve) -> Any:
    """Both scales, and a line where a variant is as fast as padding."""
    at, (low, high) = curve["at"], _heights(curve)
    stretched = curve["axis"] == "T" and min(at) > 0
    along = (min(at) / 1.05, max(at) * 1.05) if stretched else (0.0, max([*at, 1.0]))
    axes = sheet.axes(BOX, along, (low, high), log="xy" if stretched else "y")
    grid(axes, doublings(low, high), "y")
    grid(axes, [1.0], "y", "soft")
    for tick in doublings(low, high):
        height = HEIGHT - axes.transData.transform((along[1], tick))[1]
        sheet.text(BOX[0] - 5, height + 3.5, f"{tick:g}{TIMES}", "soft", align="right")
    for tick in at:
        sheet.text(axes.transData.transform((tick, 1))[0], BOX[3] + 13, f"{tick:g}", "soft", align="center")
    sheet.text((BOX[0] + BOX[2]) / 2, BOX[3] + 28, AXES.get(curve["axis"], str(curve["axis"])), "soft", align="center")
    return axes


def _variant(axes: Any, at: Sequence[float], of: Mapping[str, Any], n: int, role: str) -> None:
    """Its medians with their bars, and where it crosses 1."""
    for place, point in zip(at, of["speedup"], strict=False):
        if plottable(point["low"]) and plottable(point["high"]):
            line(axes, (place, place), (point["low"], point["high"]), role, linewidth=2, alpha=0.5)
    medians = [point["median"] for point in of["speedup"]]
    line(axes, at, medians, role, linestyle=DASHES[n % len(DASHES)], marker=MARKS[n % len(MARKS)], markersize=5)
    for cross in of["crossings"]:
        line(axes, (cross["low"], cross["high"]), (1, 1), "ink", linewidth=5, alpha=0.25)
        line(axes, (cross["at"],), (1,), "ink", marker="x", markersize=7, markeredgewidth=2)


def _names(sheet: Sheet, axes: Any, curve: Curve, variants: Sequence[Mapping[str, Any]]) -> None:
    """Each line's name at its right end, no two on top of each other."""
    ends = [
        (of["speedup"][-1]["median"], f"{SYMBOLS[n % len(SYMBOLS)]} {of['variant']}", of_framework(of["framework"]))
        for n, of in enumerate(variants)
        if of["speedup"]
    ]
    ends += [(value, "┈ ideal", "soft") for value in curve["ideal"][-1:]]
    ends = [end for end in ends if plottable(end[0]) and end[0] > 0]
    heights = [HEIGHT - axes.transData.transform((curve["at"][-1], value))[1] for value, _, _ in ends]
    free = BOX[1]
    for height, (_, said, role) in sorted(zip(heights, ends, strict=True), key=lambda pair: pair[0]):
        free = max(height + 3.5, free)
        sheet.text(BOX[2] + 9, free, said, role)
        free += 13


def crossing(of: Mapping[str, Any], curve: Curve) -> str:
    """Where a variant is as fast as padding, in words.

    >>> of = {"speedup": [], "crossings": [{"at": 0.3333, "low": 0.25, "high": 0.5}]}
    >>> crossing(of, {"axis": "fill"})
    'as fast as padding at fill 0.333, between 0.25 and 0.5'
    """
    if found := of["crossings"]:
        return "; ".join(f"as fast as padding at {curve['axis']} {_between(cross)}" for cross in found)
    sure = {"faster" if point["low"] > 1 else "slower" for point in of["speedup"] if _sure(point)}
    return f"{sure.pop()} wherever the intervals decide" if sure else "about as fast as padding"


def _between(cross: Mapping[str, float]) -> str:
    at, low, high = (f"{cross[name]:.{3 if cross[name] < 100 else 4}g}" for name in ("at", "low", "high"))
    return f"{at}, between {low} and {high}"


def _sure(point: Mapping[str, float | None]) -> bool:
    low, high = point["low"], point["high"]
    return low is not None and high is not None and (low > 1 or high < 1)


def _heights(curve: Curve) -> tuple[float, float]:
    seen = [
        value
        for of in curve["variants"]
        for point in of["speedup"]
        for value in map(point.get, ENDS)
        if plottable(value) and value > 0
    ]
    seen += [value for value in curve["ideal"] if plottable(value) and value > 0]
    return min([*seen, 0.5]) / 1.1, max([*seen, 2.0]) * 1.1


def doublings(low: float, high: float) -> list[float]:
    """Powers of two; on a long axis, of four or more.

    >>> doublings(0.4, 5.0), doublings(0.1, 100.0)
    ([0.5, 1.0, 2.0, 4.0], [0.25, 1.0, 4.0, 16.0, 64.0])
    """
    step = 1 + round(math.log2(high / low)) // 8
    return [2.0**n for n in range(-1020 // step * step, 1020, step) if low <= 2.0**n <= high]
