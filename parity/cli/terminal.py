"""Write to the terminal: tables and lines on stdout, progress and warnings on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from parity.errors import printable
from parity.report import Report, github


def console(width: int = 100) -> Console:
    """Return a console as wide as the terminal, or of a fixed width where there is none."""
    return Console(width=None if sys.stdout.isatty() else width)


def print_lines(console: Console, *lines: str) -> None:
    """Print lines unchanged; a terminal wraps them and a file does not."""
    for line in lines:
        console.print(printable(line), markup=False, highlight=False, soft_wrap=True)


def report_lines(files: Iterable[Path]) -> list[str]:
    """List the files of a report, then its page as a link that a terminal can open."""
    files = list(files)
    pages = [file.absolute().as_uri() for file in files if file.name == "index.html"]
    return [f"report: {', '.join(printable(str(file)) for file in files)}", *pages]


def announce(files: Iterable[Path], report: Report) -> None:
    """Print where a report was written, and publish it on GitHub if a workflow runs the command."""
    print("\n".join(report_lines(files)))
    github.publish(report, say=print, warn=warn)


def warn(message: str) -> None:
    """Print a warning that costs no result."""
    print(f"parity: {message}", file=sys.stderr)


def progress_bar() -> Progress:
    """Return a bar on stderr, so that stdout has the summary alone."""
    return Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
        console=Console(stderr=True),
        transient=True,
    )
