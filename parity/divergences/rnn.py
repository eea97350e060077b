"""Where recurrent layers part: what they give on padding, what leaks from it, and how their weights are laid out."""

from parity.divergences.entry import DIFFERS, FALSE, PARTLY, divergence


@divergence(
    claim="The output of a recurrent layer on padding is 0.",
    verdict=DIFFERS,
    seen={
        "pytorch": {"short row": [1.0, 3.0, 0.0]},
        "tensorflow": {
            "short row": [1.0, 3.0, 3.0],
            "short row with zero_output_for_mask": [1.0, 3.0, 0.0],
            "short row in Bidirectional": [1.0, 3.0, 0.0],
        },
    },
    why="`pad_packed_sequence` fills up with zeros. Keras repeats the last output, unless told not to, and "
    "`Bidirectional` tells its layers so.",
    instead="Mask the output yourself before anything that adds up over time, or pass `zero_output_for_mask=True`.",
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
            nn.init.ones_(weight)  # each output is the sum so far
        y, _ = rnn(pack_padded_sequence(x, [3, 2], batch_first=True))
        y, _ = pad_packed_sequence(y, batch_first=True)
        return {"short row": y[1, :, 0].tolist()}

    def tensorflow():
        import keras
        import tensorflow as tf

        x = tf.constant([[1.0, 2, 3], [1, 2, 0]])[:, :, None]
        mask = tf.sequence_mask([3, 2])
        ones = {"kernel_initializer": "ones", "recurrent_initializer": "ones", "return_sequences": True}
        rnn = keras.layers.SimpleRNN(1, activation="relu", **ones)  # each output is the sum so far
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
    seen={
        "tensorflow": {
            "as it comes": [6.0, 3.0],
            "zero_output_for_mask=True": [6.0, 0.0],
            "next chunk where the second row has none": [12.0, 0.0],
            "the state behind it": [12.0, 3.0],
        }
    },
    why="It returns the output of the last step. On padding that is the output before, which starts as 0 and not as "
    "the initial state; and `zero_output_for_mask` holds for it too, although the documentation speaks of sequences "
    "only.",
    instead="Ask for the state, `return_state=True`, and leave `zero_output_for_mask` off where only the last output "
    "counts.",
    operation="rnn.rnn",
    sources=(
        "https://keras.io/api/layers/recurrent_layers/rnn",
        "https://github.com/keras-team/keras/issues/17596",
    ),
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
            "as it comes": first[:, 0].numpy().tolist(),
            "zero_output_for_mask=True": zero(x, mask=mask)[:, 0].numpy().tolist(),
            "next chunk where the second row has none": second[:, 0].numpy().tolist(),
            "the state behind it": state[:, 0].numpy().tolist(),
        }


@divergence(
    claim="A sequence of length 0 gives back its initial state.",
    verdict=DIFFERS,
    seen={
        "pytorch": {"packing": "RuntimeError: … Length of all samples has to be greater than 0 …"},
        "tensorflow": {"output": 0.0, "state": 0.5},
    },
    why="A packed batch holds each sequence's first step; there is no place in it for one that has none. A masked "
    "loop simply never lets the row change. With cuDNN, Keras too refuses a row that is all padding.",
    instead="Pack the rows that have a step, and put the others' initial state back in its place; `clamp(min=1)` on "
    "the lengths runs, but then a padding step counts.",
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
    claim="What stands in the padding cannot matter once lengths or a mask are given, not even NaN.",
    verdict=DIFFERS,
    seen={
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
    why="A packed batch does not hold the padding. A masked loop computes on it and then chooses; in the backward "
    "pass the choice becomes a product with 0, and 0 · NaN is NaN. The same holds for inf and for dynamic_rnn.",
    instead="Put a number into the padding before the layer, with `where`: `x * mask` would keep the NaN.",
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
    seen={
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
    why="It is exactly 0, whatever number stands there. In TensorFlow it comes about as a product with 0, so that inf "
    "and NaN are the exception; a packed batch does not hold the padding at all.",
    instead="Nothing more, if the padding is finite; else `where` on the input first.",
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

        class Cell:  # Keras 3 has none that dynamic_rnn takes
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
    claim="`dynamic_rnn` is gone from TensorFlow 2.",
    verdict=FALSE,
    seen={
        "tensorflow": {
            "the cells of TensorFlow 1": "AttributeError: `LSTMCell` is not available with Keras 3.",
            "the cells of Keras 3": "TypeError: … unexpected keyword argument 'inputs' …",
            "an object of one's own": [[1.0, 3.0, 6.0], [1.0, 3.0, 0.0]],
            "its state": [6.0, 3.0],
        }
    },
    why="The loop is still there, eager and in graphs, against what its page says; what has gone are the cells. It "
    "asks a cell for `state_size`, `output_size`, `zero_state` or `get_initial_state`, and a call.",
    instead="A small object as below, or `keras.layers.RNN` with a mask.",
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
            "the cells of TensorFlow 1": raised(lambda: run(tf.compat.v1.nn.rnn_cell.LSTMCell(1))),
            "the cells of Keras 3": raised(
                lambda: run(keras.layers.LSTMCell(1)), says="unexpected keyword argument 'inputs'"
            ),
            "an object of one's own": y[:, :, 0].numpy().tolist(),
            "its state": h[:, 0].numpy().tolist(),
        }


@divergence(
    claim="A GRU's weights can be copied from one framework to the other as they stand.",
    verdict=DIFFERS,
    seen={
        "pytorch": {"last output": 0.3408},
        "tensorflow": {"copied": 0.6114, "gates reordered": 0.3408, "reset_after=False": 0.5136},
    },
    why="PyTorch stacks the gates as r, z, n, Keras as z, r, h, and the shapes are the same. Keras' default, "
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
    claim="An LSTM's weights can be copied from one framework to the other as they stand.",
    verdict=DIFFERS,
    seen={
        "pytorch": {"last output": 0.1847},
        "tensorflow": {"bias_ih only": -0.0606, "bias_ih + bias_hh": 0.1847},
    },
    why="The gates stand in the same order, i, f, g, o in PyTorch and i, f, c, o in Keras, but PyTorch has two "
    "biases, which add up, and Keras one.",
    instead="Transpose the kernels and add the biases. The other way, leave `bias_hh` 0 and do not train it.",
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
