"""Keep what a run has found so far where killing the run cannot reach it.

``kill -9`` gives no warning, nor does a system that is out of memory. So the results of each task are written down as
soon as they are there, as a line of a journal beside the report; and the report itself is written again from time to
time, so that there is one to read. ``parity report FOLDER`` makes a report of the whole journal. Only the run that
began a journal removes it, when it ends; the next run in the same folder replaces it.
"""

from __future__ import annotations

import math
import secrets
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from parity.checks.result import Count, Result
from parity.divergences import Trial, report_entries
from parity.errors import InputError, NotWritten, cause, message_of, printable, shown
from parity.files import append, read_regular, replace_files
from parity.mutants import MutantResult
from parity.pairs.verdict import AnyVerdict
from parity.report import model, verdicts, writing
from parity.report.assembly import build
from parity.report.model import Part, Replayed, Report
from parity.throughput.results import Settings
from parity.training import Curve

NAME = "unfinished.jsonl"
MOST = 2**27  # bytes of a journal or a report; that of all checks has 2**24
EVERY = 5.0  # seconds between two reports, at least;
SHARE = 0.03  # and writing them may take this share of the time: a full one takes a second


class Entry(Struct, frozen=True, omit_defaults=True):
    """The results of one task, by kind, and what the frameworks reported; ``own`` are a user's verdicts by name."""

    task: str
    seconds: float = 0.0
    frameworks: dict[str, Settings] = {}
    results: tuple[Result, ...] = ()
    trials: tuple[Trial, ...] = ()
    mutants: tuple[MutantResult, ...] = ()
    curves: tuple[Curve, ...] = ()
    own: dict[str, AnyVerdict] = {}


class Line(Struct, frozen=True, omit_defaults=True):
    """A line of a journal: the run that it belongs to, and the results of one of its tasks; the first has none.

    The run has a name in ``run``, which the reports that it writes on the way have too.
    """

    seed: int
    planned: Count
    run: str = ""
    replayed: Replayed | None = None
    shard: Part | None = None
    entry: Entry | None = None


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
    print(f"parity: {printable(message)}", file=sys.stderr)


class Journal:
    """Keeps the results of a run, in this process and in a folder, where its report goes. Threads may share it.

    The run has claimed the folder. ``warn`` is called, once, if nothing can be written while the run goes on.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        seed: int,
        planned: int,
        replayed: Replayed | None = None,
        shard: Part | None = None,
        warn: Callable[[str], object] = warn,
    ) -> None:
        self.folder = Path(folder)
        self.head = Line(seed, planned, secrets.token_hex(8), replayed, shard)
        self._absolute = self.folder.absolute()  # wherever the process goes meanwhile
        self._entries: dict[str, Entry] = {}
        self._started, self._due = time.monotonic(), math.inf
        self._begun = False
        self._unwritten = b""
        self._warnings = [warn]
        self._lock = Lock()

    def begin(self) -> None:
        """Replace an earlier report, which could be mistaken for that of this run, by an empty one.

        Raises:
            NotWritten: the folder cannot be written.
        """
        self._write(self.on_the_way())
        try:
            replace_files(self._absolute, {NAME: model.encode_part(self.head) + b"\n"})
        except OSError as error:
            raise NotWritten(self.folder, error) from error
        self._begun = True
        self._due = time.monotonic() + EVERY

    def end(self, finished: Report) -> list[Path]:
        """Write the report of the whole run, and remove the journal, which has no more than that.

        Raises:
            NotWritten: the report cannot be written; the journal is still there.
        """
        with self._lock:
            files = self._write(finished)
            if self._begun:
                (self._absolute / NAME).unlink(missing_ok=True)
        return files

    def __contains__(self, task: object) -> bool:
        """Tell whether the results of a task are kept already."""
        return str(task) in self._entries

    def keep(self, one: Entry) -> None:
        """Keep the results of a task, unless they are known."""
        with self._lock:
            if one.task in self._entries:
                return
            one = replace(one, seconds=time.monotonic() - self._started)
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
        built = build(
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
            own=verdicts.gather(one.own for one in entries),
        )
        return replace(built, environment=replace(built.environment, shard=self.head.shard))

    def on_the_way(self) -> Report:
        """Build the report of what is kept, with the name of the run, which has not ended."""
        built = self.report()
        return replace(built, environment=replace(built.environment, run=self.head.run))

    def _append(self, one: Entry) -> None:
        if not self._begun:
            return
        self._unwritten += model.encode_part(replace(self.head, entry=one)) + b"\n"
        try:
            append(self._absolute / NAME, self._unwritten)
            self._unwritten = b""
        except OSError as error:  # what it could not write, it tries again; half a line ends here
            self._unwritten = b"\n" + self._unwritten.lstrip(b"\n")
            self._complain(NotWritten(self.folder, error))

    def _snapshot(self) -> None:
        began = time.monotonic()
        try:
            self._write(self.on_the_way())
        except Exception as error:  # whatever it is, the results of a long run are worth more than a page on the way
            self._complain(error)
        ended = time.monotonic()
        self._due = ended + max(EVERY, (ended - began) / SHARE)

    def _write(self, report: Report) -> list[Path]:
        try:
            return [self.folder / file.name for file in writing.write(report, self._absolute)]
        except NotWritten as error:
            raise NotWritten(self.folder, error.error) from error

    def _complain(self, error: Exception) -> None:
        if self._warnings:
            message = str(error) if isinstance(error, NotWritten) else f"no report on the way: {message_of(error)}"
            self._warnings.pop()(f"{message}; the run goes on")


def read(path: Path) -> Report:
    """Build the report of a run that was killed, from its journal. A line that cannot be read costs that line.

    Raises:
        InputError: it has no line that can be read.
    """
    try:
        content = read_regular(path, MOST)
    except (OSError, ValueError) as error:
        raise InputError("report", shown(str(path)), f"the journal of a parity run ({cause(error)})") from error
    lines = [line for text in content.split(b"\n") if text and (line := _line(text))]
    if not lines:
        raise InputError("report", f"{shown(str(path))} without a line that can be read", "the journal of a parity run")
    planned = max(line.planned for line in lines)
    replayed = next((line.replayed for line in lines if line.replayed), None)
    shard = next((line.shard for line in lines if line.shard), None)
    journal = Journal(path.parent, seed=lines[0].seed, planned=planned, replayed=replayed, shard=shard)
    journal.head = replace(journal.head, run=lines[0].run)
    journal._entries = {line.entry.task: line.entry for line in lines if line.entry}
    return journal.on_the_way()


def is_journal(path: Path) -> bool:
    """Tell whether a file is a journal: it has a line of one, or nothing that would be lost with it."""
    try:
        content = read_regular(path, MOST)
    except (OSError, ValueError):
        return False
    lines = content.strip(b"\0\n").split(b"\n")
    return lines == [b""] or any(_line(text) for text in lines)


def _line(text: bytes) -> Line | None:
    """Decode a line; a process that was killed leaves half of one, and a power cut bytes of 0."""
    try:
        return msgspec.json.decode(text, type=Line)
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return None
