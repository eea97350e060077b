"""Find a wing by name, and let it observe a case. Frameworks are loaded here and nowhere else, when first needed."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from parity.batch import Array
from parity.cases import Case, check_case
from parity.errors import InputError, WingUnavailable, choose, of_kind, shown, told
from parity.observation import Observation
from parity.operations import Operation

FRAMEWORKS = ("pytorch", "tensorflow")
WINGS = ("reference", *FRAMEWORKS)
MODES = {"reference": ("eager",), "pytorch": ("eager",), "tensorflow": ("eager", "graph")}  # eager comes first
COMPILED = {"reference": (), "pytorch": ("compiled",), "tensorflow": ("xla",)}  # slow to start: see `Contract`
EXTRAS = {"pytorch": "torch", "tensorflow": "tensorflow"}

DEVICES = ("auto", "cpu", "cuda")  # auto: a GPU where a framework sees one

Call = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class Place(NamedTuple):
    """Where frameworks run, and whether they may round factors of float32 products to TF32 there.

    TF32 has the roundoff of float16, 2^-11. A GPU's default differs from framework to framework and from
    products to cuDNN, so here it is off unless asked for, everywhere.
    """

    device: str = "cpu"
    tf32: bool = False


HOME = Place()
_here = HOME


def use(place: Place) -> None:
    """Run at a place from now on, in this process.

    Raises:
        InputError: an unknown device.
    """
    global _here
    choose("device", place.device, DEVICES)
    if place == _here:
        return
    remembered.cache_clear()
    _here = place
    for wing in _loaded():
        native(wing).allow_tf32(place.tf32)


def lacks(device: str, frameworks: Iterable[str]) -> str:
    """Why none of some frameworks can use a device; empty if one can. Only a GPU can be missing."""
    if choose("device", device, DEVICES) != "cuda":
        return ""
    reasons = [missing(wing) or f"{wing} sees no GPU" for wing in frameworks if not has_gpu(wing)]
    return "; ".join(reasons) if len(reasons) == len(list(frameworks)) else ""


def has_gpu(wing: str) -> bool:
    """Whether a framework is there and sees a GPU."""
    return not missing(wing) and native(wing).has_cuda()


def device_of(wing: str, asked: str) -> str:
    """Where a framework runs if that device is asked for; one that sees no GPU stays on the CPU."""
    return "cuda" if asked != "cpu" and wing in FRAMEWORKS and native(wing).has_cuda() else "cpu"


def _device(wing: str) -> str:
    return device_of(wing, _here.device)


class Resident(NamedTuple):
    """A variant on tensors that stay on their device.

    Attributes:
        forward: outputs as tensors by name.
        train: outputs, and gradients, as tensors by name.
        wait: returns when everything that was started is done.
        kernels: what did the work in training, as far as the framework tells.
    """

    forward: Callable[[], Mapping[str, Any]]
    train: Callable[[], tuple[Mapping[str, Any], Mapping[str, Any]]]
    wait: Callable[[], object]
    kernels: Callable[[], list[str]]


def native(wing: str) -> ModuleType:
    """The wing's ``native`` module, its framework loaded.

    Raises:
        InputError: no such wing; the message names the nearest.
        WingUnavailable: its framework cannot be imported; the message says why.
    """
    return _native(choose("wing", wing, WINGS))


@cache
def _native(wing: str) -> ModuleType:
    try:
        with _quiet():
            module = importlib.import_module(f"parity.{wing}.native")
        if wing in FRAMEWORKS:
            module.allow_tf32(_here.tf32)
        return module
    except ModuleNotFoundError as error:
        install = f'pip install -c constraints.txt ".[{EXTRAS.get(wing, "all")}]"'
        raise WingUnavailable(f"wing {wing}: {error}. To install it: {install}") from error
    except Exception as error:  # a broken installation may raise anything, an OSError for a missing library say
        raise WingUnavailable(f"wing {wing}: {told(error)}") from error


def missing(wing: str) -> str:
    """Why a wing cannot be used here; empty when it can."""
    try:
        native(wing)
    except WingUnavailable as error:
        return str(error)
    return ""


def environment() -> dict[str, dict[str, Any]]:
    """What the numbers depend on, for each framework that has been loaded: versions, device, threads, TF32."""
    return {wing: native(wing).environment(_device(wing)) for wing in _loaded()}


def forget_graphs() -> None:
    """Drop the traces of all loaded frameworks."""
    for wing in _loaded():
        native(wing).forget()


def _loaded() -> list[str]:
    return [wing for wing in FRAMEWORKS if f"parity.{wing}.native" in sys.modules]


@cache
def call(operation: Operation, form: str, wing: str, variant: str) -> Call:
    """The wing's function as one from arguments by name to outputs by name. The same object every time."""
    native(wing)
    function = getattr(importlib.import_module(f"parity.{wing}.{operation.topic}"), operation.function)
    return bind(function, operation, form, variant, tuple(operation.omitted(f"{wing}.{variant}")))


