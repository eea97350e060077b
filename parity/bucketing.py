"""Group sequences of different lengths so that padding each group costs the least time.

A padded run of B sequences over T steps takes about ``call + step·T + row·B·T`` seconds (`Cost`).
`split` groups one batch, `batches` a whole data set; both find the exact minimum. This module needs NumPy only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from itertools import combinations
from math import inf

import numpy as np
import numpy.typing as npt

from parity.arrays import Array, Lengths, check_lengths
from parity.errors import InputError, finite, listed, of_kind, plain_array, shown, whole_number

A_COST = "a parity.bucketing.Cost"
ANY_STEPS = 2**40  # the most steps whose sums over a data set are exact


@dataclass(frozen=True)
class Cost:
    """Cost of one padded run of B sequences over T steps: ``call + step·T + row·B·T`` seconds.

    Attributes:
        call: seconds per run, whatever its size.
        step: seconds per step, whatever its number of rows.
        row: seconds for one row of one step.

    Raises:
        InputError: a coefficient is negative, infinite or missing, or all are zero.

    >>> Cost(call=1.0, step=0.5, row=0.25).of(batch=2, steps=4)
    5.0
    """

    call: float
    step: float
    row: float

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, _positive(field.name, getattr(self, field.name), "seconds"))
        if self.call == self.step == self.row == 0:
            raise InputError("cost", "zeros only", "at least one of call, step and row above 0")

    def of(self, batch: int, steps: int) -> float:
        """Return the seconds for ``batch`` rows padded to ``steps``."""
        whole_number("batch", batch, most=ANY_STEPS)
        whole_number("steps", steps, most=ANY_STEPS)
        return self.call + steps * (self.step + self.row * batch)

    @property
    def break_even(self) -> float:
        """Return the number of rows at which a step's arithmetic costs as much as its overhead.

        >>> Cost(call=0.0, step=6e-5, row=5e-6).break_even
        12.0
        """
        return self.step / self.row if self.row else inf


def _positive(argument: str, received: object, unit: str) -> float:
    expected = f"{unit}, finite and not negative"
    number = finite(argument, received, expected)
    if number < 0:
        raise InputError(argument, shown(received), expected)
    return number


# Training an LSTM of D = 128, H = 256 on two cores: between the costs measured for PyTorch's padded layer (4.8 ms, 0,
# 18 us) and Keras' masked one (6.1 ms, 0.43 ms, 30 us). `parity.throughput.advice` measures the machine at hand.
DEFAULT = Cost(call=5e-3, step=1e-4, row=2e-5)

# A module global, not a ContextVar: TensorFlow calls `split` from threads of its own, which have another context.
_cost = DEFAULT


def current() -> Cost:
    """Return the cost that `split` and `batches` use by default."""
    return _cost


@contextmanager
def using(cost: Cost) -> Iterator[Cost]:
    """Use another default cost inside the block, in every thread.

    >>> with using(Cost(call=0.0, step=0.0, row=1.0)):
    ...     len(split([3, 1, 3]).steps)
    2
    """
    global _cost
    before, _cost = _cost, of_kind("cost", cost, Cost, A_COST)
    try:
        yield cost
    finally:
        _cost = before


@dataclass(frozen=True, eq=False)
class Split:
    """Rows in groups, each padded to its own longest sequence.

    Attributes:
        order: ``(B,)`` int64, all rows, longest first; equal lengths keep their order.
        bounds: ``(K+1,)`` int64, K >= 1; group k is ``order[bounds[k]:bounds[k+1]]``.
        steps: ``(K,)`` int64, the longest of each group, and at least 1.
        seconds: the predicted cost of all groups.
    """

    order: Lengths
    bounds: Lengths
    steps: Lengths
    seconds: float

    def groups(self) -> Iterator[tuple[Lengths, int]]:
        """Yield the rows of each group and their padded length, longest group first.

        >>> [(rows.tolist(), steps) for rows, steps in split([2, 9, 2], Cost(0.0, 1.0, 1.0)).groups()]
        [([1], 9), ([0, 2], 2)]
        """
        bounds = self.bounds.tolist()
        for first, end, steps in zip(bounds, bounds[1:], self.steps.tolist(), strict=False):
            yield self.order[first:end], steps


def split(lengths: npt.ArrayLike, cost: Cost | None = None) -> Split:
    """Split one batch into the groups of least total cost: the exact minimum over all partitions.

    By an exchange argument, the best groups can be consecutive in sorted order and need not separate equal lengths.
    The rest is a least-weight subsequence problem over the distinct lengths.

    Args:
        lengths: ``(B,)`` integers, 0 or more; B may be 0, which makes one empty group.
        cost: of one padded run; `current` when not given.

    Raises:
        InputError: invalid lengths.

    Source: Hirschberg and Larmore, "The least weight subsequence problem", SIAM J. Comput. 16 (1987);
    the queue of lines follows Galil and Park, Theoret. Comput. Sci. 92 (1992).

    >>> plan = split([7, 1, 8, 2], Cost(call=1.0, step=0.0, row=1.0))
    >>> plan.order, plan.bounds, plan.steps, plan.seconds
    (array([2, 0, 3, 1]), array([0, 2, 4]), array([8, 2]), 22.0)
    """
    order, longest = _sorted(lengths)
    starts = np.append(0, np.flatnonzero(longest[1:] < longest[:-1]) + 1)
    return _cheapest(order, longest, starts, inf, cost)


def batches(lengths: npt.ArrayLike, batch: int, cost: Cost | None = None) -> Split:
    """Split a data set into batches of at most ``batch`` rows of least total cost.

    The minimum is exact, as in `split`, but a batch may have to end between two equal lengths.

    Args:
        lengths: ``(N,)`` integers, 0 or more; N may be 0, which makes one empty batch.
        batch: the largest number of rows in one group.
        cost: of one padded run; `current` when not given.

    Raises:
        InputError: invalid lengths, or ``batch`` below 1.

    >>> batches([7, 1, 8, 2, 7], batch=2, cost=Cost(call=1.0, step=0.0, row=1.0)).bounds
    array([0, 1, 3, 5])
    """
    whole_number("batch", batch, least=1)
    order, longest = _sorted(lengths)
    return _cheapest(order, longest, np.arange(len(longest)), batch, cost)


def _sorted(lengths: npt.ArrayLike) -> tuple[Lengths, Lengths]:
    """Return the rows, longest first, and their padded lengths, at least 1; one length even without rows."""
    checked = check_lengths(lengths, ANY_STEPS)
    longest = int(checked.max(initial=0))
    # NumPy sorts 16-bit keys by radix, several times faster than wider ones.
    keys = (longest - checked).astype(np.uint16 if longest < 2**16 else np.int64)
    order: Lengths = np.argsort(keys, kind="stable").astype(np.int64, copy=False)
    return order, np.maximum(1, checked[order]) if len(order) else np.ones(1, np.int64)


def _cheapest(order: Lengths, longest: Lengths, starts: Lengths, rows: float, cost: Cost | None) -> Split:
    """Return groups of at most ``rows`` sorted rows that begin at some of ``starts``."""
    cost = current() if cost is None else of_kind("cost", cost, Cost, A_COST)
    # A group from row p to row q costs bases[p] + slopes[p]·q: a line for each start.
    slopes = cost.row * longest[starts]
    bases = cost.call + cost.step * longest[starts] - slopes * starts
    cuts = [*starts.tolist(), len(order)]
    bounds = _bounds(cuts, bases.tolist(), slopes.tolist(), rows)
    steps = longest[bounds[:-1]]
    groups = zip(bounds, bounds[1:], steps.tolist(), strict=False)
    seconds = sum(cost.of(end - first, padded) for first, end, padded in groups)
    return Split(order, np.array(bounds, np.int64), steps, seconds)


def _bounds(cuts: list[int], bases: list[float], slopes: list[float], rows: float) -> list[int]:
    """Return the bounds of the groups of least cost, each of at most ``rows`` rows.

    A later line is flatter and expires later, so that once it is lower than an older line, it stays lower. A queue
    holds the lines that can still be the lowest, each with the row after which it is lower than the one before it.
    """
    least, previous = [0.0], list[int]()
    queue, heights, since, head = list[int](), list[float](), list[float](), 0
    for start, (base, slope, end) in enumerate(zip(bases, slopes, cuts[1:], strict=True)):
        height, crossing = least[start] + base, -inf
        while len(queue) > head:
            drop, rise = slopes[queue[-1]] - slope, height - heights[-1]
            if drop > 0:
                crossing = rise / drop
            elif rise >= 0:
                crossing = inf
            else:
                crossing = -inf
            crossing = min(crossing, cuts[queue[-1]] + rows)
            if crossing > since[-1]:
                break
            del queue[-1], heights[-1], since[-1]
        queue.append(start)
        heights.append(height)
        since.append(crossing)
        while head + 1 < len(queue) and since[head + 1] < end:
            head += 1
        previous.append(queue[head])
        least.append(heights[head] + slopes[queue[head]] * end)
    bounds = [len(cuts) - 1]
    while bounds[-1] > 0:
        bounds.append(previous[bounds[-1] - 1])
    return [cuts[index] for index in reversed(bounds)]


def padded_over_real(lengths: npt.ArrayLike, split: Split) -> float:
    """Return the ratio of padded to real steps: 1 without padding, infinite without real steps.

    Args:
        lengths: ``(B,)``, the lengths that were split.
        split: their groups.

    Raises:
        InputError: invalid lengths, or another number of them than the split has rows.

    >>> padded_over_real([4, 1, 3], split([4, 1, 3], Cost(0.0, 1.0, 1.0)))
    1.125
    """
    of_kind("split", split, Split, "a Split, from parity.bucketing.split or batches")
    real = check_lengths(lengths, ANY_STEPS, len(split.order)).sum()
    return _over(float(np.diff(split.bounds) @ split.steps), float(real))


def ideal(lengths: npt.ArrayLike, steps: int, floor_rows: float = 0.0) -> float:
    """Return the speed-up that a run over real steps only could have over a padded one.

    With b_t sequences longer than t and b0 = ``floor_rows``, it is the sum of max(b0, B) over all T steps, divided by
    the sum of max(b0, b_t) over the steps that any sequence reaches. When b0 is 0, it is B·T over the real steps.

    Args:
        lengths: ``(B,)`` integers from 0 to T.
        steps: T, the padded length.
        floor_rows: with fewer rows than this, a step is no cheaper.

    Raises:
        InputError: lengths that do not fit, or a floor that is negative or not finite.

    >>> ideal([4, 1, 3], steps=4), ideal([4, 1, 3], steps=4, floor_rows=2.0)
    (1.5, 1.3333333333333333)
    """
    floor_rows = _positive("floor_rows", floor_rows, "rows")
    checked = check_lengths(lengths, whole_number("steps", steps, most=ANY_STEPS))
    # Between one length and the next longer one, for `rises` steps, `running` sequences remain.
    rises = np.diff(np.sort(checked), prepend=0)
    running = np.arange(len(checked), 0, -1)
    return _over(steps * max(floor_rows, len(checked)), float(rises @ np.maximum(floor_rows, running)))


def _over(padded: float, real: float) -> float:
    if real:
        return padded / real
    return inf if padded else 1.0


PAIRS = "at least one pair of counts and seconds, ((calls, steps, rows), seconds)"
LARGEST = 1e30


def fit(samples: Iterable[tuple[npt.ArrayLike, float]]) -> Cost:
    """Fit the cost to measured times: least squares of the relative error, no coefficient negative.

    Args:
        samples: pairs of counts and seconds. The counts are those of all runs within the time:
            (calls, steps, rows), which is (1, T, B·T) for one padded run.

    Raises:
        InputError: no sample, counts that are not three numbers of 0 or more, only counts of 0, or an invalid time.

    >>> cost = fit([((1, 8, 64), 25.0), ((1, 8, 128), 41.0), ((2, 4, 16), 10.0)])
    >>> round(cost.call, 6), round(cost.step, 6), round(cost.row, 6)
    (1.0, 1.0, 0.25)
    """
    pairs = listed("samples", samples, PAIRS)
    if not pairs or not all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in pairs):
        raise InputError("samples", shown(pairs) if pairs else "none", PAIRS)
    counts = plain_array("samples", [count for count, _ in pairs]).astype(np.float64)
    seconds = plain_array("samples", [second for _, second in pairs]).astype(np.float64)
    if counts.shape != (len(pairs), 3) or not _between(counts, 0):
        raise InputError("samples", f"counts {shown(counts.tolist())}", f"(calls, steps, rows) of 0 to {LARGEST:g}")
    if seconds.shape != (len(pairs),) or not _between(seconds, 1 / LARGEST):
        raise InputError("samples", f"seconds {shown(seconds.tolist())}", f"times above 0, at most {LARGEST:g}")
    equations = counts / seconds[:, None]
    sizes = np.linalg.norm(equations, axis=0)
    known = np.flatnonzero(sizes)
    if not len(known):
        raise InputError("samples", "no call, no step and no row", "counts above 0")
    scale = np.where(sizes, sizes, 1)
    scaled = equations / scale
    solutions = []
    for kept in [list(subset) for size in range(1, 4) for subset in combinations(known.tolist(), size)]:
        coefficients = np.zeros(3)
        coefficients[kept] = np.linalg.lstsq(scaled[:, kept], np.ones(len(scaled)), rcond=None)[0]
        if (coefficients >= 0).all():
            error = float(np.mean((scaled @ coefficients - 1) ** 2))
            solutions.append((round(error, 12), coefficients))
    # The best non-negative solution solves the least squares for its non-zero coefficients, so that one of the subsets
    # gives it. Errors are rounded: of equal ones, the first wins, which has the fewest coefficients.
    _, best = min(solutions, key=lambda solution: solution[0])
    return Cost(*(best / scale).tolist())


def _between(numbers: Array, least: float) -> bool:
    """Check that all numbers are large enough, and so small that their squares are finite."""
    return bool(((numbers >= least) & (numbers <= LARGEST)).all())
