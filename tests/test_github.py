"""Test what GitHub Actions shows of a report: a summary, and annotations that no text can end, extend or multiply."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from msgspec.structs import replace

from parity import report
from parity.__main__ import main
from parity.checks.result import FAILED
from parity.checks.selection import plan
from parity.report import Report, github
from parity.report.markdown import LIMIT, render_markdown
from parity.report.markdown_text import size
from parity.report.view import arrange
from tests.factories import HOSTILE, hostile_report, report_of, result

COMMAND = re.compile(r"::error title=(?P<title>[^:,\r\n]*)::(?P<message>[^\r\n]*)")


def failing(failures: int) -> Report:
    """Build a report of failures, each worse than the one before it, and one check that passes."""
    *checks, last = plan(contracts=["matches_reference"], dtypes=["float32"])[: failures + 1]
    results = [
        result(FAILED, check, score=100.0 + index, problem="other", detail=f"number {index}")
        for index, check in enumerate(checks)
    ]
    return report_of(*results, result(check=last), planned=failures + 1, checked=failures + 1)


def annotations_of(made: Report) -> list[re.Match[str]]:
    """Return the annotations, each of which must be a command and nothing else."""
    commands = [COMMAND.fullmatch(line) for line in github.workflow_commands(arrange(made))]
    assert None not in commands
    return [command for command in commands if command]


@pytest.fixture
def summary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Set the environment of a step of a job; return the file of its summary."""
    file = tmp_path / "summary.md"
    monkeypatch.setenv(github.SUMMARY, str(file))
    monkeypatch.setenv(github.ACTIONS, "true")
    return file


@pytest.mark.parametrize(("failures", "lines", "more"), [(0, 0, 0), (1, 1, 0), (10, 10, 0), (11, 10, 2), (100, 10, 91)])
def test_the_worst_ten_are_annotated_and_the_last_counts_the_others(failures: int, lines: int, more: int) -> None:
    annotations = annotations_of(failing(failures))
    messages = [annotation["message"] for annotation in annotations]
    numbers = [int(number) for message in messages for number in re.findall(r"breaks \w+: number (\d+)", message)]
    assert len(annotations) == lines
    assert numbers == list(range(failures - 1, -1, -1))[: lines - (more > 0)]
    titles = [annotation["title"] for annotation in annotations if "more failures" in annotation["title"]]
    assert titles == [f"{more} more failures"][: more > 0]


def test_an_annotation_has_the_sentence_and_the_command() -> None:
    (annotation,) = annotations_of(failing(1))
    assert annotation["title"] == "masking.sequence_mask pytorch.arange breaks matches_reference"
    first, command = annotation["message"].split("%0A")
    assert first.startswith("y of pytorch.arange in masking.sequence_mask (one_layer/ragged, float32, eager) breaks")
    assert command.startswith(
        "reproduce: parity check --operation masking.sequence_mask --framework pytorch --variant arange"
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_ends_a_command(name: str) -> None:
    """Check six lines: two own contracts, a failure, a stale divergence, a mutant that survived and a false alarm."""
    annotations = annotations_of(hostile_report(HOSTILE[name]))
    assert len(annotations) == 6
    assert all(unquote(annotation[0]).replace("\n", "").isprintable() for annotation in annotations)


def test_special_characters_are_escaped() -> None:
    made = failing(1)
    failed = replace(made.results[0], variant="100 %, a: b\r\n::error::", detail="50 %\r\n::error::other")
    (annotation,) = annotations_of(replace(made, results=(failed, *made.results[1:])))
    assert "100 %25%2C a%3A b\\r %3A%3Aerror%3A%3A" in annotation["title"]
    assert "50 %25\\r ::error::other" in annotation["message"]


def test_a_run_that_compared_nothing_is_annotated_too() -> None:
    (annotation,) = annotations_of(report_of(planned=3, checked=0))
    assert annotation["message"].startswith("stopped after 0 of 3 checks")


def test_the_markdown_is_added_to_an_earlier_summary(
    summary: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary.write_text("of an earlier command\n", encoding="utf-8")
    report.write(failing(1), tmp_path / "report")
    assert main(["report", str(tmp_path / "report")]) == 1
    text = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert summary.read_text(encoding="utf-8") == f"of an earlier command\n{text}"
    assert text == render_markdown(arrange(failing(1)))
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("report: ")
    assert lines[2] == (tmp_path / "report" / "index.html").as_uri()
    assert [COMMAND.fullmatch(line) is not None for line in lines[3:]] == [True]


def test_nothing_is_annotated_outside_of_a_job(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report.write(failing(1), tmp_path)
    assert main(["report", str(tmp_path)]) == 1
    assert "::error" not in capsys.readouterr().out


@pytest.mark.parametrize("path", ["folder", "missing/summary.md", "nul \0", "fifo", "link"])
def test_a_summary_that_cannot_be_written_is_a_warning_and_the_report_is_written(
    path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Try a FIFO too, for whose reader an ordinary write would wait without end."""
    if path == "fifo":
        pytest.importorskip("fcntl", reason="only POSIX has them")
        os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("elsewhere")
    environ = {github.SUMMARY: str(tmp_path / path)}  # a real environment cannot contain NUL; this stand-in can
    monkeypatch.setattr(github.os, "environ", environ)
    report.write(failing(0), tmp_path / "report")
    (tmp_path / "report" / "report.md").unlink()
    assert main(["report", str(tmp_path / "report")]) == 0
    assert (tmp_path / "report" / "report.md").exists()
    warning = capsys.readouterr().err
    assert warning.startswith("parity: the summary of the job could not be written to ")
    assert warning.count("\n") == 1
    assert not (tmp_path / "elsewhere").exists()


QUICK = ["--operation", "bidirectional.reverse_sequence", "--dtype", "float32"]


def test_a_check_a_mutant_and_a_sweep_each_add_their_report(
    pytorch: str, summary: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = ["--jobs", "1", "--output", str(tmp_path / "report")]
    check = ["check", *QUICK, "--framework", "pytorch", "--contract", "repeatable", *output]
    assert main(check) == 0
    assert main(["sweep", "--seeds", "1", *QUICK, *output]) == 0
    assert main(["mutants", "bidirectional.flipped_with_the_padding", *output]) == 0
    text = summary.read_text(encoding="utf-8")
    assert text.count("# Padding parity\n") == 3
    assert [text.count(part) for part in ("## Random cases", "## Mutants")] == [2, 1]
    assert "::error" not in capsys.readouterr().out


def test_the_summary_of_a_large_failure_stays_small(summary: Path) -> None:
    github.publish(failing(180), print, print)
    assert 0 < size(summary.read_text(encoding="utf-8")) <= LIMIT
