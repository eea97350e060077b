"""Check pairs of which one model is an ONNX model, run by ONNX Runtime."""

from __future__ import annotations

import copy
import io
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import parity
from parity.__main__ import main
from parity.errors import InputError

torch = pytest.importorskip("torch")
pytest.importorskip("onnx", reason="onnx is not installed")  # without which PyTorch does not export
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

from torch import nn  # noqa: E402
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence  # noqa: E402

from tests.full_runs import some  # noqa: E402

WORDS = 9
INPUTS = parity.inputs(tokens=parity.tokens(WORDS), lengths=parity.lengths(batch=3, longest=4))
FEATURES = parity.inputs(x=parity.features(3), lengths=parity.lengths(batch=3, longest=4))
ONLY: Any = {"seeds": 1, "contracts": ["same_function"]}


class Tagger(nn.Module):
    """Embedding, packed LSTM, layer norm, dense."""

    def __init__(self, eps: float = 1e-5, packed: bool = True) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.embed, self.rnn = nn.Embedding(WORDS, 5), nn.LSTM(5, 4, batch_first=True)
        self.norm, self.head = nn.LayerNorm(4, eps=eps), nn.Linear(4, 2)
        self.packed = packed

    def states(self, tokens: Any, lengths: Any) -> Any:
        x = self.embed(tokens)
        if not self.packed:
            return self.rnn(x)[0]
        x = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.rnn(x)[0], batch_first=True, total_length=tokens.shape[1])[0]

    def forward(self, tokens: Any, lengths: Any) -> Any:
        return self.head(self.norm(self.states(tokens, lengths)))


