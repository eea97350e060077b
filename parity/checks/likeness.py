"""Let a user's function give what is expected, in place of the reference, with its noise floor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from parity.arrays import ROUNDOFF, Array
from parity.cases.case import Case, along
from parity.checks.noise import COPIES, Floor, floor_of
from parity.errors import INTERRUPTS
from parity.frameworks.observation import Observation


def floor_of_another(case: Case, observe: Callable[[Case], Observation]) -> Floor:
    """Return what a function gives on a case in float64, and how far it moves in the dtype of the case.

    Copies of the inputs are moved by a unit in the last place and run in that dtype, so that what it rounds on the way
    counts: slopes of a saturated tanh, sums that cancel. Another function may round elsewhere: on real steps, gradients
    have a roundoff of their largest number too, for each step at random, as in `parity.models.floors`. A function that
    raises in float64 is its own measure.

    Args:
        observe: runs it.
    """
    roundoff = ROUNDOFF[case.dtype]
    rng = np.random.default_rng(abs(case.seed))

    def moved(array: Array) -> Array:
        if array.dtype.kind in "iu":
            return array
        signs = rng.choice([-1.0, 1.0], array.shape)
        return np.asarray((array.astype(np.float64) * (1 + 2 * roundoff * signs)).astype(array.dtype))

    expected = _in_float64(case, observe)
    squares = {name: np.zeros(array.shape) for name, array in expected.items()}
    for _ in range(COPIES):
        arrays = {name: moved(array) for name, array in case.arrays.items()}
        cotangents = {name: moved(array) for name, array in case.cotangents.items()}
        copy = observe(replace(case, arrays=arrays, cotangents=cotangents))
        for name, square in squares.items():
            square += _finite(copy[name].astype(np.float64) - expected[name]) ** 2 / COPIES
    floor = {name: floor_of(_finite(expected[name]), np.sqrt(square), case.dtype) for name, square in squares.items()}
    terms = np.sqrt(max(1, case.lengths.sum()))
    for name in (name for name in floor if name.startswith("d_")):
        largest = np.max(np.abs(_finite(expected[name])), initial=0.0)
        floor[name] = floor[name] + roundoff * terms * largest * _real(case, case.axes[name])
    return Floor(expected, floor)


def _real(case: Case, axes: str) -> Array:
    """Return 1 on real steps and sequences of a quantity, 0 on padding and empty sequences, to be broadcast."""
    if "B" not in axes:
        return np.ones(())
    if axes.startswith("BT"):
        return along(case.mask, np.empty([1] * len(axes))).astype(np.float64)
    return (case.lengths > 0).reshape([-1 if axis == "B" else 1 for axis in axes]).astype(np.float64)


def _in_float64(case: Case, observe: Callable[[Case], Observation]) -> dict[str, Array]:
    """Observe a function in float64; in the dtype of the case, if it raises there."""
    double = {name: _doubled(array) for name, array in case.arrays.items()}
    cotangents = {name: _doubled(array) for name, array in case.cotangents.items()}
    try:
        observed = observe(replace(case, arrays=double, cotangents=cotangents))
    except INTERRUPTS:
        raise
    except BaseException:  # not every function runs in float64
        observed = observe(case)
    return {name: array.astype(np.float64) for name, array in observed.quantities.items()}


def _doubled(array: Array) -> Array:
    return array if array.dtype.kind in "iu" else array.astype(np.float64)


@np.errstate(invalid="ignore")
def _finite(array: Array) -> Array:
    return np.nan_to_num(array, nan=0.0, posinf=0.0, neginf=0.0)
