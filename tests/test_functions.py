"""Check the checks: each function here makes one mistake, and the right contract must fail."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from functools import partial, wraps
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from parity import InputError, check_function
from parity.cases.lengths import lengths_of
from parity.checks.result import FAILED
from parity.mutants import KILLED, MutantResult
from parity.operations import find
from tests.full_runs import some

Function = Callable[..., dict[str, Any]]
TF = "parity.tensorflow"


def failing(operation: str, function: Function, framework: str, *contracts: str, mode: str = "eager") -> set[str]:
    """Return the contracts that a function breaks, of those given; a graph takes long to trace."""
    lengths, *_ = lengths_of(find(operation).configurations[0])
    options: dict[str, Any] = {"contracts": contracts, "mode": mode, "lengths": lengths}
    return set(check_function(operation, function, framework, **options).failed)


def right(operation: str, framework: str) -> Function:
    """Return the framework's own function."""
    topic, _, function = operation.partition(".")
    return getattr(import_module(f"parity.{framework}.{topic}"), function)  # type: ignore[no-any-return]


def steps(framework: str, x: Any) -> Any:
    """Return T, which a graph has only when it runs."""
    if framework == "pytorch":
        return x.shape[1]
    tf = import_module("tensorflow")
    return tf.shape(x, out_type=tf.int64)[1]


def at_least(framework: str, values: Any, least: int) -> Any:
    """Return 1 where a value is large enough, else 0."""
    if framework == "pytorch":
        return (values >= least).long()
    return import_module("tensorflow").cast(values >= least, values.dtype)


def valid(framework: str, lengths: Any, like: Any) -> Any:
    """Return the mask of real steps."""
    return import_module(f"parity.{framework}.runtime").valid(lengths, steps(framework, like))


def test_a_mutant_is_killed(parity_mutant: MutantResult) -> None:
    assert parity_mutant.status == KILLED, parity_mutant


def test_a_right_function_breaks_nothing(framework: str) -> None:
    """Check the control: without a mistake, nothing fails."""
    assert failing("rnn.rnn", right("rnn.rnn", framework), framework, "matches_reference", "ignores_padding") == set()


def test_swapped_gates_do_not_match_the_reference(framework: str) -> None:
    def swapped(x: Any, lengths: Any, w_in: Any, w_rec: Any, bias: Any, **rest: Any) -> dict[str, Any]:
        gates = [1, 0, 2, 3]  # f, i, g, o
        if framework == "pytorch":
            w_in = tuple(w[:, gates] for w in w_in)
        else:
            w_in = tuple(import_module("tensorflow").gather(w, gates, axis=1) for w in w_in)
        return right("rnn.lstm", framework)(x, lengths, w_in, w_rec, bias, **rest)

    assert failing("rnn.lstm", swapped, framework, "matches_reference", "ignores_padding") == {"matches_reference"}


def test_a_dropped_mask_lets_padding_through(framework: str) -> None:
    def unmasked(x: Any, lengths: Any, *weights: Any, **named: Any) -> dict[str, Any]:
        return right("rnn.rnn", framework)(x, lengths * 0 + steps(framework, x), *weights, **named)

    expected = {"matches_reference", "ignores_padding", "zero_gradient_at_padding", "accepts_empty_sequences"}
    assert failing("rnn.rnn", unmasked, framework, *expected, "repeatable") == expected


def test_lengths_off_by_one_fail(framework: str) -> None:
    def shifted(x: Any, lengths: Any, *weights: Any, **named: Any) -> dict[str, Any]:
        return right("rnn.rnn", framework)(x, (lengths - 1) * at_least(framework, lengths, 1), *weights, **named)

    assert failing("rnn.rnn", shifted, framework, "matches_reference", "repeatable") == {"matches_reference"}


