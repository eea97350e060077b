"""Record how attention layers differ in the meaning of masks and in fully masked rows."""

from parity.divergences.entry import DEPENDS, DIFFERS, FALSE, divergence


@divergence(
    claim="True in an attention mask marks a step to attend to.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"MultiheadAttention": 9.0, "scaled_dot_product_attention": 1.731},
        "tensorflow": {"MultiHeadAttention": 1.731, "dot_product_attention": 1.731},
    },
    why="In `nn.MultiheadAttention` and `nn.Transformer`, True in `key_padding_mask` and `attn_mask` means ignore. In "
    "`scaled_dot_product_attention`, in the same package, and in Keras, True means keep. An inverted mask attends to "
    "padding alone, without a warning, and what is multiplied by it (`pos`, a position) is zero on all real steps.",
    instead="Pass `key_padding_mask=~mask`, and test with very large values at padding.",
    operation="attention.multi_head_attention",
    sources=(
        "https://github.com/pytorch/pytorch/pull/170415",
        "https://github.com/pytorch/pytorch/pull/120668",
        "https://keras.io/api/layers/attention_layers/multi_head_attention/",
    ),
)
class polarity:
    def pytorch():
        import torch
        import torch.nn.functional as F
        from torch import nn

        x = torch.tensor([[[1.0], [2.0], [9.0]]])
        mask = torch.tensor([[True, True, False]])  # the 9 is padding
        attention = nn.MultiheadAttention(1, 1, bias=False, batch_first=True)
        for weight in attention.parameters():
            nn.init.ones_(weight)
        y, _ = attention(x, x, x, key_padding_mask=mask)
        product = F.scaled_dot_product_attention(x, x, x, attn_mask=mask[:, None, :])
        return {"MultiheadAttention": y[0, 0, 0].item(), "scaled_dot_product_attention": product[0, 0, 0].item()}

    def tensorflow():
        import keras
        import tensorflow as tf

        x = tf.constant([[[1.0], [2.0], [9.0]]])
        mask = tf.constant([[True, True, False]])  # the 9 is padding
        attention = keras.layers.MultiHeadAttention(1, 1, use_bias=False, kernel_initializer="ones")
        y = attention(x, x, attention_mask=mask[:, None, :])
        heads = x[:, :, None, :]  # (B, T, 1, D)
        product = keras.ops.dot_product_attention(heads, heads, heads, mask=mask[:, None, None, :])
        return {"MultiHeadAttention": float(y[0, 0, 0]), "dot_product_attention": float(product[0, 0, 0, 0])}


