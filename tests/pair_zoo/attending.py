"""Pairs with attention: transformer blocks, pre- and post-norm, by hand, cross-attention, tied language models."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from tests.pair_zoo.making import TOKENS, WORDS, C, L, Right, Wrong, arrays, functional, module, sequential

ops = keras.ops
E, HEADS, INNER = 6, 2, 5
D = 3


def block(forward: Any = None, **options: Any) -> nn.Module:
    """Return a linear layer, one encoder layer of PyTorch with a mask, and a head."""

    def masked(self: Any, x: Any, drop: Any) -> Any:
        return self.head(self.block(self.enter(x), src_key_padding_mask=drop))

    settings = {"dropout": 0.1, "batch_first": True} | options
    layer = nn.TransformerEncoderLayer(E, HEADS, INNER, **settings)
    return module(forward or masked, enter=nn.Linear(D, E), block=layer, head=nn.Linear(E, C))


def keras_block(
    norm_first: bool = False, residual: bool = True, activation: Any = "relu", eps: float = 1e-5, seen: Any = None
) -> Any:
    """Return the same in Keras' layers."""

    def build(x: Any, mask: Any) -> Any:
        first, second = (L.LayerNormalization(epsilon=eps, name=name) for name in ("norm1", "norm2"))
        attend = L.MultiHeadAttention(HEADS, E // HEADS, name="attention")
        grow, shrink = L.Dense(INNER, activation=activation, name="grow"), L.Dense(E, name="shrink")
        allowed = (seen or (lambda m: m[:, None, :]))(mask)
        y = L.Dense(E, name="enter")(x)
        if norm_first:
            z = first(y)
            y = y + attend(z, z, attention_mask=allowed)
            y = y + shrink(grow(second(y)))
        else:
            y = first(y + attend(y, y, attention_mask=allowed))
            z = shrink(grow(y))
            y = second(y + z if residual else z)
        return L.Dense(C, name="tags")(y)

    return functional(build, "x", "mask")


def split(x: Any) -> Any:
    """(B, T, E) -> (B, H, T, d)."""
    return x.unflatten(-1, (HEADS, -1)).transpose(1, 2)


def by_hand(scale: float | None = None, causal: bool = False, swap: bool = False) -> nn.Module:
    """Attention of four linear layers."""

    def forward(self: Any, x: Any, mask: Any) -> Any:
        y = self.enter(x)
        q, k, v = (split(layer(y)) for layer in (self.q, self.k, self.v))
        allowed = mask[:, None, None, :].expand(-1, -1, x.shape[1], -1)
        if causal:
            allowed = allowed & torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()
        k, v = (v, k) if swap else (k, v)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed, scale=scale)
        return self.head(self.out(y.transpose(1, 2).flatten(2)))

    four = {name: nn.Linear(E, E) for name in ("q", "k", "v", "out")}
    return module(forward, enter=nn.Linear(D, E), **four, head=nn.Linear(E, C))


