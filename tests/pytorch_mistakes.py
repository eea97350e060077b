"""Models in PyTorch with one mistake each that is often made about padding."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from tests import pytorch_blocks as blocks
from tests.model_tables import Bad
from tests.pytorch_models import (
    BOTH,
    FEATURES,
    FRAMES,
    TAGS,
    TOKENS,
    TRANSCRIPTS,
    Attention,
    AttentionPooling,
    C,
    Convolutions,
    Decoder,
    Encoder,
    Flat,
    H,
    Tagger,
    cross_entropy,
    flat,
    likelihood,
)


class UnmaskedConvolutions(Convolutions):
    def masked(self, y: Any, mask: Any) -> Any:
        return y


class MaskOfTheInputOnly(Convolutions):
    def masked(self, y: Any, mask: Any) -> Any:
        return y if y.shape[1] == H else super().masked(y, mask)


class Normalised(nn.Module):
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


class FlippedWithPadding(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.forwards, self.backwards = nn.GRU(7, H, batch_first=True), nn.GRU(7, H, batch_first=True)
        self.out = nn.Linear(2 * H, C)

    def forward(self, x: Any, mask: Any) -> Any:
        return self.out(torch.cat([self.forwards(x)[0], self.backwards(x.flip(1))[0].flip(1)], -1))


class UnmaskedPooling(AttentionPooling):
    def weights(self, scores: Any, mask: Any) -> Any:
        return torch.softmax(scores, 1)


class Rolled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(14, C)

    def forward(self, x: Any, mask: Any) -> Any:
        return self.out(torch.cat([x, x.roll(1, 1)], -1))


class Remembers(nn.Module):
    """Keeps its state from one batch to the next."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.out, self.state = nn.GRU(7, H, batch_first=True), nn.Linear(H, C), None

    def forward(self, x: Any, lengths: Any) -> Any:
        fits = self.state is not None and self.state.shape[1] == len(x)
        y, state = self.rnn(x, self.state if fits else None)
        self.state = state.detach()
        return self.out(y)


class AlwaysDrops(nn.Module):
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


# Mistakes in the models of `tests.pytorch_blocks`.


class SeesTheNextStep(blocks.Causal):
    def padded(self, y: Any, n: int) -> Any:
        return F.pad(y, (2**n, 2**n))


class MaskOfTheFirstOnly(blocks.Dilated):
    def masked(self, y: Any, mask: Any, n: int) -> Any:
        return y if n else super().masked(y, mask, n)


class MemoryWithoutMask(blocks.Translator):
    def decoded(self, y: Any, memory: Any, later: Any, drop: Any) -> Any:
        return self.decoder(y, memory, tgt_mask=later, tgt_is_causal=True, tgt_key_padding_mask=drop)


class RotaryOfAllDocuments(blocks.Rotary):
    def sees(self, segment_ids: Any) -> Any:
        return (segment_ids > 0)[:, None, :].expand(-1, segment_ids.shape[1], -1) | torch.eye(
            segment_ids.shape[1], dtype=torch.bool
        )


class KeysWithoutMask(blocks.Linear):
    def kept(self, k: Any, mask: Any) -> Any:
        return k


class StatisticsOfAll(blocks.Statistics):
    def moments(self, y: Any, mask: Any) -> Any:
        return y.mean(1), (y.var(1, correction=0) + 1e-5).sqrt()


class DeviationOfAll(blocks.Statistics):
    def moments(self, y: Any, mask: Any) -> Any:
        mean, _ = super().moments(y, mask)
        return mean, ((y - mean[:, None]).square().mean(1) + 1e-5).sqrt()


class QueriesSeeAll(blocks.Query):
    def ignored(self, drop: Any) -> Any:
        return None


class QueriesOfTheFirstRow(blocks.Query):
    def ignored(self, drop: Any) -> Any:
        return drop[drop.sum(1).argmin()].expand_as(drop)


class ExcitedByAll(blocks.Excited):
    def mean(self, y: Any, mask: Any) -> Any:
        return y.mean(1)


class ConvolvedPadding(blocks.Conformer):
    def masked(self, y: Any, drop: Any) -> Any:
        return y


class StridesReadPadding(blocks.Convolved):
    def masked(self, y: Any, lengths: Any) -> Any:
        return y if y.shape[1] == H else super().masked(y, lengths)


class OnesForMask(blocks.Bert):
    def extended(self, attention_mask: Any, dtype: Any) -> Any:
        return attention_mask[:, None, None, :].to(dtype)


class SmallMask(blocks.Bert):
    def extended(self, attention_mask: Any, dtype: Any) -> Any:
        return (1.0 - attention_mask[:, None, None, :].to(dtype)) * -5.0


