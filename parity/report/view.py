"""Arrange a report for a reader: Markdown and the page show a `View` and compute nothing themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from parity.checks.result import FAILED, STATUSES, Result
from parity.divergences import DIFFERS, DivergenceEntry
from parity.mutants import MutantResult
from parity.report.answers import Answer, answers
from parity.report.cards import choose_cards
from parity.report.formatting import MEANINGS, SYMBOLS, amount, number, setting
from parity.report.groups import Group, expected_failures, failures, group_by, skips
from parity.report.model import Environment, Report
from parity.report.outcome import failed, stale_entries, survivors, verdict
from parity.report.own import OwnView, arrange_own
from parity.report.summaries import Section, kills_by_contract, list_sections, sensitivities, sweep_rows, sweep_totals
from parity.report.table import Matrix, matrices

TITLE = "Padding parity"
QUESTION = "Do PyTorch and TensorFlow compute the same outputs and gradients, whatever the padding holds?"
OF_OWN = "Does a model give the same outputs and gradients, whatever the padding, the batch and the layout?"
EXPECTED_FAILURES = "Each is a claim that runs: its check fails as soon as the framework no longer fails as expected."


@dataclass(frozen=True)
class View:
    """Everything that a reader is shown, in the order of the page."""

    report: Report  # training and throughput are plotted from it
    answers: Sequence[Answer]
    verdict: str
    failed: bool
    own: Sequence[OwnView]
    counts: Sequence[tuple[str, str, str, str]]  # status, symbol, meaning and number of results
    facts: Sequence[tuple[str, str]]  # name and text
    matrices: Sequence[Matrix]
    failures: Sequence[Group]
    expected_failures: Sequence[Group]
    skipped: Sequence[tuple[str, str, str]]  # number of results, frameworks and reason
    divergences: Sequence[tuple[str, Sequence[DivergenceEntry]]]  # by topic, differences before beliefs
    cards: Sequence[DivergenceEntry]  # those that are shown first
    stale: Sequence[DivergenceEntry]
    mutants: Sequence[tuple[str, Sequence[MutantResult]]]  # by topic
    survivors: Sequence[MutantResult]
    kills: Sequence[tuple[str, str, str]]  # contract, how many mutants it killed, how many no other contract killed
    sweep_totals: Sequence[tuple[str, ...]]  # under the heads in `parity.report.summaries`
    sweep_rows: Sequence[tuple[str, ...]]
    sensitivities: Sequence[tuple[str, ...]]  # operation, and the smallest errors that fail, in each dtype
    false_alarms: Sequence[Result]  # failures on random cases
    environment: Sequence[tuple[str, str]]  # name and text
    contents: Sequence[Section]

    @property
    def question(self) -> str:
        return OF_OWN if self.own and not self.matrices else QUESTION


def arrange(report: Report) -> View:
    """Arrange a report for a reader."""
    tables, failing = matrices(report), failures(report.results)
    expected, skipped = expected_failures(report.results), skips(report.results)
    sweep, counts = report.sweep, report.summary.results
    return View(
        report=report,
        answers=answers(report),
        verdict=verdict(report),
        failed=failed(report),
        own=arrange_own(report.own),
        counts=[(status, SYMBOLS[status], MEANINGS[status], amount(counts.get(status, 0))) for status in STATUSES],
        facts=_facts(report, tables),
        matrices=tables,
        failures=failing,
        expected_failures=expected,
        skipped=[(amount(group.size), group.distinct("framework"), group.worst.reason) for group in skipped],
        divergences=_divergences(report.divergences),
        cards=choose_cards(report.divergences),
        stale=stale_entries(report),
        mutants=list(group_by(report.mutants, lambda mutant: mutant.topic).items()),
        survivors=survivors(report),
        kills=kills_by_contract(report.mutants),
        sweep_totals=sweep_totals(sweep.rows if sweep else ()),
        sweep_rows=sweep_rows(sweep.rows if sweep else ()),
        sensitivities=sensitivities(report.results),
        false_alarms=sweep.failures if sweep else (),
        environment=_environment(report.environment),
        contents=list(list_sections(report, tables, failing, expected, skipped)),
    )


def _divergences(entries: Sequence[DivergenceEntry]) -> list[tuple[str, list[DivergenceEntry]]]:
    """Group entries by topic, differences before beliefs."""
    by_topic = group_by(entries, lambda entry: entry.topic)
    return [(topic, sorted(group, key=lambda entry: entry.verdict != DIFFERS)) for topic, group in by_topic.items()]


def _facts(report: Report, tables: Sequence[Matrix]) -> list[tuple[str, str]]:
    summary, failing = report.summary, {one.framework for one in report.results if one.status == FAILED}
    columns = tables[0].columns if tables else ()
    limits = {column.contract: (column.limit, column.norm_limit) for column in columns}
    limit, norm_limit = map(_limit, limits.get("matches_reference", (None, None)))
    facts = [
        ("checks", f"{amount(summary.checked)} of {amount(summary.planned)} planned"),
        ("numbers compared", amount(summary.compared)),
        ("time", f"{summary.seconds:.0f} s"),
    ]
    for framework, worst in summary.worst.items():
        element = f"worst element {number(worst.element)}{limit} noise floors"
        norm = f"norm-wise {number(worst.norm)}{norm_limit}"
        passed = " in what passed" if framework in failing else ""  # no line without a word of the failures
        facts.append((f"{framework} against the reference", f"{element}, {norm}{passed}"))
    return facts


def _limit(limit: float | None) -> str:
    return f" of {limit:g}" if limit else ""


def _environment(environment: Environment) -> list[tuple[str, str]]:
    machine = [
        ("date", environment.date),
        ("python", environment.python),
        ("platform", environment.platform),
        ("cpu", environment.cpu),
        ("cores", "unknown" if environment.cores is None else str(environment.cores)),
        ("seed", str(environment.seed)),
    ]
    if shard := environment.shard:
        machine.append(("shard", f"{shard.number}/{shard.count}, which have {amount(shard.planned)} checks together"))
    versions = [(name, setting(version)) for name, version in environment.versions.items()]
    frameworks = [(f"{name}, as loaded", setting(settings)) for name, settings in environment.frameworks.items()]
    if replayed := environment.replayed:
        settings = setting(replayed.frameworks.get(replayed.framework, {}))
        origin = f"folder {replayed.folder}, platform {replayed.platform}, cpu {replayed.cpu}"
        frameworks.append((f"{replayed.framework}, as recorded", f"{settings}; {origin}"))
    return machine + versions + frameworks
