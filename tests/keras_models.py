"""Models in Keras that keep the contracts about padding, and models with one mistake each that is often made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import parity
from tests.model_tables import ANYWHERE, Bad, Good

keras = pytest.importorskip("keras")
L, ops = keras.layers, keras.ops
V, D, H = 40, 8, 6

FEW = parity.lengths(batch=4, longest=5)  # each step costs time
TOKENS = parity.inputs(tokens=parity.tokens(V), lengths=FEW)
FEATURES = parity.inputs(x=parity.features(5), lengths=FEW)
TAGS = parity.inputs(tokens=parity.tokens(V), target=parity.tokens(3, padding=-1), lengths=FEW)


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


class Subclassed(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.out = L.SimpleRNN(H, return_sequences=True), L.Dense(2)

    def call(self, x: Any, mask: Any = None) -> Any:
        return self.out(self.rnn(x, mask=mask))


class Attention(keras.Model):
    def __init__(self, masked: bool = True) -> None:
        super().__init__()
        self.first, self.attention, self.out = L.Dense(D), L.MultiHeadAttention(2, 4, name="attention"), L.Dense(2)
        self.masked = masked

    def call(self, x: Any, mask: Any = None) -> Any:
        h = self.first(x)
        sees = mask[:, None, :] if self.masked else None
        return self.out(self.attention(h, h, attention_mask=sees))


class Convolutions(keras.Model):
    """Convolutions with a mask before each, by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = L.Conv1D(H, 3, padding="same"), L.Conv1D(H, 3, padding="same", dilation_rate=2)
        self.out = L.Dense(2)

    def masked(self, y: Any, mask: Any, n: int) -> Any:
        return ops.where(mask[..., None], y, 0.0)

    def call(self, x: Any, mask: Any = None) -> Any:
        y = ops.relu(self.first(self.masked(x, mask, 0)))
        return self.out(ops.relu(self.second(self.masked(y, mask, 1))))


class Pooled(keras.Model):
    """The mean, the largest and a weighted sum of all real steps."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.score, self.out = L.GRU(H, return_sequences=True, name="rnn"), L.Dense(1), L.Dense(2)

    def mean(self, y: Any, mask: Any) -> Any:
        return ops.sum(ops.where(mask, y, 0.0), 1) / ops.sum(ops.cast(mask, y.dtype), 1)

    def largest(self, y: Any, mask: Any) -> Any:
        return ops.max(ops.where(mask, y, -1e9), 1)

    def weighted(self, y: Any, mask: Any) -> Any:
        weights = ops.softmax(ops.where(mask, self.score(y), -1e9), axis=1)
        return ops.sum(weights * y, 1)

    def call(self, x: Any, mask: Any = None) -> Any:
        y, mask = self.rnn(x, mask=mask), mask[..., None]
        y = ops.where(mask, y, 0.0)
        return self.out(ops.concatenate([self.mean(y, mask), self.largest(y, mask), self.weighted(y, mask)], -1))


class Block(keras.Model):
    """A pre-norm block of a transformer, with positions that are given."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.place = L.Embedding(V, D), L.Embedding(32, D, name="place")
        self.norm, self.attention = L.LayerNormalization(), L.MultiHeadAttention(2, 4, name="attention")
        self.feed, self.out = keras.Sequential([L.LayerNormalization(), L.Dense(12, "gelu"), L.Dense(D)]), L.Dense(3)

    def places(self, positions: Any) -> Any:
        return positions

    def sees(self, mask: Any) -> Any:
        return mask[:, None, :]

    def call(self, tokens: Any, positions: Any, mask: Any) -> Any:
        x = self.embed(tokens) + self.place(self.places(positions))
        h = self.norm(x)
        x = x + self.attention(h, h, attention_mask=self.sees(mask))
        return {"hidden": x, "logits": self.out(x + self.feed(x))}


def attending() -> Any:
    """Make a functional model whose attention gets its masks from the embedding."""
    ids = keras.Input((None,), dtype="int32", name="ids")
    x = L.Embedding(V, D, mask_zero=True)(ids)
    y = L.Attention()([x, x])
    y = L.LayerNormalization()(L.Add()([x, y]))
    return keras.Model(ids, L.Dense(3)(y))


def by_itself() -> Any:
    """Make a functional model whose heads get their masks from the embedding."""
    ids = keras.Input((None,), dtype="int32", name="ids")
    x = L.Embedding(V, D, mask_zero=True)(ids)
    return keras.Model(ids, L.Dense(3)(L.MultiHeadAttention(2, 4)(x, x)))


def cross_entropy(logits: Any, batch: Any) -> Any:
    losses = ops.sparse_categorical_crossentropy
    each = losses(ops.where(batch.mask, batch.target, 0), logits, from_logits=True)
    mask = ops.cast(batch.mask, each.dtype)
    return ops.sum(each * mask) / ops.sum(mask)


