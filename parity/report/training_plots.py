"""Training, plotted: the loss of the reference and of both frameworks, and how far the frameworks' weights are from its
own.

Where frameworks coincide, one line would hide the others. So the reference is a wide band, and the frameworks are
dashes that
take turns on it: where they agree all three can be seen, where one leaves it leaves the band.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from parity.report.svg import Sheet, area, even_ticks, grid, line, log_ticks, of_framework, plottable

Curve = Mapping[str, Any]
Series = Sequence[float | None]
WIDTH, HEIGHT = 264.0, 268.0
LOSS, DISTANCE = (36.0, 24.0, 258.0, 110.0), (36.0, 158.0, 258.0, 250.0)  # left, top, right, bottom
DASHES = ((0, (3, 6)), (4.5, (3, 6)))  # the second begins where the first has its gap


def plotted(curves: Sequence[Curve]) -> list[Markup | None]:
    """A plot for each curve, those of one model on the same axes; None for a curve without any number."""
    limits = {model: _limits([curve for curve in curves if curve["model"] == model]) for model in _models(curves)}
    return [
        _plot(f"training-{n}", curve, *limits[curve["model"]]) if _numbers(curve) else None
        for n, curve in enumerate(curves, 1)
    ]


def outside(curve: Curve, framework: str) -> list[int]:
    """After which steps a framework's weights are farther from the reference's than the noise floor.

    >>> outside({"envelope": [1.0, 1.0, None], "frameworks": {"pytorch": {"distance": [0.5, 2.0, 9.0]}}}, "pytorch")
    [2]
    """
    pairs = zip(curve["frameworks"][framework]["distance"], curve["envelope"], strict=False)
    return [step for step, (far, floor) in enumerate(pairs, 1) if far is not None and floor is not None and far > floor]


def said(curve: Curve) -> str:
    """What a plot shows, in words."""
    loss = f"The reference's loss goes from {_short(curve['loss'][:1])} to {_short(curve['loss'])}"
    ends = [f"{framework} ends at {_short(of['loss'])}" for framework, of in curve["frameworks"].items()]
    floor = f"the noise floor ends at {_short(curve['envelope'])}"
    far = [
        f"{framework}'s distance ends at {_short(of['distance'])}, {leaves(curve, framework)}"
        for framework, of in curve["frameworks"].items()
    ]
    return f"{'; '.join([loss, *ends])}. {'; '.join([*far, floor])}."


def leaves(curve: Curve, framework: str) -> str:
    """Whether a framework's distance leaves the noise floor, how often, and from when."""
    steps, all_of_them = outside(curve, framework), len(curve["frameworks"][framework]["distance"])
    if not steps:
        return "within the noise floor"
    return f"above the noise floor in {len(steps)} of {all_of_them} steps, from step {steps[0]}"


def last(series: Series) -> float | None:
    """The last number of a series; None if the last step gave none.

    >>> last([3.0, 2.0]), last([]), last([1.0, None])
    (2.0, None, None)
    """
    return series[-1] if series else None


def _short(series: Series) -> str:
    number = last(series)
    return "no number" if number is None else f"{number:.3g}"


