"""Scale numbers, and write a plot as SVG for a page: its text stays text, and its colours are the page's.

A `Sheet` collects elements at positions in its own units, from the left and from the top. The class of an element is a
role, and ``plots.css`` gives each role a colour. Numbers have one decimal, a tenth of a pixel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import ParamSpec, TypeGuard

from markupsafe import Markup, escape

from parity.errors import first_lines, message_of, printable

ROLES = ("ink", "soft", "grid", "pytorch", "tensorflow", "other", "reference")
LONGEST = 44  # characters of a text
MARKS = {  # symbol -> corners around its centre; a circle has none
    "●": (),
    "■": ((-1, -1), (1, -1), (1, 1), (-1, 1)),
    "▲": ((0, -1), (1, 1), (-1, 1)),
    "◆": ((0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)),
    "▼": ((0, 1), (1, -1), (-1, -1)),
}
SYMBOLS = tuple(MARKS)
SMALLEST, LARGEST = 1e-30, 1e30  # of numbers that are plotted
MOST_TICKS = 5
Point = tuple[float, float]
Line = Sequence[Point]
Parameters = ParamSpec("Parameters")
FAILED = '<p class="nothing">This plot could not be drawn: {}</p>'


def drawn(plot: Callable[Parameters, Markup]) -> Callable[Parameters, Markup]:
    """Decorate a plot: if it cannot be drawn, a sentence takes its place, and the report has everything else."""

    @wraps(plot)
    def attempt(*args: Parameters.args, **options: Parameters.kwargs) -> Markup:
        try:
            return plot(*args, **options)
        except Exception as error:  # whatever it is, a plot is worth less than the report
            return Markup(FAILED).format(first_lines(message_of(error)))

    return attempt


@dataclass(frozen=True)
class Scale:
    """Map numbers from ``low`` to ``high`` to positions from ``start`` to ``end``.

    >>> Scale(0, 10, 100, 200).position(2.5), Scale(1, 100, 80, 0, log=True).position(10)
    (125.0, 40.0)
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def position(self, number: float) -> float:
        low, high = self.low, self.high
        if self.log:
            low, high, number = math.log(low), math.log(high), math.log(number)
        return self.start + (number - low) / (high - low) * (self.end - self.start)

    def plots(self, number: float | None) -> TypeGuard[float]:
        return plottable(number) and (number > 0 or not self.log)


def plottable(number: float | None) -> TypeGuard[float]:
    """Return whether a number can be plotted beside others: it is there, and neither huge nor tiny.

    >>> plottable(0.5), plottable(0.0), plottable(None), plottable(1e300)
    (True, True, False, False)
    """
    return number is not None and (number == 0 or SMALLEST < abs(number) < LARGEST)


def positive(numbers: Iterable[float | None]) -> list[float]:
    return [number for number in numbers if plottable(number) and number > 0]


def extent(numbers: Iterable[float | None]) -> tuple[float, float] | None:
    """Return the smallest and the largest number that can be plotted; None where there are none."""
    there = list(filter(plottable, numbers))
    return (min(there), max(there)) if there else None


def trace(x: Scale, y: Scale, numbers: Iterable[tuple[float, float | None]]) -> list[list[Point]]:
    """Return the positions of a series of numbers, as one line for each stretch without a gap.

    >>> x, y = Scale(0, 4, 0, 40), Scale(0, 1, 10, 0)
    >>> trace(x, y, [(0, 0.5), (1, 1.0), (2, None), (3, 0.0)])
    [[(0.0, 5.0), (10.0, 0.0)], [(30.0, 10.0)]]
    """
    lines: list[list[Point]] = [[]]
    for at, number in numbers:
        if x.plots(at) and y.plots(number):
            lines[-1].append((x.position(at), y.position(number)))
        elif lines[-1]:
            lines.append([])
    return [line for line in lines if line]


