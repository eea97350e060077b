"""Run a variant of a framework on a case, and return what it observes."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from parity.arrays import Array
from parity.caching import cached
from parity.cases.case import Case, check_case
from parity.errors import InputError, choose, of_kind, shown
from parity.frameworks.effects import Watch
from parity.frameworks.loading import COMPILED, CPU, EXPORTED, MODES, WITH_REFERENCE, DeviceSettings, device_of, runtime
from parity.frameworks.observation import Observation
from parity.operations import Operation

Call = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class Resident(NamedTuple):
    """A variant on tensors that stay on their device.

    Attributes:
        forward: returns outputs as tensors by name.
        train: returns outputs, and gradients, as tensors by name.
        wait: returns when all work that was started is done.
        kernels: returns the kernels that training ran, as far as the framework reports them.
    """

    forward: Callable[[], Mapping[str, Any]]
    train: Callable[[], tuple[Mapping[str, Any], Mapping[str, Any]]]
    wait: Callable[[], object]
    kernels: Callable[[], list[str]]


@cached()
def call(operation: Operation, config: str, framework: str, variant: str) -> Call:
    """Return the framework's function, from arguments by name to outputs by name.

    The same arguments give the same object.
    """
    runtime(framework)
    function = getattr(importlib.import_module(f"parity.{framework}.{operation.topic}"), operation.function)
    return bind(function, operation, config, variant, tuple(operation.omitted(f"{framework}.{variant}")))


def bind(
    function: Callable[..., Mapping[str, Any]],
    operation: Operation,
    config: str,
    variant: str = "",
    omitted: tuple[str, ...] = (),
) -> Call:
    """Bind the configuration's options and the variant to a function.

    The arguments ``name.0``, ``name.1`` … reach the function as one tuple. It has to return the configuration's
    outputs, less those that the variant omits, and no others. The result keeps its graphs and runs, and is never equal
    to another: nothing is known of a function that may change, or be equal to a different one.
    """
    spec = operation.configuration(config)
    options = dict(spec.options) | ({"variant": variant} if variant else {})
    expected = [name for name in spec.outputs if name not in omitted]

    def bound(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        outputs = function(**_nested(arguments), **options)
        if isinstance(outputs, Mapping) and set(outputs) == set(expected):
            return outputs
        received: object = f"an object of type {type(outputs).__name__}"
        if isinstance(outputs, Mapping):
            received = f"one of {', '.join(map(str, outputs))}" if outputs else "{}"
        raise InputError("result", received, f"a dict of tensors by name: {', '.join(expected)}")

    return bound


def observe(
    case: Case, framework: str, variant: str = "", mode: str = "eager", device: DeviceSettings = CPU
) -> Observation:
    """Run one variant on one case; return its outputs and the gradient of every float input.

    Args:
        case: the input; see `parity.cases.case`.
        framework: "reference", "pytorch" or "tensorflow".
        variant: one of the operation's for that framework; the first when empty. The reference has none.
        mode: "eager"; "graph" or "xla" for TensorFlow; "compiled" for PyTorch; "exported" for both.
        device: the device settings; the CPU by default.

    Raises:
        InputError: an unknown framework, variant or mode, with the nearest known one.
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
    choose("mode", mode, (*MODES[framework], *COMPILED[framework], *EXPORTED[framework]))
    return run(case, framework, call(case.row, case.config, framework, variant), variant, mode, device)


def run(
    case: Case, framework: str, function: Call, variant: str, mode: str, device: DeviceSettings = CPU
) -> Observation:
    """Run any function on a case, as `observe` does; see `bind`.

    The provenance lists the inputs that the function wrote to, and the settings of the process that it changed.
    """
    given = {"lengths": case.lengths, **case.arrays}
    arrays, cotangents, axes = _copied(case)
    actual = device_of(framework, device.device)
    watch = Watch(runtime(framework).PROCESS)
    options = {"mode": mode, "axes": axes, "device": actual, "tf32": device.tf32, "watch": watch}
    options["differentiates"] = case.differentiated
    outputs, gradients, sparse = runtime(framework).run(function, arrays, cotangents, **options)
    modified = [name for name, array in given.items() if array.tobytes() != arrays[name].tobytes()]
    provenance = {
        "operation": case.operation,
        "case": case.name,
        "seed": str(case.seed),
        "framework": framework,
        "variant": variant,
        "mode": mode,
        "version": runtime(framework).VERSION,
        "device": actual,
        "sparse_gradients": " ".join(sparse),
        "modified_inputs": " ".join(modified),
        "watched_settings": str(len(watch.readers)),
        "changed_settings": ", ".join(watch.changed),
    }
    # Copied and read-only, because observations are cached, and a variant may keep its result.
    quantities = {name: np.array(array) for name, array in _quantities(outputs, gradients).items()}
    for array in quantities.values():
        array.setflags(write=False)
    return Observation(quantities, provenance)


