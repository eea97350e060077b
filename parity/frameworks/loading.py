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
from parity.errors import FrameworkUnavailable, choose, told

FRAMEWORKS = ("pytorch", "tensorflow")
WITH_REFERENCE = ("reference", *FRAMEWORKS)
MODES = {"reference": ("eager",), "pytorch": ("eager",), "tensorflow": ("eager", "graph")}  # eager comes first
COMPILED = {"reference": (), "pytorch": ("compiled",), "tensorflow": ("xla",)}  # slow to start: see `Contract`
EXTRAS = {"pytorch": "torch", "tensorflow": "tensorflow"}
DEVICES = ("auto", "cpu", "cuda")  # auto: a GPU where a framework sees one


class DeviceSettings(NamedTuple):
    """Choose where frameworks run, and whether they may round factors of float32 products to TF32 there.

    TF32 has the roundoff of float16, 2^-11. A GPU's default differs from framework to framework and from
    products to cuDNN, so here it is off unless asked for, everywhere.
    """

    device: str = "cpu"
    tf32: bool = False


CPU = DeviceSettings()


def set_device(framework: str, settings: DeviceSettings) -> str:
    """Apply settings to a loaded framework; return the device on which it runs under them, "cpu" or "cuda".

    Raises:
        InputError: an unknown device.
    """
    choose("device", settings.device, DEVICES)
    if framework in FRAMEWORKS:
        runtime(framework).allow_tf32(settings.tf32)
    return device_of(framework, settings.device)


def lacks(device: str, frameworks: Iterable[str]) -> str:
    """Why none of some frameworks can use a device; empty if one can. Only a GPU can be missing."""
    if choose("device", device, DEVICES) != "cuda":
        return ""
    reasons = [missing(framework) or f"{framework} sees no GPU" for framework in frameworks if not has_gpu(framework)]
    return "; ".join(reasons) if len(reasons) == len(list(frameworks)) else ""


def has_gpu(framework: str) -> bool:
    """Whether a framework is there and sees a GPU."""
    return not missing(framework) and runtime(framework).has_cuda()


def device_of(framework: str, asked: str) -> str:
    """Where a framework runs if that device is asked for; one that sees no GPU stays on the CPU."""
    return "cuda" if asked != "cpu" and framework in FRAMEWORKS and runtime(framework).has_cuda() else "cpu"


def runtime(framework: str) -> ModuleType:
    """The framework's ``runtime`` module, its framework loaded.

    Raises:
        InputError: no such framework; the message names the nearest.
        FrameworkUnavailable: its framework cannot be imported; the message says why.
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
    except Exception as error:  # a broken installation may raise anything, an OSError for a missing library say
        raise FrameworkUnavailable(f"framework {framework}: {told(error)}") from error


def missing(framework: str) -> str:
    """Why a framework cannot be used here; empty when it can."""
    try:
        runtime(framework)
    except FrameworkUnavailable as error:
        return str(error)
    return ""


def environment(settings: DeviceSettings = CPU) -> dict[str, dict[str, Any]]:
    """What the numbers depend on, for each framework that has been loaded: versions, device, threads, TF32."""
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
    """Keep what a framework prints to stderr while it loads, and show it only if loading fails.

    TensorFlow greets from C++, before its own log level is read, so the file descriptor itself is diverted.
    """
    try:
        descriptor = sys.__stderr__.fileno() if sys.__stderr__ else -1
        original = os.dup(descriptor)
    except (OSError, ValueError):
        yield
        return
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), descriptor)
        try:
            yield
        except BaseException:
            said.seek(0)
            os.write(original, said.read())
            raise
        finally:
            os.dup2(original, descriptor)
            os.close(original)
