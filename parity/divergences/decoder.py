"""Record how causal masks, padding and several heads go together in the attention of a decoder."""

from parity.divergences.entry import DIFFERS, FALSE, PARTLY, divergence

SDPA = "https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html"
MULTI_HEAD = "https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html"
KERAS = "https://keras.io/api/layers/attention_layers/multi_head_attention/"


@divergence(
    claim="`is_causal=True` makes attention causal, whatever the other arguments.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"with weights": [3.646, 3.957, 3.999], "without weights": [1.0, 1.881, 3.999]},
        "tensorflow": {"with weights": [1.0, 1.881, 3.999], "without weights": [1.0, 1.881, 3.999]},
    },
    why="In `nn.MultiheadAttention`, `is_causal` is a hint that `attn_mask` is the causal mask. With a wrong hint, "
    "here a mask that hides nothing, the answer depends on `need_weights`: with weights the mask is used and the hint "
    "is not, without weights and without `key_padding_mask` it is the reverse. Keras combines `use_causal_mask` with "
    "the mask.",
    instead="Pass the causal mask itself as `attn_mask` (`tgt_mask` in `nn.TransformerDecoder`, which sees future "
    "tokens without it), joined with that of the padding.",
    operation="decoder.self_attention",
    sources=(
        "https://github.com/pytorch/pytorch/issues/99282",
        "https://github.com/pytorch/pytorch/issues/118972",
        MULTI_HEAD,
    ),
)
class causal_hint:
    def pytorch():
        import torch
        from torch import nn

        x = torch.tensor([[[1.0], [2.0], [4.0]]])
        attention = nn.MultiheadAttention(1, 1, bias=False, batch_first=True)
        for weight in attention.parameters():
            nn.init.ones_(weight)
        nothing = torch.zeros(3, 3, dtype=torch.bool)  # of these, True is ignored

        def attend(need_weights):
            y, _ = attention(x, x, x, attn_mask=nothing, is_causal=True, need_weights=need_weights)
            return y.flatten().tolist()

        return {"with weights": attend(need_weights=True), "without weights": attend(need_weights=False)}

    def tensorflow():
        import keras
        import tensorflow as tf

        x = tf.constant([[[1.0], [2.0], [4.0]]])
        attention = keras.layers.MultiHeadAttention(1, 1, use_bias=False, kernel_initializer="ones")
        options = {"attention_mask": tf.ones((1, 3, 3), tf.bool), "use_causal_mask": True}
        with_weights, _ = attention(x, x, return_attention_scores=True, **options)
        without = attention(x, x, **options)
        return {
            "with weights": with_weights[0, :, 0].numpy().tolist(),
            "without weights": without[0, :, 0].numpy().tolist(),
        }


