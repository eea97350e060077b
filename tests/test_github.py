"""What GitHub Actions is told of a report: a summary, and annotations that no text can end, add to or multiply."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from parity import report
from parity.__main__ import main
from parity.checks.check import Check, plan
from parity.checks.result import FAILED, PASSED
from parity.report import github
from parity.report.markdown import BUDGET, markdown
from parity.report.truncation import size
from parity.report.view import view
from tests.test_hostile import HOSTILE
from tests.test_hostile import record_of as hostile

COMMAND = re.compile(r"::error title=(?P<title>[^:,\r\n]*)::(?P<message>[^\r\n]*)")
MEASURED = {"limit": 64.0, "norm_limit": 16.0, "norm_score": 1.0, "compared": 9, "quantity": "y"}


def result(check: Check, status: str, score: float = 1.0, reason: str = "") -> dict[str, Any]:
    measured = MEASURED | {"score": score, "max_abs_error": score}
    return check.result("eager", "one_layer/ragged", status, reason=reason, **measured).as_dict()


def record_of(failures: int) -> dict[str, Any]:
    """A record of so many failures, each worse than the one before it, and one check that holds."""
    *checks, last = plan(contracts=["matches_reference"], dtypes=["float32"])[: failures + 1]
    found = [result(check, FAILED, 100.0 + at, f"number {at}") for at, check in enumerate(checks)]
    count = failures + 1
    return report.record([*found, result(last, PASSED)], {}, seed=0, seconds=1.0, planned=count, checked=count)


def said_of(record: dict[str, Any]) -> list[re.Match[str]]:
    """The annotations, each of which must be a command and nothing else."""
    commands = [COMMAND.fullmatch(line) for line in github.commands(view(record))]
    assert None not in commands
    return [command for command in commands if command]


@pytest.fixture
def summary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """As in a step of a job."""
    file = tmp_path / "summary.md"
    monkeypatch.setenv(github.SUMMARY, str(file))
    monkeypatch.setenv(github.ACTIONS, "true")
    return file


@pytest.mark.parametrize(("failures", "lines", "more"), [(0, 0, 0), (1, 1, 0), (10, 10, 0), (11, 10, 2), (100, 10, 91)])
def test_the_worst_ten_are_annotated_and_the_last_counts_the_others(failures: int, lines: int, more: int) -> None:
    said = said_of(record_of(failures))
    named = [int(number) for one in said for number in re.findall(r"breaks \w+: number (\d+)", one["message"])]
    assert len(said) == lines
    assert named == list(range(failures - 1, -1, -1))[: lines - (more > 0)]
    assert [one["title"] for one in said if "more failures" in one["title"]] == [f"{more} more failures"][: more > 0]


def test_an_annotation_has_the_sentence_and_the_command() -> None:
    (said,) = said_of(record_of(1))
    assert said["title"] == "masking.sequence_mask pytorch.arange breaks matches_reference"
    first, again = said["message"].split("%0A")
    assert first.startswith("y of pytorch.arange in masking.sequence_mask (one_layer/ragged, float32, eager) breaks")
    assert again.startswith(
        "again: parity check --operation masking.sequence_mask --framework pytorch --variant arange"
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_ends_a_command(name: str) -> None:
    """A failure, a stale divergence, a mutant that survived and a false alarm: four lines, whatever they say."""
    said = said_of(hostile(HOSTILE[name]))
    assert len(said) == 4
    assert all(unquote(one[0]).replace("\n", "").isprintable() for one in said)


def test_what_must_be_escaped_is() -> None:
    record = record_of(1)
    record["checks"][0] |= {"variant": "100 %, a: b\r\n::error::", "reason": "50 %\r\n::error::other"}
    (said,) = said_of(record)
    assert "100 %25%2C a%3A b\\r %3A%3Aerror%3A%3A" in said["title"]
    assert "50 %25\\r ::error::other" in said["message"]


def test_a_run_that_compared_nothing_is_annotated_too() -> None:
    (said,) = said_of(report.record([], {}, seed=0, seconds=0.0, planned=3, checked=0))
    assert said["message"].startswith("stopped after 0 of 3 checks")


def test_a_summary_is_added_to_what_is_there_and_is_the_markdown(
    summary: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary.write_text("of an earlier command\n", encoding="utf-8")
    report.write(record_of(1), tmp_path / "report")
    assert main(["report", str(tmp_path / "report")]) == 1
    text = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert summary.read_text(encoding="utf-8") == f"of an earlier command\n{text}"
    assert text == markdown(view(record_of(1)))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("report: ")
    assert lines[1] == (tmp_path / "report" / "index.html").as_uri()
    assert [COMMAND.fullmatch(line) is not None for line in lines[2:]] == [True]


def test_outside_of_a_job_nothing_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report.write(record_of(1), tmp_path)
    assert main(["report", str(tmp_path)]) == 1
    assert "::error" not in capsys.readouterr().out


@pytest.mark.parametrize("place", ["folder", "missing/summary.md", "nul \0"])
def test_a_summary_that_cannot_be_written_is_a_warning_and_the_report_is_there(
    place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    environ = {github.SUMMARY: str(tmp_path / place)}  # no system has an environment with NUL; a stand-in may
    monkeypatch.setattr(github.os, "environ", environ)
    report.write(record_of(0), tmp_path / "report")
    (tmp_path / "report" / "report.md").unlink()
    assert main(["report", str(tmp_path / "report")]) == 0
    assert (tmp_path / "report" / "report.md").exists()
    said = capsys.readouterr().err
    assert said.startswith("parity: the summary of the job could not be written to ")
    assert said.count("\n") == 1


QUICK = ["--operation", "bidirectional.reverse_sequence", "--dtype", "float32"]


def test_a_check_a_mutant_and_a_sweep_each_add_their_report(
    pytorch: str, summary: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = ["--jobs", "1", "--output", str(tmp_path / "report")]
    check = ["check", *QUICK, "--framework", "pytorch", "--contract", "repeatable", *there]
    assert main(check) == 0
    assert main(["sweep", "--seeds", "1", *QUICK, *there]) == 0
    assert main(["mutants", "bidirectional.flipped_with_the_padding", *there]) == 0
    text = summary.read_text(encoding="utf-8")
    assert text.count("# Padding parity\n") == 3
    assert [text.count(part) for part in ("## Random cases", "## Mutants")] == [2, 1]
    assert "::error" not in capsys.readouterr().out


def test_the_summary_of_a_large_failure_stays_small(summary: Path) -> None:
    github.tell(record_of(180), print, print)
    assert 0 < size(summary.read_text(encoding="utf-8")) <= BUDGET
