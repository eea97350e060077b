"""Write text and tables as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

SPECIAL = re.compile(r"([\\*_<>|\[\]#~$])")


def escaped(text: str) -> str:
    r"""Escape what Markdown would interpret, but keep code between backticks.

    >>> escaped("`a_b` is 2*x_1")
    '`a_b` is 2\\*x\\_1'
    """
    parts = text.split("`")
    return "`".join(SPECIAL.sub(r"\\\1", part) if even % 2 == 0 else part for even, part in enumerate(parts))


def code(text: str) -> str:
    r"""Return text as code for a cell of a table.

    >>> code("a|b")
    '`a\\|b`'
    """
    return f"`{text}`".replace("|", "\\|") if text else ""


def fenced(text: str, language: str) -> str:
    """Return a block of code."""
    return f"```{language}\n{text}\n```\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table.

    >>> print(table(["a", "b"], [["1", "2"]]))
    | a | b |
    | --- | --- |
    | 1 | 2 |
    <BLANKLINE>
    """
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
