"""Two arrays and a floor -> how far apart they are. Form first, then values, in one pass and constant memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from parity.batch import Array
from parity.errors import InputError, plain_array
from parity.noise import LARGEST_ELEMENT, LARGEST_NORM

CHUNK = 1 << 16  # elements looked at together: small enough for the cache, so the pass costs one read of each array


@dataclass(frozen=True)
class Difference:
    """How far one quantity is from what was expected.

    Attributes:
        quantity: its name, e.g. ``"y"`` or ``"d_w_in.0"``.
        score: the largest error in noise floors; inf where the floor is 0 and the error is not, or the form is wrong.
        norm_score: the norm of all errors over the norm of all floors.
        limit, norm_limit: what they may be; both 0 where the bits must be equal.
        max_abs_error: the largest absolute error.
        worst_index: where the score is largest; empty for a scalar.
        compared: how many numbers were compared.
        reason: what is wrong, in a sentence; empty when nothing is.
    """

    quantity: str
    score: float
    norm_score: float
    limit: float
    norm_limit: float
    max_abs_error: float
    worst_index: tuple[int, ...]
    compared: int
    reason: str

    @property
    def failed(self) -> bool:
        return bool(self.reason)

    def __bool__(self) -> bool:
        raise TypeError("a Difference is neither true nor false; ask for .failed")


def compare(
    observed: Mapping[str, Array], expected: Mapping[str, Array], floor: Mapping[str, Array] | None = None
) -> list[Difference]:
    """Compare all quantities by name.

    Args:
        observed: arrays by name; extra ones are an error too.
        expected: what they should be. Integers or floats; shapes must be equal.
        floor: for each, the noise floor, elementwise; None when every bit must be equal.

    Returns:
        One `Difference` for each quantity on either side.

    Raises:
        InputError: nothing to compare, or a floor that does not fit.

    >>> same = compare({"y": np.ones(3)}, {"y": np.ones(3)})
    >>> [(difference.quantity, difference.score, difference.failed) for difference in same]
    [('y', 0.0, False)]
    """
    if not isinstance(observed, Mapping) or not isinstance(expected, Mapping):
        raise InputError(
            "observed, expected", f"{type(observed).__name__}, {type(expected).__name__}", "arrays by name"
        )
    if not expected:
        raise InputError("expected", "no quantities", "at least one: a comparison of nothing proves nothing")
    if floor is not None:
        for name, array in expected.items():
            _check_floor(name, floor, np.shape(array))
    return list(_compared(observed, expected, floor))


def _check_floor(name: str, floor: Mapping[str, Array], shape: tuple[int, ...]) -> None:
    came = f"shape {np.shape(floor[name])}" if name in floor else "nothing"
    if came != f"shape {shape}":
        raise InputError(f"floor of {name!r}", came, f"shape {shape}")
    if not (np.isfinite(floor[name]) & (np.asarray(floor[name]) >= 0)).all():
        raise InputError(f"floor of {name!r}", "NaN, inf or less than 0", "finite numbers of 0 or more")


def _compared(
    observed: Mapping[str, Array], expected: Mapping[str, Array], floor: Mapping[str, Array] | None
) -> Iterator[Difference]:
    for name in [*expected, *(name for name in observed if name not in expected)]:
        if name not in observed:
            yield wrong_form(name, "missing: the variant did not give it")
        elif name not in expected:
            yield wrong_form(name, "unexpected: nothing to compare it with")
        else:
            yield difference(name, observed[name], expected[name], None if floor is None else floor[name])


def wrong_form(quantity: str, reason: str) -> Difference:
    """A difference for which there are no numbers."""
    return Difference(quantity, math.inf, math.inf, 0.0, 0.0, math.inf, (), 0, reason)


def difference(quantity: str, observed: Array, expected: Array, floor: Array | None) -> Difference:
    """One quantity; see `compare`."""
    observed, expected = plain_array(quantity, observed), plain_array(quantity, expected)
    if observed.shape != expected.shape:
        return wrong_form(quantity, f"shape {observed.shape}, expected {expected.shape}")
    if floor is None and observed.dtype != expected.dtype:
        return wrong_form(quantity, f"dtype {observed.dtype}, expected {expected.dtype}")
    total = _Total()
    flat = [np.ravel(array) for array in (observed, expected)]
    floors = None if floor is None else np.ravel(np.broadcast_to(floor, expected.shape))
    for start in range(0, observed.size, CHUNK):
        part = slice(start, start + CHUNK)
        total.add(start, flat[0][part], flat[1][part], 0.0 if floors is None else floors[part])
    limits = (0.0, 0.0) if floor is None else (LARGEST_ELEMENT, LARGEST_NORM)
    place = tuple(int(i) for i in np.unravel_index(total.worst, observed.shape)) if observed.size else ()
    score, norm_score = total.score, total.norm_score
    reason = _reason(total, score, norm_score, limits, place, floor is None)
    return Difference(quantity, score, norm_score, *limits, total.error, place, observed.size, reason)


class _Total:
    """What one pass gathers."""

    def __init__(self) -> None:
        self.score = self.error = self.error_there = 0.0
        self.errors_squared = self.floors_squared = 0.0
        self.worst = self.strange = 0

    @property
    def norm_score(self) -> float:
        if not self.errors_squared:
            return 0.0
        return math.sqrt(self.errors_squared / self.floors_squared) if self.floors_squared else math.inf

    def add(self, start: int, observed: Array, expected: Array, floor: Array | float) -> None:
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            error = np.abs(np.subtract(observed, expected, dtype=np.float64))
            same = (observed == expected) | (np.isnan(observed) & np.isnan(expected))
            error[same] = 0.0
            strange = np.isnan(error) | np.isinf(error)  # NaN or inf on one side only, or inf of the other sign
            error[strange] = np.inf
            score = np.where(same, 0.0, np.where(error > 0, np.divide(error, floor), np.inf))
        at = int(np.argmax(score))
        if score[at] > self.score:
            self.score, self.worst, self.error_there = float(score[at]), start + at, float(error[at])
        self.error = max(self.error, float(error.max()))
        self.strange += int(strange.sum())
        self.errors_squared += float(np.square(error).sum())
        self.floors_squared += float(np.sum(np.square(np.broadcast_to(floor, error.shape))))


def _reason(
    total: _Total, score: float, norm_score: float, limits: tuple[float, float], place: tuple[int, ...], exact: bool
) -> str:
    limit, norm_limit = limits
    if total.strange:
        places = "1 place" if total.strange == 1 else f"{total.strange} places"
        return f"NaN or inf on one side only, at {places}, the first at {place}"
    if exact:
        return f"not the same bits: off by {total.error_there:.3g} at {place}" if score > 0 else ""
    if math.isinf(score):
        return f"off by {total.error_there:.3g} at {place}, where the floor is 0 and the value must be exact"
    if score > limit:
        return f"{score:.3g} noise floors from expected at {place}; the limit is {limit:g}"
    if norm_score > norm_limit:
        return f"{norm_score:.3g} noise floors from expected norm-wise; the limit is {norm_limit:g}"
    return ""
