"""Test the plots: the numbers of the report as text and shapes, the same every time, and only if there are any."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from parity import report
from parity.checks.check import Check
from parity.errors import InputError, printable, shown
from parity.report import Report, plots
from parity.report.model import decode, encode
from parity.report.plots.svg import ROLES
from parity.report.templates import FOLDER
from parity.report.throughput import read, throughput
from parity.training import Curve, TrainingRun
from tests.factories import HOSTILE, benchmarks, curve, point, report_of, result, row, written
from tests.markup import Tree
from tests.strategies import JSON, rejected_in_one_sentence, spoilt

TIMES = "\N{MULTIPLICATION SIGN}"
CURVE = curve(
    optimiser="adam",
    settings={"learning_rate": 0.25},
    steps=3,
    loss=(2.5, 1.75, 1.25),
    envelope=(1e-7, 2e-7, 2.34e-7),
    frameworks={
        "pytorch": TrainingRun(loss=(2.5, 1.75, 1.25), distance=(1e-8, 3.21e-7, 4.56e-7)),
        "tensorflow": TrainingRun(loss=(2.5, 1.75, 1.375), distance=(2e-8, 3e-8, 4.32e-8)),
    },
)
NUMBERLESS = curve(loss=(None,), envelope=(None,), frameworks={"pytorch": TrainingRun(loss=(None,), distance=(None,))})


def with_versions(report: Report, **versions: str | None) -> Report:
    environment = msgspec.structs.replace(report.environment, versions=versions)
    return msgspec.structs.replace(report, environment=environment)


def timed(*rows: dict[str, Any]) -> Report:
    """Build a report of benchmarks, with checks of the same versions."""
    return with_versions(report_of(throughput=benchmarks(*rows)), torch="2.13.0", tensorflow=None)


def section_of(*rows: dict[str, Any]) -> str:
    return plots.throughput(timed(*rows))


def training_of(*curves: Curve) -> str:
    return plots.training(report_of(training=curves))


def svgs(page: str) -> list[str]:
    return re.findall(r'<svg class="plot".*?</svg>', page, re.DOTALL)


def elements(svg: str, tag: str, role: str = "") -> list[ElementTree.Element]:
    of_tag = ElementTree.fromstring(svg).iter(tag)
    return [element for element in of_tag if role in element.get("class", "").split() or not role]


def texts(svg: str) -> set[str]:
    return {element.text or "" for element in elements(svg, "text")}


def test_training_shows_the_numbers_of_the_report() -> None:
    (svg,) = svgs(training_of(CURVE))
    assert texts(svg) >= {"1.25", "noise 2.34e-07", "● pytorch 4.56e-07", "■ tensorflow 4.32e-08"}


def test_a_framework_that_leaves_the_noise_floor_is_named_with_its_step() -> None:
    page = training_of(CURVE)
    assert "<small>pytorch: above the noise floor in 2 of 3 steps, from step 2</small>" in page
    assert "tensorflow: above" not in page
    assert "<td>within the noise floor</td>" in page


def test_a_run_above_the_noise_floor_is_within_its_limit_or_not() -> None:
    check = Check("model.tagger", "pytorch", "", "float32", "trains_alike")
    for status, limit in (("passed", "; within its limit<"), ("failed", "; not within its limit<")):
        trained = result(status, check, case="lstm/adam")
        page = plots.training(report_of(trained, training=[CURVE]))
        assert f"from step 2{limit}" in page


def test_a_framework_that_differs_from_the_reference_is_plotted_elsewhere() -> None:
    """Three lines on one path mean that they coincide; so a loss that differs must give another path."""
    (svg,) = svgs(training_of(CURVE))
    reference, pytorch, tensorflow = (
        elements(svg, "path", role)[0].get("d") for role in ("reference", "pytorch", "tensorflow")
    )
    assert reference == pytorch != tensorflow


def test_a_line_has_a_gap_where_there_is_no_number() -> None:
    (svg,) = svgs(training_of(msgspec.structs.replace(CURVE, steps=4, loss=(2.5, 1.75, None, 1.25))))
    path = elements(svg, "path", "reference")[0].get("d", "")
    assert (path.count("M"), path.count("L")) == (2, 1)


def test_rates_show_variants_and_speed_up() -> None:
    (svg, *_) = svgs(section_of())
    assert texts(svg) >= {"pytorch", "packed", "padded", "tensorflow", "padded (xla)", f"2.00{TIMES}", "eager, cpu"}


def test_throughput_begins_with_what_is_fastest_how_often() -> None:
    slower = {"speedup_over": {"pytorch.padded": {"median": 0.5, "low": 0.4, "high": 0.6}}}
    other_batch = [row("pytorch", "padded", T=32), row("pytorch", "packed", T=32, **slower)]
    page = section_of(row("pytorch", "padded"), row("pytorch", "packed"), *other_batch)
    sentence = "with pytorch: packed in 1 of 2 (2.0 times padding), padded in 1."
    assert sentence in page.partition("Measured on")[0]


@pytest.mark.parametrize(
    ("median", "expected"),
    [(0.48, "with pytorch: padded in 1 of 1."), (2.5, "with pytorch: packed in 1 of 1 (2.5 times padding).")],
)
def test_padding_is_fastest_where_nothing_is_faster(median: float, expected: str) -> None:
    over = {"pytorch.padded": {"median": median, "low": median, "high": median}}
    assert expected in section_of(row("pytorch", "padded"), row("pytorch", "packed", speedup_over=over))


def test_a_dot_is_at_its_rate() -> None:
    """The faster, the further right, on one scale for all lengths of an operation."""
    slow = row("pytorch", "padded", seconds=0.02, distribution="a")
    fast = row("pytorch", "padded", seconds=0.01, distribution="b")
    both = row("pytorch", "packed", seconds=0.02, distribution="b")
    first, second, _ = svgs(section_of(slow, fast, both))
    (left,), (right, same) = marks(first), marks(second)
    assert left == same < right


def marks(svg: str) -> list[float]:
    return [float(circle.get("cx", "nan")) for circle in elements(svg, "circle")]


def test_curves_show_the_ideal_and_where_they_cross() -> None:
    page = section_of()
    (svg,) = (svg for svg in svgs(page) if "Speed-up of pytorch" in svg)
    assert texts(svg) >= {"● packed", "┈ ideal", "0.25", "0.5", "1", f"2{TIMES}", "fill: real steps over all"}
    assert "packed: as fast as padding at fill 0.5, between 0.25 and 1" in page


def test_shares_name_the_fastest_of_each_framework() -> None:
    """Without a matrix product there is no share, and nothing to plot."""
    (svg,) = (svg for svg in svgs(section_of()) if "matrix product" in svg)
    assert texts(svg) >= {"rnn.lstm, lognormal", "● padded 12 %", "■ padded 12 %"}
    without = section_of(row("pytorch", "packed", share_of_peak=None))
    assert not [svg for svg in svgs(without) if "matrix product" in svg]


def test_machine_kernels_versions_and_the_day_are_named() -> None:
    page = section_of()
    assert "Measured on 2026-11-21 on a processor, 2 cores, Linux 6.1, Python 3.11.7. torch 2.13.0" in page
    assert "pytorch: device cpu, threads 2" in page
    assert "Kernels of pytorch: oneDNN." in page


def test_times_of_other_versions_are_shown_as_such() -> None:
    other = plots.throughput(with_versions(timed(), torch="2.14.0", tensorflow=None))
    assert "These are times of torch 2.13.0; the checks of this report ran with torch 2.14.0." in other
    assert "These are times" not in section_of()
    assert svgs(other) == svgs(section_of())


EVERYTHING = training_of(CURVE, msgspec.structs.replace(CURVE, optimiser="sgd")) + section_of()


@pytest.mark.parametrize("svg", svgs(EVERYTHING), ids=lambda svg: re.findall('id="(.*?)-title"', svg)[0])
def test_a_plot_is_small_has_words_and_no_colour_of_its_own(svg: str) -> None:
    root = ElementTree.fromstring(svg)
    title, description, *shapes = root
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert (root.get("role"), bool(title.text), bool(description.text)) == ("img", True, True)
    assert len(svg) <= 15_000
    assert {element.tag for element in shapes} <= {"g", "path", "polygon", "text"}
    roles = {element.get("class", "").split()[0] for element in shapes}
    assert {"soft", "grid"} < roles <= set(ROLES)
    assert not {"fill", "stroke", "style", "color"} & {name for element in root.iter() for name in element.attrib}
    assert not re.search(r"url\(|https?:|<script", svg)


def test_every_role_has_a_colour_for_light_and_for_dark() -> None:
    style = (FOLDER / "plots.css").read_text()
    theme = style + (FOLDER / "page.css").read_text()
    for role in ROLES:
        (variable,) = re.findall(rf"svg \.{role} {{ color: var\((--[\w-]+)\); }}", style)
        assert re.search(rf"{variable}: light-dark\(#\w+, #\w+\)", theme)


def test_plots_of_many_rows_stay_small() -> None:
    """Plot as many batches, and on one of them as many variants, as the benchmarks have."""
    batches = [
        row(framework, "packed", distribution=f"lengths {n}")
        for n in range(20)
        for framework in ("pytorch", "tensorflow")
    ]
    variants = [row("pytorch", f"variant_{n}", phase) for phase in ("forward", "train") for n in range(19)]
    sizes = [len(svg) for svg in svgs(section_of(*batches, *variants))]
    assert (len(sizes), max(sizes) <= 15_000) == (22, True)


def test_positions_have_one_decimal_at_most() -> None:
    positions = re.findall(r' (?:x|y|cx|cy|d|points|viewBox)="([^"]+)"', "".join(svgs(EVERYTHING)))
    numbers = re.findall(r"[^ ,ML]+", " ".join(positions))
    assert len(numbers) > 400
    assert all(re.fullmatch(r"-?\d+(\.\d)?", number) for number in numbers)


def test_no_two_ids_of_a_page_are_the_same() -> None:
    ids = re.findall(r'\bid="([^"]+)"', EVERYTHING)
    assert len(ids) == len(set(ids)) > 10


def test_the_same_report_gives_the_same_plots_elsewhere() -> None:
    report = msgspec.structs.replace(timed(), training=(CURVE,))
    code = """
