"""Define the lengths of a batch, by name or written out, and sample them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from parity.arrays import Array, Lengths, check_lengths
from parity.errors import MOST, InputError, choose, finite, fits, of_kind, shown, whole_number
from parity.operations import Configuration
from parity.operations.row import MANY, MANY_SEQUENCES


@dataclass(frozen=True)
class LengthsSpec:
    """The lengths of a batch and its padded length, and what else is special about a batch.

    Attributes:
        batch, steps: B and T.
        lengths: a distribution of `parity.cases.lengths.DISTRIBUTIONS` to sample from, or the lengths themselves.
        scale: factor of all parameters.
        fill: the value of all padding; None for random values.
        sizes: of other axes, where they are not the usual ones.
        magnitude: factor of all floats of the batch.
        below: whether what is offset, such as scores, is lowered instead of raised, from the second sequence on, or in
            the only one.
    """

    batch: int
    steps: int
    lengths: str | tuple[int, ...]
    scale: float = 1.0
    fill: float | None = None
    sizes: Mapping[str, int] = field(default_factory=dict, hash=False, repr=False)
    magnitude: float = field(default=1.0, repr=False)
    below: bool = field(default=False, repr=False)

    def __str__(self) -> str:
        """Return the text that `parse_lengths` reads, if the lengths are given."""
        scale = f"x{self.scale:g}" if self.scale != 1 else ""
        fill = f"~{self.fill:g}" if self.fill is not None else ""
        return f"{','.join(map(str, self.lengths))}:{self.steps}{scale}{fill}"


LENGTHS: dict[str, LengthsSpec] = {
    "ragged": LengthsSpec(batch=4, steps=3, lengths="ragged"),
    "all_equal": LengthsSpec(batch=3, steps=2, lengths="all_equal"),
    "one_long": LengthsSpec(batch=3, steps=5, lengths="one_long"),
    "one_sequence": LengthsSpec(batch=1, steps=5, lengths="several"),
    "all_empty": LengthsSpec(batch=5, steps=5, lengths="all_empty"),
    "no_sequences": LengthsSpec(batch=0, steps=2, lengths="all_equal"),  # T = D
}
# The next two are only for configurations that name them: see `Configuration.extra_lengths`.
ASKED_FOR: dict[str, LengthsSpec] = {"one_step": LengthsSpec(batch=2, steps=1, lengths="all_equal")}
(MANY_STEPS,), (MANY_ROWS,) = MANY, MANY_SEQUENCES
TIED, LARGE, LONG = "tied", "large_square", "long_sequence"
# Sizes that coincide, that are 1, or past a byte; orders of lengths; one real step in all, and none; parameters and
# inputs, small and large. What is wrong on a condition shows where that is met: each of these batches is tried once
# with every variant, those that may cost much where they cost little: see `_designed`. The first and the second are
# tried in different dtypes, and so are the two where B = T = D = H, and the two past a byte of real steps. Lengths
# of several rows that are written out have an empty one before others; to sort them and to put them back differ. Those
# of the long batch are four buckets.
# Every row of the smaller square has padding, and of the larger one there are more real steps than a byte can count.
# Where sizes coincide in many rows, padding is NaN, so that whatever reads it shows.
DESIGNED: dict[str, LengthsSpec] = {
    "many_rows": LengthsSpec(17, 2, "ragged", 2.0, sizes={"D": 8, "H": 2, "V": 4, "C": 2, "S": 2}),
    "descending": LengthsSpec(9, 7, "descending", 0.01, sizes={"D": 1, "H": 1, "V": 300, "C": 5, "S": 3}),
    "square": LengthsSpec(4, 4, (2, 3, 0, 3), sizes={"D": 4, "H": 4, "V": 8, "C": 8, "S": 4}),
    TIED: LengthsSpec(6, 6, "tied", fill=math.nan, sizes={"D": 6, "H": 6, "V": 6, "C": 6, "S": 5}, magnitude=1e-3),
    "wide": LengthsSpec(3, 2, "short", sizes={"D": 33, "H": 34, "V": 5, "C": 300, "S": 2}, magnitude=10.0),
    MANY_STEPS: LengthsSpec(1, 261, (261,), sizes={"D": 261, "H": 261, "C": 261}),
    "ascending": LengthsSpec(2, 40, "ascending", magnitude=1e-3, below=True),
    LARGE: LengthsSpec(
        18,
        18,
        (17, 18, 0, 18, 17, 18, 17, 1, 18, 17, 18, 17, 18, 17, 18, 17, 18, 17),
        fill=math.nan,
        sizes=dict.fromkeys("DHVCS", 18),
        below=True,
    ),
    "long": LengthsSpec(5, 258, (4, 257, 0, 1, 9), below=True),
    LONG: LengthsSpec(1, 258, (257,), below=True),
    "one_empty": LengthsSpec(1, 257, "all_empty", sizes={"C": 257}),
    "narrow": LengthsSpec(2, 1, (0, 1), 5.0, sizes={"D": 1, "H": 1, "V": 4, "C": 2, "S": 1}),
    # Only where asked for. There are more real steps than float16 can count in each of two batches, but not many more:
    # the error of a sum whose terms are added one by one grows faster with their number than the noise floor does.
    MANY_ROWS: LengthsSpec(300, 32, "uniform", sizes={"D": 3, "H": 2, "V": 4, "C": 2, "S": 1}),
}
FEW_STEPS = 9  # more take long where Python runs for each step


@dataclass(frozen=True)
class RealSpec:
    """A batch of real data: how many sequences, whether they are cut short, and whether an empty one is behind them.

    Attributes:
        sizes: of other axes, where they are not the usual ones; a data set has its own.
    """

    sequences: int
    short: bool = False
    empty: bool = True
    sizes: Mapping[str, int] = field(default_factory=dict, hash=False)


REAL = {
    "sampled": RealSpec(8),
    "short": RealSpec(2, short=True),
    "single": RealSpec(1, empty=False, sizes={"D": 12, "H": 12}),  # as many as the features of one data set
}
NAMED = LENGTHS | ASKED_FOR | DESIGNED
SEEDED_AS = {"sampled": "drawn"}  # lengths whose name in the seed is another: cases stay as they first were

WHOLE = "(?:0|[1-9][0-9]*)"  # one way to write each number: the text is part of the seed
NUMBER = rf"{WHOLE}(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?"
WRITTEN = re.compile(
    rf"(?P<lengths>{WHOLE}(?:,{WHOLE})*)?:(?P<steps>{WHOLE})(?:x(?P<scale>{NUMBER}))?(?:~(?P<fill>nan|-?inf|-?{NUMBER}))?"
)


def parse_lengths(name: str) -> LengthsSpec:
    """Parse lengths: a name in `LENGTHS`, or lengths and T written out.

    Behind T may follow ``x`` and a scale of the parameters, then ``~`` and the value of all padding.

    Raises:
        InputError: an unknown name, or text that cannot be parsed.

    >>> parse_lengths("3,0,1:5x30~nan")
    LengthsSpec(batch=3, steps=5, lengths=(3, 0, 1), scale=30.0, fill=nan)
    >>> parse_lengths(":1").batch
    0
    """
    written = WRITTEN.fullmatch(name) if isinstance(name, str) else None
    if not written:
        if isinstance(name, str) and re.search(r"[\d:,]", name):
            raise InputError("lengths", shown(name), 'lengths, a colon and T, as in "3,0,1:5" or "3,0,1:5x30~nan"')
        return NAMED[choose("lengths", name, NAMED)]
    digits = written["lengths"].split(",") if written["lengths"] else []
    if max(map(len, [*digits, written["steps"]])) > len(str(MOST)):
        raise InputError("lengths", shown(name), f"lengths and a T of at most {MOST}")
    lengths, steps = tuple(map(int, digits)), whole_number("T in lengths", int(written["steps"]), least=1)
    check_lengths(np.array(lengths, np.int64), steps)
    scale, fill = float(written["scale"] or 1), float(written["fill"]) if written["fill"] else None
    if not 0 < scale < math.inf:
        raise InputError("lengths", shown(name), "a scale behind x that is above 0 and finite")
    fits("lengths", max(1, len(lengths)), steps)
    return LengthsSpec(len(lengths), steps, lengths, scale, fill)


def lengths_of(config: Configuration) -> tuple[str, ...]:
    """Return the names of a configuration's lengths; the first usual one is checked against every contract."""
    if config.data:
        return tuple(REAL)
    return config.lengths or (*LENGTHS, *config.extra_lengths, *_designed(config))


