"""Plot training: the losses, and the distance of each framework's weights from the reference's.

Lines that coincide would hide each other. So the reference's loss is a wide band, and the frameworks are dashes that
take turns on it: all three can be seen where they agree, and one that differs leaves the band.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

from markupsafe import Markup

from parity.checks.result import FAILED, PASSED, Result
from parity.report.formatting import setting
from parity.report.groups import group_by
from parity.report.plots.svg import Panel, Scale, Sheet, drawn, even_ticks, extent, log_ticks, positive, role_of, trace
from parity.training import Curve
from parity.training.curve import CONTRACT

Series = Sequence[float | None]
Extent = tuple[float, float] | None  # of an axis that curves share
WIDTH, HEIGHT = 264.0, 268.0
LEFT, RIGHT = 36.0, 258.0  # of both plots
LOSS_TOP, LOSS_BOTTOM = 24.0, 110.0
DISTANCE_TOP, DISTANCE_BOTTOM = 158.0, 250.0
LOSS_DASHES = ("4.8 9.6", "0 7.2 4.8 2.4")  # the second has its dash in the first one's gap
DISTANCE_DASHES = ("", "3.9 5.2")
SYMBOLS = ("●", "■")
WITHIN = "within the noise floor"


def panels(curves: Sequence[Curve], results: Iterable[Result]) -> dict[tuple[str, str], list[Panel]]:
    """Plot each curve; those of one model on the same axes.

    Returns:
        Model and configuration -> a panel for each optimiser. A curve without any finite number has no plot.
    """
    axes = {}
    for model, alike in group_by(curves, lambda curve: curve.model).items():
        losses, distances = (chain.from_iterable(map(of, alike)) for of in (_losses, _distances))
        axes[model] = extent(losses), extent(positive(distances))
    trained = (result for result in results if result.contract == CONTRACT)
    runs = group_by(trained, lambda result: (result.operation, result.case, result.framework))
    by_model: dict[tuple[str, str], list[Panel]] = {}
    for n, curve in enumerate(curves, 1):
        case = f"{curve.config}/{curve.optimiser}"
        notes = [setting(curve.settings)]
        for framework in curve.frameworks:
            notes.append(_above_floor(curve, framework, runs.get((curve.model, case, framework), ())))
        svg = None
        if extent(_losses(curve) + _distances(curve)):
            svg = _plot(f"training-{n}", curve, *axes[curve.model])
        by_model.setdefault((curve.model, curve.config), []).append(Panel(curve.optimiser, [*filter(None, notes)], svg))
    return by_model


def against_floor(curve: Curve, framework: str) -> str:
    """Say whether a framework's distance exceeds the noise floor, how often, and from which step on."""
    distances = curve.frameworks[framework].distance
    numbered = enumerate(zip(distances, curve.envelope, strict=False), 1)
    above = [step for step, (far, floor) in numbered if far is not None and floor is not None and far > floor]
    if not above:
        return WITHIN
    return f"above the noise floor in {len(above)} of {len(distances)} steps, from step {above[0]}"


def last(series: Series) -> float | None:
    """Return the last number of a series; None if the last step gave none."""
    return series[-1] if series else None


def _above_floor(curve: Curve, framework: str, run: Iterable[Result]) -> str:
    """Describe a run above the noise floor, which is a failure only where it exceeds its limit too."""
    distances = against_floor(curve, framework)
    if distances == WITHIN:
        return ""
    note = f"{framework}: {distances}"
    statuses = {result.status for result in run}
    if FAILED in statuses:
        return f"{note}; not within its limit"
    return f"{note}; within its limit" if statuses == {PASSED} else note


