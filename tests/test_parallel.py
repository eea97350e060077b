"""However many processes run it, and in whatever order they answer, a run gives the same report."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from parity.checks.check import Check
from parity.checks.result import PASSED, Result
from parity.checks.runner import Runner
from parity.divergences import DIVERGENCES, Trial
from parity.report import journal as keeper
from parity.report.journal import Keeper, plain
from parity.training import Training

pytest_plugins = ["pytester"]

needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")

TESTS = """
    from parity.checks.result import explain
    def test_contract(parity_results):
        assert not explain(parity_results), explain(parity_results)
    def test_divergence(parity_trial):
        assert not parity_trial.stale, parity_trial.stale
    def test_training(parity_training):
        assert not explain(parity_training), explain(parity_training)
"""
TRAINING = """
    from parity import training
    runs = [training.Training("model.tagger", optimiser, "pytorch") for optimiser in ("sgd", "momentum", "adam")]
    training.plan = lambda seed: runs
    training.Training.run = lambda run: [run.result("passed", quantity="loss", compared=1)]  # the real ones take long
    numbers = {"settings": {}, "seed": 0, "steps": 2, "loss": [0.5, 0.25], "envelope": [1e-8, 2e-8], "frameworks": {}}
    words = {"config": "lstm", "dtype": "float32"}
    training.Curve.run = lambda curve: [{"model": curve.model, "optimiser": curve.optimiser, **words, **numbers}]
"""
VARIED = (  # each framework takes a process seconds to load
    "(reverse_sequence or mean_squared_error-pytorch) and float32 and repeatable"
    " or loss.denominator-pytorch or trains_alike"
)


def timeless(folder: Path) -> str:
    """A record without what may differ: how long it took, and when."""
    record = json.loads((folder / "report.json").read_text())
    assert record["summary"].pop("seconds") >= 0
    assert record["environment"].pop("date") > "2026"
    return json.dumps(record, indent=1)


@needs_torch
def test_xdist_gives_the_report_of_a_run_in_one_process(pytester: pytest.Pytester) -> None:
    """Results of both frameworks and of two operations, a divergence, and what training would give."""
    pytest.importorskip("xdist")
    pytester.makepyfile(TESTS)
    pytester.makeconftest(TRAINING)
    for name, options in {"serial": ["--parity-jobs", "1"], "parallel": ["-n", "2"]}.items():
        assert pytester.runpytest_subprocess("-k", VARIED, "--parity-report", name, *options).ret == 0
    serial, parallel = timeless(pytester.path / "serial"), timeless(pytester.path / "parallel")
    assert parallel == serial
    record = json.loads(serial)
    assert {check["operation"].partition(".")[0] for check in record["checks"]} == {"bidirectional", "loss", "model"}
    assert [entry["name"] for entry in record["divergences"]] == ["loss.denominator"]
    assert [curve["optimiser"] for curve in record["training"]] == ["adam", "momentum", "sgd"]
    assert record["summary"]["checked"] == record["summary"]["planned"]


@needs_torch
def test_two_jobs_give_the_report_of_one(tmp_path: Path) -> None:
    options = [
        "--framework",
        "pytorch",
        "--dtype",
        "float32",
        "--contract",
        "matches_reference",
        "--contract",
        "repeatable",
    ]
    options += ["--operation", "bidirectional.reverse_sequence", "--operation", "loss.mean_squared_error"]
    for jobs in ("1", "2"):
        command = [sys.executable, "-m", "parity", "check", *options, "--jobs", jobs, "--output", jobs]
        subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    assert timeless(tmp_path / "1") == timeless(tmp_path / "2")


def verdicts() -> dict[str, list[Any]]:
    """What came of some tasks of every kind."""
    checks = [Check("rnn.lstm", w, "packed", d, "repeatable") for w in ("pytorch", "tensorflow") for d in ("a", "b")]
    trainings = [Training(f"model.{m}", o, "pytorch") for m in ("tagger", "sentiment") for o in ("sgd", "adam")]
    found = {
        str(check): [check.result("eager", f"one_layer/{lengths}", PASSED) for lengths in ("ragged", "all_equal")]
        for check in checks
    }
    for run in trainings:
        found[str(run)] = [run.result(PASSED), {"model": run.model, "optimiser": run.optimiser}]
    for name in list(DIVERGENCES)[:3]:
        found |= {
            f"{name}-{framework}": [Trial(name, framework, seen)] for framework, seen in DIVERGENCES[name].seen.items()
        }
    return found


def test_verdicts_in_any_order_give_one_record(tmp_path: Path) -> None:
    records = set()
    for seed in range(9):
        shuffled, keeper = list(verdicts().items()), Keeper(tmp_path, seed=0, planned=8)
        random.Random(seed).shuffle(shuffled)
        for at, (task, found) in enumerate(shuffled):
            keeper.keep(task, plain(found), {"b": {"threads": 2}} if (at + seed) % 2 else {"a": {"threads": 2}})
        record = keeper.record()
        record["summary"]["seconds"] = 0.0
        records.add(json.dumps(record))
    assert len(records) == 1


def test_one_process_runs_only_what_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under xdist, the others run in other processes."""
    run: list[str] = []
    monkeypatch.setattr(Check, "run", lambda check: run.append(str(check)) or [])
    tasks = [Check("rnn.lstm", "pytorch", "packed", "float32", name) for name in ("repeatable", "matches_reference")]
    runner = Runner(tasks, jobs=1)
    runner.start()
    assert [runner.verdict_on(tasks[1]), runner.verdict_on(tasks[1])] == [[], []]
    assert run == [str(tasks[1])]


def test_who_is_told_the_verdicts_and_raises_is_heard_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told by a thread, where an exception would end in silence, and the run with it."""

    def raises(task: Any, found: list[Any]) -> None:
        raise OSError("no room")

    task = Check("rnn.lstm", "pytorch", "packed", "float32", "repeatable")
    runner = Runner([task], jobs=2, heard=raises)
    monkeypatch.setattr(runner, "_stream", iter([(task, [])]))  # as workers would give it
    runner.start()
    with pytest.raises(RuntimeError, match="ended before") as raised:
        runner.verdict_on(task)
    assert str(raised.value.__cause__) == "no room"


def test_a_report_on_the_way_that_fails_costs_no_verdict(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said: list[str] = []
    kept = Keeper(tmp_path, seed=0, planned=8, warn=said.append)
    kept.begin()
    monkeypatch.setattr(keeper, "snapshot", lambda *_: {}["page"])
    for task, found in verdicts().items():
        kept._due = 0.0
        kept.keep(task, plain(found), {})
    assert len(kept.record()["checks"]) == sum(
        isinstance(one, Result) for found in verdicts().values() for one in found
    )
    assert said == ["no report on the way: KeyError: 'page'; the run goes on"]


def test_a_report_on_the_way_samples_nothing(tmp_path: Path) -> None:
    """It is written by a thread, and matplotlib is for one at a time."""
    code = """
import sys
from parity.report.storage import snapshot
from parity.report.record import record
curve = {"model": "model.tagger", "optimiser": "sgd", "config": "lstm", "dtype": "float32", "settings": {}, "seed": 0,
         "steps": 2, "loss": [0.5, 0.25], "envelope": [1e-8, 2e-8], "frameworks": {}}
snapshot(record([], {}, seed=0, seconds=0.0, planned=0, checked=0, training=[curve]), "there")
assert "matplotlib" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    page = (tmp_path / "there" / "index.html").read_text()
    assert "RealBatch when the run is over" in page
    assert 'id="training"' in page
