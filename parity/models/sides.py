"""Make a side of a user's model: find its framework, and match its arguments."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from parity import frameworks
from parity.errors import InputError, choose, first_lines, message_of, shown
from parity.models.binding import TARGETS, Binding, bind, bind_names
from parity.models.native import NativeBatch
from parity.models.sequences import Inputs
from parity.models.side import Side

SIDES = {
    "pytorch": ("parity.models.pytorch_side", "PyTorchSide"),
    "tensorflow": ("parity.models.keras_side", "KerasSide"),
}
EXPECTED = "an nn.Module, a Keras model or layer, a function of a batch, or a function without arguments that makes one"


def side_of(
    model: object,
    inputs: Inputs,
    *,
    call: Callable[..., Any] | None,
    outputs: Callable[..., Any] | None,
    loss: Callable[..., Any] | None,
    training: bool,
    framework: str = "",
    graphs: bool = True,
) -> tuple[Side, Binding | None]:
    """Return a side, and how its arguments were matched with the inputs if there is no ``call``.

    With ``graphs``, a model in Keras is traced into a graph, which pays off when it runs often.

    Raises:
        InputError: something that is no model, or arguments that nothing is known for.
        FrameworkUnavailable: its framework cannot be loaded.
    """
    given, model = model, made(model)
    framework = _chosen(framework, model) if framework else framework_of(model)
    frameworks.runtime(framework)
    binding = None
    if call is None:
        names = [name for name in inputs.arrays if loss is None or name not in TARGETS]
        binding, call = _matched(model, names, training)
    module, name = SIDES[framework]
    side: Side = getattr(import_module(module), name)(model, call, outputs, loss, training, graphs)
    if model is not given and callable(given):
        side.factory = given
    return side, binding


def set_device(side: Side, device: str) -> None:
    """Let a model run on a device: "cpu", "cuda", or "auto" for a GPU if PyTorch finds one.

    Raises:
        InputError: there is no such device, or the model is in Keras, which chooses one itself.
    """
    if side.framework == "pytorch":
        side.device = frameworks.device_of(side.framework, device)
        if side.device == "cuda":
            frameworks.runtime(side.framework).torch.cuda.init()  # random numbers of the first run are seeded too
    if device == "cuda" and side.device != device:
        why = "PyTorch finds no GPU" if side.framework == "pytorch" else "Keras chooses the device of a model itself"
        raise InputError("device", repr(device), f"'cpu' or 'auto': {why}")


def _chosen(framework: str, model: object) -> str:
    """Return the framework that a user names, unless the model is of the other one."""
    own = _own_framework(model)
    choose("framework", framework, frameworks.FRAMEWORKS)
    if own and framework != own:
        raise InputError("framework", f"{framework!r} for {type(model).__name__}", f"{own!r}, of which the model is")
    return framework


def _matched(model: Any, names: list[str], training: bool) -> tuple[Binding, Callable[..., Any]]:
    """Match what a model takes with inputs by their names, and return the function that calls it."""
    if _is_module(model, "keras", "Layer"):
        if own := _inputs_of(model):
            binding = bind_names(own, names)
            return binding, partial(_call_functional, binding, training)
        binding = bind(model.call, names, ignored=("training",))
        return binding, partial(_call, binding, {"training": training} if _takes_training(model) else {})
    inside = getattr(model, "_orig_mod", getattr(model, "module", model))  # of a compiled or a parallel module
    binding = bind(inside.forward if _is_module(inside, "torch.nn", "Module") else model, names)
    return binding, partial(_call, binding, {})


def _inputs_of(model: Any) -> list[str]:
    """Return the names of the inputs of a functional or sequential model: keys of a dict, or those of its tensors."""
    structure, inputs = _structure(model), getattr(model, "inputs", None) or []
    if isinstance(structure, dict) and len(structure) == len(inputs):
        return sorted(structure)  # as Keras sorts them
    return [tensor.name for tensor in inputs]


def _structure(model: Any) -> Any:
    """Return the inputs of a functional model as they were given: a tensor, a list or a dict."""
    if not getattr(model, "inputs", None):
        return None
    return getattr(model, "_inputs_struct", model.inputs[0])


def _takes_training(model: Any) -> bool:
    return "training" in inspect.signature(model.call).parameters


def _call(binding: Binding, options: dict[str, Any], model: Callable[..., Any], batch: NativeBatch) -> Any:
    given = [(argument, batch[name]) for argument, name in binding.arguments.items()]
    positional = [value for _, value in given[: binding.positional]]
    return model(*positional, **dict(given[binding.positional :]), **options)


def _call_functional(binding: Binding, training: bool, model: Any, batch: NativeBatch) -> Any:
    given = {argument: batch[name] for argument, name in binding.arguments.items()}
    tree = sys.modules["keras"].tree
    return model(tree.pack_sequence_as(_structure(model), list(given.values())), training=training)


def made(model: object) -> object:
    """Call a factory; return anything else as it is."""
    if _is_module(model, "torch.nn", "Module") or _is_module(model, "keras", "Layer") or not callable(model):
        return _checked(model)
    try:
        parameters = inspect.signature(model).parameters
    except (TypeError, ValueError):  # they are unknown
        return model
    if inspect.isclass(model):  # it makes one, if it needs no arguments
        required = (one for one in parameters.values() if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD))
        if any(one.default is one.empty for one in required):
            raise InputError("model", f"a class that takes arguments, {shown(model)}", EXPECTED)
    elif parameters:  # it takes a batch
        if captured := _captured(model):
            expected = "the module itself, with call=lambda model, batch: … if need be"
            raise InputError("model", f"a function with a module of its own, {type(captured).__name__}", expected)
        return model
    try:
        return _checked(model())
    except InputError:
        raise
    except Exception as error:
        raise InputError("model", f"a factory that raised {first_lines(message_of(error))}", EXPECTED) from error


def _captured(function: Any) -> object:
    """Return a module or a layer that a function has of its own: it could be neither copied nor observed."""
    own = getattr(function, "func", function)
    values = [getattr(own, "__self__", None), own, *getattr(function, "args", ()), *_values_used(own)]
    return next((v for v in values if _is_module(v, "torch.nn", "Module") or _is_module(v, "keras", "Layer")), None)


def _values_used(function: Any) -> list[Any]:
    """Return the values of a function's global and captured names."""
    names = getattr(getattr(function, "__code__", None), "co_names", ())
    values = [getattr(function, "__globals__", {}).get(name) for name in names]
    return [*values, *(cell.cell_contents for cell in getattr(function, "__closure__", None) or ())]