@divergence(
    claim="A mask of ones and zeros works with any dtype.",
    verdict=DIFFERS,
    expected={
        "pytorch": {
            "weight of padding if bool": 0.0,
            "weight of padding if float": 0.9995,
            "weight of padding if int": "AssertionError: … only bool and floating types …",
        },
        "tensorflow": {
            "weight of padding if bool": 0.0,
            "weight of padding if float": 0.0,
            "weight of padding if int": 0.0,
        },
    },
    why="PyTorch adds a float mask to the scores, where ones and zeros change little and nothing is ignored. Keras "
    "casts every mask to bool.",
    instead="Use a bool mask; a float mask may contain only 0 and -inf.",
    operation="attention.multi_head_attention",
    sources=(
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html",
        "https://keras.io/api/layers/attention_layers/multi_head_attention/",
    ),
)
class float_mask:
    def pytorch():
        import torch
        from torch import nn

        from parity.divergences.entry import raised

        x = torch.tensor([[[1.0], [2.0], [9.0]]])
        padding = torch.tensor([[False, False, True]])  # this layer ignores steps marked True
        attention = nn.MultiheadAttention(1, 1, bias=False, batch_first=True)
        for weight in attention.parameters():
            nn.init.ones_(weight)

        def weight_of_padding(mask):
            return attention(x, x, x, key_padding_mask=mask)[1][0, 0, 2].item()

        return {
            "weight of padding if bool": weight_of_padding(padding),
            "weight of padding if float": weight_of_padding(padding.float()),
            "weight of padding if int": raised(
                lambda: weight_of_padding(padding.int()), says="only bool and floating types"
            ),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        x = tf.constant([[[1.0], [2.0], [9.0]]])
        mask = tf.constant([[[True, True, False]]])
        attention = keras.layers.MultiHeadAttention(1, 1, use_bias=False, kernel_initializer="ones")

        def weight_of_padding(dtype):
            _, weights = attention(x, x, attention_mask=tf.cast(mask, dtype), return_attention_scores=True)
            return float(weights[0, 0, 0, 2])

        return {
            "weight of padding if bool": weight_of_padding(tf.bool),
            "weight of padding if float": weight_of_padding(tf.float32),
            "weight of padding if int": weight_of_padding(tf.int32),
        }


@divergence(
    claim="The output of a fully masked row is 0.",
    verdict=DIFFERS,
    expected={
        "pytorch": {
            "with weights": float("nan"),
            "without weights": 0.0,
            "gradient of the other row with weights": float("nan"),
            "gradient of the other row without weights": 5.612,
        },
        "tensorflow": {"with weights": 0.0, "without weights": 4.0},
    },
    why="Requesting the weights selects a different code path. In PyTorch, that path computes softmax over -inf "
    "only, 0 / 0, and its backward pass makes the parameters' gradients NaN, even if the loss excludes that row; the "
    "other path, `scaled_dot_product_attention` (SDPA), returns 0 on a CPU. A softmax by hand over a row of -inf, "
    "such as that of a padded query, is NaN as well. In Keras, that path multiplies by the mask again; the other "
    "adds a large negative number and attends to all steps equally, padding included.",
    instead="Let each row attend to at least one step, or write 0 with `where` before and after the softmax. In "
    "PyTorch, pass `need_weights=False`.",
    operation="attention.multi_head_attention",
    sources=(
        "https://github.com/pytorch/pytorch/issues/160064",
        "https://github.com/pytorch/pytorch/issues/41508",
        "https://github.com/pytorch/pytorch/pull/196170",
    ),
)
class all_masked:
    def pytorch():
        import torch
        from torch import nn

        x = torch.tensor([[[1.0], [2.0], [9.0]]]).repeat(2, 1, 1)
        padding = torch.tensor([[True, True, True], [False, False, True]])
        attention = nn.MultiheadAttention(1, 1, bias=False, batch_first=True)
        for weight in attention.parameters():
            nn.init.ones_(weight)

        def first_row_and_gradient(**options):
            y, _ = attention(x, x, x, key_padding_mask=padding, **options)
            (gradient,) = torch.autograd.grad(y[1].sum(), attention.in_proj_weight)
            return y[0, 0].item(), gradient

        with_weights, gradient_with_weights = first_row_and_gradient(need_weights=True)
        without, gradient_without = first_row_and_gradient(need_weights=False)
        return {
            "with weights": with_weights,
            "without weights": without,
            "gradient of the other row with weights": gradient_with_weights[2].item(),
            "gradient of the other row without weights": gradient_without[2].item(),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        x = tf.constant([[[1.0], [2.0], [9.0]]])
        nothing = tf.zeros((1, 3, 3), tf.bool)
        attention = keras.layers.MultiHeadAttention(1, 1, use_bias=False, kernel_initializer="ones")
        with_weights, _ = attention(x, x, attention_mask=nothing, return_attention_scores=True)
        without = attention(x, x, attention_mask=nothing)
        return {"with weights": float(with_weights[0, 0, 0]), "without weights": float(without[0, 0, 0])}


@divergence(
    claim="With the padding masked, a padding step attends to the real steps.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"outputs": [1.731, 1.881, 1.5]},
        "tensorflow": {"outputs": [1.731, 1.881, 1.0], "with weights": [1.731, 1.881, 0.0]},
    },
    why="`key_padding_mask` masks keys only, so a padding step queries like any other. A Keras mask is applied to "
    "queries too, so a padding step has nothing to attend to; see attention.all_masked. The output at padding has no "
    "effect until something sums over steps.",
    instead="In both, mask the output before pooling, convolutions and the loss.",
    operation="attention.multi_head_attention",
    sources=(
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html",
        "https://keras.io/api/layers/attention_layers/multi_head_attention/",
    ),
)
class padded_queries:
    def pytorch():
        import torch
        from torch import nn

        x = torch.tensor([[[1.0], [2.0], [0.0]]])
        attention = nn.MultiheadAttention(1, 1, bias=False, batch_first=True)
        for weight in attention.parameters():
            nn.init.ones_(weight)
        y, _ = attention(x, x, x, key_padding_mask=torch.tensor([[False, False, True]]))
        return {"outputs": y[0, :, 0].tolist()}

    def tensorflow():
        import keras
        import tensorflow as tf

        attention = keras.layers.MultiHeadAttention(1, 1, use_bias=False, kernel_initializer="ones")

        def attend(**options):
            x = keras.layers.Masking()(tf.constant([[[1.0], [2.0], [0.0]]]))
            return attention(x, x, **options)

        return {
            "outputs": attend()[0, :, 0].numpy().tolist(),
            "with weights": attend(return_attention_scores=True)[0][0, :, 0].numpy().tolist(),
        }


@divergence(
    claim="`query_mask=mask` masks the queries of Keras' `MultiHeadAttention`.",
    verdict=FALSE,
    expected={
        "tensorflow": {
            "query_mask=mask": [1.731, 1.881, 1.5],
            "the mask that x carries": [1.731, 1.881, 1.0],
            "x still carries its mask": False,
        }
    },
    why="The layer overwrites the argument with the mask that the tensor carries, here none; it respects "
    "`value_mask`. It also removes the mask from its inputs, in place, so anything computed from them afterwards has "
    "none.",
    instead="Let the tensor carry its mask, from `Masking` or `Embedding`, or pass `attention_mask`. Keep the mask in "
    "a variable for later layers.",
    operation="attention.multi_head_attention",
    sources=(
        "https://github.com/keras-team/keras/blob/master/keras/src/layers/attention/multi_head_attention.py",
        "https://keras.io/api/layers/attention_layers/multi_head_attention/",
    ),
)
class query_mask:
    def tensorflow():
        import keras
        import tensorflow as tf

        attention = keras.layers.MultiHeadAttention(1, 1, use_bias=False, kernel_initializer="ones")
        x = tf.constant([[[1.0], [2.0], [0.0]]])
        mask = tf.constant([[True, True, False]])
        by_argument = attention(x, x, query_mask=mask, value_mask=mask)
        carrying = keras.layers.Masking()(x)
        by_tensor = attention(carrying, carrying)
        return {
            "query_mask=mask": by_argument[0, :, 0].numpy().tolist(),
            "the mask that x carries": by_tensor[0, :, 0].numpy().tolist(),
            "x still carries its mask": getattr(carrying, "_keras_mask", None) is not None,
        }


@divergence(
    claim="Without dropout, a `TransformerEncoder` returns the same output in training and in evaluation.",
    verdict=FALSE,
    expected={
        "pytorch": {
            "real steps agree": True,
            "padding is 0 in training": False,
            "padding is 0 in evaluation": True,
            "padding is 0 in evaluation without nested tensors": False,
        }
    },
    why="In evaluation without gradients, a batch padded on the right is processed as a nested tensor, which drops "
    "the padding, and the result is filled with zeros. Earlier versions also cut it to the longest length.",
    instead="Mask the output, or pass `enable_nested_tensor=False`. Do not let anything after it depend on padding.",
    operation="attention.multi_head_attention",
    sources=(
        "https://github.com/pytorch/pytorch/issues/97111",
        "https://github.com/pytorch/pytorch/issues/86120",
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.TransformerEncoder.html",
    ),
)
class fast_path:
    def pytorch():
        import torch
        from torch import nn

        layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0, batch_first=True)
        encoder, slow = nn.TransformerEncoder(layer, 2), nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        x = torch.linspace(-1, 1, 16).reshape(1, 4, 4).square()
        padding = torch.tensor([[False, False, True, True]])
        training = encoder(x, src_key_padding_mask=padding)
        with torch.no_grad():
            evaluation = encoder.eval()(x, src_key_padding_mask=padding)
            by_steps = slow.eval()(x, src_key_padding_mask=padding)
        return {
            "real steps agree": torch.allclose(training[0, :2], evaluation[0, :2], atol=1e-5),
            "padding is 0 in training": not training[0, 2:].any().item(),
            "padding is 0 in evaluation": not evaluation[0, 2:].any().item(),
            "padding is 0 in evaluation without nested tensors": not by_steps[0, 2:].any().item(),
        }


