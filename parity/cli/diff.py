"""``parity diff``: two reports, of two versions, two machines or two days, and what is different between them."""

from __future__ import annotations

import argparse
from typing import Any

from parity import report
from parity.cli.terminal import console
from parity.diff import changes
from parity.diff.markdown import markdown
from parity.diff.text import show
from parity.errors import InputError

HELP = "compare two reports: what newly fails, newly passes, moved, appeared and went"


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command understands."""
    parser.add_argument("old", metavar="OLD", help="a report.json, or the folder of a report: what was")
    parser.add_argument("new", metavar="NEW", help="another: what is")
    parser.add_argument("--markdown", action="store_true", help="print Markdown, for a file or a job's summary")


def run(options: argparse.Namespace) -> int:
    """Compare and print; returns 1 if something got worse.

    Raises:
        InputError: one of the two is no record; the message says which.
    """
    found = changes(_read("OLD", options.old), _read("NEW", options.new))
    if options.markdown:
        print(markdown(found), end="")
    else:
        show(found, console(140))
    return int(bool(found.worse))


def _read(argument: str, place: str) -> dict[str, Any]:
    try:
        return report.read(place)
    except InputError as wrong:
        raise InputError(argument, *wrong.args[1:]) from wrong
