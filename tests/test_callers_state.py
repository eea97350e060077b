"""Check that a run has the defaults of its framework, whatever the caller has set, and leaves no trace of its own."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from parity import check_function, divergences, frameworks, noise_floor, observe, sample_case, training
from parity.caching import clear_caches
from parity.checks.result import PASSED
from parity.checks.sentences import explain

Setting = tuple[Callable[[], Any], Callable[[Any], Any]]  # how to read it, and how to write it


def library(name: str) -> Any:
    """Load a framework's package by way of ours, which loads it with the right backend."""
    frameworks.runtime("pytorch" if name == "torch" else "tensorflow")
    return import_module(name)


def settings_of(framework: str) -> dict[str, Setting]:
    """Return the settings that a caller may have changed."""
    if framework == "pytorch":
        torch = library("torch")
        device = torch.get_default_device, lambda one: torch.set_default_device(None if one.type == "cpu" else one)
        return {
            "gradients": (torch.is_grad_enabled, torch.set_grad_enabled),
            "dtype": (torch.get_default_dtype, torch.set_default_dtype),
            "device": device,
            "autocast": (
                lambda: torch.is_autocast_enabled("cpu"),
                lambda enabled: torch.set_autocast_enabled("cpu", enabled),
            ),
            "deterministic": (torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode),
            "anomaly": (torch.is_anomaly_enabled, torch.set_anomaly_enabled),
            "precision": (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
            "tf32": (
                lambda: torch.backends.cudnn.allow_tf32,
                lambda allowed: setattr(torch.backends.cudnn, "allow_tf32", allowed),
            ),
        }
    tf, keras = library("tensorflow"), library("keras")
    state = import_module("keras.src.backend.common.global_state")
    return {
        "floatx": (keras.config.floatx, keras.config.set_floatx),
        "policy": (
            lambda: state.get_global_attribute("dtype_policy"),
            lambda policy: state.set_global_attribute("dtype_policy", policy),
        ),
        "data format": (keras.config.image_data_format, keras.config.set_image_data_format),
        "epsilon": (keras.config.epsilon, keras.config.set_epsilon),
        "eager functions": (tf.config.functions_run_eagerly, tf.config.run_functions_eagerly),
        "logger": (lambda: tf.get_logger().level, lambda level: tf.get_logger().setLevel(level)),
        "tf32": (
            tf.config.experimental.tensor_float_32_execution_enabled,
            tf.config.experimental.enable_tensor_float_32_execution,
        ),
    }


def state_of(framework: str) -> dict[str, Any]:
    """Return the settings, NumPy's handling of errors, and the random numbers that would come next."""
    state = {name: read() for name, (read, _) in settings_of(framework).items()}
    state |= {"errors": np.geterr(), "random": random.getstate(), "numpy": np.random.get_state()[1].tolist()}
    if framework == "pytorch":
        state["torch"] = library("torch").get_rng_state().tolist()
    return state


@contextmanager
def restored(framework: str) -> Iterator[None]:
    """Put back what a test has changed."""
    before = {name: read() for name, (read, _) in settings_of(framework).items()}
    try:
        yield
    finally:
        for name, (_, write) in settings_of(framework).items():
            write(before[name])


@contextmanager
def setting(framework: str, name: str, value: Any) -> Iterator[None]:
    with restored(framework):
        settings_of(framework)[name][1](value)
        yield


def sensitive(framework: str) -> tuple[str, Callable[..., Any]]:
    """Return an operation, and a right function that every setting would make wrong."""
    if framework == "pytorch":
        torch, right = library("torch"), import_module("parity.pytorch.bidirectional").reverse_sequence

        def reverse(x: Any, lengths: Any) -> Any:
            one = torch.zeros(1).put_(torch.tensor([0]), torch.tensor([1.0]))
            return {"y": right(x, lengths)["y"] @ torch.eye(x.shape[2]) * one}

        return "bidirectional.reverse_sequence", reverse
    tf, keras, pooling = library("tensorflow"), library("keras"), import_module("parity.tensorflow.pooling")

    def mean(x: Any, lengths: Any) -> Any:
        x = keras.layers.Activation("linear")(pooling.only_real(x, lengths)) * (keras.config.epsilon() / 1e-7)
        return {"y": keras.layers.GlobalAveragePooling1D()(x, mask=pooling.never_empty(lengths, tf.shape(x)[1]))}

    return "pooling.mean", mean


CALLERS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "pytorch without gradients": lambda: library("torch").no_grad(),
    "pytorch in inference": lambda: library("torch").inference_mode(),
    "pytorch with gradients off": lambda: setting("pytorch", "gradients", False),
    "pytorch in float64": lambda: setting("pytorch", "dtype", library("torch").float64),
    "pytorch in bfloat16": lambda: setting("pytorch", "dtype", library("torch").bfloat16),
    "pytorch on another device": lambda: setting("pytorch", "device", library("torch").device("meta")),
    "pytorch in the context of a device": lambda: library("torch").device("meta"),
    "pytorch with autocast": lambda: library("torch").autocast("cpu"),
    "pytorch made deterministic": lambda: setting("pytorch", "deterministic", 2),
    "pytorch looking for anomalies": lambda: setting("pytorch", "anomaly", True),
    "pytorch with imprecise products": lambda: setting("pytorch", "precision", "medium"),
    "tensorflow in float64": lambda: setting("tensorflow", "floatx", "float64"),
    "tensorflow in float16": lambda: setting("tensorflow", "floatx", "float16"),
    "tensorflow in mixed precision": lambda: setting(
        "tensorflow", "policy", library("keras").DTypePolicy("mixed_float16")
    ),
    "tensorflow with channels first": lambda: setting("tensorflow", "data format", "channels_first"),
    "tensorflow with another epsilon": lambda: setting("tensorflow", "epsilon", 1e-2),
    "tensorflow with eager functions": lambda: setting("tensorflow", "eager functions", True),
    "tensorflow under a tape": lambda: library("tensorflow").GradientTape(persistent=True),
    "tensorflow in a graph": lambda: library("tensorflow").Graph().as_default(),
    "tensorflow on a device": lambda: library("tensorflow").device("/CPU:0"),
}


