"""One epoch over a data set: batches as they come, and batches planned so that similar lengths meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from benchmarks.bench import LEAST, Bench
from benchmarks.grid import SLOW
from benchmarks.replay import clock, replay
from parity import bucketing as planner
from parity import frameworks
from parity.arrays import Lengths
from parity.cases.lengths import sample_lengths
from parity.throughput.advice import Layer
from parity.throughput.benchmark import Entry
from parity.throughput.metrics import as_dict
from parity.throughput.timing import Contender, interleaved, ratio

SEQUENCES = 8  # batches of them
VARIANT = "padded"


@dataclass(frozen=True)
class Epoch:
    """Batches one after the other."""

    batches: tuple[Contender, ...]

    def start(self) -> None:
        for batch in self.batches:
            batch.start()

    def wait(self) -> None:
        self.batches[-1].wait()


@pytest.mark.parametrize("framework", frameworks.FRAMEWORKS)
@pytest.mark.benchmark(group="data set", timer=clock)
def test_regrouping_a_data_set(benchmark: Any, bench: Bench, framework: str) -> None:
    """The same sequences, padded, in random batches and in planned ones: no strategy inside a batch can do that."""
    if reason := frameworks.missing(framework):
        pytest.skip(reason)
    size = bench.sizes["small"]
    layer = Layer("rnn.lstm", "one_layer", size.features, size.hidden, without=SLOW, device=bench.device)
    lengths = sample_lengths("lognormal", np.random.default_rng(0), SEQUENCES * size.batch, size.steps)
    model = bench.model_of(layer, size)
    cost = model.costs[f"{framework}.{VARIANT}"] if model else planner.DEFAULT
    plan = planner.batches(lengths, size.batch, cost)
    as_they_come = [lengths[start : start + size.batch] for start in range(0, len(lengths), size.batch)]
    planned = [lengths[rows] for rows, _ in plan.groups()]
    epochs = {
        "random": epoch(bench, layer, framework, as_they_come),
        "planned": epoch(bench, layer, framework, planned),
    }
    if not bench.timing:
        benchmark.pedantic(epochs["planned"].start)
        return
    contenders = {name: Contender(found.start, found.wait) for name, found in epochs.items()}
    for contender in contenders.values():
        contender.start()
    times = interleaved(contenders, budget=2.0, least=LEAST)
    faster = ratio(times["random"], times["planned"])
    figures = {
        "padded_over_real": {
            "random": padding(as_they_come),
            "planned": planner.padded_over_real(lengths, plan),
        },
        "batches": {"random": len(as_they_come), "planned": len(planned)},
        "speedup": as_dict(faster),
        "real_steps_per_second": {name: float(lengths.sum() / np.median(found)) for name, found in times.items()},
    }
    replay(benchmark, times["planned"], {"framework": framework, "variant": VARIANT} | figures)
    bench.said.append(
        f"{framework}.{VARIANT}, {len(lengths)} lognormal sequences: "
        f"planned batches train {faster} times as fast as random ones"
    )


def epoch(bench: Bench, layer: Layer, framework: str, batches: list[Lengths]) -> Epoch:
    """A batch's answer is checked when it is prepared."""
    entry = Entry(framework, VARIANT, frameworks.MODES[framework][-1] if bench.timing else "eager")
    races = (layer.race(lengths) for lengths in batches)
    return Epoch(tuple(race.prepare(entry).contenders["train"] for race in races))


def padding(batches: list[Lengths]) -> float:
    """Padded over real steps."""
    return sum(len(lengths) * int(lengths.max()) for lengths in batches) / sum(
        int(lengths.sum()) for lengths in batches
    )
