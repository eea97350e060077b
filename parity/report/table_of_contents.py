"""What stands at the top of the page: each section in a few words, so that two minutes are enough."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from parity.divergences.entry import DIFFERS
from parity.report.formatting import amount, plural
from parity.report.groups import Group
from parity.report.record import stale_entries, survivors
from parity.report.speedups import fastest
from parity.report.table import Matrix

Section = tuple[str, str, str]  # its anchor, its name, and what is in it


def contents(
    record: Mapping[str, Any],
    matrices: list[Matrix],
    failures: list[Group],
    expected_failures: list[Group],
    skips: list[Group],
) -> list[Section]:
    """The sections of a page that have something in them, in their order."""
    return [
        *_failures(failures),
        *_matrix(matrices),
        *_divergences(record),
        *_throughput(record),
        *_training(record),
        *_mutants(record),
        *_sweep(record),
        *_not_compared(expected_failures, skips),
        ("reading", "How to read a score", "scores, noise floors, contracts"),
        ("environment", "Environment", _environment(record["environment"])),
    ]


def _failures(failures: list[Group]) -> Iterator[Section]:
    if failures:
        yield "failures", "Failures", f"{plural(len(failures), 'kind')}, worst first"


def _matrix(matrices: list[Matrix]) -> Iterator[Section]:
    if matrices:
        variants, contracts = sum(len(matrix.rows) for matrix in matrices), len(matrices[0].columns)
        yield (
            "matrix",
            "Operations against contracts",
            f"{plural(variants, 'variant')}, {plural(contracts, 'contract')}",
        )


def _divergences(record: Mapping[str, Any]) -> Iterator[Section]:
    if entries := record["divergences"]:
        verdicts = Counter(entry["verdict"] for entry in entries)
        differ, beliefs = verdicts.pop(DIFFERS, 0), [f"{count} {verdict}" for verdict, count in verdicts.items()]
        said = [plural(differ, "difference") if differ else "", f"beliefs: {', '.join(beliefs)}" if beliefs else ""]
        stale = f"{len(stale_entries(record))} not as described" if stale_entries(record) else ""
        many = "1 entry" if len(entries) == 1 else f"{len(entries)} entries"
        yield "divergences", "Divergences and beliefs", "; ".join(filter(None, [many, *said, stale]))


def _throughput(record: Mapping[str, Any]) -> Iterator[Section]:
    """What trains fastest in each framework; for a reader who has no more time than that."""
    if throughput := record["throughput"]:
        said = fastest(throughput["rows"])
        yield "throughput", "Throughput", f"fastest in training {'; '.join(said)}" if said else ""


def _training(record: Mapping[str, Any]) -> Iterator[Section]:
    if curves := record["training"]:
        models, optimisers = ({curve[name] for curve in curves} for name in ("model", "optimiser"))
        yield "training", "Training", f"{plural(len(models), 'model')}, {plural(len(optimisers), 'optimiser')}"


def _mutants(record: Mapping[str, Any]) -> Iterator[Section]:
    if mutants := record["mutants"]:
        killed = sum(mutant["status"] == "killed" for mutant in mutants)
        missed = f", {len(survivors(record))} not killed" if survivors(record) else ""
        yield "mutants", "Mutants", f"{killed} of {len(mutants)} killed{missed}"


def _sweep(record: Mapping[str, Any]) -> Iterator[Section]:
    if sweep := record["sweep"]:
        alarms = plural(sweep["failed"], "false alarm") if sweep["failed"] else "no false alarm"
        yield "sweep", "Random cases", f"{alarms} in {amount(sweep['checks'])}"


def _not_compared(expected_failures: list[Group], skips: list[Group]) -> Iterator[Section]:
    skipped = sum(group.size for group in skips)
    said = [*([f"{amount(skipped)} skipped"] if skips else []), *_refused(expected_failures)]
    if said:
        yield "not-compared", "What was not compared", ", ".join(said)


def _refused(expected_failures: list[Group]) -> Iterator[str]:
    if expected_failures:
        found = plural(sum(group.size for group in expected_failures), "result")
        yield f"{plural(len(expected_failures), 'expected failure')} ({found})"


def _environment(environment: Mapping[str, Any]) -> str:
    """The day and the frameworks."""
    versions = environment["versions"]
    frameworks = [f"{name} {versions[name]}" for name in ("torch", "tensorflow") if versions.get(name)]
    return ", ".join([*filter(None, [environment.get("date")]), *frameworks])
