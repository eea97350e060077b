"""Check the device that checks run on, its report, and that TF32 is off unless requested."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import parity
from parity import InputError, frameworks, observe, sample_case
from parity.__main__ import main
from parity.checks.noise import noise_floor
from parity.checks.selection import plan
from parity.frameworks import loading
from parity.frameworks.loading import CPU, DeviceSettings

CASE = ("rnn.lstm", "one_layer", "ragged", "float32", 0)


@pytest.mark.parametrize("allowed", [False, True])
def test_the_policy_on_tf32_is_the_requested_one_in_a_run_and_in_reports(framework: str, allowed: bool) -> None:
    runtime = frameworks.runtime(framework)
    with runtime.settings(allowed):
        if framework == "pytorch":
            actual = [runtime.torch.backends.cuda.matmul.allow_tf32, runtime.torch.backends.cudnn.allow_tf32]
        else:
            actual = [runtime.tf.config.experimental.tensor_float_32_execution_enabled()]
    reported = frameworks.environment(DeviceSettings("cpu", allowed))[framework]["tf32"]
    assert {*actual, *(reported.values() if isinstance(reported, dict) else [reported])} == {allowed}


LOADED = """
import os, random
from parity import frameworks
before = dict(os.environ), random.getstate()
frameworks.runtime(name)
print(frameworks.environment()[name]["tf32"], (dict(os.environ), random.getstate()) == before)
"""


def test_in_a_new_process_tf32_is_off_and_loading_changes_neither_variables_nor_random_state(framework: str) -> None:
    without = {name: value for name, value in os.environ.items() if not name.startswith(("KERAS", "TF_"))}
    code = f"name = {framework!r}{LOADED}"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=without)
    policy, unchanged = printed.stdout.rsplit(maxsplit=1)
    assert unchanged == "True"
    assert "False" in policy
    assert "True" not in policy


@pytest.mark.parametrize("device", ["cpu", "auto"])
def test_a_run_reports_its_device(framework: str, device: str) -> None:
    expected = "cuda" if device == "auto" and frameworks.has_gpu(framework) else "cpu"
    assert observe(sample_case(*CASE), framework, device=DeviceSettings(device)).provenance["device"] == expected


def test_another_device_is_another_run(pytorch: str) -> None:
    call = frameworks.call(sample_case(*CASE).row, "one_layer", "pytorch", "packed")
    run = (sample_case(*CASE), "pytorch", call, "packed", "eager")
    first = frameworks.cached_run(*run, CPU)
    assert frameworks.cached_run(*run, CPU) is first
    assert frameworks.cached_run(*run, DeviceSettings("auto")) is not first


def test_an_unknown_device_is_named() -> None:
    with pytest.raises(InputError, match="device: got 'gpu', expected 'cpu' "):
        plan(device=DeviceSettings("gpu"))


def test_a_missing_gpu_is_an_error_in_one_line(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(loading, "has_gpu", lambda framework: False)
    assert main(["check", "--framework", "pytorch", "--device", "cuda"]) == 2
    message = capsys.readouterr().err
    assert message.startswith("parity: error: device: got 'cuda', expected a device that is here: ")
    assert message.count("\n") == 1


def test_a_gpu_for_one_framework_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "has_gpu", lambda framework: framework == "pytorch")
    assert frameworks.lacks("cuda", frameworks.FRAMEWORKS) == ""
    assert frameworks.lacks("cuda", ["tensorflow"])


def test_a_check_passes_its_device_to_its_command(pytorch: str, tmp_path: Path) -> None:
    quick = ["--operation", "bidirectional.reverse_sequence", "--framework", "pytorch", "--contract", "repeatable"]
    main(["check", *quick, "--device", "auto", "--tf32", "--jobs", "1", "--output", str(tmp_path)])
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["results"][0]["reproduce"].endswith("--device auto --tf32")
    assert report["environment"]["frameworks"]["pytorch"]["tf32"] == {"matmul": True, "cudnn": True}


@pytest.mark.parametrize("allowed", [False, True])
def test_tf32_exceeds_the_noise_floor_on_a_gpu(allowed: bool) -> None:
    """Check that a wide layer is within the noise floor of float32 exactly if TF32 is off."""
    if not frameworks.has_gpu("pytorch"):
        pytest.skip("PyTorch finds no GPU")
    case = sample_case("rnn.lstm", "one_layer", "all_equal", "float32", 0, (("B", 32), ("D", 64), ("H", 64)))
    observed, reference = observe(case, "pytorch", device=DeviceSettings("cuda", allowed)), noise_floor(case)
    error = np.abs(observed["y"] - reference.expected["y"]) / reference.floor["y"]
    assert (error.max() > 64) == allowed


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("name", ["packed LSTM", "post-norm", "convolutions"])
def test_a_model_holds(name: str, device: str, pytorch: str) -> None:
    if device == "cuda" and not frameworks.has_gpu("pytorch"):
        pytest.skip("PyTorch finds no GPU")
    good = import_module("tests.pytorch_models").GOOD[name]
    verdict = parity.check_model(good.make(), good.inputs, seeds=1, device=device, **good.options)
    assert verdict, str(verdict)


def test_kernels_on_a_gpu_are_counted_and_copies_are_not(pytorch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the profile of a GPU, with a function on the CPU beside two kernels, a copy and a fill."""
    torch = import_module("torch")
    cpu, gpu = torch.autograd.DeviceType.CPU, torch.autograd.DeviceType.CUDA
    ran = (("aten::mm", cpu), ("gemm", gpu), ("RNN_blockPersist_fp_LSTM", gpu), ("Memcpy HtoD", gpu), ("Memset", gpu))
    events = [SimpleNamespace(name=name, device_type=device, is_user_annotation=False) for name, device in ran]
    profile = nullcontext(SimpleNamespace(events=lambda: events))
    runtime, called = frameworks.runtime("pytorch"), []
    assert runtime.launches(lambda: torch.ones(2) + 1) == 0
    monkeypatch.setattr(torch.profiler, "profile", lambda: profile)
    assert runtime.launches(lambda: called.append(1)) == 2
    assert called == [1]


