"""Resolve the names of layers and arrays that a user gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from parity.errors import InputError, choose, of_kind, shown
from parity.pairs.connecting import composed
from parity.pairs.maps import Ids
from parity.pairs.pairing import Layers
from parity.pairs.units import PLAIN, Unit

Named = str | tuple[str, ...] | list[str]


def ignored(names: Iterable[str], *sides: Layers) -> list[Unit]:
    """Return the units, or single arrays, of all names on either side.

    Raises:
        InputError: a name that neither side has.
    """
    found: list[Unit] = []
    for name in names:
        own = [unit for side in sides for unit in units_of(side, name)]
        if not own:
            choose("ignore", name, [known for side in sides for known in known_names(side)])
        found += own
    return found


def explicit(pairs: Mapping[Named, Named], source: Layers, target: Layers) -> tuple[list[tuple[Unit, Unit]], list[str]]:
    """Return the units that a user has paired, and what is wrong with it.

    Raises:
        InputError: a name that a side does not have.
    """
    couples, problems = [], []
    for own, theirs in of_kind("pairs", pairs, Mapping, "a mapping of names: source to target").items():
        left, right = (_all(side, name) for side, name in ((source, own), (target, theirs)))
        if isinstance(own, tuple | list) or isinstance(theirs, tuple | list):
            several, one, is_source = (
                (left, right[0], True) if isinstance(own, tuple | list) else (right, left[0], False)
            )
            made = composed(several, one)
            if isinstance(made, str):
                problems.append(f"pairs={{{own!r}: {theirs!r}}}: {made}")
            else:
                couples.append((made, one) if is_source else (one, made))
        elif len(left) != len(right):
            problems.append(f"pairs={{{own!r}: {theirs!r}}}: {_counted(left)} here and {_counted(right)} there")
        else:
            couples += [_as_plain(*couple) for couple in zip(left, right, strict=True)]
    return couples, problems


def _as_plain(own: Unit, theirs: Unit) -> tuple[Unit, Unit]:
    """Take two single arrays of layers of different kinds as plain ones, if they have one shape."""
    terms = [next(iter(unit.arrays.values())) for unit in (own, theirs) if len(unit.arrays) == 1]
    single = len(terms) == 2 and all(len(each) == 1 for each in terms)
    if own.kind == theirs.kind != PLAIN or not single or terms[0][0].shape != terms[1][0].shape:
        return own, theirs
    left, right = (
        Unit(unit.path, PLAIN, each[0].shape, {"value": each}) for unit, each in zip((own, theirs), terms, strict=True)
    )
    return left, right


def _counted(units: Sequence[Unit]) -> str:
    return ", ".join(unit.described for unit in units)


def _all(side: Layers, name: Named) -> list[Unit]:
    found = []
    for one in [name] if isinstance(name, str) else name:
        of_kind("pairs", one, str, "names of layers or arrays")
        own = units_of(side, one)
        if not own:
            choose("pairs", one, known_names(side))
        found += own
    return found


def known_names(side: Layers) -> list[str]:
    """Return the names of all layers and arrays."""
    every = [*side.units, *side.unused]
    return list(dict.fromkeys([*(unit.path for unit in every if unit.path), *side.runnable.model.numbering.shapes]))


def units_of(side: Layers, name: str) -> list[Unit]:
    """Return the units of a layer, all of those inside of it, or one for an array; nothing if there is none.

    The end of a name is enough if nothing else ends so.

    Raises:
        InputError: several do.
    """
    of_kind("ignore", name, str, "the name of a layer or an array")
    every, separator = [*side.units, *side.unused], side.runnable.model.separator
    text = name.replace(".", separator).replace("/", separator)
    if exact := [unit for unit in every if text in (unit.path, unit.name) or name in (unit.path, unit.name)]:
        return exact
    if inside := [unit for unit in every if unit.path.startswith(text + separator)]:
        return inside
    numbering = side.runnable.model.numbering
    arrays = [own for own in numbering.shapes if own == text or own.endswith(separator + text)]
    paths = list(dict.fromkeys(unit.path for unit in every if unit.path.endswith(separator + text)))
    if len(arrays) + len(paths) > 1 and text not in arrays:
        raise InputError("pairs or ignore", shown(name), f"one of: {', '.join([*paths, *arrays][:4])}")
    if paths:
        return [unit for unit in every if unit.path == paths[0]]
    return [_single(every, arrays[0], numbering.ids(arrays[0]))] if arrays else []


def _single(every: Sequence[Unit], name: str, ids: Ids) -> Unit:
    """Return a unit for one array: in the layout of its layer's kind, if it is all of one role there."""
    for unit in every:
        for role, terms in unit.arrays.items():
            if len(terms) == 1 and unit.kind != PLAIN and np.array_equal(np.sort(terms[0], axis=None), ids.reshape(-1)):
                return Unit(name, f"{role} of {unit.kind}", terms[0].shape, {role: terms})
    return Unit(name, PLAIN, ids.shape, {"value": (ids,)})
