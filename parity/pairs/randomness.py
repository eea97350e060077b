"""Name what is random in the models of a pair, and do without dropout."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np

from parity.arrays import Array
from parity.models.sequences import Inputs
from parity.models.side import Layer, Side

RANDOM = {"pytorch": "parity.pairs.pytorch_random", "tensorflow": "parity.pairs.keras_random"}
MOST = 4  # layers that a message names


@dataclass
class Dropouts:
    """The layers of a model that drop numbers: path -> rate, those of functions that were called among them."""

    rates: dict[str, float] = field(default_factory=dict)
    called: set[str] = field(default_factory=set)

    def call(self, paths: Mapping[int, str], rate: float) -> None:
        """Note that a function was called with a rate, by the nearest layer that is calling now."""
        name = caller(paths) or "the model"
        self.called.add(name)
        self.rates[name] = float(rate)

    def __str__(self) -> str:
        return listed([f"`{name}` {rate:g}" for name, rate in self.rates.items()]) or "none"


def dropping(layers: Iterable[tuple[str, Any]], names: Sequence[str]) -> list[tuple[str, Any, str, float]]:
    """Return the layers that drop numbers in training: their path, themselves, the attribute and the rate."""
    rated = ((path, layer, name, getattr(layer, name, None)) for path, layer in layers for name in names)
    return [(*place, rate) for *place, rate in rated if isinstance(rate, float) and rate > 0]


def caller(paths: Mapping[int, str]) -> str | None:
    """Return the path of the innermost layer whose method is running, that of the model is empty; None without one."""
    frame = sys._getframe(1)
    while frame is not None:
        path = paths.get(id(frame.f_locals.get("self")))
        if path is not None:
            return path
        frame = frame.f_back  # type: ignore[assignment]
    return None


def listed(words: Sequence[str]) -> str:
    """Join words, of many the first."""
    return ", ".join([*words[:MOST], *([f"{len(words) - MOST} more"] if len(words) > MOST else [])])


@contextmanager
def without_dropout(side: Side) -> Iterator[Dropouts]:
    """Set all rates of a model to 0, those of functions too, until the context ends."""
    found = Dropouts()
    framework: Any = import_module(RANDOM[side.framework])
    with framework.without_dropout(side, found):
        yield found


def rates_of(side: Side) -> Dropouts:
    """Return the layers of a model that drop numbers in training."""
    framework: Any = import_module(RANDOM[side.framework])
    return Dropouts({path: rate for path, _, _, rate in framework.dropouts(side)})


def rates_note(left: Dropouts, right: Dropouts) -> list[str]:
    """Say that rates differ, if they do."""
    if set(left.rates.values()) == set(right.rates.values()):
        return []
    return [f"dropout rates differ: left {left}; right {right}"]


def still_random(half: Any, inputs: Inputs) -> str:
    """Return the first layer of a model that gives something else for another seed; nothing if none does."""
    framework: Any = import_module(RANDOM[half.side.framework])
    setting = half.setting(inputs, 0, half.wide)
    runs = []
    for seed in (1, 2):
        with framework.seeded(half.side, seed):
            runs.append(setting.view.run(setting.base, traced=True, mode="eager", seed=seed))
    first, second = runs
    if _equal(first.outputs, second.outputs):
        return ""
    return _first(first.layers, second.layers) or "an operation between its layers"


def _first(layers: Sequence[Layer], others: Sequence[Layer]) -> str:
    """Return the first layer that receives the same and returns something else, or those between which that happens."""
    before = "the inputs"
    for own, other in zip(layers, others, strict=False):
        if not _equal(own.inputs, other.inputs):
            return f"between {before} and `{own.path}`"
        if not _equal(own.outputs, other.outputs):
            return f"`{own.path}`"
        before = f"`{own.path}`"
    return ""


def _equal(left: Mapping[str, Array], right: Mapping[str, Array]) -> bool:
    return left.keys() == right.keys() and all(np.array_equal(left[n], right[n], equal_nan=True) for n in left)
