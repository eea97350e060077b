"""Check the numbers, the examples and the commands of README against the code and the committed measurements."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from parity.checks.noise import LARGEST_ELEMENT, LARGEST_NORM
from parity.divergences import DIVERGENCES, VERDICTS
from parity.mutants import MUTANTS
from parity.operations import OPERATIONS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PLAIN = README.replace("**", "").replace("\n", " ")
CHECKED = (ROOT / "docs" / "concepts" / "checking-the-checks.md").read_text(encoding="utf-8").replace("\n", " ")
THROUGHPUT = (ROOT / "docs" / "how-to" / "packed-or-padded.md").read_text(encoding="utf-8").replace("\n", " ")
MEASURED = json.loads((ROOT / "docs" / "measurements.json").read_text(encoding="utf-8"))
COLUMNS = {
    "pytorch": ("padded", "packed", "bucketed", "real_steps"),
    "tensorflow": ("padded", "masked", "bucketed", "packed"),
}
NAMES = {"pytorch": "PyTorch", "tensorflow": "TensorFlow", "rnn.lstm": "LSTM", "rnn.gru": "GRU"}
SMALL = {"distribution": "lognormal", "phase": "train", "B": 32, "T": 64, "D": 64, "H": 128}
LARGE = {"distribution": "lognormal", "phase": "train", "B": 64, "T": 128, "D": 128, "H": 256}


def timed(framework: str, operation: str, variant: str, size: Mapping[str, Any] = LARGE) -> Mapping[str, Any]:
    """Return the committed measurement of one variant, at the size of the README's table unless another is given."""
    wanted = dict(size) | {"framework": framework, "operation": operation, "variant": variant}
    mode = {"pytorch": "eager", "tensorflow": "graph"}[framework]
    (row,) = (
        row
        for row in MEASURED["throughput"]["rows"]
        if row["mode"] == mode and all(row[k] == v for k, v in wanted.items())
    )
    return row


def is_disturbed(row: Mapping[str, Any]) -> bool:
    """Tell whether one variant differed from itself, so that something disturbed the machine."""
    return not row["a_a"]["low"] <= 1 <= row["a_a"]["high"]


def in_the_table(framework: str, operation: str) -> str:
    """Return a row of the table: milliseconds, times as fast as padded, and the interval of A/A."""
    rows = [timed(framework, operation, variant) for variant in COLUMNS[framework]]
    fastest = min(rows, key=lambda row: row["seconds"])
    cells = [f"{1000 * rows[0]['seconds']:.0f}"]
    for row in rows[1:]:
        cell = f"{1000 * row['seconds']:.0f} · {row['speedup']['median']:.2f}"
        cells.append(f"**{cell}**" if row is fastest and not is_disturbed(row) else cell)
    mark = " †" if is_disturbed(fastest) else ""
    a_a = fastest["a_a"]
    cells.append(f"{a_a['low']:.2f} to {a_a['high']:.2f}")
    return f"| {NAMES[framework]} {NAMES[operation]}{mark} | {' | '.join(cells)} |"


@pytest.mark.parametrize("operation", ["rnn.lstm", "rnn.gru"])
@pytest.mark.parametrize("framework", COLUMNS)
def test_the_times_are_measured_and_a_disturbed_row_has_no_winner(framework: str, operation: str) -> None:
    assert in_the_table(framework, operation) in README.splitlines()


def test_the_table_of_times_says_on_what() -> None:
    measured = MEASURED["throughput"]
    for name in ("torch", "tensorflow", "keras"):
        assert f"{name} {str(measured['versions'][name]).partition('+')[0]}" in PLAIN
    year, _, day = str(measured["date"])[:10].split("-")
    assert re.search(rf"\b{int(day)} \w+ {year}", PLAIN)
    assert re.search(r"^## .*\bCPU\b", README, re.MULTILINE)
    assert f"fill {100 * timed('pytorch', 'rnn.gru', 'packed')['fill']:.0f} %" in PLAIN


def test_the_counts_are_those_of_the_code() -> None:
    for text in (PLAIN, CHECKED):
        assert f"{len(MUTANTS)} of them are killed" in text
        assert f"{MEASURED['sweep']['checks']:,}".replace(",", " ") in text
        assert f"{MEASURED['sweep']['seeds']} seeds" in text
    assert f"{len(OPERATIONS)} operations" in PLAIN
    assert f"{len(DIVERGENCES)} entries" in PLAIN
    assert f"{LARGEST_ELEMENT:g} for the worst element and {LARGEST_NORM:g} norm-wise" in PLAIN
    assert MEASURED["summary"]["checks"]["failed"] == MEASURED["sweep"]["failed"] == 0


