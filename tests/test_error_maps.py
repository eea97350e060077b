"""Test error maps: every error is counted once, and stands where it is in the batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from parity.cases.sampling import sample_case
from parity.checks.check import Check
from parity.checks.comparison import compare
from parity.checks.error_maps import BINS, MOST_COLUMNS, heat_map, histogram, scores
from parity.checks.noise import noise_floor
from parity.operations import OPERATIONS

CASE = sample_case("bidirectional.reverse_sequence", "features", "3,0,2:3", "float32", seed=0)


def test_each_error_falls_into_one_bin() -> None:
    errors = np.array([0.0, 0.05, 0.1, 0.2, 2.0, 64.0, 65.0, np.inf, np.nan])
    expected = np.zeros(len(errors))
    counts = histogram(scores(compare({"y": errors}, {"y": expected}, {"y": np.ones(len(errors))})).values())
    assert dict(zip(BINS, counts, strict=True)) == {
        "0": 1, "≤ 0.1": 2, "≤ 0.3": 1, "≤ 1": 0, "≤ 3": 1, "≤ 10": 0, "≤ 30": 0, "≤ 64": 1, "> 64": 1, "∞": 2
    }  # fmt: skip


def test_an_error_is_infinite_where_every_bit_must_be_equal() -> None:
    exact = scores(compare({"y": np.array([1.0, 2.0])}, {"y": np.array([1.0, 2.5])}))
    assert exact["y"].tolist() == [0.0, np.inf]


def test_the_same_nan_on_both_sides_is_no_error() -> None:
    nan = np.array([np.nan])
    assert scores(compare({"y": nan}, {"y": nan}, {"y": np.ones(1)}))["y"].tolist() == [0.0]


def test_an_error_stands_where_it_is() -> None:
    floor = noise_floor(CASE)
    changed = {name: array.copy() for name, array in floor.expected.items()}
    changed["y"][2, 1, 0] += 5 * floor.floor["y"][2, 1, 0]
    made = heat_map(CASE, scores(compare(changed, floor.expected, floor.floor)))
    assert made is not None
    assert (made.quantity, made.lengths, made.steps, made.steps_per_column) == ("y", (3, 0, 2), 3, 1)
    assert made.rows == ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 5.0, 0.0))


def test_the_map_is_of_the_quantity_that_failed() -> None:
    errors = {name: np.full((3, 3, 1), score) for name, score in (("y", 1.0), ("d_x", 9.0))}
    maps = [heat_map(CASE, errors, failed) for failed in ("", "y", "d_h")]
    assert [made and made.quantity for made in maps] == ["d_x", "y", "d_x"]


def test_long_sequences_have_several_steps_in_a_column() -> None:
    case = sample_case("bidirectional.reverse_sequence", "features", "300,2:300", "float32", seed=0)
    floor = noise_floor(case)
    changed = {name: array.copy() for name, array in floor.expected.items()}
    changed["y"][0, 299, 0] = np.nan
    made = heat_map(case, scores(compare(changed, floor.expected, floor.floor)))
    assert made is not None
    assert len(made.rows[0]) <= MOST_COLUMNS
    assert made.rows[0][-1] is None
    assert set(made.rows[1]) == {0.0}


def test_there_is_no_heat_map_of_quantities_without_steps() -> None:
    loss = {"loss": np.ones(())}
    assert heat_map(CASE, scores(compare(loss, loss, loss))) is None


def test_results_have_both_values_and_a_histogram(framework: str) -> None:
    variant = next(iter(OPERATIONS["feedforward.dense"].variants[framework]))
    check = Check("feedforward.dense", framework, variant, "float32", "matches_reference")
    rounded = [result for result in check.run() if result.score]
    assert rounded
    for result in rounded:
        assert sum(result.histogram) == result.compared
        assert sum(result.histogram[1:]) > 0
        assert result.observed != result.expected
        assert None not in (result.observed, result.expected)
    exact = replace(check, contract="repeatable").run()
    assert {result.histogram for result in exact} == {()}
