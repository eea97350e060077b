"""Whole models on real data: every piece above, one after another. What is on the way comes out too.

A label of a whole sequence is learned as if the sequence were one step long, and an empty one had none: its logits
are 0, and it does not count in the mean.
"""

import autograd.numpy as np

from parity.reference import bidirectional, embedding, pooling, rnn, runtime
from parity.reference.loss import binary_cross_entropy, cross_entropy


def text_classifier(
    tokens, lengths, speaker, table, w_in, w_rec, bias, w_out, b_out, *, cell="gru", padding_index=0
):  # (B, T)  (B,)  (B,)  (V, D)  ...  (H, C)  (C,)
    """Who says this? Embedding, GRU or LSTM, its last relevant state, linear layer, cross entropy over sequences.

    Returns:
        embedded: (B, T, D); states: (B, T, H); last: (B, H); logits: (B, C); loss: ().
    """
    embedded = embedding.lookup(tokens, lengths, table, padding_index=padding_index)["y"]
    run = {"gru": rnn.gru, "lstm": rnn.lstm}[cell](embedded, lengths, w_in, w_rec, bias)
    last = run["h"][..., -1, :, :]
    logits = decisions(last, lengths, w_out, b_out)
    loss = cross_entropy(logits[..., None, :], speaker[:, None], np.minimum(lengths, 1))
    return {"embedded": embedded, "states": run["y"], "last": last, "logits": logits, **loss}


def tagger(tokens, lengths, targets, table, w_in, w_rec, bias, w_out, b_out, *, padding_index=0):
    """Who says this word? Embedding, bidirectional LSTM, linear layer and cross entropy at every real step.

    Returns:
        embedded: (B, T, D); states: (B, T, 2H); logits: (B, T, C), zero on padding; loss: ().
    """
    embedded = embedding.lookup(tokens, lengths, table, padding_index=padding_index)["y"]
    states = bidirectional.lstm(embedded, lengths, w_in, w_rec, bias)["y"]
    rows = [linear(row, w_out, b_out) for row in runtime.sequences(states, lengths)]
    logits = runtime.padded(rows, np.zeros((*states.shape[:-1], w_out.shape[-1])))
    loss = cross_entropy(logits, targets, lengths)
    return {"embedded": embedded, "states": states, "logits": logits, **loss}


def sentiment(tokens, lengths, leads, table, w_in, w_rec, bias, w_out, b_out, *, padding_index=0):
    """Is it the lead who says this? Embedding, bidirectional LSTM, mean over real steps, linear layer, binary loss.

    Returns:
        embedded: (B, T, D); states: (B, T, 2H); pooled: (B, 2H); logits: (B, 1); loss: ().
    """
    embedded = embedding.lookup(tokens, lengths, table, padding_index=padding_index)["y"]
    states = bidirectional.lstm(embedded, lengths, w_in, w_rec, bias)["y"]
    pooled = pooling.mean(states, lengths)["y"]
    logits = decisions(pooled, lengths, w_out, b_out)
    loss = binary_cross_entropy(logits[..., None, :], leads[..., None, :], np.minimum(lengths, 1))
    return {"embedded": embedded, "states": states, "pooled": pooled, "logits": logits, **loss}


def vowel_speaker(x, lengths, speaker, w_in, w_rec, bias, w_out, b_out):  # (B, T, D)  (B,)  (B,)  ...
    """Who speaks? LSTM on the frames, its last relevant state, linear layer, cross entropy over sequences.

    Returns:
        states: (B, T, H); last: (B, H); logits: (B, C); loss: ().
    """
    run = rnn.lstm(x, lengths, w_in, w_rec, bias)
    last = run["h"][..., -1, :, :]
    logits = decisions(last, lengths, w_out, b_out)
    loss = cross_entropy(logits[..., None, :], speaker[:, None], np.minimum(lengths, 1))
    return {"states": run["y"], "last": last, "logits": logits, **loss}


def linear(x, weight, bias):  # (n, H)  (H, C)  (C,) -> (n, C)
    return np.einsum("...nh,...hc->...nc", x, weight) + bias[..., None, :]


def decisions(summary, lengths, weight, bias):  # (B, H)  (B,)  (H, C)  (C,) -> (B, C)
    """Logits for each sequence; 0 for an empty one."""
    return np.where(np.asarray(lengths)[:, None] > 0, linear(summary, weight, bias), 0)
