"""Leave out tests that take long, unless the run is a full one: `conftest.py` skips what bears the mark."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest

full_run = pytest.mark.full_run


def some(names: Iterable[str], slow: Collection[str]) -> list[Any]:
    """Return names to try, those of slow ones in a full run only."""
    return [pytest.param(name, marks=full_run) if name in slow else name for name in names]


def every_other(names: Iterable[str]) -> list[Any]:
    """Return names to try, the second, the fourth and so on in a full run only."""
    listed = list(names)
    return some(listed, listed[1::2])
