"""Carry the weights of one model of a pair to the other, or verify that they are equal already."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from parity.arrays import Array
from parity.errors import InputError, shown
from parity.models.sequences import Inputs
from parity.pairs.halves import Half
from parity.pairs.leftovers import TransferError
from parity.pairs.maps import NONE
from parity.pairs.mistakes import differing
from parity.pairs.names import Named
from parity.pairs.transfer import Transfer
from parity.pairs.transferring import transfer_weights

DIRECTIONS = {"left to right": True, "right to left": False}
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
        layers: the first ones, left and right, of which that is so.
        notes: about the transfer.
        rounded: whether weights are equal up to rounding to float32 only, in two recordings.
        exported: whether one model has its weights in its graph.
        given: whether weights were carried; else they were to be equal already.
        mending: the model that is given other weights to try them, and these, if it is not the target.
    """

    transfer: Transfer | None
    forward: bool = True
    rows: Sequence[Any] = ()
    wrong: Mapping[str, str] = field(default_factory=dict)
    expected: Mapping[str, Array] = field(default_factory=dict)
    unequal: Sequence[str] = ()
    layers: tuple[str, str] = ("", "")
    notes: Sequence[str] = ()
    mending: tuple[int, Mapping[str, Array]] | None = None
    rounded: bool = False
    exported: bool = False
    given: bool = True

    @property
    def mended(self) -> tuple[int, Mapping[str, Array]] | None:
        """Return the number of a model that can run, and the weights with which it has those of the rules."""
        if self.mending is not None or self.transfer is None:
            return self.mending
        return int(self.forward), self.expected

    @property
    def summary(self) -> str:
        """Say how many arrays were transferred, or, of weights that were to be equal, how many are."""
        if self.exported:
            return "weights: those that were exported, and those of the other model"
        if self.transfer is None:
            return "weights: those that both models have"
        every = len(self.transfer.target.numbering.shapes)
        if self.given:
            return f"weights: {len(self.transfer.weights)} of {every} arrays transferred"
        if not self.wrong:
            return f"weights: {len(self.transfer.weights)} of {every} arrays are equal"
        directions = list(DIRECTIONS)
        advice = f": transfer={directions[1 - self.mending[0]]!r} makes them equal" if self.mending else ""
        return f"weights: {len(self.wrong)} of {every} arrays differ{advice}"


def check_transfer(transfer: object) -> None:
    """Check that weights can be carried in this way.

    Raises:
        InputError: neither a direction nor a function, nor None.
    """
    known = transfer.replace("-", " ") in DIRECTIONS if isinstance(transfer, str) else callable(transfer)
    if transfer is not None and not known:
        raise InputError("transfer", shown(transfer), EXPECTED)


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

    def carry(self, transfer: str | Callable[[Any, Any], object] | None) -> Carried:
        """Carry the weights as the user asks for it."""
        if any(half.is_whole for half in self.halves):
            if transfer is not None:
                raise InputError("transfer", f"{shown(transfer)} for an ONNX model", "None: it has its own weights")
            return Carried(None, exported=True)
        if transfer is None:
            return self._verified()
        if isinstance(transfer, str):
            direction = transfer.replace("-", " ")
            forward = DIRECTIONS[direction]
            if not (target := self.halves[1 if forward else 0]).runs:
                raise InputError("transfer", f"{direction!r}, into the recording", self._expected(target))
            try:
                found = self._automatic(forward, apply=True)
            except TransferError as error:
                if not error.unequal or len(error.unequal) < len(error.problems):
                    raise
                return Carried(None, unequal=error.unequal, layers=_of_both(error.layers, forward))
            return Carried(found, forward, found.table, notes=_kept(found.notes))
        if fixed := [half for half in self.halves if not half.runs]:
            raise InputError("transfer", "a function, with a recording", self._expected(fixed[0]))
        return self._by_function(transfer)

    def _expected(self, fixed: Half) -> str:
        """Say what a transfer with a recording may be."""
        if not any(half.runs for half in self.halves):
            return "None, for two recordings, whose weights are compared"
        away = "left to right" if fixed is self.halves[0] else "right to left"
        return f"{away!r}, or None if the weights are equal already"

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
        tried: dict[bool, tuple[Transfer, dict[str, str]]] = {}
        for forward in (True, False):
            try:
                found = self._automatic(forward, apply=False)
            except TransferError as error:
                failure = error
                continue
            tried[forward] = found, dict(differing(found, found.target.arrays()))
            if not tried[forward][1] and self.halves[1 if forward else 0].runs:
                break
        if not tried:
            notes = ["weights: gradients are not compared", *failure.problems[:3]]
            return Carried(None, unequal=failure.unequal, layers=_of_both(failure.layers, forward), notes=notes)
        forward = min(tried, key=lambda one: (len(tried[one][1]), not one))
        found, wrong = tried[forward]
        into = next((one for one in (forward, not forward) if one in tried and self.halves[1 if one else 0].runs), None)
        mending: tuple[int, Mapping[str, Array]] | None = None
        if into is not None:
            mending = (1 if into else 0), tried[into][0].weights
            if not wrong:  # equal but for rounding
                tried[into][0].apply()
                self.forget()
        own = found.target.arrays()
        equal = all(np.array_equal(own[name], array) for name, array in found.weights.items())
        rounded = into is None and not wrong and not equal
        carried = Carried(found, forward, found.table, wrong, found.weights, mending=mending)
        return replace(carried, rounded=rounded, given=False)


def _called(call: Callable[..., Any] | None, half: Half) -> Callable[..., Any]:
    return call or half.side.call  # type: ignore[attr-defined]


def _of_both(layers: tuple[str, str], forward: bool) -> tuple[str, str]:
    """Return the layers of a source and a target as those of the left and the right model."""
    return layers if forward else layers[::-1]


def _key(name: Named) -> Named:
    return tuple(name) if isinstance(name, list) else name


def _kept(notes: Sequence[str]) -> list[str]:
    return [note for note in notes if "buffers" not in note]
