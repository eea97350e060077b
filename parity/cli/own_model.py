"""Read from options what a model of a user's is and takes."""

from __future__ import annotations

import argparse
import importlib
import sys
from typing import Any

from parity.errors import INTERRUPTS, InputError, first_lines, message_of, printable, shown
from parity.models.checking import DTYPES
from parity.models.inputs import Input, features, tokens
from parity.models.sequences import Inputs, inputs, lengths

EXPECTED = "package.module:name of a model, or of a function that makes one"


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """Add the options for what a model takes."""
    parser.add_argument("--tokens", type=int, metavar="V", help="it takes ids below V, called tokens")
    parser.add_argument("--padding", type=int, default=0, help="the id on padding (default 0)")
    parser.add_argument("--features", type=int, metavar="D", help="it takes D floats on each step, called features")
    parser.add_argument("--lengths", metavar="L,…", help="sequences of these lengths, such as 3,1 (default: sampled)")


def add_runs(parser: argparse.ArgumentParser) -> None:
    """Add the options for how a model is run."""
    parser.add_argument("--seeds", type=int, default=3, help="try so many samples (default 3)")
    parser.add_argument("--training", action="store_true", help="leave layers in the mode of training")


def add_checks(parser: argparse.ArgumentParser, contract: str) -> None:
    """Add the options for what is checked, and how; ``contract`` is the help for one contract."""
    parser.add_argument("--contract", action="append", default=[], help=contract)
    parser.add_argument("--dtype", default=DTYPES[0], help=f"check in this dtype beside float64 (default {DTYPES[0]})")
    add_runs(parser)


def checks_of(options: argparse.Namespace) -> dict[str, Any]:
    """Return these options as arguments of a check."""
    return {"contracts": options.contract, **{name: getattr(options, name) for name in ("dtype", "seeds", "training")}}


def needed_inputs(options: argparse.Namespace, command: str) -> Inputs:
    """Return what a model takes.

    Raises:
        InputError: a wrong number, or nothing.
    """
    found = inputs_of(options)
    if found is None:
        raise InputError(command, "neither --tokens nor --features", "what the model takes")
    return found


def inputs_of(options: argparse.Namespace) -> Inputs | None:
    """Return what a model takes; None if the options do not describe it.

    Raises:
        InputError: a wrong number.
    """
    described: dict[str, Input] = {}
    if options.tokens is not None:
        described["tokens"] = tokens(options.tokens, options.padding)
    if options.features is not None:
        described["features"] = features(options.features)
    spec = None if options.lengths is None else lengths(_whole_numbers(options.lengths))
    return inputs(lengths=spec, **described) if described else None


def printable_lines(text: str) -> str:
    """Return a text with escapes for what cannot be printed."""
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
