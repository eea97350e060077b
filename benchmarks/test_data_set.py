"""Compare an epoch in random batches with one in batches of similar length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from benchmarks.bench import LEAST, Bench
from benchmarks.grid import SLOW
from benchmarks.replay import clock, replay
from parity import bucketing, frameworks
from parity.arrays import Lengths
from parity.cases.lengths import sample_lengths
from parity.throughput.advice import Layer
from parity.throughput.benchmark import Candidate, usual_mode
from parity.throughput.timing import TimedCall, interleaved, ratio

BATCHES = 8  # so many batches of sequences
VARIANT = "padded"


@pytest.mark.parametrize("framework", frameworks.FRAMEWORKS)
@pytest.mark.benchmark(group="data set", timer=clock)
def test_regrouping_a_data_set(benchmark: Any, bench: Bench, framework: str) -> None:
    """Train on the same sequences, padded, in random and in planned batches."""
    if frameworks.is_absent(framework):
        pytest.skip(frameworks.missing(framework))
    size = bench.sizes["small"]
    layer = Layer("rnn.lstm", "one_layer", size.features, size.hidden, without=SLOW, device=bench.device)
    lengths = sample_lengths("lognormal", np.random.default_rng(0), BATCHES * size.batch, size.steps)
    model = bench.model_of(layer, size)
    cost = model.costs[f"{framework}.{VARIANT}"] if model else bucketing.DEFAULT
    plan = bucketing.batches(lengths, size.batch, cost)
    random = [lengths[start : start + size.batch] for start in range(0, len(lengths), size.batch)]
    planned = [lengths[rows] for rows, _ in plan.groups()]
    candidate = Candidate(framework, VARIANT, usual_mode(framework) if bench.timing else "eager")
    epochs = {"random": epoch(layer, candidate, random), "planned": epoch(layer, candidate, planned)}
    if not bench.timing:
        benchmark.pedantic(epochs["planned"].start)
        return
    for call in epochs.values():
        call.start()
    times = interleaved(epochs, budget=2.0, least=LEAST)
    speedup = ratio(times["random"], times["planned"])
    metrics = {
        "padded_over_real": {"random": padding(random), "planned": bucketing.padded_over_real(lengths, plan)},
        "batches": {"random": len(random), "planned": len(planned)},
        "speedup": speedup.to_dict(),
        "real_steps_per_second": {name: float(lengths.sum() / np.median(rounds)) for name, rounds in times.items()},
    }
    replay(benchmark, times["planned"], {"framework": framework, "variant": VARIANT} | metrics)
    bench.summary.append(
        f"{framework}.{VARIANT}, {len(lengths)} lognormal sequences: "
        f"planned batches train {speedup} times as fast as random ones"
    )


def epoch(layer: Layer, candidate: Candidate, batches: Sequence[Lengths]) -> TimedCall:
    """Return a call that trains on all batches, the answer of each checked."""
    calls = [layer.benchmark(lengths).prepare(candidate).calls["train"] for lengths in batches]

    def start() -> None:
        for call in calls:
            call.start()

    return TimedCall(start, calls[-1].wait)


def padding(batches: Sequence[Lengths]) -> float:
    """Return padded over real steps."""
    padded = sum(len(lengths) * int(lengths.max()) for lengths in batches)
    return padded / sum(int(lengths.sum()) for lengths in batches)
