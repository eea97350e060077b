"""Speed-up over padding as a curve over fill or over T, and where it crosses 1."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

Point = Mapping[str, Any]  # the extra_info of one benchmark: one place on one axis
BASELINE = "padded"
CONDITIONS = ("operation", "phase", "device", "B", "D", "H")
BEFORE = {"operation": "rnn.lstm", "phase": "train", "device": "cpu"}  # what benchmarks meant that did not say it
LOGARITHMIC = ("T",)


def curves(points: Sequence[Point]) -> list[dict[str, Any]]:
    """The curves of the record, one for each axis, from the points of ``benchmarks/test_crossover.py``."""
    axes: dict[str, list[Point]] = {}
    for point in points:
        axes.setdefault(point["axis"], []).append(point)
    return [_curve(axis, sorted(found, key=lambda point: float(point["at"]))) for axis, found in axes.items()]


def _curve(axis: str, points: Sequence[Point]) -> dict[str, Any]:
    first = points[0]
    names = [name for name in first["speedup_over_padded"] if not name.endswith(f".{BASELINE}")]
    at = [point["at"] for point in points]
    return {
        "axis": axis,
        **{name: first.get(name, BEFORE.get(name)) for name in CONDITIONS},
        "T": None if axis == "T" else first["T"],
        "at": at,
        "ideal": [_ideal(axis, point) for point in points],
        "variants": [
            _variant(axis, at, name, [point["speedup_over_padded"][name] for point in points]) for name in names
        ],
    }


def _ideal(axis: str, point: Point) -> float | None:
    """Padded over real steps, as it was counted; of a fill it is known without."""
    if counted := point.get("ideal_speedup"):
        return float(counted["by_flops"])
    return 1 / point["at"] if axis == "fill" else None


def _variant(axis: str, at: Sequence[float], name: str, over: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    framework, _, variant = name.partition(".")
    speedup = [{kind: point[kind] for kind in ("median", "low", "high")} for point in over]
    found = crossings(at, speedup, logarithmic=axis in LOGARITHMIC)
    return {
        "framework": framework,
        "variant": variant,
        "over": f"{framework}.{BASELINE}",
        "speedup": speedup,
        "crossings": found,
    }


def crossings(
    at: Sequence[float], speedup: Sequence[Mapping[str, float]], *, logarithmic: bool = False
) -> list[dict[str, float]]:
    """Where a variant becomes faster than padding, or slower.

    An interval that holds 1 says neither; so a crossing lies between two neighbours of which one is surely faster and
    the other surely slower, with any number in between that say nothing.

    Args:
        at: where it was measured, in order.
        speedup: there, each with its ``median`` and from ``low`` to ``high``.
        logarithmic: whether the axis is.

    Returns:
        For each crossing ``low`` and ``high``, those two neighbours, and ``at``, where the medians' line is 1.

    >>> faster, even, slower = ({"low": m / 1.1, "median": m, "high": m * 1.1} for m in (2.0, 1.0, 0.5))
    >>> crossings([0.1, 0.2, 0.4], [faster, even, slower]), crossings([0.1, 0.2], [faster, even])
    ([{'at': 0.2, 'low': 0.1, 'high': 0.4}], [])
    """
    sure = [n for n, point in enumerate(speedup) if point["low"] > 1 or point["high"] < 1]
    return [
        {"at": _at_one(at, speedup, range(first, last + 1), logarithmic), "low": at[first], "high": at[last]}
        for first, last in pairwise(sure)
        if (speedup[first]["low"] > 1) != (speedup[last]["low"] > 1)
    ]


def _at_one(at: Sequence[float], speedup: Sequence[Mapping[str, float]], within: range, logarithmic: bool) -> float:
    """Where the medians cross 1 first, on straight lines between their logarithms."""
    first, *_ = _places(at, [math.log(speedup[n]["median"]) for n in within], within, logarithmic)
    return first


def _places(at: Sequence[float], heights: Sequence[float], within: range, logarithmic: bool) -> Iterator[float]:
    for (left, one), (right, other) in pairwise(zip(within, heights, strict=True)):
        if (one > 0) != (other > 0):
            share = one / (one - other)
            if logarithmic:
                yield at[left] * (at[right] / at[left]) ** share
            else:
                yield at[left] + share * (at[right] - at[left])
