"""Write the files of a report, whole or not at all, and read them again."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from parity.checks.sweep import SweepReport
from parity.errors import InputError, NotWritten, file_name, of_kind
from parity.mutants import MUTANTS, MutantResult
from parity.operations import OPERATIONS
from parity.report import journal
from parity.report.environment import versions
from parity.report.formatting import index
from parity.report.model import Report, decode, encode

FOLDER = "parity-report"
REPORT = "report.json"
FILES = (REPORT, "report.md", "index.html")


def write(report: Report, folder: str | Path) -> list[Path]:
    """Write report.json, report.md and index.html, replacing earlier ones whole or not at all.

    Args:
        report: from `parity.report.build` or `read`.
        folder: created when it is not there.

    Returns:
        The files.

    Raises:
        NotWritten: the folder or a file cannot be written, as on a full disk; an earlier report is still there.
    """
    files = snapshot(report, folder)
    with suppress(OSError):
        (Path(folder) / journal.NAME).unlink()  # the report has everything
    return files


def snapshot(report: Report, folder: str | Path) -> list[Path]:
    """Write a report while the run goes on: its journal stays."""
    path = file_name("folder", folder)
    of_kind("report", report, Report, "a Report, from parity.report.build or read")
    texts = _texts(report)
    try:
        path.mkdir(parents=True, exist_ok=True)
        return _replace(path, texts)
    except OSError as error:
        raise NotWritten(folder, error) from error


def _texts(report: Report) -> dict[str, str]:
    from parity.report.html import render_page
    from parity.report.markdown import render_markdown
    from parity.report.view import arrange

    arranged = arrange(report)
    return {REPORT: encode(report), "report.md": render_markdown(arranged), "index.html": render_page(arranged)}


def _replace(folder: Path, texts: Mapping[str, str]) -> list[Path]:
    """Replace files so that a reader finds the old ones or the new ones, never half of one."""
    unfinished = {name: folder / f".{name}.unfinished" for name in FILES}
    try:
        for name, text in texts.items():
            unfinished[name].write_text(text, encoding="utf-8", errors="backslashreplace")
        return [unfinished[name].replace(folder / name) for name in texts]
    finally:
        for file in unfinished.values():
            file.unlink(missing_ok=True)


def check_writable(folder: str | Path, argument: str = "output") -> None:
    """Make sure that a report can be written, before the work that it shall report on.

    Raises:
        InputError: the folder cannot be created, or nothing can be written in it; ``argument`` is its name there.
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


def read(path: str | Path) -> Report:
    """Read a report.

    Args:
        path: a report.json, or the folder of a report. The journal that a killed run left there has more than its
            report, and is read instead.

    Raises:
        InputError: there is none, or something is wrong in it; the message says what.
    """
    path = Path(path)
    unfinished = path if path.name == journal.NAME else path / journal.NAME
    if unfinished.exists():
        return _read_unfinished(unfinished)
    return _read_finished(path)


def _read_unfinished(path: Path) -> Report:
    """Read what a killed run has found, in its own environment: that of the report beside, which it began with."""
    report = journal.read(path)
    try:
        begun = _read_finished(path.with_name(REPORT)).environment
    except InputError:
        return report
    there = msgspec.structs.replace(begun, frameworks=report.environment.frameworks)
    return msgspec.structs.replace(report, environment=there)


def _read_finished(path: Path) -> Report:
    try:
        text = (path / REPORT if path.is_dir() else path).read_bytes()
    except (OSError, ValueError) as error:
        raise InputError("report", repr(str(path)), f"a report.json written by parity ({error})") from error
    return decode(text)


def add_to_report(
    folder: str | Path, begun: Report, *, mutants: Iterable[MutantResult] = (), sweep: SweepReport | None = None
) -> list[Path]:
    """Add mutants or a sweep to the report in a folder; to a new one, if none of the same versions is there.

    What was tried again replaces what is there, mutants by name, a sweep by operation and dtype; all else stays.

    Args:
        begun: an empty report of this environment, for a folder without one.
    """
    try:
        there = read(folder)
    except InputError:  # no report, or one that cannot be read
        there = begun
    if not _has_these_versions(there):
        there = begun
    by_name = {mutant.name: mutant for mutant in (*there.mutants, *mutants)}
    ordered = sorted(by_name.values(), key=lambda mutant: index(MUTANTS, mutant.name))
    joined = _join(there.sweep, sweep) if there.sweep and sweep else sweep or there.sweep
    return write(msgspec.structs.replace(there, mutants=tuple(ordered), sweep=joined), folder)


def check_addable(folder: str | Path, argument: str = "output") -> None:
    """Make sure, before the work, that something can be added to the report in a folder, and nothing is lost by it.

    Raises:
        InputError: it cannot be written, or there is no report or one of other versions.
    """
    check_writable(folder, argument)
    if not (Path(folder) / REPORT).exists():
        return
    try:
        same = _has_these_versions(read(folder))
    except InputError as error:
        expected = f"a folder without a report, or with a whole one ({error})"
        raise InputError(argument, repr(str(folder)), expected) from error
    if not same:
        received = f"{str(folder)!r}, whose report is of other versions"
        raise InputError(argument, received, "a folder with a report of the versions that are here, or with none")


def _has_these_versions(report: Report) -> bool:
    return report.environment.versions == versions()


def _join(earlier: SweepReport, later: SweepReport) -> SweepReport:
    """Join two sweeps. Of what both have tried, the later counts."""
    again = {(row.operation, row.dtype) for row in later.rows}
    rows = [row for row in earlier.rows if (row.operation, row.dtype) not in again] + list(later.rows)
    failures = [one for one in earlier.failures if (one.operation, one.dtype) not in again] + list(later.failures)
    rows.sort(key=lambda row: (index(OPERATIONS, row.operation), row.framework, row.dtype))
    return msgspec.structs.replace(
        later,
        checks=sum(row.checks for row in rows),
        failed=sum(row.failed for row in rows),
        failures=tuple(failures),
        rows=tuple(rows),
    )
