"""Recurrent pairs: taggers, classifiers, stacked and bidirectional, cells, both formulas of GRU."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import torch
from torch import nn

import parity
from tests.pair_zoo.making import (
    LENGTHS,
    TOKENS,
    WORDS,
    C,
    D,
    H,
    L,
    Right,
    Wrong,
    arrays,
    functional,
    mean,
    module,
    packed,
    real,
    sequential,
    subclassed,
)

ops = keras.ops


def steps(layer: Any, **more: Any) -> nn.Module:
    """Embed tokens, run a recurrent layer on packed sequences, and one dense layer at each step."""

    def forward(self: Any, tokens: Any, lengths: Any) -> Any:
        return self.head(packed(self.rnn, self.embed(tokens), lengths)[0])

    width = layer.hidden_size * (2 if layer.bidirectional else 1)
    return module(forward, embed=nn.Embedding(WORDS, D), rnn=layer, head=nn.Linear(width, C), **more)


def keras_steps(*layers: Any, between: Any = None) -> Any:
    def build(tokens: Any) -> Any:
        x = L.Embedding(WORDS, D, mask_zero=True, name="words")(tokens)
        x = between(x) if between else x
        for layer in layers:
            x = layer(x)
        return L.Dense(C, name="tags")(x)

    return functional(build, "tokens")


def last(layer: Any, choose: Any = lambda y, h, lengths: h[-1], width: int = H) -> nn.Module:
    """Run a recurrent layer on packed features, choose one answer for each sequence, and a dense layer."""

    def forward(self: Any, x: Any, lengths: Any) -> Any:
        y, state = packed(self.rnn, x, lengths)
        return self.head(choose(y, state[0] if isinstance(state, tuple) else state, lengths))

    return module(forward, rnn=layer, head=nn.Linear(width, C))


def keras_last(layer: Any, choose: Any = lambda y: y) -> Any:
    """Return the same, of features and an explicit mask."""

    def build(x: Any, mask: Any) -> Any:
        return L.Dense(C, name="answer")(choose(layer(x, mask=mask)))

    return functional(build, "x", "mask")


def lstm(**options: Any) -> nn.LSTM:
    return nn.LSTM(D, H, batch_first=True, **options)


def gru(**options: Any) -> nn.GRU:
    return nn.GRU(D, H, batch_first=True, **options)


def both(cell: Any, name: str, **options: Any) -> Any:
    return L.Bidirectional(cell(H, return_sequences=True), name=name, **options)


def ends(y: Any, h: Any, lengths: Any) -> Any:
    """Return the last states of both directions."""
    return torch.cat([h[-2], h[-1]], -1)


def cells(self: Any, x: Any, lengths: Any) -> Any:
    """Run two LSTM cells in a loop."""
    states = [x.new_zeros(2, len(x), H) for _ in range(2)]
    mask, ys = real(lengths, x.shape[1]), []
    for step in range(x.shape[1]):
        own = x[:, step]
        for number, cell in enumerate((self.one, self.two)):
            new = torch.stack(cell(own, tuple(states[number])))
            states[number] = torch.where(mask[:, step][None, :, None], new, states[number])
            own = states[number][0]
        ys.append(own)
    return self.head(torch.stack(ys, 1))


def by_hand(self: Any, x: Any, lengths: Any) -> Any:
    """Run an LSTM layer by its cell."""
    state, ys = (x.new_zeros(len(x), H),) * 2, []
    for step in range(x.shape[1]):
        state = self.cell(x[:, step], state)
        ys.append(state[0])
    return self.head(torch.stack(ys, 1))


RIGHT = {
    "stacked bidirectional tagger": Right(
        lambda: steps(lstm(num_layers=2, bidirectional=True)),
        lambda: keras_steps(both(L.LSTM, "first"), both(L.LSTM, "second")),
        TOKENS,
    ),
    "bidirectional gru, mean": Right(
        lambda: last(gru(bidirectional=True), lambda y, h, n: mean(y, real(n, y.shape[1])), 2 * H),
        lambda: sequential(L.Masking(7.0), both(L.GRU, "both"), L.GlobalAveragePooling1D(), L.Dense(C, name="answer")),
        parity.inputs(x=parity.features(D, padding=7.0, known_by_value=True), lengths=LENGTHS),
    ),
    "simple rnn, explicit mask": Right(
        lambda: last(nn.RNN(D, H, batch_first=True)), lambda: keras_last(L.SimpleRNN(H, name="rnn"))
    ),
    "right to left": Right(lambda: last(gru()), lambda: keras_last(L.GRU(H, name="rnn")), transfer="right to left"),
    "ends of both directions": Right(
        lambda: last(lstm(bidirectional=True), ends, 2 * H), lambda: keras_last(L.Bidirectional(L.LSTM(H), name="both"))
    ),
    "stacked cells": Right(
        lambda: module(cells, one=nn.LSTMCell(D, H), two=nn.LSTMCell(H, H), head=nn.Linear(H, C)),
        lambda: functional(
            lambda x, mask: L.Dense(C, name="tags")(
                L.RNN([L.LSTMCell(H), L.LSTMCell(H)], return_sequences=True, name="stack")(x, mask=mask)
            ),
            "x",
            "mask",
        ),
    ),
    "other formula of gru, two of keras": Right(
        lambda: keras_steps(L.GRU(H, reset_after=False, return_sequences=True, name="rnn")),
        lambda: sequential(
            L.Embedding(WORDS, D, mask_zero=True, name="words"),
            L.RNN(L.GRUCell(H, reset_after=False), return_sequences=True, name="loop"),
            L.Dense(C, name="tags"),
            tokens=True,
        ),
        TOKENS,
    ),
    "layer and cell, two of pytorch": Right(
        lambda: module(lambda self, x: self.head(self.rnn(x)[0]), rnn=lstm(), head=nn.Linear(H, C)),
        lambda: module(by_hand, cell=nn.LSTMCell(D, H), head=nn.Linear(H, C)),
    ),
    "subclassed tagger": Right(
        lambda: steps(gru()),
        lambda: subclassed(
            lambda self, tokens: self.head(self.rnn(self.embed(tokens), mask=ops.not_equal(tokens, 0))),
            embed=L.Embedding(WORDS, D),
            rnn=L.GRU(H, return_sequences=True),
            head=L.TimeDistributed(L.Dense(C)),
        ),
        TOKENS,
    ),
}


def copied(change: Any = lambda a: a, kind: str = "lstm", write: Any = None, layers: tuple[str, ...] = ("rnn",)) -> Any:
    """Return a user's own transfer from `last` to `keras_last`; its arrays are changed, or written otherwise."""

    def copy(source: Any, target: Any) -> None:
        a = change(arrays(source))
        for level, name in enumerate(layers):
            ih, hh = a[f"rnn.weight_ih_l{level}"], a[f"rnn.weight_hh_l{level}"]
            bias = [a[f"rnn.bias_ih_l{level}"], a[f"rnn.bias_hh_l{level}"]]
            if kind == "gru" and "ordered" not in a:
                ih, hh, *bias = (zrh(one) for one in (ih, hh, *bias))
            bias = np.stack(bias) if kind == "gru" else bias[0] + bias[1]
            own = [ih.T, hh.T, bias]
            target.get_layer(name).cell.set_weights(write(own) if write else own)
        target.get_layer("answer").set_weights([a["head.weight"].T, a["head.bias"]])

    return copy


