"""The report: one record, and views of it that say the same, worst first, and nothing that is not in it."""

from __future__ import annotations

import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from parity import report
from parity.checks.check import Check
from parity.checks.result import FAILED, PASSED, SKIPPED, XFAILED
from parity.divergences import DIVERGENCES, Trial
from parity.report.entries import entries
from parity.report.record import NEW, SCHEMA
from parity.training import Training

CHECK = Check("rnn.lstm", "pytorch", "packed", "float32", "ignores_padding", seed=4)


def result(status: str = PASSED, check: Check = CHECK, **rest: Any) -> dict[str, Any]:
    """One result, as plain values."""
    measured = {"quantity": "y", "score": 1.0, "limit": 64.0, "norm_score": 0.5, "norm_limit": 8.0, "compared": 9}
    measured |= {"max_abs_error": 1e-7}
    given = measured | rest if status in (PASSED, FAILED) else rest
    return check.result("eager", "one_layer/ragged", status, **given).as_dict()


def record_of(
    *results: dict[str, Any], planned: int = 1, checked: int = 1, interrupted: bool = False
) -> dict[str, Any]:
    return report.record(results, {}, seed=4, seconds=1.5, planned=planned, checked=checked, interrupted=interrupted)


def written(record: dict[str, Any], folder: Path) -> dict[str, str]:
    """The text of each file of a report."""
    return {file.name: file.read_text(encoding="utf-8") for file in report.write(record, folder)}


VERDICTS = {
    "all agree": (record_of(result()), "1 check agrees", False),
    "one failed": (record_of(result(), result(FAILED, reason="off")), "1 of 1 check failed", True),
    "nothing compared": (
        record_of(result(SKIPPED, reason="no torch")),
        "nothing was compared, which is a failure",
        True,
    ),
    "nothing at all": (record_of(planned=0, checked=0), "nothing was compared, which is a failure", True),
    "only expected_failures": (
        record_of(result(XFAILED, reason="refused: no")),
        "nothing was compared, which is a failure",
        True,
    ),
    "interrupted": (record_of(result(), planned=9, interrupted=True), "interrupted after 1 of 9 checks", True),
    "fewer than planned": (record_of(result(), planned=9), "stopped after 1 of 9 checks", True),
}


@pytest.mark.parametrize("case", VERDICTS)
def test_a_record_comes_to_one_sentence_and_one_verdict(case: str) -> None:
    record, sentence, failed = VERDICTS[case]
    assert report.verdict(record).startswith(sentence)
    assert report.failed(record) is failed


def test_one_model_trained_by_two_optimisers_is_two_checks() -> None:
    ended = (("sgd", PASSED), ("adam", FAILED), ("adam", FAILED))
    results = [Training("model.tagger", name, "pytorch").result(status, reason="") for name, status in ended]
    record = record_of(*(result.as_dict() for result in results), planned=2, checked=2)
    assert record["summary"]["checks"] == {"passed": 1, "failed": 1, "xfailed": 0, "skipped": 0}


def test_a_run_that_tried_nothing_has_failed() -> None:
    skipped = {"name": "rnn.some_mutant", "status": "skipped"}
    for parts in ({"mutants": [skipped]}, {"sweep": {"checks": 0, "failed": 0}}):
        record = record_of(planned=0, checked=0) | parts
        assert report.failed(record)
        assert report.verdict(record).startswith("nothing was compared, which is a failure")


def test_the_record_has_every_field_of_the_schema() -> None:
    record = record_of(result())
    asked = (
        "operation framework variant mode dtype case contract quantity status score limit max_abs_error worst_index "
        "reason reproduce"
    )
    assert record["schema"] == SCHEMA == 4
    assert set(asked.split()) <= set(record["checks"][0])
    assert {"python", "cpu", "cores", "versions", "seed", "frameworks"} <= set(record["environment"])


def test_results_stand_in_the_order_of_the_operations_whatever_order_they_came_in() -> None:
    others = [
        Check("embedding.lookup", "pytorch", "sparse", "float64", name) for name in ("repeatable", "matches_reference")
    ]
    came = [result(check=check) for check in (CHECK, *others)]
    names = [(check["operation"], check["contract"]) for check in record_of(*came)["checks"]]
    assert names == [
        ("embedding.lookup", "matches_reference"),
        ("embedding.lookup", "repeatable"),
        ("rnn.lstm", "ignores_padding"),
    ]


def test_numbers_that_are_not_finite_become_null_in_strict_json(tmp_path: Path) -> None:
    infinite = result(FAILED, score=math.inf, norm_score=math.nan, scores={"y": (math.inf, 1.0)}, reason="NaN")
    text = written(record_of(infinite), tmp_path)["report.json"]
    parsed = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert (parsed["checks"][0]["score"], parsed["checks"][0]["scores"]) == (None, {"y": [None, 1.0]})


MUTANTS = [
    result(FAILED, reason="a little off", score=70.0),
    result(
        FAILED, check=Check("rnn.gru", "pytorch", "packed", "float32", "matches_reference"), reason="far off", score=9e9
    ),
]


