"""Test corrupt reports: each gets one line of error message, and a run ignores what earlier ones left behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from parity import report
from parity.__main__ import main
from parity.errors import InputError
from parity.report.model import decode, encode, invalid
from tests.factories import small_report
from tests.strategies import any_digits

QUICK = ["--operation", "bidirectional.reverse_sequence", "--framework", "pytorch", "--contract", "matches_reference"]


def error_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Run a command; return its exit status and what it wrote to stderr."""
    return main(arguments), capsys.readouterr().err


MISSING = object()
OTHERWISE = "expected a report.json written by parity"
UNKNOWN = "expected a value that this version knows"
NO_SCORE = "outside its limits, expected float >= 0.0"
CORRUPT: dict[str, tuple[Any, ...]] = {  # error message -> path in the report, and the value there
    f"no schema, {OTHERWISE}": ("schema", MISSING),
    "schema 5, expected a report.json of schema 1": ("schema", 5),
    "schema [2], expected a report.json of schema 1": ("schema", [2]),
    "schema bool, expected int": ("schema", True),
    f"no summary, {OTHERWISE}": ("summary", MISSING),
    "results object, expected array": ("results", {}),
    "results null, expected array": ("results", None),
    "results[0] str, expected object": ("results", 0, "passed"),
    f"no results[3].operation, {OTHERWISE}": ("results", 3, "operation", MISSING),
    "results[3].score str, expected float | null": ("results", 3, "score", "x"),
    f"results[0].score {NO_SCORE}": ("results", 0, "score", -1),
    "results[0].score out of range, expected a smaller number": ("results", 0, "score", 1e999),
    "results[0].seed out of range, expected a smaller number": ("results", 0, "seed", 10**4400),
    "results[0].compared outside its limits, expected int <= 9007199254740992": ("results", 0, "compared", 10**4000),
    f"results[1].status 'fine', {UNKNOWN}": ("results", 1, "status", "fine"),
    f"results[1].status 'fine - at `$.results[0]`', {UNKNOWN}": ("results", 1, "status", "fine - at `$.results[0]`"),
    f"results[1].status '\\x1b[31m\\u202e', {UNKNOWN}": ("results", 1, "status", "\x1b[31m\u202e"),
    f"results[1].status '{'x' * 179} …, {UNKNOWN}": ("results", 1, "status", "x" * 10**6),
    f"results[1].problem 'odd', {UNKNOWN}": ("results", 1, "problem", "odd"),
    "results[1].operation array, expected str": ("results", 1, "operation", ["rnn.lstm"]),
    "results[1].scores[...] of length 1, expected array of at least length 2": ("results", 1, "scores", "y", [1.0]),
    "results[1].scores[...][1] object, expected float | null": ("results", 1, "scores", "y", 1, {}),
    "results[1].worst_index[1] float, expected int": ("results", 1, "worst_index", 1, 0.5),
    "results[1].worst_index str, expected array": ("results", 1, "worst_index", "01"),
    "results[0].histogram[2] outside its limits, expected int >= 0": ("results", 0, "histogram", 2, -1),
    "results[0].histogram outside its limits, expected array of length <= 10": ("results", 0, "histogram", [1] * 11),
    "results[0].heat_map of another shape, expected 2 rows of 3 scores": ("results", 0, "heat_map", "rows", 0, [0.1]),
    "results[0].heat_map of another shape, expected 2 rows of 1000000000 scores": (
        "results",
        0,
        "heat_map",
        "steps",
        10**9,
    ),
    "results[0].heat_map of another shape, expected 3 rows of 3 scores": (
        "results",
        0,
        "heat_map",
        "lengths",
        [3, 1, 1],
    ),
    "results[0].heat_map.steps_per_column outside its limits, expected int >= 1": (
        "results",
        0,
        "heat_map",
        "steps_per_column",
        0,
    ),
    "summary.planned bool, expected int": ("summary", "planned", True),
    "summary.planned outside its limits, expected int >= 0": ("summary", "planned", -1),
    "summary.seconds str, expected float": ("summary", "seconds", "long"),
    f"no summary.checks, {OTHERWISE}": ("summary", "checks", MISSING),
    f"a key of summary.checks 'fine', {UNKNOWN}": ("summary", "checks", "fine", 1),
    "summary.worst[...] int, expected object": ("summary", "worst", "pytorch", 3),
    "environment.versions array, expected object": ("environment", "versions", ["numpy"]),
    "environment.frameworks[...][...][...] array, expected bool | int | float | str | null": (
        "environment",
        "frameworks",
        "pytorch",
        "tf32",
        "matmul",
        [],
    ),
    "divergences[0].frameworks[...].status null, expected str": (
        "divergences",
        0,
        "frameworks",
        "pytorch",
        "status",
        None,
    ),
    f"no divergences[0].name, {OTHERWISE}": ("divergences", 0, {}),
    "training[0].loss[1] str, expected float | null": ("training", 0, "loss", 1, "low"),
    f"no training[0].frameworks, {OTHERWISE}": ("training", 0, "frameworks", MISSING),
    f"mutants[0].status 'fine', {UNKNOWN}": ("mutants", 0, "status", "fine"),
    "mutants[0].kills[...].margin str, expected float | null": (
        "mutants",
        0,
        "kills",
        "matches_reference",
        "margin",
        "wide",
    ),
    f"no sweep.rows, {OTHERWISE}": ("sweep", "rows", MISSING),
    "throughput.curves[0] with others, expected 1 points in ideal and speedup": (
        "throughput",
        "curves",
        0,
        "at",
        [0.5],
    ),
}


