"""A result: the verdict on one contract, with its score and its worst place. Plain data, ready for a report."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

PASSED, FAILED, SKIPPED, XFAILED = "passed", "failed", "skipped", "xfailed"
STATUSES = (PASSED, FAILED, XFAILED, SKIPPED)
PRECEDENCE = (FAILED, PASSED, XFAILED, SKIPPED)  # several results together are what the first of these is that occurs
DIGITS = {"float64": 17}  # that tell a number of a dtype from its neighbours; 9 are enough for all others
SHOWN = 8  # failures that a message shows in full
FROM, VALUES = "noise floors from expected", ("observed", "expected")
AGAINST = {  # contract -> what the expected value is there
    "matches_reference": "the reference",
    "frameworks_agree": "the other framework",
    "ignores_extra_padding": "what it is with less padding",
    "independent_of_batchmates": "what it is in the batch",
    "follows_permutation": "what it is in the other order",
    "same_in_every_mode": "eager mode",
    "same_when_compiled": "eager mode",
    "agrees_with_recording": "what was recorded",
    "trains_alike": "the reference",
}


@dataclass(frozen=True)
class Result:
    """The verdict on one contract, for one variant in one mode, on one case.

    A contract that holds gives one result, for the quantity that came closest to its limit; one that does not hold
    gives a result for each quantity that failed. ``scores`` has all of them, elementwise and norm-wise.

    Attributes:
        status: "passed", "failed", "skipped" (something is missing here) or "xfailed" (a expected_failure that still
        stands).
        quantity: an output, or ``d_`` and an input for its gradient.
        score, limit: the largest error and what it may be, in noise floors; elementwise. A score that is not finite is
            inf; a limit of None means that there were no numbers: a quantity is missing, or of another config.
        norm_score, norm_limit: the same, norm-wise.
        max_abs_error, worst_index: the largest absolute error; where the score is largest.
        observed, expected: the two values at that place; None where there are none, or they are not finite.
        spread: how many errors are how large: a number for each of `parity.checks.error_maps.BINS`; empty where none
        is sampled.
        heat: where in the batch the errors are; see `parity.checks.error_maps.heat`. None where that is not sampled.
        compared: how many numbers the contract compared.
        reason: why it failed, was skipped or is known; empty when it passed.
        first: where it parts from the reference first: after how many steps, in which quantity, in which gates.
        reproduce: the command that shows it again.
    """

    operation: str
    framework: str
    variant: str
    mode: str
    dtype: str
    case: str
    seed: int
    contract: str
    status: str
    quantity: str = ""
    score: float | None = None
    limit: float | None = None
    norm_score: float | None = None
    norm_limit: float | None = None
    max_abs_error: float | None = None
    worst_index: tuple[int, ...] = ()
    observed: float | None = None
    expected: float | None = None
    spread: tuple[int, ...] = ()
    heat: Mapping[str, Any] | None = None
    compared: int = 0
    scores: Mapping[str, tuple[float, float]] | None = None
    reason: str = ""
    first: str = ""
    reproduce: str = ""

    def __bool__(self) -> bool:
        raise TypeError("a Result is neither true nor false; ask for .status")

    @property
    def sentence(self) -> str:
        """What is wrong, in a sentence; see `sentence`."""
        return sentence(self.as_dict())

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON: numbers that are not finite become None.

        Four digits of a number are enough, but for the two values: those differ in their last.
        """
        values = {
            name: finite(getattr(self, name), digits=DIGITS.get(self.dtype, 9)) for name in ("observed", "expected")
        }
        return {name: finite(value) for name, value in asdict(self).items()} | values


def sentence(result: Mapping[str, Any]) -> str:
    """What differs in a failed result, by how much of what limit, where, and where it began.

    Args:
        result: as `Result.as_dict` gives it, or as a report.json has it.

    >>> found = Result("rnn.lstm", "pytorch", "packed", "eager", "float32", "one_layer/ragged", 0, "matches_reference",
    ...     FAILED, "h", reason="310 noise floors from expected at (3, 1); the limit is 64", worst_index=(3, 1),
    ...     observed=0.1234, expected=0.123, first="parts from the reference at step 2, first in c of layer 0")
    >>> sentence(found.as_dict())  # doctest: +NORMALIZE_WHITESPACE
    'h of pytorch.packed in rnn.lstm (one_layer/ragged, float32, eager) is 310 noise floors off the reference at (3, 1):
    0.1234 where 0.123 is expected; the limit is 64; it parts from the reference at step 2, first in c of layer 0'
    """
    began = f"; it {result['first']}" if result["first"] else ""
    return f"{_subject(result)} {_difference(result)}{began}"


