"""Do what a worker of a cluster is asked for: name its versions, and run one task after another."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from time import perf_counter

import parity
from parity.checks.worker import answer, forget
from parity.frameworks import DeviceSettings, effects, limit_threads
from parity.report import versions

SHARE = 2.0  # seconds after which a worker sends what it has: each answer on its way takes the work of about 20 ms
THREADS = 1  # of a framework: a worker has one core, as `--nthreads 1` says, which TensorFlow does not know
_LATEST: list[tuple[str, ...]] = []  # the group of the last task that ran here


@cache
def described() -> dict[str, str]:
    """Return what must be the same on all machines: versions, and the source of this package."""
    folder = Path(parity.__file__).parent
    source = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        source.update(file.read_bytes())
    packages = {name: version or "not installed" for name, version in versions().items()}
    return {"Python": platform.python_version(), **packages, "source of parity": source.hexdigest()[:12]}


def perform(tasks: Iterable[bytes], group: tuple[str, ...], device: DeviceSettings) -> list[bytes]:
    """Run the first tasks of a group, as many as `SHARE` has time for, and one at least.

    Tasks of one group share cases, references and traces, which the next group does not need.

    Args:
        tasks: pickled.
        group: their key.
        device: on which frameworks run.

    Returns:
        For each task that ran, pickled: its results, what the frameworks report and its seconds; or what it raised.
    """
    if _LATEST not in ([], [group]):
        forget()
    _LATEST[:] = [group]
    limit_threads(THREADS)
    effects.UNWATCHED.add(effects.PYTHONS_GENERATOR)  # Dask's own threads draw from it
    began, answers = perf_counter(), []
    for task in tasks:
        answers.append(answer(task, device))
        if perf_counter() - began > SHARE:
            break
    return answers
