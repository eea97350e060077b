"""Read off a user's own function of two models where each weight goes, by sending numbers through it.

One array of the source is 1, 2, 3 … and all others are 0; what the target has then, less what it has when all are 0,
names the element that each of its elements is copied from. Sums show as several arrays that arrive at one element.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from parity.arrays import Array
from parity.errors import INTERRUPTS, InputError, first_lines, message_of
from parity.models.isolation import isolated
from parity.pairs.maps import NONE, Map
from parity.pairs.running import Weights, model_of

DIGIT = 1024  # numbers up to this are exact in every dtype with ten bits or more
EXACT = 1e-5  # of the largest number: sums are rounded to float32
FILLS = 7.0, -3.0
Transferring = Callable[[Any, Any], object]


class Reader:
    """Calls a user's function with numbers in place of weights; both models get their own back afterwards.

    Args:
        source, target: both models.
        function: copies the weights of one to the other.
    """

    def __init__(self, source: Weights, target: Weights, function: Transferring) -> None:
        self.source, self.target, self.function = source, target, function
        self.own = source.arrays(), target.arrays()
        self.restore = source.keep(), target.keep()
        self.computed = bool(source.derived() or target.derived())

    def moved(self, values: Mapping[str, Array], fill: float = 0.0) -> Array:
        """Return all elements of the target after a call, which began with one number in each."""
        zeros = {name: np.zeros_like(array) for name, array in self.own[0].items()}
        self.source.assign(zeros | {name: a.astype(zeros[name].dtype) for name, a in values.items()})
        self.target.assign({name: np.full_like(array, fill) for name, array in self.own[1].items()})
        return self.call()

    def call(self) -> Array:
        """Call the function, and return all elements of the target.

        Raises:
            InputError: it raised.
        """
        try:
            with isolated():
                self.function(model_of(self.source.side), model_of(self.target.side))
        except INTERRUPTS:
            raise
        except Exception as error:
            received = f"a function that raised {first_lines(message_of(error))}"
            raise InputError("transfer", received, "one that copies the weights of a source to a target") from error
        arrays = self.target.arrays()
        return np.concatenate([arrays[name].reshape(-1).astype(np.float64) for name in self.target.numbering.shapes])

    def read(self) -> tuple[Map, dict[str, Array], list[str]]:
        """Return the map, the target's weights by name, and names of those that are computed by more than copying."""
        found = Map(self.source.numbering, self.target.numbering)
        try:
            found.constants = self.moved({})
            found.assigned = found.constants == self.moved({}, FILLS[0])
            found.assigned &= found.constants == self.moved({}, FILLS[1])
            for name in self.source.numbering.shapes:
                self._read(found, name)
            computed = self._computed(found)
            self._restore()
            self.call()
            after = self.target.arrays()
        finally:
            self._restore()
        return found, {name: after[name] for name in found.complete()}, computed

    def _restore(self) -> None:
        for restore in self.restore:
            restore()

    def _read(self, found: Map, name: str) -> None:
        """Add the images of one array to a map."""
        ids = self.source.numbering.ids(name)
        place = ids - self.source.numbering.offsets[name]
        total, unit = np.zeros(self.target.numbering.size), 1
        is_image = np.zeros(self.target.numbering.size, bool)
        while unit <= max(1, ids.size - 1):
            image = self.moved({name: 1 + place // unit % DIGIT}) - found.constants
            image = np.round(image, 2) if self.computed else image  # from a length and a direction, not exactly
            is_image |= image != 0
            total += unit * (image - 1)
            unit *= DIGIT
        whole = is_image & (total == np.round(total)) & (total >= 0) & (total < ids.size)
        self._add(found, np.flatnonzero(whole), total[whole].astype(np.int64) + self.source.numbering.offsets[name])

    @staticmethod
    def _add(found: Map, at: Array, ids: Array) -> None:
        for term in found.terms:
            free = term[at] == NONE
            term[at[free]] = ids[free]
            at, ids = at[~free], ids[~free]
        if at.size:
            found.terms.append(np.full(found.target.size, NONE))
            found.terms[-1][at] = ids

    def _computed(self, found: Map) -> list[str]:
        """Return the target's arrays that random weights give other values than the map."""
        rng = np.random.default_rng(16)
        values = {name: rng.uniform(0.5, 1.5, array.shape).astype(array.dtype) for name, array in self.own[0].items()}
        moved = self.moved(values)
        expected = found.forward(values, dict.fromkeys(self.target.numbering.shapes, np.float64))
        wrong = []
        for name, array in expected.items():
            own = moved[self.target.numbering.ids(name)]
            if not np.allclose(own, array, rtol=EXACT, atol=EXACT):
                wrong.append(name)
        return wrong
