"""Arrays: types, the float dtypes under test, and what every part of a padded batch needs of them."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from parity.errors import InputError, fits, plain_array, shown, whole_number

Array = npt.NDArray[Any]
Lengths = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

DTYPES = ("float32", "float64")
NARROW = ("bfloat16", "float16")  # of which not every kernel exists; tried in a full run
FLOATS = (*DTYPES, *NARROW)

ROUNDOFF = {"bfloat16": 2.0**-8, "float16": 2.0**-11, "float32": 2.0**-24, "float64": 2.0**-53}

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)  # NumPy knows it by name once it is imported


def is_float(dtype: np.dtype[Any]) -> bool:
    """Whether it is one of them; to NumPy, bfloat16 is of no kind it knows.

    >>> [is_float(np.dtype(name)) for name in ("bfloat16", "float64", "int64")]
    [True, True, False]
    """
    return dtype.name in ROUNDOFF


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
