"""Share one session of benchmarks between all tests here."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from benchmarks.bench import Bench
from benchmarks.grid import scale
from benchmarks.results import fastest
from parity import frameworks
from parity.report.environment import versions

BENCH = pytest.StashKey[Bench]()


@pytest.fixture(scope="session")
def bench(request: pytest.FixtureRequest) -> Bench:
    """Create the session, timed with ``--benchmark-only``; tiny and untimed in a plain run."""
    timing = request.config.getoption("benchmark_only")
    sizes = scale(request.config.getoption("--parity-scale") if timing else "tiny")
    session = Bench(sizes, timing, _device(request.config.getoption("--parity-device") or "auto"))
    request.config.stash[BENCH] = session
    return session


def _device(asked: str) -> str:
    cuda = not frameworks.missing("pytorch") and frameworks.runtime("pytorch").has_cuda()
    if asked == "cuda" and not cuda:
        raise pytest.UsageError("--parity-device cuda: PyTorch finds no such device here")
    return "cuda" if cuda and asked != "cpu" else "cpu"


@pytest.fixture(autouse=True)
def _untimed(request: pytest.FixtureRequest, bench: Bench) -> None:
    """Call each body once in a plain run."""
    if "benchmark" in request.fixturenames and not bench.timing:
        benchmark: Any = request.getfixturevalue("benchmark")
        benchmark.disabled = True


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """Add versions, devices and threads, which the report shows beside the plots."""
    session, loaded = config.stash.get(BENCH, None), frameworks.environment()
    if session:
        loaded = {
            framework: frameworks.runtime(framework).environment(frameworks.device_of(framework, session.device))
            for framework in loaded
        }
    machine_info |= {"versions": versions(), "frameworks": loaded}


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the fastest variants and the summary of the session."""
    session = config.stash.get(BENCH, None)
    if session is None or not (session.results or session.summary):
        return
    terminalreporter.write_sep("=", "packed against padded")
    if session.results:
        Console(file=terminalreporter._tw._file, width=240).print(fastest(session.results))
    for line in session.summary:
        terminalreporter.write_line(line)
