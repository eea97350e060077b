"""Record how masked losses differ, and which errors masking the loss does not prevent."""

from parity.divergences.entry import DIFFERS, FALSE, PARTLY, divergence


@divergence(
    claim="When every target is ignored, the mean loss is 0.",
    verdict=DIFFERS,
    expected={"pytorch": {"loss": float("nan")}, "tensorflow": {"loss": 0.0}},
    why="PyTorch divides the sum of no losses by the number of targets that count, 0 / 0: NaN, as for a batch whose "
    "labels are all -100 (`ignore_index`). Keras divides safely.",
    instead="Divide the sum by the number of real steps or 1, whichever is larger.",
    operation="loss.cross_entropy",
    sources=("https://github.com/pytorch/pytorch/issues/70348", "https://github.com/pytorch/pytorch/issues/116349"),
)
class all_ignored:
    def pytorch():
        import torch
        import torch.nn.functional as F

        loss = F.cross_entropy(torch.zeros(2, 4), torch.tensor([-100, -100]), ignore_index=-100)
        return {"loss": loss.item()}

    def tensorflow():
        import keras
        import tensorflow as tf

        cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
        loss = cross_entropy(tf.constant([-1, -1]), tf.zeros((2, 4)))
        return {"loss": float(loss)}


@divergence(
    claim="The mean of masked losses is the mean over the real steps.",
    verdict=PARTLY,
    expected={
        "pytorch": {"ignore_index": 1.395, "(losses * mask).mean()": 0.6977},
        "tensorflow": {
            "mask": 1.395,
            "ignore_class": 1.395,
            "sample_weight": 0.6977,
            "sample_weight, reduction='mean_with_sample_weight'": 1.395,
        },
    },
    why="It is with `ignore_index`, `ignore_class` or a Keras mask. Multiplying by a mask, or a sample weight in "
    "Keras, removes padding from the sum, but the sum is still divided by all steps: by four here, of which two are "
    "padding. So it is with a mean squared error (MSE) of padded frames, and with a mean over timesteps, "
    "`(losses * mask).mean(1)`. The more padding, the smaller the loss and its gradients.",
    instead="Divide by the sum of the mask, or use `ignore_index`, `ignore_class`, a Keras mask, or "
    "`reduction='mean_with_sample_weight'`.",
    operation="loss.cross_entropy",
    sources=(
        "https://github.com/tensorflow/tensorflow/issues/26784",
        "https://github.com/tensorflow/tensorflow/issues/34158",
        "https://github.com/keras-team/keras/issues/15323",
        "https://github.com/keras-team/keras/issues/19740",
    ),
)
class denominator:
    def pytorch():
        import torch
        import torch.nn.functional as F

        logits = torch.tensor([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [3.0, 0.0, 0.0], [0.0, 0.0, 3.0]])
        targets = torch.tensor([0, 2, 0, 0])
        mask = torch.tensor([1.0, 1.0, 0.0, 0.0])
        losses = F.cross_entropy(logits, targets, reduction="none")
        ignored = F.cross_entropy(logits, targets.masked_fill(mask == 0, -100))
        return {"ignore_index": ignored.item(), "(losses * mask).mean()": (losses * mask).mean().item()}

    def tensorflow():
        import keras
        import numpy as np
        import tensorflow as tf

        rows = np.float32([[3, 0, 0], [1, 0, 0], [0, 2, 0]])  # row 0 is the padding row
        tokens = tf.constant([[1, 2, 0, 0]])
        masked = keras.layers.Embedding(3, 3, weights=[rows], mask_zero=True)(tokens)
        logits = tf.gather(rows, tokens)
        targets, weights = tf.constant([[0, 2, 0, 0]]), tf.constant([[1.0, 1.0, 0.0, 0.0]])

        def loss(targets, logits, weights=None, **options):
            cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True, **options)
            return float(cross_entropy(targets, logits, sample_weight=weights))

        by_weight = "mean_with_sample_weight"
        return {
            "mask": loss(targets, masked),
            "ignore_class": loss(tf.constant([[0, 2, -1, -1]]), logits, ignore_class=-1),
            "sample_weight": loss(targets, logits, weights),
            "sample_weight, reduction='mean_with_sample_weight'": loss(targets, logits, weights, reduction=by_weight),
        }


