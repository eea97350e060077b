"""Kill runs with ``kill -9``: a report of the finished checks stays, and no process and no noise."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from parity import report
from parity.__main__ import main
from parity.checks.result import PASSED, Result
from parity.report.journal import NAME, Journal, entry
from tests.factories import report_of, result

pytestmark = pytest.mark.skipif(os.name != "posix", reason="processes are killed as on POSIX")
needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")

CONTRACTS = ("matches_reference", "ignores_padding", "zero_gradient_at_padding", "repeatable")
SELECTED = ["--operation", "bidirectional.reverse_sequence", "--variant", "gather"]
SELECTED += [word for contract in CONTRACTS for word in ("--contract", contract)]
PLANNED = 2 * len(CONTRACTS)  # in two dtypes
BEFORE_IT_HANGS = len(CONTRACTS) - 1

HANGS = """
import sys, time
from parity.checks.check import Check
from parity.report import journal

run = Check.run

def hang_on_the_last(check):
    if check.contract == "repeatable":
        time.sleep(600)
    return run(check)

Check.run = hang_on_the_last
journal.EVERY, journal.SHARE = 0.0, float("inf")  # a report after every task
"""
NO_FRAMEWORK = """
from msgspec.structs import replace
Check.run = lambda check: [replace(check.result("eager", "features/ragged", "passed"), compared=1)]
"""
CHECK = """
if __name__ == "__main__":
    from parity.__main__ import main
    sys.exit(main(sys.argv[1:]))
"""
TESTS = """
from parity.checks.sentences import explain
def test_contract(parity_results):
    assert not explain(parity_results), explain(parity_results)
