"""Measure the cost of each variant on this machine, and store it."""

from __future__ import annotations

import json
import math
import os
import platform
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from parity import __version__, bucketing, frameworks
from parity.arrays import Array, Lengths, check_lengths
from parity.bucketing import Cost
from parity.cases.lengths import sample_lengths
from parity.errors import InputError
from parity.files import read_regular, replace_files
from parity.throughput.advice import Counts, Layer, Model, counts
from parity.throughput.benchmark import framework_of
from parity.throughput.timing import by_framework, interleaved, seconds

STEADY = 1.3  # median over fastest round: more, in half of all runs, shows that another process was running
MOST = 2**24  # bytes of the file
MOST_STEPS = 384  # from which the steps of calibrating batches derive: time is linear in steps


def calibration_lengths(batch: int, steps: int) -> list[Lengths]:
    """Return batches from which the costs of calls, steps and rows can be separated.

    They have a third and a tenth of the steps, since time is linear in them. No batch has all lengths equal: PyTorch
    runs such a packed batch as if it were padded, several times as fast.
    """
    steps = min(steps, MOST_STEPS)
    long, short, few = max(2, steps // 3), max(2, steps // 10), max(2, batch // 8)
    ragged = sample_lengths("lognormal", np.random.default_rng(0), batch, long)
    almost_equal = []
    for rows, extent in ((batch, long), (batch, short), (few, long)):
        lengths = np.full(rows, extent)
        lengths[0] -= 1
        almost_equal.append(check_lengths(lengths, extent))
    return [*almost_equal, ragged]


def calibrate(layer: Layer, batch: int, steps: int, rounds: int = 3) -> Model:
    """Measure every variant of a layer on this machine.

    Answers are not checked here: no time is reported, and the contracts check all variants at small sizes.
    """
    samples: dict[str, list[tuple[Counts, float]]] = {str(candidate): [] for candidate in layer.candidates()}
    spread = []
    model = Model({})
    for lengths in calibration_lengths(batch, steps):
        benchmark = layer.benchmark(lengths, costs=model.groupings())
        calls = {str(candidate): benchmark.unchecked(candidate)[0][layer.phase] for candidate in layer.candidates()}
        for call in calls.values():
            seconds(call)  # a first call, not counted
        rounds_of: dict[str, Array] = {}
        for group in by_framework(calls).values():
            rounds_of |= interleaved(group, budget=0.0, least=rounds)
        for name, times in rounds_of.items():
            fastest = float(times.min())  # other processes can only add
            samples[name].append((counts(name, lengths, 0, model.grouping(framework_of(name))), fastest))
            spread.append(float(np.median(times)) / fastest)
        costs = {name: bucketing.fit(pairs) for name, pairs in samples.items()}
        model = Model(costs, float(np.median(spread)) < STEADY)
    return model


def calibrated(layer: Layer, batch: int, steps: int, again: bool = False) -> Model:
    """Return a layer's model on this machine, for batches of about this size; measure it if it is not stored."""
    model = None if again else stored(layer, batch, steps)
    if model is None:
        model = calibrate(layer, batch, steps)
        store(layer, batch, steps, model)
    return model


def cache_file() -> Path:
    """Return the file of calibrations: padding-parity/costs.json in ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "padding-parity" / "costs.json"


def stored(layer: Layer, batch: int, steps: int) -> Model | None:
    """Return the stored model of a layer with this machine and these versions, if any."""
    costs: Any = _read().get(_key(layer, batch, steps))
    try:
        model = Model({name: Cost(**cost) for name, cost in costs.items()})
    except (AttributeError, TypeError, InputError):  # a damaged file, or one that another program wrote
        return None
    return model if set(model.costs) == {str(candidate) for candidate in layer.candidates()} else None


def store(layer: Layer, batch: int, steps: int, model: Model) -> None:
    """Write a steady model to the file; if that fails, the next run measures again."""
    if not model.steady:
        return
    costs = {name: asdict(cost) for name, cost in model.costs.items()}
    models = _read() | {_key(layer, batch, steps): costs}
    with suppress(OSError, RuntimeError):  # RuntimeError: there is no home directory
        file = cache_file()
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_files(file.parent, {file.name: json.dumps(models, indent=1).encode()})


def _key(layer: Layer, batch: int, steps: int) -> str:
    """Join everything that costs depend on; sizes are rounded to powers of two."""
    versions = []
    for framework in sorted({candidate.framework for candidate in layer.candidates()}):
        runtime = frameworks.runtime(framework)
        versions.append(f"{runtime.VERSION} {runtime.environment()['threads']} threads")
    size = [str(2 ** round(math.log2(max(1, extent)))) for extent in (batch, steps)]
    machine = [platform.node(), platform.machine(), str(frameworks.cores()), __version__]
    return " ".join([*map(str, asdict(layer).values()), *size, str(MOST_STEPS), *machine, *versions])


def _read() -> dict[str, Any]:
    try:
        models = json.loads(read_regular(cache_file(), MOST))
    except (OSError, ValueError, RuntimeError):  # a RecursionError too
        return {}
    return models if isinstance(models, dict) else {}
