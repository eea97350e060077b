"""Record how normalisation layers differ in their statistics, masks and default constants."""

from parity.divergences.entry import DIFFERS, FALSE, divergence


@divergence(
    claim="Batch norm excludes padding from its statistics.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"real steps": [0.3015, 1.508], "padding": [-0.9045, -0.9045], "mean": 1.5},
        "tensorflow": {
            "real steps without a mask": [0.3015, 1.508],
            "real steps": [-0.9995, 0.9995],
            "padding": [-2.999, -2.999],
            "mean": 3.0,
        },
    },
    why="PyTorch's layer does not accept a mask. Keras' layer uses it for the statistics, so real steps are "
    "normalised as if alone, but normalises the padding as well: with a small variance, to large numbers.",
    instead="In PyTorch, apply it to the real steps only, `norm(x[mask])`, and scatter back. In both, mask the output.",
    operation="normalisation.batch_norm",
    sources=(
        "https://github.com/pytorch/pytorch/issues/70529",
        "https://github.com/pytorch/pytorch/issues/30414",
        "https://keras.io/api/layers/normalization_layers/batch_normalization/",
    ),
)
class batchnorm_on_padding:
    def pytorch():
        import torch
        from torch import nn

        x = torch.tensor([[[2.0, 4.0, 0.0, 0.0]]])  # (B, C, T), two real steps
        norm = nn.BatchNorm1d(1, momentum=1)
        y = norm(x)[0, 0].tolist()
        return {"real steps": y[:2], "padding": y[2:], "mean": norm.running_mean.item()}

    def tensorflow():
        import keras
        import tensorflow as tf

        x = tf.constant([2.0, 4.0, 0.0, 0.0])[None, :, None]  # (B, T, C), two real steps
        norm = keras.layers.BatchNormalization(momentum=0)
        without = norm(x, training=True)[0, :, 0].numpy().tolist()
        y = norm(x, training=True, mask=tf.sequence_mask([2], 4))[0, :, 0].numpy().tolist()
        return {
            "real steps without a mask": without[:2],
            "real steps": y[:2],
            "padding": y[2:],
            "mean": float(norm.moving_mean[0]),
        }


