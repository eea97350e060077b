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
    operation="cells.locked_dropout",
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
    operation="cells.stacked_lstm",
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


@divergence(
    claim="`proj_size` makes the output of an LSTM narrower, and leaves its states as they are.",
    verdict=FALSE,
    expected={
        "pytorch": {
            "y": [2, 3, 2],
            "h": [1, 2, 2],
            "c": [1, 2, 4],
            "as many as hidden units": "ValueError: … smaller than hidden_size …",
            "GRU": "ValueError: … only supported for LSTM …",
        },
        "tensorflow": {"keras.layers.LSTM": "ValueError: … Unrecognized keyword …"},
    },
    why="The projection (Sak et al.) stands inside of the recurrence: the projected output is what goes back into the "
    "gates, so h0 and h have its width, and c0 and c that of the cell. There is no projection in Keras; that of "
    "TensorFlow 1 (`num_proj`) could also be as wide as the cell or wider, which PyTorch refuses.",
    instead="Give h0 (L, B, proj_size) and c0 (L, B, hidden_size). In Keras, write a cell whose `state_size` has both.",
    operation="cells.projected_lstm",
    sources=(
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html",
        "https://arxiv.org/abs/1402.1128",
        "https://keras.io/api/layers/recurrent_layers/lstm/",
    ),
)
class proj_size:
    def pytorch():
        import torch
        from torch import nn

        from parity.divergences.entry import raised

        y, (h, c) = nn.LSTM(3, 4, proj_size=2, batch_first=True)(torch.ones(2, 3, 3))
        return {
            "y": list(y.shape),
            "h": list(h.shape),
            "c": list(c.shape),
            "as many as hidden units": raised(lambda: nn.LSTM(3, 4, proj_size=4), says="smaller than hidden_size"),
            "GRU": raised(lambda: nn.GRU(3, 4, proj_size=2), says="only supported for LSTM"),
        }

    def tensorflow():
        import keras

        from parity.divergences.entry import raised

        lstm = raised(lambda: keras.layers.LSTM(4, proj_size=2), says="Unrecognized keyword")
        return {"keras.layers.LSTM": lstm}


@divergence(
    claim="An LSTM that is given one of its two states starts the other from zeros.",
    verdict=FALSE,
    expected={
        "pytorch": {"(h0, None)": "AttributeError: … no attribute 'dim' …"},
        "tensorflow": {"[h0]": "IndexError: … out of range …", "[h0, None]": "ValueError: … to a Tensor …"},
    },
    why="Both states are given, or none is. No message says so: PyTorch looks at the shape of None, Keras for a second "
    "state in the list.",
    instead="Give zeros for the other one: `(h0, torch.zeros_like(h0))`, `[h0, tf.zeros_like(h0)]`.",
    operation="cells.stacked_lstm",
    sources=(
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html",
        "https://keras.io/api/layers/recurrent_layers/lstm/",
    ),
)
class one_of_two_states:
    def pytorch():
        import torch
        from torch import nn

        from parity.divergences.entry import raised

        x, h0 = torch.ones(2, 3, 4), torch.ones(1, 2, 5)
        only_h0 = raised(lambda: nn.LSTM(4, 5, batch_first=True)(x, (h0, None)), says="no attribute 'dim'")
        return {"(h0, None)": only_h0}

    def tensorflow():
        import keras
        import tensorflow as tf

        from parity.divergences.entry import raised

        x, h0 = tf.ones((2, 3, 4)), tf.ones((2, 5))

        def lstm(states, says):
            return raised(lambda: keras.layers.LSTM(5)(x, initial_state=states), says=says)

        return {"[h0]": lstm([h0], "out of range"), "[h0, None]": lstm([h0, None], "to a Tensor")}


