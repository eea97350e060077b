"""Run all that a GPU is needed for, in one go, on a box with PyTorch and without a network or TensorFlow.

    parity record --framework tensorflow --dtype float32 --output recordings/tensorflow    # on any machine before
    parity record --framework pytorch --dtype float32 --output recordings/pytorch
    python -m benchmarks.gpu --recordings recordings --output gpu-results                  # on the box

The first steps are worth most, and each has a limit. One that reaches it is interrupted, writes what it has, and the
next one begins; Ctrl-C ends the run in the same way. ``steps.json`` in the folder says what became of each, beside a
report or measurements and what the step printed. With ``--rehearse``, all steps run on the CPU at tiny sizes, as if
TensorFlow were not installed.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import msgspec
from msgspec import Struct

from parity import frameworks

MINUTES = 8.0
GRACE = 20.0  # seconds to write what there is, once a step is interrupted
SOME = ("rnn.lstm", "attention.softmax", "loss.cross_entropy")  # compiling takes long
PACKAGES = {"parity": "autograd", "pytest": "pytest_benchmark"}  # what a command needs beside its own
HIDE = "import sys\nsys.modules['tensorflow'] = None\n"


@dataclass(frozen=True)
class Step:
    """A command that runs for so many seconds at most: ``python -m`` and its arguments.

    Attributes:
        needs_recording: the framework without whose recording there is nothing to compare with; empty for none.
    """

    name: str
    seconds: float
    command: tuple[str, ...]
    needs_recording: str = ""


class Done(Struct, frozen=True):
    """What became of a step: how it ended, after how many seconds."""

    name: str
    command: str
    ended: str
    seconds: float = 0.0


@dataclass(frozen=True)
class Plan:
    """What to run, and where: the folder of the results, that of the recordings, and whether it is a rehearsal."""

    folder: Path
    recordings: Path | None
    rehearsal: bool

    @property
    def device(self) -> str:
        return "cpu" if self.rehearsal else "cuda"

    def steps(self) -> list[Step]:
        """List all steps, in order."""
        models = ("pytest", "tests/test_devices.py", "-k", f"a_model_holds and {self.device}", "-p", "no:cacheprovider")
        narrow = ("--full", "--dtype", "float16", "--dtype", "bfloat16")
        compiled = ("--full", "--mode", "compiled", "--dtype", "float32")
        recorded = ("--dtype", "float32", "--contract", "agrees_with_recording")
        timed = "(pytorch and lognormal-large) or regret" if self.rehearsal else "pytorch or regret"
        return [
            Step("machine", 20, ("torch.utils.collect_env",)),
            Step("models", 30, models),
            self._check("check-float32", 80, "--dtype", "float32", recording="tensorflow"),
            self._check("check-tf32", 50, "--dtype", "float32", "--tf32"),
            self._timing("crossover", 60),
            self._timing("packed_rows", 30),
            self._timing("recurrent", 120, "-k", timed),
            self._check("check-narrow", 40, *narrow),
            self._check("check-compiled", 40, *SOME[-1:] if self.rehearsal else SOME, *compiled),
            replace(self._check("check-recorded", 30, *recorded, recording="pytorch"), needs_recording="pytorch"),
        ]

    def _check(self, name: str, seconds: float, *options: str, recording: str = "") -> Step:
        where = ("--framework", "pytorch", "--device", self.device, "--output", str(self.folder / name), "-q")
        replay = ("--replay", str(self._recorded(recording))) if self._recorded(recording) else ()
        few = ("--operation", "masking.sequence_mask") if self.rehearsal and "compiled" not in name else ()
        return Step(name, seconds, ("parity", "check", *where, *replay, *few, *options))

    def _timing(self, name: str, seconds: float, *options: str) -> Step:
        scale = "tiny" if self.rehearsal else "gpu"
        where = ("--parity-device", self.device, "--parity-scale", scale, "-p", "no:cacheprovider")
        file = f"--benchmark-json={self.folder / name}.json"
        return Step(name, seconds, ("pytest", f"benchmarks/test_{name}.py", "--benchmark-only", file, *where, *options))

    def _recorded(self, framework: str) -> Path | None:
        """Return the folder of a framework's recording, if there is one."""
        folder = self.recordings / framework if self.recordings and framework else None
        return folder if folder and folder.is_dir() else None

    def environment(self) -> dict[str, str]:
        """Return the variables of all steps: what is calibrated stays in the folder."""
        variables = {**os.environ, "XDG_CACHE_HOME": str(self.folder / "cache"), "COLUMNS": "200"}
        if self.rehearsal:
            hiding = self.folder / "without-tensorflow"
            hiding.mkdir(exist_ok=True)
            (hiding / "sitecustomize.py").write_text(HIDE, encoding="utf-8")
            variables["PYTHONPATH"] = os.pathsep.join(filter(None, (str(hiding), variables.get("PYTHONPATH"))))
        return variables

    def cannot(self, step: Step) -> str:
        """Return the reason why a step cannot run; empty if it can."""
        needed = PACKAGES.get(step.command[0], "")
        if needed and find_spec(needed) is None:
            return f"{needed} is not installed"
        if step.needs_recording and not self._recorded(step.needs_recording):
            return f"there is no recording of {step.needs_recording}"
        return ""


