"""Compute whole models on real data in TensorFlow from the operations of the other modules.

Intermediate results are returned too, in the order of computation. The label of a whole sequence is treated as the
label of a single step. An empty sequence has no such step: its logits are 0, and it does not count in the mean.
"""

import tensorflow as tf

from parity.tensorflow import bidirectional, embedding, pooling, rnn, runtime
from parity.tensorflow.loss import binary_cross_entropy, cross_entropy


def text_classifier(
    tokens, lengths, speaker, table, w_in, w_rec, bias, w_out, b_out, *, cell="gru", padding_index=0, variant="masked"
):  # (B, T)  (B,)  (B,)  (V, D)  ...  (H, C)  (C,)
    """Classify a text's speaker: embedding, GRU or LSTM, last state, linear layer, cross entropy.

    Args:
        variant: variant of the recurrent layer; see `parity.tensorflow.rnn.lstm`.

    Returns:
        embedded: (B, T, D); states: (B, T, H); last: (B, H); logits: (B, C); loss: ().
    """
    embedded = embedded_words(tokens, lengths, table, padding_index)
    run = {"gru": rnn.gru, "lstm": rnn.lstm}[cell](embedded, lengths, w_in, w_rec, bias, variant=variant)
    last = run["h"][-1]
    logits = decisions(last, lengths, w_out, b_out)
    loss = cross_entropy(logits[:, None], speaker[:, None], tf.minimum(lengths, 1))
    return {"embedded": embedded, "states": run["y"], "last": last, "logits": logits, **loss}


def tagger(
    tokens, lengths, targets, table, w_in, w_rec, bias, w_out, b_out, *, padding_index=0, variant="masked"
):  # (B, T)  (B,)  (B, T)  (V, D)  ...  (2H, C)  (C,)
    """Classify each word's speaker: embedding, bidirectional LSTM, linear layer, cross entropy over steps.

    Args:
        variant: variant of the LSTM; see `parity.tensorflow.bidirectional.lstm`.

    Returns:
        embedded: (B, T, D); states: (B, T, 2H).
        logits: (B, T, C), zero on padding (masked again, because the bias fills it); loss: ().
    """
    embedded = embedded_words(tokens, lengths, table, padding_index)
    states = bidirectional.lstm(embedded, lengths, w_in, w_rec, bias, variant=variant)["y"]
    real = runtime.valid(lengths, tf.shape(tokens)[1])
    logits = runtime.only_real(real, tf.tensordot(states, w_out, 1) + b_out)
    loss = cross_entropy(logits, targets, lengths)
    return {"embedded": embedded, "states": states, "logits": logits, **loss}


def sentiment(
    tokens, lengths, leads, table, w_in, w_rec, bias, w_out, b_out, *, padding_index=0, variant="masked"
):  # (B, T)  (B,)  (B, 1)  (V, D)  ...  (2H, 1)  (1,)
    """Detect the lead in a text: embedding, bidirectional LSTM, mean, linear layer, binary cross entropy.

    Args:
        variant: variant of the LSTM; see `parity.tensorflow.bidirectional.lstm`.

    Returns:
        embedded: (B, T, D); states: (B, T, 2H); pooled: (B, 2H); logits: (B, 1); loss: ().
    """
    embedded = embedded_words(tokens, lengths, table, padding_index)
    states = bidirectional.lstm(embedded, lengths, w_in, w_rec, bias, variant=variant)["y"]
    pooled = pooling.mean(states, lengths)["y"]
    logits = decisions(pooled, lengths, w_out, b_out)
    loss = binary_cross_entropy(logits[:, None], leads[:, None], tf.minimum(lengths, 1))
    return {"embedded": embedded, "states": states, "pooled": pooled, "logits": logits, **loss}


def vowel_speaker(
    x, lengths, speaker, w_in, w_rec, bias, w_out, b_out, *, variant="masked"
):  # (B, T, D)  (B,)  (B,)  ...  (H, C)  (C,)
    """Classify a vowel's speaker: LSTM, last state, linear layer, cross entropy.

    Args:
        variant: variant of the LSTM; see `parity.tensorflow.rnn.lstm`.

    Returns:
        states: (B, T, H); last: (B, H); logits: (B, C); loss: ().
    """
    run = rnn.lstm(x, lengths, w_in, w_rec, bias, variant=variant)
    last = run["h"][-1]
    logits = decisions(last, lengths, w_out, b_out)
    loss = cross_entropy(logits[:, None], speaker[:, None], tf.minimum(lengths, 1))
    return {"states": run["y"], "last": last, "logits": logits, **loss}


def embedded_words(tokens, lengths, table, padding_index):  # (B, T)  (B,)  (V, D) -> (B, T, D)
    """Look up words; ``mask_zero`` of Keras' layer masks no other index than 0."""
    variant = "mask_zero" if padding_index == 0 else "indexed_slices"
    return embedding.lookup(tokens, lengths, table, padding_index=padding_index, variant=variant)["y"]


def decisions(summary, lengths, weight, bias):  # (B, H)  (B,)  (H, C)  (C,) -> (B, C)
    """Return the logits of each sequence, 0 for an empty one."""
    return tf.where(lengths[:, None] > 0, tf.matmul(summary, weight) + bias, tf.zeros((), summary.dtype))
