"""Compute on packed rows, which hold several documents, in PyTorch.

`torch.nn.utils.rnn.pack_sequence` packs otherwise: there each sequence remains one, and nothing runs on from one into
the next. Here a row is one sequence to whatever does not know the documents: a layer's state, window or attention
crosses from one to the next unless it is kept from that. So rows are cut into documents, or ``segments`` is compared.
``cu_seqlens`` of kernels such as flash attention is where each document begins among the real steps of all rows, and
the number of these behind it. Two ways are missing, since a CPU cannot train with them: attention of jagged nested
tensors takes no causal mask there (https://docs.pytorch.org/docs/stable/nested.html), and FlexAttention has no backward
pass (https://docs.pytorch.org/docs/stable/nn.attention.flex_attention.html).
"""

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call
from torch.nn.utils.rnn import pack_sequence, pad_sequence, unpack_sequence

from parity.pytorch import attention, runtime
from parity.pytorch import rnn as one_way
from parity.pytorch.decoder import joined, split


def positions(x, lengths, segments, *, variant="cummax"):  # (B, T, D)  (B,)  (B, T)
    """Count the steps of each document, each from 0 on.

    Args:
        variant: "cummax" (the latest start before each step), or "cu_seqlens" (of the real steps of all rows).

    Returns:
        positions: (B, T), zero on padding.
        document_lengths: (B, T), the length of the document of each step, zero on padding.

    >>> positions(torch.zeros(1, 4, 1), torch.tensor([3]), torch.tensor([[7, 7, 2, 2]]))["positions"]
    tensor([[0, 1, 0, 0]])
    """
    real = runtime.valid(lengths, x.shape[1])
    if runtime.pick(("cummax", "cu_seqlens"), variant) == "cu_seqlens":
        ends = cu_seqlens(segments, real)  # (N + 1,)
        sizes = ends.diff()
        within = torch.arange(int(ends[-1]), device=x.device) - ends[:-1].repeat_interleave(sizes)
        return {"positions": placed(within, real), "document_lengths": placed(sizes.repeat_interleave(sizes), real)}
    first, steps = starts(segments, real), torch.arange(x.shape[1], device=x.device)
    begun = torch.where(first, steps, 0).cummax(1).values
    return {"positions": torch.where(real, steps - begun, 0), "document_lengths": document_lengths(segments, real)}


def self_attention(x, lengths, segments, w_in, bias_in, w_out, bias_out, *, heads, causal=True, variant="layer"):
    """Compute multi-head attention among the steps of each document.

    Args:
        x: (B, T, H). lengths: (B,). segments: (B, T), an id for the document of each step.
        w_in, bias_in: (H, 3, H), (2, H), for queries, keys and values, head by head; keys need no bias.
        w_out, bias_out: (H, H), (H,).
        heads: number of heads, which divides H.
        causal: whether a step attends only to itself and the steps before it.
        variant: "layer" or "scaled_dot_product".

    Returns:
        y: (B, T, H), zero on padding.

    >>> w_in, zero = torch.tensor([[[0.0], [0.0], [1.0]]]), torch.zeros(2, 1)
    >>> x, segments = torch.tensor([[[2.0], [0.0], [9.0], [5.0]]]), torch.tensor([[7, 7, 2, 2]])
    >>> given = torch.tensor([3]), segments, w_in, zero, torch.ones(1, 1), torch.zeros(1)
    >>> self_attention(x, *given, heads=1)["y"].flatten()
    tensor([2., 1., 9., 0.])
    """
    real = runtime.valid(lengths, x.shape[1])
    x = runtime.only_real(real, x)
    mask = seen(segments, real, causal)
    if runtime.pick(("layer", "scaled_dot_product"), variant) == "layer":
        weights = attention.torch_layout(w_in, bias_in, w_out, bias_out)
        layer, ignored = attention.built(x.shape[2], heads, x.dtype), ~mask.repeat_interleave(heads, 0)
        y, _ = functional_call(layer, weights, (x, x, x), {"attn_mask": ignored})  # (B · heads, T, T)
    else:
        q, k, v = (split(x @ part, heads) for part in w_in.unbind(1))
        b_q, b_v = (split(part[None, None], heads) for part in bias_in)
        y = joined(F.scaled_dot_product_attention(q + b_q, k, v + b_v, attn_mask=mask[:, None])) @ w_out + bias_out
    return {"y": runtime.only_real(real, y)}


