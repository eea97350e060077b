"""Text that means harm, in every field of a record: kept as it is in JSON, seen and inert in Markdown and HTML."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from parity import check_function, report
from parity.__main__ import main
from parity.checks.result import FAILED, PASSED, STATUSES, Result
from parity.errors import first_lines, printable, told
from parity.report.entries import entries
from parity.report.journal import plain
from parity.report.throughput import throughput
from tests.benchmarked import row, written

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "handler": "<img src=x onerror=alert(1)>",
    "end of a section": "]]></pre></code></td></table></title><!-- ",
    "quotes": "\"double\" 'single' `back` ``two`` ```three",
    "pipes": "a | b || c \\| d \\",
    "lines": "one\ntwo\r\nthree\rfour\u2028five\u2029six\x85seven\x0beight\x0cnine",
    "controls": "nul \x00 bell \x07 red \x1b[31m delete \x7f",
    "half a character": "\ud800 and \udc80",
    "right to left": "\u202eelbadaer ton\u2066 \u200b\ufeff",
    "a long word": "x" * 4_000,
    "link": "[x](javascript:alert(1)) [y]: http://evil.tld <http://evil.tld> https://evil.tld www.evil.tld",
    "image": "![i](http://evil.example/i.png)",
    "headings": "\n\n# one\n\ntwo\n===\n\n## three ##",
    "blocks": "\n- item\n\n1. first\n\n> quote\n\n    code\n\n---\n\n```\nfence\n```\n\n| a |\n| - |\n| b |",
    "starts like a block": "- item",
    "emphasis": "*a* **b** _c_ __init__ ~~d~~ snake_case",
    "entities": "&lt;b&gt; &#60;b&#62; &amp;amp; &copy;",
    "template": "{{ 7 * 7 }} {% raw %} {# #}",
    "options": "parity check --a <b> --c 'd' -- --e",
    "fences": "````",
    "nothing": " ",
}
LONGEST = 200  # characters of a text that Markdown shows at least
MEASURED = {"score": 1.0, "limit": 64.0, "norm_score": 0.5, "norm_limit": 8.0, "max_abs_error": 1e-7, "compared": 9}


def of_status(text: str, status: str) -> Result:
    """A result with a text in every field; in most, a name in front keeps apart what belongs apart."""
    names = ("operation", "framework", "variant", "mode", "dtype", "case", "contract", "reason", "first")
    words = {name: f"{status} {name} {text}" for name in names}
    measured = MEASURED if status in (PASSED, FAILED) else {}
    scores = {f"{text} y": (1.0, 0.5)} if measured else None
    return Result(**words, seed=0, status=status, scores=scores, quantity=text, reproduce=text, **measured)


def entry(text: str) -> dict[str, Any]:
    """A divergence, as a record has it."""
    words = {name: f"{name} {text}" for name in ("name", "claim", "verdict", "why", "instead", "operation")}
    sides = {
        f"{framework} {text}": {
            "status": status,
            "reason": f"reason {text}",
            "code": f"code {text}",
            "seen": {f"value {text}": f"seen {text}"},
            "today": {f"value {text}": f"today {text}"},
        }
        for framework, status in (("one", PASSED), ("other", FAILED))
    }
    return words | {"sources": [f"source {text}", text, f"javascript:{text}"], "frameworks": sides}


def curve(text: str) -> dict[str, Any]:
    names = {name: f"{name} {text}" for name in ("model", "config", "optimiser", "dtype")}
    numbers: dict[str, Any] = {"settings": {text: 0.1}, "seed": 0, "steps": 1, "loss": [None], "envelope": [None]}
    return names | numbers | {"frameworks": {f"framework {text}": {"loss": [None], "distance": [None]}}}


def mutant(text: str) -> dict[str, Any]:
    """A mutant that was not killed, as a record has it."""
    names = ("name", "operation", "subject", "what", "place", "before", "after", "optimiser", "case", "mode", "dtype")
    words = {name: f"{name} {text}" for name in names}
    by = {f"contract {text}": {"quantity": text, "margin": 2.0, "reason": f"killed {text}"}}
    return words | {"expected": text, "status": "survived", "reason": f"mutant {text}", "by": by}


def sweep(text: str) -> dict[str, Any]:
    """Random cases with a false alarm, as a record has them."""
    counts = {"checks": 1, "failed": 1, "scores": 1, "element": [1.0], "norm": [1.0], "worst": text}
    row = {name: f"{name} {text}" for name in ("operation", "framework", "dtype")} | counts
    alarms = [of_status(text, FAILED).as_dict()]
    return {"first": 0, "seeds": 1, "contracts": [text], "checks": 1, "failed": 1, "failures": alarms, "rows": [row]}


def timed(text: str) -> dict[str, Any]:
    """What benchmarks measured, as a record has it."""
    names = ("operation", "config", "distribution", "phase", "variant", "mode", "device")
    words = {name: f"{name} {text}" for name in names} | {
        "framework": f"framework {text}",
        "kernels": [f"kernel {text}"],
    }
    part = throughput(
        written(row("pytorch", "packed") | {"extra_info": row("pytorch", "packed")["extra_info"] | words})
    )
    return part | {"versions": {f"torch {text}": text}, "frameworks": {f"framework {text}": {f"device {text}": text}}}


def record_of(text: str) -> dict[str, Any]:
    frameworks = {f"framework {text}": {f"device {text}": f"on {text}", "tf32": {f"of {text}": True}, "nan": math.nan}}
    record = report.record(
        [of_status(text, status).as_dict() for status in STATUSES],
        frameworks,
        seed=0,
        seconds=1.0,
        planned=4,
        checked=4,
        divergences=[entry(text)],
        training=[curve(text)],
        mutants=[mutant(text)],
        sweep=sweep(text),
        throughput=timed(text),
    )
    record["environment"] |= {"python": text, "platform": text, "cpu": text, "versions": {f"numpy {text}": text}}
    return record


def files_of(text: str, folder: Path) -> dict[str, str]:
    return {file.name: file.read_text(encoding="utf-8") for file in report.write(record_of(text), folder)}


class Tree(HTMLParser):
    """Tags with the names of their attributes, where they lead, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, ...]] = []
        self.targets: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, *(name for name, _ in attrs)))
        self.targets += [value or "" for name, value in attrs if name in ("href", "src", "action")]

    def handle_endtag(self, tag: str) -> None:
        self.tags.append((f"/{tag}",))

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.tags.append(("comment", data))

    def unknown_decl(self, data: str) -> None:
        self.tags.append(("declaration", data))

    @property
    def structure(self) -> list[tuple[str, ...]]:
        """Without what only dresses text: where a name may break, `code` between backticks, options of a command."""
        dress = {("wbr",), ("code",), ("/code",), ("span",), ("/span",)}
        return [tag for tag in self.tags if tag not in dress]


