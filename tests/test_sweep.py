"""The sweep over random cases: it counts what fails, and says how to see it again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity import report
from parity.__main__ import main
from parity.caching import clear_caches
from parity.cases.lengths import parse_lengths
from parity.checks import sweep
from parity.checks.check import Check
from parity.checks.result import FAILED, SKIPPED

ROW = "bidirectional.reverse_sequence"


def test_random_shapes_are_of_every_kind() -> None:
    lengths = [parse_lengths(sweep.random_lengths(np.random.default_rng(seed))) for seed in range(400)]
    assert {len(lengths.lengths) for lengths in lengths} == set(range(sweep.MOST_SEQUENCES + 1))
    assert {lengths.steps for lengths in lengths} == set(range(1, sweep.MOST_STEPS + 1))
    assert {0, 1, sweep.MOST_STEPS} <= {length for lengths in lengths for length in lengths.lengths}
    assert min(lengths.scale for lengths in lengths) < 0.002
    assert max(lengths.scale for lengths in lengths) > 20
    assert {"None", "nan", "inf", "-inf", "0.0", "1000.0"} == {str(lengths.fill) for lengths in lengths}


def test_a_right_variant_raises_no_alarm(framework: str) -> None:
    (tally,) = [one for one in sweep.Sweep(ROW, "float64", 0, 5).run() if one.framework == framework]
    assert tally.checks >= 10
    assert not tally.failed
    assert tally.seeds == 5
    assert len(tally.element) == len(tally.norm) >= 5
    assert 0 <= tally.row["norm"][-1] <= tally.row["element"][-1] < 64
    assert tally.row["worst"].startswith(f"parity check --operation {ROW} --framework {framework}")


def test_a_wrong_variant_does_and_the_report_says_so(
    pytorch: str, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from parity.pytorch import bidirectional

    clear_caches()
    monkeypatch.setattr(bidirectional, "reverse_sequence", lambda x, lengths, variant: {"y": x.flip(1)})
    try:
        quick = ("sweep", "--operation", ROW, "--dtype", "float32", "--seeds", "4", "--jobs", "1")
        assert main([*quick, "--output", str(tmp_path)]) == 1
    finally:
        clear_caches()
    out = capsys.readouterr().out
    assert f"again: parity check --operation {ROW} --framework pytorch --variant gather" in out
    swept = json.loads((tmp_path / "report.json").read_text())["sweep"]
    assert (swept["first"], swept["seeds"]) == (0, 4)
    assert swept["failed"] == sum(row["failed"] for row in swept["rows"]) > 4
    assert "false alarms in" in (tmp_path / "report.md").read_text()


@pytest.mark.parametrize("there", ["no report at all", "one of other versions"])
@pytest.mark.parametrize("command", [("sweep", "--seeds", "1"), ("mutants",)], ids=lambda command: command[0])
def test_nothing_is_put_in_the_place_of(there: str, command: tuple[str, ...], tmp_path: Path, capsys: Any) -> None:
    """What somebody measured is not for a sweep to throw away; that is said before the work."""
    other = report.record([], {}, seed=0, seconds=0.0, planned=0, checked=0)
    other["environment"]["versions"]["numpy"] = "1.0"
    (tmp_path / "report.json").write_text(json.dumps(other) if there == "one of other versions" else there)
    before = (tmp_path / "report.json").read_bytes()
    assert main([*command, "--output", str(tmp_path)]) == 2
    assert (tmp_path / "report.json").read_bytes() == before
    assert f"output: got {str(tmp_path)!r}" in capsys.readouterr().err


def test_mutants_run_one_after_the_other_stand_together(pytorch: str, tmp_path: Path) -> None:
    names = ["masking.one_step_too_many", "masking.as_wide_as_the_first"]
    for name in reversed(names):
        assert main(["mutants", name, "--output", str(tmp_path), "--jobs", "1"]) == 0
    assert [mutant["name"] for mutant in json.loads((tmp_path / "report.json").read_text())["mutants"]] == names


def test_a_sweep_is_added_to_the_report_that_is_there(pytorch: str, tmp_path: Path) -> None:
    quick = ("--operation", ROW, "--dtype", "float32", "--output", str(tmp_path), "--jobs", "1")
    assert main(["check", "--framework", "pytorch", "--contract", "repeatable", *quick]) == 0
    assert main(["sweep", "--seeds", "2", *quick]) == 0
    record = json.loads((tmp_path / "report.json").read_text())
    assert record["checks"]
    assert record["sweep"]["seeds"] == 2


def test_a_sweep_in_portions_is_one(pytorch: str, tmp_path: Path) -> None:
    """What was swept again is replaced, and what was not stays."""
    for operation, seeds in ((ROW, "3"), ("masking.sequence_mask", "2"), (ROW, "2")):
        quick = ("--operation", operation, "--dtype", "float32", "--output", str(tmp_path), "--jobs", "1")
        assert main(["sweep", "--seeds", seeds, *quick]) == 0
    swept = json.loads((tmp_path / "report.json").read_text())["sweep"]
    assert list(dict.fromkeys(row["operation"] for row in swept["rows"])) == ["masking.sequence_mask", ROW]
    assert {row["seeds"] for row in swept["rows"]} == {2}
    assert swept["checks"] == sum(row["checks"] for row in swept["rows"])


def test_what_compared_nothing_is_no_check_and_what_failed_is_one() -> None:
    check = Check(ROW, "pytorch", "gather", "float32", "matches_reference")
    scores = {"y": (100.0, 20.0), "d_x": (300.0, 50.0), "d_w": (float("inf"), float("inf"))}
    tally = sweep.Tally(ROW, "pytorch", "float32")
    tally.add([check.result("", "", SKIPPED)])
    tally.add([check.result("", "", FAILED, quantity=name, scores=scores) for name in scores])
    assert (tally.checks, len(tally.failed)) == (1, 1)
    assert tally.element == [100.0, 300.0]


def test_tallies_join() -> None:
    one, two = (sweep.Tally(ROW, "pytorch", "float32", [score], [score / 2], checks=1) for score in (1.0, 3.0))
    summary = sweep.summary([one, two], first=0, seeds=2)
    assert summary["checks"] == 2
    assert summary["rows"][0]["element"] == [2.0, 3.0, 3.0, 3.0]
    assert summary["rows"][0]["norm"][-1] == 1.5
