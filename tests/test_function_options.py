"""Check the options of `parity.check_function`: each with right and with wrong functions, in both frameworks."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from parity import InputError, check_function
from parity.checks.result import FAILED, PASSED, XFAILED
from parity.operations import OPERATIONS

MEAN, REVERSE, LSTM, ATTENTION = "pooling.mean", "bidirectional.reverse_sequence", "rnn.lstm", "decoder.self_attention"
TWO: dict[str, Any] = {"lengths": "3,1:5", "mode": "eager"}
REFERENCE: dict[str, Any] = {**TWO, "contracts": ["matches_reference"]}


def own(framework: str, operation: str) -> Callable[..., Any]:
    """Return the framework's own function, without its variants."""
    topic, _, function = operation.partition(".")
    return getattr(import_module(f"parity.{framework}.{topic}"), function)  # type: ignore[no-any-return]


def mean(framework: str, left: bool = False, factor: float = 1.0) -> Callable[..., Any]:
    """Return a mean over real steps, written for padding on one side."""

    def in_pytorch(x: Any, lengths: Any) -> Any:
        torch, steps = import_module("torch"), x.shape[1]
        real = torch.arange(steps) >= steps - lengths[:, None] if left else torch.arange(steps) < lengths[:, None]
        return torch.where(real[..., None], x, 0).sum(1) / lengths.clamp(min=1)[:, None] * factor

    def in_tensorflow(x: Any, lengths: Any) -> Any:
        tf = import_module("tensorflow")
        steps = tf.shape(x, lengths.dtype)[1]
        real = tf.range(steps) >= steps - lengths[:, None] if left else tf.range(steps) < lengths[:, None]
        total = tf.reduce_sum(tf.where(real[..., None], x, 0), 1)
        return tf.math.divide_no_nan(total, tf.cast(lengths[:, None], x.dtype)) * factor

    return in_pytorch if framework == "pytorch" else in_tensorflow


# Padding on the left


@pytest.mark.parametrize("right", [True, False])
def test_padding_may_precede_each_sequence(right: bool, framework: str) -> None:
    verdict = check_function(MEAN, mean(framework, left=right), framework, side="left", mode="eager")
    assert bool(verdict) is right, verdict
    assert ("ignores_padding" in verdict.failed) is not right
    assert bool(check_function(MEAN, mean(framework, left=right), framework, **REFERENCE)) is not right


def test_outputs_of_each_step_are_expected_on_the_side_of_the_padding(framework: str) -> None:
    def flipped(x: Any) -> Any:
        return x.flip(1) if framework == "pytorch" else import_module("tensorflow").reverse(x, [1])

    def reversed_on_the_left(x: Any, lengths: Any) -> Any:
        return flipped(own(framework, REVERSE)(flipped(x), lengths)["y"])

    def back_on_the_right(x: Any, lengths: Any) -> Any:
        return own(framework, REVERSE)(flipped(x), lengths)["y"]

    assert check_function(REVERSE, reversed_on_the_left, framework, side="left", **TWO)
    assert not check_function(REVERSE, reversed_on_the_left, framework, **REFERENCE)
    assert not check_function(REVERSE, back_on_the_right, framework, side="left", **REFERENCE)


@pytest.mark.parametrize("operation", [LSTM, "embedding.lookup", "loss.cross_entropy", "masking.sequence_mask"])
def test_what_moves_its_padding_back_is_right_in_any_operation(operation: str, framework: str) -> None:
    """Move padding to the right, run the right function, and move its steps to the left again."""
    row = OPERATIONS[operation]
    config = row.configurations[0]
    runtime, right = import_module(f"parity.{framework}.runtime"), own(framework, operation)
    stepped = {name for name, axes in config.axes.items() if axes.startswith("BT")}

    def moved(**given: Any) -> Any:
        lengths = given["lengths"]
        first = given[next(iter(config.inputs))]
        steps = first.shape[1] if framework == "pytorch" else import_module("tensorflow").shape(first, "int64")[1]
        shift = steps - lengths
        given = {name: runtime.rolled(one, -shift) if name in stepped else one for name, one in given.items()}
        outputs = right(**given)
        return {name: runtime.rolled(one, shift) if name in stepped else one for name, one in outputs.items()}

    options: dict[str, Any] = {"config": config.name, "mode": "eager", "lengths": "ragged"}
    contracts = ["matches_reference", "ignores_padding", "ignores_extra_padding", "zero_gradient_at_padding"]
    verdict = check_function(operation, moved, framework, side="left", contracts=contracts, **options)
    assert verdict, verdict
    assert not check_function(operation, moved, framework, contracts=contracts, **options)


