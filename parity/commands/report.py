"""``parity report``: the views of a record, written again."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from parity import report
from parity.errors import InputError

HELP = "write the Markdown and HTML views of a report.json again"


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command understands."""
    parser.add_argument("record", help="a report.json")
    parser.add_argument(
        "--output", default=report.FOLDER, metavar="DIR", help=f"where the views go (default {report.FOLDER})"
    )


def run(options: argparse.Namespace) -> int:
    """Read, check and write; returns 1 if the record is that of a run that failed."""
    try:
        record = json.loads(Path(options.record).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError("record", repr(options.record), f"a report.json written by parity ({error})") from error
    record = report.current(record)
    report.writable(options.output)
    print("\n".join(str(file) for file in report.write(record, options.output)))
    return int(report.failed(record))
