"""Check pairs of which one model is a recording: the verdict is that of both models in one process."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import parity
from parity.__main__ import main
from parity.errors import InputError
from parity.frameworks import manifest
from parity.frameworks.model_manifest import LAYERS, layers_file
from tests.full_runs import full_run, some
from tests.test_model_recordings import forge, saved

torch = pytest.importorskip("torch")
F = torch.nn.functional
INPUTS = parity.inputs(x=parity.features(3), lengths=parity.lengths(batch=3, longest=4))
ONLY: Any = {"contracts": ["same_function"]}
LEFT: Any = {"transfer": "left to right", "seeds": 1, **ONLY}


class Model(torch.nn.Module):  # type: ignore[name-defined, misc]
    """Two layers that are alike, in parallel, and a norm; it returns two tensors."""

    def __init__(self, eps: float = 1e-5, swapped: bool = False, factor: float = 1.0) -> None:
        super().__init__()
        self.one, self.two = torch.nn.Linear(3, 4), torch.nn.Linear(3, 4)
        self.norm = torch.nn.LayerNorm(4, eps=eps)
        self.swapped, self.factor = swapped, factor

    def forward(self, x: Any, mask: Any) -> Any:
        first, second = (self.two(x), self.one(x)) if self.swapped else (self.one(x), self.two(x))
        y = self.norm(first * second.tanh())
        return {"steps": y * self.factor, "mean": torch.where(mask[..., None], y, 0).sum(1)}


def random(model: Any, seed: int = 1) -> Any:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return model


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Record a module."""
    folder = tmp_path_factory.mktemp("pairs") / "recording"
    parity.record_model(random(Model()), INPUTS, folder, seeds=2)
    return folder


def test_a_recording_is_the_same_function_as_its_model(recorded: Path) -> None:
    verdict = parity.check_pair(recorded, Model(), INPUTS, transfer="left to right", seeds=2)
    assert verdict.same_function, str(verdict)
    assert verdict.double < 1e-15
    assert verdict.single < 8
    assert "left: torch" in str(verdict)
    assert verdict.declined["left.ignores_padding"] == "left is a recording, which runs on no other batch"
    assert "right.ignores_padding" in verdict.passed


