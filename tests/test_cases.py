"""Check that sampled cases are demanding, and that wrong ones are named before any framework is called."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from parity import OPERATIONS, Case, InputError, noise_floor, observe, sample_case
from parity.cases.lengths import LARGE, LENGTHS, lengths_of, parse_lengths
from parity.cases.sampling import with_lengths
from parity.checks.own import Own
from parity.operations import Configuration

ALL = [(name, config.name) for name, row in OPERATIONS.items() for config in row.configurations]


@pytest.mark.parametrize(("operation", "config"), ALL)
def test_every_configuration_can_be_sampled_with_all_lengths_and_dtypes(operation: str, config: str) -> None:
    for lengths in lengths_of(OPERATIONS[operation].configuration(config)):
        for dtype in ("float32", "float64"):
            case = sample_case(operation, config, lengths, dtype, 1)
            assert case.dtype == dtype
            assert set(case.cotangents) == set(OPERATIONS[operation].configuration(config).outputs)


@pytest.mark.parametrize(("operation", "config"), ALL)
def test_weights_are_asymmetric_and_padding_is_not_zero(operation: str, config: str) -> None:
    case = sample_case(operation, config, lengths_of(OPERATIONS[operation].configuration(config))[0], "float64", 0)
    for name, array in case.arrays.items():
        given = case.configuration.inputs[name]
        if array.dtype.kind == "f" and given.scale:
            sampled = array[case.mask] if given.axes.startswith("BT") else array[np.isfinite(array)]  # no pad row
            hidden = (given.padding or 0) + given.offset * np.array([-1, 0, 1])  # steps that look like padding
            sampled = sampled[~np.isin(sampled, hidden)] if given.padding_like else sampled
            sampled = sampled[~np.isin(sampled, given.equal_to)] if given.equal else sampled
            sampled = sampled[~np.isin(sampled, (0, 1))] if given.sample else sampled  # which mean something
            assert case.configuration.data or len(np.unique(sampled)) == sampled.size
            if given.axes.startswith("BT") and not case.configuration.data and given.padding is None:
                assert (array[~case.mask] != 0).all()


def test_the_same_seed_samples_the_same_and_another_samples_another() -> None:
    first, second = (sample_case("rnn.gru", "one_layer", "ragged", "float32", seed) for seed in (0, 1))
    assert sample_case("rnn.gru", "one_layer", "ragged", "float32", 0) is first
    assert not np.array_equal(first.arrays["x"], second.arrays["x"])


def test_the_first_lengths_include_none_one_and_all_steps() -> None:
    case = sample_case("rnn.gru", "one_layer", "ragged", "float32", 0)
    assert {0, 1, case.steps} <= set(case.lengths.tolist())
    assert next(iter(LENGTHS)) == "ragged"


def lstm() -> Case:
    return sample_case("rnn.lstm", "two_layers_from_state", "ragged", "float32", 0, (("B", 5), ("T", 4), ("D", 3)))


def with_array(case: Case, name: str, array: Any) -> Case:
    return replace(case, arrays={**case.arrays, name: array})


def test_ids_outside_the_vocabulary_are_ordinary_input_in_padding() -> None:
    case = sample_case("embedding.lookup", "pad_is_0", "ragged", "float32", 0)
    outside = np.where(case.mask, case.arrays["tokens"], 99)
    assert with_array(case, "tokens", outside).arrays["tokens"].max() == 99


def test_nan_in_padding_is_ordinary_input() -> None:
    case = lstm()
    x = case.arrays["x"].copy()
    x[~case.mask] = np.nan
    with_array(case, "x", x)


def test_real_data_is_as_documented() -> None:
    from parity.cases.real_data import speeches, utterances

    vowels, play = utterances(), speeches()
    lengths = [len(features) for features in vowels.sequences]
    assert (len(lengths), min(lengths), max(lengths)) == (640, 7, 29)
    assert sum(lengths) / (640 * 29) == pytest.approx(0.54, abs=0.01)
    lengths = [len(tokens) for tokens in play.sequences]
    assert (len(lengths), min(lengths), max(lengths)) == (40, 3, 99)
    assert sum(lengths) / (40 * 99) == pytest.approx(0.24, abs=0.01)
    assert play.vocabulary[0] == "<pad>"
    assert all((tokens > 0).all() for tokens in play.sequences)


def test_a_case_and_its_cached_results_cannot_be_written_to(pytorch: str) -> None:
    case = lstm()
    floor = noise_floor(case)
    for array in (case.arrays["x"], case.lengths, case.cotangents["y"], floor.floor["y"], observe(case, pytorch)["y"]):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_ids_may_have_any_integer_dtype(framework: str) -> None:
    case = sample_case("embedding.lookup", "pad_is_0", "ragged", "float32", 0)
    expected = observe(case, framework)["y"]
    for dtype in (np.int8, np.uint16, np.int32, ">i8"):
        narrow = with_array(case, "tokens", case.arrays["tokens"].astype(dtype))
        np.testing.assert_array_equal(observe(narrow, framework)["y"], expected)


WRITTEN_OUT = {
    "3,0,1:5": ([3, 0, 1], 5, 1.0),
    "0,0:3": ([0, 0], 3, 1.0),
    ":1": ([], 1, 1.0),
    "4,2:4x0.01": ([4, 2], 4, 0.01),
    "2:3x2~inf": ([2], 3, 2.0),
}


@pytest.mark.parametrize("lengths", WRITTEN_OUT)
def test_lengths_may_be_written_out(lengths: str) -> None:
    real, steps, scale = WRITTEN_OUT[lengths]
    case = sample_case("rnn.rnn", "tanh", lengths, "float32", 0)
    assert (case.lengths.tolist(), case.steps) == (real, steps)
    assert str(parse_lengths(lengths)) == lengths
    assert parse_lengths(lengths).scale == scale
    if lengths.endswith("~inf"):
        assert np.isinf(case.arrays["x"][~case.mask]).all()
        assert np.isfinite(case.arrays["x"][case.mask]).all()


def test_a_scale_applies_to_parameters_only() -> None:
    usual, large = (
        sample_case("feedforward.dense", "linear", s, "float64", 0, (("D", 400),)) for s in ("3:3", "3:3x100")
    )
    spread = {name: large.arrays[name].std() / usual.arrays[name].std() for name in ("x", "w")}
    assert 0.9 < spread["x"] < 1.1
    assert 90 < spread["w"] < 110


MALFORMED = ("3:3x1e", "3:", "3", "3,4", "3,,1:5", ",3:5", "3,:5", ":", "03:5", "3:05", "+3:5", "-1:5", "1_0:20")
MALFORMED += (" 3 , 4 : 5", "3:5 ", "3:5\n", "\u0663:5", "3:\u0665", "x-1:", "3:5x-1", "3:5x+1", "3:5x.5", "3:5x1_0")
MALFORMED += ("3:5~", "3:5~+inf", "3:5~NaN", "3:5~1.", "3:5~0x1", "3:5~1x2", "3:5~\u0663", "[3]:5", "3.0:5")


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ("3,4:3", "lengths: got 4 at index 1, expected at most T = 3"),
        ("3:0", "T in lengths: got 0, expected a whole number of 1 or more"),
        ("3:5x0", "lengths: got '3:5x0', expected a scale behind x that is above 0 and finite"),
        ("3:5x1e999", "lengths: got '3:5x1e999', expected a scale behind x that is above 0 and finite"),
        (f"{'9' * 20}:5", f"lengths: got '{'9' * 20}:5', expected lengths and a T of at most 2147483648"),
        (f"3:{'9' * 5000}", f"lengths: got '3:{'9' * 75} …, expected lengths and a T of at most 2147483648"),
        (f"{'9' * 5000}:5", f"lengths: got '{'9' * 77} …, expected lengths and a T of at most 2147483648"),
        ("9999999999:9999999999", "lengths: got 1 x 9999999999 numbers, expected at most 2147483648 in one array"),
        ("raged", "lengths: got 'raged', expected 'ragged'"),
        *((wrong, f"lengths: got {wrong!r}, expected lengths, a colon and T, as in") for wrong in MALFORMED),
    ],
)
def test_wrong_lengths_are_named(lengths: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        sample_case("rnn.rnn", "tanh", lengths, "float32", 0)


def test_cases_of_benchmarks_are_not_saturated() -> None:
    """Check that no gate saturates, for which the stand-in of their noise floor does not account."""
    benchmarked = with_lengths("rnn.lstm", "one_layer", [3, 1], "float32", seed=0, H=64)
    usual = sample_case("rnn.lstm", "one_layer", "3,1:3", "float32", seed=0, sizes=(("H", 64),))
    assert max(np.abs(array).max() for array in benchmarked.arrays.values()) < 10
    assert np.abs(usual.arrays["bias.0"]).max() > 90


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(
    ("operation", "config", "ids"),
    [
        ("embedding.lookup", "pad_is_0", "tokens"),
        ("embedding.lookup", "pad_is_3", "tokens"),
        ("embedding.bag", "mean", "tokens"),
        ("loss.cross_entropy", "mean", "targets"),
        ("alignment.ctc", "by_sequence", "targets"),
        ("alignment.ctc", "blank_is_last", "targets"),
    ],
)
def test_every_seed_has_extreme_ids(operation: str, config: str, ids: str, seed: int) -> None:
    for lengths in ("ragged", "one_long", "ascending"):
        case = sample_case(operation, config, lengths, "float32", seed)
        spec = case.configuration.inputs[ids]
        read = case.arrays[ids][case._real(spec)]
        pad = case.configuration.options.get("padding_index")
        least, largest = {1 if pad == 0 else 0}, case.size("C" if ids == "targets" else "V") - 1
        if operation == "alignment.ctc":  # no label is the blank
            least, largest = set(), largest if config == "by_sequence" else largest - 1
        assert {*least, largest} <= set(read.tolist()), (lengths, read)
        assert ids == "targets" or pad in read


@pytest.mark.parametrize("seed", range(12))
def test_every_seed_repeats_a_token_where_there_is_one_sequence(seed: int) -> None:
    for config in OPERATIONS["embedding.lookup"].configurations:
        case = sample_case("embedding.lookup", config.name, "one_sequence", "float32", seed)
        (tokens,) = (row[real] for row, real in zip(case.arrays["tokens"], case.mask, strict=True))
        kept = [token for token in tokens.tolist() if token != config.options["padding_index"]]
        assert len(set(kept)) < len(kept), tokens


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(("lengths", "missing"), [("tied", 1), ("large_square", 0)])
def test_every_seed_repeats_labels_behind_the_first_that_just_fit_or_do_not(
    lengths: str, missing: int, seed: int
) -> None:
    """Expect as many labels, and blanks between equal ones, as there are steps, or one more."""
    case = sample_case("alignment.ctc", "by_sequence", lengths, "float32", seed)
    row = np.flatnonzero(case.lengths == case.size("S"))[-1]
    labels = case.arrays["targets"][row, : case.arrays["target_lengths"][row]]
    assert (labels[2:] == labels[1]).all()
    assert len(labels) + (labels[1:] == labels[:-1])[1:].sum() == case.lengths[row] + missing


@pytest.mark.parametrize("lengths", ["ragged", "3,0,1:5", ":2", "0,0:3"])
def test_sequences_move_to_the_other_side_and_back(lengths: str) -> None:
    left = sample_case("pooling.attention", "left_padded", lengths, "float32", 0)
    right = left.on_the_other_side()
    assert right is not None
    assert (right.config, right.steps) == ("learned_query", left.steps)
    for one, other in (
        (left.arrays["x"], right.arrays["x"]),
        (left.cotangents["weights"], right.cotangents["weights"]),
    ):
        assert np.array_equal(one[left.mask], other[right.mask])
        assert sorted(one.ravel()) == sorted(other.ravel())
    back = right.on_the_other_side()
    assert back is not None
    assert np.array_equal(back.arrays["x"], left.arrays["x"])
    assert np.array_equal(right.arrays["query"], left.arrays["query"])


@pytest.mark.parametrize(
    ("operation", "config"),
    [
        ("direction.left_padded", "two_layers_from_state"),
        ("decoder.self_attention", "one_head"),
        ("masking.length_from_tokens", "left_until_pad"),
    ],
)
def test_a_configuration_without_a_counterpart_has_no_other_side(operation: str, config: str) -> None:
    assert sample_case(operation, config, "ragged", "float32", 0).on_the_other_side() is None


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("config", OPERATIONS["masking.length_from_tokens"].configurations, ids=lambda one: one.name)
def test_every_seed_has_pads_among_the_words_and_a_row_without_any(config: Configuration, seed: int) -> None:
    """Check that none is at an end of a sequence, where nothing tells it from padding, but where it is wanted."""
    pad, at_end = config.options["padding_index"], config.name == "left_with_pad_at_end"
    tied = sample_case("masking.length_from_tokens", config.name, "4,4,2:4", "float32", seed)
    rows = [row[real] == pad for row, real in zip(tied.arrays["tokens"], tied.mask, strict=True)]
    assert sorted(bool(row.any()) for row in rows[:2]) == [False, True]
    assert not any(row[0] for row in rows)
    assert any(row[-1] for row in rows) == at_end
    assert (tied.arrays["tokens"][~tied.mask] == pad).all()


@pytest.mark.parametrize(("steps", "rows"), [(3, 16), (40, 44), (257, 261)])
def test_a_table_of_positions_has_a_row_for_each_step_behind_its_pad(steps: int, rows: int) -> None:
    assert sample_case("embedding.positions", "pad_is_3", f"1:{steps}", "float32", 0).size("P") == rows


def test_what_has_two_time_axes_is_extended_and_moved_along_both() -> None:
    """Move the mask of a dropout, of queries and keys, with the padding, and cut it back."""
    case = sample_case("dropout.self_attention", "causal", "2,3:4", "float32", 0)
    kept = case.arrays["kept"]
    assert case.extended(2).arrays["kept"].shape == (2, 6, 6, 2)
    assert (case.extended(2).extended(-2).arrays["kept"] == kept).all()
    moved = case.on_the_other_side()
    assert moved is not None
    assert (moved.arrays["kept"][0, 2:, 2:] == kept[0, :2, :2]).all()
    assert (moved.arrays["kept"][1, 1:, 1:] == kept[1, :3, :3]).all()
    refilled = case.refilled(1, (7.0,)).arrays["kept"]
    assert (refilled != kept)[0, 2:].any()
    assert (refilled != kept)[0, :, 2:].any()
    assert (refilled[0, :2, :2] == kept[0, :2, :2]).all()


def test_padding_is_nan_where_sizes_coincide_and_a_users_function_is_given_numbers() -> None:
    case = sample_case("loss.cross_entropy", "mean", LARGE, "float32", 0)
    given = Own({}).given(case)
    assert given is not None
    assert np.isnan(case.arrays["logits"][~case.mask]).all()
    assert np.isfinite(given.arrays["logits"]).all()
    assert np.array_equal(given.arrays["targets"], case.arrays["targets"])
    assert given is Own({}).given(case)  # runs are kept by case