HARMLESS = "word"


@pytest.mark.parametrize("name", HOSTILE)
def test_json_gives_back_what_went_in(name: str, tmp_path: Path) -> None:
    record = record_of(HOSTILE[name])
    report.write(record, tmp_path)
    read = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert report.current(read) == record


@pytest.mark.parametrize("name", HOSTILE)
def test_a_page_has_no_tag_from_what_it_shows(name: str, tmp_path: Path) -> None:
    tree = Tree(files_of(HOSTILE[name], tmp_path)["index.html"])
    assert tree.structure == Tree(files_of(HARMLESS, tmp_path)["index.html"]).structure
    assert all(target.startswith(("#", "data:,")) for target in tree.targets)
    assert all(printable(line) in tree.text for line in HOSTILE[name].split("\n") if "`" not in line)
    assert all(letter.isprintable() or letter == "\n" for letter in tree.text)


def structure(markdown: str) -> Iterator[tuple[str, ...]]:
    """The blocks and spans of a document, without its text."""
    for block in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown):
        yield block.type, block.tag, str(block.attrs)
        for span in block.children or ():
            if span.type != "text":
                yield span.type, span.tag, str(span.attrs), span.content


def text_of(markdown: str) -> str:
    blocks = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown)
    spans = (span.content for block in blocks for span in block.children or [block])
    return "".join(spans)


