"""The report as one page that needs nothing else: no font, no connection, and of scripts only its own."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from parity.divergences.entry import VERDICTS
from parity.errors import printable
from parity.picture import BINS
from parity.report.bundle import bundle
from parity.report.catches import margin
from parity.report.view import CLAIMS, PLANTED, QUESTION, RANDOM, READING, REFUSALS, TITLE, View
from parity.report.words import MEANINGS, SYMBOLS

FOLDER = Path(__file__).parent / "page"
SCRIPTS = ("findings", "theme", "matrix", "draw", "dialog", "start")


def html(view: View) -> str:
    """The whole page.

    Args:
        view: from `parity.report.view.view`.

    Returns:
        HTML with its style, its script and all findings inside. Of scripts, a browser runs this one only.
    """
    script = _script()
    return (
        _environment()
        .get_template("index.html.jinja")
        .render(
            view=view,
            sections=view.sections,
            title=TITLE,
            question=QUESTION,
            reading=READING,
            refusals=REFUSALS,
            claims=CLAIMS,
            verdicts=VERDICTS,
            planted=PLANTED,
            random=RANDOM,
            margin=margin,
            symbols=SYMBOLS,
            meanings=MEANINGS,
            bundle=bundle(view.matrices, BINS),
            script=Markup(script),
            script_hash=_digest(script),
        )
    )


@cache
def _script() -> str:
    return "\n" + "\n".join((FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)


def _digest(script: str) -> str:
    """As a content security policy names the one script that may run."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        finalize=_visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"anchor": _anchor, "breakable": _breakable, "command": _command, "prose": _prose}
    return environment


def _visible(value: Any) -> Any:
    """Text of which all can be seen; lines stay lines."""
    return "\n".join(map(printable, value.split("\n"))) if type(value) is str else value


def _anchor(name: str) -> str:
    """A name that an address can end with."""
    return re.sub(r"[^\w.\-]+", "-", name)


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
