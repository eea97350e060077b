"""Recognise which axes of a model's outputs are rows and steps, and read outputs into one order.

An output of a model has no names for its axes. Two runs with other numbers of rows and steps tell: an axis that has as
many entries as there are rows, both times, is the axis of rows. The letters are

=====  ==========================================================
``B``  rows
``T``  steps; those up to the longest sequence are enough
``M``  rows times steps, as after ``x.reshape(-1, D)``
``R``  real steps of all rows, as after ``x[mask]``
``.``  the same in both runs, such as features, layers or heads
``S``  another number of steps, such as after a stride; see `subsampled`
``?``  another in both runs, and none of these
=====  ==========================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from parity.arrays import Array
from parity.models.layouts import Layout, Place, padded
from parity.models.sequences import Sequences

ROWS = frozenset("BMR")
Shapes = Mapping[str, tuple[int, ...]]


def two_layouts(sequences: Sequences) -> tuple[tuple[Sequences, Layout], tuple[Sequences, Layout]]:
    """Return sequences and layouts for two runs that differ in every number of rows and steps.

    The second one has more steps and fewer rows, so that steps after a stride do not look like rows.
    """
    longest = max(sequences.lengths)
    first = sequences, padded(sequences.lengths, longest + 1)
    shorter = sequences.cut(longest - 1) if longest > 1 else sequences
    more = shorter.only(_other_rows(shorter.lengths, longest))
    for steps in range(longest + 4, longest + 99):
        second = more, padded(more.lengths, steps)
        rows, own, *others = _sizes(*first, *second)
        if own not in (rows, *others) and len(set(others)) == len(others):
            break
    return first, second


def _other_rows(lengths: Sequence[int], longest: int) -> list[int]:
    """Return fewer rows, the longest sequence among them; of one or two rows, more."""
    rows = len(lengths)
    if rows < 3:
        return [*range(rows), 0, 0]
    dropped = 2 if rows == longest else 1
    last = max(range(rows), key=lengths.__getitem__)
    others = [row for row in range(rows) if row != last]
    return sorted([*others[: rows - dropped - 1], last])


def _sizes(one: Sequences, first: Layout, other: Sequences, second: Layout) -> Iterator[tuple[int, int]]:
    """Yield for B, T, steps up to the longest sequence, M and R, how many there are in both runs."""
    yield first.rows, second.rows
    yield first.steps, second.steps
    yield max(one.lengths), max(other.lengths)
    if first.rows > 1:  # else steps and rows times steps are as many in the first run
        yield first.rows * first.steps, second.rows * second.steps
        yield sum(one.lengths), sum(other.lengths)


def recognise(shapes: Shapes, others: Shapes, runs: Sequence[tuple[Sequences, Layout]]) -> dict[str, str]:
    """Return the letters of the axes of each output.

    Args:
        shapes, others: those of all outputs, in the two runs of `two_layouts`.
        runs: what `two_layouts` returned.

    >>> sequences = Sequences((3, 1), {})
    >>> recognise({"y": (2, 4, 7)}, {"y": (4, 8, 7)}, two_layouts(sequences))
    {'y': 'BT.'}
    """
    (one, first), (other, second) = runs
    sizes = list(zip(_sizes(one, first, other, second), "BTTMR", strict=False))
    letters = dict(reversed(sizes))  # rows count first: if each has one step, there are as many real steps
    found = {}
    for name, shape in shapes.items():
        pairs = list(zip(shape, others.get(name, ()), strict=False))
        known = [letters.get(pair, "." if pair[0] == pair[1] else "?") for pair in pairs]
        found[name] = "".join(known) if len(pairs) == len(shape) == len(others.get(name, ())) else "?" * len(shape)
    return found


def is_readable(axes: str) -> bool:
    """Tell whether an output can be read into one order: rows, and steps in rows, or neither.

    >>> [is_readable(axes) for axes in ("BT.", ".B.", "M.", "", "..", "T.", "B?")]
    [True, True, True, True, True, False, False]
    """
    rows = sum(map(axes.count, ROWS))
    return "?" not in axes and rows <= 1 and ("T" not in axes or "B" in axes)


def has_rows(axes: str) -> bool:
    """Tell whether an output can be read into one order, and has rows: then it is compared.

    >>> [has_rows(axes) for axes in ("BT.", ".B.", "M.", "", "..", "T.", "B?")]
    [True, True, True, False, False, False, False]
    """
    return is_readable(axes) and not ROWS.isdisjoint(axes)


def subsampled(
    axes: Mapping[str, str], alone: Mapping[int, Shapes]
) -> tuple[dict[str, str], dict[str, Mapping[int, int]]]:
    """Recognise axes with another number of steps than there are, from what each sequence alone has.

    Args:
        axes: the letters of all outputs.
        alone: their shapes for a sequence of each length, without padding.

    Returns:
        The letters, with "S" for "?"; and for outputs that have one, the number of steps by the length of a sequence.

    >>> subsampled({"y": "B?."}, {5: {"y": (1, 3, 7)}, 2: {"y": (1, 1, 7)}})
    ({'y': 'BS.'}, {'y': {2: 1, 5: 3}})
    """
    letters: dict[str, str] = dict(axes)
    steps: dict[str, Mapping[int, int]] = {}
    for name, own in axes.items():
        if own.count("?") != 1 or own.count("B") != 1 or set(own) - set("B?."):
            continue
        shapes = [(length, alone[length].get(name, ())) for length in sorted(alone)]
        if any(len(shape) != len(own) for _, shape in shapes):
            continue
        counts = {length: shape[own.index("?")] for length, shape in shapes}
        if list(counts.values()) == sorted(counts.values()):
            letters[name], steps[name] = own.replace("?", "S"), counts
    return letters, steps


def separate(array: Array, axes: str, layout: Layout) -> tuple[Array, str]:
    """Split an axis of rows times steps, or of all real steps, into two."""
    for letter in "MR":
        if letter in axes:
            at = axes.index(letter)
            moved = np.moveaxis(array, at, 0)
            whole = np.zeros((layout.rows, layout.steps, *moved.shape[1:]), array.dtype)
            if letter == "R":
                whole[layout.mask] = moved
            else:
                whole[...] = moved.reshape(whole.shape)
            return np.moveaxis(whole, (0, 1), (at, at + 1)), axes.replace(letter, "BT")
    return array, axes


def collect(
    parts: Sequence[tuple[Layout, Array]], axes: str, lengths: Sequence[int], steps: Mapping[int, int] | None = None
) -> Array:
    """Read a quantity, given in one or several batches, into one order.

    Args:
        parts: batches, each a layout and the array that a model returned for it.
        axes: its letters; see this module.
        lengths: of all sequences.
        steps: for an axis "S", how many steps a sequence of each length has.

    Returns:
        ``(N, L, ...)`` if it has steps, L for each axis of steps, with 0 behind each sequence; ``(N, ...)`` if it has
        rows only; else the sum over the batches.

    Raises:
        IndexError: an array has fewer rows or steps than its layout.
    """
    pairs = [(layout, *separate(array, axes, layout)) for layout, array in parts]
    axes = pairs[0][2]
    if "B" not in axes:
        return np.asarray(sum(array for _, array, _ in pairs))
    front = [axes.index("B"), *(at for at, letter in enumerate(axes) if letter in "TS")]
    moved = [(layout, np.moveaxis(array, front, range(len(front)))) for layout, array, _ in pairs]
    count = len(front) - 1
    most = max(lengths, default=0) if steps is None else max(steps.values(), default=0)
    result = np.zeros((len(lengths), *[most] * count, *moved[0][1].shape[len(front) :]), moved[0][1].dtype)
    for layout, array in moved:
        for place in layout.places:
            columns = _columns(place, steps)
            result[_at(place.sequence, range(len(columns)), count)] = array[_at(place.row, columns, count)]
    return result


def _columns(place: Place, steps: Mapping[int, int] | None) -> Sequence[int] | Array:
    """Return where the steps of a sequence are in an output; after a stride, they are the first ones of a row."""
    return place.columns if steps is None else range(steps.get(len(place.columns), 0))


def _at(row: int, columns: Sequence[int] | Array, axes: int) -> tuple[Array, ...]:
    """Return the index of a row, and of its columns in each axis of steps."""
    return np.ix_(np.asarray([row]), *[np.asarray(columns, np.intp)] * axes)


def distribute(
    values: Array, layout: Layout, axes: str, shape: tuple[int, ...], steps: Mapping[int, int] | None = None
) -> Array:
    """Put values that `collect` would give, ``(N, L, ...)``, back into the array of a batch, with 0 on padding."""
    whole = axes.replace("M", "BT").replace("R", "BT")
    front = [whole.index("B"), *(at for at, letter in enumerate(whole) if letter in "TS")]
    sizes = {"B": layout.rows, "T": layout.steps}
    own = iter(size for letter, size in zip(axes, shape, strict=True) if letter == ".")
    full = list(shape)  # it may have steps up to the longest sequence only
    if whole != axes:
        full = [sizes[letter] if letter != "." else next(own) for letter in whole]
    array = np.zeros(full, values.dtype)
    moved = np.moveaxis(array, front, range(len(front)))
    count = len(front) - 1
    for place in layout.places:
        columns = _columns(place, steps)
        moved[_at(place.row, columns, count)] = values[_at(place.sequence, range(len(columns)), count)]
    if whole == axes:
        return array
    at = front[0]
    merged = np.moveaxis(array, (at, at + 1), (0, 1))
    merged = merged[layout.mask] if "R" in axes else merged.reshape(-1, *merged.shape[2:])
    return np.moveaxis(merged, 0, at)