@divergence(
    claim="An RNN layer of float64 with cells of float64 computes in float64.",
    verdict=FALSE,
    expected={
        "tensorflow": {
            "a cell: digits": 16,
            "a list of cells: digits": 8,
            "a list of cells, masked": "InvalidArgumentError: … expected to be a double tensor …",
            "StackedRNNCells(cells, dtype=…): digits": 16,
        }
    },
    why="Keras puts a list of cells into a `StackedRNNCells`, whose dtype is the default one, `keras.config.floatx()`, "
    "whatever the layer and its cells have. Inputs and states are cast to it at each step. A mask that chooses between "
    "the old and the new state finds two dtypes.",
    instead="Make the stack, with its dtype: `RNN(StackedRNNCells(cells, dtype=dtype), dtype=dtype)`.",
    operation="cells.stacked_lstm",
    sources=(
        "https://github.com/keras-team/keras/blob/master/keras/src/layers/rnn/rnn.py",
        "https://github.com/keras-team/keras/blob/master/keras/src/layers/rnn/stacked_rnn_cells.py",
        "https://keras.io/api/layers/recurrent_layers/stacked_rnn_cells/",
    ),
)
class dtype_of_a_list:
    def tensorflow():
        import math

        import keras
        import tensorflow as tf

        from parity.divergences.entry import raised

        x, real = tf.constant([[[1 / 3]]], tf.float64), tf.constant([[True]])

        def rnn(cells, mask=None):
            return float(keras.layers.RNN(cells, dtype="float64")(x, mask=mask)[0, 0])

        def cells(count):
            weights = {"kernel_initializer": "ones", "use_bias": False, "activation": "linear"}
            return [keras.layers.SimpleRNNCell(1, dtype="float64", **weights) for _ in range(count)]

        def digits(value):
            return 16 if value == 1 / 3 else round(-math.log10(abs(value * 3 - 1)))

        return {
            "a cell: digits": digits(rnn(cells(1)[0])),
            "a list of cells: digits": digits(rnn(cells(2))),
            "a list of cells, masked": raised(lambda: rnn(cells(2), real), says="expected to be a double tensor"),
            "StackedRNNCells(cells, dtype=…): digits": digits(
                rnn(keras.layers.StackedRNNCells(cells(2), dtype="float64"))
            ),
        }


@divergence(
    claim="A unit that dropout drops is 0, whatever it was.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"dropped NaN": "nan", "dropped inf": "nan", "dropped 1": "0.0"},
        "tensorflow": {"dropped NaN": "0.0", "dropped inf": "0.0", "dropped 1": "0.0"},
    },
    why="PyTorch multiplies by a mask of zeros on the CPU, and 0 times NaN is NaN. TensorFlow selects. So NaN in the "
    "padding comes through in one, and is hidden now and then in the other. An issue of 2021 reports 0 on a GPU.",
    instead="Replace padding by zeros, by a selection, before dropout.",
    operation="cells.locked_dropout",
    sources=(
        "https://github.com/pytorch/pytorch/issues/59421",
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.Dropout.html",
        "https://www.tensorflow.org/api_docs/python/tf/nn/dropout",
    ),
)
class dropped_nan:
    def pytorch():
        import torch
        import torch.nn.functional as F

        def dropped(value):
            return str(float(F.dropout(torch.tensor([value]), 1 - 1e-7)))

        return {"dropped NaN": dropped(float("nan")), "dropped inf": dropped(float("inf")), "dropped 1": dropped(1.0)}

    def tensorflow():
        import tensorflow as tf

        def dropped(value):
            return str(float(tf.nn.dropout(tf.constant([value]), 1 - 1e-7)[0]))

        return {"dropped NaN": dropped(float("nan")), "dropped inf": dropped(float("inf")), "dropped 1": dropped(1.0)}


@divergence(
    claim="States that are detached between chunks keep the gradient of each sequence's last chunk.",
    verdict=FALSE,
    expected={
        "pytorch": {"h of 2 and 4 steps": [2.0, 4.0], "d_x": [[0, 0, 0, 0], [0, 0, 1, 1]]},
        "tensorflow": {"h of 2 and 4 steps": [2.0, 4.0], "d_x": [[0, 0, 0, 0], [0, 0, 1, 1]]},
    },
    why="In truncated backpropagation, the final state of a sequence that ended in an earlier chunk is carried through "
    "the later ones, where it is detached again. So a loss on the final states has a gradient only for sequences that "
    "have a step in the last chunk. No output shows it.",
    instead="Detach the states of sequences that go on: `torch.where(steps[:, None] > 0, h.detach(), h)`.",
    operation="cells.truncated_lstm",
    sources=(
        "https://lightning.ai/docs/pytorch/stable/common/tbptt.html",
        "https://docs.pytorch.org/docs/stable/generated/torch.Tensor.detach.html",
        "https://www.tensorflow.org/api_docs/python/tf/stop_gradient",
    ),
)
class ended_in_an_earlier_chunk:
    def pytorch():
        import torch

        x, lengths = torch.ones(2, 4, requires_grad=True), torch.tensor([2, 4])
        h = torch.zeros(2)
        for start in (0, 2):
            h = h.detach()
            for t in (start, start + 1):
                h = torch.where(t < lengths, h + x[:, t], h)
        h.sum().backward()
        return {"h of 2 and 4 steps": h.tolist(), "d_x": x.grad.tolist()}

    def tensorflow():
        import tensorflow as tf

        x, lengths, h = tf.ones((2, 4)), tf.constant([2, 4]), tf.zeros(2)
        with tf.GradientTape() as tape:
            tape.watch(x)
            for start in (0, 2):
                h = tf.stop_gradient(h)
                for t in (start, start + 1):
                    h = tf.where(t < lengths, h + x[:, t], h)
        return {"h of 2 and 4 steps": h.numpy().tolist(), "d_x": tape.gradient(h, x).numpy().tolist()}
