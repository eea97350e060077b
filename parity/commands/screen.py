"""What all commands write to: tables on stdout, progress on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from parity.errors import printable


def files_of(report: Iterable[Path]) -> str:
    """Where a report is, in one line that a terminal can print."""
    return f"report: {', '.join(printable(str(file)) for file in report)}"


def console(width: int = 100) -> Console:
    """As wide as the terminal, or ``width`` where there is none."""
    return Console(width=None if sys.stdout.isatty() else width)


def progress() -> Progress:
    """A bar on stderr, so that stdout holds the summary alone."""
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True)
