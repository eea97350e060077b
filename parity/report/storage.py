"""Claim a folder for a report, read a report again, and add to one."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

import msgspec

from parity.checks.sweep import SweepReport
from parity.checks.verdict import Verdict
from parity.errors import InputError, cause, each, file_name, of_kind, shown
from parity.files import Claim, no_folders, read_regular, remove_temporary, writable
from parity.frameworks import environment
from parity.mutants import MUTANTS, MutantResult
from parity.operations import OPERATIONS
from parity.report import journal
from parity.report.environment import versions
from parity.report.formatting import index
from parity.report.model import Report, decode
from parity.report.writing import FILES, REPORT, write

FOLDER = "parity-report"
BEGINNING = re.compile(rb'\{\s*"schema": ?\d+,\s*"environment": ?\{\s*"date": ?"')  # of our own report.json


def write_verdict(name: str, verdict: Verdict, folder: str | Path) -> list[Path]:
    """Write the report of a verdict on a user's own model; see `Verdict.report`."""
    from parity.report.assembly import build

    began = build([], environment(), seed=0, seconds=0.0, planned=0, checked=0, own={name: verdict})
    with claim(folder, "folder"):
        return write(began, folder)


def claim(folder: str | Path, argument: str = "output") -> Claim:
    """Claim a folder for the report of a run, before the work that it shall report on.

    Raises:
        InUse: a run is writing to it.
        InputError: as for `check_writable`.
    """
    check_writable(folder, argument)
    with writable(argument, folder):
        claimed = Claim(Path(folder))
        remove_temporary(Path(folder), (*FILES, journal.NAME))
    return claimed


def check_writable(folder: str | Path, argument: str = "output") -> None:
    """Make sure that a report can be written to a folder, and replaces nothing but an earlier report.

    Raises:
        InputError: the folder cannot be created, is a symbolic link, nothing can be written in it, or it has files
            with the names of a report's that are not those of one; ``argument`` is its name there.
    """
    path = file_name(argument, folder)
    with writable(argument, folder):
        if path.is_symlink():  # in a folder from elsewhere, it may point to anything
            expected = f"a folder, such as {str(path.readlink())!r}"
            raise InputError(argument, f"{str(folder)!r}, a symbolic link", expected)
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
        no_folders(path, (*FILES, journal.NAME))
        if foreign := _foreign(path):
            received = f"{str(folder)!r} with {foreign}, which is not of a parity report"
            raise InputError(argument, received, "a new folder, or that of an earlier report")


def _foreign(folder: Path) -> str:
    """Return the name of a file that a report would replace and that is not part of one; empty if there is none."""
    unfinished = folder / journal.NAME
    if os.path.lexists(unfinished) and not journal.is_journal(unfinished):
        return journal.NAME
    there = [name for name in FILES if os.path.lexists(folder / name)]
    if there and (folder / REPORT).is_file():  # and no FIFO, which would have to be waited for
        with (folder / REPORT).open("rb") as file:
            if BEGINNING.match(file.read(200)):
                return ""
    return there[0] if there else ""


def read(path: str | Path) -> Report:
    """Read a report.

    Args:
        path: a report.json, or the folder of a report. If a run was killed, its journal may have more than the report
            that it wrote there, and is read instead.

    Raises:
        InputError: there is none, or something is wrong in it; the message says what.
    """
    found = read_part(path)
    return msgspec.structs.replace(found, environment=msgspec.structs.replace(found.environment, run=""))


def read_part(path: str | Path) -> Report:
    """Read a report as `read` does, with the name of its run if that has not ended."""
    return _read(file_name("report", path))


def _read(path: Path) -> Report:
    unfinished = path if path.name == journal.NAME else path / journal.NAME
    if not os.path.lexists(unfinished):
        return _read_finished(path)
    try:
        finished = _read_finished(path if path.is_dir() else path.with_name(REPORT))
    except InputError:
        return journal.read(unfinished)
    try:
        found = journal.read(unfinished)
    except InputError:
        return finished
    if found.environment.run != finished.environment.run:  # another run wrote the report, or this one ended
        return finished
    if _size(found) <= _size(finished):  # what was added since is only in the report
        return finished
    there = msgspec.structs.replace(finished.environment, frameworks=found.environment.frameworks)
    return msgspec.structs.replace(found, environment=there)


def _size(report: Report) -> int:
    """Count what a run has found; its journal and its report both have the first so many."""
    trials = sum(len(entry.frameworks) for entry in report.divergences)
    own = sum(len(verdict.results) + len(verdict.declined) for verdict in report.own.values())
    return len(report.results) + trials + len(report.training) + len(report.mutants) + own


def _read_finished(path: Path) -> Report:
    try:
        text = read_regular(path / REPORT if path.is_dir() else path, journal.MOST)
    except (OSError, ValueError) as error:
        raise InputError("report", shown(str(path)), f"a report.json written by parity ({cause(error)})") from error
    return decode(text, f"report {shown(str(path))}")


def add_to_report(
    folder: str | Path, begun: Report, *, mutants: Iterable[MutantResult] = (), sweep: SweepReport | None = None
) -> list[Path]:
    """Add mutants or a sweep to the report in a folder; to a new one, if none of the same versions is there.

    What was tried again replaces what is there, mutants by name, a sweep by operation and dtype; all else stays.

    Args:
        begun: an empty report of this environment, for a folder without one.
    """
    of_kind("begun", begun, Report, "a Report, from parity.report.build")
    of_kind("sweep", sweep, (SweepReport, type(None)), "a SweepReport")
    try:
        there = read(folder)
    except InputError:  # no report, or one that cannot be read
        there = begun
    if not _has_these_versions(there):
        there = begun
    by_name = {mutant.name: mutant for mutant in (*there.mutants, *each("mutants", mutants, MutantResult))}
    ordered = sorted(by_name.values(), key=lambda mutant: index(MUTANTS, mutant.name))
    joined = _join(there.sweep, sweep) if there.sweep and sweep else sweep or there.sweep
    return write(msgspec.structs.replace(there, mutants=tuple(ordered), sweep=joined), folder)


def claim_addable(folder: str | Path, argument: str = "output") -> Claim:
    """Claim a folder, before the work, if something can be added to the report there and nothing is lost by it.

    Raises:
        InputError: it cannot be claimed, or its report is broken or one of other versions.
    """
    claimed = claim(folder, argument)
    if not (Path(folder) / REPORT).exists():
        return claimed
    try:
        same = _has_these_versions(read(folder))
    except InputError as error:
        expected = f"a folder without a report, or with a whole one ({error})"
        raise InputError(argument, repr(str(folder)), expected) from error
    if not same:
        received = f"{str(folder)!r}, whose report is of other versions"
        raise InputError(argument, received, "a folder with a report of the versions that are here, or with none")
    return claimed


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
