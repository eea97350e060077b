"""pytest-benchmark's JSON as a part of the record: its numbers, where curves cross, and what is no such JSON."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks import test_crossover
from benchmarks.bench import Bench
from benchmarks.grid import Row, Size
from parity import report
from parity.__main__ import main
from parity.cases.lengths import fill_lengths
from parity.errors import InputError
from parity.report.crossover import crossings
from parity.report.throughput import read, throughput
from parity.throughput.benchmark import Entry
from tests.benchmarked import RATIO, point, row, written
from tests.garbage import small_record


def test_a_row_has_what_the_benchmark_measured() -> None:
    (found,) = throughput(written(row("pytorch", "packed")))["rows"]
    assert found["steps_per_second"]["median"] == 4000
    assert found["speedup"] == {"over": "pytorch.padded", "median": 2.0, "low": 1.5, "high": 2.5}
    assert (found["share_of_peak"], found["kernels"], found["peak_memory"]) == (0.125, ["oneDNN"], 4_000_000)


def test_the_interval_is_that_of_the_rounds() -> None:
    one = row("pytorch", "packed")
    slow, median, fast = (
        throughput(written(one))["rows"][0]["steps_per_second"][end] for end in ("low", "median", "high")
    )
    assert 3333 <= slow < median < fast <= 5000  # 40 steps in 0.012 s and in 0.008 s
    one["stats"]["data"] = [0.01] * 9
    assert set(throughput(written(one))["rows"][0]["steps_per_second"].values()) == {4000}


@pytest.mark.parametrize("rounds", [{}, {"data": []}, {"data": [0.01]}, {"data": [0.0, 0.01]}])
def test_without_rounds_there_is_no_interval(rounds: dict[str, Any]) -> None:
    found = throughput(written(row("pytorch", "packed") | {"stats": rounds}))["rows"][0]["steps_per_second"]
    assert found == {"median": 4000, "low": None, "high": None}


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
    found = throughput(written(row("pytorch", "bucketed", speedup_over=over)))["rows"][0]["speedup"]
    assert (found and found["over"]) == expected


def test_numbers_that_are_not_finite_are_null() -> None:
    (found,) = throughput(written(row("pytorch", "packed", share_of_peak=math.nan, peak_gflops=math.inf)))["rows"]
    assert (found["share_of_peak"], found["peak_gflops"]) == (None, None)


FAST, EVEN, SLOW = ({"low": m / 1.1, "median": m, "high": m * 1.1} for m in (2.0, 1.0, 0.5))
AT = [0.1, 0.2, 0.3, 0.4]
CROSSINGS = {
    "always faster": ([FAST] * 4, []),
    "never sure": ([EVEN] * 4, []),
    "once": ([FAST, FAST, SLOW, SLOW], [(0.25, 0.2, 0.3)]),
    "with doubt between": ([FAST, EVEN, EVEN, SLOW], [(0.2, 0.1, 0.4)]),
    "there and back": ([FAST, SLOW, SLOW, FAST], [(0.15, 0.1, 0.2), (0.35, 0.3, 0.4)]),
    "doubt at the end": ([SLOW, SLOW, EVEN, EVEN], []),
    "one point": ([FAST], []),
}


@pytest.mark.parametrize("case", CROSSINGS)
def test_a_curve_crosses_between_what_is_sure(case: str) -> None:
    curve, expected = CROSSINGS[case]
    found = [(cross["at"], cross["low"], cross["high"]) for cross in crossings(AT[: len(curve)], curve)]
    assert found == [pytest.approx(cross) for cross in expected]


def test_on_a_logarithmic_axis_a_crossing_is_in_the_middle_of_a_ratio() -> None:
    ((cross),) = crossings([16, 64], [SLOW, FAST], logarithmic=True)
    assert cross["at"] == pytest.approx(32)


def test_points_become_a_curve_in_order_with_the_ideal() -> None:
    points = [point(1.0, 0.5), point(0.25, 2.0), point(0.5, 1.0, ideal_speedup={"by_flops": 1.97})]
    (curve,) = throughput(written(*points))["curves"]
    assert (curve["at"], curve["ideal"]) == ([0.25, 0.5, 1.0], [4.0, 1.97, 1.0])
    (packed,) = curve["variants"]
    assert [point["median"] for point in packed["speedup"]] == [2.0, 1.0, 0.5]
    assert packed["crossings"] == [{"at": 0.5, "low": 0.25, "high": 1.0}]


def test_over_t_the_ideal_is_known_only_if_it_was_counted() -> None:
    (curve,) = throughput(written(point(16, 0.5, "T"), point(64, 2.0, "T", ideal_speedup={"by_flops": 3.0})))["curves"]
    assert (curve["T"], curve["ideal"], curve["variants"][0]["crossings"][0]["at"]) == (None, [None, 3.0], 32)


def without(name: str) -> dict[str, Any]:
    one = row("pytorch", "packed")
    del one["extra_info"][name]
    return written(one)


ANOTHER = "benchmarks: got another JSON ("
WRONG: dict[str, tuple[Any, str]] = {
    "a list": ([], ANOTHER),
    "a number": (3, ANOTHER),
    "a report.json": (small_record(), ANOTHER),
    "no benchmarks": (written() | {"benchmarks": []}, "benchmarks: got 0 benchmarks of something else, expected "),
    "others' benchmarks": (
        written({"name": "test_import", "extra_info": {}, "stats": {}}),
        "benchmarks: got 1 benchmarks of something else, expected ",
    ),
    "a row without its framework": (without("framework"), f"{ANOTHER}KeyError: 'framework')"),
    "text for a size": (
        written(row("pytorch", "packed", B="8")),
        "benchmarks: got rows[0].B '8', expected a whole number",
    ),
    "a fill above 1": (written(row("pytorch", "packed", fill=1.5)), "benchmarks: got rows[0].fill 1.5, expected "),
    "a negative share": (
        written(row("pytorch", "packed", share_of_peak=-0.1)),
        "benchmarks: got rows[0].share_of_peak -0.1, expected ",
    ),
    "rounds of text": (written(row("pytorch", "packed") | {"stats": {"data": ["fast", "slow"]}}), ANOTHER),
    "a date that is none": (written() | {"datetime": 3}, "benchmarks: got date 3, expected text"),
    "a curve that crosses nowhere": (
        written(
            *(
                point(at, 1.0, speedup_over_padded={"pytorch.packed": of | {"median": 3.0}})
                for at, of in ((0.1, FAST), (0.2, SLOW))
            )
        ),
        ANOTHER,
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_such_json_is_refused_in_one_sentence(case: str) -> None:
    given, sentence = WRONG[case]
    with pytest.raises(InputError) as refused:
        throughput(given)
    assert str(refused.value).startswith(sentence)
    assert "\n" not in str(refused.value)


FILES = {"not there": None, "empty": "", "cut off": json.dumps(written())[:500], "no JSON": "<html>"}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_be_read_is_named_and_nothing_is_written(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report.write(small_record(), tmp_path / "report")
    before = {file.name: file.read_bytes() for file in (tmp_path / "report").iterdir()}
    if FILES[name] is not None:
        (tmp_path / "throughput.json").write_text(FILES[name])
    given = str(tmp_path / "throughput.json")
    assert main(["report", str(tmp_path / "report"), "--benchmarks", given]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"parity: error: benchmarks: got {given!r}, expected JSON that pytest-benchmark wrote of ")
    assert said.count("\n") == 1
    assert {file.name: file.read_bytes() for file in (tmp_path / "report").iterdir()} == before


def test_benchmarks_become_part_of_the_report_in_a_folder(tmp_path: Path) -> None:
    record = small_record()
    report.write(record, tmp_path)
    (tmp_path / "throughput.json").write_text(json.dumps(written()))
    assert main(["report", str(tmp_path), "--benchmarks", str(tmp_path / "throughput.json")]) == 1  # a check has failed
    assert report.read(tmp_path) == record | {"throughput": read(tmp_path / "throughput.json")}
    assert main(["report", str(tmp_path)]) == 1
    assert report.read(tmp_path)["throughput"]["rows"]


def test_what_the_benchmarks_of_this_project_say_is_understood(pytorch: str) -> None:
    """Their rows, really timed, if on next to nothing."""
    size = Size(2, 3, 2, 2)
    bench = Bench({"large": size, "small": size}, timing=True, device="cpu")
    one = Row("bidirectional.reverse_sequence", "features", "uniform", "small", budget=0.02)
    entry = Entry("pytorch", "gather", "eager")
    timed = [bench.result(one, phase, entry) for phase in ("forward", "train")]
    benchmarks = [{"extra_info": info, "stats": {"data": times.tolist()}} for times, info in timed]
    forward, train = throughput(written(*json.loads(json.dumps(benchmarks))))["rows"]
    assert (forward["phase"], train["phase"], train["variant"], train["share_of_peak"]) == (
        "forward",
        "train",
        "gather",
        None,
    )
    assert all(0 < of["low"] <= of["high"] for of in (forward["steps_per_second"], train["steps_per_second"]))


def test_what_the_curves_of_this_project_say_is_understood() -> None:
    bench: Any = SimpleNamespace(device="cpu")
    lengths = fill_lengths(0.5, np.random.default_rng(0), 4, 8)
    times = {"pytorch.padded": np.full(6, 2.0), "pytorch.packed": np.full(6, 1.0)}
    over = {name: test_crossover.over_padded(name, times) for name in times}
    said = test_crossover.described(bench, "fill", 0.5, lengths, Size(4, 8, 3, 5))
    (curve,) = throughput(written({"extra_info": said | {"speedup_over_padded": over}, "stats": {}}))["curves"]
    assert (curve["operation"], curve["B"], curve["T"], curve["H"], curve["ideal"]) == ("rnn.lstm", 4, 8, 5, [2.0])
    assert curve["variants"][0]["speedup"] == [{"median": 2.0, "low": 2.0, "high": 2.0}]
