"""Generate the reference of the command line from its parser."""

from __future__ import annotations

import os
from unittest.mock import patch

from docs.generating.markdown import escaped, fenced
from parity.cli.parser import COMMANDS, command_parser

COLUMNS = "88"  # of the help, so that it fits beside the table of contents


def command_line() -> str:
    """Return a section for each command: a sentence and its help."""
    return "\n".join(f"## parity {name}\n\n{escaped(text)}\n\n{help_of(name)}" for name, text in COMMANDS.items())


def help_of(command: str) -> str:
    """Return the help of a command as a block of code."""
    with patch.dict(os.environ, {"COLUMNS": COLUMNS, "NO_COLOR": "1"}):
        parser = command_parser(command)
        (commands,) = (action.choices for action in parser._actions if isinstance(action.choices, dict))
        return fenced(commands[command].format_help().strip(), "text")
