"""Check the verdict on a function: what it is true of, what it says, and what can be asked of a function."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from parity import InputError, Verdict, assert_function, check_function, sample_case
from parity.cases.lengths import lengths_of
from parity.checks.result import XFAILED
from parity.operations import find

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


def test_outputs_that_are_wrong_on_real_steps_too_are_not_called_right(pytorch: str) -> None:
    def untouched(x: Any, lengths: Any, kernel: Any, stride: Any, padding: Any) -> Any:
        return {"y": x, "y_lengths": lengths}

    contracts = ["matches_reference"]  # where all sequences are empty, only padding is wrong
    verdict = check_function("strided.max_pool", untouched, pytorch, config="by_two", contracts=contracts)
    assert verdict.failed == ("matches_reference",)
    assert "right on real steps" not in str(verdict)


def test_a_row_without_gradient_is_no_weight_without_gradient(pytorch: str) -> None:
    def first_untrained(x: Any, lengths: Any, table: Any, padding_index: Any) -> Any:
        torch = import_module("torch")
        real = torch.arange(x.shape[1]) < lengths[:, None]
        positions = torch.where(real, real.cumsum(1) - 1, 0)
        looked_up = torch.nn.functional.embedding(positions, table, padding_idx=0)
        return torch.where(real[..., None], x + looked_up, 0)

    contracts = ["matches_reference"]  # on the batch of single steps, no other row gets a gradient
    verdict = check_function("embedding.positions", first_untrained, pytorch, config="no_pad", contracts=contracts)
    assert verdict.failed == ("matches_reference",)
    assert "no gradient reaches" not in str(verdict)
    assert "embedding.padding_idx_of_words" in str(verdict)


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


def from_the_end(x: Any, lengths: Any, first: int = 0) -> Any:
    torch = import_module("torch")
    left = lengths[:, None] - 1 - torch.arange(x.shape[1])
    return torch.where(left >= 0, left + first, 0)


def perplexity_of_sequences(logits: Any, targets: Any, lengths: Any, splits: int) -> Any:
    torch = import_module("torch")
    means = [
        -z[:n].log_softmax(1).gather(1, target[:n, None]).mean()
        for z, target, n in zip(logits, targets, lengths, strict=True)
        if n
    ]
    return torch.stack(means).mean().exp() if means else logits.new_zeros(())


def shifted_twice(logits: Any, lengths: Any, segments: Any, tokens: Any, per_document: bool) -> Any:
    total, count = logits.new_zeros(()), 0
    for z, ids, words, n in zip(logits, segments, tokens, lengths, strict=True):
        for t in range(int(n) - 1):
            if ids[t] == ids[t + 1]:
                total, count = total - z[t].log_softmax(0)[words[(t + 2) % len(words)]], count + 1
    return total / max(1, count)


def focused_by_the_weighted_loss(
    logits: Any, targets: Any, lengths: Any, class_weight: Any, gamma: float, ignored_class: int | None
) -> Any:
    torch = import_module("torch")
    real = torch.arange(logits.shape[1]) < lengths[:, None]
    losses = torch.nn.functional.cross_entropy(logits[real], targets[real], class_weight.detach(), reduction="none")
    return ((1 - torch.exp(-losses)) ** gamma * losses).sum() / real.sum().clamp(min=1)


OUTSIDERS: dict[str, tuple[Callable[..., Any], str, dict[str, str]]] = {
    "positions.counted_from_the_end": (from_the_end, "masking.positions", {"config": "from_0"}),
    "metrics.perplexity_of_sequences": (perplexity_of_sequences, "metrics.perplexity", {"config": "one_batch"}),
    "documents.labels_shifted_twice": (shifted_twice, "documents.next_token_loss", {"config": "per_token"}),
    "loss.focus_of_the_weighted_loss": (focused_by_the_weighted_loss, "loss.focal", {"config": "mean"}),
}


@pytest.mark.parametrize("cause", OUTSIDERS)
def test_a_mistake_that_others_write_in_another_way_is_named(cause: str, pytorch: str) -> None:
    function, operation, chosen = OUTSIDERS[cause]
    verdict = check_function(operation, function, pytorch, **chosen, **REFERENCE)
    assert f"it gives the results of `{cause}`" in str(verdict), verdict


def mean_of_perplexities(logits: Any, targets: Any, lengths: Any, splits: int) -> Any:
    torch = import_module("torch")
    parts = zip(*(one.tensor_split(splits) for one in (logits, targets, lengths)), strict=True)
    values = []
    for z, target, length in parts:
        real = torch.arange(z.shape[1]) < length[:, None]
        values.append(torch.nn.functional.cross_entropy(z[real], target[real]).exp())
    return torch.stack(values).mean()


def loss_of_rows(logits: Any, lengths: Any, segments: Any, tokens: Any, per_document: bool) -> Any:
    tf = import_module("tensorflow")
    real = tf.sequence_mask(lengths, tf.shape(tokens)[1])
    followed = tf.pad(real[:, 1:] & (segments[:, 1:] == segments[:, :-1]), [[0, 0], [0, 1]])
    kept = tf.where(followed[..., None], logits, 0)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.where(followed, tf.roll(tokens, -1, 1), 0), kept)
    weights = tf.cast(followed, losses.dtype)
    by_row = tf.math.divide_no_nan(tf.reduce_sum(losses * weights, 1), tf.reduce_sum(weights, 1))
    return tf.reduce_mean(by_row)


def epsilon_beside(x: Any, lengths: Any, gamma: Any, eps: float) -> Any:
    torch = import_module("torch")
    real = (torch.arange(x.shape[1]) < lengths[:, None])[..., None]
    x = torch.where(real, x, 0)
    return torch.where(real, x / (x.square().mean(2, keepdim=True).sqrt() + eps) * gamma, 0)


def focal_over_weights(
    logits: Any, targets: Any, lengths: Any, class_weight: Any, gamma: float, ignored_class: int | None = None
) -> Any:
    torch = import_module("torch")
    counted = torch.arange(targets.shape[1]) < lengths[:, None]
    if ignored_class is not None:
        counted = counted & (targets != ignored_class)
    log_p, target = logits[counted].log_softmax(1), targets[counted]
    chosen = torch.nn.functional.one_hot(target, logits.shape[2]).bool()
    log_rest, weights = log_p.masked_fill(chosen, -torch.inf).logsumexp(1), class_weight[target]
    return -(weights * (gamma * log_rest).exp() * log_p[chosen]).sum() / weights.sum()


MISTAKES: dict[str, tuple[str, Callable[..., Any], str]] = {
    "metrics.perplexity": ("pytorch", mean_of_perplexities, "metrics.unweighted_mean_of_perplexities"),
    "documents.next_token_loss": ("tensorflow", loss_of_rows, "documents.mean_of_all_rows"),
    "normalisation.rms_norm": ("pytorch", epsilon_beside, "normalisation.epsilon_outside_the_root"),
    "loss.focal": ("pytorch", focal_over_weights, "loss.focal_over_weights"),
}


@pytest.mark.parametrize("operation", MISTAKES)
def test_a_mistake_in_code_of_a_users_own_is_named(operation: str, pytorch: str, tensorflow: str) -> None:
    framework, function, mutant = MISTAKES[operation]
    verdict = check_function(operation, function, framework, contracts=["matches_reference"], mode="eager")
    assert f"`{mutant}`" in verdict.causes["matches_reference"], verdict


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


def whole(*arguments: Any, factor: float = 1.01, **named: Any) -> Any:
    """Run a packing LSTM whose ``y`` has all steps, times a factor."""
    found = packed(*arguments, **named)
    x, y = arguments[0] if arguments else named["x"], found["y"]
    missing = y.new_zeros(len(y), x.shape[1] - y.shape[1], y.shape[2])
    return found | {"y": import_module("torch").cat([y, missing], 1) * factor}


@pytest.mark.parametrize("lengths", ["3,1:5", "2:2", "4,4,1:6"])
def test_where_a_failure_begins_is_looked_for_without_empty_sequences_if_there_are_none(
    lengths: str, pytorch: str
) -> None:
    """Packing refuses empty sequences; the search for the first step must not meet them, nor replace the failure."""
    options: dict[str, Any] = {"config": "one_layer", "contracts": ["matches_reference"], "lengths": lengths}
    verdict = check_function(LSTM, whole, pytorch, **options)
    assert verdict.failed == ("matches_reference",)
    assert {one.quantity for one in verdict.results} >= {"y", "d_x"}
    assert not {"h", "c"} & {one.quantity for one in verdict.results}
    assert "greater than 0" not in str(verdict)
    assert "differs from the reference on the first step, first in y" in str(verdict)
    observed, expected = next((one.observed, one.expected) for one in verdict.results if one.quantity == "y")
    assert observed is not None
    assert expected is not None
    assert observed / expected == pytest.approx(1.01, rel=1e-4)


def mean_without_care(x: Any, lengths: Any, factor: float = 1.01) -> Any:
    """Return a mean that is NaN for empty sequences, times a factor."""
    real = import_module("parity.pytorch.runtime").valid(lengths, x.shape[1])[:, :, None]
    return import_module("torch").where(real, x, 0).sum(1) / lengths[:, None] * factor


def loss_without_care(logits: Any, targets: Any, lengths: Any, factor: float = 1.01) -> Any:
    """Return a loss that is NaN without any real step, times a factor."""
    real = import_module("parity.pytorch.runtime").valid(lengths, targets.shape[1])
    return import_module("torch").nn.functional.cross_entropy(logits[real], targets[real]) * factor


WITHOUT_CARE: dict[str, tuple[str, Callable[..., Any], str, str]] = {
    "rows, of which none is empty": (MEAN, mean_without_care, "3,1:5", " step"),
    "rows, of which one is empty": (MEAN, mean_without_care, "3,0:5", "with all sequences empty"),
    "one number, without empty sequences": ("loss.cross_entropy", loss_without_care, "3,2:3", " step"),
    "one number, with an empty sequence that is no fault": (
        "loss.cross_entropy",
        loss_without_care,
        "3,0,1:5",
        " step",
    ),
    "one number, without real steps": ("loss.cross_entropy", loss_without_care, "0,0:2", "with all sequences empty"),
}


@pytest.mark.parametrize("what", WITHOUT_CARE)
def test_a_failure_begins_with_empty_sequences_only_if_these_are_wrong(what: str, pytorch: str) -> None:
    operation, function, lengths, where = WITHOUT_CARE[what]
    verdict = check_function(operation, function, pytorch, lengths=lengths, contracts=["matches_reference"])
    first = str(verdict).splitlines()[0]
    assert where in first
    assert ("empty" in first) is ("empty" in where)


def test_a_sequence_alone_is_what_is_expected_of_it_in_the_batch(framework: str) -> None:
    def over_all_steps(x: Any, lengths: Any) -> Any:
        if framework == "pytorch":
            return x.sum(1) / x.shape[1]
        tf = import_module("tensorflow")
        return tf.reduce_sum(x, 1) / tf.cast(tf.shape(x)[1], x.dtype)

    tried = ["independent_of_batchmates"]
    verdict = check_function(MEAN, over_all_steps, framework, contracts=tried, lengths="4,1:4", mode="eager")
    result = next(one for one in verdict.results if one.quantity == "y")
    case = sample_case(MEAN, "features", "4,1:4", "float32", 0)
    row, feature = result.worst_index
    alone = case.arrays["x"][row, : case.lengths[row], feature].mean()
    in_batch = case.arrays["x"][row, :, feature].mean()
    assert (result.observed, result.expected) == pytest.approx((in_batch, alone), rel=1e-5)


def test_a_wrong_function_does_not_depend_on_earlier_calls_for_that(framework: str) -> None:
    def scaled(x: Any, lengths: Any) -> Any:
        return import_module(f"parity.{framework}.pooling").mean(x, lengths)["y"] * 1.01

    verdict = check_function(MEAN, scaled, framework, mode="eager")
    assert verdict.failed == ("matches_reference",)


def test_a_wrong_function_depends_on_no_batch_mates_for_its_rounding(pytorch: str) -> None:
    """Flip a kernel: some of its gradients are 0 if it is right, so that no rounding is expected of them."""
    conv1d = import_module("parity.pytorch.strided").conv1d

    def flipped(x: Any, lengths: Any, w: Any, bias: Any, **options: Any) -> Any:
        return conv1d(x, lengths, w.flip(0), bias, **options)

    tried = ["matches_reference", "independent_of_batchmates", "follows_permutation"]
    verdict = check_function("strided.conv1d", flipped, pytorch, config="dilated", contracts=tried)
    assert verdict.failed == ("matches_reference",), verdict


def test_large_numbers_of_a_wrong_function_hide_no_batch_mates(pytorch: str) -> None:
    """Leave the lowest number of the dtype for sequences without steps, beside what a batch-mate adds to the others."""
    torch = import_module("torch")

    def leaking(x: Any, lengths: Any) -> Any:
        real = torch.arange(x.shape[1]) < lengths[:, None]
        largest = x.masked_fill(~real[..., None], torch.finfo(x.dtype).min).amax(1)
        return {"y": largest + 0.5 * torch.where(lengths[:1, None] > 0, x[:1, 0], 0)}

    verdict = check_function("pooling.max", leaking, pytorch, contracts=["independent_of_batchmates"])
    assert verdict.failed == ("independent_of_batchmates",), verdict


@pytest.mark.parametrize("gamma", ["right", "left out"])
def test_buffers_need_no_gradient_and_may_be_updated_in_place(gamma: str, pytorch: str) -> None:
    torch, norm = import_module("torch"), "normalisation.batch_norm"

    def at_inference(x: Any, lengths: Any, **given: Any) -> Any:
        real = torch.arange(x.shape[1]) < lengths[:, None]
        weight = given["gamma"] if gamma == "right" else None
        statistics = given["running_mean"], given["running_variance"]
        assert not any(one.requires_grad for one in statistics)
        y = torch.nn.functional.batch_norm(x[real], *statistics, weight, given["beta"], False, 0.0, given["eps"])
        return torch.zeros_like(x).masked_scatter(real[..., None], y)

    verdict = check_function(norm, at_inference, pytorch, config="inference", min_length=1)
    assert bool(verdict) is (gamma == "right")
    assert verdict.failed[:1] == (() if gamma == "right" else ("matches_reference",))

    def in_training(x: Any, lengths: Any, running_mean: Any, running_variance: Any, **given: Any) -> Any:
        found = import_module("parity.pytorch.normalisation").batch_norm(
            x, lengths, running_mean=running_mean, running_variance=running_variance, **given
        )
        running_mean.copy_(found["running_mean"])
        running_variance.copy_(found["running_variance"])
        return found | {"running_mean": running_mean, "running_variance": running_variance}

    verdict = check_function(norm, in_training, pytorch, config="training")
    assert verdict, verdict


def weighted(logits: Any, targets: Any, lengths: Any, class_weight: Any, ignored: int = -100) -> Any:
    """Compute a weighted loss by PyTorch's own function, which takes no weights that need a gradient."""
    torch = import_module("torch")
    real = torch.arange(targets.shape[1]) < lengths[:, None]
    return torch.nn.functional.cross_entropy(logits[real], targets[real], class_weight, ignore_index=ignored)


