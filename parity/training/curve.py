"""The growth of differences in training, step by step, as a report plots it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct

from parity import frameworks
from parity.arrays import Array
from parity.checks.result import Count, rounded
from parity.errors import choose, whole_number
from parity.training.floors import envelope
from parity.training.runs import train
from parity.training.setup import DTYPE, MODELS, OPTIMISERS, STEPS

CONTRACT = "trains_alike"

Series = tuple[float | None, ...]  # one number for each step; None where it is not finite


class TrainingRun(Struct, frozen=True):
    """One framework's run.

    Attributes:
        loss: of each batch before the step that learns from it.
        distance: the norm of all errors in the weights after each step, over that of the weights.
    """

    loss: Series
    distance: Series


class Curve(Struct, frozen=True):
    """The distance of each framework's weights from the reference's after each step.

    Attributes:
        settings: of the optimiser, and the norm that gradients are clipped to.
        loss: the reference's.
        envelope: the norm of the noise floors of all weights over that of the weights.
        frameworks: framework -> its run, for each that is installed.
    """

    model: str
    config: str
    optimiser: str
    settings: dict[str, float]
    dtype: str
    seed: int
    steps: Count
    loss: Series
    envelope: Series
    frameworks: Annotated[dict[str, TrainingRun], Meta(max_length=9)]


def growth(model: str, optimiser: str, *, steps: int = STEPS, seed: int = 0) -> Curve:
    """Train a model in every framework, and measure how far each is from the reference after each step.

    Raises:
        InputError: an unknown name, with the nearest right one; steps that are not 1 to 999; a wrong seed.

    >>> curve = growth("model.vowel_speaker", "sgd", steps=2)
    >>> curve.steps, len(curve.envelope)
    (2, 2)
    """
    choose("optimiser", optimiser, OPTIMISERS)
    reference = envelope(model, steps, seed)[optimiser]
    path = reference.expected.path
    size = np.linalg.norm(path, axis=1)

    def run(framework: str) -> TrainingRun:
        trained = train(model, optimiser, framework, steps=steps, seed=seed)
        distance = np.linalg.norm(trained.path - path, axis=1) / size
        return TrainingRun(_series(trained.losses), _series(distance[1:]))

    return Curve(
        model=model,
        config=MODELS[model],
        optimiser=optimiser,
        settings=OPTIMISERS[optimiser].shown,
        dtype=DTYPE,
        seed=seed,
        steps=steps,
        loss=_series(reference.expected.losses),
        envelope=_series((np.linalg.norm(reference.floor.path, axis=1) / size)[1:]),
        frameworks={name: run(name) for name in frameworks.FRAMEWORKS if not frameworks.missing(name)},
    )


def _series(numbers: Array) -> Series:
    return tuple(rounded(number) for number in numbers.tolist())


@dataclass(frozen=True)
class CurveTask:
    """One model and one optimiser: a task whose result is a `Curve`, nearly free behind the training runs."""

    model: str
    optimiser: str
    seed: int = 0
    steps: int = STEPS

    def __str__(self) -> str:
        return f"{self.model}-growth-{self.optimiser}"

    @property
    def group_key(self) -> tuple[str, ...]:
        return self.model, CONTRACT  # it shares runs with the training tasks of its model

    @property
    def cost(self) -> float:
        return 0.0  # the runs are cached

    def run(self) -> list[Curve]:
        """Return the curve; none where a framework cannot train the model, which the results of that run say."""
        try:
            return [growth(self.model, self.optimiser, steps=self.steps, seed=self.seed)]
        except Exception:  # whatever a framework raises
            return []

    def on_crash(self, _: str) -> list[Curve]:
        return []


def combinations(full: bool) -> list[tuple[str, str]]:
    """List models with optimisers: every model with every optimiser in a full run, and with every second in others.

    >>> len(combinations(full=True)), len(combinations(full=False))
    (20, 10)
    >>> [optimiser for model, optimiser in combinations(full=False) if model == "model.tagger"]
    ['momentum', 'adamw']
    """
    return [
        (model, optimiser)
        for turn, model in enumerate(MODELS)
        for number, optimiser in enumerate(OPTIMISERS)
        if full or (turn + number) % 2 == 0  # so that each optimiser has two models
    ]


def steps_of(full: bool) -> int:
    """Return how many steps a run trains: all of them if it is a full one, and half of them if not."""
    return STEPS if full else STEPS // 2


def plan_curves(seed: int = 0, *, full: bool = False) -> list[CurveTask]:
    """List the curves of the training runs that `parity.training.plan` lists.

    Raises:
        InputError: a wrong seed.
    """
    whole_number("seed", seed)
    return [CurveTask(model, optimiser, seed, steps_of(full)) for model, optimiser in combinations(full)]
