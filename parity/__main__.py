"""Run the command line: ``parity COMMAND``, where each command is a module of `parity.cli`."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0 all agree, 1 failed, 2 wrong usage, 130 interrupted."""
    try:  # import everything here, so that an interrupt during imports is reported too
        from parity.cli import streams

        return streams.run(lambda: _run(arguments))
    except KeyboardInterrupt:
        print("parity: interrupted", file=sys.stderr)
        return 130


def _run(arguments: Sequence[str] | None) -> int:
    from parity.cli.parser import COMMANDS, command_parser

    given = sys.argv[1:] if arguments is None else list(arguments)
    command = given[0] if given and given[0] in COMMANDS else ""
    if command:
        from parity.cli.packages import unusable

        if reason := unusable():
            print(f"parity: {reason}", file=sys.stderr)
            return 2
    try:
        options = command_parser(command).parse_args(given)
    except SystemExit as exit_:
        return int(str(exit_.code))
    from parity.errors import FrameworkUnavailable, InputError, NotWritten, printable
    from parity.throughput.benchmark import WrongAnswer

    try:
        return int(options.run(options) or 0)
    except InputError as error:
        print(f"parity: error: {printable(str(error))}", file=sys.stderr)
        return 2
    except (NotWritten, FrameworkUnavailable, WrongAnswer) as error:
        print(f"parity: failed: {printable(str(error))}", file=sys.stderr)
        return 1
    except MemoryError as error:
        print(f"parity: failed: not enough memory: {printable(str(error))}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
