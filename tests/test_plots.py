"""Plots: the numbers of the record as text, shapes and nothing else, the same every time, and only if there are any."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from parity.errors import InputError, printable
from parity.report import plots
from parity.report.schema import check_part
from parity.report.svg import COLOURS
from parity.report.throughput import throughput
from tests.benchmarked import point, row, written
from tests.garbage import JSON, spoilt
from tests.test_fuzz import refused_in_one_sentence
from tests.test_hostile import HOSTILE

TIMES = "\N{MULTIPLICATION SIGN}"
ENVIRONMENT = {"versions": {"torch": "2.13.0", "tensorflow": None}}
SHARED = {"pytorch": {"loss": [2.5, 1.75, 1.25], "distance": [1e-8, 3.21e-7, 4.56e-7]}}
CURVE = {
    **{"model": "model.tagger", "config": "lstm", "optimiser": "adam", "settings": {"learning_rate": 0.25}, "seed": 0},
    **{"dtype": "float32", "steps": 3, "loss": [2.5, 1.75, 1.25], "envelope": [1e-7, 2e-7, 2.34e-7]},
    "frameworks": SHARED | {"tensorflow": {"loss": [2.5, 1.75, 1.375], "distance": [2e-8, 3e-8, 4.32e-8]}},
}


def part(*benchmarks: dict[str, Any]) -> dict[str, Any]:
    return throughput(written(*benchmarks))


def plotted(*benchmarks: dict[str, Any]) -> str:
    return plots.throughput(part(*benchmarks), ENVIRONMENT)


def svgs(page: str) -> list[str]:
    return re.findall(r'<svg class="plot".*?</svg>', page, re.DOTALL)


def texts(svg: str) -> list[str]:
    """What can be selected in a plot."""
    return [element.text or "" for element in ElementTree.fromstring(svg).iter("text")]


def test_training_shows_the_numbers_of_the_record() -> None:
    (svg,) = svgs(plots.training([CURVE]))
    assert {"1.25", "noise 2.34e-07", "● pytorch 4.56e-07", "■ tensorflow 4.32e-08"} <= set(texts(svg))


def test_a_framework_that_leaves_the_noise_floor_is_named_with_its_step() -> None:
    page = plots.training([CURVE])
    assert '<small class="left">pytorch: above the noise floor in 2 of 3 steps, from step 2</small>' in page
    assert "tensorflow: above" not in page
    assert "<td>within the noise floor</td>" in page


def test_a_run_above_the_noise_floor_is_said_to_be_within_its_limit_or_not() -> None:
    result = {"operation": "model.tagger", "case": "lstm/adam", "framework": "pytorch", "contract": "trains_alike"}
    for status, said in (("passed", "; within its limit<"), ("failed", "; not within its limit<")):
        assert f"from step 2{said}" in plots.training([CURVE], [result | {"status": status}])


def test_a_framework_that_parts_from_the_reference_is_plotted_elsewhere() -> None:
    """Three lines on one path mean that they coincide; so a loss that differs must give another path."""
    paths = [element.get("d") for element in ElementTree.fromstring(svgs(plots.training([CURVE]))[0]).iter("path")]
    _, reference, pytorch, tensorflow, *_ = paths
    assert reference == pytorch != tensorflow


def test_rates_show_variants_and_speed_up() -> None:
    (svg, *_) = svgs(plotted())
    assert {"pytorch", "packed", "padded", "tensorflow", "padded (xla)", f"2.00{TIMES}", "eager, cpu"} <= set(
        texts(svg)
    )


def test_throughput_begins_with_what_is_fastest_how_often() -> None:
    slower = {"speedup_over": {"pytorch.padded": {"median": 0.5, "low": 0.4, "high": 0.6}}}
    lost = [row("pytorch", "padded", T=32), row("pytorch", "packed", T=32, **slower)]
    page = plotted(row("pytorch", "padded"), row("pytorch", "packed"), *lost)
    said = "with pytorch: packed in 1 of 2 (0.5 to 2.0 times padding), padded in 1."
    assert said in page.partition("Measured on")[0]


def test_a_dot_stands_where_its_rate_is() -> None:
    """The faster, the further right, on one scale for all lengths of an operation."""
    slow, fast = (
        row("pytorch", "padded", seconds=seconds, distribution=name) for seconds, name in ((0.02, "a"), (0.01, "b"))
    )
    both = row("pytorch", "packed", seconds=0.02, distribution="b")
    first, second, _ = svgs(plotted(slow, fast, both))
    (left,), (right, same) = marks(first), marks(second)
    assert left == same < right


def marks(svg: str) -> list[float]:
    return [float(element.get("x", "nan")) for element in ElementTree.fromstring(svg).iter("use")]


def test_curves_show_the_ideal_and_where_they_cross() -> None:
    page = plotted()
    (svg,) = (svg for svg in svgs(page) if "Speed-up of pytorch" in svg)
    assert {"● packed", "┈ ideal", "0.25", "0.5", "1", f"2{TIMES}", "fill: real steps over all"} <= set(texts(svg))
    assert "packed: as fast as padding at fill 0.5, between 0.25 and 1" in page


def test_shares_name_the_fastest_of_each_framework() -> None:
    """Without a matrix product there is no share, and nothing to plot."""
    (svg,) = (svg for svg in svgs(plotted()) if "matrix product" in svg)
    assert {"rnn.lstm, lognormal", "● padded 12 %", "■ padded 12 %"} <= set(texts(svg))
    assert not [svg for svg in svgs(plotted(row("pytorch", "packed", share_of_peak=None))) if "matrix product" in svg]


def test_machine_kernels_versions_and_the_day_are_named() -> None:
    page = plotted()
    assert "Measured on 2026-11-21 on a processor, 2 cores, Linux 6.1, Python 3.11.7. torch 2.13.0" in page
    assert "pytorch: device cpu, threads 2" in page
    assert "Kernels of pytorch: oneDNN." in page


def test_times_of_other_versions_are_shown_and_it_is_said() -> None:
    other = plots.throughput(part(), {"versions": {"torch": "2.14.0", "tensorflow": None}})
    assert "These are times of torch 2.13.0; the checks of this report ran with torch 2.14.0." in other
    assert "These are times" not in plotted()
    assert svgs(other) == svgs(plotted())


EVERYTHING = Markup("").join([plots.training([CURVE, CURVE | {"optimiser": "sgd"}]), plotted()])


@pytest.mark.parametrize("svg", svgs(EVERYTHING), ids=lambda svg: re.findall('id="(.*?)-title"', svg)[0])
def test_a_plot_is_small_has_words_and_no_colour_of_its_own(svg: str) -> None:
    root = ElementTree.fromstring(svg)
    title, description, *_ = root
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert (root.get("role"), bool(title.text), bool(description.text)) == ("img", True, True)
    assert len(svg) <= 15_000
    assert {element.tag for element in root.iter() if element is not root} <= {
        "g",
        "title",
        "desc",
        "defs",
        "path",
        "use",
        "text",
    }
    known = set(COLOURS.values()) | {"none"}
    styles = ";".join(element.get("style", "") for element in root.iter())
    colours = re.findall(r"(?:^|;)(?:fill|stroke):([^;]+)", styles)
    assert colours
    assert set(colours) <= known
    assert "font-family:" not in svg
    assert not re.search(r"url\(|https?:|<script|~\d", svg)


def test_plots_of_many_rows_stay_small() -> None:
    """As many batches, and on one of them as many variants, as the benchmarks have."""
    batches = [
        row(framework, "packed", distribution=f"lengths {n}")
        for n in range(20)
        for framework in ("pytorch", "tensorflow")
    ]
    variants = [row("pytorch", f"variant_{n}", phase) for phase in ("forward", "train") for n in range(19)]
    sizes = list(map(len, svgs(plotted(*batches, *variants))))
    assert (len(sizes), max(sizes) <= 15_000) == (22, True)


def test_no_two_ids_of_a_page_are_the_same_and_all_that_is_asked_for_is_there() -> None:
    ids = re.findall(r'\bid="([^"]+)"', EVERYTHING)
    assert len(ids) == len(set(ids)) > 10
    assert set(re.findall(r'<use href="#([^"]+)"', EVERYTHING)) <= set(ids)


def test_the_same_record_gives_the_same_plots_elsewhere() -> None:
    code = f"""
