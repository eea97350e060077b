"""The catalogue of mutants, and the tasks that run them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType

from parity.errors import choose, choose_all, names
from parity.mutants import (
    alignment,
    attention,
    bag,
    bidirectional,
    cells,
    conditions,
    convolutional,
    crf,
    decoder,
    direction,
    documents,
    dropout,
    effects,
    embedding,
    exact_match,
    extremes,
    feedforward,
    gates,
    generation,
    holes,
    loss,
    loss_definitions,
    loss_terms,
    masking,
    max_norm,
    metrics,
    model,
    normalisation,
    options,
    packing,
    pooling,
    positions,
    rnn,
    scans,
    side,
    states,
    statistics,
    strided,
    training,
)
from parity.mutants.mutant import Mutant
from parity.mutants.run import MutantResult, run_mutant, survived

TOPICS: tuple[ModuleType, ...] = (
    masking,
    embedding,
    bag,
    max_norm,
    positions,
    rnn,
    states,
    gates,
    packing,
    bidirectional,
    cells,
    direction,
    convolutional,
    pooling,
    side,
    feedforward,
    normalisation,
    statistics,
    attention,
    decoder,
    dropout,
    generation,
    documents,
    scans,
    loss,
    loss_definitions,
    loss_terms,
    holes,
    alignment,
    crf,
    metrics,
    exact_match,
    strided,
    model,
    conditions,
    options,
    extremes,
    effects,
    training,
)
SECONDS = {"pytorch": 0.4, "tensorflow": 0.9}  # of a mutant, on average
MUTANTS: dict[str, Mutant] = {mutant.name: mutant for topic in TOPICS for mutant in topic.MUTANTS}


def find(name: str) -> Mutant:
    """Return the mutant of that name.

    Raises:
        InputError: no such mutant; the message names the nearest.
    """
    return MUTANTS[choose("mutant", name, MUTANTS)]


@dataclass(frozen=True)
class MutantTask:
    """A mutant to run: a task whose result is a `MutantResult`."""

    name: str

    def __str__(self) -> str:
        return self.name

    @property
    def group_key(self) -> tuple[str, ...]:
        """Return the variant: its mutants share cases, references and its own observations."""
        return find(self.name).operation, find(self.name).subject

    @property
    def cost(self) -> float:
        """Estimate the seconds that it takes."""
        return SECONDS[find(self.name).framework]

    def run(self) -> list[MutantResult]:
        """Run the mutant, and report which contracts kill it."""
        return [run_mutant(find(self.name))]

    def on_crash(self, reason: str) -> list[MutantResult]:
        """Results to report if the worker process died."""
        return [survived(find(self.name), reason)]


def plan(mutants: Iterable[str] = ()) -> list[MutantTask]:
    """List some mutants by name or topic; all when none is named.

    Raises:
        InputError: an unknown name, with the nearest right one.

    >>> len(plan()) == len(MUTANTS)
    True
    """
    return [MutantTask(name) for name in choose_all("mutant", names("mutants", mutants), MUTANTS) or MUTANTS]
