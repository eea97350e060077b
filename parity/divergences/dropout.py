"""Record when dropout of attention takes place, on what, and what padding changes in it."""

from parity.divergences.entry import DIFFERS, FALSE, divergence

SDPA = "https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html"
KERAS = "https://keras.io/api/layers/attention_layers/multi_head_attention/"
TF_DROPOUT = "https://www.tensorflow.org/api_docs/python/tf/nn/dropout"


@divergence(
    claim="`model.eval()`, or `training=False`, turns all dropout off.",
    verdict=FALSE,
    expected={
        "pytorch": {"nn.Dropout drops": False, "scaled_dot_product_attention drops": True},
        "tensorflow": {"keras.layers.Dropout drops": False, "tf.nn.dropout drops": True},
    },
    why="A layer knows whether it trains, a function does not: `scaled_dot_product_attention(dropout_p=…)` and "
    "`tf.nn.dropout` drop whenever the rate is above 0.",
    instead="Pass `dropout_p=self.p if self.training else 0.0`; in Keras, call a `Dropout` layer with `training`.",
    operation="dropout.self_attention",
    sources=(
        "https://github.com/pytorch/pytorch/issues/124464",
        "https://github.com/huggingface/pytorch-image-models/pull/1978",
        "https://github.com/wenet-e2e/wenet/issues/2699",
        TF_DROPOUT,
    ),
)
class in_evaluation:
    def pytorch():
        import torch
        import torch.nn.functional as F
        from torch import nn

        torch.manual_seed(0)
        scores, each_key = torch.zeros(1, 8, 8), torch.eye(8)[None]
        weights = F.scaled_dot_product_attention(scores, scores, each_key, dropout_p=0.5)  # the values tell them apart
        layer = nn.Dropout(0.5).eval()
        return {
            "nn.Dropout drops": bool((layer(torch.ones(8, 8)) == 0).any()),
            "scaled_dot_product_attention drops": bool((weights == 0).any()),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        weights = tf.ones((8, 8))
        layer = keras.layers.Dropout(0.5)
        by_function = tf.nn.dropout(weights, 0.5)
        return {
            "keras.layers.Dropout drops": bool(tf.reduce_any(layer(weights, training=False) == 0)),
            "tf.nn.dropout drops": bool(tf.reduce_any(by_function == 0)),
        }


@divergence(
    claim="The attention weights that a layer returns in training sum to 1.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"all sums are 1": False, "largest weight": 0.5},
        "tensorflow": {"all sums are 1": True, "largest weight": 0.25},
    },
    why="`nn.MultiheadAttention` returns the weights behind its dropout: some are 0, the others are divided by the "
    "share that is kept. Keras returns them as they were before. The output is that of the dropped weights in both.",
    instead="Read weights in evaluation, or divide them by their sum.",
    operation="dropout.self_attention",
    sources=(
        "https://github.com/pytorch/pytorch/issues/42929",
        "https://github.com/pytorch/pytorch/issues/90842",
        "https://github.com/facebookresearch/fairseq/issues/351",
        KERAS,
    ),
)
class returned_weights:
    def pytorch():
        import torch
        from torch import nn

        torch.manual_seed(0)
        attention, x = nn.MultiheadAttention(1, 1, dropout=0.5, batch_first=True), torch.zeros(1, 4, 1)
        _, weights = attention(x, x, x)  # all scores are equal
        return {"all sums are 1": bool((weights.sum(-1) == 1).all()), "largest weight": weights.max().item()}

    def tensorflow():
        import keras
        import tensorflow as tf

        attention, x = keras.layers.MultiHeadAttention(1, 1, dropout=0.5, seed=0), tf.zeros((1, 4, 1))
        _, weights = attention(x, x, training=True, return_attention_scores=True)
        return {
            "all sums are 1": bool(tf.reduce_all(tf.reduce_sum(weights, -1) == 1)),
            "largest weight": float(tf.reduce_max(weights)),
        }


@divergence(
    claim="With the same seed, the same real steps are dropped, however far a batch is padded.",
    verdict=FALSE,
    expected={
        "pytorch": {"padded alike": True, "one more step of padding": False},
        "tensorflow": {"padded alike": True, "one more step of padding": False},
    },
    why="Random numbers are drawn for the whole array, padding included, row by row. With another T, all rows but the "
    "first get others, so that two runs with one seed differ as soon as they are padded or bucketed differently.",
    instead="Compare without dropout, or give both runs the same mask, sampled for the real steps.",
    operation="dropout.self_attention",
    sources=("https://docs.pytorch.org/docs/stable/generated/torch.nn.Dropout.html", TF_DROPOUT),
)
class mask_depends_on_padding:
    def pytorch():
        import torch
        import torch.nn.functional as F

        def kept(steps):  # of two sequences of four real steps
            torch.manual_seed(0)
            return F.dropout(torch.ones(2, steps), 0.5)[:, :4]

        return {
            "padded alike": torch.equal(kept(5), kept(5)),
            "one more step of padding": torch.equal(kept(5), kept(6)),
        }

    def tensorflow():
        import tensorflow as tf

        def kept(steps):  # of two sequences of four real steps
            return tf.nn.experimental.stateless_dropout(tf.ones((2, steps)), 0.5, seed=(0, 0))[:, :4]

        return {
            "padded alike": bool(tf.reduce_all(kept(5) == kept(5))),
            "one more step of padding": bool(tf.reduce_all(kept(5) == kept(6))),
        }


@divergence(
    claim="A time mask (SpecAugment) hides as many frames of each utterance of a batch.",
    verdict=FALSE,
    expected={
        "pytorch": {"drawn from T": 1.0, "drawn from the length": 2.0},
        "tensorflow": {"drawn from T": 1.0, "drawn from the length": 2.0},
    },
    why="Transforms draw where a mask begins from all T columns, padding included. For an utterance of 4 frames that "
    "is padded to 8, a mask of 2 frames hides 1 frame on average, and 2 if it is drawn from its own length: the more "
    "padding, the weaker the augmentation. A fill with the mean of a padded spectrogram counts padding too. "
    "`torchaudio.transforms.TimeMasking` takes no lengths.",
    instead="Augment each utterance before it is padded, or draw from its length.",
    sources=(
        "https://github.com/speechbrain/speechbrain/issues/1116",
        "https://github.com/lhotse-speech/lhotse/issues/648",
        "https://github.com/NVIDIA-NeMo/Speech/pull/2398",
    ),
)
class time_masks_on_padding:
    def pytorch():
        import torch

        real, width = torch.arange(8) < 4, 2

        def hidden(columns):  # frames of the utterance, on average over all places of the mask
            starts = torch.arange(columns - width + 1)[:, None]
            mask = (torch.arange(8) >= starts) & (torch.arange(8) < starts + width)
            return float((mask & real).sum(1).float().mean())

        return {"drawn from T": hidden(8), "drawn from the length": hidden(4)}

    def tensorflow():
        import tensorflow as tf

        real, width = tf.range(8) < 4, 2

        def hidden(columns):
            starts = tf.range(columns - width + 1)[:, None]
            mask = (tf.range(8) >= starts) & (tf.range(8) < starts + width)
            return float(tf.reduce_mean(tf.reduce_sum(tf.cast(mask & real, tf.float32), 1)))

        return {"drawn from T": hidden(8), "drawn from the length": hidden(4)}
