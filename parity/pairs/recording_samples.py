"""Describe the runs of a model that is recorded: outputs, gradients, their response to noise, and its layers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from parity.arrays import Array
from parity.frameworks.model_manifest import digest_of
from parity.models.axes import has_rows
from parity.models.observing import arrays_of
from parity.models.sequences import Inputs
from parity.models.side import Layer
from parity.models.tracing import Tracer
from parity.models.transformations import Setting
from parity.pairs.halves import Half
from parity.pairs.recorded_files import Arrays
from parity.pairs.recorded_format import RecordedLayer, RecordedQuantities, RecordedSample, RecordedTensor

MOST_TRACED = 2**28  # bytes of all that layers receive and return; more is not recorded


def batch_digest(batch: Mapping[str, Array]) -> str:
    """Return the SHA-256 of the arrays of a batch."""
    checksum = hashlib.sha256()
    for name, array in sorted(batch.items()):
        checksum.update(f"{name} {array.dtype.kind} {array.shape} {digest_of(np.ascontiguousarray(array))}".encode())
    return checksum.hexdigest()


def setting_digest(setting: Setting) -> str:
    """Return the SHA-256 of the batch of a setting."""
    return batch_digest(arrays_of(setting.view.inputs, setting.view.sequences, setting.base))


def describe_sample(half: Half, inputs: Inputs, seed: int, dtype: str, arrays: Arrays) -> RecordedSample:
    """Run a model on the sequences of a seed, and describe what it gives."""
    compared = tuple(name for name, axes in half.axes.items() if has_rows(axes))
    together = half.side.has_loss or len(compared) < 2  # else gradients of each output add up to those of several
    groups = []
    for group in [compared] if together else [(name,) for name in compared]:
        half.names = {name: name for name in group}
        groups.append(_quantities(half, inputs, seed, dtype, arrays))
    half.names = {name: name for name in compared}
    tracer = half.tracer(inputs, seed)
    outputs = arrays.add_all(dict(tracer.ran.outputs))
    layers = {name: _layer(tracer, name, layer, arrays) for name, layer in _traced(tracer).items()}
    return RecordedSample(setting_digest(tracer.setting), tuple(groups), outputs, layers)


def _quantities(half: Half, inputs: Inputs, seed: int, dtype: str, arrays: Arrays) -> RecordedQuantities:
    floors = half.floors(half.setting(inputs, seed, half.wide))
    others = {}
    if dtype != half.wide:
        others[dtype] = arrays.add_all(half.observed(half.setting(inputs, seed, dtype)))
    response = {name: array.astype(np.float32) for name, array in floors.response.items()}
    return RecordedQuantities(
        tuple(half.names), arrays.add_all(dict(floors.expected)), arrays.add_all(response), others
    )


def _traced(tracer: Tracer) -> Mapping[str, Layer]:
    """Return what layers receive and return, unless it is too much."""
    every: list[Any] = [
        array for layer in tracer.calls.values() for array in (*layer.inputs.values(), *layer.outputs.values())
    ]
    return tracer.calls if sum(array.nbytes for array in every) <= MOST_TRACED else {}


def _layer(tracer: Tracer, name: str, layer: Layer, arrays: Arrays) -> RecordedLayer:
    parts: dict[str, dict[str, RecordedTensor]] = {}
    for kind in ("inputs", "outputs"):
        parts[kind] = {}
        for key, array in getattr(layer, kind).items():
            full = f"{name}/{kind}/{key}"
            steps, floor = tracer.axes.steps.get(full), tracer.floors.get(name, {}).get(key)
            mean = None if floor is None or not floor.size else float(np.sqrt(np.mean(np.square(floor))))
            own = None if steps is None else dict(steps)
            parts[kind][key] = RecordedTensor(arrays.add(array), tracer.axes.letters.get(full, "?"), own, mean)
    return RecordedLayer(layer.path, layer.kind, parts["inputs"], parts["outputs"], layer.mask_in, layer.mask_out)
