"""Record where roots, norms and standard deviations have no finite gradient: silence, one step, padding."""

from parity.divergences.entry import DIFFERS, FALSE, divergence

NAN = float("nan")
WHERE = "https://github.com/pytorch/pytorch/issues/68425"


@divergence(
    claim="Where a root is selected away by the mask, its gradient is 0.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"sqrt": [0.25, NAN], "power of 1/2": [0.25, NAN], "selected before too": [0.25, 0.0]},
        "tensorflow": {"sqrt": [0.25, 0.0], "power of 1/2": [0.25, NAN], "selected before too": [0.25, 0.0]},
    },
    why="The slope of a root at 0 is inf. `where` sends a gradient of 0 to padding, and 0 times inf is NaN; it reaches "
    "whatever padding was computed from. TensorFlow's gradient of `tf.sqrt` returns 0 for a 0, unless XLA compiles it; "
    "that of a power does not.",
    instead="Select before the root too: `torch.where(mask, x, 1).sqrt()`, and then select 0.",
    operation="statistics.normalised_utterance",
    sources=(
        WHERE,
        "https://github.com/pytorch/pytorch/issues/187297",
        "https://github.com/tensorflow/tensorflow/issues/38349",
        "https://github.com/tensorflow/tensorflow/issues/118674",
    ),
)
class root_at_padding:
    def pytorch():
        import torch

        def gradient(root):
            x = torch.tensor([4.0, 0.0], requires_grad=True)  # a real step and padding
            mask = torch.tensor([True, False])
            (found,) = torch.autograd.grad(torch.where(mask, root(x, mask), 0).sum(), x)
            return found.tolist()

        return {
            "sqrt": gradient(lambda x, _: x.sqrt()),
            "power of 1/2": gradient(lambda x, _: x**0.5),
            "selected before too": gradient(lambda x, mask: torch.where(mask, x, 1).sqrt()),
        }

    def tensorflow():
        import tensorflow as tf

        def gradient(root):
            x, mask = tf.constant([4.0, 0.0]), tf.constant([True, False])  # a real step and padding
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = tf.where(mask, root(x, mask), 0.0)
            return tape.gradient(y, x).numpy().tolist()

        return {
            "sqrt": gradient(lambda x, _: tf.sqrt(x)),
            "power of 1/2": gradient(lambda x, _: x**0.5),
            "selected before too": gradient(lambda x, mask: tf.sqrt(tf.where(mask, x, 1.0))),
        }


@divergence(
    claim="The gradient of a norm is 0 at 0.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"norm": [0.0, 0.0], "root of the squares": [NAN, NAN], "with epsilon under the root": [0.0, 0.0]},
        "tensorflow": {
            "norm": [NAN, NAN],
            "root of the squares": [NAN, NAN],
            "with epsilon under the root": [0.0, 0.0],
        },
    },
    why="It has none there. PyTorch's `norm` returns a gradient of 0 by a special case; written as the root of a sum "
    "of squares, the same is inf times 0, NaN. `tf.norm` is written so. One frame of silence, or of padding, makes all "
    "weights NaN.",
    instead="Use `torch.linalg.vector_norm` in PyTorch; in TensorFlow add epsilon under the root.",
    operation="normalisation.unit_norm",
    sources=(
        "https://github.com/pytorch/pytorch/issues/2421",
        "https://github.com/pytorch/pytorch/pull/2775",
        "https://github.com/tensorflow/tensorflow/issues/12071",
    ),
)
class norm_at_zero:
    def pytorch():
        import torch

        def gradient(norm):
            x = torch.zeros(2, requires_grad=True)
            return torch.autograd.grad(norm(x), x)[0].tolist()

        return {
            "norm": gradient(torch.linalg.vector_norm),
            "root of the squares": gradient(lambda x: x.square().sum().sqrt()),
            "with epsilon under the root": gradient(lambda x: (x.square().sum() + 1e-12).sqrt()),
        }

    def tensorflow():
        import tensorflow as tf

        def gradient(norm):
            x = tf.zeros(2)
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = norm(x)
            return tape.gradient(y, x).numpy().tolist()

        return {
            "norm": gradient(tf.norm),
            "root of the squares": gradient(lambda x: tf.sqrt(tf.reduce_sum(tf.square(x)))),
            "with epsilon under the root": gradient(lambda x: tf.sqrt(tf.reduce_sum(tf.square(x)) + 1e-12)),
        }


