"""Run checks in worker processes, and hand each verdict over as soon as it is there.

TensorFlow spends most of its time in Python, building graphs, so two cores are used by two processes. A worker
gets all checks of one operation and dtype together: they share draws, references and traces.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from parity import wings
from parity.check import Check
from parity.errors import InputError
from parity.findings import FAILED, Finding
from parity.operations import find

Verdict = tuple[Check, list[Finding]]


def default_jobs() -> int:
    """As many workers as cores, but no more than four: each holds both frameworks in memory."""
    return min(4, os.cpu_count() or 1)


class Runner:
    """Runs checks; iterate over it for verdicts, or ask for one with `verdict_on`.

    Args:
        checks: from `parity.check.plan`.
        jobs: worker processes; 1 runs everything in this process, in order, which suits a debugger.

    Raises:
        InputError: ``jobs`` is not 1 or more.
    """

    def __init__(self, checks: Iterable[Check], jobs: int | None = None) -> None:
        self.checks = list(checks)
        self.jobs = default_jobs() if jobs is None else jobs
        if self.jobs < 1:
            raise InputError("jobs", self.jobs, "1 or more worker processes")
        self.environment: dict[str, dict[str, Any]] = {}
        self._verdicts: dict[Check, list[Finding]] = {}
        self._stream = self._in_process() if self.jobs == 1 else self._in_workers()

    def __iter__(self) -> Iterator[Verdict]:
        return self._stream

    def verdict_on(self, check: Check) -> list[Finding]:
        """The findings of one check, waiting for it if need be."""
        while check not in self._verdicts:
            done, findings = next(self._stream)
            self._verdicts[done] = findings
        return self._verdicts[check]

    def close(self) -> None:
        """Stop all workers."""
        self._stream.close()

    def _in_process(self) -> Generator[Verdict, None, None]:
        for check in self.checks:
            yield check, check.run()
            self.environment = wings.environment()

    def _in_workers(self) -> Generator[Verdict, None, None]:
        jobs = deque(batches(self.checks))
        workers = {worker.connection: worker for worker in (Worker() for _ in range(min(self.jobs, len(jobs))))}
        try:
            for worker in workers.values():
                worker.give(jobs.popleft())
            while workers:
                for ready in wait(list(workers)):
                    worker = workers[ready]  # type: ignore[index]
                    try:
                        message = worker.connection.recv()
                    except (EOFError, ConnectionError):
                        yield from worker.last_words()
                        del workers[worker.connection]
                        if jobs:
                            worker = Worker()
                            workers[worker.connection] = worker
                            worker.give(jobs.popleft())
                        continue
                    if message is None and jobs:
                        worker.give(jobs.popleft())
                    elif message is None:
                        worker.stop()
                        del workers[worker.connection]
                    else:
                        check, findings, environment = message
                        self.environment |= environment
                        worker.left.remove(check)
                        yield check, findings
        finally:
            for worker in workers.values():
                worker.process.kill()


def batches(checks: Iterable[Check]) -> list[list[Check]]:
    """Checks that share work, together; the longest batches first, so that no core waits for them at the end."""
    together: dict[tuple[str, str], list[Check]] = {}
    for check in checks:
        together.setdefault((check.operation, check.dtype), []).append(check)

    def cost(batch: list[Check]) -> int:
        return len(batch) * sum(len(form.inputs) for form in find(batch[0].operation).forms)

    return sorted(together.values(), key=cost, reverse=True)


@dataclass
class Worker:
    """A process that runs one batch of checks after another."""

    process: BaseProcess
    connection: Connection
    left: list[Check]

    def __init__(self) -> None:
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()
        self.left = []

    def give(self, batch: list[Check]) -> None:
        self.left = list(batch)
        self.connection.send(batch)

    def stop(self) -> None:
        self.connection.send(None)
        self.process.join()

    def last_words(self) -> Iterator[Verdict]:
        """A failure for every check that this worker took with it."""
        self.process.join()
        for check in self.left:
            reason = f"the worker process died with exit code {self.process.exitcode} before this check was done"
            yield check, [check.finding("", "", FAILED, reason=reason)]


def _serve(connection: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    while (batch := connection.recv()) is not None:
        for check in batch:
            findings = check.run()
            connection.send((check, findings, wings.environment()))
        connection.send(None)
