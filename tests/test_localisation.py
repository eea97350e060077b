"""Localise mistakes at their step and in their quantity, not where the consequences are largest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import numpy as np
import pytest

from parity import check_function, frameworks, sample_case
from parity.cases.lengths import LENGTHS, lengths_of
from parity.checks.localisation import first_difference, parts
from parity.checks.result import FAILED, FirstDifference
from parity.checks.subject import Subject
from parity.operations import OPERATIONS
from tests.full_runs import full_run


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
    first = first_difference(Subject(pytorch, "", "eager", {config: frameworks.bind(function, case.row, config)}), case)
    assert first == expected
    assert str(first) == f"differs from the reference {words}"


def each_case(framework: str, every: bool) -> list[Any]:
    """Return operations, variants and configurations; the first variant only, unless every one is asked for."""
    return [
        pytest.param(row.name, framework, variant, config.name, id=f"{row.name}-{framework}.{variant}-{config.name}")
        for row in OPERATIONS.values()
        for number, (variant, config) in enumerate(product(row.variants[framework], row.configurations))
        if every or number < len(row.configurations)
    ]


def differs_somewhere(operation: str, framework: str, variant: str, config: str, lengths: str) -> bool:
    if reason := frameworks.missing(framework):
        pytest.skip(reason)
    case = sample_case(operation, config, lengths, "float32", 0).given_by(f"{framework}.{variant}")
    return first_difference(Subject(framework, variant, "eager"), case) is not None


@pytest.mark.parametrize(("operation", "framework", "variant", "config"), each_case("pytorch", every=False)[::2])
def test_unchanged_code_differs_nowhere(operation: str, framework: str, variant: str, config: str) -> None:
    """Hold the prefixes of every configuration, which all variants share, to be valid cases."""
    first = lengths_of(OPERATIONS[operation].configuration(config))[0]
    assert not differs_somewhere(operation, framework, variant, config, first)


EVERY = [*each_case("pytorch", every=True), *each_case("tensorflow", every=True)]


@full_run
@pytest.mark.parametrize(("operation", "framework", "variant", "config"), EVERY)
def test_unchanged_code_differs_nowhere_on_any_lengths(
    operation: str, framework: str, variant: str, config: str
) -> None:
    named = lengths_of(OPERATIONS[operation].configuration(config))
    for lengths in (one for one in named if one in LENGTHS or len(named) == 2):
        assert not differs_somewhere(operation, framework, variant, config, lengths), lengths


def test_quantities_of_a_model_are_compared_in_the_order_of_computation() -> None:
    case = sample_case("model.sentiment", "lstm", "sampled", "float32", 0)
    first = list(parts(case))[:5]
    assert [part.quantity for part in first] == ["embedded", "states", "pooled", "logits", "loss"]
    assert {part.layer for part in first} == {None}


def test_an_explanation_says_where_the_failure_began(pytorch: str) -> None:
    verdict = check_function("rnn.lstm", with_bias(3), pytorch, contracts=["matches_reference"], lengths="ragged")
    assert "differs from the reference on the first step, first in h of layer 0" in str(verdict)


def other_rows(x: Any, lengths: Any, w_in: Any, w_rec: Any, bias: Any, h0: Any = None, c0: Any = None) -> Any:
    found = lstm(x, lengths, w_in, w_rec, bias, h0, c0)
    return {name: out.roll(1, 0 if name == "y" else 1) for name, out in found.items()}


def other_starts(x: Any, lengths: Any, w_in: Any, w_rec: Any, bias: Any, h0: Any = None, c0: Any = None) -> Any:
    moved = [None if state is None else state.roll(1, 1) for state in (h0, c0)]
    return lstm(x, lengths, w_in, w_rec, bias, *moved)


def other_direction(x: Any, lengths: Any, w_in: Any, w_rec: Any, bias: Any, h0: Any = None) -> Any:
    from parity.pytorch import bidirectional

    found = bidirectional.gru(x, lengths, w_in, w_rec, bias, h0)
    return {"y": found["y"].roll(found["y"].shape[2] // 2, 2), "h": found["h"].flip(1)}


def last_of_the_batch(x: Any, lengths: Any, initial: Any = None) -> Any:
    from parity.pytorch import pooling

    return {"y": pooling.last_relevant(x, lengths, initial)["y"] + 1}


ARRANGED: dict[str, tuple[str, str, Callable[..., Any], str]] = {
    "rows": ("rnn.lstm", "two_layers_from_state", other_rows, "in c of layer 0, whose rows are in another order"),
    "initial states": (
        *("rnn.lstm", "two_layers_from_state", other_starts),
        "on the first step, first in c of layer 0, as if the initial states were in another order",
    ),
    "directions": ("bidirectional.gru", "one_layer", other_direction, "h of layer 0, whose directions are swapped"),
    "nothing, where a state has no layers": ("pooling.last_relevant", "else_initial", last_of_the_batch, "first in y"),
}


@pytest.mark.parametrize("what", ARRANGED)
def test_what_stands_elsewhere_is_named(what: str, pytorch: str) -> None:
    operation, config, function, words = ARRANGED[what]
    case = sample_case(operation, config, "ragged", "float32", 3)
    subject = Subject(pytorch, "", "eager", {config: frameworks.bind(function, case.row, config)})
    if what == "initial states":  # else the prefix without steps has them in another order already
        case = case.taken(np.flatnonzero(case.lengths))
    found = str(first_difference(subject, case, least=int(case.lengths.all())))
    assert found.endswith(words), found
    assert "gate" not in found


@pytest.mark.parametrize("raised", [ValueError, SystemExit])
def test_what_is_raised_on_a_prefix_changes_no_verdict(raised: type[BaseException], pytorch: str) -> None:
    def mutated(x: Any, lengths: Any) -> Any:
        if lengths.max() < 3:
            raise raised("too short")
        return {"y": x + 1}

    options: dict[str, Any] = {"lengths": "ragged", "contracts": ["matches_reference"]}
    verdict = check_function("bidirectional.reverse_sequence", mutated, pytorch, **options)
    result = next(one for one in verdict.results if one.status == FAILED)
    assert (result.quantity, result.problem, result.first) == ("y", "exact", FirstDifference(3, "y"))


def test_few_prefixes_of_a_long_sequence_are_run(pytorch: str) -> None:
    from parity.pytorch.bidirectional import reverse_sequence

    runs = []

    def short_sighted(x: Any, lengths: Any) -> Any:
        runs.append(1)
        return reverse_sequence(x, lengths.clamp(max=200))

    case = sample_case("bidirectional.reverse_sequence", "features", "long", "float32", 0)
    subject = Subject(pytorch, "", "eager", {case.config: frameworks.bind(short_sighted, case.row, case.config)})
    assert first_difference(subject, case) == FirstDifference(201, "y")
    assert len(runs) < 12
