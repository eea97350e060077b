"""List the layers of a pair that stand for each other: what became of their weights, and how far they are apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

from msgspec import Struct

from parity.checks.result import Measure
from parity.models.sequences import Inputs
from parity.pairs.apart import finite
from parity.pairs.first_difference import Traces
from parity.pairs.transfer import Row


class LayerWeights(Struct, frozen=True):
    """The weights of two layers that stand for each other.

    Attributes:
        left, right: their names.
        kind: of both.
        rule: how the arrays of one become those of the other.
        shapes: of their arrays, left and right.
        alone: how far both are apart alone on the same input in float64, relative to the largest number; None if that
            was not tried.
        differs: whether that is more than rounding.
        settings: setting -> its values left and right, where they differ.
        note: why they were not tried, or differ in shape.
    """

    left: str
    right: str
    kind: str
    rule: str
    shapes: dict[str, str] = {}
    alone: Measure = None
    differs: bool = False
    settings: dict[str, tuple[str, str]] = {}
    note: str = ""

    @classmethod
    def of(cls, row: Row, forward: bool) -> Self:
        """Describe a row of a transfer, which may be from the right to the left."""
        order = 1 if forward else -1
        left, right = (row.source, row.target)[::order]
        shapes = {role: " | ".join(map(str, each[::order])) for role, each in row.shapes.items()}
        settings = {
            name: (str(values[::order][0]), str(values[::order][1])) for name, values in row.configuration.items()
        }
        return cls(left, right, row.kind, row.rule, shapes, finite(row.difference), row.differs, settings, row.note)


class LayerDifference(Struct, frozen=True):
    """Two layers that stand for each other, and how far what they return in both models is apart.

    Attributes:
        left, right: their names.
        kind: the class of the right one.
        double, single: the largest difference over the largest number, in the widest dtype and in the other one; None
            where it was not measured.
        differs: whether it is more than rounding in the widest dtype.
        step: the first of which that is so; -1 where none is, or there are no steps.
    """

    left: str
    right: str
    kind: str
    double: Measure
    single: Measure = None
    differs: bool = False
    step: int = -1


def layer_differences(traces: Traces, inputs: Inputs, dtype: str, *, same: bool) -> tuple[LayerDifference, ...]:
    """Return how far all layers are apart, in the order of the left model's calls.

    Args:
        traces: of both models in the widest dtype.
        inputs: what both models take.
        dtype: the other dtype.
        same: whether both models agree. Then no layer differs, and their noise floors, which take runs, are left out.
    """
    if same:
        _leave_floors_out(traces)
    narrow = _in_dtype(traces, inputs, dtype)
    found = []
    for component in traces.components:
        double = traces.apart(component, "outputs")
        single = narrow.apart(component, "outputs") if narrow else None
        if double is not None:
            left, right = component.left[-1], component.right[-1]
            differs = double.differs and not same
            found.append(
                LayerDifference(
                    left,
                    right,
                    traces.before(1)[right].kind,
                    finite(double.relative),
                    finite(single.relative) if single else None,
                    differs,
                    double.step if differs else -1,
                )
            )
    return tuple(found)


def _in_dtype(traces: Traces, inputs: Inputs, dtype: str) -> Traces | None:
    """Trace both models in another dtype; None for a recording, or the same dtype."""
    if not all(half.runs for half in traces.halves) or dtype in (half.wide for half in traces.halves):
        return None
    seed = traces.tracers[0].setting.view.seed
    left, right = (half.tracer(inputs, seed, dtype) for half in traces.halves)
    left.axes, right.axes = (tracer.axes for tracer in traces.tracers)
    narrow = replace(traces, tracers=(left, right), known={})
    _leave_floors_out(narrow)
    return narrow


def _leave_floors_out(traces: Traces) -> None:
    for tracer in traces.tracers:
        tracer.floors = {}
