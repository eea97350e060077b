"""Record how averages over steps differ in their sums and their divisors."""

from parity.divergences.entry import DIFFERS, FALSE, PARTLY, divergence


@divergence(
    claim="Accumulating gradients over micro-batches gives the gradient of the whole batch.",
    verdict=FALSE,
    expected={
        "pytorch": {"whole batch": [-0.4167, 0.08333, 0.3333], "accumulated": [-0.1667, -0.1667, 0.3333]},
        "tensorflow": {"whole batch": [-0.4167, 0.08333, 0.3333], "accumulated": [-0.1667, -0.1667, 0.3333]},
    },
    why="Each micro-batch is averaged over its own real steps, here three and one, and both averages then count the "
    "same. A step beside much padding therefore weighs three times as much. Averaging over devices has the same "
    "effect.",
    instead="Sum the losses of all micro-batches, and divide by the number of real steps in all of them "
    "(`num_items_in_batch` in transformers).",
    operation="metrics.accumulated_gradient",
    sources=(
        "https://github.com/huggingface/transformers/issues/24725",
        "https://github.com/huggingface/transformers/pull/34191",
    ),
)
class gradient_accumulation:
    def pytorch():
        import torch
        import torch.nn.functional as F

        targets = torch.tensor([[0, 0, 0], [1, -100, -100]])
        bias = torch.zeros(3, requires_grad=True)

        def loss(targets):
            return F.cross_entropy(bias.expand(targets.numel(), 3), targets.flatten())

        (whole,) = torch.autograd.grad(loss(targets), bias)
        for micro_batch in targets:
            (loss(micro_batch) / len(targets)).backward()
        return {"whole batch": whole.tolist(), "accumulated": bias.grad.tolist()}

    def tensorflow():
        import keras
        import tensorflow as tf

        cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
        targets = tf.constant([[0, 0, 0], [1, -1, -1]])

        def gradient(batches, **options):
            bias = keras.Variable([0.0, 0.0, 0.0])
            optimizer = keras.optimizers.SGD(learning_rate=1.0, **options)
            for batch in batches:
                with tf.GradientTape() as tape:
                    loss = cross_entropy(batch, tf.broadcast_to(bias.value, (*batch.shape, 3)))
                optimizer.apply([tape.gradient(loss, bias.value)], [bias])
            return (-bias.numpy()).tolist()

        return {
            "whole batch": gradient([targets]),
            "accumulated": gradient([targets[:1], targets[1:]], gradient_accumulation_steps=2),
        }