import hashlib, sys
from parity.report import plots
from parity.report.model import decode
report = decode(sys.stdin.read())
page = plots.training(report) + plots.throughput(report)
print(hashlib.sha256(page.encode()).hexdigest())
"""
    here = hashlib.sha256((plots.training(report) + plots.throughput(report)).encode()).hexdigest()
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, input=encode(report), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == here


def test_without_numbers_there_is_no_plot() -> None:
    assert plots.training(report_of()) == Markup("") == plots.throughput(report_of())
    page = training_of(NUMBERLESS)
    assert not svgs(page)
    assert "No finite number" in page
    assert "<td>pytorch</td>" in page


FAILING = {  # what fails -> how many plots a sentence replaces
    "parity.report.plots.svg.Sheet.svg": 4,
    "parity.report.plots.training_curves.even_ticks": 1,
    "parity.report.plots.rates.log_ticks": 1,
    "parity.report.plots.rates._plot_shares": 1,
    "parity.report.plots.crossings.doublings": 1,
    "parity.report.plots.sections.setting": 1,
    "parity.report.plots.sections.role_of": 1,
}
EVERY_KIND = report_of(training=[CURVE], throughput=benchmarks())


@pytest.mark.parametrize("name", FAILING)
def test_a_plot_that_fails_costs_no_other_and_no_report(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise ValueError("slice step <b>cannot be\n\x1b zero")

    intact = {file.name: file.read_text() for file in report.write(EVERY_KIND, tmp_path)}
    monkeypatch.setattr(name, fail)
    files = {file.name: file.read_text() for file in report.write(EVERY_KIND, tmp_path)}
    sentence = "This plot could not be drawn: ValueError: slice step &lt;b&gt;cannot be \\x1b zero"
    assert files["index.html"].count(sentence) == FAILING[name]
    assert not Tree(files["index.html"]).unclosed
    assert (files["report.md"], files["report.json"]) == (intact["report.md"], intact["report.json"])


ALONE: dict[str, dict[str, Any]] = {  # one benchmark, at every limit that a number has
    "one variant": row("pytorch", "packed"),
    "padding": row("pytorch", "padded"),
    "no time": row("pytorch", "packed", seconds=1e-300),
    "for ever": row("pytorch", "packed", seconds=1e300),
    "nothing real": row("pytorch", "packed", fill=0.0, share_of_peak=0.0),
    "beyond the peak": row("pytorch", "packed", share_of_peak=1e300, ideal_speedup={}),
    "one point": point(0.5, 2.0),
    "one T": point(128, 2.0, axis="T"),
    "no T": point(0.0, 2.0, axis="T"),
    "a tiny point": point(5e-324, 5e-324),
    "a huge point": point(1e308, 1e307, axis="T"),
    "no variant": point(0.5, 2.0, speedup_over_padded={}),
}


@pytest.mark.parametrize("name", ALONE)
def test_one_benchmark_alone_is_plotted(name: str) -> None:
    assert "could not be drawn" not in section_of(ALONE[name])


def test_a_curve_of_another_length_than_its_steps_is_plotted() -> None:
    short = msgspec.structs.replace(CURVE, steps=10**9, loss=(2.5,), envelope=())
    long = msgspec.structs.replace(CURVE, steps=0, loss=(1.0,) * 999, envelope=(1e-9,) * 999)
    for other in (short, long, msgspec.structs.replace(CURVE, frameworks={})):
        assert "could not be drawn" not in training_of(CURVE, other)


def test_rounds_without_end_need_no_memory() -> None:
    many = row("pytorch", "packed") | {"stats": {"data": [0.01] * 10**6}}
    assert benchmarks(many).rows[0].steps_per_second.low is not None


WRONG = {  # message -> path in the benchmarks, and the value there
    "benchmarks[0].extra_info.fill outside its limits, expected float <= 1.0": (0, "extra_info", "fill", 2),
    "benchmarks[0].extra_info.B str, expected int": (0, "extra_info", "B", "x"),
    "benchmarks[6].extra_info.at outside its limits, expected float >= 0.0": (6, "extra_info", "at", -1),
    "benchmarks[0].stats.data[0] outside its limits, expected float >= 0.0": (0, "stats", "data", [-1]),
    "benchmarks[0].stats str, expected object": (0, "stats", "x"),
}


@pytest.mark.parametrize("message", WRONG)
def test_a_file_of_benchmarks_that_is_wrong_is_named(message: str, tmp_path: Path) -> None:
    made = written()
    *path, last, value = WRONG[message]
    part: Any = made["benchmarks"]
    for name in path:
        part = part[name]
    part[last] = value
    file = tmp_path / "b.json"
    file.write_text(json.dumps(made), encoding="utf-8")
    with pytest.raises(InputError) as raised:
        read(file)
    assert str(raised.value) == f"benchmarks {shown(str(file))}: got {message}"


def tree_of(text: str) -> Tree:
    """Plot everything with a text in every field that has one."""
    fields = {name: f"{name} {text}" for name in ("operation", "config", "distribution", "mode", "device")}
    rows = [
        row(f"{framework} {text}", f"padded {text}", **fields, kernels=[text], ideal_speedup={f"by {text}": 2.0})
        for framework in ("one", "two")
    ]
    over = {f"framework {text}.variant {text}": {"median": 2.0, "low": 1.9, "high": 2.1}}
    along = point(0.5, 2.0, axis=f"axis {text}", operation=text, speedup_over_padded=over)
    part = benchmarks(*rows, along)
    part = msgspec.structs.replace(
        part,
        machine=msgspec.structs.replace(part.machine, cpu=text, system=text, python=text),
        versions={f"torch {text}": text},
        frameworks={f"pytorch {text}": {f"device {text}": text}},
    )
    trained = curve(
        f"model {text}",
        f"optimiser {text}",
        config=f"config {text}",
        settings={text: 0.1},
        frameworks={f"framework {text}": CURVE.frameworks["pytorch"]},
    )
    report = with_versions(report_of(training=[trained], throughput=part), **{f"torch {text}": "another"})
    return Tree(str(plots.training(report) + plots.throughput(report)))


HARMLESS = "harmless words"


@pytest.mark.parametrize("name", [name for name in HOSTILE if name != "nothing"])
def test_names_are_visible_and_inert(name: str) -> None:
    hostile = HOSTILE[name]
    tree = tree_of(hostile)
    assert tree.tags == tree_of(HARMLESS).tags
    assert not tree.unclosed
    assert all(letter.isprintable() or letter == "\n" for letter in tree.text)
    assert all(printable(line) in tree.text for line in f"optimiser {hostile}".split("\n"))


@given(st.data())
def test_spoilt_benchmarks_are_rejected_in_one_sentence_or_plotted(data: st.DataObject) -> None:
    wrong = data.draw(spoilt(json.loads(json.dumps(written())), JSON))
    with rejected_in_one_sentence():
        assert "could not be drawn" not in plots.throughput(report_of(throughput=throughput(wrong)))


@given(st.data())
def test_spoilt_parts_of_a_report_are_rejected_or_plotted(data: st.DataObject) -> None:
    report = json.loads(encode(report_of(training=[CURVE], throughput=benchmarks())))
    for part in ("training", "throughput"):
        report[part] = data.draw(spoilt(report[part], JSON))
    try:
        read = decode(json.dumps(report))
    except (InputError, ValueError):  # ValueError: an integer with too many digits
        return
    assert "could not be drawn" not in plots.training(read) + plots.throughput(read)
