"""Load a framework when it is first needed, and choose where it runs."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from parity.caching import on_clear
from parity.errors import FrameworkUnavailable, choose, first_lines, message_of

FRAMEWORKS = ("pytorch", "tensorflow")
WITH_REFERENCE = ("reference", *FRAMEWORKS)
MODES = {"reference": ("eager",), "pytorch": ("eager",), "tensorflow": ("eager", "graph")}  # eager comes first
COMPILED = {"reference": (), "pytorch": ("compiled",), "tensorflow": ("xla",)}  # slow to start; only in a full run
EXPORTED = {"reference": (), "pytorch": ("exported",), "tensorflow": ("exported",)}  # saved and loaded again
EXTRAS = {"pytorch": "torch", "tensorflow": "tensorflow"}  # named like the packages that they install
DEVICES = ("auto", "cpu", "cuda")  # auto: a GPU if the framework finds one
CPU_LIMIT = Path("/sys/fs/cgroup/cpu.max")  # of a container: microseconds of all cores, or "max", in a period


class DeviceSettings(NamedTuple):
    """The device on which frameworks run, and whether float32 products may be rounded to TF32.

    TF32 has the roundoff of float16, 2^-11. Its default on a GPU differs between frameworks, and between matrix
    products and cuDNN. Here it is always off unless requested.
    """

    device: str = "cpu"
    tf32: bool = False


CPU = DeviceSettings()


@dataclass
class Limits:
    """The most that a framework may use in this process; 0 for no limit."""

    threads: int = 0


LIMITS = Limits()


def lacks(device: str, frameworks: Iterable[str]) -> str:
    """Return the reason why no framework can use a device, which is a GPU; empty if one can."""
    if choose("device", device, DEVICES) != "cuda":
        return ""
    reasons = [missing(framework) or f"{framework} finds no GPU" for framework in frameworks if not has_gpu(framework)]
    return "; ".join(reasons) if len(reasons) == len(list(frameworks)) else ""


def has_gpu(framework: str) -> bool:
    return not missing(framework) and runtime(framework).has_cuda()


def device_of(framework: str, requested: str) -> str:
    """Return a framework's device if ``requested`` is set: the CPU where it finds no GPU.

    Raises:
        InputError: an unknown device.
    """
    wanted = choose("device", requested, DEVICES) != "cpu" and framework in FRAMEWORKS
    return "cuda" if wanted and runtime(framework).has_cuda() else "cpu"


def runtime(framework: str) -> ModuleType:
    """Load a framework and return its ``runtime`` module.

    Raises:
        InputError: an unknown framework; the message suggests the nearest.
        FrameworkUnavailable: the framework cannot be imported; the message says why.
    """
    loaded = _runtime(choose("framework", framework, WITH_REFERENCE))
    if isinstance(loaded, FrameworkUnavailable):
        raise loaded.with_traceback(None)
    return loaded


def limit_threads(threads: int) -> None:
    """Let the frameworks that this process loads from now on use so many threads at most."""
    LIMITS.threads = threads


@cache
def _runtime(framework: str) -> ModuleType | FrameworkUnavailable:
    """Load a framework once, even if that fails."""
    try:  # what failed half-way would fail differently the second time, and take as long
        with _quiet():
            loaded = importlib.import_module(f"parity.{framework}.runtime")
        if framework in EXTRAS and LIMITS.threads:
            loaded.limit_threads(LIMITS.threads)
        return loaded
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a broken installation may raise anything, even SystemExit
        absent = is_absent(framework)
        reason = "not installed" if absent else first_lines(message_of(error))
        if absent or isinstance(error, ModuleNotFoundError):
            reason += f'. To install it: pip install "padding-parity[{EXTRAS.get(framework, "all")}]"'
        unavailable = FrameworkUnavailable(f"framework {framework}: {reason}")
        unavailable.__cause__ = error
        return unavailable


def missing(framework: str) -> str:
    """Return the reason why a framework cannot be loaded; empty if it can."""
    try:
        runtime(framework)
    except FrameworkUnavailable as error:
        return str(error)
    return ""


def is_absent(framework: str) -> bool:
    """Tell whether a framework is not installed, which is no failure."""
    try:
        spec = find_spec(EXTRAS.get(framework, "parity"))
    except Exception:  # whatever makes the search fail, there is something
        return False
    return spec is None or spec.origin is None  # any folder of this name is a namespace, which has no file


def unavailable(*frameworks: str) -> tuple[str, bool]:
    """Return why frameworks cannot be loaded, and whether one is broken: installed all the same.

    The reason is empty if all can be loaded. If one is broken, it is not about those that are absent.
    """
    reasons = {framework: reason for framework in frameworks if (reason := missing(framework))}
    broken = [reason for framework, reason in reasons.items() if not is_absent(framework)]
    return "; ".join(broken or reasons.values()), bool(broken)


def require(option: str, required: str) -> None:
    """Check that frameworks can be loaded, which an option names with commas between them.

    Raises:
        InputError: an unknown framework; the message suggests the nearest.
        FrameworkUnavailable: one cannot be loaded.
    """
    names = [choose(option, name.strip(), FRAMEWORKS) for name in required.split(",") if required]
    if reasons := list(filter(None, map(missing, dict.fromkeys(names)))):
        raise FrameworkUnavailable(f"{option}: {'; '.join(reasons)}")


def cores() -> int:
    """Return the number of cores that this process, or its container, may use."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        time, period = map(int, CPU_LIMIT.read_text(encoding="ascii").split())
    except (OSError, ValueError):  # no container, or one without a limit
        return bound
    return max(1, min(bound, -(-time // period)))


def environment(settings: DeviceSettings = CPU) -> dict[str, dict[str, Any]]:
    """Return versions, device, threads and TF32 setting of each loaded framework."""
    return {name: runtime(name).environment(device_of(name, settings.device), settings.tf32) for name in _loaded()}


@on_clear
def clear_graphs() -> None:
    """Drop what PyTorch's compiler keeps of the functions that it has compiled. Other graphs are freed with theirs."""
    if "pytorch" in _loaded():
        runtime("pytorch").clear_graphs()


def _loaded() -> list[str]:
    imported = (framework for framework in FRAMEWORKS if f"parity.{framework}.runtime" in sys.modules)
    return [framework for framework in imported if not missing(framework)]


@contextmanager
def _quiet() -> Iterator[None]:
    """Capture what a framework prints to stderr while it loads; print it only if loading fails.

    TensorFlow prints from C++ before it reads its log level, so that the file descriptor itself is redirected.
    """
    with ExitStack() as stack:
        try:
            captured = stack.enter_context(tempfile.TemporaryFile())
            descriptor = sys.__stderr__.fileno() if sys.__stderr__ else -1
            original = os.dup(descriptor)
        except (OSError, ValueError):  # no folder for temporary files, or no stderr
            captured = None
        if captured is None:
            yield
            return
        os.dup2(captured.fileno(), descriptor)
        try:
            yield
        except BaseException:
            captured.seek(0)
            with suppress(OSError):
                os.write(original, captured.read())
            raise
        finally:
            os.dup2(original, descriptor)
            os.close(original)
