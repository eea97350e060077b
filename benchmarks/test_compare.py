"""Time `parity.checks.comparison` beside the usual comparisons, and measure its memory.

    pytest benchmarks/test_compare.py --benchmark-only --benchmark-json=compare.json

One test for each size times all comparisons in interleaved rounds: a machine that slows down slows them all. The
ratios are in ``extra_info``. Without ``--benchmark-only``, each runs once on small arrays, untimed. 400 MB a side needs
about 4 GB of memory and runs only where the environment has ``PARITY_LARGE=1``.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from benchmarks.bench import Bench
from benchmarks.replay import clock, replay
from parity.arrays import Array
from parity.checks.comparison import Difference, compare
from parity.throughput.timing import Ratio, TimedCall, interleaved, ratio

SIZES = (1, 10, 200, 400)  # MB a side
LARGE = 400
SUMMARISED = 200  # MB a side, at the end of the run
BUDGET = 2.0  # seconds for the rounds of a size
ARRAY, SCALAR, EXACT = "parity, array floor", "parity, scalar floor", "parity, exact"
OURS = (ARRAY, SCALAR, EXACT)
NUMPY, TORCH = "numpy assert_allclose", "torch assert_close"


class Pair:
    """Two nearly equal float32 arrays, their noise floors, and the comparisons of both."""

    def __init__(self, megabytes: float) -> None:
        count = round(megabytes * 1e6 / 4)
        rng = np.random.default_rng(0)
        self.expected = rng.standard_normal(count, dtype=np.float32)
        self.observed = self.expected * rng.choice(np.array([1 - 2**-23, 1, 1 + 2**-23], np.float32), count)
        self.copy = self.expected.copy()
        self.floor = np.abs(self.expected) * np.float32(2**-23) + np.float32(1e-9)
        self.payload = self.observed.nbytes + self.expected.nbytes

    def compare(self, observed: Any, floor: Any) -> Difference:
        (difference,) = compare({"y": observed}, {"y": self.expected}, None if floor is None else {"y": floor})
        return difference

    def comparisons(self) -> dict[str, Callable[[], object]]:
        scalar = np.broadcast_to(np.float32(1e-6), self.expected.shape)
        comparisons: dict[str, Callable[[], object]] = {
            ARRAY: lambda: self.compare(self.observed, self.floor),
            SCALAR: lambda: self.compare(self.observed, scalar),
            EXACT: lambda: self.compare(self.copy, None),
            NUMPY: lambda: np.testing.assert_allclose(self.observed, self.expected, rtol=1e-5, atol=1e-6),
        }
        if importlib.util.find_spec("torch") is not None:
            import torch

            observed, expected = torch.from_numpy(self.observed), torch.from_numpy(self.expected)
            comparisons[TORCH] = lambda: torch.testing.assert_close(observed, expected, rtol=1e-5, atol=1e-6)
        return comparisons


def detects(pair: Pair, comparison: str, index: int, changed: float) -> bool:
    """Return whether a comparison reports a changed number; ours must name its index."""
    before = pair.observed[index], pair.copy[index]
    pair.observed[index] = pair.copy[index] = changed
    try:
        difference = pair.comparisons()[comparison]()
    except AssertionError:
        return True
    else:
        return isinstance(difference, Difference) and difference.failed and difference.worst_index == (index,)
    finally:
        pair.observed[index], pair.copy[index] = before


def extra_memory(comparison: Callable[[], object]) -> int:
    """Return the most bytes allocated at once, as tracemalloc counts them (not torch's)."""
    tracemalloc.start()
    try:
        comparison()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("comparison", [*OURS, NUMPY, TORCH])
def test_every_comparison_detects_a_changed_number(comparison: str) -> None:
    pair = Pair(megabytes=0.4)
    if comparison not in pair.comparisons():
        pytest.skip("torch is not installed")
    pair.comparisons()[comparison]()
    assert detects(pair, comparison, 77_777, pair.expected[77_777] + 0.5)
    assert detects(pair, comparison, 77_777, np.nan)


@pytest.mark.benchmark(group="compare", timer=clock)
@pytest.mark.parametrize("megabytes", SIZES, ids=lambda size: f"{size} MB")
def test_compare(benchmark: Any, bench: Bench, megabytes: int) -> None:
    """Time every comparison at one size, after ours detect a changed number there."""
    if bench.timing and megabytes == LARGE and os.environ.get("PARITY_LARGE") != "1":
        pytest.skip("400 MB a side: PARITY_LARGE=1 enables it")
    pair = Pair(megabytes if bench.timing else 0.01)
    comparisons = pair.comparisons()
    for name, changed in itertools.product(OURS, (9.5, np.nan)):
        assert detects(pair, name, pair.expected.size - 2, changed)
    if not bench.timing:
        benchmark.pedantic(comparisons[ARRAY])
        return
    for run in comparisons.values():
        run()
    times = interleaved({name: TimedCall(run) for name, run in comparisons.items()}, BUDGET, least=5)
    speedups = _speedups(times)
    traced = {name: run for name, run in comparisons.items() if name != TORCH}
    metrics = {
        "median_seconds": {name: float(np.median(rounds)) for name, rounds in times.items()},
        "speedups": {name: speedup.to_dict() for name, speedup in speedups.items()},
        "extra_memory_over_payload": {name: extra_memory(run) / pair.payload for name, run in traced.items()},
    }
    replay(benchmark, times[ARRAY], metrics)
    if megabytes == SUMMARISED:
        bench.summary += [f"compare, {megabytes} MB a side: {name} {speedup}" for name, speedup in speedups.items()]


def _speedups(times: dict[str, Array]) -> dict[str, Ratio]:
    others = [name for name in times if name not in OURS]
    pairs = itertools.product(others, OURS)
    return {f"{ours} over {other}": ratio(times[other], times[ours]) for other, ours in pairs}