@divergence(
    claim="A causal mask and a mask of padding can be combined, on whichever side the padding is.",
    verdict=DIFFERS,
    expected={
        "pytorch": {
            "with weights": [float("nan"), 2.0, 3.999],
            "without weights": [0.0, 2.0, 3.999],
            "gradient with weights": float("nan"),
            "gradient without weights": 5.999,
        },
        "tensorflow": {
            "with weights": [0.0, 2.0, 3.999],
            "without weights": [2.333, 2.0, 3.999],
            "gradient with weights": 5.999,
            "gradient without weights": 5.999,
        },
    },
    why="These are `tgt_mask` and `tgt_key_padding_mask` in `nn.TransformerDecoder`. With padding on the left, the "
    "first steps may attend to earlier steps only, all of which are padding. Nothing is left: PyTorch divides 0 by 0 "
    "where the weights are computed, and every gradient is NaN, even if the loss leaves padding out. Otherwise it "
    "returns 0, on a CPU; other kernels return NaN. Keras returns 0 or the mean over all steps, later ones included.",
    instead="Let padding attend to itself (`mask | torch.eye(T, dtype=torch.bool)`), and drop its output. With padding "
    "on the right the question does not arise.",
    operation="decoder.self_attention",
    sources=(
        "https://github.com/pytorch/pytorch/issues/103749",
        "https://github.com/huggingface/transformers/issues/38690",
        "https://github.com/unslothai/unsloth/pull/9848",
    ),
)
class causal_and_left_padding:
    def pytorch():
        import torch
        from torch import nn

        x = torch.tensor([[[1.0], [2.0], [4.0]]])
        attention = nn.MultiheadAttention(1, 1, bias=False, batch_first=True)
        for weight in attention.parameters():
            nn.init.ones_(weight)
        masks = {
            "attn_mask": torch.ones(3, 3, dtype=torch.bool).triu(1),
            "key_padding_mask": torch.tensor([[True, False, False]]),  # the first step is padding
        }

        def attend(need_weights):
            y, _ = attention(x, x, x, need_weights=need_weights, **masks)
            (gradient,) = torch.autograd.grad(y[0, 1:].sum(), attention.in_proj_weight)
            return y.flatten().tolist(), gradient[2].item()

        with_weights, gradient_with_weights = attend(need_weights=True)
        without, gradient_without = attend(need_weights=False)
        return {
            "with weights": with_weights,
            "without weights": without,
            "gradient with weights": gradient_with_weights,
            "gradient without weights": gradient_without,
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        x = tf.constant([[[1.0], [2.0], [4.0]]])
        attention = keras.layers.MultiHeadAttention(1, 1, use_bias=False, kernel_initializer="ones")
        attention.build(x.shape, x.shape)
        real = tf.constant([[False, True, True]])  # the first step is padding

        def attend(with_weights):
            options = {"return_attention_scores": True} if with_weights else {}
            with tf.GradientTape() as tape:
                found = attention(x, x, attention_mask=real[:, None, :], use_causal_mask=True, **options)
                y = found[0] if with_weights else found
                loss = tf.reduce_sum(y[0, 1:])
            gradients = tape.gradient(loss, attention.trainable_variables)
            return y[0, :, 0].numpy().tolist(), float(gradients[2][0, 0, 0])

        with_weights, gradient_with_weights = attend(with_weights=True)
        without, gradient_without = attend(with_weights=False)
        return {
            "with weights": with_weights,
            "without weights": without,
            "gradient with weights": gradient_with_weights,
            "gradient without weights": gradient_without,
        }


@divergence(
    claim="NaN in a masked key or value has no effect.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"NaN in the key": float("nan"), "NaN in the value": float("nan")},
        "tensorflow": {"NaN in the key": 1.731, "NaN in the value": float("nan")},
    },
    why="PyTorch adds -inf to masked scores, and NaN stays NaN; Keras replaces the score. A masked value gets a weight "
    "of 0 in both, and 0 times NaN is NaN. Such values are in memory that was never written, as in a cache of keys and "
    "values.",
    instead="Set keys and values to 0 on padding by `where`, before the projection, and mask them too.",
    operation="decoder.cross_attention",
    sources=("https://github.com/pytorch/pytorch/issues/103749", SDPA, KERAS),
)
class masked_nan:
    def pytorch():
        import torch
        import torch.nn.functional as F

        query = torch.tensor([[[1.0]]])
        clean = torch.tensor([[[1.0], [2.0], [0.0]]])
        broken = torch.tensor([[[1.0], [2.0], [torch.nan]]])
        mask = torch.tensor([[[True, True, False]]])

        def attend(key, value):
            return F.scaled_dot_product_attention(query, key, value, attn_mask=mask).item()

        return {"NaN in the key": attend(broken, clean), "NaN in the value": attend(clean, broken)}

    def tensorflow():
        import keras
        import tensorflow as tf

        query = tf.constant([[[[1.0]]]])  # (B, T, heads, D)
        clean = tf.constant([[[[1.0]], [[2.0]], [[0.0]]]])
        broken = tf.constant([[[[1.0]], [[2.0]], [[float("nan")]]]])
        mask = tf.constant([[[[True, True, False]]]])

        def attend(key, value):
            return float(keras.ops.dot_product_attention(query, key, value, mask=mask)[0, 0, 0, 0])

        return {"NaN in the key": attend(broken, clean), "NaN in the value": attend(clean, broken)}