def seen(segments, real, causal):  # (B, T)  (B, T) -> (B, T, T)
    """Return True where a query may attend to a key: one of its document, or itself, so that padding has one too."""
    steps = real.shape[1]
    every = torch.ones(steps, steps, dtype=torch.bool, device=real.device)
    same = (segments[:, :, None] == segments[:, None]) & real[:, None]
    return (same & every.tril() if causal else same) | torch.eye(steps, dtype=torch.bool, device=real.device)


def gru(x, lengths, segments, w_in, w_rec, bias, start=None, *, variant="unpacked"):
    """Run a GRU over each document alone.

    Args:
        x: (B, T, D). lengths: (B,). segments: (B, T), an id for the document of each step.
        w_in, w_rec, bias: tuples of (D, 3, H), (H, 3, H), (4, H), one for each layer.
        start: (L, H), the state of each layer before the first step of any document; zeros by default.
        variant: "unpacked" (documents are sequences), or "stepwise" (a cell, whose state is reset).

    Returns:
        y: (B, T, H), the last layer's state at every step, zero on padding.

    >>> one, zero = [torch.ones(1, 3, 1)], [torch.zeros(4, 1)]
    >>> y = gru(torch.ones(1, 3, 1), torch.tensor([3]), torch.tensor([[1, 1, 0]]), one, one, zero)["y"]
    >>> y.flatten()
    tensor([0.2048, 0.3468, 0.2048])
    """
    weights = [one_way.torch_layout(*layer) for layer in zip(w_in, w_rec, bias)]
    real = runtime.valid(lengths, x.shape[1])
    start = x.new_zeros(len(weights), one_way.width(weights)) if start is None else start
    return {"y": runtime.pick({"unpacked": unpacked, "stepwise": stepwise}, variant)(x, segments, real, weights, start)}


def unpacked(x, segments, real, weights, start):
    """Run a layer on the documents as sequences, and put their states where they were."""
    documents = cut(x, segments, real)
    if not documents:
        return x.new_zeros(*x.shape[:2], start.shape[1])
    layer = one_way.module(nn.GRU, x.shape[2], start.shape[1], len(weights), x.dtype)
    stacked = {f"{name}_l{k}": tensor for k, named in enumerate(weights) for name, tensor in named.items()}
    initial = start[:, None].expand(-1, len(documents), -1)  # (L, N, H)
    y, _ = one_way.run(layer, stacked, pack_sequence(documents, enforce_sorted=False), [initial])
    return placed(torch.cat(unpack_sequence(y)), real)


def stepwise(x, segments, real, weights, start):
    """Run a cell step by step; its state is reset where a document begins."""
    first, y = starts(segments, real), runtime.only_real(real, x)
    for layer, named in enumerate(weights):
        cell = one_way.module(nn.GRUCell, y.shape[2], start.shape[1], None, x.dtype)
        state, states = start[layer].expand(len(x), -1), []
        for t in range(x.shape[1]):
            state = torch.where(first[:, t, None], start[layer], state)
            state = functional_call(cell, named, (y[:, t], state))
            states.append(state)
        y = runtime.only_real(real, torch.stack(states, 1))
    return y


