"""What a user is told when an input is wrong: which argument, what came, what was expected."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """An argument is wrong. Raised before any framework is called."""

    def __init__(self, argument: str, came: object, expected: str) -> None:
        self.argument = argument
        super().__init__(f"{argument}: got {came}, expected {expected}")


class WingUnavailable(RuntimeError):
    """A framework cannot be loaded here; the message says why and how to install it."""


def choose(argument: str, came: object, known: Iterable[str]) -> str:
    """Return ``came`` if it is one of ``known``; else raise and name the nearest right one.

    >>> choose("wing", "pytorch", ["pytorch", "tensorflow"])
    'pytorch'
    >>> choose("wing", "pytroch", ["pytorch", "tensorflow"])
    Traceback (most recent call last):
    parity.errors.InputError: wing: got 'pytroch', expected 'pytorch' (nearest of: pytorch, tensorflow)
    """
    known = list(known)
    if isinstance(came, str) and came in known:
        return came
    nearest = difflib.get_close_matches(str(came), known, n=1, cutoff=0.5)
    options = ", ".join(known)
    expected = f"{nearest[0]!r} (nearest of: {options})" if nearest else f"one of: {options}"
    raise InputError(argument, repr(came), expected)
