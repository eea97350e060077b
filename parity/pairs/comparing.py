"""Compare both models of a pair: outputs on real steps, the loss, and the gradient of every weight and float input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from parity.arrays import Array
from parity.checks.comparison import Difference, difference, mismatch
from parity.models.floors import Floors
from parity.models.observing import LOSS, Quantities
from parity.models.sequences import Inputs
from parity.models.transformations import Setting
from parity.pairs.halves import SINGLE, Half
from parity.pairs.maps import NONE, Ids, Map
from parity.pairs.onnx_half import OnnxHalf
from parity.pairs.transfer import Transfer

Halves = tuple[Half, Half]


@dataclass(frozen=True, eq=False)
class Links:
    """The pairs of elements of both models' weights whose gradients must be equal.

    A weight with several images is in as many pairs: summed gradients would hide weights that are tied on one side.

    Attributes:
        left, right: numbers of the elements, in the order of the left's arrays.
    """

    left: Ids
    right: Ids

    @classmethod
    def of(cls, transfer: Transfer, forward: bool) -> Links:
        """Return those of a transfer, from left to right if ``forward``."""
        found: Map = transfer.map
        skipped = found.target.mask(*(found.target.ids(name) for name in transfer.computed))
        sources, targets = [], []
        for term in found.terms:
            at = np.flatnonzero((term != NONE) & ~skipped)
            sources.append(term[at])
            targets.append(at)
        source, target = np.concatenate(sources), np.concatenate(targets)
        left, right = (source, target) if forward else (target, source)
        order = np.lexsort((right, left))
        return cls(left[order], right[order])


@dataclass(eq=False)
class Seen:
    """The observation of one model on the batch of a seed, and its response to noise."""

    half: Half
    setting: Setting
    floors: Floors

    @property
    def expected(self) -> Quantities:
        return dict(self.floors.expected)


def observe(half: Half, inputs: Inputs, seed: int) -> Seen:
    """Observe one model in its widest dtype."""
    setting = half.setting(inputs, seed, half.wide)
    return Seen(half, setting, half.floors(setting))


def observe_both(halves: Halves, inputs: Inputs, seed: int) -> tuple[Seen, Seen]:
    """Observe both models; one without noise floor takes that of the other."""
    seen = {half.name: observe(half, inputs, seed) for half in halves if not half.is_whole}
    for half, other in (halves, halves[::-1]):
        if isinstance(half, OnnxHalf):
            setting = half.setting(inputs, seed, half.wide)
            seen[half.name] = Seen(half, setting, half.floors_by(setting, seen[other.name].floors))
    return seen[halves[0].name], seen[halves[1].name]


def compare_pair(
    seen: tuple[Seen, Seen], quantities: tuple[Quantities, Quantities], links: Links | None, dtype: str
) -> list[Difference]:
    """Compare what both models give in a dtype with the sum of their noise floors."""
    floors = tuple(one.floors.of(SINGLE if one.half.wide == SINGLE else dtype) for one in seen)
    found = []
    if any(one.half.is_whole for one in seen):  # it has outputs only
        return [_difference(name, quantities, floors) for name in seen[0].half.names.values()]
    for name in quantities[0]:
        if name in seen[0].half.names.values() or name == LOSS or name in _inputs(seen[0]):
            found.append(_difference(name, quantities, floors))
    return found if links is None else found + list(_weights(seen, quantities, floors, links))


def _inputs(seen: Seen) -> list[str]:
    return [f"d_{name}" for name in seen.setting.view.inputs.arrays]


def _difference(
    name: str, quantities: tuple[Quantities, Quantities], floors: tuple[Mapping[str, Array], ...]
) -> Difference:
    left, right = (each.get(name) for each in quantities)
    if left is None or right is None:
        return mismatch(name, "one side does not give it")
    if left.shape != right.shape:
        return mismatch(name, f"shape {left.shape} left and {right.shape} right, rows and steps first")
    return difference(name, right, left, floors[0][name] + floors[1][name])


def _weights(
    seen: tuple[Seen, Seen],
    quantities: tuple[Quantities, Quantities],
    floors: tuple[Mapping[str, Array], ...],
    links: Links,
) -> Iterator[Difference]:
    """Compare the gradients of all weights, one array of the left model at a time."""
    gradients = [flat(one.half, own) for one, own in zip(seen, quantities, strict=True)]
    rounding = [flat(one.half, own) for one, own in zip(seen, floors, strict=True)]
    numbering = seen[0].half.weights.numbering
    begins = np.searchsorted(links.left, list(numbering.offsets.values()))
    ends = [*begins, links.left.size][1:]  # none of a model without weights
    for name, begin, end in zip(numbering.shapes, begins, ends, strict=True):
        left, right = links.left[begin:end], links.right[begin:end]
        if not left.size:
            continue
        others = seen[1].half.weights.numbering.names_of(right)
        own, theirs = gradients[0][left], gradients[1][right]
        lacking = np.isnan(own), np.isnan(theirs)
        if lacking[0].all() and lacking[1].all():  # moving statistics
            continue
        label = f"d_{name}"
        if lacking[0].any() or lacking[1].any():
            where = "left" if lacking[0].any() else "right"
            yield mismatch(label, f"`{name if where == 'left' else others[0]}` is not trained {where}", "other")
        else:
            yield difference(label, theirs, own, rounding[0][left] + rounding[1][right])


def flat(half: Half, quantities: Mapping[str, Array]) -> Array:
    """Return the gradients of all elements of a model's weights; NaN for those that have none."""
    numbering = half.weights.numbering
    aliases = getattr(half.weights, "aliases", {})
    found = np.full(numbering.size, np.nan)
    for key, array in quantities.items():
        name = aliases.get(key.removeprefix("d_"), key.removeprefix("d_"))
        if key.startswith("d_") and name in numbering.shapes and array.shape == numbering.shapes[name]:
            found[numbering.ids(name)] = array
    return found
