"""Write the views of a report again: ``parity report``."""

from __future__ import annotations

import argparse
from pathlib import Path

from msgspec.structs import replace

from parity import report
from parity.cli.terminal import announce
from parity.report import journal
from parity.report.throughput import read as read_benchmarks
from parity.report.writing import REPORT


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``parity report``."""
    parser.add_argument("report", help="read this report.json, or the report in this folder")
    measured = "pytest benchmarks --benchmark-json=FILE wrote beside the source code"
    parser.add_argument("--benchmarks", metavar="FILE", help=f"add and keep the measurements that {measured}")
    parser.add_argument(
        "--output",
        metavar="DIR",
        help=f"write to this folder (default: that of the report, or {report.FOLDER} for a file of another name)",
    )


def run(options: argparse.Namespace) -> int:
    """Read, validate and write a report; return 1 if its run failed."""
    finished = report.read(options.report)
    folder = options.output or _folder(Path(options.report))
    if options.benchmarks is not None:
        finished = replace(finished, throughput=read_benchmarks(options.benchmarks))
    try:
        with report.claim(folder):
            files = report.write(finished, folder)
            print(report.verdict(finished))
            announce(files, finished)
    except report.InUse:
        if options.output or options.benchmarks is not None:
            raise
        print(f"{report.verdict(finished)}; the run in this folder goes on, and writes its report itself")
    return int(report.failed(finished))


def _folder(source: Path) -> Path:
    """Return the folder of the report that was read."""
    if source.is_dir():
        return source
    return source.parent if source.name in (REPORT, journal.NAME) else Path(report.FOLDER)
