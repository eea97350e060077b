"""Hold a framework's training run to the reference's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parity import frameworks
from parity.checks.comparison import compare, difference, verdict
from parity.checks.result import FAILED, SKIPPED, Result
from parity.errors import a_function, choose, first_lines, told
from parity.operations import find
from parity.training.envelope import Envelope, envelope
from parity.training.runs import Build, Model, train
from parity.training.setup import DTYPE, MODELS, OPTIMISERS, STEPS, Trajectory, check_numbers

CONTRACT = "trains_alike"
PROMISE = "after every step of training, losses and weights are within the noise floor carried through training"


@dataclass(frozen=True)
class Training:
    """One model trained with one optimiser in one framework, held to the reference.

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

    def __str__(self) -> str:
        return f"{self.model}-{self.framework}.{self.variant}-{DTYPE}-{CONTRACT}-{self.optimiser}"

    @property
    def variant(self) -> str:
        """The framework's first of the model, or what a user's own model is called."""
        return _name(self.function) if self.function else find(self.model).variants[self.framework][0]

    @property
    def reproduce(self) -> str:
        """The call that gives its results again."""
        own = "".join(f", {name}={_name(given)}" for name, given in vars(self).items() if callable(given))
        given = f"{self.model!r}, {self.optimiser!r}, {self.framework!r}, steps={self.steps}, seed={self.seed}"
        return f"parity.training.check_training({given}{own})"

    @property
    def together(self) -> tuple[str, ...]:
        """All of a model: the reference trains it once, with every optimiser."""
        return self.model, CONTRACT

    @property
    def cost(self) -> int:
        """Roughly how long it takes, as `parity.checks.check.Check.cost` counts it."""
        return self.steps

    def lost(self, reason: str) -> list[Result]:
        """The verdict if the process that should give it died."""
        return [self.result(FAILED, reason=reason)]

    def run(self) -> list[Result]:
        """Train, and compare. Whatever goes wrong becomes a result."""
        if absent := frameworks.missing(self.framework):
            return [self.result(SKIPPED, reason=absent)]
        reference = envelope(self.model, self.steps, self.seed)[self.optimiser]
        own = {"build": self.build, "function": self.function}
        try:
            seen = train(self.model, self.optimiser, self.framework, steps=self.steps, seed=self.seed, **own)
        except Exception as error:  # whatever a framework raises is what we found out about it
            return [self.result(FAILED, reason=f"raised {first_lines(told(error))}")]
        differences = compare(seen.quantities, reference.expected.quantities, reference.floor.quantities)
        parted = any(one.failed for one in differences)
        first = first_difference(seen, reference) if parted else ""
        return [self.result(first=first, **said) for said in verdict(differences)]

    def result(self, status: str, **rest: Any) -> Result:
        """A result of this run."""
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
            reproduce=self.reproduce,
            **rest,
        )


def first_difference(seen: Trajectory, reference: Envelope) -> str:
    """After which step a run parts from the reference, and in which quantity first; empty if it does not."""
    sides = (seen, reference.expected, reference.floor)
    for step in range(len(seen.losses)):
        if difference("loss", *(side.losses[step] for side in sides)).failed:
            return f"parts from the reference before step {step + 1}, first in its loss"
        for name in seen.weights:
            if difference(name, *(side.weights[name][step + 1] for side in sides)).failed:
                return f"parts from the reference at step {step + 1}, first in {name}"
    return ""


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def plan(steps: int = STEPS, seed: int = 0) -> list[Training]:
    """Every model with every optimiser in every framework.

    Raises:
        InputError: steps that are not 1 to 999, or a wrong seed.
    """
    check_numbers(steps, seed)
    return [
        Training(model, optimiser, framework, steps, seed)
        for model in MODELS
        for optimiser in OPTIMISERS
        for framework in frameworks.FRAMEWORKS
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
    """Train in a framework, and hold the run to the reference's: losses, every weight after every step, predictions.

    Arguments are those of `train`.

    Returns:
        One result, for the quantity that came closest to its limit, or one for each that failed. In ``worst_index``
        of a weight, the first number is the step.

    Raises:
        InputError: an unknown name, with the nearest right one; steps that are not 1 to 999; a wrong seed.
    """
    choose("model", model, MODELS)
    choose("optimiser", optimiser, OPTIMISERS)
    choose("framework", framework, frameworks.FRAMEWORKS)
    check_numbers(steps, seed)
    for name, own in (("build", build), ("function", function)):
        if own is not None:
            a_function(name, own)
    return Training(model, optimiser, framework, steps, seed, build, function).run()


def growth(model: str, optimiser: str, *, steps: int = STEPS, seed: int = 0) -> dict[str, Any]:
    """How far each framework's weights are from the reference's after each step: plain values, for a report.

    Returns:
        A dict with ``model``, ``config``, ``optimiser``, ``settings``, ``dtype``, ``seed`` and ``steps``, and of each
        step: ``loss``, the reference's; ``envelope``, the norm of the noise floors of all weights over that of the
        weights; and in ``frameworks``, for each framework that is installed, its ``loss`` and its ``distance``, the
        norm of all errors over that of the weights.

    >>> curve = growth("model.vowel_speaker", "sgd", steps=2)
    >>> curve["steps"], len(curve["envelope"])
    (2, 2)
    """
    choose("optimiser", optimiser, OPTIMISERS)
    reference = envelope(model, steps, seed)[optimiser]
    path = reference.expected.path
    size = np.linalg.norm(path, axis=1)
    runs = {
        framework: train(model, optimiser, framework, steps=steps, seed=seed)
        for framework in frameworks.FRAMEWORKS
        if not frameworks.missing(framework)
    }
    return {
        "model": model,
        "config": MODELS[model],
        "optimiser": optimiser,
        "settings": dict(OPTIMISERS[optimiser].settings),
        "dtype": DTYPE,
        "seed": seed,
        "steps": steps,
        "loss": _plain(reference.expected.losses),
        "envelope": _plain((np.linalg.norm(reference.floor.path, axis=1) / size)[1:]),
        "frameworks": {
            framework: {
                "loss": _plain(run.losses),
                "distance": _plain((np.linalg.norm(run.path - path, axis=1) / size)[1:]),
            }
            for framework, run in runs.items()
        },
    }


def _plain(numbers: Any) -> list[float | None]:
    """Four digits are enough for a curve; what is not finite becomes None."""
    return [float(f"{number:.4g}") if np.isfinite(number) else None for number in numbers.tolist()]
