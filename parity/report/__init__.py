"""Findings -> report.json, which is the record, and report.md and index.html, which are views of it.

>>> from parity import report
>>> nothing = report.record([], {}, seed=0, seconds=0.0, planned=0, checked=0)
>>> report.verdict(nothing), report.failed(nothing)
('nothing was compared, which is a failure (0 known refusals, 0 skipped)', True)
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parity.errors import InputError
from parity.report.files import FOLDER, writable, write
from parity.report.reading import read
from parity.report.record import current, failed, record, verdict

__all__ = ["FOLDER", "add", "current", "failed", "read", "record", "verdict", "writable", "write"]


def add(folder: str | Path, parts: Mapping[str, Any], frameworks: dict[str, dict[str, Any]], seed: int) -> list[Path]:
    """Add faults or a sweep to the report in a folder; to a new one, if none of the same versions is there.

    Args:
        folder: with a report.json, or without.
        parts: "faults" or "sweep", as `record` takes them.
        frameworks, seed: as for `record`.

    Returns:
        The files.
    """
    begun = record([], frameworks, seed=seed, seconds=0.0, planned=0, checked=0)
    try:
        earlier = read(folder)
    except InputError:  # no report, or one that cannot be read
        earlier = begun
    same = earlier["environment"]["versions"] == begun["environment"]["versions"]
    return write({**(earlier if same else begun), **parts}, folder)
