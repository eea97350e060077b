"""A report that cannot be written is an error in one line, behind everything that was found.

A limit on the size of files is a disk that fills up, and one that can be lifted again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from parity import report
from parity.errors import NotWritten
from parity.report.storage import JOURNAL

pytestmark = pytest.mark.skipif(find_spec("resource") is None, reason="the system has no limit on the size of files")

FULL = """
import resource, sys
from parity.checks.check import Check
from parity.report import journal as keeper

Check.run = lambda check: [check.result("eager", "features/ragged", "passed", compared=1)]  # needs no framework

def room(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

begin, keep, kept = keeper.Keeper.begin, keeper.Keeper.keep, []

def full_from_the_first_verdict_on(self):
    begin(self)
    room(100)

keeper.Keeper.begin = full_from_the_first_verdict_on
"""
ROOM_AGAIN = """
def room_behind_the_third(self, *verdict):
    keep(self, *verdict)
    kept.append(verdict)
    if len(kept) == 3:
        room(resource.RLIM_INFINITY)

keeper.Keeper.keep = room_behind_the_third
keeper.EVERY, keeper.SHARE = 0.0, float("inf")
"""
MAIN = "from parity.__main__ import main; sys.exit(main(sys.argv[1:]))"
QUICK = ["--operation", "bidirectional.reverse_sequence", "--variant", "gather", "--dtype", "float32"]
QUICK += ["--contract", "matches_reference", "--contract", "repeatable", "--contract", "follows_permutation"]
CHECK = ["check", *QUICK, "--contract", "ignores_padding", "--jobs", "1", "--output"]
TESTS = """
def test_contract(parity_results):
    assert {result.status for result in parity_results} == {"passed"}
"""
TOO_LARGE = "the report could not be written to 'the report': File too large"


def run(code: str, *arguments: str, where: Path) -> subprocess.CompletedProcess[str]:
    """A statement, in a process of its own."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)


def test_a_disk_that_fills_up_costs_the_report_and_not_what_was_found(tmp_path: Path) -> None:
    done = run(FULL + MAIN, *CHECK, "the report", where=tmp_path)
    assert done.returncode == 1
    assert done.stderr.split("\n") == [
        f"parity: {TOO_LARGE}; the run goes on",
        "",  # where the progress bar was
        f"parity: failed: {TOO_LARGE}",
        "",
    ]
    assert "4 checks agree" in done.stdout
    folder = tmp_path / "the report"
    assert json.loads((folder / "report.json").read_text())["summary"]["checked"] == 0  # the one of the beginning
    assert {file.name for file in folder.iterdir()} == {"report.json", "report.md", "index.html"}


def test_a_disk_with_room_again_gets_the_whole_report(tmp_path: Path) -> None:
    done = run(FULL + ROOM_AGAIN + MAIN, *CHECK, "the report", where=tmp_path)
    assert done.returncode == 0
    assert done.stderr.strip() == f"parity: {TOO_LARGE}; the run goes on"
    assert json.loads((tmp_path / "the report" / "report.json").read_text())["summary"]["checked"] == 4


def test_a_disk_that_is_full_is_said_before_the_work(tmp_path: Path) -> None:
    done = run(f"{FULL}room(100); {MAIN}", *CHECK, "the report", where=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"parity: failed: {TOO_LARGE}\n"


def test_views_that_cannot_be_written_are_one_line_too(tmp_path: Path) -> None:
    record = report.record([], {}, seed=0, seconds=0.0, planned=0, checked=0)
    report.write(record, tmp_path)
    done = run(f"{FULL}room(100); {MAIN}", "report", "report.json", "--output", "the report", where=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"parity: failed: {TOO_LARGE}\n")


@pytest.mark.parametrize("when", ["from the first verdict on", "from the beginning"])
def test_tests_are_told_and_the_run_fails(when: str, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(FULL + ("room(100)" if when == "from the beginning" else ""))
    (tmp_path / "test_all.py").write_text(TESTS)
    quick = "reverse_sequence-pytorch and float32 and repeatable"
    options = ["-k", quick, "--parity-jobs=1", "--parity-report=the report", "-p", "no:cacheprovider"]
    done = run("import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))", *options, where=tmp_path)
    if when == "from the beginning":
        assert done.returncode == pytest.ExitCode.USAGE_ERROR
        assert done.stderr.strip() == f"ERROR: {TOO_LARGE}"
    else:
        assert done.returncode == pytest.ExitCode.TESTS_FAILED
        assert "1 passed" in done.stdout
        said = done.stdout[done.stdout.index("= parity =") :].splitlines()[1:4]
        assert said[0] == f"{TOO_LARGE}; the run goes on"
        assert said[1].startswith("1 check agrees")
        assert said[2] == f"parity: failed: {TOO_LARGE}"
    assert "Traceback" not in done.stdout + done.stderr


def test_a_folder_whose_place_was_taken_is_named(tmp_path: Path) -> None:
    taken = tmp_path / "file"
    taken.write_text("no folder")
    record = report.record([], {}, seed=0, seconds=0.0, planned=0, checked=0)
    with pytest.raises(NotWritten, match=r"the report could not be written to '.*file': File exists"):
        report.write(record, taken)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="permissions do not bind root")
def test_a_folder_without_permission_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    record = report.record([], {}, seed=0, seconds=0.0, planned=0, checked=0)
    with pytest.raises(NotWritten, match="Permission denied"):
        report.write(record, tmp_path)


def test_an_earlier_report_stays_whole_if_one_file_cannot_be_replaced(tmp_path: Path) -> None:
    """All files are written before the first takes its place."""
    record = report.record([], {}, seed=0, seconds=0.0, planned=0, checked=0)
    before = {file: file.read_text() for file in report.write(record, tmp_path)}
    (tmp_path / ".index.html.unfinished").mkdir()
    (tmp_path / ".index.html.unfinished" / "in the way").touch()
    with pytest.raises(NotWritten, match="Is a directory"):
        report.write(record | {"seed": 1}, tmp_path)
    assert {file: file.read_text() for file in before} == before
    assert not (tmp_path / JOURNAL).exists()
