"""Runs that only one record has, by what they have in common: a new operation is one line, and not four hundred."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from parity.diff.match import RUN, Key

SUBJECT = ("operation", "framework", "variant")
CAUSES: tuple[tuple[str, ...], ...] = (  # from the widest to the narrowest: what the other record has none of
    ("framework",),
    ("dtype",),
    ("mode",),
    ("contract",),
    ("operation",),
    SUBJECT,
    (*SUBJECT, "dtype"),
    (*SUBJECT, "contract"),
    ("operation", "case"),
)


def origins(keys: Sequence[Key], others: Iterable[Key]) -> list[tuple[str, int]]:
    """What explains that some runs are in one record only, and how many each explains; the largest first.

    Args:
        keys: of runs or checks that only one record has.
        others: all that the other record has.

    >>> lstm = ("rnn.lstm", "pytorch", "packed", "float32", "repeatable", "eager")
    >>> origins([(*lstm, "one_layer/ragged"), (*lstm, "one_layer/full")], [("rnn.gru", *lstm[1:], "one_layer/ragged")])
    [('operation rnn.lstm', 2)]
    """
    rest = list(others) if keys else []  # going through all of them takes a second
    known = {names: {_part(names, other) for other in rest} for names in CAUSES}
    counts = Counter(_origin(key, known) for key in keys)
    return counts.most_common()


def _origin(key: Key, known: dict[tuple[str, ...], set[Key]]) -> str:
    for names in CAUSES:
        part = _part(names, key)
        if all(part) and part not in known[names]:
            return _said(names, part)
    operation, framework, variant, dtype, contract, *_ = key
    return f"cases of {operation} {framework}.{variant}, {contract}, {dtype}"


def _part(names: tuple[str, ...], key: Key) -> Key:
    """Some fields of a key; of a check, mode and case are empty."""
    fields = dict(zip(RUN, key, strict=False))
    return tuple(fields.get(name, "") for name in names)


def _said(names: tuple[str, ...], part: Key) -> str:
    if names[:3] == SUBJECT:
        operation, framework, variant, *more = part
        return ", ".join([f"{operation} {framework}.{variant}", *more])
    return " ".join(part) if len(names) > 1 else f"{names[0]} {part[0]}"
