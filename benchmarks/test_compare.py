"""How fast `parity.compare` is beside the comparisons people use, and how much memory it needs.

    pytest benchmarks/test_compare.py --benchmark-only --benchmark-json=compare.json

One test for each size times all contenders in interleaved rounds: a machine that slows down slows them all. The
ratios are in ``extra_info``. Without ``--benchmark-only``, each runs once on little, untimed. 400 MB a side needs
about 4 GB of memory and runs only where the environment has ``PARITY_LARGE=1``.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import random
import time
import tracemalloc
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from parity.compare import Difference, compare

Contenders = Mapping[str, Callable[[], object]]
SIZES = (1, 10, 100, 200, 400)  # MB a side
LARGE = 400
ROUNDS = 7
ARRAY, SCALAR, EXACT = "parity, array floor", "parity, scalar floor", "parity, exact"
NUMPY, TORCH = "numpy assert_allclose", "torch assert_close"


def interleaved(contenders: Contenders, rounds: int) -> dict[str, list[float]]:
    """The seconds that each contender takes, each once a round, in an order drawn anew, after one round for warmth."""
    draw = random.Random(0)
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds + 1):
        for name in draw.sample(list(contenders), len(contenders)):
            start = time.perf_counter()
            contenders[name]()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def ratio(slower: list[float], faster: list[float]) -> tuple[float, float, float]:
    """The median of the rounds' ratios, and its 95 % interval by the bootstrap."""
    ratios = np.array(slower) / np.array(faster)
    drawn = np.random.default_rng(0).choice(ratios, (2000, ratios.size))
    low, high = np.quantile(np.median(drawn, axis=1), [0.025, 0.975])
    return float(np.median(ratios)), float(low), float(high)


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


def finds(pair: Pair, contender: str, place: int, planted: float) -> bool:
    """Whether a contender says that a number planted at one place is wrong; ours must also say where."""
    there = pair.observed[place], pair.twin[place]
    pair.observed[place] = pair.twin[place] = planted
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
def test_every_contender_finds_what_is_planted(contender: str) -> None:
    pair = Pair(megabytes=0.4)
    if contender not in pair.contenders():
        pytest.skip("torch is not installed")
    pair.contenders()[contender]()
    assert finds(pair, contender, 77_777, pair.expected[77_777] + 0.5)
    assert finds(pair, contender, 77_777, np.nan)


@pytest.mark.benchmark(group="compare")
@pytest.mark.parametrize("megabytes", SIZES, ids=lambda size: f"{size} MB")
def test_compare(benchmark: Any, request: pytest.FixtureRequest, megabytes: int) -> None:
    timed = request.config.getoption("benchmark_only") and not benchmark.disabled
    if timed and megabytes == LARGE and os.environ.get("PARITY_LARGE") != "1":
        pytest.skip("400 MB a side: PARITY_LARGE=1 enables it")
    pair = Pair(megabytes if timed else 0.01)
    contenders = pair.contenders()
    ours = [name for name in contenders if name.startswith("parity")]
    for name, planted in itertools.product(ours, (9.5, np.nan)):
        assert finds(pair, name, pair.expected.size - 2, planted)
    if timed:
        benchmark.extra_info |= measured(contenders, ours, pair.payload, ROUNDS if megabytes > 10 else 5 * ROUNDS)
    benchmark.disabled = not timed
    benchmark.pedantic(contenders[ARRAY], rounds=ROUNDS)


def measured(contenders: Contenders, ours: list[str], payload: int, rounds: int) -> dict[str, object]:
    seconds = interleaved(contenders, rounds)
    pairs = itertools.product([name for name in contenders if name not in ours], ours)
    return {
        "median_seconds": {name: float(np.median(taken)) for name, taken in seconds.items()},
        "ratios": {f"{other} / {own}": ratio(seconds[other], seconds[own]) for other, own in pairs},
        "extra_memory_over_payload": {
            name: extra_memory(run) / payload for name, run in contenders.items() if name != TORCH
        },
    }
