"""Check what a report shows of a pair of models: its verdict, its layers, its weights."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from parity import report
from parity.checks.result import FAILED, PASSED, Status
from parity.diff import compare_reports
from parity.pairs.apart import apart, finite
from parity.pairs.first_difference import FirstDifference
from parity.pairs.layers import LayerDifference
from parity.pairs.verdict import SAME
from parity.report import verdicts
from parity.report.markdown import _from_the_first
from parity.report.plots.layer_differences import panels
from tests.factories import pair_verdict, report_of


@pytest.mark.parametrize("status", [PASSED, FAILED])
def test_a_verdict_is_read_as_it_was_written(tmp_path: Path, status: Status) -> None:
    written = pair_verdict(status)
    written.report(tmp_path)
    read = report.read(tmp_path).own[written.name]
    assert read == written
    assert str(read) == str(written)
    assert bool(read) == (status == PASSED)


def test_the_page_and_the_summary_show_layers_weights_and_the_cause(tmp_path: Path) -> None:
    verdict = pair_verdict(FAILED)
    verdict.report(tmp_path)
    page, summary = ((tmp_path / name).read_text(encoding="utf-8") for name in ("index.html", "report.md"))
    for text in ("Layer by layer", "kernel transposed", "(3,) | (3,)", "4.9e-04 apart", "4 of 4 arrays transferred"):
        assert text in page
    assert verdict.cause in page
    assert verdict.cause in summary
    assert "| norm | bn | LayerNormalization | 4.9e-04 | 4.8e-04 | ✗ | 1 |" in summary
    assert "| head | tags | Dense | 0.0e+00 | 6.0e-08 |  |  |" in summary


def test_layers_are_plotted_in_the_order_of_calls_and_the_first_that_differs_is_framed() -> None:
    (panel,) = panels(pair_verdict(FAILED), 1)
    names = re.findall(r"<text[^>]*>((?:head|norm|last)[^<]*)</text>", panel.svg or "")
    assert names == ["head = tags", "norm = bn", "last"]
    assert (panel.svg or "").count('class="worst"') == 1
    assert "the first that differs is norm = bn." in (panel.svg or "")
    (right,) = panels(pair_verdict(PASSED), 1)
    assert 'class="worst"' not in (right.svg or "")


@pytest.mark.parametrize("size", [0.0, 1e-300, 1e300, None])
def test_whatever_size_a_difference_has_its_layer_is_plotted(size: float | None) -> None:
    (panel,) = panels(pair_verdict(layers=(LayerDifference("one", "two", "Dense", size, size),)), 1)
    assert "one = two" in (panel.svg or "")
    assert "could not be drawn" not in (panel.svg or "")


def test_a_difference_that_is_not_finite_comes_back_in_words(tmp_path: Path) -> None:
    verdict = pair_verdict(difference=FirstDifference("a", "b", difference=float("nan")))
    verdict.report(tmp_path)
    assert str(report.read(tmp_path).own[verdict.name]) == str(verdict)
    assert "NaN or inf on one side" in str(verdict)


def test_tests_of_single_contracts_make_one_verdict() -> None:
    whole = pair_verdict(FAILED, declined={"left.keeps_inputs": "it is a recording"})
    parts = [{"test": whole.only(contract)} for contract in (SAME, "left.keeps_inputs")]
    assert verdicts.gather(parts)["test"] == whole


def test_layers_that_differ_come_first_where_there_are_many() -> None:
    layers = [LayerDifference(str(at), str(at), "Dense", 0.0, differs=at == 80) for at in range(99)]
    shown = _from_the_first(layers)
    assert [one.left for one in shown[:2]] == ["79", "80"]
    assert sorted(one.left for one in shown) == sorted(one.left for one in layers)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_number_that_is_not_finite_on_one_side_is_no_small_difference(value: float) -> None:
    theirs = np.ones((2, 3, 4))
    own = theirs.copy()
    own[1, 2] = value
    found = apart(({"y": own}, {"y": theirs}), ({}, {}), (3, 3))
    assert found is not None
    assert found.differs
    assert (finite(found.difference), found.step, found.largest) == (None, 2, 1.0)


def test_a_report_tells_that_the_cause_has_changed() -> None:
    old, new = (report_of(planned=0, checked=0, own={"port": one}) for one in (pair_verdict(), pair_verdict(cause="x")))
    (change,) = compare_reports(old, new).own
    assert (
        change.detail
        == "the cause was eps is 1e-05 left, 0.001 right; with 0.001 on both sides it agrees to 1.1e-15, is x"
    )
