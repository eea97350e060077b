"""Hold the workers of a run: processes of this machine, or those of a cluster; see `parity.cluster`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from multiprocessing.connection import wait
from typing import Any, Protocol

from parity.checks.worker import Done, Worker
from parity.frameworks import DeviceSettings, cores


class AnyWorker(Protocol):
    """Something that runs one batch of tasks after another, in order.

    Attributes:
        left: the tasks of its batch that are not done yet; empty when it is idle.
        environment: framework -> what it reported last.
        took: seconds that its last task took.
    """

    left: list[Any]
    environment: dict[str, dict[str, Any]]
    took: float

    def proceed(self) -> None:
        """Send what is left of the batch; raise an OSError if that cannot be."""

    def results(self, arrived: bool, passed: float, /) -> list[Done]:
        """Return the results of its next task, if they have arrived or never will."""

    def kill(self) -> None:
        """End at once."""


class Pool(Protocol):
    """Hold the workers of a run, wherever they are.

    Attributes:
        is_here: whether they are of this machine, so that tasks that none can take may run in this process.
    """

    is_here: bool

    def workers(self, most: int) -> Sequence[AnyWorker]:
        """Return the workers at the beginning, so many at most."""

    def joined(self, workers: Collection[Any]) -> Sequence[AnyWorker]:
        """Return workers that have come since."""

    def expects_more(self) -> bool:
        """Tell whether a worker may still come where none is left."""

    def wait(self, busy: Collection[Any], longest: float) -> Collection[Any]:
        """Return the workers whose results have arrived, after so many seconds at the latest."""

    def close(self) -> None:
        """Leave the workers."""


class Processes:
    """Worker processes of this machine, which share its cores.

    A framework uses as many threads as there are cores in each process unless it is limited, and those of PyTorch wait
    for each other in loops: two such processes on two cores took 40 s where they take 5 s with one thread each.

    Args:
        jobs: how many.
        device: where their tasks run.
        timeout: seconds after which a process is killed.
        yielding: whether they yield the cores to other processes.
    """

    is_here = True

    def __init__(self, jobs: int, device: DeviceSettings, timeout: float, yielding: bool) -> None:
        self.jobs, self.device, self.timeout, self.yielding = jobs, device, timeout, yielding

    def workers(self, most: int) -> list[Worker]:
        jobs = min(self.jobs, most)
        threads = max(1, cores() // max(1, jobs))
        return [Worker(self.device, self.timeout, threads, self.yielding) for _ in range(jobs)]

    def joined(self, _: Collection[Any]) -> list[Worker]:
        return []

    def expects_more(self) -> bool:
        return False

    def wait(self, busy: Collection[Any], longest: float) -> Collection[Any]:
        arrived = wait([worker.connection for worker in busy], longest)
        return [worker for worker in busy if worker.connection in arrived]

    def close(self) -> None:
        """Do nothing: each process was killed."""