def attention(**options: Any) -> Any:
    """Return the same with a layer of Keras."""

    def build(x: Any, mask: Any) -> Any:
        y = L.Dense(E, name="enter")(x)
        own = {"attention_mask": mask[:, None, :]} | options
        return L.Dense(C, name="tags")(L.MultiHeadAttention(HEADS, E // HEADS, name="attention")(y, y, **own))

    return functional(build, "x", "mask")


FOUR = {"pairs": {("q", "k", "v", "out"): "attention"}}


def self_attention(change: Any = lambda drop: {"key_padding_mask": drop}) -> nn.Module:
    """PyTorch's own layer."""

    def forward(self: Any, x: Any, drop: Any) -> Any:
        y = self.enter(x)
        return self.head(self.attend(y, y, y, need_weights=False, **change(drop))[0])

    layers = {"enter": nn.Linear(D, E), "attend": nn.MultiheadAttention(E, HEADS, batch_first=True)}
    return module(forward, **layers, head=nn.Linear(E, C))


def cross(order: str = "kv") -> nn.Module:
    """Attend from one projection to two others."""

    def forward(self: Any, x: Any, drop: Any) -> Any:
        q, k, v = self.one(x), self.two(x), self.three(x)
        k, v = (k, v) if order == "kv" else (v, k)
        return self.head(self.attend(q, k, v, key_padding_mask=drop, need_weights=False)[0])

    layers = {"one": nn.Linear(D, E), "two": nn.Linear(D, E), "three": nn.Linear(D, E)}
    return module(forward, **layers, attend=nn.MultiheadAttention(E, HEADS, batch_first=True), head=nn.Linear(E, C))


def keras_cross(order: str = "kv") -> Any:
    def build(x: Any, mask: Any) -> Any:
        q, k, v = (L.Dense(E, name=name)(x) for name in ("one", "two", "three"))
        attend = L.MultiHeadAttention(HEADS, E // HEADS, name="attention")
        y = (
            attend(q, v, k, attention_mask=mask[:, None, :])
            if order == "kv"
            else attend(q, k, v, attention_mask=mask[:, None, :])
        )
        return L.Dense(C, name="tags")(y)

    return functional(build, "x", "mask")


def sines(count: int, interleaved: bool = True, first: int = 0) -> Any:
    """Return sinusoidal positions, (T, E)."""
    rate = 1 / 10000 ** (np.arange(0, E, 2) / E)
    angle = (first + np.arange(count))[:, None] * rate
    pair = [np.sin(angle), np.cos(angle)]
    return np.stack(pair, -1).reshape(count, E) if interleaved else np.concatenate(pair, -1)


class Sines(L.Layer):
    """Add sinusoidal positions."""

    def __init__(self, interleaved: bool = True, first: int = 0, root: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.table, self.root, self.supports_masking = sines(64, interleaved, first), root, True

    def call(self, x: Any) -> Any:
        x = x * np.sqrt(E).astype(x.dtype.name) if self.root else x
        return x + ops.convert_to_tensor(self.table, x.dtype)[: ops.shape(x)[1]]


def positions() -> nn.Module:
    """Embed tokens, add sinusoidal positions, a dense layer."""

    def forward(self: Any, tokens: Any) -> Any:
        x = self.embed(tokens)
        return self.head(x + torch.as_tensor(sines(x.shape[1])).to(x))

    return module(forward, embed=nn.Embedding(WORDS, E), head=nn.Linear(E, C))


def keras_positions(**options: Any) -> Any:
    return sequential(
        L.Embedding(WORDS, E, mask_zero=True, name="words"),
        Sines(name="sines", **options),
        L.Dense(C, name="tags"),
        tokens=True,
    )


def language(tied: bool = True, root: bool = False) -> nn.Module:
    """Return a causal language model of one block, whose output layer has the weights of the embedding."""

    def forward(self: Any, tokens: Any) -> Any:
        x = self.embed(tokens) * (E**0.5 if root else 1)
        steps = tokens.shape[1]
        later = torch.ones(steps, steps, dtype=torch.bool).triu(1)
        y = self.block(x, src_mask=later)
        return y @ self.embed.weight.T if tied else self.head(y)

    layer = nn.TransformerEncoderLayer(E, HEADS, INNER, dropout=0.0, batch_first=True, norm_first=True)
    more = {} if tied else {"head": nn.Linear(E, WORDS, bias=False)}
    return module(forward, embed=nn.Embedding(WORDS, E), block=layer, **more)


class Tied(keras.Model):
    """The same."""

    def __init__(self, causal: bool = True, tied: bool = True) -> None:
        super().__init__()
        self.embed = L.Embedding(WORDS, E)
        self.norm1, self.norm2 = L.LayerNormalization(epsilon=1e-5), L.LayerNormalization(epsilon=1e-5)
        self.attend = L.MultiHeadAttention(HEADS, E // HEADS)
        self.grow, self.shrink = L.Dense(INNER, activation="relu"), L.Dense(E)
        self.head = None if tied else L.Dense(WORDS, use_bias=False, name="head")
        self.causal = causal

    def call(self, tokens: Any) -> Any:
        x = self.embed(tokens)
        y = self.norm1(x)
        x = x + self.attend(y, y, use_causal_mask=self.causal)
        x = x + self.shrink(self.grow(self.norm2(x)))
        if self.head is not None:
            return self.head(x)
        return ops.matmul(x, ops.transpose(self.embed.embeddings))


def pooled(masked: bool = True) -> nn.Module:
    """Weigh steps by a softmax of scores."""

    def forward(self: Any, x: Any, mask: Any) -> Any:
        y = torch.tanh(self.enter(x))
        scores = self.score(y)[..., 0]
        weights = (scores.masked_fill(~mask, -torch.inf) if masked else scores).softmax(-1)
        return self.head((weights[..., None] * y).sum(1))

    return module(forward, enter=nn.Linear(D, E), score=nn.Linear(E, 1), head=nn.Linear(E, C))


def keras_pooled(axis: int = 1) -> Any:
    def build(x: Any, mask: Any) -> Any:
        y = L.Dense(E, activation="tanh", name="enter")(x)
        scores = L.Dense(1, name="score")(y)
        weights = L.Softmax(axis=axis, name="weights")(scores, mask=mask[..., None])
        return L.Dense(C, name="answer")(ops.sum(weights * y, 1))

    return functional(build, "x", "mask")


RIGHT = {
    "post-norm, masked": Right(block, keras_block),
    "pre-norm, right to left": Right(
        lambda: block(norm_first=True), lambda: keras_block(norm_first=True), transfer="right to left"
    ),
    "gelu": Right(lambda: block(activation="gelu"), lambda: keras_block(activation="gelu")),
    "attention by hand": Right(by_hand, attention, options=FOUR),
    "causal attention by hand": Right(
        lambda: by_hand(causal=True), lambda: attention(use_causal_mask=True), options=FOUR
    ),
    "self-attention": Right(self_attention, attention),
    "cross-attention": Right(cross, keras_cross),
    "sinusoidal positions": Right(positions, keras_positions, TOKENS),
    "tied language model": Right(language, Tied, TOKENS),
    "attention pooling": Right(pooled, keras_pooled),
    "encoder and by hand, two of pytorch": Right(
        lambda: block(norm_first=True),
        lambda: module(
            lambda self, x, drop: self.head(self.block(self.enter(x), src_key_padding_mask=drop)),
            enter=nn.Linear(D, E),
            block=nn.TransformerEncoder(
                nn.TransformerEncoderLayer(E, HEADS, INNER, batch_first=True, norm_first=True),
                1,
                enable_nested_tensor=False,
            ),
            head=nn.Linear(E, C),
        ),
    ),
}


def heads(order: Any) -> Any:
    """Return a transfer of `self_attention`, whose heads are laid out by ``order``."""

    def copy(source: Any, target: Any) -> None:
        a = arrays(source)
        layer = target.get_layer("attention")
        names = ("query", "key", "value")
        for name, weight, bias in zip(
            names, np.split(a["attend.in_proj_weight"], 3), np.split(a["attend.in_proj_bias"], 3), strict=True
        ):
            own = getattr(layer, f"_{name}_dense")
            own.kernel.assign(order(weight.T))
            own.bias.assign(order(bias[None])[0])
        layer._output_dense.kernel.assign(a["attend.out_proj.weight"].T.reshape(HEADS, E // HEADS, E))
        layer._output_dense.bias.assign(a["attend.out_proj.bias"])
        target.get_layer("enter").set_weights([a["enter.weight"].T, a["enter.bias"]])
        target.get_layer("tags").set_weights([a["head.weight"].T, a["head.bias"]])

    return copy


def interleaved(weight: Any) -> Any:
    return weight.reshape(len(weight), E // HEADS, HEADS).transpose(0, 2, 1)


def fused(source: Any, target: Any) -> None:
    """Copy the three projections in the order of key, query and value."""
    heads(lambda w: w.reshape(len(w), HEADS, E // HEADS))(source, target)
    layer = target.get_layer("attention")
    a = np.split(source.attend.in_proj_weight.detach().numpy(), 3)
    for own, weight in zip((layer._key_dense, layer._query_dense), a, strict=False):
        own.kernel.assign(weight.T.reshape(E, HEADS, E // HEADS))


AT = ("attend", "attention", "block.self_attn")
POST = ("block", "block.linear1", "block.linear2", "block.norm1", "block.norm2", "grow", "shrink", "norm1", "norm2")
WRONG = {
    "heads interleaved": Wrong(
        self_attention, attention, transfer=heads(interleaved), layers=AT, cause="weights: .*heads interleaved"
    ),
    "key and query exchanged in a copy": Wrong(
        self_attention, attention, transfer=fused, layers=AT, cause="weights: .*has what .* should have"
    ),
    "scaled by the whole width": Wrong(
        lambda: by_hand(scale=E**-0.5), attention, options=FOUR, layers=("attention", "out", "q"), cause="scale|root of"
    ),
    "not scaled": Wrong(
        lambda: by_hand(scale=1.0), attention, options=FOUR, layers=("attention", "out", "q"), cause="scale"
    ),
    "no causal mask": Wrong(lambda: language(), lambda: Tied(causal=False), TOKENS, layers=AT, cause="causal"),
    "mask of queries": Wrong(
        block, lambda: keras_block(seen=lambda m: m[:, :, None]), layers=AT, cause="mask.*(True on real|queries)"
    ),
    "mask of a finite number": Wrong(
        lambda: self_attention(
            lambda drop: {"key_padding_mask": torch.where(drop, -3.0, 0.0).to(torch.get_default_dtype())}
        ),
        attention,
        layers=AT,
        cause="mask.*(True on padding|-inf)",
    ),
    "mask inverted, keras": Wrong(self_attention, lambda: attention(attention_mask=None), layers=AT, cause="mask"),
    "residual forgotten": Wrong(block, lambda: keras_block(residual=False), layers=POST, cause="residual|sum"),
    "post for pre": Wrong(
        block,
        lambda: keras_block(norm_first=True),
        layers=("block", *POST, "attention", "block.self_attn"),
        cause="pre-norm",
    ),
    "key and value exchanged": Wrong(
        cross,
        lambda: keras_cross("vk"),
        options={"pairs": {"two": "two", "three": "three"}},
        layers=("attend", "attention"),
        cause="key and value|value and key",
    ),
    "key and value exchanged by hand": Wrong(
        lambda: by_hand(swap=True),
        attention,
        options=FOUR,
        layers=("attention", "out"),
        cause="key and value|value and key",
    ),
    "sines beside cosines": Wrong(
        positions,
        lambda: keras_positions(interleaved=False),
        TOKENS,
        layers=("embed", "words", "head", "tags", "sines"),
        cause="interleaved|sin",
    ),
    "positions from one": Wrong(
        positions,
        lambda: keras_positions(first=1),
        TOKENS,
        layers=("embed", "words", "head", "tags", "sines"),
        cause="position.*(1|one)",
    ),
    "root of the width": Wrong(
        positions,
        lambda: keras_positions(root=True),
        TOKENS,
        layers=("embed", "words", "head", "tags", "sines"),
        cause="root of its size|scaled by",
    ),
    "tied on one side": Wrong(
        language,
        lambda: Tied(tied=False),
        TOKENS,
        layers=("embed", "embed.weight", "embed/embeddings", "head", "dense"),
        cause="tied|tie",
    ),
    "softmax over padding": Wrong(
        lambda: pooled(masked=False),
        keras_pooled,
        layers=("enter", "score", "weights", "head", "answer"),
        cause="softmax.*padding|mask",
    ),
    "softmax over channels": Wrong(
        pooled,
        lambda: keras_pooled(axis=-1),
        layers=("enter", "score", "weights", "head", "answer"),
        cause="axis|softmax",
    ),
    "eps of bert": Wrong(
        lambda: block(layer_norm_eps=1e-12),
        lambda: keras_block(eps=1e-9),
        layers=("block.norm1", "norm1"),
        cause="eps is 1e-12 left, 1e-09 right",
    ),
    "quick gelu": Wrong(
        lambda: block(activation=lambda x: x * torch.sigmoid(1.702 * x)),
        lambda: keras_block(activation="gelu"),
        layers=POST,
        cause="gelu",
    ),
}
