"""The report as Markdown, to be read as it is or in a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from parity.errors import printable
from parity.report.catches import caught_by
from parity.report.cells import Cell
from parity.report.groups import Group
from parity.report.table import Matrix
from parity.report.view import CLAIMS, PLANTED, QUESTION, RANDOM, READING, REFUSALS, TITLE, View
from parity.report.words import MEANINGS, SYMBOLS

ESCAPED = {letter: f"\\{letter}" for letter in "\\|*`[~"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
ESCAPED |= {"://": ":\\//", "www.": "www\\."}  # else a link on some pages
SPECIAL = re.compile("|".join(map(re.escape, ESCAPED)) + r"|(?<![^\W_])_|_(?![^\W_])")  # within a word, _ is one


def markdown(view: View) -> str:
    """The whole report.

    Args:
        view: from `parity.report.view.view`.

    Returns:
        Text that ends with a newline.
    """
    parts = (_top, _tables, _failures, _refusals, _divergences, _faults, _sweep, _skips, _contracts, _environment)
    return "\n".join(line for part in parts for line in part(view))


def _top(view: View) -> Iterator[str]:
    mark = SYMBOLS["failed" if view.failed else "passed"]
    failures = " — [the failures](#failures)" if view.failures else ""
    yield f"# {TITLE}\n\n{QUESTION}\n\n**{mark} {_text(view.verdict)}**{failures}\n"
    yield from _rows(["findings", ""], ([f"{symbol} {meaning}", count] for _, symbol, meaning, count in view.counts))
    yield from _rows(["", ""], view.facts)


def _tables(view: View) -> Iterator[str]:
    yield f"## Operations against contracts\n\n{_legend(view)}\n"
    for matrix in view.matrices:
        yield from _table(matrix)


def _legend(view: View) -> str:
    symbols = ", ".join(f"{symbol} {MEANINGS[status]}" for status, symbol in SYMBOLS.items())
    dtypes = view.matrices[0].dtypes if view.matrices else ()
    order = f"; two numbers are {_text(' · '.join(dtypes))}" if len(dtypes) > 1 else ""
    return f"A number is the worst elementwise score, in noise floors, and it holds{order}. {symbols}."


def _table(matrix: Matrix) -> Iterator[str]:
    yield f"### {_text(matrix.topic)}\n"
    heads = [f"{_text(column.contract)}<br>{column.allows}" for column in matrix.columns]
    rows = (
        [f"{_text(row.operation)}<br>{_text(f'{row.wing}.{row.variant}')}", *map(_cell, row.cells)]
        for row in matrix.rows
    )
    yield from _rows(["", *heads], rows, escape=False)
    yield from _list(f"{SYMBOLS['absent']} {_text(note)}" for note in matrix.footnotes)


def _cell(cell: Cell) -> str:
    some = f" {SYMBOLS['known']}" if cell.refuses_some else ""
    if cell.status == "failed":
        return f"**{cell.symbol} {cell.counts['failed']}**"
    return (" · ".join(cell.numbers) or cell.symbol).replace("<", "&lt;") + some


def _failures(view: View) -> Iterator[str]:
    if view.failures:
        yield "## Failures\n\nWorst first.\n"
        for place, group in enumerate(view.failures, 1):
            yield from _failure(place, group)


def _failure(place: int, group: Group) -> Iterator[str]:
    worst = group.worst
    yield f"### {place}. {_text(worst['operation'])}, {_text(group.subject)}: {_text(worst['contract'])}\n"
    yield f"{SYMBOLS['failed']} {_text(group.sentence)}\n"
    yield f"- seen in {_text(group.where)}"
    if group.measured:
        yield f"- {group.measured}"
    if group.others:
        yield f"- {_text(group.others)}"
    yield _block(worst["reproduce"])


def _block(command: str) -> str:
    """A command to be copied, in a fence that it cannot close."""
    line = _line(command)
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", line)), default=0))
    return f"\n{fence}sh\n{line}\n{fence}\n"


def _refusals(view: View) -> Iterator[str]:
    if view.refusals:
        yield f"## Known refusals\n\n{REFUSALS}\n"
        heads = ["operation", "variant", "why", "cases", "modes", "findings", "to see it again"]
        yield from _rows(heads, (_refusal(group) for group in view.refusals))


def _refusal(group: Group) -> list[str]:
    cases, modes = group.all("case"), group.all("mode")
    return [group.worst["operation"], group.subject, group.why, cases, modes, str(group.size), group.worst["reproduce"]]


def _divergences(view: View) -> Iterator[str]:
    if view.divergences:
        yield f"## Divergences and beliefs\n\n{CLAIMS}\n"
        yield from _list(f"{SYMBOLS['failed']} {_text(reason)}" for entry in view.stale for reason in _reasons(entry))
        rows = ([entry["name"], entry["verdict"], entry["claim"]] for _, topic in view.divergences for entry in topic)
        yield from _rows(["entry", "verdict", "claim"], rows)


def _reasons(entry: Mapping[str, Any]) -> list[str]:
    return [tried["reason"] for tried in entry["wings"].values() if tried["status"] == "failed"]


def _faults(view: View) -> Iterator[str]:
    if view.faults:
        yield f"## Planted faults\n\n{PLANTED}\n"
        yield from _list(
            f"{SYMBOLS['failed']} {_text(fault['name'])}: {_text(fault['reason'])}" for fault in view.survivors
        )
        yield from _rows(["contract", "faults caught", "by it alone"], view.catchers)
        rows = ([fault["name"], fault["what"], caught_by(fault)] for _, topic in view.faults for fault in topic)
        yield from _rows(["fault", "what", "caught by"], rows)


def _sweep(view: View) -> Iterator[str]:
    if view.swept:
        yield f"## Random cases\n\n{RANDOM}\n"
        yield from _list(
            f"{SYMBOLS['failed']} {_text(one['reason'])}: {_text(one['reproduce'])}" for one in view.alarms
        )
        columns = ["wing", "dtype", "checks", "failed", "scores", "largest element", "largest norm"]
        yield from _rows(columns, view.largest)
        yield from _rows(["operation", *columns[:5], "element", "norm"], view.swept)


def _skips(view: View) -> Iterator[str]:
    if view.skips:
        yield "## Skipped\n"
        rows = ([str(group.size), group.all("wing"), group.why] for group in view.skips)
        yield from _rows(["checks", "wings", "why"], rows)


def _contracts(view: View) -> Iterator[str]:
    yield "## The contracts\n"
    yield from _rows(["contract", "promise"], view.contracts)
    yield "## How to read a score\n"
    yield from (f"{paragraph}\n" for paragraph in READING)


def _environment(view: View) -> Iterator[str]:
    yield "## Environment\n"
    yield from _rows(["", ""], view.environment)


def _list(items: Iterable[str]) -> Iterator[str]:
    """A list, and an empty line after it: what follows is no part of it."""
    yield from (f"- {item}" for item in items)
    yield ""


def _rows(heads: Sequence[str], rows: Iterable[Sequence[str]], escape: bool = True) -> Iterator[str]:
    """A table, and an empty line after it."""
    yield f"| {' | '.join(heads)} |"
    yield f"|{' --- |' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(map(_text, row) if escape else row)} |"
    yield ""


def _text(text: str) -> str:
    """Text that Markdown and the HTML in it leave alone, where it does not begin a line."""
    return SPECIAL.sub(lambda found: ESCAPED.get(found[0], f"\\{found[0]}"), _line(text))


def _line(text: str) -> str:
    return printable(str(text).replace("\n", " "))
