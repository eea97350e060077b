"""The files of a report: whole or not at all, and a clear word where they cannot be written."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from parity.errors import InputError, NotWritten, file_name
from parity.report.record import current

FOLDER = "parity-report"
RECORD = "report.json"
JOURNAL = "unfinished.jsonl"  # what a run that is going on, or was killed, has found; see `parity.report.journal`
FILES = (RECORD, "report.md", "index.html")
EARLIER = ("divergences.html", "mutants.html")  # pages of earlier versions, which a new report must not stand beside


def write(record: Mapping[str, Any], folder: str | Path) -> list[Path]:
    """Write report.json, report.md and index.html, replacing earlier ones whole or not at all.

    Args:
        record: from `parity.report.record`, or read from a report.json and made `current`.
        folder: created when it is not there.

    Returns:
        The files.

    Raises:
        NotWritten: the folder or a file cannot be written, as on a full disk; an earlier report is still there.
        InputError: it is no record: strict JSON has no word for NaN and inf.
    """
    files = _write(record, folder, plotted=True)
    with suppress(OSError):
        (Path(folder) / JOURNAL).unlink()  # all that it had stands in the report
    return files


def snapshot(record: Mapping[str, Any], folder: str | Path) -> list[Path]:
    """`write`, while the run goes on: its journal stays, and nothing is plotted.

    Any thread may do it: matplotlib is for one at a time, and tests that run meanwhile may plot with it.
    """
    return _write(record, folder, plotted=False)


def _write(record: Mapping[str, Any], folder: str | Path, plotted: bool) -> list[Path]:
    try:
        texts = _texts(record, plotted)
    except Exception:
        current(record)  # says what is wrong, and not sooner: a run must not lose its report over a detail
        raise
    path = file_name("folder", folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
        return _replace(path, texts)
    except OSError as error:
        raise NotWritten(folder, error) from error


def _texts(record: Mapping[str, Any], plotted: bool) -> dict[str, str]:
    """What stands in each file."""
    from parity.report.html import html
    from parity.report.markdown import markdown
    from parity.report.view import view

    seen = view(record)
    return {RECORD: _json(record), "report.md": markdown(seen), "index.html": html(seen, plotted)}


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
        raise InputError(argument, repr(str(folder)), f"a folder that can be written ({error})") from error


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


def _replace(folder: Path, texts: Mapping[str, str]) -> list[Path]:
    """A reader sees the old files or the new ones, never half of one.

    Half of a surrogate pair is no text in UTF-8: it is written as its escape, which JSON reads back as it was.
    """
    unfinished = {name: folder / f".{name}.unfinished" for name in FILES}
    try:
        for name, text in texts.items():
            unfinished[name].write_text(text, encoding="utf-8", errors="backslashreplace")
        for name in EARLIER:
            (folder / name).unlink(missing_ok=True)
        return [unfinished[name].replace(folder / name) for name in texts]
    finally:
        for file in unfinished.values():
            file.unlink(missing_ok=True)
