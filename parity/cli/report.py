"""``parity report``: the views of a record, written again."""

from __future__ import annotations

import argparse
from pathlib import Path

from parity import report
from parity.cli.terminal import tell
from parity.report.throughput import read

HELP = "write the Markdown and HTML views of a report.json again, or the report of a run that was killed"


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command understands."""
    parser.add_argument("record", help="a report.json, or the folder of a report")
    parser.add_argument(
        "--benchmarks", metavar="FILE", help="add what pytest benchmarks --benchmark-json=FILE measured, and keep it"
    )
    parser.add_argument(
        "--output", metavar="DIR", help=f"where the views go (default {report.FOLDER}, or the folder that was given)"
    )


def run(options: argparse.Namespace) -> int:
    """Read, check and write; returns 1 if the record is that of a run that failed."""
    given = Path(options.record)
    folder = options.output or (given if given.is_dir() else report.FOLDER)
    record = report.read(given)
    if options.benchmarks is not None:
        record["throughput"] = read(options.benchmarks)
    report.writable(folder)
    tell(report.write(record, folder), lambda: record)
    return int(report.failed(record))
