"""How fast `parity.checks.comparison` is beside the comparisons people use, and how much memory it needs.

    pytest benchmarks/test_compare.py --benchmark-only --benchmark-json=compare.json

One test for each size times all contenders in interleaved rounds: a machine that slows down slows them all. The
ratios are in ``extra_info``. Without ``--benchmark-only``, each runs once on little, untimed. 400 MB a side needs
about 4 GB of memory and runs only where the environment has ``PARITY_LARGE=1``.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import tracemalloc
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from benchmarks.bench import Bench
from benchmarks.replay import clock, replay
from parity.checks.comparison import Difference, compare
from parity.throughput.metrics import as_dict
from parity.throughput.timing import Contender, interleaved, ratio

Contenders = Mapping[str, Callable[[], object]]
SIZES = (1, 10, 200, 400)  # MB a side
LARGE = 400
SAID = 200  # MB a side, at the end of the run
BUDGET = 2.0  # seconds for the rounds of a size
ARRAY, SCALAR, EXACT = "parity, array floor", "parity, scalar floor", "parity, exact"
NUMPY, TORCH = "numpy assert_allclose", "torch assert_close"


class Pair:
    """Two nearly equal float32 arrays, the floors they are held to, and the contenders that compare them."""

    def __init__(self, megabytes: float) -> None:
        count = round(megabytes * 1e6 / 4)
        rng = np.random.default_rng(0)
        self.expected = rng.standard_normal(count, dtype=np.float32)
        self.observed = self.expected * rng.choice(np.array([1 - 2**-23, 1, 1 + 2**-23], np.float32), count)
        self.twin = self.expected.copy()
        self.floor = np.abs(self.expected) * np.float32(2**-23) + np.float32(1e-9)
        self.payload = self.observed.nbytes + self.expected.nbytes

    def compare(self, observed: Any, floor: Any) -> Difference:
        (found,) = compare({"y": observed}, {"y": self.expected}, None if floor is None else {"y": floor})
        return found

    def contenders(self) -> dict[str, Callable[[], object]]:
        one = np.broadcast_to(np.float32(1e-6), self.expected.shape)
        ours: dict[str, Callable[[], object]] = {
            ARRAY: lambda: self.compare(self.observed, self.floor),
            SCALAR: lambda: self.compare(self.observed, one),
            EXACT: lambda: self.compare(self.twin, None),
            NUMPY: lambda: np.testing.assert_allclose(self.observed, self.expected, rtol=1e-5, atol=1e-6),
        }
        return ours | self._torch()

    def _torch(self) -> dict[str, Callable[[], object]]:
        if importlib.util.find_spec("torch") is None:
            return {}
        import torch

        observed, expected = torch.from_numpy(self.observed), torch.from_numpy(self.expected)
        return {TORCH: lambda: torch.testing.assert_close(observed, expected, rtol=1e-5, atol=1e-6)}


def finds(pair: Pair, contender: str, place: int, changed: float) -> bool:
    """Whether a contender says that a number changed at one place is wrong; ours must also say where."""
    there = pair.observed[place], pair.twin[place]
    pair.observed[place] = pair.twin[place] = changed
    try:
        found = pair.contenders()[contender]()
    except AssertionError:
        return True
    else:
        return isinstance(found, Difference) and found.failed and found.worst_index == (place,)
    finally:
        pair.observed[place], pair.twin[place] = there


def extra_memory(contender: Callable[[], object]) -> int:
    """The most bytes held at once beyond those held before. NumPy tells tracemalloc of its arrays, torch does not."""
    tracemalloc.start()
    try:
        contender()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("contender", [ARRAY, SCALAR, EXACT, NUMPY, TORCH])
def test_every_contender_finds_what_is_changed(contender: str) -> None:
    pair = Pair(megabytes=0.4)
    if contender not in pair.contenders():
        pytest.skip("torch is not installed")
    pair.contenders()[contender]()
    assert finds(pair, contender, 77_777, pair.expected[77_777] + 0.5)
    assert finds(pair, contender, 77_777, np.nan)


@pytest.mark.benchmark(group="compare", timer=clock)
@pytest.mark.parametrize("megabytes", SIZES, ids=lambda size: f"{size} MB")
def test_compare(benchmark: Any, bench: Bench, megabytes: int) -> None:
    """Every contender at one size, in turns; ours must find a changed number there, and say where."""
    if bench.timing and megabytes == LARGE and os.environ.get("PARITY_LARGE") != "1":
        pytest.skip("400 MB a side: PARITY_LARGE=1 enables it")
    pair = Pair(megabytes if bench.timing else 0.01)
    contenders = pair.contenders()
    ours = [name for name in contenders if name.startswith("parity")]
    for name, changed in itertools.product(ours, (9.5, np.nan)):
        assert finds(pair, name, pair.expected.size - 2, changed)
    if not bench.timing:
        benchmark.pedantic(contenders[ARRAY])
        return
    for run in contenders.values():
        run()
    times = interleaved({name: Contender(run) for name, run in contenders.items()}, BUDGET, least=5)
    pairs = itertools.product([name for name in contenders if name not in ours], ours)
    faster = {f"{own} over {other}": ratio(times[other], times[own]) for other, own in pairs}
    figures = {
        "median_seconds": {name: float(np.median(found)) for name, found in times.items()},
        "speedups": {name: as_dict(found) for name, found in faster.items()},
        "extra_memory_over_payload": {
            name: extra_memory(run) / pair.payload for name, run in contenders.items() if name != TORCH
        },
    }
    replay(benchmark, times[ARRAY], figures)
    if megabytes == SAID:
        bench.said += [f"compare, {megabytes} MB a side: {name} {found}" for name, found in faster.items()]
