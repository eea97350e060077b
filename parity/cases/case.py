"""A case: everything one run depends on, sampled from a seed or given by a user, and checked before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from parity.arrays import FLOATS, Array, Lengths, Mask, check_lengths, check_rows, is_float, resized, valid
from parity.caching import cached
from parity.errors import InputError, choose, names, of_kind, plain_array, shown, whole_number
from parity.operations import Configuration, Input, Operation, find


@dataclass(frozen=True, eq=False)
class Case:
    """One input of one operation, with the cotangents that its gradients are taken against.

    Attributes:
        operation: its name, e.g. ``"rnn.lstm"``.
        config: the name of the config, e.g. ``"one_layer"``; see `Operation.configurations`.
        lengths: ``(B,)`` int64.
        arrays: the config's inputs by name; floats all of one dtype, ids integers.
        cotangents: one float array for each output whose gradient counts, by name.
        lengths_name, seed: where it came from; ``"given"`` and -1 when a user made it.

    Raises:
        InputError: a wrong name, rank, size, dtype or length; ids outside their vocabulary; NaN or inf on a real step.

    Two cases are equal only if they are the same object, so observations of a case can be cached.

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
        specs = {name: (arrays[name], config.inputs[name]) for name in config.inputs}
        specs |= {f"cotangent of {name}": (array, Input(config.outputs[name])) for name, array in cotangents.items()}
        sizes = _bind({name: (array, spec.axes) for name, (array, spec) in specs.items()})
        lengths = check_lengths(self.lengths, sizes["T"], sizes["B"])
        _check_dtypes(specs)
        for name, (array, spec) in specs.items():
            pad = config.options["padding_index"] if name == config.pad_row else None
            real = _real(spec, lengths, sizes, arrays, config.left)
            _check_values(name, _read(array, real, pad), spec, sizes)
        object.__setattr__(self, "lengths", _frozen(lengths))
        object.__setattr__(self, "arrays", MappingProxyType({n: _frozen(arrays[n]) for n in config.inputs}))
        object.__setattr__(self, "cotangents", MappingProxyType({n: _frozen(a) for n, a in cotangents.items()}))

    @property
    def row(self) -> Operation:
        return find(self.operation)

    @property
    def configuration(self) -> Configuration:
        return self.row.configuration(self.config)

    @property
    def name(self) -> str:
        """``"config/lengths"``, as in reports."""
        return f"{self.config}/{self.lengths_name}"

    @property
    def region(self) -> str:
        """As expected_failures name it: a batch without sequences is ``no_sequences``, however it came about."""
        return self.name if len(self.lengths) else f"{self.config}/no_sequences"

    @property
    def dtype(self) -> str:
        return str(next(array.dtype for array in self.arrays.values() if is_float(array.dtype)))

    @property
    def steps(self) -> int:
        return next(
            int(array.shape[1])
            for name, array in self.arrays.items()
            if self.configuration.inputs[name].axes.startswith("BT")
        )

    @property
    def mask(self) -> Mask:
        """``(B, T)``, True on real steps."""
        return valid(self.lengths, self.steps, self.configuration.left)

    @property
    def differentiable(self) -> tuple[str, ...]:
        """The inputs that have a gradient: all floats."""
        return tuple(name for name, array in self.arrays.items() if is_float(array.dtype))

    @property
    def axes(self) -> dict[str, str]:
        """The axes of every quantity of an observation: outputs by name, gradients as ``d_name``."""
        gradients = {f"d_{name}": self.configuration.inputs[name].axes for name in self.differentiable}
        return {name: self.configuration.outputs[name] for name in self.cotangents} | gradients

    def keeping(self, outputs: Collection[str]) -> Case:
        """The same case asking for those outputs only."""
        kept = frozenset(choose("outputs", name, self.cotangents) for name in names("outputs", outputs))
        return self if kept == set(self.cotangents) else _keeping(self, kept)

    def given_by(self, variant: str) -> Case:
        """The same case without the outputs that "framework.variant" cannot give."""
        return self.keeping(set(self.cotangents) - set(self.row.omitted(variant)))

    def refilled(self, seed: int, fills: tuple[float, ...]) -> Case:
        """Other padding everywhere: in inputs, in ids, in cotangents and in the pad row of an embedding.

        Each padded float becomes one of ``fills`` at random, each padded id any number, in the
        vocabulary or not: -100 is a common "ignore me".
        """
        rng, choice = np.random.default_rng(whole_number("seed", seed)), _fills(fills)

        def refill(array: Array, spec: Input) -> Array:
            real = self._real(spec)
            if real is None or spec.padding is not None:
                return array
            ids = self.size(spec.below) if spec.below else 0
            sampled = rng.integers(-100, ids + 100, array.shape) if ids else rng.choice(choice, array.shape)
            with np.errstate(over="ignore"):  # what a narrow dtype cannot hold is infinite
                return np.where(along(real, array), array, sampled.astype(array.dtype))

        arrays = {name: refill(array, spec) for name, (array, spec) in self._specified().items()}
        if self.configuration.pad_row:
            table = arrays[self.configuration.pad_row].copy()
            with np.errstate(over="ignore"):
                table[self.configuration.options["padding_index"]] = choice[-1]
            arrays[self.configuration.pad_row] = table
        cotangents = {
            name: refill(array, Input(self.configuration.outputs[name])) for name, array in self.cotangents.items()
        }
        return replace(self, arrays=arrays, cotangents=cotangents)

    def extended(self, extra: int) -> Case:
        """``extra`` more steps of padding; fewer when negative."""
        steps = self.steps + whole_number("extra", extra, least=1 - self.steps)
        return self._moved(partial(with_steps, steps=steps, left=self.configuration.left))

    def taken(self, rows: npt.ArrayLike) -> Case:
        """The sequences ``rows``, in that order, with the same parameters."""
        order = check_rows(rows, len(self.lengths))

        def take(array: Array, spec: Input) -> Array:
            return np.take(array, order, spec.axes.index("B")) if "B" in spec.axes else array

        return self._moved(take, self.lengths[order])

    def size(self, axis: str) -> int:
        """How long an axis is."""
        sizes = _bind({name: (array, spec.axes) for name, (array, spec) in self._specified().items()})
        return sizes[choose("axis", axis, sizes)]

    def _specified(self) -> dict[str, tuple[Array, Input]]:
        return {name: (array, self.configuration.inputs[name]) for name, array in self.arrays.items()}

    def _real(self, spec: Input) -> Mask | None:
        sizes = {"T": self.steps} | ({"S": self.size("S")} if spec.lengths else {})
        return _real(spec, self.lengths, sizes, self.arrays, self.configuration.left)

    def _moved(self, move: Callable[[Array, Input], Array], lengths: Lengths | None = None) -> Case:
        arrays = {name: move(array, spec) for name, (array, spec) in self._specified().items()}
        cotangents = {
            name: move(array, Input(self.configuration.outputs[name])) for name, array in self.cotangents.items()
        }
        lengths = self.lengths if lengths is None else lengths
        return replace(self, arrays=arrays, cotangents=cotangents, lengths=lengths)


