"""More models in PyTorch that keep the contracts about padding, of the kinds that speech and language models have."""

from __future__ import annotations

import dataclasses
import math
from collections import OrderedDict
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

V, D, H, C = 50, 16, 12, 3


def real(x: Any, lengths: Any) -> Any:
    return torch.arange(x.shape[1]) < lengths[:, None]


class Projected(nn.Module):
    """A packed LSTM whose states are projected, as in RNN-T encoders."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.out = nn.LSTM(7, H, proj_size=8, batch_first=True, bidirectional=True), nn.Linear(16, C)

    def forward(self, x: Any, lengths: Any) -> Any:
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return self.out(pad_packed_sequence(self.rnn(packed)[0], batch_first=True, total_length=x.shape[1])[0])


class MaskedCell(nn.Module):
    """A cell in a loop that keeps its state on padding, wherever that is."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.out = nn.GRUCell(7, H), nn.Linear(H, C)

    def forward(self, x: Any, mask: Any) -> Any:
        state, states = x.new_zeros(len(x), H), []
        for step in range(x.shape[1]):
            state = torch.where(mask[:, step, None], self.cell(x[:, step], state), state)
            states.append(state)
        return self.out(torch.stack(states, 1)), state


class ReversedByLengths(nn.Module):
    """Two GRUs, one of which reads each sequence backwards within its length."""

    def __init__(self) -> None:
        super().__init__()
        self.forwards, self.backwards = nn.GRU(7, H, batch_first=True), nn.GRU(7, H, batch_first=True)
        self.out = nn.Linear(2 * H, C)

    def flip(self, x: Any, lengths: Any) -> Any:
        step = torch.arange(x.shape[1]).expand(len(x), -1)
        at = torch.where(step < lengths[:, None], lengths[:, None] - 1 - step, step)
        return x.gather(1, at[..., None].expand_as(x))

    def forward(self, x: Any, lengths: Any) -> Any:
        backwards = self.flip(self.backwards(self.flip(x, lengths))[0], lengths)
        return self.out(torch.cat([self.forwards(x)[0], backwards], -1))


class Causal(nn.Module):
    """Dilated convolutions that see earlier steps only, with residuals."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(7, H)
        self.convolutions = nn.ModuleList(nn.Conv1d(H, H, 3, dilation=2**n) for n in range(3))
        self.out = nn.Linear(H, C)

    def padded(self, y: Any, n: int) -> Any:
        return F.pad(y, (2 * 2**n, 0))

    def forward(self, x: Any, lengths: Any) -> Any:
        y = self.first(x).transpose(1, 2)
        for n, convolution in enumerate(self.convolutions):
            y = y + torch.tanh(convolution(self.padded(y, n)))
        return self.out(y.transpose(1, 2))


class CausalByCutting(Causal):
    """Convolutions that are padded on both sides, and cut to the first steps."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv1d(H, H, 3, dilation=2**n, padding=2 * 2**n) for n in range(3))

    def forward(self, x: Any, lengths: Any) -> Any:
        y = self.first(x).transpose(1, 2)
        for convolution in self.convolutions:
            y = y + torch.tanh(convolution(y)[..., : x.shape[1]])
        return self.out(y.transpose(1, 2))


class Dilated(nn.Module):
    """A residual stack of gated, dilated, depthwise convolutions with a mask before each."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.out = nn.Linear(7, H), nn.Linear(H, C)
        self.blocks = nn.ModuleList(nn.Conv1d(H, 2 * H, 3, dilation=2**n, padding=2**n, groups=H) for n in range(3))
        self.norms = nn.ModuleList(nn.LayerNorm(H) for _ in range(3))

    def masked(self, y: Any, mask: Any, n: int) -> Any:
        return y.masked_fill(~mask[..., None], 0)

    def forward(self, x: Any, mask: Any) -> Any:
        y = self.first(x)
        for n, (block, norm) in enumerate(zip(self.blocks, self.norms, strict=True)):
            y = y + F.glu(block(self.masked(norm(y), mask, n).transpose(1, 2)), 1).transpose(1, 2)
        return self.out(y)


class Translator(nn.Module):
    """A transformer decoder that looks at a memory, with the masks of both."""

    def __init__(self, norm_first: bool = False) -> None:
        super().__init__()
        self.memory, self.embed = nn.Linear(7, D), nn.Embedding(V, D, padding_idx=0)
        layer = nn.TransformerDecoderLayer(D, 2, 24, batch_first=True, norm_first=norm_first)
        self.decoder, self.out = nn.TransformerDecoder(layer, 2), nn.Linear(D, V)

    def forward(self, tokens: Any, x: Any, drop: Any) -> Any:
        later = torch.ones(tokens.shape[1], tokens.shape[1], dtype=torch.bool).triu(1)
        return self.out(self.decoded(self.embed(tokens), self.memory(x), later, drop))

    def decoded(self, y: Any, memory: Any, later: Any, drop: Any) -> Any:
        return self.decoder(
            y, memory, tgt_mask=later, tgt_is_causal=True, tgt_key_padding_mask=drop, memory_key_padding_mask=drop
        )


class Rotary(nn.Module):
    """A causal block with rotary positions and several documents in a row, as in LLaMA."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.norm = nn.Embedding(V, D), nn.RMSNorm(D)
        self.q, self.k, self.v, self.o = (nn.Linear(D, D, bias=False) for _ in range(4))
        self.gate, self.up, self.down = nn.Linear(D, 24), nn.Linear(D, 24), nn.Linear(24, D)
        self.register_buffer("frequencies", 10_000.0 ** (-torch.arange(0, 8, 2) / 8), persistent=False)

    def places(self, positions: Any) -> Any:
        return positions

    def turned(self, x: Any, positions: Any) -> Any:
        angle = positions[:, None, :, None] * self.frequencies
        one, other = x.chunk(2, -1)
        return torch.cat([one * angle.cos() - other * angle.sin(), one * angle.sin() + other * angle.cos()], -1)

    def sees(self, segment_ids: Any) -> Any:
        return segment_ids[:, :, None] == segment_ids[:, None, :]

    def forward(self, input_ids: Any, position_ids: Any, segment_ids: Any) -> Any:
        x = self.embed(input_ids)
        heads = [part(self.norm(x)).unflatten(-1, (2, 8)).transpose(1, 2) for part in (self.q, self.k, self.v)]
        at = self.places(position_ids)
        sees = self.sees(segment_ids).tril()[:, None]
        y = F.scaled_dot_product_attention(self.turned(heads[0], at), self.turned(heads[1], at), heads[2], sees)
        x = x + self.o(y.transpose(1, 2).flatten(2))
        x = x + self.down(F.silu(self.gate(x)) * self.up(x))
        return x @ self.embed.weight.T