@divergence(
    claim="A weight of 0 for the padding class removes padding from the mean loss.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"without padding": 1.395, "padding has weight 0": 1.395},
        "tensorflow": {"without padding": 1.395, "padding has weight 0": 0.6977},
    },
    why="In sequence labelling, padding is often one of the imbalanced classes. PyTorch divides a weighted "
    "cross-entropy by the sum of the targets' weights, so padding leaves both sums. Keras, where `class_weight` "
    "becomes a sample weight, divides by the number of steps, real or not. With weights other than 0 and 1, the two "
    "differ even without padding.",
    instead="In Keras, use `reduction='mean_with_sample_weight'` or a mask.",
    operation="loss.class_weights",
    sources=(
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html",
        "https://github.com/keras-team/keras/issues/19740",
    ),
)
class class_weight:
    def pytorch():
        import torch
        import torch.nn.functional as F

        logits = torch.tensor([[0.0, 1.0, 0.0], [0.0, 2.0, 0.0], [3.0, 0.0, 0.0], [0.0, 0.0, 3.0]])
        targets = torch.tensor([1, 2, 0, 0])  # class 0 is padding
        weighted = F.cross_entropy(logits, targets, weight=torch.tensor([0.0, 1.0, 1.0]))
        return {
            "without padding": F.cross_entropy(logits[:2], targets[:2]).item(),
            "padding has weight 0": weighted.item(),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        logits = tf.constant([[0.0, 1.0, 0.0], [0.0, 2.0, 0.0], [3.0, 0.0, 0.0], [0.0, 0.0, 3.0]])
        targets = tf.constant([1, 2, 0, 0])  # class 0 is padding
        cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        weights = tf.gather([0.0, 1.0, 1.0], targets)  # as `fit` does with `class_weight`
        return {
            "without padding": float(cross_entropy(targets[:2], logits[:2])),
            "padding has weight 0": float(cross_entropy(targets, logits, sample_weight=weights)),
        }


@divergence(
    claim="One weight for each sequence scales the losses of its steps.",
    verdict=FALSE,
    expected={
        "pytorch": {"first sequence": 6.0, "weighted": 12.0, "two sequences": "RuntimeError: … must match …"},
        "tensorflow": {
            "first sequence": 6.0,
            "weighted": 12.0,
            "two sequences": "InvalidArgumentError: … Incompatible shapes …",
        },
    },
    why="Weights (B,) and losses (B, T) align at the last axis, which is time. Where B = T, no error is raised, and "
    "the first step of each sequence is selected instead of the first sequence. For other shapes, an error is raised. "
    "Keras documents `sample_weight` as one weight for each sample, and still broadcasts it.",
    instead="Give the weights the shape (B, 1). Weights of each step, once `sample_weight_mode='temporal'`, are 2D, "
    "(B, T).",
    operation="loss.sequence_loss",
    sources=(
        "https://keras.io/api/models/model_training_apis/",
        "https://docs.pytorch.org/docs/stable/notes/broadcasting.html",
    ),
)
class weight_for_each_sequence:
    def pytorch():
        import torch

        from parity.divergences.entry import raised

        losses = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])  # (B, T)
        weights = torch.tensor([1.0, 0.0, 0.0])  # (B,)
        return {
            "first sequence": losses[0].sum().item(),
            "weighted": (losses * weights).sum().item(),
            "two sequences": raised(lambda: losses[:2] * weights[:2], says="must match"),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        from parity.divergences.entry import raised

        losses = tf.constant([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])  # (B, T)
        weights = tf.constant([1.0, 0.0, 0.0])  # (B,)
        error = keras.losses.MeanAbsoluteError(reduction="sum")

        def weighted(rows):
            predictions = losses[:rows, :, None]
            return float(error(tf.zeros_like(predictions), predictions, sample_weight=weights[:rows]))

        return {
            "first sequence": float(tf.reduce_sum(losses[0])),
            "weighted": weighted(3),
            "two sequences": raised(lambda: weighted(2), says="Incompatible shapes"),
        }


@divergence(
    claim="Targets (B, T) are compatible with predictions (B, T, 1).",
    verdict=FALSE,
    expected={
        "pytorch": {"targets (B, T)": 14.33, "targets (B, T, 1)": 0.0},
        "tensorflow": {"targets (B, T)": 13.5, "targets (B, T, 1)": 0.0},
    },
    why="All real steps are predicted exactly. In PyTorch, (B, T, 1) and (B, T) broadcast to (B, T, T) where B = T, "
    "and `mse_loss` warns. Keras squeezes the predictions, and then averages over time as if it were features, "
    "padding included, before it applies the mask. For other B and T, both raise an error.",
    instead="Add the last axis to the targets, or remove it from the predictions.",
    operation="loss.mean_squared_error",
    sources=(
        "https://docs.pytorch.org/docs/stable/notes/broadcasting.html",
        "https://github.com/keras-team/keras/issues/14627",
    ),
)
class missing_last_axis:
    def pytorch():
        import torch
        import torch.nn.functional as F

        predictions = torch.tensor([[[1.0], [2.0]], [[3.0], [9.0]]])  # (B, T, 1); the last step is padding
        targets, mask = torch.tensor([[1.0, 2.0], [3.0, 0.0]]), torch.tensor([[1.0, 1.0], [1.0, 0.0]])

        def loss(targets, mask):
            return ((F.mse_loss(predictions, targets, reduction="none") * mask).sum() / mask.sum()).item()

        return {"targets (B, T)": loss(targets, mask), "targets (B, T, 1)": loss(targets[..., None], mask[..., None])}

    def tensorflow():
        import keras
        import numpy as np
        import tensorflow as tf

        rows = np.float32([[9], [1], [2], [3]])  # row 0 is the padding row
        embed = keras.layers.Embedding(4, 1, weights=[rows], mask_zero=True)
        predictions = embed(tf.constant([[1, 2], [3, 0]]))  # (B, T, 1)
        targets, error = tf.constant([[1.0, 2.0], [3.0, 0.0]]), keras.losses.MeanSquaredError()
        return {
            "targets (B, T)": float(error(targets, predictions)),
            "targets (B, T, 1)": float(error(targets[..., None], predictions)),
        }


@divergence(
    claim="The accuracy ignores the same steps as the loss.",
    verdict=FALSE,
    expected={
        "pytorch": {"accuracy": 0.875, "accuracy over real steps": 0.5},
        "tensorflow": {"accuracy": 0.875, "accuracy over real steps": 0.5},
    },
    why="`ignore_index` and `ignore_class` apply to the loss alone. Padding is easy to predict, so one right answer "
    "in two becomes seven in eight. Where padding has the label -100, no prediction equals it, and the accuracy is too "
    "low in place of too high.",
    instead="Average over the mask; in Keras, pass `sample_weight` to the metric, or use "
    "`compile(weighted_metrics=...)`.",
    operation="masking.mask_from_tokens",
    sources=(
        "https://keras.io/api/models/model_training_apis/",
        "https://github.com/DaoyuanLi2816/Molecule-Generator/pull/21",
        "https://github.com/jsbaan/transformer-from-scratch/issues/7",
    ),
)
class accuracy_counts_padding:
    def pytorch():
        import torch
        import torch.nn.functional as F

        targets = torch.tensor([1, 2, 0, 0, 0, 0, 0, 0])  # 0 is padding, which the loss ignores
        logits = F.one_hot(torch.tensor([1, 1, 0, 0, 0, 0, 0, 0]), 3).float()
        F.cross_entropy(logits, targets, ignore_index=0)
        right = (logits.argmax(-1) == targets).float()
        return {"accuracy": right.mean().item(), "accuracy over real steps": right[targets != 0].mean().item()}

    def tensorflow():
        import keras
        import tensorflow as tf

        targets = tf.constant([1, 2, 0, 0, 0, 0, 0, 0])  # 0 is padding, which the loss ignores
        logits = tf.one_hot([1, 1, 0, 0, 0, 0, 0, 0], 3)
        keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)(targets, logits)
        accuracy, over_real = (keras.metrics.SparseCategoricalAccuracy() for _ in range(2))
        accuracy.update_state(targets, logits)
        over_real.update_state(targets, logits, sample_weight=targets != 0)
        return {"accuracy": float(accuracy.result()), "accuracy over real steps": float(over_real.result())}


