"""Compute the attention of a decoder in PyTorch, by a layer and by `scaled_dot_product_attention`.

With a causal mask, padding on the left has no step before it: all of its keys are masked, a softmax divides 0 by 0, and
the NaN reaches every gradient. So padding attends to itself here, where it is 0, and its output is dropped.
A mask of the layer has the axes (B · heads, T, T), of the function (B, 1, T, T); it means the opposite there. See
https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html.
"""

from functools import cache

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

from parity.pytorch import attention, runtime


def self_attention(x, lengths, w_in, bias_in, w_out, bias_out, *, heads, left=False, variant="layer"):
    """Compute causal multi-head attention: each step attends to itself and the steps before it.

    Args:
        x: (B, T, H). lengths: (B,).
        w_in, bias_in: (H, 3, H), (2, H), for queries, keys and values, head by head; keys need no bias.
        w_out, bias_out: (H, H), (H,).
        heads: number of heads, which divides H.
        left: whether padding precedes each sequence.
        variant: "layer" or "scaled_dot_product".

    Returns:
        y: (B, T, H), zero on padding.

    >>> w_in, zero = torch.tensor([[[0.0], [0.0], [1.0]]]), torch.zeros(2, 1)
    >>> x = torch.tensor([[[2.0], [0.0], [9.0]]])
    >>> y = self_attention(x, torch.tensor([2]), w_in, zero, torch.ones(1, 1), torch.zeros(1), heads=1)["y"]
    >>> y.flatten()
    tensor([2., 1., 0.])
    """
    real = runtime.valid(lengths, x.shape[1], left)
    x, seen = runtime.only_real(real, x), causal(real)
    if runtime.pick(("layer", "scaled_dot_product"), variant) == "layer":
        weights = attention.torch_layout(w_in, bias_in, w_out, bias_out)
        mask = ~seen.repeat_interleave(heads, 0)  # (B · heads, T, T), the heads of a sequence side by side
        layer = attention.built(x.shape[2], heads, x.dtype)
        y, _ = functional_call(layer, weights, (x, x, x), {"attn_mask": mask})
    else:
        q, k, v = (split(x @ part, heads) for part in w_in.unbind(1))
        b_q, b_v = (split(part[None, None], heads) for part in bias_in)
        heard = F.scaled_dot_product_attention(q + b_q, k, v + b_v, attn_mask=seen[:, None])
        y = joined(heard) @ w_out + bias_out
    return {"y": runtime.only_real(real, y)}


def causal(real):  # (B, T) -> (B, T, T)
    """Return True where a query may attend to a key: a real one that is not later, or itself."""
    steps = real.shape[1]
    earlier = torch.ones(steps, steps, dtype=torch.bool, device=real.device).tril()
    return (earlier & real[:, None]) | torch.eye(steps, dtype=torch.bool, device=real.device)


def cross_attention(
    x, lengths, memory, memory_lengths, w_query, w_memory, bias_in, w_out, bias_out, *, heads, variant="layer"
):
    """Compute multi-head attention of the steps of x to the steps of a memory, such as an encoder's output.

    Args:
        x: (B, T, H), for queries. lengths: (B,).
        memory: (B, S, D), for keys and values. memory_lengths: (B,).
        w_query, w_memory: (H, H), (D, 2, H), head by head.
        bias_in: (2, H), for queries and values.
        w_out, bias_out: (H, H), (H,).
        heads: number of heads, which divides H.
        variant: "layer" or "scaled_dot_product", which returns no weights.

    Returns:
        y: (B, T, H), zero on padding, and for a sequence whose memory is empty.
        weights: (B, T, S), averaged over heads, zero on padding of either kind.

    >>> one, steps = torch.ones(1, 1), torch.ones(1, 1, 1)
    >>> memory, two = torch.tensor([[[2.0], [2.0], [9.0]]]), torch.ones(1, 2, 1)
    >>> given = memory, torch.tensor([2]), one, two, torch.zeros(2, 1), one, torch.zeros(1)
    >>> cross_attention(steps, torch.tensor([1]), *given, heads=1)["weights"]
    tensor([[[0.5000, 0.5000, 0.0000]]])
    """
    found = runtime.valid(memory_lengths, memory.shape[1])  # (B, S)
    seen = runtime.valid(memory_lengths.clamp(min=1), memory.shape[1])  # an empty memory is one step of zeros
    real = runtime.valid(lengths, x.shape[1]) & found.any(1, keepdim=True)
    x, memory = runtime.only_real(real, x), runtime.only_real(found, memory)
    if runtime.pick(("layer", "scaled_dot_product"), variant) == "layer":
        weights = cross_layout(w_query, w_memory, bias_in, w_out, bias_out)
        layer = built(x.shape[2], memory.shape[2], heads, x.dtype)
        y, shares = functional_call(layer, weights, (x, memory, memory), {"key_padding_mask": ~seen})
        return {"y": runtime.only_real(real, y), "weights": runtime.only_real(real, shares)}
    q, k = split(x @ w_query + bias_in[0], heads), split(memory @ w_memory[:, 0], heads)
    v = split(memory @ w_memory[:, 1] + bias_in[1], heads)
    heard = F.scaled_dot_product_attention(q, k, v, attn_mask=seen[:, None, None])
    return {"y": runtime.only_real(real, joined(heard) @ w_out + bias_out)}


def cross_layout(w_query, w_memory, bias_in, w_out, bias_out):  # (H, H)  (D, 2, H)  (2, H)  (H, H)  (H,)
    """Return the weights as `torch.nn.MultiheadAttention` names them: apart, unless D = H."""
    q, v = bias_in
    parts = [w_query.T, w_memory[:, 0].T, w_memory[:, 1].T]
    names = [f"{part}_proj_weight" for part in "qkv"]
    kernels = {"in_proj_weight": torch.cat(parts)} if len(w_memory) == len(w_query) else dict(zip(names, parts))
    return kernels | {
        "in_proj_bias": torch.cat([q, torch.zeros_like(q), v]),
        "out_proj.weight": w_out.T,
        "out_proj.bias": bias_out,
    }


@cache
def built(hidden, features, heads, dtype):
    """Build an empty layer once, for a memory of another width; its weights are passed in at every call."""
    options = {"batch_first": True, "device": "meta", "dtype": dtype}
    return nn.MultiheadAttention(hidden, heads, kdim=features, vdim=features, **options)


def split(projection, heads):  # (B, T, H) -> (B, heads, T, H / heads)
    return projection.unflatten(2, (heads, -1)).transpose(1, 2)


def joined(heard):  # (B, heads, T, H / heads) -> (B, T, H)
    return heard.transpose(1, 2).flatten(2)
