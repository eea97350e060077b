"""Train models in both frameworks as in the reference; a mistake in an optimiser fails."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from parity import frameworks, training
from parity.checks.result import FAILED, PASSED, SKIPPED, FirstDifference, Result
from parity.checks.sentences import explain
from parity.report.model import decode, encode
from parity.training import MODELS, OPTIMISERS
from tests.factories import report_of
from tests.full_runs import full_run

# The checks themselves train each model with each optimiser.
EACH = list(zip([*MODELS, *MODELS], OPTIMISERS, strict=False))
FIRST_AND_OTHERS = [EACH[0], *(pytest.param(*one, marks=full_run) for one in EACH[1:])]
FEW = 3  # steps, where what shows after many shows after each


def test_a_model_trains_alike(parity_training: list[Result]) -> None:
    """Compare losses, every weight after every step, and predictions."""
    if failure := explain(parity_training):
        pytest.fail(failure, pytrace=False)
    (result,) = parity_training
    assert result.status == PASSED
    weights = training.train(result.operation, "sgd", "reference", steps=FEW).weights
    assert set(result.scores) == {"loss", "logits", *weights}


@pytest.mark.parametrize(("model", "optimiser"), FIRST_AND_OTHERS)
def test_the_pad_row_ends_as_it_began(model: str, optimiser: str, framework: str) -> None:
    trained = training.train(model, optimiser, framework, steps=FEW)
    if "table" not in trained.weights:
        pytest.skip("no embedding")
    pad = trained.weights["table"][:, 0]
    assert pad[0].any()
    assert all(row.tobytes() == pad[0].tobytes() for row in pad)
    assert not training.envelope(model, FEW, 0)[optimiser].floor.weights["table"][:, 0].any()


@pytest.mark.parametrize(("model", "optimiser"), FIRST_AND_OTHERS)
def test_a_curve_has_a_number_for_every_step(model: str, optimiser: str) -> None:
    curve = training.growth(model, optimiser, steps=FEW)
    installed = [framework for framework in frameworks.FRAMEWORKS if not frameworks.missing(framework)]
    assert list(curve.frameworks) == installed
    series = [curve.loss, curve.envelope]
    for run in curve.frameworks.values():
        series += [run.loss, run.distance]
    assert {len(numbers) for numbers in series} == {FEW}
    assert not any(None in numbers for numbers in series)
    assert decode(encode(report_of(training=[curve]))).training == (curve,)


@full_run
def test_a_model_learns_and_roundoff_grows_a_little() -> None:
    """Check that there is something to compare, and that roundoff does not hide it."""
    curve = training.growth("model.text_classifier", "sgd")
    loss, envelope = np.array(curve.loss, float), np.array(curve.envelope, float)
    assert loss[-10:].mean() < loss[:10].mean()
    assert 1.2 * envelope[0] < envelope[-1] < 10 * envelope[0]


Build = Callable[[dict[str, Any]], Any]


def own(kind: str, **settings: float) -> Callable[[str], Build]:
    """Return the framework's own optimiser without a pad row, and with other settings than asked for."""

    def build(framework: str, parameters: dict[str, Any]) -> Any:
        optimisers = import_module(f"parity.{framework}.optimiser").OPTIMISERS
        return optimisers[kind](parameters, {}, **settings)

    return lambda framework: partial(build, framework)


