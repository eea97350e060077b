"""Check pairs of many kinds: right ones are the same function; of wrong ones, the layer and the cause are named."""

from __future__ import annotations

from typing import Any

import pytest

import parity

pytest.importorskip("torch")
pytest.importorskip("keras")

from tests.full_runs import some
from tests.pair_zoo import attending, convolving, decoding, gating, recurrent
from tests.pairs_of_models import same_weights

MODULES = (recurrent, attending, convolving, decoding, gating)
RIGHT: dict[str, Any] = {name: pair for module in MODULES for name, pair in module.RIGHT.items()}
WRONG: dict[str, Any] = {name: pair for module in MODULES for name, pair in module.WRONG.items()}
QUICK = {  # the others take seconds each
    *("layer and cell, two of pytorch", "encoder and by hand, two of pytorch", "depthwise", "classifier with its loss"),
    *("relu forgotten", "channels and features exchanged", "rounded on the way", "label smoothing", "dropout left on"),
    *("scaled by the whole width", "key and value exchanged by hand", "positions from one", "softmax over padding"),
    *("squeeze and excite", "square kernel of a gate", "two encoders for one"),
    *("halves exchanged, two of pytorch", "bias on one side", "tied on one side", "momentum"),
}
ONLY = ("same_function",)


@pytest.fixture(autouse=True)
def _prepared() -> None:
    same_weights()


@pytest.mark.parametrize("name", some(RIGHT, set(RIGHT) - QUICK))
def test_a_right_pair_is_the_same_function(name: str) -> None:
    pair = RIGHT[name]
    options = {"seeds": 1, "contracts": ONLY, **pair.options}
    verdict = parity.check_pair(pair.left(), pair.right(), pair.inputs, transfer=pair.transfer, **options)
    assert verdict, str(verdict)


@pytest.mark.parametrize("name", some(WRONG, set(WRONG) - QUICK))
def test_a_wrong_pair_is_not_with_the_layer_and_the_cause(name: str) -> None:
    pair = WRONG[name]
    options = {"seeds": 1, "contracts": ONLY, "dtype": "float64", **pair.options}
    verdict = parity.check_pair(pair.left(), pair.right(), pair.inputs, transfer=pair.transfer, **options)
    assert pair.judged(verdict) == (True, True, True), str(verdict)


def test_names_are_of_one_pair_each() -> None:
    assert len(RIGHT) == sum(len(module.RIGHT) for module in MODULES)
    assert len(WRONG) == sum(len(module.WRONG) for module in MODULES)