def _fills(fills: object) -> Array:
    """What padding may become."""
    numbers = plain_array("fills", fills)
    if numbers.ndim != 1 or not numbers.size:
        raise InputError("fills", shown(fills), "at least one number, in one axis")
    return np.asarray(numbers)


def check_case(case: object) -> None:
    """Say so if it is no case."""
    of_kind("case", case, Case, "a parity.Case; see parity.sample_case")


def with_steps(array: Array, spec: Input, steps: int, left: bool = False) -> Array:
    """``array`` with T = ``steps``, cut or filled up where its padding is; as it is when it has no time axis."""
    if "T" not in spec.axes:
        return array
    return resized(array, spec.axes.index("T"), steps, spec.padding or 0, left)


@cached(maxsize=256)
def _keeping(case: Case, outputs: frozenset[str]) -> Case:
    return replace(case, cotangents={name: array for name, array in case.cotangents.items() if name in outputs})


def _named(came: object, known: Mapping[str, Any], argument: str) -> dict[str, Array]:
    if not isinstance(came, Mapping):
        raise InputError(argument, shown(came), f"arrays by name: {', '.join(known)}")
    return {choose(argument, name, known): plain_array(name, array) for name, array in came.items()}


def _frozen(array: Array) -> Array:
    """A copy that nobody can write to: cases are remembered, and so is what was observed of them."""
    array = array.astype(np.int64 if array.dtype.kind in "iu" else array.dtype.newbyteorder("="), copy=True)
    array.setflags(write=False)
    return array


