"""Models in Keras that keep the contracts about padding, and models with one mistake each that is often made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

import parity

keras = pytest.importorskip("keras")
L = keras.layers
V, D, H = 40, 8, 6

TOKENS = parity.inputs(tokens=parity.tokens(V))
FEATURES = parity.inputs(x=parity.features(5))


def of_tokens(*layers: Callable[[Any], Any]) -> Any:
    """Make a functional model of an embedding with ``mask_zero`` and these layers."""
    ids = keras.Input((None,), dtype="int32", name="ids")
    x = L.Embedding(V, D, mask_zero=True, name="embed")(ids)
    for layer in layers:
        x = layer(x)
    return keras.Model(ids, x)


def of_features(*layers: Any) -> Any:
    """Make a sequential model of ``Masking`` and these layers."""
    return keras.Sequential([keras.Input((None, 5)), L.Masking(name="masking"), *layers])


def nested() -> Any:
    """Make a model with another one inside."""
    inside = keras.Sequential([keras.Input((None, D)), L.GRU(H, return_sequences=True)])
    return of_tokens(inside, L.Dense(3))


class Subclassed(keras.Model):  # type: ignore[misc, name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.out = L.SimpleRNN(H, return_sequences=True), L.Dense(2)

    def call(self, x: Any, mask: Any = None) -> Any:
        return self.out(self.rnn(x, mask=mask))


class Attention(keras.Model):  # type: ignore[misc, name-defined]
    def __init__(self, masked: bool = True) -> None:
        super().__init__()
        self.first, self.attention, self.out = L.Dense(D), L.MultiHeadAttention(2, 4, name="attention"), L.Dense(2)
        self.masked = masked

    def call(self, x: Any, mask: Any = None) -> Any:
        h = self.first(x)
        sees = mask[:, None, :] if self.masked else None
        return self.out(self.attention(h, h, attention_mask=sees))


GOOD: dict[str, tuple[Callable[[], Any], Any]] = {
    "functional": (lambda: of_tokens(L.Bidirectional(L.LSTM(H, return_sequences=True)), L.Dense(3)), TOKENS),
    "sequential": (
        lambda: of_features(L.GRU(H, return_sequences=True), L.GlobalAveragePooling1D(), L.Dense(2)),
        FEATURES,
    ),
    "nested": (nested, TOKENS),
    "subclassed": (Subclassed, FEATURES),
    "a layer": (lambda: L.LSTM(H, return_sequences=True), FEATURES),
    "attention": (Attention, FEATURES),
}


class Bad(NamedTuple):
    """A model with a mistake: the contract that fails first, and the layer at or before which it shows."""

    make: Callable[[], Any]
    inputs: Any
    breaks: str
    layer: str


LONGER, ALONE = "ignores_extra_padding", "independent_of_batchmates"
BAD = {
    "the mask is lost at x * 1": Bad(lambda: of_tokens(lambda x: x * 1.0, L.GRU(H, name="rnn")), TOKENS, LONGER, "rnn"),
    "the mask is lost in a Reshape": Bad(
        lambda: of_tokens(L.Reshape((-1, 2, D // 2)), L.Reshape((-1, D)), L.GRU(H, name="rnn")), TOKENS, LONGER, "rnn"
    ),
    "pooling ignores the mask": Bad(
        lambda: of_features(L.Dense(H), L.GlobalMaxPooling1D(name="pool"), L.Dense(2)), FEATURES, ALONE, "pool"
    ),
    "convolutions read padding": Bad(
        lambda: of_features(
            L.Conv1D(H, 3, padding="same", name="first"), L.Conv1D(H, 3, padding="same", name="second"), L.Dense(2)
        ),
        FEATURES,
        LONGER,
        "second",
    ),
    "attention without a mask": Bad(lambda: Attention(masked=False), FEATURES, "ignores_padding", "attention_output"),
}
