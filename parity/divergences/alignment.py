"""Record how the frameworks' CTC losses differ in their inputs, blanks, averages and padding."""

from parity.divergences.entry import DIFFERS, FALSE, PARTLY, divergence

PYTORCH = "https://docs.pytorch.org/docs/stable/generated/torch.nn.CTCLoss.html"
TENSORFLOW = "https://www.tensorflow.org/api_docs/python/tf/nn/ctc_loss"


@divergence(
    claim="`ctc_loss` accepts the output of the last layer.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"of logits": -10.71, "of log_softmax": 1.686},
        "tensorflow": {"of logits": 1.686, "of log_softmax": 1.686},
    },
    why="PyTorch's `ctc_loss` expects log probabilities; for logits it returns a negative loss without a warning. "
    "TensorFlow's expects logits and normalises them, which leaves log probabilities unchanged.",
    instead="Apply `log_softmax` in PyTorch. In TensorFlow, pass the logits.",
    operation="alignment.ctc",
    sources=(PYTORCH, TENSORFLOW),
)
class ctc_logits:
    def pytorch():
        import torch
        import torch.nn.functional as F

        logits = torch.full((4, 1, 3), 2.0)  # (T, B, C); the blank is class 0
        labels, frames, letters = torch.tensor([[1, 2]]), torch.tensor([4]), torch.tensor([2])
        return {
            "of logits": F.ctc_loss(logits, labels, frames, letters, reduction="sum").item(),
            "of log_softmax": F.ctc_loss(logits.log_softmax(-1), labels, frames, letters, reduction="sum").item(),
        }

    def tensorflow():
        import tensorflow as tf

        logits = tf.fill((4, 1, 3), 2.0)  # (T, B, C); the blank is class 0
        labels, frames, letters = tf.constant([[1, 2]]), tf.constant([4]), tf.constant([2])
        return {
            "of logits": float(tf.nn.ctc_loss(labels, logits, letters, frames)[0]),
            "of log_softmax": float(tf.nn.ctc_loss(labels, tf.nn.log_softmax(logits), letters, frames)[0]),
        }


@divergence(
    claim="The blank of a CTC loss is the first class.",
    verdict=PARTLY,
    expected={
        "pytorch": {"default": 1.956, "blank first": 1.956, "blank last": 2.408},
        "tensorflow": {"tf.nn.ctc_loss": 1.956, "tf.compat.v1.nn.ctc_loss": 2.408, "keras.losses.CTC": 1.956},
    },
    why="The blank is first in PyTorch, in TensorFlow 2 and in Keras 3. It was last in TensorFlow 1 and in Keras 2's "
    "`ctc_batch_cost`. A model that moves from one to the other keeps its shapes, but its loss changes its meaning.",
    instead="Always pass `blank` or `blank_index`; in TensorFlow, -1 is the last class.",
    operation="alignment.ctc",
    sources=(PYTORCH, TENSORFLOW, "https://www.tensorflow.org/api_docs/python/tf/compat/v1/nn/ctc_loss"),
)
class ctc_blank:
    def pytorch():
        import torch
        import torch.nn.functional as F

        log_probs = torch.tensor([[[0.0, 1.0, 2.0]], [[2.0, 0.0, 0.0]], [[1.0, 1.0, 0.0]]]).log_softmax(-1)
        labels, frames, letters = torch.tensor([[1]]), torch.tensor([3]), torch.tensor([1])
        return {
            "default": F.ctc_loss(log_probs, labels, frames, letters).item(),
            "blank first": F.ctc_loss(log_probs, labels, frames, letters, blank=0).item(),
            "blank last": F.ctc_loss(log_probs, labels, frames, letters, blank=2).item(),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        logits = tf.constant([[[0.0, 1.0, 2.0]], [[2.0, 0.0, 0.0]], [[1.0, 1.0, 0.0]]])
        labels, frames, letters = tf.constant([[1]]), tf.constant([3]), tf.constant([1])
        first = tf.nn.ctc_loss(labels, logits, letters, frames)
        last = tf.compat.v1.nn.ctc_loss(tf.sparse.from_dense(labels), logits, frames)
        return {
            "tf.nn.ctc_loss": float(first[0]),
            "tf.compat.v1.nn.ctc_loss": float(last[0]),
            "keras.losses.CTC": float(keras.losses.CTC()(labels, tf.transpose(logits, (1, 0, 2)))),
        }


@divergence(
    claim="The mean of a CTC loss is the mean over sequences.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"mean": 1.468, "by sequence": [1.686, 2.092]},
        "tensorflow": {"mean": 1.889, "by sequence": [1.686, 2.092]},
    },
    why="PyTorch first divides each sequence's loss by the length of its labels. Keras averages the losses as they "
    "are.",
    instead="Use `reduction='none'`, and divide as intended.",
    operation="alignment.ctc",
    sources=(PYTORCH, "https://www.tensorflow.org/api_docs/python/tf/keras/losses/CTC"),
)
class ctc_mean:
    def pytorch():
        import torch
        import torch.nn.functional as F

        log_probs = torch.zeros(4, 2, 3).log_softmax(-1)
        arguments = log_probs, torch.tensor([[1, 2], [1, 0]]), torch.tensor([4, 4]), torch.tensor([2, 1])
        return {"mean": F.ctc_loss(*arguments).item(), "by sequence": F.ctc_loss(*arguments, reduction="none").tolist()}

    def tensorflow():
        import keras
        import tensorflow as tf

        logits, labels = tf.zeros((2, 4, 3)), tf.constant([[1, 2], [1, 0]])
        return {
            "mean": float(keras.losses.CTC()(labels, logits)),
            "by sequence": keras.losses.CTC(reduction=None)(labels, logits).numpy().tolist(),
        }


