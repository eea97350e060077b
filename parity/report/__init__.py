"""Results -> report.json, which is the record, and report.md and index.html, which are views of it.

>>> from parity import report
>>> nothing = report.record([], {}, seed=0, seconds=0.0, planned=0, checked=0)
>>> report.verdict(nothing), report.failed(nothing)
('nothing was compared, which is a failure (0 expected failures, 0 skipped)', True)
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parity.errors import InputError
from parity.mutants import MUTANTS
from parity.operations import OPERATIONS
from parity.report.environment import versions
from parity.report.ordering import index
from parity.report.reading import read
from parity.report.record import current, failed, record, verdict
from parity.report.storage import FOLDER, RECORD, writable, write

__all__ = ["FOLDER", "add", "current", "failed", "read", "record", "room_for_more", "verdict", "writable", "write"]


def add(folder: str | Path, parts: Mapping[str, Any], frameworks: dict[str, dict[str, Any]], seed: int) -> list[Path]:
    """Add mutants or a sweep to the report in a folder; to a new one, if none of the same versions is there.

    What was tried again replaces what is there, mutants by name, a sweep by operation and dtype; all else stays.

    Args:
        folder: with a report.json, or without.
        parts: "mutants" or "sweep", as `record` takes them.
        frameworks, seed: as for `record`.

    Returns:
        The files.

    Raises:
        NotWritten: they cannot be written.
    """
    begun = record([], frameworks, seed=seed, seconds=0.0, planned=0, checked=0)
    try:
        earlier = read(folder)
    except InputError:  # no report, or one that cannot be read
        earlier = begun
    there = earlier if _of_these_versions(earlier) else begun
    added = dict(parts)
    if there["sweep"] and "sweep" in parts:
        added["sweep"] = _joined(there["sweep"], parts["sweep"])
    if "mutants" in parts:
        again = {mutant["name"] for mutant in parts["mutants"]}
        both = [*(mutant for mutant in there["mutants"] if mutant["name"] not in again), *parts["mutants"]]
        added["mutants"] = sorted(both, key=lambda mutant: index(MUTANTS, mutant["name"]))
    return write({**there, **added}, folder)


def room_for_more(folder: str | Path, argument: str = "output") -> None:
    """Make sure, before the work, that something can be added to the report in a folder, and nothing is lost by it.

    Raises:
        InputError: it cannot be written, or what is there is no report or one of other versions.
    """
    writable(folder, argument)
    if not (Path(folder) / RECORD).exists():
        return
    try:
        same = _of_these_versions(read(folder))
    except InputError as error:
        raise InputError(
            argument, repr(str(folder)), f"a folder without a report, or with a whole one ({error})"
        ) from error
    if not same:
        came = f"{str(folder)!r}, whose report is of other versions"
        raise InputError(argument, came, "a folder with a report of the versions that are here, or with none")


def _of_these_versions(there: Mapping[str, Any]) -> bool:
    return bool(there["environment"]["versions"] == versions())


def _joined(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    """Two sweeps as one. Of what both have tried, the later counts."""
    again = {(row["operation"], row["dtype"]) for row in later["rows"]}
    rows, failures = (
        [*(of for of in earlier[name] if (of["operation"], of["dtype"]) not in again), *later[name]]
        for name in ("rows", "failures")
    )
    rows.sort(key=lambda row: (index(OPERATIONS, row["operation"]), row["framework"], row["dtype"]))
    counts = {name: sum(row[name] for row in rows) for name in ("checks", "failed")}
    return {**later, **counts, "failures": failures, "rows": rows}