@drawn
def _plot(name: str, curve: Curve, losses: Extent, distances: Extent) -> Markup:
    sheet = Sheet(WIDTH, HEIGHT)
    steps = max(len(curve.loss), len(curve.envelope), 2)
    x = Scale(1, steps, LEFT, RIGHT)
    sheet.text(0, 12, "loss", bold=True)
    sheet.text(RIGHT, 12, _number(curve.loss), "soft", align="end")
    _plot_losses(sheet, curve, x, losses)
    sheet.text(0, 132, "distance of the weights", bold=True)
    sheet.text(RIGHT, 132, f"noise {_number(curve.envelope)}", "soft", align="end")
    for left, symbol, (framework, run) in zip((0.0, WIDTH / 2), SYMBOLS, curve.frameworks.items(), strict=False):
        sheet.text(left, 147, f"{symbol} {framework} {_number(run.distance)}", role_of(framework))
    _plot_distances(sheet, curve, x, distances)
    for step in (1, steps // 2, steps) if steps > 3 else (1, steps):
        sheet.text(x.position(step), HEIGHT - 4, "step 1" if step == 1 else str(step), "soft", align="middle")
    return sheet.svg(name, f"{curve.model} trained with {curve.optimiser}", _description(curve))


def _plot_losses(sheet: Sheet, curve: Curve, x: Scale, losses: Extent) -> None:
    if not losses:
        return
    low, high = losses
    margin = (high - low) / 20 or abs(high) / 20 or 1.0
    y = Scale(low - margin, high + margin, LOSS_BOTTOM, LOSS_TOP)
    sheet.grid(y, even_ticks(y.low, y.high), LEFT, RIGHT)
    sheet.lines(trace(x, y, enumerate(curve.loss, 1)), "reference", width=5, opacity=0.4)
    for dashes, (framework, run) in zip(LOSS_DASHES, curve.frameworks.items(), strict=False):
        sheet.lines(trace(x, y, enumerate(run.loss, 1)), role_of(framework), width=1.6, dashes=dashes)


def _plot_distances(sheet: Sheet, curve: Curve, x: Scale, distances: Extent) -> None:
    if not distances:
        return
    low, high = distances
    y = Scale(low / 1.3, high * 1.3, DISTANCE_BOTTOM, DISTANCE_TOP, log=True)
    sheet.grid(y, log_ticks(y.low, y.high), LEFT, RIGHT)
    floor = trace(x, y, enumerate(curve.envelope, 1))
    for line in floor:
        sheet.area([(line[0][0], DISTANCE_BOTTOM), *line, (line[-1][0], DISTANCE_BOTTOM)], "reference")
    sheet.lines(floor, "reference", width=1)
    steps = len(curve.envelope)
    styles = zip(SYMBOLS, DISTANCE_DASHES, (steps // 12, steps // 6), strict=True)  # marks of both do not coincide
    for (symbol, dashes, first), (framework, run) in zip(styles, curve.frameworks.items(), strict=False):
        numbers = list(enumerate(run.distance, 1))
        sheet.lines(trace(x, y, numbers), role_of(framework), dashes=dashes)
        marked = trace(x, y, numbers[first :: max(1, steps // 6)])
        sheet.marks(chain.from_iterable(marked), symbol, role_of(framework), radius=2.5)


def _description(curve: Curve) -> str:
    runs = curve.frameworks.items()
    losses = [f"The reference's loss goes from {_number(curve.loss[:1])} to {_number(curve.loss)}"]
    losses += [f"{framework} ends at {_number(run.loss)}" for framework, run in runs]
    distances = []
    for framework, run in runs:
        distances.append(f"{framework}'s distance ends at {_number(run.distance)}, {against_floor(curve, framework)}")
    distances.append(f"the noise floor ends at {_number(curve.envelope)}")
    return f"{'; '.join(losses)}. {'; '.join(distances)}."


def _number(series: Series) -> str:
    number = last(series)
    return "no number" if number is None else f"{number:.3g}"


def _losses(curve: Curve) -> list[float | None]:
    return [*curve.loss, *(loss for run in curve.frameworks.values() for loss in run.loss)]


def _distances(curve: Curve) -> list[float | None]:
    return [*curve.envelope, *(distance for run in curve.frameworks.values() for distance in run.distance)]
