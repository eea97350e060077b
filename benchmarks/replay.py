"""Pass times measured in interleaved rounds to pytest-benchmark, which times one test after the other.

pytest-benchmark lets a test bring its own clock. This one advances by the replayed durations only.
"""

from __future__ import annotations

from typing import Any

from parity.arrays import Array

_now = 0.0


def clock() -> float:
    """Return the sum of the seconds replayed so far."""
    return _now


def replay(benchmark: Any, times: Array, extra_info: dict[str, Any]) -> None:
    """Make each measured time one of the benchmark's rounds, and attach ``extra_info``."""
    remaining = iter(times.tolist())

    def advance() -> None:
        global _now
        _now += next(remaining, 0.0)

    benchmark.extra_info.update(extra_info)
    benchmark.pedantic(advance, rounds=len(times))
