"""The model behind `parity advise`, and the command."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from parity import bucketing as planner
from parity.__main__ import main
from parity.bucketing import Cost
from parity.operations import GATES, find
from parity.throughput import advice as advise
from parity.throughput.advice import IN_GROUPS, ON_REAL_STEPS, Layer, Model, calibration_lengths, counts

DISTRIBUTIONS = np.array([9, 1, 2, 8])
LAYER = Layer("rnn.lstm", "one_layer", features=4, hidden=5)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Calibrations of a test are nobody else's."""
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
def test_strategies_count_what_they_do(name: str, expected: tuple[int, int, int]) -> None:
    assert counts(name, DISTRIBUTIONS, 10, Cost(call=1.0, step=1.0, row=1.0)) == expected


def test_every_strategy_named_here_exists() -> None:
    """A renamed variant would silently be counted as padded."""
    known = {
        name
        for row in (find("rnn.lstm"), find("bidirectional.lstm"))
        for framework, variants in row.variants.items()
        for variant in variants
        for name in (variant, f"{framework}.{variant}")
    }
    assert set(ON_REAL_STEPS) | {"bucketed"} | {base for bases in IN_GROUPS.values() for base in bases} <= known


def test_a_model_ranks_by_what_is_counted() -> None:
    """Cheap rows favour padding, dear rows leave it out."""
    cheap, dear = Cost(0.0, 1.0, 0.001), Cost(0.0, 1.1, 1.0)
    assert (
        Model({"pytorch.padded": cheap, "pytorch.packed": Cost(0.0, 2.0, 0.001)})
        .ranking(DISTRIBUTIONS)[0][0]
        .endswith("padded")
    )
    assert Model({"pytorch.padded": dear, "pytorch.packed": dear}).ranking(DISTRIBUTIONS)[0][0].endswith("packed")


def test_bucketed_plans_by_the_cost_of_what_it_runs() -> None:
    cost = Cost(0.0, 0.0, 1.0)
    assert Model({"pytorch.padded": cost}).grouping("pytorch.bucketed") == cost
    assert Model({"pytorch.two_pass": cost}).grouping("pytorch.bucketed") == cost
    assert Model({}).grouping("tensorflow.bucketed") == planner.DEFAULT


@pytest.mark.parametrize(("batch", "steps"), [(64, 128), (1, 1), (3, 5)])
def test_no_calibration_batch_has_equal_lengths(batch: int, steps: int) -> None:
    """PyTorch runs such a packed batch as a padded one."""
    for lengths in calibration_lengths(batch, steps):
        assert len(lengths) == 1 or len(set(lengths.tolist())) > 1


def test_a_calibration_is_measured_once(monkeypatch: pytest.MonkeyPatch, pytorch: str, cache: Path) -> None:
    """And kept in a file that a broken one does not stop."""
    only = [
        entry for entry in LAYER.entries() if str(entry) in ("pytorch.packed", "pytorch.padded", "pytorch.bucketed")
    ]
    monkeypatch.setattr(Layer, "entries", lambda _: only)
    monkeypatch.setattr(advise, "STEADY", float("inf"))
    model = advise.calibrated(LAYER, batch=4, steps=8)
    assert set(model.costs) == {"pytorch.packed", "pytorch.padded", "pytorch.bucketed"}
    assert all(cost.of(4, 8) > 0 for cost in model.costs.values())
    monkeypatch.setattr(advise, "calibrate", lambda *_: pytest.fail("measured again"))
    assert advise.calibrated(LAYER, batch=4, steps=8) == model
    advise.cache_file().write_text("{broken", encoding="utf-8")
    assert advise.cached(LAYER, 4, 8) is None


def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that was measured before: the command has nothing to run."""
    costs = {str(entry): Cost(1e-4, 1e-5 * (1 + n), 1e-6) for n, entry in enumerate(LAYER.entries())}
    monkeypatch.setattr("parity.throughput.advice.cached", lambda *_: Model(costs))


def test_the_command_predicts(
    framework: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    known(monkeypatch)
    (tmp_path / "lengths").write_text("5 1\n3,4\n", encoding="utf-8")
    assert (
        main(["advise", "--lengths", str(tmp_path / "lengths"), "--hidden", "5", "--batch", "4", "--no-measure"]) == 0
    )
    said = capsys.readouterr().out
    assert f"{framework}: use " in said
    assert "4 of 4 sequences at a time" in said
    assert "batches of similar length" in said


def test_the_command_measures(
    pytorch: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    only = [entry for entry in LAYER.entries() if str(entry) in ("pytorch.packed", "pytorch.padded")]
    monkeypatch.setattr(Layer, "entries", lambda _: only)
    monkeypatch.setattr("parity.cli.advise.BUDGET", 0.0)
    assert main(["advise", "--distribution", "speeches", "--cell", "gru", "--hidden", "4", "--batch", "3"]) == 0
    assert "what was predicted for that batch takes" in capsys.readouterr().out


def test_the_file_holds_plain_numbers(pytorch: str) -> None:
    model = Model({str(entry): Cost(1.0, 2.0, 3.0) for entry in LAYER.entries()})
    advise.keep(LAYER, 4, 8, model)
    (kept,) = json.loads(advise.cache_file().read_text(encoding="utf-8")).values()
    assert kept["pytorch.packed"] == {"call": 1.0, "step": 2.0, "row": 3.0}
    assert advise.cached(LAYER, 4, 8) == model
    assert set(GATES) == {"rnn", "gru", "lstm"}


@pytest.mark.parametrize(
    "kept", [None, 1, "x", [], {}, {"a": 1}, {"a": {"cal": 1}}, {"a": {"call": -1, "step": 0, "row": 1}}]
)
def test_a_damaged_or_stale_entry_is_measured_again(pytorch: str, kept: object) -> None:
    """Nor does one count that lacks a variant, or knows one that is gone."""
    advise.keep(LAYER, 4, 8, Model({"pytorch.packed": Cost(1.0, 2.0, 3.0)}))
    assert advise.cached(LAYER, 4, 8) is None
    key = advise._key(LAYER, 4, 8)
    advise.cache_file().write_text(json.dumps({key: kept}), encoding="utf-8")
    assert advise.cached(LAYER, 4, 8) is None


def test_a_busy_machine_is_not_kept(pytorch: str) -> None:
    advise.keep(LAYER, 4, 8, Model({"pytorch.packed": Cost(1.0, 2.0, 3.0)}, steady=False))
    assert not advise.cache_file().exists()


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
def test_what_changes_the_figures_changes_the_key(pytorch: str, other: Layer) -> None:
    assert advise._key(LAYER, 4, 8) != advise._key(other, 4, 8)
    assert advise._key(LAYER, 4, 8) == advise._key(LAYER, 5, 9)
    assert advise._key(LAYER, 4, 8) != advise._key(LAYER, 64, 8) != advise._key(LAYER, 4, 512)


def test_steps_below_the_longest_are_not_believed() -> None:
    assert counts("pytorch.padded", DISTRIBUTIONS, 4, planner.DEFAULT) == (1, 9, 36)
