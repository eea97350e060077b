"""Record how recurrent layers differ in outputs at padding, gradients and weight layouts."""

from parity.divergences.entry import DIFFERS, FALSE, PARTLY, divergence


@divergence(
    claim="The output of a recurrent layer on padding is 0.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"short row": [1.0, 3.0, 0.0]},
        "tensorflow": {
            "short row": [1.0, 3.0, 3.0],
            "short row with zero_output_for_mask": [1.0, 3.0, 0.0],
            "short row in Bidirectional": [1.0, 3.0, 0.0],
        },
    },
    why="`pad_packed_sequence` fills padding with zeros. Keras repeats the last output by default; `Bidirectional` "
    "makes its layers output zeros.",
    instead="Mask the output yourself before anything that sums over time, or pass `zero_output_for_mask=True`.",
    operation="rnn.rnn",
    sources=(
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.pad_packed_sequence.html",
        "https://keras.io/api/layers/recurrent_layers/rnn",
        "https://github.com/tensorflow/tensorflow/issues/49738",
    ),
)
class output_on_padding:
    def pytorch():
        import torch
        from torch import nn
        from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

        x = torch.tensor([[1.0, 2, 3], [1, 2, 0]])[:, :, None]
        rnn = nn.RNN(1, 1, nonlinearity="relu", bias=False, batch_first=True)
        for weight in rnn.parameters():
            nn.init.ones_(weight)  # each output is the sum up to its step
        y, _ = rnn(pack_padded_sequence(x, [3, 2], batch_first=True))
        y, _ = pad_packed_sequence(y, batch_first=True)
        return {"short row": y[1, :, 0].tolist()}

    def tensorflow():
        import keras
        import tensorflow as tf

        x = tf.constant([[1.0, 2, 3], [1, 2, 0]])[:, :, None]
        mask = tf.sequence_mask([3, 2])
        ones = {"kernel_initializer": "ones", "recurrent_initializer": "ones", "return_sequences": True}
        rnn = keras.layers.SimpleRNN(1, activation="relu", **ones)  # each output is the sum up to its step
        zero = keras.layers.SimpleRNN(1, activation="relu", zero_output_for_mask=True, **ones)
        both = keras.layers.Bidirectional(keras.layers.SimpleRNN(1, activation="relu", **ones))
        return {
            "short row": rnn(x, mask=mask)[1, :, 0].numpy().tolist(),
            "short row with zero_output_for_mask": zero(x, mask=mask)[1, :, 0].numpy().tolist(),
            "short row in Bidirectional": both(x, mask=mask)[1, :, 0].numpy().tolist(),
        }


@divergence(
    claim="Without `return_sequences`, a masked Keras RNN returns the final state of each row.",
    verdict=PARTLY,
    expected={
        "tensorflow": {
            "by default": [6.0, 3.0],
            "zero_output_for_mask=True": [6.0, 0.0],
            "next chunk, without steps in the second row": [12.0, 0.0],
            "state after the next chunk": [12.0, 3.0],
        }
    },
    why="It returns the output of the last step. On padding that is the previous output, which starts as 0 and not as "
    "the initial state. `zero_output_for_mask` applies to it too, although the documentation mentions sequences only.",
    instead="Request the state, `return_state=True`, and leave `zero_output_for_mask` off where only the last output "
    "counts.",
    operation="rnn.rnn",
    sources=("https://keras.io/api/layers/recurrent_layers/rnn", "https://github.com/keras-team/keras/issues/17596"),
)
class last_output_is_state:
    def tensorflow():
        import keras
        import tensorflow as tf

        x = tf.constant([[1.0, 2, 3], [1, 2, 0]])[:, :, None]
        mask = tf.sequence_mask([3, 2])
        ones = {"activation": "relu", "kernel_initializer": "ones", "recurrent_initializer": "ones"}
        zero = keras.layers.SimpleRNN(1, zero_output_for_mask=True, **ones)
        stateful = keras.layers.SimpleRNN(1, stateful=True, return_state=True, **ones)
        first, _ = stateful(x, mask=mask)
        second, state = stateful(x, mask=tf.sequence_mask([3, 0]))
        return {
            "by default": first[:, 0].numpy().tolist(),
            "zero_output_for_mask=True": zero(x, mask=mask)[:, 0].numpy().tolist(),
            "next chunk, without steps in the second row": second[:, 0].numpy().tolist(),
            "state after the next chunk": state[:, 0].numpy().tolist(),
        }


