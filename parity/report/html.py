"""The report as HTML that needs nothing else: no script, no font, no connection."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from parity.divergences.entry import VERDICTS
from parity.errors import printable
from parity.report.catches import caught_by, margin
from parity.report.view import CLAIMS, PLANTED, QUESTION, RANDOM, READING, REFUSALS, TITLE, View
from parity.report.words import MEANINGS, SYMBOLS


def html(view: View) -> str:
    """The whole page.

    Args:
        view: from `parity.report.view.view`.

    Returns:
        HTML with its style inside.
    """
    return _template("page").render(
        view=view,
        title=TITLE,
        question=QUESTION,
        reading=READING,
        refusals=REFUSALS,
        claims=CLAIMS,
        planted=PLANTED,
        random=RANDOM,
        caught_by=caught_by,
        symbols=SYMBOLS,
        meanings=MEANINGS,
        failure_of={(g.worst["operation"], g.subject, g.worst["contract"]): n for n, g in enumerate(view.failures, 1)},
    )


def book(view: View) -> str:
    """The page of divergences, with an anchor for each, so that a link can settle an argument.

    Args:
        view: from `parity.report.view.view`.

    Returns:
        HTML with its style inside.
    """
    return _template("divergences").render(view=view, claims=CLAIMS, verdicts=VERDICTS, symbols=SYMBOLS)


def planted(view: View) -> str:
    """The page of planted faults, each with the change it is and what caught it.

    Args:
        view: from `parity.report.view.view`.

    Returns:
        HTML with its style inside.
    """
    return _template("faults").render(view=view, planted=PLANTED, margin=margin)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        finalize=_visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"breakable": _breakable, "command": _command, "prose": _prose}
    return environment


def _template(page: str) -> Template:
    return _environment().get_template(f"{page}.html.jinja")


def _visible(value: Any) -> Any:
    """Text of which all can be seen; lines stay lines."""
    return "\n".join(map(printable, value.split("\n"))) if type(value) is str else value


def _breakable(name: str) -> Markup:
    """A name that may be broken behind its underscores, so that narrow columns can hold it."""
    return escape(_visible(name)).replace("_", Markup("_<wbr>"))


def _prose(text: str) -> Markup:
    """A sentence whose `code` stands between backticks."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(_visible(text)))))


def _command(command: str) -> Markup:
    """A command that may be broken before an option and nowhere else; it is copied as it was."""
    program, *options = _visible(command).split(" --")
    return escape(program) + Markup("").join(Markup(" <span>--{}</span>").format(option) for option in options)