def test_weights_of_classes_need_no_gradient(pytorch: str) -> None:
    assert check_function("loss.class_weights", weighted, pytorch, contracts=["matches_reference"], min_length=1)


@pytest.mark.parametrize("seed", [0, 1, 2, 15, 40])
@pytest.mark.parametrize("ignored", [0, 7])
def test_a_real_class_that_is_ignored_shows_with_every_seed(ignored: int, seed: int, pytorch: str) -> None:
    """The first class and the last one occur in every sample of two steps or more."""

    def wrong(logits: Any, targets: Any, lengths: Any, class_weight: Any) -> Any:
        return weighted(logits, targets, lengths, class_weight, ignored)

    options: dict[str, Any] = {"contracts": ["matches_reference"], "lengths": "ragged", "min_length": 1, "seed": seed}
    assert check_function("loss.class_weights", wrong, pytorch, **options).failed == ("matches_reference",)


def one_class_wrong(kind: str) -> tuple[str, Any]:
    """Return an operation and a function that is wrong for one of eight classes, or for all."""
    torch, loss = import_module("torch"), import_module("parity.pytorch.loss")

    def scaled(logits: Any, targets: Any, lengths: Any) -> Any:
        losses = loss.sequence_loss(
            logits, targets, lengths, average_across_timesteps=False, average_across_batch=False
        )["loss"]
        factor = torch.where(targets == 3, 1.1, 1.0) if kind == "scaled" else 1.1
        return {"loss": (losses * factor).sum() / lengths.sum().clamp(min=1)}

    def f1(logits: Any, targets: Any, lengths: Any, splits: int) -> Any:
        found = import_module("parity.pytorch.metrics").f1_score(logits, targets, lengths, splits=splits)["f1"]
        return {"f1": torch.where(torch.arange(len(found)) == 0, found / 2, found)}

    def ignoring(logits: Any, targets: Any, lengths: Any, class_weight: Any) -> Any:
        return weighted(logits, targets, lengths, class_weight, int(kind[-1]))

    if kind == "f1":
        return "metrics.f1_score", f1
    return ("loss.class_weights", ignoring) if kind.startswith("ignored") else ("loss.cross_entropy", scaled)


