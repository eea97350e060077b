"""Pair the layers of two models by kind and sizes, in the order in which they are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from parity.pairs.observed import Agreement
from parity.pairs.pairing import Attempt, Group, Layers, Pairing
from parity.pairs.parallel import decide
from parity.pairs.units import PLAIN, Unit


def groups_of(source: Sequence[Unit], target: Sequence[Unit]) -> list[Group]:
    """Group units that may stand for each other: of one kind, of equal sizes, and alike otherwise if both tell.

    That is of one direction, with the same arrays, as not all may have a bias, and of the same formula.
    """
    found: dict[object, Group] = {}
    for side, units in enumerate((source, target)):
        for unit in units:
            found.setdefault((unit.kind, unit.size), ([], []))[side].append(unit)
    every = list(found.values())
    for alike in (lambda unit: unit.direction, lambda unit: frozenset(unit.arrays), _formula):
        every = [part for group in every for part in _parts(group, alike)]
    return every


def _formula(unit: Unit) -> str:
    return str(sorted(unit.formula.items(), key=str))


def _parts(group: Group, alike: Callable[[Unit], object]) -> list[Group]:
    """Split a group by what its units have in common, if both sides have as many of each."""
    counts = [Counter(map(alike, own)) for own in group]
    if counts[0] != counts[1] or len(counts[0]) < 2:
        return [group]
    own, theirs = group
    return [([u for u in own if alike(u) == one], [u for u in theirs if alike(u) == one]) for one in counts[0]]


def pair(source: Layers, target: Layers, units: Group, attempt: Attempt) -> Pairing:
    """Pair units.

    Layers that do not depend on each other may be called in any order. Where such layers are alike, the order of calls
    is tried: both models must give the same outputs. Then other orders and names are; if that decides nothing, the
    choice is left to the user.

    Args:
        source, target: all layers of both models.
        units: those that are to be paired.
        attempt: tells whether both models give the same outputs with some pairs, and how far they agree.
    """
    found = Pairing()
    groups = groups_of(*units)
    settled: list[tuple[Unit, Unit]] = []
    open_groups = []
    for own, theirs in groups:
        if own and theirs and (shared := _shared((source, target), (own, theirs))):
            settled += shared
        elif len(own) != len(theirs) or own[0].kind == PLAIN:
            found.left[0].extend(own)
            found.left[1].extend(theirs)
        elif len(own) > 1 and not (_one_layer(own) and _one_layer(theirs)):
            open_groups.append((own, theirs))
        else:
            settled += zip(own, theirs, strict=True)
    by_order = [couple for group in open_groups for couple in zip(*group, strict=True)]
    for side, layers in enumerate((source, target)):
        paired = [couple[side].numbers for couple in [*settled, *by_order]]
        gone = layers.runnable.model.numbering.mask(*paired)
        found.left[side][:] = [part for unit in found.left[side] for part in without(unit, gone)]
    _pair_plain(found, settled)
    agreed = attempt([*settled, *by_order])[0] if by_order else Agreement.WHOLE
    if agreed < Agreement.WHOLE:
        other = Pairing()
        couples = _in_blocks(source, target, open_groups, settled, other, attempt)
        is_better = agreed == Agreement.NONE or attempt([*settled, *couples])[0] == Agreement.WHOLE
        if is_better:  # else outputs have other names, or another order
            by_order, found.notes, found.questions = couples, found.notes + other.notes, other.questions
    found.pairs = [*settled, *by_order]
    return found


def _shared(layers: tuple[Layers, Layers], group: Group) -> list[tuple[Unit, Unit]]:
    """Pair one layer that is called several times with as many of the other side, which no weights make equal."""
    for number in (0, 1):
        own, others = group[number], group[1 - number]
        count = layers[number].observed.calls.get(own[0].path, 0)
        if len(own) == 1 < len(others) == count and own[0].kind != PLAIN:
            return [(own[0], one) if number == 0 else (one, own[0]) for one in others]
    return []


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
    attempt: Attempt,
) -> list[tuple[Unit, Unit]]:
    """Pair what depends on each other in the order of calls, and decide about the rest."""
    for side, layers in enumerate((source, target)):
        layers.find_dependents(unit for group in groups for unit in group[side])
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
    return [*certain, *decide(uncertain, [*settled, *certain], found, attempt)]


def without(unit: Unit, gone: npt.NDArray[np.bool_]) -> list[Unit]:
    """Return a unit, or plain parameters for its other arrays if some have a partner already, as tied ones do."""
    is_gone = {role: all(gone[term].all() for term in terms) for role, terms in unit.arrays.items()}
    if not any(is_gone.values()):
        return [unit]
    rest = {role: terms for role, terms in unit.arrays.items() if not is_gone[role]}
    return [Unit(f"{unit.path}: {role}", PLAIN, terms[0].shape, {role: terms}) for role, terms in rest.items()]
