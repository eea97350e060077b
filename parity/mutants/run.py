"""Run a mutant: report which contracts kill it, on the cheapest case where any does, and by how much."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

from msgspec import Struct

from parity import bucketing, frameworks, training
from parity.arrays import DTYPES
from parity.caching import cached
from parity.cases.case import Case
from parity.cases.lengths import lengths_of
from parity.cases.sampling import sample_case
from parity.checks.check import SMALL_GROUPS
from parity.checks.comparison import Difference
from parity.checks.contracts import CONTRACTS, FIRST, Contract
from parity.checks.covering import covering
from parity.checks.result import FAILED, Measure, Result
from parity.checks.subject import Subject
from parity.errors import first_lines, message_of
from parity.mutants.mutant import Mutant, mutated_framework, mutated_function
from parity.operations import Configuration, find
from parity.training.curve import CONTRACT as TRAINS_ALIKE
from parity.training.setup import OPTIMISERS, training_setup

RAISED = "raised"
NOTHING = "no contract killed it on any case"
MutantStatus = Literal["killed", "survived", "stale", "skipped"]
KILLED: MutantStatus = "killed"
SURVIVED: MutantStatus = "survived"
STALE: MutantStatus = "stale"
NOT_RUN: MutantStatus = "skipped"


class Kill(Struct, frozen=True):
    """One contract that killed a mutant.

    Attributes:
        quantity: the one that was farthest off.
        margin: how many times the limit it was off; None where no error at all is allowed, or nothing was measured.
        reason: as of a result.
    """

    quantity: str
    margin: Measure
    reason: str


class MutantResult(Struct, frozen=True):
    """A mutant, and what became of it.

    Attributes:
        name, operation, subject, mistake, location, before, after, killed_by, optimiser: as of a `Mutant`.
        status: "killed", "survived", "stale" (its entry no longer fits the source) or "skipped" (no framework).
        case, mode, dtype: the cheapest case on which a contract killed it.
        kills: contract -> its kill, for all that killed it there.
        reason: why it is stale or was skipped, or what is missing for it to count as killed.
    """

    name: str
    operation: str
    subject: str
    mistake: str
    location: str
    before: str
    after: str
    killed_by: str
    optimiser: str
    status: MutantStatus
    case: str = ""
    mode: str = ""
    dtype: str = ""
    kills: dict[str, Kill] = {}
    reason: str = ""

    @property
    def topic(self) -> str:
        """Return the part of its name before the dot."""
        return self.name.partition(".")[0]


def mutant_result(
    mutant: Mutant,
    status: MutantStatus,
    reason: str = "",
    kills: dict[str, Kill] | None = None,
    case: str = "",
    mode: str = "",
    dtype: str = "",
) -> MutantResult:
    """Make the result of a mutant."""
    return MutantResult(
        name=mutant.name,
        operation=mutant.operation,
        subject=mutant.subject,
        mistake=mutant.mistake,
        location=mutant.location,
        before=mutant.before,
        after=mutant.after,
        killed_by=mutant.killed_by,
        optimiser=mutant.optimiser,
        status=status,
        case=case,
        mode=mode,
        dtype=dtype,
        kills=kills or {},
        reason=reason,
    )


def survived(mutant: Mutant, reason: str) -> MutantResult:
    """Make the result of a mutant that nothing killed."""
    return mutant_result(mutant, SURVIVED, reason)


def run_mutant(mutant: Mutant) -> MutantResult:
    """Hold a mutant to all contracts, from the cheapest case on, until that of its entry kills it.

    A contract counts only if the unchanged variant keeps it on the same case.
    """
    reason, broken = frameworks.unavailable(mutant.framework)
    if reason:
        return survived(mutant, reason) if broken else mutant_result(mutant, NOT_RUN, reason)
    try:
        return _run_training(mutant) if mutant.optimiser else _run_cases(mutant)
    except LookupError as error:
        return mutant_result(mutant, STALE, str(error))


def run_generated(mutant: Mutant, variants: Iterable[str]) -> MutantResult:
    """Hold the variants that a generated mutant may change to all contracts, until one kills it."""
    if reason := frameworks.unavailable(mutant.framework)[0]:
        return mutant_result(mutant, NOT_RUN, reason)
    try:
        for variant in variants:
            changed = replace(mutant, subject=f"{mutant.framework}.{variant}")
            for subject, case in _cases(changed):
                for contract in CONTRACTS.values():
                    if kills := _kills(subject, case, [contract]):
                        return _concluded(changed, kills, case.name, subject.mode, case.dtype)
    except LookupError as error:
        return mutant_result(mutant, STALE, str(error))
    except Exception as error:  # whatever it raises, nobody would overlook it
        return mutant_result(mutant, KILLED, f"{RAISED} {first_lines(message_of(error))}")
    return survived(mutant, NOTHING)


def _cases(mutant: Mutant) -> Iterator[tuple[Subject, Case]]:
    """Yield the cases of a default run, with the mutated variant."""
    row, function = find(mutant.operation), mutated_function(mutant)
    omitted, names = tuple(row.omitted(mutant.subject)), [config.name for config in row.configurations]
    calls = {name: frameworks.bind(function, row, name, mutant.variant, omitted) for name in names}
    for dtype, mode, config, lengths in _runs(mutant):
        case = sample_case(mutant.operation, config.name, lengths, dtype, seed=0).given_by(mutant.subject)
        yield Subject(mutant.framework, mutant.variant, mode, calls), case


def _run_cases(mutant: Mutant) -> MutantResult:
    its_own = [CONTRACTS[mutant.killed_by]] if mutant.killed_by in CONTRACTS else []
    for subject, case in _cases(mutant):  # all contracts, which take long, only where that of its entry kills it
        if _kills(subject, case, its_own):
            found = _judged(mutant, _kills(subject, case, CONTRACTS.values()), subject, case)
            if found.status == KILLED:
                return found
    tried = (
        _judged(mutant, _kills(subject, case, CONTRACTS.values()), subject, case) for subject, case in _cases(mutant)
    )
    return next((found for found in tried if found.status != SURVIVED), survived(mutant, NOTHING))


def _judged(mutant: Mutant, kills: dict[str, Kill], subject: Subject, case: Case) -> MutantResult:
    return _concluded(mutant, kills, case.name, subject.mode, case.dtype)


def _concluded(mutant: Mutant, kills: dict[str, Kill], case: str, mode: str, dtype: str) -> MutantResult:
    if not kills:
        return survived(mutant, NOTHING)
    reason = ""
    if not mutant.killed_by:  # a generated one, which any may kill
        return mutant_result(mutant, KILLED, "", kills, case, mode, dtype)
    if mutant.killed_by not in kills:
        reason = f"killed by {', '.join(kills)}, and its entry says {mutant.killed_by}"
    elif kills[mutant.killed_by].reason.startswith(RAISED):
        reason = f"{kills[mutant.killed_by].reason}: a crash does not count"
    return mutant_result(mutant, STALE if reason else KILLED, reason, kills, case, mode, dtype)


def _runs(mutant: Mutant) -> Iterator[tuple[str, str, Configuration, str]]:
    """Yield the dtypes, modes, configurations and lengths of a default run, the cheapest first."""
    row = find(mutant.operation)
    eager, *traced = frameworks.MODES[mutant.framework]
    first, second = DTYPES
    graphs = [(dtype, mode) for dtype in DTYPES for mode in traced]
    for dtype, mode in ((first, eager), *graphs[: len(traced)], (second, eager), *graphs[len(traced) :]):
        runs = [(config, lengths) for config in row.configurations for lengths in lengths_of(config)]
        for config, lengths in sorted(runs, key=lambda run: run[1] not in FIRST):
            if not row.expected_failure(mutant.subject, f"{config.name}/{lengths}", mode, dtype):
                yield dtype, mode, config, lengths


def _kills(subject: Subject, case: Case, contracts: Iterable[Contract]) -> dict[str, Kill]:
    """Return the contracts of a default run that a mutant breaks on a case, and the unchanged variant keeps."""
    kills = {}
    for contract in contracts:
        if contract.takes_long or contract.recorded or contract.trained:
            continue
        kill = _kill(contract, subject, case)
        unchanged = subject.framework, subject.variant, subject.mode, case, contract.name
        if kill and not _is_broken_without(*unchanged):
            kills[contract.name] = kill
    return kills


@cached(maxsize=512)
def _is_broken_without(framework: str, variant: str, mode: str, case: Case, contract: str) -> bool:
    """Tell whether the unchanged variant breaks a contract; it should not."""
    return _kill(CONTRACTS[contract], Subject(framework, variant, mode), case) is not None


def _kill(contract: Contract, subject: Subject, case: Case) -> Kill | None:
    if not _applies(contract, subject, case):
        return None
    try:
        with bucketing.using(SMALL_GROUPS):
            differences = contract.judge(subject, case)
    except Exception as error:  # whatever a mutant raises is how it is found
        return Kill("", None, f"{RAISED} {first_lines(message_of(error))}")
    return _worst([difference for difference in differences if difference.failed])


def _applies(contract: Contract, subject: Subject, case: Case) -> bool:
    """Tell whether a default run holds this subject to the contract on this case."""
    if contract.unless_config(case.configuration) or contract.unless(case):
        return False
    if case.lengths_name not in contract.lengths:
        return False
    if contract.both_frameworks and any(map(frameworks.missing, frameworks.FRAMEWORKS)):
        return False
    if subject.mode not in contract.modes(subject.framework):
        return False
    place = case.row, case.configuration, case.lengths_name, subject.framework, subject.variant
    return (case.dtype, subject.mode) in covering(contract, *place)


def _worst(failed: Sequence[Difference | Result]) -> Kill | None:
    if not failed:
        return None
    worst = max(failed, key=lambda one: _margin(one) or math.inf)
    margin = _margin(worst)
    return Kill(worst.quantity, None if margin is None else float(f"{margin:.3g}"), worst.reason)


def _margin(one: Difference | Result) -> float | None:
    """Return how many times its limit a difference is; None where nothing is allowed."""
    pairs = ((one.score, one.limit), (one.norm_score, one.norm_limit))
    margin = max((score / limit for score, limit in pairs if score is not None and limit), default=math.inf)
    return margin if math.isfinite(margin) else None


def _run_training(mutant: Mutant) -> MutantResult:
    """Run a mutant that shows in training: one model, one optimiser, a few steps.

    The model is that of the unchanged run: the mutant changes optimisers and what steps with them only.
    """
    optimiser = OPTIMISERS[mutant.optimiser]
    pad_rows = training_setup(mutant.operation, mutant.steps, seed=0).pad_rows
    check = partial(training.check_training, mutant.operation, mutant.optimiser, mutant.framework, steps=mutant.steps)
    if any(result.status == FAILED for result in check()):
        return survived(mutant, NOTHING)
    with mutated_framework(mutant, "optimiser") as module:
        build = partial(module.OPTIMISERS[optimiser.kind], pad_rows=pad_rows, **optimiser.settings)
        results = check(build=build)
    kill = _worst([result for result in results if result.status == FAILED])
    kills = {TRAINS_ALIKE: kill} if kill else {}
    return _concluded(mutant, kills, results[0].case, results[0].mode, DTYPES[0])