@divergence(
    claim="The mean of a Kullback-Leibler divergence is the mean over steps.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"mean": 0.128, "batchmean": 0.5119, "mean over steps": 0.256},
        "tensorflow": {"mean": 0.256, "mean over steps": 0.256},
    },
    why="For one sequence of two steps and two classes, PyTorch's 'mean' divides by all four elements, and "
    "'batchmean' by the one sequence. Keras sums over classes and averages over steps.",
    instead="Use `reduction='none'`, sum over classes, and divide the masked sum by the number of real steps.",
    operation="loss.sequence_loss",
    sources=("https://docs.pytorch.org/docs/stable/generated/torch.nn.KLDivLoss.html",),
)
class divergence_of_distributions:
    def pytorch():
        import torch
        import torch.nn.functional as F

        targets = torch.tensor([[[0.5, 0.5], [0.9, 0.1]]])
        logs = torch.tensor([[[0.25, 0.75], [0.5, 0.5]]]).log()
        means = {name: F.kl_div(logs, targets, reduction=name).item() for name in ("mean", "batchmean")}
        return means | {"mean over steps": F.kl_div(logs, targets, reduction="none").sum(-1).mean().item()}

    def tensorflow():
        import keras
        import tensorflow as tf

        targets = tf.constant([[[0.5, 0.5], [0.9, 0.1]]])
        predictions = tf.constant([[[0.25, 0.75], [0.5, 0.5]]])
        by_step = tf.reduce_sum(targets * tf.math.log(targets / predictions), -1)
        return {
            "mean": float(keras.losses.KLDivergence()(targets, predictions)),
            "mean over steps": float(tf.reduce_mean(by_step)),
        }


