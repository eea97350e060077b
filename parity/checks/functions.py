"""Check a function of your own against the contracts of an operation."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from parity import frameworks
from parity.arrays import FLOATS
from parity.checks.contracts import CONTRACTS
from parity.checks.result import PASSED, Result
from parity.checks.selection import plan
from parity.checks.sentences import explain
from parity.errors import INTERRUPTS, InputError, a_function, choose, name_of, names
from parity.operations import Operation, find


def check_function(
    operation: str,
    function: Callable[..., Mapping[str, Any]],
    framework: str,
    *,
    dtype: str = "float32",
    contracts: Iterable[str] = (),
    config: str = "",
    lengths: str = "",
    mode: str = "",
    omits: Iterable[str] = (),
    seed: int = 0,
) -> list[Result]:
    """Hold a function of your own to the contracts of an operation.

    It runs under the defaults of its framework and of NumPy, whatever the caller has set: with gradients, in float32,
    on the CPU, channels last. The caller's settings are restored. Nothing is remembered of it afterwards.

    Args:
        operation: the row that it claims to compute, e.g. ``"rnn.lstm"``.
        function: takes that operation's arguments as tensors of the framework, by name, weights among them, and
            returns a dict of tensors. ``parity describe rnn.lstm`` lists arguments and results.
        framework: "pytorch" or "tensorflow".
        dtype: "float32", "float64", "bfloat16" or "float16". An epsilon in the wrong place shows in float64.
        contracts: some of `CONTRACTS`; all that the operation promises when empty.
        config: only this configuration of the operation, where it has several.
        lengths: only these, by name or written out: ``"3,1:5"`` is two sequences of 3 and 1 steps padded to T = 5. A
            function that rejects empty sequences can be held to these.
        mode: only this mode.
        omits: outputs that the function does not give.
        seed: of the sampled cases.

    Returns:
        Results in every configuration, lengths and mode. One whose ``status`` is "failed" says why with
        `parity.explain`; `assert_function` raises that.

    Raises:
        InputError: an unknown name, with the nearest right one, or a function that cannot be called, or not with the
            arguments of the operation.
        FrameworkUnavailable: the framework cannot be loaded.

    >>> def careless(x, lengths):  # reverses the padding too
    ...     return {"y": x.flip(1)}
    >>> results = check_function("bidirectional.reverse_sequence", careless, "pytorch", contracts=["ignores_padding"])
    >>> results[0].status, results[0].quantity
    ('failed', 'y')
    """
    row = find(operation)
    a_function("function", function)
    choose("dtype", dtype, FLOATS)
    planned = plan([operation], [framework], (), [dtype], contracts, seed, config=config, lengths=lengths, mode=mode)
    outputs = dict.fromkeys(output for one in row.configurations for output in one.outputs)
    omitted = tuple(choose("omits", output, outputs) for output in names("omits", omits))
    _check_signature(function, row)
    frameworks.runtime(framework)
    configs = [one.name for one in row.configurations]
    own = tuple((name, frameworks.bind(function, row, name, "", omitted)) for name in configs)
    variant = name_of(function)
    checks = {check.contract: replace(check, variant=variant, own=own, omits=omitted) for check in planned}
    try:
        return [result for check in checks.values() for result in check.run()]
    finally:
        for _, call in own:
            frameworks.release(call)
        if framework == "pytorch" and any(CONTRACTS[contract].compiled for contract in checks):
            frameworks.clear_graphs()


def assert_function(operation: str, function: Callable[..., Mapping[str, Any]], framework: str, **options: Any) -> None:
    """Raise an AssertionError that says what is wrong, unless a function keeps the contracts of an operation.

    Args:
        operation, function, framework, options: those of `check_function`.

    Raises:
        AssertionError: some contract is broken, or nothing was compared; the message has the worst failure first.
        InputError, FrameworkUnavailable: as for `check_function`.

    >>> assert_function("bidirectional.reverse_sequence", lambda x, lengths: {"y": x.flip(1)}, "pytorch",
    ...     contracts=["ignores_padding"])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    AssertionError: y of pytorch.<lambda> in bidirectional.reverse_sequence (...) breaks ignores_padding: ...
    """
    results = check_function(operation, function, framework, **options)
    if failure := explain(results):
        raise AssertionError(failure)
    if not any(result.status == PASSED for result in results):
        raise AssertionError(f"nothing was compared: {results[0].reason}")


def _check_signature(function: Callable[..., object], row: Operation) -> None:
    """Make sure that a function can be called with the arguments of an operation, in each of its configurations."""
    try:
        signature = inspect.signature(function, follow_wrapped=False)  # a wrapper may take other arguments
    except INTERRUPTS:
        raise
    except BaseException:  # those of some functions in C are unknown; other objects answer with code of their own
        return
    for config in row.configurations:
        try:
            signature.bind(**dict.fromkeys(config.arguments))
        except TypeError as error:
            expected = f"one that takes {', '.join(config.arguments)} by name ({error})"
            received = f"one that takes ({', '.join(signature.parameters)})"
            raise InputError("function", received, expected) from None
