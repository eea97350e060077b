"""Transfer weights from the command line: ``parity transfer source target --output FILE``."""

from __future__ import annotations

import argparse
import importlib
import io
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from parity.arrays import Array
from parity.cli.own_model import EXPECTED, add_inputs, imported, inputs_of, printable_lines
from parity.errors import InputError, cause, shown
from parity.files import replace_files
from parity.pairs.leftovers import TransferError
from parity.pairs.names import Named
from parity.pairs.transferring import transfer_weights

ENDINGS = (".safetensors", ".npz")
Encode = Callable[[Mapping[str, Array]], bytes]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``parity transfer``."""
    parser.add_argument("source", help=f"take the weights of this: {EXPECTED}")
    parser.add_argument("target", help="lay them out for this")
    add_inputs(parser)
    parser.add_argument(
        "--pair", action="append", default=[], metavar="NAMES", help="A=B: A of the source is B of the target"
    )
    parser.add_argument(
        "--ignore", action="append", default=[], metavar="NAME", help="leave this layer or array as it is"
    )
    parser.add_argument("--output", required=True, metavar="FILE", help=f"write to this: *{' or *'.join(ENDINGS)}")


def run(options: argparse.Namespace) -> int:
    """Transfer weights, print the table and write the file; return 1 if something has no partner."""
    path = Path(options.output)
    if path.suffix not in ENDINGS:
        raise InputError("--output", shown(options.output), f"a name that ends in {' or '.join(ENDINGS)}")
    encode = _npz if path.suffix == ".npz" else _safetensors()
    pairs: dict[Named, Named] = {}
    for text in options.pair:
        own, equals, theirs = text.partition("=")
        if not (own and equals and theirs):
            raise InputError("--pair", shown(text), "a name of the source and one of the target, such as fc=dense")
        pairs[_several(own)] = _several(theirs)
    source, target = imported(options.source), imported(options.target)
    try:
        transfer = transfer_weights(
            source, target, inputs=inputs_of(options), pairs=pairs, ignore=options.ignore, apply=False
        )
    except TransferError as error:
        print(printable_lines(str(error)), file=sys.stderr)
        return 1
    print(printable_lines(str(transfer)))
    try:
        replace_files(path.parent, {path.name: encode(transfer.weights)})
    except OSError as error:
        raise InputError(
            "--output", f"{shown(options.output)} ({cause(error)})", "a file that can be written"
        ) from error
    print(f"{len(transfer.weights)} arrays written to {path}")
    return 0


def _several(text: str) -> Named:
    return tuple(text.split("+")) if "+" in text else text


def _npz(arrays: Mapping[str, Array]) -> bytes:
    content = io.BytesIO()
    np.savez(content, **dict(arrays))  # type: ignore[arg-type]
    return content.getvalue()


def _safetensors() -> Encode:
    try:
        module = importlib.import_module("safetensors.numpy")
    except ImportError as error:
        expected = "safetensors installed (pip install 'padding-parity[safetensors]'), or a name that ends in .npz"
        raise InputError("--output", f"a .safetensors file, and {cause(error)}", expected) from error

    def encode(arrays: Mapping[str, Array]) -> bytes:
        content: bytes = module.save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
        return content

    return encode
