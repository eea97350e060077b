"""Compute what a language model computes while it generates, in TensorFlow.

The newest step attends to all steps of its sequence that are in the cache, so that no causal mask is needed: with
`use_causal_mask`, Keras' layers show a single query the first key only. What is needed is a mask of the cache, whose
rows are filled to different lengths. Keras' `GroupedQueryAttention` projects keys and values anew at each call, and has
no cache. See https://keras.io/api/layers/attention_layers/group_query_attention/.
"""

import math

import tensorflow as tf

from parity.tensorflow import runtime


def cached_attention(query, lengths, keys, values, new_key, new_value, *, left=False, variant="written"):
    """Attend from the newest step of each sequence to itself and to the steps before it, which are in a cache.

    Args:
        query: (B, A, H), of the newest step, in A heads. lengths: (B,), the steps of each sequence with the newest.
        keys, values: (B, T, K, H), of all earlier steps, in K heads; what is there for the newest step is not read.
        new_key, new_value: (B, K, H), of the newest step.
        left: whether padding precedes each sequence in the cache.
        variant: "written" (into the cache, whose size stays), or "concatenated" (behind it).

    Returns:
        y: (B, A, H), zero for a sequence of length 0, such as a row of the batch that is free.

    >>> zero, cache = tf.zeros((1, 1, 1)), tf.reshape(tf.constant([2.0, 5.0, 9.0]), (1, 3, 1, 1))
    >>> cached_attention(zero, tf.constant([2]), cache * 0, cache, zero, zero + 4)["y"].numpy().ravel()  # of 2 and 4
    array([3.], dtype=float32)
    """
    batch, steps = tf.unstack(tf.shape(keys, lengths.dtype)[:2])
    newest = tf.fill([batch], steps - 1) if left else tf.maximum(lengths - 1, 0)  # (B,)
    is_newest = tf.range(steps) == newest[:, None]  # (B, T)
    earlier = runtime.valid(lengths, steps, left) & ~is_newest
    keys, values = (tf.where(earlier[:, :, None, None], one, tf.zeros((), one.dtype)) for one in (keys, values))
    if runtime.pick(("written", "concatenated"), variant) == "written":
        place = tf.stack([tf.range(batch), newest], 1)
        keys, values = (
            tf.tensor_scatter_nd_update(*one) for one in ((keys, place, new_key), (values, place, new_value))
        )
        y = by_repeating(query, keys, values, earlier | is_newest)
    else:
        keys, values = (tf.concat([old, new[:, None]], 1) for old, new in ((keys, new_key), (values, new_value)))
        y = by_grouping(query, keys, values, tf.pad(earlier, [[0, 0], [0, 1]], constant_values=True))
    return {"y": tf.where(lengths[:, None, None] > 0, y, tf.zeros((), y.dtype))}


def by_repeating(query, keys, values, seen):  # (B, A, H)  (B, S, K, H)  (B, S, K, H)  (B, S) -> (B, A, H)
    """Attend with each head of keys and values once for each head of queries that it serves."""
    group = query.shape[1] // keys.shape[2]
    keys, values = tf.repeat(keys, group, axis=2), tf.repeat(values, group, axis=2)
    weights = shares(tf.einsum("bah,bsah->bas", query, keys), query.shape[2], seen[:, None])
    return tf.einsum("bas,bsah->bah", weights, values)


def by_grouping(query, keys, values, seen):  # (B, A, H)  (B, S, K, H)  (B, S, K, H)  (B, S) -> (B, A, H)
    """Attend with the heads of queries grouped by the head of keys and values that serves them."""
    batch, heads, of_keys = tf.shape(query)[0], query.shape[1], keys.shape[2]
    grouped = tf.reshape(query, (batch, of_keys, heads // of_keys, query.shape[2]))  # (B, K, A / K, H)
    weights = shares(tf.einsum("bkgh,bskh->bkgs", grouped, keys), query.shape[2], seen[:, None, None])
    return tf.reshape(tf.einsum("bkgs,bskh->bkgh", weights, values), tf.shape(query))


def shares(products, size, seen):  # (B, …, S), H, (B, 1, …, S) -> (B, …, S)
    """Return the weights of what is seen, from products of queries and keys of that size."""
    scores = tf.where(seen, products / math.sqrt(size), float("-inf"))
    return runtime.nan_in_all(tf.nn.softmax(scores))


def beam_scores(log_probabilities, lengths, *, penalty=1.0, smoothing=0, variant="masked"):  # (B, T)  (B,)
    """Score hypotheses of different lengths: the sum of the log-probabilities of their tokens, over a penalty.

    Args:
        lengths: the tokens that each hypothesis has generated.
        penalty: 0 for the sum, 1 for the mean without smoothing; above 1, longer hypotheses are preferred.
        variant: "masked" or "ragged".

    Returns:
        scores: (B,), 0 for an empty hypothesis.

    >>> beam_scores(tf.constant([[-1.0, -2.0, -9.0]]), tf.constant([2]))["scores"].numpy()
    array([-1.5], dtype=float32)
    """
    if runtime.pick(("masked", "ragged"), variant) == "masked":
        real = runtime.valid(lengths, tf.shape(log_probabilities)[1])
        total = tf.reduce_sum(tf.where(real, log_probabilities, tf.zeros((), log_probabilities.dtype)), 1)
    else:
        total = tf.reduce_sum(tf.RaggedTensor.from_tensor(log_probabilities, lengths), 1)
    longer = (smoothing + tf.cast(tf.maximum(lengths, 1), total.dtype)) / (smoothing + 1)
    return {"scores": total / longer**penalty}