@pytest.mark.parametrize("name", HOSTILE)
def test_markdown_has_no_block_and_no_link_from_what_it_shows(name: str, tmp_path: Path) -> None:
    """Headings, links, images, tags, and the cells of each row are those of a record of plain words."""
    markdown = files_of(HOSTILE[name], tmp_path)["report.md"]
    assert list(structure(markdown)) == list(structure(files_of(HARMLESS, tmp_path)["report.md"]))
    for field in (
        "passed operation",
        "failed reason",
        "known reason",
        "skipped reason",
        "failed contract",
        "claim",
        "what",
        "mutant",
    ):
        assert printable(f"{field} {HOSTILE[name]}".replace("\n", " ").rstrip())[:LONGEST] in text_of(markdown)
    for address in ("://", "www."):  # some pages make a link of an address
        fenced = markdown.count(f"\n{HOSTILE[name]}\n") * HOSTILE[name].count(address)
        assert markdown.count(address) == fenced


def test_every_table_is_one(tmp_path: Path) -> None:
    """A table that follows a list without an empty line between them is a part of the list."""
    markdown = files_of(HARMLESS, tmp_path)["report.md"]
    tables = sum(kind == "table_open" for kind, *_ in structure(markdown))
    assert tables == sum(line.startswith("| --- |") for line in markdown.splitlines()) > 8


def test_values_that_are_no_numbers_stand_in_every_config(tmp_path: Path) -> None:
    infinite = {
        "score": math.inf,
        "norm_score": math.nan,
        "max_abs_error": -math.inf,
        "scores": {"y": (math.nan, math.inf)},
    }
    found = replace(of_status(HARMLESS, FAILED), **infinite)
    trial = report_trial({"nan": math.nan, "inf": math.inf, "less": -math.inf, "both": [math.nan, 1.0]})
    record = report.record(
        plain([found])["results"], {}, seed=0, seconds=1.0, planned=1, checked=1, divergences=entries([trial])
    )
    texts = {file.name: file.read_text() for file in report.write(record, tmp_path)}
    read = json.loads(texts["report.json"], parse_constant=pytest.fail)
    assert (read["checks"][0]["score"], read["checks"][0]["scores"]["y"]) == (None, [None, None])
    assert read["divergences"][0]["frameworks"]["pytorch"]["today"] == {
        "nan": "NaN",
        "inf": "inf",
        "less": "-inf",
        "both": "[NaN, 1]",
    }
    for name in ("report.md", "index.html"):
        assert "worst element ∞ (limit 64), norm-wise ∞ (limit 8), largest absolute error ∞" in texts[name]


def report_trial(today: dict[str, Any]) -> Any:
    from parity.divergences import Trial

    return Trial("loss.denominator", "pytorch", today, stale="changed")


@pytest.mark.parametrize("name", HOSTILE)
def test_what_an_exception_says_is_one_short_line(name: str) -> None:
    said = first_lines(HOSTILE[name] * 3)
    assert said.isprintable()
    assert len(said) <= 6 * 300


def test_ten_megabytes_of_message_are_cut() -> None:
    assert len(first_lines(told(ValueError("wrong " * 2_000_000)))) == 300
    assert len(first_lines(told(ValueError("wrong\n" * 2_000_000)))) < 300


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no message for you")


def test_a_function_with_a_hostile_name_that_raises_hostile_things_gives_a_result(pytorch: str, tmp_path: Path) -> None:
    raised: list[Exception] = [ValueError(text) for text in HOSTILE.values()] + [Mute()]
    for error in raised:

        def function(x: Any, lengths: Any, error: Exception = error) -> Any:
            raise error

        function.__name__ = HOSTILE["script"]
        results = check_function(
            "bidirectional.reverse_sequence", function, "pytorch", contracts=["accepts_empty_sequences"]
        )
        assert {result.status for result in results} == {FAILED}
        assert all(result.reason.isprintable() for result in results)
    record = report.record(plain(results)["results"], {}, seed=0, seconds=1.0, planned=1, checked=1)
    texts = {file.name: file.read_text() for file in report.write(record, tmp_path)}
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
