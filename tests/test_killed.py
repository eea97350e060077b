"""Kill runs with ``kill -9``: a report of the finished checks stays, and no process and no noise."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity import report
from parity.__main__ import main
from parity.checks.result import FAILED, PASSED, Result
from parity.errors import InputError
from parity.files import temporary_name
from parity.report import journal
from parity.report.journal import NAME, Journal, Line, entry
from parity.report.model import decode, encode_part
from tests.factories import mutant, report_of, result

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
    deadline = time.monotonic() + 600  # worker processes yield to whatever else runs on this machine
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
    temporary_name(folder / "report.md").write_text("half of")
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
    written = (folder / NAME).read_bytes()
    for _ in range(2):  # from the journal, and then from the report that was made of it
        assert main(["report", str(folder)]) == 1
        assert verdict_of(folder) == f"stopped after {BEFORE_IT_HANGS} of {PLANNED} checks"
        assert (folder / NAME).read_bytes() == written, "only the run that made it may remove it"


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


def test_a_report_that_is_written_over_a_killed_run_is_the_one_that_is_read(tmp_path: Path) -> None:
    """It has fewer results than the journal, which is still there."""
    begin(tmp_path, *[result(FAILED)] * 5, planned=9)
    written = report_of(result(PASSED), planned=1, checked=1)
    report.write(written, tmp_path)
    assert (tmp_path / NAME).exists()
    assert report.read(tmp_path) == written


def test_a_run_that_is_killed_as_it_begins_has_no_results_of_an_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(tmp_path, result(PASSED), planned=1)
    monkeypatch.setattr(journal, "replace_files", lambda *_: pytest.fail("killed"))
    with pytest.raises(pytest.fail.Exception, match="killed"):
        Journal(tmp_path, seed=7, planned=3).begin()
    read = report.read(tmp_path)
    assert (read.environment.seed, read.summary.planned, read.results) == (7, 3, ())


def test_a_finished_report_does_not_name_its_run(tmp_path: Path) -> None:
    run = Journal(tmp_path, seed=0, planned=1)
    run.begin()
    assert decode((tmp_path / "report.json").read_bytes()).environment.run
    run.end(run.report())
    assert not decode((tmp_path / "report.json").read_bytes()).environment.run


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
    folder = tmp_path / "parity-pytest"
    err = kill(["-m", "pytest", "-k", MATCHING, option], folder, BEFORE_IT_HANGS)
    assert "Traceback" not in err
    assert verdict_of(folder) == f"stopped after {BEFORE_IT_HANGS} of {PLANNED} checks"


@needs_torch
def test_results_that_no_test_has_asked_for_yet_are_kept(tmp_path: Path, capsys: Any) -> None:
    """Worker processes are ahead of the tests."""
    (tmp_path / "test_all.py").write_text("import time\ndef test_first(parity_results): time.sleep(600)")
    folder = tmp_path / "parity-pytest"
    assert kill(["-m", "pytest", "-k", MATCHING, "--parity-jobs=2"], folder, PLANNED, reported=0) == ""
    assert verdict_of(folder).endswith(f"of {PLANNED} checks")
    assert main(["report", str(folder)]) == 0
    assert checked(folder) == PLANNED


NO_JOURNAL = ["", "{", "[]\n", '{"seed": 0}\n', "\0" * 4096, '{"seed": 0, "planned": 1, "entry": {}}\n', "[" * 10_000]


@pytest.mark.parametrize("text", NO_JOURNAL, ids=range(len(NO_JOURNAL)))
def test_a_file_that_is_no_journal_is_named(text: str, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / NAME).write_text(text)
    assert main(["report", str(tmp_path)]) == 2
    assert "the journal of a parity run" in capsys.readouterr().err


def test_a_broken_journal_does_not_hide_the_report_beside_it(tmp_path: Path) -> None:
    report.write(report_of(result(PASSED), planned=1, checked=1), tmp_path)
    (tmp_path / NAME).write_bytes(b"\0" * 4096)
    assert report.read(tmp_path).summary.checked == 1


def lines_of_a_journal(tasks: int) -> list[bytes]:
    made = [entry(f"task {task}", [result(PASSED, variant=f"v{task}")], {}) for task in range(tasks)]
    return [encode_part(Line(seed=3, planned=9, entry=one)) for one in (None, *made)]


DAMAGES = {
    "bytes of 0": lambda line: b"\0" * len(line),
    "cut off": lambda line: line[: len(line) // 2],
    "another encoding": lambda line: b"\xff\xfe" + line,
    "empty": lambda line: b"",
    "in half by an end of line": lambda line: line[:40] + b"\n" + line[40:],
    "not closed": lambda line: b"[" * 100_000,
    "of another type": lambda line: line.replace(b'"seconds"', b'"minutes"').replace(b'"task":', b'"task":7,"x":'),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("at", range(4))
def test_a_bad_line_costs_that_line(damage: str, at: int, tmp_path: Path) -> None:
    lines = lines_of_a_journal(3)
    lines[at] = DAMAGES[damage](lines[at])
    (tmp_path / NAME).write_bytes(b"\n".join(lines) + b"\n")
    found = report.read(tmp_path)
    assert {one.variant for one in found.results} == {f"v{task}" for task in range(3) if task + 1 != at}
    assert (found.environment.seed, found.summary.planned) == (3, 9)


@given(st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=3)), max_size=5))
def test_no_damage_costs_more_than_the_lines_that_it_is_in(edits: list[tuple[int, bytes]]) -> None:
    whole = b"\n".join(lines_of_a_journal(3)) + b"\n"
    damaged = whole
    for place, inserted in edits:
        damaged = damaged[:place] + inserted + damaged[place + len(inserted) :]
    kept = set(whole.split(b"\n")) & set(damaged.split(b"\n")) - {b"", whole.split(b"\n")[0]}
    with TemporaryDirectory() as folder:
        (Path(folder) / NAME).write_bytes(damaged)
        if kept:
            found = report.read(folder)
            assert len(found.results) >= len(kept)
            report.write(found, Path(folder) / "views")
        else:
            with suppress(InputError):
                report.read(folder)


def test_parity_report_beside_a_run_leaves_its_journal_alone(tmp_path: Path, capsys: Any) -> None:
    with report.claim(tmp_path):
        begin(tmp_path, result(PASSED), planned=3)
        before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
        assert main(["report", str(tmp_path)]) == 1
        assert "stopped after 1 of 3 checks" in capsys.readouterr().out
        assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
        assert main(["report", str(tmp_path), "--output", str(tmp_path / "views")]) == 1
        assert verdict_of(tmp_path / "views") == "stopped after 1 of 3 checks"


SECOND = {
    "check": ["check", *SELECTED, "--jobs=1"],
    "mutants": ["mutants", "bidirectional"],
    "sweep": ["sweep", "--operation", "bidirectional"],
    "report": ["report", "../another"],
}


@pytest.mark.parametrize("command", SECOND)
def test_a_second_run_into_a_folder_is_refused(
    command: str, tmp_path: Path, capsys: Any, without_frameworks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "report"
    report.write(report_of(planned=0, checked=0), tmp_path / "another")
    monkeypatch.setattr("parity.frameworks.missing", lambda _: "")
    with report.claim(folder):
        begin(folder, result(PASSED), planned=3)
        monkeypatch.chdir(folder)
        assert main([*SECOND[command], "--output", str(folder)]) == 2
        expected = f"parity: error: output: got {str(folder)!r}, to which a run is writing, expected another folder"
        assert capsys.readouterr().err.startswith(expected)
        assert report.read(folder).summary.checked == 1
    with report.claim(folder):  # it ends with the run
        pass


@needs_torch
def test_a_second_session_of_pytest_into_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "test_all.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-k", MATCHING, "--parity-jobs=1"]
    with report.claim(tmp_path / "parity-pytest"):
        process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert process.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--parity-report: got 'parity-pytest', to which a run is writing" in process.stderr


def test_a_killed_run_gives_its_folder_free(tmp_path: Path) -> None:
    claims = "import os, sys; from parity import report; claimed = report.claim(sys.argv[1]); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", claims, str(tmp_path)], check=False)
    with report.claim(tmp_path):
        pass


def test_what_was_added_to_the_report_of_a_killed_run_stays(tmp_path: Path) -> None:
    """Read the report and not the journal, which has less now."""
    begin(tmp_path, result(PASSED), planned=3)
    report.add_to_report(tmp_path, report_of(planned=0, checked=0), mutants=[mutant()])
    for _ in range(2):
        again = report.read(tmp_path)
        assert (len(again.mutants), again.summary.checked) == (1, 1)
        report.write(again, tmp_path)