def _designed(config: Configuration) -> list[str]:
    """Return the designed batches of a usual configuration: one square beside the small one, a long row if cheap."""
    left_out = {MANY_STEPS, MANY_ROWS, LARGE if config.stepwise else TIED}
    is_costly = config.stepwise or "heads" in config.options  # Python runs for each step, or each pair of steps counts
    if is_costly or MANY_STEPS in config.extra_lengths:
        left_out.add(LONG)
    return [name for name in DESIGNED if name not in left_out]


def _short(rng: np.random.Generator, batch: int, steps: int) -> Array:
    """Sample lengths with padding behind every sequence, and no empty sequence."""
    return rng.integers(1, max(2, steps), batch)


def _several(rng: np.random.Generator, batch: int, steps: int) -> Array:
    """Sample lengths with padding behind every sequence, and two steps or more, so that a token can occur twice."""
    return rng.integers(min(2, steps), max(3, steps), batch)


def _ragged(rng: np.random.Generator, batch: int, steps: int) -> Array:
    """Sample lengths that include 0, T and 1, as far as the batch size allows."""
    lengths = np.concatenate([[0, steps, 1], rng.integers(1, steps + 1, max(0, batch - 3))])[:batch]
    return rng.permutation(lengths)


def _one_long(rng: np.random.Generator, batch: int, steps: int) -> Array:
    lengths = rng.integers(0, max(1, steps // 4) + 1, batch)
    if batch:
        lengths[rng.integers(batch)] = steps
    return lengths


def _lognormal(rng: np.random.Generator, batch: int, steps: int) -> Array:
    """Sample many short lengths, few long ones, and one of T.

    At B = 64 and T >= 16, 27 % of all steps are real on average.
    """
    sampled = np.exp(rng.normal(np.log(0.206 * steps), 0.7, batch))
    lengths = np.clip(np.round(sampled), 1, steps).astype(np.int64)
    if batch:
        lengths[rng.integers(batch)] = steps
    return lengths


def _bimodal(rng: np.random.Generator, batch: int, steps: int) -> Array:
    """Sample half of the lengths around T/8, and half around 7T/8."""
    centres = np.where(rng.permutation(batch) % 2, steps / 8, 7 * steps / 8)
    return np.clip(np.round(rng.normal(centres, steps / 16)), 1, steps).astype(np.int64)


def _tied(rng: np.random.Generator, batch: int, steps: int) -> Array:
    """Sample two lengths, each of which several sequences have."""
    return rng.permutation(np.where(np.arange(batch) % 2, steps, max(1, steps - 1)))


DISTRIBUTIONS: dict[str, Callable[[np.random.Generator, int, int], Array]] = {
    "ragged": _ragged,
    "uniform": lambda rng, batch, steps: rng.integers(1, steps + 1, batch),
    "short": _short,
    "several": _several,
    "all_equal": lambda _, batch, steps: np.full(batch, steps),
    "one_long": _one_long,
    "all_empty": lambda _, batch, __: np.zeros(batch, np.int64),
    "ascending": lambda rng, batch, steps: np.sort(_ragged(rng, batch, steps)),
    "descending": lambda rng, batch, steps: np.sort(_ragged(rng, batch, steps))[::-1].copy(),
    "tied": _tied,
    "lognormal": _lognormal,
    "bimodal": _bimodal,
}


def check_rng(rng: object) -> None:
    of_kind("rng", rng, np.random.Generator, "a numpy.random.Generator, e.g. numpy.random.default_rng(0)")


def _sizes(batch: object, steps: object) -> tuple[int, int]:
    return whole_number("batch", batch, most=MOST), whole_number("steps", steps, least=1, most=MOST)


def sample_lengths(distribution: str, rng: np.random.Generator, batch: int, steps: int) -> Lengths:
    """Sample B lengths from 0 to T, by one of `DISTRIBUTIONS`.

    Raises:
        InputError: an unknown distribution, no generator, or invalid sizes.

    >>> sample_lengths("all_equal", np.random.default_rng(0), batch=3, steps=4)
    array([4, 4, 4])
    """
    sample = DISTRIBUTIONS[choose("distribution", distribution, DISTRIBUTIONS)]
    check_rng(rng)
    batch, steps = _sizes(batch, steps)
    return check_lengths(sample(rng, batch, steps), steps, batch)


def fill_lengths(fill: float, rng: np.random.Generator, batch: int, steps: int) -> Lengths:
    """Return B lengths from 1 to T, one of them T, with nearly the given fill.

    Their fill is as close as integers allow. All but the longest are spread evenly around their mean, as widely as the
    limits 1 and T allow.

    Args:
        fill: real steps over padded steps, above 0 and at most 1.
        rng: shuffles the lengths; their values depend on the other arguments only.

    Raises:
        InputError: a fill outside its range, or invalid sizes.

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
