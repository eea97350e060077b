"""Shapes of batches: how many sequences, how many steps, which lengths, by name or written out."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from parity.arrays import Array, Lengths, check_lengths
from parity.errors import MOST, InputError, choose, finite, of_kind, shown, whole_number
from parity.operations import Configuration


@dataclass(frozen=True)
class LengthsSpec:
    """How many sequences, padded to how many steps, with which lengths.

    Attributes:
        batch, steps: B and T.
        lengths: a distribution of `parity.cases.lengths.DISTRIBUTIONS` to sample from, or the lengths themselves.
        scale: how many times as large as usual all parameters are.
        fill: what all padding holds; None for random values.
    """

    batch: int
    steps: int
    lengths: str | tuple[int, ...]
    scale: float = 1.0
    fill: float | None = None

    def __str__(self) -> str:
        """As `parse_lengths` reads it, where the lengths are given."""
        scale = f"x{self.scale:g}" if self.scale != 1 else ""
        fill = f"~{self.fill:g}" if self.fill is not None else ""
        return f"{','.join(map(str, self.lengths))}:{self.steps}{scale}{fill}"


LENGTHS: dict[str, LengthsSpec] = {
    "ragged": LengthsSpec(batch=4, steps=3, lengths="ragged"),
    "all_equal": LengthsSpec(batch=3, steps=2, lengths="all_equal"),
    "one_long": LengthsSpec(batch=3, steps=5, lengths="one_long"),
    "one_sequence": LengthsSpec(batch=1, steps=4, lengths="short"),
    "all_empty": LengthsSpec(batch=3, steps=2, lengths="all_empty"),
    "no_sequences": LengthsSpec(batch=0, steps=1, lengths="all_equal"),
}
ASKED_FOR: dict[str, LengthsSpec] = {  # by a config: see `Configuration.also`
    "one_step": LengthsSpec(batch=2, steps=1, lengths="ragged"),
    "many_steps": LengthsSpec(batch=2, steps=300, lengths="one_long"),
}
REAL = {
    "sampled": 8,
    "short": 2,
}  # the lengths of a configuration on real data: how many sequences, beside an empty one


NUMBER = r"nan|[+-]?inf|[\d.e+-]+"
WRITTEN = re.compile(rf"(?P<lengths>\d+(,\d+)*)?:(?P<steps>\d+)(x(?P<scale>{NUMBER}))?(~(?P<fill>{NUMBER}))?")


def parse_lengths(name: str) -> LengthsSpec:
    """One of `LENGTHS`, or one written out: lengths, T, and if need be the scale of parameters and what padding holds.

    Raises:
        InputError: neither of them.

    >>> parse_lengths("3,0,1:5x30~nan")
    LengthsSpec(batch=3, steps=5, lengths=(3, 0, 1), scale=30.0, fill=nan)
    >>> parse_lengths(":1").batch
    0
    """
    written = WRITTEN.fullmatch(name) if isinstance(name, str) else None
    if not written:
        if isinstance(name, str) and re.match(r"[\d:]", name):
            raise InputError("lengths", shown(name), 'lengths, a colon and T, as in "3,0,1:5"')
        return (LENGTHS | ASKED_FOR)[choose("lengths", name, LENGTHS | ASKED_FOR)]
    lengths = tuple(map(int, written["lengths"].split(","))) if written["lengths"] else ()
    steps = whole_number("T in lengths", int(written["steps"]), least=1)
    check_lengths(np.array(lengths, np.int64), steps)
    try:
        scale, fill = float(written["scale"] or 1), float(written["fill"]) if written["fill"] else None
    except ValueError as error:
        raise InputError("lengths", repr(name), 'numbers behind x and ~, e.g. "3,0,1:5x30~nan"') from error
    return LengthsSpec(len(lengths), steps, lengths, scale, fill)


def lengths_of(config: Configuration) -> tuple[str, ...]:
    """The names of the lengths in which a configuration is tried; the first is held to every contract."""
    return tuple(REAL) if config.data else (*LENGTHS, *config.also)


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
    sampled = np.exp(rng.normal(np.log(0.206 * steps), 0.7, batch))
    lengths = np.clip(np.round(sampled), 1, steps).astype(np.int64)
    if batch:
        lengths[rng.integers(batch)] = steps
    return lengths


def _bimodal(rng: np.random.Generator, batch: int, steps: int) -> Array:
    """Half around T/8, half around 7T/8."""
    centres = np.where(rng.permutation(batch) % 2, steps / 8, 7 * steps / 8)
    return np.clip(np.round(rng.normal(centres, steps / 16)), 1, steps).astype(np.int64)


DISTRIBUTIONS: dict[str, Callable[[np.random.Generator, int, int], Array]] = {
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


def sample_lengths(distribution: str, rng: np.random.Generator, batch: int, steps: int) -> Lengths:
    """Sampler B lengths from 0 to T.

    Args:
        distribution: one of `DISTRIBUTIONS`.
        rng: where the randomness comes from.
        batch, steps: B and T.

    Raises:
        InputError: an unknown distribution, no generator, or sizes that are none.

    >>> sample_lengths("all_equal", np.random.default_rng(0), batch=3, steps=4)
    array([4, 4, 4])
    """
    sample = DISTRIBUTIONS[choose("distribution", distribution, DISTRIBUTIONS)]
    check_rng(rng)
    batch, steps = _sizes(batch, steps)
    return check_lengths(sample(rng, batch, steps), steps, batch)


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
    sampled = mean + spread * (2 * np.arange(others) + 1 - others) / others
    # Rounding the running total, not each length, keeps the sum.
    totals = np.floor(np.cumsum(sampled) + 0.5).astype(np.int64)
    return rng.permutation(np.append(np.diff(totals, prepend=0), steps))