class PartitionOfAll(blocks.FieldOfTags):
    def partition(self, scores: Any, mask: Any) -> Any:
        return super().partition(scores, torch.ones_like(mask))


class GoesOn(blocks.Recurrence):
    def restarts(self, positions: Any) -> Any:
        return torch.zeros_like(positions, dtype=torch.bool)


class SumsFromTheEnd(blocks.Linear):
    """A sum from the end of a row, padding included."""

    def forward(self, x: Any, mask: Any) -> Any:
        return self.out(self.v(x).flip(1).cumsum(1).flip(1) / 9)


class Head(nn.Module):
    """Some function of steps between two layers."""

    def __init__(self, change: Callable[..., Any]) -> None:
        super().__init__()
        self.first, self.out, self.change = nn.Linear(7, H), nn.Linear(H, C), change

    def forward(self, x: Any, mask: Any) -> Any:
        return self.out(self.change(self.first(x), mask))


class Sorted(nn.Module):
    """Rows are sorted to be packed, and not sorted back."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.out = nn.GRU(7, H, batch_first=True), nn.Linear(H, C)

    def forward(self, x: Any, lengths: Any) -> Any:
        order = lengths.argsort(descending=True, stable=True)
        packed = nn.utils.rnn.pack_padded_sequence(x[order], lengths[order], batch_first=True)
        return self.out(self.back(self.rnn(packed)[1][-1], order))

    def back(self, state: Any, order: Any) -> Any:
        return state


class SortedTwice(Sorted):
    def back(self, state: Any, order: Any) -> Any:
        return state[order]


class LengthsOnlySorted(Sorted):
    def forward(self, x: Any, lengths: Any) -> Any:
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths.sort(descending=True).values, batch_first=True)
        return self.out(self.rnn(packed)[1][-1])


class LastState(Sorted):
    def forward(self, x: Any, lengths: Any) -> Any:
        return self.out(self.rnn(x)[1][-1])


class StepBefore(nn.Module):
    """Reads the step before each, which is padding where that is on the left: it is missed as long as that is 0."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(14, C)

    def forward(self, x: Any, mask: Any) -> Any:
        return self.out(torch.cat([x, F.pad(x[:, :-1], (0, 0, 1, 0))], 2)) * mask[:, :, None]


class RandomState(Sorted):
    def forward(self, x: Any, lengths: Any) -> Any:
        return self.out(self.rnn(x, torch.randn(1, len(x), H))[0])


