"""Cost models, and the groups that cost the least."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import pairwise

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import example, given

from parity import InputError
from parity import bucketing as planner
from parity.bucketing import Cost, Split, batches, fit, ideal, padded_over_real, split
from parity.cases.lengths import sample_lengths

SMALL = st.lists(st.integers(0, 9), max_size=7)
FIGURES = st.sampled_from([0.0, 1e-6, 0.5, 1.0, 3.0, 20.0])
COSTS = st.tuples(FIGURES, FIGURES, FIGURES).filter(any).map(lambda figures: Cost(*figures))
PADDING_ONLY = Cost(0.0, 0.0, 1.0)


def partitions(lengths: list[int]) -> Iterator[list[list[int]]]:
    """Every way to put the lengths into groups, consecutive in sorted order or not."""
    if not lengths:
        yield []
        return
    first, *others = lengths
    for rest in partitions(others):
        yield [[first], *rest]
        for place, group in enumerate(rest):
            yield [*rest[:place], [first, *group], *rest[place + 1 :]]


def least(lengths: list[int], cost: Cost, allowed: Callable[[list[list[int]]], bool]) -> float:
    """The least cost by brute force."""
    return min(
        sum(cost.of(len(group), max(1, *group)) for group in groups)
        for groups in ([[max(1, length) for length in group] for group in found] for found in partitions(lengths))
        if allowed(groups)
    )


def assert_sound(parts: Split, lengths: list[int], cost: Cost) -> None:
    """Every row once, sorted by length, groups in one piece, steps and seconds those of the groups."""
    ordered = [lengths[row] for row in parts.order]
    assert sorted(parts.order.tolist()) == list(range(len(lengths)))
    assert parts.order.tolist() == sorted(range(len(lengths)), key=lambda row: -lengths[row])
    assert (parts.bounds[0], parts.bounds[-1], len(parts.bounds)) == (0, len(lengths), len(parts.steps) + 1)
    assert {array.dtype for array in (parts.order, parts.bounds, parts.steps)} == {np.dtype(np.int64)}
    for (first, end), (rows, steps) in zip(pairwise(parts.bounds.tolist()), parts.groups(), strict=True):
        assert rows.tolist() == parts.order[first:end].tolist()
        assert steps == max([1, *ordered[first:end]])
        assert end > first or not lengths
    expected = sum(cost.of(len(rows), steps) for rows, steps in parts.groups())
    assert parts.seconds == pytest.approx(expected, rel=1e-12)


@given(SMALL.filter(len), COSTS, st.none() | st.integers(1, 5))
@example([3, 3, 0, 0], Cost(1.0, 0.0, 0.0), None)
@example([9, 8, 7, 6, 5, 4, 3], PADDING_ONLY, 3)
def test_a_split_costs_the_least_of_all_partitions(lengths: list[int], cost: Cost, most: int | None) -> None:
    parts = split(lengths, cost, most)
    assert_sound(parts, lengths, cost)
    assert most is None or len(parts.steps) <= most
    expected = least(lengths, cost, lambda groups: most is None or len(groups) <= most)
    assert parts.seconds == pytest.approx(expected, rel=1e-12)


@given(SMALL.filter(len), COSTS, st.integers(1, 4))
@example([5, 5, 5, 5, 5], PADDING_ONLY, 2)
@example([9, 9, 9, 5, 1, 1, 1], Cost(1e-6, 1e-6, 1.0), 3)
def test_batches_cost_the_least_of_all_partitions(lengths: list[int], cost: Cost, batch: int) -> None:
    parts = batches(lengths, batch, cost)
    assert_sound(parts, lengths, cost)
    assert np.diff(parts.bounds).max() <= batch
    expected = least(lengths, cost, lambda groups: max(map(len, groups)) <= batch)
    assert parts.seconds == pytest.approx(expected, rel=1e-12)


def table(lengths: list[int], cost: Cost, most: int, rows: int) -> float:
    """The least cost of consecutive groups, from a table of all of them."""
    ordered = sorted(lengths, reverse=True)
    reached = [0.0] + [np.inf] * len(ordered)
    for _ in range(most):
        reached = [0.0] + [
            min(reached[p] + cost.of(end - p, max(1, ordered[p])) for p in range(max(0, end - rows), end))
            for end in range(1, len(ordered) + 1)
        ]
    return reached[-1]


@pytest.mark.parametrize("cost", [planner.DEFAULT, PADDING_ONLY], ids=["default", "padding_only"])
@pytest.mark.parametrize("distribution", ["uniform", "lognormal", "bimodal", "one_long"])
def test_larger_batches_cost_the_least_too(distribution: str, cost: Cost) -> None:
    """More distinct lengths than one chunk of the capped search holds, and many full groups in a row."""
    lengths = sample_lengths(distribution, np.random.default_rng(0), 150, steps=400).tolist()
    for most in (2, 5):
        assert split(lengths, cost, most).seconds == pytest.approx(table(lengths, cost, most, rows=150), rel=1e-12)
    few = lengths[:70]
    assert batches(few, 8, cost).seconds == pytest.approx(table(few, cost, most=70, rows=8), rel=1e-12)


def test_a_cap_above_what_is_best_changes_nothing() -> None:
    lengths = sample_lengths("uniform", np.random.default_rng(0), 64, steps=128)
    free = split(lengths)
    assert split(lengths, most=len(free.steps)).bounds.tolist() == free.bounds.tolist()
    assert split(lengths, most=1).bounds.tolist() == [0, 64]


def test_equal_lengths_stay_together_and_nothing_makes_one_empty_group() -> None:
    assert split([4] * 5, PADDING_ONLY).bounds.tolist() == [0, 5]
    for parts in (split([]), split([], most=1), batches([], batch=4)):
        assert_sound(parts, [], planner.DEFAULT)
        assert parts.steps.tolist() == [1]
        assert parts.seconds == planner.DEFAULT.of(0, 1)


def test_empty_sequences_are_padded_to_one_step() -> None:
    parts = split([0, 0, 1], PADDING_ONLY)
    assert [(rows.tolist(), steps) for rows, steps in parts.groups()] == [([2, 0, 1], 1)]


def test_lengths_beyond_sixteen_bits_are_sorted_too() -> None:
    assert split([70_000, 3, 65_536, 70_000], PADDING_ONLY).order.tolist() == [0, 3, 2, 1]


def test_another_cost_is_used_inside_the_block_and_in_every_thread() -> None:
    seen = list[Cost]()
    with planner.using(PADDING_ONLY) as cost:
        thread = threading.Thread(target=lambda: seen.append(planner.current()))
        thread.start()
        thread.join()
        assert split([3, 1]).seconds == split([3, 1], cost).seconds == 4.0
    assert seen == [PADDING_ONLY]


def test_the_cost_from_before_is_back_after_an_error() -> None:
    before = planner.current()
    with pytest.raises(InputError), planner.using(PADDING_ONLY):
        split([-1])
    assert planner.current() is before


def test_a_cost_knows_its_parts() -> None:
    assert Cost(1.0, 10.0, 100.0).of(2, 3) == 1 + 10 * 3 + 100 * 6
    assert Cost(0.0, 6.0, 2.0).break_even == 3.0
    assert Cost(0.0, 6.0, 0.0).break_even == np.inf


RUNS = [(1.0, float(steps), float(batch * steps)) for steps in (8, 64, 256) for batch in (1, 16, 64)]


@pytest.mark.parametrize("changed", [(2e-4, 6e-5, 5e-6), (0.0, 6e-5, 5e-6), (2e-4, 0.0, 5e-6), (0.0, 3e-4, 0.0)])
def test_a_fit_recovers_known_costs(changed: tuple[float, float, float]) -> None:
    found = fit((run, float(np.dot(run, changed))) for run in RUNS)
    assert (found.call, found.step, found.row) == pytest.approx(changed, rel=1e-9, abs=1e-15)


def test_a_fit_is_never_negative_and_the_best_of_those() -> None:
    """The unbounded least squares would give a negative figure here."""
    rng = np.random.default_rng(0)
    times = [np.dot(run, (0.0, 6e-5, 5e-6)) * (1 - 0.2 / run[1]) * rng.uniform(0.97, 1.03) for run in RUNS]
    relative = np.array(RUNS) / np.array(times)[:, None]
    assert np.linalg.lstsq(relative, np.ones(len(RUNS)))[0].min() < 0
    found = fit(zip(RUNS, times, strict=True))
    figures = np.array([found.call, found.step, found.row])
    slope = relative.T @ (relative @ figures - 1)
    # Karush, Kuhn and Tucker: flat where a figure is free, rising where it is held at zero.
    scale = np.linalg.norm(relative, axis=0)
    assert figures.min() >= 0
    np.testing.assert_allclose(slope[figures > 0] / scale[figures > 0], 0, atol=1e-9)
    assert (slope[figures == 0] / scale[figures == 0] > 0).all()


def test_one_sample_is_explained_by_one_figure() -> None:
    assert fit([((2, 0, 0), 3.0)]) == Cost(1.5, 0.0, 0.0)


def test_the_best_cuts_pad_less_than_equal_widths_and_equal_counts() -> None:
    """Eight groups of lognormal lengths: about 1.25, 1.6 and 1.9, depending on the tail."""
    sampled = np.exp(np.random.default_rng(0).normal(np.log(100), 0.9, 10_000))
    lengths = np.sort(np.clip(sampled, 1, 1024).round().astype(int))[::-1]
    widths = np.searchsorted(-lengths, -lengths[0] * np.arange(8, 0, -1) / 8)
    counts = np.arange(8) * len(lengths) // 8
    best, *naive = (
        padded_over_real(lengths, Split(np.arange(10_000), np.append(begins, 10_000), lengths[begins], 0.0))
        for begins in (split(lengths, PADDING_ONLY, most=8).bounds[:-1], widths, counts)
    )
    assert best == pytest.approx(1.25, abs=0.05)
    assert naive == pytest.approx([1.5, 1.6], abs=0.1)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.integers(0, 2), st.sampled_from([0.0, 1.0, 2.5, 9.0]))
def test_the_ideal_is_counted_step_by_step(lengths: list[int], extra: int, floor: float) -> None:
    steps = max(lengths) + extra
    running = [sum(length > step for length in lengths) for step in range(max(lengths))]
    real = sum(max(floor, count) for count in running)
    expected = steps * max(floor, len(lengths)) / real if real else np.inf if steps else 1.0
    assert ideal(lengths, steps, floor) == pytest.approx(expected)


def test_ratios_of_nothing() -> None:
    assert ideal([], 0) == ideal([], 5) == padded_over_real([], split([])) == 1.0
    assert ideal([0], 5) == padded_over_real([0], split([0])) == np.inf
