"""Describe what the numbers of a report depend on, without importing a framework."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from msgspec import structs

import parity
from parity.errors import of_kind, whole_number
from parity.frameworks import cores
from parity.frameworks.recording import Recording
from parity.report.model import Environment, Replayed

PACKAGES = ("numpy", "autograd", "torch", "tensorflow", "keras")
A_MAPPING = "settings by name, for each framework"
CPUINFO = Path("/proc/cpuinfo")


def describe_environment(
    frameworks: Mapping[str, Mapping[str, Any]], seed: int, replayed: Replayed | None = None
) -> Environment:
    """Describe where a run was made; the arguments are fields of `Environment`."""
    for settings in of_kind("frameworks", frameworks, Mapping, A_MAPPING).values():
        of_kind("frameworks", settings, Mapping, A_MAPPING)
    return Environment(
        date=datetime.now(UTC).date().isoformat(),
        python=platform.python_version(),
        platform=platform.platform(),
        cpu=cpu_model(),
        cores=cores(),
        versions=versions(),
        seed=whole_number("seed", seed),
        frameworks={name: dict(settings) for name, settings in sorted(frameworks.items())},
        replayed=of_kind("replayed", replayed, (Replayed, type(None)), "a Replayed, from describe_recording"),
    )


def describe_recording(recording: Recording) -> Replayed:
    """Describe a recording, and where it was made."""
    of_kind("recording", recording, Recording, "a recording, from parity.frameworks.recording.verified")
    origin = structs.asdict(recording.manifest.environment)
    del origin["seed"]  # `Replayed` has none
    return Replayed(framework=recording.framework, folder=str(recording.folder), **origin)


def versions() -> dict[str, str | None]:
    """Return the installed versions of this package and of those it works with; None where one is missing.

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
    """Return the processor's name, or its architecture where the system does not name it."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(filter(None, named), "") or platform.processor() or platform.machine()