@divergence(
    claim="The standard deviation of a sequence of one step is 0, and so is its gradient.",
    verdict=DIFFERS,
    expected={
        "pytorch": {
            "std": [NAN, NAN],
            "std without correction": [0.0, 0.0],
            "root of the variance": [0.0, NAN],
            "root of 1e-5 at least": [0.003162, 0.0],
        },
        "tensorflow": {
            "reduce_std": [0.0, NAN],
            "root of the variance": [0.0, NAN],
            "root of 1e-5 at least": [0.003162, 0.0],
        },
    },
    why="`torch.std` divides by n - 1, here by 0; without that, its gradient at 0 is 0 by a special case. TensorFlow "
    "divides by n, and its gradient is inf times 0, NaN. The same holds for a feature that does not change, and for a "
    "sequence that is padded by copies of a step: pooling of mean and deviation meets them all.",
    instead="Take the root of the variance or of epsilon, whichever is larger, and the variance with `correction=0`.",
    operation="statistics.moments",
    sources=(
        "https://docs.pytorch.org/docs/stable/generated/torch.std.html",
        "https://www.tensorflow.org/api_docs/python/tf/math/reduce_std",
        "https://github.com/keras-team/keras/issues/2960",
    ),
)
class deviation_of_one_step:
    def pytorch():
        import torch

        def found(deviation):
            x = torch.tensor([3.0], requires_grad=True)
            y = deviation(x)
            return [y.item(), torch.autograd.grad(y, x)[0].item()]

        return {
            "std": found(torch.std),
            "std without correction": found(lambda x: x.std(correction=0)),
            "root of the variance": found(lambda x: x.var(correction=0).sqrt()),
            "root of 1e-5 at least": found(lambda x: x.var(correction=0).clamp(min=1e-5).sqrt()),
        }

    def tensorflow():
        import tensorflow as tf

        def found(deviation):
            x = tf.constant([3.0])
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = deviation(x)
            return [float(y), float(tape.gradient(y, x)[0])]

        return {
            "reduce_std": found(tf.math.reduce_std),
            "root of the variance": found(lambda x: tf.sqrt(tf.math.reduce_variance(x))),
            "root of 1e-5 at least": found(lambda x: tf.sqrt(tf.maximum(tf.math.reduce_variance(x), 1e-5))),
        }


@divergence(
    claim="Instance norm and utterance-wise normalisation (CMVN) leave padding out of mean and variance.",
    verdict=FALSE,
    expected={
        "pytorch": {"alone": [-1.0, 1.0], "in a batch": [0.0, 1.633]},
        "tensorflow": {"alone": [-0.9995, 0.9995], "in a batch": [0.0, 1.632], "weighted moments": [2.0, 1.0]},
    },
    why="Neither layer takes a mask, nor does a normalisation of features to zero mean and unit variance by hand: "
    "zeros at padding count, so a sequence is normalised otherwise in another batch. `keras.layers.Normalization` "
    "has one mean for all data. `tf.nn.weighted_moments` takes the mask as weights.",
    instead="Divide the masked sum by the length, subtract it, mask, and divide the sum of squares by the length.",
    operation="statistics.instance_norm",
    sources=(
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.InstanceNorm1d.html",
        "https://keras.io/api/layers/normalization_layers/group_normalization/",
        "https://www.tensorflow.org/api_docs/python/tf/nn/weighted_moments",
    ),
)
class instance_norm_of_padding:
    def pytorch():
        import torch
        import torch.nn.functional as F

        x = torch.tensor([[[1.0, 3.0, 0.0, 0.0]]])  # (B, C, T), two real steps
        return {
            "alone": F.instance_norm(x[:, :, :2])[0, 0].tolist(),
            "in a batch": F.instance_norm(x)[0, 0, :2].tolist(),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        x, mask = tf.constant([1.0, 3, 0, 0])[None, :, None], tf.constant([1.0, 1, 0, 0])[None, :, None]
        norm = keras.layers.GroupNormalization(groups=-1)
        mean, variance = tf.nn.weighted_moments(x, 1, mask)
        return {
            "alone": norm(x[:, :2])[0, :, 0].numpy().tolist(),
            "in a batch": norm(keras.layers.Masking()(x))[0, :2, 0].numpy().tolist(),
            "weighted moments": [float(mean[0, 0]), float(variance[0, 0])],
        }
