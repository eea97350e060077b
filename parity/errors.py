"""What a user is told when an input is wrong: which argument, what came, what was expected."""

from __future__ import annotations

import difflib
import math
import os
import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence, Set
from functools import partial
from numbers import Real
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

Kind = TypeVar("Kind")

MOST = 2**31  # numbers in one array: more would not fit into memory, with their gradients and copies
SHOWN = 80  # characters of a value
MANY = 50  # names, when all that are known are listed


class InputError(ValueError):
    """An argument is wrong, in one line: which, what came, what was expected. Raised before any framework is called."""

    def __init__(self, argument: str, came: object, expected: str) -> None:
        self.argument = argument
        super().__init__(argument, came, expected)

    def __str__(self) -> str:
        argument, came, expected = self.args
        return " ".join(f"{argument}: got {came}, expected {expected}".split())


class FrameworkUnavailable(RuntimeError):
    """A framework cannot be loaded here; the message says why and how to install it."""


class NotWritten(RuntimeError):
    """A report cannot be written any more, as on a full disk; the message says where and why."""

    def __init__(self, folder: object, error: OSError) -> None:
        self.error = error
        super().__init__(f"the report could not be written to {str(folder)!r}: {error.strerror or error}")


def shown(came: object) -> str:
    """A value for a message: in one line, and not for pages.

    >>> shown("pytroch"), shown(np.eye(2)), len(shown(list(range(1000))))
    ("'pytroch'", 'array([[1., 0.], [0., 1.]])', 80)
    """
    try:
        text = re.sub(" at 0x[0-9a-f]+", "", " ".join(repr(came).split()))
    except Exception:  # of some objects there is no repr, of a whole number with 5000 digits for one
        text = f"an object of type {type(came).__name__}"
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 2]} …"


def choose(argument: str, came: object, known: Iterable[str]) -> str:
    """Return ``came`` if it is one of ``known``; else raise and name the nearest right one.

    >>> choose("framework", "pytorch", ["pytorch", "tensorflow"])
    'pytorch'
    >>> choose("framework", "pytroch", ["pytorch", "tensorflow"])
    Traceback (most recent call last):
    parity.errors.InputError: framework: got 'pytroch', expected 'pytorch' (nearest of: pytorch, tensorflow)
    """
    known = list(known)
    if isinstance(came, str) and came in known:
        return came
    nearest = difflib.get_close_matches(came[:SHOWN], known, n=1, cutoff=0.5) if isinstance(came, str) else []
    options = ", ".join(known[:MANY]) + (f" and {len(known) - MANY} more" if len(known) > MANY else "")
    expected = f"{nearest[0]!r} (nearest of: {options})" if nearest else f"one of: {options}"
    raise InputError(argument, shown(came), expected)


def choose_all(argument: str, came: Iterable[str], known: Iterable[str]) -> list[str]:
    """Names among ``known``, each once; a topic, what stands before the dot, is all names that begin with it.

    >>> choose_all("operation", ["rnn", "loss.ctc"], ["rnn.gru", "rnn.lstm", "loss.ctc", "loss.mse"])
    ['rnn.gru', 'rnn.lstm', 'loss.ctc']
    """
    known = list(known)
    found: list[str] = []
    for name in came:
        of_topic = [one for one in known if one.startswith(f"{name}.")]
        found += of_topic or [choose(argument, name, known)]
    return list(dict.fromkeys(found))


def whole_number(argument: str, came: object, least: int = 0, most: int | None = None) -> int:
    """Return ``came`` if it is a whole number, at least ``least`` and at most ``most``."""
    whole = isinstance(came, int | np.integer) and not isinstance(came, bool | np.timedelta64)
    number = int(came) if whole else least - 1  # type: ignore[call-overload]
    if number < least or (most is not None and number > most):
        limits = f"of {least} or more" if most is None else f"from {least} to {most}"
        raise InputError(argument, shown(came), f"a whole number {limits}")
    return number


def finite(argument: str, came: object, expected: str) -> float:
    """Return ``came`` as a float, if it is a finite number."""
    try:
        number = float(came) if isinstance(came, Real) else math.nan
    except (OverflowError, TypeError):  # floats have a largest number, whole ones have none; NumPy's durations are Real
        number = math.nan
    if not math.isfinite(number):
        raise InputError(argument, shown(came), expected)
    return number


def of_kind(argument: str, came: object, kind: type[Kind] | tuple[type[Kind], ...], expected: str) -> Kind:
    """Return ``came`` if it is of a kind."""
    if not isinstance(came, kind):
        raise InputError(argument, shown(came), expected)
    return came


def a_function(argument: str, came: object) -> Callable[..., Any]:
    """Return ``came`` if it can be called; wrapped if it cannot be hashed, for runs are remembered by it."""
    if not callable(came):
        raise InputError(argument, shown(came), "something that can be called")
    return came if isinstance(came, Hashable) else partial(came)


def fits(argument: str, *sizes: int) -> None:
    """Whether an array of these sizes can be made at all. If it can, it may still be too large for this machine."""
    if math.prod(sizes) > MOST:
        extent = " x ".join(map(shown, sizes))
        raise InputError(argument, f"{extent} numbers", f"at most {MOST} in one array")


def listed(argument: str, came: Any, expected: str) -> list[Any]:
    """What ``came`` gives when it is iterated over."""
    try:
        return list(came)
    except TypeError:
        raise InputError(argument, shown(came), expected) from None


def names(argument: str, came: object) -> list[str]:
    """Return ``came`` if it is a collection of names, and not one bare name, each name once."""
    given: Any = came if isinstance(came, Sequence | Set | Mapping) and not isinstance(came, str) else [None]
    if not all(isinstance(name, str) for name in given):
        raise InputError(argument, shown(came), "a list of names")
    return list(dict.fromkeys(given))


def file_name(argument: str, came: object) -> Path:
    """``came`` as a path."""
    if not isinstance(came, str | os.PathLike):
        raise InputError(argument, shown(came), "the name of a file or a folder")
    return Path(came)


def plain_array(argument: str, came: object) -> Any:
    """``came`` as an array of numbers."""
    try:
        array = np.asarray(came)
    except Exception as error:  # a tensor may refuse in its own words: it needs a gradient, or is on another device
        ragged = isinstance(error, ValueError) and "inhomogeneous" in str(error)
        said = "rows of unequal lengths" if ragged else f"{type(came).__name__} ({first_lines(str(error))})"
        raise InputError(argument, said, "a rectangular array of numbers") from error
    if array.dtype.kind not in "biuf" and array.dtype.name != "bfloat16":
        said = f"dtype {array.dtype}" if isinstance(came, np.ndarray) else shown(came)
        raise InputError(argument, said, "an array of numbers")
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