@pytest.mark.parametrize("name", ["report.md", "index.html"])
def test_failures_stand_worst_first_each_with_its_command(name: str, tmp_path: Path) -> None:
    text = re.sub("</?span>", "", written(record_of(*MUTANTS), tmp_path)[name])  # where the page may break a command
    assert text.index("far off") < text.index("a little off")
    for mutant in MUTANTS:
        assert mutant["reproduce"] in text


@pytest.mark.parametrize("name", ["report.md", "index.html"])
def test_forty_repetitions_are_one_entry(name: str, tmp_path: Path) -> None:
    text = written(record_of(*[result(FAILED, reason="off by one")] * 40), tmp_path)[name]
    assert text.count("off by one") == 1
    assert "and 39 more" in text


@pytest.mark.parametrize("name", ["report.md", "index.html"])
def test_what_a_framework_says_cannot_break_the_page(name: str, tmp_path: Path) -> None:
    text = written(record_of(result(FAILED, reason="<script>alert('|')</script>")), tmp_path)[name]
    assert "<script>alert" not in text
    assert "script&gt;alert" in text


class Tags(HTMLParser):
    """Which tags open and close, and where they point."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.targets: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br", "wbr", "link", "img", "input"):
            self.open.append(tag)
        self.targets += [value or "" for name, value in attrs if name in ("src", "href")]
        self.ids |= {value or "" for name, value in attrs if name == "id"}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_needs_nothing_but_itself(tmp_path: Path) -> None:
    known, skipped = result(XFAILED, reason="refused: no"), result(SKIPPED, reason="no torch")
    page = written(record_of(result(), known, skipped, *MUTANTS), tmp_path)["index.html"]
    tags = Tags(page)
    assert tags.open == []
    assert all(target == "data:," or (target.startswith("#") and target[1:] in tags.ids) for target in tags.targets)
    assert not re.search(r"url\([^#]|@import|https?://(?!www.w3.org/2000/svg)", page)
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-")


def test_every_status_is_said_in_words_and_counted(tmp_path: Path) -> None:
    known = result(XFAILED, reason="refused: Keras masks no index but 0")
    skipped = result(SKIPPED, reason="framework tensorflow: no module")
    for text in list(written(record_of(result(), known, skipped), tmp_path).values())[1:]:
        assert "Keras masks no index but 0" in text
        assert "framework tensorflow: no module" in text


def test_an_empty_record_is_still_a_report(tmp_path: Path) -> None:
    for text in written(record_of(planned=0, checked=0), tmp_path).values():
        assert "othing was compared" in text or '"checks": [' in text


def test_a_report_is_replaced_whole(tmp_path: Path) -> None:
    written(record_of(result(FAILED, reason="wrong once")), tmp_path)
    assert all("wrong once" not in text for text in written(record_of(result()), tmp_path).values())
    assert {file.name for file in tmp_path.iterdir()} == {"report.json", "report.md", "index.html"}


def test_a_record_survives_its_file_and_gives_the_same_views(tmp_path: Path) -> None:
    first = written(record_of(result(), *MUTANTS), tmp_path / "one")
    again = json.loads(first["report.json"])
    assert written(report.current(again), tmp_path / "two") == first


def with_divergences(changed: str = "") -> dict[str, Any]:
    """A record of every divergence, as if each had been tried, one of them with another value today."""
    trials = [
        Trial(entry.name, framework, seen, stale="it <i>changed</i>" if entry.name == changed else "")
        for entry in DIVERGENCES.values()
        for framework, seen in entry.seen.items()
    ]
    return report.record([result()], {}, seed=0, seconds=1.0, planned=1, checked=1, divergences=entries(trials))


def test_every_divergence_has_an_anchor_both_snippets_and_its_sources(tmp_path: Path) -> None:
    page = written(with_divergences(), tmp_path)["index.html"]
    tags = Tags(page)
    assert set(DIVERGENCES) <= tags.ids
    assert tags.open == []
    assert {source for entry in DIVERGENCES.values() for source in entry.sources} <= set(tags.targets)
    assert all(target.startswith(("#", "https://", "data:,")) for target in tags.targets)


def test_a_stale_divergence_fails_the_run_and_says_what_changed(tmp_path: Path) -> None:
    record = with_divergences("loss.denominator")
    assert report.failed(record)
    assert report.verdict(record) == "1 check agrees; 1 divergence is not as described"
    for text in list(written(record, tmp_path).values())[1:]:
        assert "it &lt;i&gt;changed&lt;/i&gt;" in text


@pytest.mark.parametrize("schema", range(1, SCHEMA))
def test_a_record_of_an_earlier_schema_is_still_shown(schema: int, tmp_path: Path) -> None:
    later = {part for since, parts in NEW.items() if since > schema for part in parts}
    old = {part: value for part, value in record_of(result()).items() if part not in later}
    for field in ("observed", "expected", "spread", "heat"):  # came with schema 4
        old["checks"][0].pop(field)
    assert "index.html" in written(report.current(old | {"schema": schema}), tmp_path)
