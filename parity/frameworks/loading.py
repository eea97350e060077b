"""Load a framework when it is first needed, and choose where it runs."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

from parity.caching import on_clear
from parity.errors import FrameworkUnavailable, choose, message_of

FRAMEWORKS = ("pytorch", "tensorflow")
WITH_REFERENCE = ("reference", *FRAMEWORKS)
MODES = {"reference": ("eager",), "pytorch": ("eager",), "tensorflow": ("eager", "graph")}  # eager comes first
COMPILED = {"reference": (), "pytorch": ("compiled",), "tensorflow": ("xla",)}  # slow to start; only in a full run
EXTRAS = {"pytorch": "torch", "tensorflow": "tensorflow"}
DEVICES = ("auto", "cpu", "cuda")  # auto: a GPU if the framework finds one


class DeviceSettings(NamedTuple):
    """The device on which frameworks run, and whether float32 products may be rounded to TF32.

    TF32 has the roundoff of float16, 2^-11. Its default on a GPU differs between frameworks, and between matrix
    products and cuDNN. Here it is always off unless requested.
    """

    device: str = "cpu"
    tf32: bool = False


CPU = DeviceSettings()


def set_device(framework: str, settings: DeviceSettings) -> str:
    """Apply settings to a framework and return its device, "cpu" or "cuda".

    Raises:
        InputError: an unknown device.
    """
    choose("device", settings.device, DEVICES)
    if framework in FRAMEWORKS:
        runtime(framework).allow_tf32(settings.tf32)
    return device_of(framework, settings.device)


def lacks(device: str, frameworks: Iterable[str]) -> str:
    """Return the reason why no framework can use a device, which is a GPU; empty if one can."""
    if choose("device", device, DEVICES) != "cuda":
        return ""
    reasons = [missing(framework) or f"{framework} finds no GPU" for framework in frameworks if not has_gpu(framework)]
    return "; ".join(reasons) if len(reasons) == len(list(frameworks)) else ""


def has_gpu(framework: str) -> bool:
    return not missing(framework) and runtime(framework).has_cuda()


def device_of(framework: str, requested: str) -> str:
    """Return a framework's device if ``requested`` is set: the CPU where it finds no GPU."""
    return "cuda" if requested != "cpu" and framework in FRAMEWORKS and runtime(framework).has_cuda() else "cpu"


def runtime(framework: str) -> ModuleType:
    """Load a framework and return its ``runtime`` module.

    Raises:
        InputError: an unknown framework; the message suggests the nearest.
        FrameworkUnavailable: the framework cannot be imported; the message says why.
    """
    return _runtime(choose("framework", framework, WITH_REFERENCE))


@cache
def _runtime(framework: str) -> ModuleType:
    try:
        with _quiet():
            module = importlib.import_module(f"parity.{framework}.runtime")
        if framework in FRAMEWORKS:
            module.allow_tf32(CPU.tf32)
        return module
    except ModuleNotFoundError as error:
        install = f'pip install -c constraints.txt ".[{EXTRAS.get(framework, "all")}]"'
        raise FrameworkUnavailable(f"framework {framework}: {error}. To install it: {install}") from error
    except Exception as error:  # a broken installation may raise anything, such as OSError for a missing library
        raise FrameworkUnavailable(f"framework {framework}: {message_of(error)}") from error


def missing(framework: str) -> str:
    """Return the reason why a framework cannot be loaded; empty if it can."""
    try:
        runtime(framework)
    except FrameworkUnavailable as error:
        return str(error)
    return ""


def environment(settings: DeviceSettings = CPU) -> dict[str, dict[str, Any]]:
    """Return versions, device, threads and TF32 setting of each loaded framework."""
    return {name: runtime(name).environment(device_of(name, settings.device)) for name in _loaded()}


@on_clear
def clear_graphs() -> None:
    """Drop the traces of all loaded frameworks."""
    for framework in _loaded():
        runtime(framework).clear_graphs()


def _loaded() -> list[str]:
    return [framework for framework in FRAMEWORKS if f"parity.{framework}.runtime" in sys.modules]


@contextmanager
def _quiet() -> Iterator[None]:
    """Capture what a framework prints to stderr while it loads; print it only if loading fails.

    TensorFlow prints from C++ before it reads its log level, so that the file descriptor itself is redirected.
    """
    try:
        descriptor = sys.__stderr__.fileno() if sys.__stderr__ else -1
        original = os.dup(descriptor)
    except (OSError, ValueError):
        yield
        return
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), descriptor)
        try:
            yield
        except BaseException:
            captured.seek(0)
            os.write(original, captured.read())
            raise
        finally:
            os.dup2(original, descriptor)
            os.close(original)
