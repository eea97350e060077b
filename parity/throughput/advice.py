"""Predict which variant is fastest for given lengths.

A variant makes some calls, takes some steps one after the other, and works on some rows. Its time is close to
``call·calls + step·steps + row·rows`` (`parity.bucketing.Cost`), with three coefficients of its own, which
`parity.throughput.calibration` measures. Strategies differ in how they count:

    padded, masked …     one call, T steps, B·T rows
    packed, real_steps   one call, as many steps as the longest sequence has, a row for each real step
    bucketed             a call for each group, the steps of its longest, its rows padded to that
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from parity import bucketing
from parity.arrays import Lengths, check_lengths
from parity.bucketing import Cost
from parity.cases.sampling import with_lengths
from parity.errors import InputError, choose, finite, of_kind, shown, whole_number
from parity.operations import find
from parity.throughput.benchmark import Benchmark, Candidate, candidates, framework_of, installed

Counts = tuple[float, float, float]  # calls, steps, rows

ON_REAL_STEPS = ("packed", "packed_sorted", "pytorch.time_major", "real_steps")  # TensorFlow's time_major pads
CHOOSES = ("auto",)  # by itself, among the others
SHORTEST = 1e-9  # seconds: times are divided by each other, and a batch without real steps may cost nothing
IN_GROUPS = {"pytorch": ("padded", "two_pass"), "tensorflow": ("masked",)}  # what `bucketed` runs on a group


@dataclass(frozen=True)
class Layer:
    """A recurrent operation at a size, in a phase: "train" (forward and backward) or "forward".

    The variants, or "framework.variant", in ``without`` are left out.
    """

    operation: str
    config: str
    features: int
    hidden: int
    phase: str = "train"
    without: tuple[str, ...] = ()
    device: str = "cpu"

    def __str__(self) -> str:
        return f"{self.operation}, D = {self.features}, H = {self.hidden}, {self.phase}"

    def benchmark(self, lengths: npt.ArrayLike, steps: int = 0, costs: Mapping[str, Cost] | None = None) -> Benchmark:
        """Return the benchmark of its variants on sampled float32 input with these lengths."""
        case = with_lengths(self.operation, self.config, lengths, "float32", 0, steps, D=self.features, H=self.hidden)
        return Benchmark(case, costs or {}, self.device)

    def candidates(self) -> list[Candidate]:
        """List its variants, of the installed frameworks."""
        return installed(candidates(find(self.operation), self.config, (*self.without, *CHOOSES)))


@dataclass(frozen=True)
class Model:
    """The cost of each variant, by "framework.variant", on this machine."""

    costs: Mapping[str, Cost]
    steady: bool = True  # the calibrating runs agreed with each other; those of a busy machine are not stored

    def seconds(self, name: str, lengths: npt.ArrayLike, steps: int = 0) -> float:
        """Predict the seconds of one batch."""
        cost = self.costs[choose("name", name, self.costs)]
        checked = check_lengths(lengths, bucketing.ANY_STEPS)
        counted = counts(name, checked, steps, self.grouping(framework_of(name)))
        return max(SHORTEST, float(np.dot([cost.call, cost.step, cost.row], counted)))

    def grouping(self, framework: str) -> Cost:
        """Return the cost of the variant that ``bucketed`` runs on each group."""
        names = [f"{framework}.{variant}" for variant in IN_GROUPS[framework]]
        return next((self.costs[name] for name in names if name in self.costs), bucketing.DEFAULT)

    def groupings(self) -> dict[str, Cost]:
        """Return `grouping` by framework."""
        return {framework: self.grouping(framework) for framework in {framework_of(name) for name in self.costs}}

    def ranking(self, lengths: npt.ArrayLike, steps: int = 0) -> list[tuple[str, float]]:
        """Rank all variants by their predicted seconds, fastest first."""
        predicted = {name: self.seconds(name, lengths, steps) for name in self.costs}
        return sorted(predicted.items(), key=lambda pair: pair[1])


def padded_variant(framework: str, known: Collection[str]) -> str:
    """Return the known padded variant of a framework, or an empty name."""
    names = [f"{framework}.padded", f"{framework}.two_pass"]
    return next((name for name in names if name in known), "")


def counts(name: str, lengths: Lengths, steps: int, grouping: Cost) -> Counts:
    """Count calls, steps and rows of a variant on one batch.

    >>> counts("pytorch.packed", np.array([3, 1]), steps=4, grouping=bucketing.DEFAULT)
    (1, 3, 4)
    >>> counts("pytorch.padded", np.array([3, 1]), steps=4, grouping=bucketing.DEFAULT)
    (1, 4, 8)
    """
    variant = name.partition(".")[2]
    longest = int(lengths.max(initial=1))
    steps = max(whole_number("steps", steps), longest)
    if variant == "bucketed":
        plan = bucketing.split(lengths, grouping)
        sizes = np.diff(plan.bounds)
        return len(plan.steps), int(plan.steps.sum()), int(sizes @ plan.steps)
    if variant in ON_REAL_STEPS or name in ON_REAL_STEPS:
        return 1, longest, int(lengths.sum())
    return 1, steps, steps * len(lengths)


def regret(predicted: str, measured: Mapping[str, float]) -> float:
    """Return the measured time of the predicted variant over that of the fastest.

    >>> regret("a", {"a": 1.5, "b": 1.0})
    1.5
    """
    of_kind("measured", measured, Mapping, "seconds by name")
    seconds = {str(name): finite("measured", time, "seconds") for name, time in measured.items()}
    fastest = min(seconds.values(), default=0.0)
    if fastest <= 0:
        raise InputError("measured", shown(measured), "seconds above 0 by name")
    return seconds[choose("predicted", predicted, seconds)] / fastest
