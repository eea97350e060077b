"""A case: everything one run depends on, drawn from a seed or given by a user, and checked before anything runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from parity import data
from parity.batch import Array, Lengths, Mask, check_lengths, check_rows, draw_lengths, resized, valid
from parity.dtypes import FLOATS, is_float
from parity.errors import MOST, InputError, choose, fits, names, of_kind, plain_array, shown, whole_number
from parity.operations import Form, Input, Operation, find

SIZES = {"D": 2, "H": 6, "V": 7, "C": 8, "S": 3}


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


@dataclass(frozen=True, eq=False)
class Case:
    """One input of one operation, with the cotangents that its gradients are taken against.

    Attributes:
        operation: its name, e.g. ``"rnn.lstm"``.
        form: the name of the form, e.g. ``"one_layer"``; see `Operation.forms`.
        lengths: ``(B,)`` int64.
        arrays: the form's inputs by name; floats all of one dtype, ids integers.
        cotangents: one float array for each output whose gradient counts, by name.
        shape, seed: where it came from; ``"given"`` and -1 when a user made it.

    Raises:
        InputError: a wrong name, rank, size, dtype or length; ids outside their vocabulary; NaN or inf on a real step.

    Two cases are equal only if they are the same object, so observations of a case can be cached.

    >>> case = draw("loss.mean_squared_error", "mean", "ragged", "float32", seed=0)
    >>> sorted(case.arrays), case.arrays["target"].shape
    (['prediction', 'target'], (4, 3, 2))
    """

    operation: str
    form: str
    lengths: Lengths
    arrays: Mapping[str, Array]
    cotangents: Mapping[str, Array]
    shape: str = "given"
    seed: int = -1

    def __post_init__(self) -> None:
        form = self.row.form(self.form)
        of_kind("shape", self.shape, str, "the name of a shape")
        whole_number("seed", self.seed, least=-1)
        arrays = _named(self.arrays, form.inputs, "arrays")
        if missing := [name for name in form.inputs if name not in arrays]:
            raise InputError("arrays", f"no {missing[0]!r} among {sorted(arrays)}", f"an array named {missing[0]!r}")
        cotangents = _named(self.cotangents, form.outputs, "cotangents")
        if not cotangents:
            raise InputError("cotangents", "none", f"one for at least one of: {', '.join(form.outputs)}")
        specs = {name: (arrays[name], form.inputs[name]) for name in form.inputs}
        specs |= {f"cotangent of {name}": (array, Input(form.outputs[name])) for name, array in cotangents.items()}
        sizes = _bind({name: (array, spec.axes) for name, (array, spec) in specs.items()})
        lengths = check_lengths(self.lengths, sizes["T"], sizes["B"])
        _check_dtypes(specs)
        for name, (array, spec) in specs.items():
            pad = form.options["padding_index"] if name == form.pad_row else None
            real = _real(spec, lengths, sizes, arrays, form.left)
            _check_values(name, _read(array, real, pad), spec, sizes)
        object.__setattr__(self, "lengths", _frozen(lengths))
        object.__setattr__(self, "arrays", MappingProxyType({n: _frozen(arrays[n]) for n in form.inputs}))
        object.__setattr__(self, "cotangents", MappingProxyType({n: _frozen(a) for n, a in cotangents.items()}))

    @property
    def row(self) -> Operation:
        return find(self.operation)

    @property
    def spec(self) -> Form:
        return self.row.form(self.form)

    @property
    def name(self) -> str:
        """``"form/shape"``, as in reports."""
        return f"{self.form}/{self.shape}"

    @property
    def region(self) -> str:
        """As refusals name it: a batch without sequences is ``no_sequences``, however it came about."""
        return self.name if len(self.lengths) else f"{self.form}/no_sequences"

    @property
    def dtype(self) -> str:
        return str(next(array.dtype for array in self.arrays.values() if is_float(array.dtype)))

    @property
    def steps(self) -> int:
        return next(
            int(array.shape[1]) for name, array in self.arrays.items() if self.spec.inputs[name].axes.startswith("BT")
        )

    @property
    def mask(self) -> Mask:
        """``(B, T)``, True on real steps."""
        return valid(self.lengths, self.steps, self.spec.left)

    @property
    def differentiable(self) -> tuple[str, ...]:
        """The inputs that have a gradient: all floats."""
        return tuple(name for name, array in self.arrays.items() if is_float(array.dtype))

    @property
    def axes(self) -> dict[str, str]:
        """The axes of every quantity of an observation: outputs by name, gradients as ``d_name``."""
        gradients = {f"d_{name}": self.spec.inputs[name].axes for name in self.differentiable}
        return {name: self.spec.outputs[name] for name in self.cotangents} | gradients

    def keeping(self, outputs: Collection[str]) -> Case:
        """The same case asking for those outputs only."""
        kept = frozenset(choose("outputs", name, self.cotangents) for name in names("outputs", outputs))
        return self if kept == set(self.cotangents) else _keeping(self, kept)

    def given_by(self, variant: str) -> Case:
        """The same case without the outputs that "wing.variant" cannot give."""
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
            drawn = rng.integers(-100, ids + 100, array.shape) if ids else rng.choice(choice, array.shape)
            with np.errstate(over="ignore"):  # what a narrow dtype cannot hold is infinite
                return np.where(_along(real, array), array, drawn.astype(array.dtype))

        arrays = {name: refill(array, spec) for name, (array, spec) in self._specified().items()}
        if self.spec.pad_row:
            table = arrays[self.spec.pad_row].copy()
            with np.errstate(over="ignore"):
                table[self.spec.options["padding_index"]] = choice[-1]
            arrays[self.spec.pad_row] = table
        cotangents = {name: refill(array, Input(self.spec.outputs[name])) for name, array in self.cotangents.items()}
        return replace(self, arrays=arrays, cotangents=cotangents)

    def extended(self, extra: int) -> Case:
        """``extra`` more steps of padding; fewer when negative."""
        steps = self.steps + whole_number("extra", extra, least=1 - self.steps)
        return self._moved(partial(with_steps, steps=steps, left=self.spec.left))

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
        return {name: (array, self.spec.inputs[name]) for name, array in self.arrays.items()}

    def _real(self, spec: Input) -> Mask | None:
        sizes = {"T": self.steps} | ({"S": self.size("S")} if spec.lengths else {})
        return _real(spec, self.lengths, sizes, self.arrays, self.spec.left)

    def _moved(self, move: Callable[[Array, Input], Array], lengths: Lengths | None = None) -> Case:
        arrays = {name: move(array, spec) for name, (array, spec) in self._specified().items()}
        cotangents = {name: move(array, Input(self.spec.outputs[name])) for name, array in self.cotangents.items()}
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
    of_kind("case", case, Case, "a parity.Case; see parity.draw")


def with_steps(array: Array, spec: Input, steps: int, left: bool = False) -> Array:
    """``array`` with T = ``steps``, cut or filled up where its padding is; as it is when it has no time axis."""
    if "T" not in spec.axes:
        return array
    return resized(array, spec.axes.index("T"), steps, spec.padding or 0, left)


@lru_cache(maxsize=256)
def _keeping(case: Case, outputs: frozenset[str]) -> Case:
    return replace(case, cotangents={name: array for name, array in case.cotangents.items() if name in outputs})


def draw(operation: str, form: str, shape: str, dtype: str, seed: int, sizes: tuple[tuple[str, int], ...] = ()) -> Case:
    """Draw a case. The same arguments give the same object, until many others have been drawn.

    Padding holds random values from the start, never a convenient zero.

    Args:
        operation, form: a row of `OPERATIONS` and one of its forms.
        shape: one of `shapes_of(form)`, or one written out, ``"3,0,1:5"`` say; see `shape_named`.
        dtype: "float32", "float64", "bfloat16" or "float16".
        seed: a whole number of 0 or more.
        sizes: overrides, e.g. ``(("H", 256), ("B", 64))``.

    Raises:
        InputError: an unknown name or axis, with the nearest right one, a wrong seed, or a size that no array can have.
        MemoryError: arrays of this size are possible, but not on this machine.

    >>> draw("rnn.gru", "one_layer", "ragged", "float32", 0, (("B", 8), ("T", 9))).arrays["x"].shape
    (8, 9, 2)
    """
    spec = find(operation).form(form)
    if spec.data:
        choose("shape", shape, shapes_of(spec))
    else:
        shape_named(shape)
    choose("dtype", dtype, FLOATS)
    if not isinstance(sizes, tuple) or not all(isinstance(pair, tuple) and len(pair) == 2 for pair in sizes):
        raise InputError("sizes", shown(sizes), 'pairs of axis and size, e.g. (("B", 8), ("T", 9))')
    widths = _sizes(sizes, ("B", "T", *SIZES))
    return drawn(operation, form, shape, dtype, whole_number("seed", seed), tuple(widths.items()))


def _sizes(given: Iterable[tuple[object, object]], axes: Iterable[str], called: str = "sizes") -> dict[str, int]:
    """The sizes asked for, if they are some."""
    named = {choose(called, axis, axes): size for axis, size in given}
    return {axis: whole_number(f"size of {axis}", size, least=0 if axis == "B" else 1) for axis, size in named.items()}


def _extents(axes: str, sizes: Mapping[str, int]) -> list[int]:
    """The size of each axis."""
    known = {"E": 2 * sizes["H"], **sizes}
    return [known[axis] if axis.isalpha() else int(axis) for axis in axes]


def _check_extents(form: Form, sizes: Mapping[str, int]) -> None:
    """Whether a form's arrays can be made in these sizes, before any is."""
    for name, axes in ({name: array.axes for name, array in form.inputs.items()} | dict(form.outputs)).items():
        fits(name, *_extents(axes, sizes))