@divergence(
    claim="A row of padding alone gives the same output on every path through a `TransformerEncoder`.",
    verdict=FALSE,
    expected={
        "pytorch": {
            "training": "a number",
            "evaluation": "0",
            "evaluation without nested tensors": "NaN",
            "evaluation with gradients": "a number",
        }
    },
    why="There are three code paths. Attention returns 0 for such a row, so the residual passes through. A nested "
    "tensor contains none of its steps. A fused layer computes softmax over -inf only.",
    instead="Leave such rows out of the batch, or let at least one step of each be attended to.",
    operation="attention.multi_head_attention",
    sources=("https://github.com/pytorch/pytorch/pull/190486", "https://github.com/pytorch/pytorch/issues/24816"),
)
class empty_row:
    def pytorch():
        import torch
        from torch import nn

        layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0, batch_first=True)
        encoder, fused = nn.TransformerEncoder(layer, 1), nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        x = torch.linspace(-1, 1, 16).reshape(2, 2, 4).square()
        padding = torch.tensor([[True, True], [False, False]])

        def kind_of_output(encoder):
            row = encoder(x, src_key_padding_mask=padding)[0]
            return "NaN" if row.isnan().any() else "a number" if row.any() else "0"

        observed = {"training": kind_of_output(encoder)}
        with torch.no_grad():
            observed["evaluation"] = kind_of_output(encoder.eval())
            observed["evaluation without nested tensors"] = kind_of_output(fused.eval())
        return observed | {"evaluation with gradients": kind_of_output(encoder)}


