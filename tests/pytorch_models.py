"""Models in PyTorch that keep the contracts about padding, and models with one mistake each that is often made."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import pytest

import parity

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional
V, D, H, C = 50, 16, 12, 3

TOKENS = parity.inputs(tokens=parity.tokens(V))
FEATURES = parity.inputs(x=parity.features(7))
TAGS = parity.inputs(tokens=parity.tokens(V), target=parity.tokens(C, padding=-100))
NEXT = parity.inputs(tokens=parity.tokens(V), target=parity.tokens(V, padding=-100))


def real(x: Any, lengths: Any) -> Any:
    return torch.arange(x.shape[1]) < lengths[:, None]


class Tagger(nn.Module):  # type: ignore[misc, name-defined]
    """Two packed recurrent layers in both directions, and a label for each step."""

    kind = nn.LSTM
    total = True

    def __init__(self, bidirectional: bool = True) -> None:
        super().__init__()
        self.embed = nn.Embedding(V, D, padding_idx=0)
        self.rnn = self.kind(D, H, num_layers=2, batch_first=True, bidirectional=bidirectional)
        self.out = nn.Linear(H * (1 + bidirectional), C)

    def encode(self, tokens: Any, lengths: Any) -> Any:
        packed = nn.utils.rnn.pack_padded_sequence(self.embed(tokens), lengths, batch_first=True, enforce_sorted=False)
        steps = tokens.shape[1] if self.total else None
        return nn.utils.rnn.pad_packed_sequence(self.rnn(packed)[0], batch_first=True, total_length=steps)[0]

    def pool(self, y: Any, lengths: Any) -> Any:
        return y

    def forward(self, tokens: Any, lengths: Any) -> Any:
        return self.out(self.pool(self.encode(tokens, lengths), lengths))


class Gated(Tagger):
    kind = nn.GRU


class AsLongAsTheLongest(Tagger):
    total = False


class MeanOfSteps(Tagger):
    def pool(self, y: Any, lengths: Any) -> Any:
        return (y * real(y, lengths)[..., None]).sum(1) / lengths[:, None]


class LargestOfSteps(Tagger):
    def pool(self, y: Any, lengths: Any) -> Any:
        return y.masked_fill(~real(y, lengths)[..., None], -math.inf).max(1).values


class LastStep(Tagger):
    def pool(self, y: Any, lengths: Any) -> Any:
        return y[torch.arange(len(y)), lengths - 1]


class Convolutions(nn.Module):  # type: ignore[misc, name-defined]
    """Two convolutions, each with a mask before and after it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv1d(7, H, 3, padding=1), nn.Conv1d(H, H, 5, padding=2)
        self.norm, self.out = nn.LayerNorm(H), nn.Linear(H, 2)

    def masked(self, y: Any, mask: Any) -> Any:
        return y.masked_fill(~mask[:, None], 0)

    def forward(self, x: Any, mask: Any) -> Any:
        y = torch.relu(self.first(self.masked(x.transpose(1, 2), mask)))
        y = torch.relu(self.second(self.masked(y, mask)))
        return self.out(self.norm(y.transpose(1, 2)))


class Encoder(nn.Module):  # type: ignore[misc, name-defined]
    """A transformer encoder with the arguments and results of `transformers`."""

    def __init__(self, norm_first: bool = False, causal: bool = False) -> None:
        super().__init__()
        self.embed, self.place = nn.Embedding(V, D, padding_idx=0), nn.Embedding(64, D)
        layer = nn.TransformerEncoderLayer(D, 4, 32, batch_first=True, norm_first=norm_first)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.causal, self.out = causal, nn.Linear(D, 5)

    def drop(self, attention_mask: Any) -> Any:
        return ~attention_mask.bool()

    def forward(self, input_ids: Any, attention_mask: Any, position_ids: Any) -> Any:
        steps = input_ids.shape[1]
        later = torch.ones(steps, steps, dtype=torch.bool).triu(1) if self.causal else None
        x = self.embed(input_ids) + self.place(self.places(position_ids))
        y = self.layers(x, mask=later, src_key_padding_mask=self.drop(attention_mask))
        return {"last_hidden_state": y, "logits": self.out(y)}

    def places(self, position_ids: Any) -> Any:
        return position_ids


