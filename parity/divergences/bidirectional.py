"""Record how bidirectional and backward layers treat padding, states and the order of steps."""

from parity.divergences.entry import FALSE, PARTLY, TRUE, divergence


@divergence(
    claim="In a right-padded batch, a bidirectional layer computes the same outputs as for each sequence alone.",
    verdict=PARTLY,
    expected={
        "pytorch": {
            "backward half alone": [-0.923, -0.192],
            "in the batch": [-0.9276, -0.3976],
            "packed": [-0.923, -0.192],
        },
        "tensorflow": {
            "backward half alone": [-0.923, -0.192],
            "in the batch without a mask": [-0.9276, -0.3976],
            "masked": [-0.923, -0.192],
        },
    },
    why="It does if the batch is packed, or masked in Keras. Otherwise the backward direction starts in the padding, "
    "which it reads first when it reverses a row, and already has a state when it reaches the last real step: even "
    "where the padding is 0, the biases change the state. Keras' mask keeps the initial state through the padding. "
    "PyTorch needs the lengths, through packing.",
    instead="Pack in PyTorch. In Keras, make sure that the mask reaches the layer.",
    operation="bidirectional.gru",
    sources=(
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html",
        "https://keras.io/api/layers/recurrent_layers/bidirectional/",
    ),
)
class unpacked:
    def pytorch():
        import torch
        from torch import nn
        from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

        x = torch.tensor([[1.0, 2, 3, 4], [1, -1, 0, 0]])[:, :, None]
        gru = nn.GRU(1, 1, batch_first=True, bidirectional=True)
        for weight in gru.parameters():
            nn.init.constant_(weight, -1)
        packed, _ = gru(pack_padded_sequence(x, [4, 2], batch_first=True))
        outputs = {
            "backward half alone": gru(x[1:, :2])[0],
            "in the batch": gru(x)[0],
            "packed": pad_packed_sequence(packed, batch_first=True)[0],
        }
        return {name: y[-1, :2, 1].tolist() for name, y in outputs.items()}

    def tensorflow():
        import keras
        import tensorflow as tf

        x = tf.constant([[1.0, 2, 3, 4], [1, -1, 0, 0]])[:, :, None]
        minus = keras.initializers.Constant(-1)
        options = {"kernel_initializer": minus, "recurrent_initializer": minus, "bias_initializer": minus}
        gru = keras.layers.Bidirectional(keras.layers.GRU(1, return_sequences=True, **options))
        outputs = {
            "backward half alone": gru(x[1:, :2]),
            "in the batch without a mask": gru(x),
            "masked": gru(x, mask=tf.sequence_mask([4, 2])),
        }
        return {name: y[-1, :2, 1].numpy().tolist() for name, y in outputs.items()}


@divergence(
    claim="With `sequence_length`, a bidirectional RNN reverses only the valid part.",
    verdict=TRUE,
    expected={
        "pytorch": {"backward half": [[6.0, 5.0, 3.0], [3.0, 2.0, 0.0]]},
        "tensorflow": {"backward half": [[6.0, 5.0, 3.0], [3.0, 2.0, 0.0]]},
    },
    why="It reverses each sequence within its own length, runs forward, and reverses the result, as "
    "`tf.reverse_sequence` does. A packed batch starts its backward direction at each sequence's last real step.",
    instead="No change is needed. In a backward layer of your own, reverse within the length too.",
    operation="bidirectional.reverse_sequence",
    sources=(
        "https://www.tensorflow.org/api_docs/python/tf/compat/v1/nn/bidirectional_dynamic_rnn",
        "https://www.tensorflow.org/api_docs/python/tf/reverse_sequence",
        "https://github.com/tensorflow/tensorflow/issues/5588",
    ),
)
class reverses_the_valid_part:
    def pytorch():
        import torch
        from torch import nn
        from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

        x = torch.tensor([[1.0, 2, 3], [1, 2, 9]])[:, :, None]
        rnn = nn.RNN(1, 1, nonlinearity="relu", bias=False, batch_first=True, bidirectional=True)
        for weight in rnn.parameters():
            nn.init.ones_(weight)  # each output is the sum up to its step
        y, _ = rnn(pack_padded_sequence(x, [3, 2], batch_first=True))
        return {"backward half": pad_packed_sequence(y, batch_first=True)[0][:, :, 1].tolist()}

    def tensorflow():
        import tensorflow as tf

        class Sum:  # Keras 3 has no cell that dynamic_rnn accepts
            state_size = output_size = 1

            def zero_state(self, batch, dtype):
                return tf.zeros((batch, 1), dtype)

            def __call__(self, x, h):
                return x + h, x + h

        x = tf.constant([[1.0, 2, 3], [1, 2, 9]])[:, :, None]
        (_, backward), _ = tf.compat.v1.nn.bidirectional_dynamic_rnn(
            Sum(), Sum(), x, sequence_length=[3, 2], dtype=tf.float32
        )
        return {"backward half": backward[:, :, 0].numpy().tolist()}


