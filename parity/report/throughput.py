"""pytest-benchmark's JSON -> the record's part ``throughput``: of each benchmark what the page shows, and no more.

``pytest benchmarks --benchmark-only --benchmark-json=throughput.json`` writes it. `parity.throughput.metrics` says
what figures mean, and `parity.report.crossover` gathers those of ``benchmarks/test_crossover.py``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from parity.checks.result import finite
from parity.errors import InputError, file_name, told
from parity.report.crossover import curves
from parity.report.schema import check_part
from parity.throughput.timing import ratio

ARGUMENT = "benchmarks"
EXPECTED = "JSON that pytest-benchmark wrote of this project's benchmarks"
NAMES = ("operation", "config", "distribution", "phase", "framework", "variant", "mode", "device", "B", "T", "D", "H")
SAME = ("fill", "rounds", "peak_gflops", "kernels")  # as pytest-benchmark's extra_info has them
BASELINES = (".padded", ".two_pass")
Benchmark = Mapping[str, Any]


def read(file: str | Path) -> dict[str, Any]:
    """The part of a record from a file.

    Args:
        file: that ``--benchmark-json`` named.

    Raises:
        InputError: there is none, it is another JSON, or it has none of these benchmarks; the message says what.
    """
    path = file_name(ARGUMENT, file)
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(ARGUMENT, repr(str(file)), f"{EXPECTED} ({error})") from error
    return throughput(written)


def throughput(written: Any) -> dict[str, Any]:
    """The part of a record from pytest-benchmark's JSON.

    Args:
        written: what the JSON says.

    Returns:
        ``date``, ``machine``, ``versions``, ``frameworks``, ``rows`` and ``curves``; see ``record.schema.json``.

    Raises:
        InputError: it is another JSON, or has none of these benchmarks; the message says what.
    """
    try:
        part: dict[str, Any] = finite(_part(written))
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise InputError(ARGUMENT, f"another JSON ({told(error)})", EXPECTED) from error
    if not part["rows"] and not part["curves"]:
        raise InputError(ARGUMENT, f"{len(written['benchmarks'])} benchmarks of something else", EXPECTED)
    check_part("throughput", part, ARGUMENT)
    return part


def _part(written: Mapping[str, Any]) -> dict[str, Any]:
    here, benchmarks = written["machine_info"], written["benchmarks"]
    return {
        "date": written["datetime"],
        "machine": {
            "cpu": here.get("cpu", {}).get("brand_raw") or here["machine"],
            "cores": here.get("cpu", {}).get("count"),
            "system": f"{here['system']} {here['release']}",
            "python": here["python_version"],
        },
        "versions": here.get("versions", {}),  # benchmarks of an earlier version of this project do not say
        "frameworks": here.get("frameworks", {}),
        "rows": [_row(one) for one in benchmarks if "speedup_over" in one["extra_info"]],
        "curves": curves([one["extra_info"] for one in benchmarks if "axis" in one["extra_info"]]),
    }


def _row(benchmark: Benchmark) -> dict[str, Any]:
    said = benchmark["extra_info"]
    return {
        **{name: said[name] for name in NAMES + SAME},
        "seconds": said["median_seconds"],
        "steps_per_second": _rate(said, benchmark["stats"].get("data", [])),
        "speedup": _speedup(said["speedup_over"]),
        "ideals": said["ideal_speedup"],
        "share_of_ideal": said.get("share_of_ideal", {}),
        "share_of_peak": said.get("share_of_peak"),  # none where nothing is multiplied
        "peak_memory": said["peak_memory_bytes"],
        "score": said["score"],
        "a_a": interval(said["a_a"]),
    }


def _rate(said: Mapping[str, Any], rounds: Sequence[float]) -> dict[str, float | None]:
    """Real steps a second, with the 95 % interval of the median round; without one where the rounds are not there."""
    rate: dict[str, float | None] = {"median": said["real_steps_per_second"], "low": None, "high": None}
    if len(rounds) < 2 or min(rounds) <= 0:
        return rate
    seconds = ratio(np.asarray(rounds, np.float64), np.ones(len(rounds)))
    return rate | {"low": said["real_steps"] / seconds.high, "high": said["real_steps"] / seconds.low}


def _speedup(over: Mapping[str, Mapping[str, float]]) -> dict[str, Any] | None:
    """Over the same framework's padded variant; where an operation has none, over the one that pads too."""
    padded = next((name for base in BASELINES for name in over if name.endswith(base)), None)
    return {"over": padded, **interval(over[padded])} if padded else None


def interval(found: Mapping[str, float]) -> dict[str, float]:
    """A median with its interval, and nothing else."""
    return {name: found[name] for name in ("median", "low", "high")}