@divergence(
    claim="A column (T, 1), such as a bias or a mask of 0 and -inf for each step, is added to (B, T, D) step by step.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"T = D": 10.0, "T and D differ": 10.0, "a layer with one feature a head": 10.0},
        "tensorflow": {"T = D": 20.0, "T and D differ": 10.0, "a layer with one feature a head": 20.0},
    },
    why="With TensorFlow, `keras.ops.add`, which is `+` in a functional model, takes an array with one axis that is "
    "not 1 for a bias: of the last axis of the first array where the sizes are equal, else of its second axis. "
    "`EinsumDense`, and with it `MultiHeadAttention` with key_dim = 1, so adds the bias of its heads to the wrong axis "
    "where there are as many steps as heads.",
    instead="Put the column first, repeat it to (T, D), or use `tf.add`. More axes of size 1 do not help.",
    operation="attention.multi_head_attention",
    sources=("https://github.com/keras-team/keras/blob/master/keras/src/backend/tensorflow/numpy.py",),
)
class one_feature_a_head:
    def pytorch():
        import torch
        from torch import nn

        column = torch.tensor([[10.0], [20.0]])
        layer = nn.Linear(2, 2)  # of two heads, of one feature each
        with torch.no_grad():
            layer.weight.zero_()
            layer.bias.copy_(column[:, 0])
        heads = layer(torch.zeros(1, 2, 2)).reshape(1, 2, 2, 1)  # (B, T, heads, 1)
        return {
            "T = D": (torch.zeros(1, 2, 2) + column)[0, 0, 1].item(),
            "T and D differ": (torch.zeros(1, 2, 3) + column)[0, 0, 1].item(),
            "a layer with one feature a head": heads[0, 1, 0, 0].item(),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        column = tf.constant([[10.0], [20.0]])
        layer = keras.layers.EinsumDense("btd,dnh->btnh", (None, 2, 1), bias_axes="nh", kernel_initializer="zeros")
        layer.build((None, None, 2))
        layer.bias.assign(column)
        heads = layer(tf.zeros((1, 2, 2)))  # (B, T, heads, 1)
        return {
            "T = D": float(keras.ops.add(tf.zeros((1, 2, 2)), column)[0, 0, 1]),
            "T and D differ": float(keras.ops.add(tf.zeros((1, 2, 3)), column)[0, 0, 1]),
            "a layer with one feature a head": float(heads[0, 1, 0, 0]),
        }


@divergence(
    claim="A softmax over scores one of which is NaN is NaN everywhere.",
    verdict=DEPENDS,
    expected={
        "pytorch": {"softmax": 3, "log_softmax": 3},
        "tensorflow": {"softmax, by the CPU": "1 or 3", "softmax in XLA": 3, "log_softmax": 3},
    },
    why="TensorFlow lets oneDNN compute a softmax in float32 where the CPU has AVX-512 VNNI or AMX. Its kernel takes a "
    "maximum that NaN does not win, so that the weight of that score is NaN and all others are 0, which looks fine. "
    "The same with inf. On other CPUs, in float64, in XLA and in `log_softmax`, all weights are NaN.",
    instead="Look for NaN in the scores, or in all weights of a row: `tf.debugging.check_numerics`. "
    "TF_ENABLE_ONEDNN_OPTS=0 turns these kernels off.",
    operation="attention.softmax",
    sources=(
        "https://www.tensorflow.org/api_docs/python/tf/nn/softmax",
        "https://uxlfoundation.github.io/oneDNN/dev_guide_softmax.html",
    ),
)
class nan_in_one_score:
    def pytorch():
        import torch

        scores = torch.tensor([1.0, float("nan"), 2.0])
        return {
            "softmax": int(scores.softmax(-1).isnan().sum()),
            "log_softmax": int(scores.log_softmax(-1).isnan().sum()),
        }

    def tensorflow():
        import tensorflow as tf

        scores = tf.constant([[1.0, float("nan"), 2.0]])

        def lost(function):
            return int(tf.reduce_sum(tf.cast(tf.math.is_nan(function(scores)), tf.int32)))

        here = lost(tf.nn.softmax)
        return {
            "softmax, by the CPU": "1 or 3" if here in (1, 3) else here,
            "softmax in XLA": lost(tf.function(tf.nn.softmax, jit_compile=True)),
            "log_softmax": lost(tf.nn.log_softmax),
        }


@divergence(
    claim="`scaled_dot_product_attention` of nested (jagged) tensors takes what that of padded ones takes.",
    verdict=FALSE,
    expected={
        "pytorch": {
            "without a mask": "computed",
            "is_causal=True": "RuntimeError: No viable backend for scaled_dot_product_attention was found.",
            "attn_mask": "ValueError: Masks are not yet supported!",
            "nothing but empty sequences": "RuntimeError: to_padded_tensor: …",
        }
    },
    why="On a CPU, one kernel remains for nested tensors, which pads them itself: it takes no mask, is not causal, "
    "and needs one real step in all. The gradient of the gradient is missing as well.",
    instead="Give a padded batch a mask. Where nothing is causal, nested tensors give the same outputs and gradients.",
    operation="attention.multi_head_attention",
    sources=(
        "https://github.com/pytorch/pytorch/pull/156660",
        "https://github.com/pytorch/pytorch/issues/138993",
        "https://docs.pytorch.org/docs/stable/nested.html",
    ),
)
class nested_tensors:
    def pytorch():
        import torch
        import torch.nn.functional as F

        def attend(lengths, mask=None, causal=False):
            offsets = torch.tensor([0, *lengths]).cumsum(0)
            values = torch.ones(sum(lengths), 1, 1)  # all real steps, (N, heads, D)
            x = torch.nested.nested_tensor_from_jagged(values, offsets).transpose(1, 2)
            try:
                F.scaled_dot_product_attention(x, x, x, attn_mask=mask, is_causal=causal)
            except (RuntimeError, ValueError) as error:
                message = str(error).partition(". ")[0].partition("to_padded_tensor: ")
                return f"{type(error).__name__}: {message[0]}{message[1]}" + "…" * bool(message[2])
            return "computed"

        return {
            "without a mask": attend([2, 1]),
            "is_causal=True": attend([2, 1], causal=True),
            "attn_mask": attend([2, 1], mask=torch.ones(2, 2, dtype=torch.bool)),
            "nothing but empty sequences": attend([0, 0]),
        }


@divergence(
    claim="Attention in float64 is as exact as float64.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"2 features a head": True, "3": True, "4": True, "3, scale=3**-0.5": True},
        "tensorflow": {
            "2 features a head": False,
            "3": False,
            "4": True,
            "3, scale=3**-0.5": False,
            "3, scale as a tensor": True,
        },
    },
    why="In TensorFlow, `keras.ops.dot_product_attention` computes its default scale in float32, whatever the dtype of "
    "the query: 1 / sqrt(features), a root and a quotient, both rounded. A number of Python's as `scale` is rounded to "
    "float32 too. Heads of 4, 16 or 64 features hide it, as powers of 4 have exact roots. Scores are off by up to 1e-7 "
    "of their size, which shows where gradients are compared in float64.",
    instead="Give the scale in the dtype of the query: `scale=tf.constant(features**-0.5, q.dtype)`.",
    operation="documents.self_attention",
    sources=(
        "https://www.tensorflow.org/api_docs/python/tf/keras/ops/dot_product_attention",
        "https://github.com/keras-team/keras/blob/v3.15.1/keras/src/backend/tensorflow/nn.py",
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html",
    ),
)
class default_scale_in_float32:
    def pytorch():
        import math

        import torch
        import torch.nn.functional as F

        def exact(features, **options):  # two keys, of ones and of zeros; the weight of the first
            query = torch.ones(1, 1, 1, features, dtype=torch.float64)
            key = torch.cat([query, 0 * query], 2)
            weight = F.scaled_dot_product_attention(query, key, key, **options)[0, 0, 0, 0].item()
            return abs(weight - 1 / (1 + math.exp(-(features**0.5)))) < 1e-12

        found = {"2 features a head": exact(2), "3": exact(3), "4": exact(4)}
        return {**found, "3, scale=3**-0.5": exact(3, scale=3**-0.5)}

    def tensorflow():
        import math

        import keras
        import tensorflow as tf

        def exact(features, **options):  # two keys, of ones and of zeros; the weight of the first
            query = tf.ones((1, 1, 1, features), tf.float64)
            key = tf.concat([query, 0 * query], 1)
            weight = float(keras.ops.dot_product_attention(query, key, key, **options)[0, 0, 0, 0])
            return abs(weight - 1 / (1 + math.exp(-(features**0.5)))) < 1e-12

        return {
            "2 features a head": exact(2),
            "3": exact(3),
            "4": exact(4),
            "3, scale=3**-0.5": exact(3, scale=3**-0.5),
            "3, scale as a tensor": exact(3, scale=tf.constant(3**-0.5, tf.float64)),
        }