@pytest.fixture(params=CALLERS)
def caller(request: pytest.FixtureRequest) -> Iterator[str]:
    """Set what a caller may have set, and return the framework; skip where it is missing."""
    framework = request.param.partition(" ")[0]
    if reason := frameworks.missing(framework):
        pytest.skip(reason)
    with CALLERS[request.param]():
        yield framework


def test_a_right_function_passes_whatever_the_caller_has_set(caller: str) -> None:
    operation, function = sensitive(caller)
    before = state_of(caller)
    verdict = check_function(operation, function, caller, lengths="ragged")
    assert verdict, verdict
    assert {result.status for result in verdict.results} == {PASSED}
    assert state_of(caller) == before


TRAINED = [
    *("pytorch without gradients", "pytorch in inference", "pytorch with autocast"),
    *("tensorflow in float64", "tensorflow in float16", "tensorflow in a graph"),
]


@pytest.mark.parametrize("caller", TRAINED, indirect=True)
def test_training_passes_whatever_the_caller_has_set(caller: str) -> None:
    optimisers = import_module(f"parity.{caller}.optimiser").OPTIMISERS
    before = state_of(caller)
    results = training.check_training(
        "model.vowel_speaker",
        "sgd",
        caller,
        steps=2,
        build=lambda parameters: optimisers["sgd"](parameters, {}, learning_rate=0.2),
    )
    assert explain(results) == ""
    assert state_of(caller) == before


ENTRIES = {"pytorch": "embedding.weight_decay", "tensorflow": "convolution.same_stride"}


DESCRIBED = [
    *("pytorch without gradients", "pytorch in bfloat16", "pytorch on another device"),
    *("tensorflow with channels first", "tensorflow in a graph"),
]


@pytest.mark.parametrize("caller", DESCRIBED, indirect=True)
def test_a_divergence_is_as_described_whatever_the_caller_has_set(caller: str) -> None:
    assert divergences.try_out(divergences.find(ENTRIES[caller]), caller).reason == ""


