"""Run checks in worker processes, and hand each verdict over as soon as it is there.

TensorFlow spends most of its time in Python, building graphs, so two cores are used by two processes. A worker
gets all checks of one operation and dtype together: they share draws, references and traces.
"""

from __future__ import annotations

import gc
import os
import signal
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from threading import Condition, Thread
from typing import Any

from parity import noise, wings
from parity.cases import drawn
from parity.check import Check
from parity.errors import whole_number
from parity.findings import FAILED, Finding
from parity.operations import find

Verdict = tuple[Check, list[Finding]]


def default_jobs() -> int:
    """As many workers as cores, but no more than four: each holds both frameworks in memory."""
    return min(4, os.cpu_count() or 1)


class Runner:
    """Runs checks. Either iterate over it for verdicts, or `start` it and ask for `verdict_on` one after another.

    Args:
        checks: from `parity.check.plan`.
        jobs: worker processes; 1 runs everything in this process, in order, which suits a debugger.

    Attributes:
        environment: wing -> what its framework said of itself, as soon as it was loaded.

    Raises:
        InputError: ``jobs`` is not 1 or more.
    """

    def __init__(self, checks: Iterable[Check], jobs: int | None = None) -> None:
        self.checks = list(checks)
        self.jobs = default_jobs() if jobs is None else whole_number("jobs", jobs, least=1)
        self.environment: dict[str, dict[str, Any]] = {}
        self._workers: list[Worker] = []
        self._stream = self._in_process() if self.jobs == 1 else self._in_workers()
        self._verdicts: dict[Check, list[Finding]] = {}
        self._arrived = Condition()
        self._collector: Thread | None = None
        self._over = False

    def __iter__(self) -> Iterator[Verdict]:
        return self._stream

    def start(self) -> None:
        """Let the workers begin, and collect verdicts behind the caller's back. With one job, nothing happens yet."""
        if self.jobs > 1:
            self._collector = Thread(target=self._collect, daemon=True)
            self._collector.start()

    def verdict_on(self, check: Check) -> list[Finding]:
        """The findings of one check, waiting for it if need be."""
        if self._collector is None:
            while check not in self._verdicts:
                self._keep(*next(self._stream))
        with self._arrived:
            self._arrived.wait_for(lambda: check in self._verdicts or self._over)
            return self._verdicts[check]

    def close(self) -> None:
        """Stop all workers."""
        self._over = True
        for worker in self._workers:
            worker.process.kill()
        if self._collector is None:
            self._stream.close()
        else:
            self._collector.join()

    def _collect(self) -> None:
        try:
            for check, findings in self._stream:
                self._keep(check, findings)
        finally:
            with self._arrived:
                self._over = True
                self._arrived.notify_all()

    def _keep(self, check: Check, findings: list[Finding]) -> None:
        with self._arrived:
            self._verdicts[check] = findings
            self._arrived.notify_all()

    def _in_process(self) -> Generator[Verdict, None, None]:
        for check in self.checks:
            yield check, check.run()
            self.environment = wings.environment()

    def _in_workers(self) -> Generator[Verdict, None, None]:
        waiting = deque(batches(self.checks))
        self._workers = [Worker() for _ in range(min(self.jobs, len(waiting)))]
        try:
            while busy := _keep_busy(self._workers, waiting):
                for connection in wait(list(busy)):
                    worker = busy[connection]  # type: ignore[index]
                    verdicts = worker.hear()
                    if self._over:  # closed meanwhile: the worker was killed, and its checks have no verdict
                        return
                    self.environment |= worker.environment
                    yield from verdicts
        finally:
            for worker in self._workers:
                worker.process.kill()


def _keep_busy(workers: list[Worker], waiting: deque[list[Check]]) -> dict[Connection, Worker]:
    """Give every idle worker a batch, as long as there are any; returns those at work."""
    for worker in workers:
        if not worker.left and waiting:
            worker.give(waiting.popleft())
    return {worker.connection: worker for worker in workers if worker.left}


def batches(checks: Iterable[Check]) -> list[list[Check]]:
    """Checks that share work, together; the longest batches first, so that no core waits for them at the end."""
    together: dict[tuple[str, str], list[Check]] = {}
    for check in checks:
        together.setdefault((check.operation, check.dtype), []).append(check)

    def cost(batch: list[Check]) -> int:
        return len(batch) * sum(len(form.inputs) for form in find(batch[0].operation).forms)

    return sorted(together.values(), key=cost, reverse=True)


class Worker:
    """A process that runs one batch of checks after another.

    Attributes:
        left: the checks of its batch whose verdicts are not in yet; empty when it is idle.
        environment: what its frameworks said of themselves.
    """

    def __init__(self) -> None:
        self.left: list[Check] = []
        self.environment: dict[str, dict[str, Any]] = {}
        self._start()

    def _start(self) -> None:
        context = get_context("spawn")  # a fork of a process with TensorFlow's threads in it hangs
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()

    def give(self, batch: list[Check]) -> None:
        """Let it run a batch, in a new process if the last one died."""
        if not self.process.is_alive():
            self._start()
        self.left = list(batch)
        self.connection.send(batch)

    def hear(self) -> list[Verdict]:
        """Its next verdict; if it died, a failure for every check that it took with it."""
        try:
            check, findings, self.environment = self.connection.recv()
        except (EOFError, ConnectionError):
            self.process.join()
            reason = f"the worker process died with exit code {self.process.exitcode} before this check was done"
            lost, self.left = self.left, []
            return [(check, [check.finding("", "", FAILED, reason=reason)]) for check in lost]
        self.left.remove(check)
        return [(check, findings)]


def forget() -> None:
    """Drop what runs have left behind: draws, references, observations and graphs."""
    for cached in (drawn, wings.observed, wings.call, wings.bind):
        cached.cache_clear()
    noise.forget()
    wings.forget_graphs()
    gc.collect()


def _serve(connection: Connection) -> None:
    """What a worker does, until it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    while True:
        for check in connection.recv():
            findings = check.run()
            connection.send((check, findings, wings.environment()))
        forget()  # graphs and observations of one operation are of no use to the next