@divergence(
    claim="A sequence with fewer frames than labels has an infinite loss.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"loss": float("inf"), "gradient is finite": False, "loss with zero_infinity": 0.0},
        "tensorflow": {"loss is finite": True, "gradient is finite": True, "gradient is zero": False},
    },
    why="No alignment exists, as where `input_lengths` are too small. PyTorch's loss is infinite (inf) and its "
    "gradient is NaN; `zero_infinity` makes both 0. TensorFlow returns a loss of some hundreds and a gradient that "
    "changes the weights, without a warning.",
    instead="Remove such sequences, or pass `zero_infinity=True`; in TensorFlow, compare the lengths yourself.",
    operation="alignment.ctc",
    sources=(PYTORCH, "https://github.com/pytorch/pytorch/issues/14335"),
)
class ctc_impossible:
    def pytorch():
        import torch
        import torch.nn.functional as F

        logits = torch.zeros(4, 1, 3, requires_grad=True)
        log_probs = logits.log_softmax(-1)
        labels, frames, letters = torch.tensor([[1, 2]]), torch.tensor([1]), torch.tensor([2])
        loss = F.ctc_loss(log_probs, labels, frames, letters)
        (gradient,) = torch.autograd.grad(loss, logits, retain_graph=True)
        return {
            "loss": loss.item(),
            "gradient is finite": gradient.isfinite().all().item(),
            "loss with zero_infinity": F.ctc_loss(log_probs, labels, frames, letters, zero_infinity=True).item(),
        }

    def tensorflow():
        import numpy as np
        import tensorflow as tf

        logits = tf.Variable(tf.zeros((4, 1, 3)))
        with tf.GradientTape() as tape:
            loss = tf.nn.ctc_loss(tf.constant([[1, 2]]), logits, tf.constant([2]), tf.constant([1]))
        gradient = tape.gradient(loss, logits)
        return {
            "loss is finite": np.isfinite(loss).all().item(),
            "gradient is finite": np.isfinite(gradient).all().item(),
            "gradient is zero": not np.any(gradient),
        }


