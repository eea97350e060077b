"""Hands times that were taken in interleaved rounds to pytest-benchmark, which times one test after the other.

pytest-benchmark lets a test bring its own clock. This one stands still, but for the replayed durations.
"""

from __future__ import annotations

from typing import Any

from parity.arrays import Array

_now = 0.0


def clock() -> float:
    """Seconds replayed so far."""
    return _now


def replay(benchmark: Any, times: Array, extra_info: dict[str, Any]) -> None:
    """Each recorded time becomes one of the benchmark's rounds, and the figures its ``extra_info``."""
    remaining = iter(times.tolist())

    def play() -> None:
        global _now
        _now += next(remaining, 0.0)

    benchmark.extra_info.update(extra_info)
    benchmark.pedantic(play, rounds=len(times))
