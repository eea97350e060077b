"""Record what padding does while a language model generates: positions, the cache, windows, and the end token."""

from parity.divergences.entry import DIFFERS, FALSE, PARTLY, divergence

SDPA = "https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html"
GROUPED = "https://keras.io/api/layers/attention_layers/group_query_attention/"


@divergence(
    claim="The position of a new token is the number of steps in the KV cache (`cache_position`).",
    verdict=FALSE,
    expected={
        "pytorch": {"by the cache": [4, 4], "by the mask": [4, 2], "rows of the table": [[40.0, 40.0], [40.0, 20.0]]},
        "tensorflow": {
            "by the cache": [4, 4],
            "by the mask": [4, 2],
            "rows of the table": [[40.0, 40.0], [40.0, 20.0]],
        },
    },
    why="In a left-padded batch the cache holds the padding of each prompt, too. One position for the whole batch, "
    "4 here, is right for the longest prompt only: after a prompt of two tokens the new one is at 2. The prompt "
    "itself had positions from its mask, so that with a table of positions another row is read, and with rotary "
    "positions (RoPE) the distance to all earlier tokens is too large. The shorter prompts of a batch are continued "
    "with other text than alone, and nothing is raised.",
    instead="`position_ids = attention_mask.cumsum(-1) - 1`, of the mask with a column for each new token, and its "
    "last column in each step of decoding.",
    operation="generation.cached_attention",
    sources=(
        "https://github.com/unslothai/unsloth/pull/3803",
        "https://github.com/rasbt/reasoning-from-scratch/issues/33",
        "https://github.com/ndif-team/nnsight/pull/673",
    ),
)
class positions_in_the_cache:
    def pytorch():
        import torch

        mask = torch.tensor([[1, 1, 1, 1], [0, 0, 1, 1]])  # of two prompts, the second with padding on the left
        table = torch.tensor([0.0, 10, 20, 30, 40])  # an embedding for each position
        extended = torch.cat([mask, torch.ones_like(mask[:, :1])], 1)  # a new token for each
        of_the_cache = torch.full((2,), mask.shape[1])
        of_the_mask = extended.cumsum(1)[:, -1] - 1
        return {
            "by the cache": of_the_cache.tolist(),
            "by the mask": of_the_mask.tolist(),
            "rows of the table": [table[of_the_cache].tolist(), table[of_the_mask].tolist()],
        }

    def tensorflow():
        import tensorflow as tf

        mask = tf.constant([[1, 1, 1, 1], [0, 0, 1, 1]])  # of two prompts, the second with padding on the left
        table = tf.constant([0.0, 10, 20, 30, 40])  # an embedding for each position
        extended = tf.concat([mask, tf.ones_like(mask[:, :1])], 1)  # a new token for each
        of_the_cache = tf.fill((2,), mask.shape[1])
        of_the_mask = tf.cumsum(extended, 1)[:, -1] - 1
        return {
            "by the cache": of_the_cache.numpy().tolist(),
            "by the mask": of_the_mask.numpy().tolist(),
            "rows of the table": [tf.gather(table, one).numpy().tolist() for one in (of_the_cache, of_the_mask)],
        }


