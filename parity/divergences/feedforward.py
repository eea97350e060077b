"""Record how layers that work step by step treat padding, and which need a mask."""

from parity.divergences.entry import FALSE, TRUE, divergence


@divergence(
    claim="A bias makes padding non-zero after a dense layer.",
    verdict=TRUE,
    expected={
        "pytorch": {
            "padding after one layer": 1.0,
            "padding after two layers": 2.0,
            "padding masked after each layer": 0.0,
        },
        "tensorflow": {
            "padding after one layer": 1.0,
            "padding after two layers": 2.0,
            "padding masked after each layer": 0.0,
        },
    },
    why="W · 0 + b is b. Keras passes a mask on through `Dense`, but does not apply it.",
    instead="Apply `y * mask` after each layer whose output is summed over time or mixed with neighbouring steps; "
    "real steps are right in any case.",
    operation="feedforward.dense",
    sources=(
        "https://www.tensorflow.org/guide/keras/understanding_masking_and_padding",
        "https://github.com/keras-team/keras/issues/7227",
    ),
)
class bias_on_padding:
    def pytorch():
        import torch
        from torch import nn

        x = torch.tensor([[[1.0], [0.0]]])  # the second step is padding
        mask = torch.tensor([[[1.0], [0.0]]])
        layer = nn.Linear(1, 1)
        nn.init.ones_(layer.weight)
        nn.init.ones_(layer.bias)
        return {
            "padding after one layer": layer(x)[0, 1, 0].item(),
            "padding after two layers": layer(layer(x))[0, 1, 0].item(),
            "padding masked after each layer": (layer(layer(x) * mask) * mask)[0, 1, 0].item(),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        x = tf.constant([[[1.0], [0.0]]])  # the second step is padding
        mask = tf.constant([[[1.0], [0.0]]])
        layer = keras.layers.Dense(1, kernel_initializer="ones", bias_initializer="ones")
        masked_x = keras.layers.Masking()(x)
        return {
            "padding after one layer": float(layer(masked_x)[0, 1, 0]),
            "padding after two layers": float(layer(layer(masked_x))[0, 1, 0]),
            "padding masked after each layer": float((layer(layer(x) * mask) * mask)[0, 1, 0]),
        }


@divergence(
    claim="Sigmoid has slope 0 where an output is 0, so no mask is needed after it.",
    verdict=FALSE,
    expected={
        "pytorch": {"sigmoid(0)": 0.5, "slope": 0.25, "weight's gradient": 0.0, "bias's gradient": 0.25},
        "tensorflow": {"sigmoid(0)": 0.5, "slope": 0.25, "weight's gradient": 0.0, "bias's gradient": 0.25},
    },
    why="At 0 the slope of sigmoid is greatest. The next layer's weights do get no gradient from padding, because "
    "they multiply a 0. But its bias gets one, and the loss counts a prediction of 0.5 for each padding step.",
    instead="Mask the loss.",
    operation="loss.binary_cross_entropy",
    sources=(
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.Sigmoid.html",
        "https://www.tensorflow.org/api_docs/python/tf/math/sigmoid",
    ),
)
class sigmoid_of_zero:
    def pytorch():
        import torch

        output = torch.tensor(0.0, requires_grad=True)  # output of a packed RNN on padding
        weight, bias = torch.tensor(3.0, requires_grad=True), torch.tensor(0.0, requires_grad=True)
        (slope,) = torch.autograd.grad(torch.sigmoid(output), output)
        by_weight, by_bias = torch.autograd.grad(torch.sigmoid(weight * output + bias), (weight, bias))
        return {
            "sigmoid(0)": torch.sigmoid(output).item(),
            "slope": slope.item(),
            "weight's gradient": by_weight.item(),
            "bias's gradient": by_bias.item(),
        }

    def tensorflow():
        import tensorflow as tf

        output = tf.Variable(0.0)  # output of a masked RNN on padding
        weight, bias = tf.Variable(3.0), tf.Variable(0.0)
        with tf.GradientTape(persistent=True) as tape:
            y = tf.sigmoid(output)
            prediction = tf.sigmoid(weight * output + bias)
        by_weight, by_bias = tape.gradient(prediction, (weight, bias))
        return {
            "sigmoid(0)": float(y),
            "slope": float(tape.gradient(y, output)),
            "weight's gradient": float(by_weight),
            "bias's gradient": float(by_bias),
        }


@divergence(
    claim="Among the activations, only ReLU needs an explicit mask.",
    verdict=FALSE,
    expected={
        "pytorch": {
            "slope at 0: relu, sigmoid, tanh": [0.0, 0.25, 1.0],
            "output on padding": [0.5, 0.6225, 0.4621],
            "gradient of the bias": [1.0, 0.235, 0.7864],
        },
        "tensorflow": {
            "slope at 0: relu, sigmoid, tanh": [0.0, 0.25, 1.0],
            "output on padding": [0.5, 0.6225, 0.4621],
            "gradient of the bias": [1.0, 0.235, 0.7864],
        },
    },
    why="At exactly 0, both frameworks give ReLU a slope of 0, so it is the one that needs none. The bias, here 0.5, "
    "moves padding away from 0 under every activation alike.",
    instead="Mask after the layer, whatever its activation.",
    operation="feedforward.dense",
    sources=(
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.ReLU.html",
        "https://www.tensorflow.org/api_docs/python/tf/nn/relu",
    ),
)
class relu_needs_a_mask:
    def pytorch():
        import torch

        activations = (torch.relu, torch.sigmoid, torch.tanh)
        zero, bias = torch.tensor(0.0, requires_grad=True), torch.tensor(0.5, requires_grad=True)
        slopes = [torch.autograd.grad(f(zero), zero)[0].item() for f in activations]
        outputs = [f(bias) for f in activations]  # activations of w · 0 + bias
        return {
            "slope at 0: relu, sigmoid, tanh": slopes,
            "output on padding": [y.item() for y in outputs],
            "gradient of the bias": [torch.autograd.grad(y, bias)[0].item() for y in outputs],
        }

    def tensorflow():
        import tensorflow as tf

        activations = (tf.nn.relu, tf.sigmoid, tf.tanh)
        zero, bias = tf.Variable(0.0), tf.Variable(0.5)
        with tf.GradientTape(persistent=True) as tape:
            at_zero = [f(zero) for f in activations]
            outputs = [f(bias) for f in activations]  # activations of w · 0 + bias
        return {
            "slope at 0: relu, sigmoid, tanh": [float(tape.gradient(y, zero)) for y in at_zero],
            "output on padding": [float(y) for y in outputs],
            "gradient of the bias": [float(tape.gradient(y, bias)) for y in outputs],
        }


@divergence(
    claim="`TimeDistributed` passes on the mask that its inner layer makes.",
    verdict=FALSE,
    expected={
        "tensorflow": {
            "sums of words with Embedding inside TimeDistributed": [6.0, 9.0],
            "sums of words with Embedding by itself": [3.0, 3.0],
            "mask of Embedding by itself": [[[True, True, False], [True, False, False]]],
        }
    },
    why="`TimeDistributed` calls the inner layer step by step, and keeps the tensors but not the masks that they "
    "carry. The words of a sentence are therefore padded with row 0 of the embedding, here 3, and later layers treat "
    "it as real.",
    instead="Call the embedding on the (batch, sentences, words) tensor itself: it accepts any shape, and "
    "`TimeDistributed` around the next layer passes each sentence its mask.",
    operation="masking.mask_from_tokens",
    sources=(
        "https://github.com/tensorflow/tensorflow/issues/31684",
        "https://github.com/keras-team/keras/issues/7292",
        "https://keras.io/api/layers/recurrent_layers/time_distributed/",
    ),
)
class time_distributed:
    def tensorflow():
        import keras
        import numpy as np
        import tensorflow as tf

        tokens = tf.constant([[[1, 2, 0], [2, 0, 0]]])  # one text of two sentences
        embedding = keras.layers.Embedding(3, 1, mask_zero=True)
        embedding.build()
        embedding.set_weights([np.array([[3.0], [0.0], [3.0]])])
        ones = {"activation": "relu", "kernel_initializer": "ones", "recurrent_initializer": "ones"}
        sums = keras.layers.TimeDistributed(keras.layers.SimpleRNN(1, **ones))
        inside = keras.layers.TimeDistributed(embedding)(tokens)
        by_itself = embedding(tokens)
        return {
            "sums of words with Embedding inside TimeDistributed": sums(inside)[0, :, 0].numpy().tolist(),
            "sums of words with Embedding by itself": sums(by_itself)[0, :, 0].numpy().tolist(),
            "mask of Embedding by itself": by_itself._keras_mask.numpy().tolist(),
        }
