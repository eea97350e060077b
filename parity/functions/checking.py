"""Check a function, a module or a layer of your own against the contracts of an operation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from parity import bucketing, frameworks
from parity.arrays import numpy_defaults
from parity.cases.case import Case
from parity.checks.check import SMALL_GROUPS, Check
from parity.checks.contracts import CONTRACTS
from parity.checks.own import has_empty
from parity.checks.result import FAILED, Result
from parity.checks.subject import NotExpected, Subject, WrongLike
from parity.checks.verdict import Verdict
from parity.errors import INTERRUPTS, a_function, first_lines, message_of, name_of
from parity.functions.asking import Asked, asked_of
from parity.functions.binding import Function, WrongResult
from parity.functions.concluding import conclude


def check_function(
    operation: str,
    function: Function,
    framework: str = "",
    *,
    dtype: str | Iterable[str] = "float32",
    contracts: Iterable[str] = (),
    config: str = "",
    lengths: str = "",
    mode: str = "",
    omits: Iterable[str] = (),
    min_length: int = 0,
    padding_output: str = "zero",
    side: str = "right",
    gradients: bool = True,
    refuses_empty: bool = False,
    like: Function | None = None,
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
        dtype: "float32", "float64", "bfloat16" or "float16", or several of them. An epsilon in the wrong place shows in
            float64.
        contracts: some of `CONTRACTS`; when empty, all that the operation promises but second derivatives, and those
            about what is compiled or exported.
        config: only this configuration of the operation, where it has several: only its arguments are asked for.
        lengths: only these, by name or written out: ``"3,1:5"`` is two sequences of 3 and 1 steps padded to T = 5.
        mode: only this mode.
        omits: outputs that the function does not give.
        min_length: of the sequences that it is given: with 1, none is empty.
        padding_output: "zero", as the operation has it, or "any": outputs on padding are not compared.
        side: "right", or "left" if it takes padding before each sequence, and gives its outputs there. Steps of results
            are counted from the first real one.
        gradients: False if it has no backward pass: outputs alone are compared.
        refuses_empty: whether it raises where a batch has an empty sequence, or none. Then it is held to the contracts
            without these; one that never raises is a failure.
        like: a function, module or layer, of either framework, that gives what is expected in place of the reference.
            The operation says what both take; limits are the noise floor of ``like``.
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
    a_function("function", function)
    asked = asked_of(
        operation,
        framework,
        dtype=dtype,
        contracts=contracts,
        config=config,
        lengths=lengths,
        mode=mode,
        omits=omits,
        min_length=min_length,
        padding_output=padding_output,
        side=side,
        gradients=gradients,
        refuses_empty=refuses_empty,
        like=like,
        expected_failures=expected_failures,
        seed=seed,
    )
    return checked_as(asked, function)


def checked_as(asked: Asked, function: Function) -> Verdict:
    """Hold a function to what is asked of it."""
    checks: list[Check] = []
    notes, framework = list(asked.notes), asked.framework
    try:
        for dtype in asked.dtypes:
            ready = asked.prepared(function, dtype, framework)
            framework = ready.framework
            name = type(function).__name__ if ready.is_module else name_of(function)
            planned = asked.checks(ready, name, dtype)
            checks += planned
            notes += [note for note in ready.notes if note not in notes]
            notes += [] if planned else [f"none of the contracts is tried in {dtype}"]
        return conclude(checks, _results(checks), asked.expected_failures, notes)
    finally:
        _forget(checks)


def _forget(checks: list[Check]) -> None:
    """Free what runs of functions have left."""
    for own in {id(check.own): check.own for check in checks}.values():
        assert own is not None, "each is a check of a user's function"
        for call in (*own.calls.values(), *(own.like.calls.values() if own.like else ())):
            frameworks.release(call)
    if any(CONTRACTS[check.contract].takes_long and check.framework == "pytorch" for check in checks):
        frameworks.clear_graphs()


def _results(checks: list[Check]) -> list[Result]:
    """Run checks; if not even the first call succeeds, return what it raised."""
    return _first_call(checks) or [result for check in checks for result in check.run()]


@numpy_defaults()
def _first_call(checks: list[Check]) -> list[Result]:
    """Call a function once in each configuration: what it returns is the same kind of thing in each later call.

    Raises:
        WrongResult: it, or the function that gives what is expected, returns something else than the operation does.
        WrongLike: the function that gives what is expected raised.
    """
    first: dict[str, Check] = {}
    for check in checks:
        for config, lengths, mode in check.runs():
            case = check.case(config, lengths)
            if case is None or config.name in first:
                continue
            first[config.name] = check
            try:
                _call(check, mode, case)
            except (WrongResult, WrongLike, *INTERRUPTS):
                raise
            except BaseException as error:  # whatever a function raises is what there is to report
                if len(first) == 1:
                    detail = f"raised {first_lines(message_of(error))}"
                    return [check.result(mode, case.name, FAILED, problem="raised", detail=detail)]
    return []


def _call(check: Check, mode: str, case: Case) -> None:
    """Call a function on a case, or without its empty sequences, if it may refuse these; then what it is held to."""
    assert check.own is not None, "it is a check of a user's function"
    subject, rest = check.subject(mode), check.own.without_empty(case)
    with bucketing.using(SMALL_GROUPS):
        try:
            subject.observe(case)
        except (WrongResult, *INTERRUPTS):
            raise
        except BaseException:  # it may be right to refuse empty sequences
            if not check.own.refuses_empty or not has_empty(case):
                raise
            if rest is not None:
                subject.observe(rest)
        if subject.like and rest is not None:
            _call_like(subject.like, rest)


def _call_like(like: Subject, case: Case) -> None:
    """Call the function that gives what is expected.

    Raises:
        WrongLike: it raised.
        WrongResult: it returns something else than the operation does.
    """
    try:
        like.observe_as_expected(case)
    except NotExpected as error:
        wrong = error.__cause__
        if isinstance(wrong, WrongResult):
            raise WrongResult(f"like: {wrong.argument}", *wrong.args[1:]) from None
        raise WrongLike(case.name, error) from None


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