def test_an_operation_that_is_told_the_side_is_told_it(framework: str) -> None:
    verdict = check_function(ATTENTION, own(framework, ATTENTION), framework, side="left", **REFERENCE)
    assert verdict, verdict

    def always_right(left: bool = False, **given: Any) -> Any:
        return own(framework, ATTENTION)(left=False, **given)

    verdict = check_function(ATTENTION, always_right, framework, side="left", **REFERENCE)
    assert {one.case.partition("/")[0] for one in verdict.results if one.status == FAILED} >= {"two_heads"}


@pytest.mark.parametrize(("blank", "wrong"), [("", set()), ("its own", {"blank_is_last", "blank_is_2"})])
def test_ctc_need_not_take_the_blank(blank: str, wrong: set[str], pytorch: str) -> None:
    ctc = own(pytorch, "alignment.ctc")

    def without(logits: Any, targets: Any, target_lengths: Any, lengths: Any) -> Any:
        return ctc(logits, targets, target_lengths, lengths)

    def always_first(blank: int = 0, **given: Any) -> Any:
        return ctc(**given)

    function = always_first if blank else without
    verdict = check_function("alignment.ctc", function, pytorch, contracts=["matches_reference"])
    assert {one.case.partition("/")[0] for one in verdict.results} == {"by_sequence", "improbable", *wrong}
    assert {one.case.partition("/")[0] for one in verdict.results if one.status == FAILED} == wrong


def test_a_configuration_with_padding_on_the_left_stays_as_it_is(framework: str) -> None:
    operation = "direction.left_padded"
    for side in ("left", "right"):
        assert check_function(operation, own(framework, operation), framework, side=side, **REFERENCE)


