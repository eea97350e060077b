"""Transfer weights between PyTorch and Keras: every kind of layer, in both directions, outputs and gradients."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import parity

torch = pytest.importorskip("torch")
keras = pytest.importorskip("keras")

from torch import nn  # noqa: E402

from parity.pairs.running import make_side  # noqa: E402
from tests.full_runs import every_other  # noqa: E402

L = keras.layers
D = 6
WORDS = 11


@pytest.fixture(autouse=True)
def in_float64() -> Iterator[None]:
    """Make all models in float64, so that nothing is rounded on the way."""
    before = keras.config.floatx(), torch.get_default_dtype()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    torch.set_default_dtype(torch.float64)
    yield
    keras.config.set_floatx(before[0])
    keras.config.set_dtype_policy(before[0])
    torch.set_default_dtype(before[1])


class Last(nn.Module):
    """Channels last around a layer that has them second."""

    def __init__(self, *layers: Any) -> None:
        super().__init__()
        self.inside = nn.Sequential(*layers)

    def forward(self, x: Any) -> Any:
        return self.inside(x.movedim(-1, 1)).movedim(1, -1)


class First(nn.Module):
    """The first output of a recurrent layer."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Any) -> Any:
        return self.layer(x)[0]


class Steps(nn.Module):
    """Cells in a loop over steps, one above the other."""

    def __init__(self, *cells: Any) -> None:
        super().__init__()
        self.cells = nn.ModuleList(cells)

    def forward(self, x: Any) -> Any:
        states: list[Any] = [None] * len(self.cells)
        found = []
        for step in x.unbind(1):
            h = step
            for at, cell in enumerate(self.cells):
                states[at] = cell(h, states[at])
                h = states[at][0] if isinstance(states[at], tuple) else states[at]
            found.append(h)
        return torch.stack(found, 1)


class Attend(nn.Module):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(*args, batch_first=True, **options)

    def forward(self, x: Any) -> Any:
        return self.attention(x, x, x)[0]


