"""Whether two environments with one framework each come to the verdicts of one with both.

Makes three fresh virtual environments, recordings each framework where it is alone, runs the matrix in all three, the
lonely ones against the recording of the other, and compares the reports. Exits with 1 if a verdict differs.

    python tests/two_environments.py                              # everything; half an hour on two cores
    python tests/two_environments.py --operation rnn.lstm         # may be repeated
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
ALONE = {"pytorch": "torch", "tensorflow": "tensorflow"}  # framework -> the extra that brings its framework
BOTH = "both"
SHOWN = 40  # verdicts that differ
NEEDED = ("pytest", "hypothesis")  # to collect and run the matrix
CHECK = ("operation", "framework", "variant", "dtype", "contract", "mode", "case")

Verdicts = dict[tuple[str, ...], list[dict[str, Any]]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--operation", action="append", default=[], help="only this one; may be repeated")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="worker processes (default: one a core)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        there = Path(folder)
        for name, extra in (*ALONE.items(), (BOTH, "all")):
            install(there / name, extra)
        for framework in ALONE:
            run(
                there / framework,
                "parity",
                *recording(framework, there, options.operation),
                "--jobs",
                str(options.jobs),
            )
        reports = {name: matrix(there, name, options.operation, options.jobs) for name in (*ALONE, BOTH)}
    return say(
        verdicts(reports[BOTH]["checks"]), verdicts(one for framework in ALONE for one in reports[framework]["checks"])
    )


def install(environment: Path, extra: str) -> None:
    """A virtual environment with this package, one of its extras, and what runs tests."""
    print(f"{environment.name}: installing", flush=True)
    venv.create(environment, with_pip=True)
    wanted = ["-c", str(ROOT / "constraints.txt"), "-e", f"{ROOT}[{extra}]", *NEEDED]
    run(environment, "pip", "install", "--quiet", *wanted)


def recording(framework: str, there: Path, operations: Iterable[str]) -> list[str]:
    """The command that recordings a framework."""
    selection = [word for operation in operations for word in ("--operation", operation)]
    return ["record", "--framework", framework, "--output", str(there / f"recording-{framework}"), *selection]


def matrix(there: Path, name: str, operations: Iterable[str], jobs: int) -> dict[str, Any]:
    """The report of the matrix in an environment; one that has a single framework is given the other's recording."""
    selection = ["-k", " or ".join(f"[{operation}-" for operation in operations)] if operations else []
    other = [
        f"--parity-replay={there / f'recording-{framework}'}"
        for framework in ALONE
        if name in ALONE and framework != name
    ]
    output = there / f"report-{name}"
    quiet = ["-q", "--tb=no", "-p", "no:cacheprovider", "--parity-jobs", str(jobs), "--parity-report", str(output)]
    run(there / name, "pytest", "tests/test_matrix.py", *quiet, *other, *selection, may_fail=True)
    report: dict[str, Any] = json.loads((output / "report.json").read_text(encoding="utf-8"))
    return report


def run(environment: Path, command: str, *arguments: str, may_fail: bool = False) -> None:
    """A command of an environment, which sees nothing of ours."""
    print(f"{environment.name}: {command} {' '.join(arguments)}", flush=True)
    scripts = environment / ("Scripts" if os.name == "nt" else "bin")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    subprocess.run([scripts / command, *arguments], cwd=ROOT, env=clean, check=not may_fail)


def verdicts(results: Iterable[Mapping[str, Any]]) -> Verdicts:
    """What results say, by check, mode and case. A skip is none; nor is what only a recording can give."""
    found: Verdicts = {}
    for result in results:
        if result["status"] != "skipped" and result["contract"] != "agrees_with_recording":
            found.setdefault(tuple(result[name] for name in CHECK), []).append(dict(result))
    return found


def differing(one: Verdicts, other: Verdicts) -> list[str]:
    """The verdicts that are not the same, each in a line."""

    def said(found: Verdicts, key: tuple[str, ...]) -> list[tuple[str, str]]:
        """A failure is about a quantity; a pass names the one nearest to its limit, which may be a close race."""
        return sorted((each["status"], each["quantity"] * (each["status"] == "failed")) for each in found.get(key, []))

    return [
        f"{' '.join(key)}: {said(one, key) or 'nothing'} against {said(other, key) or 'nothing'}"
        for key in sorted(one.keys() | other.keys())
        if said(one, key) != said(other, key)
    ]


def apart(one: Verdicts, other: Verdicts) -> tuple[int, float]:
    """How many verdicts have scores that differ at all, and by how many noise floors they differ at most."""
    distances = [_distance(one[key][0], other[key][0]) for key in one.keys() & other.keys()]
    return sum(distance > 0 for distance in distances), max(distances, default=0.0)


def _distance(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    scores, others = one["scores"] or {}, other["scores"] or {}
    if scores.keys() != others.keys():
        return float("inf")
    pairs = (pair for name in scores for pair in zip(scores[name], others[name], strict=True))
    return max(
        (abs((a or 0.0) - (b or 0.0)) if (a is None) == (b is None) else float("inf") for a, b in pairs), default=0
    )


def say(both: Verdicts, alone: Verdicts) -> int:
    """Print what came of it; 1 if a verdict differs, or if there is none."""
    lines = differing(both, alone)
    for line in lines[:SHOWN]:
        print(line)
    moved, farthest = apart(both, alone)
    failed = sum(each["status"] == "failed" for found in both.values() for each in found)
    print(
        f"{len(both)} verdicts with both frameworks in one environment ({failed} failures), {len(alone)} with one each:"
    )
    print(f"{len(lines)} differ; scores differ in {moved}, by {farthest:.2g} noise floors at most")
    return int(bool(lines) or not both)


if __name__ == "__main__":
    sys.exit(main())