DIFFERENT: dict[str, tuple[Any, str, str]] = {
    "an epsilon": (
        lambda: Model(eps=1e-3),
        "first in `norm` = LayerNorm `norm`",
        "eps is 1e-05 left, 0.001 right; with 1e-05",
    ),
    "a factor": (lambda: Model(factor=1 + 1e-9), "first after `norm`", ""),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_another_function_is_not_with_the_layer_and_the_cause(name: str, recorded: Path) -> None:
    make, where, cause = DIFFERENT[name]
    verdict = parity.check_pair(recorded, make(), INPUTS, **LEFT)
    assert verdict.same_function is False
    assert str(verdict.first_difference).startswith(where), str(verdict)
    assert verdict.cause.startswith(cause), str(verdict)
    other = parity.check_pair(make(), recorded, INPUTS, **{**LEFT, "transfer": "right to left"})
    assert str(other.first_difference).startswith(where), str(verdict)


def test_layers_that_are_alike_are_paired_by_their_outputs(recorded: Path) -> None:
    assert parity.check_pair(recorded, Model(swapped=True), INPUTS, **LEFT)


def test_equal_weights_are_verified_on_either_side(recorded: Path, tmp_path: Path) -> None:
    equal: Any = {"seeds": 1, **ONLY}
    model = random(Model())
    parity.record_model(model, INPUTS, tmp_path / "other", seeds=1)
    for pair in ((recorded, model), (model, recorded), (recorded, tmp_path / "other")):
        assert parity.check_pair(*pair, INPUTS, **equal)
    with torch.no_grad():
        model.one.weight[0, 0] += 1
    for pair in ((recorded, model), (model, recorded)):
        verdict = parity.check_pair(*pair, INPUTS, **equal)
        assert "`one.weight`" in verdict.cause, str(verdict)
        assert "both agree to" in verdict.cause
    parity.record_model(model, INPUTS, tmp_path / "other", seeds=1)
    verdict = parity.check_pair(recorded, tmp_path / "other", INPUTS, **equal)
    assert verdict.same_function is False
    assert "first in `one`" in str(verdict.first_difference)
    assert any("`one.weight` right is not `one.weight`" in note for note in verdict.notes)


def test_fewer_outputs_are_compared_with_their_own_gradients(recorded: Path) -> None:
    options: Any = {"transfer": "left to right", "seeds": 1, "outputs": (None, lambda found: {"mean": found["mean"]})}
    verdict = parity.check_pair(recorded, Model(), INPUTS, **options, **ONLY)
    assert verdict, str(verdict)
    assert "left: not compared: steps" in verdict.notes


def test_weights_of_a_recording_are_transferred(recorded: Path) -> None:
    model = Model()
    found = parity.transfer_weights(recorded, model, inputs=INPUTS)
    assert "one -> one: dense, copied; alone 0.0e+00 apart" in str(found)
    assert torch.equal(model.one.weight, random(Model()).one.weight)


def test_a_recording_of_a_loss_has_its_gradients(tmp_path: Path) -> None:
    loss = {"loss": lambda found, batch: found["mean"].square().sum()}
    parity.record_model(random(Model()), INPUTS, tmp_path, seeds=1, **loss)
    assert parity.check_pair(tmp_path, Model(), INPUTS, **LEFT, **loss)
    with pytest.raises(InputError, match=r"^loss: got one on one side only, expected both sides"):
        parity.check_pair(tmp_path, Model(), INPUTS, **LEFT)


WRONG: dict[str, tuple[dict[str, Any], Any, str]] = {
    "into the recording": ({"transfer": "right to left"}, INPUTS, r"transfer: got 'right to left', into the recording"),
    "a function": ({"transfer": lambda a, b: None}, INPUTS, "transfer: got a function, with a recording, expected 'le"),
    "other inputs": ({}, parity.inputs(x=parity.features(3)), r"recording: got one of other inputs or lengths \(left"),
    "training": ({"training": True}, INPUTS, "recording: got one in the mode of inference, for training"),
    "steps": (
        {"steps": 2, "optimiser": "sgd"},
        INPUTS,
        "steps: got 2 for the left side, a recording, expected 0, or two models in one process: a recording has",
    ),
    "seeds": ({"seeds": 3}, INPUTS, "seeds: got 3 for a recording of 2, expected at most 2"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_recording_of_something_else_is_refused(name: str, recorded: Path) -> None:
    options, inputs, sentence = WRONG[name]
    with pytest.raises(InputError, match=f"^{sentence}"):
        parity.check_pair(recorded, Model(), inputs, **{**LEFT, **options})


def described(name: str, change: Callable[[Any], object]) -> Callable[[Any, Path], None]:
    """Return what changes the description in a file."""

    def forged(_: Any, folder: Path) -> None:
        with np.load(folder / name) as file:
            arrays = dict(file)
        description = json.loads(bytes(arrays["text"]))
        change(description)
        arrays["text"] = np.frombuffer(json.dumps(description).encode(), np.uint8)
        with (folder / name).open("wb") as file:
            np.savez(file, **arrays)

    return forged


FORGERIES: dict[str, tuple[Callable[[Any, Path], object], str]] = {
    "no file": (lambda _, folder: (folder / LAYERS).unlink(), f"without {LAYERS}"),
    "no file of a seed": (lambda _, folder: (folder / layers_file(0)).unlink(), f"without {layers_file(0)}"),
    "no arrays": (lambda _, folder: (folder / LAYERS).write_bytes(saved(1.0)), "other arrays than it describes"),
    "no archive": (lambda _, folder: (folder / LAYERS).write_bytes(b"x"), "cannot be read"),
    "no such array": (
        described(LAYERS, lambda text: text["units"][0]["arrays"].update(kernel=[10**6])),
        "whose layers refer to numbers that it lacks",
    ),
    "no such array of a seed": (
        described(layers_file(0), lambda text: text["outputs"].update(steps=-1)),
        "which refers to arrays that it lacks",
    ),
    "no response": (
        described(layers_file(0), lambda text: text["quantities"][0]["response"].clear()),
        "which refers to arrays that it lacks",
    ),
    "another description": (described(LAYERS, lambda text: text.update(wide=[])), "Expected `str`, got `array`"),
    "an earlier version": (
        lambda forged, _: (
            forged.update(layers=False),
            [forged["files"].pop(n) for n in list(forged["files"]) if "lay" in n],
        ),
        r"of a model without layers \(by an earlier version\)",
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_damaged_recording_is_refused_in_one_sentence(name: str, recorded: Path) -> None:
    change, sentence = FORGERIES[name]
    folder = forge(recorded, change)
    with pytest.raises(InputError, match=f"^recording: got .*{sentence}.*, expected ") as error:
        parity.check_pair(folder, Model(), INPUTS, **LEFT)
    assert str(error.value).isprintable()


def test_a_changed_file_and_a_folder_of_something_else_are_refused(recorded: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(recorded, folder)
    content = bytearray((folder / layers_file(0)).read_bytes())
    content[-30] ^= 1
    (folder / layers_file(0)).write_bytes(content)
    with pytest.raises(InputError, match=r"layers.npz', which was changed after it was written, expected"):
        parity.check_pair(folder, Model(), INPUTS, **LEFT)
    with pytest.raises(InputError, match=rf"without {manifest.MANIFEST}: no recording"):
        parity.check_pair(tmp_path, Model(), INPUTS, **LEFT)


def tanh(x: Any) -> Any:
    """Return a function of a batch, which has no layers."""
    return torch.tanh(x)


def test_a_function_is_recorded_without_layers(tmp_path: Path, capsys: Any) -> None:
    found = parity.record_model(tanh, INPUTS, tmp_path, seeds=1)
    assert "model: got a function" in found.manifest.lacking
    with pytest.raises(InputError, match=r"of a model without layers \(InputError: model: got a function"):
        parity.check_pair(tmp_path, Model(), INPUTS, **LEFT)
    model = ("--model", f"{__name__}:tanh", "--features", "3", "--framework", "pytorch", "--seeds", "1")
    assert main(["record", *model, "--output", str(tmp_path)]) == 0
    assert "without layers, so that parity pair does not take it: InputError: model:" in capsys.readouterr().out


PAIRS = {  # of tests.test_pairs: a right or a wrong one; whether the cause is that of two models, with either recorded
    "sequential convolutions": (True, True),
    "eps of batch norm": (True, True),
    "activation": (True, True),
    "post-norm": (True, True),
    "pre-norm": (False, True),
    "embedding frozen": (True, True),
    "not packed": (True, True),
    "functional tagger": (True, True),
}
SLOW = set(PAIRS) - {"activation"}  # recurrent layers in Keras take seconds each


@pytest.mark.parametrize("name", some(PAIRS, SLOW))
def test_the_verdict_is_that_of_both_models(name: str, tmp_path: Path) -> None:
    pytest.importorskip("keras")
    from tests import test_pairs as pairs

    left, right, inputs = (
        pairs.WRONG[name][0]() if name in pairs.WRONG else (*(m() for m in pairs.RIGHT[name][:2]), pairs.RIGHT[name][2])
    )
    parity.transfer_weights(left, right, inputs=inputs)
    folders = tmp_path / "left", tmp_path / "right"
    for model, folder in zip((left, right), folders, strict=True):
        parity.record_model(model, inputs, folder, seeds=1, dtype="float64")
    options: Any = {"seeds": 1, "dtype": "float64", **ONLY}
    both = parity.check_pair(left, right, inputs, **options)
    assert both.same_function is (name in pairs.RIGHT)
    for pair, has_cause in zip(((folders[0], right), (left, folders[1])), PAIRS[name], strict=True):
        verdict = parity.check_pair(*pair, inputs, **options)
        assert verdict.same_function is both.same_function
        assert str(verdict.first_difference) == str(both.first_difference)
        assert bool(verdict.cause) is (has_cause and bool(both.cause)), str(verdict)
    assert parity.check_pair(*folders, inputs, **options).same_function is both.same_function


TORCH = """
import torch

class Model(torch.nn.Module):
    def __init__(self, eps=1e-3):
        super().__init__()
        self.one, self.norm, self.two = torch.nn.Linear(3, 4), torch.nn.LayerNorm(4, eps), torch.nn.Linear(4, 2)

    def forward(self, features):
        return self.two(self.norm(self.one(features)))

def right():
    torch.manual_seed(0)
    return Model()

def wrong():
    return Model(1e-5)
"""
KERAS = """
import keras

def make(eps):
    keras.utils.set_random_seed(0)
    layers = keras.layers.Dense(4), keras.layers.LayerNormalization(epsilon=eps), keras.layers.Dense(2)
    return keras.Sequential([keras.Input((None, 3), name="features"), *layers])

def right():
    return make(1e-3)

def wrong():
    return make(1e-5)
"""
HIDDEN = {"torch": ("tensorflow", "keras"), "keras": ("torch",)}
SIZES = ("--features", "3", "--seeds", "1")


def run(folder: Path, framework: str, *commands: tuple[str, ...]) -> list[tuple[int, str]]:
    """Run commands in a process that cannot import the other framework; return their statuses and first lines."""
    code = f"""
import contextlib, io, json, sys
sys.modules.update(dict.fromkeys({HIDDEN[framework]!r}))
from parity.__main__ import main
found = []
for command in {commands!r}:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        status = main(command)
    found.append((status, out.getvalue()))
print(json.dumps(found))
"""
    process = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return [tuple(one) for one in json.loads(process.stdout.splitlines()[-1])]


@full_run
def test_each_framework_alone_comes_to_the_verdict_with_the_recording_of_the_other(tmp_path: Path) -> None:
    pytest.importorskip("keras")
    (tmp_path / "in_torch.py").write_text(TORCH)
    (tmp_path / "in_keras.py").write_text(KERAS)

    def pairs(left: str, module: str) -> list[tuple[str, ...]]:
        ends = ("--transfer", "left-to-right", "--contract", "same_function", "--dtype", "float64")
        return [("pair", left, f"{module}:{name}", *SIZES, *ends) for name in ("right", "wrong")]

    record = ("record", *SIZES, "--dtype", "float64", "--output")
    assert run(tmp_path, "torch", (*record, "of_torch", "--model", "in_torch:right"))[0][0] == 0
    made = run(tmp_path, "keras", (*record, "of_keras", "--model", "in_keras:right"), *pairs("of_torch", "in_keras"))
    found = [*made[1:], *run(tmp_path, "torch", *pairs("of_keras", "in_torch"))]
    assert [status for status, _ in found] == [0, 1, 0, 1]
    assert all("✓ the same function" in text for status, text in found if not status)
    assert all("cause: eps is 0.001 left, 1e-05 right" in text for status, text in found if status)
