"""Two records side by side: what newly fails, passes, moved, appeared and went, and the exit status for CI."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from parity import report
from parity.__main__ import main
from parity.caching import clear_caches
from parity.checks.check import Check
from parity.checks.result import FAILED, PASSED, SKIPPED, XFAILED
from parity.diff import Changes, changes
from parity.diff.environment import NOTHING
from parity.diff.markdown import markdown
from parity.diff.scores import BOTTOM, ELEMENT, NORM, OTHER_CASES, SAME_CASES
from parity.diff.sections import sections
from parity.diff.transitions import ALIKE, APPEARED, COMPARED, FAILS, NOT_RUN, PASSES, STILL, UNCOMPARED, WENT
from parity.divergences import DIVERGENCES, Trial
from parity.mutants import MUTANTS, Outcome
from parity.report.entries import entries
from parity.report.entries import mutants as mutant_entries
from parity.report.journal import Keeper
from parity.report.record import NEW, SCHEMA
from tests import test_hostile
from tests.test_hostile import HARMLESS, HOSTILE, structure

LSTM = Check("rnn.lstm", "pytorch", "packed", "float32", "matches_reference")
GRU = Check("rnn.gru", "tensorflow", "masked", "float64", "ignores_extra_padding")


def result(
    status: str = PASSED,
    case: str = "one_layer/ragged",
    check: Check = LSTM,
    scores: tuple[float, float] = (1.0, 0.5),
    quantity: str = "y",
    **rest: Any,
) -> dict[str, Any]:
    """One result, as plain values; of a whole check where there is no case."""
    element, norm = scores
    measured = {"score": element, "limit": 64.0, "norm_score": norm, "norm_limit": 16.0, "max_abs_error": 1e-7}
    measured |= {"compared": 9, "quantity": quantity, "scores": {quantity: scores}}
    given = measured | rest if status in (PASSED, FAILED) and case else rest
    return check.result("eager" if case else "", case, status, **given).as_dict()


def record_of(*results: dict[str, Any], planned: int = 1, seed: int = 0, **parts: Any) -> dict[str, Any]:
    return report.record(results, {}, seed=seed, seconds=1.0, planned=planned, checked=1, **parts)


def titles(found: Changes) -> list[str]:
    return [section.title for section in sections(found)]


def rows(found: Changes, title: str) -> list[list[str]]:
    return [list(row) for section in sections(found) if section.title == title for row in section.rows]


OTHER = result(check=GRU)  # the same on both sides
ONCE: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]], str, bool]] = {
    "it passes as before": ([result()], [result()], ALIKE, False),
    "it fails": ([result()], [result(FAILED)], FAILS, True),
    "it fails as before": ([result(FAILED)], [result(FAILED)], STILL, False),
    "it fails in another quantity": ([result(FAILED)], [result(FAILED, quantity="h")], STILL, False),
    "it passes": ([result(FAILED)], [result()], PASSES, False),
    "it was not there, and fails": ([], [result(FAILED)], FAILS, True),
    "it was not there": ([], [result()], APPEARED, False),
    "it is gone": ([result()], [], WENT, False),
    "it failed and is gone": ([result(FAILED)], [], WENT, False),
    "it is refused": ([result()], [result(XFAILED, reason="refused: no")], UNCOMPARED, False),
    "its expected_failure is over": ([result(XFAILED, reason="refused: no")], [result()], COMPARED, False),
    "its expected_failure is over, and it fails": (
        [result(XFAILED, reason="refused: no")],
        [result(FAILED)],
        FAILS,
        True,
    ),
    "its framework is missing": ([result()], [result(SKIPPED, case="", reason="no torch")], UNCOMPARED, False),
    "it failed, and its framework is missing": (
        [result(FAILED)],
        [result(SKIPPED, case="", reason="no torch")],
        UNCOMPARED,
        False,
    ),
    "its framework is there": ([result(SKIPPED, case="", reason="no torch")], [result()], COMPARED, False),
    "its process died": ([result()], [result(FAILED, case="", reason="died")], FAILS, True),
    "its framework is missing as before": (
        [result(SKIPPED, case="", reason="no torch")],
        [result(SKIPPED, case="", reason="no torch at all")],
        ALIKE,
        False,
    ),
}


@pytest.mark.parametrize("what", ONCE)
def test_each_run_becomes_one_thing(what: str) -> None:
    then, now, turn, worse = ONCE[what]
    found = changes(record_of(OTHER, *then), record_of(OTHER, *now))
    assert {name: len(found.turns[name]) for name in found.turns if name != ALIKE or turn == ALIKE} == {
        turn: 1 + (turn == ALIKE)
    }
    assert bool(found.worse) is worse


def test_one_failing_quantity_fails_its_run_and_the_worst_one_speaks_for_it() -> None:
    now = [result(FAILED, scores=(99.0, 2.0)), result(FAILED, quantity="h", scores=(1e6, 2.0), reason="far off")]
    found = changes(record_of(result()), record_of(*now))
    assert [len(run.now) for run in found.turns[FAILS]] == [2]
    (entry,) = sections(found)[1].entries
    assert entry.lines[0] == "h: far off"
    assert "y" in entry.lines[3]


def test_forty_failures_of_one_cause_are_one_entry() -> None:
    cases = [f"one_layer/{number}" for number in range(40)]
    found = changes(
        record_of(*(result(case=case) for case in cases)),
        record_of(*(result(FAILED, case=case, reason="off", scores=(70.0 + len(case), 1.0)) for case in cases)),
    )
    assert found.worse == ["1 check newly fails"]
    (entry,) = sections(found)[1].entries
    assert entry.head == "rnn.lstm, pytorch.packed: matches_reference"
    assert "and 39 more" in "\n".join(entry.lines)
    assert entry.lines[-1] == "before: passed"
    assert entry.command == LSTM.reproduce


def test_who_disagrees_with_what_newly_fails_comes_after_it() -> None:
    """PyTorch is no worse than it was, where TensorFlow has left the reference and with it PyTorch."""
    echo = replace(LSTM, contract="frameworks_agree")
    culprit = replace(LSTM, framework="tensorflow", variant="masked")
    old = record_of(result(check=echo), result(check=culprit))
    off = [result(FAILED, check=echo, scores=(9e9, 9e9)), result(FAILED, check=culprit, scores=(99.0, 9.0))]
    heads = [entry.head for entry in sections(changes(old, record_of(*off)))[1].entries]
    assert heads == ["rnn.lstm, tensorflow.masked: matches_reference", "rnn.lstm, pytorch.packed: frameworks_agree"]


def test_a_thousand_failures_of_many_causes_still_fit_a_summary(tmp_path: Path, capsys: Any) -> None:
    checks = [replace(LSTM, variant=f"variant_{number}") for number in range(1000)]
    old = record_of(*(result(check=check) for check in checks))
    new = record_of(*(result(FAILED, check=check, reason="off by 3 at (0, 1)") for check in checks))
    written = markdown(changes(old, new))
    assert len(written.encode()) < 60_000
    assert "and 950 more" in written
    for record, name in ((old, "old"), (new, "new")):
        report.write(record, tmp_path / name)
    assert main(["diff", str(tmp_path / "old"), str(tmp_path / "new")]) == 1
    said = capsys.readouterr().out
    assert "and 977 more" in said
    assert said.endswith("✗ 1000 checks newly fail; 0 of 1000 checks as before\n")


def test_a_new_operation_is_one_line_and_so_is_a_contract_that_went() -> None:
    new = [result(case=f"one_layer/{number}", check=GRU) for number in range(400)]
    padding = replace(LSTM, contract="ignores_padding")
    old = [result(check=replace(padding, variant=variant)) for variant in ("packed", "padded")]
    stays = [result(check=replace(LSTM, variant=variant)) for variant in ("packed", "padded")]
    found = changes(record_of(*stays, *old), record_of(*stays, *new))
    assert rows(found, "Appeared") == [["framework tensorflow", "400"]]
    assert rows(found, "Went") == [["contract ignores_padding", "2"]]


def test_what_a_run_did_not_reach_has_not_gone() -> None:
    old, new = record_of(result(), OTHER), record_of(OTHER, planned=9)
    found = changes(old, new)
    assert set(found.turns) == {NOT_RUN, ALIKE}
    assert found.worse == ["NEW was stopped before its end"]
    assert "Not reached on one side: 1 run of 1 check." in sections(found)[0].said
    assert changes(new, old).worse == []
    assert set(changes(new, old).turns) == {NOT_RUN, ALIKE}


def test_a_failure_that_an_unfinished_run_did_not_reach_is_a_new_one() -> None:
    found = changes(record_of(OTHER, planned=9), record_of(OTHER, result(FAILED)))
    assert found.worse == ["1 check newly fails"]
    assert sections(found)[1].entries[0].lines[-1] == "before: not run"


MOVES: dict[str, tuple[tuple[float, float], tuple[float, float], bool]] = {
    "not at all": ((3.0, 1.0), (3.0, 1.0), False),
    "below what is as good as anything": ((0.0, 0.0), (BOTTOM[ELEMENT], BOTTOM[NORM]), False),
    "as far as noise may": ((2.0, 1.0), (2.0 * SAME_CASES, 1.0 * SAME_CASES), False),
    "an element up": ((2.0, 1.0), (2.0 * SAME_CASES + 0.1, 1.0), True),
    "an element down": ((2.0 * SAME_CASES + 0.1, 1.0), (2.0, 1.0), True),
    "an element up from nothing": ((0.0, 0.0), (BOTTOM[ELEMENT] * SAME_CASES + 0.1, 0.0), True),
    "a norm up": ((2.0, 1.0), (2.0, SAME_CASES + 0.1), True),
}


@pytest.mark.parametrize("how", MOVES)
def test_a_score_has_moved_where_noise_cannot_take_it(how: str) -> None:
    then, now, told = MOVES[how]
    found = changes(record_of(result(scores=then)), record_of(result(scores=now)))
    assert bool(found.moves) is told
    assert (rows(found, "Moved by more than the noise") != []) is told
    assert found.worse == []  # it still holds


def test_the_largest_score_of_a_check_counts_and_not_that_of_a_case() -> None:
    then = [result(case="one_layer/ragged", scores=(1.0, 0.5)), result(case="one_layer/full", scores=(20.0, 0.5))]
    now = [result(case="one_layer/ragged", scores=(20.0, 0.5)), result(case="one_layer/full", scores=(1.0, 0.5))]
    assert changes(record_of(*then), record_of(*now)).moves == []
    assert changes(record_of(*then), record_of(*then[:1])).moves == []  # only runs of both count
    (move,) = changes(record_of(*then[:1]), record_of(*now[:1])).moves
    assert (move.before, move.after, move.now["case"]) == (1.0, 20.0, "one_layer/ragged")


def test_a_check_of_another_seed_has_moved_though_it_has_expected_failures_cases() -> None:
    refused = result(XFAILED, case="one_layer/one_step", reason="refused: no")
    then, now = record_of(refused, result()), record_of(refused, result(scores=(30.0, 0.5)), seed=1)
    assert [(move.before, move.after) for move in changes(then, now).moves] == [(1.0, 30.0)]


def test_other_cases_may_move_a_score_farther_than_other_rounding() -> None:
    between = 1.0 + (SAME_CASES + OTHER_CASES) / 2
    then, now = record_of(result()), result(scores=(between, 0.5))
    assert len(changes(then, record_of(now)).moves) == 1
    assert changes(then, record_of(now, seed=1)).moves == []
    assert len(changes(then, record_of(result(scores=(OTHER_CASES + 0.1, 0.5)), seed=1)).moves) == 1


def test_an_exact_contract_has_no_score_that_could_move() -> None:
    exact = [result(limit=0.0, norm_limit=0.0, scores=scores) for scores in ((0.0, 0.0), (9.0, 9.0))]
    assert changes(record_of(exact[0]), record_of(exact[1])).moves == []


def test_with_another_seed_checks_are_compared_and_no_case_with_any_other() -> None:
    check = replace(LSTM, seed=1)
    old = record_of(result(), result(case="one_layer/full"))
    new = record_of(result(check=check), result(FAILED, case="one_layer/other", check=check), seed=1)
    found = changes(old, new)
    assert {name: [run.key for run in runs] for name, runs in found.turns.items()} == {
        FAILS: [("rnn.lstm", "pytorch", "packed", "float32", "matches_reference")]
    }
    assert "The seeds differ" in sections(found)[0].said
    assert ["seed", "0", "1"] in rows(found, "The two runs")


def divergences(stale: str = "", today: str = "", seen: str = "", missing: str = "") -> list[dict[str, Any]]:
    """One entry, as a record has it."""
    entry = DIVERGENCES["loss.denominator"]
    (one,) = entries([Trial(entry.name, "pytorch", entry.seen["pytorch"], stale=stale, missing=missing)])
    side = one["frameworks"]["pytorch"]
    side["today"] = {} if missing else side["today"] | ({"mean": today} if today else {})
    side["seen"] |= {"mean": seen} if seen else {}
    return [one]


TRIED: dict[str, tuple[list[Any], list[Any], list[str], bool]] = {
    "as before": (divergences(), divergences(), [], False),
    "in digits that the entry does not say": (divergences(today="0.50001"), divergences(today="0.50002"), [], False),
    "out of date": (divergences(), divergences(stale="Mend it", today="3"), ["mean was nothing, is 3"], True),
    "out of date as before": (divergences(stale="a", today="3"), divergences(stale="a", today="3"), [], False),
    "out of date with other values": (
        divergences(stale="a", today="3"),
        divergences(stale="a", today="4"),
        ["mean was 3, is 4"],
        False,
    ),
    "mended": (
        divergences(today="3", seen="3"),
        divergences(today="4", seen="4"),
        ["mean was 3, is 4"],
        False,
    ),
    "its framework is missing": (divergences(), divergences(missing="no torch"), ["no torch"], False),
    "not tried before, and out of date": ([], divergences(stale="Mend it"), ["Mend it"], True),
}


@pytest.mark.parametrize("what", TRIED)
def test_a_divergence_is_told_where_its_status_or_its_values_changed(what: str) -> None:
    then, now, said, worse = TRIED[what]
    found = changes(record_of(OTHER, divergences=then), record_of(OTHER, divergences=now))
    assert [claim.said for claim in found.divergences] == said
    assert bool(found.worse) is worse


def mutants(status: str) -> list[dict[str, Any]]:
    return mutant_entries([Outcome(next(iter(MUTANTS)), status, reason="nothing killed it")]) if status else []


ABOUT_MUTANTS = {
    ("killed", "killed"): ([], False),
    ("killed", "survived"): ([("killed", "survived", "nothing killed it")], True),
    ("killed", "stale"): ([("killed", "stale", "nothing killed it")], True),
    ("survived", "survived"): ([], False),
    ("survived", "killed"): ([("survived", "killed", "nothing killed it")], False),
    ("killed", "skipped"): ([("killed", "skipped", "nothing killed it")], False),
    ("killed", ""): ([], False),
    ("", "survived"): ([("not run", "survived", "nothing killed it")], True),
}


@pytest.mark.parametrize(("then", "now"), ABOUT_MUTANTS)
def test_a_mutant_that_is_no_longer_killed_makes_it_worse(then: str, now: str) -> None:
    told, worse = ABOUT_MUTANTS[then, now]
    found = changes(record_of(OTHER, mutants=mutants(then)), record_of(OTHER, mutants=mutants(now)))
    assert [(claim.before, claim.after, claim.said) for claim in found.mutants] == told
    assert bool(found.worse) is worse


def test_what_only_one_of_them_has_is_said() -> None:
    found = changes(record_of(OTHER, mutants=mutants("killed")), record_of(OTHER))
    assert sections(found)[0].said == "Only OLD has mutants."


def test_a_false_alarm_where_there_was_none_makes_it_worse() -> None:
    swept = {"first": 0, "seeds": 1, "contracts": [], "checks": 9, "failed": 0, "failures": [], "rows": []}
    quiet, loud = record_of(OTHER, sweep=swept), record_of(OTHER, sweep=swept | {"failed": 2})
    louder = record_of(OTHER, sweep=swept | {"failed": 900})
    assert changes(quiet, loud).worse == ["2 more false alarms"]
    assert changes(loud, louder).worse == ["898 more false alarms"]
    assert not changes(louder, loud).worse
    assert changes(loud, loud).worse == changes(loud, quiet).worse == []


def test_what_was_compared_with_nothing_is_a_failure() -> None:
    nothing = ["nothing was compared: no check was tried in both"]
    assert changes(record_of(result()), record_of(OTHER)).worse == nothing
    skipped = result(SKIPPED, case="", reason="no torch")
    assert changes(record_of(result()), record_of(skipped)).worse == nothing


def test_the_environments_are_held_against_each_other() -> None:
    old, new = record_of(OTHER), record_of(OTHER)
    new["environment"] = json.loads(json.dumps(old["environment"])) | {"cpu": "another"}
    old["environment"]["versions"]["torch"], new["environment"]["versions"]["torch"] = "2.12.0", None
    new["environment"]["frameworks"] = {"pytorch": {"torch": "2.12.0", "tf32": {"matmul": True}}}
    cpu = old["environment"]["cpu"]
    assert changes(old, new).environment == [
        ("cpu", cpu, "another"),
        ("torch", "2.12.0", "not installed"),
        ("pytorch tf32 matmul", NOTHING, "on"),
    ]


def test_what_a_killed_run_left_behind_says_where_that_ran(tmp_path: Path) -> None:
    """And not where it is read: the machine and its versions stand in the report that the run began with."""
    keeper = Keeper(tmp_path, seed=0, planned=9)
    keeper.begin()
    keeper.keep(
        "first", {"results": [result()], "trials": [], "mutants": [], "curves": []}, {"pytorch": {"threads": 7}}
    )
    begun = json.loads((tmp_path / "report.json").read_text())
    begun["environment"] |= {"cpu": "one that is elsewhere"}
    (tmp_path / "report.json").write_text(json.dumps(begun))
    there = report.read(tmp_path)
    assert (len(there["checks"]), there["environment"]["cpu"]) == (1, "one that is elsewhere")
    assert there["environment"]["frameworks"] == {"pytorch": {"threads": 7}}
    (tmp_path / "report.json").write_text("half of")
    assert report.read(tmp_path)["checks"] == there["checks"]


@pytest.mark.parametrize("schema", range(1, SCHEMA))
def test_a_record_of_an_earlier_schema_can_be_compared(schema: int, tmp_path: Path, capsys: Any) -> None:
    later = {part for since, parts in NEW.items() if since > schema for part in parts}
    old = {part: value for part, value in record_of(OTHER).items() if part not in later} | {"schema": schema}
    (tmp_path / "old.json").write_text(json.dumps(old))
    report.write(record_of(OTHER), tmp_path)
    assert main(["diff", str(tmp_path / "old.json"), str(tmp_path)]) == 0
    assert "nothing got worse" in capsys.readouterr().out


WRONG = {"OLD": ("wrong", "right"), "NEW": ("right", "wrong")}


@pytest.mark.parametrize("side", WRONG)
@pytest.mark.parametrize("content", ['{"schema": 99}', "half of"])
def test_a_record_that_cannot_be_read_is_named(
    side: str, content: str, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    report.write(record_of(OTHER), "right")
    Path("wrong").write_text(content)
    assert main(["diff", *WRONG[side]]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"parity: error: {side}: got ")
    assert said.count("\n") == 1


def test_a_mutant_between_two_runs_is_found(
    pytorch: str, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two real runs, one of them of a function that reverses the padding too."""
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
    said = {}
    for name, both in {"same": (old, old), "worse": (old, new), "better": (new, old), "still": (new, new)}.items():
        capsys.readouterr()
        assert main(["diff", *both]) == int(name == "worse")
        said[name] = capsys.readouterr().out
    assert said["same"].endswith("nothing got worse; 2 of 2 checks as before\n")
    assert said["worse"].endswith("✗ 1 check newly fails; 1 of 2 checks as before\n")
    assert "✗ bidirectional.reverse_sequence, pytorch.gather: ignores_padding" in said["worse"]
    assert f"again: parity check {' '.join(check[1:3])}" in said["worse"]
    assert said["better"].endswith("nothing got worse; 1 check newly passes; 1 of 2 checks as before\n")
    assert "Still fails" in said["still"]


