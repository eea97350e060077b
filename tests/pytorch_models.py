"""Models in PyTorch that keep the contracts about padding."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest

import parity

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional

from tests import pytorch_blocks as blocks  # noqa: E402
from tests.model_tables import ANYWHERE, Good  # noqa: E402
from tests.pytorch_blocks import C, D, H, V, real  # noqa: E402

FEW = parity.lengths(batch=4, longest=7)  # a check takes half as long as with lengths up to 11
TOKENS = parity.inputs(tokens=parity.tokens(V), lengths=FEW)
FEATURES = parity.inputs(x=parity.features(7), lengths=FEW)
TAGS = parity.inputs(tokens=parity.tokens(V), target=parity.tokens(C, padding=-100), lengths=FEW)
NEXT = parity.inputs(tokens=parity.tokens(V), target=parity.tokens(V, padding=-100), lengths=FEW)
BOTH = parity.inputs(tokens=parity.tokens(V), x=parity.features(7), lengths=FEW)
TRANSCRIPTS = parity.inputs(x=parity.features(7), target=parity.tokens(C, padding=0), lengths=FEW)
LABELLED = parity.inputs(x=parity.features(7), label=parity.labels(C), lengths=FEW)
FRAMES = parity.inputs(x=parity.features(7), target=parity.tokens(C, padding=-100), lengths=FEW)


class Tagger(nn.Module):
    """Two packed recurrent layers in both directions, and a label for each step."""

    kind = nn.LSTM
    total = True

    def __init__(self, bidirectional: bool = True) -> None:
        super().__init__()
        self.embed = nn.Embedding(V, D, padding_idx=0)
        self.rnn = self.kind(D, H, num_layers=2, batch_first=True, bidirectional=bidirectional)
        self.out = nn.Linear(H * (1 + bidirectional), C)

    def encode(self, tokens: Any, lengths: Any) -> Any:
        packed = nn.utils.rnn.pack_padded_sequence(
            self.embed(tokens), lengths.cpu(), batch_first=True, enforce_sorted=False
        )
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


class Convolutions(nn.Module):
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


class Encoder(nn.Module):
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


class Attention(nn.Module):
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


class AttentionPooling(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.score, self.out = nn.GRU(7, H, batch_first=True), nn.Linear(H, 1), nn.Linear(H, C)

    def weights(self, scores: Any, mask: Any) -> Any:
        return torch.softmax(scores.masked_fill(~mask, -1e9), 1)

    def forward(self, x: Any, lengths: Any) -> Any:
        mask = real(x, lengths)
        y = torch.where(mask[..., None], self.rnn(x)[0], 0)
        return self.out((self.weights(self.score(y)[..., 0], mask)[..., None] * y).sum(1))


class TimeMajor(nn.Module):
    """A packed LSTM whose first axis is that of steps; it returns its last states too."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.out = nn.LSTM(7, H), nn.Linear(H, C)

    def forward(self, x: Any, lengths: Any) -> Any:
        packed = nn.utils.rnn.pack_padded_sequence(x.transpose(0, 1), lengths, enforce_sorted=False)
        y, states = self.rnn(packed)
        return self.out(nn.utils.rnn.pad_packed_sequence(y, total_length=x.shape[1])[0]), states


class Decoder(nn.Module):
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


class Flat(nn.Module):
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


class Elementwise(nn.Module):
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


class Classes(nn.Module):
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


class Lazy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.out = nn.LazyLinear(C)

    def forward(self, x: Any, mask: Any) -> Any:
        return self.out(x)


def cross_entropy(logits: Any, batch: Any) -> Any:
    return F.cross_entropy(logits.flatten(0, 1), batch.target.flatten(), ignore_index=-100)


def connectionist(output: Any, batch: Any) -> Any:
    """Return the CTC loss of half as many labels as there are steps."""
    log_probs = F.log_softmax(output, -1).transpose(0, 1)
    return F.ctc_loss(log_probs, batch.target, batch.lengths, batch.lengths // 2, reduction="sum")


def by_label(logits: Any, batch: Any) -> Any:
    return F.cross_entropy(logits, batch.label)


def mean_of_real(logits: Any, batch: Any) -> Any:
    loss = F.cross_entropy(logits.transpose(1, 2), batch.target.clamp(min=0), reduction="none")
    return (loss * batch.mask).sum() / batch.mask.sum()


def likelihood(output: Any, batch: Any) -> Any:
    return output.sum()


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
    "projected states": Good(blocks.Projected, FEATURES),
    "a cell that waits": Good(blocks.MaskedCell, FEATURES, ANYWHERE),
    "reversed by lengths": Good(blocks.ReversedByLengths, FEATURES),
    "causal convolutions": Good(blocks.Causal, FEATURES),
    "causal convolutions by cutting": Good(blocks.CausalByCutting, FEATURES),
    "dilated convolutions": Good(blocks.Dilated, FEATURES),
    "translator, post-norm": Good(blocks.Translator, BOTH),
    "translator, pre-norm": Good(lambda: blocks.Translator(norm_first=True), BOTH),
    "rotary decoder": Good(blocks.Rotary, TOKENS, {"layouts": ["left", "holes", "packed"]}),
    "rotary decoder with a loss": Good(blocks.Rotary, NEXT, {"loss": cross_entropy, "layouts": ["packed"]}),
    "linear attention": Good(blocks.Linear, FEATURES, ANYWHERE),
    "statistics": Good(blocks.Statistics, FEATURES, ANYWHERE),
    "learnt queries": Good(blocks.Query, FEATURES, ANYWHERE),
    "excitation": Good(blocks.Excited, FEATURES, ANYWHERE),
    "conformer": Good(blocks.Conformer, FEATURES),
    "strides": Good(blocks.Convolved, FEATURES),
    "results of transformers": Good(blocks.Bert, TOKENS, ANYWHERE),
    "a field of tags": Good(
        blocks.FieldOfTags, FRAMES, {"loss": likelihood, "call": lambda m, b: m(b.x, b.mask, b.target)}
    ),
    "state space": Good(blocks.Recurrence, FEATURES, {"layouts": ["left", "holes", "packed"]}),
    "CTC": Good(blocks.Projected, TRANSCRIPTS, {"loss": connectionist}),
    "a loss of sequences": Good(blocks.Statistics, LABELLED, {"loss": by_label}),
    "a masked loss of steps": Good(blocks.Dilated, FRAMES, {"loss": mean_of_real}),
}
