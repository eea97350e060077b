"""Describe what became of each pair of layers, and prove that the weights come back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from parity.arrays import Array
from parity.pairs.alone import difference_alone
from parity.pairs.connecting import Connection, unequal
from parity.pairs.maps import Map
from parity.pairs.pairing import Layers
from parity.pairs.running import Weights
from parity.pairs.transfer import Row
from parity.pairs.units import Unit

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


def rows_of(
    couples: Sequence[tuple[Unit, Unit]],
    sides: tuple[Layers, Layers],
    connection: Connection,
    values: Mapping[str, Array],
) -> list[Row]:
    """Return a row for each pair of layers, which are tried alone in float64."""
    source, target = (side.runnable.model for side in sides)
    double = {name: array.astype(np.float64) for name, array in values.items()}
    moved = connection.there.forward(double, dict.fromkeys(target.numbering.shapes, np.float64))
    copied = source.framework == target.framework
    return [_row(own, theirs, sides, (double, moved), copied) for own, theirs in couples]


def rows_of_map(source: Weights, target: Weights, there: Map, values: Mapping[str, Array]) -> list[Row]:
    """Return a row for each layer of the target, with the layers of the source that its weights are from."""
    double = {name: array.astype(np.float64) for name, array in values.items()}
    moved = there.forward(double, dict.fromkeys(target.numbering.shapes, np.float64))
    units, rows = source.units(), []
    owner = np.full(source.numbering.size + 1, len(units))
    for number, unit in enumerate(units):
        owner[unit.numbers] = number
    for theirs in target.units():
        at = theirs.numbers
        numbers = np.unique(np.concatenate([owner[term[at]] for term in there.terms]))
        own = [units[number] for number in numbers if number < len(units)]
        alone = len(own) == 1 and not list(unequal(own[0], theirs)) and there.assigned[at].all()
        difference, note = difference_alone(own[0], theirs, (double, moved)) if alone else (None, "")
        names = " + ".join(unit.name for unit in own) or "nothing"
        settings = _settings(own[0], theirs) if alone else {}
        rows.append(Row(names, theirs.name, theirs.kind, "by your function", {}, difference, settings, note))
    return rows


def _row(
    own: Unit,
    theirs: Unit,
    sides: tuple[Layers, Layers],
    values: tuple[Mapping[str, Array], Mapping[str, Array]],
    copied: bool,
) -> Row:
    difference, note = difference_alone(own, theirs, values)
    shapes = {
        role: (_shape(sides[0], own, role), _shape(sides[1], theirs, role))
        for role in dict.fromkeys([*own.arrays, *theirs.arrays])
    }
    named = rule(own, theirs, copied)
    return Row(own.name, theirs.name, own.kind, named, shapes, difference, _settings(own, theirs), note)


def _settings(own: Unit, theirs: Unit) -> dict[str, tuple[object, object]]:
    """Return the settings that two layers have and that differ."""
    return {
        name: (value, theirs.settings[name])
        for name, value in own.settings.items()
        if name in theirs.settings and value != theirs.settings[name]
    }


def _shape(side: Layers, unit: Unit, role: str) -> tuple[int, ...]:
    """Return the shape of the first of the model's arrays that a role is made of."""
    if role not in unit.arrays:
        return ()
    numbering = side.runnable.model.numbering
    return numbering.shapes[numbering.names_of(unit.arrays[role][0])[0]]


def rule(own: Unit, theirs: Unit, copied: bool) -> str:
    """Say how the arrays of one layer become those of the other."""
    text = "copied" if copied else RULES.get(own.kind.rstrip("123d"), "copied")
    for role, terms in own.arrays.items():
        others = theirs.arrays.get(role, terms)
        if len(terms) > len(others):
            text += f"; two of {role} are added"
        elif len(terms) < len(others):
            text += f"; of two of {role} the second is 0"
    return text


def round_trip(connection: Connection, values: Mapping[str, Array], weights: Mapping[str, Array]) -> dict[str, str]:
    """Transfer weights back, and return the arrays of the source that do not have the same bits again."""
    back = connection.back
    every = {name: weights.get(name, np.zeros(shape)) for name, shape in back.source.shapes.items()}
    returned = back.forward(every, {name: array.dtype for name, array in values.items()})
    changed = [name for name, array in returned.items() if array.tobytes() != values[name].tobytes()]
    if not changed:
        return {}
    origins = {name: connection.there.sources_of(name) for name in weights}
    found = {}
    for name in changed:
        images = [own for own, origin in origins.items() if name in origin]
        if any(len(origins[own]) > 1 for own in images):
            found[name] = "it is added to another"
        else:
            found[name] = f"it is rounded to {weights[images[0]].dtype}" if images else "it has no image"
    return found
