"""Cover every pair of a contract, a configuration, lengths, a dtype and a mode in a default run."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations, product

import pytest

from parity.cases.lengths import DESIGNED, LARGE, MANY_STEPS, REAL, lengths_of
from parity.checks.check import Check
from parity.checks.contracts import CONTRACTS, FIRST
from parity.checks.covering import SEVERAL_RUNS
from parity.checks.selection import plan
from parity.frameworks import FRAMEWORKS
from parity.operations import OPERATIONS

Run = tuple[str, str, str, str, str]
AXES = {"contract": 0, "config": 1, "lengths": 2, "dtype": 3, "mode": 4}
MODES = "same_in_every_mode"
ONCE = [name for name, contract in CONTRACTS.items() if contract.once]
KNOWN_SIZES = "same_for_known_sizes"
# Lengths of batches whose sizes are special.
SPECIAL = {*DESIGNED, *(name for name, spec in REAL.items() if spec.sizes)}
ON_DESIGNED_BATCHES = {"propagates_nan": 2, "second_derivatives": 1}  # how many of each variant


def runs_of(checks: list[Check]) -> dict[str, set[Run]]:
    """Return variant -> the contracts, configurations, lengths, dtypes and modes in which it is tried."""
    found = defaultdict(set)
    for check in checks:
        for config, lengths, mode in check.runs():
            found[check.variant].add((check.contract, config.name, lengths, check.dtype, mode))
    return found


def pairs(runs: set[Run], *axes: str) -> set[tuple[str, str]]:
    first, second = (AXES[axis] for axis in axes)
    return {(run[first], run[second]) for run in runs}


def is_for_an_option(operation: str, config: str) -> bool:
    return bool(OPERATIONS[operation].configuration(config).lengths)


def usual(operation: str, runs: dict[str, set[Run]]) -> dict[str, set[Run]]:
    """Leave out what is tried once with each variant: batches of special sizes, and other values of options."""
    return {
        variant: {
            run
            for run in found
            if not is_for_an_option(operation, run[1]) and run[2] not in SPECIAL and run[0] not in ONCE
        }
        for variant, found in runs.items()
    }


@pytest.mark.parametrize(("framework", "operation"), list(product(FRAMEWORKS, OPERATIONS)))
def test_special_sizes_and_options_are_tried_with_every_variant(operation: str, framework: str) -> None:
    configs = OPERATIONS[operation].configurations
    sampled = {name for config in configs if not config.lengths for name in lengths_of(config)}.intersection(SPECIAL)
    for variant, runs in runs_of(plan([operation], [framework], contracts=["matches_reference"])).items():
        assert {run[2] for run in runs if run[2] in SPECIAL} >= sampled, variant
        assert {run[1:3] for run in runs} >= {(one.name, each) for one in configs for each in one.lengths}, variant
        designed = {run[3] for run in runs if run[2] in DESIGNED}
        assert designed == ({"float32", "float64"} if sampled.intersection(DESIGNED) else set())


@pytest.mark.parametrize(("one", "other"), [("many_rows", "descending"), ("square", LARGE), ("long", MANY_STEPS)])
def test_batches_of_one_kind_are_tried_in_different_dtypes(one: str, other: str) -> None:
    """Find both dtypes above eight rows, where B = T = D = H, and past a byte of steps."""
    for operation, framework in product(("pooling.mean", "loss.cross_entropy", "metrics.perplexity"), FRAMEWORKS):
        checks = plan([operation], [framework], contracts=["matches_reference"])
        for variant, runs in runs_of(checks).items():
            for config in {run[1] for run in runs if run[2] == one and not is_for_an_option(operation, run[1])}:
                tried = [{run[3] for run in runs if run[1:3] == (config, name)} for name in (one, other)]
                assert set.union(*tried) == {"float32", "float64"}, (variant, config)


def is_left_out(pair: tuple[str, str], in_graphs: bool, traced: bool) -> bool:
    """Tell whether only a full run tries a pair: modes on other lengths, and eagerly what takes several slow runs.

    What cannot be traced in float64 is not tried there.
    """
    if not traced and "float64" in pair and {"graph", MODES}.intersection(pair):
        return True
    if MODES in pair and pair[1] not in (*FIRST, "float32", "float64", "graph"):
        return True
    return in_graphs and pair[0] in SEVERAL_RUNS and pair[1] == "eager"


@pytest.mark.parametrize(("framework", "operation"), list(product(FRAMEWORKS, OPERATIONS)))
def test_every_pair_is_tried(operation: str, framework: str) -> None:
    """Find each pair in every variant; in some variant if it has a configuration or lengths: they take turns.

    Where Python runs for each step, a contract has its turn with a dtype and a mode in one operation of the topic.
    """
    default = runs_of(plan([operation], [framework]))
    every = usual(operation, runs_of([check for check in plan([operation], [framework], full=True) if not check.slow]))
    together = set().union(*default.values())
    slow = any(config.stepwise or config.data for config in OPERATIONS[operation].configurations)
    in_graphs = slow and framework == "tensorflow"
    topic = [name for name, row in OPERATIONS.items() if row.topic == OPERATIONS[operation].topic]
    in_topic = runs_of(plan(topic if in_graphs else [operation], [framework]))
    for variant, axes in product(default, combinations(AXES, 2)):
        tried = together if {"config", "lengths"}.intersection(axes) else default[variant]
        if axes in (("contract", "dtype"), ("contract", "mode")):
            tried = in_topic[variant]
        missing = pairs(every[variant], *axes) - pairs(tried, *axes)
        traced = ("float64", "graph") in pairs(usual(operation, default)[variant], "dtype", "mode")
        assert not [pair for pair in missing if not is_left_out(pair, in_graphs, traced)], (variant, axes)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_is_traced_in_float64_is_compared_with_eager(operation: str) -> None:
    runs = runs_of(plan([operation], ["tensorflow"], contracts=["matches_reference", MODES]))
    for variant, found in runs.items():
        traced = {run[0] for run in found if run[3:] == ("float64", "graph")}
        assert traced in (set(), {"matches_reference", MODES}), variant


def test_runs_are_saved_where_there_are_several_configurations() -> None:
    default = runs_of(plan(["rnn.lstm"], ["tensorflow"]))
    every = runs_of([check for check in plan(["rnn.lstm"], ["tensorflow"], full=True) if not check.slow])
    for variant, tried in default.items():
        assert 2 * len(tried) <= len(every[variant])


def test_contracts_that_transform_a_case_are_tried_once_for_each_configuration() -> None:
    rerun = [name for name, contract in CONTRACTS.items() if contract.reruns and not contract.once]
    for framework in FRAMEWORKS:
        for runs in runs_of(plan(["rnn.lstm"], [framework], contracts=rerun)).values():
            assert len(runs) == len({run[:3] for run in runs})


@pytest.mark.parametrize(("framework", "operation"), list(product(FRAMEWORKS, OPERATIONS)))
def test_contracts_that_take_long_are_tried_on_one_case_of_each_variant(operation: str, framework: str) -> None:
    row = OPERATIONS[operation]
    for contract in ONCE:
        if contract == KNOWN_SIZES or all(map(CONTRACTS[contract].unless_config, row.configurations)):
            continue
        slow = any(config.stepwise or config.data for config in row.configurations)
        own = {name.partition(".")[2] for name in row.own_gradients if name.startswith(framework)}
        tried = own if slow and CONTRACTS[contract].eager_only else set(row.variants[framework])
        checks = [one for one in plan([operation], [framework]) if one.contract == contract]
        runs = runs_of(checks)
        designed = 0 if slow else ON_DESIGNED_BATCHES.get(contract, 0)
        for variant, found in runs.items():
            assert len({run for run in found if run[2] in DESIGNED}) == designed, (variant, contract)
            assert len({run for run in found if run[2] not in DESIGNED}) == 1, (variant, contract)
        assert runs.keys() >= tried, contract


def test_every_kind_of_loop_is_traced_for_known_sizes() -> None:
    """Find each TensorFlow variant that runs step by step in its topic, once at least, but what cannot be traced."""
    tried = {
        (check.operation.partition(".")[0], check.variant)
        for check in plan(contracts=[KNOWN_SIZES])
        if any(check.runs())
    }
    rows = [row for row in OPERATIONS.values() if row.configurations[0].stepwise]
    every = {(row.topic, variant) for row in rows for variant in row.variants["tensorflow"]}
    assert every - tried == {("rnn", "static"), ("alignment", "dense_labels")}
