"""Check the verdict on a function: what it is true of, what it says, and what can be asked of a function."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from parity import InputError, Verdict, assert_function, check_function
from parity.checks.result import XFAILED

MEAN, REVERSE, LSTM = "pooling.mean", "bidirectional.reverse_sequence", "rnn.lstm"
TWO: dict[str, Any] = {"lengths": "3,1:5", "mode": "eager"}
REFERENCE: dict[str, Any] = {**TWO, "contracts": ["matches_reference"]}


def reverse(x: Any, lengths: Any) -> Any:
    return import_module("parity.pytorch.bidirectional").reverse_sequence(x, lengths)["y"]


def careless(x: Any, lengths: Any) -> Any:
    return x.flip(1)


def mean_over_all(x: Any, lengths: Any) -> Any:
    return x.mean(dim=1)


def right_lstm(*arguments: Any, **named: Any) -> Any:
    return import_module("parity.pytorch.rnn").lstm(*arguments, **named)


def one_layer(x: Any, lengths: Any, w_in: Any, w_rec: Any, bias: Any) -> Any:
    return right_lstm(x, lengths, w_in, w_rec, bias)


def packed(x: Any, lengths: Any, w_in: Any, w_rec: Any, bias: Any) -> Any:
    """Run an LSTM as the documentation of PyTorch does, with gradients."""
    return layered(x, lengths, w_in, w_rec, bias, use=True)


def layered(x: Any, lengths: Any, w_in: Any, w_rec: Any, bias: Any, use: bool) -> Any:
    torch = import_module("torch")
    rnn = torch.nn.utils.rnn
    layer = torch.nn.LSTM(x.shape[2], w_rec[0].shape[0], batch_first=True, dtype=x.dtype)
    weights = import_module("parity.pytorch.rnn").torch_layout(w_in[0], w_rec[0], bias[0])
    weights = {f"{name}_l0": tensor for name, tensor in weights.items()}
    sequences = rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    if use:
        y, (h, c) = torch.func.functional_call(layer, weights, (sequences,))
    else:
        assigned(layer, weights)
        y, (h, c) = layer(sequences)
    return {"y": rnn.pad_packed_sequence(y, batch_first=True)[0], "h": h, "c": c}


def assigned(layer: Any, weights: dict[str, Any]) -> None:
    """Assign weights in each of the ways that cut their gradients off."""
    torch = import_module("torch")
    layer.weight_ih_l0.data = weights["weight_ih_l0"]
    layer.weight_hh_l0 = torch.nn.Parameter(weights["weight_hh_l0"])
    with torch.no_grad():
        layer.bias_ih_l0.copy_(weights["bias_ih_l0"])
        layer.bias_hh_l0.zero_()


def test_a_verdict_is_true_if_all_holds_and_says_what(pytorch: str) -> None:
    tried = ["matches_reference", "ignores_padding"]
    verdict = check_function(REVERSE, reverse, pytorch, contracts=tried, **TWO)
    assert isinstance(verdict, Verdict)
    assert bool(verdict) is True
    assert str(verdict).startswith(
        "✓ reverse (pytorch) for bidirectional.reverse_sequence keeps matches_reference, ignores_padding"
    )


def test_a_verdict_is_false_if_something_fails_and_says_why_in_a_paragraph(pytorch: str) -> None:
    verdict = check_function(REVERSE, careless, pytorch, **TWO)
    lines = str(verdict).splitlines()
    assert not verdict
    assert len(lines) <= 12
    assert lines[0].startswith("✗ careless (pytorch) for bidirectional.reverse_sequence differs from the reference ")
    assert "it also reads padding, " in str(verdict)
    assert "reproduce: parity.check_function('bidirectional.reverse_sequence', careless, 'pytorch'" in str(verdict)


def test_the_other_framework_is_not_named_where_the_reference_says_the_same(pytorch: str, tensorflow: str) -> None:
    verdict = check_function(REVERSE, careless, pytorch, **TWO)
    assert "frameworks_agree" not in verdict.failed
    assert (
        "frameworks_agree" in check_function(REVERSE, careless, pytorch, contracts=["frameworks_agree"], **TWO).failed
    )


def test_nothing_compared_is_a_failure(pytorch: str) -> None:
    verdict = check_function(LSTM, one_layer, pytorch, config="one_layer", contracts=["accepts_empty_sequences"], **TWO)
    assert not verdict
    assert "nothing was compared" in str(verdict)
    with pytest.raises(AssertionError, match="nothing was compared"):
        assert_function(LSTM, one_layer, pytorch, config="one_layer", contracts=["accepts_empty_sequences"], **TWO)


def test_only_the_arguments_of_the_chosen_configuration_are_asked_for(pytorch: str) -> None:
    assert check_function(LSTM, one_layer, pytorch, config="one_layer", **REFERENCE)
    with pytest.raises(InputError, match=r"\('h0' was given|h0.*, or config='one_layer'$"):
        check_function(LSTM, one_layer, pytorch, **REFERENCE)


def test_no_empty_sequence_is_given_with_a_least_length(pytorch: str) -> None:
    shortest = []

    def watched(x: Any, lengths: Any) -> Any:
        shortest.append(int(lengths.min()))
        return reverse(x, lengths)

    verdict = check_function(REVERSE, watched, pytorch, min_length=1, mode="eager")
    assert verdict, verdict
    assert min(shortest) == 1
    assert verdict.declined["accepts_empty_sequences"] == "min_length is 1"


def test_a_function_that_raises_on_empty_sequences_is_told_how_to_get_none(pytorch: str) -> None:
    options: dict[str, Any] = {"config": "one_layer", "contracts": ["matches_reference"], "mode": "eager"}
    verdict = check_function(LSTM, packed, pytorch, **options)
    assert len(verdict.results) == 1
    assert "it runs without empty sequences: with min_length=1, none is given" in str(verdict)


def test_outputs_on_padding_may_be_anything_where_they_are_not_compared(framework: str) -> None:
    library = import_module("torch" if framework == "pytorch" else "tensorflow")
    right = import_module(f"parity.{framework}.bidirectional").reverse_sequence

    def dirty(x: Any, lengths: Any) -> Any:
        y = right(x, lengths)["y"]
        real = import_module(f"parity.{framework}.runtime").valid(lengths, x.shape[1])[:, :, None]
        return library.where(real, y, library.ones_like(y) * 7)

    options: dict[str, Any] = {"contracts": ["matches_reference", "ignores_extra_padding"], "mode": "eager"}
    verdict = check_function(REVERSE, dirty, framework, **options)
    assert "with padding_output='any', those on padding are not compared" in str(verdict)
    assert check_function(REVERSE, dirty, framework, padding_output="any", **options)


def test_steps_of_padding_may_be_missing_where_they_are_not_compared(pytorch: str) -> None:
    options: dict[str, Any] = {"config": "one_layer", "min_length": 1, "contracts": ["matches_reference"], **TWO}
    assert "y has shape (2, 3, 6), expected (2, 5, 6)" in str(check_function(LSTM, packed, pytorch, **options))
    assert check_function(LSTM, packed, pytorch, padding_output="any", **options)
    assert not check_function(REVERSE, careless, pytorch, padding_output="any", **REFERENCE)


def test_an_expected_failure_is_none_and_one_that_holds_is_one(pytorch: str) -> None:
    expected = {"expected_failures": {"ignores_padding": "it is known"}}
    tried: dict[str, Any] = {"contracts": ["ignores_padding"], **TWO}
    verdict = check_function(REVERSE, careless, pytorch, **tried, **expected)
    assert verdict
    assert {result.status for result in verdict.results} == {XFAILED}
    assert "breaks ignores_padding, as expected: it is known" in str(verdict)
    verdict = check_function(REVERSE, reverse, pytorch, **tried, **expected)
    assert not verdict
    assert "holds, but was expected to fail: it is known" in str(verdict)
    with pytest.raises(InputError, match="expected_failures: got 'ignores_pading', expected 'ignores_padding'"):
        check_function(REVERSE, reverse, pytorch, **tried, expected_failures={"ignores_pading": "known"})


TOLD: dict[str, Callable[[Any, Any], Any]] = {
    "pytorch": careless,
    "tensorflow": lambda x, lengths: import_module("tensorflow").reverse(x, [1]),
}


@pytest.mark.parametrize("name", TOLD)
def test_the_framework_is_told_by_the_tensors_that_come_back(name: str, pytorch: str, tensorflow: str) -> None:
    assert check_function(REVERSE, TOLD[name], **REFERENCE).framework == name


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda x, lengths: x * 1.0, "runs in both frameworks"),
        (lambda x, lengths: x.no, "runs in neither .with tensors"),
    ],
)
def test_a_framework_that_cannot_be_told_is_asked_for(
    function: Any, sentence: str, pytorch: str, tensorflow: str
) -> None:
    with pytest.raises(InputError, match=f"framework: got a function that {sentence}.* expected framework="):
        check_function(REVERSE, function, **REFERENCE)


def test_a_wrong_result_is_one_error_at_the_first_call(pytorch: str) -> None:
    calls = []

    def wrong(x: Any, lengths: Any) -> Any:
        calls.append(x)
        return [x]

    with pytest.raises(InputError, match="result y: got an object of type list, expected a tensor"):
        check_function(REVERSE, wrong, pytorch)
    assert len(calls) == 1


def test_weights_that_are_assigned_are_a_hint(pytorch: str) -> None:
    def without_gradients(x: Any, lengths: Any, w_in: Any, w_rec: Any, bias: Any) -> Any:
        return layered(x, lengths, w_in, w_rec, bias, use=False)

    options: dict[str, Any] = {
        "config": "one_layer",
        "contracts": ["matches_reference"],
        "padding_output": "any",
        **TWO,
    }
    verdict = check_function(LSTM, without_gradients, pytorch, **options)
    assert "no gradient reaches w_in.0, w_rec.0, bias.0: weights that are assigned (`.data =`" in str(verdict)
    assert "torch.func.functional_call" in str(verdict)
    assert "assigned" not in str(check_function(LSTM, packed, pytorch, **options))


def test_a_variable_that_is_assigned_is_a_hint(tensorflow: str) -> None:
    def without_gradients(x: Any, lengths: Any, w: Any, bias: Any, activation: Any) -> Any:
        tf = import_module("tensorflow")
        layer = import_module("keras").layers.Dense(w.shape[1], dtype=x.dtype)
        layer.build(x.shape)
        layer.kernel.assign(w)
        layer.bias.assign(bias)
        real = import_module("parity.tensorflow.runtime").valid(lengths, x.shape[1])
        return tf.where(real[:, :, None], layer(x), 0)

    verdict = check_function("feedforward.dense", without_gradients, tensorflow, config="linear", **REFERENCE)
    assert "no gradient reaches w, bias: weights that are assigned" in str(verdict)


def test_a_failure_names_the_mutant_that_gives_the_same_results(pytorch: str) -> None:
    verdict = check_function(MEAN, mean_over_all, pytorch, **REFERENCE)
    assert "on real steps, with 0 as padding, it gives the results of `pooling.mean_over_all_steps`" in str(verdict)


def test_a_mutant_that_gives_the_same_results_to_the_last_is_named_without_conditions(pytorch: str) -> None:
    def counted(x: Any, lengths: Any) -> Any:
        valid = import_module("parity.pytorch.runtime").valid(lengths, x.shape[1])
        return import_module("torch").where(valid[:, :, None], x, 0).sum(1) / x.shape[1]

    verdict = check_function(
        MEAN, counted, pytorch, contracts=["matches_reference", "ignores_extra_padding"], mode="eager"
    )
    assert "  it gives the results of `pooling.mean_over_all_steps`: The mean is taken over T" in str(verdict)
    assert "it also depends on how much padding there is" in str(verdict)


NO_MUTANT: dict[str, Callable[[Any, Any], Any]] = {
    "a factor": lambda x, lengths: right_mean(x, lengths) * 1.01,
    "a little": lambda x, lengths: right_mean(x, lengths) * (1 + 2e-5),
    "both": lambda x, lengths: x.mean(dim=1) * 1.01,
}


def right_mean(x: Any, lengths: Any) -> Any:
    return import_module("parity.pytorch.pooling").mean(x, lengths)["y"]


@pytest.mark.parametrize("name", NO_MUTANT)
def test_no_mutant_is_named_that_gives_other_results(name: str, pytorch: str) -> None:
    verdict = check_function(MEAN, NO_MUTANT[name], pytorch, **REFERENCE)
    assert not verdict
    assert "results of" not in str(verdict)
