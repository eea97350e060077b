"""Test the reader of pytest-benchmark's JSON: its numbers, the crossings of curves, and JSON of something else."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from benchmarks import test_crossover
from benchmarks.bench import Bench
from benchmarks.grid import Row, Size
from parity import report
from parity.__main__ import main
from parity.cases.lengths import fill_lengths
from parity.errors import InputError
from parity.report.model import encode
from parity.report.throughput import read, throughput
from parity.throughput.benchmark import Candidate
from parity.throughput.results import Crossing, Interval, Speedup, TimedVariant, find_crossings
from tests.factories import RATIO, point, row, small_report, written


def timed(benchmark: dict[str, Any]) -> TimedVariant:
    (variant,) = throughput(written(benchmark)).rows
    return variant


def test_a_row_has_what_the_benchmark_measured() -> None:
    variant = timed(row("pytorch", "packed"))
    assert variant.steps_per_second.median == 4000
    assert variant.speedup == Speedup(2.0, 1.5, 2.5, over="pytorch.padded")
    assert (variant.share_of_peak, variant.kernels, variant.peak_memory) == (0.125, ("oneDNN",), 4_000_000)
    assert (variant.operation, variant.B, variant.a_a, variant.score.norm) == (
        "rnn.lstm",
        8,
        Interval(1.0, 0.95, 1.05),
        0.5,
    )


def test_the_interval_is_that_of_the_rounds() -> None:
    benchmark = row("pytorch", "packed")
    low, median, high = timed(benchmark).steps_per_second.numbers
    assert 3333 <= low < median < high <= 5000  # 40 steps in 0.012 s and in 0.008 s
    benchmark["stats"]["data"] = [0.01] * 9
    assert set(timed(benchmark).steps_per_second.numbers) == {4000}


@pytest.mark.parametrize("rounds", [{}, {"data": []}, {"data": [0.01]}, {"data": [0.0, 0.01]}])
def test_without_rounds_there_is_no_interval(rounds: dict[str, Any]) -> None:
    rate = timed(row("pytorch", "packed") | {"stats": rounds}).steps_per_second
    assert rate == Interval(4000, None, None)


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        ({"pytorch.packed": RATIO, "pytorch.padded": RATIO}, "pytorch.padded"),
        ({"pytorch.packed": RATIO, "pytorch.two_pass": RATIO}, "pytorch.two_pass"),
        ({"pytorch.packed": RATIO}, None),
        ({}, None),
    ],
)
def test_speed_up_is_over_the_variant_that_pads(over: dict[str, Any], expected: str | None) -> None:
    speedup = timed(row("pytorch", "bucketed", speedup_over=over)).speedup
    assert (speedup and speedup.over) == expected


def test_numbers_that_are_not_finite_are_null() -> None:
    variant = timed(row("pytorch", "packed", share_of_peak=math.nan, peak_gflops=math.inf))
    assert (variant.share_of_peak, variant.peak_gflops) == (None, None)


def test_numbers_have_four_digits() -> None:
    assert timed(row("pytorch", "packed", fill=0.123456)).fill == 0.1235


FAST, EVEN, SLOW = (Interval(median, median / 1.1, median * 1.1) for median in (2.0, 1.0, 0.5))
AT = [0.1, 0.2, 0.3, 0.4]
CROSSINGS = {
    "always faster": ([FAST] * 4, []),
    "never sure": ([EVEN] * 4, []),
    "once": ([FAST, FAST, SLOW, SLOW], [(0.25, 0.2, 0.3)]),
    "with doubt between": ([FAST, EVEN, EVEN, SLOW], [(0.2, 0.1, 0.4)]),
    "there and back": ([FAST, SLOW, SLOW, FAST], [(0.15, 0.1, 0.2), (0.35, 0.3, 0.4)]),
    "doubt at the end": ([SLOW, SLOW, EVEN, EVEN], []),
    "without a median between": ([FAST, Interval(None, None, None), SLOW], [(0.2, 0.1, 0.3)]),
    "one point": ([FAST], []),
}


@pytest.mark.parametrize("case", CROSSINGS)
def test_a_curve_crosses_between_sure_points(case: str) -> None:
    curve, expected = CROSSINGS[case]
    crossings = [(cross.at, cross.low, cross.high) for cross in find_crossings(AT[: len(curve)], curve)]
    assert crossings == [pytest.approx(cross) for cross in expected]


def test_on_a_logarithmic_axis_a_crossing_is_in_the_middle_of_a_ratio() -> None:
    (cross,) = find_crossings([16, 64], [SLOW, FAST], logarithmic=True)
    assert cross.at == pytest.approx(32)


def test_points_become_a_curve_in_order_with_the_ideal() -> None:
    points = [point(1.0, 0.5), point(0.25, 2.0), point(0.5, 1.0, ideal_speedup={"by_flops": 1.97})]
    (curve,) = throughput(written(*points)).curves
    assert (curve.at, curve.ideal) == ((0.25, 0.5, 1.0), (4.0, 1.97, 1.0))
    (packed,) = curve.variants
    assert [speedup.median for speedup in packed.speedup] == [2.0, 1.0, 0.5]
    assert packed.crossings == (Crossing(at=0.5, low=0.25, high=1.0),)


def test_a_curve_over_t_has_no_t_of_its_own_and_a_logarithmic_axis() -> None:
    (curve,) = throughput(written(point(16, 0.5, "T"), point(64, 2.0, "T"))).curves
    assert (curve.T, curve.variants[0].crossings[0].at) == (None, 32)


def without(name: str) -> dict[str, Any]:
    benchmark = row("pytorch", "packed")
    del benchmark["extra_info"][name]
    return written(benchmark)


def crossing_without_medians() -> dict[str, Any]:
    """Make a curve whose intervals cross 1, while its medians are outside of them."""
    points = []
    for at, interval in ((0.1, FAST), (0.2, SLOW)):
        spoilt = {"median": 3.0, "low": interval.low, "high": interval.high}
        points.append(point(at, 1.0, speedup_over_padded={"pytorch.packed": spoilt}))
    return written(*points)


EXPECTED = "expected JSON that pytest-benchmark wrote of this project's benchmarks"
INFO = "benchmarks[0].extra_info"
WRONG: dict[str, tuple[Any, str]] = {
    "a list": ([], "got JSON array, expected object"),
    "a number": (3, "got JSON int, expected object"),
    "a report.json": (json.loads(encode(small_report())), f"got no machine_info, {EXPECTED}"),
    "no benchmarks": (written() | {"benchmarks": []}, f"got 0 benchmarks of something else, {EXPECTED}"),
    "others' benchmarks": (
        written({"name": "test_import", "extra_info": {}, "stats": {}}),
        f"got 1 benchmarks of something else, {EXPECTED}",
    ),
    "a row without its framework": (without("framework"), f"got no {INFO}.framework, {EXPECTED}"),
    "text for a size": (written(row("pytorch", "packed", B="8")), f"got {INFO}.B str, expected int"),
    "a fill above 1": (
        written(row("pytorch", "packed", fill=1.5)),
        f"got {INFO}.fill outside its limits, expected float <= 1.0",
    ),
    "a negative share": (
        written(row("pytorch", "packed", share_of_peak=-0.1)),
        f"got {INFO}.share_of_peak outside its limits, expected float >= 0.0",
    ),
    "rounds of text": (
        written(row("pytorch", "packed") | {"stats": {"data": ["fast", "slow"]}}),
        "got benchmarks[0].stats.data[0] str, expected float",
    ),
    "a date that is none": (written() | {"datetime": 3}, "got datetime int, expected str"),
    "a curve that crosses nowhere": (
        crossing_without_medians(),
        "got another JSON (speedup: got intervals that cross 1 and medians that do not, "
        f"expected medians within their intervals), {EXPECTED}",
    ),
    "points with different variants": (
        written(point(0.1, 1.0), point(0.2, 1.0, speedup_over_padded={"pytorch.packed": RATIO})),
        f"got points over 'fill' with different variants, {EXPECTED}",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_json_of_something_else_is_rejected_in_one_sentence(case: str) -> None:
    given, sentence = WRONG[case]
    with pytest.raises(InputError) as raised:
        throughput(given)
    assert str(raised.value) == f"benchmarks: {sentence}"


FILES = {"not there": None, "empty": "", "cut off": json.dumps(written())[:500], "no JSON": "<html>"}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_be_read_is_named_and_nothing_is_written(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a message shortens long paths, such as those under xdist
    report.write(small_report(), tmp_path / "report")
    before = {file.name: file.read_bytes() for file in (tmp_path / "report").iterdir()}
    given = "throughput.json"
    if FILES[name] is not None:
        Path(given).write_text(FILES[name])
    assert main(["report", "report", "--benchmarks", given]) == 2
    message = capsys.readouterr().err
    assert message.startswith(
        f"parity: error: benchmarks: got {given!r}, expected JSON that pytest-benchmark wrote of "
    )
    assert message.count("\n") == 1
    assert {file.name: file.read_bytes() for file in (tmp_path / "report").iterdir()} == before


def test_benchmarks_become_part_of_the_report_in_a_folder(tmp_path: Path) -> None:
    plain = msgspec.structs.replace(small_report(), throughput=None)
    report.write(plain, tmp_path)
    (tmp_path / "throughput.json").write_text(json.dumps(written()))
    assert main(["report", str(tmp_path), "--benchmarks", str(tmp_path / "throughput.json")]) == 1  # a check has failed
    measured = read(tmp_path / "throughput.json")
    assert report.read(tmp_path) == msgspec.structs.replace(plain, throughput=measured)
    assert main(["report", str(tmp_path)]) == 1
    assert report.read(tmp_path).throughput == measured


def test_extra_info_of_the_benchmarks_of_this_project_is_read(pytorch: str) -> None:
    """Time a row for real, if on next to nothing."""
    size = Size(2, 3, 2, 2)
    bench = Bench({"large": size, "small": size}, timing=True, device="cpu")
    tiny = Row("bidirectional.reverse_sequence", "features", "uniform", "small", budget=0.02)
    candidate = Candidate("pytorch", "gather", "eager")
    results = [bench.result(tiny, phase, candidate) for phase in ("forward", "train")]
    benchmarks = [{"extra_info": info, "stats": {"data": times.tolist()}} for times, info in results]
    forward, train = throughput(written(*json.loads(json.dumps(benchmarks)))).rows
    assert (forward.phase, train.phase) == ("forward", "train")
    assert (train.variant, train.share_of_peak) == ("gather", None)
    for variant in (forward, train):
        low, _, high = variant.steps_per_second.numbers
        assert 0 < low <= high


def test_extra_info_of_the_curves_of_this_project_is_read() -> None:
    bench: Any = SimpleNamespace(device="cpu")
    lengths = fill_lengths(0.5, np.random.default_rng(0), 4, 8)
    times = {"pytorch.padded": np.full(6, 2.0), "pytorch.packed": np.full(6, 1.0)}
    over = {name: test_crossover.over_padded(name, times) for name in times}
    info = test_crossover.described(bench, "fill", 0.5, lengths, Size(4, 8, 3, 5))
    (curve,) = throughput(written({"extra_info": info | {"speedup_over_padded": over}, "stats": {}})).curves
    assert (curve.operation, curve.B, curve.T, curve.H, curve.ideal) == ("rnn.lstm", 4, 8, 5, (2.0,))
    assert curve.variants[0].speedup == (Interval(2.0, 2.0, 2.0),)