class Backward(nn.Module):
    """A recurrent layer that reads from the end, so that it reads padding first."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.rnn = nn.GRU(3, 4, batch_first=True, bidirectional=True)

    def forward(self, x: Any) -> Any:
        return self.rnn(x)[0]


def exported(model: Any, *inputs: Any, names: tuple[str, ...], fixed: bool = False) -> bytes:
    """Export a module; its inputs have open axes for rows and steps unless these are fixed."""
    file = io.BytesIO()
    axes = {name: {0: "B"} if one.ndim == 1 else {0: "B", 1: "T"} for name, one in zip(names, inputs, strict=True)}
    axes["y"] = {0: "B", 1: "T"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model.eval(),
            inputs,
            file,
            dynamo=False,
            input_names=list(names),
            output_names=["y"],
            dynamic_axes=None if fixed else axes,
        )
    return file.getvalue()


def tagger(fixed: bool = False, **options: Any) -> bytes:
    given = torch.randint(1, WORDS, (2, 6)), torch.tensor([6, 3])
    return exported(Tagger(**options), *given, names=("input_ids", "seq_lens"), fixed=fixed)


@pytest.fixture(scope="module")
def graph() -> bytes:
    return tagger()


def test_an_exported_module_is_the_same_function(graph: bytes) -> None:
    verdict = parity.check_pair(Tagger(), graph, INPUTS, seeds=1)
    assert verdict, str(verdict)
    assert verdict.wide == "float32"
    assert 0 < verdict.double < 1e-5
    assert verdict.single < 20
    assert "an ONNX model, run by ONNX Runtime" in str(verdict)
    assert ", without gradients, layers or float64" in str(verdict)
    assert {"right.ignores_padding", "right.independent_of_batchmates"} <= set(verdict.passed)
    assert verdict.declined["right.zero_gradient_at_padding"] == "right is an ONNX model, which has no gradients"
    assert not verdict.cause


def test_another_function_is_not(graph: bytes) -> None:
    verdict = parity.check_pair(graph, Tagger(eps=1e-3), INPUTS, **ONLY)
    assert verdict.same_function is False
    assert str(verdict).startswith("✗ not the same function: ")
    first = verdict.first_difference
    assert (first.where, first.left, first.right, first.step, first.sequence) == ("outputs", "y", "output", 0, 0)
    assert str(first).startswith("first in output `y` = `output`, step 0 of sequence 0, ")
    assert str(first).endswith(" in float32")
    assert verdict.cause.startswith("eps of `norm` right is 0.001; with 1e-05"), str(verdict)


class Pooled(nn.Module):
    """A packed LSTM, an answer for each sequence from its outputs, a dense layer, and an activation."""

    def __init__(self, pool: Any, bend: Any = torch.relu, packed: bool = True) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.rnn, self.mid, self.head = nn.LSTM(3, 4, batch_first=True), nn.Linear(4, 5), nn.Linear(5, 2)
        self.pool, self.bend, self.packed = pool, bend, packed

    def forward(self, x: Any, lengths: Any) -> Any:
        if self.packed:
            packed = self.rnn(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))[0]
            y = pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])[0]
        else:
            y = self.rnn(x)[0]
        return self.head(self.bend(self.mid(self.pool(y, lengths))))


def mean(y: Any, lengths: Any) -> Any:
    return y.sum(1) / lengths[:, None]


CAUSES: dict[str, tuple[Any, Any, str]] = {
    "last column": (
        Pooled(lambda y, n: y[torch.arange(len(y)), n - 1]),
        Pooled(lambda y, n: y[:, -1]),
        "of the outputs of `rnn`, left goes on with the last real step; with the last column",
    ),
    "activation": (
        Pooled(mean),
        Pooled(mean, nn.functional.gelu),
        "of the outputs of `mid`, left goes on with relu; with exact gelu all outputs agree to ",
    ),
    "lengths": (
        Pooled(mean, packed=False),
        Pooled(mean),
        "lengths of `rnn` left; with those of the batch all outputs agree to ",
    ),
}


@pytest.mark.parametrize("name", some(CAUSES, {"activation", "last column"}))
def test_a_cause_is_a_change_of_the_other_model_that_makes_all_outputs_agree(name: str) -> None:
    left, right, cause = CAUSES[name]
    graph = exported(right, torch.randn(2, 6, 3), torch.tensor([6, 3]), names=("x", "lengths"))
    verdict = parity.check_pair(left, graph, FEATURES, **ONLY)
    assert verdict.cause.startswith(cause), str(verdict)


def test_a_difference_in_sequences_with_padding_only_is_told() -> None:
    def total(scaled: bool) -> Any:
        return lambda y, n: y.sum(1) * (1 + float(scaled) * (n < n.max()).to(y.dtype))[:, None]

    graph = exported(Pooled(total(True)), torch.randn(2, 6, 3), torch.tensor([6, 3]), names=("x", "lengths"))
    verdict = parity.check_pair(Pooled(total(False)), graph, FEATURES, **ONLY)
    assert "they differ only in sequences with padding" in str(verdict)
    assert not verdict.cause


def test_contracts_about_padding_are_tried_on_it() -> None:
    graph = exported(Backward(), torch.zeros(2, 5, 3), names=("x",))
    verdict = parity.check_pair(Backward(), graph, FEATURES, seeds=1)
    assert verdict.same_function
    assert {"right.ignores_extra_padding", "right.independent_of_batchmates"} <= set(verdict.failed)
    assert "both: depends on how much padding there is" in str(verdict)
    assert "right.repeatable" in verdict.passed


def test_a_float64_model_is_compared_in_float64() -> None:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))  # for recurrent layers there is no double yet
    graph = exported(copy.deepcopy(model).double(), torch.zeros(2, 5, 3).double(), names=("x",))
    verdict = parity.check_pair(graph, model, FEATURES, **ONLY)
    assert verdict.same_function, str(verdict)
    assert verdict.wide == "float64"
    assert verdict.double < 1e-15
    assert "left: an ONNX model, run by ONNX Runtime" in str(verdict)
    assert ", without gradients or layers" in str(verdict)


def test_a_recording_stands_for_the_other_model(graph: bytes, tmp_path: Path) -> None:
    (tmp_path / "tagger.onnx").write_bytes(graph)
    parity.record_model(Tagger(), INPUTS, tmp_path / "recording", seeds=1)
    verdict = parity.check_pair(tmp_path / "recording", tmp_path / "tagger.onnx", INPUTS, seeds=1)
    assert verdict.same_function, str(verdict)
    assert "beside a recording" in verdict.declined["right.ignores_padding"]
    parity.record_model(Tagger(eps=1e-3), INPUTS, tmp_path / "recording", seeds=1)
    assert parity.check_pair(tmp_path / "tagger.onnx", tmp_path / "recording", INPUTS, **ONLY).same_function is False


def test_the_outputs_on_padding_are_0_where_keras_repeats_the_last(graph: bytes) -> None:
    """Compare an exported packed layer with a Keras layer that has a mask; on real steps they agree."""
    keras = pytest.importorskip("keras")

    class States(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.LSTM(3, 4, batch_first=True)

        def forward(self, x: Any, lengths: Any) -> Any:
            packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            return pad_packed_sequence(self.rnn(packed)[0], batch_first=True, total_length=x.shape[1])[0]

    module, layer = States(), keras.layers.LSTM(4, return_sequences=True)
    x, lengths = np.random.default_rng(0).standard_normal((2, 5, 3)).astype(np.float32), np.array([5, 2])
    graph = exported(module, torch.from_numpy(x), torch.from_numpy(lengths), names=("x", "lengths"))
    y = onnxruntime.InferenceSession(graph).run(None, {"x": x, "lengths": lengths})[0]
    layer.build(x.shape)
    biases = module.rnn.bias_ih_l0 + module.rnn.bias_hh_l0
    layer.set_weights([p.detach().numpy() for p in (module.rnn.weight_ih_l0.T, module.rnn.weight_hh_l0.T, biases)])
    theirs = np.asarray(layer(x, mask=np.arange(5) < lengths[:, None]))
    np.testing.assert_allclose(y[0], theirs[0], atol=1e-6)
    np.testing.assert_allclose(y[1, :2], theirs[1, :2], atol=1e-6)
    assert (y[1, 2:] == 0).all()
    assert (theirs[1, 2:] == theirs[1, 1]).all()
    assert np.abs(theirs[1, 1]).min() > 0


REFUSED: dict[str, tuple[Any, Any, dict[str, Any], str]] = {
    "fixed shapes": (
        lambda: tagger(fixed=True),
        INPUTS,
        {},
        r"right: got an ONNX model whose input 'input_ids' has the fixed shape \(2, 6\), expected open axes for rows",
    ),
    "no ONNX": (lambda: b"no", INPUTS, {}, r"right: got 2 bytes, which ONNX Runtime .* cannot load \(InvalidProto"),
    "no file": (lambda: "nowhere.onnx", INPUTS, {}, r"right: got 'nowhere.onnx', which ONNX Runtime .* cannot load"),
    "other inputs": (tagger, FEATURES, {}, r"(call|inputs|right): got "),
    "a transfer": (tagger, INPUTS, {"transfer": "left to right"}, "transfer: got 'left to right' for an ONNX model"),
    "training": (tagger, INPUTS, {"training": True}, "training: got True for an ONNX model, expected False"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_compared_is_refused_in_one_sentence(name: str) -> None:
    make, inputs, options, sentence = REFUSED[name]
    model = Tagger() if inputs is INPUTS else Backward()
    with pytest.raises(InputError, match=f"^{sentence}"):
        parity.check_pair(model, make(), inputs, **ONLY, **options)


def test_a_file_is_a_side_of_the_command(
    graph: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    (tmp_path / "tagger.onnx").write_bytes(graph)
    name = f"{__name__}:Tagger"
    monkeypatch.chdir(tmp_path)
    options = ("--tokens", str(WORDS), "--seeds", "1", "--contract", "same_function")
    assert main(["pair", "tagger.onnx", name, *options]) == 0
    assert capsys.readouterr().out.startswith("✓ the same function (float32: ")


def test_two_onnx_models_have_no_noise_floor(graph: bytes) -> None:
    with pytest.raises(InputError, match=r"^left and right: got two ONNX models, expected a model or a recording"):
        parity.check_pair(graph, graph, INPUTS, **ONLY)


def test_onnx_runtime_is_loaded_when_it_is_needed() -> None:
    code = """
import sys
sys.modules["onnxruntime"] = None
import parity
from parity.errors import FrameworkUnavailable
inputs = parity.inputs(x=parity.features(3))
try:
    parity.check_pair(b"", b"", inputs)
except FrameworkUnavailable as error:
    print(error)
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout.startswith("ONNX Runtime cannot be loaded (")
    assert process.stdout.endswith("pip install 'padding-parity[onnx]'\n")
