"""Run tasks in worker processes, and deliver the results of each as soon as it is done.

TensorFlow spends most of its time in Python, building graphs, so two cores are used by two processes. A worker
gets all tasks of a group, the checks of one operation and dtype say: they share cases, references and traces.
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
from parity.errors import InputError, first_lines, listed, message_of, of_kind, shown, whole_number
from parity.frameworks import CPU, DeviceSettings


@runtime_checkable
class Task(Protocol):
    """Something to run: hashable, and fit to travel to another process. So are its results."""

    @property
    def group_key(self) -> tuple[str, ...]:
        """Return the key of the tasks that should run in the same process."""

    @property
    def cost(self) -> int:
        """Estimate how long it takes, compared with others."""

    def run(self) -> list[Any]:
        """Return its results."""

    def on_crash(self, reason: str, /) -> list[Any]:
        """Return results to report if the process that ran it died."""


TASKS = "tasks, as parity.checks.selection.plan lists them"
MOST_WORKERS = 4  # unless more are asked for: each has both frameworks in memory
Done = tuple[Any, list[Any]]  # a task, and its results


class Runner:
    """Runs tasks. Iterate over it for results, or `start` it and ask for `results_of` one task after another.

    Args:
        tasks: checks from `parity.checks.selection.plan`, and whatever else is a `Task`.
        jobs: worker processes; 1 runs everything in this process, in order, which suits a debugger.
        on_results: called with each task and its results that workers deliver after `start`.
        device: where the tasks run.

    Raises:
        InputError: something among the tasks is none, or ``jobs`` is not 1 or more.
    """

    def __init__(
        self,
        tasks: Iterable[Task],
        jobs: int | None = None,
        on_results: Callable[[Any, list[Any]], object] = lambda *_: None,
        device: DeviceSettings = CPU,
    ) -> None:
        self.tasks: list[Task] = listed("tasks", tasks, TASKS)
        for task in self.tasks:
            of_kind("tasks", task, Task, TASKS)
        self.jobs = min(MOST_WORKERS, os.cpu_count() or 1) if jobs is None else whole_number("jobs", jobs, least=1)
        self.device = device
        self.environment: dict[str, dict[str, Any]] = {}  # framework -> what it reports, as soon as it was loaded
        self._planned = frozenset(self.tasks)
        self._on_results = on_results
        self._workers: list[Worker] = []
        self._stream = self._in_process() if self.jobs == 1 else self._in_workers()
        self._results: dict[Task, list[Any]] = {}
        self._arrived = Condition()
        self._collector: Thread | None = None
        self._group_key: tuple[str, ...] = ()  # of the last task that ran here
        self._over = False
        self._ended_by: Exception | None = None

    def __iter__(self) -> Iterator[Done]:
        return self._stream

    def start(self) -> None:
        """Let the workers begin, and collect results in a thread. With one job, nothing happens yet."""
        if self.jobs > 1:
            self._collector = Thread(target=self._collect, daemon=True)
            self._collector.start()

    def results_of(self, task: Task) -> list[Any]:
        """Return the results of one task, waiting for them if need be.

        Raises:
            InputError: it is none of the tasks.
            RuntimeError: ``on_results`` raised, which ended the run.
        """
        if task not in self._planned:
            raise InputError("task", shown(task), "one of the tasks that were given")
        if self._collector is None and task not in self._results:
            self._keep(task, self._run_here(task))  # this one only: under xdist, other processes run the others
        with self._arrived:
            self._arrived.wait_for(lambda: task in self._results or self._over)
            if task not in self._results:
                raise RuntimeError("the run ended before this task was done") from self._ended_by
            return self._results[task]

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
            for task, results in self._stream:
                self._on_results(task, results)
                self._keep(task, results)
        except Exception as error:  # raised again in whoever asks for the next results
            self._ended_by = error
        finally:
            with self._arrived:
                self._over = True
                self._arrived.notify_all()

    def _keep(self, task: Task, results: list[Any]) -> None:
        with self._arrived:
            self._results[task] = results
            self._arrived.notify_all()

    def _in_process(self) -> Generator[Done, None, None]:
        for batch in groups(self.tasks):
            for task in batch:
                yield task, self._run_here(task)

    def _run_here(self, task: Task) -> list[Any]:
        if self._group_key not in ((), task.group_key):
            clear()
        self._group_key = task.group_key
        results = task.run()
        self.environment = frameworks.environment(self.device)
        return results

    def _in_workers(self) -> Generator[Done, None, None]:
        longest_first = sorted(groups(self.tasks), key=lambda batch: sum(task.cost for task in batch), reverse=True)
        waiting = deque(longest_first)  # so that no core waits for them at the end
        self._workers = [Worker(self.device) for _ in range(min(self.jobs, len(waiting)))]
        try:
            while not self._over and (busy := _keep_busy(self._workers, waiting)):
                for connection in wait(list(busy)):
                    worker = busy[connection]  # type: ignore[index]
                    done = worker.receive()
                    if self._over:  # closed meanwhile: the worker was killed, and its tasks have no results
                        return
                    self.environment |= worker.environment
                    yield from done
        finally:
            for worker in self._workers:
                worker.process.kill()


def _keep_busy(workers: list[Worker], waiting: deque[list[Task]]) -> dict[Connection, Worker]:
    """Give every idle worker a batch, as long as there are any; return those at work."""
    for worker in workers:
        if not worker.left and waiting:
            worker.give(waiting.popleft())
    return {worker.connection: worker for worker in workers if worker.left}


def groups(tasks: Iterable[Task]) -> list[list[Task]]:
    """Group the tasks that share work."""
    by_key: dict[tuple[str, ...], list[Task]] = {}
    for task in tasks:
        by_key.setdefault(task.group_key, []).append(task)
    return list(by_key.values())


class Worker:
    """A process that runs one batch of tasks after another, in order."""

    def __init__(self, device: DeviceSettings) -> None:
        self.device = device
        self.left: list[Task] = []  # those of its batch that are not done yet; empty when it is idle
        self.environment: dict[str, dict[str, Any]] = {}
        self._start()

    def _start(self) -> None:
        context = get_context("spawn")  # a fork of a process with TensorFlow's threads in it hangs
        self.connection, other_end = context.Pipe()
        self.process = context.Process(target=_serve, args=(other_end, self.device), daemon=True)
        self.process.start()
        self.answered = False  # whether the process that runs now has finished a task
        other_end.close()

    def give(self, batch: list[Task]) -> None:
        """Let it run a batch, in a new process if the last one died."""
        if not self.process.is_alive():
            self._start()
        self.left = list(batch)
        self.connection.send(batch)

    def receive(self) -> list[Done]:
        """Return the results of its next task. If it died, report only the task that was running as failed.

        The rest of the batch goes to another process. A process that dies over its first task fails the whole batch:
        the next one would hardly do better.
        """
        try:
            task, results, self.environment = self.connection.recv()
        except (EOFError, ConnectionError):
            self.process.join()
            reason = f"the worker process died with exit code {self.process.exitcode} before it was done"
            crashed, rest = (self.left[:1], self.left[1:]) if self.answered else (self.left, [])
            self.left = []
            if rest:
                self.give(rest)
            return [(task, task.on_crash(reason)) for task in crashed]
        self.answered = True
        self.left.remove(task)
        return [(task, results)]


def clear() -> None:
    """Empty all caches: what one operation left behind is of no use to the next."""
    clear_caches()
    gc.collect()


def _serve(connection: Connection, device: DeviceSettings) -> None:
    """Run batches in a worker, until it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, ConnectionError):  # the parent has ended
        while True:
            for task in connection.recv():
                try:
                    results = task.run()
                except Exception as error:  # the next task may run all the same
                    results = task.on_crash(f"raised {first_lines(message_of(error))}")
                connection.send((task, results, frameworks.environment(device)))
            clear()


def _end_with_parent() -> None:
    """End at once when the parent is killed, even in the middle of a task."""
    parent = parent_process()
    assert parent is not None, "a worker has one"
    wait([parent.sentinel])
    os._exit(1)