def zrh(array: Any) -> Any:
    r, z, n = np.split(array, 3)
    return np.concatenate([z, r, n])


def gates(order: tuple[int, ...]) -> Any:
    def change(a: Any) -> Any:
        for name in list(a):
            if name.startswith("rnn."):
                parts = np.split(a[name], 4)
                a[name] = np.concatenate([parts[one] for one in order])
        return a

    return change


def doubled(target: Any, source: Any) -> None:
    """Copy from right to left, and give both biases of PyTorch the whole of Keras' one."""
    kernel, recurrent, bias = (torch.as_tensor(np.asarray(w)) for w in source.get_layer("rnn").get_weights())
    weight, answer = (torch.as_tensor(np.asarray(w)) for w in source.get_layer("answer").get_weights())
    with torch.no_grad():
        for own, other in zip(target.rnn.parameters(), (kernel.T, recurrent.T, bias, bias), strict=True):
            own.copy_(other)
        target.head.weight.copy_(weight.T)
        target.head.bias.copy_(answer)


def left_padded(batch: Any) -> Any:
    """Roll the steps of each sequence to the end of its row, in either framework."""
    tokens, lengths = batch.tokens, batch.lengths
    if isinstance(tokens, torch.Tensor):
        at = (torch.arange(tokens.shape[1]) + lengths[:, None]) % tokens.shape[1]
        return tokens.gather(1, at)
    count = ops.shape(tokens)[1]
    at = (ops.arange(count, dtype="int32") + ops.cast(lengths, "int32")[:, None]) % count
    return ops.take_along_axis(tokens, at, axis=1)


def rolled(self: Any, tokens: Any, lengths: Any) -> Any:
    count = tokens.shape[1]
    at = (torch.arange(count) - lengths[:, None]) % count
    return self.head(packed(self.rnn, self.embed(tokens).take_along_dim(at[..., None], 1), lengths)[1][0][-1])


