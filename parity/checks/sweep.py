"""Are there false alarms? Random cases, many of them: how scores are distributed, and which checks fail.

Every variant of every operation gets, seed by seed, a case of random configuration and lengths, parameters from tiny to
saturating and anything in its padding. The noise floor's limits come from this distribution; see `parity.checks.noise`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parity import frameworks
from parity.arrays import DTYPES, FLOATS
from parity.cases.lengths import REAL, LengthsSpec
from parity.checks import contracts
from parity.checks.check import Check
from parity.checks.result import FAILED, PASSED, Result
from parity.errors import choose, choose_all, names, whole_number
from parity.operations import OPERATIONS, Operation, find

REFERENCE = "matches_reference"  # gives the scores
CONTRACTS = (REFERENCE, "ignores_padding", "zero_gradient_at_padding", "accepts_empty_sequences")
TOGETHER = 25  # seeds that are one task
MOST_SEQUENCES, MOST_STEPS = 6, 12
SCALES = (1e-3, 30.0)  # of parameters, against the usual: at the upper end, nearly all gates are saturated
FILLS = (0.0, 1e3, np.inf, -np.inf, np.nan)
QUANTILES = (50, 99, 99.9, 100)
SHOWN = 50  # failures that a report has in full


def random_lengths(rng: np.random.Generator) -> str:
    """Any lengths, B and T, parameters of any scale and padding of any content, written out.

    >>> random_lengths(np.random.default_rng(1))
    '6,7,0:7x18'
    """
    batch, steps = int(rng.integers(0, MOST_SEQUENCES + 1)), int(rng.integers(1, MOST_STEPS + 1))
    lengths = tuple(map(int, rng.integers(0, steps + 1, batch)))
    scale = float(f"{np.exp(rng.uniform(*np.log(SCALES))):.2g}")
    fill = None if rng.uniform() < 0.5 else float(rng.choice(FILLS))
    return str(LengthsSpec(batch, steps, lengths, scale, fill))


@dataclass
class Tally:
    """What came of all random cases of one operation in one dtype, in one framework.

    Attributes:
        element, norm: all finite scores against the reference, one for each quantity of each case.
        worst: the result with the largest elementwise score.
        seeds: how many were tried.
        checks: how many contracts held a variant to something, over all cases; those that apply to no part of a case,
            such as padding where there is none, are not counted.
        failed: the worst result of each check that failed.
    """

    operation: str
    framework: str
    dtype: str
    element: list[float] = field(default_factory=list)
    norm: list[float] = field(default_factory=list)
    worst: Result | None = None
    seeds: int = 0
    checks: int = 0
    failed: list[Result] = field(default_factory=list)

    def add(self, results: Sequence[Result]) -> None:
        """Count what one check found: what passed, or each quantity that failed, and all scores with any of them."""
        first = results[0]
        self.checks += first.status in (PASSED, FAILED)
        if first.status == FAILED:
            self.failed.append(max(results, key=_largest))
        if first.contract == REFERENCE:
            self._score(first)

    def join(self, other: Tally) -> None:
        """Count what another tally of the same operation, framework and dtype has counted."""
        self.worst = max(self.worst, other.worst, key=_largest)
        self.element += other.element
        self.norm += other.norm
        self.seeds += other.seeds
        self.checks += other.checks
        self.failed += other.failed

    @property
    def row(self) -> dict[str, Any]:
        """One row of the report's table."""
        return {
            "operation": self.operation,
            "framework": self.framework,
            "dtype": self.dtype,
            "seeds": self.seeds,
            "checks": self.checks,
            "failed": len(self.failed),
            "scores": len(self.element),
            "element": quantiles(self.element),
            "norm": quantiles(self.norm),
            "worst": "" if self.worst is None else self.worst.reproduce,
        }

    def _score(self, result: Result) -> None:
        self.worst = max(result, self.worst, key=_largest)
        for element, norm in (result.scores or {}).values():
            if np.isfinite(element) and np.isfinite(norm):
                self.element.append(element)
                self.norm.append(norm)


def _largest(result: Result | None) -> float:
    """Its largest elementwise score; less than any where there is no result."""
    if result is None:
        return -1.0
    return max((element for element, _ in (result.scores or {}).values()), default=0.0)


def quantiles(scores: list[float]) -> list[float]:
    """`QUANTILES` of scores, two digits each; none where there are no scores."""
    return [float(f"{value:.2g}") for value in np.percentile(scores, QUANTILES)] if scores else []


