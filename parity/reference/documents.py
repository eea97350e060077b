"""Compute on packed rows; each row is cut into its documents first, which are computed one at a time."""

import autograd.numpy as np

from parity.reference import loss, rnn, runtime
from parity.reference.attention import joined, projected
from parity.reference.decoder import attended


def positions(x, lengths, segments):  # (B, T, D)  (B,)  (B, T)
    """Count the steps of each document, each from 0 on.

    Returns:
        positions: (B, T), zero on padding.
        document_lengths: (B, T), the length of the document of each step, zero on padding.

    >>> positions(np.zeros((1, 4, 1)), [3], np.array([[7, 7, 2, 2]]))["positions"]
    array([[0., 1., 0., 0.]])
    """
    sizes = [[part.stop - part.start for part in parts] for parts in slices(segments, lengths)]
    steps = [[np.arange(size) for size in row] for row in sizes]
    totals = [[np.full(size, size) for size in row] for row in sizes]
    return {"positions": _counts(steps, x), "document_lengths": _counts(totals, x)}


def self_attention(x, lengths, segments, w_in, bias_in, w_out, bias_out, *, heads, causal=True):
    """Compute multi-head attention among the steps of each document.

        head = softmax(q kᵀ / sqrt(H / heads)) v        y = [head; head; …] w_out + bias_out

    Args:
        x: (B, T, H). lengths: (B,). segments: (B, T), an id for the document of each step.
        w_in, bias_in: (H, 3, H), (2, H), as for `parity.reference.attention.multi_head_attention`.
        w_out, bias_out: (H, H), (H,).
        heads: number of heads, which divides H.
        causal: whether a step attends only to itself and the steps before it.

    Returns:
        y: (B, T, H), zero on padding.

    >>> one, zero = np.ones((1, 3, 1)), np.zeros((2, 1))
    >>> given = np.array([[7, 7, 2, 2]]), 0 * one + [[0], [0], [1]], zero, np.ones((1, 1)), np.zeros(1)
    >>> self_attention(np.array([[[2.0], [0.0], [9.0], [5.0]]]), [3], *given, heads=1)["y"].ravel()
    array([2., 1., 9., 0.])
    """

    def attend(alone):  # (n, H)
        q, k, v = projected(alone, w_in, bias_in, heads)
        earlier = np.tri(alone.shape[-2], dtype=bool) if causal else True  # (n, n): queries, keys
        return joined(attended(q, k, v, earlier)[0], w_out, bias_out)

    return {"y": each_document(attend, x, lengths, segments, x.shape[-1])}


def gru(x, lengths, segments, w_in, w_rec, bias, start=None):
    """Run a GRU over each document alone, as `parity.reference.rnn.gru` does.

    Args:
        x: (B, T, D). lengths: (B,). segments: (B, T), an id for the document of each step.
        w_in, w_rec, bias: tuples of (D, 3, H), (H, 3, H), (4, H), one for each layer.
        start: (L, H), the state of each layer before the first step of any document; zeros by default.

    Returns:
        y: (B, T, H), the last layer's state at every step, zero on padding.

    >>> one, zero = [np.ones((1, 3, 1))], [np.zeros((4, 1))]
    >>> gru(np.ones((1, 3, 1)), [3], np.array([[1, 1, 0]]), one, one, zero)["y"].round(4).ravel()
    array([0.2048, 0.3468, 0.2048])
    """
    hidden = w_rec[0].shape[-1]
    start = np.zeros((*x.shape[:-3], len(w_in), hidden)) if start is None else start

    def run(alone):  # (n, D)
        for layer in range(len(w_in)):
            state = (start[..., layer, :],)
            alone, _ = rnn.over_sequence(rnn.gru_step, alone, w_in[layer], w_rec[layer], bias[layer], state)
        return alone

    return {"y": each_document(run, x, lengths, segments, hidden)}


