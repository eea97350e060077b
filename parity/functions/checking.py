"""Check a function, a module or a layer of your own against the contracts of an operation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from parity import bucketing, frameworks
from parity.arrays import FLOATS, numpy_defaults
from parity.checks.check import SMALL_GROUPS, Check
from parity.checks.contracts import CONTRACTS
from parity.checks.own import PADDING_OUTPUTS, Own
from parity.checks.result import FAILED, Result
from parity.checks.selection import plan
from parity.checks.verdict import Verdict
from parity.errors import INTERRUPTS, a_function, choose, first_lines, message_of, name_of, names, reasons, whole_number
from parity.functions.binding import Function, WrongResult
from parity.functions.concluding import conclude
from parity.functions.preparing import prepared
from parity.operations import find


def check_function(
    operation: str,
    function: Function,
    framework: str = "",
    *,
    dtype: str = "float32",
    contracts: Iterable[str] = (),
    config: str = "",
    lengths: str = "",
    mode: str = "",
    omits: Iterable[str] = (),
    min_length: int = 0,
    padding_output: str = "zero",
    expected_failures: Mapping[str, str] | None = None,
    seed: int = 0,
) -> Verdict:
    """Hold a function, a module or a layer of your own to the contracts of an operation.

    It runs under the defaults of its framework and of NumPy, whatever the caller has set: with gradients, in float32,
    on the CPU, channels last. The caller's settings are restored. Nothing is remembered of it afterwards.

    Args:
        operation: the row that it claims to compute, e.g. ``"rnn.lstm"``.
        function: takes that operation's arguments as tensors of the framework, by name, weights among them, and
            returns a dict of tensors, or one tensor where there is one output. ``parity describe rnn.lstm`` lists
            arguments and results. A module or layer takes the arguments without the weights: its own are set.
        framework: "pytorch" or "tensorflow"; that of the tensors that it returns when empty.
        dtype: "float32", "float64", "bfloat16" or "float16". An epsilon in the wrong place shows in float64.
        contracts: some of `CONTRACTS`; when empty, all that the operation promises but second derivatives.
        config: only this configuration of the operation, where it has several: only its arguments are asked for.
        lengths: only these, by name or written out: ``"3,1:5"`` is two sequences of 3 and 1 steps padded to T = 5.
        mode: only this mode.
        omits: outputs that the function does not give.
        min_length: of the sequences that it is given: with 1, none is empty.
        padding_output: "zero", as the operation has it, or "any": outputs on padding are not compared.
        expected_failures: contract -> reason. One that holds all the same is a failure.
        seed: of the sampled cases.

    Returns:
        A `Verdict`: true if all contracts hold; ``str`` explains it.

    Raises:
        InputError: an unknown name, with the nearest right one, or a function that cannot be called with the arguments
            of the operation, or returns something else than its outputs.
        FrameworkUnavailable: the framework cannot be loaded.

    >>> def careless(x, lengths):  # reverses the padding too
    ...     return x.flip(1)
    >>> verdict = check_function("bidirectional.reverse_sequence", careless, "pytorch", contracts=["ignores_padding"])
    >>> bool(verdict), verdict.failed, verdict.results[0].quantity
    (False, ('ignores_padding',), 'y')
    """
    row = find(operation)
    a_function("function", function)
    choose("dtype", dtype, FLOATS)
    choose("padding_output", padding_output, PADDING_OUTPUTS)
    whole_number("min_length", min_length)
    framework = choose("framework", framework, frameworks.FRAMEWORKS) if framework != "" else ""
    expected = reasons("expected_failures", expected_failures, CONTRACTS)
    chosen = names("contracts", contracts)
    sides = [framework] if framework else frameworks.FRAMEWORKS
    selection: dict[str, Any] = {"config": config, "lengths": lengths, "mode": mode}
    plan([operation], sides, (), [dtype], chosen, seed, **selection)
    outputs = dict.fromkeys(output for one in row.configurations for output in one.outputs)
    omitted = tuple(choose("omits", output, outputs) for output in names("omits", omits))
    own = Own({}, omitted, min_length, padding_output)
    configs = [one for one in row.configurations if config in ("", one.name)]
    ready = prepared(function, row, configs, framework, dtype, own, lengths, seed)
    planned = plan([operation], [ready.framework], (), [dtype], chosen, seed, **selection)
    planned = [one for one in planned if chosen or not CONTRACTS[one.contract].of_variants]
    name = type(function).__name__ if ready.is_module else name_of(function)
    checks = list({one.contract: replace(one, variant=name, own=ready.own) for one in planned}.values())
    try:
        return conclude(checks, _results(checks), expected, ready.notes)
    finally:
        _forget(ready.own, checks)


def _forget(own: Own, checks: list[Check]) -> None:
    """Free what runs of a function have left."""
    for call in own.calls.values():
        frameworks.release(call)
    if any(CONTRACTS[check.contract].compiled and check.framework == "pytorch" for check in checks):
        frameworks.clear_graphs()


def _results(checks: list[Check]) -> list[Result]:
    """Run checks; if not even the first call succeeds, return what it raised."""
    return _first_call(checks) or [result for check in checks for result in check.run()]


@numpy_defaults()
def _first_call(checks: list[Check]) -> list[Result]:
    """Call a function once in each configuration: what it returns is the same kind of thing in each later call.

    Raises:
        WrongResult: it returns something else than the operation does.
    """
    first: dict[str, Check] = {}
    for check in checks:
        for config, lengths, mode in check.runs():
            case = check.case(config, lengths)
            if case is None or config.name in first:
                continue
            first[config.name] = check
            try:
                with bucketing.using(SMALL_GROUPS):
                    check.subject(config, mode).observe(case)
            except (WrongResult, *INTERRUPTS):
                raise
            except BaseException as error:  # whatever a function raises is what there is to report
                if len(first) == 1:
                    detail = f"raised {first_lines(message_of(error))}"
                    return [check.result(mode, case.name, FAILED, problem="raised", detail=detail)]
    return []


def assert_function(operation: str, function: Function, framework: str = "", **options: Any) -> None:
    """Raise an AssertionError that explains itself, unless a function keeps the contracts of an operation.

    Args:
        operation, function, framework, options: those of `check_function`.

    Raises:
        AssertionError: some contract is broken, or nothing was compared.
        InputError, FrameworkUnavailable: as for `check_function`.

    >>> assert_function("bidirectional.reverse_sequence", lambda x, lengths: x.flip(1), "pytorch",
    ...     contracts=["ignores_padding"])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    AssertionError: ✗ <lambda> (pytorch) for bidirectional.reverse_sequence reads padding
    ...
    """
    verdict = check_function(operation, function, framework, **options)
    if not verdict:
        raise AssertionError(str(verdict))