@divergence(
    claim="With frame-wise layers, masking the loss is enough.",
    verdict=PARTLY,
    expected={
        "pytorch": {"linear": True, "convolution": False, "batch norm": False, "backward RNN": False},
        "tensorflow": {"linear": True, "convolution": False, "batch norm": False, "backward RNN": False},
    },
    why="Each value states whether a layer's gradient stays the same when padding is 9 instead of 0. A layer that "
    "maps each step by itself never reads padding. A convolution reads across the boundary, batch norm takes its "
    "statistics from all steps, and a backward RNN starts in the padding.",
    instead="Mask the input of each layer that reads beyond its own step, as well as the loss.",
    operation="feedforward.dense",
    sources=("https://github.com/pytorch/pytorch/issues/70529",),
)
class enough_for_frame_wise_layers:
    def pytorch():
        import torch
        import torch.nn.functional as F

        def backward_rnn(x, w):
            state, outputs = torch.zeros(()), []
            for step in x.flip(-1).flatten():
                state = torch.tanh(w[0, 0, 0] * step + w[0, 0, 1] * state)
                outputs.append(state)
            return torch.stack(outputs).flip(0)

        layers = {
            "linear": lambda x, w: x * w[..., :1],
            "convolution": lambda x, w: F.conv1d(x, w, padding=1),
            "batch norm": lambda x, w: F.batch_norm(x, None, None, weight=w[0, 0, :1], training=True),
            "backward RNN": backward_rnn,
        }
        mask = torch.tensor([1.0, 1.0, 1.0, 0.0])

        def gradient(layer, padding):
            weight = torch.full((1, 1, 3), 0.5, requires_grad=True)
            y = layer(torch.tensor([[[1.0, 2.0, 4.0, padding]]]), weight)
            loss = ((y - 1) ** 2 * mask).sum()
            return torch.autograd.grad(loss, weight)[0]

        return {name: torch.allclose(gradient(layer, 0.0), gradient(layer, 9.0)) for name, layer in layers.items()}

    def tensorflow():
        import keras
        import numpy as np
        import tensorflow as tf

        ones = {"kernel_initializer": "ones"}
        layers = {
            "linear": keras.layers.Dense(1, **ones),
            "convolution": keras.layers.Conv1D(1, 3, padding="same", **ones),
            "batch norm": keras.layers.BatchNormalization(),
            "backward RNN": keras.layers.SimpleRNN(
                1, go_backwards=True, return_sequences=True, recurrent_initializer="ones", **ones
            ),
        }
        mask = tf.constant([1.0, 1.0, 1.0, 0.0])

        def gradient(layer, padding):
            with tf.GradientTape() as tape:
                y = layer(tf.constant([[[1.0], [2.0], [4.0], [padding]]]), training=True)[0, :, 0]
                y = y[::-1] if getattr(layer, "go_backwards", False) else y
                loss = tf.reduce_sum((y - 1) ** 2 * mask)
            return tape.gradient(loss, layer.trainable_variables[0].value)

        return {name: np.allclose(gradient(layer, 0.0), gradient(layer, 9.0)) for name, layer in layers.items()}


