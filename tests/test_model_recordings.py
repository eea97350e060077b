"""Record models of a user's, compare others with the recordings, and refuse what is forged or does not fit."""

from __future__ import annotations

import copy
import hashlib
import io
import json
import pickle
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import parity
from parity.__main__ import main
from parity.errors import InputError
from parity.frameworks import manifest, recording
from parity.frameworks.model_manifest import LAYERS, WEIGHTS, layers_file, run_file
from parity.models.replaying import canonical, opened
from tests.strategies import JSON, spoilt

torch = pytest.importorskip("torch", reason="torch is not installed")
INPUTS = parity.inputs(x=parity.features(3))
OPTIONS: Any = {"seeds": 1, "contracts": ["agrees_with_recording"]}


class Model(torch.nn.Module):  # type: ignore[name-defined, misc]
    """The mean of a layer over real steps; BatchNorm has buffers, of which one is a whole number."""

    factor = 1.0

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.body = torch.nn.Linear(3, width)
        self.norm = torch.nn.BatchNorm1d(width)

    def forward(self, x: Any, mask: Any) -> Any:
        y = torch.where(mask[..., None], self.body(x).tanh(), 0).sum(1) / mask.sum(1)[:, None]
        return self.norm(y) * self.factor


class Moved(Model):
    factor = 1 + 1e-6


