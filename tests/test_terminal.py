"""What a terminal shows of a run: a matrix that fits, and failures as sentences."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from parity.checks.check import Check, plan
from parity.checks.contracts import CONTRACTS
from parity.checks.result import FAILED, PASSED, SKIPPED, XFAILED, Result, explain, how_near, sentence
from parity.cli import check, matrix
from parity.frameworks.loading import FRAMEWORKS
from parity.operations import OPERATIONS
from parity.report.formatting import SYMBOLS
from parity.report.groups import failures
from parity.training.verdict import CONTRACT
from tests.test_hostile import HOSTILE, of_status

LSTM = Check("rnn.lstm", "pytorch", "packed", "float32", "matches_reference")


def result(status: str = PASSED, of: Check = LSTM, score: float = 16.0, **rest: Any) -> dict[str, Any]:
    measured = {"quantity": "h", "score": score, "limit": 64.0, "norm_score": 1.0, "norm_limit": 16.0}
    given = measured | {"max_abs_error": 1e-3, "worst_index": (3, 1)} if status in (PASSED, FAILED) else {}
    return of.result("eager", "one_layer/ragged", status, **(given | rest)).as_dict()


def shown(results: list[dict[str, Any]], width: int = 100, **how: Any) -> list[str]:
    out = io.StringIO()
    matrix.show(results, Console(file=out, width=width, **how))
    return out.getvalue().splitlines()


def cells(lines: list[str], operation: str = "rnn.lstm") -> list[str]:
    (line,) = (line for line in lines if line.startswith(operation))
    return line.split()[1:]


MARKS = {
    "✓": [result(score=0.0, norm_score=0.0), result(XFAILED)],
    "25": [result(), result(score=3.0)],
    "50": [result(norm_score=8.0)],
    "1": [result(score=1e-9, norm_score=0.0)],
    "✗2": [result(), result(FAILED), result(FAILED)],
    "◆": [result(XFAILED), result(SKIPPED)],
    "○": [result(SKIPPED)],
}


@pytest.mark.parametrize("mark", MARKS)
def test_a_cell_says_the_worst(mark: str) -> None:
    assert cells(shown(MARKS[mark])) == [mark]


def test_both_frameworks_have_a_mark_and_one_where_they_are_alike() -> None:
    theirs = replace(LSTM, framework="tensorflow", variant="masked")
    other = [replace(one, contract="repeatable") for one in (LSTM, theirs)]
    graph = replace(theirs, contract="same_in_every_mode")
    found = [result(FAILED), result(of=theirs), *(result(of=one, score=0, norm_score=0) for one in (*other, graph))]
    lines = shown(found)
    assert cells(lines) == ["✗1/25", "✓", f"{SYMBOLS['absent']}/✓"]
    assert any(line.startswith("pytorch/tensorflow, one mark where they are alike") for line in lines)


def test_every_contract_has_a_short_head_of_its_own() -> None:
    assert set(matrix.HEADS) == {*CONTRACTS, CONTRACT}
    assert len(set(matrix.HEADS.values())) == len(matrix.HEADS)
    assert max(map(len, matrix.HEADS.values())) <= 6


def everything() -> list[dict[str, Any]]:
    """A result of every check of a whole run: two digits for each framework where there are scores, else ticks."""
    exact = {"ignores_padding", "zero_gradient_at_padding", "accepts_empty_sequences", "repeatable"}
    models = [name for name in OPERATIONS if name.startswith("model.")]
    trained = [
        replace(LSTM, operation=model, framework=framework, contract=CONTRACT)
        for model in models
        for framework in FRAMEWORKS
    ]
    scores = dict(zip(FRAMEWORKS, (8.0, 15.0), strict=True))
    none = {"score": 0.0, "norm_score": 0.0}
    found = [result(of=one, score=scores[one.framework]) for one in (*plan(), *trained)]
    return [one | none if one["contract"] in exact else one for one in found]


def test_a_whole_run_fits_into_100_columns_with_a_row_for_each_operation() -> None:
    lines = shown(everything(), 100)
    assert max(map(len, lines)) <= 100
    rows = [sum(line.startswith(f"{operation} ") for line in lines) for operation in OPERATIONS]
    assert rows == [1] * len(OPERATIONS)
    assert cells(lines, "rnn.lstm ")[:3] == ["13/24", "13/24", "✓"]


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_narrow_terminal_gets_it_in_parts_without_losing_a_cell(width: int) -> None:
    wide, narrow = (shown(everything(), columns) for columns in (200, width))
    assert max(map(len, narrow)) <= width
    parts = [line.split()[1:] for line in narrow if line.startswith("rnn.lstm ")]
    assert len(parts) > 1
    assert [cell for part in parts for cell in part] == cells(wide, "rnn.lstm ")


@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_moves_the_cursor_or_marks_up(name: str) -> None:
    found = [of_status(HOSTILE[name], status).as_dict() for status in (PASSED, FAILED)]
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=False)
    matrix.show(found, console)
    check._print_failures(failures(found), console)
    check._print_nearest(found, console)
    assert all(line.isprintable() for line in out.getvalue().split("\n"))


def test_colours_are_left_out_where_they_are_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert any("\x1b[1;31m" in line for line in shown([result(FAILED)], force_terminal=True, color_system="standard"))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not any("31m" in line for line in shown([result(FAILED)], force_terminal=True))


REASONS = {
    "310 noise floors from expected at (3, 1); the limit is 64": "h of pytorch.packed in rnn.lstm (one_layer/ragged, "
    "float32, eager) is 310 noise floors off the reference at (3, 1): 0.5 where 0.4 is expected; the limit is 64",
    "20 noise floors from expected norm-wise; the limit is 16": "h of pytorch.packed in rnn.lstm (one_layer/ragged, "
    "float32, eager) is 20 noise floors off the reference norm-wise; the limit is 16",
    "not the same bits: off by 0.1 at (3, 1)": "h of pytorch.packed in rnn.lstm (one_layer/ragged, float32, eager) "
    "breaks matches_reference: not the same bits: off by 0.1 at (3, 1) (0.5 where 0.4 is expected)",
    "NaN or inf on one side only, at 1 place, the first at (0, 0)": "h of pytorch.packed in rnn.lstm "
    "(one_layer/ragged, float32, eager) breaks matches_reference: NaN or inf on one side only, at 1 place, "
    "the first at (0, 0)",
}


@pytest.mark.parametrize("reason", REASONS)
def test_a_failure_is_a_sentence(reason: str) -> None:
    said = result(FAILED, reason=reason, observed=0.5, expected=0.4)
    assert sentence(said) == REASONS[reason]
    assert sentence(said | {"first": "parts from the reference at step 2"}) == (
        f"{REASONS[reason]}; it parts from the reference at step 2"
    )
    before_schema_4 = {name: value for name, value in said.items() if name not in ("observed", "expected")}
    assert "where 0.4" not in sentence(before_schema_4)


def test_a_crash_is_a_sentence_without_a_quantity() -> None:
    said = LSTM.result("eager", "one_layer/ragged", FAILED, reason="raised ValueError: no").sentence
    assert (
        said == "pytorch.packed in rnn.lstm (one_layer/ragged, float32, eager) breaks matches_reference: "
        "raised ValueError: no"
    )


def test_a_single_number_has_no_place() -> None:
    reason = "310 noise floors from expected at (); the limit is 64"
    said = result(FAILED, reason=reason, worst_index=(), observed=1.0, expected=2.0)
    assert "is 310 noise floors off the reference: 1 where 2 is expected; the limit is 64" in sentence(said)


def test_what_holds_is_a_sentence_too() -> None:
    near = how_near(result(observed=0.5, expected=0.4))
    assert near.endswith("is 16 noise floors off the reference at (3, 1): 0.5 where 0.4 is expected; the limit is 64")
    assert how_near(result(norm_score=8.0)).endswith("is 8 noise floors off the reference norm-wise; the limit is 16")


VALUES = {
    (0.300000012, 0.300000019): "0.300000012 where 0.300000019 is expected",
    (1 / 3, 2 / 3): "0.3333 where 0.6667 is expected",
    (2.0, 1.0): "2 where 1 is expected",
}


@pytest.mark.parametrize("values", VALUES)
def test_values_have_the_digits_that_tell_them_apart_and_no_more(values: tuple[float, float]) -> None:
    observed, expected = values
    assert VALUES[values] in sentence(result(FAILED, observed=observed, expected=expected, reason="off at (3, 1)"))


def test_a_value_that_is_not_finite_is_not_told() -> None:
    assert "where" not in sentence(result(FAILED, observed=math.inf, expected=1 / 3, reason="off at (3, 1)"))


def test_explained_is_the_worst_first_with_its_command() -> None:
    norm = {"norm_score": 1.0, "norm_limit": 16.0}
    found = [
        LSTM.result("eager", f"case {at}", FAILED, score=70.0 + at, limit=64.0, reason=f"no {at}", **norm)
        for at in range(20)
    ]
    lines = explain(found).splitlines()
    assert lines[0].startswith("pytorch.packed in rnn.lstm (case 19, float32, eager) breaks")
    assert lines[1] == f"  again: {LSTM.reproduce}"
    assert lines[2] == "  20 of 20 results failed:"
    assert lines[-1] == "  and 12 more"


def test_the_worst_three_are_printed_and_the_others_counted(capsys: pytest.CaptureFixture[str]) -> None:
    variants = OPERATIONS["rnn.lstm"].variants["pytorch"][:5]
    found = [
        result(FAILED, replace(LSTM, variant=name), 100.0 + at, reason=f"no {at}") for at, name in enumerate(variants)
    ]
    check._print_failures(failures(found), Console(width=100))
    out = capsys.readouterr().out
    assert [f"no {at}" in out for at in range(5)] == [False, False, True, True, True]
    assert out.index("no 4") < out.index("no 3") < out.index("no 2")
    assert out.count("  again: parity check --operation rnn.lstm") == 3
    assert "and 2 more, of other variants or contracts: see the report" in out


def test_a_result_tells_of_itself() -> None:
    given = Result(*(f"{n}" for n in "owvmdc"), 0, "contract", FAILED, reason="off")
    assert given.sentence == "w.v in o (c, d, m) breaks contract: off"
