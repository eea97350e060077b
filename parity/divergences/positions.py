"""Record what becomes of lengths and positions on either side of the padding."""

from parity.divergences.entry import DIFFERS, FALSE, PARTLY, divergence

ARGMAX = "https://docs.pytorch.org/docs/stable/generated/torch.argmax.html"
GATHER = "https://www.tensorflow.org/api_docs/python/tf/gather"
POSITION_EMBEDDING = "https://keras.io/keras_hub/api/modeling_layers/position_embedding"


@divergence(
    claim="The positions of a batch are its columns, `arange(T)`.",
    verdict=FALSE,
    expected={
        "pytorch": {
            "alone": [0.0, 10.0],
            "padded on the right": [0.0, 10.0],
            "padded on the left": [20.0, 30.0],
            "by the mask": [0.0, 10.0],
        },
        "tensorflow": {
            "alone": [0.0, 10.0],
            "padded on the right": [0.0, 10.0],
            "padded on the left": [20.0, 30.0],
            "by the mask": [0.0, 10.0],
        },
    },
    why="With padding on the left (`padding_side='left'`), as for generation, the first real step is not in the "
    "first column. Each sequence but the longest gets the embeddings of later positions, or is rotated further "
    "(RoPE), and how far depends on the batch. Nothing is raised. `keras_hub.layers.PositionEmbedding` counts "
    "columns too, unless it is given positions.",
    instead="Count real steps by the mask: `(mask.cumsum(1) - 1).clamp(min=0)`, and pass these positions on, as "
    "`position_ids` beside the `attention_mask`.",
    operation="masking.positions",
    sources=(
        "https://github.com/huggingface/transformers/issues/33095",
        "https://github.com/ndif-team/nnsight/pull/673",
        "https://github.com/TransformerLensOrg/TransformerLens/issues/1609",
        POSITION_EMBEDDING,
    ),
)
class columns:
    def pytorch():
        import torch
        from torch import nn

        embed = nn.Embedding.from_pretrained(torch.tensor([[0.0], [10], [20], [30]]))
        mask = torch.tensor([[0, 0, 1, 1]])  # two words, with padding on the left
        columns = torch.arange(4)
        return {
            "alone": embed(torch.arange(2)).flatten().tolist(),
            "padded on the right": embed(columns)[:2].flatten().tolist(),
            "padded on the left": embed(columns)[-2:].flatten().tolist(),
            "by the mask": embed((mask.cumsum(1) - 1).clamp(min=0))[0, -2:].flatten().tolist(),
        }

    def tensorflow():
        import keras
        import numpy as np
        import tensorflow as tf

        embed = keras.layers.Embedding(4, 1, weights=[np.float32([[0], [10], [20], [30]])])
        mask = tf.constant([[0, 0, 1, 1]])  # two words, with padding on the left
        columns = tf.range(4)
        return {
            "alone": embed(tf.range(2))[:, 0].numpy().tolist(),
            "padded on the right": embed(columns)[:2, 0].numpy().tolist(),
            "padded on the left": embed(columns)[-2:, 0].numpy().tolist(),
            "by the mask": embed(tf.maximum(tf.cumsum(mask, 1) - 1, 0))[0, -2:, 0].numpy().tolist(),
        }


@divergence(
    claim="`argmax(tokens == pad)` is the length of a sequence, and the token before it is its last.",
    verdict=PARTLY,
    expected={
        "pytorch": {
            "of [5, 6, 0, 0]": 2,
            "of [5, 6, 7, 8]": 0,
            "of [0, 0, 5, 6]": 0,
            "of [5, 0, 6, 0]": 1,
            "last of [5, 6, 7, 8]": 8,
        },
        "tensorflow": {
            "of [5, 6, 0, 0]": 2,
            "of [5, 6, 7, 8]": 0,
            "of [0, 0, 5, 6]": 0,
            "of [5, 0, 6, 0]": 1,
            "last of [5, 6, 7, 8]": "InvalidArgumentError: … is not in [0, 4) …",
        },
    },
    why="It is if the padding is on the right, and there is some. The pad is 0. `argmax` returns 0 if no token is the "
    "pad, as if the first were: the longest sequence of a batch counts as empty. It is 0 for padding on the left too, "
    "and one that occurs among the words, such as an end token, ends the sequence. The index before 0 is -1: in "
    "PyTorch that is the last token, which happens to be right; TensorFlow rejects it, on a CPU.",
    instead="Count up to the first pad by `(tokens != pad).long().cumprod(1).sum(1)`; up to the last word by "
    "`where(tokens != pad, arange(1, T + 1), 0).amax(1)`.",
    operation="masking.length_from_tokens",
    sources=(
        "https://github.com/huggingface/transformers/issues/35909",
        "https://github.com/huggingface/transformers/pull/35911",
        "https://github.com/huggingface/transformers/issues/35352",
        ARGMAX,
        GATHER,
    ),
)
class argmax_of_no_pad:
    def pytorch():
        import torch

        def length(*tokens):
            return torch.tensor(tokens).eq(0).int().argmax()

        full = torch.tensor([5, 6, 7, 8])
        return {
            "of [5, 6, 0, 0]": length(5, 6, 0, 0).item(),
            "of [5, 6, 7, 8]": length(5, 6, 7, 8).item(),
            "of [0, 0, 5, 6]": length(0, 0, 5, 6).item(),
            "of [5, 0, 6, 0]": length(5, 0, 6, 0).item(),
            "last of [5, 6, 7, 8]": full[length(5, 6, 7, 8) - 1].item(),
        }

    def tensorflow():
        import tensorflow as tf

        from parity.divergences.entry import raised

        def length(*tokens):
            return tf.argmax(tf.cast(tf.equal(tokens, 0), tf.int32))

        def last():
            with tf.device("CPU"):
                return tf.gather([5, 6, 7, 8], length(5, 6, 7, 8) - 1)

        return {
            "of [5, 6, 0, 0]": int(length(5, 6, 0, 0)),
            "of [5, 6, 7, 8]": int(length(5, 6, 7, 8)),
            "of [0, 0, 5, 6]": int(length(0, 0, 5, 6)),
            "of [5, 0, 6, 0]": int(length(5, 0, 6, 0)),
            "last of [5, 6, 7, 8]": raised(last, says="is not in [0, 4)"),
        }


