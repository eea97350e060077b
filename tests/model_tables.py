"""The rows of the tables of good and bad models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

ANYWHERE = {"layouts": ["left", "holes"]}


class Good(NamedTuple):
    """A model that keeps what the layouts ask for."""

    make: Callable[[], Any]
    inputs: Any
    options: dict[str, Any] = {}  # noqa: RUF012 - it is not written to


class Bad(NamedTuple):
    """A model with a mistake: the contract that fails first, and the layer at or before which it shows."""

    make: Callable[[], Any]
    inputs: Any
    breaks: str
    layer: str
    options: dict[str, Any] = {}  # noqa: RUF012 - it is not written to
