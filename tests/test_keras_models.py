"""Check models in Keras: no false alarm for good ones; nothing missed and the layer named for bad ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import parity

tensorflow = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")
pytestmark = pytest.mark.filterwarnings("ignore:.*does not support masking:UserWarning")

from parity.models.checking import chosen_contracts  # noqa: E402
from tests.full_runs import some  # noqa: E402
from tests.keras_models import BAD, GOOD  # noqa: E402

SLOW = {  # each traces recurrent layers or has a kind of mistake that the models of PyTorch have too
    *("last states", "stateful", "nested", "pooled", "stacked cells", "block", "sequential", "attention"),
    *("causal convolutions", "[:, -1] of both directions", "the mean is over T", "weights of all steps"),
    *("the maximum is over zeros", "positions are not shifted", "an inverted mask", "a mask of queries"),
    *("a layer", "heads", "convolutions", "the mask is lost in a Lambda", "the mask is lost at x * 1"),
    *("the mask is lost in a Reshape", "the second convolution reads padding", "pooling ignores the mask"),
    *("subclassed", "dot attention", "attention without a mask", "a softmax over steps", "steps are centred"),
}


def made(make: Any) -> Any:
    keras.utils.clear_session()  # names of layers have numbers
    keras.utils.set_random_seed(0)
    return make()


@pytest.mark.parametrize("name", some(GOOD, SLOW))
def test_a_good_model_holds(name: str) -> None:
    make, inputs, options = GOOD[name]
    dtype = ("float32", "float64")[list(GOOD).index(name) % 2]  # float64 is always tried, and each takes a graph
    verdict = parity.check_model(made(make), inputs, seeds=1, dtype=dtype, **options)
    assert verdict, str(verdict)
    assert len(verdict.passed) >= 4
    assert not [note for note in verdict.notes if "float32" in note]


@pytest.mark.parametrize("name", some(BAD, SLOW))
def test_a_bad_model_does_not_hold_and_the_layer_is_named(name: str) -> None:
    bad = BAD[name]
    every = chosen_contracts(bad.options.get("layouts", ["padded"]), [])
    tried = every[: every.index(bad.breaks) + 1]
    verdict = parity.check_model(made(bad.make), bad.inputs, seeds=1, contracts=tried, dtype="float64", **bad.options)
    assert not verdict
    assert verdict.failed[0] == bad.breaks, str(verdict)
    layer = verdict.first_difference.layer if verdict.first_difference else ""
    assert layer.rpartition("/")[2] == bad.layer, str(verdict)


def test_a_model_is_as_it_was() -> None:
    words = [keras.Input((None,), dtype="int32"), keras.layers.Embedding(9, 3, mask_zero=True), keras.layers.Dense(2)]
    model = made(lambda: keras.Sequential(words))
    before = [(variable.dtype, variable.value, variable.numpy()) for variable in model.variables]
    call = keras.layers.Layer.__call__
    parity.check_model(model, GOOD["functional"][1], seeds=1, contracts=["ignores_extra_padding"])
    for variable, (dtype, value, array) in zip(model.variables, before, strict=True):
        assert (variable.dtype, variable.value) == (dtype, value) or variable.value is value
        np.testing.assert_array_equal(variable.numpy(), array)
    assert keras.layers.Layer.__call__ is call
    assert keras.config.floatx() == "float32"
    assert model(np.array([[1, 2]])).dtype == "float32"


class Traced(keras.layers.Dense):
    def call(self, inputs: Any) -> Any:
        static = inputs.shape[1] is not None  # as it is eagerly and for XLA, and not in a graph for all shapes
        return super().call(inputs) * (1.001 if static and not tensorflow.executing_eagerly() else 1.0)


@pytest.mark.parametrize("make", [keras.layers.Dense, Traced])
def test_a_compiled_model_is_compared_with_itself(make: Any) -> None:
    inputs, options = parity.inputs(x=parity.features(3)), {"contracts": ["same_when_compiled"], "dtype": "float64"}
    verdict = parity.check_model(made(lambda: make(2)), inputs, seeds=1, **options)
    assert verdict.failed == (("same_when_compiled",) if make is Traced else ()), str(verdict)
    assert verdict.results