def unrolled(self: Any, tokens: Any, lengths: Any) -> Any:
    return self.head(packed(self.rnn, self.embed(tokens), lengths)[1][0][-1])


LEFT = {"call": (lambda m, b: m(left_padded(b), b.lengths), lambda m, b: m(left_padded(b)))}


def on_the_left(forward: Any) -> nn.Module:
    return module(forward, embed=nn.Embedding(WORDS, D), rnn=lstm(), head=nn.Linear(H, C))


def of_the_last() -> Any:
    return sequential(
        L.Embedding(WORDS, D, mask_zero=True, name="words"),
        L.LSTM(H, name="rnn"),
        L.Dense(C, name="answer"),
        tokens=True,
    )


RIGHT["left-padded"] = Right(lambda: on_the_left(rolled), of_the_last, TOKENS, options=LEFT)


def keras_rnn(**options: Any) -> Any:
    return keras_last(L.LSTM(H, name="rnn", **options))


def whole(layer: Any) -> nn.Module:
    """Run a recurrent layer on all steps, padding too."""
    return module(lambda self, x: self.head(self.rnn(x)[0]), rnn=layer, head=nn.Linear(H, C))


def keras_whole(*layers: Any) -> Any:
    return sequential(*layers, L.Dense(C, name="tags"))


