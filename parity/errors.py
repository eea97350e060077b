"""What a user is told when an input is wrong: which argument, what came, what was expected."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np


class InputError(ValueError):
    """An argument is wrong. Raised before any framework is called."""

    def __init__(self, argument: str, came: object, expected: str) -> None:
        self.argument = argument
        super().__init__(f"{argument}: got {came}, expected {expected}")


class WingUnavailable(RuntimeError):
    """A framework cannot be loaded here; the message says why and how to install it."""


class NotWritten(RuntimeError):
    """A report cannot be written any more, as on a full disk; the message says where and why."""

    def __init__(self, folder: object, error: OSError) -> None:
        super().__init__(f"the report could not be written to {str(folder)!r}: {error.strerror or error}")


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


def whole_number(argument: str, came: object, least: int = 0) -> int:
    """Return ``came`` if it is a whole number, at least ``least``."""
    if isinstance(came, bool) or not isinstance(came, int | np.integer) or came < least:
        raise InputError(argument, repr(came), f"a whole number of {least} or more")
    return int(came)


def names(argument: str, came: object) -> list[Any]:
    """Return ``came`` if it is a collection of names, and not one bare name, each name once."""
    if isinstance(came, str) or not isinstance(came, Collection):
        raise InputError(argument, repr(came), "a list of names")
    return list(dict.fromkeys(came))


def plain_array(argument: str, came: object) -> Any:
    """``came`` as an array of numbers."""
    try:
        array = np.asarray(came)
    except ValueError as error:
        raise InputError(argument, "rows of unequal lengths", "a rectangular array") from error
    if array.dtype.kind not in "biuf" and array.dtype.name != "bfloat16":
        raise InputError(argument, f"{type(came).__name__} of dtype {array.dtype}", "an array of numbers")
    return array


def told(error: BaseException) -> str:
    """An exception's name and message, whatever its class makes of ``str``."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception as another:  # a message of its own is code, too
        return f"{type(error).__name__}, whose message raised {type(another).__name__}"


def first_lines(text: str) -> str:
    """The beginning of what a framework said, which may go on for pages, in one line that a terminal can print."""
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    return printable(" ".join(lines[:3])[:300])


def printable(text: str) -> str:
    """What moves the cursor, colours the screen, turns the direction of reading or is half a character, as escapes.

    >>> printable("naïve") == "naïve", printable(chr(27) + "[31m") == repr(chr(27))[1:-1] + "[31m"
    (True, True)
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
