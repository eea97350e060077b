"""Check a pair of models of your own from the command line: ``parity pair …:make_left …:make_right``."""

from __future__ import annotations

import argparse
from pathlib import Path

from parity import report
from parity.cli.own_model import EXPECTED, add_checks, add_inputs, checks_of, imported, needed_inputs, printable_lines
from parity.cli.terminal import report_lines
from parity.pairs.checking import check_pair
from parity.pairs.onnx_half import is_onnx
from parity.pairs.rules import NAMED

INSTEAD = "or the folder of a recording by parity record --model, or an .onnx file"
DIRECTIONS = ("left-to-right", "right-to-left")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``parity pair``."""
    parser.add_argument("left", help=f"compare this: {EXPECTED}; {INSTEAD}")
    parser.add_argument("right", help="with this, which is one of these too")
    add_inputs(parser)
    add_checks(parser, "hold each model to this one only")
    parser.add_argument("--steps", type=int, default=0, help="train both on so many batches, and compare weights")
    parser.add_argument(
        "--optimiser", choices=tuple(NAMED), help="train with this one, the same mathematics on both sides"
    )
    parser.add_argument(
        "--transfer", metavar="DIRECTION", help=f"carry the weights {' or '.join(DIRECTIONS)} (default: they are equal)"
    )
    parser.add_argument("--output", metavar="DIR", help="write a report to this folder")


def _side(given: str) -> object:
    """Return a model, or the name of what stands for one."""
    return given if is_onnx(given) or Path(given).is_dir() else imported(given)


def run(options: argparse.Namespace) -> int:
    """Check a pair, print the verdict, and return 1 if it does not hold."""
    inputs = needed_inputs(options, "parity pair")
    left, right = _side(options.left), _side(options.right)
    training = {name: getattr(options, name) for name in ("transfer", "steps", "optimiser")}
    verdict = check_pair(left, right, inputs, **training, **checks_of(options))
    print(printable_lines(str(verdict)))
    if options.output is not None:
        name = f"{options.left} = {options.right}"
        print("\n".join(report_lines(report.write_verdict(name, verdict, options.output))))
    return int(not verdict)
