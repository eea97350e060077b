"""A plotting that becomes SVG inside a page: text stays text, colours are the page's, nothing is asked of anybody else.

matplotlib plots it, and knows nothing of pages. So each colour here is a role, plotted in a colour that stands for it
and written as the page's own; each text is plotted as a token, whatever it holds, and escaped when it is written; and
what matplotlib writes around its paths is left out.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeGuard
from xml.etree import ElementTree

from markupsafe import Markup, escape

from parity.errors import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {  # role -> what a page makes of it; `plots.css` has those that are not the page's
    "ink": "currentColor",
    "soft": "var(--soft, currentColor)",
    "grid": "var(--line, currentColor)",
    "pytorch": "var(--plot-pytorch, #b8430b)",
    "tensorflow": "var(--plot-tensorflow, #0b62b0)",
    "other": "var(--plot-other, #6b4fa0)",
    "reference": "var(--plot-reference, #8a8f98)",
}
STANDS_FOR = {role: f"#00ff{n:02x}" for n, role in enumerate(COLOURS)}
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'DejaVu Sans', sans-serif"
SETTINGS: dict[str, Any] = {"svg.fonttype": "none", "path.simplify": True, "path.simplify_threshold": 0.1}
LONGEST = 44  # characters of a text
MOST_TICKS = 5
SMALLEST, LARGEST = 1e-30, 1e30  # of numbers that are plotted
NUMBER = re.compile(r"-?\d+\.\d+")
TOKEN = re.compile(r"~(\d+)~")
NAMESPACE = "{http://www.w3.org/2000/svg}"
Limits = tuple[float, float]


def of_framework(framework: str) -> str:
    """The role of a framework's colour.

    >>> of_framework("pytorch"), of_framework("jax")
    ('pytorch', 'other')
    """
    return framework if framework in ("pytorch", "tensorflow", "reference") else "other"


class Sheet:
    """An empty plotting. Places on it are counted in its own units, from the left and from the top.

    Args:
        width, height: how large it is; shown at that size, a unit is a pixel.
    """

    def __init__(self, width: float, height: float) -> None:
        from matplotlib.figure import Figure

        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / 72, height / 72), dpi=72)
        self.figure.patch.set_visible(False)
        self.texts: list[str] = []

    def axes(self, box: Sequence[float], x: Limits, y: Limits, log: str = "") -> Axes:
        """Bare axes in a box: left, top, right, bottom. ``log`` names those that are logarithmic, as in "xy"."""
        left, top, right, bottom = box
        place = (left / self.width, 1 - bottom / self.height, (right - left) / self.width, (bottom - top) / self.height)
        axes = self.figure.add_axes(place, xlim=x, ylim=y)
        for name in log:
            getattr(axes, f"set_{name}scale")("log")
        axes.set_axis_off()
        axes.set_autoscale_on(False)
        return axes

    def text(self, x: float, y: float, said: str, role: str = "ink", align: str = "left", bold: bool = False) -> None:
        """A text with its baseline at a place."""
        weight = "bold" if bold else "normal"
        colour, token = STANDS_FOR[role], self._token(said)
        place = (x / self.width, 1 - y / self.height)
        self.figure.text(*place, token, color=colour, ha=align, va="baseline", size=10, weight=weight, parse_math=False)

    def _token(self, said: str) -> str:
        self.texts.append(short(said))
        return f"~{len(self.texts) - 1}~"

    def svg(self, name: str, title: str, description: str) -> Markup:
        """The plotting, for the inside of a page.

        Args:
            name: no other plotting of the page has it.
            title, description: what it shows, for who does not see it.
        """
        from matplotlib import rc_context

        settings: Any = {**SETTINGS, "svg.hashsalt": name}
        written = io.StringIO()
        with rc_context(settings):
            self.figure.savefig(written, format="svg", metadata={"Date": None}, transparent=True)
        body = "".join(_elements(ElementTree.fromstring(written.getvalue())))
        inside = TOKEN.sub(lambda found: str(escape(self.texts[int(found[1])])), body)
        return Markup(
            f'<svg class="plot" role="img" aria-labelledby="{name}-title {name}-desc" '
            f'viewBox="0 0 {self.width:g} {self.height:g}" width="100%" font-family="{FONT}" font-size="10">'
            f'<title id="{name}-title">{_escaped(title)}</title><desc id="{name}-desc">{_escaped(description)}</desc>'
            f"{inside}</svg>"
        )


def plottable(number: float | None) -> TypeGuard[float]:
    """Whether it is a number that has a place on a sheet, beside others.

    >>> plottable(0.5), plottable(0.0), plottable(None), plottable(1e300)
    (True, True, False, False)
    """
    return number is not None and (number == 0 or SMALLEST < abs(number) < LARGEST)


def line(axes: Axes, x: Sequence[float], y: Sequence[float | None], role: str, **style: Any) -> None:
    """A line, with a gap where there is no number, or none that the axes can show."""
    log = axes.get_yscale() == "log"
    heights = [math.nan if not plottable(height) or (log and height <= 0) else height for height in y]
    many = min(len(x), len(heights))
    axes.plot(x[:many], heights[:many], color=STANDS_FOR[role], clip_on=False, **{"linewidth": 1.3} | style)


def area(axes: Axes, x: Sequence[float], low: float, high: Sequence[float | None], role: str) -> None:
    """Everything between a height and a line."""
    known = [(at, top) for at, top in zip(x, high, strict=False) if plottable(top) and top > low]
    if known:
        corners = [(known[0][0], low), *known, (known[-1][0], low)]
        axes.fill(*zip(*corners, strict=True), color=STANDS_FOR[role], alpha=0.25, linewidth=0, clip_on=False)


def grid(axes: Axes, ticks: Iterable[float], along: str, role: str = "grid") -> None:
    """Lines across the axes."""
    ends = axes.get_ylim() if along == "x" else axes.get_xlim()
    places = [place for tick in ticks for place in (tick, tick, math.nan)]
    across = [*ends, math.nan] * (len(places) // 3)
    x, y = (places, across) if along == "x" else (across, places)
    axes.plot(x, y, color=STANDS_FOR[role], linewidth=0.75, clip_on=False, zorder=0)


def short(text: str) -> str:
    """A text that fits into a plotting, all of it visible.

    >>> short("rnn.lstm"), len(short("x" * 1000))
    ('rnn.lstm', 44)
    """
    seen = printable(text)
    return seen if len(seen) <= LONGEST else f"{seen[: LONGEST - 1]}…"


def log_ticks(low: float, high: float) -> list[float]:
    """Up to five round numbers, as many as there can be.

    >>> log_ticks(0.5, 200), log_ticks(3, 30)
    ([1.0, 10.0, 100.0], [5.0, 10.0, 20.0])
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1,)):
        found = [float(f"{step}e{decade}") for decade in decades for step in steps]
        within = [tick for tick in found if low <= tick <= high]
        if len(within) <= MOST_TICKS:
            break
    return within[:: 1 + (len(within) - 1) // MOST_TICKS]


def even_ticks(low: float, high: float) -> list[float]:
    """A few round numbers.

    >>> even_ticks(0.9, 4.4)
    [2.0, 4.0]
    """
    from matplotlib.ticker import MaxNLocator

    ticks = MaxNLocator(3, steps=[1, 2, 5, 10]).tick_values(low, high)
    return [float(tick) for tick in ticks if low <= tick <= high]


def _elements(plotted: ElementTree.Element) -> Iterator[str]:
    """Definitions, paths, marks and texts, without the groups around them; those of one style in a row together."""
    for style, alike in groupby(_flat(plotted), key=lambda element: element.get("style", "")):
        inside = "".join(map(_element, alike))
        yield f'<g style="{_rounded(_style(style))}">{inside}</g>' if style else inside


def _flat(plotted: ElementTree.Element) -> Iterator[ElementTree.Element]:
    for element in plotted:
        tag = _tag(element)
        if tag == "g":
            yield from _flat(element)
        elif tag in ("path", "use", "text") or (tag == "defs" and any(_tag(inner) == "path" for inner in element)):
            yield element


def _element(element: ElementTree.Element) -> str:
    tag = _tag(element)
    if tag == "defs":
        return f"<defs>{''.join(map(_mark, element))}</defs>"
    return f"<{tag}{_attributes(element)}>{escape(element.text or '') if tag == 'text' else ''}</{tag}>"


def _mark(path: ElementTree.Element) -> str:
    """With how it is plotted: who uses it says in which colour."""
    return f'<path{_attributes(path)} style="{_rounded(_style(path.get("style", "")))}"/>'


def _attributes(element: ElementTree.Element) -> str:
    kept = {name.rpartition("}")[2]: value for name, value in element.items() if name not in ("style", "transform")}
    if "d" in kept:
        kept["d"] = re.sub(r"\s*([A-Za-z])\s*", r"\1", kept["d"]).strip()
    return "".join(f' {name}="{_rounded(value)}"' for name, value in kept.items())


def _tag(element: ElementTree.Element) -> str:
    return element.tag.removeprefix(NAMESPACE)


def _style(style: str) -> str:
    """Without what all have in common."""
    said = dict(part.split(": ", 1) for part in style.split("; "))
    kept = {name: _colour(value) for name, value in said.items() if name not in ("font-family", "font-size")}
    return ";".join(f"{name}:{value}" for name, value in kept.items())


def _colour(value: str) -> str:
    return _roles().get(value, value)


@cache
def _roles() -> dict[str, str]:
    return {STANDS_FOR[role]: colour.replace('"', "'") for role, colour in COLOURS.items()}


def _rounded(numbers: str) -> str:
    """One decimal is a tenth of a pixel."""
    return NUMBER.sub(lambda found: f"{float(found[0]):.1f}".removesuffix(".0"), numbers)


def _escaped(text: str) -> str:
    return str(escape(printable(text)))
