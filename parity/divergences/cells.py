"""Record what cells do that are called, or put into a layer, one by one."""

from parity.divergences.entry import DIFFERS, FALSE, divergence


@divergence(
    claim="A recurrent cell that is called step by step drops other units at each step.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"nn.Dropout before each step: same units": False},
        "tensorflow": {"LSTMCell(dropout=…): same units": True, "after reset_dropout_mask": False},
    },
    why="A cell of Keras samples its dropout mask once and keeps it over all calls, so that one mask serves a whole "
    "sequence (locked dropout, Gal and Ghahramani). The layer resets it for each batch; a loop of one's own has to. "
    "PyTorch's cells have no dropout, and `nn.Dropout` samples anew at each call.",
    instead="Call `cell.reset_dropout_mask()` and `cell.reset_recurrent_dropout_mask()` before each batch. In PyTorch, "
    "sample one mask (B, D) a batch and multiply each step by it.",
    operation="rnn.lstm",
    sources=(
        "https://github.com/keras-team/keras/blob/master/keras/src/layers/rnn/dropout_rnn_cell.py",
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.Dropout.html",
        "https://arxiv.org/abs/1512.05287",
    ),
)
class dropout_mask:
    def pytorch():
        import torch
        from torch import nn

        torch.manual_seed(0)
        drop, x = nn.Dropout(0.5), torch.ones(1, 64)
        return {"nn.Dropout before each step: same units": torch.equal(drop(x), drop(x))}

    def tensorflow():
        import keras
        import tensorflow as tf

        cell = keras.layers.LSTMCell(64, dropout=0.5, seed=0)
        x, state = tf.ones((1, 64)), [tf.zeros((1, 64)), tf.zeros((1, 64))]
        first, _ = cell(x, state, training=True)
        second, _ = cell(x, state, training=True)
        cell.reset_dropout_mask()
        third, _ = cell(x, state, training=True)
        return {
            "LSTMCell(dropout=…): same units": bool(tf.reduce_all(first == second)),
            "after reset_dropout_mask": bool(tf.reduce_all(first == third)),
        }


@divergence(
    claim="`RNN([cell])` is `RNN(cell)`.",
    verdict=FALSE,
    expected={
        "tensorflow": {
            "a cell": [2, 2],
            "a list of one cell, without a mask": [2, 2],
            "a list of one cell": "ValueError: … the same nested structure …",
            "a list of two cells": [2, 2],
        }
    },
    why="Keras wraps a list in `StackedRNNCells`. The states of a stack of one come back nested in another way than "
    "they went in, which only shows where a mask has to choose between the old and the new state.",
    instead="Give a single cell as it is, without the list.",
    operation="rnn.lstm",
    sources=(
        "https://github.com/keras-team/keras/blob/master/keras/src/layers/rnn/stacked_rnn_cells.py",
        "https://keras.io/api/layers/recurrent_layers/rnn/",
    ),
)
class one_in_a_list:
    def tensorflow():
        import keras
        import tensorflow as tf

        from parity.divergences.entry import raised

        real = tf.constant([[True, True, False], [True, False, False]])

        def shape(cells, mask=None):
            return list(keras.layers.RNN(cells)(tf.ones((2, 3, 4)), mask=mask).shape)

        def cell():
            return keras.layers.LSTMCell(2)

        return {
            "a cell": shape(cell(), real),
            "a list of one cell, without a mask": shape([cell()]),
            "a list of one cell": raised(lambda: shape([cell()], real), says="the same nested structure"),
            "a list of two cells": shape([cell(), cell()], real),
        }
