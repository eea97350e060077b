"""Pairs of two parts: an encoder and a decoder, with states and attention between them; two inputs."""

from __future__ import annotations

from typing import Any

import keras
import torch
from torch import nn

import parity
from tests.pair_zoo.making import LENGTHS, WORDS, C, D, H, L, Right, Wrong, functional, module, packed, real

ops = keras.ops


def states(kind: Any = nn.GRU, give: Any = lambda state: state, pack: bool = True) -> nn.Module:
    """Encode features; decode them again from the last state."""

    def forward(self: Any, x: Any, lengths: Any) -> Any:
        state = packed(self.encoder, x, lengths)[1] if pack else self.encoder(x)[1]
        return self.head(self.decoder(x, give(state))[0])

    both = {name: kind(D, H, batch_first=True) for name in ("encoder", "decoder")}
    return module(forward, **both, head=nn.Linear(H, C))


def keras_states(kind: Any = L.GRU, give: Any = lambda state: state) -> Any:
    def build(x: Any, mask: Any) -> Any:
        _, *state = kind(H, return_state=True, name="encoder")(x, mask=mask)
        y = kind(H, return_sequences=True, name="decoder")(x, initial_state=give(state))
        return L.Dense(C, name="tags")(y)

    return functional(build, "x", "mask")


def attending(masked: bool = True, scaled: bool = False) -> nn.Module:
    """Encode, decode, attend from the decoder's states to the encoder's, and join both."""

    def forward(self: Any, x: Any, lengths: Any) -> Any:
        values, state = packed(self.encoder, x, lengths)
        queries = self.decoder(x, state)[0]
        scores = queries @ values.transpose(1, 2) / (H**0.5 if scaled else 1.0)
        if masked:
            scores = scores.masked_fill(~real(lengths, x.shape[1])[:, None], -torch.inf)
        context = scores.softmax(-1) @ values
        return self.head(torch.tanh(self.join(torch.cat([context, queries], -1))))

    both = {name: nn.GRU(D, H, batch_first=True) for name in ("encoder", "decoder")}
    return module(forward, **both, join=nn.Linear(2 * H, H), head=nn.Linear(H, C))


def keras_attending(order: tuple[int, int] = (0, 1)) -> Any:
    def build(x: Any, mask: Any) -> Any:
        values, state = L.GRU(H, return_sequences=True, return_state=True, name="encoder")(x, mask=mask)
        queries = L.GRU(H, return_sequences=True, name="decoder")(x, initial_state=state)
        context = L.Attention(name="attend")([queries, values], mask=[None, mask])
        pair = [context, queries]
        y = L.Dense(H, activation="tanh", name="join")(ops.concatenate([pair[one] for one in order], -1))
        return L.Dense(C, name="tags")(y)

    return functional(build, "x", "mask")


BOTH = parity.inputs(tokens=parity.tokens(WORDS, known_by_value=True), x=parity.features(D), lengths=LENGTHS)


def joined(add: Any = lambda a, b: torch.cat([a, b], -1)) -> nn.Module:
    """Embed tokens, join them with features, run an LSTM."""

    def forward(self: Any, tokens: Any, x: Any, lengths: Any) -> Any:
        return self.head(packed(self.rnn, add(self.embed(tokens), x), lengths)[0])

    return module(forward, embed=nn.Embedding(WORDS, H), rnn=nn.LSTM(H + D, H, batch_first=True), head=nn.Linear(H, C))


def keras_joined(order: tuple[int, int] = (0, 1)) -> Any:
    def build(tokens: Any, x: Any) -> Any:
        embed = L.Embedding(WORDS, H, mask_zero=True, name="words")
        pair = [embed(tokens), x]
        y = L.Concatenate(name="join")([pair[one] for one in order])
        y = L.LSTM(H, return_sequences=True, name="rnn")(y, mask=embed.compute_mask(tokens))
        return L.Dense(C, name="tags")(y)

    return functional(build, "tokens", "x")


RIGHT = {
    "encoder and decoder": Right(states, keras_states),
    "encoder and decoder of lstm, right to left": Right(
        lambda: states(nn.LSTM), lambda: keras_states(L.LSTM), transfer="right to left"
    ),
    "decoder with attention": Right(attending, keras_attending),
    "tokens and features": Right(joined, keras_joined, BOTH),
}

JOIN = ("join", "decoder", "encoder", "attend")
WRONG = {
    "decoder from zeros": Wrong(
        states, lambda: keras_states(give=lambda s: [ops.zeros_like(s[0])]), layers=("decoder",), cause="initial state"
    ),
    "states exchanged": Wrong(
        lambda: states(nn.LSTM),
        lambda: keras_states(L.LSTM, lambda s: s[::-1]),
        layers=("decoder",),
        cause="initial state.*exchanged",
    ),
    "encoder not packed": Wrong(
        lambda: states(pack=False), keras_states, layers=("encoder",), cause="lengths of `encoder` left"
    ),
    "attention to padding": Wrong(
        lambda: attending(masked=False), keras_attending, layers=JOIN, cause="softmax.*real|mask"
    ),
    "attention scaled": Wrong(lambda: attending(scaled=True), keras_attending, layers=JOIN, cause="scale|root"),
    "context and state exchanged": Wrong(
        attending, lambda: keras_attending((1, 0)), layers=JOIN, cause="halves of its channels exchanged|order"
    ),
    "tokens behind features": Wrong(
        joined, lambda: keras_joined((1, 0)), BOTH, layers=("rnn", "embed", "words"), cause="order|beside|joined"
    ),
}
