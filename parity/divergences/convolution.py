"""Record how convolutions mix padding with real steps."""

from parity.divergences.entry import DIFFERS, FALSE, PARTLY, TRUE, divergence


@divergence(
    claim="If padding is 0 at the input, it does not affect a stack of convolutions.",
    verdict=FALSE,
    expected={
        "pytorch": {"alone": [9.0, 9.0], "in a batch": [9.0, 12.0], "zeroed after each layer": [9.0, 9.0]},
        "tensorflow": {"alone": [9.0, 9.0], "in a batch": [9.0, 12.0], "zeroed after each layer": [9.0, 9.0]},
    },
    why="The first layer reads zeros, as at the end of a sequence. Its own output on padding is the bias, plus the "
    "real steps within its window, and the second layer reads that. A depthwise convolution behind a dense layer, as "
    "in the encoder of a Conformer, reads padded frames too: they leak into the last real ones.",
    instead="Apply `y * mask` after every convolution. In Keras, a mask does not do this: `Conv1D` drops it, with a "
    "warning.",
    operation="feedforward.conv1d",
    sources=(
        "https://github.com/keras-team/keras/issues/16622",
        "https://github.com/keras-team/keras/issues/20113",
        "https://github.com/pytorch/audio/issues/4205",
        "https://github.com/espnet/espnet/pull/6660",
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv1d.html",
    ),
)
class stack_bias:
    def pytorch():
        import torch
        from torch import nn

        x = torch.tensor([[[1.0, 2.0, 0.0, 0.0]]])  # (B, C, T), two real steps
        mask = torch.tensor([[[1.0, 1.0, 0.0, 0.0]]])
        first, second = (nn.Conv1d(1, 1, 3, padding="same") for _ in range(2))
        for weight in (*first.parameters(), *second.parameters()):
            nn.init.ones_(weight)
        outputs = {
            "alone": second(first(x[:, :, :2])),
            "in a batch": second(first(x)),
            "zeroed after each layer": second(first(x) * mask) * mask,
        }
        return {name: y[0, 0, :2].tolist() for name, y in outputs.items()}

    def tensorflow():
        import keras
        import tensorflow as tf

        x = tf.constant([1.0, 2.0, 0.0, 0.0])[None, :, None]  # (B, T, C), two real steps
        mask = tf.constant([1.0, 1.0, 0.0, 0.0])[None, :, None]
        ones = {"padding": "same", "kernel_initializer": "ones", "bias_initializer": "ones"}
        first, second = (keras.layers.Conv1D(1, 3, **ones) for _ in range(2))
        outputs = {
            "alone": second(first(x[:, :2])),
            "in a batch": second(first(x)),
            "zeroed after each layer": second(first(x) * mask) * mask,
        }
        return {name: y[0, :2, 0].numpy().tolist() for name, y in outputs.items()}