class Attention(nn.Module):  # type: ignore[misc, name-defined]
    """Attention of one head, written out."""

    def __init__(self, masked: float = -math.inf) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(7, D) for _ in range(3))
        self.out, self.value = nn.Linear(D, C), masked

    def weights(self, scores: Any, mask: Any) -> Any:
        return torch.softmax(scores.masked_fill(~mask[:, None], self.value), -1)

    def forward(self, x: Any, mask: Any) -> Any:
        weights = self.weights(self.q(x) @ self.k(x).transpose(1, 2) / math.sqrt(D), mask)
        return self.out(weights @ self.v(x.masked_fill(~mask[..., None], 0)))


class AttentionPooling(nn.Module):  # type: ignore[misc, name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.score, self.out = nn.GRU(7, H, batch_first=True), nn.Linear(H, 1), nn.Linear(H, C)

    def weights(self, scores: Any, mask: Any) -> Any:
        return torch.softmax(scores.masked_fill(~mask, -1e9), 1)

    def forward(self, x: Any, lengths: Any) -> Any:
        mask = real(x, lengths)
        y = torch.where(mask[..., None], self.rnn(x)[0], 0)
        return self.out((self.weights(self.score(y)[..., 0], mask)[..., None] * y).sum(1))


class TimeMajor(nn.Module):  # type: ignore[misc, name-defined]
    """A packed LSTM whose first axis is that of steps; it returns its last states too."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.out = nn.LSTM(7, H), nn.Linear(H, C)

    def forward(self, x: Any, lengths: Any) -> Any:
        packed = nn.utils.rnn.pack_padded_sequence(x.transpose(0, 1), lengths, enforce_sorted=False)
        y, states = self.rnn(packed)
        return self.out(nn.utils.rnn.pad_packed_sequence(y, total_length=x.shape[1])[0]), states


class Decoder(nn.Module):  # type: ignore[misc, name-defined]
    """A block of a language model, with several documents in a row."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.place = nn.Embedding(V, D, padding_idx=0), nn.Embedding(64, D)
        self.attention, self.before, self.after = nn.MultiheadAttention(D, 4), nn.LayerNorm(D), nn.LayerNorm(D)
        self.up, self.down, self.out = nn.Linear(D, 32), nn.Linear(32, D), nn.Linear(D, V)

    def sees(self, segments: Any, block_mask: Any) -> Any:
        return block_mask.tril()

    def places(self, positions: Any) -> Any:
        return positions

    def forward(self, tokens: Any, positions: Any, segments: Any, block_mask: Any) -> Any:
        x = self.embed(tokens) + self.place(self.places(positions))
        sees = self.sees(segments, block_mask) | torch.eye(x.shape[1], dtype=torch.bool)  # padding sees itself
        h = self.before(x).transpose(0, 1)
        y = self.attention(h, h, h, attn_mask=~sees.repeat_interleave(4, 0), need_weights=False)[0]
        x = x + y.transpose(0, 1)
        return self.out(x + self.down(F.gelu(self.up(self.after(x)))))


class Flat(nn.Module):  # type: ignore[misc, name-defined]
    """Attention of all real steps without padding, which lie one behind the other; boundaries tell sequences apart."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(7, D) for _ in range(3))
        self.out = nn.Linear(D, C)

    def parts(self, boundaries: Any) -> list[slice]:
        return [slice(*ends) for ends in pairwise(boundaries)]

    def forward(self, x: Any, cu_seqlens: Any) -> Any:
        q, k, v = self.q(x), self.k(x), self.v(x)
        own = [torch.softmax(q[part] @ k[part].T / math.sqrt(D), -1) @ v[part] for part in self.parts(cu_seqlens)]
        return self.out(torch.cat(own))


def flat(model: Any, batch: Any) -> Any:
    return model(batch.x[batch.mask], batch.boundaries)


class Elementwise(nn.Module):  # type: ignore[misc, name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.first, self.out = nn.Linear(7, H), nn.Linear(H, C)

    def forward(self, x: Any) -> Any:
        return self.out(F.gelu(self.first(x)))


def nested(model: Any, batch: Any) -> Any:
    return model(torch.nested.nested_tensor_from_jagged(batch.x[batch.mask], offsets=batch.boundaries.long())).values()


class Score(MeanOfSteps):
    """One number for each sequence, its class, and its length."""

    def forward(self, tokens: Any, lengths: Any) -> Any:
        y = super().forward(tokens, lengths)
        return y[:, 0], y.argmax(-1), lengths


class LargestInAll(LargestOfSteps):
    def pool(self, y: Any, lengths: Any) -> Any:
        return y.masked_fill(~real(y, lengths)[..., None], -math.inf).amax(1)


class Classes(nn.Module):  # type: ignore[misc, name-defined]
    """Classes of a sum that multiplies padding by 0, whose NaN would spread."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(7, C)

    def forward(self, x: Any, mask: Any) -> Any:
        y = (self.out(x) * mask[..., None]).sum(1)
        return y, y.argmax(-1)


