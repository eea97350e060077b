"""Plot the speed-up over padding along fill or T: every variant, the ideal, and the points where they cross 1.

The variants of a framework have its colour, and each has a mark and dashes of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from parity.report.groups import group_by
from parity.report.plots.svg import SYMBOLS, Panel, Scale, Sheet, doublings, drawn, positive, role_of, trace
from parity.report.plots.tables import TIMES, crossing, sizes
from parity.throughput.results import CurveVariant, SpeedupCurve

WIDTH, HEIGHT = 300.0, 222.0
LEFT, TOP, RIGHT, BOTTOM = 46.0, 22.0, 222.0, 190.0  # of the axes
AXES = {"fill": "fill: real steps over all", "T": "T, the longest sequence"}
DASHES = ("", "6.5 2.6", "2 2", "7.8 2.6 2 2.6")
LINE = 13.0  # height of a line of text


def panels(curves: Sequence[SpeedupCurve]) -> list[Panel]:
    """Plot each curve, in a panel of its own for each framework."""
    plotted: list[Panel] = []
    for curve in curves:
        numbers = [number for variant in curve.variants for speedup in variant.speedup for number in speedup.numbers]
        heights = positive([*numbers, *curve.ideal, 0.5, 2.0])
        y = Scale(min(heights) / 1.1, max(heights) * 1.1, BOTTOM, TOP, log=True)
        for framework, variants in group_by(curve.variants, lambda variant: variant.framework).items():
            words = ". ".join(f"{variant.variant}: {crossing(variant, curve)}" for variant in variants)
            svg = _plot(f"speedup-{len(plotted) + 1}", curve, framework, variants, y, words)
            note = f"{curve.phase}, B · T · D · H = {sizes(curve)}. {words}"
            plotted.append(Panel(f"{framework}, {curve.operation} over {curve.axis}", [note], svg))
    return plotted


@drawn
def _plot(
    name: str, curve: SpeedupCurve, framework: str, variants: Sequence[CurveVariant], y: Scale, words: str
) -> Markup:
    sheet = Sheet(WIDTH, HEIGHT)
    along = positive(curve.at)
    x = Scale(0.0, max([*along, 1.0]), LEFT, RIGHT)
    if curve.axis == "T" and along:
        x = Scale(min(along) / 1.05, max(along) * 1.05, LEFT, RIGHT, log=True)
    sheet.text(0, 10, f"times as fast as {framework}'s padded", "soft")
    sheet.grid(y, doublings(y.low, y.high), LEFT, RIGHT, unit=TIMES)
    sheet.lines([[(LEFT, y.position(1)), (RIGHT, y.position(1))]], "soft", width=0.75)
    for at in filter(x.plots, curve.at):
        sheet.text(x.position(at), BOTTOM + 13, f"{at:g}", "soft", align="middle")
    sheet.text((LEFT + RIGHT) / 2, BOTTOM + 28, AXES.get(curve.axis, curve.axis), "soft", align="middle")
    sheet.lines(trace(x, y, zip(curve.at, curve.ideal, strict=False)), "soft", width=1.5, dashes="1.5 3")
    for n, variant in enumerate(variants):
        _plot_variant(sheet, x, y, curve.at, variant, n)
    _label_lines(sheet, y, curve, variants)
    return sheet.svg(name, f"Speed-up of {framework} over padding, over {curve.axis}", f"{words}.")


def _plot_variant(sheet: Sheet, x: Scale, y: Scale, at: Sequence[float], variant: CurveVariant, n: int) -> None:
    """Plot a variant's medians with their intervals, and a cross where it crosses 1."""
    role = role_of(variant.framework)
    points = list(zip(at, variant.speedup, strict=False))
    bars = [trace(x, y, [(point, interval.low), (point, interval.high)]) for point, interval in points]
    sheet.lines([line for lines in bars for line in lines if len(line) == 2], role, width=2, opacity=0.5)
    medians = trace(x, y, [(point, interval.median) for point, interval in points])
    sheet.lines(medians, role, dashes=DASHES[n % len(DASHES)])
    sheet.marks([position for line in medians for position in line], SYMBOLS[n % len(SYMBOLS)], role)
    for cross in variant.crossings:
        sheet.lines(trace(x, y, [(cross.low, 1), (cross.high, 1)]), "ink", width=5, opacity=0.25)
        for (left, height), *_ in trace(x, y, [(cross.at, 1)]):
            falling = [(left - 3.5, height - 3.5), (left + 3.5, height + 3.5)]
            rising = [(left - 3.5, height + 3.5), (left + 3.5, height - 3.5)]
            sheet.lines([falling, rising], "ink", width=2)


def _label_lines(sheet: Sheet, y: Scale, curve: SpeedupCurve, variants: Sequence[CurveVariant]) -> None:
    """Write each line's name at its right end, no two on top of each other."""
    labels = [("┈ ideal", "soft", curve.ideal[-1])] if curve.ideal else []
    for n, variant in enumerate(variants):
        if variant.speedup:
            name = f"{SYMBOLS[n % len(SYMBOLS)]} {variant.variant}"
            labels.append((name, role_of(variant.framework), variant.speedup[-1].median))
    placed = [(y.position(end), name, role) for name, role, end in labels if y.plots(end)]
    free = TOP
    for height, name, role in sorted(placed, key=lambda label: label[0]):
        free = max(height + 3.5, free)
        sheet.text(RIGHT + 9, free, name, role)
        free += LINE
