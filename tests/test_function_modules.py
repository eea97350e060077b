"""Check modules and layers in place of functions: their weights are set, and gradients reach them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from parity import InputError, check_function
from tests.full_runs import every_other

OPTIONS: dict[str, Any] = {"contracts": ["matches_reference", "independent_of_batchmates"], "mode": "eager"}
ANY: dict[str, Any] = {**OPTIONS, "padding_output": "any", "min_length": 1, "lengths": "3,1:5"}


def torch_nn() -> Any:
    return import_module("torch").nn


def keras_layers() -> Any:
    return import_module("keras").layers


MODULES: dict[str, tuple[str, Callable[[], Any], dict[str, Any]]] = {
    "LSTM": ("rnn.lstm", lambda: torch_nn().LSTM(5, 4, batch_first=True), OPTIONS),
    "GRU of two layers": ("rnn.gru", lambda: torch_nn().GRU(5, 4, 2), OPTIONS),
    "RNN with relu": ("rnn.rnn", lambda: torch_nn().RNN(3, 4, 2, nonlinearity="relu"), OPTIONS),
    "LSTM in both directions": ("bidirectional.lstm", lambda: torch_nn().LSTM(5, 4, bidirectional=True), OPTIONS),
    "Linear": ("feedforward.dense", lambda: torch_nn().Linear(3, 4), ANY),
    "LayerNorm": ("normalisation.layer_norm", lambda: torch_nn().LayerNorm(4, eps=1e-3), ANY),
    "Embedding": ("embedding.lookup", lambda: torch_nn().Embedding(9, 4), ANY),
}
LAYERS: dict[str, tuple[str, Callable[[], Any], dict[str, Any]]] = {
    "LSTM": ("rnn.lstm", lambda: keras_layers().LSTM(4), ANY),
    "GRU": ("rnn.gru", lambda: keras_layers().GRU(4, return_sequences=True), ANY),
    "SimpleRNN": ("rnn.rnn", lambda: keras_layers().SimpleRNN(4), ANY),
    "Dense": ("feedforward.dense", lambda: keras_layers().Dense(4, activation="sigmoid"), ANY),
    "LayerNormalization": ("normalisation.layer_norm", lambda: keras_layers().LayerNormalization(), ANY),
    "Embedding": ("embedding.lookup", lambda: keras_layers().Embedding(9, 4), ANY),
}


@pytest.mark.parametrize("name", every_other(MODULES))
def test_a_module_is_taken_for_a_function(name: str, pytorch: str) -> None:
    operation, make, options = MODULES[name]
    verdict = check_function(operation, make(), **options)
    assert verdict, verdict
    assert (verdict.name, verdict.framework) == (type(make()).__name__, "pytorch")


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_taken_for_a_function(name: str, tensorflow: str) -> None:
    operation, make, options = LAYERS[name]
    verdict = check_function(operation, make(), **options)
    assert verdict, verdict
    assert (verdict.name, verdict.framework) == (type(make()).__name__, "tensorflow")


@pytest.mark.parametrize("name", ["Linear", "Dense"])
def test_a_layer_in_float64_is_taken_too(name: str, framework: str) -> None:
    operation, make, options = {"pytorch": MODULES["Linear"], "tensorflow": LAYERS["Dense"]}[framework]
    assert check_function(operation, make(), dtype="float64", **options)


def encoder(**settings: Any) -> Any:
    """Return a module of a user's with an LSTM, that takes lengths and gives outputs by name."""
    torch = import_module("torch")
    rnn = torch.nn.utils.rnn

    class Encoder(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.LSTM(3, 4, batch_first=True)

        def forward(self, x: Any, lengths: Any) -> Any:
            inputs = rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            y, (h, c) = self.layer(x if settings.get("reads_padding") else inputs)
            if not settings.get("reads_padding"):
                y = rnn.pad_packed_sequence(y, batch_first=True, total_length=x.shape[1])[0]
            return {"y": y.detach() if settings.get("detached") else y, "h": h, "c": c}

    return Encoder()


def test_a_module_of_a_users_is_taken_and_not_changed(pytorch: str) -> None:
    module = encoder()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    verdict = check_function("rnn.lstm", module, min_length=1, **OPTIONS)
    assert verdict, verdict
    assert all((tensor == before[name]).all() for name, tensor in module.state_dict().items())
    assert all(parameter.grad is None for parameter in module.parameters())


WRONG = {"reads_padding": "h is off by", "detached": "d_x is"}


@pytest.mark.parametrize("mistake", WRONG)
def test_a_wrong_module_fails_in_outputs_or_gradients(mistake: str, pytorch: str) -> None:
    verdict = check_function("rnn.lstm", encoder(**{mistake: True}), **ANY)
    assert not verdict
    assert WRONG[mistake] in str(verdict)


def test_a_module_with_a_parameter_by_its_name_is_taken(pytorch: str) -> None:
    torch = import_module("torch")

    class Pooling(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.query = torch.nn.Parameter(torch.zeros(5))

        def forward(self, x: Any, mask: Any) -> Any:
            scores = (x @ self.query).masked_fill(~mask, -torch.inf).softmax(1)
            return (scores[:, :, None] * torch.where(mask[:, :, None], x, 0)).sum(1)

    verdict = check_function("pooling.attention", Pooling(), omits=["weights"], min_length=1, **OPTIONS)
    assert verdict, verdict


def test_a_keras_model_is_taken(tensorflow: str) -> None:
    keras = import_module("keras")
    model = keras.Sequential([keras.Input((None, 3)), keras.layers.Dense(4, activation="relu")])
    assert check_function("feedforward.dense", model, **ANY)


UNFIT: dict[str, tuple[str, Callable[[], Any]]] = {
    "num_layers is 4, and not 1": ("rnn.lstm", lambda: torch_nn().LSTM(3, 4, 4)),
    "the class is 'GRU', and not 'LSTM'": ("rnn.lstm", lambda: torch_nn().GRU(3, 4)),
    "bias is False, and not True": ("feedforward.dense", lambda: torch_nn().Linear(3, 4, bias=False)),
    "nothing is known of the weights of Bilinear": ("feedforward.dense", lambda: torch_nn().Bilinear(3, 4, 2)),
    "both 0 and 1 could have w": (
        "feedforward.dense",
        lambda: torch_nn().Sequential(torch_nn().Linear(3, 4), torch_nn().Linear(4, 4)),
    ),
    "no layer has table": ("embedding.masked_dense", lambda: torch_nn().Linear(3, 4)),
}


@pytest.mark.parametrize("reason", UNFIT)
def test_a_module_whose_weights_cannot_be_told_is_one_error(reason: str, pytorch: str) -> None:
    operation, make = UNFIT[reason]
    with pytest.raises(InputError) as error:
        check_function(operation, make())
    assert str(error.value).startswith("function: got a ")
    assert reason in str(error.value)
    assert "torch.func.functional_call(module, weights, inputs)" in str(error.value)


def test_a_module_that_may_compute_several_configurations_asks_for_one(pytorch: str) -> None:
    module = torch_nn().Sequential(torch_nn().Linear(3, 4), torch_nn().Tanh())
    with pytest.raises(
        InputError, match="config: got a Sequential that may compute any of linear, relu, sigmoid, tanh"
    ):
        check_function("feedforward.dense", module)
    assert check_function("feedforward.dense", module, config="tanh", **ANY)


def test_a_module_that_only_an_option_of_its_own_fits_is_held_to_every_contract(pytorch: str) -> None:
    nn = torch_nn()

    class ReadsPadding(nn.LSTM):
        def forward(self, x: Any, h0: Any, c0: Any) -> Any:
            y, (h, c) = super().forward(x + 0 * x.sum(1, keepdim=True), (h0, c0))
            return {"y": y, "h": h, "c": c}

    deep = {**ANY, "lengths": "", "contracts": ["ignores_padding", "matches_reference"]}
    verdict = check_function("rnn.lstm", ReadsPadding(2, 6, 3, batch_first=True), **deep)
    assert "ignores_padding" in verdict.failed
    assert check_function("rnn.lstm", nn.LSTM(2, 6, 3, batch_first=True), **deep)


def test_heads_that_do_not_divide_the_features_of_a_module_are_not_tried(pytorch: str) -> None:
    torch = import_module("torch")

    class Attention(torch_nn().Module):
        def __init__(self) -> None:
            super().__init__()
            shapes = {"w_in": (4, 3, 4), "bias_in": (2, 4), "w_out": (4, 4), "bias_out": (4,)}
            for name, shape in shapes.items():
                setattr(self, name, torch.nn.Parameter(torch.zeros(shape)))

        def forward(self, x: Any, lengths: Any, heads: int) -> Any:
            attention = import_module("parity.pytorch.attention").multi_head_attention
            return attention(x, lengths, self.w_in, self.bias_in, self.w_out, self.bias_out, heads=heads)

    verdict = check_function("attention.multi_head_attention", Attention(), contracts=["matches_reference"])
    assert verdict, str(verdict)
    assert not [one for one in verdict.results if "three_heads" in one.case]
