"""The command line: ``parity check``, ``record``, ``report``, ``diff``, ``divergences``, ``mutants``, ``sweep`` …"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from parity import __version__


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, like everything else here, and not how all of it is used."""

    def error(self, message: str) -> NoReturn:
        """Leave with what is wrong."""
        self.exit(2, f"parity: error: {' '.join(message.split())}; {self.prog} --help says what it takes\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Each command answers for what it does not know, with its own help."""
        options, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return options, unknown


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit status: 0 all agree, 1 something failed, 2 wrong usage, 130 interrupted."""
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        print("parity: interrupted before the first check", file=sys.stderr)
        return 130


def _run(arguments: Sequence[str] | None) -> int:
    """Imports everything here, and not above, so that whoever interrupts that is answered too."""
    from parity.errors import FrameworkUnavailable, InputError, NotWritten
    from parity.throughput.benchmark import WrongAnswer

    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except InputError as error:
        print(f"parity: error: {error}", file=sys.stderr)
        return 2
    except (NotWritten, FrameworkUnavailable, WrongAnswer) as error:
        print(f"parity: failed: {error}", file=sys.stderr)
        return 1
    except MemoryError as error:
        print(f"parity: failed: not enough memory: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    from parity.cli import advise, check, describe, diff, divergences, record, report, sweep
    from parity.cli import mutants as mutants

    known = {
        "check": check,
        "record": record,
        "report": report,
        "diff": diff,
        "describe": describe,
        "divergences": divergences,
        "mutants": mutants,
        "sweep": sweep,
        "advise": advise,
    }
    parser = Parser(prog="parity", description="Do PyTorch and TensorFlow agree about padding?")
    parser.add_argument("--version", action="version", version=f"parity {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command in known.items():
        one = commands.add_parser(name, help=command.HELP)
        one.set_defaults(run=command.run)
        command.add_options(one)
    return parser


if __name__ == "__main__":
    sys.exit(main())