@divergence(
    claim="With a forward RNN on right-padded input, masking the loss is enough.",
    verdict=PARTLY,
    expected={
        "pytorch": {"gradient is the same": True, "final state is the same": False},
        "tensorflow": {"gradient is the same": True, "final state is the same": False},
    },
    why="The comparison is with the same sequence without padding. The steps before the padding never read it, and "
    "nothing after it reaches the loss. But the state keeps changing, so the last one is not that of the last real "
    "step.",
    instead="Take the state at step length - 1, pack the sequence, or pass the mask to the layer.",
    operation="pooling.last_relevant",
    sources=(
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.pack_padded_sequence.html",
        "https://www.tensorflow.org/guide/keras/understanding_masking_and_padding",
    ),
)
class enough_for_forward_rnn:
    def pytorch():
        import torch
        from torch import nn

        rnn = nn.RNN(1, 1, batch_first=True)
        for parameter in rnn.parameters():
            nn.init.constant_(parameter, 0.5)

        def run(steps):
            outputs, state = rnn(torch.tensor(steps).reshape(1, -1, 1))
            loss = (outputs[:, :2] ** 2).sum()  # the other steps are masked out
            return torch.autograd.grad(loss, rnn.weight_ih_l0)[0], state

        (gradient, state), (padded_gradient, padded_state) = run([1.0, 2.0]), run([1.0, 2.0, 0.0, 0.0])
        return {
            "gradient is the same": torch.allclose(gradient, padded_gradient),
            "final state is the same": torch.allclose(state, padded_state),
        }

    def tensorflow():
        import keras
        import numpy as np
        import tensorflow as tf

        constant = keras.initializers.Constant(0.5)
        rnn = keras.layers.SimpleRNN(
            1, return_sequences=True, return_state=True, kernel_initializer=constant, recurrent_initializer=constant
        )

        def run(steps):
            with tf.GradientTape() as tape:
                outputs, state = rnn(tf.reshape(tf.constant(steps), (1, -1, 1)))
                loss = tf.reduce_sum(outputs[:, :2] ** 2)  # the other steps are masked out
            return tape.gradient(loss, rnn.trainable_variables[0].value), state

        (gradient, state), (padded_gradient, padded_state) = run([1.0, 2.0]), run([1.0, 2.0, 0.0, 0.0])
        return {
            "gradient is the same": np.allclose(gradient, padded_gradient),
            "final state is the same": np.allclose(state, padded_state),
        }


@divergence(
    claim="A NaN prediction at padding is harmless, because the loss excludes that step.",
    verdict=DIFFERS,
    expected={
        "pytorch": {
            "loss is finite": True,
            "gradient of real steps is finite": True,
            "gradient of padding is finite": False,
            "gradient of weights is finite": False,
        },
        "tensorflow": {
            "loss is finite, sample_weight": False,
            "loss is finite, mask": False,
            "loss is finite, ignore_class": True,
            "gradient of padding is finite": True,
        },
    },
    why="PyTorch excludes the step from the sum and multiplies by 0 in the backward pass. 0 · NaN is NaN, which "
    "reaches every weight that the steps share. A Keras mask or weight multiplies in the forward pass already; "
    "`ignore_class` selects, and stays finite.",
    instead="Replace the values at padding before the layer that turns them into NaN: `where(mask, x, 0)` on its "
    "input.",
    operation="loss.cross_entropy",
    sources=("https://github.com/pytorch/pytorch/issues/11551",),
)
class nan_at_masked:
    def pytorch():
        import torch
        import torch.nn.functional as F

        x = torch.tensor([[1.0, 2.0], [float("nan"), 0.0]])  # the second step is padding
        weight = torch.ones(2, 3, requires_grad=True)
        logits = x @ weight
        logits.retain_grad()
        loss = F.cross_entropy(logits, torch.tensor([0, -100]), ignore_index=-100)
        loss.backward()
        return {
            "loss is finite": loss.isfinite().item(),
            "gradient of real steps is finite": logits.grad[0].isfinite().all().item(),
            "gradient of padding is finite": logits.grad[1].isfinite().all().item(),
            "gradient of weights is finite": weight.grad.isfinite().all().item(),
        }

    def tensorflow():
        import keras
        import numpy as np
        import tensorflow as tf

        rows = np.float32([[np.nan, 0, 0], [1, 0, 0]])  # row 0 is the padding row
        tokens, targets = tf.constant([[1, 0]]), tf.constant([[0, 0]])
        embed = keras.layers.Embedding(2, 3, weights=[rows], mask_zero=True)
        cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        ignoring = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
        logits = tf.Variable(tf.gather(rows, tokens))
        with tf.GradientTape() as tape:
            ignored = ignoring(tf.constant([[0, -1]]), logits)
        return {
            "loss is finite, sample_weight": np.isfinite(cross_entropy(targets, logits, [[1.0, 0.0]])).item(),
            "loss is finite, mask": np.isfinite(cross_entropy(targets, embed(tokens))).item(),
            "loss is finite, ignore_class": np.isfinite(ignored).item(),
            "gradient of padding is finite": np.isfinite(tape.gradient(ignored, logits)).all().item(),
        }


