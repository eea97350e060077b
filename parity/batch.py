"""Batches of sequences that differ in length: padded arrays, lengths and masks, and how to move them.

Everything here is plain NumPy. The moves (`refilled`, `extended`, `taken`) never change what the sequences themselves
say; a contract does the same to a whole `parity.cases.Case`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from parity.errors import MOST, InputError, a_function, choose, finite, fits, of_kind, plain_array, shown, whole_number

Array = npt.NDArray[Any]
Lengths = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def check_lengths(lengths: npt.ArrayLike, steps: int, batch: int | None = None) -> Lengths:
    """Return ``lengths`` as int64 ``(B,)``, or say what is wrong with them.

    Args:
        lengths: how many steps of each sequence are real; 0 is allowed.
        steps: T, the padded length; no length may exceed it.
        batch: B, when it is known from elsewhere.

    Raises:
        InputError: not integers, not one axis, negative, longer than T, or not B of them.

    >>> check_lengths([3, 0, 2], steps=3)
    array([3, 0, 2])
    """
    came = plain_array("lengths", lengths)
    whole_number("steps", steps)
    if came.size == 0 and came.ndim == 1:
        came = came.astype(np.int64)
    if came.dtype.kind not in "iu":
        raise InputError("lengths", f"dtype {came.dtype}", "integers")
    if came.ndim != 1:
        raise InputError("lengths", f"shape {came.shape}", "one axis, (B,)")
    if batch is not None and len(came) != whole_number("batch", batch):
        raise InputError("lengths", f"{len(came)} lengths", f"one for each of the {batch} sequences")
    if came.size and came.min() < 0:
        raise InputError("lengths", f"{came.min()} at index {came.argmin()}", "lengths of 0 or more")
    if came.size and came.max() > steps:
        raise InputError("lengths", f"{came.max()} at index {came.argmax()}", f"at most T = {steps}")
    checked: Lengths = came.astype(np.int64)
    return checked


def check_rows(rows: npt.ArrayLike, batch: int) -> Lengths:
    """Return ``rows`` as int64, or say what is wrong with them: row numbers from 0 to B - 1."""
    came = plain_array("rows", rows)
    last = whole_number("batch", batch) - 1
    if came.ndim != 1 or (came.size and (came.dtype.kind not in "iu" or came.min() < 0 or came.max() > last)):
        raise InputError("rows", shown(rows), f"one axis of row numbers from 0 to {last}")
    checked: Lengths = came.astype(np.int64)
    return checked


def valid(lengths: npt.ArrayLike, steps: int, left: bool = False) -> Mask:
    """True on real steps, False on padding: behind each sequence, or ``left`` of it.  ``(B,)``, T -> ``(B, T)``.

    >>> valid([2, 0], steps=3).astype(int)
    array([[1, 1, 0],
           [0, 0, 0]])
    """
    mask: Mask = np.arange(steps) < np.asarray(lengths)[:, None]
    return mask[:, ::-1] if left else mask


def resized(array: Array, axis: int, size: int, fill: float = 0, left: bool = False) -> Array:
    """``array`` cut to ``size`` along one axis, or filled up: at its end, or ``left`` of it.

    >>> resized(np.array([1, 2]), axis=0, size=3)
    array([1, 2, 0])
    """
    fits("extra", *array.shape[:axis], size, *array.shape[axis + 1 :])
    kept = min(size, array.shape[axis])
    place = range(array.shape[axis] - kept, array.shape[axis]) if left else range(kept)
    missing = (size - kept, 0) if left else (0, size - kept)
    widths = [missing if at == axis else (0, 0) for at in range(array.ndim)]
    return np.pad(np.take(array, place, axis), widths, constant_values=fill)


@dataclass(frozen=True, eq=False)
class Batch:
    """Right-padded sequences and their lengths.

    Attributes:
        values: ``(B, T, ...)``, any dtype; what stands on padding has no meaning.
        lengths: ``(B,)`` integers from 0 to T.

    >>> batch = Batch.of([[1.0, 2.0, 3.0], [4.0]])
    >>> batch.values
    array([[1., 2., 3.],
           [4., 0., 0.]])
    >>> batch.fill
    0.6666666666666666
    """

    values: Array
    lengths: Lengths

    def __post_init__(self) -> None:
        values = plain_array("values", self.values)
        if values.ndim < 2:
            raise InputError("values", f"shape {values.shape}", "at least two axes, (B, T, ...)")
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "lengths", check_lengths(self.lengths, values.shape[1], len(values)))

    @classmethod
    def of(cls, sequences: Sequence[npt.ArrayLike], steps: int | None = None) -> Batch:
        """Pad ragged sequences with zeros to the longest, or to ``steps``.

        Raises:
            InputError: no sequence at all, unequal trailing shapes, or ``steps`` too small or beyond all memory.
            MemoryError: the batch is possible, but not on this machine.
        """
        of_kind("sequences", sequences, Sequence, "a list of arrays")
        arrays = [plain_array("sequences", sequence) for sequence in sequences]
        if not arrays:
            raise InputError("sequences", "none", "at least one sequence, from which to learn the shape")
        if len({array.shape[1:] for array in arrays}) > 1 or any(array.ndim == 0 for array in arrays):
            shapes = shown([array.shape for array in arrays])
            raise InputError("sequences", f"shapes {shapes}", "(length, ...) with equal trailing axes")
        lengths = np.array([len(array) for array in arrays])
        steps = int(lengths.max()) if steps is None else whole_number("steps", steps)
        check_lengths(lengths, steps)
        size = (len(arrays), steps, *arrays[0].shape[1:])
        fits("steps", *size)
        values = np.zeros(size, _common_dtype(arrays))
        for row, array in zip(values, arrays, strict=True):
            row[: len(array)] = array
        return cls(values, lengths)

    @property
    def mask(self) -> Mask:
        """``(B, T)``, True on real steps."""
        return valid(self.lengths, self.values.shape[1])

    @property
    def fill(self) -> float:
        """Real steps over padded steps, 0 to 1."""
        return float(self.lengths.sum() / max(1, self.mask.size))

    def sequences(self) -> list[Array]:
        """The sequences without their padding, each ``(length, ...)``."""
        return [row[:length] for row, length in zip(self.values, self.lengths, strict=True)]

    def refilled(self, draw: Callable[[int], Array]) -> Batch:
        """Other padding: ``draw(n)`` gives the n new elements. Real steps are left alone."""
        a_function("draw", draw)
        values = self.values.copy()
        padding = values[~self.mask]
        drawn = plain_array("draw", draw(padding.size))
        if drawn.size != padding.size or drawn.dtype.kind != padding.dtype.kind:
            raise InputError("draw", f"size {drawn.size}, {drawn.dtype}", f"size {padding.size}, {padding.dtype}")
        values[~self.mask] = drawn.reshape(padding.shape)
        return Batch(values, self.lengths)

    def extended(self, extra: int) -> Batch:
        """The same sequences with ``extra`` more steps of zero padding (fewer when negative)."""
        steps = self.values.shape[1]
        return Batch(resized(self.values, 1, steps + whole_number("extra", extra, least=-steps)), self.lengths)

    def taken(self, rows: npt.ArrayLike) -> Batch:
        """The sequences ``rows``, in that order."""
        order = check_rows(rows, len(self.lengths))
        return Batch(self.values[order], self.lengths[order])


def _common_dtype(arrays: Sequence[Array]) -> np.dtype[Any]:
    """What holds the numbers of all arrays."""
    try:
        return np.result_type(*arrays)
    except TypeError:
        dtypes = ", ".join(dict.fromkeys(array.dtype.name for array in arrays))
        raise InputError("sequences", f"dtypes {dtypes}", "dtypes that have one in common") from None


def _uniform(rng: np.random.Generator, batch: int, steps: int) -> Array:
    return rng.integers(1, steps + 1, batch)


def _short(rng: np.random.Generator, batch: int, steps: int) -> Array:
    """Padding behind every sequence, and no empty one."""
    return rng.integers(1, max(2, steps), batch)


def _all_equal(_: np.random.Generator, batch: int, steps: int) -> Array:
    return np.full(batch, steps)


def _ragged(rng: np.random.Generator, batch: int, steps: int) -> Array:
    """0, 1 and T are always among them, as far as the batch reaches."""
    lengths = np.concatenate([[0, steps, 1], rng.integers(1, steps + 1, max(0, batch - 3))])[:batch]
    return rng.permutation(lengths)


def _one_long(rng: np.random.Generator, batch: int, steps: int) -> Array:
    lengths = rng.integers(0, max(1, steps // 4) + 1, batch)
    if batch:
        lengths[rng.integers(batch)] = steps
    return lengths


def _all_empty(_: np.random.Generator, batch: int, __: int) -> Array:
    return np.zeros(batch, np.int64)


def _lognormal(rng: np.random.Generator, batch: int, steps: int) -> Array:
    """Many short, few long, and one of T; at B = 64 and T >= 16, 27 % of all steps are real on average."""
    drawn = np.exp(rng.normal(np.log(0.206 * steps), 0.7, batch))
    lengths = np.clip(np.round(drawn), 1, steps).astype(np.int64)
    if batch:
        lengths[rng.integers(batch)] = steps
    return lengths


def _bimodal(rng: np.random.Generator, batch: int, steps: int) -> Array:
    """Half around T/8, half around 7T/8."""
    centres = np.where(rng.permutation(batch) % 2, steps / 8, 7 * steps / 8)
    return np.clip(np.round(rng.normal(centres, steps / 16)), 1, steps).astype(np.int64)


LENGTHS: dict[str, Callable[[np.random.Generator, int, int], Array]] = {
    "ragged": _ragged,
    "uniform": _uniform,
    "short": _short,
    "all_equal": _all_equal,
    "one_long": _one_long,
    "all_empty": _all_empty,
    "lognormal": _lognormal,
    "bimodal": _bimodal,
}


def check_rng(rng: object) -> None:
    """Say so if it is no source of randomness."""
    of_kind("rng", rng, np.random.Generator, "a numpy.random.Generator, e.g. numpy.random.default_rng(0)")


def _sizes(batch: object, steps: object) -> tuple[int, int]:
    return whole_number("batch", batch, most=MOST), whole_number("steps", steps, least=1, most=MOST)


def draw_lengths(distribution: str, rng: np.random.Generator, batch: int, steps: int) -> Lengths:
    """Draw B lengths from 0 to T.

    Args:
        distribution: one of `LENGTHS`.
        rng: where the randomness comes from.
        batch, steps: B and T.

    Raises:
        InputError: an unknown distribution, no generator, or sizes that are none.

    >>> draw_lengths("all_equal", np.random.default_rng(0), batch=3, steps=4)
    array([4, 4, 4])
    """
    draw = LENGTHS[choose("distribution", distribution, LENGTHS)]
    check_rng(rng)
    batch, steps = _sizes(batch, steps)
    return check_lengths(draw(rng, batch, steps), steps, batch)


def fill_lengths(fill: float, rng: np.random.Generator, batch: int, steps: int) -> Lengths:
    """B lengths from 1 to T, one of them T, whose fill is as near ``fill`` as integers allow.

    The others are spread evenly around their mean, as far as 1 and T are away from it.

    Args:
        fill: real steps over padded steps, above 0 and at most 1.
        rng: shuffles the lengths; their values depend on the other arguments only.
        batch, steps: B and T.

    Raises:
        InputError: a fill outside its range, or sizes that are none.

    >>> lengths = fill_lengths(0.5, np.random.default_rng(0), batch=5, steps=10)
    >>> np.sort(lengths), int(lengths.sum())
    (array([ 2,  3,  4,  6, 10]), 25)
    """
    fraction = "a fraction above 0 and at most 1"
    share = finite("fill", fill, fraction)
    if not 0 < share <= 1:
        raise InputError("fill", shown(fill), fraction)
    check_rng(rng)
    batch, steps = _sizes(batch, steps)
    others = batch - 1
    if others < 1:
        return np.full(batch, steps, np.int64)
    mean = np.clip((round(share * batch * steps) - steps) / others, 1, steps)
    spread = min(mean - 1, steps - mean)
    drawn = mean + spread * (2 * np.arange(others) + 1 - others) / others
    # Rounding the running total, not each length, keeps the sum.
    totals = np.floor(np.cumsum(drawn) + 0.5).astype(np.int64)
    return rng.permutation(np.append(np.diff(totals, prepend=0), steps))
