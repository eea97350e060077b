"""Where packed and padded cross: training one LSTM, over fill and over T."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from benchmarks.bench import Bench
from benchmarks.grid import SLOW, Size
from benchmarks.replay import clock, replay
from parity import wings
from parity.advise import Layer
from parity.batch import Array, Lengths, draw_lengths, fill_lengths
from parity.figures import as_dict
from parity.race import Entry, Prepared, timed
from parity.timing import ratio

FILLS = (0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
STEPS = (16, 64, 256, 1024)
TRIED = {"pytorch": ("padded", "packed", "bucketed", "real_steps"), "tensorflow": ("padded", "masked", "packed")}
BUDGET = 1.0  # seconds for the rounds of a point


@pytest.mark.benchmark(group="crossover over fill", timer=clock)
@pytest.mark.parametrize("fill", FILLS)
def test_over_fill(benchmark: Any, bench: Bench, fill: float) -> None:
    """The same T, more and more of it real."""
    size = bench.sizes["small"]
    lengths = fill_lengths(fill, np.random.default_rng(0), size.batch, size.steps)
    measure(benchmark, bench, "fill", fill, lengths, size)


@pytest.mark.benchmark(group="crossover over T", timer=clock)
@pytest.mark.parametrize("steps", STEPS)
def test_over_steps(benchmark: Any, bench: Bench, steps: int) -> None:
    """The same lognormal lengths, stretched; fewer of them, so that the longest do not take all the time."""
    size = replace(bench.sizes["small"], batch=max(1, bench.sizes["small"].batch // 4))
    size = replace(size, steps=steps) if bench.timing else size
    lengths = draw_lengths("lognormal", np.random.default_rng(0), size.batch, size.steps)
    measure(benchmark, bench, "T", steps, lengths, size)


def measure(benchmark: Any, bench: Bench, axis: str, at: float, lengths: Lengths, size: Size) -> None:
    """Every variant at one point; each is right there before it is timed."""
    prepared = ready(bench, lengths, size)
    if not bench.timing:
        benchmark.pedantic(next(iter(prepared.values())).contenders["train"].start)
        return
    times = timed(prepared, "train", BUDGET, bench.device, least=4)
    over = {name: over_padded(name, times) for name in prepared}
    bench.curves.setdefault(axis, {})[at] = over
    first = next(iter(prepared))
    replay(
        benchmark, times[first], {"axis": axis, "at": at, "B": size.batch, "T": size.steps, "speedup_over_padded": over}
    )


def ready(bench: Bench, lengths: Lengths, size: Size) -> dict[str, Prepared]:
    """The variants that are tried, of the frameworks that are there."""
    layer = Layer("rnn.lstm", "one_layer", size.features, size.hidden, without=SLOW)
    model = bench.model_of(layer, size)
    race = replace(layer.race(lengths, size.steps, model.groupings() if model else {}), device=bench.device)
    present = [wing for wing in TRIED if not wings.missing(wing)]
    if not present:
        pytest.skip("neither framework is installed")
    modes = {wing: wings.MODES[wing][-1] if bench.timing else "eager" for wing in present}
    entries = [Entry(wing, variant, modes[wing]) for wing in present for variant in TRIED[wing]]
    return {f"{entry.wing}.{entry.variant}": race.prepare(entry) for entry in entries}


def over_padded(name: str, times: dict[str, Array]) -> dict[str, float]:
    """Median seconds, and how many times as fast as the same framework's padded."""
    found = ratio(times[f"{name.partition('.')[0]}.padded"], times[name])
    return {"median_seconds": float(np.median(times[name])), **as_dict(found)}


def test_where_they_cross(benchmark: Any, bench: Bench) -> None:
    """The fill, and the T, below and above which each variant is faster than padded."""
    if not bench.curves:
        pytest.skip("no sweep was timed in this run")
    crossings = {
        f"{axis} {name}": crossing({at: over[name]["median"] for at, over in curve.items()})
        for axis, curve in bench.curves.items()
        for name in next(iter(curve.values()))
        if not name.endswith(".padded")
    }
    benchmark.extra_info["crossings"] = crossings
    benchmark.pedantic(lambda: None)
    bench.said += [f"against padded, over {what}: {said}" for what, said in crossings.items()]


def crossing(curve: dict[float, float]) -> str:
    """Where a speed-up passes 1, in words; between two points along a straight line.

    >>> crossing({0.1: 3.0, 0.5: 1.5, 1.0: 0.5})
    'faster up to 0.75, slower beyond'
    """
    points = sorted(curve.items())
    signs = [speedup >= 1 for _, speedup in points]
    if all(signs) or not any(signs):
        return (
            f"{'faster' if signs[0] else 'slower'} throughout ({min(curve.values()):.2f} to {max(curve.values()):.2f})"
        )
    turns = [
        before + (after - before) * (1 - low) / (high - low)
        for (before, low), (after, high) in pairwise(points)
        if (low >= 1) != (high >= 1)
    ]
    first, then = ("faster", "slower") if signs[0] else ("slower", "faster")
    if len(turns) > 1:
        return f"{first} at first, and changing at {', '.join(f'{turn:.2g}' for turn in turns)}"
    return f"{first} up to {turns[0]:.2g}, {then} beyond"
