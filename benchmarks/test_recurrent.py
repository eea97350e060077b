"""Every variant of the operations table on the same batch, forward, and forward with backward."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.bench import Bench
from benchmarks.grid import ROWS, Row
from benchmarks.replay import clock, replay
from parity import frameworks
from parity.throughput.benchmark import PHASES, Entry

TESTS = [
    pytest.param(
        row,
        phase,
        entry,
        id=f"{row}-{phase}-{entry}",
        marks=pytest.mark.benchmark(group=f"{row}-{phase}", timer=clock),
    )
    for row in ROWS
    for phase in PHASES
    for entry in row.entries()
]


@pytest.mark.parametrize(("row", "phase", "entry"), TESTS)
def test_throughput(benchmark: Any, bench: Bench, row: Row, phase: str, entry: Entry) -> None:
    """The answer is right at this size; then it is timed, in turns with all others of its group."""
    if reason := frameworks.missing(entry.framework):
        pytest.skip(reason)
    group = bench.group(row)
    if error := group.failures.get(str(entry)):
        if entry.mode == "compiled" and "C++ compiler" in str(error):
            pytest.skip("torch.compile finds no C++ compiler here")
        raise error
    assert group.prepared[str(entry)].worst.compared
    if bench.timing:
        replay(benchmark, *bench.result(row, phase, entry))
    else:
        benchmark.pedantic(group.prepared[str(entry)].contenders[phase].start)


def test_regret(benchmark: Any, bench: Bench) -> None:
    """What following `parity advise` would have cost in the rows above: 1.0 where it named the fastest."""
    if not bench.timing:
        pytest.skip("nothing is timed in a plain run; --benchmark-only does")
    found = bench.regrets()
    if not found:
        pytest.skip("no recurrent row with two variants was timed in this run")
    highest, at = max((regret, at) for at, regret in found.items())
    tail = float(np.percentile(list(found.values()), 95))
    benchmark.extra_info.update({"regret": found, "regret_95": tail})
    benchmark.pedantic(lambda: None)
    bench.said.append(
        f"parity advise: regret {tail:.2f} at the 95th percentile of {len(found)} choices, worst {highest:.2f} ({at})"
    )
