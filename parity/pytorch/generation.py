"""Compute what a language model computes while it generates, in PyTorch.

The newest step attends to all steps of its sequence that are in the cache, so that no causal mask is needed: with one,
`torch.nn.functional.scaled_dot_product_attention` shows a single query the first key only. What is needed is a mask of
the cache, whose rows are filled to different lengths. See
https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html.
"""

import math

import torch
import torch.nn.functional as F

from parity.pytorch import runtime


def cached_attention(query, lengths, keys, values, new_key, new_value, *, left=False, variant="written"):
    """Attend from the newest step of each sequence to itself and to the steps before it, which are in a cache.

    Args:
        query: (B, A, H), of the newest step, in A heads. lengths: (B,), the steps of each sequence with the newest.
        keys, values: (B, T, K, H), of all earlier steps, in K heads; what is there for the newest step is not read.
        new_key, new_value: (B, K, H), of the newest step.
        left: whether padding precedes each sequence in the cache.
        variant: "written" (into the cache, whose size stays), or "concatenated" (behind it).

    Returns:
        y: (B, A, H), zero for a sequence of length 0, such as a row of the batch that is free.

    >>> zero, cache = torch.zeros(1, 1, 1), torch.tensor([2.0, 5.0, 9.0]).view(1, 3, 1, 1)
    >>> cached_attention(zero, torch.tensor([2]), cache * 0, cache, zero, zero + 4)["y"].flatten()  # of 2 and 4
    tensor([3.])
    """
    steps = keys.shape[1]
    newest = torch.full_like(lengths, steps - 1) if left else (lengths - 1).clamp(min=0)  # (B,)
    is_newest = torch.arange(steps, device=keys.device) == newest[:, None]  # (B, T)
    earlier = runtime.valid(lengths, steps, left) & ~is_newest
    keys, values = (torch.where(earlier[:, :, None, None], cache, 0) for cache in (keys, values))
    if runtime.pick(("written", "concatenated"), variant) == "written":
        place = torch.arange(len(keys), device=keys.device), newest
        keys, values = keys.index_put(place, new_key), values.index_put(place, new_value)
        y = attend(query, keys, values, earlier | is_newest)
    else:
        keys, values = (torch.cat([old, new[:, None]], 1) for old, new in ((keys, new_key), (values, new_value)))
        y = by_softmax(query, keys, values, F.pad(earlier, (0, 1), value=True))
    return {"y": torch.where(lengths[:, None, None] > 0, y, 0)}


def attend(query, keys, values, seen):  # (B, A, H)  (B, S, K, H)  (B, S, K, H)  (B, S) -> (B, A, H)
    """Attend by the fused function, to which heads come before steps."""
    k, v = keys.transpose(1, 2), values.transpose(1, 2)
    return F.scaled_dot_product_attention(query[:, :, None], k, v, seen[:, None, None], enable_gqa=True)[:, :, 0]


def by_softmax(query, keys, values, seen):  # (B, A, H)  (B, S, K, H)  (B, S, K, H)  (B, S) -> (B, A, H)
    """Attend by a softmax, with each head of keys and values once for each head of queries that it serves."""
    group = query.shape[1] // keys.shape[2]
    keys, values = keys.repeat_interleave(group, 2), values.repeat_interleave(group, 2)
    scores = torch.einsum("bah,bsah->bas", query, keys) / math.sqrt(query.shape[2])
    weights = scores.masked_fill(~seen[:, None], -torch.inf).softmax(2)
    return torch.einsum("bas,bsah->bah", weights, values)


def beam_scores(log_probabilities, lengths, *, penalty=1.0, smoothing=0, variant="masked"):  # (B, T)  (B,)
    """Score hypotheses of different lengths: the sum of the log-probabilities of their tokens, over a penalty.

    Args:
        lengths: the tokens that each hypothesis has generated.
        penalty: 0 for the sum, 1 for the mean without smoothing; above 1, longer hypotheses are preferred.
        variant: "masked", or "cumulative": the running sum at the last token, as a search keeps it.

    Returns:
        scores: (B,), 0 for an empty hypothesis.

    >>> beam_scores(torch.tensor([[-1.0, -2.0, -9.0]]), torch.tensor([2]))["scores"]
    tensor([-1.5000])
    """
    real, at_least_one = runtime.valid(lengths, log_probabilities.shape[1]), lengths.clamp(min=1)
    kept = torch.where(real, log_probabilities, 0)
    if runtime.pick(("masked", "cumulative"), variant) == "masked":
        total = kept.sum(1)
    else:
        total = kept.cumsum(1).gather(1, at_least_one[:, None] - 1)[:, 0]
    longer = (smoothing + at_least_one.to(total.dtype)) / (smoothing + 1)
    return {"scores": total / longer**penalty}
