"""Sample cases from a seed, with lengths by name or given lengths, at any size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from parity.arrays import FLOATS, NARROW, Array, Lengths, Mask, check_lengths, valid
from parity.caching import cached
from parity.cases import real_data
from parity.cases.case import Case, along, largest_id
from parity.cases.guarantees import with_equal_values, with_extreme_ids
from parity.cases.lengths import NAMED, REAL, SEEDED_AS, LengthsSpec, lengths_of, parse_lengths, sample_lengths
from parity.errors import MOST, InputError, choose, fits, shown, whole_number
from parity.operations import Configuration, Input, find

PLAIN = LengthsSpec(0, 1, "")  # nothing is special about the batch
SIZES = {"D": 2, "H": 6, "V": 7, "C": 8, "S": 3}
FEWEST_POSITIONS = 16  # as many for all short batches: a graph is traced for each size of a table


def sample_case(
    operation: str, config: str, lengths: str, dtype: str, seed: int, sizes: tuple[tuple[str, int], ...] = ()
) -> Case:
    """Sample a case; padding holds random values, never zeros.

    Cases are cached: the same arguments give the same object, until many others have been sampled.

    Args:
        operation, config: a row of `OPERATIONS` and one of its configurations.
        lengths: one of `lengths_of(config)`, or lengths written out, such as ``"3,0,1:5"``; see `parse_lengths`.
        dtype: "float32", "float64", "bfloat16" or "float16".
        seed: a whole number of 0 or more.
        sizes: overrides, e.g. ``(("H", 256), ("B", 64))``.

    Raises:
        InputError: an unknown name or axis, with the nearest known one, a wrong seed, or a size that no array can have.
        MemoryError: the arrays do not fit into this machine.

    >>> sample_case("rnn.gru", "one_layer", "ragged", "float32", 0, (("B", 8), ("T", 9))).arrays["x"].shape
    (8, 9, 2)
    """
    spec = find(operation).configuration(config)
    if spec.data:
        choose("lengths", lengths, lengths_of(spec))
    else:
        parse_lengths(lengths)
    choose("dtype", dtype, FLOATS)
    if not isinstance(sizes, tuple) or not all(isinstance(pair, tuple) and len(pair) == 2 for pair in sizes):
        raise InputError("sizes", shown(sizes), 'pairs of axis and size, e.g. (("B", 8), ("T", 9))')
    widths = _sizes(sizes, ("B", "T", *SIZES))
    return sampled(operation, config, lengths, dtype, whole_number("seed", seed), tuple(widths.items()))


def _sizes(given: Iterable[tuple[object, object]], axes: Iterable[str], argument: str = "sizes") -> dict[str, int]:
    sizes = {choose(argument, axis, axes): size for axis, size in given}
    return {axis: whole_number(f"size of {axis}", size, least=0 if axis == "B" else 1) for axis, size in sizes.items()}


def _allowed(config: Configuration, sizes: Mapping[str, int]) -> dict[str, int]:
    """Return sizes that a configuration can have: H is a whole number of heads, and nothing is too small."""
    heads = config.options.get("heads", 1)
    enough = {axis: max(size, config.least.get(axis, 1)) for axis, size in sizes.items()}
    return {axis: -(-size // heads) * heads if axis == "H" else size for axis, size in enough.items()}


def _extents(axes: str, sizes: Mapping[str, int]) -> list[int]:
    return [sizes[axis] if axis.isalpha() else int(axis) for axis in axes]


def _complete(config: Configuration, sizes: Mapping[str, int]) -> dict[str, int]:
    """Add the axes E, the states of both directions, and P, the positions of T steps behind the padding index.

    Check that arrays can have these sizes, before any is made.
    """
    heads = config.options.get("heads", 1)
    if sizes["H"] % heads:
        raise InputError("size of H", sizes["H"], f"a multiple of {heads}, the number of heads")
    positions = sizes["T"] + (config.options.get("padding_index") or 0) + 1
    complete = {"E": 2 * sizes["H"], "P": max(FEWEST_POSITIONS, positions), **sizes}
    for name, axes in config.axes.items():
        fits(name, *_extents(axes, complete))
    return complete


@cached(maxsize=512)
@np.errstate(under="ignore")  # NumPy's default: numbers that are 0 in a narrow dtype
def sampled(
    operation: str, config: str, lengths: str, dtype: str, seed: int, sizes: tuple[tuple[str, int], ...]
) -> Case:
    """Sample a case from arguments that `sample_case` has checked."""
    spec = find(operation).configuration(config)
    rng = np.random.default_rng([seed, *f"{operation}/{config}/{SEEDED_AS.get(lengths, lengths)}".encode()])
    if spec.data:
        kind = REAL[lengths]
        batch = real_data.sample_batch(spec.data, rng, kind.sequences, dtype, kind.short, kind.empty)
        usual = SIZES | dict(kind.sizes) | batch.sizes
        free = [axis for axis in SIZES if axis not in batch.sizes]
        size = _complete(spec, usual | _sizes(sizes, free, "sizes beside the data's own"))
        sampler = _Sampler(spec, batch.lengths, rng, size, usual, dtype, PLAIN)
        return Case(operation, config, batch.lengths, *sampler.sample(batch.arrays), lengths, seed)
    chosen = parse_lengths(lengths)
    usual = SIZES | _allowed(spec, chosen.sizes)
    size = _complete(spec, {"B": chosen.batch, "T": chosen.steps} | usual | dict(sizes))
    if isinstance(chosen.lengths, str):
        real = sample_lengths(chosen.lengths, rng, size["B"], size["T"])
    else:
        real = np.array(chosen.lengths, np.int64)
    sampler = _Sampler(spec, real, rng, size, SIZES, dtype, chosen)
    case = Case(operation, config, real, *sampler.sample(), lengths, seed)
    return case if chosen.fill is None else case.refilled(seed, (chosen.fill,), ids=lengths not in NAMED)


def with_lengths(
    operation: str, config: str, lengths: npt.ArrayLike, dtype: str, seed: int, steps: int = 0, **sizes: int
) -> Case:
    """Sample a case with given lengths, at any size, as benchmarks do.

    No float is extreme. At sizes without a reference, the noise floor is a stand-in that does not account for
    saturated gates (`parity.checks.noise.stand_in`).

    Args:
        lengths: ``(B,)`` integers.
        steps: T; if 0, the longest length, at least 1.
        sizes: of other axes, e.g. ``H=256``.

    Raises:
        InputError, MemoryError: as for `sample_case`; the first also for wrong lengths.

    >>> with_lengths("rnn.lstm", "one_layer", [3, 1], "float32", seed=0, H=8).arrays["w_rec.0"].shape
    (8, 4, 8)
    """
    spec = find(operation).configuration(config)
    choose("dtype", dtype, FLOATS)
    widths = _sizes(sizes.items(), SIZES)
    checked = check_lengths(lengths, MOST)
    steps = whole_number("steps", steps) or int(checked.max(initial=1))
    check_lengths(checked, steps)
    rng = np.random.default_rng([whole_number("seed", seed), *f"{operation}/{config}".encode()])
    size = _complete(spec, {"B": len(checked), "T": steps} | SIZES | widths)
    sampler = _Sampler(spec, checked, rng, size, SIZES, dtype, PLAIN, extremes=False)
    return Case(operation, config, checked, *sampler.sample(), "given", seed)


@dataclass(frozen=True)
class _Sampler:
    """The random arrays of one case, sampled in the order of the configuration.

    Attributes:
        sizes: the size of each axis.
        usual: the sizes at which weights have their usual scale; see `Input.fan_in`.
        special: what is special about the batch: the scale of the parameters, the magnitude of the inputs.
        extremes: whether some floats are extreme; see `Input.extreme`.
    """

    config: Configuration
    lengths: Lengths
    rng: np.random.Generator
    sizes: Mapping[str, int]
    usual: Mapping[str, int]
    dtype: str
    special: LengthsSpec
    extremes: bool = True

    def sample(self, given: Mapping[str, Array] | None = None) -> tuple[dict[str, Array], dict[str, Array]]:
        """Return the inputs, sampled unless given, and the cotangents."""
        arrays = dict(given or {})
        for name, spec in self.config.inputs.items():
            if name not in arrays:
                arrays[name] = self._array(spec)
        cotangents = {name: self._array(Input(axes)) for name, axes in self.config.outputs.items()}
        return {name: arrays[name] for name in self.config.inputs}, cotangents

    def _array(self, spec: Input) -> Array:
        if spec.sample:
            sampled = spec.sample(self.rng, self.lengths, self.sizes)
            return sampled.astype(self.dtype) if sampled.dtype.kind == "f" else sampled
        array = self._values(spec)
        real = valid(self.lengths, self.sizes["T"], self.config.left)
        if spec.padding_like:
            self._imitate_padding(spec, array, real)
        if spec.below and spec.axes == "BT":
            pad = self.config.options.get("padding_index") if spec.padding_like else None
            array = with_extreme_ids(array, real, largest_id(spec, self.sizes), pad, bool(spec.padding_like))
        if spec.extreme and self.extremes:
            far = self.rng.uniform(size=array.shape) < spec.extreme
            array[far] += np.copysign(100, array[far])
        below = self.special.below
        rows, sign = slice(int(below and len(self.lengths) > 1), None, 2), -1 if below else 1
        if spec.offset:
            array[rows] += sign * (spec.offset + below * spec.lowered)
        if spec.first_offset:
            array[rows, ..., 0] += sign * spec.first_offset
        if spec.last_offset:
            array[1::4, ..., -1] += spec.last_offset
        if spec.equal and self.dtype not in NARROW:  # a gradient of 1 / eps is more than float16 can hold
            array = with_equal_values(array, real, spec.equal, spec.equal_to, self.rng.spawn(1)[0])
        if spec.padding is not None:
            _hide(array)
            array[~real] = spec.padding
        return array

    def _values(self, spec: Input) -> Array:
        extent = _extents(spec.axes, self.sizes)
        if spec.below or spec.up_to:
            return self.rng.integers(0, largest_id(spec, self.sizes) + 1, extent)
        if spec.unit:
            return self.rng.uniform(size=extent).astype(self.dtype)
        scale = spec.scale * (self.special.magnitude if "B" in spec.axes else self.special.scale)
        if spec.fan_in:
            usual = {"E": 2 * self.usual["H"], **self.usual}
            scale = scale / np.sqrt(self.sizes[spec.fan_in] / usual[spec.fan_in])
        return self.rng.normal(0, scale, extent).astype(self.dtype)

    def _imitate_padding(self, spec: Input, array: Array, real: Mask) -> None:
        """Make some real steps look like padding, and others in part."""
        hidden = along(self.rng.uniform(size=real.shape) < spec.padding_like, array)
        if array.ndim > 2:
            hidden = hidden | (self.rng.uniform(size=array.shape) < np.sqrt(spec.padding_like))
        array[hidden & along(real, array)] = spec.padding or self.config.options.get("padding_index") or 0


def _hide(array: Array) -> None:
    """Make the features of every second step tiny, and their sum 0 where the last one is 0.

    The squares of what is tiny are 0. Of every fourth step in every second sequence, the last feature stands alone.
    """
    if array.ndim > 2:
        alone = array[::2, ::4]
        alone[..., :-1], alone[..., -1] = 0, np.where(alone[..., -1] == 0, 1, alone[..., -1])
        hidden = array[:, 1::2]
        hidden *= 2.0**-100
        hidden[..., -1] = np.where(hidden[..., -1] == 0, 0 - hidden[..., :-1].sum(-1), hidden[..., -1])
