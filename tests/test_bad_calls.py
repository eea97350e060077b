"""Check the message for each wrong call of checks, comparisons, plans, training, advice and reports."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import parity
from parity import (
    Observation,
    bucketing,
    check_function,
    divergences,
    frameworks,
    mutants,
    report,
    sample_case,
    training,
)
from parity.bucketing import DEFAULT, Cost, batches, fit, ideal, padded_over_real, split
from parity.cases import real_data
from parity.checks import sweep
from parity.checks.comparison import compare, difference
from parity.checks.runner import Runner
from parity.checks.selection import plan
from parity.errors import InputError
from parity.throughput import advice
from parity.throughput.timing import TimedCall, interleaved, ratio
from tests.factories import result

CASE = sample_case("rnn.gru", "one_layer", "ragged", "float32", 0)
ONES = {"y": np.ones(2)}
OBSERVATION = Observation(ONES)
RNG = np.random.default_rng(0)
MODEL = advice.Model({"pytorch.packed": DEFAULT})
DENOMINATOR = divergences.find("loss.denominator")


def checked(**wrong: Any) -> object:
    return check_function(**{"operation": "rnn.gru", "function": print, "framework": "pytorch"} | wrong)


def trained(**wrong: Any) -> object:
    return training.train(**{"model": "model.tagger", "optimiser": "sgd", "framework": "reference"} | wrong)


def check_trained(**wrong: Any) -> object:
    return training.check_training(**{"model": "model.tagger", "optimiser": "sgd", "framework": "pytorch"} | wrong)


def use_cost(cost: Any) -> None:
    with bucketing.using(cost):
        pass


CALLABLE = "expected something that can be called"
TASKS = "expected tasks, as parity.checks.selection.plan lists them"
PAIRS = "expected at least one pair of counts and seconds, ((calls, steps, rows), seconds)"
SECONDS = "expected seconds, finite and not negative"
WRITTEN_OUT = 'expected lengths, a colon and T, as in "3,0,1:5" or "3,0,1:5x30~nan"'
A_COST = "expected a parity.bucketing.Cost"
AN_ARRAY = "expected an array of numbers"
FINITE = "expected finite numbers of 0 or more"
FROM_1_TO_999 = "expected a whole number from 1 to 999"

CHECKS: dict[str, Callable[[], object]] = {
    "operation: got 'rnn.gro', expected 'rnn.gru'": lambda: checked(operation="rnn.gro"),
    f"function: got None, {CALLABLE}": lambda: checked(function=None),
    "framework: got 'reference', expected one of: pytorch, tensorflow": lambda: checked(framework="reference"),
    "dtype: got 'float46', expected 'float64'": lambda: checked(dtype="float46"),
    "contracts: got 'repeatabel', expected 'repeatable'": lambda: checked(contracts=["repeatabel"]),
    "contracts: got 'trains_alike', expected a contract of a single run": lambda: checked(contracts=["trains_alike"]),
    "contracts: got 'repeatable', expected a list of names": lambda: checked(contracts="repeatable"),
    "contracts: got [['repeatable']], expected a list of names": lambda: checked(contracts=[["repeatable"]]),
    "seed: got None, expected a whole number of 0 or more": lambda: checked(seed=None),
    "selection: got no check at all, expected one of the contracts that the chosen operations promise": lambda: checked(
        operation="loss.cross_entropy", contracts=["independent_of_batchmates"]
    ),
    "selection: got no check at all, expected one of the contracts that the chosen ": lambda: checked(
        contracts=["same_when_packed"], lengths="3,1:5"
    ),
    "operations: got ['rnn.gru', 3], expected a list of names": lambda: plan(operations=["rnn.gru", 3]),
    "variant: got 'gather', expected one of 11 names, e.g. auto, bucketed, ": lambda: plan(
        operations=["rnn.gru"], variants=["gather"]
    ),
    "full: got 'yes', expected True or False": lambda: plan(full="yes"),
    f"tasks: got None, {TASKS}": lambda: Runner(None),
    f"tasks: got 'rnn.gru', {TASKS}": lambda: Runner(["rnn.gru"]),
    "jobs: got 0, expected a whole number of 1 or more": lambda: Runner([], jobs=0),
    "jobs: got '4', expected a whole number of 1 or more": lambda: Runner([], jobs="4"),
    "task: got None, expected one of the tasks that were given": lambda: Runner([], jobs=1).results_of(None),
    "seeds: got 0, expected a whole number from 1 to 100000": lambda: sweep.plan(seeds=0),
    "dtype: got 'int8', expected one of: float32, ": lambda: sweep.plan(dtypes=["int8"]),
    "dtypes: got 'float32', expected a list of names": lambda: sweep.plan(dtypes="float32"),  # type: ignore[arg-type]
    "mutant: got 'rnn.lengths_short_by_two', expected 'rnn.lengths_short_by_one'": lambda: mutants.find(
        "rnn.lengths_short_by_two"
    ),
    "mutants: got 'rnn', expected a list of names": lambda: mutants.plan("rnn"),
    "device: got 'gpu', expected 'cpu'": lambda: plan(device=frameworks.DeviceSettings("gpu")),
    f"lengths: got '3:3x1e', {WRITTEN_OUT}": lambda: plan(lengths="3:3x1e"),
    "mode: got 'grpah', expected 'graph'": lambda: plan(mode="grpah"),
    "config: got 'one_layre', expected 'one_layer'": lambda: plan(["rnn.gru"], config="one_layre"),
}
COMPARISONS: dict[str, Callable[[], object]] = {
    "observed: got [1.0], expected arrays by name": lambda: compare([1.0], ONES),
    "expected: got None, expected arrays by name": lambda: compare(ONES, None),
    "expected: got no quantities, expected at least one: a comparison of nothing": lambda: compare({}, {}),
    f"observed 'y': got 'one', {AN_ARRAY}": lambda: compare({"y": "one"}, ONES),
    f"expected 'y': got [None], {AN_ARRAY}": lambda: compare(ONES, {"y": [None]}),
    f"floor of 'y': got NaN, inf or less than 0, {FINITE}": lambda: compare(ONES, ONES, {"y": np.array([1, np.nan])}),
    f"floor of 'z': got NaN, inf or less than 0, {FINITE}": lambda: difference("z", ONES["y"], ONES["y"], -ONES["y"]),
    f"floor of 'z': got ['one', 'two'], {AN_ARRAY}": lambda: difference("z", ONES["y"], ONES["y"], ["one", "two"]),
    "floor of 'y': got nothing, expected shape (2,)": lambda: compare(ONES, ONES, {}),
    "floor of 'y': got shape (3,), expected shape (2,)": lambda: compare(ONES, ONES, {"y": np.ones(3)}),
    "floor of 'z': got shape (3,), expected one that broadcasts to (2,)": lambda: difference(
        "z", ONES["y"], ONES["y"], np.ones(3)
    ),
    "floor: got 1.0, expected arrays by name": lambda: compare(ONES, ONES, 1.0),
    "quantities: got [1.0], expected arrays by name": lambda: Observation([1.0]),
    f"quantity 'y': got [None], {AN_ARRAY}": lambda: Observation({"y": [None]}),
    "quantities: got 0, expected names that are text": lambda: Observation({0: np.ones(2)}),
    "provenance: got 3, expected text by name": lambda: Observation(ONES, {"seed": 3}),
    "quantity: got 'Y', expected one of: y": lambda: OBSERVATION["Y"],
}
PLANS: dict[str, Callable[[], object]] = {
    f"call: got -1.0, {SECONDS}": lambda: Cost(-1.0, 0.0, 1.0),
    f"step: got inf, {SECONDS}": lambda: Cost(0.0, math.inf, 1.0),
    f"row: got None, {SECONDS}": lambda: Cost(0.0, 1.0, None),
    "cost: got zeros only, expected at least one of call, step and row above 0": lambda: Cost(0.0, 0.0, 0.0),
    "steps: got 0.5, expected a whole number from 0 to 1099511627776": lambda: Cost(1.0, 1.0, 1.0).of(3, 0.5),
    f"cost: got (1.0, 1.0, 1.0), {A_COST}": lambda: split([1, 2], cost=(1.0, 1.0, 1.0)),
    f"cost: got 2.0, {A_COST}": lambda: batches([1, 2], 2, cost=2.0),
    f"cost: got None, {A_COST}": lambda: use_cost(None),
    "lengths: got -2 at index 1, expected lengths of 0 or more": lambda: split([1, -2]),
    "lengths: got 1125899906842624 at index 0, expected at most T = 1099511627776": lambda: split([2**50]),
    "lengths: got dtype float64, expected integers": lambda: batches([1.5], 2),
    "batch: got 0, expected a whole number of 1 or more": lambda: batches([1], batch=0),
    "split: got [[0]], expected a Split, from parity.bucketing.split or batches": lambda: padded_over_real([1], [[0]]),
    "lengths: got 2 lengths, expected one for each of the 1 sequences": lambda: padded_over_real([1, 2], split([1])),
    "floor_rows: got -1.0, expected rows, finite and not negative": lambda: ideal([1], 1, -1.0),
    "floor_rows: got 'none', expected rows, finite and not negative": lambda: ideal([1], 1, "none"),
    "lengths: got 9 at index 0, expected at most T = 5": lambda: ideal([9], steps=5),
    f"samples: got none, {PAIRS}": lambda: fit([]),
    f"samples: got 3, {PAIRS}": lambda: fit(3),
    f"samples: got [(1, 2, 3)], {PAIRS}": lambda: fit([(1, 2, 3)]),
    "samples: got counts [[1.0, 2.0]], expected (calls, steps, rows) of 0 to 1e+30": lambda: fit([((1, 2), 1.0)]),
    "samples: got counts [[1.0, -2.0, 3.0]], expected (calls, steps, rows)": lambda: fit([((1, -2, 3), 1.0)]),
    "samples: got rows of unequal lengths, expected a rectangular array": lambda: fit([((1, 2), 1.0), ((1,), 1.0)]),
    "samples: got seconds [0.0], expected times above 0, at most 1e+30": lambda: fit([((1, 2, 3), 0.0)]),
    "samples: got no call, no step and no row, expected counts above 0": lambda: fit([((0, 0, 0), 1.0)]),
}
TRAINING: dict[str, Callable[[], object]] = {
    "model: got 'model.taggre', expected 'model.tagger'": lambda: check_trained(model="model.taggre"),
    "model: got 'rnn.lstm', expected one of: model.text_classifier, ": lambda: trained(model="rnn.lstm"),
    "optimiser: got 'adma', expected 'adam'": lambda: trained(optimiser="adma"),
    "framework: got 'reference', expected one of: pytorch, tensorflow": lambda: check_trained(framework="reference"),
    f"steps: got 0, {FROM_1_TO_999}": lambda: training.envelope("model.tagger", 0, 0),
    f"steps: got 1000000, {FROM_1_TO_999}": lambda: trained(steps=10**6),
    f"steps: got 0.5, {FROM_1_TO_999}": lambda: training.growth("model.tagger", "sgd", steps=0.5),
    "seed: got None, expected a whole number of 0 or more": lambda: training.plan_curves(seed=None),
    "seed: got -1, expected a whole number of 0 or more": lambda: training.plan(seed=-1),
    f"build: got 'Adam', {CALLABLE}": lambda: check_trained(build="Adam"),
    f"function: got {{}}, {CALLABLE}": lambda: trained(function={}),
}
DIVERGENCES: dict[str, Callable[[], object]] = {
    "divergence: got 'loss.denominatro', expected 'loss.denominator'": lambda: divergences.find("loss.denominatro"),
    "divergences: got 'loss', expected a list of names": lambda: divergences.plan("loss"),
    "framework: got 'reference', expected one of: pytorch, tensorflow": lambda: divergences.try_out(
        DENOMINATOR, "reference"
    ),
    "divergence: got 'loss.denominator', expected one of parity.divergences.DIVERGENCES": lambda: divergences.try_out(
        "loss.denominator", "pytorch"
    ),
    "framework: got 'jax', expected one of: pytorch, tensorflow": lambda: DENOMINATOR.code("jax"),
}
ADVICE: dict[str, Callable[[], object]] = {
    "operation: got 'rnn.ltsm', expected 'rnn.lstm'": lambda: advice.Layer("rnn.ltsm", "one_layer", 4, 4).benchmark(
        [1]
    ),
    "size of D: got 0, expected a whole number of 1 or more": lambda: advice.Layer(
        "rnn.gru", "one_layer", 0, 4
    ).benchmark([1]),
    "name: got 'pytorch.pakced', expected 'pytorch.packed'": lambda: MODEL.seconds("pytorch.pakced", [1]),
    "lengths: got -1 at index 0, expected lengths of 0 or more": lambda: MODEL.seconds("pytorch.packed", [-1]),
    "steps: got -1, expected a whole number of 0 or more": lambda: MODEL.seconds("pytorch.packed", [1], steps=-1),
    "predicted: got 'c', expected one of: a, b": lambda: advice.regret("c", {"a": 1.0, "b": 2.0}),
    "measured: got {'a': 0.0}, expected seconds above 0 by name": lambda: advice.regret("a", {"a": 0.0}),
    "calls: got none, expected at least one": lambda: interleaved({}, budget=1.0),
    "least: got 1, expected a whole number of 2 or more": lambda: interleaved({"a": TimedCall(int)}, 1.0, least=1),
    "slower, faster: got 3 and 2 rounds, expected the same rounds, 2 or more": lambda: ratio(np.ones(3), np.ones(2)),
    "slower, faster: got 1 and 1 rounds, expected the same rounds, 2 or more": lambda: ratio(np.ones(1), np.ones(1)),
}
DATA: dict[str, Callable[[], object]] = {
    "data: got 'speechse', expected 'speeches'": lambda: real_data.lengths("speechse"),
    "count: got 41, expected a whole number from 0 to 40": lambda: real_data.sample_batch(
        "speeches", RNG, 41, "float32"
    ),
    "dtype: got 'text', expected one of: float32, ": lambda: real_data.sample_batch("speeches", RNG, 3, "text"),
    "rng: got 0, expected a numpy.random.Generator": lambda: real_data.sample_batch("speeches", 0, 3, "float32"),
    "output: got '/dev/null/there', expected a folder that can be written (": lambda: report.check_writable(
        "/dev/null/there"
    ),
    "output: got '\\x00', expected a folder that can be written (embedded null byte)": lambda: report.check_writable(
        "\0"
    ),
    "output: got 3, expected the name of a file or a folder": lambda: report.check_writable(3),
}
ONE = parity.inputs(x=parity.features(3))


def takes_self(self: object) -> None:
    """Stand for a method, and for a test with a fixture."""


def yields() -> Iterator[None]:
    yield


DECORATORS: dict[str, Callable[[], object]] = {  # refused where a test is collected, and not when it runs
    "operation: got 'rnn.gur', expected 'rnn.gru'": lambda: parity.function("rnn.gur"),
    "framework: got 'torch', expected 'pytorch'": lambda: parity.function("rnn.gru", "torch"),
    "side: got 'middle', expected one of: right, left": lambda: parity.function("pooling.mean", side="middle"),
    "side: got 'left' for loss.sequence_loss (by_step)": lambda: parity.function(
        "loss.sequence_loss", side="left", config="by_step"
    ),
    "dtype: got 'float46', expected 'float64'": lambda: parity.function("rnn.gru", dtype=["float46"]),
    "contracts: got 'ignores_paddings', expected": lambda: parity.function("rnn.gru", contracts=["ignores_paddings"]),
    "contracts: got 'ignores_padding', expected a list of names": lambda: parity.function(
        "rnn.gru", contracts="ignores_padding"
    ),
    "config: got 'three_layers', expected": lambda: parity.function("rnn.gru", config="three_layers"),
    "lengths: got ": lambda: parity.function("rnn.gru", lengths="3;1"),
    "mode: got 'lazy', expected": lambda: parity.function("rnn.gru", mode="lazy"),
    "omits: got 'z', expected": lambda: parity.function("rnn.gru", omits=["z"]),
    "min_length: got -1, expected a whole number of 0 or more": lambda: parity.function("rnn.gru", min_length=-1),
    "padding_output: got 'none', expected one of: zero, any": lambda: parity.function("rnn.gru", padding_output="none"),
    "gradients: got 0, expected True or False": lambda: parity.function("rnn.gru", gradients=0),
    "refuses_empty: got 'yes', expected True or False": lambda: parity.function("rnn.gru", refuses_empty="yes"),
    f"like: got 3, {CALLABLE}": lambda: parity.function("rnn.gru", like=3),
    "expected_failures: got 'repeatabel', expected 'repeatable'": lambda: parity.function(
        "rnn.gru", expected_failures={"repeatabel": "it is random"}
    ),
    "expected_failures: got '' for 'repeatable', expected a reason in words": lambda: parity.function(
        "rnn.gru", expected_failures={"repeatable": ""}
    ),
    "seed: got -1, expected a whole number of 0 or more": lambda: parity.function("rnn.gru", seed=-1),
    "inputs: got 3, expected parity.inputs(…) or parity.batch(…)": lambda: parity.model(3),  # type: ignore[arg-type]
    f"call: got 3, {CALLABLE}": lambda: parity.model(ONE, call=3),
    f"outputs: got 'y', {CALLABLE}": lambda: parity.model(ONE, outputs="y"),
    f"loss: got 0.5, {CALLABLE}": lambda: parity.model(ONE, loss=0.5),
    "layouts: got 'middle', expected": lambda: parity.model(ONE, layouts=["middle"]),
    "contracts: got 'repeatabel', expected 'repeatable'": lambda: parity.model(ONE, contracts=["repeatabel"]),
    "dtype: got 'float16', expected 'float64'": lambda: parity.model(ONE, dtype="float16"),
    "training: got 1, expected True or False": lambda: parity.model(ONE, training=1),
    "seeds: got 0, expected a whole number from 1 to 10000": lambda: parity.model(ONE, seeds=0),
    "expected_failures: got 'left', expected": lambda: parity.model(ONE, expected_failures={"left": "why"}),
    "expected_failures: got ' ' for 'repeatable', expected a reason in words": lambda: parity.model(
        ONE, expected_failures={"repeatable": " "}
    ),
    "framework: got 'keras', expected": lambda: parity.model(ONE, framework="keras"),
    "recording: got 3, expected the name of a folder": lambda: parity.model(ONE, recording=3),
    "inputs: got None, expected parity.inputs(": lambda: parity.pair(None),  # type: ignore[arg-type]
    f"call: got 'y', {CALLABLE}": lambda: parity.pair(ONE, call=(None, "y")),
    "outputs: got (1, 2, 3), expected one function, or a tuple of two": lambda: parity.pair(ONE, outputs=(1, 2, 3)),
    f"loss: got 3, {CALLABLE}": lambda: parity.pair(ONE, loss=3),
    "transfer: got 'middle to left', expected 'left to right', 'right to left', a function": lambda: parity.pair(
        ONE, transfer="middle to left"
    ),
    "pairs: got ['a'], expected names by names": lambda: parity.pair(ONE, pairs=["a"]),
    "ignore: got 'a', expected a list of names": lambda: parity.pair(ONE, ignore="a"),
    "contracts: got 'same_functions', expected 'same_function'": lambda: parity.pair(ONE, contracts=["same_functions"]),
    "dtype: got None, expected one of: float32, float64": lambda: parity.pair(ONE, dtype=None),
    "training: got None, expected True or False": lambda: parity.pair(ONE, training=None),
    "steps: got -1, expected a whole number from 0 to 999": lambda: parity.pair(ONE, steps=-1),
    "optimiser: got 'adams', expected": lambda: parity.pair(ONE, steps=2, optimiser="adams"),
    "seeds: got '3', expected a whole number from 1 to 10000": lambda: parity.pair(ONE, seeds="3"),
    "expected_failures: got 'middle.repeatable', expected": lambda: parity.pair(
        ONE, expected_failures={"middle.repeatable": "why"}
    ),
    "factory: got 3, expected a function that takes nothing": lambda: parity.model(ONE)(3),  # type: ignore[arg-type]
    "factory: got takes_self(self), expected a function that takes nothing, neither self nor a fixture": (
        lambda: parity.model(ONE)(takes_self)
    ),
    "factory: got yields, which is async or yields, expected": lambda: parity.pair(ONE)(yields),
}
TABLES = (CHECKS, COMPARISONS, PLANS, TRAINING, DIVERGENCES, ADVICE, DATA, DECORATORS)
REJECTED = [pair for table in TABLES for pair in table.items()]


@pytest.mark.parametrize(("message", "call"), REJECTED, ids=[message for message, _ in REJECTED])
def test_a_wrong_call_raises_one_sentence(message: str, call: Callable[[], object], without_frameworks: None) -> None:
    """Check the message, and that no framework is called."""
    with pytest.raises(InputError) as raised:
        call()
    assert str(raised.value).startswith(message)


def test_an_unknown_argument_of_a_decorator_is_refused_at_once() -> None:
    for decorator, first in ((parity.function, "rnn.gru"), (parity.model, ONE), (parity.pair, ONE)):
        with pytest.raises(TypeError, match=r"^option: got 'sid', expected "):
            decorator(first, sid="left")  # type: ignore[operator]


def test_an_input_error_can_be_pickled() -> None:
    error = InputError("seed", "-1", "a whole number of 0 or more")
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.argument) == (str(error), "seed")


def test_equal_results_have_one_hash() -> None:
    assert len({result("failed"), result("failed"), result("passed")}) == 2


def test_an_error_is_one_short_printable_line_whatever_was_received() -> None:
    message = str(InputError("output", f"\x1b[31m\n{'x' * 10**6}", "a folder"))
    assert (message.isprintable(), len(message) < 400, message[-20:]) == (True, True, "xxx …, expected a folder"[-20:])


class Exits:
    def __repr__(self) -> str:
        raise SystemExit(0)


def test_a_value_is_shown_in_one_short_line() -> None:
    for value in ([[1.0] * 9] * 9, np.eye(9), "x" * 999, -(10**5000), Exits()):
        with pytest.raises(InputError) as raised:
            batches([1], batch=value)
        assert len(str(raised.value)) < 150
        assert "\n" not in str(raised.value)