def test_cudnn_can_differentiate_a_layer_that_does_not_train(pytorch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check what a copy for a GPU is changed to: evaluation drops nothing out either."""
    torch, side = import_module("torch"), import_module("parity.models.pytorch_side")
    model = torch.nn.Sequential(torch.nn.LSTM(3, 2, 2, dropout=0.5), torch.nn.Dropout(0.5))
    side.differentiable_by_cudnn(model.eval())
    assert (model[0].training, model[0].dropout, model[1].training) == (True, 0.0, False)


def test_a_model_and_its_batches_are_on_the_device(pytorch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take a device without numbers for a GPU: copies of the model and all tensors of a batch go there."""
    torch = import_module("torch")
    monkeypatch.setattr(frameworks, "device_of", lambda *_: "meta")
    seen = set()

    def call(model: Any, batch: Any) -> Any:
        seen.update(tensor.device.type for tensor in (batch.x, batch.lengths, batch.mask, model.weight))
        return model(batch.x)

    layer = torch.nn.Linear(3, 2)
    parity.check_model(layer, parity.inputs(x=parity.features(3)), call=call, seeds=1, device="auto")
    assert seen == {"meta"}
    assert layer.weight.device.type == "cpu"


def test_a_missing_device_of_a_model_is_an_error(pytorch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frameworks.runtime("pytorch"), "has_cuda", lambda: False)
    layer, given = import_module("torch").nn.Linear(3, 2), parity.inputs(x=parity.features(3))
    assert parity.check_model(layer, given, seeds=1, device="auto")
    with pytest.raises(InputError, match="device: got 'cuda', expected 'cpu' or 'auto': PyTorch finds no GPU"):
        parity.check_model(layer, given, device="cuda")
    with pytest.raises(InputError, match="device: got 'gpu', expected"):
        parity.check_model(layer, given, device="gpu")


def test_keras_places_a_model_itself(tensorflow: str) -> None:
    layer = import_module("keras").layers.Dense(2)
    with pytest.raises(InputError, match=r"device: got 'cuda', .*Keras chooses the device of a model itself"):
        parity.check_model(layer, parity.inputs(x=parity.features(3)), device="cuda")
