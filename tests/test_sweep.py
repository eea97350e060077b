"""Sweep over random cases: failures are counted, and each has the command that reproduces it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from parity import report
from parity.__main__ import main
from parity.caching import clear_caches
from parity.cases.lengths import DESIGNED, LARGE, MANY_ROWS, MANY_STEPS, REAL, parse_lengths
from parity.checks import sweep
from parity.checks.check import Check
from parity.checks.result import FAILED, SKIPPED, Scores
from parity.operations import OPERATIONS
from parity.report.model import encode
from tests.factories import report_of

ROW = "bidirectional.reverse_sequence"


def test_random_lengths_are_of_every_kind() -> None:
    specs = [parse_lengths(sweep.random_lengths(np.random.default_rng(seed))) for seed in range(400)]
    assert {len(spec.lengths) for spec in specs} == set(range(sweep.MOST_SEQUENCES + 1))
    assert {spec.steps for spec in specs} == set(range(1, sweep.MOST_STEPS + 1))
    assert {0, 1, sweep.MOST_STEPS} <= {length for spec in specs for length in spec.lengths}
    assert min(spec.scale for spec in specs) < 0.002
    assert max(spec.scale for spec in specs) > 20
    assert {"None", "nan", "inf", "-inf", "0.0", "1000.0"} == {str(spec.fill) for spec in specs}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_designed_batch_has_its_turn(operation: str) -> None:
    """Find every configuration with each batch that it can have, once, before any other comes again."""
    row = OPERATIONS[operation]
    pairs = [(config.name, lengths) for config in row.configurations for lengths in sweep.designed_lengths(config)]
    for turn in (0, 1):
        seeds = range(turn * len(pairs), (turn + 1) * len(pairs))
        assert sorted(sweep.designed_case(row, seed) for seed in seeds) == sorted(pairs)
    usual = {name for config, name in pairs if not row.configuration(config).lengths}
    assert usual >= DESIGNED.keys() - {MANY_STEPS, MANY_ROWS, LARGE} or usual <= REAL.keys()
    options = {(one.name, name) for one in row.configurations for name in one.lengths if name in DESIGNED}
    assert options <= set(pairs)


def test_of_slow_layers_one_variant_is_tried_past_a_byte_of_steps() -> None:
    """Expect that variants take turns with the long batches, and run eagerly with the others, all of them."""
    row, task = OPERATIONS["rnn.gru"], sweep.SweepTask("rnn.gru", "float64", 0, 400, designed=True)
    long, found = {name for name, spec in DESIGNED.items() if spec.steps > 255}, set()
    for seed in range(400):
        _, lengths = sweep.designed_case(row, seed)
        checks = list(task._checks("tensorflow", seed))
        variants = {check.variant for check in checks}
        assert variants == set(row.variants["tensorflow"]) if lengths not in long else len(variants) == 1
        assert {check.variant for check in task._checks("pytorch", seed)} == set(row.variants["pytorch"])
        assert {check.mode for check in checks} == {"eager"}
        found |= variants if lengths in long else set()
    assert found == set(row.variants["tensorflow"])


def test_a_designed_sweep_raises_no_alarm(framework: str) -> None:
    """Try batches that a random sweep has none of."""
    tallies = sweep.SweepTask("pooling.mean", "float32", 0, 11, designed=True).run()
    (tally,) = [tally for tally in tallies if tally.framework == framework]
    assert tally.checks > 22
    assert not tally.failed
    assert any(f"--lengths {name}" in tally.row.worst for name in DESIGNED)


def test_a_right_variant_raises_no_alarm(framework: str) -> None:
    tallies = sweep.SweepTask(ROW, "float64", 0, 5).run()
    (tally,) = [tally for tally in tallies if tally.framework == framework]
    assert tally.checks >= 10
    assert not tally.failed
    assert tally.seeds == 5
    assert len(tally.element) == len(tally.norm) >= 5
    assert 0 <= tally.row.norm[-1] <= tally.row.element[-1] < 64
    assert tally.row.worst.startswith(f"parity check --operation {ROW} --framework {framework}")


def test_a_wrong_variant_raises_alarms_and_the_report_has_them(
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
    assert f"reproduce: parity check --operation {ROW} --framework pytorch --variant gather" in out
    swept = report.read(tmp_path).sweep
    assert swept is not None
    assert (swept.first, swept.seeds) == (0, 4)
    assert swept.failed == sum(row.failed for row in swept.rows) > 4
    assert "false alarms in" in (tmp_path / "report.md").read_text()


@pytest.mark.parametrize("existing", ["no report at all", "one of other versions"])
@pytest.mark.parametrize("command", [("sweep", "--seeds", "1"), ("mutants",)], ids=lambda command: command[0])
def test_an_earlier_report_is_not_overwritten(
    existing: str, command: tuple[str, ...], tmp_path: Path, capsys: Any
) -> None:
    """Check that earlier measurements are kept, and that the error precedes the work."""
    other = report_of(planned=0, checked=0)
    versions = other.environment.versions | {"numpy": "1.0"}
    other = replace(other, environment=replace(other.environment, versions=versions))
    (tmp_path / "report.json").write_text(encode(other) if existing == "one of other versions" else existing)
    before = (tmp_path / "report.json").read_bytes()
    assert main([*command, "--output", str(tmp_path)]) == 2
    assert (tmp_path / "report.json").read_bytes() == before
    assert f"output: got {str(tmp_path)!r}" in capsys.readouterr().err


def test_mutants_of_several_runs_are_joined_in_the_order_of_the_catalogue(pytorch: str, tmp_path: Path) -> None:
    names = ["masking.one_step_too_many", "masking.as_wide_as_the_first"]
    for name in reversed(names):
        assert main(["mutants", name, "--output", str(tmp_path), "--jobs", "1"]) == 0
    assert [mutant.name for mutant in report.read(tmp_path).mutants] == names


def test_a_sweep_is_added_to_an_existing_report(pytorch: str, tmp_path: Path) -> None:
    quick = ("--operation", ROW, "--dtype", "float32", "--output", str(tmp_path), "--jobs", "1")
    assert main(["check", "--framework", "pytorch", "--contract", "repeatable", *quick]) == 0
    assert main(["sweep", "--seeds", "2", *quick]) == 0
    joined = report.read(tmp_path)
    assert joined.results
    assert joined.sweep is not None
    assert joined.sweep.seeds == 2


def test_a_designed_sweep_is_a_command(pytorch: str, tmp_path: Path, capsys: Any) -> None:
    quick = ("sweep", "--operation", ROW, "--dtype", "float32", "--seeds", "3", "--jobs", "1")
    assert main([*quick, "--designed", "--output", str(tmp_path)]) == 0
    swept = report.read(tmp_path).sweep
    assert swept is not None
    assert all("--lengths" in row.worst and "--mode eager" in row.worst for row in swept.rows)
    assert main([*quick, "--designed", "--sensitivity"]) == 2
    assert "--sensitivity: not allowed with argument --designed" in capsys.readouterr().err


def test_sweeps_of_several_operations_are_joined(pytorch: str, tmp_path: Path) -> None:
    """Replace what was swept again, and keep the rest."""
    for operation, seeds in ((ROW, "3"), ("masking.sequence_mask", "2"), (ROW, "2")):
        quick = ("--operation", operation, "--dtype", "float32", "--output", str(tmp_path), "--jobs", "1")
        assert main(["sweep", "--seeds", seeds, *quick]) == 0
    swept = report.read(tmp_path).sweep
    assert swept is not None
    assert list(dict.fromkeys(row.operation for row in swept.rows)) == ["masking.sequence_mask", ROW]
    assert {row.seeds for row in swept.rows} == {2}
    assert swept.checks == sum(row.checks for row in swept.rows)


def test_a_skipped_check_does_not_count_and_a_failed_one_counts_once() -> None:
    check = Check(ROW, "pytorch", "gather", "float32", "matches_reference")
    scores = {"y": Scores(100.0, 20.0), "d_x": Scores(300.0, 50.0), "d_w": Scores(None, None)}
    tally = sweep.Tally(ROW, "pytorch", "float32")
    tally.add([check.result("", "", SKIPPED)])
    tally.add([replace(check.result("", "", FAILED), quantity=name, scores=scores) for name in scores])
    assert (tally.checks, len(tally.failed)) == (1, 1)
    assert tally.element == [100.0, 300.0]


def test_tallies_of_one_operation_are_joined() -> None:
    tallies = [sweep.Tally(ROW, "pytorch", "float32", [score], [score / 2], checks=1) for score in (1.0, 3.0)]
    summary = sweep.summarise(tallies, first=0, seeds=2)
    assert summary.checks == 2
    assert summary.rows[0].element == (2.0, 3.0, 3.0, 3.0)
    assert summary.rows[0].norm[-1] == 1.5
