"""Look for false alarms on random cases, and show the distribution of scores: ``parity sweep``."""

from __future__ import annotations

import argparse

from rich.table import Table

from parity import frameworks, report
from parity.checks import sensitivity, sweep
from parity.checks.sweep import SweepReport
from parity.cli.check import print_failures
from parity.cli.options import add_jobs, add_output, add_require, add_selection
from parity.cli.running import add_scheduler, runner_of
from parity.cli.streams import heed_interrupts
from parity.cli.terminal import announce, console, print_lines, run_tasks
from parity.report.groups import failures


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``parity sweep``."""
    add_selection(parser, "operation", "dtype")
    parser.add_argument("--seeds", type=int, default=100, metavar="N", help="try so many seeds (default 100)")
    parser.add_argument("--seed", type=int, default=0, help="start with this one (default 0)")
    instead = parser.add_mutually_exclusive_group()
    sizes = "try batches of special sizes in turn, eagerly, instead of random lengths"
    instead.add_argument("--designed", action="store_true", help=sizes)
    smallest = "print the smallest relative error of each quantity that fails, instead"
    instead.add_argument("--sensitivity", action="store_true", help=smallest)
    add_output(parser, "add the result to the report in this folder")
    add_require(parser)
    add_jobs(parser)
    add_scheduler(parser)


def run(options: argparse.Namespace) -> int:
    """Sweep, print the distribution, add it to the report; return 1 after a failure, 130 after an interrupt."""
    if options.sensitivity:
        return _run_sensitivity(options)
    tasks = sweep.plan(options.operation, options.dtype, options.seeds, options.seed, options.designed)
    runner = runner_of(tasks, options)
    frameworks.require("require", options.require)
    claimed = report.claim_addable(options.output)
    results, interrupted = run_tasks(runner)
    tallies = [tally for tallies in results.values() for tally in tallies]
    summary = sweep.summarise(tallies, options.seed, options.seeds)
    empty = report.build([], runner.environment, seed=options.seed, seconds=0.0, planned=0, checked=0)
    try:
        with claimed:
            files = report.add_to_report(options.output, empty, sweep=summary)
    finally:  # even if the report cannot be written
        heed_interrupts()
        _print(summary)
    announce(files, report.read(options.output))
    if interrupted:
        return 130
    return int(summary.failed > 0 or not summary.checks)


def _run_sensitivity(options: argparse.Namespace) -> int:
    """Measure and print the sensitivities, which need no framework."""
    tasks = sensitivity.plan(options.operation, options.dtype, options.seed)
    results, interrupted = run_tasks(runner_of(tasks, options))
    heed_interrupts()
    print_lines(console(), *sensitivity.lines(one for task in tasks for one in results.get(task, ())))
    return 130 if interrupted else 0


def _print(summary: SweepReport) -> None:
    terminal = console(160)
    terminal.print(_table(summary))
    print_failures(failures(summary.failures), terminal)
    failed = f"{summary.failed} of {summary.checks} checks failed"
    print(failed if summary.checks else "nothing was compared, which is a failure")


def _table(summary: SweepReport) -> Table:
    quantiles = [f"{kind} {quantile:g} %" for kind in ("element", "norm") for quantile in sweep.QUANTILES]
    table = Table("operation", "framework", "dtype", "failed", "scores", *quantiles, box=None, header_style="dim")
    for row in summary.rows:
        scores = [f"{score:g}" for score in (*row.element, *row.norm)]
        table.add_row(row.operation, row.framework, row.dtype, str(row.failed or "·"), str(row.scores), *scores)
    return table
