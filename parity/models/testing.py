"""Make tests of pytest out of a model of your own: one for each contract."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from parity.checks.result import FAILED, XFAILED
from parity.checks.verdict import Verdict
from parity.errors import FrameworkUnavailable, names
from parity.models.checking import check_model, chosen_contracts
from parity.models.sequences import Inputs

Factory = Callable[[], object]


def model(inputs: Inputs, **options: Any) -> Callable[[Factory], Callable[[str], None]]:
    """Return a decorator that makes tests of a function which returns a model: one for each contract.

    The model is checked once, when the first of them runs. A contract that does not apply is skipped with the reason,
    and so are all where the framework is missing. An expected failure that does not occur is a failure.

    Args:
        inputs, options: those of `parity.check_model`.

    Raises:
        InputError: an unknown contract or layout.

    >>> import parity
    >>> @parity.model(parity.inputs(x=parity.features(3)))
    ... def test_encoder():
    ...     return Encoder()
    >>> test_encoder.__name__
    'test_encoder'
    """
    import pytest

    layouts = names("layouts", options.get("layouts", ("padded",)))
    chosen = chosen_contracts(layouts, names("contracts", options.get("contracts", ())))

    def decorate(factory: Factory) -> Callable[[str], None]:
        @cache
        def verdict() -> Verdict:
            return check_model(factory(), inputs, **options)

        @pytest.mark.parametrize("contract", chosen)
        def test(contract: str) -> None:
            __tracebackhide__ = True
            try:
                _report(verdict(), contract)
            except FrameworkUnavailable as error:
                pytest.skip(str(error))

        for attribute in ("__name__", "__qualname__", "__module__", "__doc__"):
            setattr(test, attribute, getattr(factory, attribute))
        return test

    return decorate


def _report(verdict: Verdict, contract: str) -> None:
    """Fail, skip or pass a test, as a contract of a verdict does."""
    import pytest

    __tracebackhide__ = True
    if contract in verdict.declined:
        pytest.skip(verdict.declined[contract])
    results = [result for result in verdict.results if result.contract == contract]
    if any(result.status == FAILED for result in results):
        pytest.fail(str(verdict.only(contract)), pytrace=False)
    if not results:  # the model does not run
        pytest.fail(str(verdict), pytrace=False)
    if all(result.status == XFAILED for result in results):
        pytest.xfail(results[0].detail)
