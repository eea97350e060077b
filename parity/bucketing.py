"""Where to cut sequences that differ in length into groups, so that padding each group costs the least time.

A padded run of B sequences over T steps takes about ``call + step·T + row·B·T`` seconds (`Cost`).
`split` cuts one batch, `batches` a whole data set; both find the exact minimum. Everything here is plain NumPy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from itertools import combinations, repeat
from math import inf
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from parity.arrays import Array, Lengths, check_lengths
from parity.errors import InputError, finite, listed, of_kind, plain_array, shown, whole_number

ANY_STEPS = 2**40  # so few that sums over a data set are exact


@dataclass(frozen=True)
class Cost:
    """Seconds for one padded run of B sequences over T steps: ``call + step·T + row·B·T``.

    Attributes:
        call: seconds a run, whatever its size.
        step: seconds a step, however many rows it has.
        row: seconds for one row of one step.

    Raises:
        InputError: a negative, infinite or missing figure, or nothing but zeros.

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
        """Seconds for ``batch`` rows padded to ``steps``."""
        whole_number("batch", batch, most=ANY_STEPS)
        whole_number("steps", steps, most=ANY_STEPS)
        return self.call + steps * (self.step + self.row * batch)

    @property
    def break_even(self) -> float:
        """Rows that a step must have before its arithmetic costs as much as its overhead.

        >>> Cost(call=0.0, step=6e-5, row=5e-6).break_even
        12.0
        """
        return self.step / self.row if self.row else inf


def _positive(argument: str, came: object, what: str) -> float:
    expected = f"{what}, finite and not negative"
    number = finite(argument, came, expected)
    if number < 0:
        raise InputError(argument, shown(came), expected)
    return number


# Training an LSTM of D = 128, H = 256 on two cores, between what was measured for PyTorch's padded layer (4.8 ms, 0,
# 18 us) and Keras' masked one (6.1 ms, 0.43 ms, 30 us). `parity.throughput.advice` measures the machine at hand.
DEFAULT = Cost(call=5e-3, step=1e-4, row=2e-5)

# A module global, not a ContextVar: TensorFlow calls `split` from threads of its own, which see no context of ours.
_cost = DEFAULT


def current() -> Cost:
    """The cost by which `split` and `batches` plan when they are given none."""
    return _cost


A_COST = "a parity.bucketing.Cost"


def _checked(cost: Cost | None) -> Cost:
    return current() if cost is None else of_kind("cost", cost, Cost, A_COST)


