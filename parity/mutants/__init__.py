"""Mutants: small changes of a variant that people really make, each of which some contract must kill.

A suite that cannot fail is worse than none. Here every contract is put to the test: a mutant that survives means that a
contract or a case is missing, never that the mutant should go.
"""

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
    direction,
    embedding,
    feedforward,
    gates,
    loss,
    loss_terms,
    masking,
    max_norm,
    model,
    normalisation,
    packing,
    pooling,
    rnn,
    states,
    training,
)
from parity.mutants.mutant import Mutant as Mutant
from parity.mutants.run import KILLED as KILLED
from parity.mutants.run import MISSING as MISSING
from parity.mutants.run import SURVIVED as SURVIVED
from parity.mutants.run import Kill as Kill
from parity.mutants.run import Outcome as Outcome
from parity.mutants.run import outcome as outcome
from parity.mutants.run import run_mutant

TOPICS: tuple[ModuleType, ...] = (
    masking,
    embedding,
    bag,
    max_norm,
    rnn,
    states,
    gates,
    packing,
    bidirectional,
    direction,
    pooling,
    feedforward,
    normalisation,
    attention,
    loss,
    loss_terms,
    alignment,
    model,
    training,
)
MUTANTS: dict[str, Mutant] = {mutant.name: mutant for topic in TOPICS for mutant in topic.MUTANTS}


def find(name: str) -> Mutant:
    """The mutant of that name.

    Raises:
        InputError: no such mutant; the message names the nearest.
    """
    return MUTANTS[choose("mutant", name, MUTANTS)]


@dataclass(frozen=True)
class MutantTask:
    """A mutant to run for: a task for a runner, whose verdict is an `Outcome`."""

    name: str

    def __str__(self) -> str:
        return self.name

    @property
    def together(self) -> tuple[str, ...]:
        """All mutants of a variant: they share cases, references and the variant's own answers."""
        return find(self.name).operation, find(self.name).subject

    @property
    def cost(self) -> int:
        """Keras' layers take several times as long as PyTorch's, in eager mode."""
        return 3 if find(self.name).framework == "tensorflow" else 1

    def run(self) -> list[Outcome]:
        """Plant it, and see what kills it."""
        return [run_mutant(find(self.name))]

    def lost(self, reason: str) -> list[Outcome]:
        """The verdict if the process that should give it died."""
        return [Outcome(self.name, SURVIVED, reason=reason)]


def plan(mutants: Iterable[str] = ()) -> list[MutantTask]:
    """Some mutants by name or topic; all when none is named.

    Raises:
        InputError: an unknown name, with the nearest right one.

    >>> len(plan()) == len(MUTANTS)
    True
    """
    return [MutantTask(name) for name in choose_all("mutant", names("mutants", mutants), MUTANTS) or MUTANTS]
