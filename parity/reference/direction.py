"""Run recurrent layers backwards, and over left-padded sequences.

Weights are those of `parity.reference.rnn`, which runs on each sequence once it is cut out and in order.
"""

import autograd.numpy as np  # noqa: F401  # for the examples

from parity.reference import rnn, runtime
from parity.reference.bidirectional import reverse_sequence


def backwards(x, lengths, w_in, w_rec, bias, h0=None):  # (B, T, D)  (B,)  ...  (L, B, H)
    """Run a GRU from each sequence's last real step to its first.

    Returns:
        y: (B, T, H), in the order of x, zero on padding; step t depends on the steps from the last down to t.
        h: (L, B, H), every layer's state after the first step, which it reads last.

    >>> one, zero = [np.ones((1, 3, 1))], [np.zeros((4, 1))]
    >>> backwards(np.ones((1, 3, 1)), [2], one, one, zero)["y"].ravel().round(4)
    array([0.3468, 0.2048, 0.    ])
    """
    found = rnn.gru(reverse_sequence(x, lengths)["y"], lengths, w_in, w_rec, bias, h0)
    return found | {"y": reverse_sequence(found["y"], lengths)["y"]}


def left_padded(x, lengths, w_in, w_rec, bias, h0=None, c0=None):  # (B, T, D), padding first  (B,)  ...  (L, B, H)
    """Run an LSTM over sequences that are the last ``length`` steps of their rows.

    Returns:
        y: (B, T, H), zero on padding, which is first here too; h, c: (L, B, H), as for `parity.reference.rnn.lstm`.

    >>> one, zero = [np.ones((1, 4, 1))], [np.zeros((4, 1))]
    >>> left_padded(np.ones((1, 3, 1)), [1], one, one, zero)["y"].ravel().round(4)
    array([0.    , 0.    , 0.3696])
    """
    rows = runtime.sequences(x, lengths, left=True)
    found = rnn.lstm(runtime.padded(rows, x), lengths, w_in, w_rec, bias, h0, c0)
    return found | {"y": runtime.padded(runtime.sequences(found["y"], lengths), found["y"], left=True)}
