"""Check a model of your own from the command line: ``parity model package.module:make``."""

from __future__ import annotations

import argparse

from parity import report
from parity.cli.own_model import EXPECTED, add_checks, add_inputs, checks_of, imported, needed_inputs, printable_lines
from parity.cli.terminal import report_lines
from parity.models.checking import check_model
from parity.models.transformations import LAYOUTS


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``parity model``."""
    parser.add_argument("model", help=f"check this: {EXPECTED}")
    add_inputs(parser)
    add_checks(parser, "try only this one")
    parser.add_argument("--layout", action="append", default=[], help=f"try this one too: {', '.join(LAYOUTS[2:])}")
    parser.add_argument("--recording", default="", metavar="DIR", help="compare with what parity record --model wrote")
    parser.add_argument("--output", metavar="DIR", help="write a report to this folder")


def run(options: argparse.Namespace) -> int:
    """Check a model, print the verdict, and return 1 if it does not hold."""
    inputs = needed_inputs(options, "parity model")
    verdict = check_model(
        imported(options.model),
        inputs,
        layouts=options.layout or ("padded",),
        recording=options.recording,
        **checks_of(options),
    )
    print(printable_lines(str(verdict)))
    if options.output is not None:
        print("\n".join(report_lines(report.write_verdict(options.model, verdict, options.output))))
    return int(not verdict)
