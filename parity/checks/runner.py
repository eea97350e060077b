"""Run tasks in worker processes, and hand each verdict over as soon as it is there.

TensorFlow spends most of its time in Python, building graphs, so two cores are used by two processes. A worker
gets all tasks of a kind together, the checks of one operation and dtype say: they share samples, references and traces.
"""

from __future__ import annotations

import gc
import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from threading import Condition, Thread
from typing import Any, Protocol, runtime_checkable

from parity import frameworks
from parity.caching import clear_caches
from parity.errors import InputError, listed, of_kind, shown, whole_number
from parity.frameworks import CPU, DeviceSettings


@runtime_checkable
class Task(Protocol):
    """Something to run: hashable, and fit to travel to another process. So is everything that comes of it."""

    @property
    def together(self) -> tuple[str, ...]:
        """What it shares with the tasks that should run in the same process."""

    @property
    def cost(self) -> int:
        """How long it takes, compared with others."""

    def run(self) -> list[Any]:
        """Its verdict."""

    def lost(self, reason: str, /) -> list[Any]:
        """Its verdict if there will be none."""


TASKS = "tasks, as parity.checks.check.plan gives them"
Verdict = tuple[Any, list[Any]]  # a task, and what came of it


def default_jobs() -> int:
    """As many workers as cores, but no more than four: each holds both frameworks in memory."""
    return min(4, os.cpu_count() or 1)


def _ignore(task: Task, found: list[Any]) -> None:
    pass


class Runner:
    """Runs tasks. Either iterate over it for verdicts, or `start` it and ask for `verdict_on` one after another.

    Args:
        tasks: checks from `parity.checks.check.plan`, and whatever else is a `Task`.
        jobs: worker processes; 1 runs everything in this process, in order, which suits a debugger.
        device: where the tasks run, for what the frameworks say of themselves.
        heard: told each verdict that workers gave behind the caller's back, whether somebody asks for it or not.

    Attributes:
        environment: framework -> what its framework said of itself, as soon as it was loaded.

    Raises:
        InputError: something among the tasks is none, or ``jobs`` is not 1 or more.
    """

    def __init__(
        self,
        tasks: Iterable[Task],
        jobs: int | None = None,
        heard: Callable[[Any, list[Any]], object] = _ignore,
        device: DeviceSettings = CPU,
    ) -> None:
        self.tasks: list[Task] = listed("tasks", tasks, TASKS)
        for task in self.tasks:
            of_kind("tasks", task, Task, TASKS)
        self.jobs = default_jobs() if jobs is None else whole_number("jobs", jobs, least=1)
        self.environment: dict[str, dict[str, Any]] = {}
        self._known = frozenset(self.tasks)
        self._heard = heard
        self.device = device
        self._workers: list[Worker] = []
        self._stream = self._in_process() if self.jobs == 1 else self._in_workers()
        self._verdicts: dict[Task, list[Any]] = {}
        self._arrived = Condition()
        self._collector: Thread | None = None
        self._together: tuple[str, ...] = ()  # what the last task that ran here shared with others
        self._over = False
        self._ended_by: Exception | None = None

    def __iter__(self) -> Iterator[Verdict]:
        return self._stream

    def start(self) -> None:
        """Let the workers begin, and collect verdicts behind the caller's back. With one job, nothing happens yet."""
        if self.jobs > 1:
            self._collector = Thread(target=self._collect, daemon=True)
            self._collector.start()

    def verdict_on(self, task: Task) -> list[Any]:
        """The verdict on one task, waiting for it if need be.

        Raises:
            InputError: it is none of the tasks.
            RuntimeError: who was told the verdicts raised, which ended the run.
        """
        if task not in self._known:
            raise InputError("task", shown(task), "one of the tasks that were given")
        if self._collector is None and task not in self._verdicts:
            self._keep(task, self._run_here(task))  # this one only: under xdist, other processes run the others
        with self._arrived:
            self._arrived.wait_for(lambda: task in self._verdicts or self._over)
            if task not in self._verdicts:
                raise RuntimeError("the run ended before this verdict was in") from self._ended_by
            return self._verdicts[task]

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
            for task, found in self._stream:
                self._heard(task, found)
                self._keep(task, found)
        except Exception as error:  # raised where it is seen: in whoever asks for the next verdict
            self._ended_by = error
        finally:
            with self._arrived:
                self._over = True
                self._arrived.notify_all()

    def _keep(self, task: Task, found: list[Any]) -> None:
        with self._arrived:
            self._verdicts[task] = found
            self._arrived.notify_all()

    def _in_process(self) -> Generator[Verdict, None, None]:
        for batch in groups(self.tasks):
            for task in batch:
                yield task, self._run_here(task)

    def _run_here(self, task: Task) -> list[Any]:
        if self._together not in ((), task.together):
            clear()  # graphs and observations of one operation are of no use to the next
        self._together = task.together
        found = task.run()
        self.environment = frameworks.environment(self.device)
        return found

    def _in_workers(self) -> Generator[Verdict, None, None]:
        waiting = deque(batches(self.tasks))
        self._workers = [Worker(self.device) for _ in range(min(self.jobs, len(waiting)))]
        try:
            while not self._over and (busy := _keep_busy(self._workers, waiting)):
                for connection in wait(list(busy)):
                    worker = busy[connection]  # type: ignore[index]
                    verdicts = worker.hear()
                    if self._over:  # closed meanwhile: the worker was killed, and its tasks have no verdict
                        return
                    self.environment |= worker.environment
                    yield from verdicts
        finally:
            for worker in self._workers:
                worker.process.kill()


