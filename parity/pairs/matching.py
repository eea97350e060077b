"""Pair the layers of two models by kind and sizes, in the order in which they are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from parity.pairs.maps import Ids
from parity.pairs.observed import Observed
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
        ids = [term.reshape(-1) for terms in unit.arrays.values() for term in terms]
        return self.runnable.model.numbering.names_of(np.concatenate(ids)) if ids else []

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

    @cached_property
    def _changed(self) -> dict[str, Observed]:
        return {}

    def depends(self, first: Unit, second: Unit) -> bool:
        """Tell whether a layer receives something else when another one returns something else."""
        if first.path == second.path:
            return first.level < second.level
        if first.path not in self._changed:
            self._changed[first.path] = self.runnable.observe(first.path)
        return self.observed.differs(self._changed[first.path], second.path)

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


def groups_of(source: Sequence[Unit], target: Sequence[Unit]) -> list[Group]:
    """Group units that may stand for each other: of one kind, of equal sizes, and of one direction if both tell."""
    found: dict[object, Group] = {}
    for side, units in enumerate((source, target)):
        for unit in units:
            found.setdefault((unit.kind, unit.size), ([], []))[side].append(unit)
    every = []
    for group in found.values():
        counts = [Counter(unit.direction for unit in own) for own in group]
        if counts[0] == counts[1] and len(counts[0]) > 1:
            for direction in counts[0]:
                every.append(tuple([u for u in own if u.direction == direction] for own in group))
        else:
            every.append(group)
    return every  # type: ignore[return-value]


def pair(
    source: Layers, target: Layers, units: Group, is_right: Callable[[Sequence[tuple[Unit, Unit]]], bool]
) -> Pairing:
    """Pair units.

    Layers that do not depend on each other may be called in any order. Where such layers are alike, the order of calls
    is tried: both models must give the same outputs. Then other orders and names are; if that decides nothing, the
    choice is left to the user.

    Args:
        source, target: all layers of both models.
        units: those that are to be paired.
        is_right: tells whether both models give the same outputs with some pairs.
    """
    found = Pairing()
    groups = groups_of(*units)
    settled: list[tuple[Unit, Unit]] = []
    open_groups = []
    for own, theirs in groups:
        if len(own) != len(theirs) or own[0].kind == PLAIN:
            found.left[0].extend(own)
            found.left[1].extend(theirs)
        elif len(own) > 1 and not (_one_layer(own) and _one_layer(theirs)):
            open_groups.append((own, theirs))
        else:
            settled += zip(own, theirs, strict=True)
    _pair_plain(found, settled)
    by_order = [couple for group in open_groups for couple in zip(*group, strict=True)]
    if by_order and not is_right([*settled, *by_order]):
        by_order = _in_blocks(source, target, open_groups, settled, found, is_right)
    found.pairs = [*settled, *by_order]
    return found


def _one_layer(units: Sequence[Unit]) -> bool:
    """Tell whether units are the parts of one layer, whose order is known."""
    return len({unit.path for unit in units}) == 1 and len({(u.level, u.direction) for u in units}) == len(units)


def _pair_plain(found: Pairing, settled: list[tuple[Unit, Unit]]) -> None:
    """Pair plain parameters that have one name, and a shape that allows one layout only."""
    for own in [unit for unit in found.left[0] if unit.kind == PLAIN]:
        alike = [[u for u in side if u.kind == PLAIN and _key(u) == _key(own)] for side in found.left]
        sizes = [size for size in own.size if size > 1]
        if len(alike[0]) == len(alike[1]) == 1 and len(set(sizes)) == len(sizes):
            settled.append((own, alike[1][0]))
            found.left[0].remove(own)
            found.left[1].remove(alike[1][0])
            found.notes.append(f"paired by name and shape: `{own.path}` and `{alike[1][0].path}`")


def _key(unit: Unit) -> tuple[str, tuple[int, ...]]:
    return next(iter(unit.arrays)).lower(), unit.size


def _in_blocks(
    source: Layers,
    target: Layers,
    groups: Sequence[Group],
    settled: Sequence[tuple[Unit, Unit]],
    found: Pairing,
    is_right: Callable[[Sequence[tuple[Unit, Unit]]], bool],
) -> list[tuple[Unit, Unit]]:
    """Pair what depends on each other in the order of calls, and decide about the rest."""
    from parity.pairs.parallel import decide  # only needed here

    certain: list[tuple[Unit, Unit]] = []
    uncertain: list[Group] = []
    for own, theirs in groups:
        blocks = source.blocks(own), target.blocks(theirs)
        if [len(block) for block in blocks[0]] != [len(block) for block in blocks[1]]:
            uncertain.append((own, theirs))
            continue
        for left, right in zip(*blocks, strict=True):
            if len(left) == 1:
                certain.append((left[0], right[0]))
            else:
                uncertain.append((left, right))
    return [*certain, *decide(uncertain, [*settled, *certain], found, is_right)]


def numbers_of(unit: Unit) -> Ids:
    """Return the numbers of all elements of a unit."""
    ids = [term.reshape(-1) for terms in unit.arrays.values() for term in terms]
    return np.unique(np.concatenate(ids)) if ids else np.zeros(0, np.int64)