def log_ticks(low: float, high: float) -> list[float]:
    """List up to five round numbers, as many as there can be.

    >>> log_ticks(0.5, 200), log_ticks(3, 30)
    ([1.0, 10.0, 100.0], [5.0, 10.0, 20.0])
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1, 2, 5), (1,)):
        numbers = [float(f"{digit}e{decade}") for decade in decades for digit in digits]
        ticks = [number for number in numbers if low <= number <= high]
        if len(ticks) <= MOST_TICKS:
            return ticks
    return ticks[:: 1 + (len(ticks) - 1) // MOST_TICKS]


def even_ticks(low: float, high: float) -> list[float]:
    """List the multiples of the largest round step that has two of them or more.

    >>> even_ticks(0.9, 4.4), even_ticks(1.8, 2.9)
    ([2.0, 4.0], [2.0, 2.5])
    """
    decade = math.floor(math.log10(high - low))
    for step in (float(f"{digit}e{power}") for power in (decade, decade - 1) for digit in (5, 2, 1)):
        multiples = range(math.ceil(low / step), math.floor(high / step) + 1)
        if len(multiples) > 1:
            return [multiple * step for multiple in multiples]
    return []


def doublings(low: float, high: float) -> list[float]:
    """List powers of two; on a long axis, of four or more.

    >>> doublings(0.4, 5.0), doublings(0.1, 100.0)
    ([0.5, 1.0, 2.0, 4.0], [0.25, 1.0, 4.0, 16.0, 64.0])
    """
    step = 1 + round(math.log2(high / low)) // 8
    return [2.0**n for n in range(-1020 // step * step, 1020, step) if low <= 2.0**n <= high]


def role_of(framework: str) -> str:
    """Return the role of a framework's colour.

    >>> role_of("pytorch"), role_of("jax")
    ('pytorch', 'other')
    """
    return framework if framework in ("pytorch", "tensorflow", "reference") else "other"


@dataclass(frozen=True)
class Panel:
    """A plot with its caption: a name, and notes in small print."""

    name: str
    notes: Sequence[str]
    svg: Markup | None


@dataclass
class Sheet:
    """A plot of some size; a unit is a pixel where it is shown at that size."""

    width: float
    height: float
    elements: list[str] = field(default_factory=list)

    def text(
        self, x: float, y: float, words: str, role: str = "ink", *, align: str = "start", bold: bool = False
    ) -> None:
        """Add a text, all its characters visible. Its baseline is at y; x is its start, middle or end."""
        visible = printable(words)
        if len(visible) > LONGEST:
            visible = f"{visible[: LONGEST - 1]}…"
        classes = f"{role} bold" if bold else role
        anchor = "" if align == "start" else f' text-anchor="{align}"'
        self.elements.append(
            f'<text class="{classes}" x="{_short(x)}" y="{_short(y)}"{anchor}>{escape(visible)}</text>'
        )

    def lines(
        self, lines: Iterable[Line], role: str, *, width: float = 1.3, dashes: str = "", opacity: float = 1.0
    ) -> None:
        """Add lines of one style, each through its points."""
        style = f'stroke-width="{width:g}"'
        if dashes:
            style += f' stroke-dasharray="{dashes}"'
        if opacity < 1:
            style += f' opacity="{opacity:g}"'
        path = "".join(f"M{_joined(line, 'L')}" for line in lines)
        if path:
            self.elements.append(f'<path class="{role} line" {style} d="{path}"/>')

    def grid(self, y: Scale, ticks: Iterable[float], left: float, right: float, unit: str = "") -> None:
        """Add a horizontal line at each tick, with its number before it."""
        for tick in ticks:
            height = y.position(tick)
            self.lines([[(left, height), (right, height)]], "grid", width=0.75)
            self.text(left - 5, height + 3.5, f"{tick:g}{unit}", "soft", align="end")

    def area(self, corners: Line, role: str) -> None:
        """Add a shaded area."""
        self.elements.append(f'<polygon class="{role} area" points="{_joined(corners, " ")}"/>')

    def marks(
        self, points: Iterable[Point], symbol: str, role: str, *, hollow: bool = False, radius: float = 3.0
    ) -> None:
        """Add a mark at each point."""
        marks = []
        for x, y in points:
            corners = [(x + radius * right, y + radius * down) for right, down in MARKS[symbol]]
            circle = f'<circle cx="{_short(x)}" cy="{_short(y)}" r="{radius:g}"/>'
            marks.append(f'<polygon points="{_joined(corners, " ")}"/>' if corners else circle)
        if marks:
            self.elements.append(f'<g class="{role}{" hollow" if hollow else ""}">{"".join(marks)}</g>')

    def square(self, x: float, y: float, width: float, height: float, depth: float, words: str, title: str) -> None:
        """Add a square of a heat map, its colour between 0 and 1, with words in it and a title."""
        text = f'<text class="value" x="{_short(x + width / 2)}" y="{_short(y + 13)}">{escape(words)}</text>'
        self.elements.append(
            f'<g class="error" style="--depth:{depth:.2f}"><title>{escape(printable(title))}</title>'
            f"{_rectangle('square', x, y, width, height)}{text if words else ''}</g>"
        )

    def outline(self, x: float, y: float, width: float, height: float) -> None:
        """Add a frame around a square."""
        self.elements.append(_rectangle("worst", x + 1, y + 1, width - 2, height - 2))

    def svg(self, name: str, title: str, description: str) -> Markup:
        """Return the plot: its ids begin with a name that no other has; title and description are read aloud."""
        return Markup(
            f'<svg class="plot" role="img" aria-labelledby="{name}-title {name}-desc" '
            f'viewBox="0 0 {_short(self.width)} {_short(self.height)}" width="100%">'
            f'<title id="{name}-title">{escape(printable(title))}</title>'
            f'<desc id="{name}-desc">{escape(printable(description))}</desc>'
            f"{''.join(self.elements)}</svg>"
        )


def _joined(points: Iterable[Point], between: str) -> str:
    return between.join(f"{_short(x)},{_short(y)}" for x, y in points)


def _rectangle(role: str, x: float, y: float, width: float, height: float) -> str:
    sizes = {"x": x, "y": y, "width": width, "height": height}
    attributes = " ".join(f'{name}="{_short(size)}"' for name, size in sizes.items())
    return f'<rect class="{role}" {attributes} rx="2"/>'


def _short(number: float) -> str:
    """Write a number with one decimal at most.

    >>> _short(12.345), _short(12.0), _short(-0.01)
    ('12.3', '12', '0')
    """
    return f"{round(number, 1) + 0.0:g}"
