"""What the numbers of a report depend on: day, interpreter, machine, versions. Imports no framework to find out."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import parity

PACKAGES = ("numpy", "autograd", "torch", "tensorflow", "keras")
CPUINFO = Path("/proc/cpuinfo")


def environment(
    frameworks: Mapping[str, Mapping[str, Any]], seed: int, replayed: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The environment part of a record.

    Args:
        frameworks: framework -> what it says of itself once loaded: versions, device, threads, TF32, oneDNN.
        seed: of the plotted cases.
        replayed: the framework, folder and environment of the record that was compared with, if any.

    Returns:
        Plain values, ready for JSON.
    """
    here = {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "versions": versions(),
        "seed": seed,
        "frameworks": {framework: dict(said) for framework, said in sorted(frameworks.items())},
    }
    return here | ({"replayed": dict(replayed)} if replayed else {})


def versions() -> dict[str, str | None]:
    """The installed versions of this package and of those it works with; None where one is not installed.

    >>> sorted(versions())
    ['autograd', 'keras', 'numpy', 'parity', 'tensorflow', 'torch']
    """
    return {"parity": parity.__version__} | {name: _version(name) for name in PACKAGES}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def cpu_model(cpuinfo: Path = CPUINFO) -> str:
    """The processor's name, or its architecture where the system does not tell."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(filter(None, named), "") or platform.processor() or platform.machine()
