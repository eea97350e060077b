"""Real steps a second of every variant, and the share of a matrix product's speed that the fastest reach.

Dots with bars for the 95 % intervals. Rates stand on a logarithmic axis, shares on one from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from parity.report.formatting import percent
from parity.report.svg import Sheet, grid, line, log_ticks, of_framework, plottable
from parity.report.timings import BATCH, SCALE, Row, entries, fastest, grouped, key

WIDTH, LABELS, ROW, HEAD, FRAMEWORK = 300.0, 92.0, 17.0, 15.0, 14.0
TIMES = "\N{MULTIPLICATION SIGN}"
SHARE, TRACK, TOP = 46.0, 34.0, 18.0  # height of a row of shares, where its scale is in it, where rows begin
MARKS = {"o": "●", "s": "■"}
ENDS = ("low", "median", "high")
BAR = {"linewidth": 2, "alpha": 0.5}


def rates(rows: Sequence[Row]) -> list[Markup]:
    """A plot for each batch; those of one operation and size on the same axis."""
    limits = {key(group[0], SCALE): _reach(group) for group in grouped(rows, SCALE)}
    return [
        _rates(f"rates-{n}", group, *limits[key(group[0], SCALE)]) for n, group in enumerate(grouped(rows, BATCH), 1)
    ]


def told(group: Sequence[Row]) -> str:
    """The fastest of each framework, in words."""
    return ". ".join(f"{row['framework']}: {_words(row)}" for row in fastest(group)) + "."


def _words(row: Row) -> str:
    rate, over = row["steps_per_second"]["median"] or 0, row["speedup"]
    gain = f", {over['median']:.2f} times as fast as {over['over']}" if over and over["median"] is not None else ""
    return f"{row['variant']} is fastest, {rate:.3g} real steps a second in phase {row['phase']}{gain}"


def _rates(name: str, group: Sequence[Row], low: float, high: float) -> Markup:
    found = entries(group)
    frameworks = dict.fromkeys(framework for framework, _ in found)
    bottom = HEAD + ROW * len(found) + FRAMEWORK * len(frameworks)
    sheet = Sheet(WIDTH, bottom + 16)
    axes = sheet.axes((LABELS, HEAD, WIDTH - 44, bottom), (low, high), (bottom, HEAD), log="x")
    _scale(sheet, axes, log_ticks(low, high), bottom)
    height = HEAD
    for framework in frameworks:
        first = next(row for row in group if row["framework"] == framework)
        sheet.text(0, height + FRAMEWORK - 3, framework, of_framework(framework), bold=True)
        sheet.text(LABELS, height + FRAMEWORK - 3, f"{first['mode']}, {first['device']}", "soft")
        height += FRAMEWORK
        of_this = {said: rows for (of, said), rows in found.items() if of == framework}
        heights = [height + ROW * (n + 0.5) for n in range(len(of_this))]
        for place, (said, rows) in zip(heights, of_this.items(), strict=True):
            _words_of(sheet, said, rows, place)
        _dots(axes, list(of_this.values()), heights, of_framework(framework))
        height += ROW * len(of_this)
    title = f"Real steps a second: {group[0]['operation']}, {group[0]['distribution']} lengths"
    return sheet.svg(name, title, told(group))


def _scale(sheet: Sheet, axes: Any, ticks: Sequence[float], bottom: float) -> None:
    grid(axes, ticks, "x")
    for tick in ticks:
        sheet.text(axes.transData.transform((tick, bottom))[0], bottom + 12, thousands(tick), "soft", align="center")
    sheet.text(LABELS, 9, "real steps a second", "soft")
    sheet.text(WIDTH, 9, "speed-up", "soft", align="right")


def _words_of(sheet: Sheet, said: str, rows: Sequence[Row], height: float) -> None:
    """One variant's name, and what it gains in training."""
    sheet.text(8, height + 3.5, said)
    for row in rows:
        if row["phase"] == "train" and row["speedup"] and row["speedup"]["median"] is not None:
            gain = f"{row['speedup']['median']:.2f}{TIMES}"
            sheet.text(WIDTH, height + 3.5, gain, of_framework(row["framework"]), align="right")


def _dots(axes: Any, variants: Sequence[Sequence[Row]], heights: Sequence[float], role: str) -> None:
    """A dot with its interval for each phase of each variant of a framework, all bars in one path."""
    rows = [(row, height) for rows, height in zip(variants, heights, strict=True) for row in rows]
    bars = [(row["steps_per_second"], height) for row, height in rows]
    bars = [(rate, height) for rate, height in bars if _sized(rate["low"]) and _sized(rate["high"])]
    ends = [
        (rate[end], place)
        for rate, height in bars
        for end, place in (("low", height), ("high", height), ("high", None))
    ]
    _together(axes, ends, role, **BAR)
    for trained, style in ((True, {}), (False, {"markerfacecolor": "none"})):
        dots = [
            (row["steps_per_second"]["median"], height) for row, height in rows if (row["phase"] == "train") == trained
        ]
        _together(
            axes, [dot for dot in dots if _sized(dot[0])], role, linestyle="none", marker="o", markersize=5.5, **style
        )


