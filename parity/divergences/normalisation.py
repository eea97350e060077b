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
