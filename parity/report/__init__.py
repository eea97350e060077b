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

from parity.errors import InputError, file_name
from parity.report.record import current, failed, record, verdict

FOLDER = "parity-report"
FILES = ("report.json", "report.md", "index.html", "divergences.html")

__all__ = ["FOLDER", "current", "failed", "record", "verdict", "writable", "write"]


def write(record: Mapping[str, Any], folder: str | Path) -> list[Path]:
    """Write report.json, report.md, index.html and divergences.html, replacing earlier ones whole or not at all.

    Args:
        record: from `record`, or read from a report.json and made `current`.
        folder: created when it is not there.

    Returns:
        The files.

    Raises:
        InputError: the folder cannot be written, or it is no record: strict JSON has no word for NaN and inf.
    """
    writable(folder)
    try:
        texts = _texts(record)
    except Exception:
        current(record)  # says what is wrong, and not sooner: a run must not lose its report over a detail
        raise
    try:
        return [_replace(Path(folder) / name, text) for name, text in texts.items()]
    except OSError as error:
        raise _no_folder("output", folder, error) from error


def _texts(record: Mapping[str, Any]) -> dict[str, str]:
    """What stands in each file."""
    from parity.report.html import book, html
    from parity.report.markdown import markdown
    from parity.report.view import view

    seen = view(record)
    texts = {"report.json": _json(record), "report.md": markdown(seen), "index.html": html(seen)}
    return texts | ({"divergences.html": book(seen)} if seen.divergences else {})


def writable(folder: str | Path, argument: str = "output") -> None:
    """Make sure that a report can be written, before the work that it shall report on.

    Args:
        folder: where it will go.
        argument: what the user calls it.

    Raises:
        InputError: the folder cannot be created, or nothing can be written in it.
    """
    path = file_name(argument, folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
        for name in FILES:
            if (path / name).is_dir():
                raise IsADirectoryError(f"{name} is a folder")
    except (OSError, ValueError) as error:  # ValueError: no system has such a name
        raise _no_folder(argument, folder, error) from error


def _no_folder(argument: str, folder: str | Path, error: Exception) -> InputError:
    return InputError(argument, repr(str(folder)), f"a folder that can be written ({error})")


def _json(record: Mapping[str, Any]) -> str:
    """Strict JSON with a line for each check, so that two records can be compared line by line."""
    rest = {name: value for name, value in record.items() if name != "checks"} | {"checks": []}
    try:
        before, _, after = json.dumps(rest, allow_nan=False, ensure_ascii=False, indent=1).rpartition("[]")
        return f"{before}[\n{_lines(record['checks'])}\n]{after}\n"
    except ValueError:
        raise InputError("record", "NaN or inf", "finite numbers, or null") from None


def _lines(checks: Iterable[Mapping[str, Any]]) -> str:
    line = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode
    return ",\n".join(map(line, checks))


def _replace(file: Path, text: str) -> Path:
    """A reader sees the old file or the new one, never half of it. Half a character is written as JSON escapes it."""
    unfinished = file.with_name(f".{file.name}.unfinished")
    try:
        unfinished.write_text(text, encoding="utf-8", errors="backslashreplace")
        return unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)