AT_FAULT = {
    "ignored 0": ": only what has class 0 as its target has no gradient",
    "ignored 7": ": only what has class 7 as its target has no gradient",
    "scaled": ": only what has class 3 as its target differs",
    "f1": ", in class 0 only",
    "every class": "",
}


@pytest.mark.parametrize("kind", AT_FAULT)
def test_the_class_at_fault_is_named(kind: str, pytorch: str) -> None:
    operation, wrong = one_class_wrong(kind)
    verdict = check_function(operation, wrong, pytorch, contracts=["matches_reference"], min_length=1, mode="eager")
    assert [one.first.of_class for one in verdict.results if one.first][:1] == [AT_FAULT[kind]]
    assert str(verdict).splitlines()[0].endswith(AT_FAULT[kind])
    assert ("class" in str(verdict).splitlines()[0].partition("first in")[2]) is bool(AT_FAULT[kind])


@pytest.mark.parametrize("operation", ["loss.class_weights", "loss.cross_entropy", "loss.label_smoothing"])
def test_each_class_occurs_on_a_real_step_of_some_batch(operation: str) -> None:
    for seed in range(30):
        occurring: dict[int, set[int]] = {}
        for lengths in lengths_of(find(operation).configurations[0]):
            case = sample_case(operation, "mean", lengths, "float32", seed)
            classes = case.arrays["targets"][case.mask]
            occurring.setdefault(case.size("C"), set()).update(classes.tolist())
        assert occurring[8] == set(range(8))


def test_messages_have_no_colours(tensorflow: str) -> None:
    keras = import_module("keras")

    def reshaped(x: Any, lengths: Any) -> Any:
        return keras.layers.Reshape((7, 7))(x)

    verdict = check_function(MEAN, reshaped, tensorflow, **TWO)
    assert "raised ValueError: Exception encountered when calling Reshape.call(). The total size" in str(verdict)
    assert "\x1b" not in str(verdict)
    assert "x1b" not in str(verdict)
