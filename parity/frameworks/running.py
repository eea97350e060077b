"""Run a variant of a framework on a case, and return what it observes."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from parity.arrays import Array
from parity.caching import cached
from parity.cases.case import Case, check_case
from parity.errors import InputError, choose, of_kind, shown
from parity.frameworks.loading import (
    COMPILED,
    CPU,
    MODES,
    WITH_REFERENCE,
    DeviceSettings,
    device_of,
    runtime,
    set_device,
)
from parity.frameworks.observation import Observation
from parity.operations import Operation

Call = Callable[[Mapping[str, Any]], Mapping[str, Any]]


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


@cached()
def call(operation: Operation, config: str, framework: str, variant: str) -> Call:
    """The framework's function as one from arguments by name to outputs by name. The same object every time."""
    runtime(framework)
    function = getattr(importlib.import_module(f"parity.{framework}.{operation.topic}"), operation.function)
    return bind(function, operation, config, variant, tuple(operation.omitted(f"{framework}.{variant}")))


@cached(maxsize=64)
def bind(
    function: Callable[..., Mapping[str, Any]],
    operation: Operation,
    config: str,
    variant: str = "",
    omitted: tuple[str, ...] = (),
) -> Call:
    """``function`` with the config's options and the variant given, its ``name.0``, ``name.1`` … as tuples.

    The function has to give the config's outputs, less those that the variant omits, and no others.
    """
    spec = operation.configuration(config)
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


def observe(
    case: Case, framework: str, variant: str = "", mode: str = "eager", device: DeviceSettings = CPU
) -> Observation:
    """Run one variant on one case: its outputs, and the gradient of every float input.

    Args:
        case: what to run; see `parity.cases.case`.
        framework: "reference", "pytorch" or "tensorflow".
        variant: one of the operation's for that framework; the first when empty. The reference has none.
        device: where it runs; on the CPU by default.
        mode: "eager"; "graph" or "xla" for TensorFlow; "compiled" for PyTorch.

    Returns:
        An `Observation` of plain arrays.

    Raises:
        InputError: an unknown framework, variant or mode, with the nearest right one.
        FrameworkUnavailable: the framework cannot be loaded.

    >>> from parity.cases.sampling import sample_case
    >>> case = sample_case("bidirectional.reverse_sequence", "features", "ragged", "float32", seed=0)
    >>> sorted(observe(case, "reference").quantities)
    ['d_x', 'y']
    """
    check_case(case)
    choose("framework", framework, WITH_REFERENCE)
    of_kind("variant", variant, str, "the name of a variant")
    if framework == "reference" and variant:
        raise InputError("variant", shown(variant), "none: the reference has no variants")
    variants = case.row.variants.get(framework, ("",))
    variant = choose("variant", variant or variants[0], variants)
    choose("mode", mode, (*MODES[framework], *COMPILED[framework]))
    return run(case, framework, call(case.row, case.config, framework, variant), variant, mode, device)


def run(
    case: Case, framework: str, function: Call, variant: str, mode: str, device: DeviceSettings = CPU
) -> Observation:
    """`observe`, with any function; see `bind`. Inputs that it writes to are noted in the provenance."""
    given = {"lengths": case.lengths, **case.arrays}
    arrays, cotangents, axes = _copied(case)
    place = set_device(framework, device)
    outputs, gradients, sparse = runtime(framework).run(
        function, arrays, cotangents, mode=mode, axes=axes, device=place
    )
    modified = [name for name, array in given.items() if array.tobytes() != arrays[name].tobytes()]
    provenance = {
        "operation": case.operation,
        "case": case.name,
        "seed": str(case.seed),
        "framework": framework,
        "variant": variant,
        "mode": mode,
        "version": runtime(framework).VERSION,
        "device": place,
        "sparse_gradients": " ".join(sparse),
        "modified_inputs": " ".join(modified),
    }
    quantities = _quantities(outputs, gradients)
    return Observation({name: _read_only(array) for name, array in quantities.items()}, provenance)


def resident(case: Case, framework: str, variant: str, mode: str, device: str = "cpu") -> Resident:
    """What a benchmark times; `arrays_of` turns what it gives into arrays."""
    arrays, cotangents, axes = _copied(case)
    function = call(case.row, case.config, framework, variant)
    options = {"mode": mode, "axes": axes, "device": device_of(framework, device)}
    return Resident(*runtime(framework).resident(function, arrays, cotangents, **options))


def arrays_of(framework: str, outputs: Mapping[str, Any], gradients: Mapping[str, Any]) -> dict[str, Array]:
    """Outputs and gradients by name, as in an `Observation`, from tensors."""
    return _quantities(runtime(framework).plain(outputs), runtime(framework).plain(gradients))


def _copied(case: Case) -> tuple[dict[str, Array], dict[str, Array], dict[str, str]]:
    """Arrays and cotangents that may be written to, and the axes of all inputs and outputs."""
    axes = (
        {"lengths": "B"}
        | {name: spec.axes for name, spec in case.configuration.inputs.items()}
        | dict(case.configuration.outputs)
    )
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


cached_run = cached(maxsize=512)(run)  # several contracts look at the same run


def run_reference(
    case: Case, arrays: Mapping[str, Array], cotangents: Mapping[str, Array], off: Callable[[Array], Array]
) -> dict[str, Array]:
    """The reference on float arrays that carry a leading axis of copies; ``off``: how far off they keep activations."""
    reference = runtime("reference")
    function = call(case.row, case.config, "reference", "")
    outputs, gradients, _ = reference.run(function, {"lengths": case.lengths, **arrays}, cotangents, off=off)
    return _quantities(outputs, gradients)


def _nested(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """``{"w.0": a, "w.1": b}`` -> ``{"w": (a, b)}``."""
    nested: dict[str, Any] = {}
    for name, value in arguments.items():
        stem, dot, _ = name.partition(".")
        nested[stem] = (*nested.get(stem, ()), value) if dot else value
    return nested
