"""Check that decoding by a cache is attention over whole sequences, step by step, in every framework."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest

from parity.arrays import Array
from parity.reference.attention import projected
from parity.reference.decoder import self_attention

HEADS, LENGTHS, STEPS = 2, np.array([5, 2, 0, 1]), 5


def sampled() -> tuple[Array, tuple[Array, ...]]:
    """Return steps, and weights of a layer whose output is what its heads have heard."""
    rng = np.random.default_rng(0)
    x, w_in = rng.normal(size=(len(LENGTHS), STEPS, 4)), rng.normal(size=(4, 3, 4))
    return x, (w_in, rng.normal(size=(2, 4)), np.eye(4), np.zeros(4))


def decoded(attend: Any, x: Array, weights: tuple[Array, ...], left: bool) -> Array:
    """Attend from each step by itself, over a cache that has the keys and values of those before it."""
    y = np.zeros(x.shape)
    split = np.stack([np.stack(projected(row, *weights[:2], HEADS)) for row in x]).swapaxes(2, 3)  # (B, 3, T, A, H / A)
    for count in range(1, STEPS + 1):
        there = np.minimum(LENGTHS, count)
        starts = STEPS - LENGTHS if left else 0 * LENGTHS
        newest = np.minimum(starts + np.maximum(there - 1, 0), STEPS - 1)
        width = STEPS if not left else STEPS - LENGTHS.max() + count
        moved = np.full(split.shape, np.nan)  # what is free holds anything
        for row, length in enumerate(there):
            first = width - length if left else 0
            moved[row, :, first : first + length] = split[row, :, starts[row] : starts[row] + length]
        q, k, v = split[np.arange(len(x)), :, newest].transpose(1, 0, 2, 3)
        found = attend(q, there, moved[:, 1, :width], moved[:, 2, :width], k, v, left=left)
        y[np.arange(len(x)), newest] += np.where((there == count)[:, None], found.reshape(len(x), -1), 0)
    return y


def by(framework: str) -> Any:
    """Return a framework's function from arrays to an array."""
    if framework == "reference":
        return lambda *arrays, **options: import_module("parity.reference.generation").cached_attention(
            *arrays, **options
        )["y"]
    convert = import_module("torch").tensor if framework == "pytorch" else import_module("tensorflow").constant
    attend = import_module(f"parity.{framework}.generation").cached_attention
    return lambda *arrays, **options: attend(*map(convert, arrays), **options)["y"].numpy()


@pytest.mark.parametrize("left", [False, True])
def test_decoding_with_a_cache_is_causal_attention(left: bool, framework: str) -> None:
    x, weights = sampled()
    expected = self_attention(x, LENGTHS, *weights, heads=HEADS, left=left)["y"]
    for name in ("reference", framework):
        assert decoded(by(name), x, weights, left) == pytest.approx(expected, abs=1e-12)
    assert np.isfinite(expected).all()
