"""What all commands write to: tables on stdout, progress on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from parity.errors import printable
from parity.report import github


def files_of(report: Iterable[Path]) -> list[str]:
    """Where a report is, in lines that a terminal can print; the last is the page, as a link that it can open."""
    files = list(report)
    pages = (file.absolute().as_uri() for file in files if file.name == "index.html")
    return [f"report: {', '.join(printable(str(file)) for file in files)}", *pages]


def tell(files: Iterable[Path], record: Callable[[], Mapping[str, Any]]) -> None:
    """The end of a command that has a report: where it is, and what GitHub shows of it, where that listens."""
    print("\n".join(files_of(files)))
    if github.listens():
        github.tell(record(), say=print, warn=warn)


def warn(said: str) -> None:
    """Say what went wrong, where nothing is lost by it."""
    print(f"parity: {said}", file=sys.stderr)


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