@lru_cache(maxsize=512)
def drawn(operation: str, form: str, shape: str, dtype: str, seed: int, sizes: tuple[tuple[str, int], ...]) -> Case:
    """`draw`, once its names and numbers are known to be some."""
    spec, usual = find(operation).form(form), SIZES
    rng = np.random.default_rng([seed, *f"{operation}/{form}/{shape}".encode()])
    if spec.data:
        real = data.draw(spec.data, rng, REAL[shape], dtype, short=shape == "short")
        lengths, given, usual = real.lengths, real.arrays, SIZES | real.sizes
        size = usual | _sizes(sizes, [axis for axis in SIZES if axis not in real.sizes], "sizes beside the data's own")
        _check_extents(spec, size)
        arrays, cotangents = _filled(spec, lengths, rng, size, usual, dtype, given)
        return Case(operation, form, lengths, arrays, cotangents, shape, seed)
    how = shape_named(shape)
    size = {"B": how.batch, "T": how.steps} | SIZES | dict(sizes)
    _check_extents(spec, size)
    lengths = (
        draw_lengths(how.lengths, rng, size["B"], size["T"])
        if isinstance(how.lengths, str)
        else np.array(how.lengths, np.int64)
    )
    arrays, cotangents = _filled(spec, lengths, rng, size, usual, dtype, {}, how.scale)
    case = Case(operation, form, lengths, arrays, cotangents, shape, seed)
    return case if how.fill is None else case.refilled(seed, (how.fill,))


