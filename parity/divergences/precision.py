"""Record which float dtypes recurrent layers and losses accept."""

from parity.divergences.entry import DIFFERS, PARTLY, divergence


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


@divergence(
    claim="A Keras layer with `dtype='float64'` computes in float64.",
    verdict=PARTLY,
    expected={"tensorflow": {"on tensorflow": ["float64", "float64", True], "on torch": ["float32", "float32", False]}},
    why="Each list has the dtype of `result_type('float64', 'float64')`, that of the outputs of a Dense layer in "
    "float64, and whether an input of 1 + 2^-40 passes it as it is. On TensorFlow, Keras keeps float64. On torch, and "
    "on JAX by its sources, it silently promotes to float32 at most: a comparison in float64 compares rounding.",
    instead="Compare Keras models in float64 on TensorFlow, and measure the precision, since a dtype does not show it.",
    needs=("torch",),
    sources=("https://github.com/keras-team/keras/issues/23704", "https://keras.io/api/utils/config_utils/"),
)
class keras_float64:
    def tensorflow():
        import os
        import subprocess
        import sys

        program = """
import keras, numpy as np
dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones", dtype="float64")
y = keras.ops.convert_to_numpy(dense(np.array([[1 + 2.0**-40]])))
print(keras.backend.result_type("float64", "float64"), y.dtype, float(y[0, 0]) == 1 + 2.0**-40)
"""

        def run(backend):
            environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
            ran = subprocess.run(
                [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
            )
            *dtypes, same = ran.stdout.split()
            return [*dtypes, same == "True"]

        return {"on tensorflow": run("tensorflow"), "on torch": run("torch")}
