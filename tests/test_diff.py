"""Compare two reports: transitions, score changes, entries, environment, and the exit status for CI."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from markdown_it import MarkdownIt

from parity import report
from parity.__main__ import main
from parity.caching import clear_caches
from parity.checks.check import Check
from parity.checks.result import FAILED, PASSED, SKIPPED, XFAILED, Result, Scores
from parity.cli.diff import render_markdown
from parity.diff import ReportDiff, compare_reports
from parity.diff.entries import NO_SETTING
from parity.diff.runs import RunKey, Transition
from parity.diff.scores import BOTTOM, OTHER_CASES, SAME_CASES
from parity.diff.sections import arrange_sections
from parity.divergences import DivergenceEntry, Trial
from parity.mutants import MutantResult
from parity.report import Report
from parity.report.journal import Entry, Journal
from parity.report.model import encode
from tests import factories
from tests.factories import HOSTILE, LSTM, hostile_report, report_of, result

GRU = Check("rnn.gru", "tensorflow", "masked", "float64", "ignores_extra_padding")
OTHER = result(check=GRU)  # the same in both reports
EXPECTED_FAILURE = result(XFAILED, problem="raised", detail="no")
UNAVAILABLE = result(SKIPPED, case="", detail="no torch")
CRASH = result(FAILED, case="", problem="other", detail="died")
ELEMENT, NORM = BOTTOM["element"], BOTTOM["norm"]


def titles(diff: ReportDiff) -> list[str]:
    return [section.title for section in arrange_sections(diff)]


def rows(diff: ReportDiff, title: str) -> list[list[str]]:
    return [list(row) for section in arrange_sections(diff) if section.title == title for row in section.rows]


def transitions(diff: ReportDiff) -> dict[Transition, int]:
    """Count the runs of each transition that occurs."""
    return {transition: len(runs) for transition, runs in diff.transitions.items() if runs}


def save(one: Report, path: Path) -> str:
    """Write a report.json and return its path."""
    path.write_text(encode(one), encoding="utf-8")
    return str(path)


ONCE: dict[str, tuple[list[Result], list[Result], Transition, bool]] = {
    "it still passes": ([result()], [result()], "unchanged", False),
    "it fails": ([result()], [result(FAILED)], "newly fails", True),
    "it still fails": ([result(FAILED)], [result(FAILED)], "still fails", False),
    "it fails in another quantity": ([result(FAILED)], [result(FAILED, quantity="h")], "still fails", False),
    "it passes": ([result(FAILED)], [result()], "newly passes", False),
    "it is new, and fails": ([], [result(FAILED)], "newly fails", True),
    "it is new": ([], [result()], "added", False),
    "it is gone": ([result()], [], "removed", False),
    "it failed and is gone": ([result(FAILED)], [], "removed", False),
    "it is expected to fail": ([result()], [EXPECTED_FAILURE], "no longer compared", False),
    "its expected failure is over": ([EXPECTED_FAILURE], [result()], "newly compared", False),
    "its expected failure is over, and it fails": ([EXPECTED_FAILURE], [result(FAILED)], "newly fails", True),
    "its framework is missing": ([result()], [UNAVAILABLE], "no longer compared", False),
    "it failed, and its framework is missing": ([result(FAILED)], [UNAVAILABLE], "no longer compared", False),
    "its framework is available": ([UNAVAILABLE], [result()], "newly compared", False),
    "its process died": ([result()], [CRASH], "newly fails", True),
    "its framework is still missing": (
        [UNAVAILABLE],
        [result(SKIPPED, case="", detail="no torch at all")],
        "unchanged",
        False,
    ),
}


@pytest.mark.parametrize("name", ONCE)
def test_each_run_has_one_transition(name: str) -> None:
    old, new, transition, worse = ONCE[name]
    diff = compare_reports(report_of(OTHER, *old), report_of(OTHER, *new))
    expected = {"unchanged": 2} if transition == "unchanged" else {transition: 1, "unchanged": 1}
    assert transitions(diff) == expected
    assert bool(diff.regressions) is worse


def test_one_failing_quantity_fails_its_run_and_the_worst_one_is_shown() -> None:
    new = [
        result(FAILED, score=99.0, norm_score=2.0),
        result(FAILED, quantity="h", score=1e6, norm_score=2.0, problem="other", detail="far off"),
    ]
    diff = compare_reports(report_of(result()), report_of(*new))
    assert [len(run.new) for run in diff.transitions["newly fails"]] == [2]
    (failure,) = arrange_sections(diff)[1].failures
    assert failure.lines[0].startswith("h of pytorch.packed in rnn.lstm ")
    assert failure.lines[0].endswith("far off")
    assert "in all: h, y" in failure.lines[2]


def test_forty_failures_of_one_cause_are_one_entry() -> None:
    cases = [f"one_layer/{number}" for number in range(40)]
    diff = compare_reports(
        report_of(*(result(case=case) for case in cases)),
        report_of(*(result(FAILED, case=case, score=70.0 + len(case), norm_score=1.0) for case in cases)),
    )
    assert diff.regressions == ["1 check newly fails"]
    (failure,) = arrange_sections(diff)[1].failures
    assert failure.head == "rnn.lstm, pytorch.packed: matches_reference"
    assert "and 39 more" in "\n".join(failure.lines)
    assert failure.lines[-1] == "before: passed"
    assert failure.command == LSTM.reproduce


def test_an_echo_of_a_new_failure_comes_after_it() -> None:
    """Check that PyTorch, which is unchanged, comes after TensorFlow, which left the reference and so PyTorch."""
    echo = replace(LSTM, contract="frameworks_agree")
    culprit = replace(LSTM, framework="tensorflow", variant="masked")
    old = report_of(result(check=echo), result(check=culprit))
    new = report_of(
        result(FAILED, check=echo, score=9e9, norm_score=9e9), result(FAILED, check=culprit, score=99.0, norm_score=9.0)
    )
    heads = [failure.head for failure in arrange_sections(compare_reports(old, new))[1].failures]
    assert heads == ["rnn.lstm, tensorflow.masked: matches_reference", "rnn.lstm, pytorch.packed: frameworks_agree"]


def test_a_thousand_failures_of_many_causes_still_fit_a_summary(tmp_path: Path, capsys: Any) -> None:
    checks = [replace(LSTM, variant=f"variant_{number}") for number in range(1000)]
    old = report_of(*(result(check=check) for check in checks))
    new = report_of(*(result(FAILED, check=check, problem="other", detail="off by 3 at (0, 1)") for check in checks))
    markdown = render_markdown(compare_reports(old, new))
    assert len(markdown.encode()) < 60_000
    assert "and 950 more" in markdown
    assert main(["diff", save(old, tmp_path / "old.json"), save(new, tmp_path / "new.json")]) == 1
    printed = capsys.readouterr().out
    assert "and 977 more" in printed
    assert printed.endswith("✗ 1000 checks newly fail; 0 of 1000 checks unchanged\n")


def test_a_new_operation_is_one_row_and_so_is_a_removed_contract() -> None:
    new = [result(case=f"one_layer/{number}", check=GRU) for number in range(400)]
    padding = replace(LSTM, contract="ignores_padding")
    old = [result(check=replace(padding, variant=variant)) for variant in ("packed", "padded")]
    unchanged = [result(check=replace(LSTM, variant=variant)) for variant in ("packed", "padded")]
    diff = compare_reports(report_of(*unchanged, *old), report_of(*unchanged, *new))
    assert rows(diff, "Added") == [["framework tensorflow", "400"]]
    assert rows(diff, "Removed") == [["contract ignores_padding", "2"]]


def test_a_run_missing_from_an_interrupted_report_is_not_run_and_not_removed() -> None:
    old, new = report_of(result(), OTHER), report_of(OTHER, planned=9)
    diff = compare_reports(old, new)
    assert transitions(diff) == {"not run": 1, "unchanged": 1}
    assert diff.regressions == ["NEW was stopped before its end"]
    assert "Not run on one side: 1 run of 1 check." in arrange_sections(diff)[0].text
    reverse = compare_reports(new, old)
    assert reverse.regressions == []
    assert transitions(reverse) == {"not run": 1, "unchanged": 1}


def test_a_failure_that_an_interrupted_run_did_not_reach_is_a_new_one() -> None:
    diff = compare_reports(report_of(OTHER, planned=9), report_of(OTHER, result(FAILED)))
    assert diff.regressions == ["1 check newly fails"]
    assert arrange_sections(diff)[1].failures[0].lines[-1] == "before: not run"


SCORES: dict[str, tuple[tuple[float, float], tuple[float, float], bool]] = {
    "unchanged": ((3.0, 1.0), (3.0, 1.0), False),
    "below what is as good as anything": ((0.0, 0.0), (ELEMENT, NORM), False),
    "as far as noise may": ((2.0, 1.0), (2.0 * SAME_CASES, 1.0 * SAME_CASES), False),
    "an element up": ((2.0, 1.0), (2.0 * SAME_CASES + 0.1, 1.0), True),
    "an element down": ((2.0 * SAME_CASES + 0.1, 1.0), (2.0, 1.0), True),
    "an element up from nothing": ((0.0, 0.0), (ELEMENT * SAME_CASES + 0.1, 0.0), True),
    "a norm up": ((2.0, 1.0), (2.0, SAME_CASES + 0.1), True),
}


def with_scores(element: float, norm: float = 0.5, **fields: Any) -> Result:
    return result(score=element, norm_score=norm, **fields)


@pytest.mark.parametrize("name", SCORES)
def test_a_score_changes_where_it_changes_by_more_than_the_noise(name: str) -> None:
    old, new, changed = SCORES[name]
    diff = compare_reports(report_of(with_scores(*old)), report_of(with_scores(*new)))
    assert bool(diff.score_changes) is changed
    assert (rows(diff, "Score changes") != []) is changed
    assert diff.regressions == []  # it still passes


def test_the_largest_score_of_a_check_counts_and_not_that_of_a_case() -> None:
    old = [with_scores(1.0, case="one_layer/ragged"), with_scores(20.0, case="one_layer/full")]
    new = [with_scores(20.0, case="one_layer/ragged"), with_scores(1.0, case="one_layer/full")]
    assert compare_reports(report_of(*old), report_of(*new)).score_changes == []
    assert compare_reports(report_of(*old), report_of(old[0])).score_changes == []  # only runs of both count
    (change,) = compare_reports(report_of(old[0]), report_of(new[0])).score_changes
    assert (change.before, change.after, change.new.case) == (1.0, 20.0, "one_layer/ragged")


def test_a_check_with_an_expected_failure_still_has_score_changes_under_another_seed() -> None:
    expected = result(XFAILED, case="one_layer/one_step", problem="raised", detail="no")
    old, new = report_of(expected, result()), report_of(expected, with_scores(30.0), seed=1)
    changes = compare_reports(old, new).score_changes
    assert [(change.before, change.after) for change in changes] == [(1.0, 30.0)]


def test_other_cases_may_change_a_score_more_than_other_rounding() -> None:
    between = 1.0 + (SAME_CASES + OTHER_CASES) / 2
    old, new = report_of(result()), with_scores(between)
    assert len(compare_reports(old, report_of(new)).score_changes) == 1
    assert compare_reports(old, report_of(new, seed=1)).score_changes == []
    assert len(compare_reports(old, report_of(with_scores(OTHER_CASES + 0.1), seed=1)).score_changes) == 1


def test_an_exact_contract_has_no_score_changes() -> None:
    old, new = (with_scores(score, score, limit=0.0, norm_limit=0.0) for score in (0.0, 9.0))
    assert compare_reports(report_of(old), report_of(new)).score_changes == []


def test_with_another_seed_checks_are_compared_and_not_cases() -> None:
    check = replace(LSTM, seed=1)
    old = report_of(result(), result(case="one_layer/full"))
    new = report_of(result(check=check), result(FAILED, case="one_layer/other", check=check), seed=1)
    diff = compare_reports(old, new)
    assert transitions(diff) == {"newly fails": 1}
    (run,) = diff.transitions["newly fails"]
    assert run.key == RunKey("rnn.lstm", "pytorch", "packed", "float32", "matches_reference", mode="", case="")
    assert "The seeds differ" in arrange_sections(diff)[0].text
    assert ["seed", "0", "1"] in rows(diff, "Environment")


def divergences(stale: str = "", observed: str = "", expected: str = "", missing: str = "") -> list[DivergenceEntry]:
    """Make one entry, tried in one framework, with another mean if one is given."""
    (entry,) = [factories.divergence("loss.denominator")]
    tried = entry.frameworks["pytorch"]
    values = tried.observed | ({"mean": observed} if observed else {})
    tried = msgspec.structs.replace(
        tried,
        status=SKIPPED if missing else FAILED if stale else PASSED,
        reason=missing or stale,
        observed={} if missing else values,
        expected=tried.expected | ({"mean": expected} if expected else {}),
    )
    return [msgspec.structs.replace(entry, frameworks={"pytorch": tried})]


DIVERGENCES: dict[str, tuple[list[DivergenceEntry], list[DivergenceEntry], list[str], bool]] = {
    "unchanged": (divergences(), divergences(), [], False),
    "in digits that the entry does not state": (
        divergences(observed="0.50001"),
        divergences(observed="0.50002"),
        [],
        False,
    ),
    "out of date": (divergences(), divergences(stale="Mend it", observed="3"), ["mean was nothing, is 3"], True),
    "still out of date": (divergences(stale="a", observed="3"), divergences(stale="a", observed="3"), [], False),
    "out of date with other values": (
        divergences(stale="a", observed="3"),
        divergences(stale="a", observed="4"),
        ["mean was 3, is 4"],
        False,
    ),
    "mended": (
        divergences(observed="3", expected="3"),
        divergences(observed="4", expected="4"),
        ["mean was 3, is 4"],
        False,
    ),
    "its framework is missing": (divergences(), divergences(missing="no torch"), ["no torch"], False),
    "not tried before, and out of date": ([], divergences(stale="Mend it"), ["Mend it"], True),
}


@pytest.mark.parametrize("name", DIVERGENCES)
def test_a_divergence_is_listed_where_its_status_or_its_values_changed(name: str) -> None:
    old, new, details, worse = DIVERGENCES[name]
    diff = compare_reports(report_of(OTHER, divergences=old), report_of(OTHER, divergences=new))
    assert [change.detail for change in diff.divergences] == details
    assert bool(diff.regressions) is worse


def mutants(status: str) -> list[MutantResult]:
    """Make one mutant with a reason, or none without a status."""
    return [msgspec.structs.replace(factories.mutant(status), reason="nothing killed it")] if status else []


MUTANTS = {
    ("killed", "killed"): ([], False),
    ("killed", "survived"): ([("killed", "survived", "nothing killed it")], True),
    ("killed", "stale"): ([("killed", "stale", "nothing killed it")], True),
    ("survived", "survived"): ([], False),
    ("survived", "killed"): ([("survived", "killed", "nothing killed it")], False),
    ("killed", "skipped"): ([("killed", "skipped", "nothing killed it")], False),
    ("killed", ""): ([], False),
    ("", "survived"): ([("not run", "survived", "nothing killed it")], True),
}


@pytest.mark.parametrize(("old", "new"), MUTANTS)
def test_a_mutant_that_is_no_longer_killed_is_a_regression(old: str, new: str) -> None:
    changes, worse = MUTANTS[old, new]
    diff = compare_reports(report_of(OTHER, mutants=mutants(old)), report_of(OTHER, mutants=mutants(new)))
    assert [(change.before, change.after, change.detail) for change in diff.mutants] == changes
    assert bool(diff.regressions) is worse


def test_a_part_that_only_one_report_has_is_named() -> None:
    diff = compare_reports(report_of(OTHER, mutants=mutants("killed")), report_of(OTHER))
    assert arrange_sections(diff)[0].text == "Only OLD has mutants."


def test_more_false_alarms_are_a_regression() -> None:
    quiet, loud, louder = (
        report_of(OTHER, sweep=msgspec.structs.replace(factories.sweep(), failed=failed)) for failed in (0, 2, 900)
    )
    assert compare_reports(quiet, loud).regressions == ["2 more false alarms"]
    assert compare_reports(loud, louder).regressions == ["898 more false alarms"]
    assert not compare_reports(louder, loud).regressions
    assert compare_reports(loud, loud).regressions == compare_reports(loud, quiet).regressions == []


def test_reports_with_nothing_in_common_are_a_failure() -> None:
    nothing = ["nothing was compared: no check ran in both"]
    assert compare_reports(report_of(result()), report_of(OTHER)).regressions == nothing
    assert compare_reports(report_of(result()), report_of(UNAVAILABLE)).regressions == nothing


def test_settings_that_differ_are_listed() -> None:
    base = report_of(OTHER)
    cpu, versions = base.environment.cpu, base.environment.versions
    before = msgspec.structs.replace(base.environment, versions=versions | {"torch": "2.12.0"})
    after = msgspec.structs.replace(
        base.environment,
        cpu="another",
        versions=versions | {"torch": None},
        frameworks={"pytorch": {"torch": "2.12.0", "tf32": {"matmul": True}}},
    )
    old, new = (msgspec.structs.replace(base, environment=environment) for environment in (before, after))
    assert compare_reports(old, new).environment == [
        ("cpu", cpu, "another"),
        ("torch", "2.12.0", "not installed"),
        ("pytorch tf32 matmul", NO_SETTING, "on"),
    ]


def test_the_journal_of_a_killed_run_has_the_environment_of_that_run(tmp_path: Path) -> None:
    """Check that the machine and its versions are those of the report that the run began with, not of the reader."""
    journal = Journal(tmp_path, seed=0, planned=9)
    journal.begin()
    journal.keep(Entry("first", results=(result(),), frameworks={"pytorch": {"threads": 7}}))
    begun = report_of()
    elsewhere = msgspec.structs.replace(begun.environment, cpu="a processor elsewhere", run=journal.head.run)
    save(msgspec.structs.replace(begun, environment=elsewhere), tmp_path / "report.json")
    there = report.read(tmp_path)
    assert (len(there.results), there.environment.cpu) == (1, "a processor elsewhere")
    assert there.environment.frameworks == {"pytorch": {"threads": 7}}
    (tmp_path / "report.json").write_text("half of")
    assert report.read(tmp_path).results == there.results


WRONG = {"OLD": ("wrong", "right"), "NEW": ("right", "wrong")}


@pytest.mark.parametrize("side", WRONG)
@pytest.mark.parametrize("content", ['{"schema": 99}', "half of"])
def test_a_report_that_cannot_be_read_is_named(
    side: str, content: str, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save(report_of(OTHER), Path("right"))
    Path("wrong").write_text(content)
    assert main(["diff", *WRONG[side]]) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"parity: error: {side} 'wrong': got ")
    assert message.count("\n") == 1


def test_a_mutant_between_two_runs_is_detected(
    pytorch: str, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compare two real runs, one of them of a function that reverses the padding too."""
    from parity.pytorch import bidirectional

    check = ["check", "--operation", "bidirectional.reverse_sequence", "--framework", "pytorch", "--jobs", "1"]
    quick = [*check, "--contract", "ignores_padding", "--contract", "repeatable", "--dtype", "float32"]
    old, new = str(tmp_path / "old"), str(tmp_path / "new")
    assert main([*quick, "--output", old]) == 0
    clear_caches()
    monkeypatch.setattr(bidirectional, "reverse_sequence", lambda x, lengths, variant: {"y": x.flip(1)})
    try:
        assert main([*quick, "--output", new]) == 1
    finally:
        clear_caches()
    printed = {}
    for name, both in {"same": (old, old), "worse": (old, new), "better": (new, old), "still": (new, new)}.items():
        capsys.readouterr()
        assert main(["diff", *both]) == int(name == "worse")
        printed[name] = capsys.readouterr().out
    assert printed["same"].endswith("nothing got worse; 2 of 2 checks unchanged\n")
    assert printed["worse"].endswith("✗ 1 check newly fails; 1 of 2 checks unchanged\n")
    assert "✗ bidirectional.reverse_sequence, pytorch.gather: ignores_padding" in printed["worse"]
    assert f"reproduce: parity check {' '.join(check[1:3])}" in printed["worse"]
    assert printed["better"].endswith("nothing got worse; 1 check newly passes; 1 of 2 checks unchanged\n")
    assert "Still failing" in printed["still"]


