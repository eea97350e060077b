"""What changed, on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from parity.diff.changes import Changes
from parity.diff.sections import Entry, Section, sections
from parity.report.escape import line
from parity.report.formatting import SYMBOLS, amount

SHOWN = 20  # rows of a table
IN_FULL = 3  # of what newly fails


def show(changes: Changes, console: Console) -> None:
    """Print all of it, worst last: that is what stays on the screen."""
    for section in reversed(sections(changes)):
        for part in _section(section):
            console.print(part, soft_wrap=isinstance(part, Text))
    mark, style = (SYMBOLS["failed"], "bold red") if changes.worse else (SYMBOLS["passed"], "bold green")
    console.print(Text(f"{mark} {line(changes.verdict)}", style=style), soft_wrap=True)


def _section(section: Section) -> Iterator[RenderableType]:
    yield Text(section.title, style="bold")
    if section.said:
        yield Text(line(section.said), style="dim")
    for entry in section.entries[:IN_FULL]:
        yield from _entry(entry)
    if rows := section.table(IN_FULL):
        yield _table(section.heads, rows[:SHOWN])
    if len(rows) > SHOWN:
        yield Text(f"  and {amount(len(rows) - SHOWN)} more", style="dim")
    yield Text()


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*(Text(line(cell)) for cell in row))
    return Padding(table, (0, 0, 0, 2))


def _entry(entry: Entry) -> Iterator[Text]:
    yield Text(f"  {SYMBOLS['failed']} {line(entry.head)}", style="red")
    yield from (Text(f"    {line(said)}") for said in entry.lines)
    yield Text(f"    again: {line(entry.command)}")
