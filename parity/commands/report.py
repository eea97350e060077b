"""``parity report``: the views of a record, written again."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

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
    record = report.current(read(options.record))
    report.writable(options.output)
    print("\n".join(str(file) for file in report.write(record, options.output)))
    return int(report.failed(record))


def read(file: str) -> Any:
    """What a JSON file holds.

    Raises:
        InputError: it cannot be read, or is no strict JSON.
    """
    try:
        return json.loads(Path(file).read_text(encoding="utf-8"), parse_constant=_no_number)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError("record", repr(file), f"a report.json written by parity ({error})") from error


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")