def _checked(model: object) -> object:
    if isinstance(model, type) or not callable(model):
        raise InputError("model", shown(model), EXPECTED)
    return model


def _is_module(model: object, package: str, name: str) -> bool:
    """Tell whether an object is of a framework's class, without loading the framework."""
    module = sys.modules.get(package)
    return module is not None and isinstance(model, getattr(module, name))


def _own_framework(model: object) -> str:
    """Return the framework of a module, a model or a layer; nothing for a function."""
    if _is_module(model, "torch.nn", "Module"):
        return "pytorch"
    return "tensorflow" if _is_module(model, "keras", "Layer") else ""


def framework_of(model: object) -> str:
    """Return the framework of a model, or the one that a function uses by name."""
    if own := _own_framework(model):
        return own
    function = inspect.unwrap(model) if inspect.isroutine(model) else type(model).__call__
    values = _values_used(function)
    modules = {value.__name__ for value in values if inspect.ismodule(value)}
    modules |= {type(value).__module__ for value in values} | {getattr(v, "__module__", "") or "" for v in values}
    used = {name.partition(".")[0] for name in modules}
    found = [
        framework
        for framework, packages in {"pytorch": {"torch"}, "tensorflow": {"tensorflow", "keras"}}.items()
        if used & packages
    ]
    if len(found) != 1:
        received = f"a function that uses {'both frameworks' if found else 'neither framework by name'}"
        raise InputError("framework", received, 'framework="pytorch" or framework="tensorflow"')
    return found[0]
