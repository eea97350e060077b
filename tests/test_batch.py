"""Batches, lengths and their moves."""

from __future__ import annotations

from typing import Any

import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from parity import Batch, InputError
from parity.batch import LENGTHS, check_lengths, draw_lengths

RAGGED = st.lists(
    arrays.arrays(np.float32, st.tuples(st.integers(0, 5), st.just(2)), elements=st.floats(-9, 9, width=32)),
    min_size=1,
    max_size=5,
)


@given(RAGGED)
def test_padding_and_cutting_are_inverse(sequences: list[Any]) -> None:
    for before, after in zip(sequences, Batch.of(sequences).sequences(), strict=True):
        np.testing.assert_array_equal(before, after)


@given(RAGGED, st.integers(0, 3))
def test_moves_leave_the_sequences_alone(sequences: list[Any], extra: int) -> None:
    batch = Batch.of(sequences)
    for moved in (batch.extended(extra), batch.refilled(lambda n: np.full(n, np.nan, np.float32))):
        for before, after in zip(sequences, moved.sequences(), strict=True):
            np.testing.assert_array_equal(before, after)


@given(RAGGED)
def test_refilling_replaces_all_padding_and_nothing_else(sequences: list[Any]) -> None:
    batch = Batch.of(sequences, steps=6).refilled(lambda n: np.full(n, np.nan, np.float32))
    np.testing.assert_array_equal(np.isnan(batch.values).all(2), ~batch.mask)


@given(RAGGED)
def test_taking_rows_permutes_sequences(sequences: list[Any]) -> None:
    batch = Batch.of(sequences)
    order = list(reversed(range(len(sequences))))
    for before, after in zip(reversed(sequences), batch.taken(order).sequences(), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("distribution", LENGTHS)
@pytest.mark.parametrize("batch", [0, 1, 2, 7])
def test_every_distribution_gives_lengths_that_fit(distribution: str, batch: int) -> None:
    lengths = draw_lengths(distribution, np.random.default_rng(0), batch, steps=5)
    assert len(lengths) == batch
    assert not len(lengths) or (lengths.min() >= 0 and lengths.max() <= 5)


def test_ragged_lengths_hold_none_one_and_all() -> None:
    for seed in range(20):
        assert {0, 1, 6} <= set(draw_lengths("ragged", np.random.default_rng(seed), 4, steps=6).tolist())


WRONG = {
    "too long": ([1, 9], r"lengths: got 9 at index 1, expected at most T = 5"),
    "negative": ([-1, 2], r"lengths: got -1 at index 0, expected lengths of 0 or more"),
    "not integers": ([1.0, 2.0], r"lengths: got dtype float64, expected integers"),
    "not one axis": ([[1], [2]], r"lengths: got shape \(2, 1\), expected one axis"),
    "not one each": ([1, 2, 3], r"lengths: got 3 lengths, expected one for each of the 2 sequences"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_lengths_are_named(case: str) -> None:
    lengths, message = WRONG[case]
    with pytest.raises(InputError, match=message):
        check_lengths(lengths, steps=5, batch=2)


def test_wrong_sequences_are_named() -> None:
    with pytest.raises(InputError, match="sequences: got none"):
        Batch.of([])
    with pytest.raises(InputError, match="equal trailing axes"):
        Batch.of([np.zeros((2, 3)), np.zeros((2, 4))])
    with pytest.raises(InputError, match="expected at most T = 1"):
        Batch.of([[1, 2]], steps=1)
    with pytest.raises(InputError, match="at least two axes"):
        Batch(np.zeros(3), np.array([1, 1, 1]))