class StepsForRows(Sorted):
    """A layer whose first axis is that of steps gets rows first."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(7, H)

    def forward(self, x: Any, lengths: Any) -> Any:
        return self.out(self.rnn(x)[0])


class CachedMask(Attention):
    """Keeps the mask of the first batch of a size."""

    def __init__(self) -> None:
        super().__init__()
        self.cache: dict[Any, Any] = {}

    def weights(self, scores: Any, mask: Any) -> Any:
        return super().weights(scores, self.cache.setdefault(mask.shape, mask.clone()))


class WritesToItsInput(Attention):
    def forward(self, x: Any, mask: Any) -> Any:
        return super().forward(x.masked_fill_(~mask[..., None], 0), mask)


class MaskOfOtherHeads(Encoder):
    """Four masks for each head where four heads of each mask are expected."""

    def forward(self, input_ids: Any, attention_mask: Any, position_ids: Any) -> Any:
        block = (attention_mask.bool()[:, None, :] | torch.eye(input_ids.shape[1], dtype=torch.bool)).repeat(4, 1, 1)
        x = self.embed(input_ids) + self.place(position_ids)
        return self.out(self.layers(x, mask=~block))


def standardised(y: Any, mask: Any) -> Any:
    return (y - y.mean()) / y.std()


def shares_of_the_row(y: Any, mask: Any) -> Any:
    return y * (torch.arange(y.shape[1]) / y.shape[1])[:, None]


def input_lengths_of_all(output: Any, batch: Any) -> Any:
    log_probs = F.log_softmax(output, -1).transpose(0, 1)
    lengths = torch.full_like(batch.lengths, len(log_probs))
    return F.ctc_loss(log_probs, batch.target, lengths, batch.lengths // 2, reduction="sum")


def smoothed(logits: Any, batch: Any) -> Any:
    log_probs = F.log_softmax(logits, -1)
    return mean_with_padding(log_probs) + cross_entropy(logits, batch)


def mean_with_padding(log_probs: Any) -> Any:
    return -0.1 * log_probs.mean()


CHANGES: dict[str, tuple[Any, str]] = {
    "steps are mixed with rows": (
        lambda y, mask: y.reshape(y.shape[1], -1, H).transpose(0, 1).reshape(y.shape),
        "ignores_padding",
    ),
    "a softmax over rows": (lambda y, mask: torch.softmax(y, 0), "ignores_padding"),
    "a softmax over steps": (lambda y, mask: torch.softmax(y, 1), "ignores_padding"),
    "all numbers are standardised": (standardised, "ignores_padding"),
    "positions as shares of T": (shares_of_the_row, "ignores_extra_padding"),
    "LayerNorm over steps": (lambda y, mask: F.layer_norm(y, y.shape[1:]), "ignores_padding"),
    "a Fourier transform of steps": (lambda y, mask: torch.fft.fft(y, dim=1).real, "ignores_padding"),
    "adaptive pooling": (lambda y, mask: F.adaptive_avg_pool1d(y.mT, 2).mT.flatten(1)[:, :H], "ignores_padding"),
    "the mean of all rows": (
        lambda y, mask: y - (y * mask[..., None]).sum((0, 1)) / mask.sum(),
        "independent_of_batchmates",
    ),
    "max pooling of neighbours": (lambda y, mask: F.max_pool1d(y.mT, 3, 1, 1).mT, "ignores_padding"),
    "the next step is read": (lambda y, mask: F.pad(y[:, 1:], (0, 0, 0, 1)), "ignores_padding"),
    "masked with the mask of the first row": (lambda y, mask: y * mask[:1, :, None], "follows_permutation"),
}


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
    "the step before the first": Bad(StepBefore, FEATURES, "same_on_either_side", "out", LEFT),
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
    "the next step is seen": Bad(SeesTheNextStep, FEATURES, FILL, "convolutions.0"),
    "a mask before the first convolution only": Bad(MaskOfTheFirstOnly, FEATURES, FILL, "blocks.1"),
    "a memory without a mask": Bad(MemoryWithoutMask, BOTH, FILL, "decoder.layers.0.multihead_attn"),
    "rotary documents see each other": Bad(RotaryOfAllDocuments, TOKENS, "same_when_packed", "o", PACKED),
    "keys without a mask": Bad(KeysWithoutMask, FEATURES, FILL, "out"),
    "statistics of all steps": Bad(StatisticsOfAll, FEATURES, LONGER, "out"),
    "the deviation of all steps": Bad(DeviationOfAll, FEATURES, LONGER, "out"),
    "learnt queries see padding": Bad(QueriesSeeAll, FEATURES, FILL, "attention"),
    "learnt queries have one mask": Bad(QueriesOfTheFirstRow, FEATURES, FILL, "attention"),
    "excited by padding": Bad(ExcitedByAll, FEATURES, FILL, "gate"),
    "a conformer convolves padding": Bad(ConvolvedPadding, FEATURES, FILL, "depthwise"),
    "strides read padding": Bad(StridesReadPadding, FEATURES, ALONE, "second"),
    "a mask is added": Bad(OnesForMask, TOKENS, FILL, "dropout"),
    "a mask of -5": Bad(SmallMask, TOKENS, FILL, "dropout"),
    "a partition of padding": Bad(
        PartitionOfAll, FRAMES, FILL, "", {"loss": likelihood, "call": lambda m, b: m(b.x, b.mask, b.target)}
    ),
    "states go on": Bad(GoesOn, FEATURES, "same_when_packed", "out", PACKED),
    "a sum from the end": Bad(SumsFromTheEnd, FEATURES, FILL, "out"),
    "rows stay sorted": Bad(Sorted, FEATURES, ALONE, "rnn"),
    "rows are sorted twice": Bad(SortedTwice, FEATURES, "follows_permutation", "rnn"),
    "only lengths are sorted": Bad(LengthsOnlySorted, FEATURES, FILL, "rnn"),
    "the state after padding": Bad(LastState, FEATURES, FILL, "rnn"),
    "a random state": Bad(RandomState, FEATURES, "repeatable", "rnn"),
    "steps for rows": Bad(StepsForRows, FEATURES, FILL, "rnn"),
    "the mask of another batch": Bad(CachedMask, FEATURES, "follows_permutation", "out"),
    "an input is written to": Bad(WritesToItsInput, FEATURES, "keeps_inputs", ""),
    "masks of other heads": Bad(MaskOfOtherHeads, TOKENS, FILL, "layers.layers.0.self_attn"),
    "CTC of padding": Bad(blocks.Projected, TRANSCRIPTS, LONGER, "", {"loss": input_lengths_of_all}),
    "labels are smoothed on padding": Bad(Tagger, TAGS, LONGER, "", {"loss": smoothed}),
    **{name: Bad(partial(Head, change), FEATURES, breaks, "out") for name, (change, breaks) in CHANGES.items()},
}
