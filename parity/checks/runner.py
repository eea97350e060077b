"""Run tasks in worker processes, and deliver the results of each as soon as it is done.

TensorFlow spends most of its time in Python, building graphs, so two cores are used by two processes. A worker
gets all tasks of a group, the checks of one operation and dtype say: they share cases, references and traces.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from threading import Condition, Thread
from typing import Any

from parity import frameworks
from parity.checks.pool import AnyWorker, Pool, Processes
from parity.checks.sharding import groups
from parity.checks.worker import Done, forget, raised
from parity.checks.worker import Task as Task
from parity.checks.worker import clear as clear
from parity.errors import INTERRUPTS, InputError, listed, of_kind, seconds, shown, whole_number
from parity.frameworks import CPU, DeviceSettings

TASKS = "tasks, as parity.checks.selection.plan lists them"
MOST_WORKERS = 4  # unless more are asked for: each has both frameworks in memory
TIMEOUT = 600.0  # seconds for a task unless another limit is set
INTERVAL = 1.0  # seconds between two looks whether workers are alive while none of them answers


class Runner:
    """Runs tasks. Iterate over it for results, or `start` it and ask for `results_of` one task after another.

    Args:
        tasks: checks from `parity.checks.selection.plan`, and whatever else is a `Task`.
        jobs: worker processes, by default one a core and 4 at most; if 1 is asked for, everything runs in this process,
            in order, which suits a debugger.
        on_results: called with each task and its results that workers deliver after `start`.
        device: where the tasks run.
        timeout: seconds after which a worker is killed and its task has failed. A task in this process has no limit.
            The longest of ours, which train and compile, take half a minute on an idle core, and two and a half
            minutes where ten processes share two cores.
        yielding: whether worker processes yield the cores to whatever else wants them, as this process may.
        pool: where the workers are, such as a `parity.cluster.pool.Cluster`; by default processes of this machine.
        own_process: whether this process only runs tasks, so that garbage collections may leave out what they load.

    Attributes:
        environment: framework -> what it reports, as soon as it was loaded.
        seconds: how long each task took that is done.

    Raises:
        InputError: something among the tasks is none, ``jobs`` is not 1 or more, or ``timeout`` is not above 0.
    """

    def __init__(
        self,
        tasks: Iterable[Task],
        jobs: int | None = None,
        on_results: Callable[[Any, list[Any]], object] = lambda *_: None,
        device: DeviceSettings = CPU,
        timeout: float | None = None,
        yielding: bool = False,
        pool: Pool | None = None,
        own_process: bool = False,
    ) -> None:
        self.tasks: list[Task] = listed("tasks", tasks, TASKS)
        for task in self.tasks:
            of_kind("tasks", task, Task, TASKS)
        self.jobs = min(MOST_WORKERS, frameworks.cores()) if jobs is None else whole_number("jobs", jobs, least=1)
        self.timeout = TIMEOUT if timeout is None else seconds("timeout", timeout)
        self.device = device
        self.pool: Pool = pool or Processes(self.jobs, device, self.timeout, yielding)
        self.environment: dict[str, dict[str, Any]] = {}
        self.seconds: dict[Task, float] = {}
        self._planned = frozenset(self.tasks)
        self._on_results = on_results
        self._workers: list[AnyWorker] = []
        # on a single core, a process of its own still limits the damage of a task
        self._here = jobs == 1 and pool is None
        self._own_process = own_process
        self._stream = self._in_process(groups(self.tasks)) if self._here else self._in_workers()
        self._results: dict[Task, list[Any]] = {}
        self._arrived = Condition()
        self._collector: Thread | None = None
        self._collecting = False
        self._group_key: tuple[str, ...] = ()  # of the last task that ran here
        self._over = False
        self._ended_by: BaseException | None = None

    def __iter__(self) -> Iterator[Done]:
        return self._stream

    def start(self) -> None:
        """Let the workers begin, and collect results in a thread. Without them, nothing happens yet."""
        if not self._here:
            self._collector, self._collecting = Thread(target=self._collect, daemon=True), True
            self._collector.start()

    def results_of(self, task: Task) -> list[Any]:
        """Return the results of one task, waiting for them if need be.

        Raises:
            InputError: it is none of the tasks.
            RuntimeError: the run was closed, or ``on_results`` raised, which ended it.
        """
        if task not in self._planned:
            raise InputError("task", shown(task), "one of the tasks that were given")
        with self._arrived:
            self._arrived.wait_for(lambda: task in self._results or self._over or not self._collecting)
        if task not in self._results:
            if self._over:
                raise RuntimeError("the run ended before this task was done") from self._ended_by
            self._keep(task, self._run_here(task))  # this one only: under xdist, other processes run the others
        return self._results[task]

    def close(self) -> None:
        """Stop all workers."""
        self._over = True
        for worker in self._workers:
            worker.kill()
        self.pool.close()
        if self._collector is None:
            self._stream.close()
        else:
            self._collector.join()

    def _collect(self) -> None:
        try:
            for task, results in self._stream:
                self._on_results(task, results)
                self._keep(task, results)
        except BaseException as error:  # raised again in whoever asks for the next results
            self._ended_by, self._over = error, True
        finally:
            with self._arrived:
                self._collecting = False
                self._arrived.notify_all()

    def _keep(self, task: Task, results: list[Any]) -> None:
        with self._arrived:
            self._results[task] = results
            self._arrived.notify_all()

    def _in_process(self, batches: Iterable[list[Task]]) -> Generator[Done, None, None]:
        for batch in batches:
            for task in batch:
                try:
                    results = self._run_here(task)
                except INTERRUPTS:
                    raise
                except BaseException as error:  # the next task may run all the same
                    results = task.on_crash(raised(error))
                yield task, results

    def _run_here(self, task: Task) -> list[Any]:
        if self._group_key not in ((), task.group_key):
            (forget if self._own_process else clear)()
        self._group_key = task.group_key
        began = time.perf_counter()
        try:
            results = task.run()
        finally:
            self.seconds[task] = time.perf_counter() - began
        self.environment = frameworks.environment(self.device)
        return results

    def _in_workers(self) -> Generator[Done, None, None]:
        longest_first = sorted(groups(self.tasks), key=lambda batch: sum(task.cost for task in batch), reverse=True)
        waiting = deque(longest_first)  # so that no core waits for them at the end
        self._workers = list(self.pool.workers(len(waiting)))
        try:
            while not self._over:
                self._workers += self.pool.joined(self._workers) if waiting else ()
                busy = self._keep_busy(waiting)
                if not busy and not (waiting and self.pool.expects_more()):
                    break
                before = time.monotonic()
                arrived = self.pool.wait(busy, INTERVAL)
                passed = min(time.monotonic() - before, 2 * INTERVAL)  # more if somebody has stopped all, with Ctrl-Z
                for worker in busy:
                    done = worker.results(worker in arrived, passed)
                    if self._over:  # closed meanwhile: the worker was killed, and its tasks have no results
                        return
                    self.environment |= worker.environment
                    self.seconds |= {task: worker.took for task, _ in done}
                    yield from done
        finally:
            for worker in self._workers:
                worker.kill()
            self.pool.close()
        if not self.pool.is_here:
            yield from ((task, task.on_crash("no worker is left")) for batch in waiting for task in batch)
        elif not self._collecting:
            yield from self._in_process(waiting)  # no process can be started

    def _keep_busy(self, waiting: deque[list[Task]]) -> list[AnyWorker]:
        """Give every idle worker a batch, as long as there are any; return those at work.

        A worker that cannot be started, or has left, leaves its batch to the others.
        """
        for worker in list(self._workers):
            if not worker.left and waiting:
                worker.left = waiting.popleft()
            try:
                worker.proceed()
            except OSError:
                self._workers.remove(worker)
                if worker.left:
                    waiting.appendleft(worker.left)
        return [worker for worker in self._workers if worker.left]
