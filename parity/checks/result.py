"""The result of a check on one quantity: typed, frozen, and encoded into report.json as it is."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta, Struct

if TYPE_CHECKING:
    from parity.checks.comparison import Difference

Status = Literal["passed", "failed", "xfailed", "skipped"]
PASSED: Status = "passed"
FAILED: Status = "failed"
XFAILED: Status = "xfailed"
SKIPPED: Status = "skipped"
STATUSES: tuple[Status, ...] = (PASSED, FAILED, XFAILED, SKIPPED)
PRECEDENCE: tuple[Status, ...] = (FAILED, PASSED, XFAILED, SKIPPED)  # of several, the first that occurs

# What is wrong. The first five are measured; "detail" says the others in words.
Problem = Literal["", "element", "norm", "bits", "exact", "not_finite", "mismatch", "raised", "other"]
MEASURED = ("element", "norm", "bits", "exact", "not_finite")

Kind = Literal["element", "norm"]  # of a score
KINDS: tuple[Kind, ...] = ("element", "norm")

DIGITS = 4  # of a score or an error
VALUE_DIGITS = {"float64": 17}  # that tell a number of a dtype from its neighbours; 9 are enough for all others

Count = Annotated[int, Meta(ge=0, le=2**53)]  # exact as a float, and so on a page
Measure = Annotated[float, Meta(ge=0)] | None  # null where it is infinite, or nothing was measured


class Scores(Struct, frozen=True, array_like=True):
    """The two scores of one quantity, in noise floors: of the worst element, and of the norm."""

    element: Measure
    norm: Measure


class HeatMap(Struct, frozen=True):
    """Show where in the batch the largest errors are, for the worst quantity with a batch and a time axis."""

    quantity: str  # an output or a gradient
    lengths: tuple[Count, ...]  # (B,)
    steps: Count  # T
    left: bool  # whether the padding stands before the sequences
    steps_per_column: Annotated[int, Meta(ge=1)]  # how many steps share a column
    rows: tuple[tuple[Measure, ...], ...]  # for each sequence the largest score in each column, two digits

    def __post_init__(self) -> None:
        columns = -(-self.steps // self.steps_per_column)
        if len(self.rows) != len(self.lengths) or any(len(row) != columns for row in self.rows):
            raise ValueError(f"Expected `{len(self.lengths)} rows of {columns} scores`, got `of another shape`")


Arrangement = Literal["", "rows", "directions", "starts"]
ARRANGED: dict[Arrangement, str] = {
    "": "",
    "rows": ", whose rows are in another order",
    "directions": ", whose directions are swapped",
    "starts": ", as if the initial states were in another order",
}


class FirstDifference(Struct, frozen=True, omit_defaults=True):
    """Name the shortest prefix on which a variant differs from the reference, and what differs there first."""

    step: Count  # the length to which every sequence is cut, 0 for none at all; or the step of training
    quantity: str
    layer: int | None = None
    gates: tuple[str, ...] = ()  # letters of those at fault, where they can be distinguished
    before_step: bool = False  # whether it differs before that step is taken, as the loss of training does
    arrangement: Arrangement = ""  # of the quantity, where its values are right but stand elsewhere
    of_class: str = ""  # which class is at fault, in words, where a single one is

    def __str__(self) -> str:
        """Return it in words, without a subject.

        >>> print(FirstDifference(2, "c", layer=0)), print(FirstDifference(1, "c", 0, ("i", "g")))
        differs from the reference at step 2, first in c of layer 0
        differs from the reference on the first step, first in c of layer 0, by the slopes of gates i, g
        (None, None)
        """
        when = {0: "with all sequences empty", 1: "on the first step"}.get(self.step, f"at step {self.step}")
        if self.before_step:
            when = f"before step {self.step}"
        layer = "" if self.layer is None else f" of layer {self.layer}"
        how = ARRANGED[self.arrangement] or self._gates
        return f"differs from the reference {when}, first in {self.quantity}{layer}{how}{self.of_class}"

    @property
    def _gates(self) -> str:
        if not self.gates:
            return ""
        if self.quantity == "h":  # h = o tanh(c), and c is right
            return f", gate {self.gates[0]}"
        return f", by the slopes of gates {', '.join(self.gates)}"


class Result(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The outcome of a check on one quantity, for one variant in one mode, on one case.

    A contract that holds gives one result, for the quantity nearest to its limit; one that does not hold
    gives a result for each quantity that failed. ``scores`` has all of them.

    Attributes:
        status: "passed", "failed", "skipped" (something is missing here) or "xfailed" (an expected failure).
        quantity: an output, or ``d_`` and an input for its gradient.
        problem: what is wrong: the worst "element" or the "norm" is over its limit, "bits" differ, a value that must
            be "exact" is off, it is "not_finite" on one side, name, shape or dtype "mismatch", the variant "raised".
        detail: what was raised, does not match, is missing or was expected to fail; empty where numbers say it.
        score, limit: the largest error and what it may be, in noise floors; elementwise. A score that is not finite
            is None; so is a limit where there were no numbers.
        norm_score, norm_limit: the same of the norm of all errors over the norm of all floors.
        error, max_abs_error: the absolute error at the worst place, and the largest anywhere.
        worst_index: where the score is largest; the first place where a value is not finite on one side.
        places: how many values are not finite on one side.
        observed, expected: the two values at that place; None where there are none, or they are not finite.
        compared: how many numbers the contract compared.
        compared_with: the recording that it was compared with, if it was.
        scores: quantity -> its scores.
        histogram: how many errors fall into each of `parity.checks.error_maps.BINS`; empty where none were counted.
        heat_map: where in the batch the errors are.
        first: where it differs from the reference first.
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
    status: Status
    quantity: str = ""
    problem: Problem = ""
    detail: str = ""
    score: Measure = None
    limit: Measure = None
    norm_score: Measure = None
    norm_limit: Measure = None
    error: Measure = None
    max_abs_error: Measure = None
    worst_index: tuple[Count, ...] = ()
    places: Count = 0
    observed: float | None = None
    expected: float | None = None
    compared: Count = 0
    compared_with: str = ""
    scores: dict[str, Scores] = {}  # a Struct copies it
    histogram: Annotated[tuple[Count, ...], Meta(max_length=10)] = ()
    heat_map: HeatMap | None = None
    first: FirstDifference | None = None
    reproduce: str = ""

    def __hash__(self) -> int:
        return hash((self.run, self.seed, self.quantity))

    def __bool__(self) -> bool:
        raise TypeError("a Result is neither true nor false; ask for .status")

    @property
    def subject(self) -> str:
        """Return the variant, as "framework.variant"."""
        return ".".join(filter(None, (self.framework, self.variant)))

    @property
    def reason(self) -> str:
        """Say what is wrong, missing or expected, without the subject; nothing when it passed."""
        return reason(self)

    @property
    def share(self) -> float:
        """Return the fraction of the limit used: the larger of elementwise and norm-wise.

        It is 0 where nothing was off, or may be.

        >>> passed = Result(operation="", framework="", variant="", mode="", dtype="", case="", seed=0, contract="",
        ...     status=PASSED, score=16.0, limit=64.0, norm_score=2.0, norm_limit=16.0)
        >>> passed.share
        0.25
        """
        return max(_share(self.score, self.limit), _share(self.norm_score, self.norm_limit))

    @property
    def severity(self) -> tuple[float, bool, float]:
        """Return how bad a failure is: times over its limit, whether its beginning is known, and the largest error."""
        over = max(_over(self.score, self.limit), _over(self.norm_score, self.norm_limit))
        error = math.inf if self.max_abs_error is None else self.max_abs_error
        return over, self.first is not None, error

    def largest(self, kind: Kind) -> tuple[str, float]:
        """Return the quantity with the largest finite score of a kind, and that score.

        It need not be the quantity that the result is about: that one is nearest to either limit.
        """
        scores = {name: score for name, both in self.scores.items() if (score := getattr(both, kind)) is not None}
        return max(scores.items(), key=lambda item: item[1], default=(self.quantity, 0.0))

    @property
    def run(self) -> tuple[str, ...]:
        """Return the key of its run: all results of one contract on one case in one mode share it."""
        return (*self.check, self.mode, self.case)

    @property
    def check(self) -> tuple[str, ...]:
        """Return the key of its check: operation, framework, variant, dtype and contract."""
        return self.operation, self.framework, self.variant, self.dtype, self.contract


def reason(one: Result | Difference) -> str:
    """Return what is wrong, with what limit, and where; empty when nothing is."""
    text = _measured(one) if one.problem in MEASURED else one.detail
    return f"{text}; compared with {one.compared_with}" if one.compared_with and text else text


def _measured(one: Result | Difference) -> str:
    at = one.worst_index
    if one.problem == "element":
        return f"{number(one.score)} noise floors from expected at {at}; the limit is {number(one.limit)}"
    if one.problem == "norm":
        return f"{number(one.norm_score)} noise floors from expected norm-wise; the limit is {number(one.norm_limit)}"
    if one.problem == "bits":
        return f"not the same bits: off by {number(one.error)} at {at}"
    if one.problem == "exact":
        return f"off by {number(one.error)} at {at}, where the floor is 0 and the value must be exact"
    places = "1 place" if one.places == 1 else f"{one.places} places"
    return f"NaN or inf on one side only, at {places}, the first at {at}"


def number(value: float | None) -> str:
    """Format a score or an error with three digits; None is infinite.

    >>> number(188.04), number(64.0), number(None)
    ('188', '64', 'inf')
    """
    return "inf" if value is None else f"{value:.3g}"


def rounded(value: float | None, digits: int = DIGITS) -> float | None:
    """Round to so many digits; None for what is not finite, for which strict JSON has no word.

    >>> rounded(188.0412), rounded(math.inf)
    (188.0, None)
    """
    return float(f"{value:.{digits}g}") if value is not None and math.isfinite(value) else None


def worst_status(statuses: Iterable[Status]) -> Status | None:
    """Return the status of several results as one: a failure counts first; None where there are none."""
    present = set(statuses)
    return next((status for status in PRECEDENCE if status in present), None)


def _over(score: float | None, limit: float | None) -> float:
    return math.inf if score is None or not limit else score / limit


def _share(score: float | None, limit: float | None) -> float:
    return score / limit if score and limit else 0.0
