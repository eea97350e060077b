"""Say what a result means, from its fields: the only place that does."""

from __future__ import annotations

import math
from collections.abc import Iterable

from msgspec.structs import replace

from parity.checks.contracts import CONTRACTS
from parity.checks.result import FAILED, Result, number, rounded
from parity.errors import each

SHOWN = 8  # failures that a message shows in full
NO_ROUNDING = 1e5  # noise floors; an error beyond it is given as it is


def sentence(result: Result) -> str:
    """Say what differs, by how much of what limit, where, and where it began.

    >>> failed = Result(operation="rnn.lstm", framework="pytorch", variant="packed", mode="eager", dtype="float32",
    ...     case="one_layer/ragged", seed=0, contract="matches_reference", status="failed", quantity="h",
    ...     problem="element", score=310.0, limit=64.0, worst_index=(3, 1), observed=0.1234, expected=0.123)
    >>> sentence(failed)  # doctest: +NORMALIZE_WHITESPACE
    'h of pytorch.packed in rnn.lstm (one_layer/ragged, float32, eager) is 310 noise floors off the reference at (3, 1):
    0.1234 where 0.123 is expected; the limit is 64'
    """
    began = f"; it {result.first}" if result.first else ""
    recording = f"; compared with {result.compared_with}" if result.compared_with else ""
    return f"{_subject(result)} {_difference(result)}{recording}{began}"


def nearest(result: Result) -> str:
    """Say how far a result that passed is from what is expected, and what its limit is."""
    norm = (result.norm_score or 0.0) / (result.norm_limit or math.inf)
    element = (result.score or 0.0) / (result.limit or math.inf)
    return sentence(replace(result, problem="norm" if norm > element else "element"))


def explain(results: Iterable[Result]) -> str:
    """Say what failed, the worst first, and how to see it again; return nothing when nothing failed.

    >>> explain([])
    ''
    """
    results = each("results", results, Result)
    failed = sorted((one for one in results if one.status == FAILED), key=lambda one: one.severity, reverse=True)
    if not failed:
        return ""
    worst, *others = map(sentence, failed[:SHOWN])
    count = f"  {len(failed)} of {len(results)} results failed" + (":" if others else "")
    lines = [worst, f"  reproduce: {failed[0].reproduce}", count, *(f"  {other}" for other in others)]
    if len(failed) > SHOWN:
        lines.append(f"  and {len(failed) - SHOWN} more")
    return "\n".join(lines)


def _subject(result: Result) -> str:
    """Name the quantity, the variant and the run."""
    run = ", ".join(filter(None, (result.case, result.dtype, result.mode)))
    of = f"{result.quantity} of " if result.quantity else ""
    return f"{of}{result.subject} in {result.operation}" + (f" ({run})" if run else "")


def _difference(result: Result) -> str:
    at = f" at {result.worst_index}" if result.worst_index else ""
    words = measured(result, at, against=f" {_against(result.contract)}")
    return f"is {words}" if result.problem in ("element", "norm") else f"breaks {result.contract}: {words}"


def _against(contract: str) -> str:
    return CONTRACTS[contract].against if contract in CONTRACTS else "what is expected"


def measured(result: Result, at: str, against: str = "") -> str:
    """Say how far off a quantity is, where, with both values, and what is allowed; else what else is wrong.

    Args:
        at: where the error is largest, in words that begin with a space; empty if there is no such place.
        against: what it is off from, likewise.
    """
    values = _values(result)
    match result.problem:
        case "element" if _is_small(result.score):
            return f"{number(result.score)} noise floors off{against}{at}{values}; the limit is {number(result.limit)}"
        case "norm" if _is_small(result.norm_score):
            limit = number(result.norm_limit)
            return f"{number(result.norm_score)} noise floors off{against} norm-wise; the limit is {limit}"
        case "element" | "norm":
            return f"off{against} by {number(result.error)}{at}{values}"
        case "bits":
            return f"off by {number(result.error)}{at}{values}, and every bit must be the same"
        case "exact":
            return f"off by {number(result.error)}{at}{values}, and it must be exact: its noise floor is 0"
        case "not_finite":
            places = "1 place" if result.places == 1 else f"{result.places} places"
            return f"NaN or inf on one side only, at {places}" + (f", the first{at}" if at else "")
    return result.detail


def _is_small(score: float | None) -> bool:
    return score is not None and score < NO_ROUNDING


def _values(result: Result) -> str:
    """Put both values into words; nothing where one is missing or not finite."""
    one, other = (repr(value).removesuffix(".0") for value in distinct(result.observed, result.expected))
    return "" if "None" in (one, other) else f": {one} where {other} is expected"


def distinct(one: float | None, other: float | None) -> tuple[float | None, float | None]:
    """Round two numbers to four digits, or to as many as it takes to see how far they differ.

    >>> distinct(0.30000001, 0.30000002), distinct(1 / 3, 2 / 3), distinct(None, math.nan)
    ((0.30000001, 0.30000002), (0.3333, 0.6667), (None, None))
    """
    if one is None or other is None or not (math.isfinite(one) and math.isfinite(other)):
        return rounded(one), rounded(other)
    difference = one - other
    for digits in range(4, 17):
        pair = (float(f"{one:.{digits}g}"), float(f"{other:.{digits}g}"))
        if abs(pair[0] - pair[1] - difference) <= abs(difference) / 10:
            return pair
    return one, other
