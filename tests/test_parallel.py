"""Get the same report from any number of processes, in whatever order they deliver results."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from multiprocessing.context import SpawnProcess
from pathlib import Path
from textwrap import dedent
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from parity import InputError, frameworks, report
from parity.__main__ import main
from parity.checks import pool, runner
from parity.checks.check import Check
from parity.checks.result import PASSED, Result
from parity.checks.runner import Runner
from parity.divergences import DIVERGENCES
from parity.divergences.entry import trial
from parity.frameworks import loading
from parity.report import journal
from parity.report.journal import Journal, entry
from parity.report.model import Report, encode
from parity.training import Training
from tests.factories import curve
from tests.full_runs import full_run, some
from tests.tasks import Act, acts

pytest_plugins = ["pytester"]

posix = pytest.mark.skipif(os.name != "posix", reason="processes end as on POSIX")

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
    training.plan = lambda seed, full: runs
    Training.run = lambda run: [replace(run.result("passed"), quantity="loss", compared=1)]  # the real ones take long

    def curves(task):
        return [
            Curve(model=task.model, config="lstm", optimiser=task.optimiser, settings={}, dtype="float32", seed=0,
                  steps=2, loss=(0.5, 0.25), envelope=(1e-8, 2e-8), frameworks={})
        ]

    CurveTask.run = curves
"""
VARIED = (  # each framework takes a process seconds to load
    "(reverse_sequence-pytorch or mean_squared_error-pytorch) and float32 and repeatable"
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
@full_run
def test_xdist_gives_the_report_of_a_run_in_one_process(pytester: pytest.Pytester) -> None:
    """Compare results of two operations, a divergence, and made-up training."""
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


@full_run
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
    monkeypatch.setattr("parity.report.writing.write", lambda *_: {}["page"])
    results = results_by_task()
    for task, results_of_task in results.items():
        kept._due = 0.0
        kept.keep(entry(task, results_of_task, {}))
    made = [result for results_of_task in results.values() for result in results_of_task if isinstance(result, Result)]
    assert len(kept.report().results) == len(made)
    assert messages == ["no report on the way: KeyError: 'page'; the run goes on"]


def outcomes(*actions: str, **options: Any) -> list[str]:
    """Run a batch of actions in worker processes; return what each comes to, in order."""
    tasks = acts(*actions)
    results = dict(Runner(tasks, jobs=2, **options))
    return [str(*results[task]) for task in tasks]


DEATHS = {
    "dies": "the worker process died with exit code 3 before it was done",
    "is killed": "the worker process died with exit code -9 before it was done",
    "leaves a child": "the worker process died with exit code 4 before it was done",
    "closes everything": "the worker process died with exit code ",
}


@posix
def test_a_worker_that_dies_costs_one_task() -> None:
    """Check the first of a batch too, and one that dies while something keeps its connection open."""
    actions = [action for death in DEATHS for action in (death, "fine")]
    observed = outcomes(*actions)
    assert observed[1::2] == ["fine"] * len(DEATHS)
    assert all(reason.startswith(DEATHS[death]) for death, reason in zip(DEATHS, observed[::2], strict=True))


@posix
def test_a_batch_is_given_up_after_three_deaths_in_a_row() -> None:
    died, killed = DEATHS["dies"], DEATHS["is killed"]
    assert outcomes("dies", "dies", "fine", "dies", "dies", "is killed", "fine", "raises") == [
        *(died, died, "fine", died, died, killed),
        *[f"given up after 3 worker processes died in a row: {killed}"] * 2,
    ]


RAISED = {
    "raises": "raised ZeroDivisionError: division by zero",
    "exits": "raised SystemExit: 0",
    "interrupts": "raised KeyboardInterrupt:",
    "cannot be sent": "raised AttributeError: Can't",
    "is too deep": "raised RecursionError: ",
    "cannot be rebuilt": "raised ValueError: cannot be rebuilt here",
}


def test_a_task_without_results_ends_the_run_and_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(act: Act, reason: str) -> None:
        raise KeyError(reason)

    monkeypatch.setattr(Act, "on_crash", raises)
    tasks = acts("raises", "fine")
    started = Runner(tasks, jobs=2)
    started.start()
    with pytest.raises(RuntimeError, match="the run ended before this task was done") as raised:
        started.results_of(tasks[0])
    assert "ZeroDivisionError" in str(raised.value.__cause__)
    started.close()


def test_whatever_a_task_raises_costs_one_task() -> None:
    observed = outcomes(*RAISED, "fine")
    assert observed[-1] == "fine"
    assert all(reason.startswith(RAISED[action]) for action, reason in zip(RAISED, observed[:-1], strict=True))


def test_in_one_process_an_exit_of_a_task_is_not_that_of_the_run() -> None:
    assert [results for _, results in Runner(acts("raises", "exits", "where"), jobs=1)] == [
        ["raised ZeroDivisionError: division by zero"],
        ["raised SystemExit: 0"],
        ["here"],
    ]


def test_a_task_that_never_ends_is_stopped_and_the_next_one_runs() -> None:
    limit = "stopped after 2 seconds, the limit of --timeout (--parity-timeout in pytest)"
    assert outcomes("hangs", "fine", timeout=2) == [limit, "fine"]


@pytest.mark.parametrize("start", [False, True])
def test_without_worker_processes_tasks_run_in_this_one(start: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reach the limit of processes, as a full machine does; a pytest session must not wait for ever."""

    def limited(_: object) -> None:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(SpawnProcess, "start", limited)
    tasks = [*acts("where", "where"), *acts("where", batch="another")]
    runner = Runner(tasks, jobs=2)
    if start:
        runner.start()
    results = {task: runner.results_of(task) for task in tasks} if start else dict(runner)
    runner.close()
    assert results == {task: ["here"] for task in tasks}


def test_a_worker_that_cannot_start_leaves_its_tasks_to_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    start, begun = SpawnProcess.start, []

    def once(process: SpawnProcess) -> None:
        begun.append(process)
        if len(begun) > 1:
            raise OSError(errno.ENOMEM, "Cannot allocate memory")
        start(process)

    monkeypatch.setattr(SpawnProcess, "start", once)
    tasks = [*acts("where"), *acts("where", batch="another")]
    assert dict(Runner(tasks, jobs=2)) == {task: ["in a worker"] for task in tasks}


WHERE = """
from parity.checks.runner import Runner
from tests.tasks import acts
print(*(results for _, results in Runner(acts("where", "where"), jobs=2)))
"""


def run_python(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run Python where it can import what tests share, and what is in a folder."""
    path = os.pathsep.join([str(folder), str(Path(__file__).parent.parent)])
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": path},
    )


def test_workers_that_end_before_they_begin_leave_their_tasks_to_this_process(tmp_path: Path) -> None:
    """Run a main module that cannot be imported in a worker, for want of ``if __name__ == "__main__"``."""
    (tmp_path / "script.py").write_text(WHERE)
    process = run_python(tmp_path / "script.py", folder=tmp_path)
    assert (process.returncode, process.stdout) == (0, "['here'] ['here']\n")


@posix
def test_an_interrupt_does_not_reach_a_worker_that_has_not_imported_anything_yet(tmp_path: Path) -> None:
    """Send it where Ctrl-C would end in the traceback of a worker: the parent decides what an interrupt means."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal, sys\nif 'spawn_main' in str(sys.orig_argv): os.kill(os.getpid(), signal.SIGINT)\n"
    )
    process = run_python("-c", WHERE, folder=tmp_path)
    assert (process.returncode, process.stdout, process.stderr) == (0, "['in a worker'] ['in a worker']\n", "")


def test_the_option_limits_each_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop a check while it loads a framework."""
    monkeypatch.setattr(runner, "INTERVAL", 0.02)
    command = ["check", "--operation", "bidirectional.reverse_sequence", "--variant", "gather", "--dtype", "float32"]
    command += ["--contract", "repeatable", "--timeout", "0.01", "--jobs", "2", "--output", str(tmp_path)]
    assert main(command) == 1
    (result,) = report.read(tmp_path).results
    assert result.reason.startswith("stopped after 0.01 seconds, the limit of --timeout")


def test_the_option_of_pytest_is_the_limit_too(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TESTS)
    run = pytester.runpytest_subprocess("--parity-timeout", "0", "-k", "reverse_sequence-pytorch")
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    run.stderr.fnmatch_lines(["*timeout: got 0*, expected a number of seconds above 0"])


def test_a_wrong_limit_is_named() -> None:
    for timeout in (0, -1.0, float("nan"), "9", True - 1):
        with pytest.raises(InputError, match=r"timeout: got .*, expected a number of seconds above 0"):
            Runner([], timeout=timeout)


def test_a_single_core_still_gets_a_worker_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limit what a task that hangs or dies costs; only who asks for one job gets none."""
    monkeypatch.setattr(frameworks, "cores", lambda: 1)
    assert [results for _, results in Runner(acts("where"))] == [["in a worker"]]


CORES = {"max 100000": 8, "150000 100000": 2, "5000 100000": 1, "900000 100000": 8, "": 8, "1 2 3": 8}


@pytest.mark.parametrize("limit", CORES)
def test_cores_are_those_that_this_process_may_use(limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(loading, "CPU_LIMIT", tmp_path / "cpu.max")
    (tmp_path / "cpu.max").write_text(limit)
    assert frameworks.cores() == CORES[limit]
    assert Runner([]).jobs == min(4, CORES[limit])
    assert report.build([], {}, seed=0, seconds=0.0, planned=0, checked=0).environment.cores == CORES[limit]


def test_workers_share_the_threads_of_all_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "cores", lambda: 6)
    processes = pool.Processes(3, frameworks.CPU, timeout=1.0, yielding=False)
    assert [worker.threads for worker in processes.workers(9)] == [2, 2, 2]
    assert [worker.threads for worker in processes.workers(1)] == [6]


@pytest.mark.parametrize("framework", some(frameworks.FRAMEWORKS, {"tensorflow"}), indirect=True)
def test_a_framework_uses_as_many_threads_as_its_worker_may(framework: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the setting itself: on one core, or with an option of the caller's, there is one thread anyway."""
    program = f"""
        from parity import frameworks
        from parity.frameworks import loading
        frameworks.limit_threads(1)
        print(loading.environment() or "none", frameworks.runtime({framework!r}).environment()["threads"])
    """
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "3")
    done = subprocess.run([sys.executable, "-c", dedent(program)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["none", "1"]
