"""Record how embeddings differ in the content and the gradient of the padding row."""

from parity.divergences.entry import DIFFERS, FALSE, PARTLY, divergence

PYTORCH = "https://docs.pytorch.org/docs/stable/generated/torch.nn.Embedding.html"
KERAS = "https://keras.io/api/layers/core_layers/embedding/"


@divergence(
    claim="The padding token's embedding starts as zeros and is not trained.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"starts as zeros": True, "gradient is zero": True},
        "tensorflow": {"starts as zeros": False, "gradient is zero": False},
    },
    why="`padding_idx` zeroes the row once and excludes it from the gradient. `mask_zero` only makes a mask: row 0 is "
    "sampled like the others, and trained by every layer that ignores the mask.",
    instead="Multiply the embedding by the mask. Padding is then zero whatever the row contains, and so is its "
    "gradient.",
    operation="embedding.lookup",
    sources=(PYTORCH, KERAS),
)
class pad_row:
    def pytorch():
        import torch
        from torch import nn

        embed = nn.Embedding(5, 3, padding_idx=0)
        zeros = not embed.weight[0].any()
        embed(torch.tensor([[1, 2, 0, 0]])).sum().backward()
        return {"starts as zeros": zeros, "gradient is zero": not embed.weight.grad[0].any()}

    def tensorflow():
        import keras
        import numpy as np
        import tensorflow as tf

        embed = keras.layers.Embedding(5, 3, mask_zero=True)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(embed(tf.constant([[1, 2, 0, 0]])))
        gradient = tf.convert_to_tensor(tape.gradient(loss, embed.embeddings.value))
        return {"starts as zeros": not np.any(embed.embeddings[0]), "gradient is zero": not np.any(gradient[0])}


@divergence(
    claim="`mask_zero=True` makes the embedding of padding zero.",
    verdict=FALSE,
    expected={"tensorflow": {"output at padding": [0.5, -0.5], "mask": [True, False]}},
    why="The layer looks up row 0 like any other row, and attaches a mask to the output. Later layers decide how to "
    "treat the values at padding, and most use them unchanged.",
    instead="Multiply by the mask: `embedded * tf.cast(tokens != 0, embedded.dtype)[..., None]`.",
    operation="masking.mask_from_tokens",
    sources=(KERAS, "https://www.tensorflow.org/guide/keras/understanding_masking_and_padding"),
)
class mask_zero_is_no_zero:
    def tensorflow():
        import keras
        import numpy as np
        import tensorflow as tf

        table = np.float32([[0.5, -0.5], [1.0, 2.0]])
        embed = keras.layers.Embedding(2, 2, weights=[table], mask_zero=True)
        tokens = tf.constant([[1, 0]])
        return {
            "output at padding": embed(tokens)[0, 1].numpy().tolist(),
            "mask": embed.compute_mask(tokens)[0].numpy().tolist(),
        }


@divergence(
    claim="With `mask_zero=True`, the gradient of row 0 is zero.",
    verdict=PARTLY,
    expected={
        "pytorch": {"sum": True, "convolution": True},
        "tensorflow": {
            "LSTM": True,
            "GlobalAveragePooling1D": True,
            "Dense, and a masked loss": True,
            "Flatten": False,
            "Conv1D": False,
            "GlobalMaxPooling1D": False,
        },
    },
    why="Each value states whether the gradient of row 0 is zero. It is zero if the next layer multiplies by the mask "
    "or skips by it; a layer that drops the mask treats padding as a word. PyTorch's `padding_idx` stops the gradient "
    "in the embedding, whatever layer follows.",
    instead="Multiply the embedding by the mask before anything else.",
    operation="embedding.masked_dense",
    sources=(KERAS, "https://www.tensorflow.org/guide/keras/understanding_masking_and_padding"),
)
class mask_zero_consumers:
    def pytorch():
        import torch
        import torch.nn.functional as F
        from torch import nn

        table = torch.ones(5, 3)
        consumers = {"sum": lambda x: x.sum(1), "convolution": lambda x: F.conv1d(x.mT, torch.ones(1, 3, 2))}

        def is_zero(consume):
            embed = nn.Embedding.from_pretrained(table, freeze=False, padding_idx=0)
            consume(embed(torch.tensor([[1, 2, 0, 0]]))).sum().backward()
            return not embed.weight.grad[0].any()

        return {name: is_zero(consume) for name, consume in consumers.items()}

    def tensorflow():
        import keras
        import numpy as np
        import tensorflow as tf

        table = np.float32([[9, 9, 9], [1, 2, 3], [3, 2, 1]])
        tokens, zeros = tf.constant([[1, 2, 0, 0]]), tf.zeros((1, 4, 1))
        ones = {"kernel_initializer": "ones"}
        dense, mean_square = keras.layers.Dense(1, **ones), keras.losses.MeanSquaredError()
        consumers = {
            "LSTM": keras.layers.LSTM(2, recurrent_initializer="ones", **ones),
            "GlobalAveragePooling1D": keras.layers.GlobalAveragePooling1D(),
            "Dense, and a masked loss": lambda x: mean_square(zeros, dense(x)),
            "Flatten": keras.layers.Flatten(),
            "Conv1D": keras.layers.Conv1D(1, 2, **ones),
            "GlobalMaxPooling1D": keras.layers.GlobalMaxPooling1D(),
        }

        def is_zero(consume):
            embed = keras.layers.Embedding(3, 3, weights=[table], mask_zero=True)
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(consume(embed(tokens)))
            return not np.any(tf.convert_to_tensor(tape.gradient(loss, embed.embeddings.value))[0])

        return {name: is_zero(consume) for name, consume in consumers.items()}


