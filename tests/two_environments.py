"""Check that environments with one framework each come to the verdicts of one with both.

Make three fresh virtual environments, record each framework where it is alone, run the matrix in all three, the two
with one framework against the recording of the other, and compare the reports. Exit with 1 if a verdict differs.

    python tests/two_environments.py                              # everything; half an hour on two cores
    python tests/two_environments.py --operation rnn.lstm         # may be repeated
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterable
from pathlib import Path

from parity import report
from parity.checks.result import FAILED, SKIPPED, Measure, Result

ROOT = Path(__file__).parent.parent
ALONE = {"pytorch": "torch", "tensorflow": "tensorflow"}  # framework -> the extra that installs it
BOTH = "both"
SHOWN = 40  # verdicts that differ
NEEDED = ("pytest", "hypothesis")  # to collect and run the matrix

Verdicts = dict[tuple[str, ...], list[Result]]  # of each check, mode and case


def main() -> int:
    """Run the comparison and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--operation", action="append", default=[], help="select only this one; may be repeated")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="worker processes (default: one a core)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for environment, extra in (*ALONE.items(), (BOTH, "all")):
            install(folder / environment, extra)
        for framework in ALONE:
            command = record_command(framework, folder, options.operation)
            run(folder / framework, "parity", *command, "--jobs", str(options.jobs))
        results = {name: matrix(folder, name, options.operation, options.jobs) for name in (*ALONE, BOTH)}
    alone = [result for framework in ALONE for result in results[framework]]
    return summarise(verdicts(results[BOTH]), verdicts(alone))


def install(environment: Path, extra: str) -> None:
    """Make a virtual environment with this package, one of its extras, and what runs tests."""
    print(f"{environment.name}: installing", flush=True)
    venv.create(environment, with_pip=True)
    packages = ["-c", str(ROOT / "constraints.txt"), "-e", f"{ROOT}[{extra}]", *NEEDED]
    run(environment, "pip", "install", "--quiet", *packages)


def record_command(framework: str, folder: Path, operations: Iterable[str]) -> list[str]:
    """Return the command that records a framework."""
    selection = [word for operation in operations for word in ("--operation", operation)]
    return ["record", "--framework", framework, "--output", str(folder / f"recording-{framework}"), *selection]


def matrix(folder: Path, name: str, operations: Iterable[str], jobs: int) -> tuple[Result, ...]:
    """Return the results of the matrix in an environment; one framework is compared with the other's recording."""
    selection = ["-k", " or ".join(f"[{operation}-" for operation in operations)] if operations else []
    replay = []
    if name in ALONE:
        (other,) = (framework for framework in ALONE if framework != name)
        replay = [f"--parity-replay={folder / f'recording-{other}'}"]
    output = folder / f"report-{name}"
    quiet = ["-q", "--tb=no", "-p", "no:cacheprovider", "--parity-jobs", str(jobs), "--parity-report", str(output)]
    run(folder / name, "pytest", "tests/test_matrix.py", *quiet, *replay, *selection, may_fail=True)
    return report.read(output).results


def run(environment: Path, command: str, *arguments: str, may_fail: bool = False) -> None:
    """Run a command of an environment, without the variables of this one."""
    print(f"{environment.name}: {command} {' '.join(arguments)}", flush=True)
    scripts = environment / ("Scripts" if os.name == "nt" else "bin")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    subprocess.run([scripts / command, *arguments], cwd=ROOT, env=clean, check=not may_fail)


def verdicts(results: Iterable[Result]) -> Verdicts:
    """Group results by check, mode and case, without skips and without what only a recording can give."""
    groups: Verdicts = {}
    for result in results:
        if result.status != SKIPPED and result.contract != "agrees_with_recording":
            groups.setdefault(result.run, []).append(result)
    return groups


def differing(one: Verdicts, other: Verdicts) -> list[str]:
    """Describe the verdicts that are not the same, one in a line."""
    pairs = [(key, _statuses(one, key), _statuses(other, key)) for key in sorted(one.keys() | other.keys())]
    return [
        f"{' '.join(key)}: {ours or 'nothing'} against {theirs or 'nothing'}"
        for key, ours, theirs in pairs
        if ours != theirs
    ]


def _statuses(groups: Verdicts, key: tuple[str, ...]) -> list[tuple[str, str]]:
    """List statuses, and of failures the quantity; the quantity of a pass is only the one nearest to its limit."""
    results = groups.get(key, [])
    return sorted((result.status, result.quantity if result.status == FAILED else "") for result in results)


def score_differences(one: Verdicts, other: Verdicts) -> tuple[int, float]:
    """Count the verdicts whose scores differ, and return by how many noise floors they differ at most."""
    distances = [_distance(one[key][0], other[key][0]) for key in one.keys() & other.keys()]
    return sum(distance > 0 for distance in distances), max(distances, default=0.0)


def _distance(one: Result, other: Result) -> float:
    if one.scores.keys() != other.scores.keys():
        return float("inf")
    distances = []
    for name, scores in one.scores.items():
        distances.append(_apart(scores.element, other.scores[name].element))
        distances.append(_apart(scores.norm, other.scores[name].norm))
    return max(distances, default=0.0)


def _apart(one: Measure, other: Measure) -> float:
    if one is None or other is None:
        return 0.0 if one is other else float("inf")
    return abs(one - other)


def summarise(both: Verdicts, alone: Verdicts) -> int:
    """Print the comparison; return 1 if a verdict differs, or if there is none."""
    lines = differing(both, alone)
    for line in lines[:SHOWN]:
        print(line)
    count, largest = score_differences(both, alone)
    failed = sum(result.status == FAILED for results in both.values() for result in results)
    print(
        f"{len(both)} verdicts of the environment with both frameworks ({failed} failures), {len(alone)} of the others"
    )
    print(f"{len(lines)} differ; scores differ in {count}, by {largest:.2g} noise floors at most")
    return int(bool(lines) or not both)


if __name__ == "__main__":
    sys.exit(main())
