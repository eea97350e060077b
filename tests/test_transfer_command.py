"""Transfer weights from the command line: ``parity transfer``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.__main__ import main

torch = pytest.importorskip("torch")
pytest.importorskip("keras")

MODELS = """
import keras, torch

class Source(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(3, 2)
        torch.nn.init.constant_(self.fc.bias, 7)

    def forward(self, features):
        return self.fc(features)

def dense(units):
    return keras.Sequential([keras.Input((None, 3)), keras.layers.Dense(units, name="dense")])

def target():
    return dense(2)

def other():
    return dense(4)
"""


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Write a module into the current folder, and return its name, which is another one each time."""
    name = f"pairs_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(MODELS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    return name


def test_the_weights_are_written_in_the_layout_of_the_target(models: str, capsys: Any) -> None:
    arguments = [f"{models}:Source", f"{models}:target", "--features", "3", "--output", "weights.npz"]
    assert main(["transfer", *arguments]) == 0
    printed = capsys.readouterr().out
    assert "✓ fc -> dense: dense, kernel transposed; alone " in printed
    assert "2 arrays written to weights.npz" in printed
    with np.load("weights.npz") as written:
        (bias,) = (written[name] for name in written if name.endswith("dense/bias"))
        assert np.array_equal(bias, [7, 7])


def test_a_safetensors_file_has_the_same_arrays(models: str) -> None:
    library = pytest.importorskip("safetensors.numpy")
    arguments = ["transfer", f"{models}:Source", f"{models}:Source", "--output"]
    assert main([*arguments, "a.npz"]) == main([*arguments, "a.safetensors"]) == 0
    written = library.load_file("a.safetensors")
    with np.load("a.npz") as own:
        assert written.keys() == set(own) == {"fc.weight", "fc.bias"}
        assert np.array_equal(written["fc.bias"], own["fc.bias"])


def test_what_is_left_over_is_listed_and_nothing_is_written(models: str, capsys: Any) -> None:
    assert main(["transfer", f"{models}:Source", f"{models}:other", "--output", "weights.npz"]) == 1
    printed = capsys.readouterr().err
    assert "source: `fc` (dense 3 x 2) has no partner (fc.weight (2, 3), fc.bias (2,)); nearest: `dense` " in printed
    assert not Path("weights.npz").exists()


WRONG = {
    "--output: got 'weights.pt', expected a name that ends in .safetensors or .npz": ["--output", "weights.pt"],
    "--pair: got 'fc', expected a name of the source and one of the target": ["--output", "a.npz", "--pair", "fc"],
    "ignore: got 'cf', expected 'fc'": ["--output", "a.npz", "--ignore", "cf"],
    "--output: got 'none/a.npz' (No such file or directory), expected a file": ["--output", "none/a.npz"],
}


@pytest.mark.parametrize("message", WRONG)
def test_a_wrong_option_is_named(message: str, models: str, capsys: Any) -> None:
    assert main(["transfer", f"{models}:Source", f"{models}:Source", *WRONG[message]]) == 2
    assert f"parity: error: {message}" in capsys.readouterr().err


def test_a_missing_library_is_named_with_what_to_do(models: str, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    assert main(["transfer", f"{models}:Source", f"{models}:Source", "--output", "a.safetensors"]) == 2
    expected = "expected safetensors installed (pip install 'padding-parity[safetensors]'), or a name that ends in .npz"
    assert expected in capsys.readouterr().err