@divergence(
    claim="A target row of zeros makes the loss of a padded step 0.",
    verdict=PARTLY,
    expected={
        "pytorch": {"with padding, without": [0.2395, 0.2395], "smoothed, with padding, without": [0.7076, 0.3729]},
        "tensorflow": {"with padding, without": [0.2395, 0.2395], "smoothed, with padding, without": [0.7076, 0.3729]},
    },
    why="The values are the sums of losses with a padded step and without it. A row of zeros, which `tf.one_hot` "
    "makes of -1, has loss 0, though it still counts in a mean. Label smoothing gives every class of every row a "
    "share, padding included. PyTorch's `ignore_index` does not apply to targets that are probabilities.",
    instead="Pass class indices with `ignore_index`, or weight the losses by the mask and divide by its sum.",
    operation="loss.label_smoothing",
    sources=("https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.cross_entropy.html",),
)
class label_smoothing:
    def pytorch():
        import torch
        import torch.nn.functional as F

        logits = torch.tensor([[2.0, 0.0, 0.0], [5.0, 0.0, 0.0]])
        targets = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])  # the second step is padding

        def losses(smoothing):
            options = {"reduction": "sum", "label_smoothing": smoothing}
            both, first = (F.cross_entropy(logits[:n], targets[:n], **options) for n in (2, 1))
            return [both.item(), first.item()]

        return {"with padding, without": losses(0.0), "smoothed, with padding, without": losses(0.1)}

    def tensorflow():
        import keras
        import tensorflow as tf

        logits = tf.constant([[2.0, 0.0, 0.0], [5.0, 0.0, 0.0]])
        targets = tf.one_hot([0, -1], 3)  # the second step is padding

        def losses(smoothing):
            loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing, reduction="sum")
            return [float(loss(targets[:n], logits[:n])) for n in (2, 1)]

        return {"with padding, without": losses(0.0), "smoothed, with padding, without": losses(0.1)}


@divergence(
    claim="The sequence loss of `tf.contrib.seq2seq` has a successor in TensorFlow 2.",
    verdict=FALSE,
    expected={
        "tensorflow": {
            "tf.contrib": "AttributeError: … no attribute 'contrib' …",
            "average over both": 2.0,
            "average over time": [1.5, 3.0],
            "average over the batch": [2.0, 2.0],
        }
    },
    why="`tf.contrib` was removed with TensorFlow 1, and TensorFlow Addons, which had adopted the loss, has ended. "
    "The loss is a weighted sum over the averaged axes, divided by the sum of the weights over the same axes.",
    instead="Write it out, as in this snippet; its flags are worth keeping.",
    operation="loss.sequence_loss",
    sources=("https://github.com/tensorflow/addons/issues/2807", "https://github.com/tensorflow/addons/issues/375"),
)
class sequence_loss_gone:
    def tensorflow():
        import tensorflow as tf

        from parity.divergences.entry import raised

        losses = tf.constant([[1.0, 2.0], [3.0, 0.0]])
        weights = tf.constant([[1.0, 1.0], [1.0, 0.0]])

        def sequence_loss(axes):
            return tf.reduce_sum(losses * weights, axes) / tf.reduce_sum(weights, axes)

        return {
            "tf.contrib": raised(lambda: tf.contrib.seq2seq.sequence_loss, says="no attribute 'contrib'"),
            "average over both": float(sequence_loss((0, 1))),
            "average over time": sequence_loss(1).numpy().tolist(),
            "average over the batch": sequence_loss(0).numpy().tolist(),
        }


