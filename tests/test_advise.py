"""Check the model behind `parity advise`, its calibration, and the command."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from parity import bucketing
from parity.__main__ import main
from parity.bucketing import Cost
from parity.operations import GATES, find
from parity.throughput import calibration
from parity.throughput.advice import IN_GROUPS, ON_REAL_STEPS, Layer, Model, counts
from parity.throughput.calibration import calibration_lengths

LENGTHS = np.array([9, 1, 2, 8])
LAYER = Layer("rnn.lstm", "one_layer", features=4, hidden=5)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test a cache folder of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pytorch.padded", (1, 10, 40)),
        ("tensorflow.masked", (1, 10, 40)),
        ("pytorch.packed", (1, 9, 20)),
        ("pytorch.real_steps", (1, 9, 20)),
        ("tensorflow.packed", (1, 9, 20)),
        ("pytorch.bucketed", (2, 11, 22)),
    ],
)
def test_strategies_count_calls_steps_and_rows(name: str, expected: tuple[int, int, int]) -> None:
    assert counts(name, LENGTHS, 10, Cost(call=1.0, step=1.0, row=1.0)) == expected


def test_steps_are_at_least_the_longest_length() -> None:
    assert counts("pytorch.padded", LENGTHS, 4, bucketing.DEFAULT) == (1, 9, 36)


def test_every_strategy_named_here_exists() -> None:
    """Check the names: a renamed variant would be counted as padded, without an error."""
    known = set()
    for row in (find("rnn.lstm"), find("bidirectional.lstm")):
        for framework, variants in row.variants.items():
            known |= {*variants, *(f"{framework}.{variant}" for variant in variants)}
    assert {*ON_REAL_STEPS, "bucketed", *IN_GROUPS["pytorch"], *IN_GROUPS["tensorflow"]} <= known


def test_a_model_ranks_by_the_counts() -> None:
    """Check that cheap rows favour padding, and expensive rows leaving it out."""
    cheap, expensive = Cost(0.0, 1.0, 0.001), Cost(0.0, 1.1, 1.0)
    ranking = Model({"pytorch.padded": cheap, "pytorch.packed": Cost(0.0, 2.0, 0.001)}).ranking(LENGTHS)
    assert ranking[0][0] == "pytorch.padded"
    ranking = Model({"pytorch.padded": expensive, "pytorch.packed": expensive}).ranking(LENGTHS)
    assert ranking[0][0] == "pytorch.packed"


def test_bucketed_plans_by_the_cost_of_the_variant_it_runs() -> None:
    cost = Cost(0.0, 0.0, 1.0)
    assert Model({"pytorch.padded": cost}).grouping("pytorch") == cost
    assert Model({"pytorch.two_pass": cost}).grouping("pytorch") == cost
    assert Model({}).grouping("tensorflow") == bucketing.DEFAULT


@pytest.mark.parametrize(("batch", "steps"), [(64, 128), (1, 1), (3, 5)])
def test_no_calibration_batch_has_equal_lengths(batch: int, steps: int) -> None:
    """Check the lengths: PyTorch runs a packed batch of equal lengths as a padded one."""
    for lengths in calibration_lengths(batch, steps):
        assert len(lengths) == 1 or len(set(lengths.tolist())) > 1


def restrict(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Leave only some candidates of every layer."""
    chosen = [candidate for candidate in LAYER.candidates() if str(candidate) in names]
    monkeypatch.setattr(Layer, "candidates", lambda _: chosen)


def test_a_calibration_is_measured_once(monkeypatch: pytest.MonkeyPatch, pytorch: str) -> None:
    """Check that it is stored then, and that a broken file is ignored."""
    names = ("pytorch.packed", "pytorch.padded", "pytorch.bucketed")
    restrict(monkeypatch, *names)
    monkeypatch.setattr(calibration, "STEADY", float("inf"))
    model = calibration.calibrated(LAYER, batch=4, steps=8)
    assert set(model.costs) == set(names)
    assert all(cost.of(4, 8) > 0 for cost in model.costs.values())
    monkeypatch.setattr(calibration, "calibrate", lambda *_: pytest.fail("measured again"))
    assert calibration.calibrated(LAYER, batch=4, steps=8) == model
    calibration.cache_file().write_text("{broken", encoding="utf-8")
    assert calibration.stored(LAYER, 4, 8) is None


