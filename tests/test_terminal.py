"""Show a run in a terminal: a matrix that fits, and failures as sentences."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as changed
from rich.console import Console

from parity.checks.check import Check
from parity.checks.contracts import CONTRACTS
from parity.checks.result import FAILED, PASSED, SKIPPED, XFAILED, FirstDifference, Result, Status
from parity.checks.selection import plan
from parity.checks.sentences import explain, nearest, sentence
from parity.cli.check import print_failures, print_nearest
from parity.cli.matrix import print_matrix
from parity.frameworks import FRAMEWORKS
from parity.operations import OPERATIONS
from parity.report.formatting import SYMBOLS
from parity.report.groups import failures
from tests.factories import HOSTILE, LSTM, hostile_result
from tests.factories import result as make_result


def result(status: Status = PASSED, check: Check = LSTM, score: float = 16.0, **fields: Any) -> Result:
    """Make a result that uses a quarter of its limit, by default."""
    measured: dict[str, Any] = {"quantity": "h", "norm_score": 1.0, "worst_index": (3, 1)}
    return make_result(status, check, score=score, **(measured | fields))


def lines_of(results: list[Result], width: int = 100, **options: Any) -> list[str]:
    out = io.StringIO()
    print_matrix(results, Console(file=out, width=width, **options))
    return out.getvalue().splitlines()


def cells(lines: list[str], operation: str = "rnn.lstm") -> list[str]:
    (line,) = (line for line in lines if line.startswith(operation))
    return line.split()[1:]


def expected_failure() -> Result:
    return make_result(XFAILED, detail="it cannot")


def skipped() -> Result:
    return make_result(SKIPPED, detail="no torch")


MARKS = {
    "✓": [result(score=0.0, norm_score=0.0), expected_failure()],
    "25": [result(), result(score=3.0)],
    "50": [result(norm_score=8.0)],
    "1": [result(score=1e-9, norm_score=0.0)],
    "✗2": [result(), result(FAILED), result(FAILED)],
    "◆": [expected_failure(), skipped()],
    "○": [skipped()],
}


@pytest.mark.parametrize("mark", MARKS)
def test_a_cell_shows_the_worst(mark: str) -> None:
    assert cells(lines_of(MARKS[mark])) == [mark]


def test_both_frameworks_have_a_mark_and_one_where_they_are_alike() -> None:
    other = replace(LSTM, framework="tensorflow", variant="masked")
    repeatable = [replace(check, contract="repeatable") for check in (LSTM, other)]
    exact = [*repeatable, replace(other, contract="same_in_every_mode")]
    results = [result(FAILED), result(check=other)]
    results += [result(check=check, score=0.0, norm_score=0.0) for check in exact]
    lines = lines_of(results)
    assert cells(lines) == ["✗1/25", "✓", f"{SYMBOLS['absent']}/✓"]
    assert any(line.startswith("pytorch/tensorflow, one mark where they are alike") for line in lines)


def test_every_contract_has_a_short_head_of_its_own() -> None:
    heads = [contract.abbreviation for contract in CONTRACTS.values()]
    assert len(set(heads)) == len(heads)
    assert 1 <= min(map(len, heads)) <= max(map(len, heads)) <= 6


def whole_run() -> list[Result]:
    """Make a result of every check: two digits for each framework where there are scores, else ticks."""
    exact = {"ignores_padding", "zero_gradient_at_padding", "accepts_empty_sequences", "repeatable"}
    models = [name for name in OPERATIONS if name.startswith("model.")]
    trained = [
        replace(LSTM, operation=model, framework=framework, contract="trains_alike")
        for model in models
        for framework in FRAMEWORKS
    ]
    scores = dict(zip(FRAMEWORKS, (8.0, 15.0), strict=True))
    results = []
    for check in (*plan(), *trained):
        score = 0.0 if check.contract in exact else scores[check.framework]
        results.append(result(check=check, score=score, norm_score=min(score, 1.0)))
    return results


def test_a_whole_run_fits_into_100_columns_with_a_row_for_each_operation() -> None:
    lines = lines_of(whole_run(), 100)
    assert max(map(len, lines)) <= 100
    rows = [sum(line.startswith(f"{operation} ") for line in lines) for operation in OPERATIONS]
    assert rows == [1] * len(OPERATIONS)
    assert cells(lines, "rnn.lstm ")[:3] == ["13/24", "13/24", "✓"]


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_narrow_terminal_gets_several_tables_with_every_cell(width: int) -> None:
    wide, narrow = (lines_of(whole_run(), columns) for columns in (200, width))
    assert max(map(len, narrow)) <= width
    tables = [line.split()[1:] for line in narrow if line.startswith("rnn.lstm ")]
    assert len(tables) > 1
    assert [cell for table in tables for cell in table] == cells(wide, "rnn.lstm ")


@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_moves_the_cursor_or_marks_up(name: str) -> None:
    results = [hostile_result(HOSTILE[name], status) for status in (PASSED, FAILED)]
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=False)
    print_matrix(results, console)
    print_failures(failures(results), console)
    print_nearest(results, console)
    assert all(line.isprintable() for line in out.getvalue().split("\n"))


def test_colours_are_left_out_where_they_are_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    coloured = lines_of([result(FAILED)], force_terminal=True, color_system="standard")
    assert any("\x1b[1;31m" in line for line in coloured)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not any("31m" in line for line in lines_of([result(FAILED)], force_terminal=True))


SUBJECT = "h of pytorch.packed in rnn.lstm (one_layer/ragged, float32, eager)"
SENTENCES: dict[str, tuple[Result, str]] = {
    "element": (
        result(FAILED, score=310.0),
        "is 310 noise floors off the reference at (3, 1): 0.5 where 0.4 is expected; the limit is 64",
    ),
    "norm": (
        result(FAILED, problem="norm", norm_score=20.0),
        "is 20 noise floors off the reference norm-wise; the limit is 16",
    ),
    "bits": (
        result(FAILED, problem="bits", error=0.1),
        "breaks matches_reference: not the same bits: off by 0.1 at (3, 1) (0.5 where 0.4 is expected)",
    ),
    "not_finite": (
        result(FAILED, problem="not_finite", places=1, worst_index=(0, 0)),
        "breaks matches_reference: NaN or inf on one side only, at 1 place, the first at (0, 0)",
    ),
}


@pytest.mark.parametrize("problem", SENTENCES)
def test_a_failure_is_a_sentence(problem: str) -> None:
    failure, words = SENTENCES[problem]
    failure = changed(failure, observed=0.5, expected=0.4)
    assert sentence(failure) == f"{SUBJECT} {words}"
    assert sentence(changed(failure, first=FirstDifference(2, "c", layer=0))) == (
        f"{SUBJECT} {words}; it differs from the reference at step 2, first in c of layer 0"
    )
    assert "where 0.4" not in sentence(changed(failure, observed=None))


def test_a_crash_is_a_sentence_without_a_quantity() -> None:
    crash = LSTM.result("eager", "one_layer/ragged", FAILED, "raised", "raised ValueError: no")
    assert sentence(crash) == (
        "pytorch.packed in rnn.lstm (one_layer/ragged, float32, eager) breaks matches_reference: raised ValueError: no"
    )


def test_a_single_number_has_no_index() -> None:
    scalar = result(FAILED, score=310.0, worst_index=(), observed=1.0, expected=2.0)
    assert "is 310 noise floors off the reference: 1 where 2 is expected; the limit is 64" in sentence(scalar)


def test_a_result_that_passed_is_a_sentence_too() -> None:
    words = nearest(result(observed=0.5, expected=0.4))
    assert words.endswith("is 16 noise floors off the reference at (3, 1): 0.5 where 0.4 is expected; the limit is 64")
    assert nearest(result(norm_score=8.0)).endswith("is 8 noise floors off the reference norm-wise; the limit is 16")


VALUES = {
    (0.300000012, 0.300000019): "0.300000012 where 0.300000019 is expected",
    (1 / 3, 2 / 3): "0.3333 where 0.6667 is expected",
    (2.0, 1.0): "2 where 1 is expected",
}


@pytest.mark.parametrize("values", VALUES)
def test_values_have_as_many_digits_as_their_difference_needs(values: tuple[float, float]) -> None:
    observed, expected = values
    assert VALUES[values] in sentence(result(FAILED, observed=observed, expected=expected))


def test_a_value_that_is_not_finite_is_left_out() -> None:
    assert "where" not in sentence(result(FAILED, observed=math.inf, expected=1 / 3))


def test_an_explanation_has_the_worst_first_with_its_command() -> None:
    crashes = [
        make_result(FAILED, case=f"case {at}", quantity="", score=70.0 + at, problem="other", detail=f"no {at}")
        for at in range(20)
    ]
    lines = explain(crashes).splitlines()
    assert lines[0].startswith("pytorch.packed in rnn.lstm (case 19, float32, eager) breaks")
    assert lines[1] == f"  reproduce: {LSTM.reproduce}"
    assert lines[2] == "  20 of 20 results failed:"
    assert lines[-1] == "  and 12 more"


def test_the_worst_three_are_printed_and_the_others_counted(capsys: pytest.CaptureFixture[str]) -> None:
    variants = OPERATIONS["rnn.lstm"].variants["pytorch"][:5]
    results = [
        result(FAILED, replace(LSTM, variant=name), 100.0 + at, problem="other", detail=f"no {at}")
        for at, name in enumerate(variants)
    ]
    print_failures(failures(results), Console(width=100))
    out = capsys.readouterr().out
    assert [f"no {at}" in out for at in range(5)] == [False, False, True, True, True]
    assert out.index("no 4") < out.index("no 3") < out.index("no 2")
    assert out.count("  reproduce: parity check --operation rnn.lstm") == 3
    assert "and 2 more, of other variants or contracts: see the report" in out


def test_a_result_is_explained_by_its_own_fields() -> None:
    failure = Result(
        operation="o",
        framework="f",
        variant="v",
        mode="m",
        dtype="d",
        case="c",
        seed=0,
        contract="contract",
        status=FAILED,
        problem="other",
        detail="off",
    )
    assert sentence(failure) == "f.v in o (c, d, m) breaks contract: off"
