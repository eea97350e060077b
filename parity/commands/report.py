"""``parity report``: the views of a record, written again."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from parity import report
from parity.errors import InputError, printable
from parity.report.files import JOURNAL, RECORD
from parity.report.keeper import left_behind

HELP = "write the Markdown and HTML views of a report.json again, or the report of a run that was killed"


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command understands."""
    parser.add_argument("record", help="a report.json, or the folder of a report")
    parser.add_argument(
        "--output", metavar="DIR", help=f"where the views go (default {report.FOLDER}, or the folder that was given)"
    )


def run(options: argparse.Namespace) -> int:
    """Read, check and write; returns 1 if the record is that of a run that failed."""
    given = Path(options.record)
    folder = options.output or (given if given.is_dir() else report.FOLDER)
    record = report.current(_read(given / JOURNAL if (given / JOURNAL).exists() else given))
    report.writable(folder)
    print("\n".join(printable(str(file)) for file in report.write(record, folder)))
    return int(report.failed(record))


def _read(file: Path) -> Any:
    if file.name == JOURNAL:
        return left_behind(file)
    try:
        return json.loads(
            (file / RECORD if file.is_dir() else file).read_text(encoding="utf-8"), parse_constant=_no_number
        )
    except (OSError, ValueError, RecursionError) as error:
        raise InputError("record", repr(str(file)), f"a report.json written by parity ({error})") from error


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")