@divergence(
    claim="A batch is generated until each sequence has its end token (EOS), and holds padding behind it.",
    verdict=FALSE,
    expected={
        "pytorch": {
            "no mask": [[3, 4, 1], [1, 2, 3]],
            "finished ones are padded": [[3, 4, 1], [1, 0, 0]],
            "lengths": [[3, 3], [3, 1]],
        },
        "tensorflow": {
            "no mask": [[3, 4, 1], [1, 2, 3]],
            "finished ones are padded": [[3, 4, 1], [1, 0, 0]],
            "lengths": [[3, 3], [3, 1]],
        },
    },
    why="The loop goes on while any sequence is not finished, and makes a token for every one: behind its end token a "
    "sequence goes on with whatever the model predicts there, which has no meaning, and counts in its length, its "
    "score and its exact match. Where the pad token is the end token, its number is not that of generated tokens "
    "either. A loop for one sequence stops in time, so that batches alone are wrong.",
    instead="Keep a mask of finished sequences, and write padding where it is set: "
    "`token = torch.where(finished, pad, token)`. Or cut behind the first end token: with `ended = tokens == eos`, "
    "`ended.cumsum(1) > ended` is what follows it.",
    operation="masking.length_from_tokens",
    sources=(
        "https://github.com/huggingface/transformers/issues/31261",
        "https://github.com/lucidrains/h-transformer-1d/issues/9",
        "https://github.com/huggingface/optimum-habana/pull/1358",
    ),
)
class behind_the_end_token:
    def pytorch():
        import torch

        following = torch.tensor([0, 2, 3, 4, 1])  # the token that the model predicts behind each: 2, 3, 4, then 1
        pad, end = 0, 1

        def generated(stops):
            token, finished, tokens = torch.tensor([2, 4]), torch.tensor([False, False]), []
            while not finished.all():
                token = torch.where(finished, pad, following[token]) if stops else following[token]
                finished = finished | (token == end)
                tokens.append(token)
            return torch.stack(tokens, 1)

        return {
            "no mask": generated(stops=False).tolist(),
            "finished ones are padded": generated(stops=True).tolist(),
            "lengths": [(generated(stops) != pad).sum(1).tolist() for stops in (False, True)],
        }

    def tensorflow():
        import tensorflow as tf

        following = tf.constant([0, 2, 3, 4, 1])  # the token that the model predicts behind each: 2, 3, 4, then 1
        pad, end = 0, 1

        def generated(stops):
            token, finished, tokens = tf.constant([2, 4]), tf.constant([False, False]), []
            while not tf.reduce_all(finished):
                token = tf.where(finished & stops, pad, tf.gather(following, token))
                finished = finished | (token == end)
                tokens.append(token)
            return tf.stack(tokens, 1)

        lengths = [tf.math.count_nonzero(generated(stops) != pad, 1) for stops in (False, True)]
        return {
            "no mask": generated(stops=False).numpy().tolist(),
            "finished ones are padded": generated(stops=True).numpy().tolist(),
            "lengths": [one.numpy().tolist() for one in lengths],
        }


