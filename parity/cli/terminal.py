"""Write to the terminal: tables and lines on stdout, warnings and the progress of tasks on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column

from parity.checks.result import FAILED
from parity.checks.runner import Runner, Task
from parity.cli.streams import RECEIVED, ignore_interrupts
from parity.errors import printable
from parity.report import Report, github
from parity.report.formatting import plural
from parity.report.journal import Journal, entry, warn

LONG = 60.0  # seconds of a run whose length is announced


def console(width: int = 100) -> Console:
    """Return a console as wide as the terminal or as COLUMNS, or of a fixed width. No text is markup in it."""
    known = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(width=None if known else width, markup=False, emoji=False, highlight=False)


def print_lines(console: Console, *lines: str) -> None:
    """Print lines unchanged; a terminal wraps them and a file does not."""
    for line in lines:
        console.print(printable(line), markup=False, emoji=False, highlight=False, soft_wrap=True)


def report_lines(files: Iterable[Path]) -> list[str]:
    """List the files of a report, then its page as a link that a terminal can open."""
    files = list(files)
    pages = [file.absolute().as_uri() for file in files if file.name == "index.html"]
    return [f"report: {', '.join(printable(str(file)) for file in files)}", *pages]


def announce(files: Iterable[Path], report: Report) -> None:
    """Print where a report was written, if it was, and publish it on GitHub if a workflow runs the command."""
    if files := list(files):
        print("\n".join(report_lines(files)))
    github.publish(report, say=print, warn=warn)


def announce_estimate(runner: Runner) -> None:
    """Print how long tasks will take, if it is long, by what they took on another machine."""
    expected = sum(task.cost for task in runner.tasks) / runner.jobs
    if expected >= LONG:
        text = f"{plural(len(runner.tasks), 'check')} in {plural(runner.jobs, 'worker')}"
        print(f"{text}: about {expected / 60:.0f} minutes", file=sys.stderr)


def run_tasks(
    runner: Runner, journal: Journal | None = None, exit_first: bool = False
) -> tuple[dict[Task, list[Any]], bool]:
    """Run all tasks; return the results of each that is done, and whether somebody interrupted.

    With ``exit_first``, the first task that failed is the last one. A journal keeps the results of each task as soon
    as it is done. Interrupts are ignored from the end of the run until the caller has written its report and calls
    `heed_interrupts`.
    """
    results: dict[Task, list[Any]] = {}
    try:
        with Progress(*_columns(), console=Console(stderr=True), transient=True, expand=True) as bars:
            bar = bars.add_task("starting", total=len(runner.tasks))
            for task, results_of_task in runner:
                if RECEIVED:  # a framework may make an error of an interrupt, which is no result
                    return results, True
                results[task] = results_of_task
                if journal:
                    journal.keep(entry(task, results_of_task, runner.environment))
                bars.update(bar, advance=1, description=printable(str(task)))
                if exit_first and any(getattr(result, "status", "") == FAILED for result in results_of_task):
                    break
    except KeyboardInterrupt:
        return results, True
    finally:
        ignore_interrupts()  # a second one must not stop the report from being written
        runner.close()
    return results, False


def _columns() -> tuple[ProgressColumn, ...]:
    """Return the columns of a bar that fits a line of 80 columns; the name of the task is cut where it is too long."""
    name = TextColumn("{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True))
    return BarColumn(bar_width=16), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(), name
