"""Do what a worker of a cluster is asked for: name its versions, and run one task after another."""

from __future__ import annotations

import gc
import hashlib
import platform
from functools import cache
from pathlib import Path

import parity
from parity.checks.worker import answer, clear
from parity.frameworks import DeviceSettings, effects
from parity.report import versions

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


def perform(task: bytes, group: tuple[str, ...], device: DeviceSettings) -> bytes:
    """Run a task; tasks of one group share cases, references and traces, which the next group does not need.

    Args:
        task: pickled.
        group: its key.
        device: on which frameworks run.

    Returns:
        Pickled: its results, what the frameworks report and its seconds; or what it raised.
    """
    if _LATEST not in ([], [group]):
        clear()
        gc.freeze()
    _LATEST[:] = [group]
    effects.UNWATCHED.add(effects.PYTHONS_GENERATOR)  # Dask's own threads draw from it
    return answer(task, device)
