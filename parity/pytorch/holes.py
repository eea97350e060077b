"""Compute on the steps that a mask keeps, in PyTorch, as if the others were not there.

The mask (B, T) is 1 where a step counts, 0 on padding and on holes. Neither `pack_padded_sequence` nor nested tensors
can express holes: they take lengths. So a recurrent layer runs step by step, or on sequences whose holes are taken out.
What is skipped is replaced by zeros first, by a selection and not a product.
"""

import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from parity.pytorch import attention, loss, rnn, runtime


def mean(x, lengths, mask, *, variant="masked_sum"):  # (B, T, D)  (B,)  (B, T)
    """Average each sequence over the steps that its mask keeps.

    Returns:
        y: (B, D), zero if it keeps none.

    >>> mean(torch.tensor([[[1.0], [9.0], [3.0]]]), torch.tensor([3]), torch.tensor([[1, 0, 1]]))["y"]
    tensor([[2.]])
    """
    return {"y": runtime.only_real(mask > 0, x).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)}


def max(x, lengths, mask, *, variant="masked"):  # noqa: A001  # (B, T, D)  (B,)  (B, T)
    """Return each feature's maximum over the steps that the mask keeps.

    Returns:
        y: (B, D), zero if it keeps none.
    """
    highest = torch.where(mask[:, :, None] > 0, x, -torch.inf).amax(1)
    return {"y": torch.where(mask.any(1, keepdim=True), highest, 0)}


def last(x, lengths, mask, *, variant="gather"):  # (B, T, D)  (B,)  (B, T)
    """Return the last step that the mask keeps, which the number of those before it does not tell.

    Args:
        variant: "gather", or "indexed", from the end of the reversed mask.

    Returns:
        y: (B, D), zero if it keeps none.
    """
    if runtime.pick(("gather", "indexed"), variant) == "indexed":
        index = x.shape[1] - 1 - mask.flip(1).argmax(1)  # of several maxima, argmax gives the first
        found = x[torch.arange(len(x), device=x.device), index]
    else:
        index = (mask * torch.arange(x.shape[1], device=x.device)).amax(1)
        found = x.gather(1, index[:, None, None].expand(-1, 1, x.shape[2]))[:, 0]
    return {"y": torch.where(mask.any(1, keepdim=True), found, 0)}


def attention_pooling(x, lengths, mask, query, *, variant="softmax"):  # (B, T, D)  (B,)  (B, T)  (D,)
    """Average the steps that the mask keeps, weighted by ``softmax(x · query)`` with a learned query.

    Args:
        variant: "softmax", or "scaled_dot_product" for the fused kernel, which does not return the weights.

    Returns:
        weights: (B, T), zero on padding and holes; y: (B, D), zero if the mask keeps none.
    """
    x = runtime.only_real(mask > 0, x)
    if runtime.pick(("softmax", "scaled_dot_product"), variant) == "scaled_dot_product":
        queries = query.expand(len(x), 1, -1)  # (B, 1, D)
        y = F.scaled_dot_product_attention(queries, x, x, attn_mask=never_empty(mask)[:, None], scale=1.0)
        return {"y": y[:, 0]}
    weights = (x @ query).masked_fill(~never_empty(mask), -torch.inf).softmax(1)
    weights = torch.where(mask > 0, weights, 0)
    return {"weights": weights, "y": (weights[:, None] @ x)[:, 0]}


def softmax(scores, lengths, mask, *, variant="masked_fill"):  # (B, T)  (B,)  (B, T)
    """Normalise scores by a softmax over the steps that the mask keeps.

    Returns:
        weights: (B, T), zero on padding and holes.

    >>> softmax(torch.tensor([[1.0, 9.0, 1.0]]), torch.tensor([3]), torch.tensor([[1, 0, 1]]))["weights"]
    tensor([[0.5000, 0.0000, 0.5000]])
    """
    weights = scores.masked_fill(mask == 0, -torch.inf).softmax(1)  # NaN if the mask keeps none
    return {"weights": torch.where(mask > 0, weights, 0)}


def self_attention(x, lengths, mask, w_in, bias_in, w_out, bias_out, *, heads, variant="layer"):
    """Compute multi-head attention among the steps that the mask keeps.

    Args:
        x: (B, T, H). lengths: (B,). mask: (B, T).
        w_in, bias_in, w_out, bias_out, heads: as for `parity.pytorch.attention.multi_head_attention`.

    Returns:
        y: (B, T, H), zero on padding and holes.
    """
    x = runtime.only_real(mask > 0, x)
    weights = attention.torch_layout(w_in, bias_in, w_out, bias_out)
    layer, options = attention.built(x.shape[2], heads, x.dtype), {"key_padding_mask": ~never_empty(mask)}
    y, _ = functional_call(layer, weights, (x, x, x), options)
    return {"y": runtime.only_real(mask > 0, y)}


