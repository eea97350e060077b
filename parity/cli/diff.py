"""``parity diff``: compare two reports, of two versions, two machines or two days."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from parity import report
from parity.cli.terminal import console
from parity.diff import ReportDiff, compare_reports
from parity.diff.sections import Section, arrange_sections
from parity.errors import InputError
from parity.report import Report
from parity.report.formatting import SYMBOLS, amount
from parity.report.markdown_text import code_block, escape, one_line, table_head, table_row

TERMINAL_ROWS = 20  # of a table
TERMINAL_FAILURES = 3  # shown in full
MARKDOWN_ROWS = 40  # with all of them, a summary stays far below the megabyte that it may have
MARKDOWN_FAILURES = 10


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("old", metavar="OLD", help="the earlier report: a report.json, or its folder")
    parser.add_argument("new", metavar="NEW", help="the later report")
    parser.add_argument("--markdown", action="store_true", help="print Markdown, for a file or a job's summary")


def run(options: argparse.Namespace) -> int:
    """Compare and print; return 1 if something got worse."""
    diff = compare_reports(_read("OLD", options.old), _read("NEW", options.new))
    if options.markdown:
        print(render_markdown(diff), end="")
    else:
        print_diff(diff, console(140))
    return int(bool(diff.regressions))


def _read(argument: str, path: str) -> Report:
    try:
        return report.read(path)
    except InputError as error:
        raise InputError(error.argument.replace("report", argument, 1), *error.args[1:]) from error


def print_diff(diff: ReportDiff, console: Console) -> None:
    """Print a comparison, the worst last: that is what stays on the screen."""
    for section in reversed(arrange_sections(diff)):
        _print_section(section, console)
    _print(console, f"{_symbol(diff)} {diff.verdict}", "bold red" if diff.regressions else "bold green")


def _symbol(diff: ReportDiff) -> str:
    return SYMBOLS["failed" if diff.regressions else "passed"]


def _print_section(section: Section, console: Console) -> None:
    _print(console, section.title, "bold")
    if section.text:
        _print(console, section.text, "dim")
    for failure in section.failures[:TERMINAL_FAILURES]:
        _print(console, f"  {SYMBOLS['failed']} {failure.head}", "red")
        for line in (*failure.lines, f"reproduce: {failure.command}"):
            _print(console, f"    {line}")
    rows = section.table(TERMINAL_FAILURES)
    if rows:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for head in section.heads:
            table.add_column(head, overflow="fold")
        for row in rows[:TERMINAL_ROWS]:
            table.add_row(*(Text(one_line(cell)) for cell in row))
        console.print(Padding(table, (0, 0, 0, 2)))
    if len(rows) > TERMINAL_ROWS:
        _print(console, f"  and {amount(len(rows) - TERMINAL_ROWS)} more", "dim")
    console.print()


def _print(console: Console, text: str, style: str = "") -> None:
    console.print(Text(one_line(text), style=style), soft_wrap=True)


def render_markdown(diff: ReportDiff) -> str:
    """Render a comparison as Markdown that ends with a newline, the worst first."""
    parts = (line for section in arrange_sections(diff) for line in _markdown_section(section))
    return "\n".join([f"# Report comparison\n\n**{_symbol(diff)} {escape(diff.verdict)}**\n", *parts])


def _markdown_section(section: Section) -> Iterator[str]:
    yield f"## {escape(section.title)}\n"
    if section.text:
        yield f"{escape(section.text)}\n"
    for failure in section.failures[:MARKDOWN_FAILURES]:
        first, *others = failure.lines
        yield f"### {escape(failure.head)}\n\n{SYMBOLS['failed']} {escape(first)}\n"
        yield "".join(f"- {escape(line)}\n" for line in others)
        yield code_block(failure.command)
    rows = section.table(MARKDOWN_FAILURES)
    if rows:
        lines = (table_row(map(escape, row)) for row in rows[:MARKDOWN_ROWS])
        yield table_head(section.heads) + "".join(lines)
    if len(rows) > MARKDOWN_ROWS:
        yield f"and {amount(len(rows) - MARKDOWN_ROWS)} more\n"