MUTANTS = {  # `parity.mutants.training` has many more; these are localised
    "a decayed pad row": ("adamw", own("adamw", **OPTIMISERS["adamw"].settings), FirstDifference(1, "table")),
    "no momentum": ("momentum", own("sgd", learning_rate=0.02), None),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mutant_is_localised_at_its_step(mutant: str, framework: str) -> None:
    optimiser, build, first = MUTANTS[mutant]
    results = training.check_training("model.text_classifier", optimiser, framework, steps=3, build=build(framework))
    assert {result.status for result in results} == {FAILED}
    assert results[0].first is not None
    if mutant == "a decayed pad row":
        assert results[0].first == first
        assert [(result.quantity, result.worst_index[:2]) for result in results] == [("table", (1, 0))]
    else:
        assert str(results[0].first).startswith("differs from the reference at step 2, first in ")


def test_learned_padding_fails(framework: str) -> None:
    right = import_module(f"parity.{framework}.model").tagger

    def careless(lengths: Any, **arrays: Any) -> Any:
        longest = lengths.max() if framework == "pytorch" else import_module("tensorflow").reduce_max(lengths)
        return right(lengths=lengths * 0 + longest, **arrays)

    results = training.check_training("model.tagger", "sgd", framework, steps=1, function=careless)
    assert {result.status for result in results} == {FAILED}
    assert results[0].first == FirstDifference(1, "its loss", before_step=True)
    assert "before step 1, first in its loss" in str(results[0].first)
    assert "function=careless" in results[0].reproduce


class Scaled:
    """Something right, if the factor is 1; equal to every other, and of length 0."""

    def __init__(self, right: Callable[..., Any], factor: float = 1.0) -> None:
        self.right, self.factor = right, factor

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 1

    def __len__(self) -> int:
        return 0


class Optimiser(Scaled):
    def __call__(self, parameters: Any) -> Any:
        return self.right(parameters, {}, learning_rate=0.2 * self.factor)


class Model(Scaled):
    def __call__(self, **arrays: Any) -> Any:
        outputs = self.right(**arrays)
        return outputs | {"loss": outputs["loss"] * self.factor}


@pytest.mark.parametrize("part", ["build", "function"])
def test_nothing_is_remembered_of_a_model_or_an_optimiser_that_changes(part: str, framework: str) -> None:
    optimisers, models = (import_module(f"parity.{framework}.{name}") for name in ("optimiser", "model"))
    own: Any = Optimiser(optimisers.OPTIMISERS["sgd"]) if part == "build" else Model(models.vowel_speaker)
    for factor in (1.0, 2.0, 1.0):
        own.factor = factor
        results = training.check_training("model.vowel_speaker", "sgd", framework, steps=1, **{part: own})
        assert {result.status for result in results} == {PASSED if factor == 1 else FAILED}, factor
    first, second = (
        training.Training("model.vowel_speaker", "sgd", framework, **{part: type(own)(own.right)}) for _ in "12"
    )
    assert first == first
    assert first != second


def test_nothing_of_a_model_outlives_its_training(framework: str) -> None:
    right = import_module(f"parity.{framework}.model").vowel_speaker

    def own(**arrays: Any) -> Any:
        return right(**arrays)

    training.check_training("model.vowel_speaker", "sgd", framework, steps=1, function=own)
    model = weakref.ref(own)
    del own
    gc.collect()
    assert model() is None


ENDS = [ArithmeticError("no step is small enough"), SystemExit("no more steps"), pytest.fail.Exception("no GPU")]


@pytest.mark.parametrize("error", ENDS, ids=repr)
def test_whatever_an_optimiser_raises_is_a_result(error: BaseException, framework: str) -> None:
    def broken(parameters: Any) -> Any:
        raise error

    (result,) = training.check_training("model.vowel_speaker", "sgd", framework, steps=1, build=broken)
    assert (result.status, result.problem) == (FAILED, "raised")
    assert result.reason == f"raised {type(error).__name__}: {error}"


def test_a_loss_that_is_no_tensor_is_named(framework: str) -> None:
    right = import_module(f"parity.{framework}.model").vowel_speaker
    (result,) = training.check_training(
        "model.vowel_speaker", "sgd", framework, steps=1, function=lambda **arrays: right(**arrays) | {"loss": 3.0}
    )
    assert result.reason == "raised TypeError: result loss: got an object of type float, expected a tensor"


def test_a_missing_framework_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frameworks, "unavailable", lambda framework: (f"framework {framework}: not here", False))
    (result,) = training.check_training("model.tagger", "adam", "tensorflow", steps=1)
    assert (result.status, result.reason) == (SKIPPED, "framework tensorflow: not here")
