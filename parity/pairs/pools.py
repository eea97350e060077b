"""Compute one answer for each sequence from its steps, by the usual names."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from parity.arrays import Array, Mask


def _last_real(x: Array, mask: Mask) -> Array:
    return np.asarray(x[np.arange(len(x)), mask.shape[1] - 1 - np.argmax(mask[:, ::-1], axis=1)])


def _both_ends(x: Array, mask: Mask) -> Array:
    half = x.shape[-1] // 2
    last, first = _last_real(x, mask), x[np.arange(len(x)), np.argmax(mask, axis=1)]
    return np.concatenate([last[..., :half], first[..., half:]], -1)


def filled(x: Array, mask: Mask, value: float) -> Array:
    return np.where(mask.reshape(*mask.shape, *[1] * (x.ndim - 2)), x, value)


Pool = Callable[[Array, Mask], Array]
POOLS: dict[str, Pool] = {
    "the mean over real steps": lambda x, m: (filled(x, m, 0).sum(1).T / m.sum(1)).T,
    "the mean over all steps, padding included": lambda x, m: x.mean(1),  # noqa: ARG005
    "the sum over real steps divided by T": lambda x, m: filled(x, m, 0).sum(1) / m.shape[1],
    "the maximum over real steps": lambda x, m: filled(x, m, -np.inf).max(1),
    "the maximum over all steps, padding included": lambda x, m: x.max(1),  # noqa: ARG005
    "the maximum over real steps and 0": lambda x, m: filled(x, m, 0).max(1),
    "the sum over real steps": lambda x, m: filled(x, m, 0).sum(1),
    "the sum over all steps, padding included": lambda x, m: x.sum(1),  # noqa: ARG005
    "the last real step": _last_real,
    "the last column, padding included": lambda x, m: x[:, -1],  # noqa: ARG005
    "the last column of what is 0 on padding": lambda x, m: filled(x, m, 0)[:, -1],
    "the column before the last": lambda x, m: x[:, -2],  # noqa: ARG005
    "the first step": lambda x, m: x[:, 0],  # noqa: ARG005
    "the end of each direction": _both_ends,
    "the end of the forward direction": lambda x, m: _both_ends(x, m)[..., : x.shape[-1] // 2],
    "the end of the backward direction": lambda x, m: _both_ends(x, m)[..., x.shape[-1] // 2 :],
}
ENTRIES = {
    "the last column, padding included": "packing.last_output",
    "the last column of what is 0 on padding": "packing.last_output",
    "the mean over all steps, padding included": "masking.lost_silently",
    "the sum over real steps divided by T": "pooling.multiply_then_mean",
    "the maximum over real steps and 0": "pooling.max_of_zeros",
    "the end of the backward direction": "bidirectional.last_output",
}
