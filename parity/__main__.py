"""The command line: ``parity check``, ``report``, ``divergences``, ``advise``, ``scores``."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from parity import __version__, advice, beliefs, report, scores, training, wings
from parity.check import Check, plan
from parity.divergences import Snippet, snippets
from parity.errors import InputError, WingUnavailable
from parity.findings import FAILED, STATUSES, Finding, explain
from parity.operations import OPERATIONS
from parity.race import WrongAnswer
from parity.report.entries import entries
from parity.runner import Runner, Task

OUTPUT = "parity-report"
CHECKED = (Check, training.Training)  # the tasks whose verdict is a list of findings
SHOWN = 10  # failed checks printed in full; the report has them all


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit status: 0 all agree, 1 something failed, 2 wrong usage, 130 interrupted."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except InputError as error:
        print(f"parity: error: {error}", file=sys.stderr)
        return 2
    except (WingUnavailable, WrongAnswer) as error:
        print(f"parity: failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("parity: interrupted before the first check", file=sys.stderr)
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="parity", description="Do PyTorch and TensorFlow agree about padding?")
    parser.add_argument("--version", action="version", version=f"parity {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    check = commands.add_parser("check", help="hold every variant of every operation to its contracts, write a report")
    check.set_defaults(run=_check)
    for name in ("operation", "wing", "variant", "dtype", "contract"):
        check.add_argument(f"--{name}", action="append", default=[], help=f"only this {name}; may be repeated")
    check.add_argument("--full", action="store_true", help="also what takes long: compiled modes, narrow dtypes")
    check.add_argument("--seed", type=int, default=0, help="of the drawn cases (default 0)")
    check.add_argument("--output", default=OUTPUT, metavar="DIR", help=f"where the report goes (default {OUTPUT})")
    check.add_argument("--jobs", type=int, help="worker processes (default: one a core, at most 4)")

    view = commands.add_parser("report", help="write the Markdown and HTML views of a report.json again")
    view.set_defaults(run=_report)
    view.add_argument("record", help="a report.json")
    view.add_argument("--output", default=OUTPUT, metavar="DIR", help=f"where the views go (default {OUTPUT})")

    told = commands.add_parser("divergences", help="list what the frameworks do differently, and what people believe")
    told.set_defaults(run=beliefs.run)
    beliefs.add_options(told)

    advise = commands.add_parser("advise", help="predict which variant is fastest for your lengths, and measure it")
    advise.set_defaults(run=advice.run)
    advice.add_options(advise)

    measure = commands.add_parser(
        "scores", help="measure how scores are distributed, to choose the noise floor's limits"
    )
    measure.set_defaults(run=_scores)
    measure.add_argument("--seeds", type=int, default=200, help="how many (default 200)")
    measure.add_argument("--dtype", action="append", default=[], help="only this dtype; may be repeated")
    return parser


def _check(options: argparse.Namespace) -> int:
    signal.signal(signal.SIGTERM, _interrupt)
    selection, seed = (options.operation, options.wing, options.variant, options.dtype, options.contract), options.seed
    checks, selected = plan(*selection, seed, options.full), any(selection)
    others: list[Task] = [] if selected else [*snippets(), *training.plan(seed=seed), *training.curves(seed=seed)]
    runner = Runner([*checks, *others], options.jobs)
    report.writable(options.output)
    for wing in dict.fromkeys(options.wing):  # a wing that was asked for and does not load is a failure, not a skip
        if reason := wings.missing(wing):
            raise WingUnavailable(reason)
    started = time.monotonic()
    found, interrupted = _verdicts(runner)
    seconds = time.monotonic() - started
    verdicts: dict[Task, list[Any]] = {task: results for task, results in found.items() if isinstance(task, CHECKED)}
    trials = _results(found, Snippet)
    findings = [finding for verdict in verdicts.values() for finding in verdict]
    record = report.record(
        [finding.as_dict() for finding in findings],
        runner.environment,
        seed=options.seed,
        seconds=seconds,
        planned=sum(isinstance(task, CHECKED) for task in runner.tasks),
        checked=len(verdicts),
        interrupted=interrupted,
        divergences=entries(trials),
        training=_results(found, training.Curve),
    )
    files = report.write(record, options.output)
    console = Console(width=None if sys.stdout.isatty() else 100)
    _print_summary(findings, console)
    _print_failures(verdicts, console)
    for trial in trials:
        if trial.stale:
            console.print(f"{trial.stale}\n", markup=False, highlight=False, soft_wrap=True)
    print(f"{report.verdict(record)}; {len(findings)} findings in {seconds:.0f} s")
    print(f"report: {', '.join(str(file) for file in files)}")
    return 130 if interrupted else int(report.failed(record))


def _verdicts(runner: Runner) -> tuple[dict[Task, list[Any]], bool]:
    """The verdict on every task, as far as they came, and whether somebody interrupted."""
    verdicts: dict[Task, list[Any]] = {}
    try:
        with _progress() as progress:
            bar = progress.add_task("starting", total=len(runner.tasks))
            for done, found in runner:
                verdicts[done] = found
                progress.update(bar, advance=1, description=str(done))
    except KeyboardInterrupt:
        for another in (signal.SIGINT, signal.SIGTERM):  # nothing may now come between the findings and their report
            signal.signal(another, signal.SIG_IGN)
        return verdicts, True
    finally:
        runner.close()
    return verdicts, False


def _results(found: Mapping[Task, list[Any]], kind: type) -> list[Any]:
    """All that came of the tasks of a kind."""
    return [result for task, results in found.items() if isinstance(task, kind) for result in results]


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _progress() -> Progress:
    """A bar on stderr, so that stdout holds the summary alone."""
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True)


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


def _report(options: argparse.Namespace) -> int:
    try:
        record = json.loads(Path(options.record).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError("record", repr(options.record), f"a report.json written by parity ({error})") from error
    record = report.current(record)
    report.writable(options.output)
    print("\n".join(str(file) for file in report.write(record, options.output)))
    return int(report.failed(record))


def _scores(options: argparse.Namespace) -> int:
    if options.seeds < 1:
        raise InputError("seeds", options.seeds, "1 or more")
    found: list[scores.Score] = []
    with _progress() as progress:
        for dtype in scores.chosen(options.dtype):
            for seed_scores in progress.track(
                scores.scores(dtype, range(options.seeds)), options.seeds, description=dtype
            ):
                found += seed_scores
    table = Table(*scores.HEADER)
    for row in scores.table(found):
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 200).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
