"""Planted faults: small changes of a variant that people really make, each of which some contract must catch.

A suite that cannot fail is worse than none. Here every contract is put to the test: a fault that survives means that a
contract or a case is missing, never that the fault should go.
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
from parity.mutants.mutant import Fault as Fault
from parity.mutants.run import CAUGHT as CAUGHT
from parity.mutants.run import MISSING as MISSING
from parity.mutants.run import SURVIVED as SURVIVED
from parity.mutants.run import Catch as Catch
from parity.mutants.run import Outcome as Outcome
from parity.mutants.run import hunt
from parity.mutants.run import outcome as outcome

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
FAULTS: dict[str, Fault] = {fault.name: fault for topic in TOPICS for fault in topic.FAULTS}


def find(name: str) -> Fault:
    """The fault of that name.

    Raises:
        InputError: no such fault; the message names the nearest.
    """
    return FAULTS[choose("fault", name, FAULTS)]


@dataclass(frozen=True)
class Planted:
    """A fault to hunt for: a task for a runner, whose verdict is an `Outcome`."""

    name: str

    def __str__(self) -> str:
        return self.name

    @property
    def together(self) -> tuple[str, ...]:
        """All faults of a variant: they share cases, references and the variant's own answers."""
        return find(self.name).operation, find(self.name).subject

    @property
    def cost(self) -> int:
        """Keras' layers take several times as long as PyTorch's, in eager mode."""
        return 3 if find(self.name).framework == "tensorflow" else 1

    def run(self) -> list[Outcome]:
        """Plant it, and see what catches it."""
        return [hunt(find(self.name))]

    def lost(self, reason: str) -> list[Outcome]:
        """The verdict if the process that should give it died."""
        return [Outcome(self.name, SURVIVED, reason=reason)]


def plan(faults: Iterable[str] = ()) -> list[Planted]:
    """Some faults by name or topic; all when none is named.

    Raises:
        InputError: an unknown name, with the nearest right one.

    >>> len(plan()) == len(FAULTS)
    True
    """
    return [Planted(name) for name in choose_all("fault", names("faults", faults), FAULTS) or FAULTS]