@divergence(
    claim="A CTC loss detects which frames are padding.",
    verdict=FALSE,
    expected={
        "pytorch": {"without padding": 0.6472, "lengths": 0.6472, "lengths as T": 2.696},
        "tensorflow": {"without padding": 0.6472, "tf.nn.ctc_loss with lengths": 0.6472, "keras.losses.CTC": 2.696},
    },
    why="A CTC loss knows only the lengths that it receives. `keras.losses.CTC` receives none: it treats every frame "
    "of every sequence as real, and derives the lengths of the labels from their zeros.",
    instead="Pass the length of each sequence to `keras.ops.ctc_loss` or `tf.nn.ctc_loss`.",
    operation="alignment.ctc",
    sources=(TENSORFLOW, "https://github.com/keras-team/keras/issues/21876"),
)
class ctc_padded_frames:
    def pytorch():
        import torch
        import torch.nn.functional as F

        logits = torch.tensor([[0.0, 2.0, 0.0], [1.0, 0.0, 2.0], [0.0, 0.0, 3.0], [0.0, 3.0, 0.0]])
        log_probs = logits.log_softmax(-1)  # (T, C); two frames are padding

        def loss(log_probs, frames):
            return F.ctc_loss(log_probs, torch.tensor([1, 2]), torch.tensor(frames), torch.tensor(2)).item() * 2

        return {
            "without padding": loss(log_probs[:2], 2),
            "lengths": loss(log_probs, 2),
            "lengths as T": loss(log_probs, 4),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        logits = tf.constant([[[0.0, 2.0, 0.0], [1.0, 0.0, 2.0], [0.0, 0.0, 3.0], [0.0, 3.0, 0.0]]])
        labels = tf.constant([[1, 2]])  # (B, S); two of the frames (B, T, C) are padding
        by_length = tf.nn.ctc_loss(labels, logits, [2], [2], logits_time_major=False)
        return {
            "without padding": float(keras.losses.CTC()(labels, logits[:, :2])),
            "tf.nn.ctc_loss with lengths": float(by_length[0]),
            "keras.losses.CTC": float(keras.losses.CTC()(labels, logits)),
        }


@divergence(
    claim="A CTC loss is exact, however improbable the labels are.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"loss": 1600.0, "d_logits of the label": -1.0},
        "tensorflow": {
            "dense labels": 1506.2,
            "dense labels, d_logits of the label": -0.125,
            "sparse labels": float("inf"),
            "sparse labels, d_logits of the label": 0.0,
        },
    },
    why="The frames favour the labels in the wrong order. With dense labels, TensorFlow gives the forbidden alignments "
    "a log probability of -707 in place of -inf, so that they win where the right ones are less probable still. With "
    "sparse labels it takes the logarithm of a softmax, which is 0 in float32 here: the loss is infinite, and its "
    "gradient no longer favours the labels.",
    instead="Pass dense labels, keep logits within some hundreds of each other, and check that the loss is finite.",
    operation="alignment.ctc",
    sources=(TENSORFLOW, "https://github.com/tensorflow/tensorflow/issues/55405"),
)
class ctc_improbable:
    def pytorch():
        import torch
        import torch.nn.functional as F

        logits = torch.tensor([[[0.0, 0.0, 800.0]], [[0.0, 800.0, 0.0]]], requires_grad=True)  # (T, B, C)
        labels, frames, letters = torch.tensor([[1, 2]]), torch.tensor([2]), torch.tensor([2])
        loss = F.ctc_loss(logits.log_softmax(-1), labels, frames, letters, reduction="sum")
        loss.backward()
        return {"loss": loss.item(), "d_logits of the label": logits.grad[0, 0, 1].item()}

    def tensorflow():
        import tensorflow as tf

        logits = tf.Variable([[[0.0, 0.0, 800.0]], [[0.0, 800.0, 0.0]]])  # (T, B, C)
        dense = tf.constant([[1, 2]])
        values = {}
        for name, labels in {"dense labels": dense, "sparse labels": tf.sparse.from_dense(dense)}.items():
            with tf.GradientTape() as tape:
                loss = tf.nn.ctc_loss(labels, logits, [2], [2], blank_index=0)
            gradient = tape.gradient(loss, logits)
            values |= {name: float(loss[0]), f"{name}, d_logits of the label": float(gradient[0, 0, 1])}
        return values