GOOD = {
    "functional": Good(lambda: of_tokens(L.Bidirectional(L.LSTM(H, return_sequences=True)), L.Dense(3)), TOKENS),
    "sequential": Good(
        lambda: of_features(L.GRU(H, return_sequences=True), L.GlobalAveragePooling1D(), L.Dense(2)), FEATURES
    ),
    "nested": Good(nested, TOKENS),
    "subclassed": Good(Subclassed, FEATURES),
    "a layer": Good(lambda: L.LSTM(H, return_sequences=True), FEATURES),
    "attention": Good(Attention, FEATURES, ANYWHERE),
    "stateful": Good(lambda: L.GRU(H, stateful=True, return_sequences=True), FEATURES),
    "stacked cells": Good(lambda: of_features(L.RNN([L.GRUCell(H), L.LSTMCell(4)]), L.Dense(2)), FEATURES),
    "last states": Good(lambda: of_tokens(L.Bidirectional(L.GRU(H), merge_mode="sum"), L.Dense(2)), TOKENS),
    "convolutions": Good(Convolutions, FEATURES),
    "causal convolutions": Good(
        lambda: keras.Sequential([keras.Input((None, 5)), L.Conv1D(H, 3, padding="causal"), L.Dense(2)]), FEATURES
    ),
    "pooled": Good(Pooled, FEATURES),
    "block": Good(Block, TOKENS, ANYWHERE),
    "dot attention": Good(attending, TOKENS),
    "heads": Good(by_itself, TOKENS),
    "a loss of steps": Good(lambda: of_tokens(L.Dense(3)), TAGS, {"loss": cross_entropy}),
}


class SeenConvolutions(Convolutions):
    def masked(self, y: Any, mask: Any, n: int) -> Any:
        return y if n else super().masked(y, mask, n)


class MeanOfAll(Pooled):
    def mean(self, y: Any, mask: Any) -> Any:
        return ops.mean(y, 1)


class LargestOfAll(Pooled):
    def largest(self, y: Any, mask: Any) -> Any:
        return ops.max(y, 1)


class WeightedByAll(Pooled):
    def weighted(self, y: Any, mask: Any) -> Any:
        return ops.sum(ops.softmax(self.score(y), axis=1) * y, 1)


class PositionsOfColumns(Block):
    def places(self, positions: Any) -> Any:
        return ops.broadcast_to(ops.arange(ops.shape(positions)[1])[None], ops.shape(positions))


class MaskOfQueries(Block):
    def sees(self, mask: Any) -> Any:
        return mask[:, :, None]


class InvertedMask(Block):
    def sees(self, mask: Any) -> Any:
        return ops.logical_not(mask)[:, None, :]


class Unmasked(Subclassed):
    def call(self, x: Any, mask: Any = None) -> Any:
        return self.out(self.rnn(x))[:, -1]


class Between(keras.Model):
    """Some function of steps between two layers."""

    def __init__(self, change: Callable[..., Any]) -> None:
        super().__init__()
        self.first, self.out, self.change = L.Dense(H), L.Dense(2, name="out"), change

    def call(self, x: Any, mask: Any = None) -> Any:
        return self.out(self.change(self.first(x), mask))


def of_states() -> Any:
    """Make a functional model whose recurrent layer has an initial state: then Keras gives it no mask."""
    ids = keras.Input((None,), dtype="int32", name="ids")
    x = L.Embedding(V, D, mask_zero=True)(ids)
    state = L.Dense(H)(L.GlobalAveragePooling1D()(x))
    return keras.Model(ids, L.Dense(2)(L.GRU(H, name="rnn")(x, initial_state=state)))


def by_item(y: Any) -> Any:
    return y[:, -1]


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
    "the second convolution reads padding": Bad(SeenConvolutions, FEATURES, LONGER, "conv1d_1"),
    "the mean is over T": Bad(MeanOfAll, FEATURES, LONGER, "dense_1"),
    "the maximum is over zeros": Bad(LargestOfAll, FEATURES, LONGER, "dense_1"),
    "weights of all steps": Bad(WeightedByAll, FEATURES, LONGER, "dense_1"),
    "positions are not shifted": Bad(PositionsOfColumns, TOKENS, "same_on_either_side", "place", ANYWHERE),
    "a mask of queries": Bad(MaskOfQueries, TOKENS, "ignores_padding", "attention_output"),
    "an inverted mask": Bad(InvertedMask, TOKENS, "ignores_padding", "attention_output"),
    "a mask that is not passed on": Bad(Unmasked, FEATURES, "ignores_padding", ""),
    "an initial state": Bad(of_states, TOKENS, LONGER, "rnn"),
    "the mask is lost in a Lambda": Bad(
        lambda: of_tokens(L.Lambda(lambda x: x * 2), L.GRU(H, name="rnn")), TOKENS, LONGER, "rnn"
    ),
    "the mask ends at a convolution": Bad(
        lambda: of_tokens(L.Conv1D(H, 1), L.GlobalAveragePooling1D(name="pool")), TOKENS, LONGER, "pool"
    ),
    "[:, -1] of both directions": Bad(
        lambda: of_tokens(L.Bidirectional(L.GRU(H, return_sequences=True), name="rnn"), by_item, L.Dense(2)),
        TOKENS,
        LONGER,
        "dense",
    ),
    "steps are centred": Bad(
        lambda: Between(lambda y, mask: y - ops.mean(y, 1, keepdims=True)), FEATURES, "ignores_padding", "out"
    ),
    "a softmax over steps": Bad(lambda: Between(lambda y, mask: ops.softmax(y, 1)), FEATURES, "ignores_padding", "out"),
    "the mean of all rows": Bad(
        lambda: Between(lambda y, mask: y - ops.mean(y, (0, 1))), FEATURES, "ignores_padding", "out"
    ),
    "dropout in inference": Bad(
        lambda: Between(lambda y, mask: keras.random.dropout(y, 0.5)), FEATURES, "repeatable", "out"
    ),
}
