"""What all benchmarks share: one session of races."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from benchmarks.answer import fastest
from benchmarks.bench import Bench
from benchmarks.grid import scale
from parity import frameworks
from parity.report.environment import versions

BENCH = pytest.StashKey[Bench]()


@pytest.fixture(scope="session")
def bench(request: pytest.FixtureRequest) -> Bench:
    """Timed with ``--benchmark-only``; in a plain test run tiny, untimed, and only the answers count."""
    timing = request.config.getoption("benchmark_only")
    sizes = scale(request.config.getoption("--parity-scale") if timing else "tiny")
    found = Bench(sizes, timing, _device(request.config.getoption("--parity-device") or "auto"))
    request.config.stash[BENCH] = found
    return found


def _device(asked: str) -> str:
    cuda = not frameworks.missing("pytorch") and frameworks.runtime("pytorch").has_cuda()
    if asked == "cuda" and not cuda:
        raise pytest.UsageError("--parity-device cuda: PyTorch finds no such device here")
    return "cuda" if cuda and asked != "cpu" else "cpu"


@pytest.fixture(autouse=True)
def _untimed(request: pytest.FixtureRequest, bench: Bench) -> None:
    """A plain run calls each body once."""
    if "benchmark" in request.fixturenames and not bench.timing:
        benchmark: Any = request.getfixturevalue("benchmark")
        benchmark.disabled = True


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """What the times depend on beside the machine: versions, devices, threads. The report says it beside the plots."""
    found, loaded = config.stash.get(BENCH, None), frameworks.environment()
    if found:
        loaded = {
            framework: frameworks.runtime(framework).environment(frameworks.device_of(framework, found.device))
            for framework in loaded
        }
    machine_info |= {"versions": versions(), "frameworks": loaded}


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The answer, and not only numbers."""
    found = config.stash.get(BENCH, None)
    if found is None or not (found.results or found.said):
        return
    terminalreporter.write_sep("=", "packed against padded")
    if found.results:
        Console(file=terminalreporter._tw._file, width=240).print(fastest(found.results))
    for line in found.said:
        terminalreporter.write_line(line)
