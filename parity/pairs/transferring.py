"""Transfer the weights of one model to another, layer by layer, or say all that stands against it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from parity.arrays import Array, numpy_defaults
from parity.errors import names as name_list
from parity.errors import of_kind
from parity.pairs import leftovers
from parity.pairs.alone import difference_alone
from parity.pairs.connecting import Connection
from parity.pairs.maps import Ids, Map, _flat
from parity.pairs.matching import Layers, Pairing, numbers_of, pair
from parity.pairs.names import Named, explicit, ignored
from parity.pairs.observed import agree
from parity.pairs.running import Call, Given, Runnable, prepare
from parity.pairs.transfer import Row, Transfer
from parity.pairs.units import Unit

AGREE = {"float64": 1e-6, "float32": 1e-4}  # of the largest output; other orders of layers differ by much more
Couple = tuple[Unit, Unit]


def transfer_weights(
    source: object,
    target: object,
    *,
    inputs: Given = None,
    call: Call = None,
    pairs: Mapping[Named, Named] | None = None,
    ignore: Iterable[str] = (),
    apply: bool = True,
) -> Transfer:
    """Copy the weights of one model to another, in PyTorch or Keras, and return the table of what went where.

    Both models run once on a batch. Layers are paired by kind and sizes, in the order in which they are called. Unless
    every array finds a partner, nothing is changed, and the error lists all that did not.

    Args:
        source, target: modules, Keras models or layers, or functions without arguments that make one.
        inputs: what both take: `parity.inputs` or `parity.batch`; or a tuple of the arguments of each, such as
            ``((ids, lengths), ids)``, as arrays or tensors. Guessed from the first layer when None.
        call: takes a model and a batch, as for `check_model`; or a tuple of two, one for each model.
        pairs: names of layers or arrays of the source -> those of the target. Three or four dense layers may stand for
            one attention layer: ``{("query", "key", "value", "output"): "attention"}``.
        ignore: names of layers or arrays, on either side, that are left as they are.
        apply: whether to set the weights of the target.

    Returns:
        A `Transfer`: ``str`` is the table; ``weights`` are the arrays, ``gradients`` maps those of the target back.

    Raises:
        TransferError: layers without a partner, choices that are left to the user, or layers that no weights make
            equal, all at once.
        InputError: a wrong argument, or a model that does not run.
        FrameworkUnavailable: a framework cannot be loaded.

    >>> from torch import nn
    >>> source, target = nn.Linear(3, 2), nn.Linear(3, 2)
    >>> print(transfer_weights(source, target, inputs=(np.ones((1, 3)), np.ones((1, 3)))).weights["bias"].shape)
    (2,)
    """
    of_kind("apply", apply, bool, "True or False")
    with numpy_defaults():
        sides = prepare(source, target, inputs, call)
        transfer = _Plan(*map(Layers, sides), dict(pairs or {}), name_list("ignore", ignore)).transfer()
    if apply:
        transfer.apply()
    return transfer


@dataclass(eq=False)
class _Plan:
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
        return _flat(self.source.runnable.model.numbering, self.values).astype(np.float64)

    def connection(self) -> Connection:
        numberings = (side.runnable.model.numbering for side in (self.source, self.target))
        return Connection.between(*numberings, self.flat)

    def transfer(self) -> Transfer:
        """Pair all layers and connect their arrays.

        Raises:
            TransferError: something stands against it.
        """
        given, wrong = explicit(self.pairs, self.source, self.target)
        self.problems += wrong
        self.ignored = ignored(self.ignore, self.source, self.target)
        found = self.paired(given)
        couples = [*given, *found.pairs]
        connection = self.connection()
        for own, theirs in couples:
            lines = list(connection.connect(own, theirs))
            self.problems += [f"{own.described} and {theirs.described}: {line}" for line in lines]
        if not self.problems:
            self.check_ties(connection)
        left = self.uncovered(connection, couples)
        self.problems += leftovers.leftovers(left, (self.source, self.target), couples)
        self.problems += [leftovers.question(group) for group in found.questions]
        if self.problems:
            raise leftovers.TransferError(self.problems)
        return self.result(connection, couples, [*found.notes, *connection.notes, *self.unused()])

    def paired(self, given: Sequence[Couple]) -> Pairing:
        """Pair what the user has neither paired nor ignored."""
        out = [*(numbers_of(unit) for unit, _ in given)], [*(numbers_of(unit) for _, unit in given)]
        every = [*map(id, self.ignored)]
        open_units = []
        for side, taken in zip((self.source, self.target), out, strict=True):
            gone = np.concatenate([np.zeros(0, np.int64), *taken, *self.ignored_ids(side)])
            open_units.append(
                [u for u in side.units if id(u) not in every and not np.isin(numbers_of(u), gone).all()]
            )
        return pair(self.source, self.target, (open_units[0], open_units[1]), lambda pairs: self.is_right([*given, *pairs]))

    def ignored_ids(self, side: Layers) -> list[Ids]:
        """Return the numbers of all elements of one side that are ignored."""
        own = {id(unit) for unit in [*side.units, *side.unused]}
        single = [u for u in self.ignored if id(u) not in own and u.path in side.runnable.model.numbering.shapes]
        return [numbers_of(unit) for unit in self.ignored if id(unit) in own] + [numbers_of(unit) for unit in single]

    def is_right(self, couples: Sequence[Couple]) -> bool:
        """Tell whether both models give the same outputs with the weights of some pairs; the target stays as it is.

        True if they could not anyway, as some layers have no partner or cannot be equal: nothing is decided by it then.
        """
        connection = self.connection()
        wrong = [line for own, theirs in couples for line in connection.connect(own, theirs)]
        if wrong or any(self.uncovered(connection, couples)):
            return True
        model = self.target.runnable.model
        before = model.arrays()
        dtypes = {name: array.dtype for name, array in before.items()}
        try:
            model.assign(connection.there.forward(self.values, dtypes))
            outputs = self.source.runnable.outputs(), self.target.runnable.outputs()
        except Exception:  # a model may not run without padding
            return False
        finally:
            model.assign(before)
        narrow = min(side.runnable.dtype for side in (self.source, self.target))
        return agree(*outputs, AGREE[narrow])

    def uncovered(self, connection: Connection, couples: Sequence[Couple]) -> tuple[list[Unit], list[Unit]]:
        """Return the units of both sides of which some element has neither a partner nor is ignored."""
        paired = [{id(couple[side]) for couple in couples} for side in (0, 1)]
        done = connection.back.assigned | connection.there.used(), connection.there.assigned.copy()
        found: tuple[list[Unit], list[Unit]] = ([], [])
        for number, side in enumerate((self.source, self.target)):
            done[number][np.concatenate([np.zeros(0, np.int64), *self.ignored_ids(side)])] = True
            for unit in side.units:
                if id(unit) not in paired[number] and not done[number][numbers_of(unit)].all():
                    found[number].append(unit)
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
                self.problems.append(f"{side}: `{name}` is one array (tied weights) for which {there}: tie them there too")

    def unused(self) -> list[str]:
        """Return notes about what was not transferred."""
        found = []
        for name, side in (("source", self.source), ("target", self.target)):
            own = [unit.name for unit in side.unused]
            found += [f"{name}: not transferred, as nothing was computed with it: {', '.join(own)}"] if own else []
            buffers = side.runnable.model.buffers()
            found += [f"{name}: buffers are no weights: {', '.join(buffers[:4])}"] if buffers else []
        return found + ([f"ignored: {', '.join(self.ignore)}"] if self.ignore else [])

    def result(self, connection: Connection, couples: Sequence[Couple], notes: Sequence[str]) -> Transfer:
        """Compute the weights, and compare each pair alone."""
        source, target = self.source.runnable.model, self.target.runnable.model
        dtypes = {name: array.dtype for name, array in target.arrays().items()}
        weights = connection.there.forward(self.values, dtypes)
        wide = dict.fromkeys(dtypes, np.float64)
        values = (
            {name: array.astype(np.float64) for name, array in self.values.items()},
            connection.there.forward({name: array.astype(np.float64) for name, array in self.values.items()}, wide),
        )
        rows = [self.row(own, theirs, values) for own, theirs in couples]
        inexact = round_trip(connection, self.values, weights) | dict.fromkeys(source.derived(), "it is computed")
        return Transfer(weights, rows, notes, connection.there, inexact, source, target)

    def row(self, own: Unit, theirs: Unit, values: tuple[Mapping[str, Array], Mapping[str, Array]]) -> Row:
        """Describe a pair of layers."""
        difference, note = difference_alone(own, theirs, values)
        shapes = {
            role: tuple(self.shape(side, unit, role) for side, unit in ((self.source, own), (self.target, theirs)))
            for role in dict.fromkeys([*own.arrays, *theirs.arrays])
        }
        settings = {
            name: (own.settings[name], theirs.settings[name])
            for name in own.settings
            if name in theirs.settings and own.settings[name] != theirs.settings[name]
        }
        return Row(own.name, theirs.name, own.kind, self.rule(own, theirs), shapes, difference, settings, note)

    def shape(self, side: Layers, unit: Unit, role: str) -> tuple[int, ...]:
        """Return the shape of the first of the model's arrays that a role is made of."""
        if role not in unit.arrays:
            return ()
        numbering = side.runnable.model.numbering
        return numbering.shapes[numbering.names_of(unit.arrays[role][0])[0]]

    def rule(self, own: Unit, theirs: Unit) -> str:
        """Say how the arrays of one layer become those of the other."""
        if self.source.runnable.model.framework == self.target.runnable.model.framework and own.path.count("+") == 0:
            return "copied"
        sums = [role for role, terms in own.arrays.items() if len(terms) > len(theirs.arrays.get(role, terms))]
        splits = [role for role, terms in own.arrays.items() if len(terms) < len(theirs.arrays.get(role, terms))]
        text = RULES.get(own.kind.rstrip("123d_"), "copied")
        text += f"; two of {sums[0]} are added" if sums else ""
        return text + (f"; of two of {splits[0]} the second is 0" if splits else "")


RULES = {
    "dense": "kernel transposed",
    "conv": "kernel (out, in, width) <-> (width, in, out)",
    "conv_transpose": "kernel (in, out, width) <-> (width, out, in)",
    "lstm": "kernels transposed, gates i f g o = i f c o",
    "gru": "kernels transposed, gates r z n <-> z r h",
    "rnn": "kernels transposed",
    "attention": "projections split by head",
    "batch_norm": "gain, bias and moving statistics",
}


def round_trip(connection: Connection, values: Mapping[str, Array], weights: Mapping[str, Array]) -> dict[str, str]:
    """Transfer weights back, and return the arrays of the source that do not have the same bits again."""
    back: Map = connection.back
    every = {name: weights.get(name, np.zeros(shape)) for name, shape in back.source.shapes.items()}
    returned = back.forward(every, {name: array.dtype for name, array in values.items()})
    found = {}
    for name, array in returned.items():
        if array.tobytes() != values[name].tobytes():
            images = [own for own in weights if name in connection.there.sources_of(own)]
            added = any(len(connection.there.sources_of(own)) > 1 for own in images)
            found[name] = "it is added to another" if added else f"it is rounded to {weights[images[0]].dtype}" if images else "constant"
    return found