def _plot(name: str, curve: Curve, losses: tuple[float, float] | None, distances: tuple[float, float] | None) -> Markup:
    sheet = Sheet(WIDTH, HEIGHT)
    steps = max(len(curve["loss"]), len(curve["envelope"]), 2)
    sheet.text(0, 12, "loss", bold=True)
    sheet.text(LOSS[2], 12, _short(curve["loss"]), "soft", align="right")
    if losses:
        _losses(sheet, curve, steps, losses)
    sheet.text(0, 132, "distance of the weights", bold=True)
    sheet.text(DISTANCE[2], 132, f"noise {_short(curve['envelope'])}", "soft", align="right")
    _ends(sheet, curve)
    if distances:
        _distances(sheet, curve, steps, distances)
    for step in (1, steps // 2, steps) if steps > 3 else (1, steps):
        along = DISTANCE[0] + (step - 1) / (steps - 1) * (DISTANCE[2] - DISTANCE[0])
        sheet.text(along, HEIGHT - 4, f"step {step}" if step == 1 else f"{step}", "soft", align="center")
    return sheet.svg(name, f"{curve['model']} trained with {curve['optimiser']}", said(curve))


def _losses(sheet: Sheet, curve: Curve, steps: int, limits: tuple[float, float]) -> None:
    axes = sheet.axes(LOSS, (1, steps), limits)
    _scale(sheet, axes, LOSS, even_ticks(*limits))
    numbers = range(1, steps + 1)
    line(axes, numbers, curve["loss"], "reference", linewidth=5, alpha=0.4, solid_joinstyle="round")
    for dashes, (framework, of) in zip(DASHES, curve["frameworks"].items(), strict=False):
        line(axes, numbers, of["loss"], of_framework(framework), linestyle=dashes, linewidth=1.6)


def _distances(sheet: Sheet, curve: Curve, steps: int, limits: tuple[float, float]) -> None:
    axes = sheet.axes(DISTANCE, (1, steps), limits, log="y")
    _scale(sheet, axes, DISTANCE, log_ticks(*limits))
    numbers = range(1, steps + 1)
    area(axes, numbers, limits[0], curve["envelope"], "reference")
    line(axes, numbers, curve["envelope"], "reference", linewidth=1)
    for marker, (framework, of) in zip("os", curve["frameworks"].items(), strict=False):
        dashed = {"linestyle": "solid" if marker == "o" else (0, (3, 4))}
        line(
            axes,
            numbers,
            of["distance"],
            of_framework(framework),
            **dashed,
            marker=marker,
            markevery=_marked(steps, marker),
            markersize=4,
        )


def _marked(steps: int, marker: str) -> list[int]:
    """Where a line has its marks: few, and not where the other has its own."""
    return list(range(steps // 12 if marker == "o" else steps // 6, steps, max(1, steps // 6)))


def _ends(sheet: Sheet, curve: Curve) -> None:
    """The numbers after the last step, each in its line's colour."""
    frameworks = list(curve["frameworks"].items())[:2]
    for mark, place, (framework, of) in zip("●■", (0.0, WIDTH / 2), frameworks, strict=False):
        sheet.text(place, 147, f"{mark} {framework} {_short(of['distance'])}", of_framework(framework))


def _scale(sheet: Sheet, axes: Any, box: Sequence[float], ticks: Sequence[float]) -> None:
    grid(axes, ticks, "y")
    for tick in ticks:
        height = sheet.height - axes.transData.transform((1, tick))[1]
        sheet.text(box[0] - 5, height + 3.5, f"{tick:g}", "soft", align="right")


def _models(curves: Iterable[Curve]) -> list[str]:
    return list(dict.fromkeys(curve["model"] for curve in curves))


def _limits(curves: Sequence[Curve]) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    """From where to where losses go, and distances: the same for all optimisers of a model."""
    losses = [number for curve in curves for series in _of(curve, "loss") for number in series if plottable(number)]
    far = [
        number
        for curve in curves
        for series in _of(curve, "distance")
        for number in series
        if plottable(number) and number > 0
    ]
    room = (max(losses) - min(losses)) / 20 or 1.0 if losses else 0.0
    return (
        (min(losses) - room, max(losses) + room) if losses else None,
        (min(far) / 1.3, max(far) * 1.3) if far else None,
    )


def _of(curve: Curve, what: str) -> list[Series]:
    return [curve["loss" if what == "loss" else "envelope"], *(of[what] for of in curve["frameworks"].values())]


def _numbers(curve: Curve) -> bool:
    return any(plottable(number) for what in ("loss", "distance") for series in _of(curve, what) for number in series)