class Named(Model):
    def forward(self, x: Any, mask: Any) -> Any:
        return {"y": super().forward(x, mask)}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Record a model."""
    folder = tmp_path_factory.mktemp("recordings") / "recording"
    parity.record_model(Model(), INPUTS, folder, seeds=1)
    return folder


def test_a_model_agrees_with_its_recording_whatever_its_weights(recorded: Path) -> None:
    model = Model()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    verdict = parity.check_model(model, INPUTS, recording=recorded, **OPTIONS)
    assert verdict.passed == ("agrees_with_recording",)
    assert re.fullmatch(
        r"compared with torch .+, recorded on .+ in .+; ran with its weights, which differ in 2 of 7 arrays",
        verdict.notes[-1],
    )
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_model_that_changed_by_a_millionth_differs(recorded: Path) -> None:
    verdict = parity.check_model(Moved(), INPUTS, recording=recorded, **OPTIONS)
    assert verdict.failed == ("agrees_with_recording",)
    assert str(verdict).startswith("✗ Moved (pytorch) differs from the recording\n  agrees_with_recording (float64): ")


OTHERS: dict[str, tuple[Callable[[], Any], Any, dict[str, Any]]] = {
    "one with weights body.weight of shape (4, 3), for (5, 3)": (lambda: Model(5), INPUTS, {}),
    "one of a model in pytorch, in the mode of inference, for a model in pytorch, in the mode of training": (
        Model,
        INPUTS,
        {"training": True},
    ),
    "one of other inputs, lengths or axes, for seed 0": (Model, parity.inputs(x=parity.features(3, scale=2.0)), {}),
    "one of other inputs, lengths or axes, for seed 0, expected": (Named, INPUTS, {}),
    "one without weights weight": (lambda: torch.nn.Linear(3, 2), INPUTS, {}),
    "one with weights body.weight": (lambda: lambda x: torch.tanh(x), INPUTS, {"framework": "pytorch"}),
}


@pytest.mark.parametrize("sentence", OTHERS)
def test_a_recording_of_something_else_is_refused(sentence: str, recorded: Path) -> None:
    make, inputs, options = OTHERS[sentence]
    with pytest.raises(InputError) as error:
        parity.check_model(make(), inputs, recording=recorded, **OPTIONS, **options)
    assert str(error.value).startswith(f"recording: got {sentence}")
    assert str(error.value).isprintable()


def test_a_recording_is_replaced_and_nothing_else_is(recorded: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(recorded, folder)
    parity.record_model(Model(5), INPUTS, folder, seeds=1, dtype="float64")
    assert {file.name for file in folder.iterdir()} == {
        *(manifest.MANIFEST, WEIGHTS, run_file(0, "float64")),
        *(LAYERS, layers_file(0)),
    }
    (folder / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match=r"^output: got .* with thesis.tex in it"):
        parity.record_model(Model(), INPUTS, folder, seeds=1)
    with pytest.raises(InputError, match=r"^model: got one that raised RuntimeError: .*, expected a model that runs"):
        parity.record_model(Model(), parity.inputs(x=parity.features(9)), tmp_path / "new", seeds=1)
    assert not list((tmp_path / "new").iterdir())


def test_each_kind_of_recording_is_refused_in_place_of_the_other(recorded: Path, pytorch: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^replay: got .*, a recording of a model, expected one of operations$"):
        recording.verified(recorded)
    command = ["record", "--framework", pytorch, "--operation", "bidirectional.reverse_sequence", "--jobs", "1"]
    assert main([*command, "--dtype", "float32", "--output", str(tmp_path)]) == 0
    with pytest.raises(InputError, match=r"^recording: got .*, a recording of operations, expected one of a model$"):
        opened(tmp_path)


def test_a_model_is_recorded_and_compared_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    name = f"recorded_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text("import torch\n\ndef make():\n    return torch.nn.Linear(3, 2)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    sizes = ["--features", "3", "--seeds", "1"]
    assert main(["record", "--model", f"{name}:make", *sizes, "--output", "there"]) == 0
    assert re.match(r"1 sample in float64 and float32, 0\.0 MB: torch .* in there\n", capsys.readouterr().out)
    assert main(["model", f"{name}:make", *sizes, "--recording", "there", "--contract", "agrees_with_recording"]) == 0
    assert capsys.readouterr().out.startswith("✓ Linear (pytorch) keeps agrees_with_recording\n")
    for wrong, sentence in {
        (): "parity record: got neither --framework nor --model, expected what to record",
        ("--model", f"{name}:make", "--operation", "rnn.lstm"): "parity record --model: got --operation, --variant or",
    }.items():
        assert main(["record", *wrong, "--output", "other"]) == 2
        assert capsys.readouterr().err.startswith(f"parity: error: {sentence}")


def test_names_of_keras_are_those_of_another_process() -> None:
    first = ["functional/gru/gru_cell/kernel", "functional/dense/kernel", "functional/dense_1/kernel", "d_x"]
    later = ["functional_3/gru_2/gru_cell/kernel", "functional_3/dense_7/kernel", "functional_3/dense_8/kernel", "d_x"]
    assert canonical(first, "tensorflow") == canonical(later, "tensorflow")
    assert len(set(canonical(first, "tensorflow"))) == 4
    assert canonical(later, "pytorch") == later


def saved(*arrays: Any) -> bytes:
    content = io.BytesIO()
    np.savez(content, **{str(n): array for n, array in enumerate(arrays)})
    return content.getvalue()


def forge(recorded: Path, change: Callable[[Any, Path], object], sealed: bool = True) -> Path:
    """Copy a recording and change it; give it the right checksums."""
    folder = recorded.with_name("forged")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(recorded, folder)
    forged = json.loads((folder / manifest.MANIFEST).read_text())
    before = copy.deepcopy(forged)
    change(forged, folder)
    for name, file in forged["files"].items():
        if forged == before and (folder / name).is_file():
            content = (folder / name).read_bytes()
            file |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    if sealed:
        seal(folder, forged)
    return folder


def seal(folder: Path, forged: Any) -> None:
    text = json.dumps({name: value for name, value in forged.items() if name != "sha256"}, sort_keys=True)
    forged = forged | {"sha256": hashlib.sha256(text.encode()).hexdigest()}
    (folder / manifest.MANIFEST).write_text(json.dumps(forged))


def linked(forged: Any, folder: Path) -> None:
    (folder / WEIGHTS).rename(folder.with_name("elsewhere"))
    (folder / WEIGHTS).symlink_to(folder.with_name("elsewhere"))


RUN = run_file(0, "float64")
ESCAPE = "\x1b[31m red \u202e"
FORGERIES: dict[str, tuple[Callable[[Any, Path], object], str]] = {
    "no file": (lambda _, folder: (folder / RUN).unlink(), f"without {RUN}"),
    "a link": (linked, "which cannot be read"),
    "other numbers": (lambda _, folder: (folder / WEIGHTS).write_bytes(saved(1.0)), "with other arrays than its man"),
    "no numbers": (lambda _, folder: (folder / WEIGHTS).write_bytes(b"x"), "which cannot be read (File is not a zip"),
    "a pickle": (
        lambda _, folder: (folder / WEIGHTS).write_bytes(pickle.dumps(print)),
        "which cannot be read (File is not a zip",
    ),
    "an array of objects": (
        lambda _, folder: (folder / WEIGHTS).write_bytes(saved(np.array([print], object))),
        "which cannot be read (an array without the header of numbers)",
    ),
    "a file elsewhere": (
        lambda forged, _: forged["files"].update({"../thesis.tex": forged["files"].pop(RUN)}),
        "a file '../thesis.tex' that is missing or that it cannot have",
    ),
    "another size": (lambda forged, _: forged["files"][RUN].update(bytes=9), "which cannot be read (more than 9 bytes"),
    "a size without end": (lambda forged, _: forged["files"][RUN].update(bytes=2**40), "Expected `int` <= 2147483648"),
    "a shape without end": (lambda forged, _: forged["files"][RUN]["arrays"][0].update(shape=[2**62] * 32), "one of"),
    "a negative shape": (lambda forged, _: forged["files"][RUN]["arrays"][0].update(shape=[-1]), "Expected `int` >= 0"),
    "seeds without files": (lambda forged, _: forged.update(seeds=9), "a file 'seed-1-float32.npz' that is missing"),
    "no dtypes": (lambda forged, _: forged.update(dtypes=[]), "of length >= 1"),
    "an unknown framework": (lambda forged, _: forged.update(framework="jax"), "framework of the recording: got 'jax'"),
    "another schema": (lambda forged, _: forged.update(schema=9), "schema 9 in"),
    "a name with escapes": (
        lambda forged, _: forged["files"][WEIGHTS]["arrays"][0].update(name=ESCAPE),
        "one without weights body.weight",
    ),
    "escapes in the versions": (lambda forged, _: forged["environment"]["versions"].update(torch=ESCAPE), ""),
    "other inputs": (lambda forged, _: forged["files"][RUN].update(inputs="0"), "one of other inputs, lengths or axes"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_recording_is_refused_in_one_sentence(name: str, recorded: Path) -> None:
    change, sentence = FORGERIES[name]
    folder = forge(recorded, change)
    if not sentence:
        verdict = parity.check_model(Model(), INPUTS, recording=folder, **OPTIONS)
        assert all(line.isprintable() for line in str(verdict).split("\n"))
        return
    with pytest.raises(InputError, match=re.escape(sentence)) as error:
        parity.check_model(Model(), INPUTS, recording=folder, **OPTIONS)
    assert re.fullmatch("recording: got .+, expected .+", str(error.value))
    assert str(error.value).isprintable()


def test_a_changed_file_and_a_changed_manifest_are_noticed(recorded: Path) -> None:
    folder = forge(recorded, lambda forged, _: forged.update(model="another"), sealed=False)
    content = bytearray((folder / RUN).read_bytes())
    content[-30] ^= 1
    (folder / RUN).write_bytes(content)
    with pytest.raises(InputError, match=rf"{RUN}', which was changed after it was written, expected"):
        parity.check_model(Model(), INPUTS, recording=folder, **OPTIONS)
    text = (folder / manifest.MANIFEST).read_text()
    (folder / manifest.MANIFEST).write_text(text.replace('"Model"', '"Other"'))
    with pytest.raises(InputError, match=r"manifest.json', which was changed after it was written, expected"):
        opened(folder)


@contextmanager
def one_sentence() -> Iterator[None]:
    """Check that a call succeeds, or is refused in one printable sentence."""
    try:
        yield
    except InputError as error:
        if not (str(error).isprintable() and re.fullmatch("[a-z ]+: got .+, expected .+", str(error))):
            raise AssertionError(str(error)) from error


@given(data=st.data())
def test_any_forged_manifest_is_used_or_refused(data: st.DataObject, recorded: Path) -> None:
    folder = recorded.with_name("spoilt")
    if not folder.is_dir():
        shutil.copytree(recorded, folder)
    right = json.loads((recorded / manifest.MANIFEST).read_text())
    forged = data.draw(spoilt(right, JSON | st.sampled_from(["../thesis.tex", ESCAPE, RUN, "float64"])))
    if isinstance(forged, dict):
        seal(folder, forged)
    else:
        (folder / manifest.MANIFEST).write_text(json.dumps(forged))
    with one_sentence():
        found = opened(folder)
        assert str(found).isprintable()
        for name, file in found.manifest.files.items():
            found._arrays(name, file)
