"""Divide a selection into shards, and merge their reports."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from parity import divergences, report, training
from parity.__main__ import main
from parity.checks.check import Check
from parity.checks.costs import TABLE, parse
from parity.checks.result import PASSED, Result
from parity.checks.selection import plan
from parity.checks.sharding import Division, Shard
from parity.cli.shards import OtherTest, in_shard
from parity.frameworks import FRAMEWORKS
from parity.mutants import MUTANTS
from parity.operations import OPERATIONS
from parity.report import Report, build, github
from parity.report.journal import Entry, Journal
from parity.report.merging import merge
from tests.factories import curve, divergence, mutant, own_verdict
from tests.full_runs import full_run

COUNTS = (2, 3, 5, 8)


@pytest.fixture(scope="module")
def everything() -> list[Any]:
    """Return the tasks of ``parity check`` without a selection."""
    return [*plan(), *divergences.plan(), *training.plan(), *training.plan_curves()]


@pytest.mark.parametrize("count", COUNTS)
def test_shards_are_a_partition_in_any_order_and_cost_about_the_same(count: int, everything: list[Any]) -> None:
    numbers = Division(count).add(everything)
    mixed = list(everything)
    random.Random(0).shuffle(mixed)
    assert Division(count).add(mixed) == numbers
    assert numbers.keys() == set(everything)
    assert set(numbers.values()) == set(range(1, count + 1))
    seconds = Counter[int]()
    for task, number in numbers.items():
        seconds[number] += task.cost  # type: ignore[assignment]
    assert max(seconds.values()) < 1.1 * min(seconds.values())
    shards_of: dict[tuple[str, ...], set[int]] = {}
    for task, number in numbers.items():
        shards_of.setdefault(task.group_key, set()).add(number)
    assert {group for group, shards in shards_of.items() if len(shards) > 1} == set()


def test_a_group_larger_than_a_share_is_cut_and_no_other() -> None:
    lstm, small = plan(["rnn.lstm"], dtypes=["float32"]), plan(["masking.mask_frames"], dtypes=["float32"])
    numbers = Division(4).add([*lstm, *small])
    assert {numbers[check] for check in lstm} == {1, 2, 3, 4}
    assert len({numbers[check] for check in small}) == 1
    seconds = Counter[int]()
    for check, number in numbers.items():
        seconds[number] += check.cost  # type: ignore[assignment]
    assert max(seconds.values()) < 1.3 * min(seconds.values())


def test_other_tests_fill_what_the_tasks_leave() -> None:
    tests = [OtherTest(f"test_it.py::test_{name}[{number}]") for name in "abcdefgh" for number in range(10)]
    one = plan(["masking.mask_frames"], ["pytorch"], dtypes=["float32"])
    parts = [in_shard([*one, *tests], Shard(number, 3)) for number in (1, 2, 3)]
    assert [sum(column) for column in zip(*parts, strict=True)] == [1] * (len(one) + len(tests))
    assert max(map(sum, parts)) < 2 * min(map(sum, parts))


def test_the_table_of_durations_has_every_operation() -> None:
    """Renew it, as `parity.checks.costs` says, where an operation is added."""
    rows = parse(TABLE.read_text(encoding="utf-8"))
    expected = {(name, framework) for name in (*OPERATIONS, "training", "divergences") for framework in FRAMEWORKS}
    assert {(row.operation, row.framework) for row in rows} == expected
    assert len(rows) == len(expected)
    assert all(row.seconds > 0 and row.runs > 0 for row in rows)


SELECTED = ["check", "--operation", "masking", "--dtype", "float32", "--framework", "pytorch", "--jobs", "1"]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every check pass at once, without a framework."""
    monkeypatch.setattr(Check, "run", pass_at_once)


def pass_at_once(check: Check) -> list[Result]:
    return [
        replace(check.result(mode, f"{config.name}/{lengths}", PASSED), compared=3, score=1.0, limit=64.0)
        for config, lengths, mode in check.runs()
    ]


