"""Choose where the results of a command go, and how much of them is printed."""

from __future__ import annotations

import io
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from rich.console import Console
from rich.progress import Progress

from parity.__main__ import main
from parity.caching import clear_caches
from parity.cli import terminal
from parity.cli.parser import COMMANDS, EXAMPLES, command_parser
from parity.report import Report, read

ONE = ("check", "bidirectional.reverse_sequence", "--framework", "pytorch", "--dtype", "float32", "--jobs", "1")
KEPT = ("--contract", "matches_reference")

pytestmark = pytest.mark.usefixtures("pytorch")


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def flipped(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a variant read its padding, so that checks fail."""
    from parity.pytorch import bidirectional

    clear_caches()
    monkeypatch.setattr(bidirectional, "reverse_sequence", lambda x, lengths, variant: {"y": x.flip(1)})
    yield
    clear_caches()


def test_a_part_of_the_checks_leaves_the_whole_report_alone() -> None:
    assert main([*ONE, *KEPT]) == 0
    assert [path.name for path in Path.cwd().iterdir()] == ["parity-selection"]


def test_a_folder_that_is_named_gets_the_report_of_any_part() -> None:
    assert main([*ONE, *KEPT, "--output", "parity-report"]) == 0
    assert [path.name for path in Path.cwd().iterdir()] == ["parity-report"]


def test_names_and_options_select_together() -> None:
    assert main([*ONE, "--operation", "masking.sequence_mask", "--contract", "repeatable"]) == 0
    operations = {result.operation for result in read("parity-selection").results}
    assert operations == {"bidirectional.reverse_sequence", "masking.sequence_mask"}


def test_quietly_the_verdict_is_printed_and_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ONE, *KEPT, "-q"]) == 0
    verdict, files, address = capsys.readouterr().out.splitlines()
    assert "agree" in verdict
    assert (files[:7], address[:7]) == ("report:", "file://")


def test_quietly_failures_are_printed_all_the_same(flipped: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ONE, *KEPT, "-q"]) == 1
    assert "reproduce: parity check" in capsys.readouterr().out


def test_the_first_failure_is_the_last_check(flipped: None) -> None:
    assert main([*ONE, "-x"]) == 1
    summary = read("parity-selection").summary
    assert summary.checked < summary.planned
    assert not summary.interrupted


def test_a_report_on_stdout_is_json_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ONE, *KEPT, "--json", "-"]) == 0
    printed = msgspec.json.decode(capsys.readouterr().out, type=Report)
    assert printed == read("parity-selection")


def test_a_report_in_a_file_is_that_of_the_folder() -> None:
    assert main([*ONE, *KEPT, "--json", "kept.json"]) == 0
    assert Path("kept.json").read_bytes() == Path("parity-selection/report.json").read_bytes()


def test_a_file_that_cannot_be_written_is_named_before_the_checks_run(capsys: pytest.CaptureFixture[str]) -> None:
    Path("file").touch()
    assert main([*ONE, *KEPT, "--json", "file/kept.json"]) == 2
    assert capsys.readouterr().err.startswith("parity: error: json: got 'file', expected a folder")
    assert not Path("parity-selection").exists()


def test_the_page_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    assert main([*ONE, *KEPT, "--open"]) == 0
    assert opened == [Path("parity-selection/index.html").absolute().as_uri()]


def test_no_command_prints_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    printed = capsys.readouterr().out
    assert all(f"\n    {name}" in printed for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_an_example_that_the_command_takes(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    printed = capsys.readouterr().out
    for example in EXAMPLES[command]:
        assert f"  {example}\n" in printed
        _, *arguments = example.partition(" > ")[0].split()
        command_parser(command).parse_args(arguments)


@pytest.mark.parametrize(("cost", "line"), [(120.0, "3 checks in 1 worker: about 6 minutes\n"), (1.0, "")])
def test_a_long_run_is_announced(cost: float, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    runner: Any = SimpleNamespace(tasks=[SimpleNamespace(cost=cost)] * 3, jobs=1)
    terminal.announce_estimate(runner)
    assert capsys.readouterr().err == line


def test_progress_fits_a_line_of_80_columns() -> None:
    screen = Console(file=io.StringIO(), width=80, force_terminal=True)
    with Progress(*terminal._columns(), console=screen, expand=True) as bars:
        bars.add_task("bidirectional.merged-tensorflow.dynamic_rnn-float32-ignores_extra_padding", total=5000)
        lines = screen.render_lines(bars.get_renderable())
    text = "".join(segment.text for segment in lines[0])
    assert len(lines) == 1
    assert "0/5000" in text
    assert "bidirectional.merged-tensorflow" in text


@pytest.mark.parametrize("width", [60, 200])
def test_a_file_is_as_wide_as_columns_says(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert terminal.console().width == width