class Linear(nn.Module):
    """Linear attention, whose sums over keys leave padding out."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v, self.out = nn.Linear(7, 8), nn.Linear(7, 8), nn.Linear(7, 8), nn.Linear(8, C)

    def kept(self, k: Any, mask: Any) -> Any:
        return k * mask[..., None]

    def forward(self, x: Any, mask: Any) -> Any:
        real = x.masked_fill(~mask[..., None], 0)  # of padding, a query may be 0, and its quotient NaN
        q, k = F.elu(self.q(real)) + 1, self.kept(F.elu(self.k(x)) + 1, mask)
        sums = torch.einsum("btk,btv->bkv", k, self.v(real))
        return self.out(torch.einsum("btk,bkv->btv", q, sums) / (q @ k.sum(1)[..., None]))


class Statistics(nn.Module):
    """The mean and deviation over real steps, as in speaker recognition."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.out = nn.Linear(7, H), nn.Linear(2 * H, C)

    def moments(self, y: Any, mask: Any) -> Any:
        count = mask.sum(1, keepdim=True)
        mean = (y * mask[..., None]).sum(1) / count
        deviation = ((y - mean[:, None]).square() * mask[..., None]).sum(1) / count
        return mean, (deviation + 1e-5).sqrt()

    def forward(self, x: Any, mask: Any) -> Any:
        y = F.gelu(self.first(x)).masked_fill(~mask[..., None], 0)
        return self.out(torch.cat(self.moments(y, mask), -1))


class Query(nn.Module):
    """A learnt query that attends to all real steps."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.first = nn.Parameter(torch.randn(2, D)), nn.Linear(7, D)
        self.attention, self.norm = nn.MultiheadAttention(D, 2, batch_first=True), nn.LayerNorm(D)

    def ignored(self, drop: Any) -> Any:
        return drop

    def forward(self, x: Any, drop: Any) -> Any:
        y = self.first(x)
        pooled, weights = self.attention(self.query.expand(len(x), -1, -1), y, y, key_padding_mask=self.ignored(drop))
        return {"pooled": self.norm(pooled), "weights": weights}


class Excited(nn.Module):
    """A gate for each channel, from the mean over real steps."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.gate, self.out = nn.Linear(7, H), nn.Linear(H, H), nn.Linear(H, C)

    def mean(self, y: Any, mask: Any) -> Any:
        return (y * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)

    def forward(self, x: Any, mask: Any) -> Any:
        y = torch.relu(self.first(x))
        return self.out(y * torch.sigmoid(self.gate(self.mean(y, mask)))[:, None])


