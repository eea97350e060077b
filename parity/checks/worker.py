"""Run batches of tasks in a process, which is replaced when it dies or hangs."""

from __future__ import annotations

import gc
import os
import pickle
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from threading import Thread
from time import perf_counter
from typing import Any, Protocol, runtime_checkable

from parity import frameworks
from parity.caching import clear_caches
from parity.errors import first_lines, message_of
from parity.frameworks import DeviceSettings


@runtime_checkable
class Task(Protocol):
    """Something to run: hashable, and fit to travel to another process. So are its results."""

    @property
    def group_key(self) -> tuple[str, ...]:
        """Return the key of the tasks that should run in the same process."""

    @property
    def cost(self) -> float:
        """Estimate the seconds that it takes."""

    def run(self) -> list[Any]:
        """Return its results."""

    def on_crash(self, reason: str, /) -> list[Any]:
        """Return results to report if it raised, or the process that ran it died."""


Done = tuple[Any, list[Any]]  # a task, and its results
DEATHS = 3  # in a row, after which the rest of a batch is given up: what its tasks share is the cause, and not one task
STARTING = 600.0  # seconds for a process to start
NICENESS = 10  # of a process that yields to others: it gets a tenth of a core that another one wants


class Worker:
    """A process that runs one batch of tasks after another, in order.

    Attributes:
        left: the tasks of its batch that are not done yet; empty when it is idle.
        environment: framework -> what it reported last.
        took: seconds that its last task took.
    """

    def __init__(self, device: DeviceSettings, timeout: float, threads: int, yielding: bool = False) -> None:
        self.device, self.timeout, self.threads, self.yielding = device, timeout, threads, yielding
        self.left: list[Task] = []
        self.environment: dict[str, dict[str, Any]] = {}
        self.took = 0.0
        self.connection: Connection
        self._process: SpawnProcess | None = None
        self._sent = False
        self._received = False  # whether the process has the batch; then the first task that is left runs
        self._deaths = 0  # in a row
        self._seconds = 0.0  # since the batch was sent, or the last results arrived

    def proceed(self) -> None:
        """Send what is left of the batch, to a new process if there is none.

        Raises:
            OSError: no process can be started: the system does not let it, or several ended before they had a batch.
        """
        if self._sent or not self.left:
            return
        if self._process is None or not self._process.is_alive():
            self._start()
        self._sent, self._received, self._seconds = True, False, 0.0
        with suppress(ConnectionError):  # it has just died, and will not answer
            self.connection.send([pickle.dumps(task) for task in self.left])

    def _start(self) -> None:
        if self._deaths >= DEATHS:
            raise OSError("worker processes end before they have begun")
        context = get_context("spawn")  # a fork of a process with TensorFlow's threads in it hangs
        self.connection, other_end = context.Pipe()
        process = context.Process(
            target=_serve, args=(other_end, self.device, self.threads, self.yielding), daemon=True
        )
        with other_end, _without_interrupt():
            process.start()
            self._process = process

    def kill(self) -> None:
        """End its process at once."""
        if self._process:
            self._process.kill()

    def results(self, arrived: bool, passed: float) -> list[Done]:
        """Return the results of its next task, if they have arrived or never will.

        Args:
            arrived: whether its connection has something to receive.
            passed: seconds since the last call.
        """
        self._seconds += passed
        if arrived:
            return self._receive()
        if self._seconds > (self.timeout if self._received else STARTING):
            limit = f"{self.timeout:g} seconds, the limit of --timeout (--parity-timeout in pytest)"
            return self._end(f"stopped after {limit}")
        if self._process and not self._process.is_alive() and not self.connection.poll():
            return self._end()  # a process that it started keeps the connection open
        return []

    def _receive(self) -> list[Done]:
        try:
            message = self.connection.recv()
        except (EOFError, OSError):
            return self._end()
        except Exception as error:  # results from elsewhere may raise anything when they are rebuilt
            message = raised(error)
        self.took, self._seconds = self._seconds, 0.0
        if message is None:
            self._received = True
            return []
        task, self._deaths = self.left.pop(0), 0
        self._sent = bool(self.left)
        if isinstance(message, str):
            return [(task, task.on_crash(message))]
        results, self.environment, self.took = message
        return [(task, results)]

    def _end(self, reason: str = "") -> list[Done]:
        """Report the running task as failed; after several deaths, all others of the batch."""
        assert self._process is not None, "it was given a batch"
        self.kill()  # it may have closed its connection and go on
        self._process.join()
        reason = reason or f"the worker process died with exit code {self._process.exitcode} before it was done"
        self._sent, self._deaths, self.took = False, self._deaths + 1, self._seconds
        if not self._received:
            return []
        failed = [(self.left[0], self.left[0].on_crash(reason))]
        del self.left[0]
        if self._deaths >= DEATHS:
            reason = f"given up after {DEATHS} worker processes died in a row: {reason}"
            failed += [(task, task.on_crash(reason)) for task in self.left]
            self.left = []
        if not self.left:
            self._deaths = 0
        return failed


@contextmanager
def _without_interrupt() -> Iterator[None]:
    """Start processes that Ctrl-C does not reach before they can ignore it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # its start, which is part of the first one, would unblock the signal
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _serve(connection: Connection, device: DeviceSettings, threads: int, yielding: bool) -> None:
    """Run batches in a worker, until it is killed."""
    if yielding and hasattr(os, "nice"):
        os.nice(NICENESS)
    frameworks.limit_threads(threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, ConnectionError):  # the parent has ended
        while True:
            batch = connection.recv()
            connection.send(None)
            for task in batch:
                connection.send_bytes(answer(task, device))
            forget()


def answer(task: bytes, device: DeviceSettings) -> bytes:
    """Return the results of a task, what the frameworks report, and its seconds; or what it raised."""
    try:
        began, results = perf_counter(), pickle.loads(task).run()
        return pickle.dumps((results, frameworks.environment(device), perf_counter() - began))
    except BaseException as error:
        return pickle.dumps(raised(error))


def clear() -> None:
    """Empty all caches: what one operation left behind is of no use to the next."""
    clear_caches()
    gc.collect()


def forget() -> None:
    """Empty all caches in a process that runs tasks only."""
    clear()
    gc.freeze()  # what is left belongs to the frameworks: up to a third of the time went into looking through it


def raised(error: BaseException) -> str:
    """Say what a task raised, for its results."""
    return f"raised {first_lines(message_of(error))}"


def _end_with_parent() -> None:
    """End at once when the parent is killed, even in the middle of a task."""
    parent = parent_process()
    assert parent is not None, "a worker has one"
    wait([parent.sentinel])
    os._exit(1)
