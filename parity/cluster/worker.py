"""Send the tasks of one batch after another to a worker of a Dask cluster."""

from __future__ import annotations

import pickle
from collections import deque
from typing import TYPE_CHECKING, Any

from parity.checks.worker import Done, raised
from parity.cluster.performing import perform

if TYPE_CHECKING:
    from parity.cluster.pool import Cluster

LEFT = "the worker left the cluster before it was done"
MOST = 64  # tasks that are sent at once


class ClusterWorker:
    """A worker that runs one batch of tasks after another, in order.

    When it leaves the cluster, other workers go on with the rest of its batch. Of several tasks that it had, each is a
    suspect then, and is sent alone the next time; one that was alone has failed.

    Attributes:
        left: the tasks of its batch that are not done yet; empty when it is idle.
        environment: framework -> what it reported last.
        took: seconds that its last task took.
        address: in the cluster; empty once it has left.
    """

    def __init__(self, cluster: Cluster, address: str) -> None:
        self.cluster, self.address = cluster, address
        self.left: list[Any] = []
        self.environment: dict[str, dict[str, Any]] = {}
        self.took = 0.0
        self._answers = deque[bytes]()  # of the first tasks that are left
        self._sent: list[Any] = []  # the tasks behind those
        self._future: Any = None  # their answers
        self._seconds = 0.0  # since they were sent

    def proceed(self) -> None:
        """Send the next tasks of its batch.

        Raises:
            OSError: it has left the cluster.
        """
        if self._future is not None or self._answers:
            return
        if self.address not in self.cluster.addresses():
            self.address = ""
            raise OSError("the worker left the cluster")
        if self.left:
            self._send()

    def _send(self) -> None:
        ahead = self.left[len(self._answers) :][:MOST]
        alone = [number for number, task in enumerate(ahead) if task in self.cluster.suspects]
        self._sent = ahead[: max(1, alone[0])] if alone else ahead
        if self._sent:
            pickled, group = [pickle.dumps(task) for task in self._sent], self._sent[0].group_key
            self._future = self.cluster.submit(perform, pickled, group, self.cluster.device, address=self.address)
            self._seconds = 0.0

    @property
    def arrived(self) -> bool:
        """Return whether the results of a task are there."""
        return bool(self._answers) or (self._future is not None and bool(self._future.done()))

    def kill(self) -> None:
        """Take its tasks back. One that runs goes on, as Dask stops no thread."""
        if self._future is not None:
            self.cluster.cancel(self._future)
        self._future = None

    def results(self, arrived: bool, passed: float) -> list[Done]:
        """Return the results of its next task, if they have arrived or never will.

        Args:
            arrived: whether there is something to receive.
            passed: seconds since the last call.
        """
        self._seconds += passed
        if self._answers:
            return self._next()
        if arrived:
            return self._receive()
        if self.address not in self.cluster.addresses():
            return self._end(LEFT)
        if self._seconds > self.cluster.timeout:
            self.cluster.restart(self.address)
            return self._end(f"stopped after {self.cluster.timeout:g} seconds, the limit of --timeout")
        return []

    def _receive(self) -> list[Done]:
        try:
            self._answers.extend(self.cluster.result(self._future))
        except TimeoutError:  # the worker died with them
            return self._end(LEFT)
        except Exception as error:  # Dask gave the tasks up
            return self._end(raised(error))
        self._future = None
        self._send()  # before anybody reads these, so that the worker does not wait
        return self._next()

    def _next(self) -> list[Done]:
        """Return the results of a task whose answer is here."""
        task, answer = self.left.pop(0), self._answers.popleft()
        try:
            message = pickle.loads(answer)
        except Exception as error:  # results that cannot be rebuilt here
            message = raised(error)
        if isinstance(message, str):
            self.took = 0.0  # unknown
            return [(task, task.on_crash(message))]
        results, self.environment, self.took = message
        return [(task, results)]

    def _end(self, reason: str) -> list[Done]:
        """Report the task that runs as failed, if it is known, and leave the rest to other workers."""
        self.kill()
        self.took, self.address = self._seconds, ""
        if len(self._sent) > 1:
            self.cluster.suspects |= set(self._sent)
            return []
        task = self.left.pop(0)
        return [(task, task.on_crash(reason))]
