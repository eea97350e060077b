"""Compute on packed rows, which hold several documents, in TensorFlow.

A row is one sequence to whatever does not know the documents: a layer's state, window or attention crosses from one to
the next unless it is kept from that. No mask of Keras does that: a step that is masked keeps the state, and does not
reset it. So rows are cut into documents by a `tf.RaggedTensor`, or ``segments`` is compared. Its row splits are what
kernels such as flash attention call ``cu_seqlens``: where each document begins among the real steps of all rows, and
the number of these behind it. See https://www.tensorflow.org/guide/ragged_tensor.
"""

import keras
import tensorflow as tf

from parity.tensorflow import attention, runtime
from parity.tensorflow import rnn as one_way


def positions(x, lengths, segments, *, variant="ragged"):  # (B, T, D)  (B,)  (B, T)
    """Count the steps of each document, each from 0 on.

    Args:
        variant: "ragged" (of the real steps of all rows), or "compared" (how many earlier steps have the same id).

    Returns:
        positions: (B, T), zero on padding.
        document_lengths: (B, T), the length of the document of each step, zero on padding.

    >>> given = tf.constant([3]), tf.constant([[7, 7, 2, 2]])
    >>> positions(tf.zeros((1, 4, 1)), *given)["positions"].numpy().tolist()
    [[0, 1, 0, 0]]
    """
    real = runtime.valid(lengths, tf.shape(x)[1])
    if runtime.pick(("ragged", "compared"), variant) == "ragged":
        sizes = document_sizes(segments, real)
        within = tf.ragged.range(sizes).flat_values
        return {"positions": placed(within, real), "document_lengths": placed(tf.repeat(sizes, sizes), real)}
    same = seen(segments, real) & real[:, :, None]
    earlier = tf.linalg.band_part(tf.cast(same, tf.int32), -1, 0)  # itself, too
    return {
        "positions": tf.maximum(tf.reduce_sum(earlier, 2) - 1, 0),
        "document_lengths": tf.reduce_sum(tf.cast(same, tf.int32), 2),
    }


def self_attention(x, lengths, segments, w_in, bias_in, w_out, bias_out, *, heads, causal=True, variant="layer"):
    """Compute multi-head attention among the steps of each document.

    Args:
        x: (B, T, H). lengths: (B,). segments: (B, T), an id for the document of each step.
        w_in, bias_in: (H, 3, H), (2, H), for queries, keys and values, head by head; keys need no bias.
        w_out, bias_out: (H, H), (H,).
        heads: number of heads, which divides H.
        causal: whether a step attends only to itself and the steps before it.
        variant: "layer" or "dot_product".

    Returns:
        y: (B, T, H), zero on padding.

    >>> w_in, zero = tf.constant([[[0.0], [0.0], [1.0]]]), tf.zeros((2, 1))
    >>> x, segments = tf.constant([[[2.0], [0.0], [9.0], [5.0]]]), tf.constant([[7, 7, 2, 2]])
    >>> given = tf.constant([3]), segments, w_in, zero, tf.ones((1, 1)), tf.zeros(1)
    >>> self_attention(x, *given, heads=1)["y"].numpy().ravel().tolist()
    [2.0, 1.0, 9.0, 0.0]
    """
    real = runtime.valid(lengths, tf.shape(x)[1])
    x, mask = runtime.only_real(real, x), seen(segments, real)
    weights = attention.keras_layout(w_in, bias_in, w_out, bias_out, heads)
    if runtime.pick(("layer", "dot_product"), variant) == "layer":
        layer = attention.built(x.shape[2], heads, x.dtype)
        y = runtime.call_layer(layer, weights, x, x, attention_mask=mask, use_causal_mask=causal)
    else:
        y = by_function(weights, x, tf.linalg.band_part(mask, -1, 0) if causal else mask)
    return {"y": runtime.only_real(real, y)}


def seen(segments, real):  # (B, T)  (B, T) -> (B, T, T)
    """Return True where a query may attend to a key: a real one of its document."""
    return (segments[:, :, None] == segments[:, None]) & real[:, None]


def by_function(weights, x, mask):  # (B, T, H)  (B, T, T)
    """Project by the weights of a layer, and attend by `keras.ops.dot_product_attention`."""
    w_q, b_q, w_k, b_k, w_v, b_v, w_out, bias_out = weights
    q, k, v = (tf.einsum("bth,hac->btac", x, w) + b for w, b in ((w_q, b_q), (w_k, b_k), (w_v, b_v)))
    scale = q.shape[3] ** -0.5 / attention.lost_scale(q.shape[3], q.dtype)  # its own is rounded in another way
    heard = keras.ops.dot_product_attention(q, k, v, mask=mask[:, None], scale=scale)
    return tf.einsum("btac,ach->bth", heard, w_out) + bias_out