def write_shards(folder: Path, count: int, *options: str) -> list[str]:
    """Run all shards of the selection; return their folders."""
    folders = [str(folder / f"part{number}") for number in range(1, count + 1)]
    for number, output in enumerate(folders, 1):
        assert main([*SELECTED, *options, "--shard", f"{number}/{count}", "--output", output]) == 0
    return folders


def without_times(finished: Report) -> Report:
    return replace(finished, summary=replace(finished.summary, seconds=0.0))


@pytest.mark.parametrize("count", [3, pytest.param(9, marks=full_run)])
def test_merged_shards_are_the_report_of_one_run(count: int, quick: None, tmp_path: Path, capsys: Any) -> None:
    """Divide into more shards than there are groups, too: each has a part of one."""
    folders = write_shards(tmp_path, count)
    assert main([*SELECTED, "--output", str(tmp_path / "whole")]) == 0
    whole = report.read(tmp_path / "whole")
    random.Random(count).shuffle(folders)
    capsys.readouterr()
    assert main(["merge", *folders, "--output", str(tmp_path / "merged")]) == 0
    assert report.verdict(whole) in capsys.readouterr().out
    assert without_times(report.read(tmp_path / "merged")) == without_times(whole)
    assert sum(len(report.read(folder).results) for folder in folders) == len(whole.results)


def test_real_shards_merged_are_the_report_of_one_run(pytorch: str, tmp_path: Path) -> None:
    folders = write_shards(tmp_path, 3, "--contract", "matches_reference")
    assert main([*SELECTED, "--contract", "matches_reference", "--output", str(tmp_path / "whole")]) == 0
    assert main(["merge", *folders, "--output", str(tmp_path / "merged")]) == 0
    assert without_times(report.read(tmp_path / "merged")) == without_times(report.read(tmp_path / "whole"))


def test_a_shard_of_a_small_selection_may_have_nothing_to_do(quick: None, tmp_path: Path) -> None:
    selected = ["check", "--operation", "masking.mask_frames", "--contract", "repeatable", "--dtype", "float32"]
    selected += ["--framework", "pytorch", "--variant", "where", "--jobs", "1"]
    folders = [str(tmp_path / name) for name in "ab"]
    for number, folder in enumerate(folders, 1):
        assert main([*selected, "--shard", f"{number}/2", "--output", folder]) == 0
    assert report.verdict(report.read(folders[1])) == "shard 2/2: nothing to do"
    assert main(["merge", *folders, "--output", str(tmp_path / "c")]) == 0


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Report]:
    """Return the reports of both shards of a selection."""
    folder = tmp_path_factory.mktemp("two")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Check, "run", pass_at_once)
        return tuple(map(report.read, write_shards(folder, 2)))  # type: ignore[return-value]


def changed(finished: Report, *, part: dict[str, Any] | None = None, **fields: Any) -> Report:
    """Return a report with another environment."""
    environment = finished.environment
    shard = replace(environment.shard, **(part or {})) if environment.shard else None
    return replace(finished, environment=replace(environment, **({"shard": shard} | fields)))


def with_version(package: str, version: str | None) -> Callable[[Report], Report]:
    return lambda one: changed(one, versions=one.environment.versions | {package: version})


def on_gpu(device: str) -> Callable[[Report], Report]:
    return lambda one: changed(one, frameworks={"pytorch": {"device": device, "threads": 8}})


