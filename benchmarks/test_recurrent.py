"""Time every variant of an operation on the same batch, forward and in training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.bench import Bench
from benchmarks.grid import ROWS, Row
from benchmarks.replay import clock, replay
from parity import frameworks
from parity.throughput.benchmark import PHASES, Candidate

FIRST = {row.operation: row for row in reversed(ROWS)}
TESTS = [
    pytest.param(
        row,
        phase,
        candidate,
        id=f"{row}-{phase}-{candidate}",
        marks=pytest.mark.benchmark(group=f"{row}-{phase}", timer=clock),
    )
    for row in ROWS
    for phase in PHASES
    for candidate in row.candidates()
]


@pytest.mark.parametrize(("row", "phase", "candidate"), TESTS)
def test_throughput(benchmark: Any, bench: Bench, row: Row, phase: str, candidate: Candidate) -> None:
    """Check the answer at this size, then time it in turns with its group."""
    if frameworks.is_absent(candidate.framework):
        pytest.skip(frameworks.missing(candidate.framework))
    if not bench.timing and row not in FIRST.values():
        pytest.skip("nothing is timed in a plain run, and one row of each operation is enough; --benchmark-only does")
    group, name = bench.group(row), str(candidate)
    if error := group.failures.get(name):
        if candidate.mode == "compiled" and "C++ compiler" in str(error):
            pytest.skip("torch.compile finds no C++ compiler here")
        raise error
    assert group.prepared[name].worst.compared
    if bench.timing:
        times, extra_info = bench.result(row, phase, candidate)
        replay(benchmark, times, extra_info)
    else:
        benchmark.pedantic(group.prepared[name].calls[phase].start)


def test_regret(benchmark: Any, bench: Bench) -> None:
    """Report the regret of following `parity advise` for the rows above."""
    if not bench.timing:
        pytest.skip("nothing is timed in a plain run; --benchmark-only does")
    regrets = bench.regrets()
    if not regrets:
        pytest.skip("no recurrent row with two variants was timed in this run")
    worst = max(regrets, key=lambda choice: (regrets[choice], choice))
    tail = float(np.percentile(list(regrets.values()), 95))
    benchmark.extra_info.update({"regret": regrets, "regret_95": tail})
    benchmark.pedantic(lambda: None)
    bench.summary.append(
        f"parity advise: regret {tail:.2f} at the 95th percentile of {len(regrets)} choices, "
        f"worst {regrets[worst]:.2f} ({worst})"
    )