HARMLESS = "word"
OTHER_STATUS = {PASSED: FAILED, FAILED: PASSED, XFAILED: PASSED, SKIPPED: FAILED}


def hostile_pair(text: str) -> tuple[Report, Report]:
    """Make two reports with a text in every field, with a change of almost every kind between them."""
    base = hostile_report(text)
    old, new = _side(base, "old", text, 1.0), _side(base, "new", text, 60.0)
    turned = [msgspec.structs.replace(one, status=OTHER_STATUS[one.status]) for one in base.results]
    new = msgspec.structs.replace(new, results=(*turned, *new.results[len(turned) :]))
    killed = msgspec.structs.replace(base.mutants[0], status="killed")
    (entry,) = base.divergences
    trials = {name: _fresh(trial, text) for name, trial in entry.frameworks.items()}
    return msgspec.structs.replace(
        old, mutants=(killed,), divergences=(msgspec.structs.replace(entry, frameworks=trials),)
    ), new


def _side(base: Report, name: str, text: str, score: float) -> Report:
    """Add results with a score and one of an operation of its own, on a processor of its own."""
    by_status = {one.status: one for one in base.results}
    scored = [
        msgspec.structs.replace(by_status[status], variant=f"moved {text}", scores={text: Scores(score, 0.1)})
        for status in (PASSED, FAILED)
    ]
    only = msgspec.structs.replace(by_status[PASSED], operation=f"only {name} {text}")
    return msgspec.structs.replace(
        base,
        results=(*base.results, *scored, only),
        environment=msgspec.structs.replace(base.environment, cpu=f"{name} {text}"),
    )


