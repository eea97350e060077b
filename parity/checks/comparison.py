"""Two arrays and a floor -> how far apart they are: configuration first, then values, in one pass."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parity.arrays import BFLOAT16, Array
from parity.checks.noise import LARGEST_ELEMENT, LARGEST_NORM
from parity.checks.result import FAILED, PASSED
from parity.checks.streaming import Tally, smallest_of, stream
from parity.errors import InputError, of_kind, plain_array


@dataclass(frozen=True)
class Difference:
    """How far one quantity is from what was expected.

    Attributes:
        quantity: its name, e.g. ``"y"`` or ``"d_w_in.0"``.
        score: the largest error in noise floors; inf where the floor is 0 and the error is not, or the configuration
        is wrong.
        norm_score: the norm of all errors over the norm of all floors.
        limit, norm_limit: what they may be; both 0 where the bits must be equal.
        max_abs_error: the largest absolute error.
        worst_index: where the score is largest; empty for a scalar.
        compared: how many numbers were compared.
        reason: what is wrong, in a sentence; empty when nothing is.
        observed, expected: the two values at that place; None where there are none.
        sides: all that was compared: observed, expected and floor, which is None where every bit must be equal.
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
    observed: float | None = None
    expected: float | None = None
    sides: tuple[Array, Array, Array | None] | None = field(default=None, repr=False, compare=False)

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
    observed, expected = _arrays("observed", observed), _arrays("expected", expected)
    if not expected:
        raise InputError("expected", "no quantities", "at least one: a comparison of nothing proves nothing")
    floor = None if floor is None else _arrays("floor", floor)
    if floor is not None:
        for name, array in expected.items():
            _check_shape(name, floor, array.shape)
    return list(_compared(observed, expected, floor))


def _arrays(argument: str, came: object) -> dict[str, Array]:
    given: Mapping[str, object] = of_kind(argument, came, Mapping, "arrays by name")
    return {name: plain_array(f"{argument} {name!r}", array) for name, array in given.items()}


def verdict(differences: list[Difference]) -> list[dict[str, Any]]:
    """What results say of differences, of which there is at least one.

    Returns:
        For each that failed, or, if none did, for the one nearest to its limit: fields of a
        `parity.checks.result.Result` by name.
    """
    scores = {each.quantity: (each.score, each.norm_score) for each in differences}
    failed = [each for each in differences if each.failed]
    measured = (
        *("quantity", "score", "limit", "norm_score", "norm_limit"),
        *("max_abs_error", "worst_index", "observed", "expected", "reason"),
    )
    nothing = dict.fromkeys(("score", "limit", "norm_score", "norm_limit", "max_abs_error"))  # not comparable
    of_all = {"compared": sum(each.compared for each in differences), "scores": scores}
    return [
        {
            "status": FAILED if each.failed else PASSED,
            **{name: getattr(each, name) for name in measured},
            **({} if each.sides else nothing),
            **of_all,
        }
        for each in failed or [max(differences, key=_closeness)]
    ]


def _closeness(passed: Difference) -> float:
    """How much of its limit it used up."""
    return max(passed.score / (passed.limit or 1), passed.norm_score / (passed.norm_limit or 1))


def _check_shape(name: str, floor: Mapping[str, Array], shape: tuple[int, ...]) -> None:
    came = f"shape {floor[name].shape}" if name in floor else "nothing"
    if came != f"shape {shape}":
        raise InputError(f"floor of {name!r}", came, f"shape {shape}")


def _compared(
    observed: Mapping[str, Array], expected: Mapping[str, Array], floor: Mapping[str, Array] | None
) -> Iterator[Difference]:
    for name in [*expected, *(name for name in observed if name not in expected)]:
        its_floor = None if floor is None or name not in expected else floor[name]
        if name not in observed:
            yield _not_compared(name, its_floor, "missing: the variant did not give it")
        elif name not in expected:
            yield mismatch(name, "unexpected: nothing to compare it with")
        else:
            yield difference(name, observed[name], expected[name], its_floor)


def mismatch(quantity: str, reason: str) -> Difference:
    """A difference for which there are no numbers."""
    return Difference(quantity, math.inf, math.inf, 0.0, 0.0, math.inf, (), 0, reason)


def _not_compared(quantity: str, floor: Array | None, reason: str) -> Difference:
    """A wrong config. No pass over the values checks the floor, so it is checked here."""
    if floor is not None and floor.size:
        smallest_of(quantity, floor)
    return mismatch(quantity, reason)


def difference(quantity: str, observed: Array, expected: Array, floor: Array | None) -> Difference:
    """One quantity; see `compare`. The floor may also be of a shape that broadcasts."""
    observed, expected = plain_array(quantity, observed), plain_array(quantity, expected)
    floor = None if floor is None else wide(plain_array(f"floor of {quantity!r}", floor))
    if observed.shape != expected.shape:
        return _not_compared(quantity, floor, f"shape {observed.shape}, expected {expected.shape}")
    if floor is None and observed.dtype != expected.dtype:
        return mismatch(quantity, f"dtype {observed.dtype}, expected {expected.dtype}")
    observed, expected = wide(observed), wide(expected)
    tally = stream(quantity, observed, expected, None if floor is None else _broadcast(quantity, floor, expected.shape))
    limits = (0.0, 0.0) if floor is None else (LARGEST_ELEMENT, LARGEST_NORM)

    def place(index: int) -> tuple[int, ...]:
        return tuple(int(i) for i in np.unravel_index(index, observed.shape)) if observed.size else ()

    worst = place(tally.worst)
    reason = _reason(tally, limits, worst, place(tally.first_strange), floor is None)
    came, meant = (float(side[worst]) if side.size else None for side in (observed, expected))
    scores = (tally.score, tally.norm_score, *limits, tally.max_abs_error)
    return Difference(quantity, *scores, worst, observed.size, reason, came, meant, (observed, expected, floor))


def _broadcast(quantity: str, floor: Array, shape: tuple[int, ...]) -> Array:
    try:
        return np.broadcast_to(floor, shape)
    except ValueError:
        raise InputError(f"floor of {quantity!r}", f"shape {floor.shape}", f"one that broadcasts to {shape}") from None


def wide(array: Array) -> Array:
    """bfloat16 as float32, which holds it exactly and which NumPy computes with."""
    return array.astype(np.float32) if array.dtype == BFLOAT16 else array


def _reason(
    tally: Tally, limits: tuple[float, float], worst: tuple[int, ...], first_strange: tuple[int, ...], exact: bool
) -> str:
    limit, norm_limit = limits
    if tally.strange:
        places = "1 place" if tally.strange == 1 else f"{tally.strange} places"
        return f"NaN or inf on one side only, at {places}, the first at {first_strange}"
    off = f"off by {tally.error_there:.3g} at {worst}"
    if exact:
        return f"not the same bits: {off}" if tally.score > 0 else ""
    if math.isinf(tally.score):
        return f"{off}, where the floor is 0 and the value must be exact"
    if tally.score > limit:
        return f"{tally.score:.3g} noise floors from expected at {worst}; the limit is {limit:g}"
    if tally.norm_score > norm_limit:
        return f"{tally.norm_score:.3g} noise floors from expected norm-wise; the limit is {norm_limit:g}"
    return ""