class KnowsPaddingByItsId(Tagger):
    def forward(self, tokens: Any) -> Any:
        return super().forward(tokens, (tokens != 0).sum(1))


class Lazy(nn.Module):  # type: ignore[misc, name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.out = nn.LazyLinear(C)

    def forward(self, x: Any, mask: Any) -> Any:
        return self.out(x)


def cross_entropy(logits: Any, batch: Any) -> Any:
    return F.cross_entropy(logits.flatten(0, 1), batch.target.flatten(), ignore_index=-100)


class Good(NamedTuple):
    """A model that keeps what the layouts ask for."""

    make: Callable[[], Any]
    inputs: Any
    options: dict[str, Any] = {}  # noqa: RUF012 - it is not written to


ANYWHERE = {"layouts": ["left", "holes"]}
GOOD = {
    "packed LSTM": Good(Tagger, TOKENS),
    "packed GRU": Good(Gated, TOKENS),
    "packed in one direction": Good(lambda: Tagger(bidirectional=False), TOKENS),
    "an output as long as the longest sequence": Good(AsLongAsTheLongest, TOKENS),
    "mean": Good(MeanOfSteps, TOKENS),
    "maximum": Good(LargestOfSteps, TOKENS),
    "last step": Good(LastStep, TOKENS),
    "convolutions": Good(Convolutions, FEATURES),
    "post-norm": Good(Encoder, TOKENS, ANYWHERE),
    "pre-norm": Good(lambda: Encoder(norm_first=True), TOKENS, ANYWHERE),
    "causal": Good(lambda: Encoder(norm_first=True, causal=True), TOKENS),
    "attention": Good(Attention, FEATURES, ANYWHERE),
    "attention with -1e9": Good(lambda: Attention(-1e9), FEATURES, ANYWHERE),
    "attention pooling": Good(AttentionPooling, FEATURES),
    "steps first": Good(TimeMajor, FEATURES),
    "decoder": Good(Decoder, TOKENS, {"layouts": ["left", "holes", "packed"]}),
    "scores": Good(Score, TOKENS),
    "maximum by amax": Good(LargestInAll, TOKENS),
    "classes": Good(Classes, FEATURES),
    "lengths from ids": Good(KnowsPaddingByItsId, TOKENS),
    "a lazy layer": Good(Lazy, FEATURES),
    "boundaries": Good(Flat, FEATURES, {"call": flat, "layouts": ["left", "packed"]}),
    "nested tensors": Good(Elementwise, FEATURES, {"call": nested, "layouts": ["packed"]}),
    "a loss of steps": Good(Tagger, TAGS, {"loss": cross_entropy}),
    "a loss of packed steps": Good(Decoder, NEXT, {"loss": cross_entropy, "layouts": ["left", "packed"]}),
}


class UnmaskedConvolutions(Convolutions):
    def masked(self, y: Any, mask: Any) -> Any:
        return y


class MaskOfTheInputOnly(Convolutions):
    def masked(self, y: Any, mask: Any) -> Any:
        return y if y.shape[1] == H else super().masked(y, mask)


class Normalised(nn.Module):  # type: ignore[misc, name-defined]
    """A normalisation over steps, or over rows and steps."""

    def __init__(self, norm: Any) -> None:
        super().__init__()
        self.first, self.norm, self.out = nn.Linear(7, H), norm, nn.Linear(H, C)

    def forward(self, x: Any, mask: Any) -> Any:
        return self.out(self.norm(self.first(x).transpose(1, 2)).transpose(1, 2))


class StandardisedSteps(Normalised):
    def forward(self, x: Any, mask: Any) -> Any:
        y = self.first(x)
        return self.out((y - y.mean(1, keepdim=True)) / (1 + y.var(1, keepdim=True, correction=0)))


class Unpacked(Tagger):
    def encode(self, tokens: Any, lengths: Any) -> Any:
        return self.rnn(self.embed(tokens))[0]


class MeanOfAll(Tagger):
    def pool(self, y: Any, lengths: Any) -> Any:
        return y.mean(1)


class LargestOfAll(Tagger):
    def pool(self, y: Any, lengths: Any) -> Any:
        return y.max(1).values


