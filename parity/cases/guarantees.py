"""Guarantee values that a random batch may lack: extreme ids, a repeated one, and one that looks like padding."""

from __future__ import annotations

import numpy as np

from parity.arrays import Array, Mask


def with_extreme_ids(ids: Array, real: Mask, largest: int, pad: int | None = None, repeated: bool = False) -> Array:
    """Return ids ``(B, T)`` whose real steps hold the largest and the smallest, as far as there are steps.

    Args:
        ids: sampled ids; the places where others are put depend on them only.
        real: ``(B, T)``, True on real steps.
        largest: the largest id.
        pad: the id of padding, if any; it occurs on a real step too, and is not counted as the smallest.
        repeated: whether the largest occurs twice in the longest sequence, before there is a smallest.

    >>> with_extreme_ids(np.full((1, 4), 2), np.ones((1, 4), bool), largest=6, pad=0, repeated=True)
    array([[1, 0, 6, 6]])
    """
    ids, rng = ids.copy(), np.random.default_rng([int(real.sum()), int(abs(ids[real].sum()))])
    places = rng.permutation(np.argwhere(real))
    in_longest = places[:, 0] == (np.argmax(real.sum(1)) if len(real) else 0)
    longest, others = places[in_longest], places[~in_longest]
    values = [largest] * (1 + repeated) + [1 if pad == 0 and largest else 0] + ([] if pad is None else [pad])
    for value, place in zip(values, [*longest[:2], *others, *longest[2:]], strict=False):
        ids[tuple(place)] = value
    return ids