def run(plan: Plan, minutes: float, say: Callable[[str], None]) -> list[Done]:
    """Run the steps one after the other; those that there is no time for are named too."""
    end, steps, variables = time.monotonic() + 60 * minutes, plan.steps(), plan.environment()
    done: list[Done] = []
    for number, step in enumerate(steps, 1):
        began, left = time.monotonic(), end - time.monotonic()
        command = " ".join(("python", "-m", *step.command))
        ended = plan.cannot(step) or ("" if left > 0 else "not started: no time was left")
        if not ended:
            say(f"[{number}/{len(steps)}] {step.name}: at most {min(left, step.seconds):.0f} s")
            ended = _ended(step, plan.folder / f"{step.name}.txt", variables, min(left, step.seconds))
        done.append(Done(step.name, command, ended, round(time.monotonic() - began, 1)))
        (plan.folder / "steps.json").write_bytes(msgspec.json.format(msgspec.json.encode(done), indent=1))
        say(f"{step.name}: {ended}, {done[-1].seconds:.0f} s")
        if ended == INTERRUPTED:
            break
    return done


INTERRUPTED = "interrupted"


def _ended(step: Step, output: Path, variables: dict[str, str], limit: float) -> str:
    """Run a step, and say how it ended."""
    command = [sys.executable, "-m", *step.command]
    with output.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=variables)
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            _end(process)
            return "stopped at its limit"
        except KeyboardInterrupt:  # the step has received it too
            _end(process)
            return INTERRUPTED
    return "done" if status == 0 else f"failed with exit status {status}"


def _end(process: subprocess.Popen[bytes]) -> None:
    """Wait for a process that was interrupted; kill it if it does not end."""
    with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
        process.wait(GRACE)
    process.kill()
    process.wait()


def main(arguments: list[str] | None = None) -> int:
    """Run all steps; the exit status is 0 if each of them is done."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=str(__doc__).partition("\n")[0])
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="write all results to this folder")
    parser.add_argument("--recordings", type=Path, metavar="DIR", help="compare with the recordings in this folder")
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"run no longer (default {MINUTES:g})")
    parser.add_argument("--rehearse", action="store_true", help="run on the CPU, at tiny sizes")
    options = parser.parse_args(arguments)
    plan = Plan(options.output.absolute(), options.recordings and options.recordings.absolute(), options.rehearse)
    if lacking := frameworks.missing("pytorch") or frameworks.lacks(plan.device, ["pytorch"]):
        parser.error(lacking)
    if not 0 < options.minutes < math.inf:
        parser.error(f"--minutes: got {options.minutes:g}, expected a number above 0")
    try:
        plan.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"--output: got {options.output}, expected a folder that can be written ({error.strerror})")
    done = run(plan, options.minutes, lambda line: print(line, flush=True))
    return int(any(one.ended != "done" for one in done))


if __name__ == "__main__":
    sys.exit(main())