@dataclass(frozen=True)
class Sweep:
    """Some seeds of one operation in one dtype, in all frameworks: a task for a runner, whose verdict is a `Tally` a
    framework.

    >>> [(tally.framework, len(tally.failed)) for tally in Sweep("bidirectional.reverse_sequence", "float32", 0,
    2).run()] [('pytorch', 0), ('tensorflow', 0)]
    """

    operation: str
    dtype: str
    first: int
    seeds: int

    def __str__(self) -> str:
        return f"{self.operation}-{self.dtype}-seeds {self.first} to {self.first + self.seeds - 1}"

    @property
    def together(self) -> tuple[str, ...]:
        """All seeds of an operation and dtype: they share traces."""
        return self.operation, self.dtype

    @property
    def cost(self) -> int:
        """Roughly how long it takes, against other sweeps."""
        row = find(self.operation)
        return (
            self.seeds * max(len(config.inputs) for config in row.configurations) * sum(map(len, row.variants.values()))
        )

    def run(self) -> list[Tally]:
        """Try all contracts on a case for each seed and variant."""
        return [
            self._of_framework(framework) for framework in frameworks.FRAMEWORKS if not frameworks.missing(framework)
        ]

    def lost(self, reason: str) -> list[Tally]:
        """The verdict if the process that should give it died."""
        checks = [
            Check(self.operation, framework, "", self.dtype, REFERENCE, self.first)
            for framework in frameworks.FRAMEWORKS
        ]
        return [
            Tally(self.operation, check.framework, self.dtype, checks=1, failed=check.lost(reason)) for check in checks
        ]

    def _of_framework(self, framework: str) -> Tally:
        tally = Tally(self.operation, framework, self.dtype, seeds=self.seeds)
        for seed in range(self.first, self.first + self.seeds):
            for check in self._checks(framework, seed):
                tally.add(check.run())
        return tally

    def _checks(self, framework: str, seed: int) -> Iterator[Check]:
        """In the last of the framework's modes in that dtype: a graph takes long to trace, and is fast ever after."""
        row, tried = find(self.operation), contracts.CONTRACTS[REFERENCE].modes(framework, self.dtype, True)
        mode = [mode for mode in frameworks.MODES[framework] if mode in tried][-1]
        config, lengths = _case(row, seed)
        for variant in row.variants[framework]:
            if row.expected_failure(f"{framework}.{variant}", f"{config}/ragged", mode, self.dtype):
                continue
            for contract in CONTRACTS:
                yield Check(row.name, framework, variant, self.dtype, contract, seed, True, config, lengths, mode)


def _case(row: Operation, seed: int) -> tuple[str, str]:
    """Choose a configuration and a lengths, the same for all variants and dtypes."""
    rng = np.random.default_rng([seed, *row.name.encode()])
    config = row.configurations[int(rng.integers(len(row.configurations)))]
    return config.name, next(iter(REAL)) if config.data else random_lengths(rng)


def plan(operations: Iterable[str] = (), dtypes: Iterable[str] = (), seeds: int = 100, first: int = 0) -> list[Sweep]:
    """Sweeps over so many seeds, in portions. An empty selection means everything, in float32 and float64.

    Raises:
        InputError: an unknown name, with the nearest right one, or numbers that are none.

    >>> [str(sweep) for sweep in plan(["rnn.gru"], ["float64"], seeds=30)]
    ['rnn.gru-float64-seeds 0 to 24', 'rnn.gru-float64-seeds 25 to 29']
    """
    rows = choose_all("operation", names("operations", operations), OPERATIONS) or list(OPERATIONS)
    kept = [choose("dtype", dtype, FLOATS) for dtype in names("dtypes", dtypes)] or list(DTYPES)
    end = whole_number("seed", first) + whole_number("seeds", seeds, least=1)
    return [
        Sweep(row, dtype, start, min(TOGETHER, end - start))
        for row in rows
        for dtype in kept
        for start in range(first, end, TOGETHER)
    ]


def summary(tallies: Iterable[Tally], first: int, seeds: int) -> dict[str, Any]:
    """What a report says of a sweep: plain values.

    Returns:
        A dict with ``first`` and ``seeds`` as asked for, ``contracts``, ``checks``, ``failed``, the first ``failures``
        as results, and ``rows``: for each operation, framework and dtype how many seeds were tried (fewer where
        somebody interrupted), the number of scores, the quantiles `QUANTILES` of their elements and of their norms,
        and how to see the worst again.
    """
    groups: dict[tuple[str, str, str], Tally] = {}
    for tally in tallies:
        key = tally.operation, tally.framework, tally.dtype
        groups.setdefault(key, Tally(*key)).join(tally)
    failed = [result for tally in groups.values() for result in tally.failed]
    return {
        "first": first,
        "seeds": seeds,
        "contracts": list(CONTRACTS),
        "checks": sum(tally.checks for tally in groups.values()),
        "failed": len(failed),
        "failures": [result.as_dict() for result in failed[:SHOWN]],
        "rows": [groups[key].row for key in sorted(groups, key=lambda key: (list(OPERATIONS).index(key[0]), key[1:]))],
    }
