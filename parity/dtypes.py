"""The floats under test, and how exactly each can know a number."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

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
