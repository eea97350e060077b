"""A text of no more than so many bytes, whatever goes into it: what matters most comes first, and whole or not at all.

A job summary that is too long is not shown at all, and a report must not grow with what went wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from parity.report import escape

WHERE = "see index.html or report.json"
NOTE = 200  # bytes kept free to say what was left out


@dataclass(frozen=True)
class Part:
    """A part of a text.

    Attributes:
        name: what its items are, where some are left out; words of ours, not of the record. Empty for a text between.
        count: how many items there are.
        items: their text; no more of them is asked for than there is room for.
        head, tail: what stands before and behind them.
        share: how much of the room that is left it may take, so that something is left for the next.
    """

    name: str
    count: int
    items: Iterable[str]
    head: str = ""
    tail: str = "\n"
    share: float = 1.0

    def within(self, room: int) -> str:
        """The part with as many items as fit into a number of bytes; empty if not one does."""
        room = int(room * self.share) - size(self.head + self.tail) - NOTE
        kept = list(_fitting(self.items, room))
        if not kept:
            return ""
        left_out = self.count - len(kept)
        note = f"\nand {left_out} more {self.name}: {WHERE}\n" if left_out else ""
        return f"{self.head}{''.join(kept)}{note}{self.tail}"


def _fitting(items: Iterable[str], room: int) -> Iterator[str]:
    for item in items:
        room -= size(item)
        if room < 0:
            return
        yield item


def written(parts: Sequence[Part], budget: int) -> str:
    r"""All parts that fit, in their order, and in the end which do not.

    >>> print(written([Part("oranges", 1, ["one orange\n"]), Part("apples", 300, ["an apple\n"] * 300)], 1000))
    ... # doctest: +ELLIPSIS
    one orange
    <BLANKLINE>
    an apple
    ...
    and 2... more apples: see index.html or report.json
    <BLANKLINE>
    <BLANKLINE>
    """
    names = [f"{part.name} ({part.count})" for part in parts if part.name and part.count]
    room = budget - size(_missing(names))
    texts: list[str] = []
    missing: list[str] = []
    for part in parts:
        text = part.within(room)
        room -= size(text)
        texts.append(text)
        if part.name and part.count and not text:
            missing.append(f"{part.name} ({part.count})")
    return "".join(texts) + _missing(missing)


def _missing(names: Iterable[str]) -> str:
    named = ", ".join(names)
    return f"Left out, for there is no room: {named}; {WHERE}.\n" if named else ""


def size(text: str) -> int:
    """In bytes, as it is written to a file."""
    return len(text.encode("utf-8", "backslashreplace"))


def line(text: str, most: int) -> str:
    r"""Text in one line that hides nothing, and is no longer than ``most`` characters.

    >>> line("one\ntwo", 80), line("x" * 100, 5)
    ('one two', 'xxx …')
    """
    seen = escape.line(text)
    return seen if len(seen) <= most else f"{seen[: most - 2]} …"
