"""Localise mistakes at their step and in their quantity, not where the consequences are largest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from parity import frameworks, sample_case
from parity.checks.localisation import first_difference, parts
from parity.checks.result import FirstDifference
from parity.checks.subject import Subject


def lstm(x: Any, lengths: Any, w_in: Any, w_rec: Any, bias: Any, h0: Any = None, c0: Any = None) -> Mapping[str, Any]:
    from parity.pytorch import rnn

    return rnn.lstm(x, lengths, w_in, w_rec, bias, h0, c0)


def with_bias(gate: int) -> Callable[..., Mapping[str, Any]]:
    """Return an LSTM that adds 1 to the bias of a gate, as Keras does to its forget gate."""

    def mutated(x: Any, lengths: Any, w_in: Any, w_rec: Any, bias: Any, h0: Any = None, c0: Any = None) -> Any:
        shifted = [b.index_add(0, lengths.new_tensor([gate]), b.new_ones(1, b.shape[1])) for b in bias]
        return lstm(x, lengths, w_in, w_rec, shifted, h0, c0)

    return mutated


def second_layer(x: Any, lengths: Any, w_in: Any, w_rec: Any, bias: Any, h0: Any = None, c0: Any = None) -> Any:
    return lstm(x, lengths, w_in, (w_rec[0], w_rec[1] * 1.01), bias, h0, c0)


def one_step_more(x: Any, lengths: Any, w_in: Any, w_rec: Any, bias: Any, h0: Any = None, c0: Any = None) -> Any:
    return lstm(x, (lengths + 1).clamp(max=x.shape[1]), w_in, w_rec, bias, h0, c0)


def gradient_only(x: Any, lengths: Any, w_in: Any, w_rec: Any, bias: Any, h0: Any = None, c0: Any = None) -> Any:
    return lstm(2 * x - x.detach(), lengths, w_in, w_rec, bias, h0, c0)


MUTANTS = {
    "forget gate from zero: only the second step has a state to forget": (
        with_bias(1),
        "one_layer",
        FirstDifference(2, "c", layer=0),
        "at step 2, first in c of layer 0",
    ),
    "output gate": (
        with_bias(3),
        "one_layer",
        FirstDifference(1, "h", layer=0, gates=("o",)),
        "on the first step, first in h of layer 0, gate o",
    ),
    "forget gate from a state": (
        with_bias(1),
        "two_layers_from_state",
        FirstDifference(1, "c", layer=0, gates=("f",)),
        "on the first step, first in c of layer 0, by the slopes of gates f",
    ),
    "second layer": (
        second_layer,
        "two_layers_from_state",
        FirstDifference(1, "c", layer=1, gates=("i", "f", "g")),
        "on the first step, first in c of layer 1, by the slopes of gates i, f, g",
    ),
    "one step more": (
        one_step_more,
        "one_layer",
        FirstDifference(0, "c", layer=0),
        "with all sequences empty, first in c of layer 0",
    ),
    "a gradient alone": (gradient_only, "one_layer", FirstDifference(1, "d_x"), "on the first step, first in d_x"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mutant_is_localised(mutant: str, pytorch: str) -> None:
    function, config, expected, words = MUTANTS[mutant]
    case = sample_case("rnn.lstm", config, "ragged", "float32", 0)
    first = first_difference(Subject(pytorch, "", "eager", frameworks.bind(function, case.row, config)), case)
    assert first == expected
    assert str(first) == f"differs from the reference {words}"


def test_a_right_variant_differs_nowhere(framework: str) -> None:
    case = sample_case("rnn.lstm", "two_layers_from_state", "ragged", "float32", 0)
    assert first_difference(Subject(framework, case.row.variants[framework][0], "eager"), case) is None


def test_quantities_of_a_model_are_compared_in_the_order_of_computation() -> None:
    case = sample_case("model.sentiment", "lstm", "sampled", "float32", 0)
    first = list(parts(case))[:5]
    assert [part.quantity for part in first] == ["embedded", "states", "pooled", "logits", "loss"]
    assert {part.layer for part in first} == {None}


def test_an_explanation_says_where_the_failure_began(pytorch: str) -> None:
    from parity import check_function

    verdict = check_function("rnn.lstm", with_bias(3), pytorch, contracts=["matches_reference"])
    assert "differs from the reference on the first step, first in h of layer 0" in str(verdict)
