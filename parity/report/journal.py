"""What a run has found so far, kept where killing the run cannot reach it.

``kill -9`` gives no warning, nor does a system that is out of memory. So each verdict is written down as soon as it is
there, as a line of a journal beside the report; and the report itself is written again from time to time, so that
there is one to read. ``parity report FOLDER`` makes a report of the whole journal; a run that ends removes it.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from threading import Lock
from typing import Any

from parity.checks.result import Result
from parity.divergences import Trial
from parity.divergences.entry import shown
from parity.errors import InputError, NotWritten, told
from parity.mutants import Outcome, outcome
from parity.report.entries import entries, mutants
from parity.report.record import record
from parity.report.storage import JOURNAL, snapshot

EVERY = 5.0  # seconds between two reports, at least;
SHARE = 0.03  # and writing them may take this share of the time: a full one takes a second

Found = Mapping[str, list[Any]]  # what came of a task, by kind, as values that JSON can hold


def plain(results: Iterable[Any]) -> Found:
    """A task's verdict as it is kept, and as it travels to another process: results, trials, mutants and curves."""
    found: dict[str, list[Any]] = {"results": [], "trials": [], "mutants": [], "curves": []}
    for result in results:
        if isinstance(result, Result):
            found["results"].append(result.as_dict())
        elif isinstance(result, Trial):
            today = {name: shown(value) for name, value in result.today.items()}
            found["trials"].append(asdict(replace(result, today=today)))
        elif isinstance(result, Outcome):
            found["mutants"].append(asdict(result))
        else:
            found["curves"].append(result)
    return found


def _to_stderr(said: str) -> None:
    print(f"parity: {said}", file=sys.stderr)


class Keeper:
    """Keeps the verdicts of a run, in this process and in a folder. Threads may share it.

    Args:
        folder: where the report goes.
        seed: of the plotted cases.
        planned: how many checks there are to do.
        replayed: where the record was made that checks are compared with, if any.
        warn: told, once, if nothing can be written while the run goes on.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        seed: int,
        planned: int,
        replayed: Mapping[str, Any] | None = None,
        warn: Callable[[str], object] = _to_stderr,
    ) -> None:
        self.folder, self._there = Path(folder), Path(folder).absolute()  # wherever the process goes meanwhile
        self.seed, self.planned, self.replayed = seed, planned, replayed
        self._kept: dict[str, Found] = {}
        self._frameworks: dict[str, dict[str, Any]] = {}
        self._seconds = 0.0
        self._started, self._due = time.monotonic(), math.inf
        self._journal: Path | None = None
        self._warnings = [warn]
        self._lock = Lock()

    def begin(self) -> None:
        """Put a report of nothing in the place of an earlier one, which could be taken for that of this run.

        Raises:
            NotWritten: not even that can be written.
        """
        self._write()
        self._journal = self._there / JOURNAL
        try:
            self._journal.write_text(
                _line({"seed": self.seed, "planned": self.planned, "replayed": self.replayed}), encoding="utf-8"
            )
        except OSError as error:
            raise NotWritten(self.folder, error) from error
        self._due = time.monotonic() + EVERY

    def __contains__(self, task: str) -> bool:
        """Whether the verdict on a task is kept already."""
        return task in self._kept

    def keep(self, task: str, found: Found, frameworks: Mapping[str, dict[str, Any]]) -> None:
        """Keep what came of a task, unless that is known, and what the frameworks said of themselves."""
        with self._lock:
            if task in self._kept:
                return
            seconds = time.monotonic() - self._started
            self._remember(task, found, frameworks, seconds)
            self._write_down({"task": task, "found": found, "frameworks": frameworks, "seconds": seconds})
            if time.monotonic() >= self._due:
                self._snapshot()

    def record(self, interrupted: bool = False) -> dict[str, Any]:
        """The record of what is kept; see `parity.report.record`."""
        checked = sum(bool(found["results"]) for found in self._kept.values())
        curves = {(curve["model"], curve["optimiser"]): curve for curve in self._all("curves")}
        return record(
            self._all("results"),
            self._frameworks,
            seed=self.seed,
            seconds=self._seconds,
            planned=max(self.planned, checked),
            checked=checked,
            interrupted=interrupted,
            divergences=entries(Trial(**trial) for trial in self._all("trials")),
            training=list(curves.values()),
            mutants=mutants(map(outcome, self._all("mutants"))),
            replayed=self.replayed,
        )

    def _all(self, kind: str) -> list[Any]:
        return [one for found in self._kept.values() for one in found[kind]]

    def _remember(self, task: str, found: Found, frameworks: Mapping[str, dict[str, Any]], seconds: float) -> None:
        self._kept[task] = found
        self._frameworks |= frameworks
        self._seconds = seconds

    def _write_down(self, line: Mapping[str, Any]) -> None:
        if self._journal is None:
            return
        try:
            with self._journal.open("a", encoding="utf-8") as journal:
                journal.write(_line(line))
        except OSError as error:  # with a gap it would say less than the report
            with suppress(OSError):
                self._journal.unlink()
            self._journal = None
            self._complain(NotWritten(self.folder, error))

    def _snapshot(self) -> None:
        began = time.monotonic()
        try:
            self._write()
        except Exception as error:  # whatever it is, the verdicts of a long run are worth more than a page on the way
            self._complain(error)
        ended = time.monotonic()
        self._due = ended + max(EVERY, (ended - began) / SHARE)

    def _write(self) -> None:
        try:
            snapshot(self.record(), self._there)
        except NotWritten as error:
            raise NotWritten(self.folder, error.error) from error

    def _complain(self, error: Exception) -> None:
        if self._warnings:
            said = str(error) if isinstance(error, NotWritten) else f"no report on the way: {told(error)}"
            self._warnings.pop()(f"{said}; the run goes on")


def _line(value: Mapping[str, Any]) -> str:
    return f"{json.dumps(value, separators=(',', ':'))}\n"


def left_behind(journal: Path) -> dict[str, Any]:
    """The record of a run that was killed, from its journal.

    Raises:
        InputError: it is not the journal of a run.
    """
    try:
        *lines, _ = journal.read_text(encoding="utf-8").split("\n")  # killed while it wrote, it left half a line
        head, *kept = map(json.loads, lines)
        keeper = Keeper(journal.parent, **head)
        for line in kept:
            keeper._remember(**line)
        return keeper.record()
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError("record", repr(str(journal)), f"the journal of a parity run ({error})") from error
