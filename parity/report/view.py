"""A record, arranged for a reader. Both the Markdown and the page show this and compute nothing themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from parity.checks.contracts import CONTRACTS
from parity.checks.result import STATUSES
from parity.divergences.entry import DIFFERS
from parity.report.cells import Column
from parity.report.formatting import MEANINGS, SYMBOLS, amount, number, setting
from parity.report.groups import Group, expected_failures, failures, skips
from parity.report.mutation import by_contract, largest, swept
from parity.report.record import failed, stale_entries, survivors, verdict
from parity.report.table import Matrix, matrices
from parity.report.table_of_contents import Section, contents
from parity.training.verdict import CONTRACT, PROMISE

TITLE = "Padding parity"
QUESTION = "Do PyTorch and TensorFlow compute the same, outputs and every gradient, whatever the padding holds?"

EXPECTED_FAILURES = "Claims that run: a check fails as soon as the framework no longer refuses."

ABOUT_MUTANTS = (
    "A suite that cannot fail proves nothing. Each of these is a small change of one variant that people really make; "
    "the contracts are held to it, and the number behind each is by how many times its limit the mutant missed, "
    "or a cross where no error at all is allowed."
)

RANDOM = (
    "Random lengths, parameters from tiny to saturating, anything in the padding: scores against the reference in "
    "noise floors, as median · 99 % · 99.9 % · largest. What fails here is a false alarm, or news."
)

CLAIMS = (
    "Naive code that runs, and what people say of it. An entry fails on the day a framework gives another value: "
    "then something has changed, and that is news."
)

READING = (
    "A score is an error measured in noise floors. The noise floor is how far the float64 reference itself moves when "
    "its inputs are disturbed by one unit roundoff of the dtype under test: no implementation can know its inputs "
    "better than that, so a good one scores about 1, whatever the operation, the length or the conditioning.",
    "A number in a cell is the largest elementwise score among all configurations, lengths, modes, outputs and "
    "gradients; the head of its column has the limit. The norm-wise score, the norm of all errors over the norm of all "
    "floors, has a much lower limit of its own.",
    "An exact contract allows no error at all: its cells have a tick or a count of failures, and a failure's score is "
    "not finite. The same goes for every place where the floor is 0, padding above all.",
)


@dataclass(frozen=True)
class View:
    """Everything a reader is shown, in the order of the page.

    What is plotted is plotted from ``record`` itself.
    """

    record: Mapping[str, Any]
    verdict: str
    failed: bool
    counts: list[tuple[str, str, str, str]]  # status, symbol, meaning, how many results
    facts: list[tuple[str, str]]
    matrices: list[Matrix]
    failures: list[Group]
    expected_failures: list[Group]
    skips: list[Group]
    contracts: list[tuple[str, str]]
    divergences: list[tuple[str, list[Mapping[str, Any]]]]  # topic, and its entries
    stale: list[Mapping[str, Any]]
    mutants: list[tuple[str, list[Mapping[str, Any]]]]  # topic, and its mutants
    survivors: list[Mapping[str, Any]]
    killers: list[tuple[str, str, str]]  # contract, how many it killed, how many it alone
    largest: list[Sequence[str]]  # of a sweep: framework, dtype, checks, failed, scores, element, norm
    swept: list[Sequence[str]]
    alarms: list[Mapping[str, Any]]
    environment: list[tuple[str, str]]
    contents: list[Section]

    @property
    def sections(self) -> list[str]:
        """The templates of the sections that have something in them, in the order of the page."""
        own = [anchor for anchor, *_ in self.contents if anchor not in ("reading", "environment")]
        return [*own, "about"]

    @property
    def skipped(self) -> list[tuple[str, str, str]]:
        return [(amount(group.size), group.all("framework"), group.why) for group in self.skips]


def view(record: Mapping[str, Any]) -> View:
    """Arrange a record for a reader."""
    summary = record["summary"]
    found, sweep = record["checks"], record["sweep"]
    tables, failing, refused, skipped = matrices(record), failures(found), expected_failures(found), skips(found)
    return View(
        record=record,
        verdict=verdict(record),
        failed=failed(record),
        counts=[(s, SYMBOLS[s], MEANINGS[s], amount(summary["results"][s])) for s in STATUSES],
        facts=_facts(summary, tables),
        matrices=tables,
        failures=failing,
        expected_failures=refused,
        skips=skipped,
        divergences=[(topic, sorted(of, key=_believed)) for topic, of in groupby(record["divergences"], _topic)],
        stale=stale_entries(record),
        mutants=[(topic, list(of_topic)) for topic, of_topic in groupby(record["mutants"], _topic)],
        survivors=survivors(record),
        killers=by_contract(record["mutants"]),
        largest=largest(sweep["rows"] if sweep else []),
        swept=swept(sweep["rows"] if sweep else []),
        alarms=sweep["failures"] if sweep else [],
        contracts=[*((contract.name, contract.promise) for contract in CONTRACTS.values()), (CONTRACT, PROMISE)],
        environment=_environment(record["environment"]),
        contents=contents(record, tables, failing, refused, skipped),
    )


def _topic(entry: Mapping[str, Any]) -> str:
    return str(entry["name"]).partition(".")[0]


def _believed(entry: Mapping[str, Any]) -> bool:
    """What differs comes before what is only believed."""
    return bool(entry["verdict"] != DIFFERS)


def _facts(summary: Mapping[str, Any], tables: Sequence[Matrix]) -> list[tuple[str, str]]:
    limits = next((one for table in tables for one in table.columns if one.contract == "matches_reference"), None)
    element, norm = (f" of {limit:g}" if limit else "" for limit in _both(limits))
    worst = [
        (
            f"{framework} against the reference",
            f"worst element {number(of['score'])}{element} noise floors, norm-wise {number(of['norm_score'])}{norm}",
        )
        for framework, of in summary["worst"].items()
    ]
    return [
        ("checks", f"{amount(summary['checked'])} of {amount(summary['planned'])} planned"),
        ("numbers compared", amount(summary["compared"])),
        ("time", f"{summary['seconds']:.0f} s"),
        *worst,
    ]


def _both(column: Column | None) -> tuple[float | None, float | None]:
    return (column.limit, column.norm_limit) if column else (None, None)


def _environment(environment: Mapping[str, Any]) -> list[tuple[str, str]]:
    told = ("date", "python", "platform", "cpu", "cores", "seed")
    machine = [(name, setting(environment[name])) for name in told if name in environment]
    versions = [(name, setting(version)) for name, version in environment["versions"].items()]
    frameworks = [(f"{framework}, as loaded", setting(said)) for framework, said in environment["frameworks"].items()]
    return machine + versions + frameworks + _replayed(environment.get("replayed"))


def _replayed(there: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """What was compared with, if not with what ran here."""
    if not there:
        return []
    place = setting({name: there[name] for name in ("folder", "platform", "cpu")})
    return [(f"{there['framework']}, as recorded", f"{setting(there['frameworks'][there['framework']])}; {place}")]
