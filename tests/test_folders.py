"""Write into folders from elsewhere: nothing is written through a link, and nothing of others is replaced."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from parity import files, report
from parity.__main__ import main
from parity.checks.check import Check
from parity.errors import InputError, NotWritten
from parity.report.journal import NAME, Journal, entry
from tests.factories import report_of, result

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links and FIFOs are made as on POSIX")

CHECK = ["check", "--operation", "bidirectional.reverse_sequence", "--framework", "pytorch", "--dtype", "float32"]
CHECK += ["--contract", "repeatable", "--jobs", "1", "--output"]
WRITTEN = ("report.json", "report.md", "index.html", NAME)
TEMPORARY = tuple(f".{name}.unfinished" for name in WRITTEN)
OUTSIDE = "what belongs to somebody else"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let checks pass without a framework."""
    passed = lambda check: [replace(check.result("eager", "features/ragged", "passed"), compared=1)]  # noqa: E731
    monkeypatch.setattr(Check, "run", passed)
    monkeypatch.setattr("parity.frameworks.missing", lambda _: "")


@contextmanager
def untouched(folder: Path) -> Iterator[Path]:
    """Make a file outside of the folder, and check that it stays as it is."""
    outside = folder / "thesis.tex"
    outside.write_text(OUTSIDE)
    before = outside.stat()
    yield outside
    after = outside.stat()
    assert outside.read_text() == OUTSIDE
    assert (after.st_ino, after.st_mtime_ns, after.st_mode) == (before.st_ino, before.st_mtime_ns, before.st_mode)


def begun(folder: Path) -> None:
    """Make a folder look like that of an earlier report, whatever else is put there."""
    report.write(report_of(planned=0, checked=0), folder)


ATTACKS: dict[str, Callable[[Path, Path], Any]] = {
    "a link": lambda file, outside: file.symlink_to(outside),
    "a relative link": lambda file, outside: file.symlink_to(Path("..") / outside.name),
    "a hard link": lambda file, outside: file.hardlink_to(outside),
    "a link to nothing": lambda file, outside: file.symlink_to(outside.with_name("not there")),
    "a link to itself": lambda file, outside: file.symlink_to(file),
    "a FIFO": lambda file, _: os.mkfifo(file),
}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("name", [*WRITTEN, *TEMPORARY])
def test_nothing_is_written_through_what_is_there(
    name: str, attack: str, tmp_path: Path, quick: None, capsys: Any
) -> None:
    folder = tmp_path / "report"
    begun(folder)
    (folder / name).unlink(missing_ok=True)
    with untouched(tmp_path) as outside:
        ATTACKS[attack](folder / name, outside)
        status = main([*CHECK, str(folder)])
        assert status in (0, 2)
        assert "Traceback" not in capsys.readouterr().err
        assert not (tmp_path / "not there").exists()
        if status == 0:
            assert report.read(folder).summary.checked == 1
            assert all(stat.S_ISREG((folder / written).lstat().st_mode) for written in WRITTEN[:3])
            assert not os.path.lexists(folder / NAME)


@pytest.mark.parametrize("attack", ["a link", "a link to nothing", "a FIFO"])
def test_a_link_that_is_made_during_the_run_is_not_followed(attack: str, tmp_path: Path) -> None:
    folder, warnings = tmp_path / "report", list[str]()
    journal = Journal(folder, seed=0, planned=2, warn=warnings.append)
    journal.begin()
    with untouched(tmp_path) as outside:
        (folder / NAME).unlink()
        ATTACKS[attack](folder / NAME, outside)
        journal.keep(entry("first", [result()], {}))
        assert len(warnings) == 1
        journal.end(journal.report())
        assert report.read(folder).summary.checked == 1
        assert not (tmp_path / "not there").exists()


@pytest.mark.parametrize("command", ["check", "report", "mutants", "sweep"])
def test_a_folder_that_is_a_link_is_named(command: str, tmp_path: Path, quick: None, capsys: Any) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "parity-report").symlink_to("elsewhere")
    begun(tmp_path / "earlier")
    folder = str(tmp_path / "parity-report")
    commands = {"report": ["report", str(tmp_path / "earlier")], "mutants": ["mutants", "rnn"], "sweep": ["sweep"]}
    arguments = [*commands[command], "--output", folder] if command in commands else [*CHECK, folder]
    assert main(arguments) == 2
    assert f"output: got {folder!r}, a symbolic link, expected a folder" in capsys.readouterr().err
    assert not list((tmp_path / "elsewhere").iterdir())