@divergence(
    claim="A pad class without mass adds nothing to the loss: 0 log 0 is 0.",
    verdict=PARTLY,
    expected={
        "pytorch": {
            "q * (q.log() - log_p)": float("nan"),
            "kl_div": 0.3264,
            "kl_div, logit of the pad -inf": float("nan"),
            "cross_entropy, logit of the pad -inf": float("nan"),
        },
        "tensorflow": {
            "q * log(q / p)": float("nan"),
            "KLDivergence": 0.3264,
            "KLDivergence, logit of the pad -inf": 0.08818,
            "cross entropy, logit of the pad -inf": float("nan"),
        },
    },
    why="Label smoothing gives the first class, the pad, a target of 0. `kl_div` and `KLDivergence` know that 0 log 0 "
    "is 0; code that writes the product out does not, and gets 0 times -inf, NaN. If the logit of the pad is masked by "
    "-inf, 0 times log p is NaN in `kl_div` and in a cross entropy with distributions, too. Keras' `KLDivergence` "
    "clips both probabilities to 1e-7.",
    instead="Use `xlogy` for q log q, and leave the logit of the pad finite, or select the classes with mass.",
    operation="loss.smoothed_divergence",
    sources=(
        "https://github.com/harvardnlp/annotated-transformer/issues/109",
        "https://github.com/harvardnlp/annotated-transformer/issues/39",
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.kl_div.html",
    ),
)
class zero_log_zero:
    def pytorch():
        import torch
        import torch.nn.functional as F

        q, logits = torch.tensor([[0.0, 0.9, 0.1]]), torch.tensor([[0.0, 1.0, 0.0]])
        log_p, masked = logits.log_softmax(1), torch.tensor([[-torch.inf, 1.0, 0.0]])
        return {
            "q * (q.log() - log_p)": (q * (q.log() - log_p)).sum().item(),
            "kl_div": F.kl_div(log_p, q, reduction="sum").item(),
            "kl_div, logit of the pad -inf": F.kl_div(masked.log_softmax(1), q, reduction="sum").item(),
            "cross_entropy, logit of the pad -inf": F.cross_entropy(masked, q).item(),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        q, logits = tf.constant([[0.0, 0.9, 0.1]]), tf.constant([[0.0, 1.0, 0.0]])
        p, masked = tf.nn.softmax(logits), tf.constant([[-float("inf"), 1.0, 0.0]])
        divergence = keras.losses.KLDivergence()
        return {
            "q * log(q / p)": float(tf.reduce_sum(q * tf.math.log(q / p))),
            "KLDivergence": float(divergence(q, p)),
            "KLDivergence, logit of the pad -inf": float(divergence(q, tf.nn.softmax(masked))),
            "cross entropy, logit of the pad -inf": float(tf.nn.softmax_cross_entropy_with_logits(q, masked)[0]),
        }


@divergence(
    claim="The slope of a focal loss is finite, whatever its power.",
    verdict=PARTLY,
    expected={
        "pytorch": {"gamma 2": 0.0, "gamma 0.5": float("nan"), "gamma 0.5, by logarithms": 0.0},
        "tensorflow": {"gamma 2": 0.0, "gamma 0.5": float("nan"), "gamma 0.5, by logarithms": 0.0},
    },
    why="At a logit of 100 above the others, p rounds to 1. The slope of (1 - p) ** 0.5 is inf at 0, and 0 times inf "
    "is NaN, which one step that is predicted well, or padding whose logits are large, spreads to all weights. A mask "
    "behind the loss does not stop it.",
    instead="Raise 1 - p to a power by its logarithm: that of the sum of the other classes' probabilities.",
    operation="loss.focal",
    sources=("https://github.com/kornia/kornia/pull/65", "https://arxiv.org/abs/1708.02002"),
)
class focal_slope:
    def pytorch():
        import torch

        def slope(gamma, stable=False):
            logits = torch.tensor([100.0, 0.0], requires_grad=True)
            log_p = logits.log_softmax(0)
            factor = (gamma * log_p[1]).exp() if stable else (1 - log_p[0].exp()) ** gamma
            return torch.autograd.grad(-factor * log_p[0], logits)[0][0].item()

        return {"gamma 2": slope(2.0), "gamma 0.5": slope(0.5), "gamma 0.5, by logarithms": slope(0.5, stable=True)}

    def tensorflow():
        import tensorflow as tf

        def slope(gamma, stable=False):
            logits = tf.Variable([100.0, 0.0])
            with tf.GradientTape() as tape:
                log_p = tf.nn.log_softmax(logits)
                factor = tf.exp(gamma * log_p[1]) if stable else (1 - tf.exp(log_p[0])) ** gamma
                loss = -factor * log_p[0]
            return float(tape.gradient(loss, logits)[0])

        return {"gamma 2": slope(2.0), "gamma 0.5": slope(0.5), "gamma 0.5, by logarithms": slope(0.5, stable=True)}


@divergence(
    claim="A stop token is learned under the mask of the steps that it ends.",
    verdict=FALSE,
    expected={
        "pytorch": {
            "1 on padding": 0.006715,
            "1 on the last real step": 2.507,
            "1 on padding, and one step more": 1.673,
        },
        "tensorflow": {
            "1 on padding": 0.006715,
            "1 on the last real step": 2.507,
            "1 on padding, and one step more": 1.673,
        },
    },
    why="Where the target is 1 from the first step of padding on, as in a decoder of speech, the mask of its binary "
    "cross-entropy (BCE) leaves out every 1: a model that never stops has almost no loss. It is the same with tokens "
    "if the end token is the pad, and all labels that are the pad become -100: the model generates without end.",
    instead="Put the 1 on the last real step, or let the loss of the stop token see one step more than that of the "
    "frames; the targets are rare then, and may need a weight. Take another token than that of the end for padding, "
    "or mask labels by lengths.",
    operation="loss.binary_cross_entropy",
    sources=(
        "https://github.com/coqui-ai/TTS/issues/1192",
        "https://github.com/huggingface/transformers/issues/23530",
        "https://github.com/huggingface/trl/issues/976",
    ),
)
class stop_token:
    def pytorch():
        import torch
        import torch.nn.functional as F

        lengths = torch.tensor([3, 1])
        columns = torch.arange(4)
        real, never_stops = columns < lengths[:, None], torch.full((2, 4), -5.0)

        def loss(stop, counted):
            each = F.binary_cross_entropy_with_logits(never_stops, stop.float(), reduction="none")
            return float(each[counted].mean())

        return {
            "1 on padding": loss(~real, real),
            "1 on the last real step": loss(columns == lengths[:, None] - 1, real),
            "1 on padding, and one step more": loss(~real, columns <= lengths[:, None]),
        }

    def tensorflow():
        import tensorflow as tf

        lengths, columns = tf.constant([[3], [1]]), tf.range(4)[None]
        real, never_stops = columns < lengths, tf.fill((2, 4), -5.0)

        def loss(stop, counted):
            each = tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(stop, tf.float32), never_stops)
            return float(tf.reduce_mean(each[counted]))

        return {
            "1 on padding": loss(~real, real),
            "1 on the last real step": loss(columns == lengths - 1, real),
            "1 on padding, and one step more": loss(~real, columns <= lengths),
        }


