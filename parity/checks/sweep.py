"""Look for false alarms: sample many random cases, gather the scores, and list the checks that fail.

Every variant of every operation gets, seed by seed, a case of random configuration and lengths, parameters from tiny to
saturating and anything in its padding. The limits derive from the distribution of the scores: `parity.checks.noise`.

A designed sweep tries the batches of `parity.cases.lengths.DESIGNED` instead, with values sampled from the seed: every
pair of a configuration and a batch in turn. Their sizes are special, so that each would take a graph of its own: all
run eagerly. Where TensorFlow runs Python for each step, past a byte of steps, one variant is tried a seed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from msgspec import Struct

from parity import frameworks
from parity.arrays import A_BYTE, DTYPES, FLOATS
from parity.cases.lengths import DESIGNED, LARGE, MANY_ROWS, MANY_STEPS, REAL, LengthsSpec
from parity.checks.check import Check
from parity.checks.result import FAILED, PASSED, Count, Result
from parity.errors import choose, choose_all, names, whole_number
from parity.operations import OPERATIONS, Configuration, Operation, find

REFERENCE = "matches_reference"  # gives the scores
TRIED = (REFERENCE, "ignores_padding", "zero_gradient_at_padding", "accepts_empty_sequences")
PORTION = 25  # seeds that are one task
DESIGNED_PORTION = 5  # the same where batches are long
MOST_SEEDS = 100_000  # of a sweep, whose tasks are all listed at once
MOST_SEQUENCES, MOST_STEPS = 6, 12
SCALES = (1e-3, 30.0)  # of parameters, against the usual: at the upper end, nearly all gates are saturated
FILLS = (0.0, 1e3, np.inf, -np.inf, np.nan)
QUANTILES = (50, 99, 99.9, 100)
SHOWN = 50  # failures that a report has in full


class SweepRow(Struct, frozen=True):
    """The scores of one operation in one framework and dtype, over all seeds."""

    operation: str
    framework: str
    dtype: str
    seeds: Count  # how many were tried; fewer than asked for where somebody interrupted
    checks: Count  # how many contracts were compared, over all cases
    failed: Count
    scores: Count
    element: tuple[float, ...]  # the quantiles `QUANTILES`, two digits each; empty where there are no scores
    norm: tuple[float, ...]
    worst: str  # the command that shows the largest element again


class SweepReport(Struct, frozen=True):
    """All random cases of a sweep."""

    first: Count  # the first seed
    seeds: Count  # how many were asked for
    contracts: tuple[str, ...]  # those that were tried
    checks: Count
    failed: Count
    failures: tuple[Result, ...]  # the first of them
    rows: tuple[SweepRow, ...]


@dataclass
class Tally:
    """Counts and scores over the random cases of one operation in one dtype, in one framework."""

    operation: str
    framework: str
    dtype: str
    element: list[float] = field(default_factory=list)  # all finite scores, one for each quantity of each case
    norm: list[float] = field(default_factory=list)
    worst: Result | None = None  # the result with the largest elementwise score
    seeds: int = 0
    checks: int = 0  # contracts that were compared, over all cases; not those that apply to no part of a case
    failed: list[Result] = field(default_factory=list)  # the worst result of each check that failed

    def add(self, results: Sequence[Result]) -> None:
        """Count the results of one check, and its scores if it is the one against the reference."""
        first = results[0]
        self.checks += first.status in (PASSED, FAILED)
        if first.status == FAILED:
            self.failed.append(max(results, key=_largest))
        if first.contract == REFERENCE:
            self.worst = max(first, self.worst, key=_largest)
            for both in first.scores.values():
                if both.element is not None and both.norm is not None:
                    self.element.append(both.element)
                    self.norm.append(both.norm)

    def join(self, other: Tally) -> None:
        """Add another tally of the same operation, framework and dtype."""
        self.worst = max(self.worst, other.worst, key=_largest)
        self.element += other.element
        self.norm += other.norm
        self.seeds += other.seeds
        self.checks += other.checks
        self.failed += other.failed

    @property
    def row(self) -> SweepRow:
        """Return its row of the report."""
        return SweepRow(
            operation=self.operation,
            framework=self.framework,
            dtype=self.dtype,
            seeds=self.seeds,
            checks=self.checks,
            failed=len(self.failed),
            scores=len(self.element),
            element=quantiles(self.element),
            norm=quantiles(self.norm),
            worst="" if self.worst is None else self.worst.reproduce,
        )


def _largest(result: Result | None) -> float:
    """Return the largest elementwise score; less than any where there is no result."""
    if result is None:
        return -1.0
    elements = (both.element for both in result.scores.values())
    return max((math.inf if element is None else element for element in elements), default=0.0)


def quantiles(scores: list[float]) -> tuple[float, ...]:
    """Return the `QUANTILES` of scores, two digits each; none where there are no scores."""
    return tuple(float(f"{value:.2g}") for value in np.percentile(scores, QUANTILES)) if scores else ()


@dataclass(frozen=True)
class SweepTask:
    """Some seeds of one operation in one dtype, in all frameworks: a task whose results are a `Tally` for each.

    >>> task = SweepTask("bidirectional.reverse_sequence", "float32", 0, 2)
    >>> [(tally.framework, len(tally.failed)) for tally in task.run()]
    [('pytorch', 0), ('tensorflow', 0)]
    """

    operation: str
    dtype: str
    first: int
    seeds: int
    designed: bool = False

    def __str__(self) -> str:
        return f"{self.operation}-{self.dtype}-seeds {self.first} to {self.first + self.seeds - 1}"

    @property
    def group_key(self) -> tuple[str, ...]:
        return self.operation, self.dtype  # all seeds share traces

    @property
    def cost(self) -> int:
        row = find(self.operation)
        variants = sum(len(row.variants[framework]) for framework in frameworks.FRAMEWORKS)
        return self.seeds * max(len(config.inputs) for config in row.configurations) * variants

    def run(self) -> list[Tally]:
        """Try all contracts on a case for each seed and variant."""
        installed = (framework for framework in frameworks.FRAMEWORKS if not frameworks.is_absent(framework))
        return [self._tally(framework) for framework in installed]

    def on_crash(self, reason: str) -> list[Tally]:
        return [self._failed(framework, reason) for framework in frameworks.FRAMEWORKS]

    def _failed(self, framework: str, reason: str) -> Tally:
        check = Check(self.operation, framework, "", self.dtype, REFERENCE, self.first)
        return Tally(self.operation, framework, self.dtype, checks=1, failed=check.on_crash(reason))

    def _tally(self, framework: str) -> Tally:
        if reason := frameworks.missing(framework):
            return self._failed(framework, reason)
        tally = Tally(self.operation, framework, self.dtype, seeds=self.seeds)
        for seed in range(self.first, self.first + self.seeds):
            for check in self._checks(framework, seed):
                tally.add(check.run())
        return tally

    def _checks(self, framework: str, seed: int) -> Iterator[Check]:
        """Yield checks in the last of the framework's modes: a graph takes long to trace, and is fast ever after."""
        row, modes = find(self.operation), frameworks.MODES[framework]
        mode = modes[0] if self.designed or self.dtype not in DTYPES else modes[-1]
        config, lengths = designed_case(row, seed) if self.designed else random_case(row, seed)
        variants = row.variants[framework]
        if self.designed and len(modes) > 1 and _is_slow(row.configuration(config), lengths):
            variants = (variants[seed % len(variants)],)
        for variant in variants:
            case = f"{config}/{lengths if self.designed else 'ragged'}"
            if row.expected_failure(f"{framework}.{variant}", case, mode, self.dtype):
                continue
            for contract in TRIED:
                check = Check(row.name, framework, variant, self.dtype, contract, seed, full=True)
                yield replace(check, config=config, lengths=lengths, mode=mode)