def test_a_loss_divided_by_all_steps_grows_with_padding(framework: str) -> None:
    def diluted(logits: Any, targets: Any, lengths: Any) -> dict[str, Any]:
        loss = right("loss.cross_entropy", framework)(logits, targets, lengths)["loss"]
        if framework == "pytorch":
            return {"loss": loss * valid(framework, lengths, targets).to(loss.dtype).sum() / max(1, targets.numel())}
        tf = import_module("tensorflow")
        real = tf.cast(valid(framework, lengths, targets), loss.dtype)
        return {"loss": loss * tf.reduce_sum(real) / tf.maximum(tf.cast(tf.size(real), loss.dtype), 1)}

    tried = ("matches_reference", "ignores_extra_padding", "ignores_padding", "follows_permutation")
    assert failing("loss.cross_entropy", diluted, framework, *tried) == {"matches_reference", "ignores_extra_padding"}


def mean_of(framework: str, x: Any, lengths: Any, left: bool) -> dict[str, Any]:
    """Return the mean over real steps, by a mask for padding on that side."""
    if framework == "pytorch":
        real = valid(framework, lengths, x)
        real = (real.flip(1) if left else real)[:, :, None]
        return {"y": x.where(real, x.new_zeros(())).sum(1) / lengths.clamp(min=1)[:, None]}
    tf = import_module("tensorflow")
    real = valid(framework, lengths, x)
    real = (real[:, ::-1] if left else real)[:, :, None]
    total = tf.reduce_sum(tf.where(real, x, tf.zeros((), x.dtype)), 1)
    return {"y": total / tf.cast(tf.maximum(lengths, 1), x.dtype)[:, None]}


def test_a_function_that_can_is_tried_with_padding_on_either_side(framework: str) -> None:
    def either(x: Any, lengths: Any, left: bool = False) -> dict[str, Any]:
        return mean_of(framework, x, lengths, left)

    verdict = check_function("pooling.mean", either, framework, mode="eager")
    assert verdict, verdict
    assert "same_on_either_side" in verdict.passed
    asked = check_function("pooling.mean", either, framework, mode="eager", config="left_padded")
    assert "same_on_either_side" in asked.passed
    assert {result.case.partition("/")[0] for result in asked.results} == {"left_padded"}


def test_a_function_that_takes_every_padding_for_one_on_the_right_is_told_so(framework: str) -> None:
    def right_only(x: Any, lengths: Any, left: bool = False) -> dict[str, Any]:
        return mean_of(framework, x, lengths, left=False)

    verdict = check_function("pooling.mean", right_only, framework, mode="eager")
    assert {"matches_reference", "ignores_padding", "same_on_either_side"} <= set(verdict.failed)
    assert "`pooling.mean_of_right_padding`" in str(verdict)


def test_a_function_without_an_argument_for_the_side_is_for_padding_on_the_right(framework: str) -> None:
    def right_only(x: Any, lengths: Any) -> dict[str, Any]:
        return mean_of(framework, x, lengths, left=False)

    verdict = check_function("pooling.mean", right_only, framework, mode="eager")
    assert verdict, verdict
    assert (
        verdict.declined["same_on_either_side"] == 'it takes no argument named `left`: give it one, or pass side="left"'
    )
    with pytest.raises(InputError, match="one that takes x, lengths, left by name"):
        check_function("pooling.mean", right_only, framework, config="left_padded")


def test_a_module_that_takes_the_mask_is_given_that_of_the_side(pytorch: str) -> None:
    torch = import_module("torch")

    class Mean(torch.nn.Module):  # type: ignore[misc,name-defined]
        def forward(self, x: Any, mask: Any) -> Any:
            return torch.where(mask[:, :, None], x, 0).sum(1) / mask.sum(1).clamp(min=1)[:, None]

    assert check_function("pooling.mean", Mean(), pytorch)
    assert check_function("pooling.mean", Mean(), pytorch, config="left_padded")


