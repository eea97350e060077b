"""Shapes of batches: how many sequences, how many steps, which lengths, by name or written out."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from parity.batch import check_lengths
from parity.errors import InputError, choose, shown, whole_number
from parity.operations import Form


@dataclass(frozen=True)
class Shape:
    """How many sequences, padded to how many steps, with which lengths.

    Attributes:
        batch, steps: B and T.
        lengths: a distribution of `parity.batch.LENGTHS` to draw from, or the lengths themselves.
        scale: how many times as large as usual all parameters are.
        fill: what all padding holds; None for random values.
    """

    batch: int
    steps: int
    lengths: str | tuple[int, ...]
    scale: float = 1.0
    fill: float | None = None

    def __str__(self) -> str:
        """As `shape_named` reads it, where the lengths are given."""
        scale = f"x{self.scale:g}" if self.scale != 1 else ""
        fill = f"~{self.fill:g}" if self.fill is not None else ""
        return f"{','.join(map(str, self.lengths))}:{self.steps}{scale}{fill}"


SHAPES: dict[str, Shape] = {
    "ragged": Shape(batch=4, steps=3, lengths="ragged"),
    "all_equal": Shape(batch=3, steps=2, lengths="all_equal"),
    "one_long": Shape(batch=3, steps=5, lengths="one_long"),
    "one_sequence": Shape(batch=1, steps=4, lengths="short"),
    "all_empty": Shape(batch=3, steps=2, lengths="all_empty"),
    "no_sequences": Shape(batch=0, steps=1, lengths="all_equal"),
}
ASKED_FOR: dict[str, Shape] = {  # by a form: see `Form.also`
    "one_step": Shape(batch=2, steps=1, lengths="ragged"),
    "many_steps": Shape(batch=2, steps=300, lengths="one_long"),
}
REAL = {"drawn": 8, "short": 2}  # the shapes of a form on real data: how many sequences, beside an empty one


NUMBER = r"nan|[+-]?inf|[\d.e+-]+"
WRITTEN = re.compile(rf"(?P<lengths>\d+(,\d+)*)?:(?P<steps>\d+)(x(?P<scale>{NUMBER}))?(~(?P<fill>{NUMBER}))?")


def shape_named(name: str) -> Shape:
    """One of `SHAPES`, or one written out: lengths, T, and if need be the scale of parameters and what padding holds.

    Raises:
        InputError: neither of them.

    >>> shape_named("3,0,1:5x30~nan")
    Shape(batch=3, steps=5, lengths=(3, 0, 1), scale=30.0, fill=nan)
    >>> shape_named(":1").batch
    0
    """
    written = WRITTEN.fullmatch(name) if isinstance(name, str) else None
    if not written:
        if isinstance(name, str) and re.match(r"[\d:]", name):
            raise InputError("shape", shown(name), 'lengths, a colon and T, as in "3,0,1:5"')
        return (SHAPES | ASKED_FOR)[choose("shape", name, SHAPES | ASKED_FOR)]
    lengths = tuple(map(int, written["lengths"].split(","))) if written["lengths"] else ()
    steps = whole_number("T in shape", int(written["steps"]), least=1)
    check_lengths(np.array(lengths, np.int64), steps)
    try:
        scale, fill = float(written["scale"] or 1), float(written["fill"]) if written["fill"] else None
    except ValueError as error:
        raise InputError("shape", repr(name), 'numbers behind x and ~, e.g. "3,0,1:5x30~nan"') from error
    return Shape(len(lengths), steps, lengths, scale, fill)


def shapes_of(form: Form) -> tuple[str, ...]:
    """The names of the shapes in which a form is tried; the first is held to every contract."""
    return tuple(REAL) if form.data else (*SHAPES, *form.also)
