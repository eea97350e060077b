"""Summarise the sections of a report in the table of contents, in lines and in rows of tables."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from parity.arrays import DTYPES
from parity.checks.contracts import CONTRACTS, is_echo
from parity.checks.result import Result
from parity.checks.sensitivity import ranges
from parity.checks.sweep import SweepRow
from parity.divergences import DIFFERS, DivergenceEntry, Trial
from parity.divergences.entry import DEPENDS
from parity.mutants import KILLED, Kill, MutantResult
from parity.report.formatting import ABSENT, SYMBOLS, amount, index, number, plural
from parity.report.groups import Group, group_by
from parity.report.model import Environment, Report
from parity.report.outcome import stale_entries, survivors
from parity.report.speedups import fastest
from parity.report.table import Matrix
from parity.report.verdicts import broken

VERDICT_WORDS = {DIFFERS: "results differ", DEPENDS: "it depends"}  # so that they can stand behind a claim
SHORT = 240  # characters: two lines of the page
MUTANT_HEADS = ("contract", "mutants killed", "by it alone")
TOTALS_HEADS = ("framework", "dtype", "checks", "failed", "scores", "largest element", "largest norm")
SENSITIVITY_HEADS = ("operation", *DTYPES)
SWEEP_HEADS = ("operation", "framework", "dtype", "seeds", "checks", "failed", "scores", "element", "norm")


class Section(NamedTuple):
    """A section of the page: its anchor, which is also the name of its template, a short title and a summary."""

    anchor: str
    title: str
    summary: str


def list_sections(
    report: Report,
    matrices: Sequence[Matrix],
    failures: Sequence[Group],
    expected_failures: Sequence[Group],
    skips: Sequence[Group],
) -> Iterator[Section]:
    """Yield the sections that have something in them, in the order of the page."""
    if report.own:
        yield Section("own", "Your models", _own(report))
    if failures:
        yield Section("failures", "Failures", f"{plural(len(failures), 'kind')}, worst first")
    if report.divergences:
        yield Section("divergences", "Differences", _divergences(report))
    if matrices:
        variants, contracts = sum(len(matrix.rows) for matrix in matrices), len(matrices[0].columns)
        summary = f"{plural(variants, 'variant')}, {plural(contracts, 'contract')}"
        yield Section("matrix", "Operations", summary)
    if report.throughput:
        best = "; ".join(fastest(report.throughput.rows))
        yield Section("throughput", "Throughput", f"fastest in training {best}" if best else "")
    if report.training:
        models = len({curve.model for curve in report.training})
        optimisers = len({curve.optimiser for curve in report.training})
        yield Section("training", "Training", f"{plural(models, 'model')}, {plural(optimisers, 'optimiser')}")
    if report.mutants:
        killed = sum(mutant.status == KILLED for mutant in report.mutants)
        survived = f", {len(survivors(report))} not killed" if survivors(report) else ""
        yield Section("mutants", "Mutants", f"{killed} of {len(report.mutants)} killed{survived}")
    if sweep := report.sweep:
        alarms = plural(sweep.failed, "false alarm") if sweep.failed else "no false alarm"
        yield Section("sweep", "Random cases", f"{alarms} in {amount(sweep.checks)}")
    if skips or expected_failures:
        yield Section("skipped", "Skipped", _skipped(expected_failures, skips))
    yield Section("reading", "Scores", "scores, noise floors, contracts")
    yield Section("environment", "Environment", _environment(report.environment))


def _own(report: Report) -> str:
    total, wrong = plural(len(report.own), "verdict"), len(broken(report.own))
    return f"{wrong} of {total}: a contract is broken" if wrong else f"{total}, no contract is broken"


def _divergences(report: Report) -> str:
    entries, stale = report.divergences, len(stale_entries(report))
    verdicts = Counter(entry.verdict for entry in entries)
    differences = verdicts.pop(DIFFERS, 0)
    beliefs = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())
    parts = [
        "1 entry" if len(entries) == 1 else f"{len(entries)} entries",
        plural(differences, "difference") if differences else "",
        f"beliefs: {beliefs}" if beliefs else "",
        f"{stale} not as described" if stale else "",
    ]
    return "; ".join(filter(None, parts))


def _skipped(expected_failures: Sequence[Group], skips: Sequence[Group]) -> str:
    parts = []
    if skips:
        parts.append(f"{amount(sum(group.size for group in skips))} skipped")
    if expected_failures:
        results = plural(sum(group.size for group in expected_failures), "result")
        parts.append(f"{plural(len(expected_failures), 'expected failure')} ({results})")
    return ", ".join(parts)


def _environment(environment: Environment) -> str:
    """Return the day and the versions of the frameworks."""
    versions = environment.versions
    frameworks = [f"{name} {versions[name]}" for name in ("torch", "tensorflow") if versions.get(name)]
    return ", ".join(filter(None, [environment.date, *frameworks]))


def verdict_words(entry: DivergenceEntry) -> str:
    """Return the verdict in words that follow the claim, and that hold where one framework ran.

    >>> from parity.divergences import Trial
    >>> both = {name: Trial("", name, "passed", observed={"loss": "0"}) for name in ("pytorch", "tensorflow")}
    >>> entry = DivergenceEntry("", "The mean loss is 0.", DIFFERS, "", "", "", (), both)
    >>> verdict_words(entry)
    'results differ'
    >>> del both["tensorflow"]
    >>> verdict_words(entry), observed_values(entry)
    ('results are known to differ', 'pytorch: loss = 0; no other framework was run')
    """
    if entry.verdict == DIFFERS and len(_tried(entry)) < 2:
        return "results are known to differ"
    return VERDICT_WORDS.get(entry.verdict, entry.verdict)


def _tried(entry: DivergenceEntry) -> list[Trial]:
    return [trial for trial in entry.frameworks.values() if trial.observed]


def observed_values(entry: DivergenceEntry) -> str:
    """Return what each framework gave in this run; empty where that is long, or nothing.

    >>> from parity.divergences import Trial
    >>> def entry(**values):
    ...     trials = {name: Trial("", name, "passed", observed=dict(loss=loss)) for name, loss in values.items()}
    ...     return DivergenceEntry("", "", "", "Nothing to average. It is 0 / 0.", "", "", (), trials)
    >>> observed_values(entry(pytorch="NaN", tensorflow="0"))
    'pytorch: loss = NaN; tensorflow: loss = 0'
    >>> observed_values(entry(pytorch="NaN", tensorflow="NaN"))
    'pytorch and tensorflow: loss = NaN'
    >>> observed_values(entry()), summarise_divergence(entry())
    ('', 'Nothing to average. It is 0 / 0.')
    """
    tried = _tried(entry)
    same = group_by(tried, lambda trial: _values(trial.observed))
    values = [f"{' and '.join(trial.framework for trial in trials)}: {observed}" for observed, trials in same.items()]
    if entry.verdict == DIFFERS and len(tried) == 1:
        values.append("no other framework was run")
    text = "; ".join(values)
    return text if len(text) <= SHORT else ""


def summarise_divergence(entry: DivergenceEntry) -> str:
    """Return the observed values, or else the beginning of what happens."""
    return observed_values(entry) or beginning(entry.why)


def beginning(text: str, longest: int = SHORT) -> str:
    """Return as many sentences of a text as fit into a number of characters, and the first in any case.

    >>> beginning("Divide by the sum of the mask. A mean would count padding. Pack.", 60)
    'Divide by the sum of the mask. A mean would count padding.'
    """
    first, *others = re.split(r"(?<=[.?!])\s+(?=[A-Z`])", text.strip())
    for other in others:
        if len(first) + 1 + len(other) > longest:
            break
        first += f" {other}"
    return first


def _values(observed: Mapping[str, str]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in observed.items())


def kills_by_contract(mutants: Sequence[MutantResult]) -> list[tuple[str, str, str]]:
    """Count for each contract the mutants that it killed, and those that no other contract killed.

    A contract that fails wherever another does is not counted as another.
    """
    killed = Counter(contract for mutant in mutants for contract in mutant.kills)
    alone: Counter[str] = Counter()
    for mutant in mutants:
        contracts = [contract for contract in mutant.kills if not is_echo(contract)]
        alone.update(contracts if len(contracts) == 1 else [])
    order = sorted(killed, key=lambda name: (index(CONTRACTS, name), name))
    return [(contract, str(killed[contract]), str(alone[contract])) for contract in order]


def killed_by(mutant: MutantResult) -> str:
    """List the contracts that killed a mutant, each with its margin."""
    return ", ".join(f"{contract} {margin(kill)}" for contract, kill in mutant.kills.items()) or "nothing"


def margin(kill: Kill) -> str:
    """Format how many times its limit a mutant was off; a cross where no error is allowed.

    >>> margin(Kill("y", 1234.5, "")), margin(Kill("y", None, ""))
    ('1.2e+03 times', '✗')
    """
    return SYMBOLS["failed"] if kill.margin is None else f"{number(kill.margin)} times"


def sweep_rows(rows: Iterable[SweepRow]) -> list[tuple[str, ...]]:
    """Format the rows of a sweep, under `SWEEP_HEADS`."""
    return [
        (
            row.operation,
            row.framework,
            row.dtype,
            amount(row.seeds),
            amount(row.checks),
            amount(row.failed),
            amount(row.scores),
            _quantiles(row.element),
            _quantiles(row.norm),
        )
        for row in rows
    ]


def sweep_totals(rows: Iterable[SweepRow]) -> list[tuple[str, ...]]:
    """Add up the rows of a sweep for each framework and dtype, under `TOTALS_HEADS`."""
    groups = group_by(rows, lambda row: (row.framework, row.dtype))
    return [
        (
            *key,
            amount(sum(row.checks for row in groups[key])),
            amount(sum(row.failed for row in groups[key])),
            amount(sum(row.scores for row in groups[key])),
            number(max((row.element[-1] for row in groups[key] if row.element), default=0.0)),
            number(max((row.norm[-1] for row in groups[key] if row.norm), default=0.0)),
        )
        for key in sorted(groups)
    ]


def _quantiles(scores: Iterable[float]) -> str:
    return " · ".join(map(number, scores)) or SYMBOLS[ABSENT]


def sensitivities(results: Iterable[Result]) -> list[tuple[str, ...]]:
    """List the published sensitivities of the operations that were checked, under `SENSITIVITY_HEADS`."""
    published = ranges()
    checked = dict.fromkeys(result.operation for result in results)
    return [(name, *published[name]) for name in checked if name in published]
