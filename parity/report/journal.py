"""Keep what a run has found so far where killing the run cannot reach it.

``kill -9`` gives no warning, nor does a system that is out of memory. So the results of each task are written down as
soon as they are there, as a line of a journal beside the report; and the report itself is written again from time to
time, so that there is one to read. ``parity report FOLDER`` makes a report of the whole journal; a run that ends
removes it.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec
from msgspec import Struct

from parity.checks.result import Count, Result
from parity.divergences import Trial, report_entries
from parity.errors import InputError, NotWritten, message_of
from parity.mutants import MutantResult
from parity.report import model
from parity.report.assembly import build
from parity.report.model import Replayed, Report
from parity.throughput.results import Settings
from parity.training import Curve

NAME = "unfinished.jsonl"
EVERY = 5.0  # seconds between two reports, at least;
SHARE = 0.03  # and writing them may take this share of the time: a full one takes a second


class Head(Struct, frozen=True):
    """The first line of a journal."""

    seed: int
    planned: Count
    replayed: Replayed | None = None


class Entry(Struct, frozen=True, omit_defaults=True):
    """The results of one task, by kind, and what the frameworks reported; a line of a journal."""

    task: str
    seconds: float = 0.0
    frameworks: dict[str, Settings] = {}
    results: tuple[Result, ...] = ()
    trials: tuple[Trial, ...] = ()
    mutants: tuple[MutantResult, ...] = ()
    curves: tuple[Curve, ...] = ()


def entry(task: object, results: Iterable[Any], frameworks: Mapping[str, dict[str, Any]]) -> Entry:
    """Sort the results of a task by kind, for the journal or for another process."""
    results = list(results)
    return Entry(
        task=str(task),
        frameworks=dict(frameworks),
        results=tuple(one for one in results if isinstance(one, Result)),
        trials=tuple(one for one in results if isinstance(one, Trial)),
        mutants=tuple(one for one in results if isinstance(one, MutantResult)),
        curves=tuple(one for one in results if isinstance(one, Curve)),
    )


def warn(message: str) -> None:
    """Print a warning that costs no result."""
    print(f"parity: {message}", file=sys.stderr)


class Journal:
    """Keeps the results of a run, in this process and in a folder, where its report goes. Threads may share it.

    It calls ``warn``, once, if nothing can be written while the run goes on.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        seed: int,
        planned: int,
        replayed: Replayed | None = None,
        warn: Callable[[str], object] = warn,
    ) -> None:
        self.folder = Path(folder)
        self.head = Head(seed, planned, replayed)
        self._absolute = self.folder.absolute()  # wherever the process goes meanwhile
        self._entries: dict[str, Entry] = {}
        self._started, self._due = time.monotonic(), math.inf
        self._file: Path | None = None
        self._warnings = [warn]
        self._lock = Lock()

    def begin(self) -> None:
        """Replace an earlier report, which could be mistaken for that of this run, by an empty one."""
        self._write()
        self._file = self._absolute / NAME
        try:
            self._file.write_bytes(_line(self.head))
        except OSError as error:
            raise NotWritten(self.folder, error) from error
        self._due = time.monotonic() + EVERY

    def __contains__(self, task: object) -> bool:
        """Tell whether the results of a task are kept already."""
        return str(task) in self._entries

    def keep(self, one: Entry) -> None:
        """Keep the results of a task, unless they are known."""
        with self._lock:
            if one.task in self._entries:
                return
            one = msgspec.structs.replace(one, seconds=time.monotonic() - self._started)
            self._entries[one.task] = one
            self._append(one)
            if time.monotonic() >= self._due:
                self._snapshot()

    def report(self, interrupted: bool = False) -> Report:
        """Build the report of what is kept."""
        entries = list(self._entries.values())
        checked = sum(bool(one.results) for one in entries)
        curves = {(curve.model, curve.optimiser): curve for one in entries for curve in one.curves}
        frameworks: dict[str, dict[str, Any]] = {}
        for one in entries:
            frameworks |= one.frameworks
        return build(
            [result for one in entries for result in one.results],
            frameworks,
            seed=self.head.seed,
            seconds=entries[-1].seconds if entries else 0.0,
            planned=max(self.head.planned, checked),
            checked=checked,
            interrupted=interrupted,
            divergences=report_entries(trial for one in entries for trial in one.trials),
            training=curves.values(),
            mutants=[mutant for one in entries for mutant in one.mutants],
            replayed=self.head.replayed,
        )

    def _append(self, one: Entry) -> None:
        if self._file is None:
            return
        try:
            with self._file.open("ab") as file:
                file.write(_line(one))
        except OSError as error:  # with a gap it would have less than the report
            with suppress(OSError):
                self._file.unlink()
            self._file = None
            self._complain(NotWritten(self.folder, error))

    def _snapshot(self) -> None:
        began = time.monotonic()
        try:
            self._write()
        except Exception as error:  # whatever it is, the results of a long run are worth more than a page on the way
            self._complain(error)
        ended = time.monotonic()
        self._due = ended + max(EVERY, (ended - began) / SHARE)

    def _write(self) -> None:
        from parity.report import storage

        try:
            storage.snapshot(self.report(), self._absolute)
        except NotWritten as error:
            raise NotWritten(self.folder, error.error) from error

    def _complain(self, error: Exception) -> None:
        if self._warnings:
            message = str(error) if isinstance(error, NotWritten) else f"no report on the way: {message_of(error)}"
            self._warnings.pop()(f"{message}; the run goes on")


def _line(part: Struct) -> bytes:
    return model.encode_part(part) + b"\n"


def read(path: Path) -> Report:
    """Build the report of a run that was killed, from its journal."""
    try:
        first, *lines = path.read_bytes().split(b"\n")[:-1]  # killed while it wrote, it left half a line
        head = msgspec.json.decode(first, type=Head)
        journal = Journal(path.parent, seed=head.seed, planned=head.planned, replayed=head.replayed)
        for line in lines:
            one = msgspec.json.decode(line, type=Entry)
            journal._entries[one.task] = one
        return journal.report()
    except (OSError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise InputError("report", repr(str(path)), f"the journal of a parity run ({error})") from error
