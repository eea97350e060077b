"""Check that a framework trains like the reference."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from parity import frameworks
from parity.arrays import numpy_defaults
from parity.checks.comparison import compare, difference, to_results
from parity.checks.costs import estimate
from parity.checks.result import FAILED, PASSED, SKIPPED, FirstDifference, Problem, Result, Status
from parity.checks.sentences import explain
from parity.errors import INTERRUPTS, a_function, choose, first_lines, message_of, name_of, names
from parity.operations import find
from parity.training.curve import CONTRACT, combinations, steps_of
from parity.training.floors import Envelope, envelope
from parity.training.runs import Build, Model, train
from parity.training.setup import DTYPE, MODELS, OPTIMISERS, STEPS, Trajectory, check_numbers


@dataclass(frozen=True)
class Training:
    """One model trained with one optimiser in one framework, compared with the reference.

    >>> str(plan()[0])
    'model.text_classifier-pytorch.packed-float32-trains_alike-sgd'
    """

    model: str
    optimiser: str
    framework: str
    steps: int = STEPS
    seed: int = 0
    build: Build | None = field(default=None, compare=False)
    function: Model | None = field(default=None, compare=False)
    identities: tuple[int, ...] = field(init=False, repr=False)  # of both, which may be equal to others

    def __post_init__(self) -> None:
        given = [one for one in (self.build, self.function) if one is not None]
        object.__setattr__(self, "identities", tuple(map(id, given)))
        choose("model", self.model, MODELS)
        choose("optimiser", self.optimiser, OPTIMISERS)
        choose("framework", self.framework, frameworks.FRAMEWORKS)
        check_numbers(self.steps, self.seed)
        for name in ("build", "function"):
            if getattr(self, name) is not None:
                a_function(name, getattr(self, name))

    def __str__(self) -> str:
        return f"{self.model}-{self.framework}.{self.variant}-{DTYPE}-{CONTRACT}-{self.optimiser}"

    @property
    def variant(self) -> str:
        """Return the framework's first variant of the model, or the name of a user's own model."""
        return find(self.model).variants[self.framework][0] if self.function is None else name_of(self.function)

    @property
    def reproduce(self) -> str:
        """Return the call that gives its results again."""
        arguments = f"{self.model!r}, {self.optimiser!r}, {self.framework!r}, steps={self.steps}, seed={self.seed}"
        if self.build is not None:
            arguments += f", build={name_of(self.build)}"
        if self.function is not None:
            arguments += f", function={name_of(self.function)}"
        return f"parity.training.check_training({arguments})"

    @property
    def group_key(self) -> tuple[str, ...]:
        return self.model, CONTRACT  # the reference trains a model once, with every optimiser

    @property
    def cost(self) -> float:
        return estimate("training", self.framework) * self.steps / steps_of(full=False)

    def on_crash(self, reason: str) -> list[Result]:
        return [self.result(FAILED, "other", reason)]

    @numpy_defaults()
    def run(self) -> list[Result]:
        """Train, and compare. Whatever goes wrong becomes a result."""
        reason, broken = frameworks.unavailable(self.framework)
        if reason:
            return self.on_crash(reason) if broken else [self.result(SKIPPED, detail=reason)]
        reference = envelope(self.model, self.steps, self.seed)[self.optimiser]
        try:
            trained = train(
                self.model,
                self.optimiser,
                self.framework,
                steps=self.steps,
                seed=self.seed,
                build=self.build,
                function=self.function,
            )
        except INTERRUPTS:
            raise
        except BaseException as error:  # whatever a framework raises is what there is to report
            return [self.result(FAILED, "raised", f"raised {first_lines(message_of(error))}")]
        differences = compare(trained.quantities, reference.expected.quantities, reference.floor.quantities)
        base = self.result(PASSED)
        if any(one.failed for one in differences):
            base = replace(base, first=first_difference(trained, reference))
        return to_results(base, differences)

    def result(self, status: Status, problem: Problem = "", detail: str = "") -> Result:
        return Result(
            operation=self.model,
            framework=self.framework,
            variant=self.variant,
            mode=frameworks.MODES[self.framework][-1],
            dtype=DTYPE,
            case=f"{MODELS[self.model]}/{self.optimiser}",
            seed=self.seed,
            contract=CONTRACT,
            status=status,
            problem=problem,
            detail=detail,
            reproduce=self.reproduce,
        )


def first_difference(trained: Trajectory, reference: Envelope) -> FirstDifference | None:
    """Find the first step at which a run differs from the reference, and the quantity; None if it does not."""
    sides = (trained, reference.expected, reference.floor)
    for step in range(len(trained.losses)):
        if difference("loss", *(side.losses[step] for side in sides)).failed:
            return FirstDifference(step + 1, "its loss", before_step=True)
        for name in trained.weights:
            if difference(name, *(side.weights[name][step + 1] for side in sides)).failed:
                return FirstDifference(step + 1, name)
    return None


def plan(seed: int = 0, chosen: Collection[str] = frameworks.FRAMEWORKS, *, full: bool = False) -> list[Training]:
    """List the training runs of every model in every chosen framework, those that `combinations` gives.

    Raises:
        InputError: a wrong seed.
    """
    return [
        Training(model, optimiser, framework, steps_of(full), seed)
        for model, optimiser in combinations(full)
        for framework in names("chosen", chosen)
    ]


def check_training(
    model: str,
    optimiser: str,
    framework: str,
    *,
    steps: int = STEPS,
    seed: int = 0,
    build: Build | None = None,
    function: Model | None = None,
) -> list[Result]:
    """Train in a framework, and compare losses, every weight after every step and predictions with the reference.

    Arguments are those of `train`.

    Returns:
        One result, for the quantity nearest to its limit, or one for each that failed. In ``worst_index``
        of a weight, the first number is the step.

    Raises:
        InputError: an unknown name, with the nearest right one; steps that are not 1 to 999; a wrong seed.
    """
    return Training(model, optimiser, framework, steps, seed, build, function).run()


def assert_training(model: str, optimiser: str, framework: str, **options: Any) -> None:
    """Raise an AssertionError that says what is wrong, unless a framework trains like the reference.

    Args:
        model, optimiser, framework, options: those of `check_training`.

    Raises:
        AssertionError: some quantity is off, or nothing was compared.
        InputError: as for `check_training`.
    """
    results = check_training(model, optimiser, framework, **options)
    if failure := explain(results):
        raise AssertionError(failure)
    if results[0].status != PASSED:
        raise AssertionError(f"nothing was compared: {results[0].reason}")
