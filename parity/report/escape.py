"""Text from a record in Markdown: seen as it is, and no heading, link, tag, cell or fence of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from parity.errors import printable

ESCAPED = {letter: f"\\{letter}" for letter in "\\|*`[~"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
ESCAPED |= {"://": ":\\//", "www.": "www\\."}  # else a link on some pages
SPECIAL = re.compile("|".join(map(re.escape, ESCAPED)) + r"|(?<![^\W_])_|_(?![^\W_])")  # within a word, _ is one


def text(text: str) -> str:
    r"""Text that Markdown and the HTML in it leave alone, where it does not begin a line.

    >>> print(text("<b> of a|b, __init__ of snake_case"))
    &lt;b&gt; of a\|b, \_\_init\_\_ of snake_case
    """
    return SPECIAL.sub(lambda found: ESCAPED.get(found[0], f"\\{found[0]}"), line(text))


def line(text: str) -> str:
    """Text in one line that a terminal can print."""
    return printable(str(text).replace("\n", " "))


def block(command: str) -> str:
    """A command to be copied, in a fence that it cannot close."""
    one = line(command)
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", one)), default=0))
    return f"\n{fence}sh\n{one}\n{fence}\n"


def items(items: Iterable[str]) -> Iterator[str]:
    """A list, and an empty line after it: what follows is no part of it."""
    yield from (f"- {item}" for item in items)
    yield ""


def rows(heads: Sequence[str], rows: Iterable[Sequence[str]], escape: bool = True) -> Iterator[str]:
    """A table, and an empty line after it."""
    yield f"| {' | '.join(heads)} |"
    yield f"|{' --- |' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(map(text, row) if escape else row)} |"
    yield ""
