"""Divide tasks among several machines: each runs one shard, and all shards together are the whole selection.

The shards depend only on what is selected. So each machine finds the same ones by itself.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from parity.errors import InputError, shown

PATTERN = re.compile("([1-9][0-9]{0,3})/([1-9][0-9]{0,3})", re.ASCII)
EXPECTED = 'a number and how many there are, such as "2/5" for the second of five'
TOLERANCE = 1e-6  # of rounding


class Divisible(Protocol):
    """A task, or something else to divide. It is hashable, and its text tells it from all others."""

    @property
    def group_key(self) -> tuple[str, ...]:
        """Return the key of those that should stay together."""

    @property
    def cost(self) -> float:
        """Estimate the seconds that it takes."""


T = TypeVar("T", bound=Divisible)


@dataclass(frozen=True)
class Shard:
    """One of so many parts of a selection; the first has the number 1.

    >>> print(Shard(2, 5))
    2/5
    """

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


def parse_shard(argument: str, text: str) -> Shard:
    """Return the shard that a text such as "2/5" names.

    Raises:
        InputError: it is of another form, or the number is above the count.

    >>> parse_shard("shard", "2/5")
    Shard(number=2, count=5)
    """
    match = PATTERN.fullmatch(text)
    if not match or int(match[1]) > int(match[2]):
        raise InputError(argument, shown(text), EXPECTED)
    return Shard(int(match[1]), int(match[2]))


class Division:
    """Divides tasks into shards of about equal cost. What is added later evens out what earlier tasks left.

    Tasks of a group stay in one shard. A group that costs more than a shard's share is cut into parts that do not.
    """

    def __init__(self, count: int) -> None:
        self._seconds = [0.0] * count

    def add(self, tasks: Iterable[T]) -> dict[T, int]:
        """Return the number of the shard of each task, from 1, whatever order the tasks have."""
        costs = {task: task.cost for task in tasks}
        share = math.fsum(costs.values()) / len(self._seconds)
        whole = sorted(groups(costs), key=lambda group: group[0].group_key)
        parts = [part for group in whole for part in _cut(sorted(group, key=str), costs, share)]
        parts_and_costs = [(part, math.fsum(map(costs.__getitem__, part))) for part in parts]
        numbers: dict[T, int] = {}
        for part, cost in sorted(parts_and_costs, key=lambda one: one[1], reverse=True):
            least = self._seconds.index(min(self._seconds))
            self._seconds[least] += cost
            numbers |= dict.fromkeys(part, least + 1)
        return numbers


def groups(tasks: Iterable[T]) -> list[list[T]]:
    """Group the tasks that share work."""
    by_key: dict[tuple[str, ...], list[T]] = {}
    for task in tasks:
        by_key.setdefault(task.group_key, []).append(task)
    return list(by_key.values())


def _cut(group: list[T], costs: Mapping[T, float], share: float) -> list[list[T]]:
    """Cut a group that costs more than a share into parts of about equal cost, each in order."""
    total = math.fsum(map(costs.__getitem__, group))
    if total <= share * (1 + TOLERANCE):
        return [group]
    count = math.ceil(total / share)
    parts: list[list[T]] = [[] for _ in range(count)]
    before = 0.0
    for task in group:
        middle = before + costs[task] / 2
        parts[min(int(middle / total * count), count - 1)].append(task)
        before += costs[task]
    return [part for part in parts if part]


def selection_key(tasks: Iterable[object]) -> str:
    """Return a key that two selections share if they have the same tasks.

    >>> selection_key(["a", "b"]) == selection_key(["b", "a"]), selection_key(["a"]) == selection_key(["b"])
    (True, False)
    """
    names = "\n".join(sorted({str(task) for task in tasks}))
    return hashlib.sha256(names.encode(errors="backslashreplace")).hexdigest()[:16]
