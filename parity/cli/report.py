"""Write the views of a report again: ``parity report``."""

from __future__ import annotations

import argparse
from pathlib import Path

from msgspec.structs import replace

from parity import report
from parity.cli.terminal import announce
from parity.report.throughput import read as read_benchmarks

HELP = "Write the Markdown and the page of a report again, or the report of a run that was killed."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``parity report``."""
    parser.add_argument("report", help="read this report.json, or the report in this folder")
    parser.add_argument(
        "--benchmarks", metavar="FILE", help="add and keep the measurements of pytest benchmarks --benchmark-json=FILE"
    )
    parser.add_argument(
        "--output",
        metavar="DIR",
        help=f"write the views to this folder (default {report.FOLDER}, or the folder that is read)",
    )


def run(options: argparse.Namespace) -> int:
    """Read, validate and write a report; return 1 if its run failed."""
    source = Path(options.report)
    folder = options.output or (source if source.is_dir() else report.FOLDER)
    finished = report.read(source)
    if options.benchmarks is not None:
        finished = replace(finished, throughput=read_benchmarks(options.benchmarks))
    report.check_writable(folder)
    announce(report.write(finished, folder), finished)
    return int(report.failed(finished))
