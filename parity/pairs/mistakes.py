"""Recognise the usual mistakes in copied weights: what an array has instead of what it should have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations

import numpy as np

from parity.arrays import Array
from parity.pairs.maps import NONE, flattened
from parity.pairs.transfer import Transfer

SAME = 2.0**-20  # of the largest number: weights that are equal but for the rounding of a sum to float32
ROUNDED = {"float16": 11, "bfloat16": 8}  # bits of the fraction, the leading one among them


def differing(rules: Transfer, actual: Mapping[str, Array]) -> Iterator[tuple[str, str]]:
    """Yield the arrays of a target that differ from those that the rules give, and what they have instead."""
    values = flattened(rules.source.numbering, rules.source.arrays()).astype(np.float64)
    for name, expected in rules.weights.items():
        own = actual[name]
        if np.max(np.abs(own - expected), initial=0.0) > SAME * np.max(np.abs(expected), initial=1e-30):
            yield name, instead(rules, name, np.asarray(own, np.float64), np.asarray(expected, np.float64), values)


def instead(rules: Transfer, name: str, own: Array, expected: Array, values: Array) -> str:
    """Say what an array has instead of what it should have."""
    at = rules.target.numbering.ids(name)
    terms = [np.where(term[at] == NONE, 0.0, values[np.maximum(term[at], 0)]) for term in rules.map.terms]
    origins = [rules.source.numbering.names_of(term[at].reshape(-1)) for term in rules.map.terms]
    used = [number for number, names in enumerate(origins) if names]
    for number in used if len(used) > 1 else ():
        if _equal(own, expected - terms[number]):
            return f"lacks {_names(origins[number])}"
        if _equal(own, expected + terms[number]):
            return f"has {_names(origins[number])} twice"
    for description, other in rearranged(expected):
        if _equal(own, other):
            return description
    for other_name, other in rules.weights.items():
        if other_name != name and other.shape == own.shape and _equal(own, np.asarray(other, np.float64)):
            if not expected.any():
                return f"has the numbers of `{other_name}` too, which count twice"
            return f"has what `{other_name}` should have"
    if own.size > 1 and np.all(own == own.flat[0]):
        return f"is {own.flat[0]:g} everywhere: it has not been copied"
    if description := changed(own, expected):
        return description
    if _equal(np.sort(own, axis=None), np.sort(expected, axis=None)):
        return "has its numbers in another order"
    sources = [one for names in origins for one in names]
    return f"is not {_names(sources)}: {np.max(np.abs(own - expected)):.1e} apart"


def changed(own: Array, expected: Array) -> str:
    """Say how the numbers of an array were changed: added to, scaled or rounded; nothing if it is not known."""
    error = own - expected
    added = np.abs(error) > SAME * np.max(np.abs(expected))
    constant = float(np.mean(error[added])) if added.any() else 0.0
    if added.sum() > 1 and np.ptp(error[added]) <= SAME * max(abs(constant), np.max(np.abs(expected))):
        where = "everywhere" if added.all() else f"in {added.sum()} of its {own.size} numbers"
        return f"has {constant:.6g} added {where}"
    ratio = float(np.sum(own * expected)) / max(float(np.sum(expected * expected)), 1e-300)
    if own.size > 1 and _equal(own, ratio * expected):
        return f"is {ratio:.6g} times what it should be"
    for dtype, bits in ROUNDED.items():
        fraction, exponent = np.frexp(expected)
        rounded = np.ldexp(np.round(fraction * 2.0**bits), exponent - bits)
        if np.max(np.abs(own - rounded)) <= 2.0**-22 * np.max(np.abs(expected)):
            return f"is rounded to {dtype}"
    return ""


def rearranged(array: Array) -> Iterator[tuple[str, Array]]:
    """Yield the usual wrong orders of an array's numbers."""
    if array.ndim == 2:
        yield from _of_matrix(array)
    for axis in range(array.ndim - 2) if array.ndim > 2 else ():
        yield "is flipped along its width", np.flip(array, axis)
    if array.ndim == 3 and array.shape[0] == array.shape[2]:
        yield "has inputs and outputs exchanged", array.transpose(2, 1, 0)
    if array.ndim == 3 and array.shape[1] == array.shape[2]:
        yield "has inputs and outputs exchanged", array.transpose(0, 2, 1)
    for count in (4, 3):
        if array.ndim <= 2 and array.shape[-1] % count == 0:
            parts = np.split(array, count, axis=-1)
            for order in list(permutations(range(count)))[1:]:
                text = "has its gates in the order " + " ".join(str(one + 1) for one in order)
                yield text, np.concatenate([parts[one] for one in order], axis=-1)
    for axis in range(1, array.ndim) if array.ndim == 3 else ():
        before = array.shape
        swapped = np.reshape(np.swapaxes(array, axis, axis - 1), before)
        yield "has its heads interleaved", swapped
        flat = array.reshape(before[0], -1) if axis == 2 else array.reshape(-1, before[2])
        yield "has its heads interleaved", _interleaved(flat, before, axis)
    if array.ndim > 2:
        yield "is reshaped, not transposed", array.T.reshape(array.shape)


def _of_matrix(array: Array) -> Iterator[tuple[str, Array]]:
    """Yield the usual wrong orders of a matrix, such as a kernel, an embedding, or two rows of biases."""
    if array.shape[0] == array.shape[1]:
        yield "is not transposed", array.T
    yield "is reshaped, not transposed", array.T.reshape(array.shape)
    for by in (1, -1):
        yield f"has its rows shifted by {by}", np.roll(array, by, axis=0)
        padded = np.roll(array, by, axis=0)
        padded[0 if by > 0 else -1] = 0
        yield f"has its rows shifted by {by}", padded
    yield "has its rows in reverse order", array[::-1]
    if len(array) == 2:
        total = array.sum(axis=0)
        for row, text in ((0, "first"), (1, "second")):
            whole = np.zeros_like(array)
            whole[row] = total
            yield f"has the sum of its rows in the {text} row", whole
        yield "has the sum of its rows in both, which counts it twice", np.stack([total, total])


def _interleaved(flat: Array, shape: tuple[int, ...], axis: int) -> Array:
    if axis == 2:  # (in, H, d) from (in, d, H)
        return np.asarray(flat.reshape(shape[0], shape[2], shape[1]).transpose(0, 2, 1))
    return np.asarray(flat.reshape(shape[1], shape[0], shape[2]).transpose(1, 0, 2))


def _equal(own: Array, other: Array) -> bool:
    if own.shape != other.shape:
        return False
    return bool(np.max(np.abs(own - other), initial=0.0) <= SAME * np.max(np.abs(other), initial=1e-30))


def _names(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names[:3])
