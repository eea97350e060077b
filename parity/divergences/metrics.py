"""Record how values over several batches depend on how sequences are split into batches."""

from parity.divergences.entry import DIFFERS, FALSE, divergence


@divergence(
    claim="The loss of an evaluation, and its perplexity, do not depend on the batch size.",
    verdict=FALSE,
    expected={
        "pytorch": {"batch_size=1": 5.965, "batch_size=2": 2.687, "batch_size=4": 2.609, "over all real steps": 2.609},
        "tensorflow": {
            "batch_size=1": 5.965,
            "batch_size=2": 2.687,
            "batch_size=4": 2.609,
            "over all real steps": 2.609,
        },
    },
    why="The loss of a batch is a mean over its real steps. `Model.evaluate` weighs it by the rows of the batch, and "
    "the usual loop in PyTorch averages the means of all batches. So the steps of a short sequence weigh more, and "
    "the more, the smaller the batch. exp makes a large difference of it. `fit` reports its loss in the same way.",
    instead="Add up the losses and the numbers of real steps of all batches, and divide once, before exp.",
    operation="metrics.perplexity",
    sources=(
        "https://github.com/keras-team/keras/issues/4186",
        "https://github.com/keras-team/keras-hub/pull/2958",
        "https://github.com/macournoyer/neuralconvo/issues/67",
    ),
)
class evaluate_weighs_batches:
    def pytorch():
        import torch
        import torch.nn.functional as F
        from torch.utils.data import DataLoader, TensorDataset

        table = torch.tensor([[0.0, 0, 0], [4, 0, 0], [0, 4, 0]])  # the logits of each word
        tokens = torch.tensor(
            [[1, 1, 1, 1, 1, 1], [2, -1, -1, -1, -1, -1], [1, 1, 1, 2, -1, -1], [2, 1, -1, -1, -1, -1]]
        )
        targets = torch.where(tokens > 0, 0, -100)

        def perplexity(batch_size):
            losses = []
            for words, wanted in DataLoader(TensorDataset(tokens, targets), batch_size=batch_size):
                losses.append(F.cross_entropy(table[words].flatten(0, 1), wanted.flatten()))
            return torch.stack(losses).mean().exp().item()

        total = F.cross_entropy(table[tokens].flatten(0, 1), targets.flatten(), reduction="sum")
        found = {f"batch_size={size}": perplexity(size) for size in (1, 2, 4)}
        return found | {"over all real steps": (total / (tokens > 0).sum()).exp().item()}

    def tensorflow():
        import keras
        import numpy as np

        table = np.float32([[0, 0, 0], [4, 0, 0], [0, 4, 0]])  # the logits of each word
        tokens = np.array([[1, 1, 1, 1, 1, 1], [2, 0, 0, 0, 0, 0], [1, 1, 1, 2, 0, 0], [2, 1, 0, 0, 0, 0]])
        targets = np.zeros_like(tokens)
        model = keras.Sequential([keras.layers.Embedding(3, 3, weights=[table], mask_zero=True)])
        model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))

        def perplexity(batch_size):
            return float(np.exp(model.evaluate(tokens, targets, batch_size=batch_size, verbose=0)))

        real = table[tokens[tokens > 0]]
        losses = np.log(np.exp(real).sum(1)) - real[:, 0]
        found = {f"batch_size={size}": perplexity(size) for size in (1, 2, 4)}
        return found | {"over all real steps": float(np.exp(losses.mean()))}


@divergence(
    claim="The perplexity of a corpus is the mean of the perplexities of its batches.",
    verdict=FALSE,
    expected={
        "pytorch": {"mean of perplexities": 28.12, "perplexity": 9.488},
        "tensorflow": {"mean of perplexities": 28.12, "perplexity": 9.488},
    },
    why="exp of a mean is not the mean of exp, which is never smaller. A batch that is hard to predict decides alone. "
    "Keras averages what a function in `compile(metrics=...)` returns for each batch.",
    instead="Average the loss over all real steps of all batches, and take exp once, at the end.",
    operation="metrics.perplexity",
    sources=("https://github.com/keras-team/keras-hub/pull/2958", "https://github.com/keras-team/keras/issues/8267"),
)
class mean_of_perplexities:
    def pytorch():
        import torch

        batches = torch.tensor([[0.5, 0.5], [4.0, 4.0]])  # the losses of two batches of two steps
        return {"mean of perplexities": batches.mean(1).exp().mean().item(), "perplexity": batches.mean().exp().item()}

    def tensorflow():
        import keras
        import tensorflow as tf

        batches = tf.constant([[0.5, 0.5], [4.0, 4.0]])  # the losses of two batches of two steps
        averaged, loss = keras.metrics.Mean(), keras.metrics.Mean()
        for losses in batches:
            averaged.update_state(tf.exp(tf.reduce_mean(losses)))
            loss.update_state(losses)
        return {"mean of perplexities": float(averaged.result()), "perplexity": float(tf.exp(loss.result()))}