def test_reversing_the_padding_too_fails(framework: str) -> None:
    def careless(x: Any, lengths: Any) -> dict[str, Any]:
        return {"y": x.flip(1) if framework == "pytorch" else x[:, ::-1]}

    failed = failing("bidirectional.reverse_sequence", careless, framework)
    assert {"matches_reference", "ignores_padding", "zero_gradient_at_padding", "independent_of_batchmates"} <= failed


def test_a_product_with_the_mask_does_not_stop_nan(framework: str) -> None:
    """Stop finite padding by ``mask * x``: only refilled padding shows that NaN passes."""

    def multiplied(prediction: Any, target: Any, lengths: Any) -> dict[str, Any]:
        if framework == "pytorch":
            real = valid(framework, lengths, prediction)[:, :, None].to(prediction.dtype)
            total = (((prediction - target) * real) ** 2).sum()
            return {"loss": total / (real.sum() * prediction.shape[2]).clamp(min=1)}
        tf = import_module("tensorflow")
        real = tf.cast(valid(framework, lengths, prediction), prediction.dtype)[:, :, None]
        total = tf.reduce_sum(((prediction - target) * real) ** 2)
        return {"loss": total / tf.maximum(tf.reduce_sum(real) * prediction.shape[2], 1)}

    failed = failing("loss.mean_squared_error", multiplied, framework)
    assert failed == {"ignores_padding"}


def test_keras_with_a_mask_alone_gives_nan_for_gradients(tensorflow: str) -> None:
    """Compare with the paired implementation, which uses `parity.tensorflow.runtime.only_real`."""

    def idiomatic(x: Any, lengths: Any, w_in: Any, w_rec: Any, bias: Any, **rest: Any) -> dict[str, Any]:
        keras, rnn, runtime = (import_module(name) for name in ("keras", f"{TF}.rnn", f"{TF}.runtime"))
        layer = rnn.built(keras.layers.SimpleRNN, x.shape[2], w_rec[0].shape[2], x.dtype, activation="tanh")
        weights = rnn.keras_layout(keras.layers.SimpleRNN, w_in[0], w_rec[0], bias[0])
        y, h = runtime.call_layer(layer, weights, x, mask=valid(tensorflow, lengths, x))
        return {"y": y, "h": h[None]}

    tried = ["matches_reference", "ignores_padding"]
    results = check_function("rnn.rnn", idiomatic, tensorflow, contracts=tried, config="tanh", mode="eager").results
    failed = {(result.contract, result.quantity) for result in results if result.status == FAILED}
    assert {contract for contract, _ in failed} == {"ignores_padding"}
    assert {quantity for _, quantity in failed} == {"d_x", "d_w_in.0", "d_w_rec.0", "d_bias.0"}


def by_hand(framework: str, root: str) -> Function:
    """Return layer norm by hand, whose deviation is the variance, its root, or its power of 1/2."""

    def layer_norm(x: Any, lengths: Any, gamma: Any, beta: Any, eps: float) -> Any:
        real = valid(framework, lengths, x)[..., None]
        tf = None if framework == "pytorch" else import_module("tensorflow")
        x = x.where(real, 0) if tf is None else tf.where(real, x, tf.zeros((), x.dtype))
        mean = (lambda a: a.mean(2, keepdim=True)) if tf is None else (lambda a: tf.reduce_mean(a, 2, keepdims=True))
        centred = x - mean(x)
        variance = mean(centred**2)
        if root == "sqrt":
            variance = (variance.sqrt() if tf is None else tf.sqrt(variance)) ** 2
        if root == "power":
            variance = (variance**0.5) ** 2
        y = centred / (variance + eps) ** 0.5 * gamma + beta
        return y.where(real, 0) if tf is None else tf.where(real, y, tf.zeros((), x.dtype))

    return layer_norm


