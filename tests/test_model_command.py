"""Check a model from the command line: ``parity model``."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from parity import report
from parity.__main__ import main

MODELS = """
import torch

class Mean(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.head = torch.nn.Linear(3, 2)

    def forward(self, features, lengths):
        real = torch.arange(features.shape[1]) < lengths[:, None]
        return self.head(torch.where(real[..., None], features, 0).sum(1) / lengths[:, None])

class Wrong(Mean):
    def forward(self, features, lengths):
        return self.head(features.mean(1))

class Inside:
    make = Mean

number = 3
"""


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Write a module into the current folder, and return its name, which is another one each time."""
    name = f"models_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(MODELS)
    (tmp_path / f"{name}_exits.py").write_text("import sys; sys.exit(3)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    return name


@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
@pytest.mark.parametrize(("model", "status"), [("Mean", 0), ("Inside.make", 0), ("Wrong", 1)])
def test_the_verdict_is_printed_and_is_the_exit_status(model: str, status: int, models: str, capsys: Any) -> None:
    options = ["--features", "3", "--seeds", "1", "--lengths", "4,2,1", "--output", "there"]
    assert main(["model", f"{models}:{model}", *options]) == status
    printed = capsys.readouterr().out
    assert list(report.read("there").own) == [f"{models}:{model}"]
    assert printed.startswith("✗ Wrong (pytorch) reads padding: first in code" if status else "✓ Mean (pytorch) keeps ")


WRONG = {
    "parity model: got neither --tokens nor --features, expected what the model takes": ["{}:Mean"],
    "model: got '{}', expected package.module:name of a model": ["{}", "--tokens", "9"],
    "model: got '{}:Missing' (AttributeError: ": ["{}:Missing", "--tokens", "9"],
    "model: got '{}_exits:x' (SystemExit: 3), expected package": ["{}_exits:x", "--tokens", "9"],
    "model: got 'no_such:x' (ModuleNotFoundError: ": ["no_such:x", "--tokens", "9"],
    "model: got 3, expected an nn.Module, a Keras model": ["{}:number", "--tokens", "9"],
    "--lengths: got '3,x', expected whole numbers with commas": ["{}:Mean", "--tokens", "9", "--lengths", "3,x"],
    "vocabulary: got 1, expected a whole number from 2": ["{}:Mean", "--tokens", "1"],
    "layouts: got 'right', expected one of: padded, alone": ["{}:Mean", "--features", "3", "--layout", "right"],
    "contracts: got 'repeat', expected 'repeatable'": ["{}:Mean", "--features", "3", "--contract", "repeat"],
    "inputs: got 'tokens', which the model does not take": ["{}:Mean", "--tokens", "9", "--features", "3"],
}  # fmt: skip


@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
@pytest.mark.parametrize("sentence", WRONG)
def test_a_wrong_command_is_one_sentence(sentence: str, models: str, capsys: Any) -> None:
    arguments = [argument.format(models) for argument in WRONG[sentence]]
    assert main(["model", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"parity: error: {sentence.format(models)}")
    assert not re.search("Traceback|\n.", error)
