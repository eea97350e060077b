"""Build the report of a run from its results, and count them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from parity.checks.contracts import CONTRACTS
from parity.checks.result import PASSED, STATUSES, Count, Result, Status, worst_status
from parity.checks.sweep import SweepReport
from parity.checks.verdict import Verdict
from parity.divergences import DivergenceEntry
from parity.errors import each, finite, of_kind, whole_number
from parity.mutants import MUTANTS, MutantResult
from parity.operations import OPERATIONS
from parity.report import verdicts
from parity.report.environment import describe_environment
from parity.report.formatting import index
from parity.report.model import SCHEMA, Replayed, Report, Summary, Worst
from parity.throughput.results import Throughput
from parity.training import MODELS, Curve

NO_VERDICTS: Mapping[str, Verdict] = {}


def build(
    results: Iterable[Result],
    frameworks: Mapping[str, Mapping[str, Any]],
    *,
    seed: int,
    seconds: float,
    planned: int,
    checked: int,
    interrupted: bool = False,
    divergences: Iterable[DivergenceEntry] = (),
    training: Iterable[Curve] = (),
    mutants: Iterable[MutantResult] = (),
    sweep: SweepReport | None = None,
    throughput: Throughput | None = None,
    replayed: Replayed | None = None,
    own: Mapping[str, Verdict] = NO_VERDICTS,
) -> Report:
    """Build a report.

    A check is one variant held to one contract in one dtype; it gives a result for each of its cases and modes, and
    one more for each further quantity that failed. The summary counts both.

    Args:
        results: in any order; the report has that of the operations table.
        frameworks, seed, replayed: as in `Environment`.
        seconds, planned, checked, interrupted: as in `Summary`, without those of ``own``.
        own: verdicts on models and functions of a user's, by name; each of their contracts counts as a check.

    >>> build([], {}, seed=0, seconds=0.0, planned=0, checked=0).summary.compared
    0
    """
    ordered = tuple(sorted(each("results", results, Result), key=_position))
    own_checks = list(verdicts.each_check(own))
    return Report(
        schema=SCHEMA,
        environment=describe_environment(frameworks, seed, replayed),
        summary=Summary(
            planned=whole_number("planned", planned) + len(own_checks),
            checked=whole_number("checked", checked) + len(own_checks),
            interrupted=of_kind("interrupted", interrupted, bool, "True or False"),
            seconds=round(finite("seconds", seconds, "a number of seconds"), 2),
            checks=_count([*_status_of_each_check(ordered), *own_checks]),
            results=_count([*(result.status for result in ordered), *verdicts.each_result(own)]),
            compared=_compared(ordered) + verdicts.compared(own),
            worst=_worst(ordered),
        ),
        own=dict(own),
        results=ordered,
        divergences=tuple(each("divergences", divergences, DivergenceEntry)),
        training=tuple(sorted(each("training", training, Curve), key=_model_and_optimiser)),
        mutants=tuple(sorted(each("mutants", mutants, MutantResult), key=lambda mutant: index(MUTANTS, mutant.name))),
        sweep=of_kind("sweep", sweep, (SweepReport, type(None)), "a SweepReport"),
        throughput=of_kind("throughput", throughput, (Throughput, type(None)), "a Throughput"),
    )


def _model_and_optimiser(curve: Curve) -> tuple[int, str]:
    return index(MODELS, curve.model), curve.optimiser


def _position(result: Result) -> tuple[Any, ...]:
    """Return where a result stands, so that runs with any number of processes give the same report."""
    row = OPERATIONS.get(result.operation)
    variants = row.variants.get(result.framework, ()) if row else ()
    return (
        index(OPERATIONS, result.operation),
        result.dtype,
        result.framework,
        index(variants, result.variant),
        result.variant,
        index(CONTRACTS, result.contract),
        result.reproduce,  # one model is trained with several optimisers
    )


def _count(statuses: Iterable[Status]) -> dict[Status, Count]:
    counts = Counter(statuses)
    return {status: counts[status] for status in STATUSES}


def _status_of_each_check(results: Iterable[Result]) -> list[Status]:
    """Return the status of each check; an expected failure leaves it passed if all else passed."""
    checks: dict[tuple[object, ...], set[Status]] = {}
    for result in results:
        checks.setdefault((*result.check, result.seed, result.reproduce), set()).add(result.status)
    return [status for statuses in checks.values() if (status := worst_status(statuses))]


def _compared(results: Iterable[Result]) -> int:
    """Count the numbers that were compared. All results of one run have its total, so it counts once."""
    runs = {(*result.run, result.seed, result.reproduce, result.compared): result.compared for result in results}
    return sum(runs.values())


def _worst(results: Iterable[Result]) -> dict[str, Worst]:
    """Return the largest scores of each framework against the reference, among what passed."""
    worst: dict[str, Worst] = {}
    for result in results:
        if result.status == PASSED and result.contract == "matches_reference":
            before = worst.get(result.framework, Worst(0.0, 0.0))
            element, norm = result.largest("element")[1], result.largest("norm")[1]
            worst[result.framework] = Worst(max(before.element or 0.0, element), max(before.norm or 0.0, norm))
    return worst