class LastOfAll(Tagger):
    def pool(self, y: Any, lengths: Any) -> Any:
        return y[:, -1]


class LastOfAllInOneDirection(Tagger):
    def pool(self, y: Any, lengths: Any) -> Any:
        return torch.cat([y[torch.arange(len(y)), lengths - 1, :H], y[:, -1, H:]], -1)


class OneStepTooFar(Tagger):
    def pool(self, y: Any, lengths: Any) -> Any:
        return y[torch.arange(len(y)), lengths.clamp(max=y.shape[1] - 1)]


class AdditiveMask(Attention):
    def weights(self, scores: Any, mask: Any) -> Any:
        return torch.softmax(scores + ~mask[:, None] * -1e4, -1)


class NoMask(Attention):
    def weights(self, scores: Any, mask: Any) -> Any:
        return torch.softmax(scores, -1)


class ScoresTimesMask(Attention):
    def weights(self, scores: Any, mask: Any) -> Any:
        return torch.softmax(scores * mask[:, None], -1)


class MaskOfQueries(Attention):
    def weights(self, scores: Any, mask: Any) -> Any:
        return torch.softmax(scores.masked_fill(~mask[:, :, None], -1e9), -1)


class MaskAfterSoftmax(Attention):
    def weights(self, scores: Any, mask: Any) -> Any:
        return torch.softmax(scores, -1) * mask[:, None]


class PositionsOfColumns(Encoder):
    def places(self, position_ids: Any) -> Any:
        return torch.arange(position_ids.shape[1]).expand_as(position_ids)


class CausalMaskOnly(Encoder):
    def drop(self, attention_mask: Any) -> Any:
        return torch.zeros_like(attention_mask, dtype=torch.bool)


class InvertedMask(Encoder):
    def drop(self, attention_mask: Any) -> Any:
        return attention_mask.bool() & (attention_mask.sum(1, keepdim=True) < attention_mask.shape[1])


class SeesOtherDocuments(Decoder):
    def sees(self, segments: Any, block_mask: Any) -> Any:
        return ((segments > 0)[:, None] & (segments > 0)[:, :, None]).tril()


class RunningPositions(Decoder):
    def places(self, positions: Any) -> Any:
        return torch.arange(positions.shape[1]).expand_as(positions)


class FlippedWithPadding(nn.Module):  # type: ignore[misc, name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.forwards, self.backwards = nn.GRU(7, H, batch_first=True), nn.GRU(7, H, batch_first=True)
        self.out = nn.Linear(2 * H, C)

    def forward(self, x: Any, mask: Any) -> Any:
        return self.out(torch.cat([self.forwards(x)[0], self.backwards(x.flip(1))[0].flip(1)], -1))


class UnmaskedPooling(AttentionPooling):
    def weights(self, scores: Any, mask: Any) -> Any:
        return torch.softmax(scores, 1)


class Rolled(nn.Module):  # type: ignore[misc, name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(14, C)

    def forward(self, x: Any, mask: Any) -> Any:
        return self.out(torch.cat([x, x.roll(1, 1)], -1))