class OtherWidths(nn.Module):
    """Attention whose keys and values have other sizes than queries."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(D, 2, kdim=4, vdim=5, bias=False, batch_first=True)

    def forward(self, x: Any) -> Any:
        return self.attention(x, x[..., :4], x[..., :5])[0]


class Causal(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(D, 4, 3, dilation=2)

    def forward(self, x: Any) -> Any:
        return self.conv(nn.functional.pad(x.movedim(-1, 1), (4, 0))).movedim(1, -1)


class Directions(nn.Module):
    """A bidirectional layer by hand: two layers, one of which reads from the end."""

    def __init__(self) -> None:
        super().__init__()
        self.back, self.ahead = nn.GRU(D, 4, batch_first=True), nn.GRU(D, 4, batch_first=True)

    def forward(self, x: Any) -> Any:
        return torch.cat([self.ahead(x)[0], self.back(x.flip(1))[0].flip(1)], -1)


def functional(build: Callable[[Any], Any], size: int = D) -> Any:
    given = keras.Input((None, size))
    return keras.Model(given, build(given))


def other_widths(x: Any) -> Any:
    return L.MultiHeadAttention(2, 3, use_bias=False)(x, x[..., :5], x[..., :4])


def sequence(*layers: Any, size: int = D) -> Any:
    return keras.Sequential([keras.Input((None, size)), *layers])


def words(*layers: Any) -> Any:
    return keras.Sequential([keras.Input((None,), dtype="int32"), *layers])


def bidirectional(cell: Any, **options: Any) -> Any:
    return L.Bidirectional(cell(4, return_sequences=True, **options))


def weight_normed(layer: Any) -> Any:
    return nn.utils.parametrizations.weight_norm(layer)


KINDS: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "linear": (lambda: nn.Linear(D, 4), lambda: sequence(L.Dense(4))),
    "square linear": (lambda: nn.Linear(D, D), lambda: sequence(L.Dense(D))),
    "linear without bias": (lambda: nn.Linear(D, 4, bias=False), lambda: sequence(L.Dense(4, use_bias=False))),
    "einsum": (
        lambda: nn.Linear(D, 6),
        lambda: sequence(L.EinsumDense("btd,dhk->bthk", (None, 2, 3), bias_axes="hk"), L.Reshape((-1, 6))),
    ),
    "embedding": (lambda: nn.Embedding(WORDS, 3), lambda: words(L.Embedding(WORDS, 3))),
    "conv": (lambda: Last(nn.Conv1d(D, 4, 3, stride=2)), lambda: sequence(L.Conv1D(4, 3, strides=2))),
    "same conv": (lambda: Last(nn.Conv1d(D, 4, 3, padding=1)), lambda: sequence(L.Conv1D(4, 3, padding="same"))),
    "causal, dilated conv": (Causal, lambda: sequence(L.Conv1D(4, 3, padding="causal", dilation_rate=2))),
    "grouped conv": (lambda: Last(nn.Conv1d(D, 4, 3, groups=2)), lambda: sequence(L.Conv1D(4, 3, groups=2))),
    "depthwise conv": (
        lambda: Last(nn.Conv1d(D, 2 * D, 3, groups=D)),
        lambda: sequence(L.DepthwiseConv1D(3, depth_multiplier=2)),
    ),
    "separable conv": (
        lambda: Last(nn.Conv1d(D, D, 3, groups=D, bias=False), nn.Conv1d(D, 4, 1)),
        lambda: sequence(L.SeparableConv1D(4, 3)),
    ),
    "transposed conv": (
        lambda: Last(nn.ConvTranspose1d(D, 4, 3, stride=2)),
        lambda: sequence(L.Conv1DTranspose(4, 3, strides=2)),
    ),
    "conv of width 1": (lambda: Last(nn.Conv1d(D, 4, 1)), lambda: sequence(L.Dense(4))),
    "weight norm": (lambda: Last(weight_normed(nn.Conv1d(D, 4, 3))), lambda: sequence(L.Conv1D(4, 3))),
    "rnn": (lambda: First(nn.RNN(D, 4, batch_first=True)), lambda: sequence(L.SimpleRNN(4, return_sequences=True))),
    "lstm": (lambda: First(nn.LSTM(D, 4, batch_first=True)), lambda: sequence(L.LSTM(4, return_sequences=True))),
    "gru": (lambda: First(nn.GRU(D, 4, batch_first=True)), lambda: sequence(L.GRU(4, return_sequences=True))),
    "gru without bias": (
        lambda: First(nn.GRU(D, 4, bias=False, batch_first=True)),
        lambda: sequence(L.GRU(4, use_bias=False, return_sequences=True)),
    ),
    "stacked, bidirectional lstm": (
        lambda: First(nn.LSTM(D, 4, 2, bidirectional=True, batch_first=True)),
        lambda: sequence(bidirectional(L.LSTM), bidirectional(L.LSTM)),
    ),
    "bidirectional gru": (
        lambda: First(nn.GRU(D, 4, bidirectional=True, batch_first=True)),
        lambda: sequence(bidirectional(L.GRU)),
    ),
    "directions by hand": (Directions, lambda: sequence(bidirectional(L.GRU))),
    "three layers that are one": (
        lambda: First(nn.LSTM(4, 4, 3, batch_first=True)),
        lambda: sequence(*[L.LSTM(4, return_sequences=True) for _ in range(3)], size=4),
    ),
    "cells": (lambda: Steps(nn.LSTMCell(D, 4)), lambda: sequence(L.RNN(L.LSTMCell(4), return_sequences=True))),
    "stacked cells": (
        lambda: Steps(nn.GRUCell(D, 4), nn.RNNCell(4, 4), nn.GRUCell(4, 4)),
        lambda: sequence(L.RNN([L.GRUCell(4), L.SimpleRNNCell(4), L.GRUCell(4)], return_sequences=True)),
    ),
    "batch norm": (lambda: Last(nn.BatchNorm1d(D, eps=1e-3)), lambda: sequence(L.BatchNormalization())),
    "layer norm": (lambda: nn.LayerNorm(D, eps=1e-3), lambda: sequence(L.LayerNormalization())),
    "group norm": (lambda: Last(nn.GroupNorm(2, D, eps=1e-3)), lambda: sequence(L.GroupNormalization(2))),
    "rms norm": (lambda: nn.RMSNorm(D, eps=1e-6), lambda: sequence(L.RMSNormalization())),
    "attention": (lambda: Attend(D, 2), lambda: functional(lambda x: L.MultiHeadAttention(2, 3)(x, x))),
    "attention of other widths": (OtherWidths, lambda: functional(other_widths)),
    "prelu": (lambda: Last(nn.PReLU(D)), lambda: sequence(L.PReLU(shared_axes=[1]))),
}
ROUNDED = {"attention": 1e-7, "attention of other widths": 1e-7}  # 1 / sqrt(key_dim) is rounded to float32


def trained(model: Any) -> Any:
    """Give all weights values that are neither 0 nor 1; variances stay positive."""
    rng = np.random.default_rng(3)
    if isinstance(model, nn.Module):
        named = [*model.named_parameters(), *((name, b) for name, b in model.named_buffers() if b.shape)]
    else:
        named = [(variable.path, variable) for variable in model.weights]
    for name, array in named:
        values = rng.uniform(0.2, 0.9, tuple(array.shape)) * rng.choice([-1, 1], tuple(array.shape))
        values = abs(values) if "var" in name else values
        array.data.copy_(torch.as_tensor(values)) if isinstance(array, torch.Tensor) else array.assign(values)
    return model


def ran(model: Any, argument: Any) -> Any:
    """Run a model in float64 with gradients; every output of one shape has the same cotangent."""
    side = make_side(model, parity.inputs(x=parity.features(D)), lambda model, batch: model(batch.x), "model")
    seed = zlib.crc32(b"cotangent")
    return side.run(
        {"x": argument}, lambda _, shape: np.random.default_rng(seed).standard_normal(shape), dtype="float64"
    )


def close(a: Any, b: Any, most: float) -> bool:
    return a.shape == b.shape and bool(np.max(np.abs(a - b)) <= most * max(1.0, np.max(np.abs(a))))


@pytest.mark.parametrize("direction", ["to keras", "to torch"])
@pytest.mark.parametrize("kind", every_other(KINDS))
def test_the_target_is_the_same_function_with_the_same_gradients(kind: str, direction: str) -> None:
    torch.manual_seed(0)
    models = [trained(make()) for make in KINDS[kind]]
    source, target = models if direction == "to keras" else models[::-1]
    rng = np.random.default_rng(1)
    is_embedding = kind == "embedding"
    width = 4 if kind == "three layers that are one" else D
    steps = 6 if "conv" in kind or kind == "weight norm" else 3
    argument = rng.integers(0, WORDS, (2, steps)) if is_embedding else rng.standard_normal((2, steps, width))
    transfer = parity.transfer_weights(source, target, inputs=(argument, argument))
    before, after = ran(source, argument), ran(target, argument)
    most = ROUNDED.get(kind, 1e-13)
    assert close(next(iter(before.outputs.values())), next(iter(after.outputs.values())), most)
    if kind != "weight norm" or direction == "to keras":  # a gradient of the length alone does not give the whole
        gradients = transfer.gradients(after.gradients)
        assert gradients.keys() == before.gradients.keys()
        assert all(close(before.gradients[name], array, 100 * most) for name, array in gradients.items())
    assert all(row.difference is not None and not row.differs for row in transfer.table if row.difference is not None)
    assert "alone, it" not in str(transfer)
    added = {name for name, reason in transfer.inexact.items() if "added" in reason}
    assert set(transfer.inexact) == added or kind == "weight norm"
    assert bool(added) == (direction == "to keras" and kind in TWO_BIASES)


TWO_BIASES = ("rnn", "lstm", "stacked, bidirectional lstm", "three layers that are one", "cells", "stacked cells")
