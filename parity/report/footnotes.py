"""Why a cell of the table is not a plain pass: what a reader would not guess from the cell itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from parity.checks.contracts import CONTRACTS
from parity.checks.result import SKIPPED, XFAILED
from parity.operations import OPERATIONS
from parity.report.formatting import several
from parity.training import verdict as training


@dataclass(frozen=True)
class Whole:
    """What a cell must know of the whole record."""

    dtypes: tuple[str, ...]
    modes: Mapping[str, int]  # framework -> in how many modes it ran
    complete: bool  # it came to its end


def note(operation: str, contract: str, results: Sequence[Mapping[str, Any]]) -> str:
    """What was refused or skipped, and which configurations do not promise the contract; or nothing."""
    others = [result for result in results if result["status"] in (XFAILED, SKIPPED)]
    reasons = several((result["reason"] for result in others), shown=2)
    cases = several(result["case"] for result in others)
    said = f"{reasons} ({cases})" if cases else reasons
    return ". ".join(filter(None, [said, _not_promised(operation, contract)]))


def absence(operation: str, framework: str, contract: str, whole: Whole) -> str:
    """Why there is no result at all."""
    if contract == training.CONTRACT:
        return "one variant of each whole model is trained"
    if promised := _not_promised(operation, contract):
        return promised
    if contract in CONTRACTS and CONTRACTS[contract].recorded:
        return "it was not recorded"
    if contract in CONTRACTS and whole.modes.get(framework, 0) == CONTRACTS[contract].from_mode:
        return f"{framework} ran in one mode"
    return "no case of this run tries it" if whole.complete else "not reached"


def _not_promised(operation: str, contract: str) -> str:
    """Which configurations do not promise a contract, and why."""
    row, promise = OPERATIONS.get(operation), CONTRACTS.get(contract)
    if not row or not promise:
        return ""
    reasons = {config.name: reason for config in row.configurations if (reason := promise.unless_config(config))}
    if not reasons:
        return ""
    configurations = f" by {several(reasons)}" if len(reasons) < len(row.configurations) else ""
    return f"not promised{configurations}: {several(reasons.values(), shown=2)}"
