"""Record how embedding lookups differ in gradients, invalid tokens and bags."""

from parity.divergences.entry import DIFFERS, PARTLY, TRUE, divergence

PYTORCH = "https://docs.pytorch.org/docs/stable/generated/torch.nn.Embedding.html"
KERAS = "https://keras.io/api/layers/core_layers/embedding/"


@divergence(
    claim="A token that occurs more often gets a larger gradient; padding and absent tokens get none.",
    verdict=TRUE,
    expected={
        "pytorch": {"gradient by token": [0.0, 3.0, 1.0, 0.0], "scale_grad_by_freq": [0.0, 1.0, 1.0, 0.0]},
        "tensorflow": {"gradient by token": [0.0, 3.0, 1.0, 0.0]},
    },
    why="Token 0 is padding, token 1 occurs three times, token 2 once, token 3 never. The gradients of all "
    "occurrences add up. `scale_grad_by_freq` divides the sum by their number in the batch; Keras has no such option.",
    instead="Where this matters, use an optimiser that normalises, such as Adam, or `scale_grad_by_freq`.",
    operation="embedding.scaled_by_frequency",
    sources=(PYTORCH, KERAS),
)
class frequency:
    def pytorch():
        import torch
        from torch import nn

        def gradient(**options):
            embed = nn.Embedding.from_pretrained(torch.ones(4, 1), freeze=False, padding_idx=0, **options)
            embed(torch.tensor([[1, 2, 1], [1, 0, 0]])).sum().backward()
            return embed.weight.grad.flatten().tolist()

        return {"gradient by token": gradient(), "scale_grad_by_freq": gradient(scale_grad_by_freq=True)}

    def tensorflow():
        import keras
        import tensorflow as tf

        tokens = tf.constant([[1, 2, 1], [1, 0, 0]])
        embed = keras.layers.Embedding(4, 1)
        with tf.GradientTape() as tape:
            x = embed(tokens) * tf.cast(tokens != 0, tf.float32)[..., None]
            loss = tf.reduce_sum(x)
        gradient = tf.convert_to_tensor(tape.gradient(loss, embed.embeddings.value))
        return {"gradient by token": tf.squeeze(gradient).numpy().tolist()}


@divergence(
    claim="The gradient of an embedding is `IndexedSlices` in TensorFlow, and `scatter_nd` makes it dense.",
    verdict=PARTLY,
    expected={
        "pytorch": {"type": "torch.sparse_coo", "rows": [1, 1, 2], "to_dense": [0.0, 2.0, 1.0, 0.0]},
        "tensorflow": {
            "type": "IndexedSlices",
            "rows": [1, 1, 2],
            "convert_to_tensor": [0.0, 2.0, 1.0, 0.0],
            "scatter_nd": [0.0, 2.0, 1.0, 0.0],
            "tensor_scatter_nd_update": [0.0, 1.0, 1.0, 0.0],
        },
    },
    why="The gradient has one row for each occurrence, so a repeated token has several, which must be added. "
    "`scatter_nd` adds them; `tf.convert_to_tensor` does too, and is sufficient; an update keeps only one. PyTorch's "
    "gradients are dense unless `sparse=True`, which gives the same rows.",
    instead="Use `tf.convert_to_tensor(gradient)`, and `gradient.to_dense()` in PyTorch.",
    operation="embedding.lookup",
    sources=("https://www.tensorflow.org/api_docs/python/tf/IndexedSlices", PYTORCH),
)
class indexed_slices:
    def pytorch():
        import torch
        from torch import nn

        embed = nn.Embedding.from_pretrained(torch.ones(4, 1), freeze=False, sparse=True)
        embed(torch.tensor([1, 1, 2])).sum().backward()
        gradient = embed.weight.grad
        return {
            "type": str(gradient.layout),
            "rows": gradient._indices().flatten().tolist(),
            "to_dense": gradient.to_dense().flatten().tolist(),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        embed = keras.layers.Embedding(4, 1)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(embed(tf.constant([1, 1, 2])))
        gradient = tape.gradient(loss, embed.embeddings.value)
        rows, zeros = gradient.indices[:, None], tf.zeros((4, 1))
        dense = {
            "convert_to_tensor": tf.convert_to_tensor(gradient),
            "scatter_nd": tf.scatter_nd(rows, gradient.values, (4, 1)),
            "tensor_scatter_nd_update": tf.tensor_scatter_nd_update(zeros, rows, gradient.values),
        }
        return {"type": type(gradient).__name__, "rows": gradient.indices.numpy().tolist()} | {
            name: tf.squeeze(values).numpy().tolist() for name, values in dense.items()
        }


@divergence(
    claim="A negative token, such as -1 for padding, is an error.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"-1": "IndexError: index out of range in self"},
        "tensorflow": {"-1": [3.0], "tf.gather": "InvalidArgumentError: … is not in [0, 4) …"},
    },
    why="Keras counts from the end, as NumPy does: -1 is the last word of the vocabulary, and that word gets its "
    "gradient. PyTorch rejects it, and so does `tf.gather` on a CPU; on a GPU it returns zeros.",
    instead="Pad with a separate token, 0 in Keras. Use -1 or -100 for targets only.",
    operation="masking.mask_from_tokens",
    sources=("https://github.com/keras-team/keras/pull/21171", "https://www.tensorflow.org/api_docs/python/tf/gather"),
)
class negative_token:
    def pytorch():
        import torch
        from torch import nn

        from parity.divergences.entry import raised

        embed = nn.Embedding.from_pretrained(torch.tensor([[0.0], [1.0], [2.0], [3.0]]))
        return {"-1": raised(lambda: embed(torch.tensor([1, -1])))}

    def tensorflow():
        import keras
        import numpy as np
        import tensorflow as tf

        from parity.divergences.entry import raised

        table = np.float32([[0], [1], [2], [3]])
        embed = keras.layers.Embedding(4, 1, weights=[table], mask_zero=True)
        with tf.device("CPU"):
            gathered = raised(lambda: tf.gather(table, [1, -1]), says="is not in [0, 4)")
        return {"-1": embed(tf.constant([1, -1]))[1].numpy().tolist(), "tf.gather": gathered}


