"""Define a case: everything that one run depends on, checked before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from parity.arrays import FLOATS, Array, Lengths, Mask, check_lengths, is_float, valid
from parity.caching import cached
from parity.errors import InputError, choose, fits, names, of_kind, plain_array, shown, whole_number
from parity.operations import Configuration, Input, Operation, find


@dataclass(frozen=True, eq=False)
class Case:
    """One input of one operation, with the cotangents of its outputs.

    Attributes:
        operation: its name, e.g. ``"rnn.lstm"``.
        config: the name of its configuration, e.g. ``"one_layer"``; see `Operation.configurations`.
        lengths: ``(B,)`` int64.
        arrays: the configuration's inputs by name; all floats of one dtype, ids integers.
        cotangents: a float array by name for each output that gradients are taken of.
        lengths_name, seed: its origin; ``"given"`` and -1 if a user made it.
        finite: whether real steps must be; False to try what NaN or inf there does.
        differentiated: whether gradients are taken; False for a function that has none.

    Raises:
        InputError: a wrong name, rank, size, dtype or length; ids outside their vocabulary; NaN or inf on a real step.

    Two cases are equal only if they are the same object, so that observations of a case can be cached.

    >>> from parity.cases.sampling import sample_case
    >>> case = sample_case("loss.mean_squared_error", "mean", "ragged", "float32", seed=0)
    >>> sorted(case.arrays), case.arrays["target"].shape
    (['prediction', 'target'], (4, 3, 2))
    """

    operation: str
    config: str
    lengths: Lengths
    arrays: Mapping[str, Array]
    cotangents: Mapping[str, Array]
    lengths_name: str = "given"
    seed: int = -1
    finite: bool = True
    differentiated: bool = True

    def __post_init__(self) -> None:
        config = self.row.configuration(self.config)
        of_kind("lengths_name", self.lengths_name, str, "a name")
        whole_number("seed", self.seed, least=-1)
        arrays = _named(self.arrays, config.inputs, "arrays")
        if missing := [name for name in config.inputs if name not in arrays]:
            raise InputError("arrays", f"no {missing[0]!r} among {sorted(arrays)}", f"an array named {missing[0]!r}")
        cotangents = _named(self.cotangents, config.outputs, "cotangents")
        if not cotangents:
            raise InputError("cotangents", "none", f"one for at least one of: {', '.join(config.outputs)}")
        object.__setattr__(self, "arrays", {name: arrays[name] for name in config.inputs})
        specs = self._specified()
        specs |= {f"cotangent of {name}": (array, Input(config.outputs[name])) for name, array in cotangents.items()}
        sizes = _bind(specs)
        object.__setattr__(self, "lengths", _frozen(check_lengths(self.lengths, sizes["T"], sizes["B"])))
        _check_dtypes(specs)
        _check_positions(config, self.lengths, sizes)
        for name, (array, spec) in specs.items():
            real = self._real(spec)
            if real is not None:
                array = array[real]
            elif name == config.pad_row and config.options["padding_index"] is not None:
                array = np.delete(array, config.options["padding_index"], axis=0)
            _check_values(name, array, spec, sizes, self.finite)
        for field, named in (("arrays", self.arrays), ("cotangents", cotangents)):
            frozen = {name: _frozen(array) for name, array in named.items()}
            object.__setattr__(self, field, MappingProxyType(frozen))

    @property
    def row(self) -> Operation:
        return find(self.operation)

    @property
    def configuration(self) -> Configuration:
        return self.row.configuration(self.config)

    @property
    def name(self) -> str:
        """Return ``"config/lengths"``, as in reports."""
        return f"{self.config}/{self.lengths_name}"

    @property
    def region(self) -> str:
        """Return the name for expected failures, where a batch without sequences is ``no_sequences``."""
        return self.name if len(self.lengths) else f"{self.config}/no_sequences"

    @property
    def dtype(self) -> str:
        return str(next(array.dtype for array in self.arrays.values() if is_float(array.dtype)))

    @property
    def steps(self) -> int:
        return self.size("T")

    @property
    def mask(self) -> Mask:
        """Return the mask ``(B, T)``, True on real steps."""
        return valid(self.lengths, self.steps, self.configuration.left)

    @property
    def kept(self) -> Mask:
        """Return the mask ``(B, T)``, True on real steps that are no holes of the input ``mask``, if there is one."""
        return self.mask if self.configuration.without_mask else self.mask & (self.arrays["mask"] > 0)

    @property
    def axes(self) -> dict[str, str]:
        """Return the axes of every observed quantity: outputs by name, gradients of floats as ``d_name``."""
        axes = {name: self.configuration.outputs[name] for name in self.cotangents}
        for name, (array, spec) in self._specified().items():
            if is_float(array.dtype) and self.differentiated:
                axes[f"d_{name}"] = spec.axes
        return axes

    def keeping(self, outputs: Collection[str]) -> Case:
        """Return the case with the cotangents of these outputs only."""
        kept = frozenset(choose("outputs", name, self.cotangents) for name in names("outputs", outputs))
        return self if kept == set(self.cotangents) else _keeping(self, kept)

    def forward_only(self) -> Case:
        """Return the case without gradients: outputs alone are observed."""
        return _forward_only(self) if self.differentiated else self

    def given_by(self, variant: str) -> Case:
        """Return the case without the outputs that ``"framework.variant"`` omits."""
        return self.keeping(set(self.cotangents) - set(self.row.omitted(variant)))

    def refilled(self, seed: int, fills: tuple[float, ...], ids: bool = True) -> Case:
        """Return the case with other padding in inputs, cotangents and the pad row of an embedding.

        Each padded float becomes one of ``fills`` at random. If ``ids``, each padded id becomes any number, in the
        vocabulary or not: -100 is a common id of positions to ignore.
        """
        rng = np.random.default_rng(whole_number("seed", seed))
        numbers = np.asarray(plain_array("fills", fills))
        if numbers.ndim != 1 or not numbers.size:
            raise InputError("fills", shown(fills), "at least one number, in one axis")
        config, sizes = self.configuration, _bind(self._specified())
        table = config.inputs[config.pad_row] if config.pad_row else None

        def refill(array: Array, spec: Input) -> Array:
            if spec is table:
                array = array.copy()
                array[config.options["padding_index"]] = numbers[-1]
                return array
            real = self._real(spec)
            if real is None or spec.padding is not None or (spec.below and not ids):
                return array
            if spec.below:
                sampled = rng.integers(-100, largest_id(spec, sizes) + 101, array.shape)
            else:
                sampled = rng.choice(numbers, array.shape)
            return np.where(along(real, array), array, sampled.astype(array.dtype))

        with np.errstate(over="ignore"):  # a number too large for a narrow dtype becomes infinite
            return self._mapped(refill)

    def without_holes(self) -> tuple[Case, Array]:
        """Return the case with its holes moved behind the end of each sequence, as padding, and the steps it has.

        The second is ``(B, T)``: where each of its steps was.
        """
        order = np.argsort(~self.kept, axis=1, kind="stable")

        def move(array: Array, spec: Input) -> Array:
            return np.take_along_axis(array, along(order, array), 1) if spec.axes.startswith("BT") else array

        return self._mapped(move, self.kept.sum(1)), order

    def with_other_holes(self, seed: int, fills: tuple[float, ...]) -> Case:
        """Return the case with each float in a hole replaced by one of ``fills``, and each id by another."""
        rng, sizes = np.random.default_rng(seed), _bind(self._specified())
        outside = self.kept | ~self.mask

        def refill(array: Array, spec: Input) -> Array:
            if not spec.axes.startswith("BT") or spec.padding is not None:
                return array
            whole = bool(spec.below or spec.up_to)
            values = np.arange(largest_id(spec, sizes) + 1) if whole else np.asarray(fills)
            return np.where(along(outside, array), array, rng.choice(values, array.shape).astype(array.dtype))

        return replace(self, finite=False)._mapped(refill)

    def extended(self, extra: int) -> Case:
        """Return the case with ``extra`` more steps of padding, or fewer if negative."""
        steps = self.steps + whole_number("extra", extra, least=1 - self.steps)
        return self._mapped(partial(with_steps, steps=steps, left=self.configuration.left))

    def shortened(self, steps: int) -> Case:
        """Return the case with sequences of at most ``steps`` real steps, the first ones; T stays.

        What an operation reads from padding is put there.
        """
        lengths = np.minimum(self.lengths, whole_number("steps", steps))
        real = valid(lengths, self.steps, self.configuration.left)

        def cut(array: Array, spec: Input) -> Array:
            if not spec.axes.startswith("BT"):
                return array
            if self.configuration.left:
                array = rolled(array, spec.axes, self.lengths - lengths)
            return (
                array if spec.padding is None else np.where(along(real, array), array, array.dtype.type(spec.padding))
            )

        return self._mapped(cut, lengths) if len(lengths) else self

    def on_the_other_side(self) -> Case | None:
        """Return the case whose padding is on the other side of each sequence; None if no configuration is for that."""
        other = self.row.other_side(self.configuration)
        return self._mapped(lambda array, spec: self.moved(array, spec.axes), config=other.name) if other else None

    def moved(self, array: Array, axes: str) -> Array:
        """Move the padding of an array with these axes to the other side of each sequence."""
        if not axes.startswith("BT") or not len(array):
            return array
        padding = self.steps - self.lengths
        return rolled(array, axes, -padding if self.configuration.left else padding)

    def taken(self, rows: npt.ArrayLike) -> Case:
        """Return the case of the sequences ``rows``, in that order, with the same parameters."""
        order = np.asarray(plain_array("rows", rows))
        last = len(self.lengths) - 1
        inside = not order.size or (order.dtype.kind in "iu" and order.min() >= 0 and order.max() <= last)
        if order.ndim != 1 or not inside:
            raise InputError("rows", shown(rows), f"one axis of row numbers from 0 to {last}")
        order = order.astype(np.int64)

        def take(array: Array, spec: Input) -> Array:
            return np.take(array, order, spec.axes.index("B")) if "B" in spec.axes else array

        return self._mapped(take, self.lengths[order])

    def size(self, axis: str) -> int:
        sizes = _bind(self._specified())
        return sizes[choose("axis", axis, sizes)]

    def _specified(self) -> dict[str, tuple[Array, Input]]:
        return {name: (array, self.configuration.inputs[name]) for name, array in self.arrays.items()}

    def _real(self, spec: Input) -> Mask | None:
        """Return the mask of real items along the leading axes; None if all are real."""
        if spec.axes.startswith("BTT"):  # queries and keys
            return self.mask[:, :, None] & self.mask[:, None, :]
        if spec.axes.startswith("BT"):
            return self.mask
        return valid(self.arrays[spec.lengths], self.size("S")) if spec.lengths else None

    def _mapped(
        self, change: Callable[[Array, Input], Array], lengths: Lengths | None = None, config: str = ""
    ) -> Case:
        outputs = self.configuration.outputs
        arrays = {name: change(array, spec) for name, (array, spec) in self._specified().items()}
        cotangents = {name: change(array, Input(outputs[name])) for name, array in self.cotangents.items()}
        lengths = self.lengths if lengths is None else lengths
        return replace(self, config=config or self.config, arrays=arrays, cotangents=cotangents, lengths=lengths)


def check_case(case: object) -> None:
    of_kind("case", case, Case, "a parity.Case; see parity.sample_case")


def with_steps(array: Array, spec: Input, steps: int, left: bool = False) -> Array:
    """Cut or pad an array to T = ``steps`` where its padding is, along each time axis."""
    for axis in time_axes(spec.axes):
        fits("extra", *array.shape[:axis], steps, *array.shape[axis + 1 :])
        kept = min(steps, array.shape[axis])
        start = array.shape[axis] - kept if left else 0
        cut = np.take(array, range(start, start + kept), axis)
        widths = [(0, 0)] * array.ndim
        widths[axis] = (steps - kept, 0) if left else (0, steps - kept)
        array = np.pad(cut, widths, constant_values=spec.padding or 0)
    return array


def rolled(array: Array, axes: str, shifts: Array) -> Array:
    """Move each row of an array ``(B, T, ...)`` by its own shift, along each time axis."""
    along_row = [axis - 1 for axis in time_axes(axes)]
    rows = zip(array, shifts, strict=True)
    return np.stack([np.roll(row, [shift] * len(along_row), along_row) for row, shift in rows])


def time_axes(axes: str) -> list[int]:
    """Return where the time axes are; weights of attention have two, of queries and of keys."""
    return [place for place, axis in enumerate(axes) if axis == "T"]


@cached(maxsize=256)
def _keeping(case: Case, outputs: frozenset[str]) -> Case:
    return replace(case, cotangents={name: array for name, array in case.cotangents.items() if name in outputs})


@cached(maxsize=256)
def _forward_only(case: Case) -> Case:
    return replace(case, differentiated=False)


def _named(received: object, known: Mapping[str, Any], argument: str) -> dict[str, Array]:
    if not isinstance(received, Mapping):
        raise InputError(argument, shown(received), f"arrays by name: {', '.join(known)}")
    return {choose(argument, name, known): plain_array(name, array) for name, array in received.items()}


def _frozen(array: Array) -> Array:
    """Return a read-only copy: cases and their observations are cached."""
    array = array.astype(np.int64 if array.dtype.kind in "iu" else array.dtype.newbyteorder("="), copy=True)
    array.setflags(write=False)
    return array


def _bind(specs: Mapping[str, tuple[Array, Input]]) -> dict[str, int]:
    """Return the size of each axis, if all arrays agree."""
    sizes: dict[str, int] = {}
    first: dict[str, str] = {}
    for name, (array, spec) in specs.items():
        axes = spec.axes
        if array.ndim != len(axes):
            raise InputError(name, f"{array.ndim} axes, shape {array.shape}", f"{len(axes)} axes, ({', '.join(axes)})")
        for axis, size in zip(axes, array.shape, strict=True):
            if axis.isdigit():
                if size != int(axis):
                    raise InputError(name, f"{size} in shape {array.shape}", f"{axis}, as in ({', '.join(axes)})")
                continue
            expected = sizes.setdefault(axis, size)
            if size != expected:
                received = f"{axis} = {size} in shape {array.shape}"
                raise InputError(name, received, f"{axis} = {expected}, as in {first[axis]}")
            first.setdefault(axis, name)
    if sizes["T"] < 1:
        raise InputError(first["T"], "T = 0", "at least one step, padding or not")
    if "E" in sizes and sizes["E"] != 2 * sizes["H"]:
        raise InputError(first["E"], f"E = {sizes['E']}", f"E = 2H = {2 * sizes['H']}")
    return sizes


def _check_positions(config: Configuration, lengths: Lengths, sizes: Mapping[str, int]) -> None:
    """Check that a table of positions has a row for each that occurs."""
    first = config.options["padding_index"] + 1 if config.options.get("padding_index") is not None else 0
    needed = first + int(lengths.max(initial=0))
    if sizes.get("P", needed) < needed:
        table = next(name for name, spec in config.inputs.items() if "P" in spec.axes)
        raise InputError(table, f"{sizes['P']} rows", f"at least {needed}, for positions from {first} on")


def _check_dtypes(specs: Mapping[str, tuple[Array, Input]]) -> None:
    first = ""
    for name, (array, spec) in specs.items():
        if spec.below or spec.up_to:
            if array.dtype.kind not in "iu":
                raise InputError(name, f"dtype {array.dtype}", "integers")
            continue
        if not is_float(array.dtype):
            raise InputError(name, f"dtype {array.dtype}", f"one of: {', '.join(FLOATS)}")
        first = first or array.dtype.name
        if array.dtype.name != first:
            raise InputError(name, f"dtype {array.dtype}", f"{first}, as the other floats")


def along(mask: Array, array: Array) -> Array:
    """Add axes to a mask, or to places, of the two leading axes, so that it broadcasts."""
    return mask.reshape(*mask.shape, *[1] * (array.ndim - mask.ndim))


def largest_id(spec: Input, sizes: Mapping[str, int]) -> int:
    """Return the largest integer that an array of ids or counts may hold."""
    if spec.below.isdigit():
        return int(spec.below) - 1
    return sizes[spec.below] - 1 if spec.below else sizes[spec.up_to]


def _check_values(name: str, read: Array, spec: Input, sizes: Mapping[str, int], finite: bool) -> None:
    """Check the values that an operation may depend on: real steps, and no pad row."""
    if not read.size:
        return
    where = " on a real step" if spec.axes.startswith("BT") else ""
    whole = bool(spec.below or spec.up_to)
    if whole and (read.min() < 0 or read.max() > largest_id(spec, sizes)):
        largest = f"{spec.below} - 1" if spec.below else spec.up_to
        expected = f"ids from 0 to {largest} = {largest_id(spec, sizes)}"
        raise InputError(name, f"ids from {read.min()} to {read.max()}{where}", expected)
    if finite and not whole and not np.isfinite(read).all():
        raise InputError(name, f"NaN or inf{where}", "finite numbers")
