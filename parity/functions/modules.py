"""Take a module of PyTorch or a layer of Keras for a function: set its weights, and give it what it takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from parity.errors import InputError
from parity.functions.binding import Function
from parity.operations import Configuration

FITTING = {"pytorch": "parity.functions.pytorch_modules", "tensorflow": "parity.functions.keras_layers"}
INSTEAD = {
    "pytorch": "torch.func.functional_call(module, weights, inputs)",
    "tensorflow": "layer.stateless_call(weights, layer.non_trainable_variables, inputs)",
}


class Unfit(Exception):
    """A module cannot compute a configuration; the message says why."""


@dataclass(frozen=True)
class Fitted:
    """A module as a function of the arguments of a configuration.

    Attributes:
        function: takes them by name, weights too, which are used in place of the module's own.
        sizes: of axes, as the module has them.
        packed: whether lengths reach it by packing, which takes no empty sequence.
        fixed: options of the configuration that were read off the module, or are given to it.
    """

    function: Function
    sizes: Mapping[str, int]
    packed: bool = False
    fixed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Claim:
    """The weights of a configuration that a layer takes.

    Attributes:
        weights: their names, without the number of a layer.
        sizes: of axes.
        layout: from arguments to the layer's own parameters, in its names or order.
        fixed: options that were read off the layer.
    """

    weights: tuple[str, ...]
    sizes: Mapping[str, int]
    layout: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    fixed: frozenset[str] = frozenset()


def weights_of(config: Configuration) -> dict[str, str]:
    """Return the axes of all weights of a configuration; one of several layers stands for all."""
    axes = {name.partition(".")[0]: spec.axes for name, spec in config.inputs.items() if "B" not in spec.axes}
    return axes | {name: config.inputs[name].axes for name in config.inputs if name in axes}


def fitted(
    module: object, framework: str, operation: str, configs: Sequence[Configuration], dtype: str
) -> dict[str, Fitted]:
    """Fit a module to those of some configurations that it can compute.

    Raises:
        InputError: it can compute none of them, or several are possible.
    """
    fit = import_module(FITTING[framework]).fit
    found: dict[str, Fitted] = {}
    reasons: dict[str, str] = {}
    for config in configs:
        try:
            found[config.name] = fit(module, config, dtype)
        except Unfit as error:
            reasons[config.name] = str(error)
    name = type(module).__name__
    if not found:
        why = "; ".join(f"{config}: {reason}" for config, reason in reasons.items())
        unfit = f"one whose weights can be set from those of {operation} ({why})"
        expected = f"{unfit}; or a function of all arguments that calls {INSTEAD[framework]}"
        raise InputError("function", f"a {name}", expected)
    able = [config for config in configs if config.name in found]
    free = {option for config in able for option in config.options if option not in found[config.name].fixed}
    if any(len({repr(config.options.get(option)) for config in able}) > 1 for option in free):
        received = f"a {name} that may compute any of {', '.join(found)}"
        raise InputError("config", received, f"one of them: it has no argument {' or '.join(sorted(free))}")
    return found


def merged(sizes: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """Join the sizes of several layers.

    Raises:
        Unfit: they contradict each other.
    """
    joined: dict[str, int] = {}
    for each in sizes:
        for axis, size in each.items():
            name, value = ("H", size // 2) if axis == "E" else (axis, size)
            if joined.setdefault(name, value) != value:
                raise Unfit(f"{name} is {joined[name]} in one layer and {value} in another")
    return {axis: size for axis, size in joined.items() if not axis.isdigit()}


def claimed(claims: Mapping[str, Claim | None], config: Configuration) -> dict[str, Claim]:
    """Return the claims of all layers, if each weight belongs to one of them, and each layer has its weights.

    Raises:
        Unfit: some layer or weight is left over, or two layers claim the same weight.
    """
    weights = list(dict.fromkeys(name.partition(".")[0] for name in weights_of(config)))
    owners: dict[str, str] = {}
    for layer, claim in claims.items():
        if claim is None:
            raise Unfit(f"nothing is known of the weights of {layer}")
        for weight in claim.weights:
            if weight in owners:
                raise Unfit(f"both {owners[weight]} and {layer} could have {weight}")
            owners[weight] = layer
    if missing := [weight for weight in weights if weight not in owners]:
        raise Unfit(f"no layer has {', '.join(missing)}")
    return {layer: claim for layer, claim in claims.items() if claim}


def arguments_of(call: Callable[..., Any], config: Configuration, ignored: Sequence[str] = ()) -> dict[str, str]:
    """Match the parameters of a module with the inputs of a configuration that are no weights.

    Returns:
        Parameter -> "lengths", "mask", an input or an option.

    Raises:
        Unfit: it does not take an input, or takes something else.
    """
    weights = weights_of(config)
    first, *others = [name for name in config.inputs if name.partition(".")[0] not in weights]
    available = {first, *others, "lengths", "mask", *config.options}
    parameters = {
        name: one
        for name, one in inspect.signature(call).parameters.items()
        if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD) and name not in ignored
    }
    taken = {name: name for name in parameters if name in available}
    required = [name for name, one in parameters.items() if one.default is one.empty and name not in taken]
    if required and first not in taken:
        taken[required.pop(0)] = first
    if required:
        raise Unfit(f"it takes {', '.join(required)}, and there are {', '.join(sorted(available))}")
    if missing := [name for name in (first, *others) if name not in taken.values()]:
        raise Unfit(f"it does not take {', '.join(missing)}")
    return taken


def unlike(what: str, own: object, wanted: object) -> None:
    """Raise `Unfit` if a setting of a layer is another than the configuration has."""
    if own != wanted:
        raise Unfit(f"{what} is {own!r}, and not {wanted!r}")