def with_lengths(
    operation: str, form: str, lengths: npt.ArrayLike, dtype: str, seed: int, steps: int = 0, **sizes: int
) -> Case:
    """Draw a case with these lengths, at any size: what a benchmark runs.

    Args:
        lengths: ``(B,)`` integers.
        steps: T; the longest length, at least 1, when it is 0.
        sizes: of other axes, e.g. ``H=256``.

    Raises:
        InputError, MemoryError: as for `draw`; the first for wrong lengths too.

    >>> with_lengths("rnn.lstm", "one_layer", [3, 1], "float32", seed=0, H=8).arrays["w_rec.0"].shape
    (8, 4, 8)
    """
    spec = find(operation).form(form)
    choose("dtype", dtype, FLOATS)
    widths = _sizes(sizes.items(), SIZES)
    came = check_lengths(lengths, MOST)
    steps = whole_number("steps", steps) or int(came.max(initial=1))
    checked = check_lengths(came, steps)
    rng = np.random.default_rng([whole_number("seed", seed), *f"{operation}/{form}".encode()])
    size = {"B": len(checked), "T": steps} | SIZES | widths
    _check_extents(spec, size)
    arrays, cotangents = _filled(spec, checked, rng, size, SIZES, dtype, {})
    return Case(operation, form, checked, arrays, cotangents, "given", seed)