def hostile(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two records with a text in every field, of which everything that can be said is said."""
    old, new = test_hostile.record_of(text), test_hostile.record_of(text)
    turned = {PASSED: FAILED, FAILED: PASSED, XFAILED: PASSED, SKIPPED: FAILED}
    for one in new["checks"]:
        one["status"] = turned[one["status"]]
    for side, name, score in ((old, "old", 1.0), (new, "new", 60.0)):
        for status in (PASSED, FAILED):
            moved = test_hostile.of_status(text, status)
            side["checks"].append(replace(moved, variant=f"moved {text}", scores={text: (score, 0.1)}).as_dict())
        only = test_hostile.of_status(text, PASSED)
        side["checks"].append(replace(only, operation=f"only {name} {text}").as_dict())
        side["environment"]["cpu"] = f"{name} {text}"
    old["mutants"][0]["status"] = "killed"
    old["divergences"][0]["frameworks"][f"other {text}"] |= {"status": PASSED, "today": {text: f"another {text}"}}
    return old, new


@pytest.mark.parametrize("name", HOSTILE)
def test_text_that_means_harm_is_inert_in_what_changed(name: str, capsys: Any, tmp_path: Path) -> None:
    written = markdown(changes(*hostile(HOSTILE[name])))
    assert list(structure(written)) == list(structure(markdown(changes(*hostile(HARMLESS)))))
    folders = [str(tmp_path / side) for side in ("old", "new")]
    for folder, record in zip(folders, hostile(HOSTILE[name]), strict=True):
        report.write(record, folder)
    capsys.readouterr()
    assert main(["diff", *folders]) == 1
    assert all(letter.isprintable() or letter == "\n" for letter in capsys.readouterr().out)


def test_hostile_records_say_everything_that_can_be_said() -> None:
    """Else the test above would look at less than it seems to."""
    assert titles(changes(*hostile(HARMLESS))) == [
        "The two runs",
        "Newly fails",
        "Divergences",
        "Mutants",
        "Still fails",
        "Newly passes",
        "Moved by more than the noise",
        "Newly compared",
        "Appeared",
        "Went",
    ]