def test_the_largest_scores_of_the_sweep_are_stated() -> None:
    for kind, limit in (("element", LARGEST_ELEMENT), ("norm", LARGEST_NORM)):
        largest = MEASURED["sweep"]["largest"][kind]
        assert re.search(rf"largest {kind} (scored )?{largest['score']:g} of {limit:g}", CHECKED)
        assert largest["operation"] == "alignment.ctc"


def a_a_of_rows() -> list[dict[str, float]]:
    """Return the A/A interval of each row, which all variants of a framework share."""
    names = ("framework", "operation", "distribution", "B", "T", "D", "H")
    rows = {(*(row[name] for name in names), *row["a_a"].values()): row for row in MEASURED["throughput"]["rows"]}
    return [row["a_a"] for row in rows.values()]


def test_the_page_says_how_much_the_machine_was_disturbed() -> None:
    intervals = a_a_of_rows()
    disturbed = [one for one in intervals if not one["low"] <= 1 <= one["high"]]
    farthest = max(abs(1 - one["median"]) for one in intervals)
    assert f"differed by up to {100 * farthest:.0f} %" in THROUGHPUT
    assert f"in {len(disturbed)} of {len(intervals)} rows" in THROUGHPUT


def speedups(axis: str, framework: str, variant: str) -> dict[float, dict[str, float]]:
    """Return the measured intervals of a variant along an axis, "fill" or "T"."""
    (curve,) = (one for one in MEASURED["throughput"]["curves"] if one["axis"] == axis)
    (row,) = (row for row in curve["variants"] if (row["framework"], row["variant"]) == (framework, variant))
    return dict(zip(curve["at"], row["speedup"], strict=True))


def test_the_claims_about_packing_are_those_of_the_curves() -> None:
    for axis in ("fill", "T"):
        assert all(one["high"] < 1 for one in speedups(axis, "pytorch", "packed").values())
    for variant in ("bucketed", "real_steps"):
        fill = speedups("fill", "pytorch", variant)
        assert all(one["low"] > 1 for at, one in fill.items() if at <= 0.2)
        assert all(one["median"] < 1 for at, one in fill.items() if at >= 0.5)
    assert all(one["low"] > 1 for at, one in speedups("fill", "tensorflow", "packed").items() if at <= 0.75)
    assert not any(one["low"] > 1 for one in speedups("fill", "tensorflow", "masked").values())


def test_the_entry_about_packing_depends_and_states_what_was_measured() -> None:
    entry = DIVERGENCES["packing.faster"]
    assert entry.verdict == "depends"
    rows = [
        timed("pytorch", "rnn.lstm", "packed", SMALL),
        timed("pytorch", "rnn.gru", "packed"),
        timed("tensorflow", "rnn.lstm", "masked"),
        timed("pytorch", "rnn.gru", "real_steps"),
        timed("tensorflow", "rnn.lstm", "packed"),
    ]
    for row in rows:
        assert f"{row['speedup']['median']:.2f} times" in entry.why
        assert f"{100 * row['fill']:.0f} %" in entry.why
        assert not is_disturbed(row)


def test_the_divergences_are_those_of_the_catalogue() -> None:
    verdicts = "|".join(VERDICTS)
    rows = re.findall(rf"^\| `([a-z_]+\.[a-z_]+)` \| ({verdicts}) \|", README, re.MULTILINE)
    assert len(rows) == 5
    assert [DIVERGENCES[name].verdict for name, _ in rows] == [verdict for _, verdict in rows]


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 130
    assert len(README.split()) <= 1200
    assert max(map(len, README.splitlines())) <= 120


def links(text: str) -> Iterator[str]:
    """Yield the files that a page of Markdown links to."""
    yield from re.findall(r"\]\(([^)#:]+)\)", text)


def test_links_lead_somewhere() -> None:
    assert not [link for link in links(README) if not (ROOT / link).exists()]


def test_the_example_fails_as_it_says_within_twenty_lines(pytorch: str) -> None:
    program, quoted = re.findall(r"```(?:python|text)\n(.*?)```", README, re.DOTALL)[:2]
    assert len([line for line in program.splitlines() if line]) <= 20
    with pytest.raises(AssertionError) as error:
        exec(program, {"__name__": "tagger"})
    assert f"AssertionError: {str(error.value).splitlines()[0]}\n" == quoted