@contextmanager
def using(cost: Cost) -> Iterator[Cost]:
    """Plan by another cost inside the block, in every thread.

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
    """Rows in groups, each to be padded to its own longest.

    Attributes:
        order: ``(B,)`` int64, all rows, longest first; equal lengths keep their order.
        bounds: ``(K+1,)`` int64, K >= 1; group k is ``order[bounds[k]:bounds[k+1]]``.
        steps: ``(K,)`` int64, the longest of each group, and at least 1.
        seconds: what the groups cost together, as predicted.
    """

    order: Lengths
    bounds: Lengths
    steps: Lengths
    seconds: float

    def groups(self) -> Iterator[tuple[Lengths, int]]:
        """The rows of each group and the steps they are padded to, longest group first.

        >>> [(rows.tolist(), steps) for rows, steps in split([2, 9, 2], Cost(0.0, 1.0, 1.0)).groups()]
        [([1], 9), ([0, 2], 2)]
        """
        bounds = self.bounds.tolist()
        for first, end, steps in zip(bounds, bounds[1:], self.steps.tolist(), strict=False):
            yield self.order[first:end], steps


def split(lengths: npt.ArrayLike, cost: Cost | None = None, most: int | None = None) -> Split:
    """Cut one batch into the groups that cost the least together: the exact minimum over all partitions.

    Exchanging rows shows that groups consecutive in sorted order are enough, and that equal lengths
    can stay together; what is left is a least-weight subsequence over the distinct lengths.

    Args:
        lengths: ``(B,)`` integers, 0 or more; B may be 0, which makes one empty group.
        cost: of one padded run; `current` when not given.
        most: at most so many groups.

    Raises:
        InputError: lengths that are none, or ``most`` below 1.

    Source: Hirschberg and Larmore, "The least weight subsequence problem", SIAM J. Comput. 16 (1987);
    the queue of lines follows Galil and Park, Theoret. Comput. Sci. 92 (1992).

    >>> parts = split([7, 1, 8, 2], Cost(call=1.0, step=0.0, row=1.0))
    >>> parts.order, parts.bounds, parts.steps, parts.seconds
    (array([2, 0, 3, 1]), array([0, 2, 4]), array([8, 2]), 22.0)
    """
    if most is not None:
        whole_number("most", most, least=1)
    order, longest = _sorted(check_lengths(lengths, ANY_STEPS))
    changes = np.flatnonzero(longest[1:] < longest[:-1]) + 1
    cost = _checked(cost)
    lines = _lines([0, *changes.tolist(), len(order)], longest, cost)
    bounds = _cheapest(lines)
    if most is not None and len(bounds) - 1 > most:
        bounds = _cheapest_of_few(lines, most)
    return _planned(order, longest, bounds, cost)


def batches(lengths: npt.ArrayLike, batch: int, cost: Cost | None = None) -> Split:
    """Cut a whole data set into batches of at most ``batch`` rows that cost the least together.

    The exact minimum, as in `split`, but a cut may have to fall between two equal lengths.

    Args:
        lengths: ``(N,)`` integers, 0 or more; N may be 0, which makes one empty batch.
        batch: the most rows of one group.
        cost: of one padded run; `current` when not given.

    Raises:
        InputError: lengths that are none, or ``batch`` below 1.

    >>> batches([7, 1, 8, 2, 7], batch=2, cost=Cost(call=1.0, step=0.0, row=1.0)).bounds
    array([0, 1, 3, 5])
    """
    whole_number("batch", batch, least=1)
    order, longest = _sorted(check_lengths(lengths, ANY_STEPS))
    cost = _checked(cost)
    lines = _lines([*range(len(longest)), len(order)], longest, cost)
    return _planned(order, longest, _cheapest(lines, batch), cost)


class _Lines(NamedTuple):
    """Sorted rows may be cut at ``places``; a group from ``places[p]`` to row q costs ``bases[p] + slopes[p]·q``."""

    places: list[int]
    bases: list[float]
    slopes: list[float]


def _lines(places: list[int], longest: Lengths, cost: Cost) -> _Lines:
    starts = np.array(places[:-1])
    steps = longest[starts]
    slopes = cost.row * steps
    return _Lines(places, (cost.call + cost.step * steps - slopes * starts).tolist(), slopes.tolist())


def _sorted(lengths: Lengths) -> tuple[Lengths, Lengths]:
    """Rows, longest first, and what each would be padded to: one step at least, and one entry at least."""
    longest = int(lengths.max(initial=0))
    # NumPy sorts 16-bit keys by radix, several times faster than wider ones.
    keys = (longest - lengths).astype(np.uint16 if longest < 2**16 else np.int64)
    order: Lengths = np.argsort(keys, kind="stable").astype(np.int64, copy=False)
    return order, np.maximum(1, lengths[order]) if len(order) else np.ones(1, np.int64)


def _planned(order: Lengths, longest: Lengths, bounds: list[int], cost: Cost) -> Split:
    steps = longest[bounds[:-1]]
    groups = zip(bounds, bounds[1:], steps.tolist(), strict=False)
    seconds = sum(cost.of(end - first, longest) for first, end, longest in groups)
    return Split(order, np.array(bounds, np.int64), steps, seconds)


def _cheapest(lines: _Lines, rows: float = inf) -> list[int]:
    """The bounds of any number of groups of at most ``rows`` rows.

    Later lines are flatter and expire later, so that one which is ahead of an older stays ahead: a queue holds
    those still in play, each with the row after which it is ahead of the one before it.
    """
    reached, origins = [0.0], list[int]()
    queue, heights, ahead, head = list[int](), list[float](), list[float](), 0
    places, bases, slopes = lines
    for place, (base, slope, end) in enumerate(zip(bases, slopes, places[1:], strict=True)):
        height, since = reached[place] + base, -inf
        while len(queue) > head:
            drop, old = slopes[queue[-1]] - slope, heights[-1]
            since = (height - old) / drop if drop > 0 else inf if height >= old else -inf
            since = min(since, places[queue[-1]] + rows)
            if since > ahead[-1]:
                break
            del queue[-1], heights[-1], ahead[-1]
        queue.append(place)
        heights.append(height)
        ahead.append(since)
        while head + 1 < len(queue) and ahead[head + 1] < end:
            head += 1
        origins.append(queue[head])
        reached.append(heights[head] + slopes[queue[head]] * end)
    return _bounds(places, repeat(origins))


def _cheapest_of_few(lines: _Lines, most: int) -> list[int]:
    """The bounds of at most ``most`` groups of any size, one layer for each group."""
    places, bases, slopes = (np.array(part, np.float64) for part in lines)
    reached = np.append(0.0, bases[0] + slopes[0] * places[1:])
    layers = [[0] * len(bases)]
    for _ in range(most - 1):
        reached, origins = _one_more(places, reached[:-1] + bases, slopes)
        layers.append(origins)
    return _bounds(lines.places, reversed(layers))


def _one_more(places: Array, heights: Array, slopes: Array, chunk: int = 64) -> tuple[Array, list[int]]:
    """The least cost of the rows up to each place when one more group is added, and where that group begins.

    A later end never has an earlier best beginning, so that each chunk of ends starts from the last one found.
    """
    reached, origins = [np.zeros(1)], [0]
    for first in range(0, len(slopes), chunk):
        ends = places[first + 1 : first + 1 + chunk, None]
        begins = slice(origins[-1], first + chunk)
        costs = ends * slopes[begins] + heights[begins]
        costs[places[:-1][begins] >= ends] = inf
        best = costs.argmin(1)
        reached.append(costs[np.arange(len(best)), best])
        origins += (best + begins.start).tolist()
    return np.concatenate(reached), origins[1:]


def _bounds(places: list[int], layers: Iterable[list[int]]) -> list[int]:
    """Back from the end: each layer tells, for the place of a cut, the one before it."""
    cuts = [len(places) - 1]
    for origins in layers:
        cuts.append(origins[cuts[-1] - 1])
        if cuts[-1] == 0:
            break
    return [places[cut] for cut in reversed(cuts)]


def padded_over_real(lengths: npt.ArrayLike, split: Split) -> float:
    """Steps after padding over steps before: 1 when nothing is padded, infinite when nothing is real.

    Args:
        lengths: ``(B,)``, those that were split.
        split: their groups.

    Raises:
        InputError: lengths that are none, or not as many as the split has rows.

    >>> padded_over_real([4, 1, 3], split([4, 1, 3], Cost(0.0, 1.0, 1.0), most=2))
    1.125
    """
    of_kind("split", split, Split, "what parity.bucketing.split or batches gave")
    real = check_lengths(lengths, ANY_STEPS, len(split.order)).sum()
    return _over(float(np.diff(split.bounds) @ split.steps), float(real))


def ideal(lengths: npt.ArrayLike, steps: int, floor_rows: float = 0.0) -> float:
    """How many times faster a run over real steps only could be than a padded one.

    With b_t sequences longer than t and b0 = ``floor_rows``: the sum of max(b0, B) over all T steps, over the
    sum of max(b0, b_t) over those that any sequence reaches. That is B·T over the real steps when b0 is 0.

    Args:
        lengths: ``(B,)`` integers from 0 to T.
        steps: T, the padded length.
        floor_rows: rows below which a step becomes no cheaper.

    Raises:
        InputError: lengths that do not fit, or a floor that is negative or not finite.

    >>> ideal([4, 1, 3], steps=4), ideal([4, 1, 3], steps=4, floor_rows=2.0)
    (1.5, 1.3333333333333333)
    """
    floor_rows = _positive("floor_rows", floor_rows, "rows")
    checked = check_lengths(lengths, whole_number("steps", steps, most=ANY_STEPS))
    # The lengths as a staircase, shortest first: over `rises` steps, `running` sequences are still there.
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
    """The cost that explains measured times best: least squares of the relative error, no figure negative.

    Args:
        samples: pairs of counts and seconds. The counts are those of all runs inside the time:
            (calls, steps, rows), which is (1, T, B·T) for one padded run.

    Raises:
        InputError: no sample, counts that are not three figures of 0 or more, none above 0, or a time that is not.

    >>> cost = fit([((1, 8, 64), 25.0), ((1, 8, 128), 41.0), ((2, 4, 16), 10.0)])
    >>> round(cost.call, 6), round(cost.step, 6), round(cost.row, 6)
    (1.0, 1.0, 0.25)
    """
    counts, seconds = _samples(samples)
    equations = counts / seconds[:, None]
    sizes = np.linalg.norm(equations, axis=0)
    known = np.flatnonzero(sizes)
    if not len(known):
        raise InputError("samples", "no call, no step and no row", "counts above 0")
    choices = [list(kept) for size in range(1, 4) for kept in combinations(known.tolist(), size)]
    solved = [_least_squares(equations / np.where(sizes, sizes, 1), kept) for kept in choices]
    # Every minimum with negative figures is beaten by one with these at zero; rounded, so that fewer figures win a tie.
    best = min((found for found in solved if (found[1] >= 0).all()), key=lambda found: round(found[0], 12))
    return Cost(*(best[1] / np.where(sizes, sizes, 1)).tolist())


def _samples(samples: Iterable[tuple[npt.ArrayLike, float]]) -> tuple[Array, Array]:
    pairs = listed("samples", samples, PAIRS)
    if not pairs or not all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in pairs):
        raise InputError("samples", shown(pairs) if pairs else "none", PAIRS)
    counts = plain_array("samples", [count for count, _ in pairs]).astype(np.float64)
    seconds = plain_array("samples", [second for _, second in pairs]).astype(np.float64)
    if counts.shape != (len(pairs), 3) or not _between(counts, 0):
        raise InputError("samples", f"counts {shown(counts.tolist())}", f"(calls, steps, rows) of 0 to {LARGEST:g}")
    if seconds.shape != (len(pairs),) or not _between(seconds, 1 / LARGEST):
        raise InputError("samples", f"seconds {shown(seconds.tolist())}", f"times above 0, at most {LARGEST:g}")
    return counts, seconds


def _between(figures: Array, least: float) -> bool:
    """Whether all are large enough, and so small that their squares are finite too."""
    return bool(((figures >= least) & (figures <= LARGEST)).all())


def _least_squares(equations: Array, kept: list[int]) -> tuple[float, Array]:
    """The squared relative error, a sample's mean, and the three figures, those not kept being zero."""
    figures = np.zeros(3)
    figures[kept] = np.linalg.lstsq(equations[:, kept], np.ones(len(equations)), rcond=None)[0]
    return float(np.mean((equations @ figures - 1) ** 2)), figures
