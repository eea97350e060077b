"""Fill the disk during a run: the results are printed, and one line reports the error.

A limit on the size of files stands in for a full disk, because it can be lifted again.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from msgspec.structs import replace

from parity import report
from parity.errors import NotWritten
from parity.report.journal import NAME
from tests.factories import report_of
from tests.full_runs import every_other

pytestmark = pytest.mark.skipif(find_spec("resource") is None, reason="the system has no limit on the size of files")

FULL = """
import resource, sys
from msgspec.structs import replace
from parity.checks.check import Check
from parity.report import journal

def run(check):  # needs no framework
    return [replace(check.result("eager", "features/ragged", "passed"), compared=1)]

Check.run = run
sys.dont_write_bytecode = True  # Python would keep what it could write of a module, and fail to read it later

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

begin, keep, kept = journal.Journal.begin, journal.Journal.keep, []

def full_before_the_first_result(self):
    begin(self)
    limit(100)

journal.Journal.begin = full_before_the_first_result
"""
FREE_AGAIN = """
def free_after_the_third(self, entry):
    keep(self, entry)
    kept.append(entry)
    if len(kept) == 3:
        limit(resource.RLIM_INFINITY)

journal.Journal.keep = free_after_the_third
journal.EVERY, journal.SHARE = 0.0, float("inf")
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
NOTHING = report_of(planned=0, checked=0)


def run(code: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a statement in a process of its own."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_disk_that_fills_up_costs_the_report_and_no_result(tmp_path: Path) -> None:
    process = run(FULL + MAIN, *CHECK, "the report", folder=tmp_path)
    assert process.returncode == 1
    assert process.stderr.split("\n") == [
        f"parity: {TOO_LARGE}; the run goes on",
        "",  # where the progress bar was
        f"parity: failed: {TOO_LARGE}",
        "",
    ]
    assert "4 checks agree" in process.stdout
    folder = tmp_path / "the report"
    assert report.read(folder).summary.checked == 0  # written when the run began
    assert {file.name for file in folder.iterdir()} == {"report.json", "report.md", "index.html", NAME}


def test_a_disk_that_is_free_again_gets_the_whole_report(tmp_path: Path) -> None:
    process = run(FULL + FREE_AGAIN + MAIN, *CHECK, "the report", folder=tmp_path)
    assert process.returncode == 0
    assert process.stderr.strip() == f"parity: {TOO_LARGE}; the run goes on"
    assert report.read(tmp_path / "the report").summary.checked == 4


def test_a_full_disk_is_reported_before_the_work(tmp_path: Path) -> None:
    process = run(f"{FULL}limit(100); {MAIN}", *CHECK, "the report", folder=tmp_path)
    assert (process.returncode, process.stdout) == (1, "")
    assert process.stderr == f"parity: failed: {TOO_LARGE}\n"


def test_views_that_cannot_be_written_are_one_line_too(tmp_path: Path) -> None:
    report.write(NOTHING, tmp_path)
    process = run(f"{FULL}limit(100); {MAIN}", "report", "report.json", "--output", "the report", folder=tmp_path)
    assert (process.returncode, process.stdout, process.stderr) == (1, "", f"parity: failed: {TOO_LARGE}\n")


PYTEST = "import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))"


@pytest.mark.parametrize("when", every_other(["from the first result on", "from the beginning"]))
def test_pytest_prints_the_error_and_the_run_fails(when: str, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(FULL + ("limit(100)" if when == "from the beginning" else ""))
    (tmp_path / "test_all.py").write_text(TESTS)
    quick = "reverse_sequence-pytorch and float32 and repeatable"
    options = ["-k", quick, "--parity-jobs=1", "--parity-report=the report", "-p", "no:cacheprovider"]
    process = run(PYTEST, *options, folder=tmp_path)
    if when == "from the beginning":
        assert process.returncode == pytest.ExitCode.USAGE_ERROR
        assert process.stderr.strip() == f"ERROR: {TOO_LARGE}"
    else:
        assert process.returncode == pytest.ExitCode.TESTS_FAILED
        assert "1 passed" in process.stdout
        lines = process.stdout[process.stdout.index("= parity =") :].splitlines()[1:4]
        assert lines[0] == f"{TOO_LARGE}; the run goes on"
        assert lines[1].startswith("1 check agrees")
        assert lines[2] == f"parity: failed: {TOO_LARGE}"
    assert "Traceback" not in process.stdout + process.stderr


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(NotWritten, match=r"the report could not be written to '.*file': File exists"):
        report.write(NOTHING, tmp_path / "file")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="permissions do not bind root")
def test_a_folder_without_permission_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(NotWritten, match="Permission denied"):
        report.write(NOTHING, tmp_path)


def test_an_earlier_report_stays_whole_if_one_file_cannot_be_replaced(tmp_path: Path) -> None:
    """Check that all files are written before the first replaces an earlier one."""
    page = tmp_path / "index.html"
    before = {file: file.read_text() for file in report.write(NOTHING, tmp_path) if file != page}
    page.unlink()
    page.mkdir()
    changed = replace(NOTHING, environment=replace(NOTHING.environment, seed=1))
    with pytest.raises(NotWritten, match=r"index\.html is a folder"):
        report.write(changed, tmp_path)
    assert {file: file.read_text() for file in before} == before
    assert not (tmp_path / NAME).exists()