@pytest.mark.parametrize("message", CORRUPT)
def test_a_corrupt_report_is_rejected_in_one_line(
    message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = part = json.loads(encode(small_report()))
    *path, last, value = CORRUPT[message]
    for name in path:
        part = part[name]
    if value is MISSING:
        del part[last]
    else:
        part[last] = value
    file = tmp_path / "report.json"
    with any_digits():
        file.write_text(json.dumps(made).replace("Infinity", "1e999"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    status, error = error_of(capsys, "report", "report.json", "--output", "out")
    assert (status, error) == (2, f"parity: error: report 'report.json': got {message}\n")
    assert not (tmp_path / "out").exists()


FILES = {
    "empty": (b"", "no JSON (Input data was truncated)"),
    "cut off": (encode(small_report()).encode()[:999], "no JSON (Input data was truncated)"),
    "not UTF-8": (b'{"schema": 1, "environment": {"date": "\xff"}}', "no JSON ('utf-8' codec can't decode byte 0xff"),
    "half a character": (b'{"schema": "\\ud800"}', "no JSON (Input data was truncated)"),
    "NaN": (b'{"schema": NaN}', "no JSON (JSON is malformed: invalid character"),
    "an array": (b"[]", "JSON array, expected object"),
    "nested without end": (b"[" * 100_000, "JSON array, expected object"),
    "nested without end, in a field": (b'{"x":' * 100_000, "no JSON (maximum recursion depth exceeded"),
    "digits without end": (b"9" * 5000, "JSON out of range, expected a smaller number"),
}


@pytest.mark.parametrize("file", FILES)
def test_a_file_that_is_no_report_is_rejected_in_one_line(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    content, problem = FILES[file]
    (tmp_path / "report.json").write_bytes(content)
    monkeypatch.chdir(tmp_path)
    status, error = error_of(capsys, "report", "report.json", "--output", "out")
    assert error.startswith(f"parity: error: report 'report.json': got {problem}")
    assert (status, error.count("\n"), (tmp_path / "out").exists()) == (2, 1, False)


MESSAGES = {  # of msgspec -> ours; `CORRUPT` has those that a report can cause
    "Expected `array` of length 2 to 5, got 7 - at `$.a`": "a of length 7, expected array of length 2 to 5",
    "Expected `str` matching regex '^a$' - at `$.a`": "a outside its limits, expected str matching regex '^a$'",
    "Expected `str`, got `int` - at `key` in `$.a`": "a key of a int, expected str",
    "Expected `str`, got `int` - at `key` in `$`": "a key of JSON int, expected str",
    "Object missing required field `a`": f"no a, {OTHERWISE}",
    "Object contains unknown field `\x1b` - at `$.a`": "a.\\x1b, expected no such field",
    "Invalid enum value 2": f"JSON 2, {UNKNOWN}",
    "Integer value out of range": "JSON out of range, expected a smaller number",
    "Something new - at `$.a`": f"a: Something new, {OTHERWISE}",
    "": f"JSON: , {OTHERWISE}",
}


@pytest.mark.parametrize("message", MESSAGES)
def test_every_message_of_msgspec_becomes_one_of_ours(message: str) -> None:
    assert str(invalid("report", message, OTHERWISE.removeprefix("expected "))) == f"report: got {MESSAGES[message]}"


def test_names_that_this_version_does_not_know_are_shown_all_the_same(tmp_path: Path) -> None:
    """Check a framework, operation, contract, case and dtype from elsewhere, half a character, and unknown fields."""
    made = json.loads(encode(small_report()))
    strange = {"framework": "jax", "operation": "fft.rfft", "contract": "keeps_all", "case": "\n|", "dtype": "{0}"}
    for result in made["results"]:
        result |= strange | {"variant": result["status"], "limit": None, "colour": "red"}
    made |= {"weather": [{"wind": 3}]}
    read = decode(json.dumps(made))
    files = {file.name: file.read_text(encoding="utf-8") for file in report.write(read, tmp_path)}
    assert decode(files["report.json"]) == read
    assert "fft.rfft" in files["report.md"]
    assert "keeps_" in files["index.html"]
    half = msgspec.structs.replace(read.results[0], contract="keeps_\ud800")
    report.write(msgspec.structs.replace(read, results=(half,)), tmp_path)
    assert "\\ud800" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_an_object_that_is_no_report_is_rejected_before_anything_is_written(tmp_path: Path) -> None:
    for wrong in ({}, None, json.loads(encode(small_report()))):
        with pytest.raises(InputError, match=r"^report: got "):
            report.write(wrong, tmp_path)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_an_earlier_report_does_not_disturb_the_next_run(
    pytorch: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("report.json", "index.html", f".report.json.{0:016x}.unfinished"):
        (tmp_path / name).write_bytes(b'{"schema": 3, "environment": {"date": "\xff')
    status, error = error_of(capsys, "check", *QUICK, "--jobs", "1", "--output", str(tmp_path))
    assert (status, "Traceback" in error) == (0, False)
    text = (tmp_path / "report.json").read_text(encoding="utf-8")
    assert encode(decode(text)) == text
    assert {file.name for file in tmp_path.iterdir()} == {"report.json", "report.md", "index.html"}


def test_a_folder_with_the_name_of_a_file_of_the_report_is_rejected_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], without_frameworks: None
) -> None:
    (tmp_path / "report.md").mkdir()
    status, error = error_of(capsys, "check", *QUICK, "--output", str(tmp_path))
    expected = "expected a folder that can be written (report.md is a folder)"
    assert (status, error) == (2, f"parity: error: output: got {str(tmp_path)!r}, {expected}\n")
