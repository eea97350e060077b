"""What is trained: which models, with which optimisers, from which weights, on which batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from parity.arrays import Array
from parity.cases.case import Case
from parity.cases.sampling import sample_case
from parity.errors import whole_number
from parity.operations import OPERATIONS

STEPS = 50
DTYPE = "float32"
MODELS = {
    name: row.configurations[0].name for name, row in OPERATIONS.items() if row.topic == "model"
}  # and its configuration
MOST_STEPS = 999
APART = 1000  # so many seeds apart are the batches of one course from those of the next


@dataclass(frozen=True)
class Optimiser:
    """Which function of each framework's ``optimiser.py``, and its settings; see ``parity/reference/optimiser.py``."""

    kind: str
    settings: Mapping[str, float] = field(hash=False)


MOMENTS = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8}  # as in the paper and in PyTorch

# So small that training is well-conditioned. With two to five times these rates, some seeds drive
# `model.vowel_speaker` over an edge where roundoff grows to a hundredth of the weights, and hides smaller mutants.
OPTIMISERS = {
    "sgd": Optimiser("sgd", {"learning_rate": 0.2}),
    "momentum": Optimiser("sgd", {"learning_rate": 0.02, "momentum": 0.9}),
    "adam": Optimiser("adam", {"learning_rate": 0.01, **MOMENTS}),
    "adamw": Optimiser("adamw", {"learning_rate": 0.01, **MOMENTS, "weight_decay": 0.01}),
}


@dataclass(frozen=True, eq=False)
class Trajectory:
    """What one training run did.

    Attributes:
        losses: ``(N,)``, of each batch before the step that learns from it.
        weights: by name, each ``(N + 1, ...)``: at the start and after each step.
        logits: what the trained model says about a batch that it has not seen.
    """

    losses: Array
    weights: Mapping[str, Array]
    logits: Array

    @property
    def quantities(self) -> dict[str, Array]:
        """All of it by name."""
        return {"loss": self.losses, **self.weights, "logits": self.logits}

    @property
    def path(self) -> Array:
        """``(N + 1, W)``: all weights in one row for each step, in float64."""
        rows = [array.reshape(len(array), -1).astype(np.float64) for array in self.weights.values()]
        return np.concatenate(rows, axis=1)


@dataclass(frozen=True, eq=False)
class Course:
    """One model's way from the start to the end.

    Attributes:
        cases: one for each step, and the one whose logits are predicted in the end.
        start: the weights to begin with, by name.
        batches: of each case, the arrays that are no weights, ``lengths`` among them.
        pad_rows: the embedding table, if any, and its row that stands for padding.
    """

    cases: tuple[Case, ...]

    @property
    def start(self) -> dict[str, Array]:
        first = self.cases[0]
        return {name: array.copy() for name, array in first.arrays.items() if not _of_a_batch(first, name)}

    @property
    def batches(self) -> list[dict[str, Array]]:
        return [
            {"lengths": case.lengths.copy()}
            | {name: array.copy() for name, array in case.arrays.items() if _of_a_batch(case, name)}
            for case in self.cases
        ]

    @property
    def pad_rows(self) -> dict[str, int]:
        config = self.cases[0].configuration
        return {config.pad_row: config.options["padding_index"]} if config.pad_row else {}


def _of_a_batch(case: Case, name: str) -> bool:
    return "B" in case.configuration.inputs[name].axes


def check_numbers(steps: object, seed: object) -> None:
    """Say so if there cannot be so many steps, or such a seed."""
    whole_number("steps", steps, least=1, most=MOST_STEPS)
    whole_number("seed", seed)


def course(model: str, steps: int, seed: int) -> Course:
    """The course of a model: weights sampled once, and for each step another batch of real data.

    >>> [len(batch["lengths"]) for batch in course("model.tagger", steps=1, seed=0).batches]
    [9, 9]
    """
    config = MODELS[model]
    seeds = range(seed * APART, seed * APART + steps + 1)
    return Course(tuple(sample_case(model, config, "sampled", DTYPE, at) for at in seeds))
