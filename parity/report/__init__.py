"""Findings -> report.json, which is the record, and report.md and index.html, which are views of it.

>>> from parity import report
>>> nothing = report.record([], {}, seed=0, seconds=0.0, planned=0, checked=0)
>>> report.verdict(nothing), report.failed(nothing)
('nothing was compared, which is a failure (0 known refusals, 0 skipped)', True)
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from parity.errors import InputError
from parity.report.record import current, failed, record, verdict

FOLDER = "parity-report"

__all__ = ["FOLDER", "add", "current", "failed", "record", "verdict", "writable", "write"]


def write(record: Mapping[str, Any], folder: str | Path) -> list[Path]:
    """Write report.json, report.md and the pages, replacing earlier ones whole or not at all.

    Args:
        record: from `record`, or read from a report.json and made `current`.
        folder: created when it is not there.

    Returns:
        The files.

    Raises:
        InputError: the folder cannot be written.
        ValueError: the record has a number that is not finite; strict JSON has no word for it.
    """
    from parity.report.html import book, html, planted
    from parity.report.markdown import markdown
    from parity.report.view import view

    seen = view(record)
    texts = {"report.json": _json(record), "report.md": markdown(seen), "index.html": html(seen)}
    if seen.divergences:
        texts["divergences.html"] = book(seen)
    if seen.faults:
        texts["faults.html"] = planted(seen)
    writable(folder)
    return [_replace(Path(folder) / name, text) for name, text in texts.items()]


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
        earlier = current(json.loads((Path(folder) / "report.json").read_text(encoding="utf-8")))
    except (OSError, ValueError):  # no report, or one that cannot be read
        earlier = begun
    same = earlier["environment"]["versions"] == begun["environment"]["versions"]
    return write({**(earlier if same else begun), **parts}, folder)


def writable(folder: str | Path) -> None:
    """Make sure that a report can be written, before the work that it shall report on.

    Raises:
        InputError: the folder cannot be created, or nothing can be written in it.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError("output", repr(str(folder)), f"a folder that can be written ({error.strerror})") from error


def _json(record: Mapping[str, Any]) -> str:
    """Strict JSON with a line for each check, so that two records can be compared line by line."""
    rest = {name: value for name, value in record.items() if name != "checks"} | {"checks": []}
    before, _, after = json.dumps(rest, allow_nan=False, ensure_ascii=False, indent=1).rpartition("[]")
    return f"{before}[\n{_lines(record['checks'])}\n]{after}\n"


def _lines(checks: Iterable[Mapping[str, Any]]) -> str:
    line = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode
    return ",\n".join(map(line, checks))


def _replace(file: Path, text: str) -> Path:
    """A reader sees the old file or the new one, never half of it."""
    unfinished = file.with_name(f".{file.name}.unfinished")
    try:
        unfinished.write_text(text, encoding="utf-8")
        return unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)