def gru(x, lengths, segments, w_in, w_rec, bias, start=None, *, variant="unpacked"):
    """Run a GRU over each document alone.

    Args:
        x: (B, T, D). lengths: (B,). segments: (B, T), an id for the document of each step.
        w_in, w_rec, bias: tuples of (D, 3, H), (H, 3, H), (4, H), one for each layer.
        start: (L, H), the state of each layer before the first step of any document; zeros by default.
        variant: "unpacked" (documents are rows), or "stepwise" (`tf.scan`, whose state is reset).

    Returns:
        y: (B, T, H), the last layer's state at every step, zero on padding.

    >>> one, zero = [tf.ones((1, 3, 1))], [tf.zeros((4, 1))]
    >>> y = gru(tf.ones((1, 3, 1)), tf.constant([3]), tf.constant([[1, 1, 0]]), one, one, zero)["y"]
    >>> [round(float(step), 4) for step in y[0, :, 0]]
    [0.2048, 0.3468, 0.2048]
    """
    weights, real = list(zip(w_in, w_rec, bias)), runtime.valid(lengths, tf.shape(x)[1])
    start = tf.zeros([len(weights), one_way.width(weights)], x.dtype) if start is None else start
    run = runtime.pick({"unpacked": unpacked, "stepwise": stepwise}, variant)
    return {"y": run(x, segments, real, weights, start)}


def unpacked(x, segments, real, weights, start):
    """Run Keras layers on the documents as rows, and put their states where they were."""
    rows, sizes = cut(x, segments, real)
    initial = tf.repeat(start[:, None], tf.size(sizes), axis=1)  # (L, N, H)
    y, _ = one_way.masked(keras.layers.GRU, rows, sizes, weights, [initial])
    return placed(tf.boolean_mask(y, runtime.valid(sizes, tf.shape(y)[1])), real)


def stepwise(x, segments, real, weights, start):
    """Run a cell step by step in `tf.scan`; its state is reset where a document begins."""
    first, y = starts(segments, real), runtime.only_real(real, x)
    for layer, layer_weights in enumerate(weights):
        step = one_way.STEPS[keras.layers.GRU](*layer_weights)

        def reset_and_step(state, now, step=step, initial=start[layer]):
            x_t, first_t = now  # (B, D)  (B,)
            return step(x_t, [tf.where(first_t[:, None], initial, state)])[0]

        initial = tf.repeat(start[layer][None], tf.shape(x)[0], axis=0)
        states = tf.scan(reset_and_step, (tf.transpose(y, [1, 0, 2]), tf.transpose(first)), initial)
        y = runtime.only_real(real, tf.transpose(states, [1, 0, 2]))
    return y


def convolution(x, lengths, segments, kernel, bias, *, causal=False, variant="unpacked"):
    """Convolve each document alone, with zeros before and behind it.

    Args:
        x: (B, T, D). lengths: (B,). segments: (B, T), an id for the document of each step.
        kernel, bias: (K, D, H), (H,).
        causal: whether a step sees no later one.
        variant: "unpacked" (a Keras layer on documents as rows), or "shifted" (what is of another document is 0).

    Returns:
        y: (B, T, H), zero on padding.

    >>> x, segments = tf.constant([[[1.0], [2.0], [4.0], [8.0]]]), tf.constant([[7, 7, 2, 2]])
    >>> convolution(x, tf.constant([3]), segments, tf.ones((3, 1, 1)), tf.zeros(1))["y"].numpy().ravel().tolist()
    [3.0, 3.0, 4.0, 0.0]
    """
    real = runtime.valid(lengths, tf.shape(x)[1])
    if runtime.pick(("unpacked", "shifted"), variant) == "shifted":
        y = shifted(runtime.only_real(real, x), segments, kernel, causal) + bias
        return {"y": runtime.only_real(real, y)}
    rows, sizes = cut(x, segments, real)
    layer = built(*kernel.shape, x.dtype, "causal" if causal else "same")
    y = runtime.call_layer(layer, [kernel, bias], rows)
    return {"y": placed(tf.boolean_mask(y, runtime.valid(sizes, tf.shape(y)[1])), real)}


def shifted(x, segments, kernel, causal):  # (B, T, D)  (B, T)  (K, D, H) -> (B, T, H)
    """Add up the products with each step of the kernel, of the steps that are in the same document."""
    size, steps = kernel.shape[0], tf.shape(x)[1]
    before = size - 1 if causal else (size - 1) // 2
    margins = [before, size - 1 - before]
    values, ids = tf.pad(x, [[0, 0], margins, [0, 0]]), tf.pad(segments, [[0, 0], margins], constant_values=-1)
    products = []
    for k in range(size):
        same = ids[:, k : k + steps] == segments
        products.append(tf.tensordot(runtime.only_real(same, values[:, k : k + steps]), kernel[k], 1))
    return tf.add_n(products)


