"""Where attention parts: what True means, and what a row with nothing to attend to gives."""

from parity.divergences.entry import DIFFERS, FALSE, divergence


@divergence(
    claim="True in an attention mask means: attend to this.",
    verdict=DIFFERS,
    seen={
        "pytorch": {"MultiheadAttention": 9.0, "scaled_dot_product_attention": 1.731},
        "tensorflow": {"MultiHeadAttention": 1.731, "dot_product_attention": 1.731},
    },
    why="`nn.MultiheadAttention` and `nn.Transformer` take True for what to ignore, in `key_padding_mask` and "
    "`attn_mask`; `scaled_dot_product_attention`, in the same package, and Keras take it for what to keep. The wrong "
    "way round attends to padding alone, without a word.",
    instead="`key_padding_mask=~mask`; and a test in which the padding is huge.",
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
    claim="A mask of ones and zeros will do, whatever its dtype.",
    verdict=DIFFERS,
    seen={
        "pytorch": {
            "weight of padding if bool": 0.0,
            "if float": 0.9995,
            "if int": "AssertionError: … only bool and floating types …",
        },
        "tensorflow": {"weight of padding if bool": 0.0, "if float": 0.0, "if int": 0.0},
    },
    why="A float mask is added to the scores in PyTorch, where ones and zeros hardly change anything and nothing is "
    "ignored. Keras casts every mask to bool.",
    instead="A bool mask; a float one only as 0 and -inf.",
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
        padding = torch.tensor([[False, False, True]])  # for this layer, True is what to ignore
        attention = nn.MultiheadAttention(1, 1, bias=False, batch_first=True)
        for weight in attention.parameters():
            nn.init.ones_(weight)

        def of_padding(mask):
            return attention(x, x, x, key_padding_mask=mask)[1][0, 0, 2].item()

        return {
            "weight of padding if bool": of_padding(padding),
            "if float": of_padding(padding.float()),
            "if int": raised(lambda: of_padding(padding.int()), says="only bool and floating types"),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        x = tf.constant([[[1.0], [2.0], [9.0]]])
        mask = tf.constant([[[True, True, False]]])
        attention = keras.layers.MultiHeadAttention(1, 1, use_bias=False, kernel_initializer="ones")

        def of_padding(dtype):
            _, weights = attention(x, x, attention_mask=tf.cast(mask, dtype), return_attention_scores=True)
            return float(weights[0, 0, 0, 2])

        return {
            "weight of padding if bool": of_padding(tf.bool),
            "if float": of_padding(tf.float32),
            "if int": of_padding(tf.int32),
        }


@divergence(
    claim="A row that may attend to nothing gives 0.",
    verdict=DIFFERS,
    seen={
        "pytorch": {
            "with weights": float("nan"),
            "without": 0.0,
            "gradient of a loss on the other row with weights": float("nan"),
            "and without": 5.612,
        },
        "tensorflow": {"with weights": 0.0, "without": 4.0},
    },
    why="Asking for the weights takes another way through the code. In PyTorch that one is softmax over -inf only, 0 "
    "/ 0, and in the backward pass it spoils the weights for all rows, whatever the loss leaves out; the other gives "
    "0. In Keras it multiplies by the mask again; the other adds a large negative number, and attends to all steps "
    "alike, padding included.",
    instead="Let each row attend to something, or write 0 with `where` before the softmax and after it; "
    "`need_weights=False`.",
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

        with_weights, spoilt = first_row_and_gradient(need_weights=True)
        without, sound = first_row_and_gradient(need_weights=False)
        return {
            "with weights": with_weights,
            "without": without,
            "gradient of a loss on the other row with weights": spoilt[2].item(),
            "and without": sound[2].item(),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        x = tf.constant([[[1.0], [2.0], [9.0]]])
        nothing = tf.zeros((1, 3, 3), tf.bool)
        attention = keras.layers.MultiHeadAttention(1, 1, use_bias=False, kernel_initializer="ones")
        with_weights, _ = attention(x, x, attention_mask=nothing, return_attention_scores=True)
        without = attention(x, x, attention_mask=nothing)
        return {"with weights": float(with_weights[0, 0, 0]), "without": float(without[0, 0, 0])}


@divergence(
    claim="With the padding masked, a padding step attends to the real steps.",
    verdict=DIFFERS,
    seen={
        "pytorch": {"outputs": [1.731, 1.881, 1.5]},
        "tensorflow": {"outputs": [1.731, 1.881, 1.0], "with weights": [1.731, 1.881, 0.0]},
    },
    why="`key_padding_mask` is about keys, and padding asks like any other step. A Keras mask is applied to queries "
    "too, so that a padding step has nothing to attend to; see attention.all_masked. What it gives is nobody's "
    "business, until something adds it up.",
    instead="Mask the output before pooling, convolutions and the loss, in both.",
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
    claim="`query_mask=mask` masks the queries of Keras' MultiHeadAttention.",
    verdict=FALSE,
    seen={
        "tensorflow": {
            "query_mask=mask": [1.731, 1.881, 1.5],
            "the mask that x carries": [1.731, 1.881, 1.0],
            "x still carries it": False,
        }
    },
    why="The layer overwrites the argument with the mask that the tensor carries, none here; `value_mask` is "
    "honoured. It also takes the mask off its inputs, in place, so that what is computed from them next has none.",
    instead="Let the tensor carry its mask, from `Masking` or `Embedding`, or pass `attention_mask`; keep the mask by "
    "itself for what comes after.",
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
            "x still carries it": getattr(carrying, "_keras_mask", None) is not None,
        }


@divergence(
    claim="Without dropout, a TransformerEncoder gives the same in training and in evaluation.",
    verdict=FALSE,
    seen={
        "pytorch": {
            "real steps agree": True,
            "padding is 0 in training": False,
            "padding is 0 in evaluation": True,
            "and without nested tensors": False,
        }
    },
    why="In evaluation without gradients, a batch padded on the right goes through as a nested tensor, which drops "
    "the padding, and comes back filled up with zeros. Earlier versions cut it to the longest length as well.",
    instead="Mask the output, or `enable_nested_tensor=False`; and do not let anything after it depend on padding.",
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
            "and without nested tensors": not by_steps[0, 2:].any().item(),
        }


@divergence(
    claim="What a TransformerEncoder gives for a row of padding alone is settled: NaN, or 0, or a number.",
    verdict=FALSE,
    seen={
        "pytorch": {
            "training": "a number",
            "evaluation": "0",
            "evaluation without nested tensors": "NaN",
            "evaluation with gradients": "a number",
        }
    },
    why="Three ways through the code: attention that gives 0 for such a row, so that the residual passes; a nested "
    "tensor, which has no such step; and a fused layer with softmax over -inf only.",
    instead="Leave such rows out of the batch, or let one step of each be attended to.",
    operation="attention.multi_head_attention",
    sources=(
        "https://github.com/pytorch/pytorch/pull/190486",
        "https://github.com/pytorch/pytorch/issues/24816",
    ),
)
class empty_row:
    def pytorch():
        import torch
        from torch import nn

        layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0, batch_first=True)
        encoder, fused = nn.TransformerEncoder(layer, 1), nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        x = torch.linspace(-1, 1, 16).reshape(2, 2, 4).square()
        padding = torch.tensor([[True, True], [False, False]])

        def given(encoder):
            row = encoder(x, src_key_padding_mask=padding)[0]
            return "NaN" if row.isnan().any() else "a number" if row.any() else "0"

        seen = {"training": given(encoder)}
        with torch.no_grad():
            seen["evaluation"] = given(encoder.eval())
            seen["evaluation without nested tensors"] = given(fused.eval())
        return seen | {"evaluation with gradients": given(encoder)}
