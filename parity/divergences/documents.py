"""Record what happens to several documents that are packed into one row."""

from parity.divergences.entry import DEPENDS, FALSE, PARTLY, divergence

SDPA = "https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html"
KERAS_ATTENTION = "https://keras.io/api/layers/attention_layers/multi_head_attention/"
PACKING = "https://arxiv.org/abs/2107.02027"


@divergence(
    claim="A causal mask keeps the documents of a packed row apart.",
    verdict=FALSE,
    expected={
        "pytorch": {
            "second document, causal": [2.574, 2.822],
            "second document, causal and of one document": [1.0, 1.881],
            "second document in a row of its own": [1.0, 1.881],
        },
        "tensorflow": {
            "second document, causal": [2.574, 2.822],
            "second document, causal and of one document": [1.0, 1.881],
            "second document in a row of its own": [1.0, 1.881],
        },
    },
    why="A causal mask hides what comes later. The second document of a row comes behind the first, and its steps "
    "attend to all of it: documents see each other (cross-contamination in sequence packing), however they are "
    "separated. A mask of the padding does not help, because none of it is padding.",
    instead="Compare the ids of the documents, `segments[:, :, None] == segments[:, None]`, and join that with the "
    "causal mask; or give a kernel for documents their boundaries, `cu_seqlens`.",
    operation="documents.self_attention",
    sources=(
        PACKING,
        "https://github.com/Dao-AILab/flash-attention/issues/654",
        "https://github.com/huggingface/trl/pull/3526",
        "https://docs.pytorch.org/torchtune/main/generated/torchtune.data.padded_collate_packed.html",
        KERAS_ATTENTION,
    ),
)
class causal_mask_only:
    def pytorch():
        import torch
        import torch.nn.functional as F

        row = torch.tensor([[[3.0], [1.0], [1.0], [2.0]]])  # two documents of two steps
        segments = torch.tensor([[0, 0, 1, 1]])
        same = segments[:, :, None] == segments[:, None]
        second = row[:, 2:]

        def attend(x, **options):
            return F.scaled_dot_product_attention(x, x, x, **options)[0, -2:, 0].tolist()

        return {
            "second document, causal": attend(row, is_causal=True),
            "second document, causal and of one document": attend(row, attn_mask=same.tril()),
            "second document in a row of its own": attend(second, is_causal=True),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        row = tf.constant([[[3.0], [1.0], [1.0], [2.0]]])  # two documents of two steps
        segments = tf.constant([[0, 0, 1, 1]])
        same = segments[:, :, None] == segments[:, None]
        second = row[:, 2:]
        attention = keras.layers.MultiHeadAttention(1, 1, use_bias=False, kernel_initializer="ones")

        def attend(x, **options):
            return attention(x, x, use_causal_mask=True, **options)[0, -2:, 0].numpy().tolist()

        return {
            "second document, causal": attend(row),
            "second document, causal and of one document": attend(row, attention_mask=same),
            "second document in a row of its own": attend(second),
        }


@divergence(
    claim="Position IDs may run on through a packed row of documents, if the mask keeps these apart.",
    verdict=PARTLY,
    expected={
        "pytorch": {
            "added, restarted": [0.7165, 0.2835],
            "added, running on": [0.9221, 0.07786],
            "rotary, restarted": [0.8464, 0.1536],
            "rotary, running on": [0.8464, 0.1536],
        },
        "tensorflow": {
            "added, restarted": [0.7165, 0.2835],
            "added, running on": [0.9221, 0.07786],
            "rotary, restarted": [0.8464, 0.1536],
            "rotary, running on": [0.8464, 0.1536],
        },
    },
    why="What is added to a step, or looked up for it, depends on its position in the row: positions that are never "
    "set or reset (restarted) make the second document another input than it is alone, and reach rows of a table that "
    "no document on its own reaches. Rotary embeddings (RoPE) enter by the difference of two positions of the same "
    "document only, so that a model which ignores position IDs is right for them.",
    instead="Restart positions where a document begins: step minus the latest start, "
    "`steps - where(first, steps, 0).cummax(1).values`.",
    operation="documents.positions",
    sources=(
        PACKING,
        "https://huggingface.co/docs/transformers/main/padding_free",
        "https://github.com/OpenRLHF/OpenRLHF/issues/377",
        "https://github.com/NVIDIA/Megatron-LM/issues/453",
        "https://github.com/pytorch/torchtitan/issues/2559",
    ),
)
class positions_not_restarted:
    def pytorch():
        import torch
        import torch.nn.functional as F

        x = torch.tensor([[[1.0, 0.0], [0.5, 0.5]]])  # a document of two steps, which may stand behind another of two
        alone, in_the_row = torch.tensor([0.0, 1.0]), torch.tensor([2.0, 3.0])

        def added(positions):
            y = x + torch.stack([positions.sin(), positions.cos()], 1)
            return F.scaled_dot_product_attention(y, y, x)[0, 0].tolist()

        def rotated(positions):
            sin, cos = positions.sin(), positions.cos()
            a, b = x[..., 0], x[..., 1]
            y = torch.stack([a * cos - b * sin, a * sin + b * cos], 2)
            return F.scaled_dot_product_attention(y, y, x)[0, 0].tolist()

        return {
            "added, restarted": added(alone),
            "added, running on": added(in_the_row),
            "rotary, restarted": rotated(alone),
            "rotary, running on": rotated(in_the_row),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        x = tf.constant([[[1.0, 0.0], [0.5, 0.5]]])  # a document of two steps, which may stand behind another of two
        alone, in_the_row = tf.constant([0.0, 1.0]), tf.constant([2.0, 3.0])

        def attend(y):
            y, value = y[:, :, None], x[:, :, None]  # one head
            return keras.ops.dot_product_attention(y, y, value)[0, 0, 0].numpy().tolist()

        def added(positions):
            return attend(x + tf.stack([tf.sin(positions), tf.cos(positions)], 1))

        def rotated(positions):
            sin, cos = tf.sin(positions), tf.cos(positions)
            a, b = x[..., 0], x[..., 1]
            return attend(tf.stack([a * cos - b * sin, a * sin + b * cos], 2))

        return {
            "added, restarted": added(alone),
            "added, running on": added(in_the_row),
            "rotary, restarted": rotated(alone),
            "rotary, running on": rotated(in_the_row),
        }


@divergence(
    claim="The mean of the losses of packed rows is the mean of the losses of their documents.",
    verdict=FALSE,
    expected={
        "pytorch": {
            "per row, [a b] and [c]": 1.948,
            "per row, [a] and [b c]": 1.437,
            "per document": 1.685,
            "per token": 1.288,
        },
        "tensorflow": {
            "per row, [a b] and [c]": 1.948,
            "per row, [a] and [b c]": 1.437,
            "per document": 1.685,
            "per token": 1.288,
        },
    },
    why="A loss averaged per row weighs each row alike, and a document by how many others share its row: packed "
    "otherwise, the same documents have another loss and other gradients. So it is where each row is a batch of its "
    "own, on another device or in an accumulated gradient. Only a mean over all tokens does not depend on the packing.",
    instead="Divide the sum over all tokens by their number, in the whole step; for a mean per document, divide the "
    "loss of each token by the number of tokens of its document.",
    operation="documents.next_token_loss",
    sources=(
        "https://github.com/THUDM/LongAlign/issues/3",
        "https://github.com/meta-pytorch/torchtune/pull/1875",
        "https://github.com/google/tunix/pull/1662",
    ),
)
class averaged_per_row:
    def pytorch():
        import torch
        import torch.nn.functional as F

        logits = torch.tensor([[0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 1.0], [0.0, 3.0]])
        a, b, c = [0, 1, 2], [3], [4]  # the tokens of three documents

        def mean(parts):
            losses = [F.cross_entropy(logits[tokens], torch.zeros(len(tokens), dtype=torch.long)) for tokens in parts]
            return torch.stack(losses).mean().item()

        return {
            "per row, [a b] and [c]": mean([a + b, c]),
            "per row, [a] and [b c]": mean([a, b + c]),
            "per document": mean([a, b, c]),
            "per token": mean([a + b + c]),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        logits = tf.constant([[0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 1.0], [0.0, 3.0]])
        a, b, c = [0, 1, 2], [3], [4]  # the tokens of three documents
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

        def mean(parts):
            losses = [loss(tf.zeros(len(tokens), tf.int32), tf.gather(logits, tokens)) for tokens in parts]
            return float(tf.reduce_mean(losses))

        return {
            "per row, [a b] and [c]": mean([a + b, c]),
            "per row, [a] and [b c]": mean([a, b + c]),
            "per document": mean([a, b, c]),
            "per token": mean([a + b + c]),
        }


@divergence(
    claim="The tokens of a packed row, moved by one step, are the targets of its documents.",
    verdict=FALSE,
    expected={
        "pytorch": {"moved by one": 1.351, "within documents": 0.01815, "targets": [3, 2]},
        "tensorflow": {"moved by one": 1.351, "within documents": 0.01815, "targets": [3, 2]},
    },
    why="The last step of a document gets the first token of the next as its target, which nobody can predict: it "
    "crosses the boundary, and counts in the number of tokens, too. A mask of attention does not keep a loss apart.",
    instead="Ignore the target where the id of the next step is another: -100, or a weight of 0.",
    operation="documents.next_token_loss",
    sources=(
        "https://huggingface.co/docs/transformers/main/padding_free",
        "https://github.com/huggingface/blog/pull/2307",
    ),
)
class target_over_a_boundary:
    def pytorch():
        import torch
        import torch.nn.functional as F

        tokens = torch.tensor([0, 0, 1, 1])  # two documents of two tokens, each of which repeats
        segments = torch.tensor([0, 0, 1, 1])
        logits = 4.0 * F.one_hot(tokens, 2)  # a model that has learnt that
        moved = tokens[1:]
        within = torch.where(segments[1:] == segments[:-1], moved, -100)
        return {
            "moved by one": F.cross_entropy(logits[:-1], moved).item(),
            "within documents": F.cross_entropy(logits[:-1], within).item(),
            "targets": [int((targets >= 0).sum()) for targets in (moved, within)],
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        tokens = tf.constant([[0, 0, 1, 1]])  # two documents of two tokens, each of which repeats
        segments = tf.constant([[0, 0, 1, 1]])
        logits = 4.0 * tf.one_hot(tokens, 2)  # a model that has learnt that
        moved = tokens[:, 1:]
        within = tf.where(segments[:, 1:] == segments[:, :-1], moved, -1)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
        return {
            "moved by one": float(loss(moved, logits[:, :-1])),
            "within documents": float(loss(within, logits[:, :-1])),
            "targets": [int(tf.reduce_sum(tf.cast(targets >= 0, tf.int32))) for targets in (moved, within)],
        }


@divergence(
    claim="The cumulative sum of the lengths of documents is their `cu_seqlens`.",
    verdict=FALSE,
    expected={
        "pytorch": {"without a leading 0": [5.0, 15.0], "with it": [1.0, 5.0, 15.0]},
        "tensorflow": {"without a leading 0": "InvalidArgumentError", "with it": [1.0, 5.0, 15.0]},
    },
    why="As in `flash_attn_varlen_func` (FlashAttention), there is a leading 0: N documents have N + 1 offsets, each "
    "document from one to the next. PyTorch does not check that, and the first document is missing without an error. "
    "TensorFlow raises, since row splits begin with 0.",
    instead="`F.pad(lengths.cumsum(0), (1, 0))`, or lengths in place of offsets: `tf.RaggedTensor.from_row_lengths`.",
    operation="documents.positions",
    sources=(
        "https://docs.pytorch.org/docs/stable/nested.html",
        "https://www.tensorflow.org/api_docs/python/tf/RaggedTensor",
        "https://github.com/Dao-AILab/flash-attention/issues/654",
    ),
)
class cu_seqlens_without_zero:
    def pytorch():
        import torch
        import torch.nn.functional as F

        steps, lengths = torch.arange(1.0, 7.0), torch.tensor([1, 2, 3])  # three packed documents
        ends = lengths.cumsum(0)

        def sums(offsets):
            return torch.segment_reduce(steps, "sum", offsets=offsets).tolist()

        return {"without a leading 0": sums(ends), "with it": sums(F.pad(ends, (1, 0)))}

    def tensorflow():
        import tensorflow as tf

        steps, lengths = tf.range(1.0, 7.0), tf.constant([1, 2, 3])  # three packed documents
        ends = tf.cumsum(lengths)

        def sums(offsets):
            try:
                documents = tf.RaggedTensor.from_row_splits(steps, offsets)
            except tf.errors.InvalidArgumentError:
                return "InvalidArgumentError"
            return tf.reduce_sum(documents, 1).numpy().tolist()

        return {"without a leading 0": sums(ends), "with it": sums(tf.pad(ends, [[1, 0]]))}


@divergence(
    claim="NaN in one document of a packed row reaches no other, since the mask keeps them apart.",
    verdict=FALSE,
    expected={
        "pytorch": {"first document": [float("nan"), float("nan")], "in a row of its own": [1.731, 1.881]},
        "tensorflow": {"first document": [float("nan"), float("nan")], "in a row of its own": [1.731, 1.881]},
    },
    why="The weight of a step in another document is 0, and 0 times NaN is NaN, in the output and in every gradient. "
    "The same is true of inf. A row of its own is computed apart, so that NaN stays there.",
    instead="Cut rows into documents (a jagged tensor, `cu_seqlens`), or set what is not finite to 0 before.",
    operation="documents.self_attention",
    sources=("https://github.com/pytorch/pytorch/issues/103749", SDPA, KERAS_ATTENTION),
)
class nan_of_another_document:
    def pytorch():
        import torch
        import torch.nn.functional as F

        row = torch.tensor([[[1.0], [2.0], [torch.nan], [3.0]]])  # two documents of two steps
        segments = torch.tensor([[0, 0, 1, 1]])
        same = segments[:, :, None] == segments[:, None]
        y = F.scaled_dot_product_attention(row, row, row, attn_mask=same)
        first = row[:, :2]
        alone = F.scaled_dot_product_attention(first, first, first)
        return {"first document": y[0, :2, 0].tolist(), "in a row of its own": alone.flatten().tolist()}

    def tensorflow():
        import keras
        import tensorflow as tf

        row = tf.constant([[[[1.0]], [[2.0]], [[float("nan")]], [[3.0]]]])  # (B, T, heads, D): two documents
        segments = tf.constant([[0, 0, 1, 1]])
        same = segments[:, None, :, None] == segments[:, None, None]
        y = keras.ops.dot_product_attention(row, row, row, mask=same)
        first = row[:, :2]
        alone = keras.ops.dot_product_attention(first, first, first)
        return {
            "first document": y[0, :2, 0, 0].numpy().tolist(),
            "in a row of its own": alone[0, :, 0, 0].numpy().tolist(),
        }


@divergence(
    claim="A masked step between two packed documents resets the state of a recurrent layer.",
    verdict=FALSE,
    expected={
        "pytorch": {"second document": 7.0, "in a row of its own": 4.0},
        "tensorflow": {"second document": 7.0, "in a row of its own": 4.0},
    },
    why="A masked step keeps the state, and the second document begins with the end of the first. PyTorch has no mask, "
    "and a step of zeros is a step like others. Nothing in either resets a state in the middle of a row.",
    instead="Give each document a row (`pack_sequence`, `tf.RaggedTensor`), or run a cell step by step and set its "
    "state to 0 where a document begins.",
    operation="documents.gru",
    sources=(
        "https://keras.io/api/layers/recurrent_layers/simple_rnn/",
        "https://github.com/PrimeIntellect-ai/prime-rl/issues/3000",
        "https://github.com/NovaSky-AI/SkyRL/pull/2056",
    ),
)
class masked_separator:
    def pytorch():
        import torch
        from torch import nn

        row = torch.tensor([[[1.0], [2.0], [0.0], [4.0]]])  # two documents, with a step of zeros between
        layer = nn.RNN(1, 1, nonlinearity="relu", bias=False, batch_first=True)
        for weight in layer.parameters():
            nn.init.ones_(weight)
        return {"second document": layer(row)[0][0, 3].item(), "in a row of its own": layer(row[:, 3:])[0].item()}

    def tensorflow():
        import keras
        import tensorflow as tf

        row = tf.constant([[[1.0], [2.0], [0.0], [4.0]]])  # two documents, with a step of zeros between
        ones = {"kernel_initializer": "ones", "recurrent_initializer": "ones"}
        layer = keras.layers.SimpleRNN(1, activation="relu", return_sequences=True, **ones)
        mask = tf.constant([[True, True, False, True]])
        return {
            "second document": float(layer(row, mask=mask)[0, 3, 0]),
            "in a row of its own": float(layer(row[:, 3:])[0, 0, 0]),
        }


@divergence(
    claim="A step of zeros between two packed documents keeps a convolution from mixing them.",
    verdict=PARTLY,
    expected={
        "pytorch": {"end of the first document, 3 steps": [3.0, 3.0], "end of the first document, 5 steps": [7.0, 3.0]},
        "tensorflow": {
            "end of the first document, 3 steps": [3.0, 3.0],
            "end of the first document, 5 steps": [7.0, 3.0],
        },
    },
    why="One step of zeros is enough for a kernel of three steps, which sees one on either side. One of five sees two, "
    "and the window crosses the boundary. Each layer of a stack needs zeros again: its bias fills them.",
    instead="Put (K - 1) // 2 steps of zeros between documents, or K - 1 if the convolution is causal, in front of "
    "each layer; or convolve rows of one document.",
    operation="documents.convolution",
    sources=(
        "https://github.com/huggingface/transformers/pull/46588",
        "https://github.com/pytorch/torchtitan/pull/3892",
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.conv1d.html",
        "https://keras.io/api/layers/convolution_layers/convolution1d/",
    ),
)
class zeros_between:
    def pytorch():
        import torch
        import torch.nn.functional as F

        row = torch.tensor([[[1.0, 2.0, 0.0, 4.0, 8.0]]])  # (B, D, T): two documents, with a step of zeros between

        def end_of_the_first(x, size):
            return F.conv1d(x, torch.ones(1, 1, size), padding="same")[0, 0, 1].item()

        return {
            f"end of the first document, {size} steps": [
                end_of_the_first(row, size),
                end_of_the_first(row[:, :, :2], size),
            ]
            for size in (3, 5)
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        row = tf.constant([[[1.0], [2.0], [0.0], [4.0], [8.0]]])  # two documents, with a step of zeros between

        def end_of_the_first(x, size):
            layer = keras.layers.Conv1D(1, size, padding="same", kernel_initializer="ones")
            return float(layer(x)[0, 1, 0])

        return {
            f"end of the first document, {size} steps": [
                end_of_the_first(row, size),
                end_of_the_first(row[:, :2], size),
            ]
            for size in (3, 5)
        }


@divergence(
    claim="FlexAttention trains on packed documents wherever it runs.",
    verdict=FALSE,
    expected={"pytorch": {"gradient": "NotImplementedError"}},
    why="On a CPU it has no backward pass, and raises as soon as an input requires a gradient.",
    instead="Give `scaled_dot_product_attention` a mask of the documents there, or train on a GPU.",
    operation="documents.self_attention",
    sources=(
        "https://github.com/pytorch/pytorch/issues/169224",
        "https://github.com/pytorch/pytorch/pull/169646",
        "https://docs.pytorch.org/docs/stable/nn.attention.flex_attention.html",
    ),
)
class flex_attention_on_a_cpu:
    def pytorch():
        import torch
        from torch.nn.attention.flex_attention import create_block_mask, flex_attention

        segments = torch.tensor([0, 0, 1, 1])  # two packed documents of two steps

        def same_document(_batch, _head, query, key):
            return (segments[query] == segments[key]) & (key <= query)

        mask = create_block_mask(same_document, None, None, 4, 4, device="cpu")
        x = torch.ones(1, 1, 4, 16, requires_grad=True)
        gradient = "computed"
        try:
            flex_attention(x, x, x, block_mask=mask).sum().backward()
        except NotImplementedError:
            gradient = "NotImplementedError"
        return {"gradient": gradient}


@divergence(
    claim="A causal model is given labels that are shifted by one step.",
    verdict=DEPENDS,
    expected={
        "pytorch": {"shifted once": 0.01815, "not shifted": 4.018, "shifted twice": 4.018},
        "tensorflow": {"shifted once": 0.01815, "not shifted": 4.018, "shifted twice": 4.018},
    },
    why="It depends on who shifts. Models of Hugging Face shift the labels themselves, so that those of the batch are "
    "the tokens as they are; a loss of one's own does not. Shifted twice, each step has to predict the token after the "
    "next, and shifted by nobody, its own. Neither is an error, and both can be learnt in part.",
    instead="Look for it where the loss is computed: logits[:, :-1] against tokens[:, 1:], once.",
    operation="documents.next_token_loss",
    sources=(
        "https://huggingface.co/docs/transformers/model_doc/gpt2",
        "https://github.com/huggingface/transformers/pull/44642",
        "https://github.com/huggingface/transformers/issues/47394",
    ),
)
class labels_shifted_twice:
    def pytorch():
        import torch
        import torch.nn.functional as F

        tokens = torch.tensor([0, 1, 0, 1, 0])
        logits = 4.0 * F.one_hot(1 - tokens, 2)  # a model that has learnt what comes next

        def loss(shift):
            return F.cross_entropy(logits[: len(tokens) - shift], tokens[shift:]).item()

        return {"shifted once": loss(1), "not shifted": loss(0), "shifted twice": loss(2)}

    def tensorflow():
        import keras
        import tensorflow as tf

        tokens = tf.constant([0, 1, 0, 1, 0])
        logits = 4.0 * tf.one_hot(1 - tokens, 2)  # a model that has learnt what comes next

        def loss(shift):
            return float(
                tf.reduce_mean(
                    keras.losses.sparse_categorical_crossentropy(
                        tokens[shift:], logits[: len(tokens) - shift], from_logits=True
                    )
                )
            )

        return {"shifted once": loss(1), "not shifted": loss(0), "shifted twice": loss(2)}


@divergence(
    claim="`cu_seqlens` may have trailing entries, to be of a fixed size, and may end before the last token.",
    verdict=FALSE,
    expected={
        "pytorch": {
            "exact": [2.0, 4.0],
            "total repeated": [2.0, 4.0, float("nan"), float("nan")],
            "zeros": "RuntimeError: … segment_length >= 0 …",
            "ends before the padding": [2.0, 4.0],
            "sum of a jagged tensor that ends before": 17.0,
            "id of the padding": 2,
        },
        "tensorflow": {
            "exact": [2.0, 4.0],
            "total repeated": [2.0, 4.0, float("nan"), float("nan")],
            "zeros": "InvalidArgumentError: … splits …",
            "ends before the padding": "InvalidArgumentError: … RaggedTensor …",
            "id of the padding": 2,
        },
    },
    why="Each entry more is a document more. The total, repeated, makes documents of no step, and a mean over "
    "documents divides 0 by 0 or by their number; zeros make a document of a negative length. Tokens behind the last "
    "entry, such as padding to a multiple of 8, belong to no document: FlashAttention leaves what is in memory there, "
    "`torch.segment_reduce` drops them, the sum of a jagged tensor has them, ids that are counted from the entries "
    "give them a document of their own, and TensorFlow raises.",
    instead="Cut `cu_seqlens` behind the first total, or weigh documents by their lengths and divide by the number "
    "of those that are not empty. Let the last document be the padding, set its output to 0, and give it no loss.",
    operation="documents.positions",
    sources=(
        "https://github.com/Dao-AILab/flash-attention/issues/1228",
        "https://github.com/Dao-AILab/flash-attention/issues/1661",
        "https://docs.pytorch.org/docs/stable/generated/torch.segment_reduce.html",
    ),
)
class trailing_cu_seqlens:
    def pytorch():
        import torch

        from parity.divergences.entry import raised

        steps = torch.tensor([1.0, 3, 4, 9])  # two documents, and a step of padding

        def means(*offsets, of=3):
            return torch.segment_reduce(steps[:of], "mean", offsets=torch.tensor(offsets)).tolist()

        jagged = torch.nested.nested_tensor_from_jagged(steps[:, None], torch.tensor([0, 2, 3]))
        return {
            "exact": means(0, 2, 3),
            "total repeated": means(0, 2, 3, 3, 3),
            "zeros": raised(lambda: means(0, 2, 3, 0, 0), says="segment_length >= 0"),
            "ends before the padding": means(0, 2, 3, of=4),
            "sum of a jagged tensor that ends before": jagged.sum().item(),
            "id of the padding": int(torch.searchsorted(torch.tensor([0, 2, 3]), torch.tensor(3), right=True)) - 1,
        }

    def tensorflow():
        import tensorflow as tf

        from parity.divergences.entry import raised

        steps = tf.constant([1.0, 3, 4, 9])  # two documents, and a step of padding

        def means(*offsets, of=3):
            documents = tf.RaggedTensor.from_row_splits(steps[:of], offsets)
            return tf.reduce_mean(documents, 1).numpy().tolist()

        return {
            "exact": means(0, 2, 3),
            "total repeated": means(0, 2, 3, 3, 3),
            "zeros": raised(lambda: means(0, 2, 3, 0, 0), says="splits"),
            "ends before the padding": raised(lambda: means(0, 2, 3, of=4), says="RaggedTensor"),
            "id of the padding": int(tf.searchsorted([0, 2, 3], [3], side="right")[0]) - 1,
        }