DIFFERENT: dict[str, tuple[Callable[[Report], Report], str]] = {
    **{
        package: (with_version(package, "9.9"), f"'b' with {package} 9.9, expected {package} ")
        for package in ("parity", "torch", "tensorflow", "keras", "numpy", "autograd")
    },
    "absent": (with_version("keras", None), "'b' with keras not installed, expected keras "),
    "seed": (lambda one: changed(one, seed=3), "'b' with seed 3, expected seed 0, as in 'a'"),
    "device": (
        lambda one: changed(one, part={"device": "cuda"}),
        "'b' with device cuda, expected device cpu, as in 'a'",
    ),
    "another GPU": (on_gpu("B"), "'b' with pytorch device B, expected pytorch device A, as in 'a'"),
    "TF32": (lambda one: changed(one, part={"tf32": True}), "'b' with TF32 allowed, expected TF32 off, as in 'a'"),
    "full": (lambda one: changed(one, part={"full": True}), "'b' with --full, expected no --full, as in 'a'"),
    "count": (lambda one: changed(one, part={"count": 3}), "'b' with 3 shards, expected 2 shards, as in 'a'"),
    "selection": (lambda one: changed(one, part={"selection": "else"}), "'b' with the selection else of "),
    "twice": (
        lambda one: changed(one, part={"number": 1}),
        "shard 1/2 twice, in 'a' and 'b', expected each shard once",
    ),
    "whole": (lambda one: changed(one, shard=None), "'b', which has all of its run, expected "),
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_reports_that_do_not_belong_together_are_refused_in_one_sentence(
    what: str, two: tuple[Report, Report], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    change, sentence = DIFFERENT[what]
    given = {"a": on_gpu("A")(two[0]) if what == "another GPU" else two[0], "b": change(two[1])}
    monkeypatch.setattr("parity.report.merging.read_part", given.__getitem__)
    assert main(["merge", "a", "b"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"parity: error: DIR: got {sentence}")
    assert error.count("\n") == 1


def unfinished(finished: Report) -> Report:
    return replace(finished, summary=replace(finished.summary, checked=finished.summary.checked - 1))


def failing(finished: Report) -> Report:
    first, *others = finished.results
    return replace(finished, results=(replace(first, status="failed"), *others))


OUTCOMES: dict[str, tuple[list[Callable[[Report], Report]], str, int, int]] = {
    "all there": ([lambda one: one] * 2, "", 0, 0),
    "one fails": ([failing, lambda one: one], "1 of ", 1, 1),
    "one is missing": ([lambda one: one], "shard 2/2 is missing\n", 1, 0),
    "one is missing, one fails": ([failing], "shard 2/2 is missing\n", 1, 1),
    "one is unfinished": ([lambda one: one, unfinished], "shard 2/2 is unfinished: 'b' has ", 1, 0),
    "one was killed": ([lambda one: one, lambda one: changed(one, run="x")], "shard 2/2 is unfinished: 'b' has ", 1, 0),
    "the key is not known": ([lambda one: changed(one, part={"selection": "", "planned": 0})] * 2, "", 0, 0),
    "a check is in none": (
        [lambda one: changed(one, part={"planned": 999})] * 2,
        "checks of the selection are in no",
        1,
        0,
    ),
}


@pytest.mark.parametrize("what", OUTCOMES)
def test_what_is_missing_is_named_and_fails_unless_allowed(
    what: str, two: tuple[Report, Report], monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path
) -> None:
    changes, sentence, status, allowed = OUTCOMES[what]
    given = {name: change(one) for name, change, one in zip("ab", changes, two, strict=False)}
    monkeypatch.setattr("parity.report.merging.read_part", given.__getitem__)
    command = ["merge", *given, "--output", str(tmp_path)]
    assert main(command) == status
    assert sentence in capsys.readouterr().out
    assert main([*command, "--allow-missing"]) == allowed


def test_parts_of_entries_curves_and_verdicts_are_joined(two: tuple[Report, Report], monkeypatch: Any) -> None:
    """Join the trials of an entry in two frameworks, a curve of both and two contracts of one model."""
    entries = [divergence(), divergence()]
    halves = [
        replace(one, frameworks=dict([item])) for one, item in zip(entries, entries[0].frameworks.items(), strict=True)
    ]
    verdicts = [own_verdict(PASSED, name, declined={}) for name in ("ignores_padding", "repeatable")]
    counted = [replace(one.summary, planned=one.summary.planned + 1, checked=one.summary.checked + 1) for one in two]
    given = {
        name: replace(
            one, summary=summary, divergences=(half,), training=(curve(),), own={"test": verdict}, mutants=(killed,)
        )
        for name, one, summary, half, verdict, killed in zip(
            "ab", two, counted, halves, verdicts, mutants_in_two(), strict=True
        )
    }
    monkeypatch.setattr("parity.report.merging.read_part", given.__getitem__)
    merged = merge("ba").report
    assert merged.divergences == (entries[0],)
    assert merged.training == (curve(),)
    assert [one.name for one in merged.mutants] == list(MUTANTS)[:2]
    assert {one.contract for one in merged.own["test"].results} == {"ignores_padding", "repeatable"}
    assert merged.summary.planned == merged.summary.checked == sum(one.summary.planned for one in two) + 2


def mutants_in_two() -> list[Any]:
    first, second, *_ = MUTANTS
    return [mutant(name=second), mutant(name=first)]


def test_machines_may_differ_and_are_named(two: tuple[Report, Report], monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"a": on_gpu("A")(two[0]), "b": changed(two[1], cpu="another", cores=999, frameworks={"tensorflow": {}})}
    given["b"] = changed(given["b"], frameworks={"pytorch": {"device": "A", "threads": 2}, "tensorflow": {}})
    monkeypatch.setattr("parity.report.merging.read_part", given.__getitem__)
    environment = merge("ab").report.environment
    assert environment.cpu == f"{two[0].environment.cpu} and another"
    assert environment.cores is None
    assert environment.frameworks == {"pytorch": {"device": "A", "threads": "8 and 2"}, "tensorflow": {}}
    assert environment.shard is None


def test_a_killed_shard_is_merged_from_its_journal(two: tuple[Report, Report], tmp_path: Path, capsys: Any) -> None:
    folders = [str(tmp_path / name) for name in "ab"]
    report.write(two[0], folders[0])
    shard = two[1].environment.shard
    journal = Journal(folders[1], seed=0, planned=two[1].summary.planned, shard=shard)
    journal.begin()
    journal.keep(Entry(task="one", results=two[1].results[:1]))
    assert main(["merge", *folders, "--output", str(tmp_path / "c")]) == 1
    assert f"shard 2/2 is unfinished: {folders[1]!r} has 1 of its" in capsys.readouterr().out
    (tmp_path / "b" / "report.json").unlink()
    assert report.read(folders[1]).environment.shard == shard


def test_the_folder_of_a_shard_is_not_replaced(two: tuple[Report, Report], tmp_path: Path, capsys: Any) -> None:
    report.write(two[0], tmp_path)
    assert main(["merge", str(tmp_path), "--output", f"{tmp_path}/."]) == 2
    assert capsys.readouterr().err.startswith("parity: error: output: got ")
    assert report.read(tmp_path) == two[0]


@full_run
def test_durations_name_the_slowest_and_can_be_read_again(quick: None, tmp_path: Path, capsys: Any) -> None:
    assert main([*SELECTED, "--durations", "0", "--output", str(tmp_path)]) == 0
    rows = parse(capsys.readouterr().out)
    assert {row.operation for row in rows} == {name for name in OPERATIONS if name.startswith("masking.")}
    assert [row.seconds for row in rows] == sorted((row.seconds for row in rows), reverse=True)
    assert main([*SELECTED, "--durations", "2", "--output", str(tmp_path)]) == 0
    assert len(parse(capsys.readouterr().out)) == 2
    assert sum(row.runs for row in rows) == len(report.read(tmp_path).results)


def test_a_shard_is_not_published(two: tuple[Report, Report], monkeypatch: pytest.MonkeyPatch) -> None:
    """Publish the merged report only, which has all failures of the shards."""
    monkeypatch.setenv(github.ACTIONS, "true")
    printed: list[str] = []
    github.publish(changed(failing(two[0])), printed.append, printed.append)
    assert printed == []
    github.publish(
        build([*failing(two[0]).results], {}, seed=0, seconds=0, planned=1, checked=1), printed.append, printed.append
    )
    assert len(printed) == 1