def random_case(row: Operation, seed: int) -> tuple[str, str]:
    """Choose a configuration and lengths, the same for all variants and dtypes; real data have lengths of their own."""
    rng = np.random.default_rng([seed, *row.name.encode()])
    config = row.configurations[int(rng.integers(len(row.configurations)))]
    return config.name, next(iter(REAL)) if config.data else random_lengths(rng)


def designed_case(row: Operation, seed: int) -> tuple[str, str]:
    """Return the configuration and the designed batch whose turn it is; they are in a random order.

    >>> len({designed_case(find("pooling.mean"), seed) for seed in range(11)})
    11
    """
    pairs = [(config.name, lengths) for config in row.configurations for lengths in designed_lengths(config)]
    turns, place = divmod(seed, len(pairs))
    order = np.random.default_rng([turns, *row.name.encode()]).permutation(len(pairs))
    return pairs[int(order[place])]


def designed_lengths(config: Configuration) -> list[str]:
    """List the designed batches of a configuration, those too that a default run leaves out but cost little."""
    if config.data:
        return [next(iter(REAL))]
    if config.lengths:
        return [name for name in config.lengths if name in DESIGNED]
    left_out = {LARGE} if config.stepwise else set()  # a projection has to be smaller than its layer
    left_out |= {MANY_STEPS, MANY_ROWS} - set(config.extra_lengths)
    return [name for name in DESIGNED if name not in left_out]