@divergence(
    claim="Flipping the padded batch, running forward and flipping back is the backward direction.",
    verdict=FALSE,
    expected={
        "pytorch": {"flipped": [8.0, 6.0], "reversed within the length": [5.0, 3.0]},
        "tensorflow": {"flipped": [8.0, 6.0], "reversed within the length": [5.0, 3.0]},
    },
    why="A flip moves the padding to the front, so the layer's outputs on padding become the initial state of the "
    "real steps. Every row but the longest is wrong, at all of its steps.",
    instead="Use `tf.reverse_sequence`, or a gather with `(lengths - 1 - t) % T`; or pack, or mask.",
    operation="bidirectional.reverse_sequence",
    sources=(
        "https://www.tensorflow.org/api_docs/python/tf/reverse_sequence",
        "https://docs.pytorch.org/docs/stable/generated/torch.flip.html",
    ),
)
class flipped:
    def pytorch():
        import torch
        from torch import nn

        x = torch.tensor([[1.0, 2, 0, 0, 0]])[:, :, None]  # of length 2
        rnn = nn.RNN(1, 1, nonlinearity="relu", batch_first=True)
        for weight in rnn.parameters():
            nn.init.ones_(weight)
        nn.init.zeros_(rnn.bias_hh_l0)  # each output is the sum up to its step, plus 1 for every step
        right = (1 - torch.arange(5)) % 5  # steps 1 and 0, then the padding
        return {
            "flipped": rnn(x.flip(1))[0].flip(1)[0, :2, 0].tolist(),
            "reversed within the length": rnn(x[:, right])[0][:, right][0, :2, 0].tolist(),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        x = tf.constant([[1.0, 2, 0, 0, 0]])[:, :, None]  # of length 2
        ones = {"kernel_initializer": "ones", "recurrent_initializer": "ones", "bias_initializer": "ones"}
        rnn = keras.layers.SimpleRNN(1, activation="relu", return_sequences=True, **ones)

        def flip(x):
            return tf.reverse(x, [1])

        def within(x):
            return tf.reverse_sequence(x, [2], seq_axis=1)

        return {
            "flipped": flip(rnn(flip(x)))[0, :2, 0].numpy().tolist(),
            "reversed within the length": within(rnn(within(x)))[0, :2, 0].numpy().tolist(),
        }


@divergence(
    claim="The last output of a bidirectional layer depends on the whole sequence.",
    verdict=FALSE,
    expected={
        "pytorch": {"output[:, -1]": [6.0, 3.0], "final states": [6.0, 6.0]},
        "tensorflow": {"output[:, -1]": [6.0, 3.0], "return_sequences=False": [6.0, 6.0]},
    },
    why="Its forward half does. Its backward half has processed one step, the last; the output that summarises the "
    "whole sequence is at the first step. This is wrong even without padding.",
    instead="Use the final states of both directions: `torch.cat([h[-2], h[-1]], 1)`. In Keras, leave "
    "`return_sequences` off.",
    operation="bidirectional.rnn",
    sources=(
        "https://discuss.pytorch.org/t/concatnation-of-h-t-of-forward-and-h-0-of-backward-in-bidirection-lstm-output/10333",
        "https://keras.io/api/layers/recurrent_layers/bidirectional/",
    ),
)
class last_output:
    def pytorch():
        import torch
        from torch import nn

        x = torch.tensor([[[1.0], [2.0], [3.0]]])
        rnn = nn.RNN(1, 1, nonlinearity="relu", bias=False, batch_first=True, bidirectional=True)
        for weight in rnn.parameters():
            nn.init.ones_(weight)  # each output is the sum up to its step
        output, h = rnn(x)
        return {"output[:, -1]": output[0, -1].tolist(), "final states": torch.cat([h[-2], h[-1]], 1)[0].tolist()}

    def tensorflow():
        import keras
        import tensorflow as tf

        x = tf.constant([[[1.0], [2.0], [3.0]]])
        ones = {"activation": "relu", "kernel_initializer": "ones", "recurrent_initializer": "ones"}
        sequences = keras.layers.Bidirectional(keras.layers.SimpleRNN(1, return_sequences=True, **ones))
        last = keras.layers.Bidirectional(keras.layers.SimpleRNN(1, **ones))
        return {
            "output[:, -1]": sequences(x)[0, -1].numpy().tolist(),
            "return_sequences=False": last(x)[0].numpy().tolist(),
        }


@divergence(
    claim="`h.view(batch, -1)` concatenates a sequence's two final states.",
    verdict=FALSE,
    expected={
        "pytorch": {"h.view(batch, -1)": [[6.0, 30.0], [6.0, 30.0]], "transposed first": [[6.0, 6.0], [30.0, 30.0]]}
    },
    why="`h` is (layers · directions, batch, H), with the batch in the middle whatever `batch_first` is, so the view "
    "mixes sequences. The order of the first axis is first layer forward, first layer backward, second layer forward "
    "… So `h[:layers]`, for a decoder with as many layers, has the two directions of the first layer, and not the "
    "forward states of all.",
    instead="Use `h.view(layers, 2, batch, H)[-1].transpose(0, 1).flatten(1)`, or `torch.cat([h[-2], h[-1]], 1)`.",
    operation="bidirectional.rnn",
    sources=("https://docs.pytorch.org/docs/stable/generated/torch.nn.RNN.html",),
)
class state_axes:
    def pytorch():
        import torch
        from torch import nn

        x = torch.tensor([[1.0, 2, 3], [10, 10, 10]])[:, :, None]
        rnn = nn.RNN(1, 1, nonlinearity="relu", bias=False, batch_first=True, bidirectional=True)
        for weight in rnn.parameters():
            nn.init.ones_(weight)  # each final state is the sum of the row
        _, h = rnn(x)
        return {"h.view(batch, -1)": h.view(2, -1).tolist(), "transposed first": h.transpose(0, 1).flatten(1).tolist()}


@divergence(
    claim="With `go_backwards`, a Keras layer returns its outputs and their mask in the order of the input.",
    verdict=FALSE,
    expected={
        "tensorflow": {
            "output": [[3.0, 5.0, 6.0], [0.0, 2.0, 3.0]],
            "mask of the output": [[True, True, True], [True, True, False]],
            "mean under that mask": [4.667, 1.0],
            "mean of the real steps": [4.667, 2.5],
        }
    },
    why="The output is in the order of computation, so the padding comes first, but the mask is passed on unchanged. "
    "Later layers then drop real steps and keep padding. `Bidirectional` reverses the output again, and is right.",
    instead="Use `Bidirectional`; or remove the mask, reverse the output with `keras.ops.flip(y, 1)`, and mask it "
    "again.",
    operation="direction.backwards",
    sources=(
        "https://github.com/keras-team/keras/issues/3737",
        "https://github.com/keras-team/keras/issues/6022",
        "https://keras.io/api/layers/recurrent_layers/rnn",
    ),
)
class go_backwards:
    def tensorflow():
        import keras
        import tensorflow as tf

        x = keras.layers.Masking()(tf.constant([[1.0, 2, 3], [1, 2, 0]])[:, :, None])
        ones = {"activation": "relu", "kernel_initializer": "ones", "recurrent_initializer": "ones"}
        y = keras.layers.SimpleRNN(1, return_sequences=True, go_backwards=True, **ones)(x)
        mean = keras.layers.GlobalAveragePooling1D()
        return {
            "output": y[:, :, 0].numpy().tolist(),
            "mask of the output": y._keras_mask.numpy().tolist(),
            "mean under that mask": mean(y)[:, 0].numpy().tolist(),
            "mean of the real steps": mean(tf.reverse(y, [1]), mask=x._keras_mask)[:, 0].numpy().tolist(),
        }
