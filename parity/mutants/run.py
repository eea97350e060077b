"""Which contracts kill a mutant, on the cheapest case where any does, and by how much."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from parity import bucketing as planner
from parity import frameworks, training
from parity.arrays import DTYPES
from parity.caching import cached
from parity.cases.case import Case
from parity.cases.lengths import lengths_of
from parity.cases.sampling import sample_case
from parity.checks.check import SMALL_GROUPS
from parity.checks.comparison import Difference
from parity.checks.contracts import CONTRACTS, FIRST, Contract, Subject
from parity.checks.result import FAILED, Result
from parity.errors import first_lines, told
from parity.mutants.mutant import Mutant, changed, framework_with
from parity.operations import Configuration, find
from parity.training.setup import OPTIMISERS, course
from parity.training.verdict import CONTRACT as TRAINS_ALIKE

RAISED = "raised"
KILLED, SURVIVED, STALE, MISSING = "killed", "survived", "stale", "skipped"


@dataclass(frozen=True)
class Kill:
    """What a contract said of a mutant.

    Attributes:
        quantity: the one that was farthest off.
        margin: how many times the limit it was off; None where no error at all is allowed, or the configuration was
        wrong.
        reason: as of a result.
    """

    quantity: str
    margin: float | None
    reason: str


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant.

    Attributes:
        mutant: its name.
        status: "killed", "survived", "stale" (its entry no longer fits the source) or "skipped" (no framework).
        case, mode, dtype: the cheapest case on which a contract killed it.
        by: contract -> its kill, for all that killed it there.
        reason: why it is stale or was skipped, or what is missing for it to count as killed.
    """

    mutant: str
    status: str
    case: str = ""
    mode: str = ""
    dtype: str = ""
    by: dict[str, Kill] = field(default_factory=dict)
    reason: str = ""


def outcome(plain: Mapping[str, Any]) -> Outcome:
    """An outcome from plain values, as it travels between test processes."""
    return Outcome(**{**plain, "by": {name: Kill(**kill) for name, kill in plain["by"].items()}})


def run_mutant(mutant: Mutant) -> Outcome:
    """Plant a mutant and hold it to all contracts, from the cheapest case on, until one kills it.

    A contract counts only if the variant without the mutant keeps it on the same case.
    """
    if missing := frameworks.missing(mutant.framework):
        return Outcome(mutant.name, MISSING, reason=missing)
    try:
        return _trained(mutant) if mutant.optimiser else _run(mutant)
    except LookupError as error:
        return Outcome(mutant.name, STALE, reason=str(error))


def _run(mutant: Mutant) -> Outcome:
    row, function = find(mutant.operation), changed(mutant)
    omitted = tuple(row.omitted(mutant.subject))
    for dtype, mode, config, lengths in _runs(mutant):
        subject = Subject(
            mutant.framework, mutant.variant, mode, frameworks.bind(function, row, config.name, mutant.variant, omitted)
        )
        case = sample_case(mutant.operation, config.name, lengths, dtype, seed=0).given_by(mutant.subject)
        broken = _broken(mutant.framework, mutant.variant, mode, case)
        by = {name: kill for name, kill in killed(subject, case).items() if name not in broken}
        if by:
            return _outcome(mutant, by, case.name, mode, dtype)
    return _outcome(mutant, {}, "", "", "")


def _outcome(mutant: Mutant, by: dict[str, Kill], case: str, mode: str, dtype: str) -> Outcome:
    if not by:
        return Outcome(mutant.name, SURVIVED, reason="no contract killed it on any case")
    lacks = "" if mutant.by in by else f"killed by {', '.join(by)}, and its entry says {mutant.by}"
    if not lacks and by[mutant.by].reason.startswith(RAISED):
        lacks = f"{by[mutant.by].reason}: a crash is no art"
    return Outcome(mutant.name, STALE if lacks else KILLED, case, mode, dtype, by, lacks)


def _runs(mutant: Mutant) -> Iterator[tuple[str, str, Configuration, str]]:
    """The dtypes, modes, configurations and lengths of a default run, the cheapest first."""
    row = find(mutant.operation)
    eager, *traced = frameworks.MODES[mutant.framework]
    for dtype, mode in ((DTYPES[0], eager), *((DTYPES[0], mode) for mode in traced), (DTYPES[1], eager)):
        runs = [(config, lengths) for config in row.configurations for lengths in lengths_of(config)]
        for config, lengths in sorted(runs, key=lambda run: run[1] not in FIRST):
            if not row.expected_failure(mutant.subject, f"{config.name}/{lengths}", mode, dtype):
                yield dtype, mode, config, lengths


@cached(maxsize=64)
def _broken(framework: str, variant: str, mode: str, case: Case) -> frozenset[str]:
    """The contracts that the variant without any mutant breaks; there should be none."""
    return frozenset(killed(Subject(framework, variant, mode), case))


def killed(subject: Subject, case: Case) -> dict[str, Kill]:
    """The contracts of a default run that a subject breaks on a case."""
    default = (contract for contract in CONTRACTS.values() if not (contract.compiled or contract.recorded))
    found = {contract.name: _kill(contract, subject, case) for contract in default}
    return {name: kill for name, kill in found.items() if kill}


def _kill(contract: Contract, subject: Subject, case: Case) -> Kill | None:
    if not _applies(contract, subject, case):
        return None
    try:
        with planner.using(SMALL_GROUPS):
            differences = contract.judge(subject, case)
    except Exception as error:  # whatever a mutant raises is how it is found
        return Kill("", None, f"{RAISED} {first_lines(told(error))}")
    return _worst([difference for difference in differences if difference.failed])


def _worst(failed: Sequence[Difference | Result]) -> Kill | None:
    worst = max(failed, key=lambda one: _margin(one) or math.inf, default=None)
    return None if worst is None else Kill(worst.quantity, _margin(worst), worst.reason)


def _applies(contract: Contract, subject: Subject, case: Case) -> bool:
    """Whether a default run holds this subject to the contract on this case."""
    if contract.unless_config(case.configuration) or contract.unless(case) or case.lengths_name not in contract.lengths:
        return False
    if contract.both_frameworks and any(map(frameworks.missing, frameworks.FRAMEWORKS)):
        return False
    return subject.mode in contract.modes(subject.framework, case.dtype)


def _margin(difference: Difference | Result) -> float | None:
    """How many times its limit a difference is; None where nothing is allowed."""
    pairs = ((difference.score, difference.limit), (difference.norm_score, difference.norm_limit))
    margin = max((score / limit for score, limit in pairs if score is not None and limit), default=math.inf)
    return margin if math.isfinite(margin) else None


def _trained(mutant: Mutant) -> Outcome:
    """The same for a mutant that shows in training: one model, one optimiser, a few steps.

    The model is that of the first run, without the mutant, which changes optimisers and what steps with them only.
    """
    chosen, pad_rows = OPTIMISERS[mutant.optimiser], course(mutant.operation, mutant.steps, seed=0).pad_rows
    hold = partial(training.check_training, mutant.operation, mutant.optimiser, mutant.framework, steps=mutant.steps)
    if _failed(hold()):
        return _outcome(mutant, {}, "", "", "")
    with framework_with(mutant, "optimiser") as room:
        results = hold(build=partial(room.OPTIMISERS[chosen.kind], pad_rows=pad_rows, **chosen.settings))
    kill, seen = _worst(_failed(results)), results[0]
    return _outcome(mutant, {TRAINS_ALIKE: kill} if kill else {}, seen.case, seen.mode, DTYPES[0])


def _failed(results: Sequence[Result]) -> list[Result]:
    return [result for result in results if result.status == FAILED]