@divergence(
    claim="A metric with the mask as `sample_weight` counts every real step once.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"padded to its own length": 1.8, "padded to four steps": 1.8},
        "tensorflow": {"padded to its own length": 3.0, "padded to four steps": 1.8, "flattened": 1.8},
    },
    why="The first batch has four steps of 1, the second one step of 5. A Keras metric averages values and weights "
    "(B, T) over time before it adds them to its state. A step therefore counts 1 / T, and the longer a batch is "
    "padded, the less its steps count. Batches padded to one length hide it.",
    instead="Flatten values and weights before `update_state`, or add up sums and counts.",
    operation="metrics.token_accuracy",
    sources=(
        "https://github.com/tensorflow/tensorflow/issues/34158",
        "https://keras.io/api/metrics/reduction_metrics/",
    ),
)
class metric_averages_over_time:
    def pytorch():
        import torch

        first, second = torch.ones(1, 4), torch.tensor([[5.0]])
        padded, mask = torch.tensor([[5.0, 0, 0, 0]]), torch.tensor([[1.0, 0, 0, 0]])

        def average(*batches):
            return (sum((x * w).sum() for x, w in batches) / sum(w.sum() for _, w in batches)).item()

        return {
            "padded to its own length": average((first, first), (second, second / 5)),
            "padded to four steps": average((first, first), (padded, mask)),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        first, second = tf.ones((1, 4)), tf.constant([[5.0]])
        padded, mask = tf.constant([[5.0, 0, 0, 0]]), tf.constant([[1.0, 0, 0, 0]])

        def average(*batches, shape=(1, -1)):
            metric = keras.metrics.Mean()
            for x, w in batches:
                metric.update_state(tf.reshape(x, shape), sample_weight=tf.reshape(w, shape))
            return float(metric.result())

        return {
            "padded to its own length": average((first, first), (second, second / 5)),
            "padded to four steps": average((first, first), (padded, mask)),
            "flattened": average((first, first), (second, second / 5), shape=(-1,)),
        }


@divergence(
    claim="A sequence is predicted exactly (an exact match) if all its predictions equal its labels.",
    verdict=FALSE,
    expected={
        "pytorch": {"all steps": 0.0, "ignored steps count as equal": 0.5},
        "tensorflow": {"all steps": 0.0, "ignored steps count as equal": 0.5},
    },
    why="No prediction equals -100, so every sequence with padding, or with a prompt that is ignored, counts as "
    "wrong: here the first is right, and only a batch of sequences of the longest length would say so. With the pad "
    "as label, it is right where the model predicts pads, which nothing has trained.",
    instead="Let ignored steps count as equal: `((predictions == labels) | (labels == -100)).all(1)`.",
    operation="metrics.exact_match",
    sources=(
        "https://github.com/modelscope/ms-swift/pull/10049",
        "https://github.com/tensorflow/tensor2tensor/issues/1804",
    ),
)
class whole_sequences:
    def pytorch():
        import torch

        predictions, labels = torch.tensor([[1, 2, 7], [3, 4, 5]]), torch.tensor([[1, 2, -100], [3, 4, 6]])
        equal = predictions == labels
        return {
            "all steps": equal.all(1).float().mean().item(),
            "ignored steps count as equal": (equal | (labels == -100)).all(1).float().mean().item(),
        }

    def tensorflow():
        import tensorflow as tf

        predictions, labels = tf.constant([[1, 2, 7], [3, 4, 5]]), tf.constant([[1, 2, -100], [3, 4, 6]])
        equal = predictions == labels

        def mean(right):
            return float(tf.reduce_mean(tf.cast(tf.reduce_all(right, 1), tf.float32)))

        return {"all steps": mean(equal), "ignored steps count as equal": mean(equal | (labels == -100))}
