"""Fill in the templates of the page: text from a report is escaped, and its invisible characters are shown."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

from parity.errors import printable
from parity.report.formatting import amount
from parity.report.highlight import highlighted_program

FOLDER = files("parity.report") / "page"  # of the page's templates and script, which may be in a zip file
LONGEST = 100_000  # characters of a text; a page has some several times
NARROW = "\N{NARROW NO-BREAK SPACE}"
THOUSANDS = re.compile(r"(?<![\d.,])(\d{1,3})((?: \d{3})+)(?![\d.])")


def render(name: str, **values: Any) -> Markup:
    """Fill in a template of the page."""
    return Markup(_environment().get_template(f"{name}.html.jinja").render(**values))


def visible(value: Any) -> Any:
    """Show the invisible characters of a text, and the end of none that is huge; all that is no text stays."""
    if type(value) is not str:
        return value
    text = value if len(value) <= LONGEST else f"{value[:LONGEST]} …"
    return "\n".join(map(printable, text.split("\n")))


def thousands(text: Any) -> Markup:
    """Keep the digits of a number together, with narrow spaces that do not break a line.

    >>> [part.split() for part in str(thousands("26 600 of 40, 100 times")).split(" ")]
    [['26', '600'], ['of'], ['40,'], ['100'], ['times']]
    """
    return Markup(THOUSANDS.sub(lambda match: match[0].replace(" ", NARROW), str(escape(visible(text)))))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(lambda name: (FOLDER / name).read_text(encoding="utf-8")),
        autoescape=True,
        finalize=visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "anchor": _anchor,
        "breakable": _breakable,
        "command": _command,
        "inline_code": _inline_code,
        "program": highlighted_program,
        "spaced": _spaced,
        "thousands": thousands,
    }
    return environment


def _spaced(text: str) -> str:
    """Put a space between the thousands of each count in a sentence."""
    return re.sub(r"(?<![\d.])\d{4,}(?![\d.])", lambda match: amount(int(match[0])), text)


def _anchor(name: str) -> str:
    """Replace what cannot stand in the fragment of an address."""
    return re.sub(r"[^\w.\-]+", "-", name)


def _breakable(name: str) -> Markup:
    """Let a name break behind its underscores, in narrow columns."""
    return escape(visible(name)).replace("_", Markup("_<wbr>"))


def _inline_code(text: str) -> Markup:
    """Mark up `code` that stands between backticks."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(visible(text)))))


def _command(command: str) -> Markup:
    """Let a command break before an option and nowhere else; it is copied unchanged."""
    program, *options = visible(command).split(" --")
    return escape(program) + Markup("").join(Markup(" <span>--{}</span>").format(option) for option in options)