def test_a_module_gets_the_mask_of_its_side(pytorch: str) -> None:
    torch = import_module("torch")

    class Pool(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.query = torch.nn.Parameter(torch.zeros(2))

        def forward(self, x: Any, mask: Any) -> Any:
            scores = (torch.where(mask[..., None], x, 0) @ self.query).masked_fill(~mask, -1e9)
            weights = torch.where(mask, scores.softmax(1), 0)
            return {"weights": weights, "y": (weights[..., None] * torch.where(mask[..., None], x, 0)).sum(1)}

    for side in ("left", "right"):
        verdict = check_function("pooling.attention", Pool(), side=side, **REFERENCE)
        assert verdict, verdict
    with pytest.raises(InputError, match="its lengths are given by packing, which counts them from the first step"):
        check_function(LSTM, torch.nn.LSTM(2, 6, batch_first=True), side="left", **REFERENCE)


def test_a_layer_gets_the_mask_of_its_side(tensorflow: str) -> None:
    keras = import_module("keras")
    options: dict[str, Any] = {**TWO, "contracts": ["matches_reference", "ignores_extra_padding"]}
    assert check_function("rnn.gru", keras.layers.GRU(4), side="left", padding_output="any", **options)
    assert check_function("rnn.gru", keras.layers.GRU(4), padding_output="any", **options)


# No backward pass


def without_backward(framework: str, factor: float = 1.0) -> Callable[..., Any]:
    """Return a mean that leaves its framework on the way, so that no gradient comes back."""

    def computed(x: Any, lengths: Any) -> Any:
        y = mean(framework, factor=factor)(x, lengths).numpy()
        return (
            import_module("torch").from_numpy(y) if framework == "pytorch" else import_module("tensorflow").constant(y)
        )

    return computed


def test_a_function_without_a_backward_pass_is_held_to_its_outputs(framework: str) -> None:
    verdict = check_function(MEAN, without_backward(framework), framework, gradients=False, mode="eager")
    assert verdict, verdict
    assert {name for one in verdict.results for name in one.scores if name.startswith("d_")} == set()
    assert verdict.declined == {
        "zero_gradient_at_padding": "no output has steps, and there are no gradients",
        "same_on_either_side": 'it takes no argument named `left`: give it one, or pass side="left"',
    }
    assert not check_function(MEAN, without_backward(framework), framework, **REFERENCE)
    wrong = check_function(MEAN, without_backward(framework, 1.01), framework, gradients=False, mode="eager")
    assert set(wrong.failed) == {"matches_reference"}


def raising_backward(framework: str) -> Callable[..., Any]:
    """Return a mean whose backward pass raises."""

    def in_pytorch(x: Any, lengths: Any) -> Any:
        torch = import_module("torch")
        forward_only = type("ForwardOnly", (torch.autograd.Function,), {"forward": staticmethod(lambda _, y: y * 1)})
        return forward_only.apply(mean("pytorch")(x, lengths))

    def in_tensorflow(x: Any, lengths: Any) -> Any:
        y = mean("tensorflow")(x, lengths)
        return import_module("tensorflow").raw_ops.PreventGradient(input=y, message="it has none")

    return in_pytorch if framework == "pytorch" else in_tensorflow


@pytest.mark.parametrize("kind", ["no gradient", "an error"])
def test_a_function_without_a_backward_pass_is_told_what_to_ask_for(kind: str, framework: str) -> None:
    function = raising_backward(framework) if kind == "an error" else without_backward(framework)
    hint = "if it has no backward pass, gradients=False compares outputs alone"
    assert hint in str(check_function(MEAN, function, framework, mode="eager"))
    assert check_function(MEAN, function, framework, gradients=False, mode="eager")
    assert hint not in str(check_function(MEAN, mean(framework, factor=2.0), framework, mode="eager"))


def test_steps_that_an_output_lacks_at_its_end_are_no_lack_of_a_backward_pass(framework: str) -> None:
    options: Any = {"lengths": "3,1:5", "contracts": ["matches_reference"]}
    verdict = check_function("masking.mask_frames", lambda x, lengths: x[:, :3], framework, **options)
    assert "\n  it ends with the longest sequence, not with T: pad it, as total_length=x.shape[1] in " in str(verdict)
    verdict = check_function("masking.mask_frames", lambda x, lengths: x[:, :2], framework, **options)
    assert "it ends with" not in str(verdict)
    assert "gradients=False" not in str(verdict)


def test_a_table_without_gradient_may_have_no_backward_pass(framework: str) -> None:
    operation = "embedding.lookup"

    def cut_off(table: Any, **given: Any) -> Any:
        table = table.detach() if framework == "pytorch" else import_module("tensorflow").stop_gradient(table)
        return own(framework, operation)(table=table, **given)

    found = str(check_function(operation, cut_off, framework, **REFERENCE))
    assert "no gradient reaches table: weights that are assigned" in found
    assert "gradients=False compares outputs alone" in found


def test_a_gradient_that_is_wrong_is_not_looked_at_without_gradients(framework: str) -> None:
    def cut_off(x: Any, lengths: Any) -> Any:
        x = x.detach() if framework == "pytorch" else import_module("tensorflow").stop_gradient(x)
        return mean(framework)(x, lengths)

    assert check_function(MEAN, cut_off, framework, gradients=False)
    assert check_function(MEAN, cut_off, framework, mode="eager").failed


def test_a_loss_without_gradients_is_compared_where_there_is_something_to_compare(framework: str) -> None:
    operation = "loss.cross_entropy"
    verdict = check_function(operation, own(framework, operation), framework, gradients=False, mode="eager")
    assert verdict, verdict
    assert "accepts_empty_sequences" in verdict.passed  # of a batch without real steps, the loss is 0


def test_the_gates_at_fault_are_not_asked_for_without_gradients(pytorch: str) -> None:
    def shifted(x: Any, lengths: Any, w_in: Any, w_rec: Any, bias: Any) -> Any:
        moved = [b + import_module("torch").tensor([[0.0], [1.0], [0.0], [0.0]]) for b in bias]
        return own(pytorch, LSTM)(x, lengths, w_in, w_rec, moved)

    options: dict[str, Any] = {**REFERENCE, "config": "one_layer", "gradients": False}
    assert "at step 2, first in c of layer 0" in str(check_function(LSTM, shifted, pytorch, **options))


# Empty sequences that are refused


def refusing(framework: str, what: str, factor: float = 1.0) -> Callable[..., Any]:
    def refuses(x: Any, lengths: Any) -> Any:
        empty = not x.shape[0] if what == "no sequences" else not bool((lengths > 0).numpy().all()) or not x.shape[0]
        if empty:
            raise ValueError("an empty one")
        return mean(framework, factor=factor)(x, lengths)

    return refuses


@pytest.mark.parametrize("what", ["no sequences", "empty sequences"])
def test_a_refusal_of_what_is_empty_may_be_expected(what: str, framework: str) -> None:
    function = refusing(framework, what)
    plain = check_function(MEAN, function, framework, mode="eager")
    assert not plain
    assert "with refuses_empty=True, it may raise" in str(plain)
    verdict = check_function(MEAN, function, framework, refuses_empty=True, mode="eager")
    assert verdict, verdict
    assert {one.status for one in verdict.results} == {PASSED, XFAILED}
    assert "; refuses empty sequences, as expected: raised ValueError: an empty one" in str(verdict)
    wrong = refusing(framework, what, 1.01)
    assert check_function(MEAN, wrong, framework, refuses_empty=True, mode="eager").failed == ("matches_reference",)


def test_what_raises_without_empty_sequences_too_is_no_refusal_of_them(framework: str) -> None:
    def raising(x: Any, lengths: Any) -> Any:
        if x.shape[1] == 3:
            raise ValueError("three steps")
        return mean(framework)(x, lengths)

    verdict = check_function(MEAN, raising, framework, refuses_empty=True, mode="eager")
    assert not verdict
    assert "raised ValueError: three steps" in str(verdict)


def test_a_refusal_that_does_not_come_is_a_failure(framework: str) -> None:
    verdict = check_function(MEAN, mean(framework), framework, refuses_empty=True, mode="eager")
    assert verdict.failed == ("accepts_empty_sequences",)
    assert "holds, but was expected to fail: with refuses_empty=True, some empty sequence has to be refused" in str(
        verdict
    )
    assert check_function(MEAN, mean(framework), framework, refuses_empty=True, **REFERENCE)  # none was given


def test_a_layer_of_keras_that_refuses_an_empty_batch_is_told_what_to_ask_for(tensorflow: str) -> None:
    """As an expected failure of the variants that use it, see `keras_lstm_rejects_empty_batch`."""
    layer = import_module("keras").layers.LSTM(6)
    options: dict[str, Any] = {"contracts": ["matches_reference"], "mode": "eager", "padding_output": "any"}
    verdict = check_function(LSTM, layer, lengths="no_sequences", **options)
    assert verdict.failed == ("matches_reference",)
    assert "it runs on other batches: with refuses_empty=True, it may raise on an empty one" in str(verdict)
    assert check_function(LSTM, layer, lengths="no_sequences", refuses_empty=True, **options)


# Several dtypes


def test_several_dtypes_are_tried_in_one_call(framework: str) -> None:
    def nearly(x: Any, lengths: Any) -> Any:
        return mean(framework)(x, lengths) * (1 + 1e-9)

    both = ["float32", "float64"]
    assert {one.dtype for one in check_function(MEAN, mean(framework), framework, dtype=both, **TWO).results} == {*both}
    assert check_function(MEAN, nearly, framework, **TWO)
    verdict = check_function(MEAN, nearly, framework, dtype=both, **TWO)
    assert {one.dtype for one in verdict.results if one.status == FAILED} == {"float64"}
    assert "dtype='float64'" in str(verdict)
    assert "matches_reference" not in verdict.passed


@pytest.mark.parametrize("kind", [list, tuple, set, dict.fromkeys, iter])
def test_dtypes_and_other_names_are_any_collection(kind: Callable[..., Any], pytorch: str) -> None:
    dtypes, contracts = kind(["float64", "float32"]), kind(["matches_reference"])
    verdict = check_function(MEAN, mean(pytorch), pytorch, dtype=dtypes, contracts=contracts, **TWO)
    assert verdict, verdict
    assert {one.dtype for one in verdict.results} == {"float32", "float64"}


def test_a_dtype_in_which_no_contract_is_tried_is_named(pytorch: str) -> None:
    verdict = check_function(
        MEAN, mean(pytorch), pytorch, dtype=("float32", "float16"), contracts=["repeatable"], **TWO
    )
    assert verdict.notes == ("none of the contracts is tried in float16",)


# Another function in place of the reference


@pytest.mark.parametrize("other", ["pytorch", "tensorflow"])
def test_another_function_gives_what_is_expected(other: str, framework: str, pytorch: str, tensorflow: str) -> None:
    twice = mean(other, factor=2.0)
    verdict = check_function(
        MEAN, mean(framework, factor=2.0), framework, like=twice, dtype=["float32", "float64"], **TWO
    )
    assert verdict, verdict
    assert "frameworks_agree" not in verdict.passed
    wrong = check_function(MEAN, mean(framework, factor=2.001), framework, like=twice, **TWO)
    assert wrong.failed == ("matches_reference",)
    assert f"differs from {twice.__name__} on the first step" in str(wrong)
    assert f"like={twice.__name__}" in wrong.results[0].reproduce


def test_no_reference_runs_where_another_function_gives_what_is_expected(
    pytorch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from parity.reference import pooling

    def unknown(x: Any, lengths: Any) -> Any:
        raise AssertionError("the reference was asked")

    monkeypatch.setattr(pooling, "mean", unknown)
    contracts = [
        "matches_reference",
        "ignores_extra_padding",
        "independent_of_batchmates",
        "independent_of_earlier_calls",
    ]
    assert check_function(MEAN, mean(pytorch), pytorch, like=mean(pytorch), contracts=contracts, lengths="3,0,1:5")


def test_what_is_expected_is_right_within_its_own_noise_floor(pytorch: str, tensorflow: str) -> None:
    """Saturated gates, weights five times as large as usual and lengths of any order raise no false alarm."""
    options: dict[str, Any] = {
        "config": "one_layer",
        "contracts": ["matches_reference"],
        "dtype": ["float32", "float64"],
    }
    for lengths in ("ragged", "narrow", "square"):
        verdict = check_function(
            LSTM, own("pytorch", LSTM), like=own_lstm_of_keras, lengths=lengths, mode="eager", **options
        )
        assert verdict, verdict


def own_lstm_of_keras(x: Any, lengths: Any, w_in: Any, w_rec: Any, bias: Any) -> Any:
    return import_module("parity.tensorflow.rnn").lstm(x, lengths, w_in, w_rec, bias)


def test_a_module_may_give_what_is_expected(pytorch: str, tensorflow: str) -> None:
    layer = import_module("torch").nn.LSTM(3, 5, batch_first=True)
    options: dict[str, Any] = {"config": "one_layer", **REFERENCE}
    assert check_function(LSTM, own_lstm_of_keras, "tensorflow", like=layer, **options)

    def wrong(x: Any, lengths: Any, w_in: Any, w_rec: Any, bias: Any) -> Any:
        return own_lstm_of_keras(x, lengths, w_in, w_rec, [b * 1.01 for b in bias])

    verdict = check_function(LSTM, wrong, "tensorflow", like=layer, **options)
    assert "differs from LSTM on the first step, first in c of layer 0" in str(verdict)


def test_where_the_other_function_raises_on_empty_sequences_nothing_is_expected(framework: str) -> None:
    like = refusing(framework, "empty sequences")
    verdict = check_function(MEAN, mean(framework), framework, like=like, mode="eager")
    assert verdict, verdict
    assert "not compared with empty sequences, on features/ragged and" in str(verdict)
    assert not check_function(MEAN, mean(framework, factor=1.01), framework, like=like, mode="eager")


LIKES: dict[str, tuple[Any, str]] = {
    "no function": (3, "^like: got 3, expected something that can be called$"),
    "other arguments": (lambda x, mask: x, "^like: got one that takes .x, mask., expected one that takes x, lengths"),
    "raises": (lambda x, lengths: 1 / 0, "^like: got a function that runs in neither .*ZeroDivisionError"),
    "no tensor": (lambda x, lengths: [1.0], "^like: got a function that runs in neither .*expected a tensor"),
}


@pytest.mark.parametrize("kind", LIKES)
def test_a_wrong_function_to_compare_with_is_one_error(kind: str, framework: str) -> None:
    like, message = LIKES[kind]
    with pytest.raises(InputError, match=message):
        check_function(MEAN, mean(framework), framework, like=like, **REFERENCE)


def test_what_a_function_to_compare_with_raises_is_said_once(framework: str, pytorch: str, tensorflow: str) -> None:
    with pytest.raises(InputError) as caught:
        check_function(MEAN, mean(framework), framework, like=LIKES["raises"][0], **REFERENCE)
    assert str(caught.value).count("ZeroDivisionError") == 1
    assert " or ".join(sorted({pytorch, tensorflow}, key=lambda one: one != framework)) in str(caught.value)


def test_a_function_to_compare_with_that_fails_on_real_sequences_is_one_error(framework: str) -> None:
    def short(x: Any, lengths: Any) -> Any:
        if x.shape[1] == 5:
            raise ValueError("five steps")
        return mean(framework)(x, lengths)

    options: dict[str, Any] = {"contracts": ["matches_reference"], "mode": "eager"}
    with pytest.raises(
        InputError, match=r"^like: got a function that fails on features/one_long: short raised ValueError"
    ):
        check_function(MEAN, mean(framework), framework, like=short, **options)


# Export


def test_what_is_exported_is_compared_with_eager(framework: str) -> None:
    def forgetful(x: Any, lengths: Any) -> Any:
        if framework == "pytorch":
            exporting = import_module("torch").compiler.is_exporting()
        else:
            exporting = not import_module("tensorflow").executing_eagerly()
        return mean(framework)(x, lengths) if not exporting else mean(framework)(x, lengths * 0 + 3)

    contracts = ["same_when_exported"]
    assert check_function(MEAN, mean(framework), framework, contracts=contracts, dtype=["float32", "float64"])
    left = mean(framework, left=True)
    assert check_function(MEAN, left, framework, contracts=contracts, gradients=False, side="left")
    verdict = check_function(MEAN, forgetful, framework, contracts=contracts)
    assert verdict.failed == ("same_when_exported",)
    assert "differs when exported" in str(verdict)
    assert "same_when_exported" not in check_function(MEAN, mean(framework), framework, **TWO).passed


def test_what_cannot_be_exported_says_why_and_prints_nothing(framework: str, capfd: Any) -> None:
    def counted(x: Any, lengths: Any) -> Any:  # the number of steps is read from the values
        longest = int(lengths.max()) if framework == "pytorch" else int(import_module("tensorflow").reduce_max(lengths))
        if longest > 2:
            return mean(framework)(x, lengths)
        return mean(framework)(x, lengths) * 1.0

    verdict = check_function(MEAN, counted, framework, contracts=["same_when_exported"])
    assert verdict.failed == ("same_when_exported",)
    assert "raised " in str(verdict)
    assert "def forward" not in capfd.readouterr().err


def test_what_is_fixed_by_the_sizes_of_a_batch_cannot_be_exported_for_all(pytorch: str) -> None:
    def of_four(x: Any, lengths: Any) -> Any:
        return mean(pytorch)(x.reshape(4, -1, 2), lengths)

    options: dict[str, Any] = {"lengths": "ragged"}
    assert check_function(MEAN, of_four, pytorch, contracts=["matches_reference"], **options)
    assert not check_function(MEAN, of_four, pytorch, contracts=["same_when_exported"], **options)


def test_steps_of_the_first_batch_may_not_be_what_is_exported(tensorflow: str) -> None:
    def of_three_steps(x: Any, lengths: Any) -> Any:
        return mean(tensorflow)(x[:, : x.shape[1] or 3], lengths)  # in a graph, the number of steps is open

    assert check_function(MEAN, of_three_steps, tensorflow, contracts=["matches_reference"], mode="eager")
    assert not check_function(MEAN, of_three_steps, tensorflow, contracts=["same_when_exported"])


def test_variables_of_a_layer_are_exported_too(tensorflow: str) -> None:
    """Check a function that reads variables of its own, which a saved model has to hold."""
    factor = import_module("tensorflow").Variable(1.0)
    contracts = ["matches_reference", "same_when_exported"]

    def scaled(x: Any, lengths: Any) -> Any:
        return mean(tensorflow)(x, lengths) * factor

    for contract in contracts:
        assert check_function(MEAN, scaled, tensorflow, contracts=[contract])


WRONG: dict[str, Callable[..., Any]] = {
    "side: got 'middle', expected one of: right, left": lambda **given: check_function(**given, side="middle"),
    "side: got None, expected one of: right, left": lambda **given: check_function(**given, side=None),
    "gradients: got 'no', expected True or False": lambda **given: check_function(**given, gradients="no"),
    "refuses_empty: got 1, expected True or False": lambda **given: check_function(**given, refuses_empty=1),
    "dtype: got no name, expected one or several of: float32": lambda **given: check_function(**given, dtype=[]),
    "dtype: got 'float46', expected 'float64'": lambda **given: check_function(**given, dtype=["float32", "float46"]),
    "dtype: got 32, expected one or several of: float32": lambda **given: check_function(**given, dtype=32),
    "dtype: got [32], expected one or several of: float32": lambda **given: check_function(**given, dtype=[32]),
    "contracts: got 'second_derivatives' with gradients=False, expected contracts about outputs": (
        lambda **given: check_function(**given, gradients=False, contracts=["second_derivatives"])
    ),
    "contracts: got 'frameworks_agree' with like=…, expected matches_reference instead": (
        lambda **given: check_function(**given, like=print, contracts=["frameworks_agree"])
    ),
}


@pytest.mark.parametrize("message", WRONG)
def test_a_wrong_option_is_one_error(message: str, pytorch: str) -> None:
    with pytest.raises(InputError) as caught:
        WRONG[message](operation=MEAN, function=mean(pytorch), framework=pytorch)
    assert str(caught.value).startswith(message)


def test_steps_of_the_batch_cannot_be_moved(pytorch: str) -> None:
    operation = "loss.sequence_loss"
    expected = r"side: got 'left' for loss.sequence_loss \(by_step\), expected 'right': loss has steps of the batch"
    with pytest.raises(InputError, match=expected):
        check_function(operation, own(pytorch, operation), pytorch, side="left", config="by_step")
    right = own(pytorch, operation)
    verdict = check_function(operation, right, pytorch, side="left", contracts=["matches_reference"], lengths="3,1:3")
    assert "by_step is not tried: loss has steps of the batch, and not of its sequences" in verdict.notes
