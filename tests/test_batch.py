"""Check batches and the distributions of lengths."""

from __future__ import annotations

from typing import Any

import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from parity import Batch
from parity.cases.lengths import DISTRIBUTIONS, fill_lengths, sample_lengths

RAGGED = st.lists(
    arrays.arrays(np.float32, st.tuples(st.integers(0, 5), st.just(2)), elements=st.floats(-9, 9, width=32)),
    min_size=1,
    max_size=5,
)


@given(RAGGED)
def test_padding_and_cutting_are_inverse(sequences: list[Any]) -> None:
    for before, after in zip(sequences, Batch.of(sequences).sequences(), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("batch", [0, 1, 2, 7])
def test_every_distribution_gives_lengths_that_fit(distribution: str, batch: int) -> None:
    lengths = sample_lengths(distribution, np.random.default_rng(0), batch, steps=5)
    assert len(lengths) == batch
    assert not len(lengths) or (lengths.min() >= 0 and lengths.max() <= 5)


def test_ragged_lengths_include_none_one_and_all_steps() -> None:
    for seed in range(20):
        assert {0, 1, 6} <= set(sample_lengths("ragged", np.random.default_rng(seed), 4, steps=6).tolist())


def mean_fill(distribution: str) -> float:
    samples = [sample_lengths(distribution, np.random.default_rng(seed), 64, steps=128) for seed in range(200)]
    return float(np.mean(samples)) / 128


def test_lognormal_lengths_are_short_except_one() -> None:
    assert mean_fill("lognormal") == pytest.approx(0.27, abs=0.01)
    for seed in range(20):
        lengths = sample_lengths("lognormal", np.random.default_rng(seed), 64, steps=128)
        assert (lengths.min() >= 1, lengths.max()) == (True, 128)


def test_bimodal_lengths_are_half_short_and_half_long() -> None:
    assert mean_fill("bimodal") == pytest.approx(0.5, abs=0.01)
    lengths = np.sort(sample_lengths("bimodal", np.random.default_rng(0), 64, steps=1024))
    assert lengths[31] < 512 < lengths[32]
    assert lengths[:32].mean() == pytest.approx(128, abs=64)
    assert lengths[32:].mean() == pytest.approx(896, abs=64)


SAMPLED = {
    "ragged": [1, 5, 6, 7, 4, 0],
    "uniform": [6, 5, 4, 2, 3, 1],
    "short": [6, 4, 4, 2, 2, 1],
    "one_long": [7, 1, 1, 0, 0, 0],
}


@pytest.mark.parametrize("distribution", SAMPLED)
def test_a_seed_always_gives_the_same_lengths(distribution: str) -> None:
    """Check sampled lengths against fixed ones; a seed that gives other lengths names another case."""
    assert sample_lengths(distribution, np.random.default_rng(0), 6, steps=7).tolist() == SAMPLED[distribution]


@given(st.floats(0.001, 1), st.integers(0, 70), st.integers(1, 300))
def test_lengths_of_a_given_fill_are_as_near_as_integers_allow(fill: float, batch: int, steps: int) -> None:
    lengths = fill_lengths(fill, np.random.default_rng(0), batch, steps)
    nearest = np.clip(round(fill * batch * steps), steps + batch - 1, batch * steps) if batch else 0
    assert (len(lengths), lengths.sum()) == (batch, nearest)
    assert not batch or (lengths.min() >= 1 and lengths.max() == steps)


def test_lengths_of_a_given_fill_spread_around_their_mean() -> None:
    lengths = np.sort(fill_lengths(0.25, np.random.default_rng(0), 64, steps=256))
    assert (lengths[0], lengths[62], lengths[63]) == (2, 120, 256)
    assert np.abs(lengths[:63] - np.linspace(2, 120, 63)).max() < 2