@divergence(
    claim="The auxiliary loss that balances the load of experts (MoE) is about the tokens of the batch.",
    verdict=FALSE,
    expected={
        "pytorch": {"real tokens": 1.0, "with padding": 1.18},
        "tensorflow": {"real tokens": 1.0, "with padding": 1.18},
    },
    why="It multiplies the share of tokens that a router sends to each expert by the mean probability of that expert, "
    "and both means count padding, which is one token many times and always goes to the same experts. Here two real "
    "tokens use both experts equally, the loss of which is 1, and three pads make it larger.",
    instead="Take both means over real tokens. The loss is still a product of means over the batch, so that it is "
    "not the mean of the losses of its sequences, with or without padding.",
    sources=(
        "https://github.com/huggingface/transformers/issues/28505",
        "https://github.com/NVIDIA/Megatron-LM/pull/2121",
    ),
)
class load_of_experts:
    def pytorch():
        import torch
        import torch.nn.functional as F

        probabilities = torch.tensor([[0.75, 0.25], [0.25, 0.75], [0.75, 0.25], [0.75, 0.25], [0.75, 0.25]])

        def auxiliary_loss(probabilities):
            share = F.one_hot(probabilities.argmax(-1), 2).float().mean(0)
            return float(2 * (share * probabilities.mean(0)).sum())

        return {"real tokens": auxiliary_loss(probabilities[:2]), "with padding": auxiliary_loss(probabilities)}

    def tensorflow():
        import tensorflow as tf

        probabilities = tf.constant([[0.75, 0.25], [0.25, 0.75], [0.75, 0.25], [0.75, 0.25], [0.75, 0.25]])

        def auxiliary_loss(probabilities):
            share = tf.reduce_mean(tf.one_hot(tf.argmax(probabilities, -1), 2), 0)
            return float(2 * tf.reduce_sum(share * tf.reduce_mean(probabilities, 0)))

        return {"real tokens": auxiliary_loss(probabilities[:2]), "with padding": auxiliary_loss(probabilities)}


@divergence(
    claim="A beam search orders hypotheses by the sum of their scores over `length ** length_penalty`, padded or not.",
    verdict=FALSE,
    expected={
        "pytorch": {"best, by the width": 0, "best, by the lengths": 1},
        "tensorflow": {"best, by the width": 0, "best, by the lengths": 1},
    },
    why="The width of the batch is no length: it counts the padding of a prompt, and what a finished hypothesis is "
    "filled up with after its end token. With a length of four for both, only the sums count, and the shorter "
    "hypothesis wins; with their own lengths, two and four, the longer one does. So the answer to a prompt depends on "
    "its batch-mates.",
    instead="Divide by the number of tokens that each hypothesis has generated, without the prompt and without "
    "padding, and add nothing to a score after the end token.",
    operation="generation.beam_scores",
    sources=(
        "https://github.com/huggingface/transformers/issues/25455",
        "https://github.com/huggingface/transformers/pull/23127",
    ),
)
class length_penalty:
    def pytorch():
        import torch

        scores = torch.tensor([[-0.5, -0.5, 0.0, 0.0], [-0.4, -0.4, -0.4, -0.4]])  # 0 after the end token
        lengths, penalty = torch.tensor([2, 4]), 1.0
        return {
            "best, by the width": int((scores.sum(1) / scores.shape[1] ** penalty).argmax()),
            "best, by the lengths": int((scores.sum(1) / lengths**penalty).argmax()),
        }

    def tensorflow():
        import tensorflow as tf

        scores = tf.constant([[-0.5, -0.5, 0.0, 0.0], [-0.4, -0.4, -0.4, -0.4]])
        lengths, penalty = tf.constant([2.0, 4.0]), 1.0
        return {
            "best, by the width": int(tf.argmax(tf.reduce_sum(scores, 1) / scores.shape[1] ** penalty)),
            "best, by the lengths": int(tf.argmax(tf.reduce_sum(scores, 1) / lengths**penalty)),
        }