def _bind(arrays: Mapping[str, tuple[Array, str]]) -> dict[str, int]:
    """The size of each axis letter, if all arrays agree about it."""
    sizes: dict[str, int] = {}
    first: dict[str, str] = {}
    for name, (array, axes) in arrays.items():
        if array.ndim != len(axes):
            raise InputError(name, f"{array.ndim} axes, shape {array.shape}", f"{len(axes)} axes, ({', '.join(axes)})")
        for axis, size in zip(axes, array.shape, strict=True):
            if axis.isdigit() and size != int(axis):
                raise InputError(name, f"{size} in shape {array.shape}", f"{axis}, as in ({', '.join(axes)})")
            if not axis.isdigit() and size != (expected := sizes.setdefault(axis, size)):
                said = f"{axis} = {expected}, as in {first[axis]}"
                raise InputError(name, f"{axis} = {size} in shape {array.shape}", said)
            first.setdefault(axis, name)
    if sizes["T"] < 1:
        raise InputError(first["T"], "T = 0", "at least one step, padding or not")
    if "E" in sizes and sizes["E"] != 2 * sizes["H"]:
        raise InputError(first["E"], f"E = {sizes['E']}", f"E = 2H = {2 * sizes['H']}")
    return sizes


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


def _real(
    spec: Input, lengths: Lengths, sizes: Mapping[str, int], arrays: Mapping[str, Array], left: bool
) -> Mask | None:
    """Which of an array's items are real, along its two leading axes; None when all are."""
    if spec.axes.startswith("BT"):
        return valid(lengths, sizes["T"], left)
    return valid(arrays[spec.lengths], sizes["S"]) if spec.lengths else None


def along(mask: Mask, array: Array) -> Mask:
    """A mask of the two leading axes, for all of them."""
    return mask.reshape(*mask.shape, *[1] * (array.ndim - mask.ndim))


def _read(array: Array, real: Mask | None, pad: int | None) -> Array:
    """What an operation may look at: real steps only, and no pad row."""
    if real is not None:
        return np.asarray(array[real])
    return array if pad is None else np.delete(array, pad, axis=0)


def largest_id(spec: Input, sizes: Mapping[str, int]) -> int:
    """The largest whole number that may stand in an array."""
    return sizes[spec.below] - 1 if spec.below else sizes[spec.up_to]


def _check_values(name: str, read: Array, spec: Input, sizes: Mapping[str, int]) -> None:
    if not read.size:
        return
    where = " on a real step" if spec.axes.startswith("BT") else ""
    whole = bool(spec.below or spec.up_to)
    if whole and (read.min() < 0 or read.max() > largest_id(spec, sizes)):
        expected = f"ids from 0 to {f'{spec.below} - 1' if spec.below else spec.up_to} = {largest_id(spec, sizes)}"
        raise InputError(name, f"ids from {read.min()} to {read.max()}{where}", expected)
    if not whole and not np.isfinite(read).all():
        raise InputError(name, f"NaN or inf{where}", "finite numbers")