@divergence(
    claim="The lowest number of a dtype, added to masked scores in place of -inf, never gives NaN.",
    verdict=FALSE,
    expected={
        "pytorch": {
            "added once in float32": 0.5,
            "added once in float16": float("nan"),
            "added twice in float32": float("nan"),
        },
        "tensorflow": {
            "added once in float32": 0.5,
            "added once in float16": float("nan"),
            "added twice in float32": float("nan"),
        },
    },
    why="It is added: to a score below -16 it overflows to -inf in float16, and where a causal mask and one of padding "
    "are both added, the minimum twice is -inf in every dtype. In a row where all is masked, as on the left of a "
    "causal mask, the softmax then divides 0 by 0.",
    instead="Join the masks as booleans, and replace the scores by `where` or `masked_fill` in place of adding.",
    operation="decoder.self_attention",
    sources=(
        "https://github.com/huggingface/transformers/pull/17306",
        "https://github.com/huggingface/transformers/pull/27114",
        "https://github.com/NVIDIA-NeMo/Automodel/pull/2658",
    ),
)
class minimum_added_twice:
    def pytorch():
        import torch

        def weight(dtype, times):
            lowest = torch.finfo(dtype).min
            scores = torch.tensor([-20.0, -20.0], dtype=dtype)  # both are masked
            for _ in range(times):
                scores = scores + lowest
            return scores.softmax(0)[0].item()

        return {
            "added once in float32": weight(torch.float32, 1),
            "added once in float16": weight(torch.float16, 1),
            "added twice in float32": weight(torch.float32, 2),
        }

    def tensorflow():
        import tensorflow as tf

        def weight(dtype, times):
            scores = tf.constant([-20.0, -20.0], dtype)  # both are masked
            for _ in range(times):
                scores = scores + dtype.min
            return float(tf.nn.softmax(scores)[0])

        return {
            "added once in float32": weight(tf.float32, 1),
            "added once in float16": weight(tf.float16, 1),
            "added twice in float32": weight(tf.float32, 2),
        }


@divergence(
    claim="A mask (B, T, S), one for each query, given to attention of several heads is applied to each sequence.",
    verdict=PARTLY,
    expected={
        "pytorch": {"first sequence": [1.731, 8.991], "with an axis for heads": [1.731, 1.731]},
        "tensorflow": {"first sequence": [1.731, 8.991], "the layer": [1.731, 1.731]},
    },
    why="It is by Keras' layers, which add the axis of heads. `scaled_dot_product_attention` and "
    "`keras.ops.dot_product_attention` broadcast the mask to (B, heads, T, S) from the last axis on, so a mask "
    "without that axis is read as (heads, T, S). With as many heads as sequences, here two, there is no error: the "
    "second head of every sequence gets the mask of the second.",
    instead="Write `mask[:, None]`. `nn.MultiheadAttention` expects an `attn_mask` of (B · num_heads, T, S), all "
    "heads of a sequence together: `mask.repeat_interleave(num_heads, 0)`. With `mask.repeat(num_heads, 1, 1)`, a "
    "head gets the mask of another sequence of the batch, and nothing is raised.",
    operation="decoder.self_attention",
    sources=(SDPA, MULTI_HEAD, KERAS),
)
class mask_over_heads:
    def pytorch():
        import torch
        import torch.nn.functional as F

        x = torch.tensor([[1.0], [2.0], [9.0]]).expand(2, 2, 3, 1)  # (B, heads, T, D)
        real = torch.tensor([[True, True, False], [True, True, True]])
        mask = real[:, None, :].expand(2, 3, 3)  # (B, T, T)

        def heads_of_the_first(mask):
            return F.scaled_dot_product_attention(x, x, x, attn_mask=mask)[0, :, 0, 0].tolist()

        return {"first sequence": heads_of_the_first(mask), "with an axis for heads": heads_of_the_first(mask[:, None])}

    def tensorflow():
        import keras
        import tensorflow as tf

        x = tf.broadcast_to(tf.constant([[[1.0]], [[2.0]], [[9.0]]]), (2, 3, 2, 1))  # (B, T, heads, D)
        real = tf.constant([[True, True, False], [True, True, True]])
        mask = tf.broadcast_to(real[:, None, :], (2, 3, 3))  # (B, T, T)
        by_function = keras.ops.dot_product_attention(x, x, x, mask=mask)
        layer = keras.layers.MultiHeadAttention(2, 1, use_bias=False, kernel_initializer="ones")
        _, weights = layer(x[:, :, 0], x[:, :, 0], attention_mask=mask, return_attention_scores=True)
        by_layer = tf.linalg.matvec(weights, tf.constant([1.0, 2.0, 9.0]))  # (B, heads, T)
        return {
            "first sequence": by_function[0, 0, :, 0].numpy().tolist(),
            "the layer": by_layer[0, :, 0].numpy().tolist(),
        }


