"""Templates of pages and of parts of them: text from a record is escaped, and all of it can be seen."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from parity.errors import printable
from parity.report.formatting import amount

FOLDER = Path(__file__).parent / "page"
NARROW = "\N{NARROW NO-BREAK SPACE}"
THOUSANDS = re.compile(r"(?<![\d.,])(\d{1,3})((?: \d{3})+)(?![\d.])")


def rendered(name: str, **shown: Any) -> Markup:
    """A template of the page, filled in."""
    return Markup(_environment().get_template(f"{name}.html.jinja").render(**shown))


def visible(value: Any) -> Any:
    """Text of which all can be seen; lines stay lines."""
    return "\n".join(map(printable, value.split("\n"))) if type(value) is str else value


def figures(text: Any) -> Markup:
    """Numbers whose thousands stay together: a narrow space that does not break a line.

    >>> [part.split() for part in str(figures("26 600 of 40, 100 times")).split(" ")]
    [['26', '600'], ['of'], ['40,'], ['100'], ['times']]
    """
    return Markup(THOUSANDS.sub(lambda found: found[0].replace(" ", NARROW), str(escape(visible(text)))))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        finalize=visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        **{"anchor": _anchor, "breakable": _breakable, "command": _command},
        **{"figures": figures, "grouped": _grouped, "prose": _prose},
    }
    return environment


def _grouped(text: str) -> str:
    """A sentence of counts, with the thousands of each apart."""
    return re.sub(r"(?<![\d.])\d{4,}(?![\d.])", lambda found: amount(int(found[0])), text)


def _anchor(name: str) -> str:
    """A name that an address can end with."""
    return re.sub(r"[^\w.\-]+", "-", name)


def _breakable(name: str) -> Markup:
    """A name that may be broken behind its underscores, so that narrow columns can hold it."""
    return escape(visible(name)).replace("_", Markup("_<wbr>"))


def _prose(text: str) -> Markup:
    """A sentence whose `code` stands between backticks."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(visible(text)))))


def _command(command: str) -> Markup:
    """A command that may be broken before an option and nowhere else; it is copied as it was."""
    program, *options = visible(command).split(" --")
    return escape(program) + Markup("").join(Markup(" <span>--{}</span>").format(option) for option in options)
