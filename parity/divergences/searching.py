"""Search the entries by the words of somebody who has a symptom: those that have all words, and the nearest."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from parity.caching import cached
from parity.divergences.catalogue import DIVERGENCES
from parity.divergences.entry import Divergence

CLAIM, TEXT, CODE = 3.0, 2.0, 1.0  # weights of a word in the name or the claim, in the explanation, in the code
LISTED = 5  # entries, with those that lack some of the words, if fewer have all

PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")  # of position_ids, of Conv1d
ENDING = re.compile(r"(?<=[a-z]{3})(?:[iy]?ing|ed|es|s|e|ation|ion)$")
OTHER_WORDS = {
    "batchnorm": "batch norm",
    "batchnorm1d": "batch norm",
    "bn": "batch norm",
    "eos": "end token",
    "groupnorm": "group norm",
    "layernorm": "layer norm",
    "mha": "multihead attention",
    "sdpa": "scaled dot product attention",
    "seqlens": "lengths",
}
EMPTY_WORDS = (
    "a after an and are as at be by do does for from get how i if in is it its my not of on or than the then to use "
    "used using what when why with working wrong"
)


@dataclass(frozen=True)
class Found:
    """The outcome of a search.

    Attributes:
        complete: entries that have all words, the nearest first.
        nearest: others, the nearest first; none where many have all words.
    """

    complete: tuple[Divergence, ...]
    nearest: tuple[Divergence, ...] = ()


def search(words: Iterable[str]) -> Found:
    """Find the entries that have all words, and those that have the rarest of them.

    >>> search(["BatchNorm statistics of padded steps"]).nearest[0].name
    'normalisation.batchnorm_on_padding'
    """
    given = list(words)
    scores = _scores(roots(" ".join(given)))
    ranked = sorted(DIVERGENCES.values(), key=lambda entry: -scores[entry.name])
    complete = tuple(entry for entry in ranked if entry.has(given))
    rest = [entry for entry in ranked if scores[entry.name] and entry not in complete]
    return Found(complete, tuple(rest[: max(0, LISTED - len(complete))]))


def roots(text: str) -> set[str]:
    """Return the roots of the words of a text: the parts of names, in lower case and without endings.

    >>> sorted(roots("the padded position_ids of Conv1d"))
    ['1', 'conv', 'd', 'ids', 'padd', 'posit']
    """
    words = [OTHER_WORDS.get(word.lower(), word) for word in re.findall(r"[A-Za-z0-9]+", text)]
    parts = {part.lower() for word in words for part in PARTS.findall(word)}
    return {ENDING.sub("", part.replace("iz", "is")) for part in parts.difference(EMPTY_WORDS.split())}


def _scores(sought: set[str]) -> dict[str, float]:
    """Add up, for each entry, the weights of the words that it has, each times how rare it is among the entries."""
    scores = dict.fromkeys(DIVERGENCES, 0.0)
    for root in sought:
        weights: dict[str, float] = {}
        for other, entries in _index().items():
            for name, weight in entries.items() if _alike(root, other) else ():
                weights[name] = max(weight, weights.get(name, 0.0))
        rarity = math.log(1 + len(DIVERGENCES) / max(1, len(weights)))
        for name, weight in weights.items():
            scores[name] += weight * rarity
    return scores


def _alike(one: str, other: str) -> bool:
    """Tell whether two roots are of one family: equal, or one begins with the other, as "padd" with "pad"."""
    shorter, longer = sorted((one, other), key=len)
    is_long = len(shorter) > 3 or (len(shorter) == 3 and len(longer) == 4)
    return one == other or (is_long and longer.startswith(shorter))


@cached()
def _index() -> dict[str, dict[str, float]]:
    """Return, for each root, the entries that have it, and its weight in them."""
    index: dict[str, dict[str, float]] = {}
    for name, entry in DIVERGENCES.items():
        code = " ".join(map(entry.code, entry.snippets))
        texts = {CODE: code, TEXT: f"{entry.why} {entry.instead}", CLAIM: f"{name} {entry.claim}"}
        for weight, text in texts.items():  # the largest weight last
            for root in roots(text):
                index.setdefault(root, {})[name] = weight
    return index
