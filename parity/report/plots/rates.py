"""Plot the speed of every variant, and the share of a matrix product's speed that the fastest variants reach.

Real steps a second are dots on a logarithmic axis; bars are 95 % intervals.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from parity.report.formatting import percent
from parity.report.groups import group_by
from parity.report.plots.svg import SYMBOLS, Panel, Point, Scale, Sheet, drawn, extent, log_ticks, positive, role_of
from parity.report.plots.tables import TIMES, sizes
from parity.report.speedups import TRAIN, batches, fastest_of, labelled
from parity.throughput.results import TimedVariant

WIDTH, LEFT, RIGHT = 300.0, 92.0, 256.0
TOP, FRAMEWORK, ROW, BOTTOM = 15.0, 14.0, 17.0, 16.0  # heights: above all, of a framework, of a variant, below all
SHARES_TOP, SHARES_ROW, TRACK = 18.0, 46.0, 34.0  # heights: above all, of a batch, and of the axis within it
MARGIN = 5.0
TICKS = ((0.0, "start"), (0.25, "middle"), (0.5, "middle"), (0.75, "middle"), (1.0, "end"))


def panels(rows: Sequence[TimedVariant]) -> list[Panel]:
    """Plot each batch; those of one layer on the same axis."""
    axes = {}
    for layer, alike in group_by(rows, lambda row: row.layer).items():
        low, high = extent(positive(number for row in alike for number in row.steps_per_second.numbers)) or (1.0, 1.0)
        axes[layer] = Scale(low / 1.1, high * 1.1, LEFT, RIGHT, log=True)
    plotted = []
    for n, batch in enumerate(batches(rows), 1):
        first = batch[0]
        note = f"B · T · D · H = {sizes(first)}, {percent(first.fill)} real"
        if (ideal := first.ideals.get("by_flops")) is not None:
            note += f", ideal {ideal:.3g}"
        name = f"{first.operation} ({first.config}), {first.distribution} lengths"
        plotted.append(Panel(name, [note], _plot(f"rates-{n}", batch, axes[first.layer])))
    return plotted


@drawn
def _plot(name: str, batch: Sequence[TimedVariant], x: Scale) -> Markup:
    by_framework = labelled(batch)
    bottom = TOP + FRAMEWORK * len(by_framework) + ROW * sum(map(len, by_framework.values()))
    sheet = Sheet(WIDTH, bottom + BOTTOM)
    sheet.text(LEFT, 9, "real steps a second", "soft")
    sheet.text(WIDTH, 9, "speed-up", "soft", align="end")
    ticks = log_ticks(x.low, x.high)
    sheet.lines([[(x.position(tick), TOP), (x.position(tick), bottom)] for tick in ticks], "grid", width=0.75)
    for tick in ticks:
        sheet.text(x.position(tick), bottom + 12, in_thousands(tick), "soft", align="middle")
    height = TOP
    for framework, variants in by_framework.items():
        first = next(iter(variants.values()))[0]
        sheet.text(0, height + FRAMEWORK - 3, framework, role_of(framework), bold=True)
        sheet.text(LEFT, height + FRAMEWORK - 3, f"{first.mode}, {first.device}", "soft")
        height += FRAMEWORK
        _plot_variants(sheet, x, variants, height, role_of(framework))
        height += ROW * len(variants)
    title = f"Real steps a second: {batch[0].operation}, {batch[0].distribution} lengths"
    return sheet.svg(name, title, ". ".join(map(_sentence, fastest_of(batch))) + ".")


def _plot_variants(sheet: Sheet, x: Scale, variants: dict[str, list[TimedVariant]], top: float, role: str) -> None:
    """Plot the variants of one framework: a name, bars and dots for the phases, and the speed-up in training."""
    bars: list[list[Point]] = []
    forward: list[Point] = []
    train: list[Point] = []
    for n, (label, rows) in enumerate(variants.items()):
        height = top + ROW * (n + 0.5)
        sheet.text(8, height + 3.5, label)
        for row in rows:
            rate = row.steps_per_second
            bars += _bar(x, rate.low, rate.high, height)
            if x.plots(rate.median):
                dots = train if row.phase == TRAIN else forward
                dots.append((x.position(rate.median), height))
            if row.phase == TRAIN and row.speedup and row.speedup.median is not None:
                sheet.text(WIDTH, height + 3.5, f"{row.speedup.median:.2f}{TIMES}", role, align="end")
    sheet.lines(bars, role, width=2, opacity=0.5)
    sheet.marks(train, "●", role)
    sheet.marks(forward, "●", role, hollow=True)


def _bar(x: Scale, low: float | None, high: float | None, height: float) -> list[list[Point]]:
    if not (x.plots(low) and x.plots(high)):
        return []
    return [[(x.position(low), height), (x.position(high), height)]]


def in_thousands(value: float) -> str:
    """Write a round number for an axis.

    >>> in_thousands(200.0), in_thousands(20_000.0), in_thousands(3e6)
    ('200', '20k', '3M')
    """
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def _sentence(row: TimedVariant) -> str:
    rate = f"{row.steps_per_second.median or 0:.3g} real steps a second in phase {row.phase}"
    sentence = f"{row.framework}: {row.variant} is fastest, {rate}"
    if row.speedup and row.speedup.median is not None:
        sentence += f", {row.speedup.median:.2f} times as fast as {row.speedup.over}"
    return sentence


@drawn
def shares(rows: Sequence[TimedVariant]) -> Markup:
    """Plot the fastest variant of each framework in each batch; empty where no operation multiplies matrices."""
    best = [[row for row in fastest_of(batch) if row.share_of_peak is not None] for batch in batches(rows)]
    plotted = [batch for batch in best if batch]
    if not plotted:
        return Markup("")
    sheet = Sheet(WIDTH, SHARES_TOP + SHARES_ROW * len(plotted))
    x = Scale(0, 1, MARGIN, WIDTH - MARGIN)
    for share, align in TICKS:
        sheet.text(share * WIDTH, 10, percent(share), "soft", align=align)
    sentences = []
    for n, batch in enumerate(plotted):
        subject = f"{batch[0].operation}, {batch[0].distribution}"
        top = SHARES_TOP + SHARES_ROW * n
        sheet.text(0, top + 12, subject, bold=True)
        sheet.text(WIDTH, top + 12, f"H {batch[0].H}", "soft", align="end")
        track = top + TRACK
        ticks = [[(x.position(share), track - 3), (x.position(share), track + 3)] for share, _ in TICKS]
        sheet.lines([[(x.position(0), track), (x.position(1), track)], *ticks], "grid", width=1)
        of_frameworks = ", ".join(f"{row.subject} {percent(row.share_of_peak or 0)}" for row in batch)
        sentences.append(f"{subject}: {of_frameworks}.")
    frameworks = sorted({row.framework for batch in plotted for row in batch})
    for left, symbol, framework in zip((0.0, WIDTH / 2), SYMBOLS, frameworks, strict=False):
        of_framework = [(n, row) for n, batch in enumerate(plotted) for row in batch if row.framework == framework]
        _plot_shares(sheet, x, of_framework, symbol, left)
    title = "Share of a matrix product's speed, fastest variant of each framework"
    return sheet.svg("shares", title, " ".join(sentences))


def _plot_shares(
    sheet: Sheet, x: Scale, numbered: Sequence[tuple[int, TimedVariant]], symbol: str, left: float
) -> None:
    """Plot one framework's variants by batch: a name, the interval of the rate as shares, and a mark."""
    role = role_of(numbered[0][1].framework)
    bars: list[list[Point]] = []
    marks: list[Point] = []
    for n, row in numbered:
        top, share, rate = SHARES_TOP + SHARES_ROW * n, row.share_of_peak or 0.0, row.steps_per_second
        sheet.text(left, top + 24, f"{symbol} {row.variant} {percent(share)}", role)
        if rate.median and rate.low is not None and rate.high is not None:  # the peak is one number
            low, high = (min(1.0, share * limit / rate.median) for limit in (rate.low, rate.high))
            bars += _bar(x, low, high, top + TRACK)
        marks.append((x.position(min(1.0, share)), top + TRACK))
    sheet.lines(bars, role, width=2, opacity=0.5)
    sheet.marks(marks, symbol, role, radius=3.5)
