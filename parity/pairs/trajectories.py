"""Compare the weights of both models of a pair in one layout, after each step of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module

import numpy as np

from parity.arrays import ROUNDOFF, Array
from parity.checks.comparison import Difference, difference
from parity.checks.noise import floor_of
from parity.models.floors import STEPS
from parity.pairs.carrying import Carried, Carrier
from parity.pairs.first_difference import FirstDifference
from parity.pairs.halves import SINGLE, TRAINING, Half
from parity.pairs.leftovers import TransferError
from parity.pairs.maps import NONE, Map
from parity.pairs.trainer import COPIES, Joined, Trainer, Values

Path = list[dict[str, Array]]


@dataclass(eq=False)
class Layout:
    """The layout of one of the models, in which the weights of both are compared.

    Attributes:
        map: from the other model's arrays to those of this one.
        target: the number of the model whose layout it is.
    """

    map: Map
    target: int

    @classmethod
    def of(cls, carried: Carried, carrier: Carrier) -> Layout | None:
        """Return the one in which every array of both is compared: that without constants, if there is one."""
        if carried.transfer is None:
            return None
        found = cls(carried.transfer.map, 1 if carried.forward else 0)
        if found.constant.any():
            try:
                back = cls(carrier.planned(not carried.forward).map, 0 if carried.forward else 1)
            except TransferError:
                return found
            return back if back.constant.sum() < found.constant.sum() else found
        return found

    @property
    def constant(self) -> Array:
        """Return which elements of the target are made of nothing."""
        empty = np.all([term == NONE for term in self.map.terms], axis=0)
        return np.asarray(empty & self.map.assigned)

    def arrays(self, number: int, half: Half, values: Values) -> dict[str, Array]:
        """Return the weights of a model in this layout."""
        own = effective(half, values)
        if number == self.target:
            return {name: own[name] for name in self.map.complete()}
        return self.map.forward(own, dict.fromkeys(self.map.target.shapes, np.float64))

    def origin(self, name: str) -> str:
        """Return the names of the other model's arrays that one is made of."""
        return " + ".join(self.map.sources_of(name)) or "nothing"

    def named(self, name: str) -> tuple[str, str]:
        """Return the names of an array in the left and in the right model."""
        return (self.origin(name), name) if self.target == 1 else (name, self.origin(name))

    def joined(self, trained: Sequence[set[str]]) -> tuple[list[Joined], list[Joined]]:
        """Return those numbers of each model whose sum is one of the other's."""
        found: list[Joined] = []
        source = self.map.source
        for name in self.map.complete() if len(self.map.terms) > 1 else ():
            at = self.map.target.ids(name).reshape(-1)
            terms = [term[at] for term in self.map.terms[:2]]
            both = (terms[0] != NONE) & (terms[1] != NONE)
            first, second = (source.names_of(term[both]) for term in terms)
            if len(first) == len(second) == 1 and {first[0], second[0]} <= trained[1 - self.target]:
                own, others = (terms[n][both] - source.offsets[(first, second)[n][0]] for n in (0, 1))
                found.append(Joined(first[0], own, second[0], others))
        return ([], found) if self.target == 0 else (found, [])


def effective(half: Half, values: Values) -> Mapping[str, Array]:
    """Return the arrays of a model's layers; one that is computed from several parameters as what it amounts to."""
    weights = half.weights
    if not weights.derived():
        return {name: values[name] for name in weights.numbering.shapes}
    framework = import_module(TRAINING[half.side.framework])
    before = framework.arrays(half.side)
    framework.load(half.side, values)
    found = weights.arrays()
    framework.load(half.side, before)
    return found


@dataclass(eq=False)
class Trajectory:
    """The weights of one model after each step in a layout, and their response to noise."""

    half: Half
    path: Path
    response: Path

    @classmethod
    def of(cls, number: int, trainer: Trainer, layout: Layout) -> Trajectory:
        """Train a model in its widest dtype, and perturbed copies of it."""
        half = trainer.half
        path = [layout.arrays(number, half, values) for values in trainer.path(half.wide)]
        squares = [{name: np.zeros(array.shape) for name, array in at.items()} for at in path]
        for copy in range(COPIES):
            for at, values, total in zip(path, trainer.path(half.wide, copy), squares, strict=True):
                for name, array in layout.arrays(number, half, values).items():
                    total[name] += (array - at[name]) ** 2 / COPIES
        step = STEPS[half.wide]
        response = [{name: np.sqrt(square) / step for name, square in total.items()} for total in squares]
        return cls(half, path, response)

    def floors(self, step: int, dtype: str) -> dict[str, Array]:
        """Return the noise floors after a step in a dtype."""
        dtype = SINGLE if self.half.wide == SINGLE else dtype
        return {
            name: floor_of(self.path[step][name], np.nan_to_num(response) * ROUNDOFF[dtype], dtype)
            for name, response in self.response[step].items()
        }


def differences_after(
    step: int, paths: tuple[Path, Path], trajectories: tuple[Trajectory, Trajectory], dtype: str
) -> list[Difference]:
    """Compare all weights after a step."""
    floors = [one.floors(step, dtype) for one in trajectories]
    left, right = paths[0][step], paths[1][step]
    return [
        difference(f"{name} after step {step}", right[name], left[name], floors[0][name] + floors[1][name])
        for name in left
    ]


def compared(
    paths: tuple[Path, Path], trajectories: tuple[Trajectory, Trajectory], dtype: str
) -> tuple[int, list[Difference]]:
    """Return the differences after the first step after which weights differ, or after the last; and that step or 0."""
    differences: list[Difference] = []
    for step in range(1, len(paths[0])):
        differences = differences_after(step, paths, trajectories, dtype)
        if any(one.failed for one in differences):
            return step, differences
    return 0, differences


def first_of(step: int, differences: list[Difference], layout: Layout) -> FirstDifference:
    """Return the parameter that differs most after a step."""
    failed = [one for one in differences if one.failed]
    worst = max(failed, key=lambda one: (np.isfinite(one.max_abs_error), one.norm_score))
    name = worst.quantity.rpartition(" after step ")[0]
    left, right = layout.named(name)
    error = worst.max_abs_error if np.isfinite(worst.max_abs_error) else 0.0
    return FirstDifference(left, right, where="training", step=step, difference=error)
