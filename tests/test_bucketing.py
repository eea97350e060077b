"""Check cost models and the groups of least cost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import pairwise

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import example, given

from parity import InputError, bucketing
from parity.bucketing import Cost, Split, batches, fit, ideal, padded_over_real, split
from parity.cases.lengths import sample_lengths

SMALL = st.lists(st.integers(0, 9), max_size=7)
COEFFICIENTS = st.sampled_from([0.0, 1e-6, 0.5, 1.0, 3.0, 20.0])
COSTS = st.tuples(COEFFICIENTS, COEFFICIENTS, COEFFICIENTS).filter(any).map(lambda coefficients: Cost(*coefficients))
PADDING_ONLY = Cost(0.0, 0.0, 1.0)


def partitions(lengths: list[int]) -> Iterator[list[list[int]]]:
    """Yield every partition of the lengths into groups, consecutive in sorted order or not."""
    if not lengths:
        yield []
        return
    first, *others = lengths
    for rest in partitions(others):
        yield [[first], *rest]
        for index, group in enumerate(rest):
            yield [*rest[:index], [first, *group], *rest[index + 1 :]]


def least(lengths: list[int], cost: Cost, allowed: Callable[[list[list[int]]], bool]) -> float:
    """Return the least cost by brute force."""
    padded = [max(1, length) for length in lengths]
    return min(
        sum(cost.of(len(group), max(group)) for group in groups) for groups in partitions(padded) if allowed(groups)
    )


def assert_sound(plan: Split, lengths: list[int], cost: Cost) -> None:
    """Check that groups are consecutive in sorted order, with their own steps and seconds."""
    ordered = [lengths[row] for row in plan.order]
    assert sorted(plan.order.tolist()) == list(range(len(lengths)))
    assert plan.order.tolist() == sorted(range(len(lengths)), key=lambda row: -lengths[row])
    assert (plan.bounds[0], plan.bounds[-1], len(plan.bounds)) == (0, len(lengths), len(plan.steps) + 1)
    assert {array.dtype for array in (plan.order, plan.bounds, plan.steps)} == {np.dtype(np.int64)}
    for (first, end), (rows, steps) in zip(pairwise(plan.bounds.tolist()), plan.groups(), strict=True):
        assert rows.tolist() == plan.order[first:end].tolist()
        assert steps == max([1, *ordered[first:end]])
        assert end > first or not lengths
    expected = sum(cost.of(len(rows), steps) for rows, steps in plan.groups())
    assert plan.seconds == pytest.approx(expected, rel=1e-12)


@given(SMALL.filter(len), COSTS)
@example([3, 3, 0, 0], Cost(1.0, 0.0, 0.0))
@example([9, 8, 7, 6, 5, 4, 3], PADDING_ONLY)
def test_a_split_costs_the_least_of_all_partitions(lengths: list[int], cost: Cost) -> None:
    plan = split(lengths, cost)
    assert_sound(plan, lengths, cost)
    assert plan.seconds == pytest.approx(least(lengths, cost, lambda groups: True), rel=1e-12)


@given(SMALL.filter(len), COSTS, st.integers(1, 4))
@example([5, 5, 5, 5, 5], PADDING_ONLY, 2)
@example([9, 9, 9, 5, 1, 1, 1], Cost(1e-6, 1e-6, 1.0), 3)
def test_batches_cost_the_least_of_all_partitions(lengths: list[int], cost: Cost, batch: int) -> None:
    plan = batches(lengths, batch, cost)
    assert_sound(plan, lengths, cost)
    assert np.diff(plan.bounds).max() <= batch
    expected = least(lengths, cost, lambda groups: max(map(len, groups)) <= batch)
    assert plan.seconds == pytest.approx(expected, rel=1e-12)


def table(lengths: list[int], cost: Cost, rows: int) -> float:
    """Return the least cost of consecutive groups of at most ``rows`` rows, from a table of all of them."""
    ordered = sorted(lengths, reverse=True)
    least_cost = [0.0]
    for end in range(1, len(ordered) + 1):
        starts = range(max(0, end - rows), end)
        least_cost.append(min(least_cost[p] + cost.of(end - p, max(1, ordered[p])) for p in starts))
    return least_cost[-1]


@pytest.mark.parametrize("cost", [bucketing.DEFAULT, PADDING_ONLY], ids=["default", "padding_only"])
@pytest.mark.parametrize("distribution", ["uniform", "lognormal", "bimodal", "one_long"])
def test_larger_batches_cost_the_least_too(distribution: str, cost: Cost) -> None:
    """Check many distinct lengths, and many full groups in a row."""
    lengths = sample_lengths(distribution, np.random.default_rng(0), 150, steps=400).tolist()
    assert split(lengths, cost).seconds == pytest.approx(table(lengths, cost, rows=150), rel=1e-12)
    assert batches(lengths, 8, cost).seconds == pytest.approx(table(lengths, cost, rows=8), rel=1e-12)


def test_equal_lengths_share_a_group_and_no_lengths_make_one_empty_group() -> None:
    assert split([4] * 5, PADDING_ONLY).bounds.tolist() == [0, 5]
    for plan in (split([]), batches([], batch=4)):
        assert_sound(plan, [], bucketing.DEFAULT)
        assert plan.steps.tolist() == [1]
        assert plan.seconds == bucketing.DEFAULT.of(0, 1)


def test_empty_sequences_are_padded_to_one_step() -> None:
    plan = split([0, 0, 1], PADDING_ONLY)
    assert [(rows.tolist(), steps) for rows, steps in plan.groups()] == [([2, 0, 1], 1)]


def test_lengths_beyond_sixteen_bits_are_sorted_too() -> None:
    assert split([70_000, 3, 65_536, 70_000], PADDING_ONLY).order.tolist() == [0, 3, 2, 1]


def test_another_cost_is_used_inside_the_block_and_in_every_thread() -> None:
    observed = list[Cost]()
    with bucketing.using(PADDING_ONLY) as cost:
        thread = threading.Thread(target=lambda: observed.append(bucketing.current()))
        thread.start()
        thread.join()
        assert split([3, 1]).seconds == split([3, 1], cost).seconds == 4.0
    assert observed == [PADDING_ONLY]


def test_the_earlier_cost_is_restored_after_an_error() -> None:
    before = bucketing.current()
    with pytest.raises(InputError), bucketing.using(PADDING_ONLY):
        split([-1])
    assert bucketing.current() is before


def test_a_cost_adds_its_terms() -> None:
    assert Cost(1.0, 10.0, 100.0).of(2, 3) == 1 + 10 * 3 + 100 * 6
    assert Cost(0.0, 6.0, 2.0).break_even == 3.0
    assert Cost(0.0, 6.0, 0.0).break_even == np.inf


RUNS = [(1.0, float(steps), float(batch * steps)) for steps in (8, 64, 256) for batch in (1, 16, 64)]


@pytest.mark.parametrize("changed", [(2e-4, 6e-5, 5e-6), (0.0, 6e-5, 5e-6), (2e-4, 0.0, 5e-6), (0.0, 3e-4, 0.0)])
def test_a_fit_recovers_known_costs(changed: tuple[float, float, float]) -> None:
    fitted = fit((run, float(np.dot(run, changed))) for run in RUNS)
    assert (fitted.call, fitted.step, fitted.row) == pytest.approx(changed, rel=1e-9, abs=1e-15)


def test_a_fit_is_never_negative_and_the_best_of_those() -> None:
    """Check a fit where the unbounded least squares have a negative coefficient."""
    rng = np.random.default_rng(0)
    times = [np.dot(run, (0.0, 6e-5, 5e-6)) * (1 - 0.2 / run[1]) * rng.uniform(0.97, 1.03) for run in RUNS]
    relative = np.array(RUNS) / np.array(times)[:, None]
    assert np.linalg.lstsq(relative, np.ones(len(RUNS)))[0].min() < 0
    fitted = fit(zip(RUNS, times, strict=True))
    coefficients = np.array([fitted.call, fitted.step, fitted.row])
    slope = relative.T @ (relative @ coefficients - 1)
    # Karush, Kuhn and Tucker: the slope is 0 where a coefficient is free, and positive where it is bounded at zero.
    scale = np.linalg.norm(relative, axis=0)
    assert coefficients.min() >= 0
    np.testing.assert_allclose(slope[coefficients > 0] / scale[coefficients > 0], 0, atol=1e-9)
    assert (slope[coefficients == 0] / scale[coefficients == 0] > 0).all()


def test_one_sample_gives_one_coefficient() -> None:
    assert fit([((2, 0, 0), 3.0)]) == Cost(1.5, 0.0, 0.0)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.integers(0, 2), st.sampled_from([0.0, 1.0, 2.5, 9.0]))
def test_the_ideal_is_counted_step_by_step(lengths: list[int], extra: int, floor: float) -> None:
    steps = max(lengths) + extra
    running = [sum(length > step for length in lengths) for step in range(max(lengths))]
    real = sum(max(floor, count) for count in running)
    expected = steps * max(floor, len(lengths)) / real if real else np.inf if steps else 1.0
    assert ideal(lengths, steps, floor) == pytest.approx(expected)


def test_ratios_without_sequences_and_without_real_steps() -> None:
    assert ideal([], 0) == ideal([], 5) == padded_over_real([], split([])) == 1.0
    assert ideal([0], 5) == padded_over_real([0], split([0])) == np.inf
