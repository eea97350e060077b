"""The comparison: form before numbers, NaN never swallowed, the same answer whatever the chunk."""

from __future__ import annotations

import math
from typing import Any

import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from parity import InputError
from parity.compare import CHUNK, compare, difference

PAIRS = st.integers(1, 40).flatmap(
    lambda n: st.tuples(*(arrays.arrays(np.float64, n, elements=st.floats(-1e6, 1e6)) for _ in range(2)))
)


@given(PAIRS)
def test_scores_are_what_the_definition_says(pair: tuple[Any, Any]) -> None:
    observed, expected = pair
    found = difference("y", observed, expected, np.full(expected.shape, 2.0))
    error = np.abs(observed - expected)
    assert found.max_abs_error == error.max()
    assert found.score == pytest.approx((error / 2).max())
    assert found.norm_score == pytest.approx(np.linalg.norm(error) / np.linalg.norm(np.full(error.shape, 2.0)))
    assert error[found.worst_index] == error.max()


@given(PAIRS)
def test_an_exact_comparison_passes_only_equal_arrays(pair: tuple[Any, Any]) -> None:
    observed, expected = pair
    assert difference("y", observed, expected, None).failed == (not np.array_equal(observed, expected))


def test_a_fault_behind_the_first_chunk_is_found() -> None:
    expected = np.zeros((3, CHUNK))
    observed = expected.copy()
    observed[2, 7] = 1.0
    found = difference("y", observed, expected, np.full(expected.shape, 1e-3))
    assert (found.failed, found.worst_index, found.compared) == (True, (2, 7), 3 * CHUNK)


STRANGE = {
    "NaN where a number should be": ([np.nan, 1.0], [0.0, 1.0]),
    "a number where NaN should be": ([0.0, 1.0], [np.nan, 1.0]),
    "inf where a number should be": ([np.inf, 1.0], [0.0, 1.0]),
    "inf of the other sign": ([-np.inf, 1.0], [np.inf, 1.0]),
}


@pytest.mark.parametrize("case", STRANGE)
@pytest.mark.parametrize("floor", [None, np.ones(2)])
def test_nan_and_inf_are_compared(case: str, floor: Any) -> None:
    observed, expected = (np.array(side) for side in STRANGE[case])
    found = difference("y", observed, expected, floor)
    assert found.failed
    assert found.score == math.inf
    assert found.worst_index == (0,)


def test_equal_nan_and_inf_are_equal() -> None:
    both = np.array([np.nan, np.inf, -np.inf, 1.0])
    assert not difference("y", both, both.copy(), None).failed


def test_where_the_floor_is_zero_the_error_must_be() -> None:
    expected, floor = np.zeros(3), np.array([0.0, 1.0, 1.0])
    assert not difference("y", np.array([0.0, 0.5, 0.0]), expected, floor).failed
    found = difference("y", np.array([1e-30, 0.0, 0.0]), expected, floor)
    assert "where the floor is 0 and the value must be exact" in found.reason


def test_the_norm_has_its_own_limit() -> None:
    """Every element a little off is worse than one element a little off."""
    floor = np.ones(100)
    all_off, one_off = np.full(100, 30.0), np.zeros(100)
    one_off[3] = 30.0
    assert "norm-wise" in difference("y", all_off, np.zeros(100), floor).reason
    assert not difference("y", one_off, np.zeros(100), floor).failed


FORMS = {
    "missing": ({}, "missing"),
    "unexpected": ({"y": np.zeros(2), "z": np.zeros(2)}, "unexpected"),
    "shape": ({"y": np.zeros(3)}, r"shape (3,), expected (2,)"),
    "dtype": ({"y": np.zeros(2, np.float32)}, "dtype float32, expected float64"),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_wrong_form_has_its_own_sentence(form: str) -> None:
    observed, sentence = FORMS[form]
    reasons = [found.reason for found in compare(observed, {"y": np.zeros(2)})]  # type: ignore[arg-type]
    assert any(sentence in reason for reason in reasons)


def test_nothing_to_compare_is_an_error() -> None:
    with pytest.raises(InputError, match="a comparison of nothing proves nothing"):
        compare({}, {})


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -1.0])
def test_a_floor_that_would_swallow_errors_is_refused(wrong: float) -> None:
    with pytest.raises(InputError, match=r"floor of 'y': got NaN, inf or less than 0"):
        compare({"y": np.ones(2)}, {"y": np.zeros(2)}, {"y": np.array([1.0, wrong])})


@pytest.mark.parametrize("floor", [{}, {"y": np.ones(3)}])
def test_a_floor_that_does_not_fit_is_named(floor: Any) -> None:
    with pytest.raises(InputError, match=r"floor of 'y': got .*, expected shape \(2,\)"):
        compare({"y": np.zeros(2)}, {"y": np.zeros(2)}, floor)


def test_a_difference_is_no_bool() -> None:
    with pytest.raises(TypeError, match=r"ask for \.failed"):
        bool(difference("y", np.zeros(2), np.zeros(2), None))
