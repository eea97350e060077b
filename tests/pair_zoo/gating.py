"""Pairs of blocks with gates: conformer, WaveNet, highway, squeeze and excite, additive and biased attention."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import parity
from tests.pair_zoo.making import (
    LENGTHS,
    TOKENS,
    WORDS,
    C,
    D,
    L,
    Right,
    Wrong,
    arrays,
    functional,
    keras_mean,
    mean,
    module,
    packed,
    real,
    steps_last,
    subclassed,
)

ops = keras.ops
E, HEADS, H = 6, 2, 4


def conformer(gate: str = "second", scale: float = 0.5, bend: Any = F.silu) -> nn.Module:
    """Half a feed-forward step, then a gated depthwise convolution, each added to what it received."""

    def forward(self: Any, x: Any, mask: Any) -> Any:
        y = self.enter(x)
        y = y + scale * self.shrink(bend(self.grow(self.norm(y))))
        z = self.widen(self.before(y))
        first, second = z.chunk(2, -1)
        z = first * second.sigmoid() if gate == "second" else second * first.sigmoid()
        z = self.batch(self.depth(steps_last(z * mask[..., None])))
        return self.head(y + self.point(steps_last(F.silu(z))))

    return module(
        forward,
        enter=nn.Linear(D, E),
        norm=nn.LayerNorm(E),
        grow=nn.Linear(E, 8),
        shrink=nn.Linear(8, E),
        before=nn.LayerNorm(E),
        widen=nn.Linear(E, 2 * E),
        depth=nn.Conv1d(E, E, 3, padding=1, groups=E),
        batch=nn.BatchNorm1d(E, eps=1e-3),
        point=nn.Linear(E, E),
        head=nn.Linear(E, C),
    )


def keras_conformer(bend: Any = "silu", first: bool = True) -> Any:
    """Return the same; ``first`` normalises before a step, not after it."""

    def build(x: Any, mask: Any) -> Any:
        y = L.Dense(E, name="enter")(x)
        norm, before = (L.LayerNormalization(epsilon=1e-5, name=name) for name in ("norm", "before"))
        grow, shrink = L.Dense(8, activation=bend, name="grow"), L.Dense(E, name="shrink")
        y = y + 0.5 * shrink(grow(norm(y))) if first else norm(y + 0.5 * shrink(grow(y)))
        a, b = ops.split(L.Dense(2 * E, name="widen")(before(y)), 2, axis=-1)
        z = a * ops.sigmoid(b) * ops.cast(mask, x.dtype)[..., None]
        z = L.BatchNormalization(name="batch")(L.DepthwiseConv1D(3, padding="same", name="depth")(z))
        return L.Dense(C, name="tags")(y + L.Dense(E, name="point")(ops.silu(z)))

    return functional(build, "x", "mask")


def wave(behind: int = 0, skip: bool = True) -> nn.Module:
    """Two dilated causal convolutions with gates; what each adds is summed for the answer."""

    def forward(self: Any, x: Any) -> Any:
        y, total = steps_last(self.enter(x)), 0
        for dilation in (1, 2):
            seen = F.pad(y, (dilation * (1 - behind), dilation * behind)) if dilation == 2 else F.pad(y, (1, 0))
            z = getattr(self, f"bend{dilation}")(seen).tanh() * getattr(self, f"gate{dilation}")(seen).sigmoid()
            z = getattr(self, f"out{dilation}")(z)
            y, total = y + z, (total + z if skip else z)
        return self.head(steps_last(total.relu()))

    layers = {"enter": nn.Linear(D, H)}
    for dilation in (1, 2):
        layers |= {f"{name}{dilation}": nn.Conv1d(H, H, 2, dilation=dilation) for name in ("bend", "gate")}
        layers |= {f"out{dilation}": nn.Conv1d(H, H, 1)}
    return module(forward, **layers, head=nn.Linear(H, C))


def keras_wave() -> Any:
    def build(x: Any) -> Any:
        y, skips = L.Dense(H, name="enter")(x), []
        for dilation in (1, 2):
            options = {"dilation_rate": dilation, "padding": "causal"}
            a = L.Conv1D(H, 2, activation="tanh", name=f"bend{dilation}", **options)(y)
            b = L.Conv1D(H, 2, activation="sigmoid", name=f"gate{dilation}", **options)(y)
            z = L.Conv1D(H, 1, name=f"out{dilation}")(a * b)
            y = y + z
            skips.append(z)
        return L.Dense(C, name="tags")(ops.relu(skips[0] + skips[1]))

    return functional(build, "x")


def highway(carried: str = "rest") -> nn.Module:
    """Two highway layers."""

    def forward(self: Any, x: Any) -> Any:
        y = self.enter(x)
        for number in (1, 2):
            new, gate = getattr(self, f"new{number}")(y).relu(), getattr(self, f"gate{number}")(y).sigmoid()
            y = gate * new + (1 - gate) * y if carried == "rest" else (1 - gate) * new + gate * y
        return self.head(y)

    layers = {f"{name}{number}": nn.Linear(H, H) for number in (1, 2) for name in ("new", "gate")}
    return module(forward, enter=nn.Linear(D, H), **layers, head=nn.Linear(H, C))


def keras_highway() -> Any:
    def build(x: Any) -> Any:
        y = L.Dense(H, name="enter")(x)
        for number in (1, 2):
            new = L.Dense(H, activation="relu", name=f"new{number}")(y)
            gate = L.Dense(H, activation="sigmoid", name=f"gate{number}")(y)
            y = gate * new + (1 - gate) * y
        return L.Dense(C, name="tags")(y)

    return functional(build, "x")


def excited(gate: Any = torch.sigmoid, masked: bool = True) -> nn.Module:
    """Scale channels by what the mean over real steps says, by a square dense layer."""

    def forward(self: Any, x: Any, mask: Any) -> Any:
        y = self.enter(x).relu()
        pooled = mean(y, mask) if masked else y.mean(1)
        return self.head(y * gate(self.excite(self.squeeze(pooled).tanh()))[:, None])

    return module(forward, enter=nn.Linear(D, H), squeeze=nn.Linear(H, H), excite=nn.Linear(H, H), head=nn.Linear(H, C))


def keras_excited(gate: Any = "sigmoid") -> Any:
    def build(x: Any, mask: Any) -> Any:
        y = L.Dense(H, activation="relu", name="enter")(x)
        z = L.Dense(H, activation="tanh", name="squeeze")(keras_mean(y, mask))
        return L.Dense(C, name="tags")(y * L.Dense(H, activation=gate, name="excite")(z)[:, None])

    return functional(build, "x", "mask")


def squares(source: Any, target: Any) -> None:
    """Copy all layers, of which one square kernel is not transposed."""
    a = arrays(source)
    for name, other in (("enter", "enter"), ("squeeze", "squeeze"), ("excite", "excite"), ("head", "tags")):
        kernel = a[f"{name}.weight"]
        target.get_layer(other).set_weights([kernel if name == "excite" else kernel.T, a[f"{name}.bias"]])


def additive(invert: bool = False, drop: float = 0.0) -> nn.Module:
    """Attend to the states of a GRU by additive scores of its last state."""

    def forward(self: Any, x: Any, lengths: Any) -> Any:
        y, state = packed(self.rnn, x, lengths)
        scores = self.score(torch.tanh(self.key(y) + self.query(state[-1])[:, None]))[..., 0]
        mask = real(lengths, x.shape[1])
        weights = scores.masked_fill(mask if invert else ~mask, -1e9).softmax(-1)
        weights = F.dropout(weights, drop) if drop else weights
        return self.head((weights[..., None] * y).sum(1))

    return module(
        forward,
        rnn=nn.GRU(D, H, batch_first=True),
        key=nn.Linear(H, 5),
        query=nn.Linear(H, 5, bias=False),
        score=nn.Linear(5, 1),
        head=nn.Linear(H, C),
    )


def keras_additive(stop: Any = lambda s: s) -> Any:
    def build(x: Any, mask: Any) -> Any:
        y, state = L.GRU(H, return_sequences=True, return_state=True, name="rnn")(x, mask=mask)
        both = L.Dense(5, name="key")(y) + L.Dense(5, use_bias=False, name="query")(stop(state))[:, None]
        scores = L.Dense(1, name="score")(ops.tanh(both))[..., 0]
        weights = ops.softmax(ops.where(mask, scores, -1e9))
        return L.Dense(C, name="answer")(ops.sum(weights[..., None] * y, 1))

    return functional(build, "x", "mask")


def biased(
    slopes: float = 1.0, layout: str = "heads first", masked: bool = True, first: int = 0, size: int = E // HEADS
) -> nn.Module:
    """Attend by hand with a bias that grows with the distance, after learnt positions."""

    def forward(self: Any, tokens: Any, mask: Any) -> Any:
        at = torch.arange(tokens.shape[1])
        y = self.embed(tokens) + self.places(at + first)

        def split(z: Any) -> Any:
            if layout == "heads first":
                return z.unflatten(-1, (HEADS, -1)).transpose(1, 2)
            return z.unflatten(-1, (-1, HEADS)).permute(0, 3, 1, 2)

        q, k, v = (split(layer(y)) for layer in (self.q, self.k, self.v))
        distance = -slopes * (at[None] - at[:, None]).abs() * torch.tensor([0.5, 0.25])[:, None, None]
        scores = q @ k.transpose(2, 3) / size**0.5 + distance
        scores = scores.masked_fill(~mask[:, None, None], -torch.inf) if masked else scores
        z = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
        return self.head(y + self.out(z))

    four = {name: nn.Linear(E, E) for name in ("q", "k", "v", "out")}
    embeddings = {"embed": nn.Embedding(WORDS, E), "places": nn.Embedding(12, E)}
    return module(forward, **embeddings, **four, head=nn.Linear(E, C))


def keras_biased() -> Any:
    def call(self: Any, tokens: Any, mask: Any) -> Any:
        count = ops.shape(tokens)[1]
        at = ops.arange(count)
        y = self.embed(tokens) + self.places(at)
        q, k, v = (
            ops.transpose(ops.reshape(layer(y), (-1, count, HEADS, E // HEADS)), (0, 2, 1, 3))
            for layer in (self.q, self.k, self.v)
        )
        distance = -ops.cast(ops.abs(at[None] - at[:, None]), y.dtype) * ops.convert_to_tensor(
            np.array([0.5, 0.25])[:, None, None], y.dtype
        )
        scores = ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) / ops.sqrt(ops.cast(E // HEADS, y.dtype)) + distance
        weights = ops.softmax(ops.where(mask[:, None, None], scores, -1e9))
        z = ops.reshape(ops.transpose(ops.matmul(weights, v), (0, 2, 1, 3)), (-1, count, E))
        return self.head(y + self.out(z))

    four = {name: L.Dense(E, name=name) for name in ("q", "k", "v", "out")}
    embeddings = {"embed": L.Embedding(WORDS, E, name="embed"), "places": L.Embedding(12, E, name="places")}
    return subclassed(call, **embeddings, **four, head=L.Dense(C, name="head"))


def two_ways(order: tuple[int, int] = (0, 1)) -> nn.Module:
    """Read forward and backward by two LSTMs of their own, then one GRU over both."""

    def forward(self: Any, tokens: Any, lengths: Any) -> Any:
        x, count = self.embed(tokens), tokens.shape[1]
        at = (lengths[:, None] - 1 - torch.arange(count)) % count
        turned = lambda y: y.take_along_dim(at[..., None], 1)  # noqa: E731
        both = [packed(self.there, x, lengths)[0], turned(packed(self.back, turned(x), lengths)[0])]
        return self.head(packed(self.top, torch.cat([both[one] for one in order], -1), lengths)[0])

    lstm = {name: nn.LSTM(D, H, batch_first=True) for name in ("there", "back")}
    return module(
        forward, embed=nn.Embedding(WORDS, D), **lstm, top=nn.GRU(2 * H, H, batch_first=True), head=nn.Linear(H, C)
    )


def keras_two_ways(flip: bool = True) -> Any:
    def build(tokens: Any) -> Any:
        embed = L.Embedding(WORDS, D, mask_zero=True, name="words")
        x, mask = embed(tokens), embed.compute_mask(tokens)
        there = L.LSTM(H, return_sequences=True, name="there")(x, mask=mask)
        back = L.LSTM(H, return_sequences=True, go_backwards=True, name="back")(x, mask=mask)
        both = ops.concatenate([there, ops.flip(back, 1) if flip else back], -1)
        return L.Dense(C, name="tags")(L.GRU(H, return_sequences=True, name="top")(both, mask=mask))

    return functional(build, "tokens")


def siamese() -> nn.Module:
    """One encoder for what is there and for its negative; the difference is classified."""

    def forward(self: Any, x: Any, lengths: Any) -> Any:
        first, second = (packed(self.encoder, one, lengths)[1][-1] for one in (x, -x))
        return self.head((first - second).abs())

    return module(forward, encoder=nn.GRU(D, H, batch_first=True), head=nn.Linear(H, C))


def keras_siamese(shared: bool = True) -> Any:
    def build(x: Any, mask: Any) -> Any:
        one = L.GRU(H, name="encoder")
        two = one if shared else L.GRU(H, name="another")
        return L.Dense(C, name="answer")(ops.abs(one(x, mask=mask) - two(-x, mask=mask)))

    return functional(build, "x", "mask")


def stacked(choose: Any) -> nn.Module:
    """Two bidirectional layers of GRU, and an answer from their last states."""

    def forward(self: Any, x: Any, lengths: Any) -> Any:
        return self.head(choose(packed(self.rnn, x, lengths)[1]))

    return module(forward, rnn=nn.GRU(D, H, 2, batch_first=True, bidirectional=True), head=nn.Linear(H, C))


def keras_stacked(merge: str = "sum") -> Any:
    def build(x: Any, mask: Any) -> Any:
        y = L.Bidirectional(L.GRU(H, return_sequences=True), name="below")(x, mask=mask)
        return L.Dense(C, name="answer")(L.Bidirectional(L.GRU(H), merge_mode=merge, name="above")(y, mask=mask))

    return functional(build, "x", "mask")


def last_column(x: Any, mask: Any) -> Any:
    y = L.Bidirectional(L.GRU(H, return_sequences=True), name="both")(x, mask=mask)
    return L.Dense(C, name="answer")(y[:, -1])


def ends(self: Any, x: Any, lengths: Any) -> Any:
    return self.head(packed(self.rnn, x, lengths)[1].transpose(0, 1).flatten(1))


GOALS = parity.inputs(tokens=parity.tokens(WORDS, known_by_value=True), lengths=LENGTHS)


def smoothed(smoothing: float = 0.0, shift: int = 0) -> Any:
    """Return the loss of a language model in PyTorch."""

    def loss(output: Any, batch: Any) -> Any:
        wanted = batch.tokens.masked_fill(~batch.mask, -100)
        own = output[:, : output.shape[1] - 1 + shift].flatten(0, 1)
        goal = wanted[:, 1 - shift :].flatten()
        return F.cross_entropy(own, goal, ignore_index=-100, label_smoothing=smoothing)

    return loss


def keras_smoothed(output: Any, batch: Any) -> Any:
    each = keras.losses.sparse_categorical_crossentropy(batch.tokens[:, 1:], output[:, :-1], from_logits=True)
    mask = ops.cast(batch.mask[:, 1:], each.dtype)
    return ops.sum(each * mask) / ops.sum(mask)


def language() -> nn.Module:
    def forward(self: Any, tokens: Any) -> Any:
        return self.head(self.rnn(self.embed(tokens))[0])

    return module(forward, embed=nn.Embedding(WORDS, D), rnn=nn.GRU(D, H, batch_first=True), head=nn.Linear(H, WORDS))


def keras_language() -> Any:
    return functional(
        lambda tokens: L.Dense(WORDS, name="head")(
            L.GRU(H, return_sequences=True, name="rnn")(L.Embedding(WORDS, D, name="words")(tokens))
        ),
        "tokens",
    )


RIGHT = {
    "conformer": Right(conformer, keras_conformer),
    "gated dilated convolutions": Right(wave, keras_wave),
    "squeeze and excite": Right(excited, keras_excited),
    "additive attention": Right(additive, keras_additive),
    "biased attention": Right(biased, keras_biased, TOKENS),
    "both directions by hand": Right(two_ways, keras_two_ways, TOKENS),
    "one encoder twice": Right(siamese, keras_siamese),
    "sum of both ends": Right(lambda: stacked(lambda h: h[-2] + h[-1]), keras_stacked),
    "language model with its loss": Right(
        language, keras_language, GOALS, options={"loss": (smoothed(), keras_smoothed)}
    ),
    "highway": Right(highway, keras_highway),
}


def doubled(source: Any, target: Any) -> None:
    """Copy from PyTorch to Keras, and give both rows of a GRU's bias the sum."""
    a = arrays(source)

    def zrh(array: Any) -> Any:
        r, z, n = np.split(array, 3)
        return np.concatenate([z, r, n])

    own = [zrh(a[f"rnn.{name}_l0"]) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    target.get_layer("rnn").set_weights([own[0].T, own[1].T, np.stack([own[2] + own[3]] * 2)])
    for name, other in (("key", "key"), ("score", "score"), ("head", "answer")):
        target.get_layer(other).set_weights([a[f"{name}.weight"].T, a[f"{name}.bias"]])
    target.get_layer("query").set_weights([a["query.weight"].T])


def flipped(source: Any, target: Any) -> None:
    """Copy a conformer, whose depthwise kernel is flipped."""
    a = arrays(source)
    for name in ("enter", "grow", "shrink", "widen", "point"):
        target.get_layer(name).set_weights([a[f"{name}.weight"].T, a[f"{name}.bias"]])
    target.get_layer("tags").set_weights([a["head.weight"].T, a["head.bias"]])
    for name in ("norm", "before"):
        target.get_layer(name).set_weights([a[f"{name}.weight"], a[f"{name}.bias"]])
    target.get_layer("depth").set_weights([a["depth.weight"].transpose(2, 0, 1)[::-1], a["depth.bias"]])
    target.get_layer("batch").set_weights(
        [a[f"batch.{part}"] for part in ("weight", "bias", "running_mean", "running_var")]
    )


WRONG = {
    "halves of a gate exchanged": Wrong(
        lambda: conformer(gate="first"), keras_conformer, layers=("widen", "depth"), cause="halves|first half"
    ),
    "half a step whole": Wrong(
        lambda: conformer(scale=1.0), keras_conformer, layers=("shrink", "before"), cause="times|half|0.5|2"
    ),
    "tanh in the gelu of a block": Wrong(
        lambda: conformer(bend=F.gelu),
        lambda: keras_conformer(bend=lambda x: ops.gelu(x, approximate=True)),
        layers=("grow", "shrink"),
        cause="gelu with tanh; with exact gelu",
    ),
    "post-norm by hand": Wrong(
        conformer, lambda: keras_conformer(first=False), layers=("enter", "norm", "grow"), cause="norm"
    ),
    "depthwise kernel flipped": Wrong(
        conformer, keras_conformer, transfer=flipped, layers=("depth",), cause="weights: .*flipped"
    ),
    "second convolution looks ahead": Wrong(
        lambda: wave(behind=1), keras_wave, layers=("bend2", "gate2"), cause="padding|shifted|later|earlier"
    ),
    "sum of skips forgotten": Wrong(
        lambda: wave(skip=False), keras_wave, layers=("out2", "head", "tags"), cause="sum|out1"
    ),
    "carried for transformed": Wrong(
        lambda: highway(carried="gate"), keras_highway, layers=("enter", "new1", "gate1", "new2"), cause="none"
    ),
    "square kernel of a gate": Wrong(
        excited, keras_excited, transfer=squares, layers=("excite",), cause="weights: .*not transposed"
    ),
    "hard gate": Wrong(
        excited, lambda: keras_excited("hard_sigmoid"), layers=("excite",), cause="activation .*hard_sigmoid.*sigmoid"
    ),
    "mean over padding in a gate": Wrong(
        lambda: excited(masked=False), keras_excited, layers=("enter", "squeeze"), cause="mean over (all|real) steps"
    ),
    "mask of scores inverted": Wrong(
        lambda: additive(invert=True),
        keras_additive,
        layers=("score", "head", "answer"),
        cause="mask of masked_fill left: with the opposite",
    ),
    "dropout of weights left on": Wrong(
        lambda: additive(drop=0.5), keras_additive, layers=("score", "head", "answer"), cause="drops numbers"
    ),
    "both rows of bias have the sum": Wrong(
        additive, keras_additive, transfer=doubled, layers=("rnn",), cause="weights: .*bias"
    ),
    "gradient of a query stopped": Wrong(
        additive,
        lambda: keras_additive(ops.stop_gradient),
        layers=("rnn.weight_ih_l0",),
        cause="a gradient is stopped right",
    ),
    "heads interleaved by hand": Wrong(
        lambda: biased(layout="heads last"), keras_biased, TOKENS, layers=("q", "k", "v", "out"), cause="none"
    ),
    "distance rewarded": Wrong(
        lambda: biased(slopes=-1.0), keras_biased, TOKENS, layers=("q", "k", "v", "out"), cause="none"
    ),
    "scores of padding": Wrong(
        lambda: biased(masked=False), keras_biased, TOKENS, layers=("v", "out"), cause="mask|softmax|padding"
    ),
    "scores over the whole width": Wrong(
        lambda: biased(size=E), keras_biased, TOKENS, layers=("v", "out"), cause="none"
    ),
    "learnt positions from one": Wrong(
        lambda: biased(first=1), keras_biased, TOKENS, layers=("places",), cause="ids of `places` left: with one less"
    ),
    "directions exchanged by hand": Wrong(
        lambda: two_ways((1, 0)), keras_two_ways, TOKENS, layers=("top",), cause="halves|order"
    ),
    "backward steps not turned": Wrong(
        two_ways, lambda: keras_two_ways(flip=False), TOKENS, layers=("top", "back"), cause="none"
    ),
    "two encoders for one": Wrong(siamese, lambda: keras_siamese(shared=False), layers=("encoder",), cause="tied"),
    "last of h for both ends": Wrong(
        lambda: stacked(lambda h: h[-1]), keras_stacked, layers=("rnn", "above", "head", "answer"), cause="backward|sum"
    ),
    "last column with a mask": Wrong(
        lambda: module(ends, rnn=nn.GRU(D, H, batch_first=True, bidirectional=True), head=nn.Linear(2 * H, C)),
        lambda: functional(last_column, "x", "mask"),
        layers=("rnn", "both", "head", "answer"),
        cause="last column",
    ),
    "smoothing of real steps": Wrong(
        language, keras_language, GOALS, options={"loss": (smoothed(0.1), keras_smoothed)}, cause="smoothing"
    ),
    "loss of the same step": Wrong(
        language, keras_language, GOALS, options={"loss": (smoothed(shift=1), keras_smoothed)}, cause="step"
    ),
}