def _filled(
    form: Form,
    lengths: Lengths,
    rng: np.random.Generator,
    size: dict[str, int],
    usual: dict[str, int],
    dtype: str,
    given: Mapping[str, Array],
    scale: float = 1.0,
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Inputs and cotangents, drawn where they are not given. ``size`` is that of each axis, ``scale`` of parameters."""
    size, usual = ({"E": 2 * sizes["H"]} | sizes for sizes in (size, usual))

    def fill(spec: Input) -> Array:
        if spec.draw:
            return spec.draw(rng, lengths, size)
        array = scattered(spec)
        real = valid(lengths, size["T"], form.left)
        if spec.blank:  # whole steps, and numbers by themselves, so that other steps look like padding in part
            hidden = _along(rng.uniform(size=real.shape) < spec.blank, array)
            if array.ndim > 2:
                hidden = hidden | (rng.uniform(size=array.shape) < np.sqrt(spec.blank))
            array[hidden & _along(real, array)] = spec.padding or form.options.get("padding_index") or 0
        if spec.extreme:
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
            return rng.integers(0, _largest(spec, size) + 1, extent)
        if spec.unit:
            return rng.uniform(size=extent).astype(dtype)
        wider = size[spec.fan_in] / usual[spec.fan_in] if spec.fan_in else 1.0
        times = 1.0 if "B" in spec.axes else scale
        return rng.normal(0, times * spec.scale / np.sqrt(wider), extent).astype(dtype)

    arrays = {name: given[name] if name in given else fill(array) for name, array in form.inputs.items()}
    return arrays, {name: fill(Input(axes)) for name, axes in form.outputs.items()}


def _hide(array: Array) -> None:
    """In every second step (from 1), all features are tiny, and a last one of 0 becomes what makes their sum 0."""
    if array.ndim > 2:
        hidden = array[:, 1::2]
        hidden *= 2.0**-40
        hidden[..., -1] = np.where(hidden[..., -1] == 0, 0 - hidden[..., :-1].sum(-1), hidden[..., -1])


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


def _along(mask: Mask, array: Array) -> Mask:
    """A mask of the two leading axes, for all of them."""
    return mask.reshape(*mask.shape, *[1] * (array.ndim - mask.ndim))


def _read(array: Array, real: Mask | None, pad: int | None) -> Array:
    """What an operation may look at: real steps only, and no pad row."""
    if real is not None:
        return np.asarray(array[real])
    return array if pad is None else np.delete(array, pad, axis=0)


def _largest(spec: Input, sizes: Mapping[str, int]) -> int:
    """The largest whole number that may stand in an array."""
    return sizes[spec.below] - 1 if spec.below else sizes[spec.up_to]


def _check_values(name: str, read: Array, spec: Input, sizes: Mapping[str, int]) -> None:
    if not read.size:
        return
    where = " on a real step" if spec.axes.startswith("BT") else ""
    whole = bool(spec.below or spec.up_to)
    if whole and (read.min() < 0 or read.max() > _largest(spec, sizes)):
        expected = f"ids from 0 to {f'{spec.below} - 1' if spec.below else spec.up_to} = {_largest(spec, sizes)}"
        raise InputError(name, f"ids from {read.min()} to {read.max()}{where}", expected)
    if not whole and not np.isfinite(read).all():
        raise InputError(name, f"NaN or inf{where}", "finite numbers")
