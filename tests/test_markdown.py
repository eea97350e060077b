"""Test the Markdown of a report: the worst first, and never more than its size limit, whatever went wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import pytest
from msgspec.structs import replace

from parity.checks.check import Check
from parity.checks.result import FAILED, PASSED, SKIPPED, XFAILED, Result, Scores
from parity.checks.selection import plan
from parity.divergences import DIVERGENCES
from parity.mutants import MUTANTS
from parity.operations import OPERATIONS
from parity.report import Report
from parity.report.formatting import amount
from parity.report.groups import Group
from parity.report.markdown import LIMIT, render_markdown
from parity.report.markdown_text import size
from parity.report.view import arrange
from tests.factories import divergence, every_check, mutant, report_of, result

NASTY = {
    "long": "word " * 2000,
    "four bytes": "\U0001f600" * 2000,
    "tags": "<script>" * 500,
    "escapes": "\U0010ffff\\*|" * 500,
    "lines": "\n# one\n\n```\n" * 500,
}


EXACT = ("ignores_padding", "zero_gradient_at_padding", "accepts_empty_sequences", "repeatable", "propagates_nan")


def passed(check: Check) -> Result:
    score, limit = (0.0, 0.0) if check.contract in EXACT else (1.0, 64.0)
    return result(PASSED, check, score=score, limit=limit, scores={"y": Scores(score, score)})


def failing_as_expected() -> Iterator[Result]:
    """Yield a result of each expected failure in the table."""
    for row in OPERATIONS.values():
        for failure in row.expected_failures:
            framework, _, variant = failure.variant.partition(".")
            check = Check(row.name, framework, variant, "float32", failure.contract or "matches_reference")
            yield result(XFAILED, check, problem="raised", detail=failure.why)


@cache
def whole_run() -> Report:
    """Build the report of a whole run in which all contracts hold: every check, divergence and mutant."""
    checks = every_check()
    return report_of(
        *(passed(check) for check in checks for _ in range(6)),
        *failing_as_expected(),
        seconds=600.0,
        planned=len(checks),
        checked=len(checks),
        divergences=[divergence(name) for name in DIVERGENCES],
        mutants=[mutant(name=name) for name in MUTANTS],
    )


@cache
def failing(text: str) -> Report:
    """Build the same report with a failure of every check, each worse than the one before it, and a text in each."""
    results = [
        result(FAILED, check, score=100.0 + index, max_abs_error=1.0, problem="other", detail=f"number {index} {text}")
        for index, check in enumerate(every_check())
    ]
    return report_of(
        *results,
        seconds=600.0,
        planned=len(results),
        checked=len(results),
        divergences=whole_run().divergences,
        mutants=[replace(each, status="survived", reason=text) for each in whole_run().mutants],
    )


def number_of(group: Group) -> int:
    return int(group.worst.detail.split()[1])


def test_a_whole_run_has_every_variant_divergence_and_contract_and_nothing_is_left_out() -> None:
    text = render_markdown(arrange(whole_run()))
    assert size(text) < LIMIT - 3000  # room to grow
    assert "eft out" not in text
    assert not re.search(r"^and \d+ more", text, re.MULTILINE)
    for check in every_check():
        assert f"| {check.operation} {check.framework}.{check.variant} |" in text
    assert all(re.search(rf"\b{name}\b", text) for name in DIVERGENCES)
    parts = ["Operations against contracts", "Expected failures", "Where they differ", "Mutants", "Environment"]
    assert re.findall("^## (.*)", text, re.MULTILINE) == parts


def test_a_contract_with_a_tick_in_every_row_takes_no_column() -> None:
    checks = plan(operations=["pooling.mean"], dtypes=["float32"], contracts=["repeatable", "frameworks_agree"])
    text = render_markdown(arrange(report_of(*map(passed, checks))))
    assert "✓ in every row (exact): repeatable.\n\n|  | frameworks agree |\n" in text
    text = render_markdown(arrange(report_of(*map(passed, checks[1:]), result(FAILED, checks[0]))))
    assert text.count("repeatable") > 1
    assert "in every row" not in text


def test_an_expected_failure_is_listed_once_with_all_its_variants() -> None:
    (line,) = re.findall(r"\| an unrolled layer .*", render_markdown(arrange(whole_run())))
    assert "rnn.rnn tensorflow.static, rnn.gru tensorflow.static, rnn.lstm tensorflow.static | 3 |" in line


def test_a_command_in_the_first_lines_is_code() -> None:
    assert "`parity report DIR --benchmarks FILE`" in render_markdown(arrange(whole_run()))


@pytest.mark.parametrize("name", NASTY)
def test_thousands_of_failures_do_not_make_it_longer(name: str) -> None:
    text = render_markdown(arrange(failing(NASTY[name])))
    assert LIMIT / 2 < size(text) <= LIMIT


@pytest.mark.parametrize("limit", [2000, 5000, 20_000, 59_999])
@pytest.mark.parametrize("name", NASTY)
def test_it_keeps_to_any_limit(name: str, limit: int) -> None:
    assert size(render_markdown(arrange(failing(NASTY[name])), limit)) <= limit


def test_the_worst_failures_are_kept_and_the_others_counted() -> None:
    view = arrange(failing("off"))
    text, groups = render_markdown(view), view.failures
    shown = [int(number) for number in re.findall(r"breaks \w+: number (\d+) off", text)]
    (left_out,) = map(int, re.findall(r"and (\d+) more failures: see index.html or report.json", text))
    assert len(shown) > 9
    assert len(shown) + left_out == len(groups)
    assert shown == [number_of(group) for group in groups[: len(shown)]]
    assert min(shown) > max(number_of(group) for group in groups[len(shown) :])


def test_failures_leave_room_for_the_rest_and_what_does_not_fit_is_named() -> None:
    text = render_markdown(arrange(failing("a long reason " * 100)))
    assert "## Surviving mutants" in text
    assert "### embedding" in text
    assert "more mutants that were not killed: see index.html or report.json" in text
    last = text.splitlines()[-1]
    assert last.startswith("Left out for lack of space: ")
    assert re.search(r"topics of divergences \(\d+\)", last)


def test_a_topic_with_failures_comes_first_and_is_open() -> None:
    checks = plan(dtypes=["float32"], contracts=["repeatable"])
    results = [result(FAILED if check.operation == "loss.sequence_loss" else PASSED, check) for check in checks]
    text = render_markdown(arrange(report_of(*results, planned=len(checks), checked=len(checks))))
    assert re.search(r"### loss\n\n<details open><summary>2 of \d+ variants failing</summary>", text)
    assert text.index("### loss") < text.index("### masking")
    assert text.count("<details open>") == 1
    assert text.count("<details") == text.count("</details>")


def test_skipped_results_are_counted_by_reason() -> None:
    checks = plan(frameworks=["tensorflow"])
    text = render_markdown(arrange(report_of(*(result(SKIPPED, check, detail="not installed") for check in checks))))
    assert f"| {amount(len(checks))} | tensorflow | not installed |" in text


def test_a_command_too_long_to_be_shown_is_referred_to() -> None:
    text = render_markdown(arrange(report_of(result(FAILED, reproduce="parity check " + "x" * 5000))))
    assert "# a command of 5013 characters: report.json has it" in text
    assert "xxx" not in text


def test_both_values_are_shown() -> None:
    check: Check = every_check()[0]
    failed = result(FAILED, check, score=310.0, worst_index=(3, 1), observed=0.12345, expected=0.12344)
    text = render_markdown(arrange(report_of(failed)))
    assert "is 310 noise floors off the reference at (3, 1): 0.12345 where 0.12344 is expected; the limit is 64" in text
