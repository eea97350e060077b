"""Connect the arrays of two layers, in both directions, or say why no weights make the layers equal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from parity.arrays import Array
from parity.pairs.maps import Ids, Map, Numbering
from parity.pairs.units import Unit, neutral

REASONS = {
    "reset_after": "`reset_after` is {} here and {} there: two formulas, and PyTorch has that of True",
    "heads": "{} heads here and {} there",
    "size of a head": "a head has {} numbers here and {} there; in PyTorch it has E / heads",
    "heads of keys": "keys and values have fewer heads on one side",
    "size of a value": "keys and values have other sizes on one side",
}


@dataclass(eq=False)
class Connection:
    """Maps between the weights of two models, filled layer by layer.

    Attributes:
        there, back: the map from the source to the target, and the reverse.
        values: all elements of the source.
        notes: the constants that arrays without a partner received.
    """

    there: Map
    back: Map
    values: Array
    notes: list[str]

    @classmethod
    def between(cls, source: Numbering, target: Numbering, values: Array) -> Connection:
        """Return empty maps."""
        return cls(Map(source, target), Map(target, source), values, [])

    def connect(self, own: Unit, theirs: Unit) -> Iterator[str]:
        """Connect two layers.

        Yields:
            A reason for each array that cannot be transferred; then nothing of the layers should be used.
        """
        if problems := list(unequal(own, theirs)):
            yield from problems
            return
        for role in dict.fromkeys([*own.arrays, *theirs.arrays]):
            ours, others = own.arrays.get(role), theirs.arrays.get(role)
            if ours and others and ours[0].shape != others[0].shape:
                yield f"its {role} has shape {ours[0].shape} here and {others[0].shape} there, in one layout"
            elif ours and others:
                copy(self.there, ours, others)
                copy(self.back, others, ours)
            elif others:
                yield from self._fill(role, others, theirs)
            elif ours:
                yield from self._drop(role, ours)

    def _fill(self, role: str, terms: tuple[Ids, ...], theirs: Unit) -> Iterator[str]:
        value = neutral(role)
        if value is None:
            yield f"it has no {role}, and the other has"
            return
        for term in terms:
            self.there.assign(term, [], value)
        self.notes.append(f"`{theirs.name}`: its {role}, which the source has not, is {value:g}; it would be trained")

    def _drop(self, role: str, terms: tuple[Ids, ...]) -> Iterator[str]:
        value, own = neutral(role), sum(self.values[term] for term in terms)
        if value is None or np.any(own != value):
            unless = "" if value is None else f", unless it is {value:g}"
            yield f"it has a {role}, and the other has none{unless}"
            return
        for number, term in enumerate(terms):
            self.back.assign(term, [], value if number == 0 else 0.0)


def copy(into: Map, source: tuple[Ids, ...], target: tuple[Ids, ...]) -> None:
    """Copy term by term if both have as many; else the first has the sum, and the others are 0."""
    if len(source) == len(target):
        for own, other in zip(source, target, strict=True):
            into.assign(other, [own])
        return
    into.assign(target[0], source)
    for other in target[1:]:
        into.assign(other, [])


def unequal(own: Unit, theirs: Unit) -> Iterator[str]:
    """Return the reasons why no weights make two layers equal."""
    if own.kind != theirs.kind:
        yield f"it is a layer of kind {own.kind}, and the other is {theirs.kind}"
        return
    for name, reason in REASONS.items():
        left, right = own.formula.get(name), theirs.formula.get(name)
        if left != right:
            yield reason.format(left, right)
    if not own.formula and own.size != theirs.size:
        yield f"its sizes are {own.size}, and the other's {theirs.size}"


def composed(parts: list[Unit], whole: Unit) -> Unit | str:
    """Return one attention layer made of dense layers: three for query, key and value or a fused one; then the output.

    Args:
        parts: dense layers in this order; a fused one has query, key and value one behind the other.
        whole: the attention layer that they stand for.

    Returns:
        A reason instead, if they do not fit.
    """
    if whole.kind != "attention" or any(part.kind != "dense" for part in parts) or len(parts) not in (2, 4):
        return "several layers may stand for attention only: query, key, value and output, or a fused one and output"
    arrays: dict[str, tuple[Ids, ...]] = {}
    inner = _split(parts[0]) if len(parts) == 2 else [part.arrays for part in parts[:3]]
    for role, own in zip(("query", "key", "value", "output"), [*inner, parts[-1].arrays], strict=True):
        shape = whole.arrays[role][0].shape
        if own["kernel"][0].size != int(np.prod(shape)):
            return f"the {role} has {own['kernel'][0].shape} numbers here and {shape} there"
        arrays[role] = (own["kernel"][0].reshape(shape),)
        if "bias" in own:
            last = shape[1:] if role != "output" else shape[2:]
            arrays[f"{role} bias"] = (own["bias"][0].reshape(last),)
    name = " + ".join(part.name for part in parts)
    return Unit(name, "attention", whole.size, arrays, formula=whole.formula)


def _split(fused: Unit) -> list[Mapping[str, tuple[Ids, ...]]]:
    """Split a dense layer into three, for query, key and value."""
    if fused.size[1] % 3:
        return [fused.arrays] * 3  # none of them has the right shape
    parts = {role: np.split(terms[0], 3, axis=-1) for role, terms in fused.arrays.items()}
    return [{role: (own[number],) for role, own in parts.items()} for number in range(3)]
