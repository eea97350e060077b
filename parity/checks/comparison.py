"""Compare arrays within a floor: name, shape and dtype first, then values in one pass."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from msgspec.structs import replace

from parity.arrays import BFLOAT16, Array
from parity.checks.noise import LARGEST_ELEMENT, LARGEST_NORM
from parity.checks.result import FAILED, PASSED, VALUE_DIGITS, Problem, Result, Scores, reason, rounded
from parity.checks.streaming import Tally, smallest_of, stream
from parity.errors import InputError, of_kind, plain_array


@dataclass(frozen=True)
class Difference:
    """The distance of one quantity from what was expected.

    Fields are those of a `parity.checks.result.Result`, but scores and errors may be inf: where the floor is 0 and the
    error is not, or nothing could be compared. Where the bits must be equal, limits are 0 and there is no floor.
    """

    quantity: str
    score: float
    norm_score: float
    limit: float
    norm_limit: float
    error: float
    max_abs_error: float
    worst_index: tuple[int, ...]
    compared: int
    problem: Problem = ""
    detail: str = ""
    places: int = 0
    compared_with: str = ""
    observed: float | None = None
    expected: float | None = None
    sides: tuple[Array, Array, Array | None] | None = field(default=None, repr=False, compare=False)  # and the floor

    @property
    def failed(self) -> bool:
        return bool(self.problem)

    @property
    def reason(self) -> str:
        return reason(self)

    @property
    def share(self) -> float:
        """Return the fraction of the limit used: the larger of elementwise and norm-wise."""
        return max(self.score / (self.limit or 1), self.norm_score / (self.norm_limit or 1))

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
            received = f"shape {floor[name].shape}" if name in floor else "nothing"
            if received != f"shape {array.shape}":
                raise InputError(f"floor of {name!r}", received, f"shape {array.shape}")
    differences = []
    for name in dict.fromkeys((*expected, *observed)):
        its_floor = None if floor is None else floor.get(name)
        if name not in observed:
            differences.append(_not_compared(name, its_floor, "missing: the variant did not give it"))
        elif name not in expected:
            differences.append(mismatch(name, "unexpected: nothing to compare it with"))
        else:
            differences.append(difference(name, observed[name], expected[name], its_floor))
    return differences


def _arrays(argument: str, received: object) -> dict[str, Array]:
    given: Mapping[str, object] = of_kind(argument, received, Mapping, "arrays by name")
    return {name: plain_array(f"{argument} {name!r}", array) for name, array in given.items()}


def to_results(base: Result, differences: list[Difference]) -> list[Result]:
    """Turn differences into results like ``base``: one for each that failed, or one for the nearest to its limit."""
    failed = [each for each in differences if each.failed]
    base = replace(
        base,
        status=FAILED if failed else PASSED,
        compared=sum(each.compared for each in differences),
        scores={each.quantity: Scores(rounded(each.score), rounded(each.norm_score)) for each in differences},
    )
    return [_with_numbers(base, each) for each in failed or [max(differences, key=lambda each: each.share)]]


def _with_numbers(result: Result, difference: Difference) -> Result:
    """Add one difference to a result: what is wrong, and its numbers, rounded as a report has them."""
    result = replace(
        result,
        quantity=difference.quantity,
        problem=difference.problem,
        detail=difference.detail,
        compared_with=difference.compared_with,
    )
    if not difference.sides:
        return result
    digits = VALUE_DIGITS.get(result.dtype, 9)
    return replace(
        result,
        score=rounded(difference.score),
        limit=difference.limit,
        norm_score=rounded(difference.norm_score),
        norm_limit=difference.norm_limit,
        error=rounded(difference.error),
        max_abs_error=rounded(difference.max_abs_error),
        worst_index=difference.worst_index,
        places=difference.places,
        observed=rounded(difference.observed, digits),
        expected=rounded(difference.expected, digits),
    )


def mismatch(quantity: str, detail: str, problem: Problem = "mismatch") -> Difference:
    """Make a difference for which there are no numbers."""
    infinite = (math.inf, math.inf, 0.0, 0.0, math.inf, math.inf)
    return Difference(quantity, *infinite, (), 0, problem, detail)


def _not_compared(quantity: str, floor: Array | None, reason: str) -> Difference:
    """Make a mismatch, and check the floor: no pass over the values does."""
    if floor is not None and floor.size:
        smallest_of(quantity, floor)
    return mismatch(quantity, reason)


def difference(quantity: str, observed: Array, expected: Array, floor: Array | None) -> Difference:
    """Compare one quantity, as `compare` does. The floor may also have a shape that broadcasts."""
    observed, expected = plain_array(quantity, observed), plain_array(quantity, expected)
    floor = None if floor is None else wide(plain_array(f"floor of {quantity!r}", floor))
    if observed.shape != expected.shape:
        return _not_compared(quantity, floor, f"shape {observed.shape}, expected {expected.shape}")
    if floor is None and observed.dtype != expected.dtype:
        return mismatch(quantity, f"dtype {observed.dtype}, expected {expected.dtype}")
    observed, expected = wide(observed), wide(expected)
    tally = stream(quantity, observed, expected, None if floor is None else _broadcast(quantity, floor, expected.shape))
    limits = (0.0, 0.0) if floor is None else (LARGEST_ELEMENT, LARGEST_NORM)
    worst = tally.first_strange if tally.strange else tally.worst
    index = tuple(int(i) for i in np.unravel_index(worst, observed.shape)) if observed.size else ()
    return Difference(
        quantity,
        score=tally.score,
        norm_score=tally.norm_score,
        limit=limits[0],
        norm_limit=limits[1],
        error=math.inf if tally.strange else tally.error_there,
        max_abs_error=tally.max_abs_error,
        worst_index=index,
        compared=observed.size,
        problem=_problem(tally, limits, exact=floor is None),
        places=tally.strange,
        observed=float(observed[index]) if observed.size else None,
        expected=float(expected[index]) if expected.size else None,
        sides=(observed, expected, floor),
    )


def _broadcast(quantity: str, floor: Array, shape: tuple[int, ...]) -> Array:
    try:
        return np.broadcast_to(floor, shape)
    except ValueError:
        raise InputError(f"floor of {quantity!r}", f"shape {floor.shape}", f"one that broadcasts to {shape}") from None


def wide(array: Array) -> Array:
    """Return bfloat16 as float32, which represents it exactly and which NumPy computes with."""
    return array.astype(np.float32) if array.dtype == BFLOAT16 else array


def _problem(tally: Tally, limits: tuple[float, float], exact: bool) -> Problem:
    limit, norm_limit = limits
    if tally.strange:
        return "not_finite"
    if exact:
        return "bits" if tally.score > 0 else ""
    if math.isinf(tally.score):
        return "exact"
    if tally.score > limit:
        return "element"
    return "norm" if tally.norm_score > norm_limit else ""
