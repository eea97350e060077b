"""Watch what a run changes in its process: random generators, warnings, floating-point settings."""

from __future__ import annotations

import os
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

SMALLEST = sys.float_info.min

Readers = dict[str, Callable[[], Any]]  # name of a setting -> how to read it
PYTHONS_GENERATOR = "random state of Python"

# Of warnings, Python's own categories only: a library that is imported on its first use may add filters of its own.
OF_PYTHON: Readers = {
    PYTHONS_GENERATOR: random.getstate,
    "random state of NumPy": lambda: [bytes(part) if isinstance(part, np.ndarray) else part for part in _numpy_state()],
    "floating-point errors of NumPy": np.geterr,
    "filters of warnings": lambda: [one for one in warnings.filters if one[2].__module__ == "builtins"],
    "environment variables": lambda: dict(os.environ),
    "limit of recursion": sys.getrecursionlimit,
    "denormal numbers": lambda: SMALLEST / 2 > 0,
}

UNWATCHED: set[str] = set()  # settings that other threads of this process change meanwhile


def _numpy_state() -> Any:
    return np.random.get_state()


class Watch:
    """The settings of the process that one run changes.

    Attributes:
        readers: how to read each setting.
        changed: names of those that the run changed.
    """

    def __init__(self, readers: Readers) -> None:
        unread: Readers = dict.fromkeys(UNWATCHED, str)
        self.readers = {**OF_PYTHON, **readers, **unread}
        self.changed: list[str] = []

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Compare all settings before and after a run that raises nothing."""
        before = {name: read() for name, read in self.readers.items()}
        yield
        self.changed = [name for name, read in self.readers.items() if read() != before[name]]