@divergence(
    claim="Batch norm with its defaults is the same layer in both.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"momentum": 0.1, "mean after [1, 3]": 0.2, "variance after [1, 3]": 1.1, "epsilon": 1e-5},
        "tensorflow": {"momentum": 0.99, "mean after [1, 3]": 0.02, "variance after [1, 3]": 1.0, "epsilon": 1e-3},
    },
    why="PyTorch's momentum is the weight of the new value, Keras' that of the old one, and their defaults are not "
    "equivalent either. The running variance counts [1, 3] as 2 in PyTorch, divided by n - 1, and as 1 in Keras; both "
    "start from 1.",
    instead="Use `nn.BatchNorm1d(C, eps=1e-3, momentum=0.01)` for Keras' defaults; the variance still differs by n / "
    "(n - 1).",
    operation="normalisation.batch_norm",
    sources=(
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm1d.html",
        "https://keras.io/api/layers/normalization_layers/batch_normalization/",
    ),
)
class batchnorm_conventions:
    def pytorch():
        import torch
        from torch import nn

        norm = nn.BatchNorm1d(1)
        norm(torch.tensor([[1.0], [3.0]]))
        return {
            "momentum": norm.momentum,
            "mean after [1, 3]": norm.running_mean.item(),
            "variance after [1, 3]": norm.running_var.item(),
            "epsilon": norm.eps,
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        norm = keras.layers.BatchNormalization()
        norm(tf.constant([[1.0], [3.0]]), training=True)
        return {
            "momentum": norm.momentum,
            "mean after [1, 3]": float(norm.moving_mean[0]),
            "variance after [1, 3]": float(norm.moving_variance[0]),
            "epsilon": norm.epsilon,
        }


@divergence(
    claim="Group norm over a sequence excludes padding if the layer supports masks.",
    verdict=FALSE,
    expected={
        "pytorch": {"alone": [-1.0, 1.0], "padded": [0.3015, 1.508]},
        "tensorflow": {"alone": [-0.9995, 0.9995], "padded and masked": [0.3015, 1.508], "mask passed on": True},
    },
    why="Its statistics include the time axis, and no mask applies to them. Keras' layer supports masking only in "
    "that it passes the mask on. Instance norm is the same with more groups.",
    instead="Use layer norm, whose statistics belong to one step, or compute the sums yourself, with the mask.",
    operation="normalisation.layer_norm",
    sources=(
        "https://github.com/pytorch/pytorch/issues/81985",
        "https://keras.io/api/layers/normalization_layers/group_normalization/",
    ),
)
class groupnorm_mask:
    def pytorch():
        import torch
        from torch import nn

        x = torch.tensor([[[2.0, 4.0, 0.0, 0.0]]])  # (B, C, T), two real steps
        norm = nn.GroupNorm(1, 1)
        return {"alone": norm(x[:, :, :2])[0, 0].tolist(), "padded": norm(x)[0, 0, :2].tolist()}

    def tensorflow():
        import keras
        import tensorflow as tf

        x = tf.constant([2.0, 4.0, 0.0, 0.0])[None, :, None]  # (B, T, C), two real steps
        norm = keras.layers.GroupNormalization(1)
        padded = norm(keras.layers.Masking()(x))
        return {
            "alone": norm(x[:, :2])[0, :, 0].numpy().tolist(),
            "padded and masked": padded[0, :2, 0].numpy().tolist(),
            "mask passed on": padded._keras_mask.numpy().tolist() == [[True, True, False, False]],
        }


@divergence(
    claim="Layer norm with its defaults is the same layer in both.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"[0.1, 0.2, 0.4]": [-1.069, -0.2672, 1.336], "slope on padding of zeros": 210.8},
        "tensorflow": {"[0.1, 0.2, 0.4]": [-1.036, -0.2591, 1.295], "slope on padding of zeros": 21.08},
    },
    why="Epsilon, which is added to the variance, is 1e-5 in PyTorch and 1e-3 in Keras, and matters wherever the "
    "variance is small. On padding of zeros only epsilon remains: a gradient there is multiplied by 1 / √epsilon.",
    instead="Use `keras.layers.LayerNormalization(epsilon=1e-5)`, and a mask before the loss.",
    operation="normalisation.layer_norm",
    sources=(
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.LayerNorm.html",
        "https://keras.io/api/layers/normalization_layers/layer_normalization/",
    ),
)
class layernorm_epsilon:
    def pytorch():
        import torch
        from torch import nn

        norm, padding = nn.LayerNorm(3), torch.zeros(3, requires_grad=True)
        norm(padding)[0].backward()
        return {
            "[0.1, 0.2, 0.4]": norm(torch.tensor([0.1, 0.2, 0.4])).tolist(),
            "slope on padding of zeros": padding.grad[0].item(),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        norm, padding = keras.layers.LayerNormalization(), tf.Variable([[0.0, 0.0, 0.0]])
        with tf.GradientTape() as tape:
            first = norm(padding)[0, 0]
        return {
            "[0.1, 0.2, 0.4]": norm(tf.constant([[0.1, 0.2, 0.4]]))[0].numpy().tolist(),
            "slope on padding of zeros": float(tape.gradient(first, padding)[0, 0]),
        }


@divergence(
    claim="The epsilon of a unit norm (`F.normalize`, `UnitNormalization`, `l2_normalize`) is the same in both.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"slope on zeros": 1e12, "norm of [3e-7, 4e-7]": 1.0},
        "tensorflow": {
            "slope on zeros, UnitNormalization": 1e12,
            "slope on zeros, l2_normalize": 1e6,
            "norm of [3e-7, 4e-7], UnitNormalization": 1.0,
            "norm of [3e-7, 4e-7], l2_normalize": 0.5,
        },
    },
    why="All have 1e-12 by default. In PyTorch and Keras it bounds the norm, in `tf.math.l2_normalize` the square of "
    "the norm: the slope on a frame of zeros is 1e12 or 1e6, and a vector shorter than 1e-6 keeps its length. In Keras "
    "on PyTorch the gradient of zeros is NaN.",
    instead="Give `epsilon=eps**2` to `l2_normalize`. Mask padding behind it: a slope of 1e12 is one of padding too.",
    operation="normalisation.unit_norm",
    sources=(
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.normalize.html",
        "https://www.tensorflow.org/api_docs/python/tf/math/l2_normalize",
        "https://github.com/keras-team/keras/issues/23075",
        "https://github.com/pytorch/pytorch/issues/184575",
    ),
)
class unit_norm_epsilon:
    def pytorch():
        import torch
        import torch.nn.functional as F

        zeros = torch.zeros(1, 2, requires_grad=True)
        (slope,) = torch.autograd.grad(F.normalize(zeros)[0, 0], zeros)
        return {
            "slope on zeros": slope[0, 0].item(),
            "norm of [3e-7, 4e-7]": F.normalize(torch.tensor([[3e-7, 4e-7]])).norm().item(),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        def slope(normalise):
            zeros = tf.zeros((1, 2))
            with tf.GradientTape() as tape:
                tape.watch(zeros)
                first = normalise(zeros)[0, 0]
            return float(tape.gradient(first, zeros)[0, 0])

        layer, short = keras.layers.UnitNormalization(), tf.constant([[3e-7, 4e-7]])
        return {
            "slope on zeros, UnitNormalization": slope(layer),
            "slope on zeros, l2_normalize": slope(lambda x: tf.math.l2_normalize(x, 1)),
            "norm of [3e-7, 4e-7], UnitNormalization": float(tf.norm(layer(short))),
            "norm of [3e-7, 4e-7], l2_normalize": float(tf.norm(tf.math.l2_normalize(short, 1))),
        }


@divergence(
    claim="RMS norm with its defaults is the same layer in both.",
    verdict=DIFFERS,
    expected={
        "pytorch": {
            "[0.001, 0.001]": [0.9452, 0.9452],
            "slope on silence": 2896.0,
            "slope on silence, float64": 67108864.0,
        },
        "tensorflow": {
            "[0.001, 0.001]": [0.7071, 0.7071],
            "slope on silence": 1000.0,
            "slope on silence, float64": 1000.0,
        },
    },
    why="Epsilon is 1e-6 in Keras, and the roundoff of the dtype in PyTorch, 1.2e-7 in float32 and 2.2e-16 in float64. "
    "It shows on quiet frames, and in the slope on silence, one over its root.",
    instead="Pass epsilon: `nn.RMSNorm(H, eps=1e-6)`.",
    operation="normalisation.rms_norm",
    sources=(
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.RMSNorm.html",
        "https://keras.io/api/layers/normalization_layers/rms_normalization/",
    ),
)
class rms_norm_defaults:
    def pytorch():
        import torch
        from torch import nn

        def slope(dtype):
            silence = torch.zeros(1, 2, dtype=dtype, requires_grad=True)
            (found,) = torch.autograd.grad(nn.RMSNorm(2, dtype=dtype)(silence)[0, 0], silence)
            return found[0, 0].item()

        return {
            "[0.001, 0.001]": nn.RMSNorm(2)(torch.tensor([[0.001, 0.001]]))[0].tolist(),
            "slope on silence": slope(torch.float32),
            "slope on silence, float64": slope(torch.float64),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        def slope(dtype):
            silence, norm = tf.zeros((1, 2), dtype), keras.layers.RMSNormalization(dtype=dtype)
            with tf.GradientTape() as tape:
                tape.watch(silence)
                first = norm(silence)[0, 0]
            return float(tape.gradient(first, silence)[0, 0])

        return {
            "[0.001, 0.001]": keras.layers.RMSNormalization()(tf.constant([[0.001, 0.001]]))[0].numpy().tolist(),
            "slope on silence": slope("float32"),
            "slope on silence, float64": slope("float64"),
        }
