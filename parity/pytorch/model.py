"""Whole models on real data in PyTorch: every piece beside this file, one after another."""

import torch

from parity.pytorch import embedding, native, rnn
from parity.pytorch.loss import cross_entropy


def speech_tagger(
    tokens, lengths, targets, table, w_in, w_rec, bias, w_out, b_out, *, padding_index=0, variant="packed"
):
    """Who says this word? Embedding, LSTM, linear layer, cross entropy over real steps.

    Returns:
        logits: (B, T, C), zero on padding; loss: ().
    """
    x = embedding.lookup(tokens, lengths, table, padding_index=padding_index)["y"]
    return vowel_tagger(x, lengths, targets, w_in, w_rec, bias, w_out, b_out, variant=variant)


def vowel_tagger(x, lengths, targets, w_in, w_rec, bias, w_out, b_out, *, variant="packed"):
    """Who speaks this frame? LSTM, linear layer, cross entropy over real steps.

    Args:
        variant: how the LSTM runs; see `parity.pytorch.rnn.lstm`.

    Returns:
        logits: (B, T, C), zero on padding (the bias fills it, so it is masked again); loss: ().
    """
    y = rnn.lstm(x, lengths, w_in, w_rec, bias, variant=variant)["y"]
    real = native.valid(lengths, x.shape[1])[:, :, None]
    logits = torch.where(real, y @ w_out + b_out, 0)
    return {"logits": logits, **cross_entropy(logits, targets, lengths)}
