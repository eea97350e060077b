"""Guarantee values that a random batch may lack: extreme ids, a repeated one, one like padding, and equal features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from parity.arrays import A_BYTE, Array, Mask


def with_extreme_ids(ids: Array, real: Mask, largest: int, pad: int | None = None, repeated: bool = False) -> Array:
    """Return ids ``(B, T)`` whose real steps hold the largest and the smallest, as far as there are steps.

    Args:
        ids: sampled ids; the places where others are put depend on them only.
        real: ``(B, T)``, True on real steps.
        largest: the largest id.
        pad: the id of padding, if any; it occurs on a real step too, and is not counted as the smallest. So does the
            id that a byte cannot tell from it, if there is one.
        repeated: whether the largest occurs twice in the longest sequence, before there is a smallest.

    >>> with_extreme_ids(np.full((1, 4), 2), np.ones((1, 4), bool), largest=6, pad=0, repeated=True)
    array([[1, 0, 6, 6]])
    """
    ids, rng = ids.copy(), np.random.default_rng([int(real.sum()), int(abs(ids[real].sum()))])
    places = rng.permutation(np.argwhere(real))
    in_longest = places[:, 0] == (np.argmax(real.sum(1)) if len(real) else 0)
    longest, others = places[in_longest], places[~in_longest]
    values = [largest] * (1 + repeated) + [1 if pad == 0 and largest else 0] + ([] if pad is None else [pad])
    values += [] if pad is None or pad + A_BYTE > largest else [pad + A_BYTE]
    for value, place in zip(values, [*longest[:2], *others, *longest[2:]], strict=False):
        ids[tuple(place)] = value
    return ids


def with_equal_values(array: Array, real: Mask, along: str, values: Sequence[float], rng: np.random.Generator) -> Array:
    """Return an array ``(B, T, H)`` in which some real values are equal; all others stay.

    A batch of one real step is left as it is, and so is a single feature over time: nothing else would be there.

    Args:
        array: sampled values.
        real: ``(B, T)``, True on real steps.
        along: "H" for the features of one step, "T" for one feature of the longest sequence, "BT" for one of the batch.
        values: what they may be equal to.
        rng: chooses the step, the feature and the value.

    >>> array = np.arange(4.0).reshape(1, 2, 2)
    >>> with_equal_values(array, np.ones((1, 2), bool), "T", [7.0], np.random.default_rng(0))
    array([[[0., 7.],
            [2., 7.]]])
    """
    steps = np.argwhere(real)
    if len(steps) < 2 or (along != "H" and array.shape[-1] < 2):
        return array
    array, chosen = array.copy(), real.copy()
    if along == "H":
        chosen[:] = False
        chosen[tuple(rng.choice(steps))] = True
    if along == "T":
        chosen[np.arange(len(real)) != np.argmax(real.sum(1))] = False
    feature = slice(None) if along == "H" else int(rng.integers(array.shape[-1]))
    array[chosen, feature] = rng.choice(np.asarray(values))
    return array