import json, sys, hashlib
from parity.report import plots
curve, part, environment = json.loads({json.dumps(json.dumps([CURVE, part(), ENVIRONMENT]))})
page = plots.training([curve]) + plots.throughput(part, environment)
print(hashlib.sha256(page.encode()).hexdigest())
"""
    here = hashlib.sha256((plots.training([CURVE]) + plotted()).encode()).hexdigest()
    assert said_by(code) == here


def said_by(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


LOADED = "; import sys; print('matplotlib' in sys.modules)"
NUMBERLESS = CURVE | {
    "loss": [None],
    "envelope": [None],
    "frameworks": {"pytorch": {"loss": [None], "distance": [None]}},
}


@pytest.mark.parametrize(
    ("call", "loaded"),
    [
        ("plots.training([])", False),
        ("plots.throughput(None, {})", False),
        (f"plots.training([{NUMBERLESS!r}])", False),
        (f"plots.training([{CURVE!r}])", True),
    ],
    ids=["no training", "no benchmarks", "no number", "a curve"],
)
def test_matplotlib_is_loaded_only_for_something_to_plot(call: str, loaded: bool) -> None:
    assert said_by(f"from parity.report import plots; {call}{LOADED}") == str(loaded)


def test_what_cannot_be_plotted_is_said_and_stands_in_the_table() -> None:
    page = plots.training([NUMBERLESS])
    assert not svgs(page)
    assert "No finite number" in page
    assert "<td>pytorch</td>" in page


class Tree(HTMLParser):
    """Tags with the names of their attributes, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, ...]] = []
        self.text = ""
        self.feed(str(page))  # what Markup is added to is escaped
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, *(name for name, _ in attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.tags.append((f"/{tag}",))

    def handle_comment(self, data: str) -> None:
        self.tags.append(("comment", data))

    def handle_data(self, data: str) -> None:
        self.text += data


def page_of(text: str) -> Tree:
    """All plots with a text in every field that has one."""
    words = {name: f"{name} {text}" for name in ("operation", "config", "distribution", "mode", "device")}
    names = {name: f"{name} {text}" for name in ("model", "config", "optimiser")}
    rows = [
        row(f"{framework} {text}", f"padded {text}", **words, kernels=[text], ideal_speedup={f"by {text}": 2.0})
        for framework in ("one", "two")
    ]
    over = {"median": 2.0, "low": 1.9, "high": 2.1}
    curve = point(
        0.5, 2.0, axis=f"axis {text}", operation=text, speedup_over_padded={f"framework {text}.variant {text}": over}
    )
    timed = part(*rows, curve)
    timed["machine"] |= {"cpu": text, "system": text, "python": text}
    timed |= {"versions": {f"torch {text}": text}, "frameworks": {f"pytorch {text}": {f"device {text}": text}}}
    trained = CURVE | names | {"settings": {text: 0.1}, "frameworks": {f"framework {text}": SHARED["pytorch"]}}
    check_part("throughput", timed, "made here")
    return Tree(plots.training([trained]) + plots.throughput(timed, {"versions": {f"torch {text}": "another"}}))


HARMLESS = "harmless words"


@pytest.mark.parametrize("name", [name for name in HOSTILE if name != "nothing"])
def test_names_are_seen_and_inert(name: str) -> None:
    hostile = HOSTILE[name]
    tree = page_of(hostile)
    assert tree.tags == page_of(HARMLESS).tags
    assert all(letter.isprintable() or letter == "\n" for letter in tree.text)
    assert all(printable(line) in tree.text for line in f"optimiser {hostile}".split("\n"))


@given(st.data())
def test_spoilt_benchmarks_are_refused_in_one_sentence_or_plotted(data: st.DataObject) -> None:
    wrong = data.plot(spoilt(json.loads(json.dumps(written())), JSON))
    with refused_in_one_sentence():
        plots.throughput(throughput(wrong), ENVIRONMENT)


@given(st.data())
def test_a_spoilt_part_of_a_record_is_refused_or_plotted(data: st.DataObject) -> None:
    wrong = data.plot(spoilt({"throughput": part(), "curve": CURVE}, JSON))
    try:
        check_part("throughput", wrong["throughput"], "record")
        check_part("curve", wrong["curve"], "record")
    except (InputError, KeyError, TypeError):
        return
    plots.training([wrong["curve"]])
    plots.throughput(wrong["throughput"], ENVIRONMENT)
