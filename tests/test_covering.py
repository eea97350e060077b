"""Cover every pair of a contract, a configuration, a dtype and a mode in a default run."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations, product

import pytest

from parity.checks.check import Check
from parity.checks.contracts import CONTRACTS
from parity.checks.selection import plan
from parity.frameworks import FRAMEWORKS
from parity.operations import OPERATIONS

# a graph is traced alike for every dtype, and in a default run for float32 only: see `Contract.modes`
IN_FLOAT64 = {("float64", "graph"), ("same_in_every_mode", "float64")}
RERUN = [name for name, contract in CONTRACTS.items() if contract.reruns]


def runs_of(checks: list[Check]) -> dict[str, set[tuple[str, str, str, str]]]:
    """Return variant -> its contracts, configurations, dtypes and modes."""
    found = defaultdict(set)
    for check in checks:
        for config, _, mode in check.runs():
            found[check.variant].add((check.contract, config.name, check.dtype, mode))
    return found


@pytest.mark.parametrize(("operation", "framework"), list(product(OPERATIONS, FRAMEWORKS)))
def test_every_pair_is_tried(operation: str, framework: str) -> None:
    default = runs_of(plan([operation], [framework]))
    every = runs_of([check for check in plan([operation], [framework], full=True) if not check.slow])
    for variant, tried in default.items():
        for first, second in combinations(range(4), 2):
            missing = {(run[first], run[second]) for run in every[variant]} - {
                (run[first], run[second]) for run in tried
            }
            assert missing <= IN_FLOAT64, (variant, missing)


def test_runs_are_saved_where_there_are_several_configurations() -> None:
    default = runs_of(plan(["rnn.lstm"], ["tensorflow"], contracts=RERUN))
    every = runs_of(plan(["rnn.lstm"], ["tensorflow"], contracts=RERUN, full=True))
    for variant, tried in default.items():
        assert 3 * len(tried) <= len(every[variant])