def test_the_command_predicts(
    framework: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    costs = {str(candidate): Cost(1e-4, 1e-5 * (1 + n), 1e-6) for n, candidate in enumerate(LAYER.candidates())}
    monkeypatch.setattr(calibration, "stored", lambda *_: Model(costs))
    file = tmp_path / "lengths"
    file.write_text("5 1\n3,4\n", encoding="utf-8")
    assert main(["advise", "--lengths", str(file), "--hidden", "5", "--batch", "4", "--no-measure"]) == 0
    output = capsys.readouterr().out
    assert f"{framework}: use " in output
    assert "batches of 4 drawn from 4 lengths" in output
    assert "batches of similar length" in output


def test_advice_of_a_busy_machine_says_so(
    pytorch: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    costs = {str(candidate): Cost(1e-4, 1e-5, 1e-6) for candidate in LAYER.candidates()}
    options = ["advise", "--distribution", "uniform", "--hidden", "5", "--batch", "4", "--no-measure"]
    for steady in (True, False):
        monkeypatch.setattr(calibration, "stored", lambda *_, steady=steady: Model(costs, steady=steady))
        assert main(options) == 0
        assert ("repeat it when none does" in capsys.readouterr().out) is not steady


def test_a_batch_without_real_steps_that_costs_nothing_is_predicted(
    pytorch: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    costs = {str(candidate): Cost(0.0, 1e-5, 1e-6) for candidate in LAYER.candidates()}
    monkeypatch.setattr(calibration, "stored", lambda *_: Model(costs))
    file = tmp_path / "lengths"
    file.write_text(f"1 {'0 ' * 99_999}", encoding="utf-8")
    assert main(["advise", "--lengths", str(file), "--hidden", "5", "--batch", "1", "--no-measure"]) == 0


def test_the_command_measures(
    pytorch: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    restrict(monkeypatch, "pytorch.packed", "pytorch.padded")
    monkeypatch.setattr("parity.cli.advise.BUDGET", 0.0)
    assert main(["advise", "--distribution", "speeches", "--cell", "gru", "--hidden", "4", "--batch", "3"]) == 0
    assert "the variant predicted for that batch takes" in capsys.readouterr().out


def test_what_is_predicted_to_be_slow_is_not_measured_but_for_padding(
    pytorch: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Predict that `packed` is fastest and the rest, of which one is padded, takes three times as long."""
    restrict(monkeypatch, "pytorch.packed", "pytorch.bucketed", "pytorch.padded")
    fast, slow = Cost(1.0, 0.0, 0.0), Cost(3.0, 0.0, 0.0)
    costs = {str(candidate): slow for candidate in LAYER.candidates()} | {"pytorch.packed": fast}
    monkeypatch.setattr(calibration, "stored", lambda *_: Model(costs))
    assert main(["advise", "--distribution", "speeches", "--hidden", "4", "--batch", "3"]) == 0
    columns = {line.split()[0]: len(line.split()) for line in capsys.readouterr().out.splitlines()}
    assert [columns[f"pytorch.{variant}"] for variant in ("packed", "bucketed", "padded")] == [6, 5, 6]


def test_the_file_has_plain_numbers(pytorch: str) -> None:
    model = Model({str(candidate): Cost(1.0, 2.0, 3.0) for candidate in LAYER.candidates()})
    calibration.store(LAYER, 4, 8, model)
    (costs,) = json.loads(calibration.cache_file().read_text(encoding="utf-8")).values()
    assert costs["pytorch.packed"] == {"call": 1.0, "step": 2.0, "row": 3.0}
    assert calibration.stored(LAYER, 4, 8) == model
    assert set(GATES) == {"rnn", "gru", "lstm"}


@pytest.mark.parametrize(
    "costs", [None, 1, "x", [], {}, {"a": 1}, {"a": {"cal": 1}}, {"a": {"call": -1, "step": 0, "row": 1}}]
)
def test_a_damaged_or_outdated_calibration_is_measured_again(pytorch: str, costs: object) -> None:
    """Check also one that lacks a variant, or has one that no longer exists."""
    calibration.store(LAYER, 4, 8, Model({"pytorch.packed": Cost(1.0, 2.0, 3.0)}))
    assert calibration.stored(LAYER, 4, 8) is None
    key = calibration._key(LAYER, 4, 8)
    calibration.cache_file().write_text(json.dumps({key: costs}), encoding="utf-8")
    assert calibration.stored(LAYER, 4, 8) is None


DAMAGED = (b"", b"[" * 100_000, b"9" * 5000, b'{"a": NaN}', b"\xff", b"[]", b"null", b"\0" * 99)


@pytest.mark.parametrize("content", DAMAGED)
def test_a_file_of_costs_that_is_damaged_is_replaced(pytorch: str, content: bytes) -> None:
    file = calibration.cache_file()
    file.parent.mkdir()
    file.write_bytes(content)
    assert calibration.stored(LAYER, 4, 8) is None
    calibration.store(LAYER, 4, 8, Model({"pytorch.packed": Cost(1.0, 2.0, 3.0)}))
    assert len(json.loads(file.read_bytes())) >= 1


@pytest.mark.skipif(sys.platform == "win32", reason="no FIFO")
def test_a_file_of_costs_that_is_no_file_is_not_waited_for(pytorch: str) -> None:
    file = calibration.cache_file()
    file.parent.mkdir()
    os.mkfifo(file)
    assert calibration.stored(LAYER, 4, 8) is None


def test_a_calibration_on_a_busy_machine_is_not_stored(pytorch: str) -> None:
    calibration.store(LAYER, 4, 8, Model({"pytorch.packed": Cost(1.0, 2.0, 3.0)}, steady=False))
    assert not calibration.cache_file().exists()


@pytest.mark.parametrize(
    "other",
    [
        replace(LAYER, hidden=6),
        replace(LAYER, features=5),
        replace(LAYER, phase="forward"),
        replace(LAYER, device="cuda"),
        replace(LAYER, operation="rnn.gru"),
        replace(LAYER, without=("stepwise",)),
    ],
    ids=str,
)
def test_everything_that_costs_depend_on_changes_the_key(pytorch: str, other: Layer) -> None:
    assert calibration._key(LAYER, 4, 8) != calibration._key(other, 4, 8)
    assert calibration._key(LAYER, 4, 8) == calibration._key(LAYER, 5, 9)
    assert calibration._key(LAYER, 4, 8) != calibration._key(LAYER, 64, 8) != calibration._key(LAYER, 4, 512)
