"""Describe wrong input: which argument, what was received, what was expected."""

from __future__ import annotations

import difflib
import math
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any, TypeVar

Kind = TypeVar("Kind")

# Of a terminal: colours and movements of the cursor, links and titles, and the choice of a character set.
ESCAPE_CODES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[(-/].)")

MOST = 2**31  # numbers in one array: more would not fit into memory, with their gradients and copies
SHOWN, LONGEST = 80, 300  # characters of a value, and of anything that was received
FEW = 6  # names that a message lists completely
FEWEST = 3  # letters that a name is searched for
SUGGESTIONS = 3  # names that a message lists out of more
INTERRUPTS = KeyboardInterrupt, GeneratorExit  # end what runs; whatever else foreign code raises is a result


class InputError(ValueError):
    """An argument is wrong; raised before any framework is called.

    The message is one line: the argument, what was received, what was expected.
    """

    def __init__(self, argument: str, received: object, expected: str) -> None:
        self.argument = argument
        super().__init__(argument, received, expected)

    def __str__(self) -> str:
        argument, received, expected = self.args
        return printable(" ".join(f"{argument}: got {_cut(str(received), LONGEST)}, expected {expected}".split()))


class FrameworkUnavailable(RuntimeError):
    """A framework cannot be loaded here; the message says why and how to install it."""


class NotWritten(RuntimeError):
    """A report cannot be written any more, as on a full disk; the message says where and why."""

    def __init__(self, folder: object, error: OSError) -> None:
        self.error = error
        super().__init__(f"the report could not be written to {shown(str(folder))}: {cause(error)}")


def shown(value: object) -> str:
    """Return a value as one line of at most 80 characters.

    >>> shown("pytroch"), shown({1: [2.0]}), len(shown(list(range(1000))))
    ("'pytroch'", '{1: [2.0]}', 80)
    """
    try:
        text = re.sub(" at 0x[0-9a-f]+", "", " ".join(repr(value).split()))
    except INTERRUPTS:
        raise
    except BaseException:  # some objects have no repr, such as an integer of 5000 digits
        text = f"an object of type {type(value).__name__}"
    return _cut(text, SHOWN)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 2]} …"


def choose(argument: str, received: object, known: Iterable[str]) -> str:
    """Return ``received`` if it is one of ``known``; otherwise raise and suggest the nearest.

    >>> choose("framework", "pytorch", ["pytorch", "tensorflow"])
    'pytorch'
    >>> choose("framework", "pytroch", ["pytorch", "tensorflow"])
    Traceback (most recent call last):
    parity.errors.InputError: framework: got 'pytroch', expected 'pytorch' (nearest of: pytorch, tensorflow)
    """
    known = list(known)
    if isinstance(received, str) and received in known:
        return received
    raise InputError(argument, shown(received), _suggested(received, known))


def _suggested(received: object, known: Sequence[str]) -> str:
    """Return the nearest names; all of them if they are few, three of them if they are many.

    >>> _suggested("step_12", [f"step_{index}" for index in range(10)])
    "'step_2', 'step_1' or 'step_9' (nearest of 10)"
    >>> _suggested(None, [f"step_{index}" for index in range(10)])
    'one of 10 names, e.g. step_0, step_1, step_2'
    """
    nearest = _nearest(received[:SHOWN], known) if isinstance(received, str) else []
    if len(known) <= FEW:
        every = ", ".join(known)
        return f"{nearest[0]!r} (nearest of: {every})" if nearest else f"one of: {every}"
    if not nearest:
        return f"one of {len(known)} names, e.g. {', '.join(known[:SUGGESTIONS])}"
    first, *others = (repr(name) for name in nearest)
    suggestions = f"{', '.join([first, *others[:-1]])} or {others[-1]}" if others else first
    return f"{suggestions} (nearest of {len(known)})"


def _nearest(received: str, known: Sequence[str]) -> list[str]:
    """Return a few names that are similar, or have the received text in them, the most similar first.

    >>> _nearest("lstm", ["rnn.gru", "rnn.lstm", "bidirectional.lstm"])
    ['rnn.lstm', 'bidirectional.lstm']
    """
    similar = difflib.get_close_matches(received, known, n=SUGGESTIONS, cutoff=0.5)
    containing = [name for name in known if len(received) >= FEWEST and received.lower() in name.lower()]
    return list(dict.fromkeys([*similar[:1], *sorted(containing, key=len), *similar]))[:SUGGESTIONS]


