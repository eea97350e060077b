"""Plot where in the batch a model differs first: sequences downwards, steps to the right."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from markupsafe import Markup

from parity.checks.batch_errors import BatchErrors
from parity.checks.blame import Blame
from parity.report.own import OwnView
from parity.report.plots.svg import Panel, Sheet, drawn

WIDTH, LEFT, TOP = 420.0, 98.0, 34.0
ROW, WIDEST, NUMBERED = 20.0, 40.0, 26.0  # heights and widths; a square as wide as that has its number in it
FAINTEST = 0.25  # the depth of the smallest error


def panels(view: OwnView, number: int) -> list[Panel]:
    """Plot the first difference of each broken contract of a verdict."""
    return [
        Panel(contract, [str(blame).replace("`", "")], _plot(f"own-{number}-{n}", blame, blame.errors))
        for n, (contract, blame) in enumerate(view.differences, 1)
        if blame.errors and blame.errors.rows
    ]


@drawn
def _plot(name: str, blame: Blame, errors: BatchErrors) -> Markup:
    columns = max(map(len, errors.rows))
    width = min(WIDEST, (WIDTH - LEFT) / max(1, columns))
    sheet = Sheet(WIDTH, TOP + ROW * len(errors.rows) + 6)
    sheet.text(0, 12, f"error of {errors.quantity}", bold=True)
    sheet.text(LEFT - 8, TOP - 7, "sequence · length", "soft", align="end")
    for column in range(0, columns, max(1, math.ceil(columns / 12))):
        words = f"{column * errors.steps_per_column}" if errors.steps_per_column else "all"
        sheet.text(LEFT + (column + 0.5) * width, TOP - 7, words, "soft", align="middle")
    depth = _depths([error for row in errors.rows for error in row])
    for n, (sequence, length, row) in enumerate(zip(errors.sequences, errors.lengths, errors.rows, strict=True)):
        y = TOP + n * ROW
        sheet.text(LEFT - 8, y + 13, f"{sequence} · {length}", "soft", align="end")
        for column, error in enumerate(row):
            words = brief(error) if width >= NUMBERED else ""
            title = f"{_place(errors, sequence, column)}: {described(error)}"
            sheet.square(LEFT + column * width, y, width - 2, ROW - 2, depth(error), words, title)
        if blame.step >= 0 and errors.steps_per_column and sequence == blame.sequence:
            sheet.outline(LEFT + blame.step // errors.steps_per_column * width, y, width - 2, ROW - 2)
    return sheet.svg(name, f"Errors of {errors.quantity}", f"Largest absolute error by sequence and step; {blame}.")


def _depths(errors: Sequence[float | None]) -> Callable[[float | None], float]:
    """Return a function from an error to the depth of its colour: 0 for none, 1 for the largest, logarithmic."""
    sizes = [error for error in errors if error]
    low, high = min(sizes, default=1.0), max(sizes, default=1.0)

    def depth(error: float | None) -> float:
        if error is None or (error and low == high):
            return 1.0
        if not error:
            return 0.0
        return FAINTEST + (1 - FAINTEST) * math.log(error / low) / math.log(high / low)

    return depth


def _place(errors: BatchErrors, sequence: int, column: int) -> str:
    if not errors.steps_per_column:
        return f"sequence {sequence}"
    first = column * errors.steps_per_column
    steps = f"step {first}" if errors.steps_per_column == 1 else f"steps from {first}"
    return f"sequence {sequence}, {steps}"


def described(error: float | None) -> str:
    """Say how large an error is.

    >>> described(None), described(0.0), described(0.25)
    ('NaN or inf on one side only', 'within its limit', 'off by 0.25')
    """
    if error is None:
        return "NaN or inf on one side only"
    return f"off by {error:g}" if error else "within its limit"


def brief(error: float | None) -> str:
    """Write an error into a square.

    >>> brief(None), brief(0.0), brief(0.00123), brief(570.0), brief(2.5)
    ('NaN', '', '1e-3', '6e2', '2.5')
    """
    if error is None:
        return "NaN"
    if not error:
        return ""
    if 0.1 <= error < 100:
        return f"{error:.2g}"
    digit, _, power = f"{error:.0e}".partition("e")
    return f"{digit}e{int(power)}"
