"""Compute masks of 1 and 0, without gradient, from lengths, tokens and features."""

import autograd.numpy as np

from parity.reference import runtime


def sequence_mask(x, lengths):  # (B, T, D)  (B,)
    """Return a mask that is 1 on real steps and 0 on padding.

    Returns:
        mask: (B, T).

    >>> sequence_mask(np.zeros((2, 3, 1)), [2, 0])["mask"]
    array([[1., 1., 0.],
           [0., 0., 0.]])
    """
    ones = [np.ones((*row.shape[:-1], 1)) for row in runtime.sequences(x, lengths)]
    return {"mask": runtime.padded(ones, x[..., :1])[..., 0]}


def mask_from_tokens(tokens, lengths, table, *, padding_index=0):  # (B, T)  (B,)  (V, D)
    """Mask the pad wherever it occurs, also on real steps.

    Returns:
        mask: (B, T), 1 where the token is not the pad; y: (B, T, D), the token's row, zero where the mask is 0.

    >>> mask_from_tokens(np.array([[2, 0, 1, 0]]), [3], np.ones((3, 1)))["mask"]
    array([[1., 0., 1., 0.]])
    """
    lead, (batch, steps) = table.shape[:-2], tokens.shape
    real = [tokens[row, :length, None] != padding_index for row, length in enumerate(lengths)]  # B arrays (length, 1)
    rows = [np.where(real[row], table[..., tokens[row, :length], :], 0) for row, length in enumerate(lengths)]
    mask = runtime.padded([np.ones((*lead, *r.shape)) * r for r in real], np.zeros((*lead, batch, steps, 1)))
    return {"mask": mask[..., 0], "y": runtime.padded(rows, np.zeros((*lead, batch, steps, table.shape[-1])))}


def mask_from_features(x, lengths):  # (B, T, D)  (B,)
    """Mask frames whose features are all zero, also on real steps.

    Returns:
        mask: (B, T), 1 where any feature is not zero; y: (B, T, D), x where the mask is 1, else 0.

    >>> x = np.array([[[1.0, 0.0], [0.0, 0.0], [2.0, -2.0], [0.0, 0.0]]])
    >>> mask_from_features(x, [3])["mask"]
    array([[1., 0., 1., 0.]])
    """
    rows = runtime.sequences(x, lengths)
    used = [frame_used(row)[..., None] for row in rows]  # B arrays (..., length, 1)
    y = runtime.padded([row * u for row, u in zip(rows, used)], x)
    return {"mask": runtime.padded(used, x[..., :1])[..., 0], "y": y}


def length_from_features(x, lengths):  # (B, T, D)  (B,)
    """Count the steps up to the last frame that is not all zeros.

    The count is too small if a sequence ends in frames of zeros; such frames in the middle do not matter.

    Returns:
        length: (B,).

    >>> x = np.array([[[1.0, 0.0], [0.0, 0.0], [2.0, 3.0], [0.0, 0.0]]])
    >>> length_from_features(x, [4])["length"]
    array([3.])
    """
    used = [frame_used(row) for row in runtime.sequences(x, lengths)]  # B arrays (..., length)
    found = [np.max(u * np.arange(1, u.shape[-1] + 1), -1, initial=0) for u in used]
    return {"length": runtime.stack(found, -1, (*x.shape[:-3], 0))}


def length_from_tokens(tokens, lengths, table, *, padding_index=0, until="first_pad", left=False):
    """Count the tokens of each sequence (B, T), and look up the last one that counts in the table (V, D).

    Rows are padded with the pad, on the right, or on the left: then they are read from their ends.

    Args:
        until: "first_pad", also where it stands among the words, or "last_word", so that such pads count.
        left: whether padding precedes each sequence.

    Returns:
        length: (B,); T for a row without a pad.
        y: (B, D), the row of the last token that counts; zero, without gradient, if there is none, or if it is the pad.

    >>> tokens = np.array([[1, 0, 1, 0], [1, 1, 1, 1]])
    >>> length_from_tokens(tokens, [3, 4], np.ones((2, 1)))["length"]
    array([1., 4.])
    >>> length_from_tokens(tokens, [3, 4], np.ones((2, 1)), until="last_word")["length"]
    array([3., 4.])
    """
    length, y = [], []
    for row in runtime.items(tokens, lengths, left):
        words = (row[::-1] if left else row) != padding_index
        ends = np.flatnonzero(words) + 1 if until == "last_word" else np.flatnonzero(~words)
        whole = 0 if until == "last_word" else len(row)
        count = ends[-1 if until == "last_word" else 0] if len(ends) else whole
        last = row[-1 if left else count - 1] if count else padding_index
        length.append(np.full(table.shape[:-2], count * 1.0))
        y.append(np.where(last != padding_index, table[..., last, :], 0))
    lead = table.shape[:-2]
    return {"length": runtime.stack(length, -1, (*lead, 0)), "y": runtime.stack(y, -2, (*lead, 0, table.shape[-1]))}


def positions(x, lengths, *, first=0, left=False):  # (B, T, D)  (B,)
    """Return the position of each real step in its sequence.

    Args:
        first: the position of the first real step.
        left: whether padding precedes each sequence.

    Returns:
        position: (B, T), zero on padding.

    >>> positions(np.zeros((2, 3, 1)), [2, 0], left=True)["position"]
    array([[0., 0., 1.],
           [0., 0., 0.]])
    """
    rows = []
    for row in runtime.sequences(x, lengths, left):
        steps = np.arange(first, first + row.shape[-2])
        rows.append(np.zeros((*row.shape[:-1], 1)) + steps[:, None])
    return {"position": runtime.padded(rows, x[..., :1], left)[..., 0]}


def mask_frames(x, lengths):  # (B, T, D)  (B,)
    """Keep the frames of each sequence, and replace padding by zeros.

    Returns:
        y: (B, T, D).

    >>> mask_frames(np.array([[[1.0], [2.0], [np.nan]]]), [2])["y"].ravel()
    array([1., 2., 0.])
    """
    return {"y": runtime.padded(runtime.sequences(x, lengths), x)}


def frame_used(row):  # (..., n, D) -> (..., n)
    return np.any(row != 0, -1) * 1.0
