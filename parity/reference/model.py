"""Whole models on real data: every piece above, one after another."""

import autograd.numpy as np

from parity.reference import embedding, native, rnn
from parity.reference.loss import cross_entropy


def speech_tagger(tokens, lengths, targets, table, w_in, w_rec, bias, w_out, b_out, *, padding_index=0):
    """Who says this word? Embedding, LSTM, linear layer, cross entropy over real steps.

    Returns:
        logits: (B, T, C), zero on padding; loss: ().
    """
    x = embedding.lookup(tokens, lengths, table, padding_index=padding_index)["y"]
    return vowel_tagger(x, lengths, targets, w_in, w_rec, bias, w_out, b_out)


def vowel_tagger(x, lengths, targets, w_in, w_rec, bias, w_out, b_out):
    """Who speaks this frame? LSTM, linear layer, cross entropy over real steps.

    Returns:
        logits: (B, T, C), zero on padding; loss: ().
    """
    y = rnn.lstm(x, lengths, w_in, w_rec, bias)["y"]
    rows = [np.einsum("...nh,...hc->...nc", row, w_out) + b_out[..., None, :] for row in native.sequences(y, lengths)]
    logits = native.padded(rows, np.zeros((*y.shape[:-1], w_out.shape[-1])))
    return {"logits": logits, **cross_entropy(logits, targets, lengths)}