@pytest.mark.parametrize("lengths", ["", "3,1:5", "2:2"])
@pytest.mark.parametrize("root", ["none", "sqrt", "power"])
def test_the_root_of_a_real_step_of_equal_features_fails(root: str, lengths: str, framework: str) -> None:
    """Catch a gradient of NaN on a frame such as silence; TensorFlow's `sqrt` has none, by a special case."""
    options: dict[str, Any] = {"lengths": lengths, "mode": "eager", "contracts": ["matches_reference"]}
    for config in ("eps_of_torch", "eps_of_keras"):
        function = by_hand(framework, root)
        verdict = check_function("normalisation.layer_norm", function, framework, config=config, **options)
        if root == "none" or (root, framework) == ("sqrt", "tensorflow"):
            assert verdict, str(verdict)
        else:
            assert not verdict
            assert "d_x is NaN or inf" in str(verdict)


@pytest.mark.parametrize("lengths", ["3,1:5", "7,2,0:7"])
def test_lengths_divided_by_the_stride_fail(lengths: str, framework: str) -> None:
    """Catch ``ceil(n / stride)``: 3 steps, a kernel of 3 and a stride of 2 leave 1, 7 steps 3."""

    def careless(lengths: Any, **arguments: Any) -> Any:
        found = right("strided.conv1d", framework)(lengths=lengths, **arguments)
        return found | {"y_lengths": (lengths + arguments["stride"] - 1) // arguments["stride"]}

    options: dict[str, Any] = {"config": "stride_2", "lengths": lengths, "contracts": ["matches_reference"]}
    verdict = check_function("strided.conv1d", careless, framework, **options)
    assert {result.quantity for result in verdict.results if result.status == FAILED} == {"y_lengths"}
    assert check_function("strided.conv1d", right("strided.conv1d", framework), framework, **options)


def test_a_special_case_for_an_empty_batch_cannot_hide_nan(pytorch: str) -> None:
    def special(logits: Any, targets: Any, lengths: Any) -> dict[str, Any]:
        if not lengths.any():
            return {"loss": logits.sum() * 0}
        return right("loss.cross_entropy", "pytorch")(logits, targets, lengths)

    tried = ["matches_reference", "ignores_padding"]
    assert check_function("loss.cross_entropy", special, pytorch, contracts=tried).failed == ("ignores_padding",)


def test_ids_outside_of_the_vocabulary_are_in_the_padding_too(pytorch: str) -> None:
    def trusting(tokens: Any, lengths: Any, table: Any, padding_index: Any) -> dict[str, Any]:
        tokens = tokens.clamp(min=0)  # guards against -100 only
        return right("embedding.lookup", "pytorch")(tokens, lengths + 0 * table[tokens].sum().long(), table)

    assert "ignores_padding" in failing("embedding.lookup", trusting, pytorch, "ignores_padding")


def test_another_dtype_fails(framework: str) -> None:
    def wider(x: Any, lengths: Any) -> dict[str, Any]:
        y = right("bidirectional.reverse_sequence", framework)(x, lengths)["y"]
        return {"y": (y.double() if framework == "pytorch" else import_module("tensorflow").cast(y, "float64")) * 1.0}

    tried = ["matches_reference"]
    results = check_function("bidirectional.reverse_sequence", wider, framework, contracts=tried).results
    failed = {(result.quantity, result.problem, result.reason) for result in results if result.status == FAILED}
    assert failed == {("y", "mismatch", "dtype float64, expected float32")}


def test_a_user_function_inherits_no_expected_failure_from_its_name(pytorch: str) -> None:
    def padded(x: Any, lengths: Any, *weights: Any, **named: Any) -> dict[str, Any]:
        outputs = right("rnn.lstm", "pytorch")(x, lengths, *weights, **named)
        return outputs | {"c": outputs["c"] * 0}

    results = check_function("rnn.lstm", padded, pytorch, contracts=["matches_reference"]).results
    assert "c" in {result.quantity for result in results if result.status == FAILED}
    assert results[0].reproduce.startswith("parity.check_function('rnn.lstm', padded, 'pytorch'")


def test_an_output_too_many_fails(pytorch: str) -> None:
    def chatty(x: Any, lengths: Any) -> dict[str, Any]:
        return right("bidirectional.reverse_sequence", "pytorch")(x, lengths) | {"z": x}

    with pytest.raises(InputError, match=r"result: got one of y, z, expected a dict of tensors by name: y$"):
        check_function("bidirectional.reverse_sequence", chatty, pytorch, contracts=["repeatable"])


def test_a_trained_pad_row_fails(pytorch: str) -> None:
    def trained(tokens: Any, lengths: Any, table: Any, padding_index: Any) -> dict[str, Any]:
        torch = import_module("torch")
        real = valid("pytorch", lengths, tokens)
        return {"y": torch.nn.functional.embedding(torch.where(real, tokens, 0), table) * real[:, :, None]}

    failed = failing("embedding.lookup", trained, pytorch, "zero_gradient_at_padding", "matches_reference")
    assert failed == {"zero_gradient_at_padding", "matches_reference"}


def test_a_sequence_that_depends_on_its_batchmates_fails(pytorch: str) -> None:
    def mixed(x: Any, lengths: Any) -> dict[str, Any]:
        y = right("bidirectional.reverse_sequence", "pytorch")(x, lengths)["y"]
        return {"y": y + 1e-3 * y.sum(0, keepdim=True) * (y != 0)}

    failed = failing(
        "bidirectional.reverse_sequence", mixed, pytorch, "independent_of_batchmates", "follows_permutation"
    )
    assert failed == {"independent_of_batchmates"}


def test_a_row_that_depends_on_its_position_fails(pytorch: str) -> None:
    def placed(x: Any, lengths: Any) -> dict[str, Any]:
        y = right("bidirectional.reverse_sequence", "pytorch")(x, lengths)["y"]
        return {"y": y * import_module("torch").arange(1, len(y) + 1, dtype=y.dtype)[:, None, None]}

    assert "follows_permutation" in failing("bidirectional.reverse_sequence", placed, pytorch)


def test_a_mean_of_batch_means_depends_on_the_split(pytorch: str) -> None:
    def averaged(logits: Any, targets: Any, lengths: Any, splits: int) -> dict[str, Any]:
        loss = right("metrics.corpus_loss", "pytorch")
        parts = zip(*(tensor.tensor_split(splits) for tensor in (logits, targets, lengths)), strict=True)
        return {"loss": sum(loss(*part, splits=1)["loss"] for part in parts) / splits}

    split = "same_however_split"
    assert failing("metrics.corpus_loss", averaged, pytorch, split) == {split}
    verdict = check_function("metrics.corpus_loss", right("metrics.corpus_loss", pytorch), pytorch, contracts=[split])
    assert verdict
    assert all(" with splits=" in result.quantity for result in verdict.results)


def test_a_count_of_steps_is_not_the_place_of_the_last(pytorch: str) -> None:
    def counted(x: Any, lengths: Any, mask: Any) -> dict[str, Any]:
        return {"y": right("pooling.last_relevant", "pytorch")(x, mask.sum(1))["y"]}

    contracts = ("skips_holes", "ignores_padding", "ignores_extra_padding")
    assert failing("holes.last", counted, pytorch, *contracts) == {"skips_holes"}


def test_nan_in_a_hole_must_not_come_through(pytorch: str) -> None:
    def multiplied(x: Any, lengths: Any, mask: Any) -> dict[str, Any]:
        return {"y": (x * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)}

    verdict = check_function("holes.mean", multiplied, pytorch, contracts=["skips_holes", "matches_reference"])
    assert verdict.failed == ("skips_holes",)
    failed = {result.quantity for result in verdict.results if result.status == FAILED}
    assert failed <= {"y with other holes", "d_x with other holes"}


def test_randomness_fails(pytorch: str) -> None:
    def dropped(x: Any, lengths: Any) -> dict[str, Any]:
        dropout = import_module("torch").nn.functional.dropout
        return {"y": dropout(right("bidirectional.reverse_sequence", "pytorch")(x, lengths)["y"], 0.5)}

    assert "repeatable" in failing("bidirectional.reverse_sequence", dropped, pytorch)


def test_writing_to_an_input_fails(pytorch: str) -> None:
    def overwriting(tokens: Any, lengths: Any, table: Any, padding_index: Any) -> dict[str, Any]:
        answer = right("embedding.lookup", "pytorch")(tokens, lengths, table, padding_index=padding_index)
        tokens[~valid("pytorch", lengths, tokens)] = 0
        return answer

    results = check_function("embedding.lookup", overwriting, pytorch, contracts=["no_side_effects"]).results
    failed = {(result.quantity, result.reason) for result in results if result.status == FAILED}
    assert ("input tokens", "modified by the run") in failed


def test_a_graph_that_computes_something_else_fails(tensorflow: str) -> None:
    def torn(x: Any, lengths: Any) -> dict[str, Any]:
        tf = import_module("tensorflow")
        y = right("bidirectional.reverse_sequence", "tensorflow")(x, lengths)["y"]
        return {"y": y if tf.executing_eagerly() else y * 2}

    failed = failing("bidirectional.reverse_sequence", torn, tensorflow, "same_in_every_mode", mode="graph")
    assert failed == {"same_in_every_mode"}


def test_a_missing_initial_state_fails(pytorch: str) -> None:
    def stateless(x: Any, lengths: Any, w_in: Any, w_rec: Any, bias: Any, h0: Any = None) -> dict[str, Any]:
        return right("rnn.gru", "pytorch")(x, lengths, w_in, w_rec, bias)

    failed = failing("rnn.gru", stateless, pytorch, "accepts_empty_sequences", "matches_reference", "ignores_padding")
    assert failed == {"accepts_empty_sequences", "matches_reference"}


class Scaled:
    """A right function, if the factor is 1."""

    def __init__(self, framework: str, factor: float = 1.0) -> None:
        self.factor, self.right = factor, right("bidirectional.reverse_sequence", framework)

    def __call__(self, x: Any, lengths: Any) -> dict[str, Any]:
        return {"y": self.right(x, lengths)["y"] * self.factor}

    def method(self, x: Any, lengths: Any) -> dict[str, Any]:
        return self(x, lengths)


class AlwaysEqual(Scaled):
    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 1


class NeverCompared(Scaled):
    def __eq__(self, other: object) -> bool:
        raise ValueError("the truth value is ambiguous")

    def __hash__(self) -> int:
        raise TypeError("unhashable")


class Empty(Scaled):
    def __len__(self) -> int:
        return 0


class WithoutTruth(Scaled):
    def __bool__(self) -> bool:
        raise ValueError("the truth value is ambiguous")


class Secretive(Scaled):
    def __getattr__(self, name: str) -> Any:
        raise SystemExit(name)


def partially(scaled: Scaled) -> Function:
    return partial(lambda factors, **named: scaled(**named), [])


CALLABLES: dict[str, tuple[type[Scaled], Callable[[Any], Function]]] = {
    "object": (Scaled, lambda scaled: scaled),
    "method": (Scaled, lambda scaled: scaled.method),
    "partial": (Scaled, partially),
    "function": (Scaled, lambda scaled: lambda x, lengths: scaled(x, lengths)),
    "equal to every other": (AlwaysEqual, lambda scaled: scaled),
    "without comparison and hash": (NeverCompared, lambda scaled: scaled),
    "without a name": (Secretive, lambda scaled: scaled),
    "of length 0": (Empty, lambda scaled: scaled),
    "without truth value": (WithoutTruth, lambda scaled: scaled),
}


@pytest.mark.parametrize("kind", CALLABLES)
def test_nothing_is_remembered_of_a_function_that_changes(kind: str, framework: str) -> None:
    make, function_of = CALLABLES[kind]
    scaled = make(framework)
    function = function_of(scaled)
    for factor in (1.0, 2.0, 1.0):
        scaled.factor = factor
        failed = failing("bidirectional.reverse_sequence", function, framework, "matches_reference")
        assert failed == (set() if factor == 1 else {"matches_reference"})


@pytest.mark.parametrize("kind", CALLABLES)
def test_another_function_of_the_same_kind_is_another_function(kind: str, framework: str) -> None:
    make, function_of = CALLABLES[kind]
    for factor in (1.0, 2.0):
        function = function_of(make(framework, factor))
        failed = failing("bidirectional.reverse_sequence", function, framework, "repeatable", "matches_reference")
        assert failed == (set() if factor == 1 else {"matches_reference"})


def test_a_module_with_another_parameter_is_run_again(pytorch: str) -> None:
    torch = import_module("torch")

    class Module(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.offset = torch.nn.Parameter(torch.zeros(()))

        def forward(self, **named: Any) -> dict[str, Any]:
            return {"loss": right("loss.cross_entropy", "pytorch")(**named)["loss"] + self.offset}

    module = Module()
    assert failing("loss.cross_entropy", module, pytorch) == set()
    module.offset.data.fill_(5.0)
    assert "matches_reference" in failing("loss.cross_entropy", module, pytorch)


def test_contracts_share_the_runs_of_a_function(framework: str) -> None:
    """Check that seven contracts on one case take fewer runs than each would on its own."""
    runs = []

    def counted(x: Any, lengths: Any) -> dict[str, Any]:
        runs.append(x)
        return right("bidirectional.reverse_sequence", framework)(x, lengths)

    def number(*contracts: str) -> int:
        runs.clear()
        options: dict[str, Any] = {"lengths": "ragged", "mode": "eager", "contracts": contracts}
        check_function("bidirectional.reverse_sequence", counted, framework, **options)
        return len(runs)

    shared = ("matches_reference", "zero_gradient_at_padding", "accepts_empty_sequences")
    assert [number(*shared), number(*shared, "repeatable"), number("ignores_padding", "repeatable")] == [1, 2, 3]


def live_graphs() -> int:
    """Count TensorFlow's graphs of functions."""
    graph = import_module("tensorflow.python.framework.func_graph").FuncGraph
    gc.collect()
    return sum(type(thing) is graph for thing in gc.get_objects())


@pytest.mark.parametrize("modes", some(["all", "compiled"], {"compiled"}))
def test_nothing_of_a_function_outlives_its_check(modes: str, framework: str) -> None:
    tensors: list[Any] = []

    def keeping(x: Any, lengths: Any) -> dict[str, Any]:
        y = right("bidirectional.reverse_sequence", framework)(x, lengths)
        if modes == "all":
            tensors.extend(weakref.ref(tensor) for tensor in (x, lengths, y["y"]))
        return y

    graphs = live_graphs() if framework == "tensorflow" else 0
    contracts = ["same_when_compiled"] if modes == "compiled" else []
    check_function("bidirectional.reverse_sequence", keeping, framework, contracts=contracts, lengths="ragged")
    function = weakref.ref(keeping)
    del keeping
    gc.collect()
    assert function() is None
    assert {tensor() for tensor in tensors} <= {None}
    assert (live_graphs() if framework == "tensorflow" else 0) == graphs


def test_a_wrapper_may_take_other_arguments_than_what_it_wraps(pytorch: str) -> None:
    def reverse(values: Any, mask: Any) -> Any:
        raise NotImplementedError

    @wraps(reverse)
    def adapted(x: Any, lengths: Any) -> dict[str, Any]:
        return right("bidirectional.reverse_sequence", "pytorch")(x, lengths)

    assert failing("bidirectional.reverse_sequence", adapted, pytorch, "matches_reference") == set()


class NoMessage(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no message")


class Exits(Exception):
    def __str__(self) -> str:
        raise SystemExit


RAISED = [
    *(SystemExit(0), SystemExit("bye"), NoMessage(), Exits(), StopIteration(), RecursionError(), BaseException("base")),
    *(pytest.fail.Exception("fails"), asyncio.CancelledError()),
    BaseExceptionGroup("several", [SystemExit(1)]),
]


@pytest.mark.parametrize("error", RAISED, ids=repr)
def test_whatever_a_function_raises_is_a_result(error: BaseException, framework: str) -> None:
    def raising(x: Any, lengths: Any) -> Any:
        raise error

    verdict = check_function("bidirectional.reverse_sequence", raising, framework, contracts=["matches_reference"])
    (result,) = verdict.results
    assert result.status == FAILED
    assert result.reason.startswith(f"raised {type(error).__name__}")
    assert "for bidirectional.reverse_sequence raises an exception" in str(verdict)


NO_TENSORS: dict[str, Any] = {
    "list": [1.0],
    "NoneType": None,
    "float": 3.0,
    "ndarray": np.ones((4, 3, 2)),
    "dict": {"y": 1.0},
    "str": "y",
}


@pytest.mark.parametrize("kind", NO_TENSORS)
def test_a_result_that_is_no_tensor_is_named(kind: str, framework: str) -> None:
    with pytest.raises(InputError, match=f"^result y: got an object of type {kind}, expected a tensor$"):
        check_function("bidirectional.reverse_sequence", lambda x, lengths: {"y": NO_TENSORS[kind]}, framework)


def test_a_result_of_another_shape_is_named(framework: str) -> None:
    verdict = check_function("bidirectional.reverse_sequence", lambda x, lengths: {"y": x[:, :, :1]}, framework)
    (result,) = verdict.results
    assert "ValueError: y has shape (" in result.reason


MISMATCHES: dict[str, tuple[Any, str, str]] = {
    "wrong shape": (lambda x, lengths: {"y": x[:, :0]}, "raised", "shape"),
    "raises": (lambda x, lengths: 1 / 0, "raised", "raised ZeroDivisionError: division by zero"),
}


@pytest.mark.parametrize("mismatch", MISMATCHES)
def test_a_mismatch_is_a_result_not_a_crash(mismatch: str, pytorch: str) -> None:
    function, problem, reason = MISMATCHES[mismatch]
    tried = ["matches_reference"]
    (result,) = check_function("bidirectional.reverse_sequence", function, pytorch, contracts=tried).results
    assert (result.status, result.problem) == (FAILED, problem)
    assert reason in result.reason


def test_a_function_may_omit_an_output_and_be_checked_with_one_batch(pytorch: str) -> None:
    def without_weights(x: Any, lengths: Any, query: Any) -> dict[str, Any]:
        return {"y": right("pooling.attention", "pytorch")(x, lengths, query)["y"]}

    selected: dict[str, Any] = {"contracts": ["matches_reference", "repeatable"], "lengths": "3,1:5"}
    with pytest.raises(InputError, match=r"by name: weights, y \(or omits=\['weights'\], if it does not give them\)"):
        check_function("pooling.attention", without_weights, pytorch, **selected)
    results = check_function("pooling.attention", without_weights, pytorch, omits=["weights"], **selected).results
    assert {(result.case, result.status) for result in results} == {("learned_query/3,1:5", "passed")}
    assert results[0].reproduce == (
        "parity.check_function('pooling.attention', without_weights, 'pytorch', dtype='float32', "
        "contracts=['matches_reference'], lengths='3,1:5', omits=['weights'], seed=0)"
    )


def test_a_function_that_takes_other_arguments_is_rejected_at_once(pytorch: str) -> None:
    with pytest.raises(
        InputError, match=r"function: got one that takes \(x, mask\), expected one that takes x, lengths by"
    ):
        check_function("pooling.mean", lambda x, mask: {"y": x}, pytorch)