@divergence(
    claim="Where a target is missing (NaN), multiplying its loss by 0 leaves it out.",
    verdict=FALSE,
    expected={
        "pytorch": {
            "loss and slopes, times 0": [float("nan"), -2.0, float("nan")],
            "selected after the loss": [1.0, -2.0, float("nan")],
            "replaced before it": [1.0, -2.0, 0.0],
        },
        "tensorflow": {
            "loss and slopes, times 0": [float("nan"), -2.0, float("nan")],
            "selected after the loss": [1.0, -2.0, float("nan")],
            "replaced before it": [1.0, -2.0, 0.0],
        },
    },
    why="0 · NaN is NaN, so the loss is NaN. Selecting after the loss, by `where`, `nan_to_num` or `nanmean`, mends "
    "the loss only: the backward pass multiplies 0 by the slope at the missing value, which is NaN, and all weights "
    "become NaN in one step. It is the same with missing values of a time series in the input.",
    instead="Replace missing values by any number before they are computed with, `where(mask, target, 0)`, and mask "
    "the loss.",
    operation="loss.mean_squared_error",
    sources=(
        "https://github.com/WenjieDu/PyPOTS/issues/232",
        "https://github.com/unit8co/darts/issues/1954",
        "https://github.com/hfawaz/InceptionTime/issues/50",
    ),
)
class missing_targets:
    def pytorch():
        import torch

        target = torch.tensor([1.0, torch.nan])
        real = ~target.isnan()

        def tried(loss):
            prediction = torch.zeros(2, requires_grad=True)
            value = loss(prediction)
            return [float(value), *torch.autograd.grad(value, prediction)[0].tolist()]

        return {
            "loss and slopes, times 0": tried(lambda y: ((y - target) ** 2 * real).sum()),
            "selected after the loss": tried(lambda y: torch.where(real, (y - target) ** 2, 0).sum()),
            "replaced before it": tried(lambda y: ((y - torch.where(real, target, 0)) ** 2 * real).sum()),
        }

    def tensorflow():
        import tensorflow as tf

        target = tf.constant([1.0, float("nan")])
        real = ~tf.math.is_nan(target)
        weight = tf.cast(real, tf.float32)

        def tried(loss):
            prediction = tf.zeros(2)
            with tf.GradientTape() as tape:
                tape.watch(prediction)
                value = loss(prediction)
            return [float(value), *tape.gradient(value, prediction).numpy().tolist()]

        return {
            "loss and slopes, times 0": tried(lambda y: tf.reduce_sum((y - target) ** 2 * weight)),
            "selected after the loss": tried(lambda y: tf.reduce_sum(tf.where(real, (y - target) ** 2, 0))),
            "replaced before it": tried(lambda y: tf.reduce_sum((y - tf.where(real, target, 0)) ** 2 * weight)),
        }


