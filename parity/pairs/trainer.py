"""Train one model of a pair for some steps, and find how far perturbed copies of it are led astray.

Every step has a batch of its own. The copies are those of `parity.training.floors`: weights are perturbed at the
start, and whenever a step has moved them; so is what is computed on the way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NamedTuple, Protocol

import numpy as np

from parity.arrays import Array
from parity.models.floors import STEPS
from parity.models.sequences import Inputs
from parity.models.side import Noise
from parity.pairs.halves import TRAINING, Half
from parity.pairs.rules import Rule

COPIES = 4
Values = Mapping[str, Array]


class Joined(NamedTuple):
    """Numbers of two arrays whose sum the other model has as one, by their flat places."""

    first: str
    own: Array
    second: str
    others: Array


class Optimiser(Protocol):
    """Moves weights by their gradients."""

    def step(self, weights: Values, gradients: Values) -> dict[str, Array]: ...


class Resting:
    """Moves nothing: only the layers' own statistics change."""

    def step(self, weights: Values, gradients: Values) -> dict[str, Array]:  # noqa: ARG002
        """Return the weights as they are."""
        return dict(weights)


@dataclass(eq=False)
class Trainer:
    """Trains one model from the weights that it has.

    Attributes:
        half: the model, in the mode of training.
        inputs: sampled anew for each step, unless they are the user's own batch.
        steps: how many.
        given: the user's own optimiser, a `Rule`, or None: weights rest.
        joined: arrays of which some numbers of the second are added to some of the first, and not trained.
    """

    half: Half
    inputs: Inputs
    steps: int
    given: object
    joined: Sequence[Joined] = ()

    def __post_init__(self) -> None:
        self.framework: Any = import_module(TRAINING[self.half.side.framework])

    def optimiser(self, dtype: str) -> Any:
        """Return the optimiser, as at the start."""
        if self.given is None:
            return Resting()
        if isinstance(self.given, Rule):
            return Rule(self.given.settings, self.given.clip)
        return self.framework.Optimiser(self.given, self.half.side, dtype)

    def path(self, dtype: str, copy: int | None = None) -> list[dict[str, Array]]:
        """Return all weights at the start and after each step; of a perturbed copy if it has a number."""
        own: dict[str, Array] = self.framework.arrays(self.half.side)
        stir = Stirring(STEPS[self.half.wide], copy)
        optimiser, path = self.optimiser(dtype), [stir.all(self._joined(own))]
        try:
            for number in range(self.steps):
                before = path[-1]
                setting = self.half.setting(self.inputs, number, dtype)
                gradients, after = self.framework.run(setting, before, stir.noise(number))
                given = {name: array for name, array in gradients.items() if name in before}
                moved = {**before, **optimiser.step(before, given), **after}
                path.append(stir.moved(before, {name: _stored(array, dtype) for name, array in moved.items()}))
                self._rest(before, path[-1])
        finally:
            self.framework.load(self.half.side, own)
        return path

    def _joined(self, values: Values) -> dict[str, Array]:
        """Return the weights to begin with: sums are in one place."""
        found = {name: array.copy() for name, array in values.items()}
        for one in self.joined:
            found[one.first].reshape(-1)[one.own] += found[one.second].reshape(-1)[one.others]
            found[one.second].reshape(-1)[one.others] = 0
        return found

    def _rest(self, before: Values, moved: Values) -> None:
        """Give those parts of sums back what they had that are not trained."""
        for one in self.joined:
            moved[one.second].reshape(-1)[one.others] = before[one.second].reshape(-1)[one.others]


class Stirring:
    """Perturbs what a copy stores, if it is one."""

    def __init__(self, step: float, copy: int | None) -> None:
        self.step, self.copy, self.rng = step, copy, np.random.default_rng([copy or 0, 23])

    def noise(self, number: int) -> Noise | None:
        return None if self.copy is None else Noise(self.step, 1000 * self.copy + number)

    def all(self, values: Values) -> dict[str, Array]:
        return {name: self._perturbed(array) for name, array in values.items()}

    def moved(self, before: Values, after: Values) -> dict[str, Array]:
        """Perturb the numbers that a step has moved."""
        return {n: np.where(a == before[n], before[n], self._perturbed(a)) for n, a in after.items()}

    def _perturbed(self, array: Array) -> Array:
        if self.copy is None or array.dtype.kind != "f":
            return array
        return np.asarray(array * (1 + self.step * self.rng.choice([-1.0, 1.0], array.shape)))


def _stored(array: Array, dtype: str) -> Array:
    """Round a weight as a model stores it."""
    return array.astype(dtype).astype(np.float64) if array.dtype.kind == "f" else array
