"""Templates of pages and of parts of them: text from a record is escaped, and all of it can be seen."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from parity.errors import printable


def rendered(name: str, **shown: Any) -> Markup:
    """A template of the page, filled in."""
    return Markup(_environment().get_template(f"{name}.html.jinja").render(**shown))


def visible(value: Any) -> Any:
    """Text of which all can be seen; lines stay lines."""
    return "\n".join(map(printable, value.split("\n"))) if type(value) is str else value


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "page"),
        autoescape=True,
        finalize=visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
