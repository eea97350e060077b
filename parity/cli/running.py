"""Run the tasks of a command in processes of this machine, or on a cluster."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from parity.checks.runner import Runner, Task
from parity.errors import InputError
from parity.frameworks import CPU, DeviceSettings


def add_scheduler(parser: argparse.ArgumentParser) -> None:
    """Add the scheduler of a cluster."""
    parser.add_argument(
        "--scheduler", default="", metavar="ADDRESS", help="run on the workers of the Dask scheduler at this address"
    )


def runner_of(tasks: Sequence[Task], options: argparse.Namespace, device: DeviceSettings = CPU) -> Runner:
    """Return what runs tasks.

    Raises:
        InputError: a wrong number of jobs, a wrong limit, or a cluster that cannot run them.
    """
    runner = Runner(tasks, options.jobs, device=device, timeout=options.timeout, own_process=True)
    if not options.scheduler:
        return runner
    if options.jobs is not None:
        raise InputError("jobs", f"{options.jobs} with --scheduler", "one of both: a cluster has its own workers")
    from parity.cluster.pool import Cluster

    return Runner(tasks, device=device, pool=Cluster(options.scheduler, device, options.timeout))
