"""Prepare all variants of an operation on one case, and check their answers.

No candidate is timed before its answers are right at the timed size: the outputs and gradients of the timed function
are compared with a float64 run, within the noise floor.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from parity import bucketing, frameworks
from parity.arrays import Array
from parity.cases.case import Case
from parity.checks.comparison import Difference, compare
from parity.checks.noise import Floor, stand_in
from parity.operations import Operation
from parity.throughput.timing import TimedCall

PHASES = ("forward", "train")


class WrongAnswer(AssertionError):
    """A variant that was to be timed does not compute what it should."""


@dataclass(frozen=True)
class Candidate:
    """One variant of a framework in one mode; its name is "framework.variant", or "framework.variant[mode]"."""

    framework: str
    variant: str
    mode: str

    def __str__(self) -> str:
        name = f"{self.framework}.{self.variant}"
        return name if self.mode == usual_mode(self.framework) else f"{name}[{self.mode}]"


def framework_of(name: str) -> str:
    """Return the framework in a candidate's name."""
    return name.partition(".")[0]


def usual_mode(framework: str) -> str:
    """Return the fastest mode that starts quickly: eager, or TensorFlow's graph."""
    return frameworks.MODES[framework][-1]


def candidates(operation: Operation, config: str, without: Collection[str] = ()) -> list[Candidate]:
    """List all variants of both frameworks, except those expected to fail and those ``without`` names."""
    listed = []
    for framework in frameworks.FRAMEWORKS:
        mode = usual_mode(framework)
        for variant in operation.variants[framework]:
            name = f"{framework}.{variant}"
            left_out = variant in without or name in without
            if not left_out and not operation.expected_failure(name, f"{config}/given", mode, "float32"):
                listed.append(Candidate(framework, variant, mode))
    return listed


def installed(listed: Iterable[Candidate]) -> list[Candidate]:
    """Return the candidates whose framework is installed.

    Raises:
        FrameworkUnavailable: one of them does not load.
    """
    here = [candidate for candidate in listed if not frameworks.is_absent(candidate.framework)]
    for framework in {candidate.framework for candidate in here}:
        frameworks.runtime(framework)
    return here


@dataclass(frozen=True)
class Prepared:
    """A candidate that has run on a case, its answers checked; calls and seconds are by phase."""

    candidate: Candidate
    calls: Mapping[str, TimedCall]
    first_seconds: Mapping[str, float]  # of the very first call: tracing, compiling, choosing kernels, and one run
    worst: Difference  # the largest from the expected answer, in noise floors
    kernels: Callable[[], list[str]]  # names those that did the work in training
    device: str = "cpu"

    def memory(self) -> int | None:
        """Return the bytes that training adds at its peak, on its device; None where they cannot be measured."""
        if self.device == "cpu":
            return peak_memory(self._train)
        return int(frameworks.runtime(self.candidate.framework).device_memory(self._train))

    def launches(self) -> int | None:
        """Return how many kernels training launches on a GPU; None where they cannot be counted."""
        if self.device == "cpu" or self.candidate.framework != "pytorch":
            return None
        return int(frameworks.runtime("pytorch").launches(self._train)) or None

    def _train(self) -> None:
        self.calls["train"].start()
        self.calls["train"].wait()


@dataclass
class Benchmark:
    """Candidates that compute the same thing, on one case.

    ``bucketed`` plans by the cost of its framework; without one, by `parity.bucketing.DEFAULT`.
    """

    case: Case
    costs: Mapping[str, bucketing.Cost] = field(default_factory=dict)
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Keep the outputs that every variant computes, so that all do the same work."""
        omitted = (self.case.row.omitted(name) for name in self.case.row.omits)
        self.case = self.case.keeping(set(self.case.cotangents).difference(*omitted))

    @cached_property
    def expected_answer(self) -> Floor:
        """Return a float64 run of the first installed framework, with its noise floor."""
        first = installed(candidates(self.case.row, self.case.config))[0]
        return stand_in(self.case, first.framework, first.variant, first.mode, device=self.device)

    def prepare(self, candidate: Candidate) -> Prepared:
        """Run a candidate once in each phase, and check its answers.

        Raises:
            WrongAnswer: an output or a gradient is not within the noise floor.
        """
        calls, kernels = self.unchecked(candidate)
        first_seconds, answers = {}, {}
        for phase in reversed(PHASES):  # the first call pays for what both phases share, and that is training
            started = time.perf_counter()
            answers[phase] = calls[phase].start()
            calls[phase].wait()
            first_seconds[phase] = time.perf_counter() - started
        outputs = {name: output for name, output in answers["forward"].items() if name in self.case.cotangents}
        self._check(candidate, frameworks.arrays_of(candidate.framework, outputs, {}))
        outputs, gradients = answers["train"]
        worst = self._check(candidate, frameworks.arrays_of(candidate.framework, outputs, gradients))
        device = frameworks.device_of(candidate.framework, self.device)
        return Prepared(candidate, calls, first_seconds, worst, kernels, device)

    def unchecked(self, candidate: Candidate) -> tuple[dict[str, TimedCall], Callable[[], list[str]]]:
        """Return a candidate's calls by phase, and its kernels, without checking an answer."""
        framework = candidate.framework
        resident = frameworks.resident(self.case, framework, candidate.variant, candidate.mode, self.device)
        plan = partial(self._call_with_cost, framework)
        calls = {
            "forward": TimedCall(partial(plan, resident.forward), resident.wait),
            "train": TimedCall(partial(plan, resident.train), resident.wait),
        }
        return calls, partial(plan, resident.kernels)

    def _call_with_cost(self, framework: str, call: Callable[[], Any]) -> Any:
        with bucketing.using(self.costs.get(framework, bucketing.DEFAULT)):
            return call()

    def _check(self, candidate: Candidate, quantities: Mapping[str, Array]) -> Difference:
        """Return the largest difference from the expected answer; raise `WrongAnswer` if any is too large."""
        answer = self.expected_answer
        trained = any(name.startswith("d_") for name in quantities)
        names = [name for name in answer.expected if trained or name in self.case.cotangents]
        expected, floor = ({name: arrays[name] for name in names} for arrays in (answer.expected, answer.floor))
        differences = compare(quantities, expected, floor)
        for difference in differences:
            if difference.failed:
                case = f"{self.case.operation}, {len(self.case.lengths)} sequences padded to {self.case.steps}"
                reason = f"{difference.quantity}: {difference.reason}"
                raise WrongAnswer(f"{candidate} on {case}: {reason}. Nothing was timed.")
        worst = max(differences, key=lambda difference: difference.norm_score)
        return replace(worst, sides=None)  # the compared arrays are large, and other candidates run while this is kept


def peak_memory(run: Callable[[], object]) -> int | None:
    """Return the bytes that a call adds at its peak; None where not measurable.

    Linux keeps a high-water mark of each process, and lets it be reset (``man 5 proc``, clear_refs).
    """
    with suppress(OSError, AttributeError):  # only glibc can return freed memory, so that its reuse is measured
        ctypes.CDLL(None).malloc_trim(0)
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        before = _process_bytes("VmRSS")
        run()
        return max(0, _process_bytes("VmHWM") - before)
    except (OSError, KeyError):
        return None


def _process_bytes(field: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    status = dict(line.split(":", 1) for line in lines)
    return int(status[field].split()[0]) * 1024
