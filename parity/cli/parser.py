"""Parse the command line; each command adds its options."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any, NoReturn

from parity import __version__
from parity.cli.options import make_strict
from parity.errors import first_lines

COMMANDS = (
    "check",
    "model",
    "pair",
    "transfer",
    "record",
    "report",
    "diff",
    "describe",
    "divergences",
    "mutants",
    "sweep",
    "advise",
)
STATUS = "Exit status: 0 all agree, 1 something failed, 2 wrong usage, 130 interrupted."


class Parser(argparse.ArgumentParser):
    """A parser that takes no abbreviations, and reports an error in one line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str, nearest: Sequence[str] = ()) -> NoReturn:
        """Exit with status 2 and the error."""
        hint = f"; nearest: {nearest[0]}" if nearest else ""
        self.exit(2, f"parity: error: {first_lines(message)}; {self.prog} --help lists what it takes{hint}\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse arguments; let each command report those it does not know."""
        options, unknown = super().parse_known_args(args, namespace)
        if unknown:
            word, known = unknown[0].partition("=")[0], list(self._option_string_actions)
            longer = [name for name in known if word.startswith("--") and name.startswith(word)]
            self.error(f"unrecognized arguments: {' '.join(unknown)}", longer or get_close_matches(word, known))
        return options, unknown


def command_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = Parser(
        prog="parity", description="Check whether PyTorch and TensorFlow agree about padding.", epilog=STATUS
    )
    parser.add_argument("--version", action="version", version=f"parity {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    for name in COMMANDS:
        module = import_module(f"parity.cli.{name}")
        command = commands.add_parser(name, help=module.HELP, description=module.HELP)
        command.set_defaults(run=module.run)
        make_strict(command)
        module.add_options(command)
    return parser
