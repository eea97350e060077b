"""Train both models of a pair from the same weights, and find the first step after which they differ, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from parity.checks.comparison import Difference
from parity.errors import InputError, choose, shown
from parity.models.sequences import Inputs
from parity.pairs.carrying import Carried, Carrier
from parity.pairs.conventions import of_computed, of_rules, of_sums
from parity.pairs.first_difference import FirstDifference
from parity.pairs.halves import DOUBLE, SINGLE, TRAINING, Half
from parity.pairs.rules import NAMED, Rule
from parity.pairs.statistics import of_statistics
from parity.pairs.trainer import Trainer
from parity.pairs.training_causes import Trials, cause_in_conventions
from parity.pairs.trajectories import Layout, Trajectory, compared, first_of

Halves = tuple[Half, Half]
EXPECTED = f"one of {', '.join(NAMED)}, or a tuple of two optimisers of your own, for the left and the right model"


def check_optimiser(steps: int, optimiser: object) -> None:
    """Check the arguments about training.

    Raises:
        InputError: steps without an optimiser, an unknown name, or something that is no optimiser.
    """
    if optimiser is None:
        if steps:
            raise InputError("optimiser", "None", f"{EXPECTED}: steps is {steps}")
        return
    if not steps:
        raise InputError("steps", "0", "at least 1, as there is an optimiser")
    if isinstance(optimiser, str):
        choose("optimiser", optimiser, NAMED)
    elif not isinstance(optimiser, tuple) or len(optimiser) != 2 or not all(map(_fits, optimiser)):
        raise InputError("optimiser", shown(optimiser), EXPECTED)


def _fits(one: object) -> bool:
    return callable(one) or hasattr(one, "param_groups") or hasattr(one, "apply")


@dataclass(eq=False)
class Trained:
    """The outcome of training both models.

    Attributes:
        wide, narrow: the differences in the widest dtype, and in the one asked for; empty if not trained in it.
        first: where weights begin to differ, or None.
        cause: why.
        notes: what was made equal beforehand.
    """

    wide: list[Difference]
    narrow: list[Difference] = field(default_factory=list)
    first: FirstDifference | None = None
    cause: str = ""
    notes: list[str] = field(default_factory=list)


@dataclass(eq=False)
class Training:
    """Both models in the mode of training.

    Attributes:
        halves: both.
        inputs: what they take.
        carrier, carried: the transfer of weights.
        steps: how many; 0 to compare moving statistics only, after one batch.
        optimiser: that of the user.
        dtype: the one to train in beside float64.
    """

    halves: Halves
    inputs: Inputs
    carrier: Carrier
    carried: Carried
    steps: int
    optimiser: Any
    dtype: str

    def run(self) -> Trained | None:
        """Train both, and compare; None if weights cannot be compared, or nothing moves."""
        layout = Layout.of(self.carried, self.carrier)
        if layout is None or not (self.steps or any(map(_has_statistics, self.halves))):
            return None
        joined = layout.joined([half.weights.trainable() for half in self.halves])
        givens = self._optimisers()
        named = not isinstance(self.optimiser, tuple)
        left, right = (
            Trainer(half, self.inputs, max(1, self.steps), given, own if named else ())
            for half, given, own in zip(self.halves, givens, joined, strict=True)
        )
        trajectories = Trajectory.of(0, left, layout), Trajectory.of(1, right, layout)
        paths = trajectories[0].path, trajectories[1].path
        wide = SINGLE if all(half.wide == SINGLE for half in self.halves) else DOUBLE
        step, differences = compared(paths, trajectories, wide)
        found = Trained(differences, notes=self._notes(joined) if named and self.steps else [])
        if self.steps and not step:
            apart = max(one.max_abs_error for one in differences)
            found.notes.insert(0, f"after {self.steps} steps of training all weights agree to {apart:.1e} in {wide}")
        if step:
            found.first = first_of(step, differences, layout)
            found.cause = self._cause((left, right), trajectories, layout, () if named else joined)
        elif self.dtype not in (wide, DOUBLE):
            narrow = tuple(
                [layout.arrays(number, one.half, values) for values in one.path(self.dtype)]
                for number, one in enumerate((left, right))
            )
            found.narrow = compared((narrow[0], narrow[1]), trajectories, self.dtype)[1]
        return found

    def _optimisers(self) -> tuple[object, object]:
        if not self.steps:
            return None, None
        if isinstance(self.optimiser, str):
            settings = NAMED[self.optimiser]
            left, right = (
                Rule(dict.fromkeys(import_module(TRAINING[half.side.framework]).arrays(half.side), settings))
                for half in self.halves
            )
            return left, right
        return self.optimiser[0], self.optimiser[1]

    def _notes(self, joined: Any) -> list[str]:
        return [
            f"{half.name}: `{one.first}` and `{one.second}` are trained as one; as two, their sum learns twice as fast"
            for half, own in zip(self.halves, joined, strict=True)
            for one in own[:1]
        ]

    def _cause(self, trainers: Any, trajectories: Any, layout: Layout, joined: Any) -> str:
        known = list(of_statistics(trainers))
        rules = self._rules(trainers, trajectories, layout) if joined else trainers
        if rules is not None and self.steps:
            trainers = rules
            known += of_computed(trainers)
        if rules is not None and joined:
            known += [*of_rules((rules[0].given, rules[1].given), layout), *of_sums(joined)]
        return cause_in_conventions(Trials(trainers, trajectories, layout), known)

    def _rules(self, trainers: Any, trajectories: Any, layout: Layout) -> Any:
        """Return trainers with rules in place of the user's optimisers; None if these do not give the same weights."""
        found = []
        for number, (trainer, trajectory) in enumerate(zip(trainers, trajectories, strict=True)):
            rule = trainer.optimiser(trainer.half.wide).rule()
            if rule is None:
                return None
            other = Trainer(trainer.half, trainer.inputs, trainer.steps, rule)
            path = [layout.arrays(number, trainer.half, values) for values in other.path(trainer.half.wide)]
            if compared((path, trajectory.path), (trajectory, trajectory), trainer.half.wide)[0]:
                return None
            found.append(other)
        return tuple(found)


def _has_statistics(half: Half) -> bool:
    trained = half.weights.trainable()
    return any(name not in trained for name in half.weights.numbering.shapes)
