"""Check the message for each wrong name, number, length, batch and case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from parity import Batch, Case, InputError, noise_floor, observe, operations, sample_case
from parity.arrays import BFLOAT16, check_lengths
from parity.cases.lengths import fill_lengths, sample_lengths
from parity.cases.sampling import with_lengths

RIGHT = {"operation": "rnn.gru", "config": "one_layer", "lengths": "ragged", "dtype": "float32", "seed": 0}
CASE = sample_case(**RIGHT)
DEEP = sample_case("rnn.lstm", "two_layers_from_state", "ragged", "float32", 0, (("B", 5), ("T", 4), ("D", 3)))
IDS = sample_case("embedding.lookup", "pad_is_0", "ragged", "float32", 0)
POSITIONS = sample_case("embedding.positions", "pad_is_1", "3:3", "float32", 0)
BATCH = Batch.of([[1.0, 2.0], [3.0]])
RNG = np.random.default_rng(0)


class OnAnotherDevice:
    """A tensor that NumPy cannot read."""

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy.\nUse Tensor.cpu()")


def sampled(**wrong: Any) -> Case:
    return sample_case(**RIGHT | wrong)


def given(lengths: Any, **wrong: Any) -> Case:
    right = {"operation": "rnn.gru", "config": "one_layer", "dtype": "float32", "seed": 0}
    return with_lengths(**right | wrong, lengths=lengths)


def deep(**wrong: Any) -> Case:
    """Replace arrays of `DEEP`."""
    return replace(DEEP, arrays=dict(DEEP.arrays) | {name.replace("__", "."): array for name, array in wrong.items()})


def ids(token: Any) -> Case:
    return replace(IDS, arrays={**IDS.arrays, "tokens": np.full(IDS.arrays["tokens"].shape, token)})


def array(name: str) -> Any:
    return DEEP.arrays[name]


ONE_OF_MANY = f"expected one of {len(operations.OPERATIONS)} names, e.g. masking.sequence_mask, "
A_DTYPE = "expected one of: float32, float64, bfloat16, float16"
A_FRACTION = "expected a fraction above 0 and at most 1"
A_GENERATOR = "expected a numpy.random.Generator, e.g. numpy.random.default_rng(0)"
AN_ARRAY = "expected an array of numbers"
IN_ONE_ARRAY = "expected at most 2147483648 in one array"

NAMES: dict[str, Callable[[], object]] = {
    "operation: got 'rnn.gro', expected 'rnn.gru'": lambda: sampled(operation="rnn.gro"),
    f"operation: got 'quicksort', {ONE_OF_MANY}": lambda: sampled(operation="quicksort"),
    f"operation: got ['rnn.gru'], {ONE_OF_MANY}": lambda: sampled(operation=["rnn.gru"]),
    f"operation: got None, {ONE_OF_MANY}": lambda: operations.find(None),
    "operation: got 'rnn.ltsm', expected 'rnn.lstm'": lambda: replace(DEEP, operation="rnn.ltsm"),
    "config: got 'one_later', expected 'one_layer'": lambda: sampled(config="one_later"),
    "config: got 0, expected one of: one_layer, two_layers_from_state": lambda: sampled(config=0),
    "config: got 'two_layer', expected 'one_layer'": lambda: replace(DEEP, config="two_layer"),
    "lengths: got 'raged', expected 'ragged'": lambda: sampled(lengths="raged"),
    "lengths: got 'ragged', expected one of: sampled": lambda: sample_case(
        "model.tagger", "lstm", "ragged", "float32", 0
    ),
    "lengths_name: got 3, expected a name": lambda: replace(DEEP, lengths_name=3),
    "dtype: got 'float23', expected 'float32'": lambda: sampled(dtype="float23"),
    f"dtype: got <class 'numpy.float32'>, {A_DTYPE}": lambda: sampled(dtype=np.float32),
    "case: got 'rnn.gru', expected a parity.Case; see parity.sample_case": lambda: observe("rnn.gru", "reference"),
    "case: got None, expected a parity.Case; see parity.sample_case": lambda: noise_floor(None),
    "framework: got 'pytroch', expected 'pytorch'": lambda: observe(CASE, "pytroch"),
    "variant: got 'pakced', expected 'packed'": lambda: observe(CASE, "pytorch", "pakced"),
    "variant: got None, expected the name of a variant": lambda: observe(CASE, "pytorch", None),
    "variant: got 'packed', expected none: the reference has": lambda: observe(CASE, "reference", "packed"),
    "mode: got 'graph', expected one of: eager, compiled": lambda: observe(CASE, "pytorch", "packed", "graph"),
    "quantity: got 'd_z', expected 'd_x'": lambda: observe(CASE, "reference")["d_z"],
    "axis: got 'V', expected one of: B, T, D, H": lambda: CASE.size("V"),
    "outputs: got 'z', expected one of: y, h": lambda: CASE.keeping(["z"]),
    "outputs: got 'y', expected a list of names": lambda: CASE.keeping("y"),
}
NUMBERS: dict[str, Callable[[], object]] = {
    "seed: got -1, expected a whole number of 0 or more": lambda: sampled(seed=-1),
    "seed: got 1.0, expected a whole number of 0 or more": lambda: sampled(seed=1.0),
    "seed: got True, expected a whole number of 0 or more": lambda: sampled(seed=True),
    "seed: got -2, expected a whole number of -1 or more": lambda: replace(DEEP, seed=-2),
    "sizes: got {'B': 8}, expected pairs of axis and size, e.g. ": lambda: sampled(sizes={"B": 8}),
    "sizes: got 'Q', expected one of 7 names, e.g. B, T, D": lambda: sampled(sizes=(("Q", 8),)),
    "size of T: got 0, expected a whole number of 1 or more": lambda: sampled(sizes=(("T", 0),)),
    f"w_rec.0: got 1000000 x 3 x 1000000 numbers, {IN_ONE_ARRAY}": lambda: sampled(sizes=(("H", 10**6),)),
    "sizes beside the data's own: got 'T', expected one of: D, H, S": lambda: sample_case(
        "model.tagger", "lstm", "sampled", "float32", 0, (("T", 3),)
    ),
    "copies: got 0, expected a whole number from 1 to 1000": lambda: noise_floor(CASE, 0),
    "copies: got 1000000, expected a whole number from 1 to 1000": lambda: noise_floor(CASE, 10**6),
    "distribution: got 'lognromal', expected 'lognormal'": lambda: sample_lengths("lognromal", RNG, 4, 8),
    f"rng: got 42, {A_GENERATOR}": lambda: sample_lengths("uniform", 42, 4, 8),
    "batch: got -1, expected a whole number from 0 to 2147483648": lambda: sample_lengths("uniform", RNG, -1, 8),
    "steps: got 0, expected a whole number from 1 to 2147483648": lambda: sample_lengths("uniform", RNG, 4, 0),
    f"fill: got 1.5, {A_FRACTION}": lambda: fill_lengths(1.5, RNG, 4, 8),
    f"fill: got 0.0, {A_FRACTION}": lambda: fill_lengths(0.0, RNG, 4, 8),
    f"fill: got nan, {A_FRACTION}": lambda: fill_lengths(float("nan"), RNG, 4, 8),
    f"fill: got 'half', {A_FRACTION}": lambda: fill_lengths("half", RNG, 4, 8),
    f"rng: got None, {A_GENERATOR}": lambda: fill_lengths(0.5, None, 4, 8),
}
DISTRIBUTIONS: dict[str, Callable[[], object]] = {
    "lengths: got 9 at index 1, expected at most T = 5": lambda: check_lengths([1, 9], steps=5),
    "lengths: got -1 at index 1, expected lengths of 0 or more": lambda: check_lengths([2, -1], steps=5),
    "lengths: got dtype float64, expected integers": lambda: check_lengths([1.0, 2.0], steps=5),
    "lengths: got dtype bool, expected integers": lambda: check_lengths([True, False], steps=5),
    f"lengths: got ['1', '2'], {AN_ARRAY}": lambda: check_lengths(["1", "2"], steps=5),
    f"lengths: got None, {AN_ARRAY}": lambda: check_lengths(None, steps=5),
    "lengths: got shape (2, 1), expected one axis, (B,)": lambda: check_lengths([[1], [2]], steps=5),
    "lengths: got shape (), expected one axis, (B,)": lambda: check_lengths(3, steps=5),
    "lengths: got rows of unequal lengths, expected a rect": lambda: check_lengths([[1], [1, 2]], steps=5),
    "lengths: got 3 lengths, expected one for each of the 2 ": lambda: check_lengths([1, 2, 3], steps=5, batch=2),
    "steps: got nan, expected a whole number of 0 or more": lambda: check_lengths([1], steps=float("nan")),
    "lengths: got 3 at index 0, expected at most T = 2": lambda: given([3, 1], steps=2),
    "lengths: got 1099511627776 at index 0, expected at most T = 2147483648": lambda: given([2**40]),
    "sizes: got 'B', expected one of: D, H, V, C, S": lambda: given([1], B=3),
    "size of H: got 'wide', expected a whole number of 1 or more": lambda: given([1], H="wide"),
    f"x: got 1 x 2147483648 x 2 numbers, {IN_ONE_ARRAY}": lambda: given([1], steps=2**31),
    "steps: got an object of type int, expected a whole number": lambda: given([1], steps=-(10**5000)),
}
BATCHES: dict[str, Callable[[], object]] = {
    "sequences: got none, expected at least one sequence": lambda: Batch.of([]),
    "sequences: got shapes [(2, 3), (2, 4)], expected (length, ...) with equal trailing axes": lambda: Batch.of(
        [np.zeros((2, 3)), np.zeros((2, 4))]
    ),
    "sequences: got shapes [(1,), ()], expected (length, ...)": lambda: Batch.of([[1.0], 2.0]),
    "sequences: got <map object>, expected a list of arrays": lambda: Batch.of(map(np.ones, [1, 2])),
    f"sequences: got 'abc', {AN_ARRAY}": lambda: Batch.of(["abc", "de"]),
    "sequences: got dtypes float16, bfloat16, expected dtypes that have one in common": lambda: Batch.of(
        [np.zeros(2, np.float16), np.zeros(2, BFLOAT16)]
    ),
    "lengths: got 2 at index 0, expected at most T = 1": lambda: Batch.of([[1, 2]], steps=1),
    "steps: got 2.5, expected a whole number of 0 or more": lambda: Batch.of([[1, 2]], steps=2.5),
    f"steps: got 1 x 1000000000000 numbers, {IN_ONE_ARRAY}": lambda: Batch.of([[1, 2]], steps=10**12),
    "values: got shape (3,), expected at least two axes, (B, T, ...)": lambda: Batch(np.zeros(3), [1, 1, 1]),
    f"values: got [[None, 1]], {AN_ARRAY}": lambda: Batch([[None, 1]], [1]),
    f"values: got dtype complex128, {AN_ARRAY}": lambda: Batch(np.zeros((2, 3), complex), [1, 2]),
    f"values: got dtype [('x', '<f4')], {AN_ARRAY}": lambda: Batch(np.zeros((2, 3), [("x", "<f4")]), [1, 2]),
    "lengths: got 1 lengths, expected one for each of the 2 sequences": lambda: Batch(np.zeros((2, 3)), [1]),
}
CASES: dict[str, Callable[[], object]] = {
    "arrays: got [], expected arrays by name: x, w_in.0, ": lambda: replace(DEEP, arrays=[]),
    "arrays: got 'w_im.0', expected 'w_in.0'": lambda: deep(w_im__0=array("x")),
    "arrays: got no 'w_in.0' among ['x'], expected an array named 'w_in.0'": lambda: replace(
        DEEP, arrays={"x": array("x")}
    ),
    f"x: got 'x', {AN_ARRAY}": lambda: deep(x="x"),
    "x: got OnAnotherDevice (can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu()), expected a": lambda: (
        deep(x=OnAnotherDevice())
    ),
    "x: got rows of unequal lengths, expected a rectangular array of numbers": lambda: deep(x=[[1.0], [1.0, 2.0]]),
    "x: got 2 axes, shape (4, 3), expected 3 axes, (B, T, D)": lambda: deep(x=array("x")[0]),
    "h0: got B = 2 in shape (2, 2, 6), expected B = 5, as in x": lambda: deep(h0=array("h0")[:, :2]),
    "w_in.0: got 3 in shape (3, 3, 6), expected 4, as in (D, 4, H)": lambda: deep(w_in__0=array("w_in.0")[:, :3]),
    "w_rec.1: got H = 5 in shape (5, 4, 6), expected H = 6, as in w_in.0": lambda: deep(w_rec__1=array("w_rec.1")[:5]),
    "prediction: got T = 0, expected at least one step": lambda: Case(
        "loss.mean_squared_error",
        "mean",
        [0],
        {"prediction": np.zeros((1, 0, 2)), "target": np.zeros((1, 0, 2))},
        {"loss": 1.0},
    ),
    f"x: got dtype int16, {A_DTYPE}": lambda: deep(x=array("x").astype(np.int16)),
    "bias.0: got dtype float64, expected float32, as the other": lambda: deep(bias__0=array("bias.0").astype(float)),
    "x: got NaN or inf on a real step, expected finite numbers": lambda: deep(x=array("x") * np.nan),
    "w_in.0: got NaN or inf, expected finite numbers": lambda: deep(w_in__0=array("w_in.0") + np.inf),
    "tokens: got ids from 99 to 99 on a real step, expected ids from 0 to V - 1 = 6": lambda: ids(99),
    "tokens: got ids from -100 to -100 on a real step, expected ids from 0 to V - 1 = 6": lambda: ids(-100),
    "tokens: got dtype float64, expected integers": lambda: ids(1.5),
    "cotangents: got none, expected one for at least one of: y, h, c": lambda: replace(DEEP, cotangents={}),
    "cotangents: got 'z', expected one of: y, h, c": lambda: replace(DEEP, cotangents={"z": array("x")}),
    "cotangent of y: got NaN or inf on a real step, expected finite": lambda: replace(
        DEEP, cotangents={"y": DEEP.cotangents["y"] * np.nan}
    ),
    "lengths: got 2 lengths, expected one for each of the 5 sequences": lambda: replace(DEEP, lengths=[1, 2]),
    "lengths: got 13 at index 0, expected at most T = 4": lambda: replace(DEEP, lengths=[13] * 5),
    "rows: got [4], expected one axis of row numbers from 0 to 3": lambda: CASE.taken([4]),
    "table: got 3 rows, expected at least 5, for positions from 2 on": lambda: replace(
        POSITIONS, arrays={**POSITIONS.arrays, "table": POSITIONS.arrays["table"][:3]}
    ),
    "extra: got -3, expected a whole number of -2 or more": lambda: CASE.extended(-CASE.steps),
    f"extra: got 4 x 1000000003 x 2 numbers, {IN_ONE_ARRAY}": lambda: CASE.extended(10**9),
    "seed: got -1, expected a whole number of 0 or more": lambda: CASE.refilled(-1, (1.0,)),
    "fills: got (), expected at least one number, in one axis": lambda: CASE.refilled(0, ()),
    f"fills: got ('NaN',), {AN_ARRAY}": lambda: CASE.refilled(0, ("NaN",)),
}
REJECTED = [pair for table in (NAMES, NUMBERS, DISTRIBUTIONS, BATCHES, CASES) for pair in table.items()]


@pytest.mark.parametrize("name", ["rnn.gro", "quicksort", "rnn", "x" * 10**6])
def test_a_message_suggests_at_most_three_of_many_names(name: str) -> None:
    with pytest.raises(InputError) as raised:
        operations.find(name)
    assert sum(operation in str(raised.value) for operation in operations.OPERATIONS) <= 3
    assert f"{len(operations.OPERATIONS)}" in str(raised.value)


@pytest.mark.parametrize(("message", "call"), REJECTED, ids=[message for message, _ in REJECTED])
def test_a_wrong_call_raises_one_sentence(message: str, call: Callable[[], object], without_frameworks: None) -> None:
    """Check the message, and that no framework is called."""
    with pytest.raises(InputError) as raised:
        call()
    assert str(raised.value).startswith(message)