def _keep_busy(workers: list[Worker], waiting: deque[list[Task]]) -> dict[Connection, Worker]:
    """Give every idle worker a batch, as long as there are any; returns those at work."""
    for worker in workers:
        if not worker.left and waiting:
            worker.give(waiting.popleft())
    return {worker.connection: worker for worker in workers if worker.left}


def groups(tasks: Iterable[Task]) -> list[list[Task]]:
    """Checks that share work, together."""
    together: dict[tuple[str, ...], list[Task]] = {}
    for task in tasks:
        together.setdefault(task.together, []).append(task)
    return list(together.values())


def batches(tasks: Iterable[Task]) -> list[list[Task]]:
    """Groups, the longest first, so that no core waits for them at the end."""
    return sorted(groups(tasks), key=lambda batch: sum(task.cost for task in batch), reverse=True)


class Worker:
    """A process that runs one batch of tasks after another, in order.

    Attributes:
        left: the tasks of its batch whose verdicts are not in yet; empty when it is idle.
        answered: whether the process that runs now has given a verdict.
        environment: what its frameworks said of themselves.
    """

    def __init__(self, device: DeviceSettings) -> None:
        self.device = device
        self.left: list[Task] = []
        self.environment: dict[str, dict[str, Any]] = {}
        self._start()

    def _start(self) -> None:
        context = get_context("spawn")  # a fork of a process with TensorFlow's threads in it hangs
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, self.device), daemon=True)
        self.process.start()
        self.answered = False
        theirs.close()

    def give(self, batch: list[Task]) -> None:
        """Let it run a batch, in a new process if the last one died."""
        if not self.process.is_alive():
            self._start()
        self.left = list(batch)
        self.connection.send(batch)

    def hear(self) -> list[Verdict]:
        """Its next verdict. If it died: a failure of the task it was at, and the others go to another process.

        A process that dies over its first task takes all of them along: the next one would hardly do better.
        """
        try:
            task, found, self.environment = self.connection.recv()
        except (EOFError, ConnectionError):
            self.process.join()
            reason = f"the worker process died with exit code {self.process.exitcode} before it was done"
            lost, rest = (self.left[:1], self.left[1:]) if self.answered else (self.left, [])
            self.left = []
            if rest:
                self.give(rest)
            return [(task, task.lost(reason)) for task in lost]
        self.answered = True
        self.left.remove(task)
        return [(task, found)]


def clear() -> None:
    """Empty all caches: what one operation left behind is of no use to the next."""
    clear_caches()
    gc.collect()


def _serve(connection: Connection, device: DeviceSettings) -> None:
    """What a worker does, until it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, ConnectionError):  # nobody is left to hear of it
        while True:
            for task in connection.recv():
                found = task.run()
                connection.send((task, found, frameworks.environment(device)))
            clear()


def _end_with_parent() -> None:
    """A parent that was killed takes its workers along, in the middle of a task and without a word."""
    parent = parent_process()
    assert parent is not None, "a worker has one"
    wait([parent.sentinel])
    os._exit(1)
