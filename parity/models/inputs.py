"""Describe what a model takes: token ids, features and labels, each with what stands on its padding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from parity.arrays import Array
from parity.errors import InputError, finite, of_kind, shown, whole_number

MOST = 2**20  # of a size
LARGE = (1e3, 1e5)  # what stands on padding of features, up or down
STRANGE = (np.inf, -np.inf, np.nan)


@dataclass(frozen=True)
class Tokens:
    """Ids below ``vocabulary``, without that of padding; made by `tokens`."""

    vocabulary: int
    padding: int
    known_by_value: bool
    shape: tuple[int, ...] = ()

    def sample(self, rng: np.random.Generator, length: int) -> Array:
        """Return the ids of one sequence, ``(L, ...)``."""
        if not 0 <= self.padding < self.vocabulary:
            return rng.integers(0, self.vocabulary, (length, *self.shape))
        ids = rng.integers(0, self.vocabulary - 1, (length, *self.shape))
        return np.where(ids >= self.padding, ids + 1, ids)

    def refill(self, rng: np.random.Generator, size: tuple[int, ...], fill: int) -> Array:
        """Return other ids for the padding of a batch; every third time, all are the highest."""
        if fill % 3 == 2:
            return np.full(size, self.vocabulary - 1)
        return rng.integers(0, self.vocabulary, size)


@dataclass(frozen=True)
class Features:
    """Floats on each step, of a shape such as ``(D,)``; made by `features`."""

    shape: tuple[int, ...]
    padding: float
    scale: float
    known_by_value: bool

    def sample(self, rng: np.random.Generator, length: int) -> Array:
        """Return the features of one sequence, ``(L, ...)``, normally distributed."""
        return rng.standard_normal((length, *self.shape)) * self.scale

    def refill(self, rng: np.random.Generator, size: tuple[int, ...], fill: int) -> Array:
        """Return other numbers for the padding of a batch: large ones, or with ``fill`` from 2 on inf and NaN."""
        values = STRANGE if fill >= len(LARGE) else (LARGE[fill], -LARGE[fill])
        return np.broadcast_to(rng.choice(values, (*size[:2], *(1 for _ in self.shape))), size)


@dataclass(frozen=True)
class Labels:
    """One class for each sequence, or one number where there are no classes; made by `labels`."""

    classes: int

    def sample(self, rng: np.random.Generator, length: int) -> Array:  # noqa: ARG002 - it has one item
        """Return the label of one sequence, ``()``."""
        return np.asarray(rng.integers(0, self.classes) if self.classes else rng.standard_normal())


Input = Tokens | Features | Labels


def tokens(vocabulary: int, padding: int = 0, known_by_value: bool = False) -> Tokens:
    """Describe token ids, ``(B, T)``, or targets of a loss with one class on each step.

    Args:
        vocabulary: V; ids are from 0 to V - 1.
        padding: the id on padding, which no real step has. One below 0, such as the -100 that a loss ignores, is known
            by its value.
        known_by_value: whether the model recognises padding by this id, as with ``mask_zero`` in Keras. Then no other
            id is put there.

    Raises:
        InputError: V below 2, or an id of padding that is no whole number.

    >>> tokens(2000, padding=1).sample(np.random.default_rng(0), 3)
    array([1701, 1274, 1022])
    """
    whole_number("vocabulary", vocabulary, least=2, most=2**31)
    whole = isinstance(padding, int | np.integer) and not isinstance(padding, bool | np.timedelta64)
    if not whole or not -(2**31) <= padding < 2**31:
        raise InputError("padding", shown(padding), "the id on padding, a whole number of 32 bits")
    by_value = of_kind("known_by_value", known_by_value, bool, "True or False")
    return Tokens(int(vocabulary), int(padding), by_value or not 0 <= padding < vocabulary)


def features(
    size: int | tuple[int, ...], padding: float = 0.0, scale: float = 1.0, known_by_value: bool = False
) -> Features:
    """Describe features, ``(B, T, D)`` floats.

    Args:
        size: D, or the shape of a step: ``()`` for ``(B, T)``, such as a waveform, ``(H, W)`` for images.
        padding: the number on padding.
        scale: their standard deviation.
        known_by_value: whether the model recognises padding by this number, as with ``Masking`` in Keras.

    Raises:
        InputError: a size below 1, a number that is not finite, or no deviation.

    >>> features(2).sample(np.random.default_rng(0), 1)
    array([[ 0.12573022, -0.13210486]])
    """
    shape = size if isinstance(size, tuple) else (size,)
    for one in shape:
        whole_number("size", one, least=1, most=MOST)
    padding = finite("padding", padding, "the number on padding")
    scale = finite("scale", scale, "a standard deviation, a finite number above 0")
    if scale <= 0:
        raise InputError("scale", shown(scale), "a standard deviation, a finite number above 0")
    return Features(
        tuple(map(int, shape)), padding, scale, of_kind("known_by_value", known_by_value, bool, "True or False")
    )


def labels(classes: int = 0) -> Labels:
    """Describe a label for each sequence, ``(B,)``, which a loss takes.

    Args:
        classes: how many there are; without, labels are floats, as in a regression.

    Raises:
        InputError: a single class.

    >>> labels(3).sample(np.random.default_rng(0), length=5)
    array(2)
    """
    if whole_number("classes", classes, least=0, most=2**31) == 1:
        raise InputError("classes", "1", "a whole number from 2 on, or none for floats")
    return Labels(int(classes))
