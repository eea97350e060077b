"""The setup of training: models, optimisers, initial weights and batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from parity.arrays import Array
from parity.cases.case import Case
from parity.cases.sampling import sample_case
from parity.errors import whole_number
from parity.operations import OPERATIONS

STEPS = 50  # of a full run; in others, half as many
DTYPE = "float32"
# Each model with its configuration.
MODELS = {name: row.configurations[0].name for name, row in OPERATIONS.items() if row.topic == "model"}
MOST_STEPS = 999
EPOCH = 10  # batches; then the same ones come again
APART = 1000  # so many seeds apart are the batches of one run from those of the next


class Optimiser(NamedTuple):
    """A function of each framework's ``optimiser.py``, and its settings; see ``parity/reference/optimiser.py``."""

    kind: str
    settings: Mapping[str, float]
    clip_norm: float | None = None  # that of all gradients together, before each step; None does not clip

    @property
    def shown(self) -> dict[str, float]:
        """Return all numbers that a reader wants to know."""
        return {**self.settings, **({} if self.clip_norm is None else {"clip_norm": self.clip_norm})}


# Not the defaults of a framework, with which a setting that is not passed on would be right all the same.
MOMENTS = {"beta_1": 0.85, "beta_2": 0.998, "epsilon": 1e-9}
OTHER_MOMENTS = {"beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-6}

# So small that training is well-conditioned. With two to five times these rates, some seeds drive
# `model.vowel_speaker` over an edge where roundoff grows to a hundredth of the weights, and hides smaller mutants.
OPTIMISERS = {
    "sgd": Optimiser("sgd", {"learning_rate": 0.2}),
    "momentum": Optimiser("sgd", {"learning_rate": 0.02, "momentum": 0.9}),
    "adam": Optimiser("adam", {"learning_rate": 0.01, **MOMENTS}),
    "adamw": Optimiser("adamw", {"learning_rate": 0.01, **OTHER_MOMENTS, "weight_decay": 0.03}),
    "clipped": Optimiser("sgd", {"learning_rate": 0.5, "momentum": 0.5}, clip_norm=0.15),  # bites in some steps or all
}


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The losses, weights and predictions of one training run.

    Attributes:
        losses: ``(N,)``, of each batch before the step that learns from it.
        weights: by name, each ``(N + 1, ...)``: at the start and after each step.
        logits: the trained model's prediction for a batch that it was not trained on.
    """

    losses: Array
    weights: Mapping[str, Array]
    logits: Array

    @property
    def quantities(self) -> dict[str, Array]:
        return {"loss": self.losses, **self.weights, "logits": self.logits}

    @property
    def path(self) -> Array:
        """Return all weights in one row for each step, ``(N + 1, W)``, in float64."""
        rows = [array.reshape(len(array), -1).astype(np.float64) for array in self.weights.values()]
        return np.concatenate(rows, axis=1)


@dataclass(frozen=True, eq=False)
class Setup:
    """The initial weights and the batches of one model.

    Attributes:
        cases: one for each step, and the one whose logits are predicted in the end.
        start: the weights to begin with, by name.
        batches: of each case, the arrays that are no weights, ``lengths`` among them. Behind an epoch they come again.
        pad_rows: the embedding table, if any, and its row that stands for padding.
    """

    cases: list[Case]
    start: dict[str, Array]
    batches: list[dict[str, Array]]
    pad_rows: dict[str, int]


def check_numbers(steps: object, seed: object) -> None:
    whole_number("steps", steps, least=1, most=MOST_STEPS)
    whole_number("seed", seed)


def training_setup(model: str, steps: int, seed: int) -> Setup:
    """Return the setup of a model: weights sampled once, and for each step of an epoch another batch of real data.

    >>> [len(batch["lengths"]) for batch in training_setup("model.tagger", steps=1, seed=0).batches]
    [9, 9]
    """
    config = MODELS[model]
    places = [*(step % EPOCH for step in range(steps)), EPOCH]  # the last is of no epoch
    cases = [sample_case(model, config, "sampled", DTYPE, seed * APART + place) for place in places]
    spec = cases[0].configuration
    of_batch = [name for name, array in spec.inputs.items() if "B" in array.axes]
    start = {name: array.copy() for name, array in cases[0].arrays.items() if name not in of_batch}
    batches = []
    for case in cases:
        batches.append({"lengths": case.lengths.copy(), **{name: case.arrays[name].copy() for name in of_batch}})
    pad_rows = {spec.pad_row: spec.options["padding_index"]} if spec.pad_row else {}
    return Setup(cases, start, batches, pad_rows)
