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

from parity import report
from parity.__main__ import main
from parity.checks.check import Check
from parity.checks.result import PASSED
from parity.report.journal import Keeper, plain
from parity.report.storage import JOURNAL

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
from parity.report import journal as keeper

run = Check.run

def hang_on_the_last(check):
    if check.contract == "repeatable":
        time.sleep(600)
    return run(check)

Check.run = hang_on_the_last
keeper.EVERY, keeper.SHARE = 0.0, float("inf")  # a report after every verdict
"""
NO_FRAMEWORK = """
Check.run = lambda check: [check.result("eager", "features/ragged", "passed", compared=1)]
"""
CHECK = """
if __name__ == "__main__":
    from parity.__main__ import main
    sys.exit(main(sys.argv[1:]))
"""
TESTS = """
from parity.checks.result import explain
def test_contract(parity_results):
    assert not explain(parity_results), explain(parity_results)
"""
MATCHING = f"reverse_sequence-pytorch and ({' or '.join(CONTRACTS)})"


def hangs(*, real: bool = False, rare: bool = False) -> str:
    """Code after which the last contract of each dtype hangs."""
    imports, _, rest = HANGS.partition("\nrun =")
    own = "" if real else NO_FRAMEWORK
    return f"{imports}{own}\nrun ={rest}{'keeper.EVERY = 600.0' if rare else ''}\n"


def killed(command: list[str], folder: Path, kept: int, reported: int | None = None) -> str:
    """Kill a run as soon as it has kept some verdicts, and reported as many or so many of them.

    Returns:
        What it said to stderr, once all its processes have ended.
    """
    where = folder.parent
    process = subprocess.Popen(
        [sys.executable, *command], cwd=where, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    late = time.monotonic() + 60
    while lines_of(folder / JOURNAL) <= kept and process.poll() is None and time.monotonic() < late:
        time.sleep(0.05)
    while checked(folder) < (kept if reported is None else reported) and time.monotonic() < late:
        time.sleep(0.05)
    time.sleep(0.2)  # for the views behind the record
    process.kill()
    _, err = process.communicate(timeout=60)  # ends when nobody is left who could write
    assert process.returncode == -signal.SIGKILL, err
    return err


def checked(folder: Path) -> int:
    """How many checks a report knows of."""
    return int(json.loads((folder / "report.json").read_text())["summary"]["checked"])


def lines_of(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0


def verdict_of(folder: Path) -> str:
    """The first words of a report, the same in each of its configurations."""
    record = json.loads((folder / "report.json").read_text())
    summary = record["summary"]
    assert len({(check["contract"], check["dtype"]) for check in record["checks"]}) == summary["checked"]
    said = f"stopped after {summary['checked']} of {summary['planned']} checks"
    for name in ("report.md", "index.html"):
        assert said in (folder / name).read_text()
    return said


def test_a_killed_check_leaves_a_report_and_the_next_run_is_none_the_worse(
    pytorch: str, tmp_path: Path, capsys: Any
) -> None:
    folder = tmp_path / "report"
    (tmp_path / "hangs.py").write_text(hangs(real=True) + CHECK)
    err = killed(["hangs.py", "check", *SELECTED, "--jobs=1", "--output=report"], folder, BEFORE_IT_HANGS)
    assert err == ""
    assert verdict_of(folder) == f"stopped after {BEFORE_IT_HANGS} of {PLANNED} checks"
    (folder / ".report.md.unfinished").write_text("half of")
    assert main(["check", *SELECTED, "--jobs=1", "--output", str(folder)]) == 0
    assert json.loads((folder / "report.json").read_text())["summary"]["checked"] == PLANNED
    assert {file.name for file in folder.iterdir()} == {"report.json", "report.md", "index.html"}


def test_workers_in_the_middle_of_a_task_end_with_their_parent(tmp_path: Path) -> None:
    folder = tmp_path / "report"
    (tmp_path / "hangs.py").write_text(hangs() + CHECK)
    err = killed(["hangs.py", "check", *SELECTED, "--jobs=2", "--output=report"], folder, 2 * BEFORE_IT_HANGS)
    assert err == ""
    assert verdict_of(folder) == f"stopped after {2 * BEFORE_IT_HANGS} of {PLANNED} checks"


def test_what_came_after_the_last_report_is_not_lost(tmp_path: Path, capsys: Any) -> None:
    folder = tmp_path / "report"
    (tmp_path / "hangs.py").write_text(hangs(rare=True) + CHECK)
    killed(["hangs.py", "check", *SELECTED, "--jobs=1", "--output=report"], folder, BEFORE_IT_HANGS, reported=0)
    assert verdict_of(folder) == f"stopped after 0 of {PLANNED} checks"
    with (folder / JOURNAL).open("a") as journal:
        journal.write('{"task":"cut in the mid')  # as if killed while it wrote
    for _ in range(2):  # from the journal, and then from the report that was made of it
        assert main(["report", str(folder)]) == 1
        assert verdict_of(folder) == f"stopped after {BEFORE_IT_HANGS} of {PLANNED} checks"
        assert not (folder / JOURNAL).exists()


def test_a_run_that_begins_takes_an_earlier_report_away(tmp_path: Path) -> None:
    """It could be taken for its own, if it dies at once."""
    earlier = Keeper(tmp_path, seed=0, planned=1)
    earlier.begin()
    result = Check("rnn.lstm", "pytorch", "packed", "float32", "repeatable").result("eager", "one_layer/ragged", PASSED)
    earlier.keep("a check", plain([result]), {})
    (tmp_path / "divergences.html").write_text("of an earlier run")
    Keeper(tmp_path, seed=0, planned=3).begin()
    assert verdict_of(tmp_path) == "stopped after 0 of 3 checks"
    assert {file.name for file in tmp_path.iterdir()} == {"report.json", "report.md", "index.html", JOURNAL}
    assert main(["report", str(tmp_path)]) == 1
    assert verdict_of(tmp_path) == "stopped after 0 of 3 checks"


def test_mutants_that_are_added_to_a_killed_run_leave_it_whole(tmp_path: Path) -> None:
    killed_run = Keeper(tmp_path, seed=0, planned=3)
    killed_run.begin()
    check = Check("rnn.lstm", "pytorch", "packed", "float32", "repeatable")
    killed_run.keep("a check", plain([check.result("eager", "one_layer/ragged", PASSED)]), {})
    report.add(tmp_path, {"mutants": []}, {}, seed=0)
    assert verdict_of(tmp_path) == "stopped after 1 of 3 checks"


@pytest.mark.parametrize("option", ["--parity-jobs=1", "--numprocesses=1"])
def test_killed_tests_leave_a_report(option: str, tmp_path: Path) -> None:
    if option == "--numprocesses=1":
        pytest.importorskip("xdist")
    (tmp_path / "conftest.py").write_text(hangs())
    (tmp_path / "test_all.py").write_text(TESTS)
    folder = tmp_path / "parity-report"
    err = killed(["-m", "pytest", "-k", MATCHING, option], folder, BEFORE_IT_HANGS)
    assert "Traceback" not in err
    assert verdict_of(folder) == f"stopped after {BEFORE_IT_HANGS} of {PLANNED} checks"


@needs_torch
def test_verdicts_that_no_test_has_asked_for_yet_are_kept(tmp_path: Path, capsys: Any) -> None:
    """Worker processes are ahead of the tests."""
    (tmp_path / "test_all.py").write_text("import time\ndef test_first(parity_results): time.sleep(600)")
    folder = tmp_path / "parity-report"
    assert killed(["-m", "pytest", "-k", MATCHING, "--parity-jobs=2"], folder, PLANNED, reported=0) == ""
    assert verdict_of(folder).endswith(f"of {PLANNED} checks")
    assert main(["report", str(folder)]) == 0
    assert json.loads((folder / "report.json").read_text())["summary"]["checked"] == PLANNED


def test_no_journal_is_named(tmp_path: Path, capsys: Any) -> None:
    for text in ("", "{", "[]\n", '{"seed": 0}\n', '{"seed": 0, "planned": 1}\n{"task": "x"}\n'):
        (tmp_path / JOURNAL).write_text(text)
        assert main(["report", str(tmp_path)]) == 2
        assert "the journal of a parity run" in capsys.readouterr().err
