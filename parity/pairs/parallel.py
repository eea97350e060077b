"""Decide which of several like layers, none of which depends on another, stand for each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, permutations, product
from math import factorial

from parity.pairs.observed import Agreement
from parity.pairs.pairing import Attempt, Group, Pairing
from parity.pairs.units import Unit

MOST = 48  # choices that are tried
GENERAL = {"proj", "layer", "linear", "dense", "fc", "w", "lstm", "gru", "rnn", "conv", "weight", "cell"}

Couples = list[tuple[Unit, Unit]]


def decide(groups: Sequence[Group], settled: Sequence[tuple[Unit, Unit]], found: Pairing, attempt: Attempt) -> Couples:
    """Return the pairs with which both models give the same outputs, or else those with one name.

    What neither decides is put into the questions of ``found``, and paired in the order of calls for now.
    """
    if not groups:
        return []
    named = [by_names(*group) for group in groups]
    choices = [list(_choices(group, own)) for group, own in zip(groups, named, strict=True)]
    scores: list[tuple[int, Sequence[Couples]]] = []
    renamed: Sequence[Couples] | None = None
    for combination in islice(product(*choices), MOST):
        agreed, score = attempt([*settled, *(couple for chosen in combination for couple in chosen)])
        if agreed == Agreement.WHOLE:
            return _noted(combination, found, "paired as the outputs agree")
        renamed = combination if agreed and renamed is None else renamed
        scores.append((score, combination))
    if renamed is not None:
        return _noted(renamed, found, "paired as the outputs agree, in another order")
    scores.sort(key=lambda one: -one[0])
    if len(scores) > 1 and scores[0][0] > scores[1][0]:
        return _noted(scores[0][1], found, "paired as later layers receive the same")
    result: Couples = []
    for group, own in zip(groups, named, strict=True):
        if own is None:
            found.questions.append(group)
        else:
            _noted([own], found, "paired by name, as nothing else tells")
        result += own or list(zip(*group, strict=True))
    return result


def _noted(combination: Sequence[Couples], found: Pairing, why: str) -> Couples:
    found.notes += [f"{why}: {_listed(chosen)}" for chosen in combination]
    return [couple for chosen in combination for couple in chosen]


def _choices(group: Group, named: Couples | None) -> Iterator[Couples]:
    own, theirs = group
    if named is not None:
        yield named
    if factorial(len(own)) <= MOST:
        for order in permutations(theirs):
            couples = list(zip(own, order, strict=True))
            if named is None or {(id(a), id(b)) for a, b in couples} != {(id(a), id(b)) for a, b in named}:
                yield couples
    elif named is None:
        yield list(zip(own, theirs, strict=True))


def _listed(couples: Sequence[tuple[Unit, Unit]]) -> str:
    return ", ".join(f"`{own.name}` and `{theirs.name}`" for own, theirs in couples)


def by_names(own: Sequence[Unit], theirs: Sequence[Unit]) -> Couples | None:
    """Pair layers whose names allow one choice only; an abbreviation such as ``q`` or ``fwd`` is a name too."""
    words = [_distinguishing(units) for units in (own, theirs)]
    couples = []
    for unit, name in zip(own, words[0], strict=True):
        alike = [u for u, other in zip(theirs, words[1], strict=True) if _same_word(name, other)]
        if len(alike) != 1:
            return None
        couples.append((unit, alike[0]))
    return couples if len({id(u) for _, u in couples}) == len(theirs) else None


def _distinguishing(units: Sequence[Unit]) -> list[str]:
    """Return what of each name the others do not share."""
    parts = [_words(unit) for unit in units]
    shared = set.intersection(*map(set, parts)) | GENERAL
    return ["_".join(word for word in own if word not in shared) for own in parts]


def _words(unit: Unit) -> list[str]:
    text = "".join(letter if letter.isalnum() else " " for letter in f"{unit.path} {unit.direction}".lower())
    return text.split()


def _same_word(one: str, other: str) -> bool:
    """Tell whether a word is another, or abbreviates it: it begins with the same letter and leaves out some."""
    short, long = sorted((one, other), key=len)
    if not short or short[0] != long[0]:
        return False
    rest = iter(long)
    return all(letter in rest for letter in short)
