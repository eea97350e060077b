"""Plot how far the layers of a pair are apart: downwards in the order of calls, a mark in each dtype."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from parity.pairs.layers import LayerDifference
from parity.pairs.verdict import PairVerdict
from parity.report.formatting import plural
from parity.report.plots.svg import Panel, Point, Scale, Sheet, drawn, positive

WIDTH, LEFT, RIGHT = 420.0, 176.0, 404.0
TOP, ROW, BOTTOM = 8.0, 20.0, 36.0  # heights: above all, of a layer, below all
ZERO = 1e-18  # where equal bits are plotted: two decades below the smallest roundoff
LARGE = 1.0
TICKS = {ZERO: "0", **{10.0**power: f"1e{power}" for power in (-16, -12, -8, -4)}, LARGE: "1"}


def panels(verdict: PairVerdict, number: int) -> list[Panel]:
    """Plot the layers of a pair; nothing where none was compared."""
    if not verdict.layers:
        return []
    note = (
        "largest difference of what both layers return, over the largest number; the first one that differs is framed"
    )
    return [Panel("Layer by layer", [note], _plot(f"layers-{number}", verdict, verdict.layers))]


@drawn
def _plot(name: str, verdict: PairVerdict, layers: Sequence[LayerDifference]) -> Markup:
    bottom = TOP + ROW * len(layers)
    sheet = Sheet(WIDTH, bottom + BOTTOM)
    largest = max(positive([LARGE, *(one.double for one in layers), *(one.single for one in layers)]))
    x = Scale(ZERO, largest * 2, LEFT, RIGHT, log=True)
    sheet.lines([[(x.position(tick), TOP), (x.position(tick), bottom)] for tick in TICKS], "grid", width=0.75)
    for tick, words in TICKS.items():
        sheet.text(x.position(tick), bottom + 13, words, "soft", align="middle")
    first = next((one for one in layers if one.differs), None)
    wide: list[Point] = []
    narrow: list[Point] = []
    for n, one in enumerate(layers):
        y = TOP + ROW * (n + 0.5)
        sheet.text(LEFT - 12, y + 4, label(one), align="end", bold=one is first)
        wide += _mark(x, one.double, y)
        narrow += _mark(x, one.single, y)
        if one is first:
            sheet.outline(LEFT - 6, y - ROW / 2 + 1, RIGHT - LEFT + 12, ROW - 2)
    sheet.marks(narrow, "▲", "tensorflow", hollow=True)
    sheet.marks(wide, "●", "pytorch")
    sheet.marks([(LEFT, bottom + 27)], "●", "pytorch")
    sheet.text(LEFT + 8, bottom + 31, verdict.wide, "soft")
    if narrow:
        sheet.marks([(LEFT + 80, bottom + 27)], "▲", "tensorflow", hollow=True)
        sheet.text(LEFT + 88, bottom + 31, verdict.dtype, "soft")
    return sheet.svg(name, "How far the layers are apart", described(layers))


def _mark(x: Scale, number: float | None, y: float) -> list[Point]:
    return [] if number is None else [(x.position(min(max(number, ZERO), x.high)), y)]


def label(layer: LayerDifference) -> str:
    """Name both layers of a pair, or the one if their names are equal.

    >>> label(LayerDifference("head", "head", "Dense", 0.0)), label(LayerDifference("head", "tags", "Dense", 0.0))
    ('head', 'head = tags')
    """
    return layer.left if layer.left == layer.right else f"{layer.left} = {layer.right}"


def described(layers: Sequence[LayerDifference]) -> str:
    """Say in words which layer differs first.

    >>> described([LayerDifference("a", "b", "Dense", 1e-16), LayerDifference("c", "d", "Dense", 0.5, differs=True)])
    '2 layers in the order of calls; the first that differs is c = d.'
    """
    first = next((label(one) for one in layers if one.differs), "")
    return f"{plural(len(layers), 'layer')} in the order of calls; " + (
        f"the first that differs is {first}." if first else "none differs."
    )