def test_graph_mode_is_a_graph_although_the_caller_runs_functions_eagerly(tensorflow: str) -> None:
    tf, right = library("tensorflow"), import_module("parity.tensorflow.bidirectional").reverse_sequence
    eager = []

    def watched(x: Any, lengths: Any) -> Any:
        eager.append(tf.executing_eagerly())
        return right(x, lengths)

    with setting(tensorflow, "eager functions", True):
        check_function("bidirectional.reverse_sequence", watched, tensorflow, contracts=["same_in_every_mode"])
    assert set(eager) == {True, False}


OTHERS: dict[str, dict[str, Any]] = {
    "pytorch": {
        "gradients": lambda torch: False,
        "dtype": lambda torch: torch.float64,
        "device": lambda torch: torch.device("meta"),
        "autocast": lambda torch: True,
        "deterministic": lambda torch: 1,
        "anomaly": lambda torch: True,
        "precision": lambda torch: "medium",
        "tf32": lambda torch: True,
    },
    "tensorflow": {
        "floatx": lambda keras: "float16",
        "policy": lambda keras: keras.DTypePolicy("mixed_float16"),
        "data format": lambda keras: "channels_first",
        "epsilon": lambda keras: 0.5,
        "eager functions": lambda keras: True,
        "logger": lambda keras: 10,
        "tf32": lambda keras: True,
    },
}


@pytest.mark.parametrize(("framework", "name"), [(one, name) for one in OTHERS for name in OTHERS[one]])
def test_what_a_function_sets_is_put_back_before_it_runs_again(framework: str, name: str) -> None:
    if reason := frameworks.missing(framework):
        pytest.skip(reason)
    read, write = settings_of(framework)[name]
    value = OTHERS[framework][name](library("torch" if framework == "pytorch" else "keras"))
    right = import_module(f"parity.{framework}.bidirectional").reverse_sequence
    read_by_runs = []

    def setter(x: Any, lengths: Any) -> Any:
        read_by_runs.append(read())
        write(value)
        np.seterr(all="raise")
        return right(x, lengths)

    with restored(framework):
        before = state_of(framework)
        check_function(
            "bidirectional.reverse_sequence",
            setter,
            framework,
            contracts=["repeatable"],
            lengths="ragged",
            mode="eager",
        )
        assert state_of(framework) == before
    assert len(read_by_runs) == 2
    assert value not in read_by_runs


UNDERFLOWS: list[tuple[Any, ...]] = [  # in a weight, and in the square of a gradient
    ("bidirectional.gru", "two_layers_from_state", "all_empty", "float16", 0),
    ("bidirectional.lstm", "one_layer", "one_sequence", "float32", 0),
]


@pytest.mark.parametrize("case", UNDERFLOWS)
def test_numpy_raises_nothing_where_the_caller_lets_it_raise(case: tuple[Any, ...]) -> None:
    clear_caches()
    with np.errstate(all="raise"):
        noise_floor(sample_case(*case))


def test_a_check_raises_nothing_where_the_caller_lets_numpy_raise(pytorch: str) -> None:
    clear_caches()
    right = import_module("parity.pytorch.rnn").lstm
    with np.errstate(all="raise"):
        verdict = check_function(
            "rnn.lstm", right, pytorch, dtype="float16", contracts=["matches_reference"], config="one_layer", seed=1
        )
    assert verdict, verdict


def test_building_layers_takes_no_random_number_from_the_caller(tensorflow: str) -> None:
    modules = [import_module(f"parity.tensorflow.{name}") for name in ("rnn", "attention", "embedding", "feedforward")]
    for module in modules:
        module.built.cache_clear()
    before = state_of(tensorflow)
    for operation, config in {
        "bidirectional.rnn": "tanh",
        "rnn.gru": "one_layer",
        "attention.multi_head_attention": "two_heads",
        "embedding.lookup": "pad_is_0",
        "feedforward.dense": "linear",
    }.items():
        observe(sample_case(operation, config, "ragged", "float32", 0), tensorflow)
    assert state_of(tensorflow) == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit])
def test_settings_are_put_back_when_a_run_is_interrupted(framework: str, error: type[BaseException]) -> None:
    def interrupted(x: Any, lengths: Any) -> Any:
        raise error

    before = state_of(framework)
    with pytest.raises(error):
        check_function("bidirectional.reverse_sequence", interrupted, framework, contracts=["repeatable"])
    assert state_of(framework) == before
