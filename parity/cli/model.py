"""Check a model of your own from the command line: ``parity model package.module:make``."""

from __future__ import annotations

import argparse
import importlib
import sys

from parity import report
from parity.cli.terminal import report_lines
from parity.errors import INTERRUPTS, InputError, first_lines, message_of, printable, shown
from parity.models.checking import DTYPES, check_model
from parity.models.inputs import Input, features, tokens
from parity.models.sequences import Inputs, LengthsSpec, inputs, lengths
from parity.models.transformations import LAYOUTS

HELP = "Check whether a model of your own ignores padding, batch-mates and the side of the padding."
EXPECTED = "package.module:name of a model, or of a function that makes one"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``parity model``."""
    parser.add_argument("model", help=f"check this: {EXPECTED}")
    add_inputs(parser)
    parser.add_argument("--lengths", metavar="L,…", help="sequences of these lengths, such as 3,1 (default: sampled)")
    parser.add_argument("--layout", action="append", default=[], help=f"try this one too: {', '.join(LAYOUTS[2:])}")
    parser.add_argument("--contract", action="append", default=[], help="try only this one")
    parser.add_argument("--dtype", default=DTYPES[0], help=f"check in this dtype beside float64 (default {DTYPES[0]})")
    parser.add_argument("--seeds", type=int, default=3, help="try so many samples (default 3)")
    parser.add_argument("--output", metavar="DIR", help="write a report to this folder")
    parser.add_argument("--training", action="store_true", help="leave layers in the mode of training")


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """Add the options that describe what a model takes."""
    parser.add_argument("--tokens", type=int, metavar="V", help="it takes ids below V, called tokens")
    parser.add_argument("--padding", type=int, default=0, help="the id on padding (default 0)")
    parser.add_argument("--features", type=int, metavar="D", help="it takes D floats on each step, called features")


def inputs_of(options: argparse.Namespace, spec: LengthsSpec | None = None) -> Inputs | None:
    """Return the inputs that the options describe; None if they describe nothing."""
    described: dict[str, Input] = {}
    if options.tokens is not None:
        described["tokens"] = tokens(options.tokens, options.padding)
    if options.features is not None:
        described["features"] = features(options.features)
    return inputs(lengths=spec, **described) if described else None


def run(options: argparse.Namespace) -> int:
    """Check a model, print the verdict, and return 1 if it does not hold."""
    spec = None if options.lengths is None else lengths(_whole_numbers(options.lengths))
    own = inputs_of(options, spec)
    if own is None:
        raise InputError("parity model", "neither --tokens nor --features", "what the model takes")
    verdict = check_model(
        imported(options.model),
        own,
        layouts=options.layout or ("padded",),
        contracts=options.contract,
        dtype=options.dtype,
        seeds=options.seeds,
        training=options.training,
    )
    print(printable_lines(str(verdict)))
    if options.output is not None:
        print("\n".join(report_lines(report.write_verdict(options.model, verdict, options.output))))
    return int(not verdict)


def printable_lines(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))


def _whole_numbers(text: str) -> list[int]:
    try:
        return [int(number) for number in text.split(",")]
    except ValueError:
        raise InputError("--lengths", shown(text), "whole numbers with commas between them, such as 3,1") from None


def imported(place: str) -> object:
    """Return what is called ``package.module:name``; modules in the current folder are found first."""
    module, _, name = place.partition(":")
    if not module or not name:
        raise InputError("model", shown(place), EXPECTED)
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found: object = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except INTERRUPTS:
        raise
    except BaseException as error:  # a module of the user's may raise anything, even SystemExit
        raise InputError("model", f"{shown(place)} ({first_lines(message_of(error))})", EXPECTED) from error
    return found
