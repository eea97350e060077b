"""The record that stands in a file or a folder, or what a killed run left behind there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from parity.errors import InputError
from parity.report.journal import left_behind
from parity.report.record import current
from parity.report.storage import JOURNAL, RECORD


def read(place: str | Path) -> dict[str, Any]:
    """Read a record.

    Args:
        place: a report.json, or the folder of a report: what a run that was killed left there has more than its report.

    Returns:
        The record, as this version would have written it.

    Raises:
        InputError: there is none, or something is wrong in it; the message says what.
    """
    place = Path(place)
    if (place / JOURNAL).exists() or place.name == JOURNAL:
        return _unfinished(place if place.name == JOURNAL else place / JOURNAL)
    return _finished(place)


def _unfinished(journal: Path) -> dict[str, Any]:
    """What a killed run has found, in its own environment: that of the report beside, which it began with."""
    found = current(left_behind(journal))
    try:
        there = _finished(journal.with_name(RECORD))["environment"]
    except InputError:
        return found
    return {**found, "environment": there | {"frameworks": found["environment"]["frameworks"]}}


def _finished(place: Path) -> dict[str, Any]:
    try:
        text = (place / RECORD if place.is_dir() else place).read_text(encoding="utf-8")
        return current(json.loads(text, parse_constant=_no_number))
    except InputError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise InputError("record", repr(str(place)), f"a report.json written by parity ({error})") from error


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")