FOREIGN = {
    "a page": {"index.html": "<h1>My project</h1>"},
    "a page and another report.json": {"index.html": "<h1>My project</h1>", "report.json": '{"sales": [1, 2]}'},
    "a report.md": {"report.md": "# The annual report"},
    "an empty report.json": {"report.json": ""},
    "a report.json of another tool with a schema": {"report.json": '{"schema": "mytool/3", "environment": {}}'},
    "a page and a report.json of such a tool": {"index.html": "<h1>Mine</h1>", "report.json": '{"schema": 1}'},
    "a file with the name of the journal": {NAME: '{"mine": 1}\n{"mine": 2}\n'},
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_files_of_others_are_not_replaced(kind: str, tmp_path: Path, quick: None, capsys: Any) -> None:
    for name, text in FOREIGN[kind].items():
        (tmp_path / name).write_text(text)
    assert main([*CHECK, str(tmp_path)]) == 2
    assert "which is not of a parity report, expected a new folder" in capsys.readouterr().err
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == FOREIGN[kind]


@pytest.mark.parametrize("name", WRITTEN)
def test_a_folder_in_the_place_of_a_file_is_named_before_the_report_is_replaced(
    name: str, tmp_path: Path, quick: None, capsys: Any
) -> None:
    begun(tmp_path)
    (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / name).mkdir()
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()}
    assert main([*CHECK, str(tmp_path)]) == 2
    assert f"{name} is a folder" in capsys.readouterr().err
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()} == before


def test_only_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    begun(tmp_path)
    others = ["notes.txt", ".report.json.unfinished", ".report.json.0.unfinished", f".notes.{'0' * 16}.unfinished"]
    for name in others:
        (tmp_path / name).write_text(OUTSIDE)
    files.temporary_name(tmp_path / "report.json").write_text("half of")
    files.temporary_name(tmp_path / NAME).symlink_to(tmp_path / "notes.txt")
    with report.claim(tmp_path):
        assert {file.name for file in tmp_path.iterdir()} == {*others, *WRITTEN[:3]}


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="the system has no such device")
@pytest.mark.parametrize("name", ["report.json", NAME])
def test_a_file_without_end_is_not_read(name: str, tmp_path: Path) -> None:
    (tmp_path / name).symlink_to("/dev/zero")
    with pytest.raises(InputError, match=r"^report: got .* \(.*not a regular file"):
        report.read(tmp_path)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parity.report.journal.MOST", 1000)
    (tmp_path / "report.json").write_bytes(b" " * 1001)
    with pytest.raises(InputError, match="more than 1000 bytes"):
        report.read(tmp_path)


KINDS = ["nothing", "a file", "a folder", *ATTACKS]
CONTENT = st.dictionaries(st.sampled_from([*WRITTEN, *TEMPORARY]), st.sampled_from(KINDS))


@given(CONTENT, st.sampled_from(["claim", "write", "read", "journal"]))
def test_whatever_is_in_a_folder_nothing_outside_changes(content: dict[str, str], action: str) -> None:
    with TemporaryDirectory() as made, untouched(Path(made)) as outside:
        folder = Path(made) / "report"
        begun(folder)
        for name, kind in content.items():
            put(folder / name, kind, outside)
        with suppress(InputError, NotWritten):
            act(action, folder)
        assert {file.name for file in Path(made).iterdir()} == {"report", "thesis.tex"}


def put(file: Path, kind: str, outside: Path) -> None:
    file.unlink(missing_ok=True)
    if kind == "a file":
        file.write_text(OUTSIDE)
    elif kind == "a folder":
        file.mkdir()
    elif kind in ATTACKS:
        ATTACKS[kind](file, outside)


def act(action: str, folder: Path) -> None:
    """Do to a folder what commands do."""
    if action == "read":
        report.read(folder)
    elif action == "write":
        report.write(report_of(result(), planned=1, checked=1), folder)
    elif action == "claim":
        report.claim(folder).release()
    else:
        journal = Journal(folder, seed=0, planned=1, warn=lambda _: None)
        journal.begin()
        journal.keep(entry("a task", [result()], {}))
        journal.end(journal.report())
