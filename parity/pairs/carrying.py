"""Carry the weights of one model of a pair to the other, or verify that they are equal already."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

import numpy as np

from parity.arrays import Array
from parity.errors import InputError, shown
from parity.models.sequences import Inputs
from parity.pairs.halves import Half
from parity.pairs.leftovers import TransferError
from parity.pairs.maps import NONE, flattened
from parity.pairs.names import Named
from parity.pairs.transfer import Transfer
from parity.pairs.transferring import transfer_weights

DIRECTIONS = {"left to right": True, "right to left": False}
SAME = 2.0**-20  # of the largest number: weights that are equal but for the rounding of a sum to float32
EXPECTED = "'left to right', 'right to left', a function of both models, or None"


@dataclass(eq=False)
class Carried:
    """The outcome of a transfer between both models.

    Attributes:
        transfer: whose map has the gradients; None if there is none.
        forward: whether its source is the left model.
        rows: the table of the layers that stand for each other.
        wrong: arrays of the target -> what they have instead of the weights that the layers' rules give.
        expected: these weights, if the user has set others.
        unequal: reasons why no weights make both models equal.
        notes: about the transfer.
    """

    transfer: Transfer | None
    forward: bool = True
    rows: Sequence[Any] = ()
    wrong: Mapping[str, str] = field(default_factory=dict)
    expected: Mapping[str, Array] = field(default_factory=dict)
    unequal: Sequence[str] = ()
    notes: Sequence[str] = ()

    @property
    def summary(self) -> str:
        """Say how many arrays were transferred."""
        if self.transfer is None:
            return "weights: those that both models have"
        every = len(self.transfer.target.numbering.shapes)
        return f"weights: {len(self.transfer.weights)} of {every} arrays transferred"


@dataclass(eq=False)
class Carrier:
    """Carries weights between both models.

    Attributes:
        halves: both models.
        inputs: what they take.
        calls: how they are called.
        pairs, ignore: those of `parity.transfer_weights`.
    """

    halves: tuple[Half, Half]
    inputs: Inputs
    calls: tuple[Any, Any]
    pairs: Mapping[Named, Named]
    ignore: Iterable[str]

    def carry(self, transfer: object) -> Carried:
        """Carry the weights as the user asks for it."""
        if transfer is None:
            return self._verified()
        if isinstance(transfer, str):
            direction = transfer.replace("-", " ")
            if direction not in DIRECTIONS:
                raise InputError("transfer", shown(transfer), EXPECTED)
            forward = DIRECTIONS[direction]
            try:
                found = self._automatic(forward, apply=True)
            except TransferError as error:
                if not error.unequal or len(error.unequal) < len(error.problems):
                    raise
                return Carried(None, unequal=error.unequal)
            return Carried(found, forward, found.table, notes=_kept(found.notes))
        if not callable(transfer):
            raise InputError("transfer", shown(transfer), EXPECTED)
        return self._by_function(transfer)

    def _automatic(self, forward: bool, apply: bool, **options: Any) -> Transfer:
        order = 1 if forward else -1
        source, target = self.halves[::order]
        calls = self.calls[::order]
        call: Any = None if calls == (None, None) else tuple(map(_called, calls, (source, target)))
        if not options:
            pairs = self.pairs if forward else {_key(b): a for a, b in self.pairs.items()}
            options = {"pairs": self.pairs if forward or not self.pairs else pairs, "ignore": self.ignore}
        found = transfer_weights(source.model, target.model, inputs=self.inputs, call=call, apply=apply, **options)
        self.forget()
        return found

    def planned(self, forward: bool) -> Transfer:
        """Return the transfer in a direction by the layers' rules, without applying it."""
        return self._automatic(forward, apply=False)

    def forget(self) -> None:
        """Drop the copies that sides have of a model's weights."""
        for half in self.halves:
            for name in ("copies", "saved", "values", "graphs"):
                getattr(half.side, name, {}).clear()

    def _by_function(self, function: Callable[..., Any]) -> Carried:
        """Carry by a user's function, and compare the weights with those that the layers' rules give."""
        forward = True
        found = self._automatic(True, apply=False, transfer=function)
        if all((term == NONE).all() for term in found.map.terms):
            forward = False
            found = self._automatic(False, apply=False, transfer=lambda source, target: function(target, source))
        found.apply(self.halves[1 if forward else 0].model)
        self.forget()
        rows = found.table
        wrong: Mapping[str, str] = {}
        expected: Mapping[str, Array] = {}
        try:
            rules = self._automatic(forward, apply=False, pairs={}, ignore=())
        except TransferError:
            rules = None
        if rules is not None:
            rows, expected = rules.table, rules.weights
            wrong = dict(differing(rules, found.target.arrays()))
        return Carried(found, forward, rows, wrong, expected, notes=_kept(found.notes))

    def _verified(self) -> Carried:
        """Verify that weights are equal, in either direction: sums are not."""
        tried = []
        for forward in (True, False):
            try:
                found = self._automatic(forward, apply=False)
            except TransferError as error:
                if not forward:
                    return Carried(
                        None, unequal=error.unequal, notes=["weights: gradients are not compared", *error.problems[:3]]
                    )
                continue
            wrong = dict(differing(found, found.target.arrays()))
            tried.append((len(wrong), not forward, found, wrong))
            if not wrong:
                found.apply()
                self.forget()
                break
        _, back, found, wrong = min(tried, key=lambda one: one[:2])
        return Carried(found, not back, found.table, wrong, found.weights)


