"""Record what a mask means to conditional random fields."""

from parity.divergences.entry import FALSE, PARTLY, divergence


@divergence(
    claim="A conditional random field takes any mask.",
    verdict=FALSE,
    expected={
        "pytorch": {"without the hole": 22.0, "with the mask of pytorch-crf": 13.0},
        "tensorflow": {"without the hole": 22.0, "with as many steps": 15.0},
    },
    why="A chain leads from each step that counts to the next one. `pytorch-crf` takes a mask, but multiplies the "
    "transition from the step before by that of the step: over a hole, that comes from the label of the hole. And it "
    "puts the end at `mask.sum() - 1`, which is the hole here. It means masks of padding. `tf.contrib.crf` and "
    "TensorFlow Addons took lengths, as packing does: the first two steps.",
    instead="Take the holes out first, or carry the label of the last step that is kept.",
    operation="crf.negative_log_likelihood",
    sources=(
        "https://github.com/kmkurn/pytorch-crf/issues/122",
        "https://github.com/kmkurn/pytorch-crf/issues/53",
        "https://github.com/tensorflow/addons/issues/1443",
    ),
)
class holes_in_a_chain:
    def pytorch():
        import torch

        labels, mask = torch.tensor([0, 1, 2]), torch.tensor([1, 0, 1])  # the second step is a hole
        transitions = torch.tensor([[0.0, 5.0, 2.0], [0.0, 0.0, 3.0], [0.0, 0.0, 0.0]])  # from row to column
        end = torch.tensor([0.0, 10.0, 20.0])

        def score(labels):
            return (transitions[labels[:-1], labels[1:]].sum() + end[labels[-1]]).item()

        by_mask = (transitions[labels[:-1], labels[1:]] * mask[1:]).sum() + end[labels[mask.sum() - 1]]
        return {"without the hole": score(labels[mask > 0]), "with the mask of pytorch-crf": by_mask.item()}

    def tensorflow():
        import tensorflow as tf

        labels, mask = tf.constant([0, 1, 2]), tf.constant([True, False, True])  # the second step is a hole
        transitions = tf.constant([[0.0, 5.0, 2.0], [0.0, 0.0, 3.0], [0.0, 0.0, 0.0]])  # from row to column
        end = tf.constant([0.0, 10.0, 20.0])

        def score(labels):
            moves = tf.gather_nd(transitions, tf.stack([labels[:-1], labels[1:]], 1))
            return float(tf.reduce_sum(moves) + end[labels[-1]])

        length = tf.reduce_sum(tf.cast(mask, tf.int32))  # tf.contrib.crf takes lengths
        return {"without the hole": score(tf.boolean_mask(labels, mask)), "with as many steps": score(labels[:length])}


@divergence(
    claim="Labels of -1 or -100 are ignored.",
    verdict=PARTLY,
    expected={
        "pytorch": {
            "cross entropy, ignore_index=-1": 1.099,
            "scores[labels]": [2.0, 9.0],
            "scores[-100]": "IndexError: … out of bounds …",
        },
        "tensorflow": {
            "cross entropy, ignore_class=-1": 1.099,
            "tf.gather": "InvalidArgumentError: … is not in [0, 3) …",
            "one_hot": [2.0, 0.0],
        },
    },
    why="They are, where a loss has `ignore_index`. Code that reads scores or transitions by label, such as a "
    "conditional random field, gets those of the last class for -1 in PyTorch, without an error, and an error for "
    "-100. On the CPU, `tf.gather` raises for both, and a one-hot code of -1 is all zeros.",
    instead="Replace the labels of steps that do not count by a class, and pass the mask.",
    operation="crf.negative_log_likelihood",
    sources=(
        "https://github.com/kmkurn/pytorch-crf/issues/89",
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html",
    ),
)
class labels_of_minus_one:
    def pytorch():
        import torch
        import torch.nn.functional as F

        from parity.divergences.entry import raised

        labels, scores = torch.tensor([1, -1]), torch.tensor([1.0, 2.0, 9.0])
        return {
            "cross entropy, ignore_index=-1": F.cross_entropy(torch.zeros(2, 3), labels, ignore_index=-1).item(),
            "scores[labels]": scores[labels].tolist(),
            "scores[-100]": raised(lambda: scores[torch.tensor([-100])], says="out of bounds"),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        from parity.divergences.entry import raised

        labels, scores = tf.constant([1, -1]), tf.constant([1.0, 2.0, 9.0])
        cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
        return {
            "cross entropy, ignore_class=-1": float(cross_entropy(labels, tf.zeros((2, 3)))),
            "tf.gather": raised(lambda: tf.gather(scores, labels), says="is not in [0, 3)"),
            "one_hot": tf.linalg.matvec(tf.one_hot(labels, 3), scores).numpy().tolist(),
        }