@divergence(
    claim="The mask of tokens is that of the losses of a language model, or of the log-probabilities of a response.",
    verdict=PARTLY,
    expected={
        "pytorch": {
            "padding behind, mask[:, 1:]": 0.01815,
            "padding behind, mask[:, :-1]": 1.351,
            "padding before, mask[:, 1:]": 1.351,
            "padding before, both": 0.01815,
        },
        "tensorflow": {
            "padding behind, mask[:, 1:]": 0.01815,
            "padding behind, mask[:, :-1]": 1.351,
            "padding before, mask[:, 1:]": 1.351,
            "padding before, both": 0.01815,
        },
    },
    why="Step t predicts token t + 1, so that the mask is shifted with the labels: `[:, 1:]`. Shifted with the logits, "
    "it counts the loss of the first pad behind each sequence, and so it counts the last token of a prompt and not the "
    "last of its response (off by one). With padding on the left, the first real token follows a pad, which predicts "
    "nothing: both its own mask and that of the step before have to be real.",
    instead="`mask[:, 1:] & mask[:, :-1]`, which is right on either side. Of a prompt of n tokens, the "
    "log-probabilities of the response (SFT, DPO, beam search) begin at n - 1.",
    operation="documents.next_token_loss",
    sources=(
        "https://github.com/OpenRLHF/OpenRLHF/issues/465",
        "https://github.com/nlp-with-transformers/notebooks/issues/67",
        "https://github.com/ruotianluo/self-critical.pytorch/issues/102",
    ),
)
class mask_not_shifted:
    def pytorch():
        import torch
        import torch.nn.functional as F

        words, pad = [1, 1, 1], 0

        def losses(tokens):
            logits = 4.0 * F.one_hot(torch.tensor([tokens]), 2)  # a model that predicts each token again
            return F.cross_entropy(logits[:, :-1].mT, torch.tensor([tokens])[:, 1:], reduction="none")

        def mean(tokens, where):
            mask = torch.tensor([tokens]) != pad
            kept = {"[:, 1:]": mask[:, 1:], "[:, :-1]": mask[:, :-1], "both": mask[:, 1:] & mask[:, :-1]}[where]
            return losses(tokens)[kept].mean().item()

        return {
            "padding behind, mask[:, 1:]": mean([*words, pad], "[:, 1:]"),
            "padding behind, mask[:, :-1]": mean([*words, pad], "[:, :-1]"),
            "padding before, mask[:, 1:]": mean([pad, *words], "[:, 1:]"),
            "padding before, both": mean([pad, *words], "both"),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        words, pad = [1, 1, 1], 0
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

        def mean(tokens, where):
            mask, tokens = tf.constant([tokens]) != pad, tf.constant([tokens])
            logits = 4.0 * tf.one_hot(tokens, 2)  # a model that predicts each token again
            kept = {"[:, 1:]": mask[:, 1:], "[:, :-1]": mask[:, :-1], "both": mask[:, 1:] & mask[:, :-1]}[where]
            return float(loss(tokens[:, 1:][kept], logits[:, :-1][kept]))

        return {
            "padding behind, mask[:, 1:]": mean([*words, pad], "[:, 1:]"),
            "padding behind, mask[:, :-1]": mean([*words, pad], "[:, :-1]"),
            "padding before, mask[:, 1:]": mean([pad, *words], "[:, 1:]"),
            "padding before, both": mean([pad, *words], "both"),
        }
