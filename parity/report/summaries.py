"""What a divergence comes to in one line: what each framework gives, where that is short, or else why."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

SHORT = 240  # characters: two lines of the page


def gist(entry: Mapping[str, Any]) -> str:
    """A line under the claim of an entry that is folded away.

    Args:
        entry: of the record's ``divergences``.

    Returns:
        What each framework gave in this run; where that is long, or nothing, the first sentence of ``why``.

    >>> gave = {framework: {"today": {"loss": value}} for framework, value in (("pytorch", "NaN"), ("tensorflow", "0"))}
    >>> gist({"frameworks": gave, "why": "There is nothing to average. It is 0 / 0."})
    'pytorch: loss = NaN; tensorflow: loss = 0'
    >>> gist({"frameworks": dict.fromkeys(gave, gave["pytorch"]), "why": ""})
    'pytorch and tensorflow: loss = NaN'
    >>> gist({"frameworks": {"pytorch": {"today": {}}}, "why": "There is nothing to average. It is 0 / 0."})
    'There is nothing to average.'
    """
    gave: dict[str, list[str]] = {}  # what alike frameworks give is told once
    for framework, tried in entry["frameworks"].items():
        if tried["today"]:
            gave.setdefault(_values(tried["today"]), []).append(framework)
    said = "; ".join(f"{' and '.join(frameworks)}: {values}" for values, frameworks in gave.items())
    return said if said and len(said) <= SHORT else _first_sentence(str(entry["why"]))


def _values(today: Mapping[str, str]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in today.items())


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=[.?!])\s+(?=[A-Z`])", text.strip(), maxsplit=1)[0]
