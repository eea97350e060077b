"""Time calls in interleaved rounds, and compare two of them round by round.

Absolute times drift with the clock of the processor and with other processes. So all calls run once in each round, in
random order, and two of them are compared within rounds: the median of the paired ratios, with a bootstrap interval
(Efron, "Bootstrap methods", 1979). One call is timed twice under two names: the ratio between the two is the noise
floor of the run (an A/A test).
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np

from parity import frameworks
from parity.arrays import Array
from parity.errors import InputError, whole_number

AGAIN = " again"  # ends the second name of the call that is timed twice in each framework
PRODUCT = "matrix product"
PRODUCT_SIDE = 1024  # of the square matrices whose product gives the peak
RESAMPLES = 2000
Item = TypeVar("Item")
SHORTEST_BLOCK = 5e-3  # seconds: in a shorter one, reading the clock and calling would count


@dataclass(frozen=True)
class TimedCall:
    """A call to time: ``start`` may return before the work is done, as on a GPU; ``wait`` blocks until it is."""

    start: Callable[[], Any]
    wait: Callable[[], Any] = lambda: None


@dataclass(frozen=True)
class Ratio:
    """A ratio between the times of two calls: median over rounds, 95 % interval."""

    median: float
    low: float
    high: float

    @property
    def half_width(self) -> float:  # as a share of the median
        return (self.high - self.low) / 2 / self.median

    def to_dict(self) -> dict[str, float]:
        """Return plain numbers by name, for JSON."""
        return asdict(self) | {"half_width": self.half_width}

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f}-{self.high:.2f})"


def seconds(call: TimedCall, repeats: int = 1) -> float:
    """Return the seconds of one call, from a block of ``repeats`` calls and one wait."""
    start = time.perf_counter()
    for _ in range(repeats):
        call.start()
    call.wait()
    return (time.perf_counter() - start) / repeats


def interleaved(
    calls: Mapping[str, TimedCall], budget: float, least: int = 7, most: int = 200, seed: int = 0
) -> dict[str, Array]:
    """Time all calls in interleaved rounds.

    Each must have run before: a first call also traces and compiles. The budget is in seconds, for all rounds; at least
    ``least`` rounds are made, at most ``most``.

    Returns:
        For each call, its seconds in each round, ``(rounds,)``. The same index is the same round.

    Raises:
        InputError: no call, or fewer than 2 rounds.

    >>> times = interleaved({"a": TimedCall(lambda: sum(range(1000)))}, budget=0.0, least=3)
    >>> times["a"].shape
    (3,)
    """
    if not calls:
        raise InputError("calls", "none", "at least one")
    whole_number("least", least, least=2)
    repeats = {name: max(1, round(SHORTEST_BLOCK / max(seconds(call), 1e-9))) for name, call in calls.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    rng, names = np.random.default_rng(seed), list(calls)
    end = time.perf_counter() + budget
    gc.collect()
    was_enabled = gc.isenabled()
    gc.disable()  # the time of a collection would count for the call that it interrupts
    try:
        for done in range(max(least, most)):
            if done >= least and time.perf_counter() >= end:
                break
            for name in rng.permutation(names):
                times[name].append(seconds(calls[name], repeats[name]))
    finally:
        if was_enabled:
            gc.enable()
    return {name: np.array(rounds) for name, rounds in times.items()}


def ratio(slower: Array, faster: Array, seed: int = 0) -> Ratio:
    """Return the median of the paired ratios with its 95 % bootstrap interval.

    >>> ratio(np.array([2.0, 4.0, 6.0]), np.array([1.0, 2.0, 3.0]))
    Ratio(median=2.0, low=2.0, high=2.0)
    """
    if len(slower) != len(faster) or len(slower) < 2:
        raise InputError("slower, faster", f"{len(slower)} and {len(faster)} rounds", "the same rounds, 2 or more")
    paired = np.asarray(slower) / np.asarray(faster)
    resampled = np.random.default_rng(seed).integers(0, len(paired), (RESAMPLES, len(paired)))
    low, high = np.percentile(np.median(paired[resampled], axis=1), [2.5, 97.5])
    return Ratio(float(np.median(paired)), float(low), float(high))


def by_framework(named: Mapping[str, Item]) -> dict[str, dict[str, Item]]:
    """Group what is named "framework.variant", calls or times, by framework.

    Calls of each framework have rounds of their own: its threads stay awake for a while, and would take cores from the
    other.
    """
    groups: dict[str, dict[str, Item]] = {}
    for name, one in named.items():
        groups.setdefault(name.partition(".")[0], {})[name] = one
    return groups


def time_all(calls: Mapping[str, TimedCall], budget: float, device: str = "cpu", least: int = 7) -> dict[str, Array]:
    """Time all candidates in interleaved rounds; return the seconds of each by name, ``(rounds,)``.

    In each framework, a matrix product and the fastest candidate a second time run in the same rounds.
    """
    groups = by_framework(calls)
    times: dict[str, Array] = {}
    for framework, own in groups.items():
        trials = {name: min(seconds(call), seconds(call)) for name, call in own.items()}
        fastest = min(trials, key=lambda name: trials[name])
        runtime, used = frameworks.runtime(framework), frameworks.device_of(framework, device)
        multiply, wait = runtime.square_product(PRODUCT_SIDE, used)
        controls = {f"{fastest}{AGAIN}": own[fastest], f"{framework} {PRODUCT}": TimedCall(multiply, wait)}
        times |= interleaved(own | controls, budget / len(groups), least=least)
    return times
