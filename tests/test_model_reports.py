"""Report verdicts on models of a user's: files, page, differences between two reports, errors in the batch, masks."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import parity
from parity import report
from parity.__main__ import main
from parity.checks.batch_errors import MOST_ROWS, batch_errors
from parity.checks.result import FAILED, PASSED, XFAILED
from parity.checks.verdict import Verdict
from parity.diff import compare_reports
from parity.errors import InputError
from parity.report import Report
from parity.report.html import render_page
from parity.report.view import OF_OWN, arrange
from tests.factories import own_verdict, report_of

DECLINED = Verdict(name="Model", framework="pytorch", declined={"ignores_padding": "it reads no mask"})


def made(*verdicts: Verdict) -> Report:
    return report_of(planned=0, checked=0, own={f"test_{n}": verdict for n, verdict in enumerate(verdicts)})


OUTCOMES = {
    "it holds": (own_verdict(PASSED), "1 check agrees, 1 skipped", False),
    "it is broken": (own_verdict(FAILED), "1 of 2 checks failed", True),
    "it is expected to fail": (own_verdict(XFAILED), "0 checks agree, 1 skipped", False),
    "nothing was compared": (
        DECLINED,
        "nothing was compared, which is a failure (0 expected failures, 1 skipped)",
        True,
    ),
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_the_outcome_of_a_report_is_that_of_its_verdicts(name: str) -> None:
    verdict, sentence, failed = OUTCOMES[name]
    assert (report.verdict(made(verdict)), report.failed(made(verdict))) == (sentence, failed)


def test_the_page_shows_cause_errors_contracts_and_masks() -> None:
    view = arrange(made(own_verdict(PASSED), own_verdict(FAILED)))
    page = str(render_page(view))
    assert view.question == OF_OWN
    assert [own.verdict.failed for own in view.own] == [("ignores_padding",), ()]
    for text in (
        "Model (pytorch) reads padding: first in <code>conv</code> (Conv1d), at step 1 of sequence 0",
        "<title>sequence 0, step 2: off by 2</title>",
        "<title>sequence 2, step 0: NaN or inf on one side only</title>",
        "not tried: it is random",
        "A mask begins at embed (Embedding) and ends at conv (Conv1D).",
    ):
        assert text in page


CHANGES = {
    "it breaks": (own_verdict(PASSED), own_verdict(FAILED), "1 own contract is newly broken; 1 of 2 checks unchanged"),
    "it is mended": (
        own_verdict(FAILED),
        own_verdict(PASSED),
        "nothing got worse; 1 own contract changed otherwise; 1 of 2 checks unchanged",
    ),
    "it stays broken": (own_verdict(FAILED), own_verdict(FAILED), "nothing got worse; 2 of 2 checks unchanged"),
    "nothing can be compared": (
        DECLINED,
        DECLINED,
        "nothing was compared: no check ran in both; 1 of 1 check unchanged",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_two_reports_say_which_contracts_changed(name: str) -> None:
    old, new, verdict = CHANGES[name]
    diff = compare_reports(made(old), made(new))
    assert diff.verdict == verdict
    assert bool(diff.regressions) == (not verdict.startswith("nothing got"))
    assert {change.name for change in diff.own} <= {"test_0, ignores_padding"}


def test_a_verdict_writes_its_report(tmp_path: Path) -> None:
    files = own_verdict(FAILED).report(tmp_path)
    assert [file.name for file in files] == ["report.json", "report.md", "index.html"]
    assert report.read(tmp_path).own == {"Model": own_verdict(FAILED)}
    assert main(["report", str(tmp_path)]) == 1
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(InputError, match=r"^folder: got .* with report.json, which is not of a parity report"):
        own_verdict().report(tmp_path)


LENGTHS = [3, 1]
BATCH = np.arange(12.0).reshape(2, 3, 2)
OFF = BATCH + np.array([0.0, 1.0, 0.0])[:, None]
ERRORS: dict[str, tuple[Any, Any, Any, Any]] = {  # observed, floor, first sequence -> rows
    "every bit counts": (OFF, None, 0, ((0.0, 1.0, 0.0), (0.0,))),
    "within its limit": (OFF, np.full(BATCH.shape, 0.1), 0, ((0.0, 0.0, 0.0), (0.0,))),
    "not finite": (np.where(BATCH == 2, np.nan, BATCH), None, 0, ((0.0, None, 0.0), (0.0,))),
    "the first sequence is another": (OFF, None, 1, ((0.0,),)),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_located_by_sequence_and_step(name: str) -> None:
    observed, floor, first, rows = ERRORS[name]
    errors = batch_errors("y", observed, BATCH, floor, LENGTHS, first)
    assert errors is not None
    assert errors.rows == rows


def test_many_long_sequences_make_a_small_map() -> None:
    expected = np.zeros((100, 1000))
    observed = expected.copy()
    observed[77, 999] = 1
    errors = batch_errors("y", observed, expected, None, [1000] * 100)
    assert errors is not None
    assert (len(errors.rows), errors.steps_per_column, len(errors.rows[0])) == (MOST_ROWS, 25, 40)
    assert errors.rows[errors.sequences.index(77)][-1] == 1
    assert batch_errors("y", expected, expected, None, [3]) is None


@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
def test_the_errors_of_a_model_are_those_of_the_layer_that_differs_first() -> None:
    import torch

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv1d(3, 4, 3, padding=1)

        def forward(self, x: Any, mask: Any) -> Any:
            return self.conv(x.mT).mT.cumsum(1)

    verdict = parity.check_model(Model(), parity.inputs(x=parity.features(3)), seeds=1, contracts=["ignores_padding"])
    assert verdict.first_difference is not None
    errors = verdict.first_difference.errors
    assert errors is not None
    assert errors.quantity == "conv"
    assert [row.index(max(row)) for row in errors.rows] == [length - 1 for length in errors.lengths]
    assert all(sum(error > 0 for error in row) == 1 for row in errors.rows if row)


@pytest.mark.skipif(find_spec("keras") is None, reason="keras is not installed")
@pytest.mark.filterwarnings("ignore:.*does not support masking:UserWarning")
def test_masks_of_keras_begin_and_end_where_they_do() -> None:
    import keras

    layers = [
        keras.Input((None,), dtype="int32", name="tokens"),
        keras.layers.Embedding(9, 4, mask_zero=True, name="embed"),
        keras.layers.Conv1D(4, 1, name="conv"),
        keras.layers.GlobalAveragePooling1D(name="mean"),
    ]
    inputs = parity.inputs(tokens=parity.tokens(9, known_by_value=True))
    verdict = parity.check_model(keras.Sequential(layers), inputs, seeds=1, contracts=["repeatable"])
    assert [(one.layer, one.received, one.passed_on) for one in verdict.masks] == [
        ("embed", False, True),
        ("conv", True, False),
        ("mean", False, False),
    ]
