"""Record how the same constructor call builds different layers."""

from parity.divergences.entry import DIFFERS, divergence


@divergence(
    claim="A new LSTM is initialised alike in both.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"forget bias is 1": False, "other biases are 0": False, "recurrent weights orthogonal": False},
        "tensorflow": {"forget bias is 1": True, "other biases are 0": True, "recurrent weights orthogonal": True},
    },
    why="PyTorch samples everything from ±1/√H, so a cell forgets half of its content at each step. Keras starts with "
    "the forget gate open (`unit_forget_bias`), an orthogonal recurrent kernel and a Glorot uniform input kernel.",
    instead="In PyTorch, call `nn.init.orthogonal_(lstm.weight_hh_l0)` and "
    "`nn.init.xavier_uniform_(lstm.weight_ih_l0)`. Set both biases to 0, and the second quarter of one of them to 1.",
    sources=(
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html",
        "https://keras.io/api/layers/recurrent_layers/lstm/",
    ),
)
class initial_weights:
    def pytorch():
        import torch
        from torch import nn

        lstm = nn.LSTM(3, 4)
        i, f, g, o = (lstm.bias_ih_l0 + lstm.bias_hh_l0).chunk(4)
        w = lstm.weight_hh_l0  # (4H, H)
        return {
            "forget bias is 1": torch.equal(f, torch.ones(4)),
            "other biases are 0": not torch.cat([i, g, o]).any().item(),
            "recurrent weights orthogonal": torch.allclose(w.T @ w, torch.eye(4), atol=1e-5),
        }

    def tensorflow():
        import keras
        import numpy as np

        lstm = keras.layers.LSTM(4)
        lstm.build((None, None, 3))
        _, w, bias = lstm.get_weights()  # w (H, 4H)
        i, f, c, o = np.split(bias, 4)
        return {
            "forget bias is 1": bool((f == 1).all()),
            "other biases are 0": not np.concatenate([i, c, o]).any(),
            "recurrent weights orthogonal": np.allclose(w @ w.T, np.eye(4), atol=1e-5),
        }


@divergence(
    claim="`dropout=0.5` on a recurrent layer drops half of its inputs, sampled anew at each step.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"one layer drops": False, "drops the same at all steps": False},
        "tensorflow": {"one layer drops": True, "drops the same at all steps": True},
    },
    why="PyTorch drops between layers, so a single layer drops nothing, and samples anew at each step. Keras drops "
    "the layer's inputs, the same features at all timesteps of a sequence (variational dropout); `recurrent_dropout` "
    "does so with the state.",
    instead="Use an explicit dropout layer: `nn.Dropout` before the RNN, or `keras.layers.Dropout(…, "
    "noise_shape=(None, 1, None))` for one sample per sequence.",
    sources=(
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html",
        "https://keras.io/api/layers/recurrent_layers/lstm/",
        "https://discuss.pytorch.org/t/dropout-in-bidirectional-lstm/40990",
    ),
)
class recurrent_dropout:
    def pytorch():
        import torch
        from torch import nn

        def outputs(layers):
            rnn = nn.RNN(32, 32, layers, nonlinearity="relu", bias=False, dropout=0.5, batch_first=True)
            for name, weight in rnn.named_parameters():
                (nn.init.eye_ if "ih" in name else nn.init.zeros_)(weight)  # each layer repeats its input
            return rnn(torch.ones(1, 4, 32))[0][0]

        one_layer, two_layers = outputs(1), outputs(2)
        return {
            "one layer drops": (one_layer == 0).any().item(),
            "drops the same at all steps": all(torch.equal(two_layers[0], step) for step in two_layers),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        repeat = {"kernel_initializer": "identity", "recurrent_initializer": "zeros", "activation": "relu"}
        rnn = keras.layers.SimpleRNN(32, dropout=0.5, return_sequences=True, seed=0, **repeat)
        y = rnn(tf.ones((1, 4, 32)), training=True)[0].numpy()
        return {"one layer drops": bool((y == 0).any()), "drops the same at all steps": bool((y == y[0]).all())}