@runtime.built_once
def built(size, features, units, dtype, padding):
    """Build an empty convolution once; its weights are passed in at every call."""
    layer = keras.layers.Conv1D(units, size, padding=padding, dtype=dtype.name)
    layer.build((None, None, features))
    return layer


def next_token_loss(logits, lengths, segments, tokens, *, per_document=False, variant="ignore_class"):
    """Average the cross entropy of the next token, which the last step of a document does not have.

    Args:
        logits: (B, T, C). lengths: (B,). segments, tokens: (B, T).
        per_document: whether to average over each document, then over all that have two steps or more.
        variant: "ignore_class", or "flattened" (steps with a target selected).

    Returns:
        loss: ().

    >>> logits = tf.constant([[[0.0, 0.0], [0.0, 90.0], [0.0, 0.0]]])  # log 2 for the first step
    >>> given = tf.constant([3]), tf.constant([[7, 7, 2]]), tf.constant([[1, 0, 0]])
    >>> round(float(next_token_loss(logits, *given)["loss"]), 4)
    0.6931
    """
    real = runtime.valid(lengths, tf.shape(tokens)[1])
    first = starts(segments, real)
    followed = tf.pad((real & ~first)[:, 1:], [[0, 0], [0, 1]])  # (B, T)
    following = tf.roll(tokens, -1, 1)
    if runtime.pick(("ignore_class", "flattened"), variant) == "flattened":
        kept = tf.boolean_mask(following, followed), tf.boolean_mask(logits, followed)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(*kept)  # (n,)
    else:
        options = {"from_logits": True, "ignore_class": -1, "reduction": None, "dtype": logits.dtype.name}
        loss = keras.losses.SparseCategoricalCrossentropy(**options)
        targets = tf.where(followed, following, tf.constant(-1, tokens.dtype))
        losses = tf.boolean_mask(loss(targets, runtime.only_real(followed, logits)), followed)
    if not per_document:
        return {"loss": tf.reduce_sum(losses) / at_least_one(followed, losses.dtype)}
    sizes = document_sizes(segments, real)
    counts = tf.repeat(sizes, tf.maximum(sizes - 1, 0)) - 1  # targets of the document of each target
    return {"loss": tf.reduce_sum(losses / tf.cast(counts, losses.dtype)) / at_least_one(sizes > 1, losses.dtype)}


def at_least_one(chosen, dtype):
    """Count what is True; return at least 1."""
    return tf.maximum(tf.reduce_sum(tf.cast(chosen, dtype)), 1)


def starts(segments, real):  # (B, T)  (B, T) -> (B, T)
    """Return True on the first step of each document."""
    before = tf.pad(segments[:, :-1], [[0, 0], [1, 0]], constant_values=-1)
    return real & (segments != before)


def document_sizes(segments, real):  # (B, T)  (B, T) -> (N,)
    """Return the length of each document of all rows."""
    ends = cu_seqlens(segments, real)
    return ends[1:] - ends[:-1]


def cu_seqlens(segments, real):  # (B, T)  (B, T) -> (N + 1,)
    """Return where each document begins among the real steps of all rows, and the number of these."""
    begins = tf.where(tf.boolean_mask(starts(segments, real), real))[:, 0]
    return tf.concat([begins, [tf.math.count_nonzero(real)]], 0)


def cut(x, segments, real):  # (B, T, D)  (B, T)  (B, T) -> (N, L, D)  (N,)
    """Return the documents of all rows as padded rows, and their lengths.

    Without any, there is an empty one of a step of padding: a convolution of no rows has the wrong shape.
    """
    sizes = document_sizes(segments, real)
    sizes = tf.pad(sizes, [[0, tf.cast(tf.size(sizes) == 0, tf.int32)]])
    rows = tf.RaggedTensor.from_row_lengths(tf.boolean_mask(x, real), sizes).to_tensor()
    return tf.pad(rows, [[0, 0], [0, tf.maximum(1 - tf.shape(rows)[1], 0)], [0, 0]]), sizes


def placed(steps, real):  # (n, ...)  (B, T) -> (B, T, ...)
    """Put the results of all real steps where these are, and zeros elsewhere."""
    shape = tf.concat([tf.shape(real, tf.int64), tf.shape(steps, tf.int64)[1:]], 0)
    return tf.scatter_nd(tf.where(real), steps, shape)
