"""Arrange the verdicts on a user's own models and functions for a reader."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from parity.checks.blame import Blame, LayerMask
from parity.checks.contracts import CONTRACTS as OF_OPERATIONS
from parity.checks.result import FAILED, PASSED, Result, Status
from parity.checks.verdict import Verdict
from parity.models.contracts import CONTRACTS as OF_MODELS
from parity.pairs.verdict import SAME, AnyVerdict, PairVerdict
from parity.report.formatting import ABSENT, SYMBOLS, number
from parity.report.groups import worst_first
from parity.report.model import all_printable
from parity.report.verdicts import contracts, statuses


@dataclass(frozen=True)
class OwnContract:
    """One contract of a verdict.

    Attributes:
        scores: of each dtype in a verdict: the nearest to its limit, or a mark.
        text: what differs, why it was not tried, or which quantity is the nearest to its limit.
    """

    name: str
    promise: str
    status: Status
    scores: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class OwnView:
    """A verdict as a reader is shown it; ``lines`` are its explanation."""

    name: str
    verdict: Verdict
    lines: Sequence[str]
    dtypes: Sequence[str]
    contracts: Sequence[OwnContract]
    masks: str

    @property
    def title(self) -> str:
        framework, operation = self.verdict.framework, self.verdict.operation
        title = f"{self.verdict.name} ({framework})" if framework else self.verdict.name
        return f"{title} for {operation}" if operation else title

    @property
    def pair(self) -> PairVerdict | None:  # which is false where a contract is broken: compare it with None
        """Return the verdict if it is one on a pair of models."""
        return self.verdict if isinstance(self.verdict, PairVerdict) else None

    @property
    def differences(self) -> list[tuple[str, Blame]]:
        """Return the first difference of each broken contract, without repetitions of a place."""
        found: dict[tuple[str, str], tuple[str, Blame]] = {}
        for contract in self.verdict.failed:
            if blame := self.verdict.blames.get(contract):
                found.setdefault((blame.layer, blame.where), (contract, blame))
        return list(found.values())


def arrange_own(own: Mapping[str, Verdict]) -> list[OwnView]:
    """Arrange verdicts, broken ones first."""
    views = [_view(name, verdict) for name, verdict in own.items()]
    return sorted(views, key=lambda view: not view.verdict.failed)


def _view(name: str, verdict: Verdict) -> OwnView:
    verdict = msgspec.convert(all_printable(msgspec.to_builtins(verdict)), AnyVerdict)  # its lines are those of no text
    dtypes = sorted({result.dtype for result in verdict.results}, reverse=True)
    status_of = statuses(verdict)
    rows = [
        OwnContract(
            contract,
            promise(contract),
            status_of[contract],
            tuple(_score([result for result in results if result.dtype == dtype]) for dtype in dtypes),
            _text(verdict, contract, results),
        )
        for contract, results in contracts(verdict).items()
    ]
    return OwnView(name, verdict, str(verdict).split("\n"), dtypes, rows, describe_masks(verdict.masks))


def promise(contract: str) -> str:
    """Return the promise of a contract; empty for one of another version."""
    if contract == SAME:
        return "both models are the same function on real steps, with the same gradients"
    known = OF_MODELS.get(contract.rpartition(".")[2]) or OF_OPERATIONS.get(contract)
    return known.promise if known else ""


def _score(results: Sequence[Result]) -> str:
    """Return the score that is the nearest to its limit, with the limit; a mark where there is none."""
    if not results:
        return SYMBOLS[ABSENT]
    worst = worst_first(results)[0]
    if worst.status != PASSED or worst.limit is None:
        return SYMBOLS[worst.status]
    if worst.limit == 0:
        return "exact"
    quantity, score = worst.largest("element")
    return f"{number(score)} of {worst.limit:g}" if quantity else SYMBOLS[PASSED]


def _text(verdict: Verdict, contract: str, results: Sequence[Result]) -> str:
    worst = worst_first(results)[:1]
    if worst and worst[0].status == PASSED and worst[0].limit:
        return f"nearest to its limit: {worst[0].largest('element')[0]}"
    return reason_of(verdict, contract)


def reason_of(verdict: Verdict, contract: str) -> str:
    """Say why a contract is broken, expected to be, or was not tried; nothing if it holds."""
    if contract in verdict.declined:
        return f"not tried: {verdict.declined[contract]}"
    worst = worst_first(result for result in verdict.results if result.contract == contract)[0]
    if worst.status == FAILED:
        if isinstance(verdict, PairVerdict):
            return verdict.explain(contract)
        _, details, *_ = [*str(verdict.only(contract)).split("\n"), worst.reason]
        return details.strip().removeprefix(f"{contract} ").replace(f"({worst.dtype}): ", f"{worst.dtype}: ", 1)
    return worst.reason


def describe_masks(masks: Sequence[LayerMask]) -> str:
    """Say where masks begin and end; nothing where no layer has one.

    >>> describe_masks([LayerMask("embed", "Embedding", False, True), LayerMask("conv", "Conv1D", True, False)])
    'A mask begins at embed (Embedding) and ends at conv (Conv1D).'
    """
    begins = [f"{one.layer} ({one.kind})" for one in masks if one.passed_on and not one.received]
    ends = [f"{one.layer} ({one.kind})" for one in masks if one.received and not one.passed_on]
    if not begins and not ends:
        return ""
    parts = [f"begins at {' and at '.join(begins)}"] if begins else []
    parts.append(f"ends at {' and at '.join(ends)}" if ends else "reaches the end of the model")
    return f"A mask {' and '.join(parts)}."


def broken_contracts(views: Sequence[OwnView]) -> Iterator[tuple[OwnView, OwnContract]]:
    """Yield the contracts that are broken."""
    for view in views:
        yield from ((view, contract) for contract in view.contracts if contract.status == FAILED)
