"""All variants of an operation on one case: each one's answer checked, then all timed in turns.

Nothing is timed before its answer was right at the size that is timed: outputs and gradients of the very function that
will be timed, against a float64 run, within the noise floor.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

from parity import bucketing as planner
from parity import frameworks
from parity.arrays import Array
from parity.cases.case import Case
from parity.checks.comparison import Difference, compare
from parity.checks.noise import Floor, stand_in
from parity.operations import Operation
from parity.throughput.timing import Contender, interleaved, peak_memory, seconds

PHASES = ("forward", "train")
AGAIN = " again"  # the second name of the contender that runs twice in each framework
PEAK = "matrix product"
SIDE = 1024  # of the square matrices whose product gives the peak


class WrongAnswer(AssertionError):
    """A variant that is about to be timed does not compute what it should."""


@dataclass(frozen=True)
class Entry:
    """One way to compute an operation: a variant of a framework, and how it is executed."""

    framework: str
    variant: str
    mode: str

    def __str__(self) -> str:
        usual = frameworks.MODES[self.framework][-1]
        return f"{self.framework}.{self.variant}" + ("" if self.mode == usual else f"[{self.mode}]")


def entries(operation: Operation, config: str, without: Collection[str] = ()) -> list[Entry]:
    """All variants of both frameworks, installed or not, each in its fastest usual mode: TensorFlow as a graph.

    Args:
        without: variants, or "framework.variant", that are left out.
    """
    usual = {framework: frameworks.MODES[framework][-1] for framework in frameworks.FRAMEWORKS}
    return [
        Entry(framework, variant, mode)
        for framework, mode in usual.items()
        for variant in operation.variants[framework]
        if not {variant, f"{framework}.{variant}"} & set(without)
        and not operation.expected_failure(f"{framework}.{variant}", f"{config}/given", mode, "float32")
    ]


def installed(found: Iterable[Entry]) -> list[Entry]:
    """Those whose framework is there."""
    return [entry for entry in found if not frameworks.missing(entry.framework)]


def by_framework(contenders: Mapping[str, Contender]) -> dict[str, dict[str, Contender]]:
    """Contenders, named "framework.variant", by framework.

    Each has rounds of its own: threads stay awake for a while, and would take the cores from the other.
    """
    groups: dict[str, dict[str, Contender]] = {}
    for name, contender in contenders.items():
        groups.setdefault(name.partition(".")[0], {})[name] = contender
    return groups


@dataclass(frozen=True)
class Prepared:
    """An entry on a case, its answer checked.

    Attributes:
        contenders: by phase.
        first_seconds: by phase, how long the very first call took: tracing, compiling, choosing kernels, and one run.
        worst: its worst difference from the expected answer, in noise floors.
        kernels: asks what did the work.
    """

    entry: Entry
    contenders: Mapping[str, Contender]
    first_seconds: Mapping[str, float]
    worst: Difference
    kernels: Callable[[], list[str]]

    def memory(self) -> int | None:
        """Bytes that training adds at its peak, or None where the system cannot tell."""
        contender = self.contenders["train"]
        return peak_memory(lambda: (contender.start(), contender.wait()))


@dataclass
class Race:
    """Entries that compute the same thing, on one case.

    Attributes:
        case: what they run on.
        costs: for ``bucketed``, what a padded run costs in each framework; the planner's default where there is none.
        device: where the frameworks that can choose keep their tensors.
    """

    case: Case
    costs: Mapping[str, planner.Cost] = field(default_factory=dict)
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Ask only for what every entry can give, so that all of them do the same work."""
        omitted = (self.case.row.omitted(name) for name in self.case.row.omits)
        self.case = self.case.keeping(set(self.case.cotangents).difference(*omitted))

    @cached_property
    def truth(self) -> Floor:
        """What every entry must give: a float64 run of the first framework that is there, with its floor."""
        entry = installed(entries(self.case.row, self.case.config))[0]
        return stand_in(self.case, entry.framework, entry.variant, entry.mode)

    def prepare(self, entry: Entry) -> Prepared:
        """Run it once and look at the answer.

        Raises:
            WrongAnswer: it is not within the noise floor.
        """
        contenders, kernels = self.unchecked(entry)
        first_seconds, answers = {}, {}
        for phase in reversed(PHASES):  # whoever comes first pays for what both need, and that is training
            started = time.perf_counter()
            answers[phase] = contenders[phase].start()
            contenders[phase].wait()
            first_seconds[phase] = time.perf_counter() - started
        alone = {name: output for name, output in answers["forward"].items() if name in self.case.cotangents}
        self._held(entry, frameworks.arrays_of(entry.framework, alone, {}))
        worst = self._held(entry, frameworks.arrays_of(entry.framework, *answers["train"]))
        return Prepared(entry, contenders, first_seconds, worst, kernels)

    def unchecked(self, entry: Entry) -> tuple[dict[str, Contender], Callable[[], list[str]]]:
        """What can be timed, by phase, before anybody looked at its answer; and what asks for its kernels."""
        found = frameworks.resident(self.case, entry.framework, entry.variant, entry.mode, self.device)
        plan = partial(self._planned_call, entry.framework)
        starts = {"forward": found.forward, "train": found.train}
        contenders = {phase: Contender(partial(plan, start), found.wait) for phase, start in starts.items()}
        return contenders, partial(plan, found.kernels)

    def _held(self, entry: Entry, quantities: Mapping[str, Array]) -> Difference:
        """Its worst difference from the truth."""
        gradients = any(name.startswith("d_") for name in quantities)  # none are there when it only ran forward
        wanted = [name for name in self.truth.expected if gradients or name in self.case.cotangents]
        expected, floor = ({name: of[name] for name in wanted} for of in (self.truth.expected, self.truth.floor))
        found = compare(quantities, expected, floor)
        for difference in found:
            if difference.failed:
                case = f"{self.case.operation}, {len(self.case.lengths)} sequences padded to {self.case.steps}"
                raise WrongAnswer(f"{entry} on {case}: {difference.quantity}: {difference.reason}. Nothing was timed.")
        worst = max(found, key=lambda difference: difference.norm_score)
        return replace(worst, sides=None)  # what it compared is large, and others are timed while this is kept

    def _planned_call(self, framework: str, call: Callable[[], Any]) -> Any:
        """A call while the planner's cost is this framework's."""
        with planner.using(self.costs.get(framework, planner.DEFAULT)):
            return call()


def timed(
    prepared: Mapping[str, Prepared], phase: str, budget: float, device: str = "cpu", **rounds: int
) -> dict[str, Array]:
    """Seconds a call of each, ``(rounds,)``, in turns; beside them a matrix product, and the fastest a second time."""
    groups = by_framework({name: found.contenders[phase] for name, found in prepared.items()})
    times: dict[str, Array] = {}
    for framework, contenders in groups.items():
        fastest = min(contenders, key=lambda name: min(seconds(contenders[name]) for _ in range(2)))
        product = Contender(
            *frameworks.runtime(framework).square_product(SIDE, frameworks.device_of(framework, device))
        )
        others = {fastest + AGAIN: contenders[fastest], f"{framework} {PEAK}": product}
        times |= interleaved(contenders | others, budget / len(groups), **rounds)
    return times