class Conformer(nn.Module):
    """Half a feed-forward layer, attention, and a convolution with a mask."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.feed = (
            nn.Linear(7, D),
            nn.Sequential(nn.LayerNorm(D), nn.Linear(D, 32), nn.SiLU(), nn.Linear(32, D)),
        )
        self.norms = nn.ModuleList(nn.LayerNorm(D) for _ in range(3))
        self.attention, self.wide = nn.MultiheadAttention(D, 4, batch_first=True), nn.Linear(D, 2 * D)
        self.depthwise, self.norm = nn.Conv1d(D, D, 5, padding=2, groups=D), nn.BatchNorm1d(D)
        self.point, self.out = nn.Linear(D, D), nn.Linear(D, C)

    def masked(self, y: Any, drop: Any) -> Any:
        return y.masked_fill(drop[..., None], 0)

    def forward(self, x: Any, padding_mask: Any) -> Any:
        drop = ~padding_mask
        y = self.first(x)
        y = y + self.feed(y) / 2
        h = self.norms[0](y)
        y = y + self.attention(h, h, h, key_padding_mask=drop, need_weights=False)[0]
        h = self.masked(F.glu(self.wide(self.norms[1](y)), -1), drop)
        y = y + self.point(F.silu(self.norm(self.depthwise(h.transpose(1, 2)))).transpose(1, 2))
        return self.out(self.norms[2](y))


class Convolved(nn.Module):
    """An acoustic model with two strides, and as many steps as are left of each sequence."""

    def __init__(self, reach: int = 0) -> None:
        super().__init__()
        self.first, self.second = nn.Conv1d(7, H, 3, stride=2, padding=1), nn.Conv1d(H, H, 3, stride=2, padding=1)
        self.out = nn.Linear(H, C + 1)

    def masked(self, y: Any, lengths: Any) -> Any:
        return y.masked_fill(~(torch.arange(y.shape[2]) < lengths[:, None])[:, None], 0)

    def forward(self, x: Any, lengths: Any) -> Any:
        y = torch.relu(self.first(self.masked(x.transpose(1, 2), lengths)))
        lengths = (lengths - 1) // 2 + 1
        y = torch.relu(self.second(self.masked(y, lengths)))
        lengths = (lengths - 1) // 2 + 1
        return F.log_softmax(self.out(y.transpose(1, 2)), -1), lengths


@dataclasses.dataclass
class TokenOutput(OrderedDict):
    """A result like those of `transformers`: a dict and a dataclass at once."""

    logits: Any = None
    hidden_states: Any = None

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if getattr(self, field.name) is not None:
                self[field.name] = getattr(self, field.name)


class Bert(nn.Module):
    """Attention with an additive mask of the smallest number, and results like those of `transformers`."""

    def __init__(self) -> None:
        super().__init__()
        self.embeddings, self.query, self.key = nn.Embedding(V, D, padding_idx=0), nn.Linear(D, D), nn.Linear(D, D)
        self.value, self.dense, self.norm = nn.Linear(D, D), nn.Linear(D, D), nn.LayerNorm(D, eps=1e-12)
        self.dropout, self.classifier = nn.Dropout(0.1), nn.Linear(D, C)

    def extended(self, attention_mask: Any, dtype: Any) -> Any:
        return (1.0 - attention_mask[:, None, None, :].to(dtype)) * torch.finfo(dtype).min

    def forward(self, input_ids: Any = None, attention_mask: Any = None, output_attentions: Any = None) -> Any:
        x = self.embeddings(input_ids)
        q, k, v = (part(x).unflatten(-1, (2, 8)).transpose(1, 2) for part in (self.query, self.key, self.value))
        scores = q @ k.transpose(-1, -2) / math.sqrt(8) + self.extended(attention_mask, x.dtype)
        y = (self.dropout(scores.softmax(-1)) @ v).transpose(1, 2).flatten(2)
        x = self.norm(x + self.dense(y))
        return TokenOutput(logits=self.classifier(x), hidden_states=(y, x))


class FieldOfTags(nn.Module):
    """The negative log-likelihood of a linear-chain CRF, for each sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.emit, self.moves = nn.Linear(7, C), nn.Parameter(torch.randn(C, C) / 4)

    def partition(self, scores: Any, mask: Any) -> Any:
        alpha = scores[:, 0]
        for step in range(1, scores.shape[1]):
            after = torch.logsumexp(alpha[:, :, None] + self.moves, 1) + scores[:, step]
            alpha = torch.where(mask[:, step, None], after, alpha)
        return alpha.logsumexp(-1)

    def forward(self, x: Any, mask: Any, target: Any) -> Any:
        scores, tags = self.emit(x), target.clamp(min=0)
        own = (scores.gather(2, tags[..., None])[..., 0] * mask).sum(1)
        moved = (self.moves[tags[:, :-1], tags[:, 1:]] * mask[:, 1:]).sum(1)
        return self.partition(scores, mask) - own - moved


class Recurrence(nn.Module):
    """A diagonal linear recurrence with gates, as in state-space models; documents restart it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.decay, self.out = nn.Linear(7, H), nn.Linear(7, H), nn.Linear(H, C)

    def restarts(self, positions: Any) -> Any:
        return positions == 0

    def forward(self, x: Any, positions: Any, mask: Any) -> Any:
        inputs, decay = self.first(x), torch.sigmoid(self.decay(x))
        decay = decay.masked_fill(self.restarts(positions)[..., None], 0)
        state, states = torch.zeros_like(inputs[:, 0]), []
        for step in range(x.shape[1]):
            after = decay[:, step] * state + (1 - decay[:, step]) * inputs[:, step]
            state = torch.where(mask[:, step, None], after, state)
            states.append(state)
        return self.out(torch.stack(states, 1))
