"""Find where packed and padded train an LSTM equally fast, over fill and T."""

from __future__ import annotations

import statistics
from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np
import pytest

from benchmarks.bench import LEAST, Bench
from benchmarks.grid import SLOW, Size
from benchmarks.replay import clock, replay
from parity import bucketing, frameworks
from parity.arrays import Array, Lengths
from parity.cases.lengths import fill_lengths, sample_lengths
from parity.throughput.advice import Layer
from parity.throughput.benchmark import Candidate, Prepared, framework_of, usual_mode
from parity.throughput.timing import ratio, time_all

OPERATION = "rnn.lstm"
AUTO = "pytorch.auto"
FILLS = (0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
STEPS = (16, 64, 256, 1024)
VARIANTS = {
    "pytorch": ("padded", "packed", "bucketed", "real_steps", "auto"),
    "tensorflow": ("padded", "masked", "packed"),
}
BUDGET = 1.0  # seconds for the rounds of a point


@pytest.mark.benchmark(group="crossover over fill", timer=clock)
@pytest.mark.parametrize("fill", FILLS)
def test_over_fill(benchmark: Any, bench: Bench, fill: float) -> None:
    """Time every variant at one fill of the same T."""
    size = bench.sizes["small"]
    lengths = fill_lengths(fill, np.random.default_rng(0), size.batch, size.steps)
    measure(benchmark, bench, "fill", fill, lengths, size)


@pytest.mark.benchmark(group="crossover over T", timer=clock)
@pytest.mark.parametrize("steps", STEPS)
def test_over_steps(benchmark: Any, bench: Bench, steps: int) -> None:
    """Time every variant on lognormal lengths up to one T."""
    size = replace(bench.sizes["small"], batch=max(1, bench.sizes["small"].batch // 4))  # large T take long
    size = replace(size, steps=steps) if bench.timing else size
    lengths = sample_lengths("lognormal", np.random.default_rng(0), size.batch, size.steps)
    measure(benchmark, bench, "T", steps, lengths, size)


def measure(benchmark: Any, bench: Bench, axis: str, at: float, lengths: Lengths, size: Size) -> None:
    """Time every variant at one point of an axis, after its answer is checked there."""
    prepared = ready(bench, lengths, size)
    first = next(iter(prepared))
    if not bench.timing:
        benchmark.pedantic(prepared[first].calls["train"].start)
        return
    calls = {name: one.calls["train"] for name, one in prepared.items()}
    times = time_all(calls, bench.budget(BUDGET), bench.device, least=LEAST)
    over = {name: over_padded(name, times) for name in prepared}
    bench.curves.setdefault(axis, {})[at] = over
    replay(benchmark, times[first], described(bench, axis, at, lengths, size) | {"speedup_over_padded": over})


def described(bench: Bench, axis: str, at: float, lengths: Lengths, size: Size) -> dict[str, Any]:
    """Describe a point, and the speed-up that leaving the padding out could bring there."""
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
        "ideal_speedup": {"by_flops": bucketing.ideal(lengths, size.steps)},
    }


def ready(bench: Bench, lengths: Lengths, size: Size) -> dict[str, Prepared]:
    """Prepare the variants of all installed frameworks."""
    layer = Layer(OPERATION, "one_layer", size.features, size.hidden, without=SLOW, device=bench.device)
    model = bench.model_of(layer, bench.sizes["small"])
    benchmark = layer.benchmark(lengths, size.steps, model.groupings() if model else {})
    prepared = {}
    for framework, variants in VARIANTS.items():
        if frameworks.is_absent(framework):
            continue
        mode = usual_mode(framework) if bench.timing else "eager"
        for variant in variants:
            prepared[f"{framework}.{variant}"] = benchmark.prepare(Candidate(framework, variant, mode))
    if not prepared:
        pytest.skip("neither framework is installed")
    return prepared


def over_padded(name: str, times: dict[str, Array]) -> dict[str, float]:
    """Return median seconds, and the speed-up over the same framework's padded variant."""
    speedup = ratio(times[f"{framework_of(name)}.padded"], times[name])
    return {"median_seconds": float(np.median(times[name])), **speedup.to_dict()}


def test_crossings(benchmark: Any, bench: Bench) -> None:
    """Report the fills and the T at which each variant is faster than padded."""
    if not bench.curves:
        pytest.skip("no sweep was timed in this run")
    crossings = {}
    for axis, curve in bench.curves.items():
        for name in next(iter(curve.values())):
            if not name.endswith(".padded"):
                crossings[f"{axis} {name}"] = crossing({at: over[name] for at, over in curve.items()})
    shares = [share_of_fastest(over) for curve in bench.curves.values() for over in curve.values() if AUTO in over]
    benchmark.extra_info |= {"crossings": crossings, "share_of_fastest": shares}
    benchmark.pedantic(lambda: None)
    bench.summary += [f"against padded, over {curve}: {sentence}" for curve, sentence in crossings.items()]
    if shares:
        mean = statistics.geometric_mean(shares)
        bench.summary.append(
            f"{AUTO}: the fastest other takes {mean:.2f} times as long, at {len(shares)} points "
            f"{min(shares):.2f} to {max(shares):.2f}"
        )


def share_of_fastest(over: dict[str, dict[str, float]]) -> float:
    """Return the median seconds of PyTorch's fastest variant, without the one that chooses, over those of that one.

    >>> share_of_fastest({"pytorch.padded": {"median_seconds": 2.0}, "pytorch.auto": {"median_seconds": 2.5}})
    0.8
    """
    others = [row["median_seconds"] for name, row in over.items() if framework_of(name) == "pytorch" and name != AUTO]
    return min(others) / over[AUTO]["median_seconds"]


def crossing(curve: dict[float, dict[str, float]]) -> str:
    """List where a variant is faster, slower, and about as fast as padded.

    >>> crossing({0.1: {"low": 2.5, "high": 3.0}, 0.5: {"low": 0.9, "high": 1.1}, 1.0: {"low": 0.4, "high": 0.6}})
    'faster at 0.1; about equal at 0.5; slower at 1'
    """
    points = [(at, _verdict(curve[at])) for at in sorted(curve)]
    runs = groupby(points, key=lambda point: point[1])
    return "; ".join(f"{verdict} at {', '.join(f'{at:g}' for at, _ in run)}" for verdict, run in runs)


def _verdict(speedup: dict[str, float]) -> str:
    if speedup["low"] > 1:
        return "faster"
    return "slower" if speedup["high"] < 1 else "about equal"