@divergence(
    claim="A bag of embeddings is pooled over its real tokens.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"no padding_idx": [5.5, 9.0], "padding_idx": [2.0, 0.0]},
        "tensorflow": {
            "no mask_zero": [5.5, 9.0],
            "mask_zero": [2.0, float("nan")],
            "safe_embedding_lookup_sparse": [2.0, 0.0],
        },
    },
    why="The values are the means of one bag with two real tokens out of four, and of one with none. Without "
    "`padding_idx` or `mask_zero`, padding counts. An empty bag is 0 in PyTorch and in TensorFlow's sparse lookup; "
    "Keras divides 0 by 0.",
    instead="Use `padding_idx`; in Keras, divide a sum by the number of real tokens or 1, whichever is larger.",
    operation="embedding.bag",
    sources=(
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.EmbeddingBag.html",
        "https://www.tensorflow.org/api_docs/python/tf/nn/safe_embedding_lookup_sparse",
        "https://github.com/keras-team/keras/issues/18152",
    ),
)
class bag:
    def pytorch():
        import torch
        from torch import nn

        table, tokens = torch.tensor([[9.0], [1.0], [3.0]]), torch.tensor([[1, 2, 0, 0], [0, 0, 0, 0]])
        bags = nn.EmbeddingBag.from_pretrained(table, mode="mean")
        padded = nn.EmbeddingBag.from_pretrained(table, mode="mean", padding_idx=0)
        return {"no padding_idx": bags(tokens).flatten().tolist(), "padding_idx": padded(tokens).flatten().tolist()}

    def tensorflow():
        import keras
        import numpy as np
        import tensorflow as tf

        table, tokens = np.float32([[9], [1], [3]]), tf.constant([[1, 2, 0, 0], [0, 0, 0, 0]])

        def bags(**options):
            embed = keras.layers.Embedding(3, 1, weights=[table], **options)
            return tf.squeeze(keras.layers.GlobalAveragePooling1D()(embed(tokens))).numpy().tolist()

        sparse = tf.nn.safe_embedding_lookup_sparse(table, tf.sparse.from_dense(tokens), combiner="mean")
        return {
            "no mask_zero": bags(),
            "mask_zero": bags(mask_zero=True),
            "safe_embedding_lookup_sparse": tf.squeeze(sparse).numpy().tolist(),
        }
