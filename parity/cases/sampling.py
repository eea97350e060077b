"""Cases sampled from a seed: in a lengths by name, or with given lengths at any size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from parity.arrays import FLOATS, Array, Lengths, check_lengths, valid
from parity.caching import cached
from parity.cases import real_data as data
from parity.cases.case import Case, along, largest_id
from parity.cases.lengths import REAL, lengths_of, parse_lengths, sample_lengths
from parity.errors import MOST, InputError, choose, fits, shown, whole_number
from parity.operations import Configuration, Input, find

SIZES = {"D": 2, "H": 6, "V": 7, "C": 8, "S": 3}


def sample_case(
    operation: str, config: str, lengths: str, dtype: str, seed: int, sizes: tuple[tuple[str, int], ...] = ()
) -> Case:
    """Sampler a case. The same arguments give the same object, until many others have been sampled.

    Padding holds random values from the start, never a convenient zero.

    Args:
        operation, config: a row of `OPERATIONS` and one of its configurations.
        lengths: one of `lengths_of(config)`, or one written out, ``"3,0,1:5"`` say; see `parse_lengths`.
        dtype: "float32", "float64", "bfloat16" or "float16".
        seed: a whole number of 0 or more.
        sizes: overrides, e.g. ``(("H", 256), ("B", 64))``.

    Raises:
        InputError: an unknown name or axis, with the nearest right one, a wrong seed, or a size that no array can have.
        MemoryError: arrays of this size are possible, but not on this machine.

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


def _sizes(given: Iterable[tuple[object, object]], axes: Iterable[str], called: str = "sizes") -> dict[str, int]:
    """The sizes asked for, if they are some."""
    named = {choose(called, axis, axes): size for axis, size in given}
    return {axis: whole_number(f"size of {axis}", size, least=0 if axis == "B" else 1) for axis, size in named.items()}


def _extents(axes: str, sizes: Mapping[str, int]) -> list[int]:
    """The size of each axis."""
    known = {"E": 2 * sizes["H"], **sizes}
    return [known[axis] if axis.isalpha() else int(axis) for axis in axes]


def _check_extents(config: Configuration, sizes: Mapping[str, int]) -> None:
    """Whether a config's arrays can be made in these sizes, before any is."""
    for name, axes in ({name: array.axes for name, array in config.inputs.items()} | dict(config.outputs)).items():
        fits(name, *_extents(axes, sizes))


@cached(maxsize=512)
def sampled(
    operation: str, config: str, lengths: str, dtype: str, seed: int, sizes: tuple[tuple[str, int], ...]
) -> Case:
    """`sample_case`, once its names and numbers are known to be some."""
    spec, usual = find(operation).configuration(config), SIZES
    rng = np.random.default_rng([seed, *f"{operation}/{config}/{lengths}".encode()])
    if spec.data:
        batch = data.sample_batch(spec.data, rng, REAL[lengths], dtype, short=lengths == "short")
        given, usual = batch.arrays, SIZES | batch.sizes
        size = usual | _sizes(sizes, [axis for axis in SIZES if axis not in batch.sizes], "sizes beside the data's own")
        _check_extents(spec, size)
        arrays, cotangents = _filled(spec, batch.lengths, rng, size, usual, dtype, given)
        return Case(operation, config, batch.lengths, arrays, cotangents, lengths, seed)
    chosen = parse_lengths(lengths)
    size = {"B": chosen.batch, "T": chosen.steps} | SIZES | dict(sizes)
    _check_extents(spec, size)
    real = (
        sample_lengths(chosen.lengths, rng, size["B"], size["T"])
        if isinstance(chosen.lengths, str)
        else np.array(chosen.lengths, np.int64)
    )
    arrays, cotangents = _filled(spec, real, rng, size, usual, dtype, {}, chosen.scale)
    case = Case(operation, config, real, arrays, cotangents, lengths, seed)
    return case if chosen.fill is None else case.refilled(seed, (chosen.fill,))