def _together(axes: Any, places: Sequence[tuple[float, float | None]], role: str, **style: Any) -> None:
    line(axes, [x for x, _ in places], [y for _, y in places], role, **style)


def _sized(value: float | None) -> bool:
    return plottable(value) and value > 0


def _reach(rows: Sequence[Row]) -> tuple[float, float]:
    """From where to where an axis goes."""
    seen = [value for row in rows for value in map(row["steps_per_second"].get, ENDS) if plottable(value) and value > 0]
    return (min(seen) / 1.1, max(seen) * 1.1) if seen else (0.9, 1.1)


def thousands(value: float) -> str:
    """A round number for an axis.

    >>> thousands(200.0), thousands(20_000.0), thousands(3e6)
    ('200', '20k', '3M')
    """
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def shares(rows: Sequence[Row]) -> Markup | None:
    """How near the fastest variant of each framework comes to a matrix product; None where nothing multiplies."""
    best = [[row for row in fastest(group) if row["share_of_peak"] is not None] for group in grouped(rows, BATCH)]
    shown = [group for group in best if group]
    if not shown:
        return None
    bottom = TOP + SHARE * len(shown)
    sheet = Sheet(WIDTH, bottom)
    axes = sheet.axes((5, TOP, WIDTH - 5, bottom), (0, 1), (bottom, TOP))
    _tracks(sheet, axes, shown)
    frameworks = sorted({str(row["framework"]) for group in shown for row in group})
    for place, mark, framework in zip((0.0, WIDTH / 2), MARKS, frameworks, strict=False):
        side = [
            (row, TOP + SHARE * n) for n, group in enumerate(shown) for row in group if row["framework"] == framework
        ]
        _shares(sheet, axes, side, place, mark)
    words = ". ".join(f"{group[0]['operation']}, {group[0]['distribution']}: {_reached(group)}" for group in shown)
    return sheet.svg("shares", "Share of a matrix product's speed, fastest variant of each framework", f"{words}.")


def _tracks(sheet: Sheet, axes: Any, shown: Sequence[Sequence[Row]]) -> None:
    """For each batch its name, and a scale from 0 to 1."""
    ticks = (0.0, 0.25, 0.5, 0.75, 1.0)
    for tick, align in zip(ticks, ("left", "center", "center", "center", "right"), strict=True):
        sheet.text(tick * WIDTH, 10, percent(tick), "soft", align=align)
    for n, (first, *_) in enumerate(shown):
        sheet.text(WIDTH, TOP + SHARE * n + 12, f"H {first['H']}", "soft", align="right")
    for n, (first, *_) in enumerate(shown):
        sheet.text(0, TOP + SHARE * n + 12, f"{first['operation']}, {first['distribution']}", bold=True)
    places: list[tuple[float, float | None]] = []
    for track in (TOP + SHARE * n + TRACK for n in range(len(shown))):
        places += [(0, track), (1, track), (1, None)]
        places += [place for tick in ticks for place in ((tick, track - 3), (tick, track + 3), (tick, None))]
    _together(axes, places, "grid", linewidth=1)


def _shares(sheet: Sheet, axes: Any, rows: Sequence[tuple[Row, float]], place: float, mark: str) -> None:
    """The fastest of one framework in each batch that it ran; what is alike is plotted, and so written, together."""
    role = of_framework(rows[0][0]["framework"])
    for row, top in rows:
        sheet.text(place, top + 24, f"{MARKS[mark]} {row['variant']} {percent(row['share_of_peak'])}", role)
    _together(axes, [end for row, top in rows for end in _bar(row, top + TRACK)], role, **BAR)
    dots = [(min(1.0, row["share_of_peak"]), top + TRACK) for row, top in rows]
    _together(axes, dots, role, linestyle="none", marker=mark, markersize=6)


def _bar(row: Row, track: float) -> list[tuple[float, float | None]]:
    """The interval of its rate, as shares: the peak is one number."""
    rate, share = row["steps_per_second"], row["share_of_peak"]
    if not all(_sized(rate[name]) for name in ENDS):
        return []
    low, high = (min(1.0, share * rate[end] / rate["median"]) for end in ("low", "high"))
    return [(low, track), (high, track), (high, None)]


def _reached(group: Sequence[Row]) -> str:
    return ", ".join(f"{row['framework']}.{row['variant']} {percent(row['share_of_peak'])}" for row in group)
