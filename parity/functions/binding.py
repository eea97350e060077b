"""Bind a function of a user's to the configurations of an operation, and check what it takes and returns."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from parity import frameworks
from parity.checks.own import Own
from parity.errors import INTERRUPTS, InputError
from parity.operations import Configuration, Operation

Function = Callable[..., Any]
NEED_NOT_HAVE = ("left", "blank")  # options without which a function does as most do


class WrongResult(InputError):
    """A function returns something else than its operation does."""


def bound(function: Function, row: Operation, config: Configuration, framework: str, own: Own) -> frameworks.Call:
    """Return a function from arguments to outputs by name, which raises `WrongResult` for any other result.

    A tensor stands for the only output. Buffers need no gradient. Padding is moved to the side on which the function
    takes it, and outputs are moved back; they are set to 0 on padding if they may be anything there.
    """
    runtime = frameworks.runtime(framework)
    expected = [name for name in config.outputs if name not in own.omits]
    first, sided = next(iter(config.inputs)), _takes_the_side(function, row)

    def checked(**arguments: Any) -> Mapping[str, Any]:
        outputs: Any = function(**_given(arguments, config, framework, own, sided))
        if len(expected) == 1 and not isinstance(outputs, Mapping):
            outputs = {expected[0]: outputs}
        _check_names(outputs, expected)
        try:
            runtime.only_tensors(outputs)
        except TypeError as error:
            argument, _, rest = str(error).partition(": got ")
            raise WrongResult(argument, *rest.split(", expected ")) from None
        stepped = {name: output for name, output in outputs.items() if config.outputs[name].startswith("BT")}
        if not stepped or not (own.is_moved(config) or own.padding_output == "any"):
            return outputs  # type: ignore[no-any-return]
        lengths, steps = arguments["lengths"], _steps(arguments[first], framework)
        if own.is_moved(config):
            stepped = {name: _moved(output, lengths - steps, steps, framework) for name, output in stepped.items()}
        if own.padding_output == "any":
            zeroed = partial(runtime.zero_on_padding, lengths=lengths, steps=steps, left=config.left)
            stepped = {name: zeroed(output) for name, output in stepped.items()}
        return {**outputs, **stepped}

    return frameworks.bind(checked, row, config.name, "", own.omits)


def _takes_the_side(function: Function, row: Operation) -> bool:
    """Tell whether an operation has an option ``left``, and a function takes it."""
    return any("left" in one.options for one in row.configurations) and _has(function, "left")


def _has(function: Function, option: str) -> bool:
    """Tell whether a function has an argument of that name: ``**options`` may go on to another that has none."""
    try:
        return option in inspect.signature(function).parameters
    except INTERRUPTS:
        raise
    except BaseException:  # as in `check_signature`
        return False


def _given(
    arguments: Mapping[str, Any], config: Configuration, framework: str, own: Own, sided: bool
) -> dict[str, Any]:
    """Return the arguments as a function takes them: constant buffers, padding on its side, perhaps the side."""
    runtime = frameworks.runtime(framework)
    given = dict(arguments)
    for name in config.buffers:
        given[name] = runtime.constant(given[name])
    if not own.is_moved(config):
        return given
    lengths, steps = arguments["lengths"], _steps(arguments[next(iter(config.inputs))], framework)
    for name in (name for name, one in config.inputs.items() if one.axes.startswith("BT")):
        given[name] = _moved(given[name], steps - lengths, steps, framework)
    return given | ({"left": True} if sided else {})


def _steps(values: Any, framework: str) -> Any:
    """Return T, which a graph has only when it runs."""
    return values.shape[1] if framework == "pytorch" else frameworks.runtime(framework).tf.shape(values, "int64")[1]


def _moved(values: Any, shifts: Any, steps: Any, framework: str) -> Any:
    """Move rows along time; values of another shape than expected stay, and the comparison reports them."""
    rank = values.dim() if framework == "pytorch" else values.shape.rank or 0
    known = values.shape[1] if rank > 1 else None
    if rank < 2 or (known is not None and isinstance(steps, int) and known != steps):
        return values
    return frameworks.runtime(framework).rolled(values, shifts)


def _check_names(outputs: object, expected: Sequence[str]) -> None:
    if isinstance(outputs, Mapping) and set(outputs) == set(expected):
        return
    received = f"an object of type {type(outputs).__name__}"
    wanted = f"a dict of tensors by name: {', '.join(expected)}"
    if isinstance(outputs, Mapping):
        received = f"one of {', '.join(map(str, outputs))}" if outputs else "{}"
        if outputs and set(outputs) < set(expected):
            missing = [name for name in expected if name not in outputs]
            wanted += f" (or omits={missing}, if it does not give them)"
    raise WrongResult("result", received, wanted)


def unmovable(config: Configuration) -> str:
    """Return the name of an array with steps of the batch and not of its sequences; empty if padding can be moved."""
    return next((name for name, axes in config.axes.items() if "T" in axes.removeprefix("BT")), "")


def takes(function: Function, configs: Sequence[Configuration]) -> bool:
    """Tell whether a function can be called with all arguments of each of some configurations, weights too."""
    signature = inspect.signature(function)
    return not any(_mismatch(signature, config) for config in configs)


def with_its_options(function: Function, configs: Sequence[Configuration]) -> Sequence[Configuration]:
    """Leave out configurations with an option that a function need not have, and has not, if others remain."""
    lacking = [option for option in NEED_NOT_HAVE if not _has(function, option)]
    return [config for config in configs if not any(map(config.options.get, lacking))] or configs


def check_signature(function: Function, row: Operation, configs: Sequence[Configuration]) -> None:
    """Make sure that a function can be called with the arguments of an operation, in each of some configurations.

    Raises:
        InputError: it cannot; the message says with which arguments, and which configuration it could do.
    """
    try:
        signature = inspect.signature(function, follow_wrapped=False)  # a wrapper may take other arguments
    except INTERRUPTS:
        raise
    except BaseException:  # those of some functions in C are unknown; other objects answer with code of their own
        return
    for config in configs:
        if error := _mismatch(signature, config):
            able = [f"config={one.name!r}" for one in row.configurations if not _mismatch(signature, one)]
            others = f", or {' or '.join(able)}" if able else ""
            expected = f"one that takes {', '.join(config.arguments)} by name ({error}){others}"
            raise InputError("function", f"one that takes ({', '.join(signature.parameters)})", expected)


def _mismatch(signature: inspect.Signature, config: Configuration) -> str:
    """Return why a function cannot be called with the arguments of a configuration; empty if it can."""
    try:
        signature.bind(**dict.fromkeys(config.arguments))
    except TypeError as error:
        return str(error)
    return ""
