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
@pytest.mark.parametrize("operation", ["bidirectional.reverse_sequence", "loss.cross_entropy", "rnn.gru"])
@pytest.mark.parametrize("framework", frameworks.FRAMEWORKS)
def test_checks(benchmark: Any, framework: str, operation: str, request: pytest.FixtureRequest) -> None:
    """Check one variant against every contract on every case, with nothing cached; count the graphs that are traced."""
    if frameworks.is_absent(framework):
        pytest.skip(frameworks.missing(framework))
    if operation == "rnn.gru" and not request.config.getoption("benchmark_only"):
        pytest.skip("nothing is timed in a plain run, and it takes long; --benchmark-only does")
    variant = find(operation).variants[framework][0]
    checks = plan([operation], [framework], [variant], ["float32"])
    traces = count_traces(request.getfixturevalue("monkeypatch")) if framework == "tensorflow" else []

    def run() -> int:
        runner.clear()
        traces.clear()
        results = [result for check in checks for result in check.run()]
        assert {result.status for result in results} <= {"passed", "xfailed"}
        return len(results)

    count = benchmark(run)
    assert count
    benchmark.extra_info |= {"results": count, "traces": len(traces)}
    if benchmark.stats:
        benchmark.extra_info["results_per_second"] = count / benchmark.stats.stats.mean


def count_traces(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return a list that has an item for each graph which TensorFlow traces from now on."""
    runtime: Any = frameworks.runtime("tensorflow")
    traces: list[object] = []
    traced = runtime.traced

    def counted(step: Any, *arguments: Any) -> Any:
        def counting(*given: Any) -> Any:
            traces.append(None)  # Python runs while a graph is traced, and not when that runs
            return step(*given)

        return traced(counting, *arguments)

    monkeypatch.setattr(runtime, "traced", counted)
    return traces