def choose_all(argument: str, received: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return the chosen names, each once; a topic chooses all names that begin with it.

    >>> choose_all("operation", ["rnn", "loss.ctc"], ["rnn.gru", "rnn.lstm", "loss.ctc", "loss.mse"])
    ['rnn.gru', 'rnn.lstm', 'loss.ctc']
    """
    known = list(known)
    chosen: list[str] = []
    for name in received:
        of_topic = [operation for operation in known if operation.startswith(f"{name}.")]
        chosen += of_topic or [choose(argument, name, known)]
    return list(dict.fromkeys(chosen))


def reasons(argument: str, received: object, known: Iterable[str]) -> dict[str, str]:
    """Return the reasons in ``received`` by name, if the names are known.

    >>> reasons("expected_failures", {"repeatable": "it is random"}, ["repeatable"])
    {'repeatable': 'it is random'}
    """
    given = of_kind(argument, received or {}, Mapping, "reasons by the names of contracts")
    known = list(known)
    for name, why in given.items():
        choose(argument, name, known)
        if not of_kind(argument, why, str, "reasons in words").strip():
            raise InputError(argument, f"{shown(why)} for {name!r}", "a reason in words")
    return dict(given)


def whole_number(argument: str, received: Any, least: int = 0, most: int | None = None) -> int:
    """Return ``received`` if it is a whole number from ``least`` to ``most``."""
    import numpy as np  # here, so that a NumPy that does not load can be reported

    whole = isinstance(received, int | np.integer) and not isinstance(received, bool | np.timedelta64)
    number = int(received) if whole else least - 1
    if number < least or (most is not None and number > most):
        limits = f"of {least} or more" if most is None else f"from {least} to {most}"
        raise InputError(argument, shown(received), f"a whole number {limits}")
    return number


def finite(argument: str, received: object, expected: str) -> float:
    """Return ``received`` as a float, if it is a finite number."""
    try:
        number = float(received) if isinstance(received, Real) else math.nan
    except (OverflowError, TypeError):  # an integer beyond the largest float; a NumPy duration, which is a Real
        number = math.nan
    if not math.isfinite(number):
        raise InputError(argument, shown(received), expected)
    return number


def seconds(argument: str, received: object) -> float:
    """Return ``received`` as a float, if it is a time above 0."""
    expected = "a number of seconds above 0"
    number = finite(argument, received, expected)
    if number <= 0:
        raise InputError(argument, shown(received), expected)
    return number


def of_kind(argument: str, received: object, kind: type[Kind] | tuple[type[Kind], ...], expected: str) -> Kind:
    if not isinstance(received, kind):
        raise InputError(argument, shown(received), expected)
    return received


def a_function(argument: str, received: object) -> Callable[..., Any]:
    if not callable(received):
        raise InputError(argument, shown(received), "something that can be called")
    return received


def name_of(function: object) -> str:
    """Return the name of a function, or else of its type, as one printable line.

    >>> name_of(len), name_of(object())
    ('len', 'object')
    """
    try:
        name = function.__name__  # type: ignore[attr-defined]
    except INTERRUPTS:
        raise
    except BaseException:  # ``__getattr__`` of a foreign class is foreign code
        name = None
    return first_lines(name if isinstance(name, str) else type(function).__name__) or "unnamed"


def fits(argument: str, *sizes: int) -> None:
    """Check that an array of these sizes can exist, though not necessarily on this machine."""
    if math.prod(sizes) > MOST:
        extent = " x ".join(map(shown, sizes))
        raise InputError(argument, f"{extent} numbers", f"at most {MOST} in one array")


def listed(argument: str, received: Any, expected: str) -> list[Any]:
    """Return the items of ``received`` as a list, if it can be iterated over."""
    try:
        return list(received)
    except TypeError:
        raise InputError(argument, shown(received), expected) from None


def each(argument: str, received: Any, kind: type[Kind]) -> list[Kind]:
    """Return the items of ``received``, if it can be iterated over and all are of one kind."""
    expected = f"a list of {kind.__name__}"
    return [of_kind(argument, item, kind, expected) for item in listed(argument, received, expected)]


def names(argument: str, received: Any) -> list[str]:
    """Return the names in a collection, each once; a single string is not accepted.

    >>> names("dtypes", (name for name in ("float32", "float64")))
    ['float32', 'float64']
    """
    expected = "a list of names"
    if isinstance(received, str):
        raise InputError(argument, shown(received), expected)
    found = listed(argument, received, expected)
    if not all(isinstance(name, str) for name in found):
        raise InputError(argument, shown(received if isinstance(received, Collection) else found), expected)
    return list(dict.fromkeys(found))


def file_name(argument: str, received: object) -> Path:
    if not isinstance(received, str | os.PathLike) or not str(received):
        raise InputError(argument, shown(received), "the name of a file or a folder")
    return Path(received)


def plain_array(argument: str, received: object) -> Any:
    """Return ``received`` as an array of numbers."""
    import numpy as np

    try:
        array = np.asarray(received)
    except Exception as error:  # a tensor raises errors of its own: it needs a gradient, or is on another device
        ragged = isinstance(error, ValueError) and "inhomogeneous" in str(error)
        cause = f"{type(received).__name__} ({first_lines(str(error))})"
        description = "rows of unequal lengths" if ragged else cause
        raise InputError(argument, description, "a rectangular array of numbers") from error
    if array.dtype.kind not in "biuf" and array.dtype.name != "bfloat16":
        description = f"dtype {array.dtype}" if isinstance(received, np.ndarray) else shown(received)
        raise InputError(argument, description, "an array of numbers")
    return array


def without_colours(text: str) -> str:
    """Return a text without the escape codes of a terminal, which Keras puts into its messages.

    >>> without_colours(chr(27) + "[1mException" + chr(27) + "[0m, see " + chr(27) + "]8;;url" + chr(7) + "here")
    'Exception, see here'
    """
    return ESCAPE_CODES.sub("", text)


def message_of(error: BaseException) -> str:
    """Return an exception's name and message, even if its ``str`` raises."""
    try:
        return without_colours(f"{type(error).__name__}: {error}")
    except INTERRUPTS:
        raise
    except BaseException as another:  # ``__str__`` of a foreign class is foreign code
        return f"{type(error).__name__}, whose message raised {type(another).__name__}"


def cause(error: Exception) -> str:
    """Return why a file cannot be read or written, without its name."""
    return first_lines(getattr(error, "strerror", None) or str(error))


def first_lines(text: str) -> str:
    """Return the first three lines of a message as one printable line, 300 characters at most."""
    lines = [" ".join(line.split()) for line in without_colours(text).splitlines() if line.strip()]
    return printable(" ".join(lines[:3])[:300])


def printable(text: str) -> str:
    """Escape characters that move the cursor, change colours or direction, or are half a character.

    >>> printable("naïve") == "naïve", printable(chr(27) + "[31m") == repr(chr(27))[1:-1] + "[31m"
    (True, True)
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