@divergence(
    claim="With a stride, `padding='same'` gives the same outputs whatever length a sequence is padded to.",
    verdict=DIFFERS,
    expected={
        "pytorch": {
            "same": "ValueError: … padding='same' is not supported for strided convolutions …",
            "padding=1 at 4 steps": [3.0, 9.0],
            "padding=1 at 5 steps": [3.0, 9.0, 4.0],
        },
        "tensorflow": {"same at 4 steps": [6.0, 7.0], "same at 5 steps": [3.0, 9.0, 4.0]},
    },
    why="TensorFlow pads as little as the length needs, and more of it on the right: with stride 2, the windows start "
    "at the first step for an even T and before it for an odd one. PyTorch rejects 'same' with a stride, and a number "
    "pads equally at any T.",
    instead="Pad explicitly, with `keras.layers.ZeroPadding1D(1)` and `padding='valid'`, or make T a multiple of the "
    "stride, always.",
    operation="feedforward.conv1d",
    sources=(
        "https://github.com/pytorch/pytorch/issues/3867",
        "https://github.com/pytorch/pytorch/issues/67551",
        "https://github.com/pytorch/pytorch/pull/45667",
    ),
)
class same_stride:
    def pytorch():
        import torch
        from torch import nn

        from parity.divergences.entry import raised

        x = torch.tensor([[[1.0, 2.0, 3.0, 4.0, 0.0]]])  # (B, C, T); the last step is padding
        convolution = nn.Conv1d(1, 1, 3, stride=2, padding=1, bias=False)
        nn.init.ones_(convolution.weight)
        return {
            "same": raised(
                lambda: nn.Conv1d(1, 1, 3, stride=2, padding="same"),
                says="padding='same' is not supported for strided convolutions",
            ),
            "padding=1 at 4 steps": convolution(x[:, :, :4])[0, 0].tolist(),
            "padding=1 at 5 steps": convolution(x)[0, 0].tolist(),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        x = tf.constant([1.0, 2.0, 3.0, 4.0, 0.0])[None, :, None]  # (B, T, C); the last step is padding
        convolution = keras.layers.Conv1D(1, 3, strides=2, padding="same", kernel_initializer="ones")
        return {
            "same at 4 steps": convolution(x[:, :4])[0, :, 0].numpy().tolist(),
            "same at 5 steps": convolution(x)[0, :, 0].numpy().tolist(),
        }


@divergence(
    claim="A causal convolution on right-padded input needs no mask between layers.",
    verdict=TRUE,
    expected={
        "pytorch": {"alone": [3.0, 7.0], "in a batch": [3.0, 7.0], "padded on the left": [5.0, 8.0]},
        "tensorflow": {"alone": [3.0, 7.0], "in a batch": [3.0, 7.0], "padded on the left": [5.0, 8.0]},
    },
    why="Its outputs depend on the past only, and right padding lies in the future, whatever values the biases give "
    "it. Left padding lies in the past, and needs the mask.",
    instead="Mask once, before the loss or the pooling.",
    operation="feedforward.conv1d",
    sources=("https://keras.io/api/layers/convolution_layers/convolution1d/",),
)
class causal:
    def pytorch():
        import torch
        import torch.nn.functional as F
        from torch import nn

        first, second = (nn.Conv1d(1, 1, 3) for _ in range(2))
        for weight in (*first.parameters(), *second.parameters()):
            nn.init.ones_(weight)

        def stack(*x):
            y = torch.tensor([[x]])
            for layer in (first, second):
                y = layer(F.pad(y, (2, 0)))
            return y[0, 0].tolist()

        return {
            "alone": stack(1.0, 2.0),
            "in a batch": stack(1.0, 2.0, 0.0, 0.0)[:2],
            "padded on the left": stack(0.0, 0.0, 1.0, 2.0)[2:],
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        ones = {"padding": "causal", "kernel_initializer": "ones", "bias_initializer": "ones"}
        first, second = (keras.layers.Conv1D(1, 3, **ones) for _ in range(2))

        def stack(*x):
            return second(first(tf.constant(x)[None, :, None]))[0, :, 0].numpy().tolist()

        return {
            "alone": stack(1.0, 2.0),
            "in a batch": stack(1.0, 2.0, 0.0, 0.0)[:2],
            "padded on the left": stack(0.0, 0.0, 1.0, 2.0)[2:],
        }


@divergence(
    claim="With a stride of 2 and a window of 3, `padding='same'` in Keras is `padding=1` in PyTorch.",
    verdict=PARTLY,
    expected={
        "pytorch": {
            "convolution, T=5": [210.0, 432.0, 54.0],
            "convolution, T=6": [210.0, 432.0, 654.0],
            "maximum, T=5": [2.0, 4.0, 5.0],
            "maximum, T=6": [2.0, 4.0, 6.0],
        },
        "tensorflow": {
            "convolution, T=5": [210.0, 432.0, 54.0],
            "convolution, T=6": [321.0, 543.0, 65.0],
            "maximum, T=5": [2.0, 4.0, 5.0],
            "maximum, T=6": [3.0, 5.0, 6.0],
        },
    },
    why="For odd T both pad one step on each side. For even T one step of padding is enough, and TensorFlow puts it on "
    "the right, so that all windows begin a step later. A port that was tried at T = 5 or 7 is wrong at 6 and 8; so is "
    "pooling.",
    instead="Give both explicit padding: `ZeroPadding1D` before `padding='valid'` in Keras, or `F.pad(x, (0, 1))` in "
    "PyTorch for even T.",
    operation="feedforward.conv1d",
    sources=(
        "https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2",
        "https://github.com/pytorch/pytorch/issues/67551",
    ),
)
class same_stride_even:
    def pytorch():
        import torch
        import torch.nn.functional as F

        kernel, found = torch.tensor([[[1.0, 10.0, 100.0]]]), {}
        for steps in (5, 6):
            x = torch.arange(1.0, steps + 1)[None, None]  # (B, C, T)
            found[f"convolution, T={steps}"] = F.conv1d(x, kernel, stride=2, padding=1)[0, 0].tolist()
            found[f"maximum, T={steps}"] = F.max_pool1d(x, 3, stride=2, padding=1)[0, 0].tolist()
        return found

    def tensorflow():
        import keras
        import tensorflow as tf

        found = {}
        convolution = keras.layers.Conv1D(1, 3, strides=2, padding="same", use_bias=False)
        convolution.build((None, None, 1))
        convolution.kernel.assign(tf.constant([1.0, 10.0, 100.0])[:, None, None])
        pool = keras.layers.MaxPooling1D(3, strides=2, padding="same")
        for steps in (5, 6):
            x = tf.range(1.0, steps + 1)[None, :, None]  # (B, T, C)
            found[f"convolution, T={steps}"] = convolution(x)[0, :, 0].numpy().tolist()
            found[f"maximum, T={steps}"] = pool(x)[0, :, 0].numpy().tolist()
        return found


@divergence(
    claim="A convolution of an empty batch, of no rows, has the steps and the channels that it has otherwise.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"3 of 5 steps, 7 of 4 channels": [0, 7, 3]},
        "tensorflow": {
            "3 of 5 steps, 7 of 4 channels": [0, 5, 4],
            "padding='causal'": [0, 7, 4],
            "in XLA": [0, 3, 7],
            "in two groups": [0, 3, 8],
            "with a bias": "InvalidArgumentError",
        },
    },
    why="TensorFlow's kernel gives an empty input back as it is, with the padding that was put before it, so that the "
    "next layer meets another number of channels. Already the layer's own bias does not fit, where it runs eagerly. "
    "Separable and depthwise convolutions do the same; XLA, groups and transposed convolutions give the right shape.",
    instead="Skip a batch without rows, or compile the layer: `tf.function(layer, jit_compile=True)`.",
    operation="",
    sources=(
        "https://github.com/keras-team/keras/pull/22564",
        "https://keras.io/api/layers/convolution_layers/convolution1d/",
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv1d.html",
    ),
)
class batch_of_no_rows:
    def pytorch():
        import torch

        y = torch.nn.Conv1d(4, 7, 3)(torch.zeros(0, 4, 5))  # (B, C, T)
        return {"3 of 5 steps, 7 of 4 channels": list(y.shape)}

    def tensorflow():
        import keras
        import tensorflow as tf

        def shape(filters, bias=False, compiled=False, **options):
            layer = keras.layers.Conv1D(filters, 3, use_bias=bias, **options)
            layer.build((None, None, 4))
            call = tf.function(layer, jit_compile=True) if compiled else layer
            return list(call(tf.zeros((0, 5, 4))).shape)  # (B, T, C)

        try:
            with_bias = shape(7, bias=True)
        except tf.errors.InvalidArgumentError as error:
            with_bias = type(error).__name__
        return {
            "3 of 5 steps, 7 of 4 channels": shape(7),
            "padding='causal'": shape(7, padding="causal"),
            "in XLA": shape(7, compiled=True),
            "in two groups": shape(8, groups=2),
            "with a bias": with_bias,
        }
