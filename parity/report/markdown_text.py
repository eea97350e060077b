"""Write Markdown: escape text, make tables and lists, and keep a document within a number of bytes.

GitHub does not show a job summary that is too long, so a report must not grow with the number of failures.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from parity.errors import printable

ELSEWHERE = "see index.html or report.json"
RESERVED = 200  # bytes kept free for the note about what was left out

ESCAPED = {letter: f"\\{letter}" for letter in "\\|*`[~"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
ESCAPED |= {"://": ":\\//", "www.": "www\\."}  # some pages turn addresses into links
SPECIAL = re.compile("|".join(map(re.escape, ESCAPED)) + r"|(?<![^\W_])_|_(?![^\W_])")  # inside a word, _ is literal


def one_line(text: str) -> str:
    """Return text as one line that a terminal can print."""
    return printable(str(text).replace("\n", " "))


def escape(text: str) -> str:
    r"""Escape text that does not begin a line, so that Markdown and its HTML show it as it is.

    >>> print(escape("<b> of a|b, __init__ of snake_case"))
    &lt;b&gt; of a\|b, \_\_init\_\_ of snake_case
    """
    return SPECIAL.sub(lambda match: ESCAPED.get(match[0], f"\\{match[0]}"), one_line(text))


def with_commands(text: str) -> str:
    r"""Escape a sentence, but for a command of ours between backticks.

    >>> print(with_commands("not `measured`, `parity report DIR --benchmarks FILE` measures"))
    not \`measured\`, `parity report DIR --benchmarks FILE` measures
    """
    commands = enumerate(re.split("`(parity [^`]+)`", one_line(text)))
    return "".join(f"`{part}`" if at % 2 else escape(part) for at, part in commands)


def code_block(command: str) -> str:
    """Return a command in a Markdown fence that it cannot close."""
    line = one_line(command)
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", line)), default=0))
    return f"\n{fence}sh\n{line}\n{fence}\n"


def table_head(heads: Sequence[str]) -> str:
    """Return the first two lines of a table."""
    return f"{table_row(heads)}|{' --- |' * len(heads)}\n"


def table_row(cells: Iterable[str]) -> str:
    """Return a line of a table; the cells are escaped already."""
    return f"| {' | '.join(cells)} |\n"


def size(text: str) -> int:
    """Return the size of a text in a file, in bytes."""
    return len(text.encode("utf-8", "backslashreplace"))


def shorten(text: str, longest: int) -> str:
    r"""Return a text as one printable line of at most ``longest`` characters.

    >>> shorten("one\ntwo", 80), shorten("x" * 100, 5)
    ('one two', 'xxx …')
    """
    line = one_line(text)
    return line if len(line) <= longest else f"{line[: longest - 2]} …"


@dataclass(frozen=True)
class Part:
    """A part of a text."""

    name: str  # of the items, where some are left out; trusted text. Empty for a part that is not counted
    items: Sequence[Any]  # only as many are rendered as there is space for
    render: Callable[[Any], str] = str
    head: str = ""
    tail: str = "\n"
    share: float = 1.0  # of the remaining space, so that something is left for the next

    def within(self, space: int) -> str:
        """Return the part with as many items as fit into a number of bytes; empty if none fits."""
        space = int(space * self.share) - size(self.head + self.tail) - RESERVED
        kept = []
        for text in map(self.render, self.items):
            space -= size(text)
            if space < 0:
                break
            kept.append(text)
        if not kept:
            return ""
        left_out = len(self.items) - len(kept)
        note = f"\nand {left_out} more {self.name}: {ELSEWHERE}\n" if left_out else ""
        return f"{self.head}{''.join(kept)}{note}{self.tail}"


def join_parts(parts: Sequence[Part], limit: int) -> str:
    r"""Join all parts that fit, in their order, and name at the end those that do not.

    >>> print(join_parts([Part("oranges", ["one orange\n"]), Part("apples", ["an apple\n"] * 300)], 1000))
    ... # doctest: +ELLIPSIS
    one orange
    <BLANKLINE>
    an apple
    ...
    and 2... more apples: see index.html or report.json
    <BLANKLINE>
    <BLANKLINE>
    """
    space = limit - size(_left_out(parts))
    texts: list[str] = []
    missing: list[Part] = []
    for part in parts:
        text = part.within(space)
        space -= size(text)
        texts.append(text)
        if not text:
            missing.append(part)
    return "".join(texts) + _left_out(missing)


def _left_out(parts: Iterable[Part]) -> str:
    """Name the parts that have something to count."""
    counts: Counter[str] = Counter()
    for part in parts:
        counts[part.name] += len(part.items) if part.name else 0
    names = ", ".join(f"{name} ({count})" for name, count in counts.items() if count)
    return f"Left out for lack of space: {names}; {ELSEWHERE}.\n" if names else ""