@divergence(
    claim="The table of an embedding of positions has the pad of the words.",
    verdict=DIFFERS,
    expected={
        "pytorch": {
            "gradient, from 0": [1.0, 0.0, 1.0, 1.0],
            "gradient, from padding_idx + 1": [0.0, 0.0, 1.0, 1.0],
            "four steps from padding_idx + 1": "IndexError: … index out of range …",
        },
        "tensorflow": {
            "gradient, from 0": [1.0, 1.0, 1.0, 1.0],
            "mask, from 0": [False, True, True, True],
            "mean of [1, 1, 1, 5], masked": 2.333,
        },
    },
    why="With `padding_idx=1`, the second position is never trained if positions begin at 0. In RoBERTa they begin "
    "behind the pad, at `padding_idx + 1`, so that a table for 512 steps has 514 rows, and a longer sequence, or "
    "another pad, is out of range. Keras has no `padding_idx`; `mask_zero=True` takes position 0, which is the first "
    "step of every sequence, for padding.",
    instead="Give a table of positions no `padding_idx` and no `mask_zero`: mask padding by the words. For weights of "
    "RoBERTa, begin at `padding_idx + 1`.",
    operation="embedding.positions",
    sources=(
        "https://github.com/huggingface/transformers/issues/19265",
        "https://github.com/huggingface/transformers/issues/15292",
        "https://github.com/huggingface/transformers/issues/9116",
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.Embedding.html",
        "https://keras.io/api/layers/core_layers/embedding/",
    ),
)
class padding_idx_of_a_table:
    def pytorch():
        import torch
        from torch import nn

        from parity.divergences.entry import raised

        embed = nn.Embedding(4, 1, padding_idx=1)  # 1 is the pad of the words

        def gradient(positions):
            (found,) = torch.autograd.grad(embed(positions).sum(), embed.weight)
            return found.flatten().tolist()

        behind = torch.arange(4) + embed.padding_idx + 1
        return {
            "gradient, from 0": gradient(torch.arange(4)),
            "gradient, from padding_idx + 1": gradient(behind[:2]),
            "four steps from padding_idx + 1": raised(lambda: embed(behind), says="index out of range"),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        embed = keras.layers.Embedding(4, 1, mask_zero=True)
        positions = tf.range(4)[None]
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(embed(positions))
        gradient = tf.convert_to_tensor(tape.gradient(loss, embed.trainable_variables[0]))
        mask = embed.compute_mask(positions)
        mean = keras.layers.GlobalAveragePooling1D()(tf.constant([[[1.0], [1], [1], [5]]]), mask=mask)
        return {
            "gradient, from 0": gradient[:, 0].numpy().tolist(),
            "mask, from 0": mask[0].numpy().tolist(),
            "mean of [1, 1, 1, 5], masked": float(mean[0, 0]),
        }


@divergence(
    claim="`outputs[:, -1]` is the last output of each sequence.",
    verdict=FALSE,
    expected={
        "pytorch": {
            "padded on the right, [:, -1]": 0.0,
            "padded on the right, lengths - 1": 2.0,
            "padded on the left, [:, -1]": 2.0,
            "padded on the left, lengths - 1": 1.0,
        },
        "tensorflow": {
            "padded on the right, [:, -1]": 0.0,
            "padded on the right, lengths - 1": 2.0,
            "padded on the left, [:, -1]": 2.0,
            "padded on the left, lengths - 1": 1.0,
        },
    },
    why="It is padding where padding is on the right, as pooling of the last token (`lasttoken`) may forget. The step "
    "at `lengths - 1`, or at the number of non-pad tokens less 1, is the last one there, and any step, or padding, "
    "where it is on the left: the outputs here are 1 and 2 and the padding 0, with T = 3. A tokenizer that pads on "
    "the other side than in training changes what a model answers, and nothing is raised.",
    instead="Decide by the mask: the last real step is at `where(mask, arange(T), 0).amax(1)` on either side.",
    operation="pooling.last_relevant",
    sources=(
        "https://github.com/huggingface/transformers/pull/24979",
        "https://github.com/huggingface/transformers/issues/30004",
        "https://github.com/unslothai/unsloth-zoo/pull/968",
    ),
)
class last_step:
    def pytorch():
        import torch

        right, left, length = torch.tensor([1.0, 2, 0]), torch.tensor([0.0, 1, 2]), torch.tensor(2)
        return {
            "padded on the right, [:, -1]": right[-1].item(),
            "padded on the right, lengths - 1": right[length - 1].item(),
            "padded on the left, [:, -1]": left[-1].item(),
            "padded on the left, lengths - 1": left[length - 1].item(),
        }

    def tensorflow():
        import tensorflow as tf

        right, left, length = tf.constant([1.0, 2, 0]), tf.constant([0.0, 1, 2]), tf.constant(2)
        return {
            "padded on the right, [:, -1]": float(right[-1]),
            "padded on the right, lengths - 1": float(right[length - 1]),
            "padded on the left, [:, -1]": float(left[-1]),
            "padded on the left, lengths - 1": float(left[length - 1]),
        }
