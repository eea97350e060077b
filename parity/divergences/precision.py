"""Record which float dtypes recurrent layers and losses accept."""

from parity.divergences.entry import DIFFERS, divergence


@divergence(
    claim="A recurrent layer can be created in bfloat16.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"bfloat16": "nothing raised"},
        "tensorflow": {
            "bfloat16": "InvalidArgumentError: … bfloat16 is not in the list of allowed values …",
            "bfloat16, initialised with zeros": "nothing raised",
        },
    },
    why="Keras samples recurrent weights as an orthogonal matrix, by a QR decomposition that TensorFlow has in other "
    "dtypes only. The layer itself runs.",
    instead="In Keras, pass another `recurrent_initializer`, or use the policy mixed_bfloat16, whose weights are "
    "float32.",
    operation="rnn.gru",
    sources=(
        "https://github.com/tensorflow/tensorflow/issues/50282",
        "https://github.com/keras-team/keras/issues/16927",
    ),
)
class bfloat16_layer:
    def pytorch():
        import torch

        from parity.divergences.entry import raised

        return {"bfloat16": raised(lambda: torch.nn.GRU(1, 2, dtype=torch.bfloat16))}

    def tensorflow():
        import keras
        import tensorflow as tf

        from parity.divergences.entry import raised

        def run(**options):
            return keras.layers.GRU(2, dtype="bfloat16", **options)(tf.zeros((1, 2, 1)))

        return {
            "bfloat16": raised(run, says="bfloat16 is not in the list of allowed values"),
            "bfloat16, initialised with zeros": raised(lambda: run(recurrent_initializer="zeros")),
        }


@divergence(
    claim="A CTC loss accepts logits of any float dtype.",
    verdict=DIFFERS,
    expected={"pytorch": {"rejected": ["float16", "bfloat16"]}, "tensorflow": {"rejected": ["float64"]}},
    why="PyTorch's kernel on the CPU is written for float32 and float64. TensorFlow's dense loss multiplies by a "
    "number that it creates in float32.",
    instead="Compute the loss in float32, whatever the model's dtype; in TensorFlow, write the forward algorithm for "
    "float64.",
    operation="alignment.ctc",
    sources=(
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.ctc_loss.html",
        "https://www.tensorflow.org/api_docs/python/tf/nn/ctc_loss",
    ),
)
class ctc:
    def pytorch():
        import torch
        import torch.nn.functional as F

        from parity.divergences.entry import raised

        def loss(dtype):
            return F.ctc_loss(torch.zeros(2, 1, 3, dtype=dtype), torch.tensor([[1]]), (2,), (1,))

        dtypes = ("float16", "bfloat16", "float32", "float64")
        return {"rejected": [d for d in dtypes if raised(lambda d=d: loss(getattr(torch, d))) != "nothing raised"]}

    def tensorflow():
        import tensorflow as tf

        from parity.divergences.entry import raised

        def loss(dtype):
            return tf.nn.ctc_loss([[1]], tf.zeros((2, 1, 3), dtype), [1], [2], blank_index=0)

        dtypes = ("float16", "bfloat16", "float32", "float64")
        return {"rejected": [d for d in dtypes if raised(lambda d=d: loss(d)) != "nothing raised"]}