@divergence(
    claim="In a sliding window of W, each step attends to W steps, itself included.",
    verdict=FALSE,
    expected={
        "pytorch": {"tril().triu(-2)": 9.333, "tril().triu(1 - 2)": 12.0, "the last two of a cache": 12.0},
        "tensorflow": {"band_part(…, 2, 0)": 9.333, "band_part(…, 2 - 1, 0)": 12.0, "the last two of a cache": 12.0},
    },
    why="The two conventions differ by one step. `window_size=(W, 0)` of FlashAttention, `triu(-W)` and "
    "`band_part(…, W, 0)` keep W steps before each, and itself; `sliding_window=W` of a model of Hugging Face is W in "
    "all. A cache that keeps the last W keys has the second. With W on both sides, and no causal mask, it is 2 W + 1.",
    instead="Say which, and test it with a window of 1: `torch.ones(T, T).tril().triu(1 - W)` has W steps. Padding "
    "needs its own mask, joined with the window.",
    operation="decoder.self_attention",
    sources=(
        "https://github.com/huggingface/transformers/issues/39408",
        "https://github.com/ml-explore/mlx-lm/pull/390",
        "https://github.com/apple/axlearn/pull/1009",
    ),
)
class sliding_window:
    def pytorch():
        import torch
        import torch.nn.functional as F

        values = torch.tensor([1.0, 2, 4, 8, 16])[None, :, None]
        square, window = torch.ones(5, 5, dtype=torch.bool), 2

        def last(mask):  # all scores are equal: the mean of what the last step attends to
            return F.scaled_dot_product_attention(values * 0, values * 0, values, attn_mask=mask)[0, -1].item()

        return {
            "tril().triu(-2)": last(square.tril().triu(-window)),
            "tril().triu(1 - 2)": last(square.tril().triu(1 - window)),
            "the last two of a cache": values[0, -window:].mean().item(),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        values = tf.constant([1.0, 2, 4, 8, 16])[None, :, None]
        layer = keras.layers.MultiHeadAttention(1, 1, use_bias=False, kernel_initializer="ones")
        square, window = tf.ones((1, 5, 5), tf.bool), 2

        def last(before):  # all scores are equal: the mean of what the last step attends to
            mask = tf.linalg.band_part(square, before, 0)
            return float(layer(values * 0, values, key=values * 0, attention_mask=mask)[0, -1, 0])

        return {
            "band_part(…, 2, 0)": last(window),
            "band_part(…, 2 - 1, 0)": last(window - 1),
            "the last two of a cache": float(tf.reduce_mean(values[0, -window:])),
        }


@divergence(
    claim="With fewer heads of keys than of queries (GQA), keys are repeated until there are as many.",
    verdict=PARTLY,
    expected={
        "pytorch": {
            "repeat": [1.0, 9.0, 1.0, 9.0],
            "repeat_interleave": [1.0, 1.0, 9.0, 9.0],
            "enable_gqa": [1.0, 1.0, 9.0, 9.0],
        },
        "tensorflow": {"tile": [1.0, 9.0, 1.0, 9.0], "repeat": [1.0, 1.0, 9.0, 9.0]},
    },
    why="Each head of keys serves heads of queries that are neighbours: 0, 0, 1, 1. `repeat` and `tile` repeat all "
    "heads as a whole, 0, 1, 0, 1, so that half of the queries meet the keys of another group. Shapes fit, and with "
    "one head of keys, or as many as of queries, there is no difference.",
    instead="`keys.repeat_interleave(groups, 1)`, `tf.repeat(keys, groups, axis=…)`, or `enable_gqa=True` of "
    "`scaled_dot_product_attention`.",
    operation="generation.cached_attention",
    sources=(SDPA, GROUPED),
)
class repeated_heads:
    def pytorch():
        import torch
        import torch.nn.functional as F

        values = torch.tensor([1.0, 9.0]).view(1, 2, 1, 1)  # two heads, a single step
        zeros = torch.zeros(1, 4, 1, 1)

        def attend(repeated, **options):
            return F.scaled_dot_product_attention(zeros, repeated * 0, repeated, **options).flatten().tolist()

        return {
            "repeat": attend(values.repeat(1, 2, 1, 1)),
            "repeat_interleave": attend(values.repeat_interleave(2, 1)),
            "enable_gqa": attend(values, enable_gqa=True),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        values = tf.reshape([1.0, 9.0], (1, 1, 2, 1))  # a single step, two heads
        zeros = tf.zeros((1, 1, 4, 1))

        def attend(repeated):
            heard = keras.ops.dot_product_attention(zeros, repeated * 0, repeated)
            return tf.reshape(heard, [-1]).numpy().tolist()

        return {"tile": attend(tf.tile(values, (1, 1, 2, 1))), "repeat": attend(tf.repeat(values, 2, axis=2))}


@divergence(
    claim="A cumulative product, of discounts or of `tokens != eos`, has the right gradient where a factor is 0.",
    verdict=DIFFERS,
    expected={
        "pytorch": {
            "a 0 in the middle": [1.0, 1.5, 0.0],
            "a 0 first": [2.5, 0.0, 0.0],
            "1 on padding": [5.0, 1.0, 1.0],
        },
        "tensorflow": {
            "a 0 in the middle": [1.0, 0.0, 0.0],
            "a 0 first": [0.0, 0.0, 0.0],
            "1 on padding": [5.0, 1.0, 1.0],
        },
    },
    why="The gradient of `tf.math.cumprod` divides products by each factor, and takes 0 for what is divided by 0: a "
    "factor that is 0 gets no gradient, although all later products would change with it. Such factors are padding "
    "that was set to 0, gates that reset a state, and masks behind an end token. PyTorch has a formula for zeros. "
    "Division of one cumulative product by another, as in a linear recurrence, gives NaN there in both.",
    instead="Set factors to 1 on padding. For a linear recurrence, join steps in pairs (a parallel scan), or run "
    "`tf.scan`, in place of dividing cumulative products.",
    operation="scans.linear_recurrence",
    sources=(
        "https://www.tensorflow.org/api_docs/python/tf/math/cumprod",
        "https://docs.pytorch.org/docs/stable/generated/torch.cumprod.html",
    ),
)
class product_of_masked_factors:
    def pytorch():
        import torch

        def gradient(*factors):
            factors = torch.tensor(factors, requires_grad=True)
            return torch.autograd.grad(factors.cumprod(0).sum(), factors)[0].tolist()

        return {
            "a 0 in the middle": gradient(0.5, 0.0, 2.0),
            "a 0 first": gradient(0.0, 0.5, 2.0),
            "1 on padding": gradient(0.5, 2.0, 1.0),
        }

    def tensorflow():
        import tensorflow as tf

        def gradient(*factors):
            factors = tf.constant(factors)
            with tf.GradientTape() as tape:
                tape.watch(factors)
                total = tf.reduce_sum(tf.math.cumprod(factors))
            return tape.gradient(total, factors).numpy().tolist()

        return {
            "a 0 in the middle": gradient(0.5, 0.0, 2.0),
            "a 0 first": gradient(0.0, 0.5, 2.0),
            "1 on padding": gradient(0.5, 2.0, 1.0),
        }