def run_second(
    case: Case,
    directions: Mapping[str, Array],
    framework: str,
    function: Call,
    mode: str = "eager",
    device: DeviceSettings = CPU,
) -> dict[str, Array]:
    """Run a function on a case, and return the gradient of ``Σ gradient · direction`` as ``dd_`` and the input's name.

    Args:
        directions: for each float input an array of its shape; the sum is over all of them.
    """
    arrays, cotangents, axes = _copied(case)
    along = {name: array.copy() for name, array in directions.items()}
    actual = device_of(framework, device.device)
    options = {"mode": mode, "axes": axes, "device": actual, "tf32": device.tf32}
    found = runtime(framework).second(function, arrays, cotangents, along, **options)
    return {f"dd_{name}": np.array(array) for name, array in found.items()}


def resident(case: Case, framework: str, variant: str, mode: str, device: str = "cpu") -> Resident:
    """Return a variant for benchmarks, on tensors; `arrays_of` converts its results."""
    arrays, cotangents, axes = _copied(case)
    function = call(case.row, case.config, framework, variant)
    options = {"mode": mode, "axes": axes, "device": device_of(framework, device)}
    return Resident(*runtime(framework).resident(function, arrays, cotangents, **options))


def arrays_of(framework: str, outputs: Mapping[str, Any], gradients: Mapping[str, Any]) -> dict[str, Array]:
    """Convert outputs and gradients to the quantities of an `Observation`."""
    return _quantities(runtime(framework).plain(outputs), runtime(framework).plain(gradients))


def _copied(case: Case) -> tuple[dict[str, Array], dict[str, Array], dict[str, str]]:
    """Return writable arrays and cotangents, and the axes of all inputs and outputs."""
    arrays = {name: array.copy() for name, array in {"lengths": case.lengths, **case.arrays}.items()}
    cotangents = {name: array.copy() for name, array in case.cotangents.items()}
    return arrays, cotangents, {"lengths": "B", **case.configuration.axes}


def _quantities(outputs: Mapping[str, Array], gradients: Mapping[str, Array]) -> dict[str, Array]:
    """Join outputs and gradients, the latter as ``d_`` and the name of the input."""
    return {**outputs, **{f"d_{name}": array for name, array in gradients.items()}}


cached_run = cached(maxsize=512)(run)  # several contracts need the same run; for the frameworks' own functions only


def run_once(
    case: Case, framework: str, function: Call, variant: str, mode: str, device: DeviceSettings = CPU
) -> Observation:
    """Run a function that is not the framework's own, or return its earlier run, which it keeps itself."""
    runs = vars(function).setdefault("runs", {})
    key = (case, framework, variant, mode, device)
    if key not in runs:
        runs[key] = run(case, framework, function, variant, mode, device)
    return runs[key]  # type: ignore[no-any-return]


def release(function: Call) -> None:
    """Free the runs and graphs that a function keeps; graphs refer back to it."""
    vars(function).clear()


def run_reference(
    case: Case, arrays: Mapping[str, Array], cotangents: Mapping[str, Array], off: Callable[[Array], Array]
) -> dict[str, Array]:
    """Run the reference on float arrays with a leading axis of copies.

    ``off`` returns the perturbation of stored activations.
    """
    reference = runtime("reference")
    function = call(case.row, case.config, "reference", "")
    outputs, gradients, _ = reference.run(function, {"lengths": case.lengths, **arrays}, cotangents, off=off)
    return _quantities(outputs, gradients)


def run_reference_second(
    case: Case,
    arrays: Mapping[str, Array],
    cotangents: Mapping[str, Array],
    directions: Mapping[str, Array],
    off: Callable[[Array], Array],
) -> dict[str, Array]:
    """Run the reference on arrays with a leading axis of copies, as `run_second` runs a framework."""
    function = call(case.row, case.config, "reference", "")
    lengths = {"lengths": case.lengths}
    found = runtime("reference").second(function, {**lengths, **arrays}, cotangents, directions, off=off)
    return {f"dd_{name}": array for name, array in found.items()}


def _nested(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Convert ``{"w.0": a, "w.1": b}`` to ``{"w": (a, b)}``."""
    nested: dict[str, Any] = {}
    for name, value in arguments.items():
        stem, dot, _ = name.partition(".")
        nested[stem] = (*nested.get(stem, ()), value) if dot else value
    return nested