@divergence(
    claim="The final state of a sequence of length 0 is its initial state.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"packing": "RuntimeError: … Length of all samples has to be greater than 0 …"},
        "tensorflow": {"output": 0.0, "state": 0.5},
    },
    why="A packed batch contains each sequence's first step, so it cannot represent a sequence without steps. A "
    "masked loop never lets the row change. With cuDNN, Keras also rejects a row that is fully masked "
    "(`CUDNN_STATUS_BAD_PARAM`).",
    instead="Pack the rows that have a step, and insert the initial states of the others. `clamp(min=1)` on the "
    "lengths runs, but then a padding step counts.",
    operation="rnn.rnn",
    sources=("https://github.com/pytorch/pytorch/issues/11514", "https://github.com/pytorch/pytorch/issues/80605"),
)
class empty_sequence:
    def pytorch():
        import torch
        from torch.nn.utils.rnn import pack_padded_sequence

        from parity.divergences.entry import raised

        return {
            "packing": raised(
                lambda: pack_padded_sequence(torch.ones(2, 3, 1), [3, 0], batch_first=True),
                says="Length of all samples has to be greater than 0",
            )
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        rnn = keras.layers.SimpleRNN(1, return_state=True)
        y, state = rnn(tf.ones((2, 3, 1)), mask=tf.sequence_mask([3, 0]), initial_state=tf.fill((2, 1), 0.5))
        return {"output": float(y[1, 0]), "state": float(state[1, 0])}


@divergence(
    claim="Once lengths or a mask are given, the values at padding do not matter, not even NaN.",
    verdict=DIFFERS,
    expected={
        "pytorch": {
            "outputs finite": True,
            "gradients finite": True,
            "gradients finite if masked after the layer": False,
        },
        "tensorflow": {
            "outputs finite": True,
            "gradients finite": False,
            "gradients finite if zeroed before the layer": True,
        },
    },
    why="A packed batch does not contain the padding. A masked loop computes on it and then selects; in the backward "
    "pass the selection becomes a product with 0, and 0 · NaN is NaN. The same holds for inf and for `dynamic_rnn`.",
    instead="Write a number into the padding before the layer, with `where`: `x * mask` would keep the NaN.",
    operation="rnn.rnn",
    sources=(
        "https://github.com/tensorflow/tensorflow/issues/6209",
        "https://www.tensorflow.org/api_docs/python/tf/where",
    ),
)
class nan_in_padding:
    def pytorch():
        import torch
        from torch import nn
        from torch.nn.utils.rnn import pack_padded_sequence

        x = torch.tensor([[1.0, 2, 3], [1, 2, torch.nan]])[:, :, None]
        mask = torch.tensor([[True, True, True], [True, True, False]])[:, :, None]
        rnn = nn.RNN(1, 1, batch_first=True)
        packed = rnn(pack_padded_sequence(x, [3, 2], batch_first=True))[0].data
        unpacked = torch.where(mask, rnn(x)[0], 0)
        finite = [torch.autograd.grad(y.sum(), rnn.weight_ih_l0)[0].isfinite().item() for y in (packed, unpacked)]
        return {
            "outputs finite": packed.isfinite().all().item(),
            "gradients finite": finite[0],
            "gradients finite if masked after the layer": finite[1],
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        x = tf.constant([[1.0, 2, 3], [1, 2, float("nan")]])[:, :, None]
        mask = tf.sequence_mask([3, 2])
        rnn = keras.layers.SimpleRNN(1, return_sequences=True)
        with tf.GradientTape(persistent=True) as tape:
            y = rnn(x, mask=mask)
            zeroed = rnn(tf.where(mask[:, :, None], x, 0), mask=mask)
        finite = [bool(tf.math.is_finite(tape.gradient(out, rnn.weights[0]))) for out in (y, zeroed)]
        return {
            "outputs finite": bool(tf.reduce_all(tf.math.is_finite(y))),
            "gradients finite": finite[0],
            "gradients finite if zeroed before the layer": finite[1],
        }


@divergence(
    claim="With `sequence_length`, padded steps contribute no gradient.",
    verdict=PARTLY,
    expected={
        "pytorch": {
            "gradient at padding": 0.0,
            "gradient of the weight with padding 0": 5.0,
            "with padding 9": 5.0,
            "with padding inf": 5.0,
        },
        "tensorflow": {
            "gradient at padding": 0.0,
            "gradient of the weight with padding 0": 5.0,
            "with padding 9": 5.0,
            "with padding inf": float("nan"),
        },
    },
    why="Their gradient is exactly 0, whatever finite number is at padding. In TensorFlow it results from a product "
    "with 0, so inf and NaN are the exception; a packed batch does not contain the padding at all.",
    instead="Nothing else is needed if the padding is finite; otherwise apply `where` to the input first.",
    operation="rnn.rnn",
    sources=(
        "https://tensorflow.org/api_docs/python/tf/compat/v1/nn/dynamic_rnn",
        "https://github.com/tensorflow/tensorflow/issues/6209",
    ),
)
class padding_gradient:
    def pytorch():
        import torch
        from torch import nn
        from torch.nn.utils.rnn import pack_padded_sequence

        rnn = nn.RNN(1, 1, nonlinearity="relu", bias=False, batch_first=True)
        for weight in rnn.parameters():
            nn.init.ones_(weight)

        def gradients(padding):
            x = torch.tensor([[[1.0], [3.0], [padding]]], requires_grad=True)
            y = rnn(pack_padded_sequence(x, [2], batch_first=True))[0].data
            return torch.autograd.grad(y.sum(), (rnn.weight_ih_l0, x))

        weights = [gradients(padding)[0].item() for padding in (0, 9, torch.inf)]
        return {"gradient at padding": gradients(9)[1][0, 2].item()} | dict(
            zip(("gradient of the weight with padding 0", "with padding 9", "with padding inf"), weights, strict=True)
        )

    def tensorflow():
        import tensorflow as tf

        class Cell:  # Keras 3 has no cell that dynamic_rnn accepts
            state_size = output_size = 1
            weight = tf.Variable(1.0)

            def zero_state(self, batch, dtype):
                return tf.zeros((batch, 1), dtype)

            def __call__(self, x, h):
                h = self.weight * x + h
                return h, h

        def gradients(padding):
            x, cell = tf.constant([[[1.0], [3.0], [padding]]]), Cell()
            with tf.GradientTape() as tape:
                tape.watch(x)
                y, _ = tf.compat.v1.nn.dynamic_rnn(cell, x, sequence_length=[2], dtype=tf.float32)
            return tape.gradient(y, (cell.weight, x))

        weights = [float(gradients(padding)[0]) for padding in (0, 9, float("inf"))]
        return {"gradient at padding": float(gradients(9)[1][0, 2, 0])} | dict(
            zip(("gradient of the weight with padding 0", "with padding 9", "with padding inf"), weights, strict=True)
        )


@divergence(
    claim="`dynamic_rnn` has been removed from TensorFlow 2.",
    verdict=FALSE,
    expected={
        "tensorflow": {
            "cells of TensorFlow 1": "AttributeError: `LSTMCell` is not available with Keras 3.",
            "cells of Keras 3": "TypeError: … unexpected keyword argument 'inputs' …",
            "custom cell": [[1.0, 3.0, 6.0], [1.0, 3.0, 0.0]],
            "state of the custom cell": [6.0, 3.0],
        }
    },
    why="The loop still exists, in eager mode and in graphs, contrary to its documentation; only its cells were "
    "removed. It requires a cell to have `state_size`, `output_size`, `zero_state` or `get_initial_state`, and a call.",
    instead="Use a small object as in this snippet, or `keras.layers.RNN` with a mask.",
    operation="rnn.lstm",
    sources=("https://tensorflow.org/api_docs/python/tf/compat/v1/nn/dynamic_rnn",),
)
class dynamic_rnn_cells:
    def tensorflow():
        import keras
        import tensorflow as tf

        from parity.divergences.entry import raised

        class Sum:
            state_size = output_size = 1

            def zero_state(self, batch, dtype):
                return tf.zeros((batch, 1), dtype)

            def __call__(self, x, h):
                return x + h, x + h

        def run(cell):
            x = tf.constant([[1.0, 2, 3], [1, 2, 9]])[:, :, None]
            return tf.compat.v1.nn.dynamic_rnn(cell, x, sequence_length=[3, 2], dtype=tf.float32)

        y, h = run(Sum())
        return {
            "cells of TensorFlow 1": raised(lambda: run(tf.compat.v1.nn.rnn_cell.LSTMCell(1))),
            "cells of Keras 3": raised(
                lambda: run(keras.layers.LSTMCell(1)), says="unexpected keyword argument 'inputs'"
            ),
            "custom cell": y[:, :, 0].numpy().tolist(),
            "state of the custom cell": h[:, 0].numpy().tolist(),
        }


@divergence(
    claim="A GRU's weights can be copied from one framework to the other unchanged.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"last output": 0.3408},
        "tensorflow": {"copied": 0.6114, "gates reordered": 0.3408, "reset_after=False": 0.5136},
    },
    why="PyTorch stacks the gates as r, z, n and Keras as z, r, h, with equal shapes. Keras' default, "
    "`reset_after=True`, is PyTorch's formula with two biases, the second inside the product with the reset gate; "
    "`False` is the paper's, with one.",
    instead="Swap the first two thirds of both kernels and both biases, and keep `reset_after=True`.",
    operation="rnn.gru",
    sources=(
        "https://github.com/keras-team/keras/issues/15915",
        "https://github.com/keras-team/keras/issues/8720",
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html",
    ),
)
class gru_conventions:
    def pytorch():
        import torch
        from torch import nn

        gru = nn.GRU(1, 1, batch_first=True)
        with torch.no_grad():
            gru.weight_ih_l0[:] = torch.tensor([[0.5], [-1.0], [1.5]])  # r, z, n
            gru.weight_hh_l0[:] = torch.tensor([[2.0], [-0.5], [1.0]])
            gru.bias_ih_l0[:] = torch.tensor([-1.0, 1.0, 0.0])
            gru.bias_hh_l0[:] = torch.tensor([0.0, 0.0, 2.0])
        y, _ = gru(torch.tensor([[[1.0], [-1.0]]]))
        return {"last output": y[0, -1].item()}

    def tensorflow():
        import keras
        import numpy as np
        import tensorflow as tf

        w_in, w_rec = np.array([[0.5, -1.0, 1.5]]), np.array([[2.0, -0.5, 1.0]])  # PyTorch's, transposed
        biases = np.array([[-1.0, 1.0, 0.0], [0.0, 0.0, 2.0]])
        x = tf.constant([[[1.0], [-1.0]]])

        def last_output(order, bias, **options):
            gru = keras.layers.GRU(1, **options)
            gru.build(x.shape)
            gru.set_weights([w_in[:, order], w_rec[:, order], bias[..., order]])
            return float(gru(x)[0, 0])

        return {
            "copied": last_output([0, 1, 2], biases),
            "gates reordered": last_output([1, 0, 2], biases),
            "reset_after=False": last_output([1, 0, 2], biases.sum(0), reset_after=False),
        }


@divergence(
    claim="An LSTM's weights can be copied from one framework to the other unchanged.",
    verdict=DIFFERS,
    expected={"pytorch": {"last output": 0.1847}, "tensorflow": {"bias_ih only": -0.0606, "bias_ih + bias_hh": 0.1847}},
    why="The gates have the same order, i, f, g, o in PyTorch and i, f, c, o in Keras, but PyTorch has two biases, "
    "which add up, and Keras has one.",
    instead="Transpose the kernels and add the biases. In the other direction, set `bias_hh` to 0 and do not train it.",
    operation="rnn.lstm",
    sources=(
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html",
        "https://keras.io/api/layers/recurrent_layers/lstm/",
    ),
)
class lstm_conventions:
    def pytorch():
        import torch
        from torch import nn

        lstm = nn.LSTM(1, 1, batch_first=True)
        with torch.no_grad():
            lstm.weight_ih_l0[:] = torch.tensor([[0.5], [-1.0], [1.5], [1.0]])  # i, f, g, o
            lstm.weight_hh_l0[:] = torch.tensor([[2.0], [-0.5], [1.0], [0.5]])
            lstm.bias_ih_l0[:] = torch.tensor([0.5, 0.0, 0.0, 1.0])
            lstm.bias_hh_l0[:] = torch.tensor([0.0, 2.0, 0.5, 0.0])
        y, _ = lstm(torch.tensor([[[1.0], [-1.0]]]))
        return {"last output": y[0, -1].item()}

    def tensorflow():
        import keras
        import numpy as np
        import tensorflow as tf

        w_in, w_rec = np.array([[0.5, -1.0, 1.5, 1.0]]), np.array([[2.0, -0.5, 1.0, 0.5]])  # PyTorch's, transposed
        b_in, b_rec = np.array([0.5, 0.0, 0.0, 1.0]), np.array([0.0, 2.0, 0.5, 0.0])
        x = tf.constant([[[1.0], [-1.0]]])

        def last_output(bias):
            lstm = keras.layers.LSTM(1)
            lstm.build(x.shape)
            lstm.set_weights([w_in, w_rec, bias])
            return float(lstm(x)[0, 0])

        return {"bias_ih only": last_output(b_in), "bias_ih + bias_hh": last_output(b_in + b_rec)}


@divergence(
    claim="`hard_sigmoid` is one function.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"F.hardsigmoid": [0.03333, 0.6667, 0.9333]},
        "tensorflow": {"Keras 3": [0.03333, 0.6667, 0.9333], "Keras 2": [0.0, 0.7, 1.0]},
    },
    why="The values are those at -2.8, 1 and 2.6. Keras 2 and 1 compute 0.2 x + 0.5, cut at ±2.5; Keras 3 and PyTorch "
    "x / 6 + 0.5, cut at ±3. It was the default `recurrent_activation` of LSTM and GRU until TensorFlow 2, so that a "
    "model of that time gives other outputs when it is loaded in Keras 3, or ported to PyTorch with either.",
    instead="Pass `recurrent_activation=lambda x: keras.ops.clip(0.2 * x + 0.5, 0, 1)` for weights of Keras 2.",
    operation="rnn.lstm",
    sources=(
        "https://github.com/tensorflow/tensorflow/issues/65381",
        "https://github.com/keras-team/keras/pull/19477",
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.Hardsigmoid.html",
    ),
)
class hard_sigmoid:
    def pytorch():
        import torch
        from torch.nn import functional as F

        return {"F.hardsigmoid": F.hardsigmoid(torch.tensor([-2.8, 1.0, 2.6])).tolist()}

    def tensorflow():
        import keras
        import tensorflow as tf
        from keras.src.legacy.backend import hard_sigmoid  # as it was in Keras 2

        x = tf.constant([-2.8, 1.0, 2.6])
        return {
            "Keras 3": keras.activations.hard_sigmoid(x).numpy().tolist(),
            "Keras 2": hard_sigmoid(x).numpy().tolist(),
        }