RNN = ("rnn",)
WRONG = {
    "gates of gru as in pytorch": Wrong(
        lambda: last(gru()),
        lambda: keras_last(L.GRU(H, name="rnn")),
        transfer=copied(lambda a: a | {"ordered": True}, "gru"),
        layers=RNN,
        cause="weights: .*gates in the order",
    ),
    "gates of lstm in another order": Wrong(
        lambda: last(lstm()),
        keras_rnn,
        transfer=copied(gates((0, 3, 1, 2))),
        layers=RNN,
        cause="weights: .*gates in the order",
    ),
    "bias doubled": Wrong(lambda: last(lstm()), keras_rnn, transfer=doubled, layers=RNN, cause="twice|doubl"),
    "forget bias of one": Wrong(
        lambda: last(lstm()),
        keras_rnn,
        transfer=copied(write=lambda w: [w[0], w[1], w[2] + np.repeat([0, 1, 0, 0], H).astype("float32")]),
        layers=RNN,
        cause=r"weights: .*bias.*(\+ ?1|1 more|1 added|forget)",
    ),
    "gru, one row of bias has both": Wrong(
        lambda: last(gru()),
        lambda: keras_last(L.GRU(H, name="rnn")),
        transfer=copied(kind="gru", write=lambda w: [w[0], w[1], np.stack([w[2].sum(0), 0 * w[2][0]])]),
        layers=RNN,
        cause="weights: .*bias. .*(sum|first row|rows).*with those",
    ),
    "recurrent kernel not transposed": Wrong(
        lambda: last(nn.RNN(D, H, batch_first=True)),
        lambda: keras_last(L.SimpleRNN(H, name="rnn")),
        transfer=copied(write=lambda w: [w[0], w[1].T, w[2]]),
        layers=RNN,
        cause="weights: .*recurrent.*not transposed",
    ),
    "relu in a simple rnn": Wrong(
        lambda: last(nn.RNN(D, H, batch_first=True, nonlinearity="relu")),
        lambda: keras_last(L.SimpleRNN(H, name="rnn")),
        layers=RNN,
        cause="(activation|nonlinearity) .*relu",
    ),
    "activation of lstm": Wrong(
        lambda: last(lstm()), lambda: keras_rnn(activation="relu"), layers=RNN, cause="activation .*relu.*tanh"
    ),
    "layers exchanged": Wrong(
        lambda: last(nn.LSTM(D, D, 2, batch_first=True), width=D),
        lambda: functional(
            lambda x, mask: L.Dense(C, name="answer")(
                L.LSTM(D, name="two")(L.LSTM(D, return_sequences=True, name="one")(x, mask=mask), mask=mask)
            ),
            "x",
            "mask",
        ),
        transfer=copied(layers=("two", "one")),
        layers=("rnn", "one", "two"),
        cause="weights: .*has what .* should have",
    ),
    "merge mode": Wrong(
        lambda: last(lstm(bidirectional=True), lambda y, h, n: mean(y[..., :H] + y[..., H:], real(n, y.shape[1]))),
        lambda: functional(
            lambda x, mask: L.Dense(C, name="answer")(
                L.GlobalAveragePooling1D()(both(L.LSTM, "both", merge_mode="ave")(x, mask=mask), mask=mask)
            ),
            "x",
            "mask",
        ),
        layers=("rnn", "both", "head"),
        cause="merge_mode .*sum|sum of (its|the) halves",
    ),
    "backward state for the forward one": Wrong(
        lambda: last(lstm(bidirectional=True)),
        lambda: keras_last(L.Bidirectional(L.LSTM(H), name="both"), lambda y: y[:, :H]),
        layers=("rnn", "both", "head"),
        cause="end of the backward direction.*end of the forward|second half.*first half",
    ),
    "last column of both directions": Wrong(
        lambda: last(lstm(bidirectional=True), lambda y, h, n: y[:, -1], 2 * H),
        lambda: keras_last(L.Bidirectional(L.LSTM(H), name="both")),
        layers=("rnn", "both", "head"),
        cause="last column",
    ),
    "last real step of both directions": Wrong(
        lambda: last(lstm(bidirectional=True), lambda y, h, n: y[torch.arange(len(y)), n - 1], 2 * H),
        lambda: keras_last(L.Bidirectional(L.LSTM(H), name="both")),
        layers=("rnn", "both", "head"),
        cause="last real step",
    ),
    "time-major": Wrong(
        lambda: whole(nn.LSTM(D, H)),
        lambda: keras_whole(L.LSTM(H, return_sequences=True, name="rnn")),
        layers=RNN,
        cause="batch_first",
    ),
    "backwards": Wrong(
        lambda: whole(lstm()),
        lambda: keras_whole(L.LSTM(H, return_sequences=True, go_backwards=True, name="rnn")),
        layers=RNN,
        cause="go_backwards",
    ),
    "left padding, packed as right": Wrong(
        lambda: on_the_left(unrolled),
        of_the_last,
        TOKENS,
        options=LEFT,
        layers=RNN,
        cause="padd.*left|left.*padd|rolled|real steps first",
    ),
    "mask lost in a product": Wrong(
        lambda: steps(lstm(bidirectional=True)),
        lambda: keras_steps(both(L.LSTM, "both"), between=lambda x: x * 1.0),
        TOKENS,
        layers=("rnn", "both"),
        cause="mask",
    ),
    "mask lost with an initial state": Wrong(
        lambda: last(lstm()),
        lambda: functional(
            lambda x, mask: L.Dense(C, name="answer")(
                L.LSTM(H, name="rnn")(
                    L.Masking(name="masking")(x), initial_state=[ops.zeros_like(x[:, 0, :1]) * ops.ones((1, H))] * 2
                )
            ),
            "x",
            "mask",
        ),
        parity.inputs(x=parity.features(D, known_by_value=True), lengths=LENGTHS),
        layers=RNN,
        cause="mask",
    ),
    "bias on one side": Wrong(
        lambda: last(lstm()), lambda: keras_rnn(use_bias=False), layers=RNN, cause="bias.*the other has none"
    ),
    "reset before": Wrong(
        lambda: last(gru()),
        lambda: keras_last(L.GRU(H, reset_after=False, name="rnn")),
        layers=RNN,
        cause="reset_after",
    ),
    "hard sigmoid of old, two of keras": Wrong(
        lambda: keras_rnn(recurrent_activation=lambda x: ops.clip(0.2 * x + 0.5, 0, 1)),
        keras_rnn,
        layers=RNN,
        cause="recurrent_activation.*sigmoid",
    ),
    "first step for the last": Wrong(
        lambda: last(gru(), lambda y, h, n: y[:, 0]),
        lambda: keras_last(L.GRU(H, name="rnn")),
        layers=("rnn", "head"),
        cause="the first step",
    ),
    "max over padding": Wrong(
        lambda: last(gru(), lambda y, h, n: torch.where(real(n, y.shape[1])[..., None], y, -torch.inf).amax(1)),
        lambda: functional(
            lambda x, mask: L.Dense(C, name="answer")(
                L.GlobalMaxPooling1D()(
                    L.GRU(H, return_sequences=True, name="rnn", zero_output_for_mask=True)(x, mask=mask)
                )
            ),
            "x",
            "mask",
        ),
        layers=("rnn", "head"),
        cause="maximum over real steps",
    ),
    "sum divided by all steps": Wrong(
        lambda: last(gru(), lambda y, h, n: y.sum(1) / y.shape[1]),
        lambda: functional(
            lambda x, mask: L.Dense(C, name="answer")(
                L.GlobalAveragePooling1D()(L.GRU(H, return_sequences=True, name="rnn")(x, mask=mask), mask=mask)
            ),
            "x",
            "mask",
        ),
        layers=("rnn", "head"),
        cause="divided by T|mean over all steps",
    ),
}
