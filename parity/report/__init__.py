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
from parity.operations import OPERATIONS
from parity.report.files import FOLDER, writable, write
from parity.report.reading import read
from parity.report.record import current, failed, record, verdict

__all__ = ["FOLDER", "add", "current", "failed", "read", "record", "verdict", "writable", "write"]


def add(folder: str | Path, parts: Mapping[str, Any], frameworks: dict[str, dict[str, Any]], seed: int) -> list[Path]:
    """Add faults or a sweep to the report in a folder; to a new one, if none of the same versions is there.

    A sweep takes the place of an earlier one of the same operations and dtypes; what that found of others stays.

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
    there = earlier if same else begun
    if there["sweep"] and "sweep" in parts:
        parts = {**parts, "sweep": _joined(there["sweep"], parts["sweep"])}
    return write({**there, **parts}, folder)


def _joined(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    """Two sweeps as one. Of what both have tried, the later counts."""
    again = {(row["operation"], row["dtype"]) for row in later["rows"]}
    rows, failures = (
        [*(of for of in earlier[name] if (of["operation"], of["dtype"]) not in again), *later[name]]
        for name in ("rows", "failures")
    )
    places = {name: place for place, name in enumerate(OPERATIONS)}
    rows.sort(key=lambda row: (places.get(row["operation"], len(places)), row["wing"], row["dtype"]))
    counts = {name: sum(row[name] for row in rows) for name in ("checks", "failed")}
    return {**later, **counts, "failures": failures, "rows": rows}
