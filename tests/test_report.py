"""Test the report: its views agree, show the worst first, and show nothing that is not in it."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace

from parity import report
from parity.checks.check import Check
from parity.checks.result import FAILED, PASSED, SKIPPED, XFAILED, HeatMap, Result, Scores
from parity.checks.sweep import SweepReport
from parity.divergences import DIVERGENCES
from parity.divergences.entry import as_program
from parity.mutants import MUTANTS, Kill, MutantResult
from parity.operations import OPERATIONS
from parity.report import Report
from parity.report.answers import answers
from parity.report.cards import SURPRISING, choose_cards
from parity.report.html import render_page
from parity.report.model import SCHEMA, json_schema
from parity.report.view import arrange
from parity.training import Training
from tests.factories import benchmarks, divergence, every_check, mutant, own_verdict, report_of, result, row
from tests.markup import Tree

CHECK = Check("rnn.lstm", "pytorch", "packed", "float32", "ignores_padding", seed=4)
GRU = Check("rnn.gru", "pytorch", "packed", "float32", "matches_reference")
EXPECTED_FAILURE = result(XFAILED, CHECK, problem="raised", detail="Keras masks no index but 0")
UNAVAILABLE = result(SKIPPED, CHECK, detail="framework tensorflow: no module")
VIEWS = ("report.md", "index.html")


def failure(detail: str, check: Check = CHECK, score: float = 70.0) -> Result:
    return result(FAILED, check, problem="other", detail=detail, score=score)


def write(made: Report, folder: Path) -> dict[str, str]:
    """Write a report; return the text of each file."""
    return {file.name: file.read_text(encoding="utf-8") for file in report.write(made, folder)}


VERDICTS = {
    "all agree": (report_of(result()), "1 check agrees", False),
    "one failed": (report_of(result(), result(FAILED)), "1 of 1 check failed", True),
    "nothing compared": (report_of(UNAVAILABLE), "nothing was compared, which is a failure", True),
    "nothing at all": (report_of(planned=0, checked=0), "nothing was compared, which is a failure", True),
    "only expected failures": (report_of(EXPECTED_FAILURE), "nothing was compared, which is a failure", True),
    "interrupted": (report_of(result(), planned=9, interrupted=True), "interrupted after 1 of 9 checks", True),
    "fewer than planned": (report_of(result(), planned=9), "stopped after 1 of 9 checks", True),
}


@pytest.mark.parametrize("case", VERDICTS)
def test_a_report_comes_to_one_sentence_and_one_verdict(case: str) -> None:
    made, sentence, failed = VERDICTS[case]
    assert report.verdict(made).startswith(sentence)
    assert report.failed(made) is failed


def test_one_model_trained_by_two_optimisers_is_two_checks() -> None:
    ended = (("sgd", PASSED), ("adam", FAILED), ("adam", FAILED))
    results = [Training("model.tagger", name, "pytorch").result(status) for name, status in ended]
    made = report_of(*results, planned=2, checked=2)
    assert made.summary.checks == {"passed": 1, "failed": 1, "xfailed": 0, "skipped": 0}


def test_a_run_that_tried_nothing_has_failed() -> None:
    no_case = SweepReport(first=0, seeds=1, contracts=(), checks=0, failed=0, failures=(), rows=())
    for parts in ({"mutants": [mutant("skipped")]}, {"sweep": no_case}):
        made = report_of(planned=0, checked=0, **parts)
        assert report.failed(made)
        assert report.verdict(made).startswith("nothing was compared, which is a failure")


def test_the_report_has_every_field_of_the_schema(tmp_path: Path) -> None:
    written = json.loads(write(report_of(failure("off")), tmp_path)["report.json"])
    always = "operation framework variant mode dtype case seed contract status"
    expected = f"{always} quantity problem detail score limit max_abs_error worst_index observed expected reproduce"
    assert written["schema"] == SCHEMA == 1
    assert set(always.split()) <= set(written["results"][0])
    assert set(expected.split()) <= set(json_schema()["$defs"]["Result"]["properties"])
    assert {"python", "cpu", "cores", "versions", "seed", "frameworks"} <= set(written["environment"])


def test_results_are_in_the_order_of_the_operations_table_whatever_their_order_was() -> None:
    contracts = ("repeatable", "matches_reference")
    others = [Check("embedding.lookup", "pytorch", "sparse", "float64", name) for name in contracts]
    made = report_of(*(result(check=check) for check in (CHECK, *others)))
    assert [(each.operation, each.contract) for each in made.results] == [
        ("embedding.lookup", "matches_reference"),
        ("embedding.lookup", "repeatable"),
        ("rnn.lstm", "ignores_padding"),
    ]


def test_numbers_that_are_not_finite_become_null_in_strict_json(tmp_path: Path) -> None:
    scores = {"y": Scores(math.inf, 1.0)}
    infinite = result(FAILED, CHECK, score=math.inf, norm_score=math.nan, scores=scores)
    text = write(report_of(infinite), tmp_path)["report.json"]
    parsed = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert (parsed["results"][0].get("score"), parsed["results"][0]["scores"]) == (None, {"y": [None, 1.0]})


FAILURES = [failure("a little off"), failure("far off", GRU, score=9e9)]


@pytest.mark.parametrize("name", VIEWS)
def test_failures_stand_worst_first_each_with_its_command(name: str, tmp_path: Path) -> None:
    text = re.sub("</?span>", "", write(report_of(*FAILURES), tmp_path)[name])  # at which the page may break a command
    assert text.index("far off") < text.index("a little off")
    for each in FAILURES:
        assert each.reproduce in text


@pytest.mark.parametrize("name", VIEWS)
def test_forty_repetitions_are_one_group(name: str, tmp_path: Path) -> None:
    text = write(report_of(*[failure("off by one")] * 40), tmp_path)[name]
    assert text.count("off by one") == 1
    assert "and 39 more" in text


@pytest.mark.parametrize("name", VIEWS)
def test_the_message_of_a_framework_cannot_break_the_page(name: str, tmp_path: Path) -> None:
    text = write(report_of(failure("<script>alert('|')</script>")), tmp_path)[name]
    assert "<script>alert" not in text
    assert "script&gt;alert" in text


def test_the_page_is_well_formed_and_needs_no_network(tmp_path: Path) -> None:
    page = write(report_of(result(), EXPECTED_FAILURE, UNAVAILABLE, *FAILURES), tmp_path)["index.html"]
    tree = Tree(page)
    assert tree.unclosed == []
    assert all(target == "data:," or (target.startswith("#") and target[1:] in tree.ids) for target in tree.targets)
    assert not re.search(r"url\([^#]|@import|https?://(?!www.w3.org/2000/svg)", page)
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-")


@pytest.mark.parametrize("name", VIEWS)
def test_expected_failures_and_skips_have_their_reasons(name: str, tmp_path: Path) -> None:
    text = write(report_of(result(), EXPECTED_FAILURE, UNAVAILABLE), tmp_path)[name]
    assert EXPECTED_FAILURE.reason in text
    assert UNAVAILABLE.reason in text


def measured(check: Check, at: int, random: Random) -> Result:
    """Make a result: of each six, one has many digits and plots, and the others are exact, as most of a run are."""
    if at:
        return result(check=check, case=f"one_layer/{at}", score=0.0, norm_score=0.0, compared=random.randrange(9000))
    numbers = [float(f"{random.expovariate(2):.4g}") for _ in range(28)]
    observed = random.gauss(0, 1)
    return result(
        check=check,
        scores={name: Scores(*numbers[index : index + 2]) for index, name in enumerate(("y", "d_x", "d_w"))},
        observed=observed,
        expected=observed + numbers[0] * 1e-15,
        histogram=tuple(random.randrange(100) for _ in range(10)),
        heat_map=HeatMap("y", (1, 0, 3, 7), 7, False, 1, tuple(tuple(numbers[row : row + 7]) for row in range(4))),
    )


def killed(name: str) -> MutantResult:
    """Make the result of a mutant that as many contracts killed as most, two of them alike."""
    off = Kill("d_w_rec.0", 255000.0, "8.33e+06 noise floors from expected at (4, 0, 3); the limit is 64")
    not_finite = Kill("d_x", None, "NaN or inf on one side only, at 16 places, the first at (0, 0, 0)")
    kills = {"matches_reference": off, "frameworks_agree": off, "ignores_padding": not_finite}
    return replace(mutant(name=name), kills=kills)


def test_the_page_of_a_whole_run_has_at_most_three_megabytes() -> None:
    """Render six results of each check, and all mutants; the page of a real run of pytest had 2.8 MB."""
    random = Random(0)
    checks = every_check()
    made = report_of(
        *(measured(check, at, random) for check in checks for at in range(6)),
        planned=len(checks),
        checked=len(checks),
        divergences=[divergence(name) for name in DIVERGENCES],
        mutants=[killed(name) for name in MUTANTS],
    )
    assert len(render_page(arrange(made)).encode()) <= 3_000_000


def test_an_empty_report_is_still_a_report(tmp_path: Path) -> None:
    files = write(report_of(planned=0, checked=0), tmp_path)
    assert '"results": [' in files["report.json"]
    for name in VIEWS:
        assert "othing was compared" in files[name]


def test_a_report_is_replaced_whole(tmp_path: Path) -> None:
    write(report_of(failure("wrong once")), tmp_path)
    assert all("wrong once" not in text for text in write(report_of(result()), tmp_path).values())
    assert {file.name for file in tmp_path.iterdir()} == {"report.json", "report.md", "index.html"}


def test_a_report_that_was_read_gives_the_same_files(tmp_path: Path) -> None:
    first = write(report_of(result(), *FAILURES), tmp_path / "one")
    assert write(report.read(tmp_path / "one"), tmp_path / "two") == first


def test_every_divergence_has_an_anchor_both_snippets_and_its_sources(tmp_path: Path) -> None:
    entries = [divergence(name) for name in DIVERGENCES]
    page = write(report_of(result(), divergences=entries), tmp_path)["index.html"]
    tree = Tree(page)
    assert set(DIVERGENCES) <= tree.ids
    assert tree.unclosed == []
    for entry in entries:
        assert set(entry.sources) <= set(tree.targets)
        assert all(as_program(trial.code) in tree.text for trial in entry.frameworks.values())
    assert all(target.startswith(("#", "https://", "data:,")) for target in tree.targets)


def test_a_stale_divergence_fails_the_run_and_shows_what_changed(tmp_path: Path) -> None:
    entries = {name: divergence(name) for name in DIVERGENCES}
    name = "loss.denominator"
    trials = dict(entries[name].frameworks)
    trials["pytorch"] = replace(trials["pytorch"], status=FAILED, reason="it <i>changed</i>")
    entries[name] = replace(entries[name], frameworks=trials)
    made = report_of(result(), divergences=entries.values())
    assert report.failed(made)
    assert report.verdict(made) == "1 check agrees; 1 divergence is not as described"
    files = write(made, tmp_path)
    for name in VIEWS:
        assert "it &lt;i&gt;changed&lt;/i&gt;" in files[name]


PLANNED = replace(report_of(result()), divergences=(divergence("loss.all_ignored"), divergence("packing.last_output")))
COUNT = len(OPERATIONS)
ANSWERS = {  # of a report, the lines of the first screen
    "all agree, without divergences and throughput": (
        report_of(result()),
        f"Written carefully: yes, 1 implementation of 1 operation (there are {COUNT}), 0 failures.",
        "As usually written: not tried, this run has no divergence.",
        "Fastest here: not measured, `parity report DIR --benchmarks FILE` adds measurements.",
    ),
    "with divergences and throughput": (
        replace(PLANNED, throughput=benchmarks(row("pytorch", "padded"), row("pytorch", "packed"))),
        f"Written carefully: yes, 1 implementation of 1 operation (there are {COUNT}), 0 failures.",
        "As usually written: no, 1 known difference, 1 belief that does not hold.",
        "Fastest here (CPU, 2 cores): with pytorch: packed in 1 of 1 (2.0 times padding).",
    ),
    "with failures": (
        report_of(result(), result(FAILED, GRU), planned=2, checked=2),
        f"Written carefully: no, 1 of 2 implementations of 2 operations (there are {COUNT}) fail, 1 failed check.",
    ),
    "interrupted": (
        report_of(result(), planned=9, interrupted=True),
        f"Written carefully: so far, yes, 1 implementation of 1 operation (there are {COUNT}), "
        "in 1 of 9 checks, 0 failures.",
    ),
    "nothing compared": (report_of(UNAVAILABLE), "Written carefully: not known, nothing was compared."),
    "a model alone": (
        report_of(own={"test": own_verdict(FAILED)}),
        "Your own models: no, 1 of 1 verdict with a broken contract.",
    ),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_the_first_screen_answers_from_the_report(case: str, tmp_path: Path) -> None:
    made, *lines = ANSWERS[case]
    answered = answers(made)
    assert [str(answer) for answer in answered][: len(lines)] == lines
    page = Tree(write(made, tmp_path)["index.html"])
    assert {answer.anchor for answer in answered if answer.anchor} <= page.ids


def test_what_something_disturbed_is_never_fastest() -> None:
    disturbed = {"a_a": {"median": 1.2, "low": 1.1, "high": 1.3}}
    made = replace(PLANNED, throughput=benchmarks(row("pytorch", "padded"), row("pytorch", "packed", **disturbed)))
    assert "packed" not in str(answers(made)[-1])


def test_the_matrix_has_one_number_a_cell_hides_empty_columns_and_folds_what_holds(tmp_path: Path) -> None:
    lookup = Check("embedding.lookup", "pytorch", "sparse", "float32", "repeatable")
    double = Check("rnn.gru", "pytorch", "packed", "float64", "matches_reference")
    scored = [result(check=GRU, score=2.0), result(check=double, score=3.0)]
    for last, is_open in ((result(check=lookup), False), (result(FAILED, lookup), True)):
        page = write(report_of(*scored, last, planned=3, checked=3), tmp_path)["index.html"]
        assert "<b>3.0</b>" in page
        assert re.findall('data-columns="([0-9 ]*)"', page) == ["1", "0"]
        topics = re.findall('<details class="topic" data-topic="([a-z]+)"( open)?>', page)
        assert topics == [("embedding", " open" * is_open), ("rnn", "")]


def test_ten_divergences_stand_first_those_that_are_stale_before_all(tmp_path: Path) -> None:
    names = [entry.name for entry in choose_cards([divergence(name) for name in DIVERGENCES])]
    assert names == list(SURPRISING)
    stale = [divergence("pooling.all_masked"), divergence("rnn.hard_sigmoid", FAILED)]
    assert [entry.name for entry in choose_cards(stale)] == ["rnn.hard_sigmoid"]


def test_a_difference_of_which_one_framework_ran_is_known_and_not_shown(tmp_path: Path) -> None:
    entry = divergence("loss.all_ignored")
    pytorch, tensorflow = entry.frameworks.values()
    absent = replace(tensorflow, status=SKIPPED, reason="no module", observed={})
    alone = ("Results are known to differ. PyTorch divides", "pytorch: loss = NaN; no other framework was run")
    for others, sentences in (
        ({"tensorflow": tensorflow}, ("Results differ. PyTorch divides", "pytorch: loss = NaN; tensorflow: loss = 0")),
        ({"tensorflow": absent}, alone),
        ({}, alone),
    ):
        made = report_of(result(), divergences=[replace(entry, frameworks={"pytorch": pytorch} | others)])
        text = Tree(write(made, tmp_path)["index.html"]).text
        assert all(sentence in text for sentence in sentences)


def test_a_disturbed_row_of_a_ranking_is_grey(tmp_path: Path) -> None:
    disturbed = {"a_a": {"median": 1.2, "low": 1.1, "high": 1.3}}
    rows = [row("pytorch", variant, distribution="short", **disturbed) for variant in ("padded", "packed")]
    page = write(replace(PLANNED, throughput=benchmarks(*rows, row("pytorch", "padded"))), tmp_path)["index.html"]
    ranking = page.partition('class="ranking"')[2].partition("</table>")[0]
    assert [bool(grey) for grey in re.findall("<tr( class=.disturbed.)?><td>", ranking)] == [True, False]
    assert "<td>1.2 (1.1 to 1.3)</td>" in ranking
