"""Where it began: a mutant is found at its step, in its quantity, not where its consequences are largest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from parity import frameworks, sample_case
from parity.checks.contracts import Subject
from parity.checks.localisation import first_difference, places
from parity.checks.result import explain


def lstm(x: Any, lengths: Any, w_in: Any, w_rec: Any, bias: Any, h0: Any = None, c0: Any = None) -> Mapping[str, Any]:
    from parity.pytorch import rnn

    return rnn.lstm(x, lengths, w_in, w_rec, bias, h0, c0)


def with_bias(gate: int) -> Callable[..., Mapping[str, Any]]:
    """An LSTM that adds 1 to the bias of a gate, as Keras starts its forget gate."""

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


FIRST = "parts from the reference "
MUTANTS = {
    "forget gate from zero: only the second step has a state to forget": (
        with_bias(1),
        "one_layer",
        "at step 2, first in c of layer 0",
    ),
    "output gate": (with_bias(3), "one_layer", "on the first step, first in h of layer 0, gate o"),
    "forget gate from a state": (
        with_bias(1),
        "two_layers_from_state",
        "on the first step, first in c of layer 0, by the slopes of gates f",
    ),
    "second layer": (second_layer, "two_layers_from_state", "on the first step, first in c of layer 1"),
    "one step more": (one_step_more, "one_layer", "with all sequences empty, first in c of layer 0"),
    "a gradient alone": (gradient_only, "one_layer", "on the first step, first in d_x"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mutant_is_found_where_it_is(mutant: str, pytorch: str) -> None:
    function, config, said = MUTANTS[mutant]
    case = sample_case("rnn.lstm", config, "ragged", "float32", 0)
    found = first_difference(Subject(pytorch, "", "eager", frameworks.bind(function, case.row, config)), case)
    assert found.startswith(FIRST + said)


def test_what_is_right_parts_nowhere(framework: str) -> None:
    case = sample_case("rnn.lstm", "two_layers_from_state", "ragged", "float32", 0)
    assert first_difference(Subject(framework, case.row.variants[framework][0], "eager"), case) == ""


def test_models_are_looked_at_in_the_order_of_computation() -> None:
    case = sample_case("model.sentiment", "lstm", "sampled", "float32", 0)
    outputs = [str(place) for place in places(case)][:5]
    assert outputs == ["embedded", "states", "pooled", "logits", "loss"]


def test_a_failure_says_where_it_began(pytorch: str) -> None:
    from parity import check_function

    found = check_function("rnn.lstm", with_bias(3), pytorch, contracts=["matches_reference"])
    assert "it parts from the reference on the first step, first in h of layer 0" in explain(found)
