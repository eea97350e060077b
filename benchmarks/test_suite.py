"""What the suite itself costs, so that a slow-down shows: time to import, and checks a second."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from parity import frameworks
from parity.checks import runner
from parity.checks.check import plan
from parity.operations import find

IMPORTS = ("parity", "parity.checks.check", "parity.__main__", "parity.pytest_plugin")


@pytest.mark.benchmark(group="import", max_time=1.0, min_rounds=5)
@pytest.mark.parametrize("module", IMPORTS)
def test_import(benchmark: Any, module: str) -> None:
    """A fresh interpreter with NumPy, which everybody has loaded, and then the module."""
    code = f"import numpy, sys, time; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"

    def run() -> float:
        return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)

    seconds = benchmark(run)
    benchmark.extra_info["import_seconds"] = seconds
    assert seconds > 0


@pytest.mark.benchmark(group="checks", max_time=1.0, min_rounds=3)
@pytest.mark.parametrize("operation", ["bidirectional.reverse_sequence", "loss.cross_entropy"])
@pytest.mark.parametrize("framework", frameworks.FRAMEWORKS)
def test_checks(benchmark: Any, framework: str, operation: str) -> None:
    """One variant held to every contract on every case, everything sampled, traced and observed anew."""
    if reason := frameworks.missing(framework):
        pytest.skip(reason)
    variant = find(operation).variants[framework][0]
    checks = plan([operation], [framework], [variant], ["float32"])

    def run() -> int:
        runner.clear()
        found = [result for one in checks for result in one.run()]
        assert {result.status for result in found} <= {"passed", "xfailed"}
        return len(found)

    results = benchmark(run)
    assert results
    if benchmark.stats:
        benchmark.extra_info["results_per_second"] = results / benchmark.stats.stats.mean
