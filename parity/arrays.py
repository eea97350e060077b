"""Define array types, masks, lengths and the float dtypes under test."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from parity.errors import InputError, plain_array, whole_number

Array = npt.NDArray[Any]
Lengths = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

DTYPES = ("float32", "float64")
NARROW = ("bfloat16", "float16")  # some kernels do not support them; tried in a full run
FLOATS = (*DTYPES, *NARROW)

A_BYTE = 256  # numbers that a byte tells apart: of steps, rows or ids

ROUNDOFF = {"bfloat16": 2.0**-8, "float16": 2.0**-11, "float32": 2.0**-24, "float64": 2.0**-53}
# What is closer to 0 may become 0: frameworks round float32 and float64 to normal numbers or to 0, as they like.
UNDERFLOW = {"bfloat16": 2.0**-126, "float16": 2.0**-24, "float32": 2.0**-126, "float64": 2.0**-1022}

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)  # NumPy knows it by name once it is imported


def numpy_defaults() -> np.errstate:
    """Return a context with NumPy's own settings of floating-point errors in place of the caller's."""
    return np.errstate(divide="warn", over="warn", under="ignore", invalid="warn")


def is_float(dtype: np.dtype[Any]) -> bool:
    """Check whether a dtype is one of `FLOATS`; NumPy does not count bfloat16 as a float.

    >>> [is_float(np.dtype(name)) for name in ("bfloat16", "float64", "int64")]
    [True, True, False]
    """
    return dtype.name in ROUNDOFF


def check_lengths(lengths: npt.ArrayLike, steps: int, batch: int | None = None) -> Lengths:
    """Check lengths and return them as int64 ``(B,)``.

    Args:
        lengths: how many steps of each sequence are real; 0 is allowed.
        steps: T, the padded length; no length may exceed it.
        batch: B, when it is known from elsewhere.

    Raises:
        InputError: not integers, not one axis, negative, longer than T, or not B of them.

    >>> check_lengths([3, 0, 2], steps=3)
    array([3, 0, 2])
    """
    received = plain_array("lengths", lengths)
    whole_number("steps", steps)
    if received.size == 0 and received.ndim == 1:
        received = received.astype(np.int64)
    if received.dtype.kind not in "iu":
        raise InputError("lengths", f"dtype {received.dtype}", "integers")
    if received.ndim != 1:
        raise InputError("lengths", f"shape {received.shape}", "one axis, (B,)")
    if batch is not None and len(received) != whole_number("batch", batch):
        raise InputError("lengths", f"{len(received)} lengths", f"one for each of the {batch} sequences")
    if received.size and received.min() < 0:
        raise InputError("lengths", f"{received.min()} at index {received.argmin()}", "lengths of 0 or more")
    if received.size and received.max() > steps:
        raise InputError("lengths", f"{received.max()} at index {received.argmax()}", f"at most T = {steps}")
    return np.array(received, np.int64)


def valid(lengths: npt.ArrayLike, steps: int, left: bool = False) -> Mask:
    """Return the mask of real steps: True there, False on padding.

    Padding stands behind each sequence, or ``left`` of it.  ``(B,)``, T -> ``(B, T)``

    >>> valid([2, 0], steps=3).astype(int)
    array([[1, 1, 0],
           [0, 0, 0]])
    """
    mask: Mask = np.arange(steps) < np.asarray(lengths)[:, None]
    return mask[:, ::-1] if left else mask