@divergence(
    claim="Attention returns the weights of each head.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"shape": [1, 2, 3], "with average_attn_weights=False": [1, 4, 2, 3], "sum over keys": 1.0},
        "tensorflow": {"shape": [1, 4, 2, 3], "sum over keys": 1.0},
    },
    why="`nn.MultiheadAttention` returns their mean over heads, (B, T, S), unless `average_attn_weights=False`; Keras' "
    "layers return (B, heads, T, S). Both are without padding in the keys, and not in the queries: padded queries have "
    "weights that sum to 1.",
    instead="Ask for the weights of each head, average them where they are read, and set those of padding to 0.",
    operation="decoder.cross_attention",
    sources=("https://github.com/pytorch/pytorch/issues/34537", MULTI_HEAD, KERAS),
)
class weights_of_heads:
    def pytorch():
        import torch
        from torch import nn

        x, memory = torch.ones(1, 2, 4), torch.ones(1, 3, 4)  # four heads attend from two steps to three
        attention = nn.MultiheadAttention(4, 4, batch_first=True)
        _, weights = attention(x, memory, memory)
        _, by_head = attention(x, memory, memory, average_attn_weights=False)
        return {
            "shape": list(weights.shape),
            "with average_attn_weights=False": list(by_head.shape),
            "sum over keys": round(weights[0, 0].sum().item(), 4),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        x, memory = tf.ones((1, 2, 4)), tf.ones((1, 3, 4))  # four heads attend from two steps to three
        _, weights = keras.layers.MultiHeadAttention(4, 1)(x, memory, return_attention_scores=True)
        return {"shape": list(weights.shape), "sum over keys": round(float(tf.reduce_sum(weights[0, 0, 0])), 4)}


@divergence(
    claim="The mask of a memory reaches cross attention by itself.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"memory alone": 5.0, "with memory_key_padding_mask": 2.0},
        "tensorflow": {"memory alone": 2.0, "mask lost on the way": 5.0},
    },
    why="A Keras layer finds the mask of its `value` with the tensor, if nothing on the way from the encoder lost it. "
    "In PyTorch `src_key_padding_mask` masks the encoder only: the decoder needs the same mask again. The mask of the "
    "queries has another length, and does not fit.",
    instead="Pass the mask of the memory: `memory_key_padding_mask=`, or `attention_mask=real[:, None]` in Keras.",
    operation="decoder.cross_attention",
    sources=(
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.TransformerDecoderLayer.html",
        "https://github.com/pytorch/pytorch/pull/22588",
        KERAS,
    ),
)
class memory_mask:
    def pytorch():
        import torch
        from torch import nn

        layer = nn.TransformerDecoderLayer(1, 1, 1, dropout=0.0, batch_first=True).multihead_attn
        for weight in layer.parameters():
            nn.init.zeros_(weight)  # all scores are equal: the mean of the values
        layer.in_proj_weight.data[2], layer.out_proj.weight.data[0] = 1.0, 1.0
        x, memory = torch.zeros(1, 1, 1), torch.tensor([[[2.0], [8.0]]])
        padding = torch.tensor([[False, True]])  # the memory has one real step
        return {
            "memory alone": layer(x, memory, memory)[0].item(),
            "with memory_key_padding_mask": layer(x, memory, memory, key_padding_mask=padding)[0].item(),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        x, memory = tf.zeros((1, 1, 1)), tf.constant([[[2.0], [8.0]]])
        layer = keras.layers.MultiHeadAttention(1, 1, use_bias=False, kernel_initializer="ones")
        masked = keras.layers.Masking(8.0)(memory)  # sets what it masks to 0, so that it is put back here
        found = memory * 1.0
        found._keras_mask = masked._keras_mask
        return {
            "memory alone": float(layer(x, found)[0, 0, 0]),
            "mask lost on the way": float(layer(x, memory)[0, 0, 0]),
        }


@divergence(
    claim="With fewer queries than keys, as with a KV cache, `is_causal` lets the new queries see all cached keys.",
    verdict=FALSE,
    expected={
        "pytorch": {
            "one query, is_causal": [1.0],
            "one query": [3.0],
            "two queries, is_causal": [1.0, 1.5],
            "two queries, causal_lower_right": [1.5, 3.0],
        },
        "tensorflow": {
            "one query, use_causal_mask": [1.0],
            "one query": [3.0],
            "two queries, use_causal_mask": [1.0, 1.5],
            "two queries, last rows of the mask": [1.5, 3.0],
        },
    },
    why="The mask is aligned at the upper left: the first query sees the first key only, although it is the last step "
    "of all. The second of two queries sees two of three keys. A mask aligned at the lower right, as in FlashAttention "
    "since version 2.1, shows each new token all cached ones; then the rows of a longer query see nothing.",
    instead="Decode one token without `is_causal`. For a chunk, use `torch.nn.attention.bias.causal_lower_right`, or "
    "pass the last rows of a causal mask over all steps.",
    operation="generation.cached_attention",
    sources=(
        "https://github.com/pytorch/pytorch/issues/108108",
        "https://github.com/pytorch/pytorch/issues/144858",
        "https://github.com/Dao-AILab/flash-attention/issues/517",
    ),
)
class causal_corner:
    def pytorch():
        import torch
        import torch.nn.functional as F
        from torch.nn.attention.bias import causal_lower_right

        values = torch.tensor([[[[1.0], [2.0], [6.0]]]])  # all scores are equal: a mean of those that are seen
        keys = torch.zeros_like(values)
        one, two = keys[:, :, :1], keys[:, :, :2]

        def seen(queries, **options):
            return F.scaled_dot_product_attention(queries, keys, values, **options).flatten().tolist()

        return {
            "one query, is_causal": seen(one, is_causal=True),
            "one query": seen(one),
            "two queries, is_causal": seen(two, is_causal=True),
            "two queries, causal_lower_right": seen(two, attn_mask=causal_lower_right(2, 3)),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        options = {"use_bias": False, "kernel_initializer": "ones"}
        layer = keras.layers.MultiHeadAttention(1, 1, **options)
        values = tf.constant([[[1.0], [2.0], [6.0]]])
        one, two = tf.zeros((1, 1, 1)), tf.zeros((1, 2, 1))

        def seen(queries, **options):
            return tf.reshape(layer(queries, values, **options), [-1]).numpy().tolist()

        last_rows = tf.linalg.band_part(tf.ones((3, 3), tf.bool), -1, 0)[None, 1:]
        return {
            "one query, use_causal_mask": seen(one, use_causal_mask=True),
            "one query": seen(one),
            "two queries, use_causal_mask": seen(two, use_causal_mask=True),
            "two queries, last rows of the mask": seen(two, attention_mask=last_rows),
        }


@divergence(
    claim="Once a left-padded prompt is in the KV cache, later steps of decoding need no attention mask.",
    verdict=FALSE,
    expected={
        "pytorch": {"no mask": 4.333, "no mask, static cache": 3.25, "mask of the cache": 2.0},
        "tensorflow": {"no mask": 4.333, "no mask, static cache": 3.25, "mask of the cache": 2.0},
    },
    why="The keys and values of the padding are in the cache too, whether it grows or is static, and each new token "
    "attends to them, and to what a static cache has not filled yet. So generated results are different in a batch "
    "with a longer prompt, and without (a single prompt). The position of a new token is the number of real tokens, "
    "and not that of cached ones.",
    instead="Extend the attention mask by one column a token, and pass it and `position_ids` in every step of "
    "decoding.",
    operation="generation.cached_attention",
    sources=(
        "https://github.com/huggingface/transformers/issues/30670",
        "https://github.com/unslothai/unsloth/pull/3795",
        "https://github.com/OpenNMT/OpenNMT-py/pull/2532",
    ),
)
class padding_in_the_cache:
    def pytorch():
        import torch
        import torch.nn.functional as F

        cached = torch.tensor([[[[9.0], [1.0], [3.0], [0.0]]]])  # a pad, two tokens, a slot that is not filled
        real = torch.tensor([[[[False, True, True, False]]]])
        query = torch.zeros(1, 1, 1, 1)  # of a new token; all scores are equal

        def attended(values, **options):
            return F.scaled_dot_product_attention(query, torch.zeros_like(values), values, **options).item()

        return {
            "no mask": attended(cached[:, :, :3]),
            "no mask, static cache": attended(cached),
            "mask of the cache": attended(cached, attn_mask=real),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        layer = keras.layers.MultiHeadAttention(1, 1, use_bias=False, kernel_initializer="ones")
        cached = tf.constant([[[9.0], [1.0], [3.0], [0.0]]])
        real = tf.constant([[[False, True, True, False]]])
        query = tf.zeros((1, 1, 1))

        def attended(values, **options):
            return float(layer(query, values, key=tf.zeros_like(values), **options)[0, 0, 0])

        return {
            "no mask": attended(cached[:, :3]),
            "no mask, static cache": attended(cached),
            "mask of the cache": attended(cached, attention_mask=real),
        }


@divergence(
    claim="The layers of a decoder are causal: no step attends to future tokens.",
    verdict=FALSE,
    expected={
        "pytorch": {"first step sees the last": True, "with tgt_key_padding_mask": True, "with tgt_mask": False},
        "tensorflow": {
            "first step sees the last": True,
            "with a mask of the padding": True,
            "with use_causal_mask": False,
        },
    },
    why="`nn.TransformerDecoder`, `nn.TransformerDecoderLayer` and Keras' `MultiHeadAttention` have no causal mask "
    "unless they are given one; a mask of the padding is none. Where it is forgotten, each step sees the token that it "
    "has to predict: the loss of training falls to nearly 0, that of validation too, and what is generated is "
    "nonsense, since there is no next token to copy.",
    instead="Pass `tgt_mask=nn.Transformer.generate_square_subsequent_mask(T)`, or `use_causal_mask=True`. To test it, "
    "change the last token: no earlier output may change, in any layer.",
    operation="decoder.self_attention",
    sources=(
        "https://github.com/huggingface/transformers/issues/48745",
        "https://github.com/alex-matton/causal-transformer-decoder/issues/1",
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.TransformerDecoderLayer.html",
    ),
)
class causal_mask_forgotten:
    def pytorch():
        import torch
        from torch import nn

        torch.manual_seed(0)
        layer = nn.TransformerDecoderLayer(4, 1, 4, dropout=0.0, batch_first=True)
        x, memory = torch.randn(1, 3, 4), torch.ones(1, 1, 4)
        changed = x.clone()
        changed[0, 2] *= -2  # another last token
        causal = nn.Transformer.generate_square_subsequent_mask(3)

        def moves(**options):
            first, second = (layer(one, memory, **options)[0, 0] for one in (x, changed))
            return bool((first - second).abs().max() > 1e-3)

        return {
            "first step sees the last": moves(),
            "with tgt_key_padding_mask": moves(tgt_key_padding_mask=torch.zeros(1, 3, dtype=torch.bool)),
            "with tgt_mask": moves(tgt_mask=causal),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        layer = keras.layers.MultiHeadAttention(1, 1, use_bias=False, kernel_initializer="ones")
        x, changed = tf.constant([[[1.0], [3.0], [0.0]]]), tf.constant([[[1.0], [3.0], [5.0]]])  # another last token

        def moves(**options):
            first, second = (layer(one, one, **options)[0, 0, 0] for one in (x, changed))
            return bool(tf.abs(first - second) > 1e-3)

        return {
            "first step sees the last": moves(),
            "with a mask of the padding": moves(attention_mask=tf.ones((1, 1, 3), tf.bool)),
            "with use_causal_mask": moves(use_causal_mask=True),
        }
