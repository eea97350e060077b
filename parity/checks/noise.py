"""The noise floor: how far the reference itself moves when its inputs are perturbed by one unit roundoff.

The method is Monte Carlo arithmetic: D. S. Parker, "Monte Carlo Arithmetic: exploiting randomness in floating-point
arithmetic", UCLA CSD-970002, 1997. No implementation in a dtype of unit roundoff ``u`` can know its inputs better than
that, so a good one makes an error of about one floor, whatever the operation, the length or the conditioning. It is the
one tolerance here:

    response = rms over the copies of (f(perturbed) - f(inputs))        elementwise
    floor    = response + u |f(inputs)| + u rms(f(inputs)) + smallest   0 where f and its response are 0
    score    = |observed - f(inputs)| / floor

where each float of each copy is multiplied by ``1 + u`` or ``1 - u`` at random, and ``smallest`` is the smallest normal
number of the dtype: what is closer to 0, such as the sigmoid of -100 in float32, may become 0. Padding has a floor of
exactly 0 and must match exactly, without a special rule.

Frameworks round activations (sigmoid, tanh, softmax) and keep those, not their arguments: the slope of a saturated tanh
is computed as ``1 - y*y``, a GRU's ``1 - z`` is 0 where z rounds to 1, and each is off by ``u``, however small it is.
So the copies keep theirs perturbed too, wherever they are used (``OFF`` in `parity.reference.runtime`). Without that,
good recurrent layers and attention scored 700 and more where weights are 15 times as large as usual; with it 4.

The last term, the rms over the quantity's other elements, is for what else is off by a roundoff of its largest parts:
sums that cancel, the slopes of a softmax.

The limits, and where they are from. ``parity sweep --seeds 100`` samples for every operation and variant a case of
random configuration and lengths, parameters from a thousandth to thirty times the usual and anything in the padding,
seed by seed. Scores of outputs and gradients against the reference, with torch 2.13.0, tensorflow 2.21.0, keras 3.15.1
and numpy 2.4.6 on two cores of an Intel Xeon; those of the worst of the 44 operations:

==========  =======  ======  ======  ====  =====  =====  ====  =====  =====
..                                   worst element       norm
----------  -----------------------  ------------------  ------------------
framework        dtype    checks  scores  99 %  99.9%  100 %  99 %  99.9%  100 %
==========  =======  ======  ======  ====  =====  =====  ====  =====  =====
pytorch     float32  26 540  50 340  16    18     18     2.7   7      7.7
pytorch     float64  26 540  50 340  17    20     20     3.2   6.2    6.8
tensorflow  float32  28 652  54 785  6.6   13     14     2.1   2.4    2.4
tensorflow  float64  28 354  54 607  14    24     26     2.8   5.2    5.7
==========  =======  ======  ======  ====  =====  =====  ====  =====  =====

The worst is CTC; all others reach 14 and 4.9 at most. A thousand seeds of sixteen operations, CTC among them, reached
31 and 8, and raised no false alarm either. The limits, 64 for an element and 16 for a norm, are twice that.
In float64 the reference rounds like what it judges, and its own error is part of the score: CTC's median is 1.1 there,
and 0.4 in float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from parity import frameworks
from parity.arrays import ROUNDOFF, UNDERFLOW, Array, is_float
from parity.caching import cached
from parity.cases.case import Case, check_case
from parity.errors import whole_number
from parity.frameworks import DeviceSettings

LARGEST_ELEMENT = 64.0
LARGEST_NORM = 16.0
COPIES = 8
MOST_COPIES = 1000  # all of them are in memory at once
BEYOND = 1000.0  # times the largest expected number, what a wrong function gives is no usual size

# Perturbing by less than this would measure the reference's own float64 rounding. The response is linear that far
# down, so a smaller roundoff is perturbed by this much and scaled.
SMALLEST_STEP = 2.0**-40


@dataclass(frozen=True, eq=False)
class Floor:
    """The reference on a case, and how far it moves."""

    expected: Mapping[str, Array]  # the reference's outputs and gradients, float64
    floor: Mapping[str, Array]  # for each of them, the noise floor, elementwise, never negative


def noise_floor(case: Case, copies: int = COPIES) -> Floor:
    """Run the reference on a case, and return its noise floor in the case's dtype.

    All copies ride along one leading axis through a single run, so they are nearly free. The perturbation is sampled
    from the case's seed: the same case has the same floor.

    Raises:
        InputError: not a case, or ``copies`` is not from 1 to 1000.
        FloatingPointError: the reference itself gives NaN, with which nothing can be compared.

    >>> from parity.cases.sampling import sample_case
    >>> floor = noise_floor(sample_case("rnn.gru", "one_layer", "ragged", "float32", seed=0))
    >>> bool((floor.floor["y"][floor.expected["y"] == 0] == 0).all())
    True
    """
    check_case(case)
    return _noise_floor(case, whole_number("copies", copies, least=1, most=MOST_COPIES))


@cached(maxsize=128)
def second_floor(case: Case) -> tuple[dict[str, Array], Floor]:
    """Return directions for second derivatives, and the reference on them with its noise floor."""
    rng = np.random.default_rng([abs(case.seed), 2])
    floats = {name: array for name, array in case.arrays.items() if is_float(array.dtype)}
    directions = {name: np.asarray(rng.normal(size=array.shape).astype(array.dtype)) for name, array in floats.items()}
    return directions, _floor(case, COPIES, directions)


@cached(maxsize=512)
def _noise_floor(case: Case, copies: int) -> Floor:
    return _floor(case, copies)


@np.errstate(under="ignore")  # NumPy's default: squares of tiny numbers are 0
def _floor(case: Case, copies: int, directions: Mapping[str, Array] | None = None) -> Floor:
    roundoff = ROUNDOFF[case.dtype]
    step = max(roundoff, SMALLEST_STEP)
    rng = np.random.default_rng(abs(case.seed))

    def perturbed(array: Array) -> Array:
        if array.dtype.kind in "iu":
            return array
        signs = rng.choice([-1.0, 1.0], (copies, *array.shape))
        return np.concatenate([array[None].astype(np.float64), array.astype(np.float64) * (1 + step * signs)])

    def off(activations: Array) -> Array:
        signs = rng.choice([-1.0, 1.0], activations.shape)
        signs[0] = 0  # the first is no copy, but what is expected
        return np.asarray(step * signs * activations)

    arrays = {name: perturbed(array) for name, array in case.arrays.items()}
    cotangents = {name: perturbed(array) for name, array in case.cotangents.items()}
    if directions is None:
        found = frameworks.run_reference(case, arrays, cotangents, off)
    else:
        along = {name: perturbed(array) for name, array in directions.items()}
        found = frameworks.run_reference_second(case, arrays, cotangents, along, off)
    expected, floor = {}, {}
    for name, runs in found.items():
        if name.startswith("d_") and not case.differentiated:
            continue
        if np.isnan(runs).any():  # a framework's NaN would count as the same
            raise FloatingPointError(f"the reference gives NaN for {name}: {case.operation}, {case.name}")
        response = response_of(runs) * (roundoff / step)
        expected[name] = runs[0]
        floor[name] = floor_of(runs[0], response, case.dtype)
    for array in (*expected.values(), *floor.values()):
        array.setflags(write=False)  # cached, and shared by every variant
    return Floor(expected, floor)


def stand_in(case: Case, framework: str, variant: str, mode: str, copies: int = 2, device: str = "cpu") -> Floor:
    """Return a noise floor at a size where the reference, one sequence at a time, would take minutes.

    A variant of a framework plays the reference, in float64; that it may is what the contracts say at small sizes.
    Copies are fewer than for `noise_floor`, since each takes a run.
    """
    roundoff = ROUNDOFF[case.dtype]
    rng = np.random.default_rng(abs(case.seed))

    def observed(perturb: bool) -> Mapping[str, Array]:
        def double(array: Array) -> Array:
            if array.dtype.kind in "iu":
                return array
            signs = rng.choice([-1.0, 1.0], array.shape) if perturb else 0.0
            return np.asarray(array.astype(np.float64) * (1 + roundoff * signs))

        arrays = {name: double(array) for name, array in case.arrays.items()}
        cotangents = {name: double(array) for name, array in case.cotangents.items()}
        moved = replace(case, arrays=arrays, cotangents=cotangents)
        return frameworks.observe(moved, framework, variant, mode, DeviceSettings(device)).quantities

    expected = observed(perturb=False)
    squares = {name: np.zeros_like(array) for name, array in expected.items()}
    for _ in range(copies):
        for name, array in observed(perturb=True).items():
            squares[name] += np.square(array - expected[name]) / copies
    floor = {name: floor_of(expected[name], np.sqrt(square), case.dtype) for name, square in squares.items()}
    return Floor(expected, floor)


def response_of(runs: Array) -> Array:
    """Return how far copies are from the first of all runs: ``(1 + copies, ...)`` -> ``(...)``."""
    return np.asarray(np.sqrt(np.mean((runs[1:] - runs[0]) ** 2, axis=0)))


def floor_of(expected: Array, response: Array, dtype: str) -> Array:
    """Return the floor of one quantity in a dtype, from its expected value and the response of the copies."""
    moves = (response > 0) | (expected != 0)
    typical = np.sqrt(np.mean(np.square(expected[moves]))) if moves.any() else 0.0
    return np.where(moves, response + ROUNDOFF[dtype] * (np.abs(expected) + typical) + UNDERFLOW[dtype], 0.0)


def rounding_of(given: Array, expected: Array, dtype: str) -> Array:
    """Return how far numbers are rounded that are summed from others of a usual size, if nothing amplifies that.

    The noise floor of a right result does not cover what a wrong one rounds, which has other numbers. A few large ones,
    such as the lowest number of a dtype for a sequence without steps, do not count elsewhere.
    """
    if given.shape != expected.shape or given.dtype.kind in "biu":
        return np.zeros(expected.shape)
    sizes = np.abs(np.nan_to_num(given.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0))
    usual = np.median(sizes[sizes > 0]) if sizes.any() else 0.0
    return np.asarray(ROUNDOFF[dtype] * (sizes + min(usual, BEYOND * np.abs(expected).max(initial=0.0))))