def _called(call: Callable[..., Any] | None, half: Half) -> Callable[..., Any]:
    return call or half.side.call  # type: ignore[attr-defined]


def _key(name: Named) -> Named:
    return tuple(name) if isinstance(name, list) else name


def _kept(notes: Sequence[str]) -> list[str]:
    return [note for note in notes if "buffers" not in note]


def differing(rules: Transfer, actual: Mapping[str, Array]) -> Iterator[tuple[str, str]]:
    """Yield the arrays of a target that differ from those that the rules give, and what they have instead."""
    values = flattened(rules.source.numbering, rules.source.arrays()).astype(np.float64)
    for name, expected in rules.weights.items():
        own = actual[name]
        if np.max(np.abs(own - expected), initial=0.0) > SAME * np.max(np.abs(expected), initial=1e-30):
            yield name, instead(rules, name, np.asarray(own, np.float64), np.asarray(expected, np.float64), values)


def instead(rules: Transfer, name: str, own: Array, expected: Array, values: Array) -> str:
    """Say what an array has instead of what it should have."""
    at = rules.target.numbering.ids(name)
    terms = [np.where(term[at] == NONE, 0.0, values[np.maximum(term[at], 0)]) for term in rules.map.terms]
    origins = [rules.source.numbering.names_of(term[at].reshape(-1)) for term in rules.map.terms]
    used = [number for number, names in enumerate(origins) if names]
    for number in used if len(used) > 1 else ():
        if _equal(own, expected - terms[number]):
            return f"lacks {_names(origins[number])}"
        if _equal(own, expected + terms[number]):
            return f"has {_names(origins[number])} twice"
    for description, other in rearranged(expected):
        if _equal(own, other):
            return description
    for other_name, other in rules.weights.items():
        if other_name != name and other.shape == own.shape and _equal(own, np.asarray(other, np.float64)):
            return f"has what `{other_name}` should have"
    if own.size > 1 and np.all(own == own.flat[0]):
        return f"is {own.flat[0]:g} everywhere: it has not been copied"
    if _equal(np.sort(own, axis=None), np.sort(expected, axis=None)):
        return "has its numbers in another order"
    sources = [one for names in origins for one in names]
    return f"is not {_names(sources)}: {np.max(np.abs(own - expected)):.1e} apart"


def rearranged(array: Array) -> Iterator[tuple[str, Array]]:
    """Yield the usual wrong orders of an array's numbers."""
    if array.ndim == 2 and array.shape[0] == array.shape[1]:
        yield "is not transposed", array.T
    for axis in range(array.ndim - 2) if array.ndim > 2 else ():
        yield "is flipped along its width", np.flip(array, axis)
    if array.ndim == 3 and array.shape[0] == array.shape[2]:
        yield "has inputs and outputs exchanged", array.transpose(2, 1, 0)
    if array.ndim == 3 and array.shape[1] == array.shape[2]:
        yield "has inputs and outputs exchanged", array.transpose(0, 2, 1)
    for count in (4, 3):
        if array.ndim <= 2 and array.shape[-1] % count == 0:
            parts = np.split(array, count, axis=-1)
            for order in list(permutations(range(count)))[1:]:
                text = "has its gates in the order " + " ".join(str(one + 1) for one in order)
                yield text, np.concatenate([parts[one] for one in order], axis=-1)
    for axis in range(1, array.ndim) if array.ndim == 3 else ():
        before = array.shape
        swapped = np.reshape(np.swapaxes(array, axis, axis - 1), before)
        yield "has its heads interleaved", swapped
        flat = array.reshape(before[0], -1) if axis == 2 else array.reshape(-1, before[2])
        yield "has its heads interleaved", _interleaved(flat, before, axis)


def _interleaved(flat: Array, shape: tuple[int, ...], axis: int) -> Array:
    if axis == 2:  # (in, H, d) from (in, d, H)
        return np.asarray(flat.reshape(shape[0], shape[2], shape[1]).transpose(0, 2, 1))
    return np.asarray(flat.reshape(shape[1], shape[0], shape[2]).transpose(1, 0, 2))


def _equal(own: Array, other: Array) -> bool:
    if own.shape != other.shape:
        return False
    return bool(np.max(np.abs(own - other), initial=0.0) <= SAME * np.max(np.abs(other), initial=1e-30))


def _names(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names[:3])
