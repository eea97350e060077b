"""Training: the frameworks go the reference's way, and whoever strays is seen."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from parity import frameworks, report, training
from parity.checks.result import FAILED, PASSED, SKIPPED, Result, explain
from parity.training import MODELS, OPTIMISERS, STEPS

ALL = [(model, optimiser) for model in MODELS for optimiser in OPTIMISERS]


def test_a_model_trains_alike(parity_training: list[Result]) -> None:
    """Losses, every weight after every step, and predictions."""
    if said := explain(parity_training):
        pytest.fail(said, pytrace=False)
    (result,) = parity_training
    assert result.status == PASSED
    weights = training.train(result.operation, "sgd", "reference").weights
    assert set(result.scores or {}) == {"loss", "logits", *weights}


@pytest.mark.parametrize(("model", "optimiser"), ALL)
def test_the_pad_row_ends_as_it_began(model: str, optimiser: str, framework: str) -> None:
    trained = training.train(model, optimiser, framework)
    if "table" not in trained.weights:
        pytest.skip("no embedding")
    pad = trained.weights["table"][:, 0]
    assert pad[0].any()
    assert all(row.tobytes() == pad[0].tobytes() for row in pad)
    assert not training.envelope(model, STEPS, 0)[optimiser].floor.weights["table"][:, 0].any()


@pytest.mark.parametrize(("model", "optimiser"), ALL)
def test_a_curve_has_an_entry_for_every_step(model: str, optimiser: str) -> None:
    curve = training.growth(model, optimiser)
    frameworks_here = [framework for framework in frameworks.FRAMEWORKS if not frameworks.missing(framework)]
    assert list(curve["frameworks"]) == frameworks_here
    columns = [
        curve["loss"],
        curve["envelope"],
        *(each for run in curve["frameworks"].values() for each in run.values()),
    ]
    assert {len(column) for column in columns} == {STEPS}
    assert not any(None in column for column in columns)
    report.current(report.record([], {}, seed=0, seconds=1.0, planned=0, checked=0, training=[curve]))


@pytest.mark.parametrize(("model", "optimiser"), ALL)
def test_a_model_learns_and_roundoff_grows_a_little(model: str, optimiser: str) -> None:
    """Else there would be nothing to compare, or nothing to see."""
    curve = training.growth(model, optimiser)
    assert np.mean(curve["loss"][-10:]) < np.mean(curve["loss"][:10])
    assert 1.2 * curve["envelope"][0] < curve["envelope"][-1] < 10 * curve["envelope"][0]


Build = Callable[[dict[str, Any]], Any]
ADAM = {"learning_rate": 0.01, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8}


def room(framework: str) -> Any:
    """The framework's own optimisers."""
    return import_module(f"parity.{framework}.optimiser").OPTIMISERS


def of_kind(kind: str, **settings: float) -> Callable[[str], Build]:
    """The framework's own, with no pad row to keep and settings that are not those asked for."""
    return lambda framework: lambda parameters: room(framework)[kind](parameters, {}, **settings)


MUTANTS = {  # `parity.mutants.training` has many more; these say where they are found
    "a decayed pad row": ("adamw", of_kind("adamw", **ADAM, weight_decay=0.01), "step 1, first in table"),
    "no momentum": ("momentum", of_kind("sgd", learning_rate=0.02), "step 2, first in"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mutant_is_found_where_it_begins(mutant: str, framework: str) -> None:
    optimiser, build, place = MUTANTS[mutant]
    results = training.check_training("model.text_classifier", optimiser, framework, steps=3, build=build(framework))
    assert {result.status for result in results} == {FAILED}
    assert results[0].first.startswith(f"parts from the reference at {place}")
    if mutant == "a decayed pad row":
        assert [(result.quantity, result.worst_index[:2]) for result in results] == [("table", (1, 0))]


def test_padding_that_is_learned_is_seen(framework: str) -> None:
    right = import_module(f"parity.{framework}.model").tagger

    def careless(lengths: Any, **arrays: Any) -> Any:
        longest = lengths.max() if framework == "pytorch" else import_module("tensorflow").reduce_max(lengths)
        return right(lengths=lengths * 0 + longest, **arrays)

    results = training.check_training("model.tagger", "sgd", framework, steps=1, function=careless)
    assert {result.status for result in results} == {FAILED}
    assert "before step 1, first in its loss" in results[0].first
    assert "function=careless" in results[0].reproduce


def test_what_an_optimiser_raises_is_a_result(framework: str) -> None:
    def broken(parameters: Any) -> Any:
        raise ArithmeticError("no step is small enough")

    (result,) = training.check_training("model.vowel_speaker", "sgd", framework, steps=1, build=broken)
    assert (result.status, result.reason) == (FAILED, "raised ArithmeticError: no step is small enough")


def test_a_missing_framework_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frameworks, "missing", lambda framework: f"framework {framework}: not here")
    (result,) = training.check_training("model.tagger", "adam", "tensorflow", steps=1)
    assert (result.status, result.reason) == (SKIPPED, "framework tensorflow: not here")