@divergence(
    claim="With `padding_idx`, the padding row contains zeros.",
    verdict=PARTLY,
    expected={
        "pytorch": {
            "as constructed": [0.0, 0.0],
            "after init.ones_": [1.0, 1.0],
            "from_pretrained": [7.0, 7.0],
            "gradient": [0.0, 0.0],
        }
    },
    why="The constructor writes the zeros, once. An initialiser that runs over the model, pretrained vectors and a "
    "loaded checkpoint overwrite them. The row's gradient of 0 then keeps the wrong values permanently.",
    instead="Zero the row after everything that writes to the table: `with torch.no_grad(): "
    "embed.weight[embed.padding_idx] = 0`.",
    operation="embedding.lookup",
    sources=("https://github.com/pytorch/pytorch/issues/6495", "https://github.com/pytorch/pytorch/issues/6411"),
)
class reinit:
    def pytorch():
        import torch
        from torch import nn

        embed = nn.Embedding(3, 2, padding_idx=0)
        observed = {"as constructed": embed.weight[0].tolist()}
        nn.init.ones_(embed.weight)
        observed["after init.ones_"] = embed.weight[0].tolist()
        embed = nn.Embedding.from_pretrained(torch.full((3, 2), 7.0), freeze=False, padding_idx=0)
        embed(torch.tensor([0, 1])).sum().backward()
        return observed | {"from_pretrained": embed.weight[0].tolist(), "gradient": embed.weight.grad[0].tolist()}


@divergence(
    claim="`max_norm` limits the norm of the embeddings that are looked up.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"looked up": [0.6, 0.8], "row afterwards": [0.6, 0.8], "gradient": [1.0, 0.0]},
        "tensorflow": {"looked up": [0.6, 0.8], "row afterwards": [3.0, 4.0], "gradient": [0.128, -0.096]},
    },
    why="PyTorch rescales the rows in the table itself during the forward pass, the padding row included, and the "
    "gradient ignores the rescaling. `tf.nn.embedding_lookup` rescales its output, and its gradient includes the "
    "rescaling. Keras' layer has no such option.",
    instead="In both, rescale the output of the lookup.",
    operation="embedding.clipped_by_norm",
    sources=(PYTORCH, "https://www.tensorflow.org/api_docs/python/tf/nn/embedding_lookup"),
)
class max_norm:
    def pytorch():
        import torch
        from torch import nn

        table = torch.tensor([[3.0, 4.0], [0.0, 0.5]])  # row 0 is the padding row
        embed = nn.Embedding.from_pretrained(table, freeze=False, max_norm=1.0)
        y = embed(torch.tensor([0, 1]))
        y[:, 0].sum().backward()
        return {
            "looked up": y[0].tolist(),
            "row afterwards": embed.weight[0].tolist(),
            "gradient": embed.weight.grad[0].tolist(),
        }

    def tensorflow():
        import tensorflow as tf

        table = tf.Variable([[3.0, 4.0], [0.0, 0.5]])  # row 0 is the padding row
        with tf.GradientTape() as tape:
            y = tf.nn.embedding_lookup(table, [0, 1], max_norm=1.0)
            loss = tf.reduce_sum(y[:, 0])
        return {
            "looked up": y[0].numpy().tolist(),
            "row afterwards": table[0].numpy().tolist(),
            "gradient": tf.convert_to_tensor(tape.gradient(loss, table))[0].numpy().tolist(),
        }


