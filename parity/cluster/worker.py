"""Send the tasks of one batch after another to a worker of a Dask cluster."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

from parity.checks.worker import Done, raised
from parity.cluster.performing import perform

if TYPE_CHECKING:
    from parity.cluster.pool import Cluster

LEFT = "the worker left the cluster before it was done"


class ClusterWorker:
    """A worker that runs one batch of tasks after another, in order.

    When it leaves the cluster, the task that it ran has failed, and other workers go on with the rest of its batch.

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
        self._sent: Any = None  # the future of its task
        self._seconds = 0.0  # since that was sent

    def proceed(self) -> None:
        """Send the next task of its batch. The one behind it waits for the result: a worker that dies has no other.

        Raises:
            OSError: it has left the cluster.
        """
        if self._sent is None and self.address not in self.cluster.addresses():
            self.address = ""
            raise OSError("the worker left the cluster")
        if self.left and self._sent is None:
            sent = pickle.dumps(self.left[0]), self.left[0].group_key, self.cluster.device
            self._sent, self._seconds = self.cluster.submit(perform, *sent, address=self.address), 0.0

    @property
    def arrived(self) -> bool:
        """Return whether the results of its task are there."""
        return self._sent is not None and bool(self._sent.done())

    def kill(self) -> None:
        """Take its task back. One that runs goes on, as Dask stops no thread."""
        if self._sent is not None:
            self.cluster.cancel(self._sent)
        self._sent = None

    def results(self, arrived: bool, passed: float) -> list[Done]:
        """Return the results of its task, if they have arrived or never will.

        Args:
            arrived: whether there is something to receive.
            passed: seconds since the last call.
        """
        self._seconds += passed
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
            message = pickle.loads(self.cluster.result(self._sent))
        except TimeoutError:  # the worker died with it
            return self._end(LEFT)
        except Exception as error:  # Dask gave the task up, or results cannot be rebuilt here
            message = raised(error)
        task, self.took, self._sent = self.left.pop(0), self._seconds, None
        if isinstance(message, str):
            return [(task, task.on_crash(message))]
        results, self.environment, self.took = message
        return [(task, results)]

    def _end(self, reason: str) -> list[Done]:
        """Report the task that runs as failed, and leave the rest to other workers."""
        self.kill()
        self.took, self.address = self._seconds, ""
        task = self.left.pop(0)
        return [(task, task.on_crash(reason))]