def _subject(result: Mapping[str, Any]) -> str:
    """Of what a result speaks, and in which run."""
    subject = ".".join(filter(None, (result["framework"], result["variant"])))
    run = ", ".join(filter(None, (result["case"], result["dtype"], result["mode"])))
    of = f"{result['quantity']} of " if result["quantity"] else ""
    return f"{of}{subject} in {result['operation']}" + (f" ({run})" if run else "")


def _difference(result: Mapping[str, Any]) -> str:
    contract, reason = result["contract"], str(result["reason"])
    at = f" at {tuple(result['worst_index'])}"
    values = _apart(*(result.get(name) for name in VALUES))  # records of before schema 4 have none
    is_there, known = "is " if FROM in reason else f"breaks {contract}: ", None not in values
    words = ": {} where {} is expected" if FROM in reason else " ({} where {} is expected)"
    both = words.format(*(repr(value).removesuffix(".0") for value in values)) if known else ""
    said = reason.replace(FROM, f"noise floors off {AGAINST.get(contract, 'what is expected')}", 1)
    return is_there + said.replace(at, f"{'' if at == ' at ()' else at}{both}", 1)


def _apart(one: float | None, other: float | None) -> tuple[float | None, float | None]:
    """Two numbers with four digits, or as many as it takes to see how far apart they are; None for one not finite.

    >>> _apart(0.30000001, 0.30000002), _apart(1 / 3, 2 / 3), _apart(None, math.nan)
    ((0.30000001, 0.30000002), (0.3333, 0.6667), (None, None))
    """
    first, second = (value if value is not None and math.isfinite(value) else None for value in (one, other))
    if first is None or second is None:
        return finite(first), finite(second)
    pairs = ((float(f"{first:.{digits}g}"), float(f"{second:.{digits}g}")) for digits in range(4, 17))
    off = first - second
    return next((pair for pair in pairs if abs(pair[0] - pair[1] - off) <= abs(off) / 10), (first, second))


def severity(result: Mapping[str, Any]) -> tuple[float, bool, float]:
    """How bad a failure is: how many times over its limit, whether it says where it began, and how large the error.

    None stands for infinity.

    >>> measured = {"score": 128.0, "limit": 64.0, "norm_score": 1.0, "norm_limit": 16.0, "max_abs_error": None}
    >>> severity(measured | {"first": ""})
    (2.0, False, inf)
    """
    over = max(_over(result["score"], result["limit"]), _over(result["norm_score"], result["norm_limit"]))
    error = result["max_abs_error"]
    return over, bool(result["first"]), math.inf if error is None else error


def _over(score: float | None, limit: float | None) -> float:
    return math.inf if score is None or not limit else score / limit


def share(result: Mapping[str, Any]) -> float:
    """How much of its limit a score takes, of both the one nearer to it; 0 where nothing was off, or may be.

    >>> share({"score": 16.0, "limit": 64.0, "norm_score": 2.0, "norm_limit": 16.0})
    0.25
    """
    return max(_share(result["score"], result["limit"]), _share(result["norm_score"], result["norm_limit"]))


def _share(score: float | None, limit: float | None) -> float:
    return score / limit if score and limit else 0.0


def how_near(result: Mapping[str, Any]) -> str:
    """How far a result that passed is from what is expected, and what its limit is, in a sentence as of a failure."""
    limit, norm_limit, at = result["limit"], result["norm_limit"], tuple(result["worst_index"])
    if _share(result["norm_score"], norm_limit) > _share(result["score"], limit):
        measured = f"{result['norm_score']:.3g} {FROM} norm-wise; the limit is {norm_limit:g}"
    else:
        measured = f"{result['score']:.3g} {FROM} at {at}; the limit is {limit:g}"
    return sentence({**result, "reason": measured})


def explain(results: Iterable[Result]) -> str:
    """What failed, the worst first, and how to see it again, for a person; empty when nothing failed.

    >>> explain([])
    ''
    """
    results = list(results)
    failed = [result.as_dict() for result in results if result.status == FAILED]
    if not failed:
        return ""
    failed.sort(key=severity, reverse=True)
    worst, *others = map(sentence, failed[:SHOWN])
    more = [f"  and {len(failed) - SHOWN} more"] if len(failed) > SHOWN else []
    count = f"  {len(failed)} of {len(results)} results failed" + (":" if others else "")
    return "\n".join([worst, f"  again: {failed[0]['reproduce']}", count, *(f"  {said}" for said in others), *more])


def finite(value: Any, digits: int = 4) -> Any:
    """Plain values for strict JSON, which has no word for NaN and infinities, with so many digits of a number."""
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: finite(item) for name, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, (tuple, list)) else value
