"""Where things stand, so that runs with any number of processes give the same record."""

from __future__ import annotations

from collections.abc import Iterable


def index(order: Iterable[str], name: str) -> int:
    """The place of a name in an order; behind all others when it is not there."""
    places = list(order)
    return places.index(name) if name in places else len(places)
