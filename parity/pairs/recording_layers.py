"""Record of a model what the check of a pair needs: weights by layer, gradients, noise, and what layers return."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from parity.arrays import Array
from parity.errors import INTERRUPTS
from parity.frameworks.model_manifest import LAYERS, ModelFile, layers_file
from parity.models.sequences import Inputs
from parity.pairs.alone import example
from parity.pairs.halves import Half, Options, prepare_half
from parity.pairs.observed import Observed
from parity.pairs.recorded_files import Arrays
from parity.pairs.recorded_format import RecordedModel, RecordedRun, RecordedUnit, plain
from parity.pairs.recording_samples import batch_digest, describe_sample
from parity.pairs.running import both_batches
from parity.pairs.units import Unit


def record_layers(
    model: object, inputs: Inputs, options: Options, seeds: int, dtype: str, folder: Path
) -> dict[str, ModelFile]:
    """Write the files about a model's layers, and return them by name.

    Args:
        model, inputs, options: what is recorded.
        seeds, dtype: it is observed on so many samples, in float64 and in this dtype.
        folder: of the new files.
    """
    with ExitStack() as stack:
        half = prepare_half("model", model, inputs, options, stack)
        half.recognise(inputs)
        half.measure(inputs)
        arrays = Arrays()
        described = _model(half, inputs, arrays)
        files = {LAYERS: arrays.write(folder / LAYERS, described)}
        for seed in range(seeds):
            arrays = Arrays()
            sample = describe_sample(half, inputs, seed, dtype, arrays)
            files[layers_file(seed)] = arrays.write(folder / layers_file(seed), sample)
    return files


def _model(half: Half, inputs: Inputs, arrays: Arrays) -> RecordedModel:
    weights, framework, side = half.weights, half.framework, half.side
    unequal, full = both_batches(inputs)
    values = weights.arrays()
    units = weights.units()
    paths = framework.layers_of(side)
    return RecordedModel(
        wide=half.wide,
        has_loss=side.has_loss,
        read=tuple(sorted(side.read)),
        axes=dict(half.axes),
        steps={name: dict(own) for name, own in half.steps.items()},
        separator=weights.separator,
        values={name: arrays.add(_narrow(array)) for name, array in values.items()},
        aliases=dict(getattr(weights, "aliases", {})),
        derived=tuple(sorted(weights.derived())),
        trainable=tuple(sorted(weights.trainable())),
        buffers=tuple(weights.buffers()),
        units=tuple(_unit(unit, values, arrays) for unit in units),
        unequal=_run(weights.observe(unequal, half.wide), unequal, (), arrays),
        full=_full(half, full, units, arrays),
        dependents=_dependents(half, unequal, units),
        rates=dict(half.rates().rates),
        activations={path: name for path in paths if (name := framework.activation_name(side, path))},
        settings={
            path: {name: plain(value) for name, value in own.items()}
            for path in paths
            if (own := framework.settings_of(side, path))
        },
    )


def _narrow(array: Array) -> Array:
    """Return an array in float32 if no number changes: most weights are of that dtype."""
    with np.errstate(over="ignore"):
        narrow = array.astype(np.float32)
    return narrow if np.array_equal(narrow, array) else array


def _unit(unit: Unit, values: Mapping[str, Array], arrays: Arrays) -> RecordedUnit:
    """Describe a layer, and run it alone on an example of its inputs."""
    alone = None
    if unit.alone is not None:
        double = {name: array.astype(np.float64) for name, array in values.items()}
        try:
            alone = arrays.add(np.asarray(unit.alone(double, example(unit))))
        except INTERRUPTS:
            raise
        except Exception:  # a layer that takes something else
            alone = None
    ids = {role: tuple(arrays.add(_small(term)) for term in terms) for role, terms in unit.arrays.items()}
    formula, settings = ({k: plain(v) for k, v in own.items()} for own in (unit.formula, unit.settings))
    return RecordedUnit(
        unit.path, unit.kind, unit.size, ids, unit.part, formula, settings, unit.direction, unit.level, alone
    )


def _small(ids: Array) -> Array:
    return ids.astype(np.int32) if ids.max(initial=0) < 2**31 else ids


def _run(ran: Observed, batch: Mapping[str, Array], paths: tuple[str, ...], arrays: Arrays) -> RecordedRun:
    """Describe a run, with what the layers of some paths receive."""
    inputs: dict[str, tuple[int, ...] | None] = {}
    for path in paths:
        received = ran.inputs.get(path)
        inputs[path] = None if received is None else tuple(map(arrays.add, received))
    outputs = tuple(map(arrays.add, ran.outputs))
    return RecordedRun(batch_digest(batch), ran.order, dict(ran.calls), inputs, outputs, tuple(sorted(ran.used)))


def _full(half: Half, full: Mapping[str, Array], units: list[Unit], arrays: Arrays) -> RecordedRun | None:
    """Describe a run on a batch without padding; None if the model does not take it."""
    try:
        return _run(half.weights.observe(full, half.wide), full, tuple({unit.path for unit in units}), arrays)
    except INTERRUPTS:
        raise
    except Exception:
        return None


def _dependents(half: Half, unequal: Mapping[str, Array], units: list[Unit]) -> dict[str, tuple[str, ...]]:
    """Find out which layers depend on each of those that are alike."""
    counts = Counter((unit.kind, unit.size) for unit in units)
    alike = list(dict.fromkeys(unit.path for unit in units if counts[unit.kind, unit.size] > 1))
    found = half.weights.dependents(unequal, half.wide, alike)
    return {path: tuple(sorted(names)) for path, names in found.items()}
