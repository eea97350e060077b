"""Where packed and padded cross: training one LSTM, over fill and over T."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np
import pytest

from benchmarks.bench import LEAST, Bench
from benchmarks.grid import SLOW, Size
from benchmarks.replay import clock, replay
from parity import bucketing as planner
from parity import frameworks
from parity.arrays import Array, Lengths
from parity.cases.lengths import fill_lengths, sample_lengths
from parity.throughput.advice import Layer
from parity.throughput.benchmark import Entry, Prepared, timed
from parity.throughput.metrics import as_dict
from parity.throughput.timing import ratio

OPERATION = "rnn.lstm"
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
    lengths = sample_lengths("lognormal", np.random.default_rng(0), size.batch, size.steps)
    measure(benchmark, bench, "T", steps, lengths, size)


def measure(benchmark: Any, bench: Bench, axis: str, at: float, lengths: Lengths, size: Size) -> None:
    """Every variant at one point; each is right there before it is timed."""
    prepared = ready(bench, lengths, size)
    if not bench.timing:
        benchmark.pedantic(next(iter(prepared.values())).contenders["train"].start)
        return
    times = timed(prepared, "train", BUDGET, bench.device, least=LEAST)
    over = {name: over_padded(name, times) for name in prepared}
    bench.curves.setdefault(axis, {})[at] = over
    first = next(iter(prepared))
    replay(benchmark, times[first], described(bench, axis, at, lengths, size) | {"speedup_over_padded": over})


def described(bench: Bench, axis: str, at: float, lengths: Lengths, size: Size) -> dict[str, Any]:
    """What was run at a point, and what leaving the padding out could bring there."""
    return {
        "axis": axis,
        "at": at,
        "operation": OPERATION,
        "phase": "train",
        "device": bench.device,
        "B": size.batch,
        "T": size.steps,
        "D": size.features,
        "H": size.hidden,
        "ideal_speedup": {"by_flops": planner.ideal(lengths, size.steps)},
    }


def ready(bench: Bench, lengths: Lengths, size: Size) -> dict[str, Prepared]:
    """The variants that are tried, of the frameworks that are there."""
    layer = Layer(OPERATION, "one_layer", size.features, size.hidden, without=SLOW, device=bench.device)
    model = bench.model_of(layer, bench.sizes["small"])
    race = layer.race(lengths, size.steps, model.groupings() if model else {})
    present = [framework for framework in TRIED if not frameworks.missing(framework)]
    if not present:
        pytest.skip("neither framework is installed")
    modes = {framework: frameworks.MODES[framework][-1] if bench.timing else "eager" for framework in present}
    entries = [Entry(framework, variant, modes[framework]) for framework in present for variant in TRIED[framework]]
    return {f"{entry.framework}.{entry.variant}": race.prepare(entry) for entry in entries}


def over_padded(name: str, times: dict[str, Array]) -> dict[str, float]:
    """Median seconds, and how many times as fast as the same framework's padded."""
    found = ratio(times[f"{name.partition('.')[0]}.padded"], times[name])
    return {"median_seconds": float(np.median(times[name])), **as_dict(found)}


def test_where_they_cross(benchmark: Any, bench: Bench) -> None:
    """The fill, and the T, below and above which each variant is faster than padded."""
    if not bench.curves:
        pytest.skip("no sweep was timed in this run")
    crossings = {
        f"{axis} {name}": crossing({at: over[name] for at, over in curve.items()})
        for axis, curve in bench.curves.items()
        for name in next(iter(curve.values()))
        if not name.endswith(".padded")
    }
    benchmark.extra_info["crossings"] = crossings
    benchmark.pedantic(lambda: None)
    bench.said += [f"against padded, over {what}: {said}" for what, said in crossings.items()]


def crossing(curve: dict[float, dict[str, float]]) -> str:
    """Where a variant is faster and where slower than padded; what its interval leaves open is about equal.

    >>> crossing({0.1: {"low": 2.5, "high": 3.0}, 0.5: {"low": 0.9, "high": 1.1}, 1.0: {"low": 0.4, "high": 0.6}})
    'faster at 0.1; about equal at 0.5; slower at 1'
    """
    said = {
        at: "faster" if found["low"] > 1 else "slower" if found["high"] < 1 else "about equal"
        for at, found in curve.items()
    }
    runs = groupby(sorted(said.items()), key=lambda point: point[1])
    return "; ".join(f"{word} at {', '.join(f'{at:g}' for at, _ in points)}" for word, points in runs)
