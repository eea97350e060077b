"""Make tests of pytest out of a model or a function of your own: one for each contract."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache, partial
from inspect import iscoroutinefunction, isgeneratorfunction, signature
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from parity.checks.result import SKIPPED, XFAILED
from parity.checks.verdict import Verdict
from parity.errors import FrameworkUnavailable, InputError, a_function, choose, first_lines, message_of, shown
from parity.functions import checking as functions
from parity.functions.asking import asked_of
from parity.models import checking as models
from parity.models.sequences import Inputs
from parity.pairs import checking as pairs
from parity.pairs.halves import NAMES
from parity.pairs.verdict import SAME

if TYPE_CHECKING:
    import pytest

PLUGIN = "padding_parity_plugin"  # it may be blocked; then there is no report
PACKAGES = ("torch", "tensorflow", "keras")
Factory = Callable[[], Any]
Decorator = Callable[[Factory], Callable[..., None]]


def model(inputs: Inputs, **options: Any) -> Decorator:
    """Return a decorator that makes tests of a function which returns a model: one for each contract.

    The model is checked once, when the first of them runs. A contract that does not apply is skipped with the reason,
    and so are all where the framework is missing. An expected failure that does not occur is a failure. The verdict
    is part of the session's report, if it writes one (``--parity-report DIR``).

    Args:
        inputs, options: those of `parity.check_model`.

    Raises:
        InputError: a wrong argument.

    >>> import parity
    >>> @parity.model(parity.inputs(x=parity.features(3)))
    ... def test_encoder():
    ...     return Encoder()
    >>> test_encoder.__name__
    'test_encoder'
    """
    asked = models.asked_of(**_arguments(models.check_model, {"model"}, inputs=inputs, **options))
    return _decorator(asked.chosen, asked.check)


def function(operation: str, framework: str = "", **options: Any) -> Decorator:
    """Return a decorator that makes tests of a factory of a function: one for each contract of an operation.

    Args:
        operation: the row that the function claims to compute, such as ``"rnn.lstm"``.
        framework: "pytorch" or "tensorflow"; that of the tensors that the function returns when empty.
        options: those of `parity.check_function`.

    Raises:
        InputError: a wrong argument.

    >>> import parity
    >>> @parity.function("bidirectional.reverse_sequence", "pytorch")
    ... def test_reverse():
    ...     return lambda x, lengths: {"y": x.flip(1)}
    >>> test_reverse.__name__
    'test_reverse'
    """
    given = _arguments(functions.check_function, {"function"}, operation=operation, framework=framework, **options)
    asked = asked_of(**given)
    chosen = dict.fromkeys(check.contract for check in asked.planned)
    return _decorator(chosen, lambda made: functions.checked_as(asked, a_function("function", made)))


def pair(inputs: Inputs, **options: Any) -> Decorator:
    """Return a decorator that makes tests of a function which returns two models: one for each contract.

    The pair is checked once, when the first of them runs. The first test is that both are the same function; the others
    are the contracts of each. One that does not apply is skipped with the reason.

    Args:
        inputs, options: those of `parity.check_pair`.

    Raises:
        InputError: a wrong argument.

    >>> import parity
    >>> @parity.pair(parity.inputs(x=parity.features(3)), transfer="left to right")
    ... def test_port():
    ...     return Encoder(), encoder_in_keras()
    >>> test_port.__name__
    'test_port'
    """
    asked = pairs.asked_of(**_arguments(pairs.check_pair, {"left", "right"}, inputs=inputs, **options))
    chosen = [SAME, *(f"{half}.{contract}" for half in NAMES for contract in asked.chosen)]
    return _decorator(chosen, lambda made: asked.check(*_both(made)))


def _both(made: Any) -> tuple[Any, Any]:
    if not isinstance(made, tuple | list) or len(made) != 2:
        raise InputError("models", shown(made), "a tuple of two, which the decorated function returns")
    return made[0], made[1]


def _arguments(check: Callable[..., Verdict], made: Iterable[str], **given: Any) -> dict[str, Any]:
    """Return the arguments of a call with all defaults, but for what a test makes when it runs.

    Raises:
        TypeError: an unknown argument.
    """
    parameters = {name: one for name, one in signature(check).parameters.items() if name not in made}
    for name in given:
        try:
            choose("option", name, parameters)
        except InputError as error:
            raise TypeError(str(error)) from None
    return {name: one.default for name, one in parameters.items()} | given


def _decorator(chosen: Iterable[str], check: Callable[[Any], Verdict]) -> Decorator:
    import pytest

    def decorate(factory: Factory) -> Callable[..., None]:
        name = _name_of(factory)

        @partial(_called_once, name)
        def verdict() -> Verdict:
            try:
                return check(factory())
            except FrameworkUnavailable as error:
                reason = str(error)
            except ModuleNotFoundError as error:
                if (error.name or "").partition(".")[0] not in PACKAGES:
                    raise
                reason = str(error)
            return Verdict(name=name, framework="", declined=dict.fromkeys(chosen, reason))

        @pytest.mark.parametrize("contract", chosen)
        def test(contract: str, request: pytest.FixtureRequest) -> None:
            __tracebackhide__ = True
            own = _of_contract(verdict(), contract)
            plugin = request.config.pluginmanager.get_plugin(PLUGIN)
            if plugin:
                plugin.keep(request.node, own, request.node.nodeid.rpartition("[")[0])
            _conclude(own, contract)

        for attribute in ("__name__", "__qualname__", "__module__", "__doc__"):
            setattr(test, attribute, getattr(factory, attribute))
        test.makes_verdicts = True  # type: ignore[attr-defined]
        return test

    return decorate


def _called_once(name: str, make: Callable[[], Verdict]) -> Callable[[], Verdict]:
    """Return a function that calls another once, whether that returns or raises: later calls quote the error."""
    import pytest

    cached, raised = cache(make), ""

    def once() -> Verdict:
        nonlocal raised
        __tracebackhide__ = True
        if raised:
            pytest.fail(f"{name} raised {raised}: its first test shows where", pytrace=False)
        try:
            return cached()
        except Exception as error:
            raised = first_lines(message_of(error))
            raise

    return once


def _name_of(factory: Factory) -> str:
    """Return the name of a decorated function, which takes no argument: it is called once for all contracts.

    Raises:
        InputError: something else, such as a method, a test that asks for a fixture, or a generator.
    """
    expected = "a function that takes nothing, neither self nor a fixture, and returns what is tested"
    name = getattr(factory, "__name__", None)
    if not callable(factory) or not isinstance(name, str):
        raise InputError("factory", shown(factory), expected)
    if isgeneratorfunction(factory) or iscoroutinefunction(factory):
        raise InputError("factory", f"{name}, which is async or yields", expected)
    try:
        signature(factory).bind()
    except TypeError:
        raise InputError("factory", f"{name}({', '.join(signature(factory).parameters)})", expected) from None
    return name


def _of_contract(verdict: Verdict, contract: str) -> Verdict:
    """Return what a verdict says of one contract; the whole of it if the model does not run."""
    own = verdict.only(contract)
    if own.results or own.declined:
        return own
    if verdict.failed == ("repeatable",) and len(verdict.results) == 1:  # it raised on the first batch
        return verdict
    return replace(own, declined={contract: "it does not apply here"})


def _conclude(verdict: Verdict, contract: str) -> None:
    """Fail, skip or pass a test, as a contract of a verdict does."""
    import pytest

    __tracebackhide__ = True
    if verdict.failed:
        pytest.fail(str(verdict), pytrace=False)
    if contract in verdict.declined:
        pytest.skip(verdict.declined[contract])
    if all(result.status == SKIPPED for result in verdict.results):
        pytest.skip(verdict.results[0].reason)
    if all(result.status == XFAILED for result in verdict.results):
        pytest.xfail(verdict.results[0].detail)
