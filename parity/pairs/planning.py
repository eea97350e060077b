"""Decide which layers of two models stand for each other, or list all that stands against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from parity.arrays import Array
from parity.pairs.connecting import Connection
from parity.pairs.leftovers import TIED, TransferError, leftovers, question
from parity.pairs.maps import Ids, flattened
from parity.pairs.matching import pair, without
from parity.pairs.names import Named, explicit, ignored
from parity.pairs.observed import Agreement, Observed, agreement, receive_the_same
from parity.pairs.pairing import Layers, Pairing
from parity.pairs.units import Unit

AGREE = {"float64": 1e-6, "float32": 1e-4}  # of the largest output; other orders of layers differ by much more
Couple = tuple[Unit, Unit]


@dataclass(eq=False)
class Plan:
    """Everything that is known about a transfer before it is decided."""

    source: Layers
    target: Layers
    pairs: Mapping[Named, Named]
    ignore: list[str]
    problems: list[str] = field(default_factory=list)

    @cached_property
    def values(self) -> dict[str, Array]:
        return self.source.runnable.model.arrays()

    @cached_property
    def flat(self) -> Array:
        return flattened(self.source.runnable.model.numbering, self.values).astype(np.float64)

    def connection(self) -> Connection:
        own, theirs = self.source.runnable.model, self.target.runnable.model
        return Connection.between(own.numbering, theirs.numbering, self.flat)

    def decide(self) -> tuple[Connection, list[Couple], list[str]]:
        """Pair all layers and connect their arrays; return the connection, the pairs and notes.

        Raises:
            TransferError: something stands against it.
        """
        given, wrong = explicit(self.pairs, self.source, self.target)
        self.problems += wrong
        self.ignored = ignored(self.ignore, self.source, self.target)
        found = self.paired(given)
        couples = [*given, *found.pairs]
        connection = self.connection()
        layers = ("", "")
        for own, theirs in couples:
            lines = list(connection.connect(own, theirs))
            self.problems += [f"{own.described} and {theirs.described}: {line}" for line in lines]
            layers = (own.path, theirs.path) if lines and layers == ("", "") else layers
        if not self.problems:
            self.check_ties(connection)
            layers = shared_layers(couples) if self.problems else layers
        unequal = list(self.problems)
        left = self.uncovered(connection, couples)
        without = leftovers(left, (self.source, self.target), couples)
        self.problems += without
        for line, unit in zip(without, [*left[0], *left[1]], strict=True):
            if line.endswith(TIED):
                unequal.append(line)
                layers = ("", unit.path) if unit in left[1] else (unit.path, "")
        self.problems += [question(group) for group in found.questions]
        if self.problems:
            raise TransferError(self.problems, unequal, layers)
        return connection, couples, [*found.notes, *connection.notes, *self.unused()]

    def paired(self, given: Sequence[Couple]) -> Pairing:
        """Pair what the user has neither paired nor ignored."""
        skipped = set(map(id, self.ignored))
        open_units = []
        for number, side in enumerate((self.source, self.target)):
            gone = self.ignored_on(side, *(couple[number].numbers for couple in given))
            open_units.append([u for u in side.units if id(u) not in skipped and not gone[u.numbers].all()])
        return pair(
            self.source, self.target, (open_units[0], open_units[1]), lambda pairs: self.attempt([*given, *pairs])
        )

    def ignored_on(self, side: Layers, *others: Ids) -> npt.NDArray[np.bool_]:
        """Return which elements of one side are ignored, or among others."""
        own = {id(unit) for unit in [*side.units, *side.unused]}
        arrays = side.runnable.model.numbering.shapes
        ignored = [unit.numbers for unit in self.ignored if id(unit) in own or unit.path in arrays]
        return side.runnable.model.numbering.mask(*ignored, *others)

    @cached_property
    def ran(self) -> Observed:
        return self.source.runnable.observe_full()

    def attempt(self, couples: Sequence[Couple]) -> tuple[Agreement, int]:
        """Tell whether both models give the same outputs with the weights of some pairs; the target stays as it is.

        They agree whole if they could not anyway, as some layers have no partner or cannot be equal: nothing is decided
        by it then.

        Returns:
            How far they agree, and how many of the layers receive the same.
        """
        connection = self.connection()
        wrong = [line for own, theirs in couples for line in connection.connect(own, theirs)]
        if wrong or any(self.uncovered(connection, couples)):
            return Agreement.WHOLE, 0
        model = self.target.runnable.model
        restore = model.keep()
        dtypes = {name: array.dtype for name, array in model.arrays().items()}
        try:
            model.assign(connection.there.forward(self.values, dtypes))
            own, theirs = self.ran, self.target.runnable.observe_full()
        except Exception:  # a model may not run without padding
            return Agreement.NONE, 0
        finally:
            restore()
        most = AGREE[min(side.runnable.dtype for side in (self.source, self.target))]
        received = sum(receive_the_same(own.inputs.get(a.path), theirs.inputs.get(b.path), most) for a, b in couples)
        return agreement(own, theirs, most), received

    def uncovered(self, connection: Connection, couples: Sequence[Couple]) -> tuple[list[Unit], list[Unit]]:
        """Return the units of both sides of which some element has neither a partner nor is ignored."""
        paired = [{id(couple[side]) for couple in couples} for side in (0, 1)]
        done = connection.back.assigned | connection.there.used(), connection.there.assigned
        found: tuple[list[Unit], list[Unit]] = ([], [])
        for number, side in enumerate((self.source, self.target)):
            own = done[number] | self.ignored_on(side)
            for unit in side.units:
                if id(unit) not in paired[number] and not own[unit.numbers].all():
                    found[number].extend(without(unit, own))
        return found

    def check_ties(self, connection: Connection) -> None:
        """Refuse weights that are one on one side and several on the other."""
        model = (self.source.runnable.model, self.target.runnable.model)
        for ids, number, there in (
            (connection.there.repeated(), 0, "the target has several"),
            (np.concatenate([np.zeros(0, np.int64), *connection.there.conflicts]), 1, "the source has several"),
        ):
            for name in model[number].numbering.names_of(ids) if ids.size else []:
                side = ("source", "target")[number]
                self.problems.append(
                    f"{side}: `{name}` is one array (tied weights) for which {there}: tie them there too"
                )

    def unused(self) -> list[str]:
        """Return notes about what was not transferred."""
        found = []
        for name, side in (("source", self.source), ("target", self.target)):
            own = [unit.name for unit in side.unused]
            found += [f"{name}: not transferred, as nothing was computed with it: {', '.join(own)}"] if own else []
            buffers = side.runnable.model.buffers()
            found += [f"{name}: buffers are no weights: {', '.join(buffers[:4])}"] if buffers else []
        return found + ([f"ignored: {', '.join(self.ignore)}"] if self.ignore else [])


def shared_layers(couples: Sequence[Couple]) -> tuple[str, str]:
    """Return the first layers of which one stands for several of the other side; nothing if none does."""
    for number in (0, 1):
        seen: set[int] = set()
        for couple in couples:
            if id(couple[number]) in seen:
                return couple[0].path, couple[1].path
            seen.add(id(couple[number]))
    return "", ""
