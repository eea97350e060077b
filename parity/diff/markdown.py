"""What changed, as Markdown for a job's summary or a pull request."""

from __future__ import annotations

from collections.abc import Iterator

from parity.diff.changes import Changes
from parity.diff.sections import Entry, Section, sections
from parity.report.escape import block, items, rows, text
from parity.report.formatting import SYMBOLS, amount

SHOWN = 40  # rows of a table: with all of them, a summary stays far below the megabyte that it may have
IN_FULL = 10  # of what newly fails


def markdown(changes: Changes) -> str:
    """All of it, worst first.

    Returns:
        Text that ends with a newline.
    """
    mark = SYMBOLS["failed" if changes.worse else "passed"]
    parts = (line for section in sections(changes) for line in _section(section))
    return "\n".join([f"# What changed\n\n**{mark} {text(changes.verdict)}**\n", *parts])


def _section(section: Section) -> Iterator[str]:
    yield f"## {text(section.title)}\n"
    if section.said:
        yield f"{text(section.said)}\n"
    for entry in section.entries[:IN_FULL]:
        yield from _entry(entry)
    if table := section.table(IN_FULL):
        yield from rows(section.heads, table[:SHOWN])
    if len(table) > SHOWN:
        yield f"and {amount(len(table) - SHOWN)} more\n"


def _entry(entry: Entry) -> Iterator[str]:
    first, *others = entry.lines
    yield f"### {text(entry.head)}\n\n{SYMBOLS['failed']} {text(first)}\n"
    yield from items(map(text, others))
    yield block(entry.command)
