"""Timing that can be trusted on a noisy machine: contenders take turns, and only ratios within one round count.

Absolute times drift, with the clock of the processor and with whatever else runs. So all contenders run once in each
round, in random order, and two of them are compared round by round: the median of the paired ratios, with a
bootstrap interval (Efron, "Bootstrap methods", 1979). One contender runs twice under two names: what its two halves
seem to differ by is the noise floor of the run (an A/A test).
"""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from parity.arrays import Array
from parity.errors import InputError, whole_number

RESAMPLES = 2000
SHORTEST = 5e-3  # seconds of a block: a shorter one would measure the clock and the call


@dataclass(frozen=True)
class Contender:
    """Something to time.

    Attributes:
        start: does the work once; it may return before the work is done, as it does on a GPU.
        wait: blocks until all started work is done.
    """

    start: Callable[[], Any]
    wait: Callable[[], Any] = lambda: None


@dataclass(frozen=True)
class Ratio:
    """How many times as long one contender takes as another: median over rounds, and its 95 % interval."""

    median: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half the interval, as a share of the median."""
        return (self.high - self.low) / 2 / self.median

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f}-{self.high:.2f})"


def seconds(contender: Contender, repeats: int = 1) -> float:
    """Seconds for one call: ``repeats`` calls in a block, and one wait at its end."""
    start = time.perf_counter()
    for _ in range(repeats):
        contender.start()
    contender.wait()
    return (time.perf_counter() - start) / repeats


def interleaved(
    contenders: Mapping[str, Contender], budget: float, least: int = 7, most: int = 200, seed: int = 0
) -> dict[str, Array]:
    """Time all contenders in turns.

    Args:
        contenders: by name. Each must have run before: what happens on a first call is not timed here.
        budget: seconds that all rounds together may take; at least ``least`` rounds are made, at most ``most``.
        seed: of the order within each round.

    Returns:
        For each, ``(rounds,)`` seconds a call. The same index is the same round.

    Raises:
        InputError: no contender, or fewer than 2 rounds asked for.

    >>> times = interleaved({"a": Contender(lambda: sum(range(1000)))}, budget=0.0, least=3)
    >>> times["a"].shape
    (3,)
    """
    if not contenders:
        raise InputError("contenders", "none", "at least one")
    whole_number("least", least, least=2)
    repeats = {name: _repeats(contender) for name, contender in contenders.items()}
    times: dict[str, list[float]] = {name: [] for name in contenders}
    rng, names = np.random.default_rng(seed), list(contenders)
    end = time.perf_counter() + budget
    with _no_collection():
        for done in range(max(least, most)):
            if done >= least and time.perf_counter() >= end:
                break
            for name in rng.permutation(names):
                times[name].append(seconds(contenders[name], repeats[name]))
    return {name: np.array(found) for name, found in times.items()}


def _repeats(contender: Contender) -> int:
    """How many calls make a block that the clock resolves."""
    once = seconds(contender)
    return max(1, round(SHORTEST / max(once, 1e-9)))


@contextmanager
def _no_collection() -> Iterator[None]:
    """A garbage collection would be charged to whoever runs at the time."""
    gc.collect()
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def ratio(slower: Array, faster: Array, seed: int = 0) -> Ratio:
    """How many times as fast the second is: the median of the paired ratios, with its 95 % bootstrap interval.

    >>> ratio(np.array([2.0, 4.0, 6.0]), np.array([1.0, 2.0, 3.0]))
    Ratio(median=2.0, low=2.0, high=2.0)
    """
    if len(slower) != len(faster) or len(slower) < 2:
        raise InputError("slower, faster", f"{len(slower)} and {len(faster)} rounds", "the same rounds, 2 or more")
    paired = np.asarray(slower) / np.asarray(faster)
    sampled = np.random.default_rng(seed).integers(0, len(paired), (RESAMPLES, len(paired)))
    low, high = np.percentile(np.median(paired[sampled], axis=1), [2.5, 97.5])
    return Ratio(float(np.median(paired)), float(low), float(high))


def peak_memory(run: Callable[[], object]) -> int | None:
    """Bytes of memory that a call adds at its peak to what the process holds; None where the system cannot tell.

    Linux keeps a high-water mark of each process, and lets it be reset (``man 5 proc``, clear_refs).
    """
    _give_back()
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        before = _status("VmRSS")
        run()
        return max(0, _status("VmHWM") - before)
    except (OSError, KeyError):
        return None


def _give_back() -> None:
    """Return freed memory to the system, or using it again would not show. A function of glibc; others keep less."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    found = dict(line.split(":", 1) for line in lines)
    return int(found[field].split()[0]) * 1024
