"""What the README claims in numbers is what the code has, or what the committed example measured (``docs/``)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from parity.checks.sweep import QUANTILES
from parity.divergences import DIVERGENCES
from parity.mutants import MUTANTS
from parity.operations import OPERATIONS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PLAIN = README.replace("**", "").replace("\n", " ")
RESULTS = json.loads((ROOT / "docs" / "results.json").read_text(encoding="utf-8"))
COLUMNS = {
    "pytorch": ("padded", "packed", "bucketed", "real_steps"),
    "tensorflow": ("padded", "masked", "bucketed", "packed"),
}
NAMES = {"pytorch": "PyTorch", "tensorflow": "TensorFlow", "rnn.lstm": "LSTM", "rnn.gru": "GRU"}
LARGE = {"distribution": "lognormal", "phase": "train", "B": 64, "T": 128, "D": 128, "H": 256}


def timed(framework: str, operation: str, variant: str) -> Mapping[str, Any]:
    """What the committed example measured of one variant at the size of the README's table."""
    wanted = LARGE | {"framework": framework, "operation": operation, "variant": variant}
    mode = {"pytorch": "eager", "tensorflow": "graph"}[framework]
    (row,) = (
        row
        for row in RESULTS["throughput"]["rows"]
        if row["mode"] == mode and all(row[k] == v for k, v in wanted.items())
    )
    return row


def in_the_table(framework: str, operation: str) -> list[str]:
    """A row of the table: milliseconds, times as fast as padded, and the best one's share of the peak."""
    rows = [timed(framework, operation, variant) for variant in COLUMNS[framework]]
    cells = [f"{1000 * rows[0]['seconds']:.0f}"]
    cells += [f"{1000 * row['seconds']:.0f} · {row['speedup']['median']:.2f}" for row in rows[1:]]
    return [f"{NAMES[framework]} {NAMES[operation]}", *cells, f"{100 * rows[-1]['share_of_peak']:.0f} %"]


@pytest.mark.parametrize("operation", ["rnn.lstm", "rnn.gru"])
@pytest.mark.parametrize("framework", COLUMNS)
def test_the_times_are_those_of_the_example(framework: str, operation: str) -> None:
    assert f"| {' | '.join(in_the_table(framework, operation))} |" in PLAIN


def test_the_example_says_when_and_where() -> None:
    environment, measured = RESULTS["environment"], RESULTS["throughput"]
    for name in ("torch", "tensorflow", "keras"):
        version = str(environment["versions"][name]).partition("+")[0]
        assert f"{name} {version}" in PLAIN
        assert str(measured["versions"][name]).partition("+")[0] == version
    year, _, day = str(measured["date"])[:10].split("-")
    assert re.search(rf"\b{int(day)} \w+ {year}", PLAIN)


def test_the_counts_are_those_of_the_code() -> None:
    assert f"{len(MUTANTS)} of them are killed" in PLAIN
    assert {f"`{name}`" for name in OPERATIONS} <= set(re.findall(r"`[a-z_]+\.[a-z0-9_]+`", README))
    assert f"{len(DIVERGENCES)} entries" in PLAIN
    assert RESULTS["summary"]["checks"]["failed"] == 0


def test_the_sweep_is_that_of_the_example() -> None:
    swept = RESULTS["sweep"]
    assert f"{swept['seeds']} seeds" in PLAIN
    assert f"{swept['checks']:,}".replace(",", " ") in PLAIN
    assert swept["failed"] == 0
    for kind in ("element", "norm"):
        largest = max(row[kind][QUANTILES.index(100)] for row in swept["rows"] if row[kind])
        assert f"largest {kind} scored {largest:g} of 64" in PLAIN or f"largest {kind} {largest:g} of 16" in PLAIN


def test_the_function_of_ones_own_fails_as_it_says(pytorch: str, capsys: Any) -> None:
    """The README's program is run, and once more mended as the README says."""
    (program,) = (block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "def mine" in block)
    exec(program, {"__name__": "mine"})
    assert "raised ValueError: y has shape (2, 3, 6), expected (2, 5, 6)" in capsys.readouterr().out
    mended = program.replace("(y, batch_first=True)", "(y, batch_first=True, total_length=x.shape[1])")
    assert mended != program
    exec(mended, {"__name__": "mine"})
    assert capsys.readouterr().out == ""
