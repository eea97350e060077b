"""Record how many steps are left behind a stride, and what windows make of padding."""

from parity.divergences.entry import DIFFERS, FALSE, divergence

CONV1D = "https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv1d.html"
PADDING = "https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2"


@divergence(
    claim="Behind a stride of 2, a sequence is half as long.",
    verdict=FALSE,
    expected={
        "pytorch": {
            "steps left of 5, 6, 7, 8": [2, 2, 3, 3],
            "with padding=1": [3, 3, 4, 4],
            "lengths // 2": [2, 3, 3, 4],
            "(lengths - 3) // 2 + 1": [2, 2, 3, 3],
            "mask[:, ::2]": [3, 3, 4, 4],
        },
        "tensorflow": {
            "steps left of 5, 6, 7, 8": [2, 2, 3, 3],
            "with padding='same'": [3, 3, 4, 4],
            "lengths // 2": [2, 3, 3, 4],
            "(lengths - 3) // 2 + 1": [2, 2, 3, 3],
            "mask[:, ::2]": [3, 3, 4, 4],
        },
    },
    why="The output has a step for each window that lies in the sequence: floor((n + 2p - d(k - 1) - 1) / s) + 1 of "
    "them, with the padding p at either end, the dilation d, the kernel size k and the stride s. Of 7 steps, k = 3 and "
    "s = 2 leave 3, and of 2 steps none. Every other step of the mask is right with `padding=1`, and elsewhere counts "
    "windows that end in padding.",
    instead="Compute the lengths by that formula, layer by layer, and mask the output by them; division has to round "
    "down, also below 0 (`//`).",
    operation="strided.conv1d",
    sources=(CONV1D, PADDING, "https://github.com/openspeech-team/openspeech/issues/76"),
)
class lengths_behind_a_stride:
    def pytorch():
        import torch
        from torch import nn

        lengths = torch.tensor([5, 6, 7, 8])
        mask = torch.arange(8) < lengths[:, None]
        layer, padded = nn.Conv1d(1, 1, 3, stride=2), nn.Conv1d(1, 1, 3, stride=2, padding=1)
        return {
            "steps left of 5, 6, 7, 8": [layer(torch.zeros(1, 1, n)).shape[2] for n in lengths],
            "with padding=1": [padded(torch.zeros(1, 1, n)).shape[2] for n in lengths],
            "lengths // 2": (lengths // 2).tolist(),
            "(lengths - 3) // 2 + 1": ((lengths - 3) // 2 + 1).tolist(),
            "mask[:, ::2]": mask[:, ::2].sum(1).tolist(),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        lengths = tf.constant([5, 6, 7, 8])
        mask = tf.sequence_mask(lengths, 8)
        layer, same = keras.layers.Conv1D(1, 3, strides=2), keras.layers.Conv1D(1, 3, strides=2, padding="same")
        return {
            "steps left of 5, 6, 7, 8": [layer(tf.zeros((1, n, 1))).shape[1] for n in lengths],
            "with padding='same'": [same(tf.zeros((1, n, 1))).shape[1] for n in lengths],
            "lengths // 2": (lengths // 2).numpy().tolist(),
            "(lengths - 3) // 2 + 1": ((lengths - 3) // 2 + 1).numpy().tolist(),
            "mask[:, ::2]": tf.reduce_sum(tf.cast(mask[:, ::2], tf.int32), 1).numpy().tolist(),
        }


@divergence(
    claim="A CTC loss notices lengths that are those before a stride.",
    verdict=DIFFERS,
    expected={
        "pytorch": {
            "lengths behind it": [0.2877, 0.6931],
            "lengths before it": "RuntimeError: … Expected input_lengths to have value at most 3 …",
            "cut to the steps that are left": [0.2877, 0.2877],
        },
        "tensorflow": {
            "lengths behind it": [0.2877, 0.6931],
            "lengths before it": [0.2877, 0.2877],
            "cut to the steps that are left": [0.2877, 0.2877],
        },
    },
    why="PyTorch raises if a length exceeds the steps that are left, which those of short sequences in a long batch do "
    "not. TensorFlow takes what there is: padding is read as steps of all sequences but the longest.",
    instead="Pass the lengths behind the stride, and 0 for a sequence that is shorter than a window.",
    operation="strided.ctc",
    sources=(
        "https://github.com/ShankHarinath/DeepSpeech2-Keras/issues/3",
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.ctc_loss.html",
        "https://www.tensorflow.org/api_docs/python/tf/nn/ctc_loss",
    ),
)
class ctc_lengths:
    def pytorch():
        import torch
        import torch.nn.functional as F

        from parity.divergences.entry import raised

        log_p = torch.zeros(3, 2, 2).log_softmax(2)  # (T, B, C): behind a stride of 2, steps of sequences of 6 and 3
        labels, counts = torch.tensor([[1], [1]]), torch.tensor([1, 1])

        def loss(*lengths):
            return F.ctc_loss(log_p, labels, torch.tensor(lengths), counts, reduction="none").tolist()

        return {
            "lengths behind it": loss(3, 1),
            "lengths before it": raised(lambda: loss(6, 3), says="Expected input_lengths to have value at most 3"),
            "cut to the steps that are left": loss(3, 3),
        }

    def tensorflow():
        import tensorflow as tf

        logits = tf.zeros((2, 3, 2))  # (B, T, C): behind a stride of 2, steps of sequences of 6 and 3
        labels, counts = tf.constant([[1], [1]]), tf.constant([1, 1])

        def loss(*lengths):
            options = {"logits_time_major": False, "blank_index": 0}
            return tf.nn.ctc_loss(labels, logits, counts, tf.constant(lengths), **options).numpy().tolist()

        return {
            "lengths behind it": loss(3, 1),
            "lengths before it": loss(6, 3),
            "cut to the steps that are left": loss(3, 3),
        }


@divergence(
    claim="`count_include_pad=False` leaves padding out of the averages.",
    verdict=FALSE,
    expected={
        "pytorch": {"alone": [6.0, 6.0], "in a batch": [6.0, 4.0], "over the mask's": [6.0, 6.0]},
        "tensorflow": {
            "alone": [6.0, 6.0],
            "in a batch": [6.0, 4.0],
            "behind Masking": [6.0, 4.0],
            "over the mask's": [6.0, 6.0],
        },
    },
    why="It leaves out the zeros that the layer itself adds at both ends of the batch. The padding of a shorter "
    "sequence lies inside, and counts: the same sequence has another average if it is alone. Keras' layer counts as "
    "`same` padding needs, and ignores a mask.",
    instead="Divide the average of zeroed values by the average of the mask: "
    "`pool(x * mask) / pool(mask).clamp(min=1 / k)`.",
    operation="strided.average_pool",
    sources=(
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.AvgPool1d.html",
        "https://keras.io/api/layers/pooling_layers/average_pooling1d/",
    ),
)
class average_of_padding:
    def pytorch():
        import torch
        import torch.nn.functional as F

        x, mask = torch.tensor([[[6.0, 6.0, 6.0, 0.0, 0.0]]]), torch.tensor([[[1.0, 1.0, 1.0, 0.0, 0.0]]])
        options = {"kernel_size": 3, "stride": 2, "padding": 1}
        averages = {
            "alone": F.avg_pool1d(x[:, :, :3], **options, count_include_pad=False),
            "in a batch": F.avg_pool1d(x, **options, count_include_pad=False)[:, :, :2],
            "over the mask's": (F.avg_pool1d(x * mask, **options) / F.avg_pool1d(mask, **options))[:, :, :2],
        }
        return {name: y[0, 0].tolist() for name, y in averages.items()}

    def tensorflow():
        import keras
        import tensorflow as tf

        x, mask = tf.constant([6.0, 6, 6, 0, 0])[None, :, None], tf.constant([1.0, 1, 1, 0, 0])[None, :, None]
        pool = keras.layers.AveragePooling1D(3, strides=2, padding="same")
        averages = {
            "alone": pool(x[:, :3]),
            "in a batch": pool(x)[:, :2],
            "behind Masking": pool(keras.layers.Masking()(x))[:, :2],
            "over the mask's": (pool(x * mask) / pool(mask))[:, :2],
        }
        return {name: y[0, :, 0].numpy().tolist() for name, y in averages.items()}


@divergence(
    claim="A maximum over windows passes NaN on.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"windows": [float("nan"), 4.0], "whole": float("nan")},
        "tensorflow": {"windows": [1.0, 4.0], "slices": [float("nan"), 4.0], "whole": float("nan")},
    },
    why="PyTorch returns NaN for a window that has one. With TensorFlow on a CPU it depends on the number of features, "
    "and here NaN is passed over: that of a broken layer vanishes. (In a graph, with oneDNN and in float32, the "
    "gradient of the same kernel ends the process if the batch is empty.)",
    instead="Look for NaN before the pooling, or take the maximum of slices by `tf.maximum`.",
    operation="strided.max_pool",
    sources=(
        "https://github.com/tensorflow/tensorflow/issues/125965",
        "https://github.com/tensorflow/tensorflow/issues/126128",
        "https://github.com/tensorflow/tensorflow/issues/2501",
        "https://keras.io/api/layers/pooling_layers/max_pooling1d/",
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxPool1d.html",
    ),
)
class nan_in_a_window:
    def pytorch():
        import torch
        import torch.nn.functional as F

        x = torch.tensor([[[1.0, float("nan"), 3.0, 4.0]]])
        return {"windows": F.max_pool1d(x, 2)[0, 0].tolist(), "whole": x.amax(2).item()}

    def tensorflow():
        import keras
        import tensorflow as tf

        x = tf.constant([1.0, float("nan"), 3.0, 4.0])[None, :, None]
        slices = tf.maximum(x[:, ::2], x[:, 1::2])
        return {
            "windows": keras.layers.MaxPooling1D(2)(x)[0, :, 0].numpy().tolist(),
            "slices": slices[0, :, 0].numpy().tolist(),
            "whole": float(tf.reduce_max(x)),
        }


@divergence(
    claim="A convolution can have both a stride and a dilation, and groups.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"stride and dilation": 2, "gradient of groups": [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0]},
        "tensorflow": {
            "stride and dilation": "ValueError: … not supported in conjunction …",
            "each second step of a dilated one": 2,
            "gradient of groups": "InvalidArgumentError: … grouped convolutions are not supported on CPU …",
        },
    },
    why="PyTorch takes all options together. Keras refuses a stride with a dilation. TensorFlow's CPU kernel has a "
    "gradient of grouped convolutions with oneDNN in float32 only; Keras compiles them by XLA, for each shape anew.",
    instead="In Keras, convolve with the dilation alone and keep each stride-th step, `y[:, ::stride]`; in TensorFlow, "
    "split features and kernel, and call the convolution for each group.",
    operation="strided.conv1d",
    sources=(
        "https://keras.io/api/layers/convolution_layers/convolution1d/",
        "https://github.com/tensorflow/tensorflow/issues/53631",
        "https://github.com/keras-team/keras/issues/14896",
        CONV1D,
    ),
)
class stride_and_dilation:
    def pytorch():
        import torch
        import torch.nn.functional as F

        x = torch.ones(1, 2, 7, requires_grad=True)
        y = F.conv1d(x, torch.ones(2, 1, 2), stride=2, dilation=3, groups=2)
        (gradient,) = torch.autograd.grad(y.sum(), x)
        return {"stride and dilation": y.shape[2], "gradient of groups": gradient[0, 0].tolist()}

    def tensorflow():
        import keras
        import tensorflow as tf

        from parity.divergences.entry import raised

        x, kernel = tf.ones((1, 7, 2), tf.float64), tf.ones((2, 1, 2), tf.float64)
        dilated = keras.ops.conv(x[:, :, :1], kernel, 1, dilation_rate=3)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(tf.nn.conv1d(x, kernel, 2, "VALID"))
        return {
            "stride and dilation": raised(
                lambda: keras.layers.Conv1D(2, 2, strides=2, dilation_rate=3), says="not supported in conjunction"
            ),
            "each second step of a dilated one": dilated[:, ::2].shape[1],
            "gradient of groups": raised(
                lambda: tape.gradient(y, x), says="grouped convolutions are not supported on CPU"
            ),
        }
