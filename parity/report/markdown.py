"""The report as Markdown, for a job summary or a pull request: the worst first, and never more than fits there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from parity.checks.contracts import CONTRACTS
from parity.checks.result import sentence
from parity.report import escape
from parity.report.cells import ABSENT, Cell, Column
from parity.report.formatting import MEANINGS, SYMBOLS, number
from parity.report.groups import Group
from parity.report.table import Matrix, Row
from parity.report.truncation import Part, line, written
from parity.report.view import EXPECTED_FAILURES, QUESTION, TITLE, View

BUDGET = 60_000  # bytes; a job summary may have a megabyte, a comment 65 536 characters
LONGEST, COMMAND = 300, 1000  # characters of one text of the record, and of a command
MORE = "`index.html` beside this file has all of it: every cell, divergence and mutant; `report.json` is the record."
TOLD = ("python", "torch", "tensorflow", "keras", "seed")  # of the environment, in the first lines


def markdown(view: View, budget: int = BUDGET) -> str:
    """The whole report, or as much of it as fits, the most important first.

    Args:
        view: from `parity.report.view.view`.
        budget: how many bytes it may have, in UTF-8.

    Returns:
        Text that ends with a newline.
    """
    return written(list(_parts(view)), budget)


def _parts(view: View) -> Iterator[Part]:
    yield _between(_top(view))
    failures = map(_failure, range(1, len(view.failures) + 1), view.failures)
    yield _section("failures", view.failures, failures, "## Failures\n\nWorst first.\n\n", share=0.6)
    yield _listed("divergences that are not as described", "Stale divergences", _stale(view))
    yield _listed("mutants that were not killed", "Surviving mutants", list(map(_survivor, view.survivors)))
    yield _listed("false alarms", "False alarms", list(map(_alarm, view.alarms)))
    yield _between(f"## Operations against contracts\n\n{_legend()}\n\n")
    yield from map(_matrix, sorted(view.matrices, key=_holds))
    yield _section(
        "expected failures",
        view.expected_failures,
        map(_expected_failure, view.expected_failures),
        _expected_failures(view),
        folded=True,
    )
    skipped = _heads(["checks", "frameworks", "why"], "Skipped")
    yield _section("reasons for skipping", view.skips, map(_skip, view.skips), skipped)
    entries = [entry for _, topic in view.divergences for entry in topic]
    beliefs = _folded("Divergences and beliefs", entries)
    yield _section("divergences", entries, map(_entry, entries), beliefs, folded=True)
    yield _table("contracts", "Mutants", ["contract", "mutants killed", "by it alone"], view.killers)
    scores = ["framework", "dtype", "checks", "failed", "scores", "largest element", "largest norm"]
    yield _table("rows", "Random cases", scores, view.largest)
    yield _table("settings", "Environment", ["", ""], view.environment)


def _between(text: str) -> Part:
    return Part("", 1, [text], tail="")


def _section(
    name: str, things: Sequence[object], items: Iterable[str], head: str, *, folded: bool = False, share: float = 1.0
) -> Part:
    tail = "\n</details>\n\n" if folded else "\n"
    return Part(name, len(things), items, head, tail, share)


def _listed(name: str, title: str, items: list[str]) -> Part:
    return _section(name, items, (f"- {SYMBOLS['failed']} {item}\n" for item in items), f"## {title}\n\n", share=0.6)


def _table(name: str, title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Part:
    return _section(name, rows, map(_row, rows), _heads(heads, title))


def _heads(heads: Sequence[str], title: str = "") -> str:
    return f"{f'## {title}' if title else ''}\n\n| {' | '.join(heads)} |\n|{' --- |' * len(heads)}\n"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(map(_text, cells))} |\n"


def _folded(title: str, things: Sequence[object]) -> str:
    """A heading, and what can be opened below it."""
    return f"## {title}\n\n<details><summary>{len(things)}</summary>\n\n"


def _top(view: View) -> str:
    mark = SYMBOLS["failed" if view.failed else "passed"]
    counts = " · ".join(f"{symbol} {meaning} {count}" for _, symbol, meaning, count in view.counts)
    settings = dict(view.environment)
    told = [(name, settings[name]) for name in TOLD if name in settings]
    facts = "".join(f"- {_text(name)}: {_text(said)}\n" for name, said in [*view.facts[:8], ("with", _joined(told))])
    return f"# {TITLE}\n\n{QUESTION}\n\n**{mark} {_text(view.verdict)}**\n\nFindings: {counts}\n\n{facts}\n{MORE}\n\n"


def _joined(pairs: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{name} {line(said, 40)}" for name, said in pairs)


def _failure(place: int, group: Group) -> str:
    worst = group.worst
    heading = f"{_text(worst['operation'])}, {_text(group.subject)}: {_text(worst['contract'])}"
    said = [f"### {place}. {heading}\n", f"{SYMBOLS['failed']} {_sentence(worst)}\n"]
    said += [f"- {text}" for text in (group.measured, _text(group.others)) if text]
    return "\n".join([*said, _block(worst["reproduce"])])


def _sentence(result: Mapping[str, Any]) -> str:
    """What is wrong, from a result whose every text is short."""
    short = {name: line(value, LONGEST) if isinstance(value, str) else value for name, value in result.items()}
    return _text(sentence(short), 10 * LONGEST)


def _block(command: str) -> str:
    """A command to be copied; a very long one is to be found elsewhere."""
    whole = escape.line(command)
    said = whole if len(whole) <= COMMAND else f"# a command of {len(whole)} characters: report.json has it"
    return f"{escape.block(said)}\n"


def _stale(view: View) -> list[str]:
    tried = (tried for entry in view.stale for tried in entry["frameworks"].values())
    return [_text(one["reason"]) for one in tried if one["status"] == "failed"]


def _survivor(mutant: Mapping[str, Any]) -> str:
    return f"{_text(mutant['name'])} ({_text(mutant['what'])}): {_text(mutant['reason'])}"


def _alarm(result: Mapping[str, Any]) -> str:
    return f"{_sentence(result)}: {_text(result['reproduce'], COMMAND)}"


def _legend() -> str:
    symbols = ", ".join(f"{symbol} {MEANINGS[status]}" for status, symbol in SYMBOLS.items())
    return f"A number is the worst score of what holds, in noise floors; its limit stands in the head. {symbols}."


def _holds(matrix: Matrix) -> bool:
    """Whether a topic has no failure; those that have one come first."""
    return not any(map(_fails, matrix.rows))


def _fails(row: Row) -> bool:
    return any(cell.status == "failed" for cell in row.cells)


def _matrix(matrix: Matrix) -> Part:
    fail, rows = sum(map(_fails, matrix.rows)), len(matrix.rows)
    summary = f"{fail} of {rows} variants fail" if fail else f"{rows} variants"
    fold = f"<details{' open' if fail else ''}><summary>{summary}</summary>"
    tried = [at for at in range(len(matrix.columns)) if any(row.cells[at].status != ABSENT for row in matrix.rows)]
    head = f"### {_text(matrix.topic)}\n\n{fold}{_heads(['', *(_head(matrix.columns[at]) for at in tried)])}"
    items = (_variant(row, [row.cells[at] for at in tried]) for row in matrix.rows)
    return Part("variants", rows, items, head, "\n</details>\n\n")


def _head(column: Column) -> str:
    """A contract's name, in words that a narrow column can break."""
    name = column.contract.replace("_", " ") if column.contract in CONTRACTS else _text(column.contract)
    return f"{name} ({column.allows})" if column.allows else name


