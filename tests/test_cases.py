"""Cases: what is drawn bites, and what is wrong is named before any framework is called."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from parity import OPERATIONS, Case, InputError, draw, hold, noise_floor, observe
from parity.cases import SHAPES, shape_named, shapes_of

ALL = [(name, form.name) for name, row in OPERATIONS.items() for form in row.forms]


@pytest.mark.parametrize(("operation", "form"), ALL)
def test_every_form_draws_in_every_shape_and_dtype(operation: str, form: str) -> None:
    for shape in shapes_of(OPERATIONS[operation].form(form)):
        for dtype in ("float32", "float64"):
            case = draw(operation, form, shape, dtype, 1)
            assert case.dtype == dtype
            assert set(case.cotangents) == set(OPERATIONS[operation].form(form).outputs)


@pytest.mark.parametrize(("operation", "form"), ALL)
def test_weights_are_asymmetric_and_padding_is_not_zero(operation: str, form: str) -> None:
    case = draw(operation, form, shapes_of(OPERATIONS[operation].form(form))[0], "float64", 0)
    for name, array in case.arrays.items():
        given = case.spec.inputs[name]
        if array.dtype.kind == "f":
            drawn = array[case.mask] if given.axes.startswith("BT") else array
            drawn = drawn[drawn != (given.padding or 0)] if given.blank else drawn
            assert case.spec.data or len(np.unique(drawn)) == drawn.size
            if given.axes.startswith("BT") and not case.spec.data and given.padding is None:
                assert (array[~case.mask] != 0).all()


def test_the_same_seed_draws_the_same_and_another_draws_another() -> None:
    one, two = (draw("rnn.gru", "one_layer", "ragged", "float32", seed) for seed in (0, 1))
    assert draw("rnn.gru", "one_layer", "ragged", "float32", 0) is one
    assert not np.array_equal(one.arrays["x"], two.arrays["x"])


def test_the_first_shape_has_the_lengths_that_bite() -> None:
    case = draw("rnn.gru", "one_layer", "ragged", "float32", 0)
    assert {0, 1, case.steps} <= set(case.lengths.tolist())
    assert next(iter(SHAPES)) == "ragged"


def lstm() -> Case:
    return draw("rnn.lstm", "two_layers_from_state", "ragged", "float32", 0, (("B", 5), ("T", 4), ("D", 3)))


def with_array(case: Case, name: str, array: Any) -> Case:
    return replace(case, arrays={**case.arrays, name: array})


def set_at(array: Any, index: Any, value: Any) -> Any:
    changed = array.copy()
    changed[index] = value
    return changed


LONGEST = int(np.argmax(lstm().lengths))
WRONG = {
    "rank": (
        lambda c: with_array(c, "x", c.arrays["x"][0]),
        r"x: got 2 axes, shape \(4, 3\), expected 3 axes, \(B, T, D\)",
    ),
    "batch": (
        lambda c: with_array(c, "h0", c.arrays["h0"][:, :2]),
        r"h0: got B = 2 in shape .*, expected B = 5, as in x",
    ),
    "gates": (lambda c: with_array(c, "w_in.0", c.arrays["w_in.0"][:, :3]), r"w_in\.0: got 4 = 3 in shape"),
    "hidden": (lambda c: with_array(c, "w_rec.1", c.arrays["w_rec.1"][:5]), r"w_rec\.1: got H = 5"),
    "dtype": (
        lambda c: with_array(c, "x", c.arrays["x"].astype(np.int16)),
        r"x: got dtype int16, expected one of: float32, float64, bfloat16, float16",
    ),
    "mixed": (
        lambda c: with_array(c, "bias.0", c.arrays["bias.0"].astype(np.float64)),
        r"bias\.0: got dtype float64, expected float32",
    ),
    "NaN": (
        lambda c: with_array(c, "x", set_at(c.arrays["x"], (LONGEST, 0, 0), np.nan)),
        r"x: got NaN or inf on a real step",
    ),
    "NaN weight": (
        lambda c: with_array(c, "w_in.0", set_at(c.arrays["w_in.0"], (0, 0, 0), np.nan)),
        r"w_in\.0: got NaN or inf",
    ),
    "misspelt": (lambda c: with_array(c, "w_im.0", c.arrays["x"]), r"arrays: got 'w_im\.0', expected 'w_in\.0'"),
    "missing": (lambda c: replace(c, arrays={n: a for n, a in c.arrays.items() if n != "c0"}), r"arrays: got no 'c0'"),
    "lengths": (lambda c: replace(c, lengths=c.lengths + 9), r"lengths: got \d+ at index \d, expected at most T = 4"),
    "fewer lengths": (
        lambda c: replace(c, lengths=c.lengths[:2]),
        r"lengths: got 2 lengths, expected one for each of the 5",
    ),
    "cotangent": (lambda c: replace(c, cotangents={"z": c.cotangents["y"]}), r"cotangents: got 'z'"),
    "form": (lambda c: replace(c, form="two_layer_from_state"), r"form: got .*, expected 'two_layers_from_state'"),
    "operation": (lambda c: replace(c, operation="rnn.ltsm"), r"operation: got 'rnn\.ltsm', expected 'rnn\.lstm'"),
}


@pytest.mark.parametrize("fault", WRONG)
def test_a_wrong_case_is_named(fault: str) -> None:
    breaks, message = WRONG[fault]
    with pytest.raises(InputError, match=message):
        breaks(lstm())


def test_ids_outside_the_vocabulary_are_named_on_real_steps_only() -> None:
    case = draw("embedding.lookup", "pad_is_0", "ragged", "float32", 0)
    outside = np.where(case.mask, case.arrays["tokens"], 99)
    assert with_array(case, "tokens", outside).arrays["tokens"].max() == 99
    with pytest.raises(
        InputError, match=r"tokens: got ids from 99 to 99 on a real step, expected ids from 0 to V - 1 = 6"
    ):
        with_array(case, "tokens", np.full_like(outside, 99))
    with pytest.raises(InputError, match="tokens: got dtype float32, expected integers"):
        with_array(case, "tokens", outside.astype(np.float32))


def test_nan_in_padding_is_ordinary_input() -> None:
    case = lstm()
    x = case.arrays["x"].copy()
    x[~case.mask] = np.nan
    with_array(case, "x", x)


WRONG_NAMES = {
    "operation": (("rnn.gro", "one_layer", "ragged", "float32", 0), "expected 'rnn.gru'"),
    "form": (("rnn.gru", "one_later", "ragged", "float32", 0), "expected 'one_layer'"),
    "shape": (("rnn.gru", "one_layer", "raged", "float32", 0), "expected 'ragged'"),
    "dtype": (("rnn.gru", "one_layer", "ragged", "float23", 0), "expected 'float32'"),
    "seed": (("rnn.gru", "one_layer", "ragged", "float32", -1), "expected a whole number of 0 or more"),
}


@pytest.mark.parametrize("argument", WRONG_NAMES)
def test_a_wrong_name_is_answered_with_the_nearest(argument: str) -> None:
    arguments, message = WRONG_NAMES[argument]
    with pytest.raises(InputError, match=f"{argument}: got .*{message}"):
        draw(*arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("pytroch",), "wing: got 'pytroch', expected 'pytorch'"),
        (("pytorch", "pakced"), "variant: got 'pakced', expected 'packed'"),
        (("pytorch", "packed", "grahp"), "mode: got 'grahp', expected one of: eager"),
    ],
)
def test_observe_names_what_is_wrong(arguments: tuple[str, ...], message: str, pytorch: str) -> None:
    with pytest.raises(InputError, match=message):
        observe(lstm(), *arguments)


def test_real_data_is_what_it_says() -> None:
    from parity.data import speeches, utterances

    spoken, said = utterances(), speeches()
    lengths = [len(features) for features in spoken.features]
    assert (len(lengths), min(lengths), max(lengths), spoken.train_count) == (640, 7, 29, 270)
    assert sum(lengths) / (640 * 29) == pytest.approx(0.54, abs=0.01)
    lengths = [len(tokens) for tokens in said.tokens]
    assert (len(lengths), min(lengths), max(lengths)) == (40, 3, 99)
    assert sum(lengths) / (40 * 99) == pytest.approx(0.24, abs=0.01)
    assert said.vocabulary[0] == "<pad>"
    assert all((tokens > 0).all() for tokens in said.tokens)


def test_a_case_and_what_is_remembered_of_it_cannot_be_written_to(pytorch: str) -> None:
    case = lstm()
    floor = noise_floor(case)
    for array in (case.arrays["x"], case.lengths, case.cotangents["y"], floor.floor["y"], observe(case, pytorch)["y"]):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_cotangents_are_checked_like_arrays() -> None:
    case = lstm()
    with pytest.raises(InputError, match="cotangent of y: got NaN or inf on a real step"):
        replace(case, cotangents={"y": case.cotangents["y"] * np.nan})
    with pytest.raises(InputError, match="cotangents: got none, expected one for at least one of: y, h, c"):
        replace(case, cotangents={})


BAD_CALLS: dict[str, tuple[Any, str]] = {
    "no mapping": (lambda: replace(lstm(), arrays=None), "arrays: got None, expected arrays by name"),
    "ragged": (lambda: with_array(lstm(), "x", [[1.0], [1.0, 2.0]]), "x: got rows of unequal lengths"),
    "no case": (lambda: observe("rnn.lstm", "reference"), "case: got str, expected a parity.Case"),
    "no floor": (lambda: noise_floor("rnn.lstm"), "case: got str, expected a parity.Case"),  # type: ignore[arg-type]
    "copies": (lambda: noise_floor(lstm(), 0), "copies: got 0, expected a whole number of 1 or more"),
    "reference variant": (lambda: observe(lstm(), "reference", "packed"), "the reference has no variants"),
    "sizes": (lambda: draw("rnn.gru", "one_layer", "ragged", "float32", 0, {"B": 8}), "sizes: got {'B': 8}"),
    "axis": (lambda: draw("rnn.gru", "one_layer", "ragged", "float32", 0, (("Q", 8),)), "sizes: got 'Q'"),
    "no step": (lambda: draw("rnn.gru", "one_layer", "ragged", "float32", 0, (("T", 0),)), "size of T: got 0"),
    "list": (lambda: draw(["rnn.gru"], "one_layer", "ragged", "float32", 0), "operation: got "),
    "bare name": (lambda: hold("rnn.gru", print, "pytorch", contracts="repeatable"), "contracts: got 'repeatable'"),
    "function": (lambda: hold("rnn.gru", None, "pytorch"), "function: got None"),
}


@pytest.mark.parametrize("call", BAD_CALLS)
def test_a_bad_call_is_answered_in_one_sentence(call: str) -> None:
    bad, message = BAD_CALLS[call]
    with pytest.raises(InputError, match=re.escape(message)):
        bad()


def test_ids_of_any_integer_dtype_are_taken(framework: str) -> None:
    case = draw("embedding.lookup", "pad_is_0", "ragged", "float32", 0)
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


@pytest.mark.parametrize("shape", WRITTEN_OUT)
def test_a_shape_may_be_written_out(shape: str) -> None:
    lengths, steps, scale = WRITTEN_OUT[shape]
    case = draw("rnn.rnn", "tanh", shape, "float32", 0)
    assert (case.lengths.tolist(), case.steps) == (lengths, steps)
    assert str(shape_named(shape)) == shape
    assert shape_named(shape).scale == scale
    if shape.endswith("~inf"):
        assert np.isinf(case.arrays["x"][~case.mask]).all()
        assert np.isfinite(case.arrays["x"][case.mask]).all()


def test_a_scale_is_that_of_parameters_alone() -> None:
    usual, large = (draw("rnn.rnn", "tanh", shape, "float64", 0, (("D", 400),)) for shape in ("3:3", "3:3x100"))
    spread = {name: large.arrays[name].std() / usual.arrays[name].std() for name in ("x", "w_in.0")}
    assert 0.9 < spread["x"] < 1.1
    assert 90 < spread["w_in.0"] < 110


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ("3,4:3", "lengths: got 4 at index 1, expected at most T = 3"),
        ("3:0", "T in shape: got 0, expected a whole number of 1 or more"),
        ("3:3x1e", "shape: got '3:3x1e', expected numbers behind x and ~"),
        ("raged", "shape: got 'raged', expected 'ragged'"),
    ],
)
def test_a_wrong_shape_is_named(shape: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        draw("rnn.rnn", "tanh", shape, "float32", 0)