@divergence(
    claim="The padding row keeps its gradient of 0 when the output layer shares the table.",
    verdict=FALSE,
    expected={
        "pytorch": {"embedding alone": [0.0, 0.0], "with tied head": [0.0, 0.106]},
        "tensorflow": {"embedding alone": [0.0, 0.0], "with tied head": [0.0, 0.106]},
    },
    why="`padding_idx` and a mask stop the gradient at the input. At the output, the row is the weight of a class, "
    "and the softmax of every real step pushes it away.",
    instead="Exclude the padding class from the softmax by setting its logit to the lowest number, or zero the row's "
    "gradient before each update.",
    operation="embedding.lookup",
    sources=(PYTORCH, "https://arxiv.org/abs/1608.05859"),
)
class tied_head:
    def pytorch():
        import torch
        import torch.nn.functional as F
        from torch import nn

        def gradient(tied):
            embed = nn.Embedding.from_pretrained(torch.eye(3, 2), freeze=False, padding_idx=0)
            x = embed(torch.tensor([1, 2, 0]))
            logits = x @ (embed.weight if tied else torch.eye(3, 2)).T
            F.cross_entropy(logits, torch.tensor([2, 1, 0]), ignore_index=0).backward()
            return embed.weight.grad[0].tolist()

        return {"embedding alone": gradient(tied=False), "with tied head": gradient(tied=True)}

    def tensorflow():
        import keras
        import tensorflow as tf

        cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)

        def gradient(tied):
            table = tf.Variable(tf.eye(3, 2))
            with tf.GradientTape() as tape:
                tokens = tf.constant([1, 2, 0])
                x = tf.gather(table, tokens) * tf.cast(tokens != 0, tf.float32)[:, None]
                logits = x @ tf.transpose(table if tied else tf.eye(3, 2))
                loss = cross_entropy(tf.constant([2, 1, 0]), logits)
            return tf.convert_to_tensor(tape.gradient(loss, table))[0].numpy().tolist()

        return {"embedding alone": gradient(tied=False), "with tied head": gradient(tied=True)}


@divergence(
    claim="A row whose gradient is always 0 does not change.",
    verdict=FALSE,
    expected={
        "pytorch": {"SGD": [1.0, 1.0], "AdamW": [0.95, 0.95], "Adam, weight_decay": [0.9, 0.9]},
        "tensorflow": {"SGD": [1.0, 1.0], "AdamW": [0.95, 0.95], "Adam, weight_decay": [0.95, 0.95]},
    },
    why="Weight decay shrinks every row at every step, whatever its gradient. This is harmless for a row of zeros, "
    "but any other row drifts slowly, and so do those of rare words. In PyTorch's Adam the decay is part of the "
    "gradient, and is then normalised: the row moves by the whole learning rate, however small the decay.",
    instead="Use a parameter group without decay for embeddings; in Keras, `exclude_from_weight_decay`.",
    operation="embedding.lookup",
    sources=("https://arxiv.org/abs/1711.05101", "https://github.com/pytorch/pytorch/issues/38767"),
)
class weight_decay:
    def pytorch():
        import torch
        from torch import nn

        def padding_after_a_step(optimizer, **options):
            embed = nn.Embedding.from_pretrained(torch.ones(3, 2), freeze=False, padding_idx=0)
            optimizer = optimizer(embed.parameters(), lr=0.1, **options)
            embed(torch.tensor([0, 1])).sum().backward()
            optimizer.step()
            return embed.weight[0].tolist()

        return {
            "SGD": padding_after_a_step(torch.optim.SGD),
            "AdamW": padding_after_a_step(torch.optim.AdamW, weight_decay=0.5),
            "Adam, weight_decay": padding_after_a_step(torch.optim.Adam, weight_decay=0.5),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        def padding_after_a_step(optimizer):
            table, tokens = keras.Variable(tf.ones((3, 2))), tf.constant([0, 1])
            with tf.GradientTape() as tape:
                x = tf.gather(table.value, tokens) * tf.cast(tokens != 0, tf.float32)[:, None]
                loss = tf.reduce_sum(x)
            optimizer.apply([tape.gradient(loss, table.value)], [table])
            return table.numpy()[0].tolist()

        return {
            "SGD": padding_after_a_step(keras.optimizers.SGD(0.1)),
            "AdamW": padding_after_a_step(keras.optimizers.AdamW(0.1, weight_decay=0.5)),
            "Adam, weight_decay": padding_after_a_step(keras.optimizers.Adam(0.1, weight_decay=0.5)),
        }