class Remembers(nn.Module):  # type: ignore[misc, name-defined]
    """Keeps its state from one batch to the next."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.out, self.state = nn.GRU(7, H, batch_first=True), nn.Linear(H, C), None

    def forward(self, x: Any, lengths: Any) -> Any:
        fits = self.state is not None and self.state.shape[1] == len(x)
        y, state = self.rnn(x, self.state if fits else None)
        self.state = state.detach()
        return self.out(y)


class AlwaysDrops(nn.Module):  # type: ignore[misc, name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(7, C)

    def forward(self, x: Any, mask: Any) -> Any:
        return self.out(F.dropout(x, 0.5))


class OneBoundary(Flat):
    def parts(self, boundaries: Any) -> list[slice]:
        return [slice(0, int(boundaries[-1]))]


class EqualNames(MeanOfAll):
    """Outputs with one name in two places, of which one is right."""

    def forward(self, tokens: Any, lengths: Any) -> Any:
        y = self.encode(tokens, lengths)
        return {"pooled": {"hidden": self.out(self.pool(y, lengths))}, "steps": {"hidden": self.out(y)}}


def mean_of_rows(logits: Any, batch: Any) -> Any:
    loss = F.cross_entropy(logits.transpose(1, 2), batch.target, ignore_index=-100, reduction="none")
    mask = batch.target != -100
    return ((loss * mask).sum(1) / mask.sum(1)).mean()


def with_padding(logits: Any, batch: Any) -> Any:
    return F.cross_entropy(logits.flatten(0, 1), batch.target.clamp(min=0).flatten())


def divided_by_all_steps(logits: Any, batch: Any) -> Any:
    loss = F.cross_entropy(logits.flatten(0, 1), batch.target.flatten(), ignore_index=-100, reduction="sum")
    return loss / batch.target.numel()


class Bad(NamedTuple):
    """A model with a mistake: the contract that fails first, and the layer at or before which it shows."""

    make: Callable[[], Any]
    inputs: Any
    breaks: str
    layer: str
    options: dict[str, Any] = {}  # noqa: RUF012 - it is not written to


FILL, LONGER, ALONE = "ignores_padding", "ignores_extra_padding", "independent_of_batchmates"
LEFT, PACKED = {"layouts": ["left"]}, {"layouts": ["packed"]}
BAD = {
    "convolutions read padding": Bad(UnmaskedConvolutions, FEATURES, FILL, "first"),
    "the second convolution reads padding": Bad(MaskOfTheInputOnly, FEATURES, LONGER, "second"),
    "BatchNorm reads padding": Bad(
        lambda: Normalised(nn.BatchNorm1d(H, track_running_stats=False)), FEATURES, FILL, "norm"
    ),
    "GroupNorm reads padding": Bad(lambda: Normalised(nn.GroupNorm(3, H)), FEATURES, FILL, "norm"),
    "InstanceNorm reads padding": Bad(lambda: Normalised(nn.InstanceNorm1d(H)), FEATURES, FILL, "norm"),
    "a normalisation in code reads padding": Bad(lambda: StandardisedSteps(None), FEATURES, FILL, "out"),
    "lengths never arrive": Bad(Unpacked, TOKENS, FILL, "rnn"),
    "the mean is over T": Bad(MeanOfAll, TOKENS, LONGER, "out"),
    "the maximum is over zeros": Bad(LargestOfAll, TOKENS, LONGER, "out"),
    "[:, -1]": Bad(LastOfAll, TOKENS, LONGER, "out"),
    "[:, -1] of one direction": Bad(LastOfAllInOneDirection, TOKENS, LONGER, "out"),
    "[lengths]": Bad(OneStepTooFar, TOKENS, LONGER, "out"),
    "a mask of -1e4": Bad(AdditiveMask, FEATURES, FILL, "out"),
    "no mask": Bad(NoMask, FEATURES, FILL, "out"),
    "scores times mask": Bad(ScoresTimesMask, FEATURES, LONGER, "out"),
    "a mask of queries": Bad(MaskOfQueries, FEATURES, FILL, "out"),
    "a mask after the softmax": Bad(MaskAfterSoftmax, FEATURES, FILL, "out"),
    "positions are not shifted": Bad(PositionsOfColumns, TOKENS, "same_on_either_side", "place", LEFT),
    "a causal mask only": Bad(
        lambda: CausalMaskOnly(causal=True), TOKENS, "same_on_either_side", "layers.layers.0.self_attn", LEFT
    ),
    "an inverted mask": Bad(InvertedMask, TOKENS, FILL, "layers.layers.0.self_attn"),
    "documents see each other": Bad(SeesOtherDocuments, TOKENS, "same_when_packed", "attention", PACKED),
    "positions run on": Bad(RunningPositions, TOKENS, "same_when_packed", "place", PACKED),
    "a flip with the padding": Bad(FlippedWithPadding, FEATURES, FILL, "backwards"),
    "pooling without a mask": Bad(UnmaskedPooling, FEATURES, LONGER, "out"),
    "a roll of steps": Bad(Rolled, FEATURES, FILL, "out"),
    "a state is kept": Bad(Remembers, FEATURES, "repeatable", "rnn"),
    "dropout in inference": Bad(AlwaysDrops, FEATURES, "repeatable", "out"),
    "the first of two outputs": Bad(EqualNames, TOKENS, LONGER, "out"),
    "boundaries are not read": Bad(OneBoundary, FEATURES, ALONE, "out", {"call": flat, "layouts": ["packed"]}),
    "a loss averaged over rows": Bad(Tagger, TAGS, ALONE, "", {"loss": mean_of_rows}),
    "a loss of padding": Bad(Tagger, TAGS, LONGER, "", {"loss": with_padding}),
    "a loss divided by B T": Bad(Tagger, TAGS, LONGER, "", {"loss": divided_by_all_steps}),
}
