"""Conclude from the results of a function: what is expected to fail, what follows from what, and the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from parity.checks.check import Check
from parity.checks.contracts import CONTRACTS
from parity.checks.own import HOLDS, has_empty
from parity.checks.result import FAILED, SKIPPED, XFAILED, Result
from parity.checks.verdict import Verdict
from parity.functions.diagnosis import causes_of
from parity.operations import find


def conclude(
    checks: Sequence[Check], results: Sequence[Result], expected: Mapping[str, str], notes: Sequence[str]
) -> Verdict:
    """Return the verdict on a function."""
    first = checks[0]
    tried = {result.contract for result in results if result.status != SKIPPED}
    skipped = [result for result in results if result.status == SKIPPED]
    declined = {result.contract: _why(first, result) for result in skipped if result.contract not in tried}
    not_expected = _not_expected([result for result in skipped if result.contract in tried and result.case])
    kept = [one for one in _folded(results) if one.status != SKIPPED]
    kept += _never_refused(checks, kept)
    kept = [one for contract in dict.fromkeys(r.contract for r in kept) for one in _expecting(contract, kept, expected)]
    failed = [one for one in kept if one.status == FAILED]
    return Verdict(
        name=first.variant,
        framework=first.framework,
        operation=first.operation,
        results=tuple(kept),
        declined=declined,
        causes=causes_of(checks, failed),
        otherwise=_otherwise(first),
        axes=_axes(first.operation),
        notes=(*notes, *not_expected),
    )


def _never_refused(checks: Sequence[Check], results: Sequence[Result]) -> list[Result]:
    """Return a failure for a function that was to refuse empty sequences, was given some, and refused none."""
    first = checks[0]
    if first.own is None or not first.own.refuses_empty or any(one.problem == "raised" for one in results):
        return []
    cases = (check.case(config, lengths) for check in checks for config, lengths, _ in check.runs())
    if not any(case is not None and has_empty(case) for case in cases):
        return []
    check = next((one for one in checks if one.contract == "accepts_empty_sequences"), first)
    detail = f"{HOLDS}: with refuses_empty=True, some empty sequence has to be refused"
    return [check.result("", "", FAILED, problem="other", detail=detail)]


def _why(check: Check, result: Result) -> str:
    if check.own and check.own.min_length and result.contract == "accepts_empty_sequences":
        return f"min_length is {check.own.min_length}"
    if check.own and result.contract == "same_on_either_side":
        other = "" if check.own.side == "left" else ', or pass side="left"'
        return f"it takes no argument named `left`: give it one{other}"
    return result.detail.removeprefix("nothing was compared: ")


def _not_expected(skipped: Sequence[Result]) -> list[str]:
    """Say on which cases nothing was expected, because `like` raised, if there are any."""
    cases = list(dict.fromkeys(result.case for result in skipped))
    others = f" and {len(cases) - 1} others" if len(cases) > 1 else ""
    return [f"not compared with empty sequences, on {cases[0]}{others}: {skipped[0].detail}"] if cases else []


def _otherwise(check: Check) -> dict[str, str]:
    """Return what a function does that breaks a contract."""
    otherwise = {contract.name: contract.otherwise for contract in CONTRACTS.values()}
    if check.own and check.own.like:
        otherwise["matches_reference"] = f"differs from {check.own.like.name}"
    return otherwise


def _axes(operation: str) -> dict[str, str]:
    """Return the axes of all quantities: of outputs, and of inputs for their gradients."""
    axes: dict[str, str] = {}
    for config in find(operation).configurations:
        axes |= config.outputs
        axes |= {f"d_{name}": array.axes for name, array in config.inputs.items()}
    return axes


def _folded(results: Sequence[Result]) -> Iterator[Result]:
    """Leave out what compares with the other framework where the reference says the same of the same run."""

    def key(one: Result, contract: str) -> tuple[str, ...]:
        return contract, one.dtype, one.case, one.mode, one.status, one.quantity if one.status == FAILED else ""

    said = {key(one, one.contract) for one in results}
    for one in results:
        echoes = CONTRACTS[one.contract].echoes
        if not echoes or key(one, echoes) not in said:
            yield one


def _expecting(contract: str, results: Sequence[Result], expected: Mapping[str, str]) -> Iterator[Result]:
    """Yield the results of a contract; failures that are expected count as such, and one that holds is a failure."""
    own = [one for one in results if one.contract == contract]
    if contract not in expected:
        yield from own
        return
    if not any(one.status in (FAILED, XFAILED) for one in own):
        detail = f"{HOLDS}: {expected[contract]}"
        yield replace(own[0], status=FAILED, quantity="", problem="other", detail=detail)
        return
    for one in own:
        detail = f"as expected: {expected[contract]}"
        yield replace(one, status=XFAILED, detail=detail) if one.status == FAILED else one
