"""Hold the layers of a model in the order of their calls, and those of two models that stand for each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from parity.pairs.observed import Agreement, Observed
from parity.pairs.running import Runnable
from parity.pairs.units import PLAIN, Unit


@dataclass(eq=False)
class Layers:
    """The layers of one model that are used, in the order of their first calls.

    Attributes:
        runnable: the model.
        units: its layers with weights.
        unused: those that nothing was computed with.
    """

    runnable: Runnable
    units: list[Unit] = field(default_factory=list)
    unused: list[Unit] = field(default_factory=list)
    dependents: Mapping[str, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        placed = []
        for number, unit in enumerate(self.runnable.model.units()):
            place = self._place(unit)
            if place is None:
                self.unused.append(unit)
            else:
                placed.append((place, number, unit))
        self.units = [unit for _, _, unit in sorted(placed, key=lambda one: one[:2])]

    @cached_property
    def observed(self) -> Observed:
        return self.runnable.observe()

    def names_of(self, unit: Unit) -> list[str]:
        """Return the names of a unit's arrays."""
        return self.runnable.model.numbering.names_of(unit.numbers)

    def _place(self, unit: Unit) -> int | None:
        """Return when a unit is first used; None if it is not."""
        model, observed = self.runnable.model, self.observed
        names = self.names_of(unit)
        used = any(name in observed.used for name in names)
        if unit.kind == PLAIN:
            frozen = not any(name in model.trainable() for name in names)
            return observed.place(unit.path, model.separator) if used or frozen else None
        if unit.path in observed.order:
            return observed.order[unit.path]
        return observed.place(unit.path, model.separator) if used else None

    def find_dependents(self, units: Iterable[Unit]) -> None:
        """Find out which layers receive something else when one of these returns something else."""
        self.dependents = self.runnable.dependents(list(dict.fromkeys(unit.path for unit in units)))

    def depends(self, first: Unit, second: Unit) -> bool:
        """Tell whether a layer depends on another one; see `find_dependents`."""
        if first.path == second.path:
            return first.level < second.level
        return second.path in self.dependents[first.path]

    def blocks(self, units: Sequence[Unit]) -> list[list[Unit]]:
        """Split units into blocks, each of which depends on all of the blocks before it."""
        found, begin = [], 0
        for cut in range(1, len(units) + 1):
            before, after = units[begin:cut], units[cut:]
            if all(self.depends(a, b) for a in before for b in after):
                found.append(list(before))
                begin = cut
        return found


@dataclass(eq=False)
class Pairing:
    """The layers that stand for each other, and what could not be paired.

    Attributes:
        pairs: of units.
        notes: how a choice was made.
        questions: sets of layers of which any could be any other's partner.
        left: units without partner, of the source and of the target.
    """

    pairs: list[tuple[Unit, Unit]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    questions: list[tuple[list[Unit], list[Unit]]] = field(default_factory=list)
    left: tuple[list[Unit], list[Unit]] = field(default_factory=lambda: ([], []))


Group = tuple[list[Unit], list[Unit]]
Attempt = Callable[[Sequence[tuple[Unit, Unit]]], tuple[Agreement, int]]