def with_lengths(
    operation: str, config: str, lengths: npt.ArrayLike, dtype: str, seed: int, steps: int = 0, **sizes: int
) -> Case:
    """Sampler a case with these lengths, at any size: what a benchmark runs.

    No float is extreme: at sizes for which there is no reference, the noise floor knows nothing of saturated gates
    (`parity.checks.noise.stand_in`), and nothing of them is asked here.

    Args:
        lengths: ``(B,)`` integers.
        steps: T; the longest length, at least 1, when it is 0.
        sizes: of other axes, e.g. ``H=256``.

    Raises:
        InputError, MemoryError: as for `sample_case`; the first for wrong lengths too.

    >>> with_lengths("rnn.lstm", "one_layer", [3, 1], "float32", seed=0, H=8).arrays["w_rec.0"].shape
    (8, 4, 8)
    """
    spec = find(operation).configuration(config)
    choose("dtype", dtype, FLOATS)
    widths = _sizes(sizes.items(), SIZES)
    came = check_lengths(lengths, MOST)
    steps = whole_number("steps", steps) or int(came.max(initial=1))
    checked = check_lengths(came, steps)
    rng = np.random.default_rng([whole_number("seed", seed), *f"{operation}/{config}".encode()])
    size = {"B": len(checked), "T": steps} | SIZES | widths
    _check_extents(spec, size)
    arrays, cotangents = _filled(spec, checked, rng, size, SIZES, dtype, {}, extremes=False)
    return Case(operation, config, checked, arrays, cotangents, "given", seed)


def _filled(
    config: Configuration,
    lengths: Lengths,
    rng: np.random.Generator,
    size: dict[str, int],
    usual: dict[str, int],
    dtype: str,
    given: Mapping[str, Array],
    scale: float = 1.0,
    extremes: bool = True,
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Inputs and cotangents, sampled where not given; ``size`` by axis, ``scale`` of parameters."""
    size, usual = ({"E": 2 * sizes["H"]} | sizes for sizes in (size, usual))

    def fill(spec: Input) -> Array:
        if spec.sample:
            return spec.sample(rng, lengths, size)
        array = scattered(spec)
        real = valid(lengths, size["T"], config.left)
        if spec.blank:  # whole steps, and numbers by themselves, so that other steps look like padding in part
            hidden = along(rng.uniform(size=real.shape) < spec.blank, array)
            if array.ndim > 2:
                hidden = hidden | (rng.uniform(size=array.shape) < np.sqrt(spec.blank))
            array[hidden & along(real, array)] = spec.padding or config.options.get("padding_index") or 0
        if spec.extreme and extremes:
            far = rng.uniform(size=array.shape) < spec.extreme
            array[far] += np.copysign(100, array[far])
        if spec.raised:
            array[::2] += spec.raised
        if spec.first:
            array[::2, ..., 0] += spec.first
        if spec.padding is not None:
            _hide(array)
            array[~real] = spec.padding
        return array

    def scattered(spec: Input) -> Array:
        extent = _extents(spec.axes, size)
        if spec.below or spec.up_to:
            return rng.integers(0, largest_id(spec, size) + 1, extent)
        if spec.unit:
            return rng.uniform(size=extent).astype(dtype)
        wider = size[spec.fan_in] / usual[spec.fan_in] if spec.fan_in else 1.0
        times = 1.0 if "B" in spec.axes else scale
        return rng.normal(0, times * spec.scale / np.sqrt(wider), extent).astype(dtype)

    arrays = {name: given[name] if name in given else fill(array) for name, array in config.inputs.items()}
    return arrays, {name: fill(Input(axes)) for name, axes in config.outputs.items()}


def _hide(array: Array) -> None:
    """In every second step (from 1), all features are tiny, and a last one of 0 becomes what makes their sum 0."""
    if array.ndim > 2:
        hidden = array[:, 1::2]
        hidden *= 2.0**-40
        hidden[..., -1] = np.where(hidden[..., -1] == 0, 0 - hidden[..., :-1].sum(-1), hidden[..., -1])
