"""``parity check``: hold every variant of every operation to its contracts, and write a report."""

from __future__ import annotations

import argparse
import signal
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from parity import report, training, wings
from parity.check import Check, covered, plan
from parity.commands.running import signals, verdicts
from parity.commands.screen import console as screen
from parity.commands.screen import files_of
from parity.divergences import Snippet, snippets
from parity.errors import NotWritten, WingUnavailable
from parity.findings import FAILED, STATUSES, Finding, explain
from parity.operations import OPERATIONS
from parity.replay import verified
from parity.report.keeper import Keeper
from parity.runner import Runner, Task

HELP = "hold every variant of every operation to its contracts, write a report"
CHECKED = (Check, training.Training)  # the tasks whose verdict is a list of findings
ENDING = (signal.SIGINT, signal.SIGTERM)
SHOWN = 10  # failed checks printed in full; the report has them all


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command understands."""
    for name in ("operation", "wing", "variant", "dtype", "contract"):
        parser.add_argument(f"--{name}", action="append", default=[], help=f"only this {name}; may be repeated")
    parser.add_argument("--form", default="", help="only this form of its operation")
    parser.add_argument(
        "--shape", default="", help='only this shape of batch; or one written out, "3,0,1:5": lengths, T'
    )
    parser.add_argument("--mode", default="", help="only this mode: eager, graph, xla or compiled")
    parser.add_argument("--full", action="store_true", help="also what takes long: compiled modes, narrow dtypes")
    parser.add_argument("--device", default="cpu", help="auto, cpu (default) or cuda: for frameworks that see one")
    parser.add_argument("--tf32", action="store_true", help="let a GPU round factors of float32 products to TF32")
    parser.add_argument("--seed", type=int, default=0, help="of the drawn cases (default 0)")
    parser.add_argument(
        "--output", default=report.FOLDER, metavar="DIR", help=f"where the report goes (default {report.FOLDER})"
    )
    parser.add_argument("--replay", metavar="DIR", help="compare with what parity record wrote there, too")
    parser.add_argument("--jobs", type=int, help="worker processes (default: one a core, at most 4)")


def run(options: argparse.Namespace) -> int:
    """Run, write the report, print the summary; returns 1 if something failed, 130 if somebody interrupted."""
    with signals():
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    selection, seed = (options.operation, options.wing, options.variant, options.dtype, options.contract), options.seed
    cases = {name: getattr(options, name) for name in ("form", "shape", "mode")}
    place = wings.Place(options.device, options.tf32)
    earlier = verified(options.replay) if options.replay else None
    checks = plan(*selection, seed, options.full, **cases, place=place, record=earlier)
    covered(checks, earlier)
    selected = any([*selection, *cases.values()])
    others: list[Task] = [] if selected else [*snippets(), *training.plan(seed=seed), *training.curves(seed=seed)]
    runner = Runner([*checks, *others], options.jobs)
    report.writable(options.output)
    for wing in dict.fromkeys(options.wing):  # a wing that was asked for and does not load is a failure, not a skip
        if reason := wings.missing(wing):
            raise WingUnavailable(reason)
    planned = sum(isinstance(task, CHECKED) for task in runner.tasks)
    keeper = Keeper(options.output, seed=seed, planned=planned, replayed=earlier.environment if earlier else None)
    keeper.begin()
    came, interrupted = verdicts(runner, keeper)
    found: dict[Task, list[Any]] = {task: results for task, results in came.items() if isinstance(task, CHECKED)}
    trials = _results(came, Snippet)
    findings = [finding for verdict in found.values() for finding in verdict]
    record = keeper.record(interrupted)
    files, failure = _written(record, options.output)
    console = screen()
    _print_summary(findings, console)
    _print_failures(found, console)
    for trial in trials:
        if trial.stale:
            console.print(f"{trial.stale}\n", markup=False, highlight=False, soft_wrap=True)
    if earlier:
        print(f"compared with {earlier}")
    print(f"{report.verdict(record)}; {len(findings)} findings in {record['summary']['seconds']:.0f} s")
    if failure:
        raise failure  # now that everything is told
    print(files_of(files))
    return 130 if interrupted else int(report.failed(record))


def _written(record: Mapping[str, Any], folder: str) -> tuple[list[Path], NotWritten | None]:
    """The files of the report, or why there are none."""
    try:
        return report.write(record, folder), None
    except NotWritten as error:
        return [], error


def _results(found: Mapping[Task, list[Any]], kind: type) -> list[Any]:
    """All that came of the tasks of a kind."""
    return [result for task, results in found.items() if isinstance(task, kind) for result in results]


def _print_summary(findings: list[Finding], console: Console) -> None:
    """Counts and worst scores by operation and wing."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("operation", "wing"):
        table.add_column(name, no_wrap=True)
    for name in (*STATUSES, "element", "norm"):
        table.add_column(name, justify="right", no_wrap=True)
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.operation, finding.wing), []).append(finding)
    for key in sorted(groups, key=lambda key: (list(OPERATIONS).index(key[0]), key[1])):
        statuses = Counter(finding.status for finding in groups[key])
        worst = (_worst(groups[key], "score"), _worst(groups[key], "norm_score"))
        counts = (str(statuses[status] or "·") for status in STATUSES)
        table.add_row(*key, *counts, *worst, style="red" if statuses[FAILED] else "")
    console.print(table)
    console.print("element, norm: the worst score, in noise floors\n", style="dim")


def _print_failures(verdicts: Mapping[Task, list[Finding]], console: Console) -> None:
    """The first failures, with what shows them again."""
    failed = [(check, said) for check, findings in verdicts.items() if (said := explain(findings))]
    for check, said in failed[:SHOWN]:
        console.print(f"{check}: {said}\n", markup=False, highlight=False, soft_wrap=True)
    if len(failed) > SHOWN:
        console.print(f"and {len(failed) - SHOWN} more failed checks: see the report\n")


def _worst(findings: list[Finding], score: str) -> str:
    found = [getattr(finding, score) for finding in findings if getattr(finding, score) is not None]
    return f"{max(found):.2g}" if found else "·"
