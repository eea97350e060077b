"""Run everything that a GPU is needed for, in steps of limited length.

    parity record --framework tensorflow --dtype float32 --output recordings/tensorflow    # on any machine before
    parity record --framework pytorch --dtype float32 --output recordings/pytorch
    python -m benchmarks.gpu --recordings recordings --output gpu-results                  # on the box

The box needs PyTorch, and neither TensorFlow nor a network. The most useful steps come first. A step that reaches its
limit is interrupted, writes what it has, and the next one begins; Ctrl-C ends the run, and keeps the same. The folder
has a report or measurements of each step, what it printed, and ``steps.json``, which lists how each ended. With
``--rehearse``, all steps run on the CPU at tiny sizes, as if TensorFlow were not installed; only the whole run has a
limit then.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

from parity import frameworks
from parity.cli.packages import unusable
from parity.errors import FrameworkUnavailable, InputError

ROOT = Path(__file__).parents[1]
MINUTES = 8.0
GRACE = 20.0  # seconds to write what there is, once a step is interrupted
MOST_WORKERS = 12  # each has a context on the GPU
COMPILED = ("rnn.lstm", "attention.softmax", "loss.cross_entropy")  # operations: compiling takes long
PACKAGES = ("pytest", "pytest_benchmark", "hypothesis")  # that the steps of pytest need
HIDE = "import sys\nsys.modules['tensorflow'] = None\n"
INTERRUPTED, STOPPED = "interrupted", "stopped at its limit"
STATUSES = {0: "done", 1: "done, with failures"}  # of parity and of pytest


@dataclass(frozen=True)
class Step:
    """A command that runs for so many seconds at most: ``python -m`` and its arguments.

    Attributes:
        recording: the framework whose recording it compares with; empty for none.
    """

    name: str
    seconds: float
    command: tuple[str, ...]
    recording: str = ""


@dataclass(frozen=True)
class StepResult:
    """The outcome of a step: its command, how it ended, and after how many seconds."""

    name: str
    command: str
    ended: str
    seconds: float


@dataclass(frozen=True)
class Plan:
    """The steps of a run, or of a rehearsal: where results are written, and where the recordings are."""

    folder: Path
    recordings: Path | None
    rehearsal: bool

    @property
    def device(self) -> str:
        return "cpu" if self.rehearsal else "cuda"

    def steps(self) -> list[Step]:
        """List all steps, in order."""
        models = ("tests/test_devices.py", "-k", f"a_model_holds and {self.device}")
        few = ("masking.sequence_mask",) if self.rehearsal else ()
        compiled = COMPILED[-1:] if self.rehearsal else COMPILED
        timed = "large" if self.rehearsal else "lstm and lognormal"
        return [
            Step("machine", 20, ("torch.utils.collect_env",)),
            Step("models", 30, ("pytest", "-p", "no:cacheprovider", *models)),
            self._check("check-float32", 80, *few, "--dtype", "float32"),
            self._check("check-tf32", 40, *few, "--dtype", "float32", "--tf32"),
            self._timing("crossover", 70),
            self._timing("packed_rows", 40),
            self._timing("recurrent", 110, "-k", f"(pytorch and {timed}) or regret"),
            self._replay("check-tensorflow", 25, "frameworks_agree", "tensorflow", *few),
            self._check("check-narrow", 25, *few, "--full", "--dtype", "float16", "--dtype", "bfloat16"),
            self._replay("check-pytorch", 20, "agrees_with_recording", "pytorch", *few),
            self._check("check-compiled", 20, *compiled, "--full", "--mode", "compiled", "--dtype", "float32"),
        ]

    def _check(self, name: str, seconds: float, *options: str, recording: str = "") -> Step:
        jobs = str(min(MOST_WORKERS, frameworks.cores()))
        where = ("--framework", "pytorch", "--device", self.device, "--output", str(self.folder / name))
        return Step(name, seconds, ("parity", "check", *where, "--jobs", jobs, "-q", *options), recording)

    def _replay(self, name: str, seconds: float, contract: str, framework: str, *operations: str) -> Step:
        folder = str((self.recordings or Path()) / framework)
        options = (*operations, "--dtype", "float32", "--contract", contract, "--replay", folder)
        return self._check(name, seconds, *options, recording=framework)

    def _timing(self, name: str, seconds: float, *options: str) -> Step:
        scale = "tiny" if self.rehearsal else "gpu"
        plugins = ("-p", "padding_parity_plugin", "-p", "no:cacheprovider")
        where = ("--parity-device", self.device, "--parity-scale", scale)
        file = ("--benchmark-only", f"--benchmark-json={self.folder / name}.json")
        return Step(name, seconds, ("pytest", *plugins, f"benchmarks/test_{name}.py", *file, *where, *options))

    def reason_not_to_run(self, step: Step) -> str:
        """Return what a step lacks; empty if it can run."""
        if step.recording and not (self.recordings and (self.recordings / step.recording).is_dir()):
            return f"there is no recording of {step.recording}"
        missing = [name for name in PACKAGES if find_spec(name) is None] if step.command[0] == "pytest" else []
        return f"{missing[0]} is not installed" if missing else ""


def run(plan: Plan, minutes: float, say: Callable[[str], None]) -> list[StepResult]:
    """Run the steps one after the other; those that there is no time for are listed too."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # where a script ignores it, so would the steps
    end, steps, variables = time.monotonic() + 60 * minutes, plan.steps(), _variables(plan)
    results: list[StepResult] = []
    for number, step in enumerate(steps, 1):
        began, left = time.monotonic(), end - time.monotonic()
        ended = plan.reason_not_to_run(step) or ("" if left > 0 else "not started: no time was left")
        if not ended:
            limit = left if plan.rehearsal else min(left, step.seconds)  # a slow machine fails no rehearsal
            say(f"[{number}/{len(steps)}] {step.name}: at most {limit:.0f} s")
            ended = _run_step(step, plan.folder / f"{step.name}.txt", variables, limit)
        seconds = round(time.monotonic() - began, 1)
        results.append(StepResult(step.name, shlex.join(("python", "-m", *step.command)), ended, seconds))
        listed = json.dumps([asdict(one) for one in results], indent=1)
        (plan.folder / "steps.json").write_text(listed, encoding="utf-8")
        say(f"{step.name}: {ended}, {seconds:.0f} s")
        if ended == INTERRUPTED:
            break
    return results


