"""What a report samples of a comparison: every error is counted once, and stands where it is in the batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from parity.cases.sampling import sample_case
from parity.checks.check import Check
from parity.checks.comparison import compare
from parity.checks.error_maps import BINS, MOST_COLUMNS, heat, scores, spread
from parity.checks.noise import noise_floor
from parity.operations import OPERATIONS

CASE = sample_case("bidirectional.reverse_sequence", "features", "3,0,2:3", "float32", seed=0)


def test_each_error_falls_into_one_bin() -> None:
    errors = np.array([0.0, 0.05, 0.1, 0.2, 2.0, 64.0, 65.0, np.inf, np.nan])
    expected = np.zeros(len(errors))
    found = spread(scores(compare({"y": errors}, {"y": expected}, {"y": np.ones(len(errors))})).values())
    assert dict(zip(BINS, found, strict=True)) == {
        "0": 1, "≤ 0.1": 2, "≤ 0.3": 1, "≤ 1": 0, "≤ 3": 1, "≤ 10": 0, "≤ 30": 0, "≤ 64": 1, "> 64": 1, "∞": 2
    }  # fmt: skip


def test_where_every_bit_must_be_equal_an_error_is_infinite() -> None:
    found = scores(compare({"y": np.array([1.0, 2.0])}, {"y": np.array([1.0, 2.5])}))
    assert found["y"].tolist() == [0.0, np.inf]


def test_the_same_nan_on_both_sides_is_no_error() -> None:
    nan = np.array([np.nan])
    assert scores(compare({"y": nan}, {"y": nan}, {"y": np.ones(1)}))["y"].tolist() == [0.0]


def test_an_error_is_sampled_where_it_is() -> None:
    floor = noise_floor(CASE)
    moved = {name: array.copy() for name, array in floor.expected.items()}
    moved["y"][2, 1, 0] += 5 * floor.floor["y"][2, 1, 0]
    sampled = heat(CASE, scores(compare(moved, floor.expected, floor.floor)))
    assert sampled is not None
    assert (sampled["quantity"], sampled["lengths"], sampled["steps"], sampled["together"]) == ("y", [3, 0, 2], 3, 1)
    assert sampled["rows"] == [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 5.0, 0.0]]


def test_long_sequences_have_several_steps_in_a_column() -> None:
    case = sample_case("bidirectional.reverse_sequence", "features", "300,2:300", "float32", seed=0)
    floor = noise_floor(case)
    moved = {name: array.copy() for name, array in floor.expected.items()}
    moved["y"][0, 299, 0] = np.nan
    sampled = heat(case, scores(compare(moved, floor.expected, floor.floor)))
    assert sampled is not None
    assert len(sampled["rows"][0]) <= MOST_COLUMNS
    assert sampled["rows"][0][-1] is None
    assert set(sampled["rows"][1]) == {0.0}


def test_nothing_is_sampled_of_what_has_no_steps() -> None:
    assert heat(CASE, scores(compare({"loss": np.ones(())}, {"loss": np.ones(())}, {"loss": np.ones(())}))) is None


def test_results_carry_both_values_and_the_picture(framework: str) -> None:
    variant = next(iter(OPERATIONS["feedforward.dense"].variants[framework]))
    check = Check("feedforward.dense", framework, variant, "float32", "matches_reference")
    rounded = [result for result in check.run() if result.score]
    assert rounded
    for result in rounded:
        assert sum(result.spread) == result.compared
        assert sum(result.spread[1:]) > 0
        assert result.observed != result.expected
        assert None not in (result.observed, result.expected)
    exact = replace(check, contract="repeatable").run()
    assert {result.spread for result in exact} == {()}
