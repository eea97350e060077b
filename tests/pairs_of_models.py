"""Pairs of models that are meant to be the same: right ones, and wrong ones with one mistake each."""

from __future__ import annotations

from typing import Any

import keras
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import parity

L = keras.layers
WORDS, D, H, C = 9, 5, 4, 3
TOKENS = parity.inputs(tokens=parity.tokens(WORDS, known_by_value=True), lengths=parity.lengths(batch=3, longest=4))
FEATURES = parity.inputs(x=parity.features(D), lengths=parity.lengths(batch=3, longest=4))


def same_weights() -> None:
    """Give the models that are made next the same weights in every run, whatever was made before."""
    torch.manual_seed(0)
    keras.utils.set_random_seed(0)


def stirred(model: nn.Module, seed: int = 5) -> nn.Module:
    """Give a module weights as after some training: none is 0 or 1."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in [*model.parameters(), *(b for b in model.buffers() if b.is_floating_point())]:
            tensor.add_(torch.randn(tensor.shape, generator=generator) * 0.3)
        for name, buffer in model.named_buffers():
            if "var" in name:
                buffer.abs_()
    return model.eval()


class Tagger(nn.Module):
    """Embedding, packed bidirectional LSTM, layer norm, dense."""

    def __init__(self, packed: bool = True, reverse: bool = False) -> None:
        super().__init__()
        self.embed = nn.Embedding(WORDS, D)
        self.rnn = nn.LSTM(D, H, batch_first=True, bidirectional=True)
        self.norm = nn.LayerNorm(2 * H)
        self.head = nn.Linear(2 * H, C)
        self.packed, self.reverse = packed, reverse

    def forward(self, tokens: Any, lengths: Any) -> Any:
        x = self.embed(tokens)
        if self.packed:
            x = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        y = self.rnn(x)[0]
        if self.packed:
            y = pad_packed_sequence(y, batch_first=True, total_length=tokens.shape[1])[0]
        if self.reverse:
            y = y.roll(H, -1)
        return self.head(self.norm(y))


def tagger(eps: float = 1e-5, mask_zero: bool = True, **lstm: Any) -> Any:
    given = keras.Input((None,), dtype="int32", name="tokens")
    x = L.Embedding(WORDS, D, mask_zero=mask_zero, name="words")(given)
    x = L.Bidirectional(L.LSTM(H, return_sequences=True, **lstm), name="both")(x)
    x = L.LayerNormalization(epsilon=eps, name="normal")(x)
    return keras.Model(given, L.Dense(C, name="tags")(x))


class Classifier(nn.Module):
    """Embedding, packed GRU, one answer for each sequence, dense."""

    def __init__(self, pool: str = "last") -> None:
        super().__init__()
        self.embed, self.rnn, self.head = nn.Embedding(WORDS, D), nn.GRU(D, H, batch_first=True), nn.Linear(H, C)
        self.pool = pool

    def forward(self, tokens: Any, lengths: Any) -> Any:
        packed = pack_padded_sequence(self.embed(tokens), lengths, batch_first=True, enforce_sorted=False)
        y, h = self.rnn(packed)
        y = pad_packed_sequence(y, batch_first=True, total_length=tokens.shape[1])[0]
        mask = torch.arange(tokens.shape[1])[None, :] < lengths[:, None]
        pools = {
            "last": lambda: h[-1],
            "column": lambda: y[:, -1],
            "first": lambda: y[:, 0],
            "mean": lambda: y.sum(1) / lengths[:, None],
            "over T": lambda: y.mean(1),
            "max": lambda: torch.where(mask[..., None], y, -torch.inf).amax(1),
            "max and 0": lambda: y.amax(1),
        }
        return self.head(pools[self.pool]())


class Pooled(keras.Model):
    """The same, subclassed."""

    def __init__(self, pool: str = "last", trained: bool = True, stopped: bool = False) -> None:
        super().__init__()
        self.words = L.Embedding(WORDS, D, mask_zero=True, trainable=trained)
        self.rnn = L.GRU(H, return_sequences=pool != "last")
        self.head, self.pool, self.stopped = L.Dense(C), pool, stopped

    def call(self, tokens: Any) -> Any:
        x = self.words(tokens)
        mask = self.words.compute_mask(tokens)
        if self.stopped:
            x = keras.ops.stop_gradient(x)
        y = self.rnn(x, mask=mask)
        if self.pool == "mean":
            real = keras.ops.cast(mask, y.dtype)[..., None]
            y = keras.ops.sum(y * real, 1) / keras.ops.sum(real, 1)
        if self.pool == "max":
            y = keras.ops.max(keras.ops.where(mask[..., None], y, -1e30), 1)
        return self.head(y)


class Convolutions(nn.Module):
    """Two causal convolutions with an activation, and BatchNorm between them."""

    def __init__(self, activation: Any = nn.functional.gelu, eps: float = 1e-3, left: int = 2) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv1d(D, H, 3), nn.BatchNorm1d(H, eps=eps, momentum=0.01)
        self.second, self.activation, self.left = nn.Conv1d(H, C, 3), activation, left

    def forward(self, x: Any) -> Any:
        pad = (self.left, 2 - self.left)
        x = self.activation(self.first(nn.functional.pad(x.transpose(1, 2), pad)))
        return self.second(nn.functional.pad(self.norm(x), pad)).transpose(1, 2)


def convolutions(padding: str = "causal", activation: Any = "gelu", **norm: Any) -> Any:
    return keras.Sequential(
        [
            keras.Input((None, D), name="x"),
            L.Conv1D(H, 3, padding=padding, activation=activation, name="one"),
            L.BatchNormalization(name="normal", **norm),
            L.Conv1D(C, 3, padding=padding, name="two"),
        ]
    )


class Block(nn.Module):
    """A transformer block with a mask."""

    def __init__(self, invert: bool = False, masked: bool = True, **options: Any) -> None:
        super().__init__()
        self.block = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, batch_first=True, **options)
        self.enter, self.head = nn.Linear(D, 8), nn.Linear(8, C)
        self.invert, self.masked = invert, masked

    def forward(self, x: Any, drop: Any) -> Any:
        drop = drop ^ self.invert if self.masked else None
        return self.head(self.block(self.enter(x), src_key_padding_mask=drop))


def block(activation: Any = "relu", eps: float = 1e-5, masked: bool = True, norm_first: bool = False) -> Any:
    x, mask = keras.Input((None, D), name="x"), keras.Input((None,), dtype="bool", name="mask")
    seen = keras.ops.expand_dims(mask, 1) if masked else None
    first, second = L.LayerNormalization(epsilon=eps, name="norm1"), L.LayerNormalization(epsilon=eps, name="norm2")
    attend = L.MultiHeadAttention(2, 4, name="attention")
    grow, shrink = L.Dense(12, activation=activation, name="grow"), L.Dense(8, name="shrink")
    y = L.Dense(8, name="enter")(x)
    if norm_first:
        z = first(y)
        y = y + attend(z, z, attention_mask=seen)
        y = y + shrink(grow(second(y)))
    else:
        y = first(y + attend(y, y, attention_mask=seen))
        y = second(y + shrink(grow(y)))
    return keras.Model([x, mask], L.Dense(C, name="head")(y))


class Perceptron(nn.Module):
    """A square dense layer, an activation, a dense layer."""

    def __init__(self, activation: Any = torch.tanh, frozen: bool = False, between: Any = None) -> None:
        super().__init__()
        self.one, self.two, self.activation, self.between = nn.Linear(D, D), nn.Linear(D, C), activation, between
        self.one.requires_grad_(not frozen)

    def forward(self, x: Any) -> Any:
        x = self.activation(self.one(x))
        return self.two(self.between(x) if self.between else x)


def perceptron(activation: Any = "tanh") -> Any:
    return keras.Sequential(
        [keras.Input((None, D), name="x"), L.Dense(D, activation=activation, name="one"), L.Dense(C, name="two")]
    )


def copied(square: bool = True, bias: bool = True) -> Any:
    """Return a user's own transfer from a `Perceptron`: right, or with a mistake."""

    def copy(source: Any, target: Any) -> None:
        arrays = {name: p.detach().numpy() for name, p in source.named_parameters()}
        one = arrays["one.weight"]
        target.get_layer("one").kernel.assign(one.T if square else one)
        if bias:
            target.get_layer("one").bias.assign(arrays["one.bias"])
        target.get_layer("two").set_weights([arrays["two.weight"].T, arrays["two.bias"]])

    return copy


def copied_tagger(swap: bool = False, one_bias: bool = False) -> Any:
    """Return a user's own transfer from a `Tagger`: right, or with a mistake."""

    def copy(source: Any, target: Any) -> None:
        a = {name: p.detach().numpy() for name, p in source.named_parameters()}
        target.get_layer("words").embeddings.assign(a["embed.weight"])
        both = target.get_layer("both")
        ends = ("_reverse", "") if swap else ("", "_reverse")
        for layer, end in zip((both.forward_layer, both.backward_layer), ends, strict=True):
            bias = a[f"rnn.bias_ih_l0{end}"]
            bias = bias if one_bias else bias + a[f"rnn.bias_hh_l0{end}"]
            layer.cell.set_weights([a[f"rnn.weight_ih_l0{end}"].T, a[f"rnn.weight_hh_l0{end}"].T, bias])
        target.get_layer("normal").set_weights([a["norm.weight"], a["norm.bias"]])
        target.get_layer("tags").set_weights([a["head.weight"].T, a["head.bias"]])

    return copy
