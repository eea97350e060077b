"""A check: sample its cases, observe the variant, compare, and return typed results."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import replace as replace_fields
from functools import lru_cache

from msgspec.structs import replace

from parity import bucketing, frameworks
from parity.arrays import DTYPES, NARROW, numpy_defaults
from parity.cases.case import Case
from parity.cases.lengths import DESIGNED, FEW_STEPS, NAMED, lengths_of
from parity.cases.sampling import sample_case
from parity.checks import error_maps, judges
from parity.checks.classes import class_at_fault
from parity.checks.comparison import Difference, to_results
from parity.checks.contracts import CONTRACTS, FIRST
from parity.checks.costs import estimate
from parity.checks.covering import covering
from parity.checks.localisation import first_difference
from parity.checks.own import REFUSES, Own, has_empty
from parity.checks.result import FAILED, PASSED, SKIPPED, XFAILED, Problem, Result, Status
from parity.checks.subject import NotExpected, Subject, WrongLike
from parity.errors import INTERRUPTS, first_lines, message_of
from parity.frameworks.recording import NotInRecording, opened
from parity.operations import Configuration, ExpectedFailure, find

# For bucketed variants: a call so cheap that even batches as small as these are cut into groups, but not free, or each
# length would be a group of its own, and no group would need a mask.
SMALL_GROUPS = bucketing.Cost(call=1.25, step=0.0, row=1.0)
NO_SEQUENCES = "no_sequences"  # lengths of an empty batch


@dataclass(frozen=True)
class Check:
    """One variant of one operation held to one contract, in one dtype, on all its cases and in all its modes.

    >>> from parity.checks.selection import plan
    >>> str(plan(operations=["rnn.lstm"], frameworks=["pytorch"], dtypes=["float32"])[0])
    'rnn.lstm-pytorch.packed-float32-matches_reference'
    """

    operation: str
    framework: str
    variant: str
    dtype: str
    contract: str
    seed: int = 0
    full: bool = False  # whether the modes of a full run are tried too
    config: str = ""  # only this one; so are the next two
    lengths: str = ""  # may be written out, see `parity.cases.lengths`
    mode: str = ""
    device: frameworks.DeviceSettings = frameworks.CPU
    own: Own | None = None  # a user's function
    replay: str = ""  # the folder of the recording that it is compared with, if it is

    def __str__(self) -> str:
        return f"{self.operation}-{self.framework}.{self.variant}-{self.dtype}-{self.contract}"

    @property
    def reproduce(self) -> str:
        """Return the command that shows its results again, or the call that checked a user's function."""
        return self._call(self.own) if self.own else self._command

    def _call(self, own: Own) -> str:
        given: dict[str, object] = {"dtype": self.dtype, "contracts": [self.contract], "config": self.config}
        given |= {"lengths": self.lengths, "mode": self.mode}
        given = {name: value for name, value in given.items() if value} | own.options
        options = "".join(f", {name}={value!r}" for name, value in given.items())
        options += f", like={own.like.name}" if own.like else ""
        subject = f"{self.operation!r}, {self.variant}, {self.framework!r}"
        return f"parity.check_function({subject}{options}, seed={self.seed})"

    @property
    def _command(self) -> str:
        names = ("operation", "framework", "variant", "dtype", "contract", "config", "lengths", "mode", "seed")
        options = [f"--{name} {value}" for name in names if (value := getattr(self, name)) != ""]
        if self.device.device != "cpu":
            options.append(f"--device {self.device.device}")
        options += ["--full"] * self.full + ["--tf32"] * self.device.tf32
        if self.replay:
            options.append(f"--replay {shlex.quote(self.replay)}")
        return " ".join(["parity check", *options])

    @property
    def slow(self) -> bool:
        """Tell whether only a full run tries it."""
        return self.dtype in NARROW or CONTRACTS[self.contract].takes_long

    @property
    def group_key(self) -> tuple[str, ...]:
        return self.operation, self.dtype  # these share cases, references and traces

    @property
    def cost(self) -> float:
        return estimate(self.operation, self.framework, 1 if self.own else number_of_runs(self))

    def on_crash(self, reason: str) -> list[Result]:
        return [self.result("", "", FAILED, problem="other", detail=reason)]

    @numpy_defaults()
    def run(self) -> list[Result]:
        """Hold the variant to the contract. Whatever the variant raises becomes a result."""
        reason, broken = frameworks.unavailable(*self._needed)
        if reason:
            return self.on_crash(reason) if broken else [self.result("", "", SKIPPED, detail=reason)]
        results = [result for config, lengths, mode in self.runs() for result in self._judge(config, lengths, mode)]
        if results:
            return results
        chosen = self.lengths or self.config or self.own  # a contract need not apply to the cases that somebody chose
        nothing = f"nothing was compared: {self._why_nothing()}"
        return [self.result("", "", SKIPPED if chosen else FAILED, problem="other", detail=nothing)]

    def _why_nothing(self) -> str:
        """Return why a contract applies to none of the cases: the reason of the first."""
        cases = (self.case(config, lengths) for config, lengths, _ in self.runs())
        reasons = (CONTRACTS[self.contract].unless(case) for case in cases if case is not None)
        return next(filter(None, reasons), "the contract applies to no case")

    @property
    def _needed(self) -> tuple[str, ...]:
        both = CONTRACTS[self.contract].both_frameworks and not self.replay
        return frameworks.FRAMEWORKS if both else (self.framework,)

    def runs(self) -> Iterator[tuple[Configuration, str, str]]:
        """Yield the configurations, lengths and modes in which it is tried.

        Whoever asks for a configuration, lengths or a mode gets all that there is of it, and so does a user's function.
        """
        modes = [mode for mode in CONTRACTS[self.contract].modes(self.framework) if self._is_tried_in(mode)]
        for config in find(self.operation).configurations:
            if self.config in ("", config.name) and (self.own is None or config.name in self.own.calls):
                for lengths in self._lengths(config):
                    yield from ((config, lengths, mode) for mode in modes if self._is_covering(config, lengths, mode))

    def _is_tried_in(self, mode: str) -> bool:
        """Tell whether a mode is tried: no graph in narrow dtypes; for a user's function in float64, if asked for."""
        is_graph = mode in frameworks.MODES[self.framework][1:]
        unasked = self.own and self.dtype != DTYPES[0] and not self.mode
        return self.mode in ("", mode) and not (is_graph and (self.dtype in NARROW or unasked))

    def _is_covering(self, config: Configuration, lengths: str, mode: str) -> bool:
        if self.full or self.config or self.lengths or self.mode or self.replay or self.own or self.slow:
            return True
        place = find(self.operation), config, lengths, self.framework, self.variant
        return (self.dtype, mode) in covering(CONTRACTS[self.contract], *place)

    def _lengths(self, config: Configuration) -> list[str]:
        """List the lengths with which a configuration is tried; real data are not sampled with written ones."""
        contract = CONTRACTS[self.contract]
        if contract.unless_config(config):
            return []
        named = self._named_lengths(config)
        if self.lengths and self.lengths not in named:
            has_its_own = config.data or (self.own is None and config.lengths and self.lengths in NAMED)
            return [] if has_its_own else [self.lengths]
        tried = FIRST if self.dtype in NARROW else contract.lengths
        return [lengths for lengths in named if lengths in tried and self.lengths in ("", lengths)]

    def _named_lengths(self, config: Configuration) -> tuple[str, ...]:
        """List the lengths of a configuration; those of a main one for what a user's function computes only."""
        if self.own is None:
            return lengths_of(config)
        tried = [one for one in find(self.operation).configurations if one.name in self.own.calls]
        main = any(not one.lengths for one in tried if self.config in ("", one.name))
        named = lengths_of(config if main else replace_fields(config, lengths=()))
        aborts = config.aborts_without_sequences == self.framework
        named = tuple(one for one in named if not (aborts and one == NO_SEQUENCES))
        run = [self.framework, *([self.own.like.framework] if self.own.like else [])]
        has_graphs = any(len(frameworks.MODES[framework]) > 1 for framework in run)
        slow = config.stepwise and has_graphs  # eagerly, Python runs for each step
        return tuple(one for one in named if not (slow and one in DESIGNED and DESIGNED[one].steps > FEW_STEPS))

    def subject(self, mode: str) -> Subject:
        recording = opened(self.replay) if self.replay else None
        calls, like = self.own.calls if self.own else {}, self._like()
        return Subject(self.framework, self.variant, mode, calls, self.device, bool(self.own), recording, like)

    def _like(self) -> Subject | None:
        """Return the user's function that gives what is expected, if there is one; it runs eagerly."""
        if self.own is None or self.own.like is None:
            return None
        like = self.own.like
        eager = frameworks.MODES[like.framework][0]
        return Subject(like.framework, like.name, eager, like.calls, self.device, is_own=True)

    def _judge(self, config: Configuration, lengths: str, mode: str) -> list[Result]:
        case = self.case(config, lengths)
        if case is None or CONTRACTS[self.contract].unless(case):
            return []
        results = self._judge_case(case, mode)
        excused = self._excused(case, results)
        rest = self.own.without_empty(case) if self.own and excused else None
        if rest is None or CONTRACTS[self.contract].unless(rest):
            return excused or results
        return [*excused, *self._judge_case(rest, mode)]

    def _excused(self, case: Case, results: list[Result]) -> list[Result]:
        """Return results that are no failures: a refusal of empty sequences that is allowed, or nothing is expected.

        Then a user's function is held to the contract without empty sequences.
        """
        if self.own is None or not results or not has_empty(case):
            return []
        (first, *_) = results
        if first.status == SKIPPED:
            return [first]
        if not self.own.refuses_empty or first.problem != "raised" or first.status != FAILED:
            return []
        return [replace(first, status=XFAILED, detail=f"{REFUSES}: {first.detail}")]

    def _judge_case(self, case: Case, mode: str) -> list[Result]:
        contract = CONTRACTS[self.contract]
        expected = self._expected_failure(case, mode)
        try:
            subject = self.subject(mode)
            with bucketing.using(SMALL_GROUPS):
                differences = contract.judge(subject, case)
                results = self._results(subject, case, differences)
        except NotExpected as error:
            if not has_empty(case):
                raise WrongLike(case.name, error) from None
            return [self.result(mode, case.name, SKIPPED, detail=str(error))]
        except NotInRecording as error:
            return [self.result(mode, case.name, FAILED, problem="other", detail=str(error))]
        except INTERRUPTS:
            raise
        except BaseException as error:  # whatever a variant raises is what there is to report
            return [self._raised(mode, case.name, message_of(error), expected)]
        if expected and expected.quantity in [one.quantity for one in differences if one.failed]:
            return [self.result(mode, case.name, XFAILED, problem="other", detail=expected.why)]
        if expected and _must_fail(case, expected):
            claimed = f"{expected.message!r} is not raised" if expected.message else f"{expected.quantity} is right"
            stale = f"an expected failure is out of date: {claimed}, as in the tested versions"
            return [self.result(mode, case.name, FAILED, problem="other", detail=stale)]
        return self._localised(subject, case, results)

    def _raised(self, mode: str, case: str, message: str, expected: ExpectedFailure | None) -> Result:
        if expected and expected.message and expected.message in message:
            return self.result(mode, case, XFAILED, problem="raised", detail=expected.why)
        return self.result(mode, case, FAILED, problem="raised", detail=f"raised {first_lines(message)}")

    def case(self, config: Configuration, lengths: str) -> Case | None:
        """Sample the case, without what the variant, or a user's function, does not give or take."""
        sizes = self.own.sizes if self.own else ()
        case = sample_case(self.operation, config.name, lengths, self.dtype, self.seed, sizes)
        return self.own.given(case) if self.own else case.given_by(f"{self.framework}.{self.variant}")

    def _expected_failure(self, case: Case, mode: str) -> ExpectedFailure | None:
        """Find the claim that this run fails. A contract that compares a mode with eager may fail in either."""
        if self.own:
            return None
        against_eager = CONTRACTS[self.contract].judge is judges.same_in_every_mode
        subject = f"{self.framework}.{self.variant}"
        for one in ("eager", mode) if against_eager else (mode,):
            if expected := case.row.expected_failure(subject, case.region, one, self.dtype, self.contract):
                return expected
        return None

    def _results(self, subject: Subject, case: Case, differences: list[Difference]) -> list[Result]:
        """Turn differences into results: one for each that failed, or one for the nearest to its limit."""
        if not any(difference.compared or difference.failed for difference in differences):
            return []  # an empty batch of an operation without parameters: it ran, but there is no number to judge
        base = self.result(subject.mode, case.name, PASSED)
        if any(difference.failed for difference in differences):
            base = replace(base, status=FAILED)
        return self._with_error_maps(to_results(base, differences), case, differences)

    def _localised(self, subject: Subject, case: Case, results: list[Result]) -> list[Result]:
        """Add where a failure begins, on the first lengths and those asked for: looking takes a run for each step."""
        if case.lengths_name not in (*FIRST, self.lengths) or all(result.status != FAILED for result in results):
            return results
        with bucketing.using(SMALL_GROUPS):
            first = first_difference(subject, case, self.own.shortest(case) if self.own else 0)
            if first and (of_class := class_at_fault(subject, case)):
                first = replace(first, of_class=of_class)
        return [replace(result, first=first) for result in results]

    def _with_error_maps(self, results: list[Result], case: Case, differences: list[Difference]) -> list[Result]:
        """Add what the report plots, of what is held to the reference and of all that failed."""
        if self.contract != "matches_reference" and results[0].status != FAILED:
            return results
        reordered = self.contract == "follows_permutation"  # its rows are in another order than the case has them
        scores = error_maps.scores(differences)
        histogram = error_maps.histogram(scores.values())
        mapped = []
        for result in results:
            failed = result.quantity if result.status == FAILED else ""
            heat_map = None if reordered else error_maps.heat_map(case, scores, failed)
            mapped.append(replace(result, histogram=histogram, heat_map=heat_map))
        return mapped

    def result(self, mode: str, case: str, status: Status, problem: Problem = "", detail: str = "") -> Result:
        """Make a result of this check, without numbers."""
        return Result(
            operation=self.operation,
            framework=self.framework,
            variant=self.variant,
            mode=mode,
            dtype=self.dtype,
            case=case,
            seed=self.seed,
            contract=self.contract,
            status=status,
            problem=problem,
            detail=detail,
            reproduce=self.reproduce,
        )


def _must_fail(case: Case, expected: ExpectedFailure) -> bool:
    """Tell whether a run without the expected failure shows that it is out of date.

    On lengths that are written out, such as ``0,0:3``, a variant may give what is right without calling what fails.
    """
    return case.lengths_name in (lengths_of(case.configuration) if expected.message else FIRST)


@lru_cache(maxsize=8192)
def number_of_runs(check: Check) -> int:
    """Return how many configurations, lengths and modes a check tries."""
    return sum(1 for _ in check.runs())
