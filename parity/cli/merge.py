"""Make one report of the reports of all shards of a selection: ``parity merge``."""

from __future__ import annotations

import argparse
from pathlib import Path

from parity import report
from parity.cli.check import summarise
from parity.cli.options import add_output
from parity.cli.terminal import announce
from parity.errors import InputError
from parity.report.merging import merge


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``parity merge``."""
    parser.add_argument("folders", nargs="+", metavar="DIR", help="the folder of the report of a shard")
    parser.add_argument(
        "--allow-missing", action="store_true", help="do not fail because a shard or results are missing"
    )
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    """Merge the reports, say what is missing, write the report; return 1 if that of one run would have failed."""
    merged = merge(options.folders)
    if Path(options.output).resolve() in (Path(folder).resolve() for folder in options.folders):
        raise InputError(
            "output", f"{options.output!r}, the folder of a shard", "another one: parity merge --output DIR"
        )
    with report.claim(options.output):
        files = report.write(merged.report, options.output)
    for sentence in merged.missing:
        print(sentence)
    summarise(merged.report)
    announce(files, merged.report)
    failed = report.failed(merged.report, complete=not options.allow_missing)
    return int(failed or (bool(merged.missing) and not options.allow_missing))