def _is_slow(config: Configuration, lengths: str) -> bool:
    """Tell whether Python runs for each of many steps, where a framework traces no graph."""
    return config.stepwise and lengths in DESIGNED and DESIGNED[lengths].steps >= A_BYTE


def random_lengths(rng: np.random.Generator) -> str:
    """Write out any lengths, B and T, parameters of any scale and padding of any content.

    >>> random_lengths(np.random.default_rng(1))
    '6,7,0:7x18'
    """
    batch, steps = int(rng.integers(0, MOST_SEQUENCES + 1)), int(rng.integers(1, MOST_STEPS + 1))
    lengths = tuple(map(int, rng.integers(0, steps + 1, batch)))
    scale = float(f"{np.exp(rng.uniform(*np.log(SCALES))):.2g}")
    fill = None if rng.uniform() < 0.5 else float(rng.choice(FILLS))
    return str(LengthsSpec(batch, steps, lengths, scale, fill))


def plan(
    operations: Iterable[str] = (), dtypes: Iterable[str] = (), seeds: int = 100, first: int = 0, designed: bool = False
) -> list[SweepTask]:
    """List sweeps over so many seeds, in portions. An empty selection means everything, in float32 and float64.

    Raises:
        InputError: an unknown name, with the nearest right one, or numbers that are none.

    >>> [str(task) for task in plan(["rnn.gru"], ["float64"], seeds=30)]
    ['rnn.gru-float64-seeds 0 to 24', 'rnn.gru-float64-seeds 25 to 29']
    """
    rows = choose_all("operation", names("operations", operations), OPERATIONS) or list(OPERATIONS)
    floats = [choose("dtype", dtype, FLOATS) for dtype in names("dtypes", dtypes)] or list(DTYPES)
    end = whole_number("seed", first) + whole_number("seeds", seeds, least=1, most=MOST_SEEDS)
    portion = DESIGNED_PORTION if designed else PORTION
    return [
        SweepTask(row, dtype, start, min(portion, end - start), designed)
        for row in rows
        for dtype in floats
        for start in range(first, end, portion)
    ]


def summarise(tallies: Iterable[Tally], first: int, seeds: int) -> SweepReport:
    """Summarise the tallies of a sweep for a report, in the order of the operations table."""
    groups: dict[tuple[str, str, str], Tally] = {}
    for tally in tallies:
        key = tally.operation, tally.framework, tally.dtype
        groups.setdefault(key, Tally(*key)).join(tally)
    order = list(OPERATIONS)
    rows = [groups[key].row for key in sorted(groups, key=lambda key: (order.index(key[0]), key[1:]))]
    failed = [result for tally in groups.values() for result in tally.failed]
    return SweepReport(
        first=first,
        seeds=seeds,
        contracts=TRIED,
        checks=sum(tally.checks for tally in groups.values()),
        failed=len(failed),
        failures=tuple(failed[:SHOWN]),
        rows=tuple(rows),
    )
