"""Rehearse the run on a GPU: its steps, its limits, and what it says where something is missing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import gpu
from benchmarks.gpu import Plan, Step, StepResult, main, run
from parity import frameworks, report
from parity.report import failed
from parity.report.throughput import read
from tests.full_runs import full_run

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a step is interrupted by a signal of POSIX")
SLEEPS = ("timeit", "-n", "1", "import time; time.sleep(60)")


def quick(name: str) -> Step:
    return Step(name, 60, ("timeit", "-n", "1", "-r", "1", f"print({name!r})"))


def ends(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *steps: Step, minutes: float = 1.0, rehearsal: bool = False
) -> list[str]:
    """Run steps of a test, and return how they ended, which is in the file too."""
    monkeypatch.setattr(Plan, "steps", lambda _: list(steps))
    done = run(Plan(folder, None, rehearsal), minutes, lambda _: None)
    kept = json.loads((folder / "steps.json").read_text(encoding="utf-8"))
    assert [StepResult(**one) for one in kept] == done
    return [one.ended for one in done]


def test_a_step_that_reaches_its_limit_is_stopped_and_the_next_one_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = ends(tmp_path, monkeypatch, Step("slow", 0.5, SLEEPS), quick("next"))
    assert ended == ["stopped at its limit", "done"]
    assert "KeyboardInterrupt" in (tmp_path / "slow.txt").read_text(encoding="utf-8")
    assert (tmp_path / "next.txt").read_text(encoding="utf-8").startswith("next")


def test_only_the_whole_run_limits_a_step_of_a_rehearsal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    above_its_limit = Step("rehearsed", 0.01, quick("rehearsed").command)
    assert ends(tmp_path, monkeypatch, above_its_limit, rehearsal=True) == ["done"]


def test_a_step_without_time_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = ends(tmp_path, monkeypatch, Step("slow", 60, SLEEPS), quick("next"), minutes=0.01)
    assert ended == ["stopped at its limit", "not started: no time was left"]


def test_a_step_that_fails_or_lacks_a_package_does_not_end_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "PACKAGES", ("pytest", "no_such_package"))
    given = {
        "done, with failures": Step("fails", 60, ("timeit", "1 / 0")),
        "failed with exit status 2": Step("is refused", 60, ("timeit", "--no-such-option")),
        "no_such_package is not installed": Step("lacks", 60, ("pytest",)),
        "there is no recording of pytorch": Step("compares", 60, ("timeit",), recording="pytorch"),
        "done": quick("next"),
    }
    assert ends(tmp_path, monkeypatch, *given.values()) == list(given)


def test_a_step_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "GRACE", 0.2)
    ignores = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(60)"
    step = Step("ignores", 2, ("timeit", "-n", "1", ignores))
    assert ends(tmp_path, monkeypatch, step, quick("next")) == ["stopped at its limit, and killed", "done"]


def test_an_interrupt_ends_the_run_and_keeps_what_is_done(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from benchmarks.gpu import *
Plan.steps = lambda _: [Step("first", 60, {quick("first").command}), Step("slow", 60, {SLEEPS}), Step("last", 60, ())]
print(*(one.ended for one in run(Plan(Path({str(tmp_path)!r}), None, True), 1.0, lambda _: None)), sep=", ")
"""
    root = Path(__file__).parents[1]
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        while not (tmp_path / "slow.txt").exists():
            time.sleep(0.05)
        time.sleep(0.5)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        try:
            printed, _ = process.communicate(timeout=30)
        finally:
            process.kill()
    assert printed == "done, interrupted\n"
    kept = json.loads((tmp_path / "steps.json").read_text(encoding="utf-8"))
    assert [one["name"] for one in kept] == ["first", "slow"]


WRONG = {
    "--minutes: got 0, expected a finite number above 0": ("--minutes", "0", "--output", "there"),
    "--minutes: got inf, expected a finite number above 0": ("--minutes", "inf", "--output", "there"),
    "--output: got /dev/null/there, expected a folder that can be written (": ("--output", "/dev/null/there"),
    "--output: got tests, expected an empty folder or a new one": ("--output", "tests"),
    "--recordings: got tests, expected a folder with a recording in pytorch or tensorflow": (
        *("--recordings", "tests"),
        *("--output", "there"),
    ),
}


@pytest.mark.parametrize("message", WRONG)
def test_a_wrong_argument_is_one_line(message: str, pytorch: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--rehearse", *WRONG[message]])
    assert ended.value.code == 2
    assert f"error: {message}" in capsys.readouterr().err.splitlines()[-1]


def test_a_box_without_a_gpu_is_told_so(
    pytorch: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(frameworks.runtime("pytorch"), "has_cuda", lambda: False)
    with pytest.raises(SystemExit):
        main(["--output", str(tmp_path / "there")])
    assert capsys.readouterr().err.splitlines()[-1].endswith("PyTorch finds no GPU here: --rehearse runs on the CPU")
    assert not (tmp_path / "there").exists()


@pytest.mark.parametrize("rehearsal", [False, True])
def test_the_steps_take_no_more_than_eight_minutes_and_each_file_that_they_run_exists(
    rehearsal: bool, tmp_path: Path
) -> None:
    steps = Plan(tmp_path, tmp_path, rehearsal).steps()
    assert sum(step.seconds for step in steps) <= 60 * gpu.MINUTES
    files = [word for step in steps for word in step.command if word.endswith(".py")]
    assert files
    assert all((gpu.ROOT / file).is_file() for file in files)
    assert {step.recording for step in steps if "--replay" in step.command} == set(frameworks.FRAMEWORKS)


@full_run  # the gate runs it too: .ci/run
def test_the_rehearsal_does_every_step_and_its_results_can_be_read(
    pytorch: str, tensorflow: str, tmp_path: Path
) -> None:
    record = ("parity", "record", "--operation", "masking.sequence_mask", "--dtype", "float32", "--jobs", "1")
    for framework in frameworks.FRAMEWORKS:
        output = str(tmp_path / "recordings" / framework)
        subprocess.run([sys.executable, "-m", *record, "--framework", framework, "--output", output], check=True)
    assert main(["--rehearse", "--recordings", str(tmp_path / "recordings"), "--output", str(tmp_path / "there")]) == 0
    for name in ("check-float32", "check-tf32", "check-narrow", "check-compiled", "check-tensorflow", "check-pytorch"):
        assert not failed(report.read(tmp_path / "there" / name))
    for name in ("crossover", "recurrent"):
        measured = read(tmp_path / "there" / f"{name}.json")
        assert measured.rows or measured.curves