def _variant(row: Row, cells: Iterable[Cell]) -> str:
    name = f"{_text(row.operation)} {_text(f'{row.framework}.{row.variant}')}"
    return f"| {name} | {' | '.join(map(_cell, cells))} |\n"


def _cell(cell: Cell) -> str:
    if cell.status == "failed":
        return f"**{cell.symbol} {cell.counts['failed']}**"
    scores = [score for score in cell.scores if score is not None] if cell.numbers else []
    shown = number(max(scores)).replace("<", "&lt;") if scores else cell.symbol
    return f"{shown} {SYMBOLS['xfailed']}" if cell.has_expected_failures else shown


def _expected_failures(view: View) -> str:
    heads = ["operation", "variant", "why", "cases", "modes", "results", "to see it again"]
    return f"{_folded('Expected failures', view.expected_failures)}{EXPECTED_FAILURES}{_heads(heads)}"


def _expected_failure(group: Group) -> str:
    of_all = (group.why, group.all("case"), group.all("mode"), str(group.size), group.worst["reproduce"])
    return _row([group.worst["operation"], group.subject, *of_all])


def _skip(group: Group) -> str:
    return _row([str(group.size), group.all("framework"), group.why])


def _entry(entry: Mapping[str, Any]) -> str:
    return f"- {_text(entry['name'])}: {_text(entry['claim'])} ({_text(entry['verdict'])})\n"


def _text(text: str, most: int = LONGEST) -> str:
    """Text that Markdown leaves alone, and not for pages."""
    return escape.text(line(text, most))
