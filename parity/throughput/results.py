"""Define the results of benchmarks, as a report has them, and find the crossings of a curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated

from msgspec import Meta, Struct

from parity.checks.result import Count, Measure
from parity.errors import InputError
from parity.frameworks.manifest import Settings as Settings

Fill = Annotated[float, Meta(ge=0, le=1)]
Coordinate = Annotated[float, Meta(ge=0)]
Size = Count | None  # null where it is the axis of a curve


class Interval(Struct, frozen=True):
    """A median and its 95 % interval, without limits where there were too few rounds."""

    median: Measure
    low: Measure
    high: Measure

    @property
    def numbers(self) -> tuple[Measure, ...]:
        return self.low, self.median, self.high

    @property
    def faster(self) -> bool | None:
        """Return whether a speed-up is surely above 1, or surely below; None where the interval does not say.

        >>> Interval(2.0, 1.5, 2.5).faster, Interval(0.5, 0.4, 0.6).faster, Interval(1.0, 0.9, 1.1).faster
        (True, False, None)
        """
        if self.low is None or self.high is None or self.low <= 1 <= self.high:
            return None
        return self.low > 1


class Speedup(Interval, frozen=True):
    """The speed of a variant over that of another, "framework.variant"."""

    over: str


class Score(Struct, frozen=True):
    """The distance of a timed variant's answer from the expected one, in noise floors."""

    norm: Measure
    element: Measure
    quantity: str


class Timing(Struct, frozen=True):
    """One variant in one phase, "forward" or "train", on one batch, as benchmarks and reports alike describe it."""

    operation: str
    config: str
    distribution: str  # of the lengths
    phase: str
    framework: str
    variant: str
    mode: str
    device: str
    B: Count
    T: Count
    D: Count
    H: Count
    fill: Fill  # real over padded steps
    rounds: Count
    share_of_ideal: dict[str, Measure]
    share_of_peak: Measure  # of a matrix product's speed in the same rounds; None where nothing is multiplied
    peak_gflops: Measure
    kernels: tuple[str, ...] | None  # None where none were looked for
    score: Score
    a_a: Interval  # one variant of the framework against itself, timed under two names

    @property
    def subject(self) -> str:
        return f"{self.framework}.{self.variant}"

    @property
    def batch(self) -> tuple[str | int, ...]:
        """Return the names and sizes that all compared variants share."""
        return self.operation, self.config, self.distribution, self.B, self.T, self.D, self.H

    @property
    def layer(self) -> tuple[str | int, ...]:
        """Return the names and sizes that batches of any lengths share."""
        return self.operation, self.config, self.B, self.D, self.H


class TimedVariant(Timing, frozen=True):
    """A timed variant, as a report has it."""

    seconds: Measure  # of the median round
    steps_per_second: Interval  # real steps
    speedup: Speedup | None  # over the same framework's padded variant; None for that one, and where there is none
    ideals: dict[str, Measure]  # that leaving the padding out could bring: by_flops; with_step_floor if measured
    peak_memory: Count | None  # bytes that training adds


class Crossing(Struct, frozen=True):
    """A point of a curve at which a variant becomes faster than padding, or slower."""

    at: Coordinate  # where the line through the medians is 1
    low: Coordinate  # the nearest measured points on both sides at which the intervals are sure
    high: Coordinate


def find_crossings(
    at: Sequence[float], speedup: Sequence[Interval], *, logarithmic: bool = False
) -> tuple[Crossing, ...]:
    """Find the points at which a variant becomes faster than padding, or slower.

    There is one interval for each measured point ``at``, in order. An interval that includes 1 decides nothing. So a
    crossing lies between a surely faster and a surely slower point, with any number of undecided points in between.

    Raises:
        InputError: the intervals cross 1, and the medians do not.

    >>> faster, even, slower = (Interval(median, median / 1.1, median * 1.1) for median in (2.0, 1.0, 0.5))
    >>> find_crossings([0.1, 0.2, 0.4], [faster, even, slower])
    (Crossing(at=0.2, low=0.1, high=0.4),)
    >>> find_crossings([0.1, 0.2], [faster, even])
    ()
    """
    sure = [n for n, interval in enumerate(speedup) if interval.faster is not None]
    crossings = []
    for first, last in pairwise(sure):
        if speedup[first].faster != speedup[last].faster:
            between = range(first, last + 1)
            medians = [(at[n], median) for n in between if (median := speedup[n].median)]
            crossings.append(Crossing(_crossing_of_medians(medians, logarithmic), at[first], at[last]))
    return tuple(crossings)


def _crossing_of_medians(medians: Sequence[tuple[float, float]], logarithmic: bool) -> float:
    """Return the first point where the medians cross 1, on straight lines between their logarithms."""
    for (left, before), (right, after) in pairwise(medians):
        if (before > 1) != (after > 1):
            share = math.log(before) / (math.log(before) - math.log(after))
            if logarithmic and left > 0:
                return math.exp(math.log(left) + share * (math.log(right) - math.log(left)))
            return left + share * (right - left)
    raise InputError("speedup", "intervals that cross 1 and medians that do not", "medians within their intervals")


class CurveVariant(Struct, frozen=True):
    """A variant along a curve, with its speed-up over the padded one, "framework.variant", at each point."""

    framework: str
    variant: str
    over: str
    speedup: tuple[Interval, ...]
    crossings: tuple[Crossing, ...]


class SpeedupCurve(Struct, frozen=True):
    """The speed-up over padding along an axis, with padded over real steps at each measured point as the ideal."""

    axis: str  # "fill" or "T"
    operation: str
    phase: str
    device: str
    B: Size
    T: Size
    D: Size
    H: Size
    at: tuple[Coordinate, ...]
    ideal: tuple[Measure, ...]
    variants: Annotated[tuple[CurveVariant, ...], Meta(max_length=99)]  # a framework of its own has a plot of its own

    def __post_init__(self) -> None:
        if {len(self.at)} != {len(self.ideal), *(len(variant.speedup) for variant in self.variants)} | {len(self.at)}:
            raise ValueError(f"Expected `{len(self.at)} points in ideal and speedup`, got `with others`")


class Machine(Struct, frozen=True):
    """The machine on which benchmarks ran."""

    cpu: str
    cores: int | None
    system: str
    python: str


class Throughput(Struct, frozen=True):
    """All benchmarks of one run of pytest-benchmark."""

    date: str
    machine: Machine
    versions: dict[str, str | None]  # None where it is not installed
    frameworks: dict[str, Settings]
    rows: tuple[TimedVariant, ...]
    curves: tuple[SpeedupCurve, ...]