def gru(x, lengths, mask, w_in, w_rec, bias, *, variant="compacted"):
    """Run a GRU over the steps that the mask keeps: at a hole, its state stays.

    Args:
        x: (B, T, D). lengths: (B,). mask: (B, T).
        w_in, w_rec, bias: (D, 3, H), (H, 3, H), (4, H).
        variant: "compacted" (holes moved behind the end, then packed) or "stepwise".

    Returns:
        y: (B, T, H), zero on padding and holes; h: (B, H), the state after the last step that is kept.
    """
    run = runtime.pick({"compacted": compacted, "stepwise": stepwise}, variant)
    y, h = run(x, mask, rnn.torch_layout(w_in, w_rec, bias))
    return {"y": runtime.only_real(mask > 0, y), "h": h}


def compacted(x, mask, weights):  # (B, T, D)  (B, T) -> (B, T, H), (B, H)
    """Move the steps that are kept to the front, pack them, and move the results back."""
    order = (mask == 0).long().argsort(dim=1, stable=True)  # (B, T)
    moved = x.gather(1, order[:, :, None].expand_as(x))
    y, (h,) = rnn.packed(nn.GRU, moved, mask.sum(1), [weights], [None])
    back = order.argsort(dim=1)[:, :, None].expand_as(y)
    return y.gather(1, back), h[0]


def stepwise(x, mask, weights):  # (B, T, D)  (B, T) -> (B, T, H), (B, H)
    """Run a cell step by step, which keeps the state of every sequence that has a hole there."""
    x, hidden = runtime.only_real(mask > 0, x), weights["weight_hh"].shape[1]
    cell = rnn.module(nn.GRUCell, x.shape[2], hidden, None, x.dtype)
    h, ys = x.new_zeros(len(x), hidden), []
    for t in range(x.shape[1]):
        h = torch.where(mask[:, t, None] > 0, functional_call(cell, weights, (x[:, t], h)), h)
        ys.append(h)
    return torch.stack(ys, 1), h


def cross_entropy(logits, targets, lengths, mask, *, variant="ignore_index"):  # (B, T, C)  (B, T)  (B,)  (B, T)
    """Average the cross entropy over all steps that the mask keeps.

    Args:
        variant: "ignore_index" or "weighted" (by the mask).

    Returns:
        loss: (), 0 if it keeps none.
    """
    if runtime.pick(("ignore_index", "weighted"), variant) == "weighted":
        total = loss.by_token(logits, targets, mask > 0).sum()
    else:
        total = loss.summed(logits, targets, mask > 0)
    return {"loss": total / mask.sum().clamp(min=1)}


def mean_squared_error(prediction, target, lengths, mask, *, variant="selected"):
    """Average the squared error over all features of all steps that the mask keeps.

    Args:
        prediction, target: (B, T, D). lengths: (B,). mask: (B, T).
        variant: "selected" or "weighted" (by the mask).

    Returns:
        loss: (), 0 if it keeps none.
    """
    kept = mask > 0
    if runtime.pick(("selected", "weighted"), variant) == "selected":
        total = F.mse_loss(prediction[kept], target[kept], reduction="sum")
    else:
        total = runtime.only_real(kept, prediction - target).square().sum()
    return {"loss": total / (mask.sum() * prediction.shape[2]).clamp(min=1)}


def moments(x, lengths, mask, *, correction=0, variant="masked_sum"):  # (B, T, H)  (B,)  (B, T)
    """Compute mean and variance of each feature over the steps that the mask keeps, such as those that were observed.

    Args:
        correction: the sum of squares is divided by n - correction; its default is 1 in `torch.var`.

    Returns:
        mean, variance: (B, H); 0 if the mask keeps no step, and a variance of 0 if it keeps ``correction`` steps.
    """
    count = mask.sum(1, keepdim=True)
    average = runtime.only_real(mask > 0, x).sum(1) / count.clamp(min=1)
    squares = runtime.only_real(mask > 0, x - average[:, None]).square().sum(1)
    return {"mean": average, "variance": squares / (count - correction).clamp(min=1)}


def never_empty(mask):  # (B, T) -> (B, T)
    """Return True where the mask keeps a step, and on the first step where it keeps none."""
    first = torch.arange(mask.shape[1], device=mask.device) == 0
    return (mask > 0) | (first & ~mask.any(1, keepdim=True))
