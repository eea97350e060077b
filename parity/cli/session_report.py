"""Collect the results of one pytest session, of this process and of others, and write its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from parity.errors import NotWritten
from parity.frameworks.recording import Recording

if TYPE_CHECKING:
    from parity.checks.runner import Task
    from parity.report.journal import Entry, Journal

Settings = Mapping[str, dict[str, Any]]  # framework -> the settings that it reports


class SessionReport:
    """The report of one pytest session.

    Args:
        folder: where it goes.
        seed: of the sampled cases.
        recording: what is compared with, if anything.
        is_worker: whether xdist started this process; then another one writes the report.

    Attributes:
        messages: lines for the summary at the end.
        journal: the results so far; None until the report begins, and always in a worker of xdist.
    """

    def __init__(self, folder: str, seed: int, recording: Recording | None, is_worker: bool) -> None:
        self.folder = folder
        self.seed = seed
        self.recording = recording
        self.is_worker = is_worker
        self.messages: list[str] = []
        self.journal: Journal | None = None

    def begin(self, planned: int) -> None:
        """Write an empty report; do nothing if it has begun, or in a worker of xdist.

        Raises:
            InputError: the folder cannot be written.
            NotWritten: not even an empty report can be written.
        """
        from parity.report import check_writable, describe_recording
        from parity.report.journal import Journal

        if self.journal or self.is_worker:
            return
        check_writable(self.folder, "--parity-report")
        replayed = describe_recording(self.recording) if self.recording else None
        warn = self.messages.append
        self.journal = Journal(self.folder, seed=self.seed, planned=planned, replayed=replayed, warn=warn)
        self.journal.begin()

    def keep(self, task: Task, results: Sequence[Any], settings: Settings) -> str:
        """Keep the results of a task; in a worker of xdist, encode them to travel with the test's report."""
        from parity.report.journal import entry
        from parity.report.model import encode_part

        kept = entry(task, results, settings)
        if self.is_worker:
            return encode_part(kept).decode()
        if self.journal:
            self.journal.keep(kept)
        return ""

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Keep the results that a worker of xdist encoded in a test's report; pytest calls this hook."""
        from msgspec import json

        from parity.report.journal import Entry

        encoded = getattr(report, "parity", "")
        if encoded and not self.is_worker:
            self.begin(planned=0)
            received: Entry = json.decode(encoded, type=Entry)
            if self.journal:
                self.journal.keep(received)

    def finish(self, interrupted: bool) -> bool:
        """Write the report; return whether that succeeded, or there is none."""
        from parity import report
        from parity.cli.terminal import report_lines
        from parity.report import github

        if self.journal is None:
            return True
        finished, written = self.journal.report(interrupted), True
        self.messages.append(f"{report.verdict(finished)}; {len(finished.results)} results")
        try:
            self.messages += report_lines(report.write(finished, self.folder))
        except NotWritten as error:
            written = False
            self.messages.append(f"parity: failed: {error}")
        github.publish(finished, say=self.messages.append, warn=self._warn)
        return written

    def _warn(self, message: str) -> None:
        self.messages.append(f"parity: {message}")
