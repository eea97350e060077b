"""Whole models on real data in PyTorch: every piece beside this file, one after another.

What is on the way comes out too, in the order of computation. A label of a whole sequence is learned as if the
sequence were one step long, and an empty one had none: its logits are 0, and it does not count in the mean.
"""

import torch

from parity.pytorch import bidirectional, embedding, pooling, rnn, runtime
from parity.pytorch.loss import binary_cross_entropy, cross_entropy


def text_classifier(
    tokens,
    lengths,
    speaker,
    table,
    w_in,
    w_rec,
    bias,
    w_out,
    b_out,
    *,
    cell="gru",
    padding_index=0,
    variant="packed",
):  # (B, T)  (B,)  (B,)  (V, D)  ...  (H, C)  (C,)
    """Who says this? Embedding, GRU or LSTM, its last relevant state, linear layer, cross entropy over sequences.

    Args:
        variant: how the recurrent layer runs; see `parity.pytorch.rnn.lstm`.

    Returns:
        embedded: (B, T, D); states: (B, T, H); last: (B, H); logits: (B, C); loss: ().
    """
    embedded = embedding.lookup(tokens, lengths, table, padding_index=padding_index)["y"]
    run = {"gru": rnn.gru, "lstm": rnn.lstm}[cell](embedded, lengths, w_in, w_rec, bias, variant=variant)
    last = run["h"][-1]
    logits = decisions(last, lengths, w_out, b_out)
    loss = cross_entropy(logits[:, None], speaker[:, None], lengths.clamp(max=1))
    return {"embedded": embedded, "states": run["y"], "last": last, "logits": logits, **loss}


def tagger(
    tokens, lengths, targets, table, w_in, w_rec, bias, w_out, b_out, *, padding_index=0, variant="packed"
):  # (B, T)  (B,)  (B, T)  (V, D)  ...  (2H, C)  (C,)
    """Who says this word? Embedding, bidirectional LSTM, linear layer and cross entropy at every real step.

    Args:
        variant: how the LSTM runs; see `parity.pytorch.bidirectional.lstm`.

    Returns:
        embedded: (B, T, D); states: (B, T, 2H).
        logits: (B, T, C), zero on padding (the bias fills it, so it is masked again); loss: ().
    """
    embedded = embedding.lookup(tokens, lengths, table, padding_index=padding_index)["y"]
    states = bidirectional.lstm(embedded, lengths, w_in, w_rec, bias, variant=variant)["y"]
    real = runtime.valid(lengths, tokens.shape[1])
    logits = runtime.only_real(real, states @ w_out + b_out)
    loss = cross_entropy(logits, targets, lengths)
    return {"embedded": embedded, "states": states, "logits": logits, **loss}


def sentiment(
    tokens, lengths, leads, table, w_in, w_rec, bias, w_out, b_out, *, padding_index=0, variant="packed"
):  # (B, T)  (B,)  (B, 1)  (V, D)  ...  (2H, 1)  (1,)
    """Is it the lead who says this? Embedding, bidirectional LSTM, mean over real steps, linear layer, binary loss.

    Args:
        variant: how the LSTM runs; see `parity.pytorch.bidirectional.lstm`.

    Returns:
        embedded: (B, T, D); states: (B, T, 2H); pooled: (B, 2H); logits: (B, 1); loss: ().
    """
    embedded = embedding.lookup(tokens, lengths, table, padding_index=padding_index)["y"]
    states = bidirectional.lstm(embedded, lengths, w_in, w_rec, bias, variant=variant)["y"]
    pooled = pooling.mean(states, lengths)["y"]
    logits = decisions(pooled, lengths, w_out, b_out)
    loss = binary_cross_entropy(logits[:, None], leads[:, None], lengths.clamp(max=1))
    return {"embedded": embedded, "states": states, "pooled": pooled, "logits": logits, **loss}


def vowel_speaker(
    x, lengths, speaker, w_in, w_rec, bias, w_out, b_out, *, variant="packed"
):  # (B, T, D)  (B,)  (B,)  ...  (H, C)  (C,)
    """Who speaks? LSTM on the frames, its last relevant state, linear layer, cross entropy over sequences.

    Args:
        variant: how the LSTM runs; see `parity.pytorch.rnn.lstm`.

    Returns:
        states: (B, T, H); last: (B, H); logits: (B, C); loss: ().
    """
    run = rnn.lstm(x, lengths, w_in, w_rec, bias, variant=variant)
    last = run["h"][-1]
    logits = decisions(last, lengths, w_out, b_out)
    loss = cross_entropy(logits[:, None], speaker[:, None], lengths.clamp(max=1))
    return {"states": run["y"], "last": last, "logits": logits, **loss}


def decisions(summary, lengths, weight, bias):  # (B, H)  (B,)  (H, C)  (C,) -> (B, C)
    """Logits for each sequence; 0 for an empty one."""
    return torch.where(lengths[:, None] > 0, summary @ weight + bias, 0)