@divergence(
    claim="A cumulative sum over a right-padded batch needs no mask.",
    verdict=PARTLY,
    expected={
        "pytorch": {"forwards": [1.0, 3.0], "backwards": [1.0, 0.0], "backwards, masked": [3.0, 2.0]},
        "tensorflow": {"forwards": [1.0, 3.0], "backwards": [1.0, 0.0], "backwards, masked": [3.0, 2.0]},
    },
    why="Forwards that is so. From the end on, as in discounted returns, advantages or rewards to go, the first "
    "terms are those of the padding, and each real step includes them: here -1, such as a KL penalty that was "
    "computed on padding too.",
    instead="Multiply by the mask before summing backwards. A cumulative product needs 1 on padding.",
    operation="scans.discounted_returns",
    sources=(
        "https://github.com/natolambert/rlhf-book/pull/216",
        "https://docs.pytorch.org/docs/stable/generated/torch.cumsum.html",
    ),
)
class cumulative_sum:
    def pytorch():
        import torch

        rewards, real = torch.tensor([[1.0, 2.0, -1.0, -1.0]]), torch.tensor([[1.0, 1.0, 0.0, 0.0]])

        def to_go(rewards):
            return rewards.flip(1).cumsum(1).flip(1)[0, :2].tolist()

        return {
            "forwards": rewards.cumsum(1)[0, :2].tolist(),
            "backwards": to_go(rewards),
            "backwards, masked": to_go(rewards * real),
        }

    def tensorflow():
        import tensorflow as tf

        rewards, real = tf.constant([[1.0, 2.0, -1.0, -1.0]]), tf.constant([[1.0, 1.0, 0.0, 0.0]])
        return {
            "forwards": tf.cumsum(rewards, 1)[0, :2].numpy().tolist(),
            "backwards": tf.cumsum(rewards, 1, reverse=True)[0, :2].numpy().tolist(),
            "backwards, masked": tf.cumsum(rewards * real, 1, reverse=True)[0, :2].numpy().tolist(),
        }


@divergence(
    claim="The mean over sequences of their mean losses is the mean over tokens.",
    verdict=FALSE,
    expected={
        "pytorch": {"over tokens": 2.0, "over sequences": 3.0, "over T, then over sequences": 1.333},
        "tensorflow": {"over tokens": 2.0, "over sequences": 3.0, "over T, then over sequences": 1.333},
    },
    why="A token of a short sequence then weighs more than one of a long sequence: here three times. In a policy "
    "gradient (PPO, GRPO) that is a length bias: long wrong answers cost less for each token. A division by T in "
    "place of the lengths, `(losses * mask).mean(1)`, or by a constant, weighs all tokens alike, and the learning "
    "rate then depends on that number.",
    instead="Decide for one, and say which: sum over all tokens and divide by their number, or `masked_mean` each "
    "sequence and average. Count tokens and sequences over all micro-batches and devices.",
    operation="loss.mean_of_sequences",
    sources=(
        "https://github.com/sail-sg/understand-r1-zero/issues/11",
        "https://github.com/verl-project/verl/pull/2435",
        "https://github.com/d2l-ai/d2l-en/pull/2717",
    ),
)
class mean_of_means:
    def pytorch():
        import torch

        losses, lengths = torch.tensor([[1.0, 1.0, 1.0], [5.0, 0.0, 0.0]]), torch.tensor([3, 1])
        return {
            "over tokens": float(losses.sum() / lengths.sum()),
            "over sequences": float((losses.sum(1) / lengths).mean()),
            "over T, then over sequences": float(losses.mean(1).mean()),
        }

    def tensorflow():
        import tensorflow as tf

        losses, lengths = tf.constant([[1.0, 1.0, 1.0], [5.0, 0.0, 0.0]]), tf.constant([3.0, 1.0])
        return {
            "over tokens": float(tf.reduce_sum(losses) / tf.reduce_sum(lengths)),
            "over sequences": float(tf.reduce_mean(tf.reduce_sum(losses, 1) / lengths)),
            "over T, then over sequences": float(tf.reduce_mean(tf.reduce_mean(losses, 1))),
        }
