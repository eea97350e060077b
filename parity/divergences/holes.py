"""Record what becomes of masks with holes: steps to skip among the real ones."""

from parity.divergences.entry import DIFFERS, FALSE, divergence


@divergence(
    claim="A mask and lengths say the same: a recurrent layer skips what is masked.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"mask 1 1 0": 11.0, "mask 1 0 1": 11.0, "hole taken out before packing": 3.0},
        "tensorflow": {"mask 1 1 0": 11.0, "mask 1 0 1": 3.0},
    },
    why="The layer adds up its inputs 1, 10 and 2. A Keras layer keeps its state wherever its mask is False, so that "
    "it skips holes. `pack_padded_sequence` takes lengths, which cannot express a hole: the sum of the mask is 2, and "
    "the first two steps are read.",
    instead="In PyTorch, move the steps that are kept together before packing, and the outputs back afterwards, or run "
    "a cell step by step.",
    operation="holes.gru",
    sources=(
        "https://github.com/allenai/allennlp/issues/2829",
        "https://github.com/Element-Research/rnn/issues/433",
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.pack_padded_sequence.html",
    ),
)
class skipped_or_not:
    def pytorch():
        import torch
        from torch import nn
        from torch.nn.utils.rnn import pack_padded_sequence

        x, layer = torch.tensor([[[1.0], [10.0], [2.0]]]), nn.RNN(1, 1, nonlinearity="relu", batch_first=True)
        for name, weight in layer.named_parameters():
            nn.init.constant_(weight, float(name.startswith("weight")))

        def total(x, mask):
            return layer(pack_padded_sequence(x, mask.sum(1), batch_first=True))[1].item()

        hole = torch.tensor([[1, 0, 1]])
        order = (hole == 0).long().argsort(dim=1, stable=True)
        return {
            "mask 1 1 0": total(x, torch.tensor([[1, 1, 0]])),
            "mask 1 0 1": total(x, hole),
            "hole taken out before packing": total(x[:, order[0]], hole),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        options = {"kernel_initializer": "ones", "recurrent_initializer": "ones", "activation": "relu"}
        x, layer = tf.constant([[[1.0], [10.0], [2.0]]]), keras.layers.SimpleRNN(1, **options)

        def total(*mask):
            return float(layer(x, mask=tf.constant([mask]))[0, 0])

        return {"mask 1 1 0": total(True, True, False), "mask 1 0 1": total(True, False, True)}


@divergence(
    claim="The last step of a sequence is at the sum of its mask, less 1.",
    verdict=FALSE,
    expected={
        "pytorch": {"mask.sum() - 1": 2.0, "last of the mask": 4.0},
        "tensorflow": {"mask.sum() - 1": 2.0, "last of the mask": 4.0},
    },
    why="The mask 1 0 1 1 has three ones, but its last one is the fourth. A hole, or padding on the left, moves the "
    "last step away from its count.",
    instead="Take the largest index at which the mask is 1.",
    operation="holes.last",
    sources=(
        "https://github.com/huggingface/peft/issues/3620",
        "https://github.com/huggingface/transformers/pull/35911",
    ),
)
class last_by_count:
    def pytorch():
        import torch

        x, mask = torch.tensor([[1.0, 9.0, 2.0, 4.0]]), torch.tensor([[1, 0, 1, 1]])
        rows, index = torch.arange(len(x)), (mask * torch.arange(4)).amax(1)
        return {"mask.sum() - 1": x[rows, mask.sum(1) - 1].item(), "last of the mask": x[rows, index].item()}

    def tensorflow():
        import tensorflow as tf

        x, mask = tf.constant([[1.0, 9.0, 2.0, 4.0]]), tf.constant([[1, 0, 1, 1]])
        count, last = tf.reduce_sum(mask, 1) - 1, tf.reduce_max(mask * tf.range(4), 1)
        return {
            "mask.sum() - 1": float(tf.gather(x, count, batch_dims=1)[0]),
            "last of the mask": float(tf.gather(x, last, batch_dims=1)[0]),
        }


@divergence(
    claim="`Masking` finds padding only: real steps pass.",
    verdict=FALSE,
    expected={
        "pytorch": {"steps counted": 3, "mean": 2.0},
        "tensorflow": {"mask": [True, False, True, False], "mean": 3.0},
    },
    why="`Masking`, and `mask_zero=True`, mask every step that looks like padding, also among the real ones. The step "
    "of zeros in the middle becomes a hole, and the mean is over two steps, not three. Code with lengths counts it.",
    instead="Make the mask from lengths; or use a value for padding that no real step has.",
    operation="holes.mean",
    sources=("https://keras.io/api/layers/core_layers/masking/", "https://github.com/Element-Research/rnn/issues/433"),
)
class holes_by_masking:
    def pytorch():
        import torch

        x, lengths = torch.tensor([[[1.0], [0.0], [5.0], [0.0]]]), torch.tensor([3])  # the last step is padding
        return {"steps counted": lengths.item(), "mean": (x.sum(1) / lengths[:, None]).item()}

    def tensorflow():
        import keras
        import tensorflow as tf

        x = tf.constant([[[1.0], [0.0], [5.0], [0.0]]])  # the last step is padding
        masked = keras.layers.Masking()(x)
        mean = keras.layers.GlobalAveragePooling1D()(masked)
        return {"mask": masked._keras_mask.numpy()[0].tolist(), "mean": float(mean[0, 0])}
