"""Find the noise floor of a model: how far its own copy in float64 moves when everything in it is perturbed.

A model of a user's has no reference. Its copy in float64 stands in: inputs, weights and what is computed on the way
are multiplied by ``1 + s`` or ``1 - s`` at random, as in `parity.checks.noise`, and the response is scaled from ``s``
to the unit roundoff of the dtype under test. On the way is the result of every operation in PyTorch, of the backward
pass too, and the output of each leaf layer in Keras. With inputs and weights alone, good models whose softmax is
saturated by weights 15 times as large as usual score 8000 of the 64 allowed.

Whether a copy computes in float64 is measured, not read off a dtype: its response to a perturbation of 2^-40 must be a
1024th of that to one of 2^-30. One that rounds to float32 anywhere moves not at all, or in jumps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from parity.arrays import ROUNDOFF, Array
from parity.checks.noise import floor_of
from parity.models.layouts import Layout
from parity.models.observing import Quantities, View
from parity.models.side import Noise

COPIES = 6
STEPS = {"float64": 2.0**-30, "float32": 2.0**-14}  # far above the roundoff of the copies, and still linear
NARROW_STEPS = {"float16": 2.0**-9, "bfloat16": 2.0**-7}  # where some operations round to these: above, but not far
SMALL, SMALLER = 2.0**-30, 2.0**-40
SMOOTH = 8.0  # how far the ratio of two responses may be off


@dataclass(frozen=True, eq=False)
class Floors:
    """A model's observation, and its response to a perturbation of one unit roundoff of 1.

    Attributes:
        expected: outputs and gradients.
        response: of each of them.
        terms: how many steps a gradient of a weight is a sum over.
        narrow: the narrow dtype to which some operations round, in any dtype of the rest.
    """

    expected: Mapping[str, Array]
    response: Mapping[str, Array]
    terms: int = 1
    narrow: str = ""

    def of(self, dtype: str) -> Quantities:
        """Return the noise floor of each quantity in a dtype.

        A gradient that is 0 by mathematics, such as that of a key's bias, is the rounding of what cancels at each step.
        So the floor of every gradient has a roundoff of the largest number in any, for each step at random.
        """
        dtype = self.narrow or dtype
        roundoff = ROUNDOFF[dtype]
        gradients = [_largest(array) for name, array in self.expected.items() if name.startswith("d_")]
        largest = roundoff * max(gradients, default=0.0) * math.sqrt(self.terms)
        floors = {}
        for name, response in self.response.items():
            finite = np.nan_to_num(_double(self.expected[name]), posinf=0.0, neginf=0.0)
            floor = floor_of(finite, np.nan_to_num(response, posinf=0.0) * roundoff, dtype)
            floors[name] = floor + largest * (floor > 0) if name.startswith("d_") else floor
        return floors


def noise_floor(view: View, layouts: Sequence[Layout], precision: str) -> Floors:
    """Run perturbed copies.

    Args:
        view: in the dtype of the copies.
        layouts: of the observation.
        precision: "float64" or "float32": in which the copies compute.
    """
    narrow = view.side.narrow
    step = NARROW_STEPS[narrow] if narrow else STEPS[precision]
    expected, terms = view.observe(layouts), max(1, sum(view.sequences.lengths))
    if view.side.response is not None:
        return Floors(expected, view.side.response(view, layouts), terms)
    squares = {name: np.zeros(array.shape) for name, array in expected.items()}
    for copy in range(COPIES):
        for name, array in view.observe(layouts, noise=Noise(step, copy)).items():
            same = array == expected[name]  # inf among them, of which the difference is NaN
            moved = np.subtract(array, expected[name], where=~same, out=np.zeros(array.shape))
            moved *= moved  # in place: with the gradients of a large model, each array counts
            squares[name] += moved
    for square in squares.values():
        square /= COPIES
        np.sqrt(square, out=square)
        square /= step
    if view.side.narrow != narrow:  # which these runs were the first to meet
        return noise_floor(view, layouts, precision)
    return Floors(expected, squares, terms, narrow)


def is_double(view: View, layouts: Sequence[Layout]) -> bool:
    """Measure whether a model computes in float64: its response to small perturbations must be smooth."""
    base = view.observe(layouts)
    with np.errstate(invalid="ignore"):  # inf less inf
        far, near = (_distances(base, view.observe(layouts, noise=Noise(step, 1, False))) for step in (SMALL, SMALLER))
    gradient = max((_norm(array) for name, array in base.items() if name.startswith("d_")), default=0.0)
    for name, distance in far.items():
        typical = SMALL * (gradient if name.startswith("d_") else _norm(base[name]))  # some are 0, but for rounding
        scaled = near[name] * (SMALL / SMALLER)
        if distance > typical * 2.0**-10 and not distance / SMOOTH <= scaled <= distance * SMOOTH:
            return False
    return all(array.dtype == np.float64 for array in base.values() if array.dtype.kind == "f")


def _distances(base: Quantities, other: Quantities) -> dict[str, float]:
    return {name: _norm(array - base[name]) for name, array in other.items() if array.dtype.kind == "f"}


def _norm(array: Array) -> float:
    return math.sqrt(float(np.sum(np.square(array, dtype=np.float64))))


def _largest(array: Array) -> float:
    return float(np.max(np.abs(array[np.isfinite(array)]), initial=0.0))


def _double(array: Array) -> Array:
    return np.asarray(array, np.float64)
