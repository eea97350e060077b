"""Try other operations between two layers of one model: pooling, activations, orders; the next layer receives them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from parity.arrays import Array, Mask
from parity.models.tracing import Tracer
from parity.pairs.candidates import operations
from parity.pairs.recognising import front, layer_arrays, padded, same

ENTERING = {"pytorch": "parity.pairs.pytorch_masking", "tensorflow": "parity.pairs.keras_masking"}
NEAR = 4  # calls before a layer, of which the outputs may enter it


@dataclass(frozen=True, eq=False)
class Passage:
    """Another operation between two layers: what is computed, what is tried in place of it, and a context for it."""

    what: str
    after: str
    context: AbstractContextManager[object]


def passages(half: Any, tracer: Tracer) -> Iterator[Passage]:
    """Yield other operations for each that is known, in the order of calls."""
    calls, mask = list(tracer.calls), tracer.setting.base.mask
    framework = import_module(ENTERING[half.side.framework])
    for number, path in enumerate(calls):
        entering = layer_arrays(tracer.axes.letters, f"{path}/inputs", tracer.calls[path].inputs)
        if len(entering) != len(tracer.calls[path].inputs) or "#" in path:
            continue
        for place, (own, target) in enumerate(entering):
            near = calls[max(0, number - NEAR) : number]
            for name, other, value in _others(tracer, near, own, target, mask, half.name):
                yield Passage(name, other, framework.entering(half.side, path, place, _raw(value, own)))
    if len(half.names) == 1:
        output = next(iter(half.names))
        letters = half.axes[output]
        for _, target in filter(None, [front(letters, tracer.ran.outputs[output])]):
            for name, other, value in _others(tracer, calls[-NEAR:], letters, target, mask, half.name):
                tensor = framework.tensor_of(_raw(value, letters))
                yield Passage(name, other, _leaving(half.side, output, tensor))


def _others(
    tracer: Tracer, before: list[str], letters: str, target: Array, mask: Mask, name: str
) -> Iterator[tuple[str, str, Array]]:
    """Yield what is computed of the outputs of the nearest layer before, what else may be, and its numbers."""
    for path in reversed(before):
        found = layer_arrays(tracer.axes.letters, f"{path}/outputs", tracer.calls[path].outputs)
        every = [
            (operation, value)
            for own, x in found
            for operation, value in operations(*padded(x, own, mask), ("T" in own, "T" in letters), target)
            if value.shape == target.shape
        ]
        known = [operation for operation, value in every if same(value, target, mask, "T" in letters)]
        if known:
            for operation, value in every:
                if operation not in known and np.isfinite(value).all():
                    yield f"of the outputs of `{path}`, {name} goes on with {known[0]}", operation, value
            return


def _raw(value: Array, letters: str) -> Array:
    """Return an array with rows and steps where a layer has them."""
    axes = [letters.index(one) for one in "BT" if one in letters]
    return np.ascontiguousarray(np.moveaxis(value, range(len(axes)), axes))


@contextmanager
def _leaving(side: Any, name: str, tensor: object) -> Iterator[None]:
    """Let a model return something else, until the context ends."""
    before, side.outputs = side.outputs, lambda _: {name: tensor}
    try:
        yield
    finally:
        side.outputs = before