"""
MATCHING = f"reverse_sequence-pytorch and ({' or '.join(CONTRACTS)})"


def hangs(*, real: bool = False, rare: bool = False) -> str:
    """Return code after which the last contract of each dtype hangs."""
    imports, _, rest = HANGS.partition("\nrun =")
    checks = "" if real else NO_FRAMEWORK
    seldom = "journal.EVERY = 600.0\n" if rare else ""
    return f"{imports}{checks}\nrun ={rest}{seldom}\n"


def kill(command: list[str], folder: Path, kept: int, reported: int | None = None) -> str:
    """Kill a run once its journal has the results of some tasks, and its report has as many or so many.

    Returns:
        What it wrote to stderr, once all its processes have ended.
    """
    process = subprocess.Popen(
        [sys.executable, *command], cwd=folder.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while lines_of(folder / NAME) <= kept and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    while checked(folder) < (kept if reported is None else reported) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.2)  # for the views, which are replaced after report.json
    process.kill()
    _, err = process.communicate(timeout=60)  # returns when no process is left that could write
    assert process.returncode == -signal.SIGKILL, err
    return err


def checked(folder: Path) -> int:
    """Return the number of checks in report.json, whatever the journal has."""
    return report.read(folder / "report.json").summary.checked


def lines_of(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0


def verdict_of(folder: Path) -> str:
    """Return the first words of a report, the same in each of its files."""
    finished = report.read(folder / "report.json")
    summary = finished.summary
    assert len({(result.contract, result.dtype) for result in finished.results}) == summary.checked
    verdict = f"stopped after {summary.checked} of {summary.planned} checks"
    for name in ("report.md", "index.html"):
        assert verdict in (folder / name).read_text()
    return verdict


def test_a_killed_check_leaves_a_report_and_does_not_disturb_the_next_run(
    pytorch: str, tmp_path: Path, capsys: Any
) -> None:
    folder = tmp_path / "report"
    (tmp_path / "hangs.py").write_text(hangs(real=True) + CHECK)
    err = kill(["hangs.py", "check", *SELECTED, "--jobs=1", "--output=report"], folder, BEFORE_IT_HANGS)
    assert err == ""
    assert verdict_of(folder) == f"stopped after {BEFORE_IT_HANGS} of {PLANNED} checks"
    (folder / ".report.md.unfinished").write_text("half of")
    assert main(["check", *SELECTED, "--jobs=1", "--output", str(folder)]) == 0
    assert checked(folder) == PLANNED
    assert {file.name for file in folder.iterdir()} == {"report.json", "report.md", "index.html"}


def test_workers_end_with_their_parent_in_the_middle_of_a_task(tmp_path: Path) -> None:
    folder = tmp_path / "report"
    (tmp_path / "hangs.py").write_text(hangs() + CHECK)
    err = kill(["hangs.py", "check", *SELECTED, "--jobs=2", "--output=report"], folder, 2 * BEFORE_IT_HANGS)
    assert err == ""
    assert verdict_of(folder) == f"stopped after {2 * BEFORE_IT_HANGS} of {PLANNED} checks"


def test_results_after_the_last_report_are_read_from_the_journal(tmp_path: Path, capsys: Any) -> None:
    folder = tmp_path / "report"
    (tmp_path / "hangs.py").write_text(hangs(rare=True) + CHECK)
    kill(["hangs.py", "check", *SELECTED, "--jobs=1", "--output=report"], folder, BEFORE_IT_HANGS, reported=0)
    assert verdict_of(folder) == f"stopped after 0 of {PLANNED} checks"
    with (folder / NAME).open("a") as journal:
        journal.write('{"task":"cut in the mid')  # as if killed while it wrote
    for _ in range(2):  # from the journal, and then from the report that was made of it
        assert main(["report", str(folder)]) == 1
        assert verdict_of(folder) == f"stopped after {BEFORE_IT_HANGS} of {PLANNED} checks"
        assert not (folder / NAME).exists()


def begin(folder: Path, *results: Result, planned: int) -> None:
    """Begin a run, keep the results of one check, and end as if it was killed."""
    journal = Journal(folder, seed=0, planned=planned)
    journal.begin()
    if results:
        journal.keep(entry("a check", results, {}))


def test_a_run_replaces_an_earlier_report_when_it_begins(tmp_path: Path) -> None:
    """If it dies at once, the earlier report could be mistaken for its own."""
    begin(tmp_path, result(PASSED), planned=1)
    begin(tmp_path, planned=3)
    assert verdict_of(tmp_path) == "stopped after 0 of 3 checks"
    assert {file.name for file in tmp_path.iterdir()} == {"report.json", "report.md", "index.html", NAME}
    assert main(["report", str(tmp_path)]) == 1
    assert verdict_of(tmp_path) == "stopped after 0 of 3 checks"


def test_mutants_are_added_to_the_whole_report_of_a_killed_run(tmp_path: Path) -> None:
    begin(tmp_path, result(PASSED), planned=3)
    report.add_to_report(tmp_path, report_of(planned=0, checked=0), mutants=[])
    assert verdict_of(tmp_path) == "stopped after 1 of 3 checks"


@pytest.mark.parametrize("option", ["--parity-jobs=1", "--numprocesses=1"])
def test_killed_tests_leave_a_report(option: str, tmp_path: Path) -> None:
    if option == "--numprocesses=1":
        pytest.importorskip("xdist")
    (tmp_path / "conftest.py").write_text(hangs())
    (tmp_path / "test_all.py").write_text(TESTS)
    folder = tmp_path / "parity-report"
    err = kill(["-m", "pytest", "-k", MATCHING, option], folder, BEFORE_IT_HANGS)
    assert "Traceback" not in err
    assert verdict_of(folder) == f"stopped after {BEFORE_IT_HANGS} of {PLANNED} checks"


@needs_torch
def test_results_that_no_test_has_asked_for_yet_are_kept(tmp_path: Path, capsys: Any) -> None:
    """Worker processes are ahead of the tests."""
    (tmp_path / "test_all.py").write_text("import time\ndef test_first(parity_results): time.sleep(600)")
    folder = tmp_path / "parity-report"
    assert kill(["-m", "pytest", "-k", MATCHING, "--parity-jobs=2"], folder, PLANNED, reported=0) == ""
    assert verdict_of(folder).endswith(f"of {PLANNED} checks")
    assert main(["report", str(folder)]) == 0
    assert checked(folder) == PLANNED


HEAD = '{"seed": 0, "planned": 1}\n'
NO_JOURNAL = ["", "{", "[]\n", '{"seed": 0}\n', f"{HEAD}{{}}\n", f'{HEAD}{{"task": "x", "results": [{{}}]}}\n']


@pytest.mark.parametrize("text", NO_JOURNAL)
def test_a_file_that_is_no_journal_is_named(text: str, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / NAME).write_text(text)
    assert main(["report", str(tmp_path)]) == 2
    assert "the journal of a parity run" in capsys.readouterr().err
