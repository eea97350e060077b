"""Record how pooling over time counts steps, breaks ties and treats empty sequences."""

from parity.divergences.entry import DIFFERS, FALSE, PARTLY, divergence

KERAS_MEAN = "https://keras.io/api/layers/pooling_layers/global_average_pooling1d/"


@divergence(
    claim="Multiplying by the mask and averaging over time is mean pooling.",
    verdict=FALSE,
    expected={
        "pytorch": {"(x * mask).mean(1)": 1.5, "sum / length": 3.0},
        "tensorflow": {"reduce_mean(x * mask, 1)": 1.5, "sum / length": 3.0, "GlobalAveragePooling1D with mask": 3.0},
    },
    why="The mean divides by T, not by the length: here by four, although two steps are real. The same sequence "
    "gives another vector, such as a sentence embedding, when batched with a longer one; without the mask "
    "(`last_hidden_state.mean(1)`), padding enters the sum as well.",
    instead="Divide the sum by the length; Keras' `GlobalAveragePooling1D` does, if it receives the mask.",
    operation="pooling.mean",
    sources=(
        KERAS_MEAN,
        "https://github.com/keras-team/keras/issues/18152",
        "https://github.com/huggingface/sentence-transformers/issues/2569",
    ),
)
class multiply_then_mean:
    def pytorch():
        import torch

        x, mask = torch.tensor([[2.0, 4.0, 9.0, 9.0]]), torch.tensor([[1.0, 1.0, 0.0, 0.0]])
        return {
            "(x * mask).mean(1)": (x * mask).mean(1).item(),
            "sum / length": ((x * mask).sum(1) / mask.sum(1)).item(),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        x, mask = tf.constant([[2.0, 4.0, 9.0, 9.0]]), tf.constant([[1.0, 1.0, 0.0, 0.0]])
        return {
            "reduce_mean(x * mask, 1)": float(tf.reduce_mean(x * mask, 1)[0]),
            "sum / length": float((tf.reduce_sum(x * mask, 1) / tf.reduce_sum(mask, 1))[0]),
            "GlobalAveragePooling1D with mask": float(
                keras.layers.GlobalAveragePooling1D()(x[..., None], mask=mask > 0)[0, 0]
            ),
        }


@divergence(
    claim="The mean over a sequence without any real step is 0.",
    verdict=FALSE,
    expected={
        "pytorch": {"sum / length": float("nan"), "masked max": -float("inf"), "sum / max(length, 1)": 0.0},
        "tensorflow": {
            "GlobalAveragePooling1D": float("nan"),
            "masked max": -float("inf"),
            "sum / max(length, 1)": 0.0,
        },
    },
    why="It is 0 / 0, and the maximum over nothing is -inf. One empty sequence is enough to make every weight NaN.",
    instead="Divide by the length or 1, whichever is larger, and use 0 for the maximum of a sequence without real "
    "steps.",
    operation="pooling.mean",
    sources=("https://github.com/keras-team/keras/issues/18152",),
)
class all_masked:
    def pytorch():
        import torch

        x, mask = torch.tensor([[2.0, 4.0]]), torch.tensor([[False, False]])
        total, length = (x * mask).sum(1), mask.sum(1)
        return {
            "sum / length": (total / length).item(),
            "masked max": x.masked_fill(~mask, float("-inf")).amax(1).item(),
            "sum / max(length, 1)": (total / length.clamp(min=1)).item(),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        x, mask = tf.constant([[2.0, 4.0]]), tf.constant([[False, False]])
        total = tf.reduce_sum(tf.where(mask, x, 0.0), 1)
        length = tf.reduce_sum(tf.cast(mask, tf.float32), 1)
        return {
            "GlobalAveragePooling1D": float(keras.layers.GlobalAveragePooling1D()(x[..., None], mask=mask)[0, 0]),
            "masked max": float(tf.reduce_max(tf.where(mask, x, float("-inf")), 1)[0]),
            "sum / max(length, 1)": float((total / tf.maximum(length, 1.0))[0]),
        }


@divergence(
    claim="With padding zeroed, the maximum over time is that of the real steps.",
    verdict=FALSE,
    expected={
        "pytorch": {"max of zeroed": 0.0, "max of real steps": -1.0},
        "tensorflow": {"max of zeroed": 0.0, "GlobalMaxPooling1D with a mask": 9.0, "max of real steps": -1.0},
    },
    why="Where all real steps are negative, the maximum is a zero of the padding. After ReLU, only the gradient is "
    "wrong: it goes to padding. Keras' `GlobalMaxPooling1D` warns and drops the mask, and the maximum may then be any "
    "value at padding.",
    instead="Set padding to the lowest number before the maximum.",
    operation="pooling.max",
    sources=("https://keras.io/api/layers/pooling_layers/global_max_pooling1d/",),
)
class max_of_zeros:
    def pytorch():
        import torch

        x, mask = torch.tensor([[-2.0, -1.0, 9.0]]), torch.tensor([[True, True, False]])
        return {
            "max of zeroed": (x * mask).amax(1).item(),
            "max of real steps": x.masked_fill(~mask, float("-inf")).amax(1).item(),
        }

    def tensorflow():
        import keras
        import numpy as np
        import tensorflow as tf

        table = np.float32([[9], [-2], [-1]])  # row 0 is the padding row
        x = keras.layers.Embedding(3, 1, weights=[table], mask_zero=True)(tf.constant([[1, 2, 0]]))
        mask = tf.constant([[[True], [True], [False]]])
        return {
            "max of zeroed": float(tf.reduce_max(x * tf.cast(mask, tf.float32))),
            "GlobalMaxPooling1D with a mask": float(keras.layers.GlobalMaxPooling1D()(x)[0, 0]),
            "max of real steps": float(tf.reduce_max(tf.where(mask, x, float("-inf")))),
        }


@divergence(
    claim="The gradient of a maximum goes to the one step that has it.",
    verdict=PARTLY,
    expected={
        "pytorch": {"max(dim)": [1.0, 0.0, 0.0], "amax": [0.5, 0.5, 0.0]},
        "tensorflow": {"reduce_max": [0.5, 0.5, 0.0], "MaxPooling1D": [1.0, 0.0, 0.0]},
    },
    why="Two steps are equal, as they are wherever ReLU left zeros and padding is zero. PyTorch's `max(dim)` and max "
    "pooling give the whole gradient to the first. `amax` and TensorFlow's `reduce_max` share it among the equal "
    "steps, padding included. TensorFlow's pooling windows give it to the first again.",
    instead="Use `amax` in PyTorch to match `reduce_max`; padding set to the lowest number is never among the equal "
    "steps.",
    operation="pooling.max",
    sources=(
        "https://docs.pytorch.org/docs/stable/generated/torch.amax.html",
        "https://github.com/pytorch/pytorch/issues/56734",
    ),
)
class max_of_equals:
    def pytorch():
        import torch

        x = torch.tensor([[2.0, 2.0, 1.0]], requires_grad=True)
        return {
            "max(dim)": torch.autograd.grad(x.max(1).values.sum(), x)[0][0].tolist(),
            "amax": torch.autograd.grad(x.amax(1).sum(), x)[0][0].tolist(),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        def gradient(pool):
            x = tf.Variable([[[2.0], [2.0], [1.0]]])
            with tf.GradientTape() as tape:
                y = tf.reduce_sum(pool(x))
            return tf.squeeze(tape.gradient(y, x)).numpy().tolist()

        return {
            "reduce_max": gradient(lambda x: tf.reduce_max(x, 1)),
            "MaxPooling1D": gradient(keras.layers.MaxPooling1D(3)),
        }


@divergence(
    claim="An average over a window at the edge is that over the steps that exist.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"default": [2.0, 3.0, 2.0], "count_include_pad=False": [3.0, 3.0, 3.0]},
        "tensorflow": {"padding='same'": [3.0, 3.0, 3.0]},
    },
    why="PyTorch's average pooling counts the zeros that it pads with, by default; TensorFlow never does. Neither "
    "knows of the padding within the sequence.",
    instead="Pass `count_include_pad=False`; for sequences, divide the average of `x * mask` by that of `mask`.",
    operation="pooling.mean",
    sources=(
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.AvgPool1d.html",
        "https://keras.io/api/layers/pooling_layers/average_pooling1d/",
    ),
)
class average_at_the_edge:
    def pytorch():
        import torch
        import torch.nn.functional as F

        x = torch.tensor([[[3.0, 3.0, 3.0]]])
        return {
            "default": F.avg_pool1d(x, 3, 1, padding=1).flatten().tolist(),
            "count_include_pad=False": F.avg_pool1d(x, 3, 1, padding=1, count_include_pad=False).flatten().tolist(),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        x = tf.constant([[[3.0], [3.0], [3.0]]])
        return {"padding='same'": tf.squeeze(keras.layers.AveragePooling1D(3, 1, padding="same")(x)).numpy().tolist()}


@divergence(
    claim="`outputs[range(B), lengths - 1]` is each sequence's last output.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"of [1, 2, 9], length 2": 2.0, "of [7, 8, 9], length 0": 9.0},
        "tensorflow": {
            "of [1, 2, 9], length 2": 2.0,
            "of [7, 8, 9], length 0": "InvalidArgumentError: … is not in [0, 3) …",
        },
    },
    why="An empty sequence requests step -1. PyTorch counts from the end and returns the last step, which is padding; "
    "TensorFlow rejects the index, on a CPU.",
    instead="Clamp the index at 0, and use 0 or the initial state where the length is 0.",
    operation="pooling.last_relevant",
    sources=("https://www.tensorflow.org/api_docs/python/tf/gather",),
)
class last_of_none:
    def pytorch():
        import torch

        outputs, lengths = torch.tensor([[1.0, 2.0, 9.0], [7.0, 8.0, 9.0]]), torch.tensor([2, 0])
        last = outputs[torch.arange(2), lengths - 1].tolist()
        return {"of [1, 2, 9], length 2": last[0], "of [7, 8, 9], length 0": last[1]}

    def tensorflow():
        import tensorflow as tf

        from parity.divergences.entry import raised

        outputs, lengths = tf.constant([[1.0, 2.0, 9.0], [7.0, 8.0, 9.0]]), tf.constant([2, 0])

        def last(row):
            with tf.device("CPU"):
                return tf.gather(outputs[row : row + 1], lengths[row : row + 1] - 1, batch_dims=1)

        return {
            "of [1, 2, 9], length 2": float(last(0)[0]),
            "of [7, 8, 9], length 0": raised(lambda: last(1), says="is not in [0, 3)"),
        }


@divergence(
    claim="-1e9 is equivalent to minus infinity for masking scores.",
    verdict=PARTLY,
    expected={
        "pytorch": {
            "float32, all masked": [0.5, 0.5],
            "float16": "RuntimeError: … without overflow …",
            "finfo.min, all masked": [0.5, 0.5],
            "finfo.min added, all masked": [float("nan"), float("nan")],
            "-1e4, beside a score of -2e4": [1.0, 0.0],
        },
        "tensorflow": {
            "float32, all masked": [0.5, 0.5],
            "float16, all masked": [float("nan"), float("nan")],
            "dtype.min, all masked": [0.5, 0.5],
            "dtype.min added, all masked": [float("nan"), float("nan")],
            "-1e4, beside a score of -2e4": [1.0, 0.0],
        },
    },
    why="It is in float32, and where everything is masked the weights are equal, padding or not. float16 ends at "
    "65504: PyTorch rejects the number, and TensorFlow turns it into -inf, with NaN where everything is masked. So "
    "does the lowest number of the dtype when it is added: beside a score below -16 it overflows in float16. A number "
    "such as -1e4 (`masked_bias`) is no lower than scores can get in training: then what is masked has all the weight.",
    instead="Put the lowest number of the dtype in place of a score, by `masked_fill` or `where`: added to a score, it "
    "overflows in float16. Give an empty sequence weights of 0.",
    operation="pooling.attention",
    sources=(
        "https://github.com/NVIDIA/apex/issues/1052",
        "https://github.com/unit8co/darts/issues/3081",
        "https://github.com/huggingface/transformers/pull/17306",
        "https://github.com/karpathy/minGPT/issues/75",
    ),
)
class large_negative:
    def pytorch():
        import torch

        from parity.divergences.entry import raised

        scores, padding = torch.tensor([1.0, 2.0]), torch.tensor([True, True])
        half, lowest = scores.half(), torch.finfo(torch.float16).min
        return {
            "float32, all masked": scores.masked_fill(padding, -1e9).softmax(0).tolist(),
            "float16": raised(lambda: half.masked_fill(padding, -1e9), says="without overflow"),
            "finfo.min, all masked": half.masked_fill(padding, lowest).softmax(0).tolist(),
            "finfo.min added, all masked": (half - 30 + lowest).softmax(0).tolist(),
            "-1e4, beside a score of -2e4": torch.tensor([-1e4, -2e4]).softmax(0).tolist(),
        }

    def tensorflow():
        import tensorflow as tf

        scores, padding = tf.constant([1.0, 2.0]), tf.constant([True, True])

        def weights(scores, lowest):
            return tf.nn.softmax(tf.where(padding, tf.constant(lowest, scores.dtype), scores)).numpy().tolist()

        half = tf.cast(scores, tf.float16)
        return {
            "float32, all masked": weights(scores, -1e9),
            "float16, all masked": weights(half, -1e9),
            "dtype.min, all masked": weights(half, half.dtype.min),
            "dtype.min added, all masked": tf.nn.softmax(half - 30 + half.dtype.min).numpy().tolist(),
            "-1e4, beside a score of -2e4": tf.nn.softmax([-1e4, -2e4]).numpy().tolist(),
        }