@divergence(
    claim="A recurrent layer that is exported to ONNX has the outputs of Keras on padding.",
    verdict=FALSE,
    expected={"tensorflow": {"Keras": [1.0, 2.0, 2.0], "ONNX": [1.0, 2.0, 0.0]}},
    why="The last of three steps is masked. Keras repeats the last output there; ONNX's `RNN`, `LSTM` and `GRU` with "
    "`sequence_lens` give 0, as PyTorch does. A sum, a mean or a convolution over the steps behind it shows that.",
    instead="Pass `zero_output_for_mask=True` before the export, and compare real steps only.",
    operation="rnn.rnn",
    needs=("onnx", "onnxruntime"),
    sources=("https://onnx.ai/onnx/operators/onnx__RNN.html", "https://keras.io/api/layers/recurrent_layers/rnn"),
)
class onnx_padding:
    def tensorflow():
        import keras
        import numpy as np
        import onnxruntime
        import tensorflow as tf
        from onnx import TensorProto, helper, numpy_helper

        x = np.float32([1, 2, 9])[None, :, None]  # (B, T, D); the last step is padding
        initial = {"kernel_initializer": "ones", "recurrent_initializer": "zeros"}
        rnn = keras.layers.SimpleRNN(1, activation="relu", return_sequences=True, **initial)
        arrays = {"W": np.ones((1, 1, 1), "float32"), "R": np.zeros((1, 1, 1), "float32")}
        graph = helper.make_graph(
            [helper.make_node("RNN", ["x", "W", "R", "", "lengths"], ["y"], hidden_size=1, activations=["Relu"])],
            "rnn",
            [
                helper.make_tensor_value_info("x", TensorProto.FLOAT, ["T", "B", 1]),
                helper.make_tensor_value_info("lengths", TensorProto.INT32, ["B"]),
            ],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            [numpy_helper.from_array(array, name) for name, array in arrays.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        (y,) = session.run(None, {"x": x.transpose(1, 0, 2), "lengths": np.int32([2])})
        mask = tf.constant([[True, True, False]])
        return {"Keras": rnn(x, mask=mask)[0, :, 0].numpy().tolist(), "ONNX": y.ravel().tolist()}


@divergence(
    claim="A step of zeros leaves the state of a recurrence as it is, so padding with zeros needs no mask.",
    verdict=FALSE,
    expected={
        "pytorch": {
            "no padding": 0.04719,
            "a zero behind": 0.0236,
            "two zeros behind": 0.0118,
            "two zeros before": 0.04719,
        },
        "tensorflow": {
            "no padding": 0.04719,
            "a zero behind": 0.0236,
            "two zeros behind": 0.0118,
            "two zeros before": 0.04719,
        },
    },
    why="The state goes on without an input: a gate halves it here, a bias adds to it, and a state space model "
    "(Mamba), a linear recurrence or a moving average lets it decay at each step of padding. Zeroing the padding "
    "before a layer is enough on the left, where the state is 0, as long as no bias is added; on the right, the "
    "final state, which generation goes on from, decays with every pad.",
    instead="Use lengths or a mask, pad on the left, or make the decay 1 on padding as well as the input 0.",
    operation="scans.linear_recurrence",
    sources=(
        "https://github.com/huggingface/transformers/issues/48256",
        "https://github.com/state-spaces/mamba/issues/66",
    ),
)
class zeros_are_no_mask:
    def pytorch():
        import torch
        from torch import nn

        layer = nn.GRU(1, 1, bias=False, batch_first=True)
        nn.init.zeros_(layer.weight_hh_l0)
        nn.init.ones_(layer.weight_ih_l0)

        def state(x):
            return layer(torch.tensor(x)[None, :, None])[1].item()

        return {
            "no padding": state([3.0]),
            "a zero behind": state([3.0, 0.0]),
            "two zeros behind": state([3.0, 0.0, 0.0]),
            "two zeros before": state([0.0, 0.0, 3.0]),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        options = {"use_bias": False, "kernel_initializer": "ones", "recurrent_initializer": "zeros"}
        layer = keras.layers.GRU(1, **options)

        def state(x):
            return float(layer(tf.constant(x)[None, :, None])[0, 0])

        return {
            "no padding": state([3.0]),
            "a zero behind": state([3.0, 0.0]),
            "two zeros behind": state([3.0, 0.0, 0.0]),
            "two zeros before": state([0.0, 0.0, 3.0]),
        }


@divergence(
    claim="With `stateful=True`, the state of a row is reset where its sequence has ended.",
    verdict=FALSE,
    expected={
        "tensorflow": {
            "first chunk": [2.0, 1.0],
            "second chunk": [4.0, 0.0],
            "a new sequence": [6.0, 3.0],
            "after a reset": [2.0, 2.0],
        }
    },
    why="In an LSTM, a GRU or another layer, a mask keeps the state of a row, however many chunks of padding follow, "
    "and the next sequence that takes the row begins from it (the output of a chunk without steps is 0, and no "
    "state). `reset_states()` resets all rows at once. The batch size is fixed, and every call, of `predict` too, "
    "goes on from the last one: twice the same batch gives two answers.",
    instead="Sort sequences so that those of a batch begin and end together, and call `reset_states()` then; or use "
    "a layer with `stateful=False` and `return_state=True`, and pass each row its `initial_state`.",
    operation="cells.truncated_lstm",
    sources=("https://github.com/keras-team/keras/issues/5481", "https://github.com/keras-team/keras/issues/2750"),
)
class stateful:
    def tensorflow():
        import keras
        import tensorflow as tf

        ones = {"activation": "relu", "kernel_initializer": "ones", "recurrent_initializer": "ones"}
        layer = keras.layers.SimpleRNN(1, stateful=True, **ones)
        x = tf.ones((2, 2, 1))

        def states(lengths):
            return layer(x, mask=tf.sequence_mask(lengths, 2))[:, 0].numpy().tolist()

        first, second = states([2, 1]), states([2, 0])  # the second sequence ends in the first chunk
        new = states([2, 2])  # the next sequence in the second row
        layer.reset_states()
        return {"first chunk": first, "second chunk": second, "a new sequence": new, "after a reset": states([2, 2])}
