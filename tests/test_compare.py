"""Compare arrays: names and shapes before numbers, NaN as a difference, any chunk with the same answer."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from parity import InputError
from parity.checks import streaming
from parity.checks.comparison import compare, difference
from parity.checks.streaming import BLOCK, CHUNK, THREADS, Tally, stream

PAIRS = st.integers(1, 40).flatmap(
    lambda n: st.tuples(*(arrays.arrays(np.float64, n, elements=st.floats(-1e6, 1e6)) for _ in range(2)))
)


@given(PAIRS)
def test_scores_are_what_the_definition_says(pair: tuple[Any, Any]) -> None:
    observed, expected = pair
    result = difference("y", observed, expected, np.full(expected.shape, 2.0))
    error = np.abs(observed - expected)
    assert result.max_abs_error == error.max()
    assert result.score == pytest.approx((error / 2).max())
    assert result.norm_score == pytest.approx(np.linalg.norm(error) / np.linalg.norm(np.full(error.shape, 2.0)))
    assert error[result.worst_index] / 2 == (error / 2).max()  # half of the smallest float is 0, and scores nothing


@given(PAIRS)
def test_an_exact_comparison_passes_only_equal_arrays(pair: tuple[Any, Any]) -> None:
    observed, expected = pair
    assert difference("y", observed, expected, None).failed == (not np.array_equal(observed, expected))


def test_a_difference_after_the_first_chunk_is_found() -> None:
    expected = np.zeros((3, CHUNK))
    observed = expected.copy()
    observed[2, 7] = 1.0
    result = difference("y", observed, expected, np.full(expected.shape, 1e-3))
    assert (result.failed, result.worst_index, result.compared) == (True, (2, 7), 3 * CHUNK)


def test_a_difference_in_the_block_of_another_thread_is_found() -> None:
    expected = np.zeros(BLOCK + 9, np.float32)
    observed = expected.copy()
    observed[BLOCK + 5] = 1.0
    assert difference("y", observed, expected, np.ones(())).worst_index == (BLOCK + 5,)


def by_definition(observed: Any, expected: Any, floor: Any) -> Tally:
    """Return the tally of whole arrays in float64, element by element."""
    floor = np.broadcast_to(0.0 if floor is None else floor, np.shape(observed))
    observed, expected, floor = (np.ravel(array).astype(np.float64) for array in (observed, expected, floor))
    error, score = np.zeros(observed.size), np.zeros(observed.size)
    tally = Tally()
    for at in range(observed.size):
        if observed[at] == expected[at] or (np.isnan(observed[at]) and np.isnan(expected[at])):
            continue
        error[at] = abs(observed[at] - expected[at])
        if not np.isfinite(error[at]):
            error[at] = np.inf
            tally.first_strange = tally.first_strange if tally.strange else at
            tally.strange += 1
        score[at] = error[at] / floor[at] if floor[at] else np.inf
    tally.worst = int(np.argmax(score))
    tally.score, tally.error_there, tally.max_abs_error = score.max(), error[tally.worst], error.max()
    tally.errors_squared, tally.floors_squared = np.square(error).sum(), np.square(floor).sum()
    return tally


def assert_same(tally: Tally, expected: Tally, exact: bool) -> None:
    for name in ("score", "worst", "error_there", "max_abs_error", "strange", "first_strange", "errors_squared"):
        assert getattr(tally, name) == pytest.approx(getattr(expected, name), rel=1e-12, abs=0.0), name
    assert exact or tally.floors_squared == pytest.approx(expected.floors_squared, rel=1e-12)


@contextmanager
def small_chunks() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streaming, "CHUNK", 7)
        patch.setattr(streaming, "BLOCK", 20)
        patch.setattr(streaming, "ROW", 3)
        yield patch


@st.composite
def comparisons(draw: Any) -> tuple[Any, Any, Any]:
    """Generate two arrays, equal in most places, and a floor that may repeat its numbers."""
    shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))

    def side() -> Any:
        dtype = draw(st.sampled_from([np.float32, np.float64]))
        huge, tiny = (float(getattr(np.finfo(dtype), name)) for name in ("max", "smallest_subnormal"))
        special = st.sampled_from([0.0, -0.0, math.nan, math.inf, -math.inf, huge, -huge, tiny, 1.0])
        common = st.floats(-1e3, 1e3, width=32)
        return draw(arrays.arrays(dtype, shape, elements=special | common, fill=common))

    observed, expected = side(), side()
    same = draw(arrays.arrays(np.bool_, shape, fill=st.just(True)))
    with np.errstate(over="ignore"):
        observed = np.where(same, expected, observed).astype(observed.dtype)
    of_shape = draw(st.sampled_from([shape, shape[1:], (shape[0], 1), ()]))
    floors = arrays.arrays(np.float64, of_shape, elements=st.sampled_from([0.0, -0.0]) | st.floats(1e-9, 1e3))
    floor = draw(st.none() | floors)
    return observed, expected, None if floor is None else np.broadcast_to(floor, shape)


@given(comparisons())
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning", "ignore:invalid:RuntimeWarning")
def test_one_pass_gives_the_tally_of_the_definition(case: tuple[Any, Any, Any]) -> None:
    with small_chunks():
        assert_same(stream("y", *case), by_definition(*case), exact=case[2] is None)


@given(comparisons())
def test_chunks_compared_in_full_give_the_same_tally(case: tuple[Any, Any, Any]) -> None:
    with small_chunks() as patch:
        tally = stream("y", *case)
        patch.setattr(streaming, "_exact_in_float64", lambda dtype: False)
        in_full = stream("y", *case)
    assert tally == in_full


SCATTERED = {
    "transposed": lambda array: array.T,
    "every other": lambda array: array[:, ::2],
    "backwards": lambda array: array[::-1, ::-1],
    "axes moved": lambda array: array.reshape(6, 5, 4).transpose(1, 2, 0),
    "repeated": lambda array: np.broadcast_to(array[0], array.shape),
}


@pytest.mark.parametrize("view", SCATTERED)
def test_a_view_that_is_not_contiguous_compares_like_its_copy(view: str) -> None:
    rng = np.random.default_rng(0)
    observed, expected, floor = (SCATTERED[view](rng.random((10, 12))) for _ in range(3))
    with small_chunks():
        result = difference("y", observed, expected, floor)
        copies = difference("y", *(np.ascontiguousarray(array) for array in (observed, expected, floor)))
        assert result == copies
        assert_same(stream("y", observed, expected, floor), by_definition(observed, expected, floor), exact=False)


def test_integers_that_are_equal_in_float64_only_are_not_the_same() -> None:
    observed, expected = np.array([2**53]), np.array([2**53 + 1])
    assert difference("y", observed, expected, None).failed
    assert difference("y", observed, expected, np.ones(1)).score == math.inf


OUT_OF_FLOAT32 = {"overflow": (3e38, -3e38, 1e37), "underflow": (1.5e-45, 0.0, 1e-46)}


@pytest.mark.parametrize("case", OUT_OF_FLOAT32)
def test_a_difference_beyond_float32_is_a_number(case: str) -> None:
    observed, expected, floor = (np.array([number]) for number in OUT_OF_FLOAT32[case])
    result = difference("y", observed.astype(np.float32), expected.astype(np.float32), floor)
    assert result.max_abs_error == float(np.float32(observed[0])) - float(np.float32(expected[0])) > 0
    assert result.score == result.max_abs_error / floor[0]


def test_memory_does_not_grow_with_the_arrays() -> None:
    """Allow six numbers for each element of a chunk, at 40 MB a side: scratch, buffers and a little more."""
    expected = np.zeros((10, 1000, 1000), np.float32)
    observed = expected + np.float32(1e-7)
    views = {
        "one floor": (observed, expected, np.broadcast_to(1e-6, expected.shape)),
        "a row of floors": (observed, expected, np.broadcast_to(np.full(1000, 1e-6), expected.shape)),
        "transposed": (observed.transpose(1, 0, 2), expected.transpose(1, 0, 2), np.ones(())),
        "exact": (expected, expected.copy(), None),
    }
    for name, view in views.items():
        peaks = [peak_of(partial(difference, "y", *view)) for _ in range(3)]
        assert min(peaks) < THREADS * CHUNK * 8 * 6, name  # what other threads allocate meanwhile counts too


def peak_of(call: Callable[[], Any]) -> int:
    """Return the bytes that were allocated at most during a call."""
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


NOT_FINITE = {
    "NaN where a number should be": ([np.nan, 1.0], [0.0, 1.0]),
    "a number where NaN should be": ([0.0, 1.0], [np.nan, 1.0]),
    "inf where a number should be": ([np.inf, 1.0], [0.0, 1.0]),
    "inf of the other sign": ([-np.inf, 1.0], [np.inf, 1.0]),
}


@pytest.mark.parametrize("case", NOT_FINITE)
@pytest.mark.parametrize("floor", [None, np.ones(2)])
def test_nan_and_inf_are_compared(case: str, floor: Any) -> None:
    observed, expected = (np.array(side) for side in NOT_FINITE[case])
    result = difference("y", observed, expected, floor)
    assert result.failed
    assert result.score == math.inf
    assert result.worst_index == (0,)


def test_the_first_value_that_is_not_finite_is_named_even_if_another_is_worse() -> None:
    observed, expected, floor = np.array([1.0, 5.0, np.nan]), np.array([0.0, 5.0, 5.0]), np.array([0.0, 1.0, 1.0])
    result = difference("y", observed, expected, floor)
    assert (result.problem, result.places, result.worst_index) == ("not_finite", 1, (2,))
    assert result.reason == "NaN or inf on one side only, at 1 place, the first at (2,)"


def test_equal_nan_and_inf_are_equal() -> None:
    both = np.array([np.nan, np.inf, -np.inf, 1.0])
    assert not difference("y", both, both.copy(), None).failed


def test_where_the_floor_is_zero_the_error_must_be() -> None:
    expected, floor = np.zeros(3), np.array([0.0, 1.0, 1.0])
    assert not difference("y", np.array([0.0, 0.5, 0.0]), expected, floor).failed
    for zero in (floor, -floor * 0.0):
        result = difference("y", np.array([1e-30, 0.0, 0.0]), expected, zero)
        assert result.problem == "exact"
        assert "where the floor is 0 and the value must be exact" in result.reason


def test_the_norm_has_its_own_limit() -> None:
    """Check that an error in every element fails where the same error in one element passes."""
    floor = np.ones(100)
    all_off, one_off = np.full(100, 30.0), np.zeros(100)
    one_off[3] = 30.0
    norm_wise = difference("y", all_off, np.zeros(100), floor)
    assert norm_wise.problem == "norm"
    assert "norm-wise" in norm_wise.reason
    assert not difference("y", one_off, np.zeros(100), floor).failed


MISMATCHES = {
    "missing": ({}, "missing"),
    "unexpected": ({"y": np.zeros(2), "z": np.zeros(2)}, "unexpected"),
    "shape": ({"y": np.zeros(3)}, r"shape (3,), expected (2,)"),
    "dtype": ({"y": np.zeros(2, np.float32)}, "dtype float32, expected float64"),
}


@pytest.mark.parametrize("mismatch", MISMATCHES)
def test_a_mismatch_has_its_own_reason(mismatch: str) -> None:
    observed, reason = MISMATCHES[mismatch]
    results = compare(observed, {"y": np.zeros(2)})  # type: ignore[arg-type]
    assert any(result.problem == "mismatch" and reason in result.reason for result in results)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -1.0])
def test_a_floor_that_would_hide_errors_is_rejected(wrong: float) -> None:
    with pytest.raises(InputError, match=r"floor of 'y': got NaN, inf or less than 0"):
        compare({"y": np.ones(2)}, {"y": np.zeros(2)}, {"y": np.array([1.0, wrong])})


@pytest.mark.parametrize("observed", [{}, {"y": np.zeros(3)}], ids=["missing", "shape"])
def test_a_floor_is_rejected_even_if_nothing_can_be_compared(observed: Any) -> None:
    with pytest.raises(InputError, match=r"floor of 'y': got NaN, inf or less than 0"):
        compare(observed, {"y": np.zeros(2)}, {"y": np.array([1.0, np.nan])})


def test_a_floor_is_rejected_after_the_first_block() -> None:
    floor = np.ones(50)
    floor[-1] = math.inf
    with small_chunks(), pytest.raises(InputError, match="floor of 'y'"):
        difference("y", np.zeros(50), np.zeros(50), floor)


def test_a_difference_is_no_bool() -> None:
    with pytest.raises(TypeError, match=r"ask for \.failed"):
        bool(difference("y", np.zeros(2), np.zeros(2), None))
