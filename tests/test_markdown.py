"""Markdown for a job summary: the worst first, and never more than fits there, whatever went wrong."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from parity import report
from parity.checks.check import Check, plan
from parity.checks.result import FAILED, PASSED, SKIPPED
from parity.divergences import DIVERGENCES, Trial
from parity.mutants import MUTANTS, Outcome
from parity.report.entries import entries, mutants
from parity.report.markdown import BUDGET, markdown
from parity.report.truncation import size
from parity.report.view import view

LIMITS = {"limit": 64.0, "norm_limit": 16.0, "norm_score": 1.0, "compared": 9, "quantity": "y", "max_abs_error": 1.0}
NASTY = {
    "long": "word " * 2000,
    "four bytes": "\U0001f600" * 2000,
    "tags": "<script>" * 500,
    "escapes": "\U0010ffff\\*|" * 500,
    "lines": "\n# one\n\n```\n" * 500,
}


def found(check: Check, status: str, score: float = 1.0, **rest: Any) -> dict[str, Any]:
    """One result, as plain values."""
    return check.result("eager", "one_layer/ragged", status, score=score, **LIMITS, **rest).as_dict()


@cache
def whole_run() -> dict[str, Any]:
    """A record as a whole run that holds has it: every check, divergence and mutant."""
    checks = plan()
    trials = [
        Trial(entry.name, framework, seen) for entry in DIVERGENCES.values() for framework, seen in entry.seen.items()
    ]
    by = {"matches_reference": {"quantity": "y", "margin": 9.0, "reason": "off"}}
    killed = [Outcome(name, "killed", "features/ragged", "eager", "float32", by) for name in MUTANTS]
    results = [found(check, PASSED, scores={"y": (1.0, 1.0)}) for check in checks for _ in range(6)]
    counts = {"planned": len(checks), "checked": len(checks)}
    parts = {"divergences": entries(trials), "mutants": mutants(killed)}
    return report.record(results, {}, seed=0, seconds=600.0, **counts, **parts)


@cache
def failing(text: str, status: str = FAILED) -> dict[str, Any]:
    """The same run with a failure in every check, each worse than the one before it, and a text in each."""
    results = [found(check, status, 100.0 + at, reason=f"number {at} {text}") for at, check in enumerate(plan())]
    counts = {"planned": len(results), "checked": len(results)}
    record = report.record(results, {}, seed=0, seconds=600.0, **counts, divergences=whole_run()["divergences"])
    return record | {"mutants": [one | {"status": "survived", "reason": text} for one in whole_run()["mutants"]]}


def test_a_whole_run_has_every_variant_divergence_and_contract_and_nothing_is_left_out() -> None:
    text = markdown(view(whole_run()))
    assert size(text) < BUDGET
    assert "eft out" not in text
    assert "more" not in re.sub("ignores_extra_padding|`.*?`", "", text).split("## Divergences")[0]
    for check in plan():
        assert f"| {check.operation} {check.framework}.{check.variant} |" in text
    assert all(f"- {name}: " in text for name in DIVERGENCES)
    parts = ["Operations against contracts", "Divergences and beliefs", "Mutants", "Environment"]
    assert re.findall("^## (.*)", text, re.MULTILINE) == parts


@pytest.mark.parametrize("name", NASTY)
def test_thousands_of_failures_do_not_make_it_longer(name: str) -> None:
    text = markdown(view(failing(NASTY[name])))
    assert BUDGET / 2 < size(text) <= BUDGET


@pytest.mark.parametrize("budget", [2000, 5000, 20_000, 59_999])
@pytest.mark.parametrize("name", NASTY)
def test_it_keeps_to_any_budget(name: str, budget: int) -> None:
    assert size(markdown(view(failing(NASTY[name])), budget)) <= budget


def test_the_worst_failures_are_kept_and_the_others_counted() -> None:
    record = failing("off")
    text, groups = markdown(view(record)), view(record).failures
    shown = [int(number) for number in re.findall(r"breaks \w+: number (\d+) off", text)]
    (left_out,) = map(int, re.findall(r"and (\d+) more failures: see index.html or report.json", text))
    assert len(shown) > 9
    assert len(shown) + left_out == len(groups)
    assert shown == [int(group.worst["reason"].split()[1]) for group in groups[: len(shown)]]
    assert min(shown) > max(int(group.worst["reason"].split()[1]) for group in groups[len(shown) :])


def test_failures_leave_room_for_the_rest_and_what_has_none_is_named() -> None:
    text = markdown(view(failing("a long reason " * 100)))
    assert "## Surviving mutants" in text
    assert "### rnn" in text
    assert "more mutants that were not killed: see index.html or report.json" in text
    last = text.splitlines()[-1]
    assert last.startswith("Left out, for there is no room: ")
    assert f"divergences ({len(DIVERGENCES)})" in last


def test_a_topic_with_failures_comes_first_and_is_open() -> None:
    checks = plan(dtypes=["float32"], contracts=["repeatable"])
    results = [found(check, FAILED if check.operation == "loss.sequence_loss" else PASSED) for check in checks]
    text = markdown(view(report.record(results, {}, seed=0, seconds=1.0, planned=len(checks), checked=len(checks))))
    assert re.search(r"### loss\n\n<details open><summary>2 of \d+ variants fail</summary>", text)
    assert text.index("### loss") < text.index("### masking")
    assert text.count("<details open>") == 1
    assert text.count("<details") == text.count("</details>")


def test_what_was_skipped_is_counted_by_reason() -> None:
    skipped = [found(check, SKIPPED, reason="framework missing") for check in plan(frameworks_=["tensorflow"])]
    text = markdown(view(report.record(skipped, {}, seed=0, seconds=1.0, planned=1, checked=1)))
    assert f"| {len(skipped)} | tensorflow | framework missing |" in text


def test_a_command_too_long_to_be_shown_says_where_it_is() -> None:
    check = plan()[0]
    result = found(check, FAILED, reason="off") | {"reproduce": "parity check " + "x" * 5000}
    text = markdown(view(report.record([result], {}, seed=0, seconds=1.0, planned=1, checked=1)))
    assert "# a command of 5013 characters: report.json has it" in text
    assert "xxx" not in text


def test_both_values_are_said() -> None:
    result = replace(
        plan()[0].result("eager", "features/ragged", FAILED, score=310.0, **LIMITS),
        reason="310 noise floors from expected at (3, 1); the limit is 64",
        worst_index=(3, 1),
        observed=0.12345,
        expected=0.12344,
    )
    text = markdown(view(report.record([result.as_dict()], {}, seed=0, seconds=1.0, planned=1, checked=1)))
    assert "is 310 noise floors off the reference at (3, 1): 0.12345 where 0.12344 is expected; the limit is 64" in text