def _fresh(trial: Trial, text: str) -> Trial:
    return msgspec.structs.replace(trial, status=PASSED, observed={text: f"another {text}"})


def structure(markdown: str) -> Iterator[tuple[str, ...]]:
    """Yield the blocks and spans of a document, without its text."""
    for block in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown):
        yield block.type, block.tag, str(block.attrs)
        for span in block.children or ():
            if span.type != "text":
                yield span.type, span.tag, str(span.attrs), span.content


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_inert_in_a_comparison(name: str, capsys: Any, tmp_path: Path) -> None:
    old, new = hostile_pair(HOSTILE[name])
    markdown = render_markdown(compare_reports(old, new))
    assert list(structure(markdown)) == list(structure(render_markdown(compare_reports(*hostile_pair(HARMLESS)))))
    assert main(["diff", save(old, tmp_path / "old.json"), save(new, tmp_path / "new.json")]) == 1
    assert all(letter.isprintable() or letter == "\n" for letter in capsys.readouterr().out)


def test_hostile_reports_differ_in_almost_everything() -> None:
    """Check that the test above covers each of these sections."""
    assert titles(compare_reports(*hostile_pair(HARMLESS))) == [
        "Environment",
        "Newly failing",
        "Divergences",
        "Mutants",
        "Still failing",
        "Newly passing",
        "Score changes",
        "Newly compared",
        "Added",
        "Removed",
    ]