def convolution(x, lengths, segments, kernel, bias, *, causal=False, variant="unpacked"):
    """Convolve each document alone, with zeros before and behind it.

    Args:
        x: (B, T, D). lengths: (B,). segments: (B, T), an id for the document of each step.
        kernel, bias: (K, D, H), (H,).
        causal: whether a step sees no later one.
        variant: "unpacked" (documents are rows), or "windows" (what is of another document is 0 in each).

    Returns:
        y: (B, T, H), zero on padding.

    >>> x, segments = torch.tensor([[[1.0], [2.0], [4.0], [8.0]]]), torch.tensor([[7, 7, 2, 2]])
    >>> convolution(x, torch.tensor([3]), segments, torch.ones(3, 1, 1), torch.zeros(1))["y"].flatten()
    tensor([3., 3., 4., 0.])
    """
    size, real = len(kernel), runtime.valid(lengths, x.shape[1])
    before = size - 1 if causal else (size - 1) // 2
    margins = before, size - 1 - before
    if runtime.pick(("unpacked", "windows"), variant) == "windows":
        values = F.pad(runtime.only_real(real, x).mT, margins).unfold(2, size, 1)  # (B, D, T, K)
        ids = F.pad(segments, margins, value=-1).unfold(1, size, 1)  # (B, T, K)
        values = torch.where((ids == segments[:, :, None])[:, None], values, 0)
        return {"y": runtime.only_real(real, torch.einsum("bdtk,kdh->bth", values, kernel) + bias)}
    documents = cut(x, segments, real)
    if not documents:
        return {"y": x.new_zeros(*x.shape[:2], len(bias))}
    rows = F.pad(pad_sequence(documents, batch_first=True).mT, margins)  # (N, D, L + K - 1)
    y = F.conv1d(rows, kernel.permute(2, 1, 0), bias).mT
    sizes = torch.tensor([len(document) for document in documents], device=x.device)
    return {"y": placed(y[runtime.valid(sizes, y.shape[1])], real)}


def next_token_loss(logits, lengths, segments, tokens, *, per_document=False, variant="ignore_index"):
    """Average the cross entropy of the next token, which the last step of a document does not have.

    Args:
        logits: (B, T, C). lengths: (B,). segments, tokens: (B, T).
        per_document: whether to average over each document, then over all that have two steps or more.
        variant: "ignore_index", or "flattened" (steps with a target selected).

    Returns:
        loss: ().

    >>> logits = torch.tensor([[[0.0, 0.0], [0.0, 90.0], [0.0, 0.0]]])  # log 2 for the first step
    >>> next_token_loss(logits, torch.tensor([3]), torch.tensor([[7, 7, 2]]), torch.tensor([[1, 0, 0]]))["loss"]
    tensor(0.6931)
    """
    real = runtime.valid(lengths, tokens.shape[1])
    first = starts(segments, real)
    followed = F.pad((real & ~first)[:, 1:], (0, 1))  # (B, T)
    following = tokens.roll(-1, 1)
    if runtime.pick(("ignore_index", "flattened"), variant) == "flattened":
        losses = F.cross_entropy(logits[followed], following[followed], reduction="none")  # (n,)
    else:
        targets = torch.where(followed, following, -100)
        losses = F.cross_entropy(runtime.only_real(followed, logits).mT, targets, reduction="none")[followed]
    if not per_document:
        return {"loss": losses.sum() / followed.sum().clamp(min=1)}
    counts = document_lengths(segments, real) - 1  # targets of the document of each step
    documents = (first & (counts > 0)).sum()
    return {"loss": (losses / counts[followed]).sum() / documents.clamp(min=1)}


def starts(segments, real):  # (B, T)  (B, T) -> (B, T)
    """Return True on the first step of each document."""
    before = F.pad(segments[:, :-1], (1, 0), value=-1)
    return real & (segments != before)


def document_lengths(segments, real):  # (B, T)  (B, T) -> (B, T)
    """Return the length of the document of each step, zero on padding."""
    number = (starts(segments, real).cumsum(1) - 1).clamp(min=0)  # of its document in the row
    counts = torch.zeros_like(number).scatter_add(1, number, real.long())
    return torch.where(real, counts.gather(1, number), 0)


def cu_seqlens(segments, real):  # (B, T)  (B, T) -> (N + 1,)
    """Return where each document begins among the real steps of all rows, and the number of these."""
    begins = starts(segments, real)[real].nonzero().squeeze(1)
    return F.pad(begins, (0, 1), value=int(real.sum()))


def cut(x, segments, real):  # (B, T, D)  (B, T)  (B, T) -> N tensors (n, D)
    """Return the documents of all rows, one behind the other."""
    sizes = cu_seqlens(segments, real).diff().tolist()
    return list(x[real].split(sizes)) if sizes else []


def placed(steps, real):  # (n, ...)  (B, T) -> (B, T, ...)
    """Put the results of all real steps where these are, and zeros elsewhere."""
    y = steps.new_zeros(*real.shape, *steps.shape[1:])
    y[real] = steps
    return y