def _variables(plan: Plan) -> dict[str, str]:
    """Return the environment of all steps: what is calibrated stays in the folder."""
    variables = {**os.environ, "XDG_CACHE_HOME": str(plan.folder / "cache"), "COLUMNS": "200"}
    if plan.rehearsal:
        hiding = plan.folder / "without-tensorflow"
        hiding.mkdir(exist_ok=True)
        (hiding / "sitecustomize.py").write_text(HIDE, encoding="utf-8")
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, (str(hiding), variables.get("PYTHONPATH"))))
    return variables


def _run_step(step: Step, output: Path, variables: dict[str, str], limit: float) -> str:
    """Run a step from the root of the repository, and return how it ended."""
    with output.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", *step.command], stdout=file, stderr=subprocess.STDOUT, env=variables, cwd=ROOT
        )
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            return _wait_or_kill(process, STOPPED)
        except KeyboardInterrupt:  # which the step has received too
            return _wait_or_kill(process, INTERRUPTED)
    return STATUSES.get(status, f"failed with exit status {status}")


def _wait_or_kill(process: subprocess.Popen[bytes], ended: str) -> str:
    """Wait for a step that was interrupted, and kill it if it does not end; return how it ended."""
    try:
        process.wait(GRACE)
    except KeyboardInterrupt:
        ended = INTERRUPTED
    except subprocess.TimeoutExpired:
        ended = f"{ended}, and killed" if ended == STOPPED else ended
    process.kill()
    process.wait()
    return ended


def _plan(options: argparse.Namespace) -> Plan:
    """Return the plan of a run.

    Raises:
        InputError: a wrong argument.
        FrameworkUnavailable: the box lacks a package, or a GPU.
    """
    if lacking := unusable() or frameworks.missing("pytorch"):
        raise FrameworkUnavailable(lacking)
    plan = Plan(options.output.absolute(), options.recordings and options.recordings.absolute(), options.rehearse)
    if frameworks.lacks(plan.device, ["pytorch"]):
        raise FrameworkUnavailable("PyTorch finds no GPU here: --rehearse runs on the CPU")
    if not 0 < options.minutes < math.inf:
        raise InputError("--minutes", f"{options.minutes:g}", "a finite number above 0")
    if plan.recordings and not any((plan.recordings / name).is_dir() for name in frameworks.FRAMEWORKS):
        expected = f"a folder with a recording in {' or '.join(frameworks.FRAMEWORKS)}"
        raise InputError("--recordings", options.recordings, expected)
    try:
        plan.folder.mkdir(parents=True, exist_ok=True)
        is_empty = not any(plan.folder.iterdir())
    except OSError as error:
        raise InputError("--output", options.output, f"a folder that can be written ({error.strerror})") from error
    if not is_empty:
        raise InputError("--output", options.output, "an empty folder or a new one")
    return plan


def main(arguments: list[str] | None = None) -> int:
    """Run all steps; the exit status is 0 if each of them is done."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=str(__doc__).partition("\n")[0])
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="write all results to this folder")
    parser.add_argument("--recordings", type=Path, metavar="DIR", help="compare with the recordings in this folder")
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"start no step later (default {MINUTES:g})")
    parser.add_argument("--rehearse", action="store_true", help="run on the CPU, at tiny sizes")
    options = parser.parse_args(arguments)
    try:
        plan = _plan(options)
    except (InputError, FrameworkUnavailable) as error:
        parser.error(str(error))
    results = run(plan, options.minutes, lambda line: print(line, flush=True))
    return int(any(result.ended != STATUSES[0] for result in results))


if __name__ == "__main__":
    sys.exit(main())
