"""Read the JSON of pytest-benchmark as the report's part ``throughput``.

``pytest benchmarks --benchmark-only --benchmark-json=throughput.json`` writes it. Its ``extra_info`` is what this
project's benchmarks add: ``benchmarks/results.py`` for a timed variant, whose metrics `parity.throughput.metrics`
explains, and ``benchmarks/test_crossover.py`` for a point of a curve.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import numpy as np
from msgspec import Meta, Struct

from parity.checks.result import DIGITS, Count, Measure, rounded
from parity.errors import InputError, cause, file_name, shown
from parity.files import read_regular
from parity.report.groups import group_by
from parity.report.model import invalid
from parity.throughput import results
from parity.throughput.timing import ratio

ARGUMENT = "benchmarks"
EXPECTED = "JSON that pytest-benchmark wrote of this project's benchmarks"
BASELINES = (".padded", ".two_pass")  # an operation without a padded variant has one that pads too
PADDED = "padded"
EXACT = 17  # digits
MOST = 2**24  # bytes of a file; that of all benchmarks has a tenth
MOST_ROUNDS = 1000  # of which an interval is derived, in memory for each 2000 times; `interleaved` makes 200
Kind = TypeVar("Kind")
Positive = Annotated[float, Meta(ge=0)]


class Cpu(Struct, frozen=True):
    brand_raw: str = ""
    count: int | None = None


class MachineInfo(Struct, frozen=True):
    """The machine, and the versions and settings that ``benchmarks/conftest.py`` adds."""

    machine: str
    system: str
    release: str
    python_version: str
    cpu: Cpu = Cpu()
    versions: dict[str, str | None] = {}  # a Struct copies it
    frameworks: dict[str, results.Settings] = {}


class TimedInfo(results.Timing, frozen=True):
    """The ``extra_info`` of a timed variant."""

    median_seconds: Measure
    real_steps: Positive
    real_steps_per_second: Measure
    speedup_over: dict[str, results.Interval]
    ideal_speedup: dict[str, Measure]
    peak_memory_bytes: Count | None


class PointInfo(Struct, frozen=True):
    """The ``extra_info`` of one point of a curve."""

    axis: str
    at: results.Coordinate
    operation: str
    phase: str
    device: str
    B: Count
    T: Count
    D: Count
    H: Count
    ideal_speedup: dict[str, Measure]
    speedup_over_padded: dict[str, results.Interval]


class Stats(Struct, frozen=True):
    data: tuple[Positive, ...] = ()  # seconds; with ``--benchmark-save-data``, or in this project's benchmarks


class Benchmark(Struct, frozen=True):
    extra_info: dict[str, Any]
    stats: Stats


class BenchmarkFile(Struct, frozen=True):
    machine_info: MachineInfo
    datetime: str
    benchmarks: tuple[Benchmark, ...]


def read(file: str | Path) -> results.Throughput:
    """Read a file that ``--benchmark-json`` named.

    Raises:
        InputError: there is none, it is another JSON, or it has none of these benchmarks; the message says what.
    """
    path = file_name(ARGUMENT, file)
    try:
        return throughput(json.loads(read_regular(path, MOST)))
    except InputError as error:
        raise InputError(f"{ARGUMENT} {shown(str(file))}", *error.args[1:]) from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(ARGUMENT, shown(str(file)), f"{EXPECTED} ({cause(error)})") from error


def throughput(written: object) -> results.Throughput:
    """Return the report's part from pytest-benchmark's decoded JSON, with four digits of each number; see `read`."""
    try:
        file = _converted(_finite(written, EXACT), BenchmarkFile)
        part = _converted(_finite(_part(file), DIGITS), results.Throughput)
    except RecursionError as error:
        raise InputError(ARGUMENT, "another JSON (nested too deeply)", EXPECTED) from error
    if not part.rows and not part.curves:
        raise InputError(ARGUMENT, f"{len(file.benchmarks)} benchmarks of something else", EXPECTED)
    return part


def _finite(value: Any, digits: int) -> Any:
    """Round all numbers; those that are not finite become None."""
    if isinstance(value, float):
        return rounded(value, digits)
    if isinstance(value, dict):
        return {name: _finite(item, digits) for name, item in value.items()}
    return [_finite(item, digits) for item in value] if isinstance(value, list | tuple) else value


def _converted(value: Any, kind: type[Kind], where: str = "") -> Kind:
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:  # the latter for a name with half a character
        raise invalid(ARGUMENT, str(error), EXPECTED, where) from error


def _part(file: BenchmarkFile) -> Any:
    """Return the fields of a `Throughput` as plain data."""
    info = file.machine_info
    rows, points = [], []
    for n, benchmark in enumerate(file.benchmarks):
        where = f"benchmarks[{n}].extra_info"
        if "speedup_over" in benchmark.extra_info:
            rows.append(_row(_converted(benchmark.extra_info, TimedInfo, where), benchmark.stats.data))
        if "axis" in benchmark.extra_info:
            points.append(_converted(benchmark.extra_info, PointInfo, where))
    cpu, system = info.cpu.brand_raw or info.machine, f"{info.system} {info.release}"
    machine = results.Machine(cpu, info.cpu.count, system, info.python_version)
    curves = [_curve(axis, along) for axis, along in group_by(points, lambda point: point.axis).items()]
    part = {"date": file.datetime, "machine": machine, "rows": rows, "curves": curves}
    return msgspec.to_builtins(part | {"versions": info.versions, "frameworks": info.frameworks})


def _row(info: TimedInfo, rounds: Sequence[float]) -> Any:
    padded = (name for suffix in BASELINES for name in info.speedup_over if name.endswith(suffix))
    over = next(padded, None)
    return msgspec.to_builtins(info) | {
        "seconds": info.median_seconds,
        "steps_per_second": _rate(info, rounds),
        "speedup": msgspec.to_builtins(info.speedup_over[over]) | {"over": over} if over else None,
        "ideals": info.ideal_speedup,
        "peak_memory": info.peak_memory_bytes,
    }


def _rate(info: TimedInfo, rounds: Sequence[float]) -> results.Interval:
    """Return real steps a second, with the 95 % interval of the median round if the rounds are known."""
    rounds = rounds[:MOST_ROUNDS]
    if len(rounds) < 2 or min(rounds) <= 0:
        return results.Interval(info.real_steps_per_second, None, None)
    with np.errstate(over="ignore"):
        seconds = ratio(np.asarray(rounds, np.float64), np.ones(len(rounds)))
    return results.Interval(info.real_steps_per_second, info.real_steps / seconds.high, info.real_steps / seconds.low)


def _curve(axis: str, points: Sequence[PointInfo]) -> Any:
    along = sorted(points, key=lambda point: point.at)
    first, *others = along
    if any(point.speedup_over_padded.keys() != first.speedup_over_padded.keys() for point in others):
        raise InputError(ARGUMENT, f"points over {shown(axis)} with different variants", EXPECTED)
    return msgspec.to_builtins(first) | {
        "T": None if axis == "T" else first.T,
        "at": [point.at for point in along],
        "ideal": [point.ideal_speedup.get("by_flops") for point in along],
        "variants": list(_curve_variants(axis, along)),
    }


def _curve_variants(axis: str, points: Sequence[PointInfo]) -> Iterator[results.CurveVariant]:
    at = [point.at for point in points]
    for name in points[0].speedup_over_padded:
        framework, _, variant = name.partition(".")
        if variant != PADDED:
            speedup = tuple(point.speedup_over_padded[name] for point in points)
            try:
                crossings = results.find_crossings(at, speedup, logarithmic=axis == "T")
            except InputError as error:
                raise InputError(ARGUMENT, f"another JSON ({error})", EXPECTED) from error
            yield results.CurveVariant(framework, variant, f"{framework}.{PADDED}", speedup, crossings)
