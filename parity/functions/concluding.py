"""Conclude from the results of a function: what is expected to fail, what follows from what, and the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from parity.checks.check import Check
from parity.checks.contracts import CONTRACTS
from parity.checks.result import FAILED, SKIPPED, XFAILED, Result
from parity.checks.verdict import Verdict
from parity.functions.diagnosis import causes_of
from parity.operations import find


def conclude(
    checks: Sequence[Check], results: Sequence[Result], expected: Mapping[str, str], notes: Sequence[str]
) -> Verdict:
    """Return the verdict on a function."""
    first = checks[0]
    declined = {result.contract: _why(first, result) for result in results if result.status == SKIPPED}
    kept = [one for one in _folded(results) if one.status != SKIPPED]
    kept = [one for contract in dict.fromkeys(r.contract for r in kept) for one in _expecting(contract, kept, expected)]
    failed = [one for one in kept if one.status == FAILED]
    return Verdict(
        name=first.variant,
        framework=first.framework,
        operation=first.operation,
        results=tuple(kept),
        declined=declined,
        causes=causes_of(checks, failed),
        otherwise={contract.name: contract.otherwise for contract in CONTRACTS.values()},
        axes=_axes(first.operation),
        notes=tuple(notes),
    )


def _why(check: Check, result: Result) -> str:
    if check.own and check.own.min_length and result.contract == "accepts_empty_sequences":
        return f"min_length is {check.own.min_length}"
    if check.own and result.contract == "same_on_either_side":
        return "it has no argument left"
    return result.detail.removeprefix("nothing was compared: ")


def _axes(operation: str) -> dict[str, str]:
    """Return the axes of all quantities: of outputs, and of inputs for their gradients."""
    axes: dict[str, str] = {}
    for config in find(operation).configurations:
        axes |= config.outputs
        axes |= {f"d_{name}": array.axes for name, array in config.inputs.items()}
    return axes


def _folded(results: Sequence[Result]) -> Iterator[Result]:
    """Leave out what compares with the other framework where the reference says the same of the same run."""
    said = {
        (one.contract, one.case, one.mode, one.status, one.quantity if one.status == FAILED else "") for one in results
    }
    for one in results:
        echoes = CONTRACTS[one.contract].echoes
        quantity = one.quantity if one.status == FAILED else ""
        if not echoes or (echoes, one.case, one.mode, one.status, quantity) not in said:
            yield one


def _expecting(contract: str, results: Sequence[Result], expected: Mapping[str, str]) -> Iterator[Result]:
    """Yield the results of a contract; failures that are expected count as such, and one that holds is a failure."""
    own = [one for one in results if one.contract == contract]
    if contract not in expected:
        yield from own
        return
    if not any(one.status == FAILED for one in own):
        detail = f"holds, but was expected to fail: {expected[contract]}"
        yield replace(own[0], status=FAILED, quantity="", problem="other", detail=detail)
        return
    for one in own:
        detail = f"as expected: {expected[contract]}"
        yield replace(one, status=XFAILED, detail=detail) if one.status == FAILED else one