@lru_cache(maxsize=64)
def bind(
    function: Callable[..., Mapping[str, Any]],
    operation: Operation,
    form: str,
    variant: str = "",
    omitted: tuple[str, ...] = (),
) -> Call:
    """``function`` with the form's options and the variant given, its ``name.0``, ``name.1`` … as tuples.

    The function has to give the form's outputs, less those that the variant omits, and no others.
    """
    spec = operation.form(form)
    options = dict(spec.options) | ({"variant": variant} if variant else {})
    expected = [name for name in spec.outputs if name not in omitted]

    def bound(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        outputs = function(**_nested(arguments), **options)
        if wrong := _not_the_outputs(outputs, expected):
            raise InputError("result", wrong, f"a dict of tensors by name: {', '.join(expected)}")
        return outputs

    return bound


def _not_the_outputs(came: Any, expected: Sequence[str]) -> str:
    """What a function gave in the place of its outputs; empty if it gave them."""
    if not isinstance(came, Mapping):
        return f"an object of type {type(came).__name__}"
    return f"one of {', '.join(map(str, came)) or 'nothing'}" if set(came) != set(expected) else ""


def observe(case: Case, wing: str, variant: str = "", mode: str = "eager") -> Observation:
    """Run one variant on one case: its outputs, and the gradient of every float input.

    Args:
        case: what to run; see `parity.cases`.
        wing: "reference", "pytorch" or "tensorflow".
        variant: one of the operation's for that wing; the first when empty. The reference has none.
        mode: "eager"; "graph" or "xla" for TensorFlow; "compiled" for PyTorch.

    Returns:
        An `Observation` of plain arrays.

    Raises:
        InputError: an unknown wing, variant or mode, with the nearest right one.
        WingUnavailable: the framework cannot be loaded.

    >>> from parity.drawing import draw
    >>> case = draw("bidirectional.reverse_sequence", "features", "ragged", "float32", seed=0)
    >>> sorted(observe(case, "reference").quantities)
    ['d_x', 'y']
    """
    check_case(case)
    choose("wing", wing, WINGS)
    of_kind("variant", variant, str, "the name of a variant")
    if wing == "reference" and variant:
        raise InputError("variant", shown(variant), "none: the reference has no variants")
    variants = case.row.variants.get(wing, ("",))
    variant = choose("variant", variant or variants[0], variants)
    choose("mode", mode, (*MODES[wing], *COMPILED[wing]))
    return run(case, wing, call(case.row, case.form, wing, variant), variant, mode)


def run(case: Case, wing: str, function: Call, variant: str, mode: str) -> Observation:
    """`observe`, with any function; see `bind`. Inputs that it writes to are noted in the provenance."""
    given = {"lengths": case.lengths, **case.arrays}
    arrays, cotangents, axes = _copied(case)
    outputs, gradients, sparse = native(wing).run(
        function, arrays, cotangents, mode=mode, axes=axes, device=_device(wing)
    )
    modified = [name for name, array in given.items() if array.tobytes() != arrays[name].tobytes()]
    provenance = {
        "operation": case.operation,
        "case": case.name,
        "seed": str(case.seed),
        "wing": wing,
        "variant": variant,
        "mode": mode,
        "version": native(wing).VERSION,
        "device": _device(wing),
        "sparse_gradients": " ".join(sparse),
        "modified_inputs": " ".join(modified),
    }
    quantities = _quantities(outputs, gradients)
    return Observation({name: _read_only(array) for name, array in quantities.items()}, provenance)


def resident(case: Case, wing: str, variant: str, mode: str, device: str = "cpu") -> Resident:
    """What a benchmark times; `arrays_of` turns what it gives into arrays."""
    arrays, cotangents, axes = _copied(case)
    function = call(case.row, case.form, wing, variant)
    options = {"mode": mode, "axes": axes, "device": device_of(wing, device)}
    return Resident(*native(wing).resident(function, arrays, cotangents, **options))


def arrays_of(wing: str, outputs: Mapping[str, Any], gradients: Mapping[str, Any]) -> dict[str, Array]:
    """Outputs and gradients by name, as in an `Observation`, from tensors."""
    return _quantities(native(wing).plain(outputs), native(wing).plain(gradients))


def _copied(case: Case) -> tuple[dict[str, Array], dict[str, Array], dict[str, str]]:
    """Arrays and cotangents that may be written to, and the axes of all inputs and outputs."""
    axes = {"lengths": "B"} | {name: spec.axes for name, spec in case.spec.inputs.items()} | dict(case.spec.outputs)
    arrays = {"lengths": case.lengths.copy()} | {name: array.copy() for name, array in case.arrays.items()}
    return arrays, {name: array.copy() for name, array in case.cotangents.items()}, axes


def _quantities(outputs: Mapping[str, Array], gradients: Mapping[str, Array]) -> dict[str, Array]:
    """Outputs by name, and gradients by ``d_`` and the name of the input."""
    return {**outputs, **{f"d_{name}": array for name, array in gradients.items()}}


def _read_only(array: Array) -> Array:
    """Observations are remembered: nobody may write to them, nor may the variant, if it keeps what it gave."""
    array = np.array(array)
    array.setflags(write=False)
    return array


remembered = lru_cache(maxsize=512)(run)  # several contracts look at the same run


def run_reference(
    case: Case, arrays: Mapping[str, Array], cotangents: Mapping[str, Array], off: Callable[[Array], Array]
) -> dict[str, Array]:
    """The reference on float arrays that carry a leading axis of copies; ``off``: how far off they keep activations."""
    reference = native("reference")
    function = call(case.row, case.form, "reference", "")
    outputs, gradients, _ = reference.run(function, {"lengths": case.lengths, **arrays}, cotangents, off=off)
    return _quantities(outputs, gradients)


def _nested(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """``{"w.0": a, "w.1": b}`` -> ``{"w": (a, b)}``."""
    nested: dict[str, Any] = {}
    for name, value in arguments.items():
        stem, dot, _ = name.partition(".")
        nested[stem] = (*nested.get(stem, ()), value) if dot else value
    return nested


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what a framework prints to stderr while it loads, and show it only if loading fails.

    TensorFlow greets from C++, before its own log level is read, so the file descriptor itself is diverted.
    """
    try:
        descriptor = sys.__stderr__.fileno() if sys.__stderr__ else -1
        original = os.dup(descriptor)
    except (OSError, ValueError):
        yield
        return
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), descriptor)
        try:
            yield
        except BaseException:
            said.seek(0)
            os.write(original, said.read())
            raise
        finally:
            os.dup2(original, descriptor)
            os.close(original)
