"""Time the suite itself, so that a slow-down shows: imports, and checks a second."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from parity import frameworks
from parity.checks import runner
from parity.checks.selection import plan
from parity.operations import find

IMPORTS = ("parity", "parity.checks.check", "parity.__main__", "parity.pytest_plugin")


@pytest.mark.benchmark(group="import", max_time=1.0, min_rounds=5)
@pytest.mark.parametrize("module", IMPORTS)
def test_import(benchmark: Any, module: str) -> None:
    """Import the module in a fresh interpreter that has loaded NumPy."""
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
    """Check one variant against every contract on every case, with nothing cached."""
    if frameworks.is_absent(framework):
        pytest.skip(frameworks.missing(framework))
    variant = find(operation).variants[framework][0]
    checks = plan([operation], [framework], [variant], ["float32"])

    def run() -> int:
        runner.clear()
        results = [result for check in checks for result in check.run()]
        assert {result.status for result in results} <= {"passed", "xfailed"}
        return len(results)

    count = benchmark(run)
    assert count
    if benchmark.stats:
        benchmark.extra_info["results_per_second"] = count / benchmark.stats.stats.mean
