"""What ``kill -9`` leaves behind: a report of what was finished, nothing computed lost, no process, no noise."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from parity.__main__ import main
from parity.report.files import JOURNAL

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="processes are killed as on POSIX"),
    pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed"),
]

CONTRACTS = ("matches_reference", "ignores_padding", "zero_gradient_at_padding", "repeatable")
SELECTED = ["--operation", "bidirectional.reverse_sequence", "--wing", "pytorch"]
SELECTED += [word for contract in CONTRACTS for word in ("--contract", contract)]
PLANNED = 2 * len(CONTRACTS)  # in two dtypes

HANGS = """
import sys, time
from parity.check import Check
from parity.report import keeper

keeper.EVERY, keeper.SHARE = 0.0, float("inf")  # a report after every verdict
run = Check.run

def hang_on_the_last(check):
    if check.contract == "repeatable":
        time.sleep(600)
    return run(check)

Check.run = hang_on_the_last
"""
CHECK = """
if __name__ == "__main__":
    from parity.__main__ import main
    sys.exit(main(sys.argv[1:]))
"""
TESTS = """
from parity.findings import explain
def test_contract(parity_findings):
    assert not explain(parity_findings), explain(parity_findings)
"""
MATCHING = f"reverse_sequence-pytorch and ({' or '.join(CONTRACTS)})"


def killed(command: list[str], folder: Path, kept: int, where: Path) -> tuple[str, str]:
    """Kill a run as soon as it has kept some verdicts; what it said, once all of its processes have ended."""
    process = subprocess.Popen(
        [sys.executable, *command], cwd=where, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while lines_of(folder / JOURNAL) < 1 + kept and process.poll() is None:
        time.sleep(0.05)
    time.sleep(0.2)  # for the report behind the journal
    process.kill()
    out, err = process.communicate(timeout=60)  # ends when nobody is left who could write
    assert process.returncode == -signal.SIGKILL, err
    return out, err


def lines_of(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0


def verdict_of(folder: Path) -> str:
    """The first words of a report, in each of its forms."""
    summary = json.loads((folder / "report.json").read_text())["summary"]
    assert len(json.loads((folder / "report.json").read_text())["checks"]) == sum(summary["findings"].values())
    said = f"stopped after {summary['checked']} of {summary['planned']} checks"
    for name in ("report.md", "index.html"):
        assert said in (folder / name).read_text()
    return said


def summary_of(folder: Path) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads((folder / "report.json").read_text())["summary"]
    return summary


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_killed_check_leaves_a_report_and_no_process(jobs: str, tmp_path: Path, capsys: Any) -> None:
    """With two jobs, the workers are killed in the middle of a task."""
    (tmp_path / "hangs.py").write_text(HANGS + CHECK)
    folder = tmp_path / "report"
    finished = PLANNED // 2 - 1 if jobs == "1" else PLANNED - 2  # in each dtype the last one hangs
    _, err = killed(["hangs.py", "check", *SELECTED, "--jobs", jobs, "--output", "report"], folder, finished, tmp_path)
    assert err == ""
    assert verdict_of(folder) == f"stopped after {finished} of {PLANNED} checks"
    (folder / ".report.json.unfinished").write_text("half of")
    assert main(["check", *SELECTED, "--jobs", "1", "--output", str(folder)]) == 0  # the next run is none the worse
    assert summary_of(folder)["checked"] == PLANNED
    assert {file.name for file in folder.iterdir()} == {"report.json", "report.md", "index.html"}


def test_what_came_after_the_last_report_is_not_lost(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "hangs.py").write_text(f"{HANGS}\nkeeper.EVERY = 600.0\n{CHECK}")
    folder = tmp_path / "report"
    finished = PLANNED // 2 - 1
    killed(["hangs.py", "check", *SELECTED, "--jobs", "1", "--output", "report"], folder, finished, tmp_path)
    assert verdict_of(folder) == f"stopped after 0 of {PLANNED} checks"
    with (folder / JOURNAL).open("a") as journal:
        journal.write('{"task":"cut in the mid')  # as if killed while it wrote
    assert main(["report", str(folder)]) == 1
    assert verdict_of(folder) == f"stopped after {finished} of {PLANNED} checks"
    assert not (folder / JOURNAL).exists()
    assert main(["report", str(folder)]) == 1  # of report.json now
    assert verdict_of(folder) == f"stopped after {finished} of {PLANNED} checks"


def test_a_run_that_dies_at_once_leaves_no_report_of_an_earlier_one(tmp_path: Path, capsys: Any) -> None:
    folder = tmp_path / "report"
    assert main(["check", *SELECTED, "--jobs", "1", "--output", str(folder)]) == 0
    (folder / "divergences.html").write_text("of an earlier run")
    hangs = HANGS.replace('"repeatable"', '"matches_reference"')
    (tmp_path / "hangs.py").write_text(hangs + CHECK)
    killed(["hangs.py", "check", *SELECTED, "--jobs", "1", "--output", "report"], folder, 0, tmp_path)
    assert verdict_of(folder) == f"stopped after 0 of {PLANNED} checks"
    assert not (folder / "divergences.html").exists()


@pytest.mark.parametrize("jobs", ["--parity-jobs=1", "--numprocesses=1"])
def test_killed_tests_leave_a_report(jobs: str, tmp_path: Path) -> None:
    if jobs.startswith("--num"):
        pytest.importorskip("xdist")
    (tmp_path / "conftest.py").write_text(HANGS)
    (tmp_path / "test_all.py").write_text(TESTS)
    folder = tmp_path / "parity-report"
    _, err = killed(["-m", "pytest", "-k", MATCHING, jobs], folder, PLANNED // 2 - 1, tmp_path)
    assert "Traceback" not in err
    assert verdict_of(folder) == f"stopped after {PLANNED // 2 - 1} of {PLANNED} checks"


def test_verdicts_that_no_test_has_asked_for_yet_are_kept(tmp_path: Path, capsys: Any) -> None:
    """Worker processes are ahead of the tests."""
    (tmp_path / "test_all.py").write_text("import time\ndef test_first(parity_findings): time.sleep(600)")
    folder = tmp_path / "parity-report"
    _, err = killed(["-m", "pytest", "-k", MATCHING, "--parity-jobs=2"], folder, PLANNED, tmp_path)
    assert err == ""
    assert verdict_of(folder).endswith(f"of {PLANNED} checks")
    assert main(["report", str(folder)]) == 0
    assert summary_of(folder)["checked"] == PLANNED


def test_no_journal_is_named(tmp_path: Path, capsys: Any) -> None:
    for text in ("", "{", "[]\n", '{"seed": 0}\n', '{"seed": 0, "planned": 1}\n{"task": "x"}\n'):
        (tmp_path / JOURNAL).write_text(text)
        assert main(["report", str(tmp_path)]) == 2
        assert "the journal of a parity run" in capsys.readouterr().err
