"""Corrupt reports: the one line that answers each, and runs that do not mind what earlier ones left behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from parity import report
from parity.__main__ import main
from tests.garbage import small_record


def said_by(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """The exit status of a command, and what it wrote to stderr."""
    return main(arguments), capsys.readouterr().err


GONE = object()
RECORDS: dict[str, tuple[Any, ...]] = {  # where, and what stands there
    "schema None, expected a report.json of schema 4, or an earlier one": ("schema", GONE),
    "schema 5, expected a report.json of schema 4, or an earlier one": ("schema", 5),
    "schema [2], expected a report.json of schema 4, or an earlier one": ("schema", [2]),
    "schema True, expected a report.json of schema 4, or an earlier one": ("schema", True),
    "a report without summary, expected all fields of its schema": ("summary", GONE),
    "checks {}, expected a list": ("checks", {}),
    "checks None, expected a list": ("checks", None),
    "checks[0] 'passed', expected an object": ("checks", 0, "passed"),
    "checks[3] without reproduce, expected all fields of its schema": ("checks", 3, "reproduce", GONE),
    "checks[3].score 'x', expected a number or null": ("checks", 3, "score", "x"),
    "checks[0].score -1, expected a number or null, at least 0": ("checks", 0, "score", -1),
    "checks[0].score inf, expected a number or null, at most 1e+308": ("checks", 0, "score", 1e999),
    "checks[1].status 'fine', expected one of: passed, failed, known, skipped": ("checks", 1, "status", "fine"),
    "checks[1].operation ['rnn.lstm'], expected text": ("checks", 1, "operation", ["rnn.lstm"]),
    "checks[1].scores.y [1.0], expected a list, 2 items": ("checks", 1, "scores", "y", [1.0]),
    "checks[1].scores.y[1] {}, expected a number or null": ("checks", 1, "scores", "y", 1, {}),
    "checks[1].worst_index[1] 0.5, expected a whole number": ("checks", 1, "worst_index", 1, 0.5),
    "checks[1].worst_index '01', expected a list": ("checks", 1, "worst_index", "01"),
    "summary.planned True, expected a whole number": ("summary", "planned", True),
    "summary.planned -1, expected a whole number, at least 0": ("summary", "planned", -1),
    "summary.seconds 'long', expected a number": ("summary", "seconds", "long"),
    "summary.checks without failed, expected all fields of its schema": ("summary", "checks", "failed", GONE),
    "summary.worst.pytorch 3, expected an object": ("summary", "worst", "pytorch", 3),
    "environment.versions ['numpy'], expected an object": ("environment", "versions", ["numpy"]),
    "environment.frameworks.pytorch.tf32.matmul [], expected text or a number or true or false or null": (
        *("environment", "frameworks", "pytorch", "tf32", "matmul"),
        [],
    ),
    "divergences[0].frameworks.pytorch.status None, expected one of: ": (
        *("divergences", 0, "frameworks", "pytorch", "status"),
        None,
    ),
    "divergences[0] without name, claim, verdict, why, ": ("divergences", 0, {}),
    "training[0].loss[1] 'low', expected a number or null": ("training", 0, "loss", 1, "low"),
    "mutants[0].status 'fine', expected one of: killed, survived, stale, skipped": ("mutants", 0, "status", "fine"),
    "mutants[0].by.matches_reference.margin 'wide', expected a number or null": (
        *("mutants", 0, "by", "matches_reference", "margin"),
        "wide",
    ),
    "sweep without rows, expected all fields of its schema": ("sweep", "rows", GONE),
    "training[0] without frameworks, expected all fields of its schema": ("training", 0, "frameworks", GONE),
}


@pytest.mark.parametrize("sentence", RECORDS)
def test_a_corrupt_record_is_answered_in_one_line(
    sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = part = small_record()
    *path, last, value = RECORDS[sentence]
    for name in path:
        part = part[name]
    if value is GONE:
        del part[last]
    else:
        part[last] = value
    file = tmp_path / "report.json"
    file.write_text(json.dumps(record).replace("Infinity", "1e999"), encoding="utf-8")
    status, said = said_by(capsys, "report", str(file), "--output", str(tmp_path / "out"))
    assert said.startswith(f"parity: error: record: got {sentence}")
    assert (status, said.count("\n"), (tmp_path / "out").exists()) == (2, 1, False)


FILES = {
    "empty": (b"", "Expecting value: line 1 column 1"),
    "cut off": (json.dumps(small_record()).encode()[:999], ""),
    "not UTF-8": (b'{"schema": "\xff"}', "'utf-8' codec can't decode byte 0xff"),
    "NaN": (b'{"schema": NaN}', "NaN is no number in JSON"),
    "nested without end": (b"[" * 100_000, "maximum recursion depth exceeded"),
    "digits without end": (b"9" * 5000, "Exceeds the limit"),
}


@pytest.mark.parametrize("file", FILES)
def test_a_file_that_is_no_json_is_answered_in_one_line(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, why = FILES[file]
    (tmp_path / "report.json").write_bytes(content)
    status, said = said_by(capsys, "report", str(tmp_path / "report.json"), "--output", str(tmp_path / "out"))
    assert said.startswith(f"parity: error: record: got {str(tmp_path / 'report.json')!r}, expected a report.json")
    assert f"({why}" in said
    assert (status, said.count("\n")) == (2, 1)


def test_what_this_version_does_not_know_is_shown_all_the_same(tmp_path: Path) -> None:
    """A framework, an operation, a contract, a quantity, a part of a record from elsewhere; half a character."""
    record = small_record()
    strange = {"framework": "jax", "operation": "fft.rfft", "contract": "keeps_\ud800", "case": "\n|", "dtype": "{0}"}
    for result in record["checks"]:
        result |= strange | {"variant": result["status"], "limit": None, "colour": "red"}
    record |= {"weather": [{"wind": 3}]}
    files = {file.name: file.read_text(encoding="utf-8") for file in report.write(report.current(record), tmp_path)}
    assert json.loads(files["report.json"]) == record
    assert "fft.rfft" in files["report.md"]
    assert "keeps_" in files["index.html"]


def test_a_record_of_nothing_is_answered_before_anything_is_written(tmp_path: Path) -> None:
    for wrong in ({}, None, small_record() | {"checks": [3]}):
        with pytest.raises(ValueError, match=r"^record: got "):
            report.write(wrong, tmp_path)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


QUICK = ["--operation", "bidirectional.reverse_sequence", "--framework", "pytorch", "--contract", "matches_reference"]


def test_what_an_earlier_run_left_behind_does_not_disturb_the_next(
    pytorch: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("report.json", "index.html", ".report.json.unfinished"):
        (tmp_path / name).write_bytes(b'{"schema": 3, \xff')
    status, said = said_by(capsys, "check", *QUICK, "--jobs", "1", "--output", str(tmp_path))
    assert (status, "Traceback" in said) == (0, False)
    written = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report.current(written) == written
    assert {file.name for file in tmp_path.iterdir()} == {"report.json", "report.md", "index.html"}


def test_a_folder_in_the_place_of_a_report_is_named_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], without_frameworks: None
) -> None:
    (tmp_path / "report.md").mkdir()
    status, said = said_by(capsys, "check", *QUICK, "--output", str(tmp_path))
    why = "expected a folder that can be written (report.md is a folder)"
    assert (status, said) == (2, f"parity: error: output: got {str(tmp_path)!r}, {why}\n")
