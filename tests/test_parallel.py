"""Get the same report from any number of processes, in whatever order they deliver results."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from parity import report
from parity.checks.check import Check
from parity.checks.result import PASSED, Result
from parity.checks.runner import Runner
from parity.divergences import DIVERGENCES
from parity.divergences.entry import trial
from parity.report import journal
from parity.report.journal import Journal, entry
from parity.report.model import Report, encode
from parity.training import Training
from tests.factories import curve

pytest_plugins = ["pytester"]

needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")

TESTS = """
    from parity.checks.sentences import explain
    def test_contract(parity_results):
        assert not explain(parity_results), explain(parity_results)
    def test_divergence(parity_trial):
        assert parity_trial.status == "passed", parity_trial.reason
    def test_training(parity_training):
        assert not explain(parity_training), explain(parity_training)
"""
TRAINING = """
    from msgspec.structs import replace
    from parity import training
    from parity.training import Curve, CurveTask, Training

    runs = [Training("model.tagger", optimiser, "pytorch") for optimiser in ("sgd", "momentum", "adam")]
    training.plan = lambda seed: runs
    Training.run = lambda run: [replace(run.result("passed"), quantity="loss", compared=1)]  # the real ones take long

    def curves(task):
        return [
            Curve(model=task.model, config="lstm", optimiser=task.optimiser, settings={}, dtype="float32", seed=0,
                  steps=2, loss=(0.5, 0.25), envelope=(1e-8, 2e-8), frameworks={})
        ]

    CurveTask.run = curves
"""
VARIED = (  # each framework takes a process seconds to load
    "(reverse_sequence or mean_squared_error-pytorch) and float32 and repeatable"
    " or loss.denominator-pytorch or trains_alike"
)


def timeless(finished: Report) -> Report:
    """Return a report without what may differ: its duration and its date."""
    assert finished.summary.seconds >= 0
    assert finished.environment.date > "2026"
    return replace(
        finished, summary=replace(finished.summary, seconds=0.0), environment=replace(finished.environment, date="")
    )


@needs_torch
def test_xdist_gives_the_report_of_a_run_in_one_process(pytester: pytest.Pytester) -> None:
    """Compare results of both frameworks and of two operations, a divergence, and made-up training."""
    pytest.importorskip("xdist")
    pytester.makepyfile(TESTS)
    pytester.makeconftest(TRAINING)
    for name, options in {"serial": ["--parity-jobs", "1"], "parallel": ["-n", "2"]}.items():
        assert pytester.runpytest_subprocess("-k", VARIED, "--parity-report", name, *options).ret == 0
    serial, parallel = (timeless(report.read(pytester.path / name)) for name in ("serial", "parallel"))
    assert encode(parallel) == encode(serial)
    assert {result.operation.partition(".")[0] for result in serial.results} == {"bidirectional", "loss", "model"}
    assert [divergence.name for divergence in serial.divergences] == ["loss.denominator"]
    assert [curve.optimiser for curve in serial.training] == ["adam", "momentum", "sgd"]
    assert serial.summary.checked == serial.summary.planned


@needs_torch
def test_two_jobs_give_the_report_of_one(tmp_path: Path) -> None:
    options = ["--framework", "pytorch", "--dtype", "float32"]
    options += ["--contract", "matches_reference", "--contract", "repeatable"]
    options += ["--operation", "bidirectional.reverse_sequence", "--operation", "loss.mean_squared_error"]
    for jobs in ("1", "2"):
        command = [sys.executable, "-m", "parity", "check", *options, "--jobs", jobs, "--output", jobs]
        subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    one, two = (timeless(report.read(tmp_path / jobs)) for jobs in ("1", "2"))
    assert encode(one) == encode(two)


def results_by_task() -> dict[str, Sequence[Any]]:
    """Make results of some tasks of every kind."""
    results: dict[str, Sequence[Any]] = {}
    for framework in ("pytorch", "tensorflow"):
        for dtype in ("a", "b"):
            check = Check("rnn.lstm", framework, "packed", dtype, "repeatable")
            cases = ("one_layer/ragged", "one_layer/all_equal")
            results[str(check)] = [check.result("eager", case, PASSED) for case in cases]
    for model in ("model.tagger", "model.sentiment"):
        for optimiser in ("sgd", "adam"):
            run = Training(model, optimiser, "pytorch")
            results[str(run)] = [run.result(PASSED), curve(model, optimiser)]
    for name in list(DIVERGENCES)[:3]:
        for framework in DIVERGENCES[name].snippets:
            results[f"{name}-{framework}"] = [trial(DIVERGENCES[name], framework, PASSED)]
    return results


def test_results_in_any_order_give_one_report(tmp_path: Path) -> None:
    reports = set()
    for seed in range(9):
        shuffled, kept = list(results_by_task().items()), Journal(tmp_path, seed=0, planned=8)
        random.Random(seed).shuffle(shuffled)
        for at, (task, results) in enumerate(shuffled):
            framework = "b" if (at + seed) % 2 else "a"
            kept.keep(entry(task, results, {framework: {"threads": 2}}))
        finished = kept.report()
        reports.add(encode(replace(finished, summary=replace(finished.summary, seconds=0.0))))
    assert len(reports) == 1


def test_results_that_cross_processes_as_json_stay_the_same() -> None:
    for task, results in results_by_task().items():
        kept = entry(task, results, {"pytorch": {"threads": 2}})
        assert msgspec.json.decode(report.model.encode_part(kept), type=journal.Entry) == kept


def test_one_process_runs_only_the_tasks_that_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under xdist, other processes run the others."""
    run: list[str] = []
    monkeypatch.setattr(Check, "run", lambda check: run.append(str(check)) or [])
    tasks = [Check("rnn.lstm", "pytorch", "packed", "float32", name) for name in ("repeatable", "matches_reference")]
    runner = Runner(tasks, jobs=1)
    runner.start()
    assert [runner.results_of(tasks[1]), runner.results_of(tasks[1])] == [[], []]
    assert run == [str(tasks[1])]


def test_an_error_of_the_callback_is_raised_where_results_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread calls it, where an exception would end in silence, and the run with it."""

    def raises(task: Any, results: list[Any]) -> None:
        raise OSError("no space")

    task = Check("rnn.lstm", "pytorch", "packed", "float32", "repeatable")
    runner = Runner([task], jobs=2, on_results=raises)
    monkeypatch.setattr(runner, "_stream", iter([(task, [])]))  # as workers would deliver it
    runner.start()
    with pytest.raises(RuntimeError, match="ended before") as raised:
        runner.results_of(task)
    assert str(raised.value.__cause__) == "no space"


def test_a_report_that_fails_during_the_run_costs_no_result(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    messages: list[str] = []
    kept = Journal(tmp_path, seed=0, planned=8, warn=messages.append)
    kept.begin()
    monkeypatch.setattr("parity.report.storage.snapshot", lambda *_: {}["page"])
    results = results_by_task()
    for task, results_of_task in results.items():
        kept._due = 0.0
        kept.keep(entry(task, results_of_task, {}))
    made = [result for results_of_task in results.values() for result in results_of_task if isinstance(result, Result)]
    assert len(kept.report().results) == len(made)
    assert messages == ["no report on the way: KeyError: 'page'; the run goes on"]
