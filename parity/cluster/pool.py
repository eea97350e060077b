"""Reach a Dask cluster whose workers run tasks: an existing scheduler, as of ``dask scheduler``.

Its workers have one thread each, ``dask worker ADDRESS --nthreads 1``: a framework's settings are those of a process.
The source is the documentation of Dask.distributed, https://distributed.dask.org.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from contextlib import suppress
from threading import Event
from typing import Any

from parity.checks.runner import TIMEOUT
from parity.cluster.performing import described
from parity.cluster.worker import ClusterWorker
from parity.errors import InputError, first_lines, message_of, seconds, shown
from parity.frameworks import CPU, DeviceSettings

SCHEDULER = "the address of a Dask scheduler that runs, such as tcp://host:8786"
INSTALL = 'Dask, which pip install "padding-parity[cluster]" installs'
REACHING = 10.0  # seconds to reach a scheduler
GPU = "GPU"  # the resource of workers that have one
INTERVAL = 1.0  # seconds between two looks at which workers there are
WAITING = 60.0  # seconds for a worker to come where none is left


class Cluster:
    """The workers of a cluster, as a pool of a `Runner`.

    Args:
        address: of the scheduler.
        device: on which frameworks run. Only workers with the resource ``GPU`` take part if it is "cuda".
        timeout: seconds after which a worker is restarted. A task that was alone there has failed; of several, each is
            tried alone, so that one that never ends takes this time twice.

    Attributes:
        suspects: tasks that were with others on a worker that left.

    Raises:
        InputError: no Dask, no scheduler there, no worker, or one with other versions than this machine has.
    """

    is_here = False

    def __init__(self, address: str, device: DeviceSettings = CPU, timeout: float | None = None) -> None:
        self.device, self.timeout = device, TIMEOUT if timeout is None else seconds("timeout", timeout)
        self._client = _client(address)
        self._seen, self._reached = -INTERVAL, time.monotonic()  # when it was looked at, and had a worker
        self._addresses, self._refused, self.suspects = set[str](), set[str](), set[Any]()
        self._news = Event()
        try:
            if not self.addresses():
                with_gpu = f" with the resource {GPU}=1" if self._resources else ""
                raise InputError("scheduler", f"{address!r} without a worker{with_gpu}", "one with workers")
            workers = self._described(self.addresses())
            check_same(described(), workers)
        except BaseException:
            self._client.close()
            raise

    @property
    def _resources(self) -> dict[str, float]:
        return {GPU: 1.0} if self.device.device == "cuda" else {}

    def addresses(self) -> set[str]:
        """Return the addresses of the workers that can take part."""
        if time.monotonic() - self._seen > INTERVAL:
            workers = self._information()
            needed = self._resources
            self._addresses = {
                address
                for address, worker in workers.items()
                if all(worker.get("resources", {}).get(name, 0) >= amount for name, amount in needed.items())
                and address not in self._refused
            }
            self._seen = time.monotonic()
            self._reached = self._seen if self._addresses else self._reached
        return self._addresses

    def _information(self) -> dict[str, Any]:
        try:
            return dict(self._client.scheduler_info(n_workers=-1).get("workers", {}))
        except TypeError:  # an older Dask, which tells all of them
            return dict(self._client.scheduler_info().get("workers", {}))
        except Exception:  # the scheduler has gone
            return {}

    def _described(self, addresses: Iterable[str]) -> dict[str, dict[str, str]]:
        """Ask workers for their versions."""
        try:
            return dict(self._client.run(described, workers=sorted(addresses)))
        except Exception as error:
            received = f"a worker that cannot run this package: {first_lines(message_of(error))}"
            raise InputError("scheduler", received, "workers on which the same version is installed") from error

    def workers(self, most: int) -> list[ClusterWorker]:
        """Return a worker for each address, as many as there is work for."""
        return [ClusterWorker(self, address) for address in sorted(self.addresses())[:most]]

    def joined(self, workers: Collection[ClusterWorker]) -> list[ClusterWorker]:
        """Return workers that have come since, such as those that take the place of others that have left.

        One with other versions is left out.
        """
        new = self.addresses() - {worker.address for worker in workers}
        found = []
        for address in sorted(new):
            try:
                check_same(described(), self._described([address]))
                found.append(ClusterWorker(self, address))
            except InputError:
                self._refused.add(address)
        return found

    def expects_more(self) -> bool:
        """Tell whether a worker may still come where none is left."""
        return time.monotonic() - self._reached < WAITING

    def wait(self, busy: Collection[ClusterWorker], longest: float) -> Collection[ClusterWorker]:
        """Return the workers whose results have arrived, after so many seconds at the latest."""
        if not any(worker.arrived for worker in busy):
            self._news.wait(longest)
        self._news.clear()
        return [worker for worker in busy if worker.arrived]

    def submit(self, function: Any, *arguments: Any, address: str) -> Any:
        """Have one worker call a function."""
        needed = self._resources or None
        future = self._client.submit(function, *arguments, workers=[address], resources=needed, pure=False)
        future.add_done_callback(lambda _: self._news.set())
        return future

    def result(self, future: Any) -> Any:
        """Return what a future that is done has, which a worker that has died cannot send any more.

        Raises:
            TimeoutError: it does not come.
        """
        return future.result(timeout=REACHING)

    def cancel(self, future: Any) -> None:
        """Take back what was submitted."""
        with suppress(Exception):  # the scheduler may have gone
            self._client.cancel([future], force=True)

    def restart(self, address: str) -> None:
        """End the process of a worker, which its nanny starts anew; without a nanny, nothing is sent to it any more."""
        try:
            self._client.restart_workers([address], timeout=REACHING)
        except Exception:  # its task goes on, and others would wait behind it
            self._refused.add(address)
        self._addresses = self._addresses - {address}

    def close(self) -> None:
        """Leave the cluster, which goes on."""
        with suppress(Exception):
            self._client.close()


def _client(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError("scheduler", f"{address!r} without Dask", INSTALL) from error
    try:
        connect: Any = Client  # which has no types
        return connect(address, timeout=REACHING, set_as_default=False)
    except Exception as error:  # an address of no kind, or nobody there
        raise InputError("scheduler", f"{shown(address)} ({first_lines(message_of(error))})", SCHEDULER) from error


def check_same(here: dict[str, str], there: dict[str, dict[str, str]]) -> None:
    """Check that all workers have the versions of this machine.

    Raises:
        InputError: one has another; the message names the first.

    >>> check_same({"torch": "2.13.0"}, {"tcp://a": {"torch": "2.12.0"}})
    Traceback (most recent call last):
    parity.errors.InputError: scheduler: got torch 2.12.0 at tcp://a, expected 2.13.0, as here
    """
    for address, versions in sorted(there.items()):
        for name, version in here.items():
            if versions.get(name) != version:
                raise InputError("scheduler", f"{name} {versions.get(name)} at {address}", f"{version}, as here")
