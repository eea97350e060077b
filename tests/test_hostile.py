"""Test text that means harm in every field of a report: unchanged in JSON, visible and inert in Markdown and HTML."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from parity import check_function, report
from parity.__main__ import main
from parity.checks.check import Check
from parity.checks.result import FAILED, Result, Scores
from parity.divergences import DIVERGENCES
from parity.divergences.entry import report_entry, trial
from parity.errors import InputError, first_lines, message_of, printable
from parity.report.markdown import LIMIT
from parity.report.model import decode
from tests.factories import HOSTILE, hostile_report, hostile_result, report_of, result
from tests.markup import Tree, markdown_structure, markdown_text

LONGEST = 200  # characters of a text that Markdown shows at least
HARMLESS = "word"
VISIBLE = (  # fields that Markdown shows
    "passed operation",
    "failed detail",
    "xfailed detail",
    "skipped detail",
    "failed contract",
    "mistake",
    "mutant",
)


def files_of(text: str, folder: Path) -> dict[str, str]:
    return {file.name: file.read_text(encoding="utf-8") for file in report.write(hostile_report(text), folder)}


@pytest.mark.parametrize("name", HOSTILE)
def test_json_gives_back_what_was_written(name: str, tmp_path: Path) -> None:
    made = hostile_report(HOSTILE[name])
    report.write(made, tmp_path)
    text = (tmp_path / "report.json").read_text(encoding="utf-8")
    read = json.loads(text, parse_constant=pytest.fail)
    expected = HOSTILE[name] if name != "half a character" else printable(HOSTILE[name])
    assert read["results"][0]["reproduce"] == expected
    if name != "half a character":
        assert decode(text) == made


@pytest.mark.parametrize("name", HOSTILE)
def test_a_page_has_no_tag_from_what_it_shows(name: str, tmp_path: Path) -> None:
    tree = Tree(files_of(HOSTILE[name], tmp_path)["index.html"])
    assert tree.structure == Tree(files_of(HARMLESS, tmp_path)["index.html"]).structure
    assert all(target.startswith(("#", "data:,")) for target in tree.targets)
    assert all(printable(line) in tree.text for line in HOSTILE[name].split("\n") if "`" not in line)
    assert all(letter.isprintable() or letter == "\n" for letter in tree.text)


@pytest.mark.parametrize("name", HOSTILE)
def test_markdown_has_no_block_and_no_link_from_what_it_shows(name: str, tmp_path: Path) -> None:
    """Check that headings, links, images, tags and the cells of each row are those of a report of plain words."""
    markdown = files_of(HOSTILE[name], tmp_path)["report.md"]
    harmless = files_of(HARMLESS, tmp_path)["report.md"]
    assert list(markdown_structure(markdown)) == list(markdown_structure(harmless))
    for field in VISIBLE:
        shown = printable(f"{field} {HOSTILE[name]}".replace("\n", " ").rstrip())[:LONGEST]
        assert shown in markdown_text(markdown)
    for address in ("://", "www."):  # some pages turn an address into a link
        fenced = markdown.count(f"\n{HOSTILE[name]}\n") * HOSTILE[name].count(address)
        assert markdown.count(address) == fenced


def test_every_table_is_one(tmp_path: Path) -> None:
    """Check the empty line between a list and a table, without which the table is part of the list."""
    markdown = files_of(HARMLESS, tmp_path)["report.md"]
    tables = sum(kind == "table_open" for kind, *_ in markdown_structure(markdown))
    assert tables == sum(line.startswith("| --- |") for line in markdown.splitlines()) > 8


def test_a_matrix_of_too_many_empty_cells_is_rejected(tmp_path: Path) -> None:
    checks = [Check("rnn.lstm", "pytorch", f"variant {n}", "float32", f"contract {n}") for n in range(500)]
    expected = "^report: got 500 variants, 500 contracts and 1 dtypes, expected a matrix of at most 200000 cells$"
    with pytest.raises(InputError, match=expected):
        report.write(report_of(*(result(check=check) for check in checks)), tmp_path)


def test_a_report_of_many_topics_fits_into_a_summary(tmp_path: Path) -> None:
    checks = [Check(f"topic_{n}.x", "pytorch", "packed", "float32", "repeatable") for n in range(2000)]
    files = report.write(report_of(*(result(check=check) for check in checks)), tmp_path)
    markdown = files[1].read_text(encoding="utf-8")
    assert len(markdown.encode()) <= LIMIT
    assert re.search(r"Left out for lack of space: variants \(\d{4}\)", markdown)
    assert "topic_0" in markdown


def test_a_page_does_not_repeat_a_huge_text(tmp_path: Path) -> None:
    check = Check("x" * 2_000_000, "pytorch", "packed", "float32", "repeatable")
    files = report.write(report_of(result(check=check)), tmp_path)
    assert files[2].stat().st_size < 1_000_000


def test_values_that_are_not_finite_are_shown_in_every_view(tmp_path: Path) -> None:
    scores = {"y": Scores(math.nan, math.inf)}
    infinite = replace(
        hostile_result(HARMLESS, FAILED), score=math.inf, norm_score=math.nan, max_abs_error=-math.inf, scores=scores
    )
    entry = DIVERGENCES["loss.denominator"]
    observed = {"nan": math.nan, "inf": math.inf, "less": -math.inf, "both": [math.nan, 1.0]}
    stale = report_entry(entry, [trial(entry, "pytorch", FAILED, "changed", observed)])
    settings = {"pytorch": {"nan": math.nan}}
    files = report.write(report_of(infinite, frameworks=settings, divergences=[stale]), tmp_path / "made")
    read = json.loads(files[0].read_text(), parse_constant=pytest.fail)
    assert (read["results"][0].get("score"), read["results"][0]["scores"]["y"]) == (None, [None, None])
    assert read["divergences"][0]["frameworks"]["pytorch"]["observed"] == {
        "nan": "NaN",
        "inf": "inf",
        "less": "-inf",
        "both": "[NaN, 1]",
    }
    again = report.write(report.read(tmp_path / "made"), tmp_path / "read")
    for file in again[1:]:
        assert "worst element ∞ (limit 64), norm-wise ∞ (limit 8), largest absolute error ∞" in file.read_text()


@pytest.mark.parametrize("name", HOSTILE)
def test_the_message_of_an_exception_is_one_short_line(name: str) -> None:
    message = first_lines(HOSTILE[name] * 3)
    assert message.isprintable()
    assert len(message) <= 6 * 300


def test_ten_megabytes_of_message_are_cut() -> None:
    assert len(first_lines(message_of(ValueError("wrong " * 2_000_000)))) == 300
    assert len(first_lines(message_of(ValueError("wrong\n" * 2_000_000)))) < 300


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no message for you")


def test_a_function_with_a_hostile_name_that_raises_hostile_things_gives_a_result(pytorch: str, tmp_path: Path) -> None:
    raised: list[Exception] = [ValueError(text) for text in HOSTILE.values()] + [Mute()]
    results: tuple[Result, ...] = ()
    for error in raised:

        def function(x: Any, lengths: Any, error: Exception = error) -> Any:
            raise error

        function.__name__ = HOSTILE["script"]
        results = check_function(
            "bidirectional.reverse_sequence", function, "pytorch", contracts=["accepts_empty_sequences"]
        ).results
        assert {result.status for result in results} == {FAILED}
        assert all(result.reason.isprintable() for result in results)
    texts = {file.name: file.read_text() for file in report.write(report_of(*results), tmp_path)}
    assert "message raised RuntimeError" in texts["report.md"]
    assert [tag for tag in Tree(texts["index.html"]).tags if tag[0] == "script"] == [
        ("script", "type", "id"),
        ("script",),
    ]


@pytest.mark.parametrize(
    "folder", ["with spaces", "a 'quoted' \"name\"", "two\nlines", "ünï→cødé", "--dashes", "half \udc80"]
)
def test_a_report_goes_into_a_folder_of_any_name(
    folder: str, pytorch: str, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    selection = ["--operation", "bidirectional.reverse_sequence", "--variant", "gather", "--contract", "repeatable"]
    assert main(["check", *selection, "--jobs=1", f"--output={folder}"]) == 0
    assert f"report: {printable(folder)}/report.json" in capsys.readouterr().out
    assert main(["report", f"./{folder}/report.json", f"--output={folder}"]) == 0
    assert {file.name for file in (tmp_path / folder).iterdir()} == {"report.json", "report.md", "index.html"}
    (tmp_path / folder / "report.json").write_text("{}")
    capsys.readouterr()
    assert main(["report", f"./{folder}"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
