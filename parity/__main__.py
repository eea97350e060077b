"""Run the command line: ``parity COMMAND``, where each command is a module of `parity.cli`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

from parity import __version__

COMMANDS = ("check", "record", "report", "diff", "describe", "divergences", "mutants", "sweep", "advise")
STATUS = "Exit status: 0 all agree, 1 something failed, 2 wrong usage, 130 interrupted."


class Parser(argparse.ArgumentParser):
    """A parser that reports an error in one line, without the whole usage."""

    def error(self, message: str) -> NoReturn:
        """Exit with status 2 and the error."""
        self.exit(2, f"parity: error: {' '.join(message.split())}; {self.prog} --help lists what it takes\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse arguments; let each command report those it does not know."""
        options, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return options, unknown


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0 all agree, 1 failed, 2 wrong usage, 130 interrupted."""
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        print("parity: interrupted before the first check", file=sys.stderr)
        return 130


def _run(arguments: Sequence[str] | None) -> int:
    """Import everything here, so that an interrupt during imports is reported too."""
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
    parser = Parser(
        prog="parity", description="Check whether PyTorch and TensorFlow agree about padding.", epilog=STATUS
    )
    parser.add_argument("--version", action="version", version=f"parity {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    for name in COMMANDS:
        module = import_module(f"parity.cli.{name}")
        command = commands.add_parser(name, help=module.HELP, description=module.HELP)
        command.set_defaults(run=module.run)
        module.add_options(command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