def convolution(x, lengths, segments, kernel, bias, *, causal=False):
    """Convolve each document alone, with zeros before and behind it.

        y[t] = Σ_k x[t + k - before] kernel[k] + bias        before = K - 1 if causal, else (K - 1) // 2

    Args:
        x: (B, T, D). lengths: (B,). segments: (B, T), an id for the document of each step.
        kernel, bias: (K, D, H), (H,).
        causal: whether a step sees no later one.

    Returns:
        y: (B, T, H), zero on padding.

    >>> given = np.array([[7, 7, 2, 2]]), np.ones((3, 1, 1)), np.zeros(1)
    >>> convolution(np.array([[[1.0], [2.0], [4.0], [8.0]]]), [3], *given)["y"].ravel()
    array([3., 3., 4., 0.])
    """
    size = kernel.shape[-3]
    before = size - 1 if causal else (size - 1) // 2

    def convolve(alone):  # (n, D)
        lead, steps, features = alone.shape[:-2], alone.shape[-2], alone.shape[-1]
        zeros = [np.zeros((*lead, count, features)) for count in (before, size - 1 - before)]
        whole = np.concatenate([zeros[0], alone, zeros[1]], -2)
        windows = np.stack([whole[..., k : k + steps, :] for k in range(size)], -2)  # (n, K, D)
        return np.einsum("...nkd,...kdh->...nh", windows, kernel) + bias[..., None, :]

    return {"y": each_document(convolve, x, lengths, segments, bias.shape[-1])}


def next_token_loss(logits, lengths, segments, tokens, *, per_document=False):  # (B, T, C)  (B,)  (B, T)  (B, T)
    """Average the cross entropy of the next token, which the last step of a document does not have.

    Args:
        per_document: whether to average over each document, then over all that have two steps or more.

    Returns:
        loss: ().

    >>> logits = np.array([[[0.0, 0.0], [0.0, 90.0], [0.0, 0.0]]])  # log 2 for the first step
    >>> round(float(next_token_loss(logits, [3], np.array([[7, 7, 2]]), np.array([[1, 0, 0]]))["loss"]), 4)
    0.6931
    """
    losses = []
    for row, parts in enumerate(slices(segments, lengths)):
        for part in parts:
            known, following = slice(part.start, part.stop - 1), slice(part.start + 1, part.stop)
            alone = logits[..., row : row + 1, known, :], tokens[row : row + 1, following]
            losses += loss.by_token(*alone, [part.stop - part.start - 1])
    if per_document:
        losses = [np.mean(one, -1)[..., None] for one in losses if one.shape[-1]]
    return {"loss": loss.mean_over_steps(losses, [one.shape[-1] for one in losses], logits)}


def slices(segments, lengths):  # (B, T)  (B,)
    """Return the steps of each document: a list of slices for each row."""
    found = []
    for ids, length in zip(segments, lengths):
        starts = [t for t in range(int(length)) if t == 0 or ids[t] != ids[t - 1]]
        found.append([slice(*ends) for ends in zip(starts, [*starts[1:], int(length)])])
    return found


def each_document(compute, x, lengths, segments, width):  # (B, T, D) -> (B, T, width)
    """Compute on each document alone (n, D), and put the results (n, width) where it was."""
    nothing = np.zeros((*x.shape[:-3], 0, width))
    rows = []
    for row, parts in enumerate(slices(segments, lengths)):
        results = [compute(x[..., row, part, :]) for part in parts]
        rows.append(np.concatenate(results, -2) if results else nothing)
    return runtime.padded(rows, np.zeros((*x.shape[:-1], width)))


def _counts(rows, x):  # B lists of arrays (n,), (B, T, D) -> (B, T)
    """Join the counts of each row's documents."""
    lead = x.shape[:-3]
    joined = [np.concatenate([*row, np.zeros(0)])[:, None] for row in rows]
    return runtime.padded([np.ones((*lead, 1, 1)) * row for row in joined], x[..., :1])[..., 0]
