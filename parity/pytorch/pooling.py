"""Pool over time in PyTorch: one vector for each sequence, zero for an empty one.

PyTorch's pooling layers take no mask. Padding is replaced by zeros first, by a selection and not a product. To avoid a
division of 0 by 0, an empty sequence gets one step of such zeros (`never_empty`).
"""

import torch
import torch.nn.functional as F

from parity.pytorch import runtime


def last_relevant(x, lengths, initial=None, *, left=False, variant="gather"):  # (B, T, H)  (B,)  (B, H)
    """Return the last real step of each sequence, where ``x[:, -1]`` would be padding if that is on the right.

    Args:
        initial: result for an empty sequence; zeros if None.
        left: whether padding precedes each sequence.
        variant: "gather" or "indexed".

    Returns:
        y: (B, H).

    >>> last_relevant(torch.tensor([[[1.0], [2.0], [9.0]]]), torch.tensor([2]))["y"]
    tensor([[2.]])
    """
    last_of_all = torch.full_like(lengths, x.shape[1] - 1)
    index = last_of_all if left else (lengths - 1).clamp(min=0)  # -1 would be the last step of all, and padding
    if runtime.pick(("gather", "indexed"), variant) == "indexed":
        last = x[torch.arange(len(x), device=x.device), index]
    else:
        last = x.gather(1, index[:, None, None].expand(-1, 1, x.shape[2]))[:, 0]
    initial = torch.zeros_like(last) if initial is None else initial
    return {"y": torch.where(lengths[:, None] > 0, last, initial)}


def first_relevant(x, lengths, *, left=False, variant="gather"):  # (B, T, H)  (B,)
    """Return the first real step of each sequence, where ``x[:, 0]`` would be padding if that is on the left.

    Args:
        left: whether padding precedes each sequence.

    Returns:
        y: (B, H), zero for an empty sequence.

    >>> first_relevant(torch.tensor([[[9.0], [1.0], [2.0]]]), torch.tensor([2]), left=True)["y"]
    tensor([[1.]])
    """
    padding = (x.shape[1] - lengths).clamp(max=x.shape[1] - 1)  # T would be behind the last step
    index = padding if left else torch.zeros_like(lengths)
    first = x.gather(1, index[:, None, None].expand(-1, 1, x.shape[2]))[:, 0]
    return {"y": torch.where(lengths[:, None] > 0, first, 0)}


def mean(x, lengths, *, left=False, variant="masked_sum"):  # (B, T, D)  (B,)
    """Average each sequence over its real steps, not over T; padding precedes them if ``left``.

    Returns:
        y: (B, D).

    >>> mean(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([2]))["y"]
    tensor([[2.]])
    """
    return {"y": only_real(x, lengths, left).sum(1) / lengths[:, None].clamp(min=1)}


def sum(x, lengths, *, left=False, variant="masked"):  # noqa: A001  # (B, T, D)  (B,)
    """Sum each sequence over its real steps.

    Args:
        variant: "masked", or "segments": the real steps of all sequences in one row, each added to its own sum.

    Returns:
        y: (B, D).
    """
    if runtime.pick(("masked", "segments"), variant) == "masked":
        return {"y": only_real(x, lengths, left).sum(1)}
    real = runtime.valid(lengths, x.shape[1], left)
    sequence = real.nonzero()[:, 0]  # the sequence of each real step
    return {"y": x.new_zeros(len(x), x.shape[2]).index_add(0, sequence, x[real])}


def max(x, lengths, *, left=False, variant="masked"):  # noqa: A001  # (B, T, D)  (B,)
    """Return each feature's maximum over the real steps of each sequence.

    `torch.amax` shares the gradient among equal maxima, as TensorFlow does; `torch.max` gives it to one of them.

    Returns:
        y: (B, D).
    """
    counted = never_empty(lengths, x.shape[1], left)[:, :, None]  # the maximum of an empty sequence is its one zero
    return {"y": only_real(x, lengths, left).masked_fill(~counted, -torch.inf).amax(1)}


def attention(x, lengths, query, *, left=False, variant="softmax"):  # (B, T, D)  (B,)  (D,)
    """Average the real steps, weighted by ``softmax(x · query)`` with a learned query.

    Args:
        variant: "softmax", or "scaled_dot_product" for the fused kernel, which does not return the weights.

    Returns:
        weights: (B, T), zero on padding; y: (B, D).

    >>> attention(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([2]), torch.zeros(1))["weights"]
    tensor([[0.5000, 0.5000, 0.0000]])
    """
    counted = never_empty(lengths, x.shape[1], left)  # if all is masked, softmax gives NaN
    x = only_real(x, lengths, left)
    if runtime.pick(("softmax", "scaled_dot_product"), variant) == "scaled_dot_product":
        queries = query.expand(len(x), 1, -1)  # (B, 1, D)
        y = F.scaled_dot_product_attention(queries, x, x, attn_mask=counted[:, None], scale=1.0)
        return {"y": y[:, 0]}
    weights = (x @ query).masked_fill(~counted, -torch.inf).softmax(1)
    weights = torch.where(runtime.valid(lengths, x.shape[1], left), weights, 0)
    return {"weights": weights, "y": (weights[:, None] @ x)[:, 0]}


def only_real(x, lengths, left=False):  # (B, T, D)  (B,)
    """Return the values on real steps, and 0 on padding."""
    return runtime.only_real(runtime.valid(lengths, x.shape[1], left), x)


def never_empty(lengths, steps, left=False):  # (B,), T -> (B, T)
    """Return True on real steps, and on one step of an empty sequence."""
    return runtime.valid(lengths.clamp(min=1), steps, left)
