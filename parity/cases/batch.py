"""Pad sequences of different lengths into one array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from parity.arrays import Array, Lengths, Mask, check_lengths, valid
from parity.errors import InputError, fits, of_kind, plain_array, shown, whole_number


@dataclass(frozen=True, eq=False)
class Batch:
    """Right-padded sequences and their lengths.

    Attributes:
        values: ``(B, T, ...)``, any dtype; values on padding have no meaning.
        lengths: ``(B,)`` integers from 0 to T.

    >>> batch = Batch.of([[1.0, 2.0, 3.0], [4.0]])
    >>> batch.values
    array([[1., 2., 3.],
           [4., 0., 0.]])
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
            InputError: no sequence, unequal trailing shapes, or ``steps`` too small or beyond all memory.
            MemoryError: the batch does not fit into this machine.
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
        try:
            values = np.zeros(size, np.result_type(*arrays))
        except TypeError:
            dtypes = ", ".join(dict.fromkeys(array.dtype.name for array in arrays))
            raise InputError("sequences", f"dtypes {dtypes}", "dtypes that have one in common") from None
        for row, array in zip(values, arrays, strict=True):
            row[: len(array)] = array
        return cls(values, lengths)

    @property
    def mask(self) -> Mask:
        """Return the mask ``(B, T)``, True on real steps."""
        return valid(self.lengths, self.values.shape[1])

    def sequences(self) -> list[Array]:
        """Return the sequences without their padding, each ``(length, ...)``."""
        return [row[:length] for row, length in zip(self.values, self.lengths, strict=True)]
